# SPDX-License-Identifier: MIT
"""Rooms: coming, talking, going (XEP-0045 7)."""

import pytest

from muc import OCCUPANT, STANZA_ID, codes, create, enter, item, new_room, rank, Occupant
from raw import condition
from xmlstream import qname


@pytest.mark.quick
def test_create_join_talk_leave(alice, bob):
    """7.2, 7.4, 7.14, 10.1.2"""
    a = create(alice, "firstwitch")
    assert rank(a.self_presence) == ("owner", "moderator")
    assert codes(a.self_presence) == [110, 201]
    b = enter(bob, a.room, "secondwitch")
    assert list(b.others) == ["firstwitch"] and b.subject == "" and not b.history
    assert codes(b.self_presence) == [110]
    assert rank(b.self_presence) == ("none", "participant")
    seen = a.sees("secondwitch")
    assert rank(seen) == ("none", "participant") and item(seen).get("jid") == b.client.jid
    id_ = b.say("Thrice the brinded cat hath mew'd.")
    for who in (a, b):
        m = who.hears("Thrice the brinded cat hath mew'd.")
        assert (m.get("id"), m.get("from"), m.get("to")) == (id_, b.jid, who.client.jid)
        assert m.find(STANZA_ID).get("by") == a.room
        assert len(m.findall(OCCUPANT + "occupant-id")) == 1
    gone = b.leave("gone where the goblins go")
    assert rank(gone) == ("none", "none") and codes(gone) == [110]
    seen = a.sees("secondwitch", "unavailable")
    assert rank(seen) == ("none", "none") and codes(seen) == []
    assert seen.findtext(qname("status")) == "gone where the goblins go"


# -- 7.2 coming in


def test_7_2_1_without_a_nickname(alice):
    a = create(alice)
    client = alice.ready()
    client.send("<presence to='%s'><x xmlns='http://jabber.org/protocol/muc'/></presence>" % a.room)
    assert condition(client.wait("presence", type="error", from_=a.room)) == (
        "modify", "jid-malformed")


def test_7_2_1_without_saying_so(alice, bob):
    """Presence for somebody who is not there brings nobody in, and says so (7.2.18)."""
    a = create(alice)
    b = bob.ready()
    b.send("<presence to='%s/b'/>" % a.room)
    told = b.wait("presence", type="unavailable", from_=a.room + "/b")
    assert codes(told) == [110, 307, 333] and rank(told) == ("none", "none")


def test_7_2_1_a_second_time(alice, bob):
    """Whoever is there already is shown everything again."""
    a = create(alice)
    b = enter(bob, a.room, "b")
    a.sees("b")
    b.join(before="<show>away</show>")
    assert list(b.others) == ["owner"] and codes(b.self_presence) == [110]
    assert a.sees("b").findtext(qname("show")) == "away"


def test_7_2_2_others_first(alice, account):
    a = create(alice, "n0")
    for i in range(1, 5):
        o = enter(account(), a.room, "n%d" % i)
        assert sorted(o.others) == ["n%d" % k for k in range(i)]
        a.sees("n%d" % i)


@pytest.mark.parametrize("whois", ["anyone", "moderators"])
def test_7_2_3_addresses(alice, bob, account, whois):
    a = create(alice, whois=whois)
    b = enter(bob, a.room, "b")
    known = whois == "anyone"
    assert (100 in codes(b.self_presence)) == known
    assert (item(b.others["owner"]).get("jid") == a.client.jid) == known
    assert item(a.sees("b")).get("jid") == b.client.jid
    c = enter(account(), a.room, "c")
    assert item(b.sees("c")).get("jid") == (c.client.jid if known else None)
    assert item(a.sees("c")).get("jid") == c.client.jid


def test_7_2_5_password(alice, bob):
    a = create(alice, passwordprotectedroom=1, roomsecret="cauldron<burn")
    b = Occupant(bob.ready(), a.room, "b")
    assert condition(b.refused()) == ("auth", "not-authorized")
    assert condition(b.refused("<password>cauldronburn</password>"))[1] == "not-authorized"
    b.join("<password>cauldron&lt;burn</password>")


def test_7_2_6_members_only(alice, bob):
    a = create(alice, membersonly=1)
    b = Occupant(bob.ready(), a.room, "b")
    assert condition(b.refused()) == ("auth", "registration-required")
    assert a.affiliate(bob, "member").get("type") == "result"
    b.join()
    assert rank(b.self_presence) == ("member", "participant")


def test_7_2_7_banned(alice, bob):
    a = create(alice)
    assert a.affiliate(bob, "outcast").get("type") == "result"
    assert condition(Occupant(bob.ready(), a.room, "b").refused()) == ("auth", "forbidden")


def test_7_2_8_name_in_use(alice, bob, account):
    a = create(alice, "same")
    assert condition(Occupant(bob.ready(), a.room, "same").refused()) == ("cancel", "conflict")
    assert a.affiliate(account(), "member", nick="kept").get("type") == "result"
    assert condition(Occupant(bob.ready(), a.room, "kept").refused()) == ("cancel", "conflict")


def test_7_2_8_two_devices(alice, bob):
    """One name, two devices: both get everything; one may go."""
    a = create(alice)
    b1 = enter(bob, a.room, "b")
    a.sees("b")
    b2 = enter(bob, a.room, "b", before="<status>second</status>")
    assert a.sees("b").findtext(qname("status")) == "second"
    assert b1.sees("b").findtext(qname("status")) == "second"
    a.say("to both")
    for o in (a, b1, b2):
        o.hears("to both")
    b2.leave()
    assert a.sees("b").get("type") is None
    b1.say("still here")
    a.hears("still here")
    assert b1.barrier()
    assert not b1.client.taken("presence", type="unavailable")
    assert not b2.client.taken("message")


def test_7_2_9_full(alice, bob, account):
    """A small one; see test_muc_full.py for a hundred."""
    a = create(alice, maxusers=2)
    b = enter(bob, a.room, "b")
    c = account()
    refused = Occupant(c.ready(), a.room, "c").refused()
    assert condition(refused) == ("wait", "service-unavailable")
    enter(bob, a.room, "b")  # one person more is not there
    assert a.affiliate(c, "admin").get("type") == "result"
    enter(c, a.room, "c")
    assert b.sees("c")


def test_7_2_10_locked(alice, bob):
    a = Occupant(alice.ready(), new_room(), "a").join()
    assert codes(a.self_presence) == [110, 201]
    b = Occupant(bob.ready(), a.room, "b")
    assert condition(b.refused()) == ("cancel", "item-not-found")
    b.client.send("<message to='%s' type='groupchat'><body>x</body></message>" % a.room)
    assert condition(b.client.wait("message", type="error"))[1] == "item-not-found"
    assert a.configure().get("type") == "result"
    b.join()


def test_7_2_12_logging(alice, bob):
    a = create(alice, enablelogging=1, whois="anyone")
    assert codes(enter(bob, a.room, "b").self_presence) == [100, 110, 170]


def test_names(alice, bob):
    """What is no name; and one that has all sorts of characters."""
    a = create(alice)
    b = Occupant(bob.ready(), a.room, "x" * 201)
    assert condition(b.refused())[1] == "not-acceptable"
    b.nick = "b & <'> \u2603"
    b.join()
    assert nick_in(a, b.nick)
    b.say("hello")
    assert a.hears("hello").get("from") == b.jid


def nick_in(o, nick):
    return o.sees(nick) is not None


# -- 7.4 messages


def test_7_4_who_may_not(alice, bob):
    a = create(alice, moderatedroom=1)
    b = Occupant(bob.ready(), a.room, "b")
    b.say("from outside", id="o1")
    assert condition(b.client.wait("message", type="error", id="o1")) == (
        "modify", "not-acceptable")
    b.join()
    assert rank(b.self_presence) == ("none", "visitor")
    b.say("no voice", id="o2")
    assert condition(b.client.wait("message", type="error", id="o2")) == ("auth", "forbidden")
    b.client.send("<message to='%s' type='chat' id='o3'><body>x</body></message>" % a.room)
    assert condition(b.client.wait("message", type="error", id="o3"))[1] == "bad-request"
    assert a.barrier() and not a.client.taken("message")


def test_7_4_nothing_forged(alice, bob):
    a = create(alice)
    b = enter(bob, a.room, "b")
    b.say("clean", inside=(
        "<x xmlns='http://jabber.org/protocol/muc#user'><status code='301'/></x>"
        "<x xmlns='http://jabber.org/protocol/muc#user'><item jid='x@y'/></x>"
        "<stanza-id xmlns='urn:xmpp:sid:0' by='%s' id='forged'/>"
        "<stanza-id xmlns='urn:xmpp:sid:0' by='other.example' id='theirs'/>"
        "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/>"
        "<delay xmlns='urn:xmpp:delay' from='%s' stamp='2001-01-01T00:00:00Z'/>"
        "<keep xmlns='urn:example'><deep a='1'/></keep>" % (a.room, a.room)))
    for o in (a, b):
        m = o.hears("clean")
        assert m.find("{http://jabber.org/protocol/muc#user}x") is None
        ids = {i.get("by"): i.get("id") for i in m.iter(STANZA_ID)}
        assert set(ids) == {a.room, "other.example"} and ids[a.room] != "forged"
        assert [i.get("id") for i in m.iter(OCCUPANT + "occupant-id")] != ["forged"]
        assert m.find("{urn:xmpp:delay}delay") is None
        assert m.find("{urn:example}keep") is not None


def test_occupant_ids(alice, bob, account):
    """Stable for an account in a room, another one in another room (XEP-0421)."""
    def id_of(stanza):
        return stanza.find(OCCUPANT + "occupant-id").get("id")
    a, other = create(alice), create(alice)
    b = enter(bob, a.room, "b")
    first = id_of(a.sees("b"))
    assert id_of(b.self_presence) == first
    b.say("me")
    assert id_of(a.hears("me")) == first
    b.leave()
    assert id_of(enter(bob, a.room, "again").self_presence) == first
    assert id_of(enter(bob, other.room, "b").self_presence) != first
    assert id_of(enter(account(), a.room, "c").self_presence) != first


def test_language(alice, bob):
    a = create(alice)
    b = enter(bob, a.room, "b")
    b.client.send("<message to='%s' type='groupchat' xml:lang='de'><body>hallo</body></message>"
                  % a.room)
    assert a.hears("hallo").get("{http://www.w3.org/XML/1998/namespace}lang") == "de"


def test_not_so_fast(make_account, own_server):
    server = own_server(settings={"muc": {"messages_per_second": 1}})
    a = create(make_account(server))
    for i in range(20):
        a.say("m%d" % i, id="fast%d" % i)
    error = a.client.wait("message", type="error")
    assert condition(error) == ("wait", "resource-constraint") and error.get("id") != "fast0"


def test_not_so_fast_by_coming_back(make_account, own_server):
    """Nobody gets more by leaving."""
    server = own_server(settings={"muc": {"messages_per_second": 1}})
    alice, bob = make_account(server), make_account(server)
    a = create(alice)
    b = enter(bob, a.room, "b")
    message = "<message to='%s' type='groupchat'><body>x</body></message>" % a.room
    b.client.send(message * 20 + "<presence to='%s' type='unavailable'/>" % b.jid)
    b.send_join()
    b.sees("b", "unavailable")
    error = b.client.wait("presence", from_=b.jid, type="error")
    assert condition(error) == ("wait", "resource-constraint")
    assert a.sees("b") is not None and a.sees("b", "unavailable") is not None


def test_last_words_are_bounded(alice, bob):
    a = create(alice)
    b = enter(bob, a.room, "b")
    b.client.send("<presence to='%s' type='unavailable'><status>%s</status></presence>"
                  % (b.jid, "x" * 20000))
    for o in (a, b):
        gone = o.sees("b", "unavailable")
        assert gone.find(qname("status")) is None and rank(gone) == ("none", "none")


# -- 8.1 the subject


def test_8_1_subject(alice, bob, account):
    a = create(alice)
    b = enter(bob, a.room, "b")
    b.set_subject("mine")
    assert condition(b.client.wait("message", type="error")) == ("auth", "forbidden")
    a.set_subject("Fire Burn & Cauldron Bubble!")
    for o in (a, b):
        m = o.client.wait("message", child="subject")
        assert m.findtext(qname("subject")) == "Fire Burn & Cauldron Bubble!"
        assert m.get("from") == a.jid
    c = enter(account(), a.room, "c")
    assert c.subject == "Fire Burn & Cauldron Bubble!" and not c.history
    a.set_subject("")
    for o in (a, c):
        o.client.wait("message", child="subject")
    assert enter(account(), a.room, "d").subject == ""
    # with a body it is a message
    b.client.send("<message to='%s' type='groupchat'><subject>no</subject><body>talk</body>"
                  "</message>" % a.room)
    a.hears("talk")
    assert enter(account(), a.room, "e").subject == ""
    assert a.configure(changesubject=1).get("type") == "result"
    b.set_subject("free")
    assert a.client.wait("message", child="subject").get("from") == b.jid


# -- 7.5 private messages


def test_7_5_private(alice, bob, account):
    a = create(alice)
    b, c = enter(bob, a.room, "b"), enter(account(), a.room, "c")
    id_ = b.client.message(a.jid, "psst")
    m = a.client.wait("message", id=id_)
    assert (m.get("from"), m.get("to"), m.get("type")) == (b.jid, a.client.jid, "chat")
    xs = m.findall("{http://jabber.org/protocol/muc#user}x")
    assert len(xs) == 1 and len(xs[0]) == 0
    assert m.find(OCCUPANT + "occupant-id") is not None
    assert [s for s in m.iter(STANZA_ID) if s.get("by") == a.room] == []
    assert c.barrier() and not c.client.taken("message")
    b.client.message(a.jid, "no", type="groupchat", id="p1")
    assert condition(b.client.wait("message", id="p1", type="error")) == ("modify", "bad-request")
    b.client.message(a.room + "/nobody", "no", id="p2")
    assert condition(b.client.wait("message", id="p2", type="error")) == (
        "cancel", "item-not-found")
    stranger = account().ready()
    stranger.message(a.jid, "no", id="p3")
    assert condition(stranger.wait("message", id="p3", type="error"))[1] == "not-acceptable"


@pytest.mark.parametrize("who,may", [("participants", True), ("moderators", False),
                                     ("none", False)])
def test_7_5_who_may(alice, bob, who, may):
    a = create(alice, allowpm=who)
    b = enter(bob, a.room, "b")
    id_ = b.client.message(a.jid, "psst")
    if may:
        a.client.wait("message", id=id_)
    else:
        assert condition(b.client.wait("message", id=id_, type="error")) == ("auth", "forbidden")


# -- 7.6, 7.7 names and availability


def test_7_6_change_of_name(alice, bob):
    a = create(alice)
    b = enter(bob, a.room, "oldhag")
    a.sees("oldhag")
    b.client.send("<presence to='%s/thirdwitch'><status>new</status></presence>" % a.room)
    for o in (a, b):
        gone = o.sees("oldhag", "unavailable")
        assert item(gone).get("nick") == "thirdwitch"
        assert codes(gone) == ([303] if o is a else [110, 303])
        there = o.sees("thirdwitch")
        assert codes(there) == ([] if o is a else [110])
        assert there.findtext(qname("status")) == "new"
    b.nick = "thirdwitch"
    b.client.send("<presence to='%s'/>" % a.jid)
    assert condition(b.client.wait("presence", type="error", from_=a.jid)) == (
        "cancel", "conflict")
    assert b.barrier()


def test_7_7_change_of_availability(alice, bob):
    a = create(alice)
    b = enter(bob, a.room, "b")
    a.sees("b")
    b.client.send("<presence to='%s'><show>xa</show><status>gone</status>"
                  "<x xmlns='http://jabber.org/protocol/muc#user'><item role='moderator'/></x>"
                  "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='forged'/></presence>" % b.jid)
    for o in (a, b):
        p = o.sees("b")
        assert p.findtext(qname("show")) == "xa" and rank(p) == ("none", "participant")
        assert len(p.findall("{http://jabber.org/protocol/muc#user}x")) == 1
        assert [i.get("id") for i in p.iter(OCCUPANT + "occupant-id")] != ["forged"]


# -- 7.14 going; ghosts


@pytest.mark.parametrize("how", ["unavailable", "end", "cut"])
def test_7_14_gone_with_the_session(alice, bob, how):
    a = create(alice)
    b = enter(bob, a.room, "b")
    a.sees("b")
    if how == "unavailable":
        b.client.send("<presence type='unavailable'><status>bye</status></presence>")
    elif how == "end":
        b.client.end()
    else:
        b.client.cut()
    gone = a.sees("b", "unavailable")
    assert rank(gone) == ("none", "none")
    if how == "unavailable":
        assert gone.findtext(qname("status")) == "bye"


def test_gone_by_an_error(alice, bob):
    """18.1.3, 17.1: an error of delivery puts out, another one does not."""
    a = create(alice)
    b = enter(bob, a.room, "b")
    a.sees("b")
    error = ("<message to='%s' type='error'><error type='cancel'>"
             "<%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>")
    b.client.send(error % (a.jid, "feature-not-implemented"))
    assert b.barrier()
    b.client.send(error % (a.jid, "recipient-unavailable"))
    gone = a.sees("b", "unavailable")
    assert codes(gone) == [333]
    assert codes(b.sees("b", "unavailable")) == [110, 333]
    assert not b.barrier()


def test_doubt(alice, bob):
    """service-unavailable may mean that somebody blocks one occupant: who answers stays."""
    a = create(alice)
    b = enter(bob, a.room, "b")
    a.sees("b")
    unavailable = ("<message to='%s' type='error'><error type='cancel'><service-unavailable"
                   " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>" % a.jid)
    b.client.send(unavailable)
    ping = b.client.wait("iq", type="get", from_=a.room)
    b.client.send("<iq type='result' id='%s' to='%s'/>" % (ping.get("id"), a.room))
    assert b.barrier()


# -- requests through the room


def test_self_ping(alice, bob):
    """XEP-0410"""
    a = create(alice)
    b = Occupant(bob.ready(), a.room, "b")
    answer = b.client.iq("get", "<ping xmlns='urn:xmpp:ping'/>", b.jid)
    assert condition(answer) == ("cancel", "not-acceptable")
    b.join()
    assert b.client.iq("get", "<ping xmlns='urn:xmpp:ping'/>", b.jid).get("type") == "result"
    b.leave()
    answer = b.client.iq("get", "<ping xmlns='urn:xmpp:ping'/>", b.jid)
    assert condition(answer) == ("cancel", "not-acceptable")


def test_request_through_the_room(alice, bob, account):
    """Neither learns the other's address."""
    a = create(alice)
    b = enter(bob, a.room, "b")
    b.client.send("<iq type='get' id='q1' to='%s'><query xmlns='jabber:iq:version'/></iq>" % a.jid)
    asked = a.client.wait("iq", type="get", from_=b.jid)
    assert asked.get("id") != "q1" and bob.jid not in str(asked.attrib)
    a.client.send("<iq type='result' id='%s' to='%s'><query xmlns='jabber:iq:version'>"
                  "<name>x</name></query></iq>" % (asked.get("id"), b.jid))
    answer = b.client.wait("iq", type="result", id="q1")
    assert answer.get("from") == a.jid and len(answer) == 1
    b.client.send("<iq type='get' id='q2' to='%s'><query xmlns='jabber:iq:version'/></iq>" % a.jid)
    asked = a.client.wait("iq", type="get", from_=b.jid)
    stanzas = "urn:ietf:params:xml:ns:xmpp-stanzas"
    a.client.send("<iq type='error' id='%s' to='%s'><query xmlns='jabber:iq:version'/>"
                  "<error type='cancel' by='%s'><gone xmlns='%s'>xmpp:%s</gone>"
                  "<text xmlns='%s'>why</text><x xmlns='urn:own'>%s</x></error></iq>"
                  % (asked.get("id"), b.jid, alice.jid, stanzas, alice.jid, stanzas, alice.jid))
    answer = b.client.wait("iq", type="error", id="q2")
    assert condition(answer) == ("cancel", "gone") and answer.get("from") == a.jid
    assert answer.findtext(".//{%s}text" % stanzas) == "why"
    for element in answer.iter():
        assert alice.jid not in "%s %s" % (element.text, list(element.attrib.values()))
    stranger = account().ready()
    answer = stranger.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", a.jid)
    assert condition(answer)[1] == "bad-request"
    answer = b.client.iq("get", "<query xmlns='jabber:iq:version'/>", a.room + "/nobody")
    assert condition(answer)[1] == "item-not-found"
