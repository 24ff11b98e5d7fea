# SPDX-License-Identifier: MIT
"""Rooms: hats (XEP-0317)."""

from muc import Occupant, codes, create, enter
from raw import condition, fresh
from xmlstream import qname

COMMANDS = "{http://jabber.org/protocol/commands}"
HATS = "{urn:xmpp:hats:0}"
DATA = "{jabber:x:data}"
FORMS = "urn:xmpp:hats:commands"
TEACHER = "http://tech.example.edu/hats#Teacher"
OLD_HATS = "{xmpp:prosody.im/protocol/hats:1}"
FORGED = ("<hats xmlns='urn:xmpp:hats:0'><hat title='King' uri='urn:king'/></hats>"
          "<hats xmlns='xmpp:prosody.im/protocol/hats:1'><hat title='King' id='k'/></hats>")


def run(o, node, **fields):
    """One step: with fields the form is submitted at once, as 0317 allows."""
    form = "".join("<field var='hats#%s'><value>%s</value></field>" % f for f in fields.items())
    if fields:
        form = ("<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>%s</value>"
                "</field>%s</x>" % (FORMS, form))
    return o.client.iq("set", "<command xmlns='http://jabber.org/protocol/commands' node='%s:%s'"
                       " action='execute'>%s</command>" % (FORMS, node, form), o.room)


def done(answer):
    return answer.get("type") == "result" and answer.find(COMMANDS + "command").get("status") == "completed"


def rows(answer):
    return [{f.get("var").split("#")[1]: f.findtext(DATA + "value") or ""
             for f in item.findall(DATA + "field")} for item in answer.iter(DATA + "item")]


def worn(presence):
    assert len(presence.findall(HATS + "hats")) <= 1
    assert presence.find(OLD_HATS + "hats") is None  # which the room never says
    return [(h.get("uri"), h.get("title"), h.get("hue")) for h in presence.iter(HATS + "hat")]


def told_104(o):
    return o.client.wait_for(lambda e: getattr(e, "tag", None) == qname("message")
                             and e.get("from") == o.room and codes(e) == [104], "status 104")


def hats_hash(o):
    answer = o.client.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", o.room)
    assert "urn:xmpp:hats:0" in [f.get("var") for f in answer[0]]
    return [f.findtext(DATA + "value") for f in answer.iter(DATA + "field")
            if f.get("var") == "hats#hash"]


def test_life_of_a_hat(alice, bob, account):
    a = create(alice)
    b = enter(bob, a.room, "b")
    a.sees("b")
    assert not hats_hash(a)
    assert done(run(a, "create", uri=TEACHER, title="Teacher", hue="327.25"))
    told_104(a), told_104(b)
    before = hats_hash(b)
    assert len(before) == 1
    assert done(run(a, "assign", uri=TEACHER, jid=bob.jid))
    for o in (a, b):
        assert worn(o.sees("b")) == [(TEACHER, "Teacher", "327.25")]
    c = enter(account(), a.room, "c")
    assert worn(c.others["b"]) and not worn(c.others["owner"])
    assert rows(run(c, "list")) == [{"jid": "", "uri": TEACHER, "title": "Teacher", "hue": "327.25"}]
    assert rows(run(a, "list-assigned"))[0]["jid"] == bob.jid
    # changed for all who wear it
    assert done(run(a, "create", uri=TEACHER, title="Tutor"))
    assert worn(c.sees("b")) == [(TEACHER, "Tutor", None)] and hats_hash(b) != before
    assert done(run(a, "unassign", uri=TEACHER, jid=bob.jid))
    assert not worn(c.sees("b"))
    assert done(run(a, "assign", uri=TEACHER, jid=bob.jid))
    assert worn(c.sees("b"))
    assert done(run(a, "destroy", uri=TEACHER))
    assert not worn(c.sees("b")) and not rows(run(a, "list")) and not hats_hash(a)


def test_forms(alice):
    """What somebody is asked who sends no form, and that a cancelled one changes nothing."""
    a = create(alice)
    answer = run(a, "create").find(COMMANDS + "command")
    assert answer.get("status") == "executing" and answer.get("sessionid")
    assert [f.get("var") for f in answer.iter(DATA + "field")] == [
        "FORM_TYPE", "hats#title", "hats#uri", "hats#hue"]
    assert done(run(a, "create", uri=TEACHER, title="Teacher"))
    answer = run(a, "assign")
    assert [o.findtext(DATA + "value") for o in answer.iter(DATA + "option")] == [TEACHER]
    answer = a.client.iq("set", "<command xmlns='http://jabber.org/protocol/commands' node='%s:destroy'"
                         " action='cancel' sessionid='s'/>" % FORMS, a.room)
    command = answer.find(COMMANDS + "command")
    assert command.get("status") == "canceled" and command.get("sessionid") == "s"
    assert len(rows(run(a, "list"))) == 1


def test_owners_only(alice, bob, account):
    a = create(alice)
    assert done(run(a, "create", uri=TEACHER, title="Teacher"))
    b = enter(bob, a.room, "b")
    assert a.affiliate(bob, "admin").get("type") == "result"
    for o in (b, Occupant(account().ready(), a.room, "outside")):
        assert condition(run(o, "create", uri="urn:x", title="x"))[1] == "forbidden"
        assert condition(run(o, "assign", uri=TEACHER, jid=bob.jid))[1] == "forbidden"
        assert condition(run(o, "destroy", uri=TEACHER))[1] == "forbidden"
        assert condition(run(o, "list-assigned"))[1] == "forbidden"
        items = o.client.iq("get", "<query xmlns='http://jabber.org/protocol/disco#items' node="
                            "'http://jabber.org/protocol/commands'/>", a.room)
        assert [i.get("node") for i in items[0]] == [FORMS + ":list"]
    a.configure(membersonly=1)
    assert condition(run(Occupant(account().ready(), a.room, "x"), "list"))[1] == "forbidden"
    assert not rows(run(a, "list-assigned"))


def test_forged(alice, bob):
    """Who says that he wears one does not, in presence, messages and private ones."""
    a = create(alice)
    b = enter(bob, a.room, "b", before=FORGED)
    assert not worn(a.sees("b")) and not worn(b.self_presence)
    b.client.send("<presence to='%s'>%s<show>away</show></presence>" % (b.jid, FORGED))
    seen = a.sees("b")
    assert seen.findtext(qname("show")) == "away" and not worn(seen)
    b.say("hello", inside=FORGED)
    assert not worn(a.hears("hello"))
    b.client.send("<message to='%s' type='chat' id='%s'><body>psst</body>%s</message>"
                  % (a.jid, fresh("pm"), FORGED))
    assert not worn(a.client.wait("message", type="chat", from_=b.jid))


def test_mistakes(alice):
    a = create(alice)
    for fields in ({"uri": "urn:x"}, {"title": "x"}, {"uri": "no colon", "title": "x".strip()},
                   {"uri": "urn:x", "title": "x", "hue": "361"},
                   {"uri": "urn:x", "title": "x", "hue": "1.2.3"},
                   {"uri": "urn:x", "title": "x" * 101}, {"uri": "urn:" + "x" * 500, "title": "x"}):
        assert condition(run(a, "create", **fields))[1] in ("bad-request", "not-acceptable"), fields
    assert condition(run(a, "assign", uri="urn:none", jid=alice.jid))[1] == "bad-request"
    assert condition(run(a, "assign", uri="urn:none", jid="@"))[1] in ("bad-request", "not-acceptable")
    assert condition(run(a, "other", uri="urn:x", title="x"))[1] == "item-not-found"
    assert not rows(run(a, "list"))


def test_bound(alice):
    a = create(alice)
    for i in range(32):
        assert done(run(a, "create", uri="urn:hat:%d" % i, title="%d" % i))
    assert condition(run(a, "create", uri="urn:hat:32", title="one more"))[1] == "resource-constraint"
    assert done(run(a, "create", uri="urn:hat:5", title="changed"))
    assert len(rows(run(a, "list"))) == 32


def test_kept(own_server, make_account):
    server = own_server()
    alice = make_account(server)
    a = create(alice, persistentroom=1)
    assert done(run(a, "create", uri=TEACHER, title="Teach&apos;er &amp; &lt;co>"))
    assert done(run(a, "assign", uri=TEACHER, jid=alice.jid))
    server.restart()
    a = Occupant(alice.ready(), a.room, "again").join()
    assert worn(a.self_presence) == [(TEACHER, "Teach'er & <co>", None)]
