# SPDX-License-Identifier: MIT
"""Rooms: what was said before (XEP-0045 7.2.13 to 7.2.15, XEP-0313), and what is taken back."""

import xml.etree.ElementTree as ET

import pytest

from muc import DELAY, OCCUPANT, STANZA_ID, USER, Occupant, create, enter
from raw import condition, fresh
from xmlstream import qname

MAM = "{urn:xmpp:mam:2}"
RETRACT = "{urn:xmpp:message-retract:1}"
MODERATE = "{urn:xmpp:message-moderate:1}"
OK = "result"


def bodies(messages):
    return [m.findtext(qname("body")) for m in messages]


def said(o, n, of="m%d"):
    """n messages, heard by who has said them; their ids in the log."""
    ids = []
    for i in range(n):
        o.say(of % i)
        ids.append(o.hears(of % i).find(STANZA_ID).get("id"))
    return ids


def query(client, room, inside="", rsm=""):
    """The messages in a page of the room's archive, and the end of the page."""
    id_ = fresh("q")
    if rsm:
        rsm = "<set xmlns='http://jabber.org/protocol/rsm'>%s</set>" % rsm
    if inside:
        inside = ("<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
                  "<value>urn:xmpp:mam:2</value></field>%s</x>" % inside)
    answer = client.iq("set", "<query xmlns='urn:xmpp:mam:2' queryid='%s'>%s%s</query>"
                       % (id_, inside, rsm), room)
    results = [m.find(MAM + "result") for m in client.taken("message", from_=room)
               if m.find(MAM + "result") is not None]
    return answer, [r for r in results if r.get("queryid") == id_]


def inner(result):
    return result.find("{urn:xmpp:forward:0}forwarded").find(qname("message"))


def test_7_2_13_history(alice, bob):
    a = create(alice)
    ids = said(a, 24)
    b = enter(bob, a.room, "b")
    assert bodies(b.history) == ["m%d" % i for i in range(4, 24)]
    for m, id_ in zip(b.history, ids[4:]):
        assert m.get("from") == a.jid and m.get("to") == b.client.jid
        assert m.find(DELAY).get("from") == a.room and m.find(DELAY).get("stamp")
        assert [s.get("id") for s in m.findall(STANZA_ID)] == [id_]
        assert len(m.findall(OCCUPANT + "occupant-id")) == 1
    a.say("live")
    assert b.hears("live").find(DELAY) is None


@pytest.mark.parametrize("limit,expected", [
    ("maxstanzas='3'", 3), ("maxstanzas='0'", 0), ("maxstanzas='1000'", 10), ("maxchars='0'", 0),
    ("seconds='3600'", 10), ("seconds='0'", 0), ("since='2001-01-01T00:00:00Z'", 10),
    ("since='2999-01-01T00:00:00Z'", 0), ("maxstanzas='5' seconds='3600'", 5),
    ("maxstanzas='junk'", 10), ("seconds='99999999999999999999999'", 10),
])
def test_7_2_14_limits(alice, bob, limit, expected):
    a = create(alice)
    said(a, 10)
    b = enter(bob, a.room, "b", "<history %s/>" % limit)
    assert bodies(b.history) == ["m%d" % i for i in range(10 - expected, 10)]


def test_7_2_14_characters(alice, bob):
    """Whole messages only, as many as fit, the newest."""
    a = create(alice)
    said(a, 3)
    a.say("x" * 5000)
    a.hears("x" * 5000)
    said(a, 3, "n%d")
    b = enter(bob, a.room, "b", "<history maxchars='4000'/>")
    assert bodies(b.history) == ["n0", "n1", "n2"]
    b.leave()
    b.join("<history maxchars='1'/>")
    assert not b.history


def test_7_2_14_since(alice, bob):
    a = create(alice)
    said(a, 3)
    b = enter(bob, a.room, "b")
    stamps = [m.find(DELAY).get("stamp") for m in b.history]
    b.leave()
    b.join("<history since='%s'/>" % stamps[1])
    assert bodies(b.history) == ["m%d" % i for i in range(3) if stamps[i] >= stamps[1]]


def test_room_limit(alice, bob):
    a = create(alice, **{"muc#maxhistoryfetch": 2})
    said(a, 5)
    assert bodies(enter(bob, a.room, "b").history) == ["m3", "m4"]


@pytest.mark.parametrize("inside,kept", [
    ("<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>", True),
    ("<reactions xmlns='urn:xmpp:reactions:0' id='x'><reaction>y</reaction></reactions>", True),
    ("<store xmlns='urn:xmpp:hints'/>", True),
    ("<received xmlns='urn:xmpp:receipts' id='x'/>", False),
    ("<received xmlns='urn:xmpp:chat-markers:0' id='x'/>", False),
    ("<body>b</body><no-permanent-store xmlns='urn:xmpp:hints'/>", False),
])
def test_kept(alice, inside, kept):
    """The table is that of chats, but for what every occupant of a large room says."""
    a = create(alice)
    a.client.send("<message to='%s' type='groupchat' id='k'>%s</message>" % (a.room, inside))
    m = a.client.wait("message", from_=a.jid)
    assert (m.find(STANZA_ID) is not None) == kept
    assert len(query(a.client, a.room)[1]) == kept


def test_not_kept(alice, bob):
    """Chat states and what must not be stored reach those who are there only."""
    a = create(alice)
    b = enter(bob, a.room, "b")
    b.client.send("<message to='%s' type='groupchat'><composing"
                  " xmlns='http://jabber.org/protocol/chatstates'/></message>" % a.room)
    m = a.client.wait("message", from_=b.jid)
    assert m.find(STANZA_ID) is None
    b.say("secret", inside="<no-store xmlns='urn:xmpp:hints'/>")
    assert a.hears("secret").find(STANZA_ID) is None
    b.client.message(a.jid, "private")
    a.client.wait("message", child="body")
    again = enter(bob, a.room, "b")
    assert not again.history and not query(again.client, a.room)[1]


def test_room_that_keeps_nothing(alice, bob):
    a = create(alice, enablearchiving=0)
    a.say("gone")
    assert a.hears("gone").find(STANZA_ID) is None
    assert not enter(bob, a.room, "b").history


# -- the archive


def test_archive(alice, bob):
    a = create(alice, persistentroom=1)
    ids = said(a, 5)
    b = bob.ready()
    answer, results = query(b, a.room)
    assert answer.get("type") == OK and [r.get("id") for r in results] == ids
    assert bodies(map(inner, results)) == ["m%d" % i for i in range(5)]
    for r in results:
        assert inner(r).get("from") == a.jid and inner(r).get("type") == "groupchat"
    answer, results = query(b, a.room, rsm="<max>2</max><after>%s</after>" % ids[1])
    assert [r.get("id") for r in results] == ids[2:4]
    info = b.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", a.room)
    assert "urn:xmpp:mam:2" in {f.get("var") for f in info.iter(qname("info:feature"))}
    form = b.iq("get", "<query xmlns='urn:xmpp:mam:2'/>", a.room)
    assert "with" in {f.get("var") for f in form.iter("{jabber:x:data}field")}


def test_archive_is_for_who_could_enter(alice, bob, account):
    friend = account()
    a = create(alice, membersonly=1)
    assert a.affiliate(friend, "member").get("type") == OK
    said(a, 1)
    b = bob.ready()
    assert condition(query(b, a.room)[0]) == ("auth", "forbidden")
    assert len(query(friend.ready(), a.room)[1]) == 1
    assert a.configure(membersonly=0).get("type") == OK
    assert len(query(b, a.room)[1]) == 1
    assert a.configure(passwordprotectedroom=1, roomsecret="x").get("type") == OK
    assert condition(query(b, a.room)[0]) == ("auth", "forbidden")
    assert a.configure(passwordprotectedroom=0).get("type") == OK
    assert a.affiliate(bob, "outcast").get("type") == OK
    assert condition(query(b, a.room)[0]) == ("auth", "forbidden")
    assert condition(query(b, "nowhere@conference.localhost")[0])[1] == "item-not-found"


def test_archive_of_a_room_not_in_memory(make_account, own_server):
    server = own_server()
    alice = make_account(server)
    a = create(alice, persistentroom=1)
    ids = said(a, 3)
    server.kill()
    server.start()
    client = alice.ready()
    answer, results = query(client, a.room)
    assert answer.get("type") == OK and [r.get("id") for r in results] == ids
    again = Occupant(client, a.room, "again").join()
    assert bodies(again.history) == ["m0", "m1", "m2"]
    assert again.history[0].find(STANZA_ID).get("id") == ids[0]


def test_private_messages_are_the_users_own(alice, bob):
    """They are with an occupant, in the archives of the two accounts."""
    a = create(alice)
    b = enter(bob, a.room, "b")
    id_ = b.client.message(a.jid, "psst")
    a.client.wait("message", id=id_)
    assert not query(a.client, a.room)[1]


# -- taken back


def test_retraction(alice, bob, account):
    a = create(alice)
    b = enter(bob, a.room, "b")
    id_ = said(b, 1)[0]
    a.hears("m0")
    retract = "<retract xmlns='urn:xmpp:message-retract:1' id='%s'/><body>taken back</body>"
    a.client.send("<message to='%s' type='groupchat' id='r1'>%s</message>"
                  % (a.room, retract % id_))
    assert condition(a.client.wait("message", type="error", id="r1")) == ("auth", "forbidden")
    b.client.send("<message to='%s' type='groupchat' id='r2'>%s</message>"
                  % (a.room, retract % id_))
    for o in (a, b):
        m = o.client.wait("message", id="r2")
        assert m.find(RETRACT + "retract").get("id") == id_ and m.get("type") == "groupchat"
    # A subject with it is no way around the rules.
    subject = retract.replace("body>", "subject>")
    a.client.send("<message to='%s' type='groupchat' id='r3'>%s</message>"
                  % (a.room, subject % id_))
    assert condition(a.client.wait("message", type="error", id="r3")) == ("auth", "forbidden")
    first = inner(query(a.client, a.room)[1][0])
    assert first.find(qname("body")) is None and first.find(RETRACT + "retracted") is not None
    assert "m0" not in bodies(enter(account(), a.room, "c").history)


def test_moderation(alice, bob, account):
    """XEP-0425"""
    a = create(alice)
    b, c = enter(bob, a.room, "b"), enter(account(), a.room, "c")
    id_ = said(b, 1)[0]
    ask = ("<moderate xmlns='urn:xmpp:message-moderate:1' id='%s'>"
           "<retract xmlns='urn:xmpp:message-retract:1'/><reason>inappropriate</reason></moderate>")
    assert condition(c.client.iq("set", ask % id_, a.room)) == ("auth", "forbidden")
    assert condition(a.client.iq("set", ask % "none", a.room))[1] == "item-not-found"
    assert a.client.iq("set", ask % id_, a.room).get("type") == OK
    for o in (a, b, c):
        m = o.client.wait_for(lambda e: getattr(e, "tag", None) == qname("message")
                              and e.find(RETRACT + "retract") is not None, "the moderation")
        assert m.get("from") == a.room and m.get("type") == "groupchat"
        told = m.find(RETRACT + "retract")
        assert told.get("id") == id_ and told.findtext(RETRACT + "reason") == "inappropriate"
        assert told.find(MODERATE + "moderated").get("by") == a.jid
        assert told.find(MODERATE + "moderated").find(OCCUPANT + "occupant-id") is not None
    first = inner(query(a.client, a.room)[1][0])
    assert first.find(qname("body")) is None, ET.tostring(first)
    tombstone = first.find(RETRACT + "retracted")
    assert tombstone.find(MODERATE + "moderated") is not None
    info = a.client.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", a.room)
    assert "urn:xmpp:message-moderate:1" in {f.get("var") for f in info.iter(qname("info:feature"))}


# -- members who are not there


def test_invitation_counts_as_message(alice, bob):
    """It is stored for who is away (mod_archive keeps it), as the room's message."""
    a = create(alice)
    a.client.send("<message to='%s'><x xmlns='%s'><invite to='%s'/></x></message>"
                  % (a.room, USER[1:-1], bob.jid))
    assert a.barrier()
    assert not a.client.taken("message", type="error")
