# SPDX-License-Identifier: MIT
"""Rooms: what is bounded there. What needs the time to pass is in replay/scripts/muc-*.txt."""

import pytest

from muc import MUC, codes, create, enter
from raw import condition


def test_slow_mode(alice, bob):
    """XEP-0500: in the forms, refused in words that a user understands, and owners may."""
    a = create(alice)
    b = enter(bob, a.room, "b")
    for bad in ("-1", "1.5", "86401", "often"):
        assert condition(a.configure(slow_mode_duration=bad))[1] == "not-acceptable"
    assert a.configure(slow_mode_duration=3600).get("type") == "result"
    assert 104 in codes(b.client.wait("message", from_=a.room))
    assert b.say("one") and a.hears("one") is not None
    b.say("two")
    error = b.client.wait("message", type="error", from_=a.room)
    assert condition(error) == ("wait", "policy-violation")
    text = "".join(t.text for t in error.iter("{urn:ietf:params:xml:ns:xmpp-stanzas}text"))
    assert "3600 seconds" in text
    a.say("owner one")
    a.say("owner two")
    assert b.hears("owner two") is not None
    # what is sent to one is not said to all
    b.client.send("<message to='%s' type='chat'><body>psst</body></message>" % a.jid)
    a.client.wait("message", type="chat", from_=b.jid)
    info = a.client.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", a.room)
    field = [f for f in info.iter("{jabber:x:data}field")
             if f.get("var") == "muc#roominfo_slow_mode_duration"]
    assert [v.text for v in field[0]] == ["3600"]


OWNER = "<query xmlns='%s#owner'>%%s</query>" % MUC
DATA = "{jabber:x:data}"


def read_form(owner):
    """The form as a client sends it back: names, with their values."""
    answer = owner.client.iq("get", OWNER % "", owner.room)
    assert answer.get("type") == "result"
    return {f.get("var"): [v.text or "" for v in f.findall(DATA + "value")]
            for f in answer.iter(DATA + "field")}


def send_form(owner, fields):
    text = "".join("<field var='%s'>%s</field>" % (
        var, "".join("<value>%s</value>" % v for v in values)) for var, values in fields.items())
    return owner.client.iq("set", OWNER % (
        "<x xmlns='jabber:x:data' type='submit'>%s</x>" % text), owner.room)


def jids(owner, affiliation):
    return [i["jid"] for i in owner.listed(affiliation=affiliation)]


def test_10_2_form_of_300_admins_sent_back(alice):
    """Nobody is lost when the form is sent back as it is, or with one more."""
    a = create(alice)
    many = sorted("a%03d@example.org" % i for i in range(300))
    for n in range(0, 300, 100):
        assert a.admin("set", *[dict(jid=jid, affiliation="admin") for jid in many[n:n + 100]]
                       ).get("type") == "result"
    form = read_form(a)
    assert sorted(form["muc#roomconfig_roomadmins"]) == many
    assert send_form(a, form).get("type") == "result"
    assert jids(a, "admin") == many and jids(a, "owner") == [alice.jid]
    form["muc#roomconfig_roomadmins"].append("b@example.org")
    assert send_form(a, form).get("type") == "result"
    assert jids(a, "admin") == many + ["b@example.org"]
    # a field that is not there says nothing
    assert a.configure(roomname="new").get("type") == "result"
    assert len(jids(a, "admin")) == 301


@pytest.mark.parametrize("blank", [[], [""]])
def test_10_2_empty_lists(alice, bob, blank):
    """They are the full lists (10.3, 10.6): without admins there are none, without owners no room."""
    a = create(alice, roomadmins=[bob.jid])
    assert jids(a, "admin") == [bob.jid]
    refused = a.configure(roomowners=blank, roomname="no")
    assert condition(refused) == ("cancel", "conflict")
    assert a.configure(roomname="yes").get("type") == "result"
    assert jids(a, "owner") == [alice.jid] and jids(a, "admin") == [bob.jid]
    assert a.configure(roomadmins=blank).get("type") == "result"
    assert jids(a, "admin") == [] and jids(a, "member") == [bob.jid]


def test_10_2_who_is_on_both_lists(alice, bob, account):
    friend = account()
    a = create(alice)
    assert a.configure(roomowners=[alice.jid, bob.jid], roomadmins=[bob.jid, friend.jid]
                       ).get("type") == "result"
    assert jids(a, "owner") == sorted([alice.jid, bob.jid]) and jids(a, "admin") == [friend.jid]
    # an owner stays one where only admins are named
    assert a.configure(roomadmins=[bob.jid]).get("type") == "result"
    assert jids(a, "owner") == sorted([alice.jid, bob.jid]) and jids(a, "admin") == []


def test_10_2_nobody_s_presence(alice, bob):
    """Lists of roles can be empty, too, and stay so."""
    a = create(alice, presencebroadcast=[], getmemberlist=[], persistentroom=1)
    form = read_form(a)
    assert form["muc#roomconfig_presencebroadcast"] == form["muc#roomconfig_getmemberlist"] == []
    assert not enter(bob, a.room, "b").others


# -- lists


def register(client, room, nick):
    return client.iq(
        "set", "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'>"
        "<field var='FORM_TYPE'><value>%s#register</value></field>"
        "<field var='muc#register_roomnick'><value>%s</value></field></x></query>" % (MUC, nick),
        room)


def test_registration_fills_half_of_the_list(own_server, make_account):
    """Then it is full for those who come by themselves; who is on it may still choose another name."""
    server = own_server(settings={"muc": {"max_affiliations": 10}})
    a = create(make_account(server))  # the first entry
    clients = [make_account(server).ready() for _ in range(5)]
    for i, client in enumerate(clients[:4]):
        assert register(client, a.room, "n%d" % i).get("type") == "result"
    assert condition(register(clients[4], a.room, "n4")) == ("wait", "resource-constraint")
    for name in ("other", "third", "n0"):
        assert register(clients[0], a.room, name).get("type") == "result"
    assert condition(register(clients[1], a.room, "n0")) == ("cancel", "conflict")
    assert len(a.listed(affiliation="member")) == 4
    # a name that was given back is free, and so is the place
    assert clients[0].iq("set", "<query xmlns='jabber:iq:register'><remove/></query>",
                         a.room).get("type") == "result"
    assert register(clients[4], a.room, "n0").get("type") == "result"


@pytest.mark.parametrize("affiliation", ["member", "outcast", "admin", "owner"])
def test_each_list_is_bounded(own_server, make_account, affiliation):
    """By the form, too; nothing of what does not fit is done."""
    server = own_server(settings={"muc": {"max_affiliations": 10}})
    a = create(make_account(server))
    own = a.listed(affiliation="owner") if affiliation == "owner" else []
    many = ["x%d@example.org" % i for i in range(10)]
    refused = a.admin("set", *[dict(jid=jid, affiliation=affiliation) for jid in many])
    assert condition(refused) == ("wait", "resource-constraint")
    if affiliation in ("admin", "owner"):
        field = "room%ss" % affiliation
        refused = a.configure(**{field: many + [i["jid"] for i in own]})
        # as many values as can be on the list are read, and one of them is there already
        assert condition(refused)[1] in ("resource-constraint", "not-acceptable")
    assert a.listed(affiliation=affiliation) == own
    fits = a.admin("set", *[dict(jid=jid, affiliation=affiliation) for jid in many[:9]])
    assert fits.get("type") == "result"
    assert len(a.listed(affiliation=affiliation)) == 9 + len(own)


# -- jackdawctl


def test_ctl_says_how_a_room_is(server, alice, bob):
    a = create(alice, roomname="A room", slow_mode_duration=60)
    empty = server.ctl_json("room", "info", a.room)
    assert "last" not in empty and empty["kept"] == "0"
    first = enter(bob, a.room, "b")
    enter(bob, a.room, "b")
    assert a.affiliate("x@example.org", "outcast").get("type") == "result"
    first.say("one")
    first.hears("one")
    info = server.ctl_json("room", "info", a.room)
    assert (info["title"], info["occupants"], info["slow_mode"]) == ("A room", "2", "60")
    assert (info["owners"], info["admins"], info["members"], info["outcasts"]) == (
        "1", "0", "0", "1")
    assert info["kept"] == "1" and info["last"].startswith("20")
    assert info["people"] == [
        {"nick": "owner", "jid": alice.jid, "affiliation": "owner", "role": "moderator",
         "devices": "1"},
        {"nick": "b", "jid": bob.jid, "affiliation": "none", "role": "participant",
         "devices": "2"}]
    # not for others, be they owners
    answer = a.client.iq("get", "<query xmlns='urn:jackdaw:room'/>", a.room)
    assert condition(answer)[1] == "service-unavailable"
