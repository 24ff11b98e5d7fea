# SPDX-License-Identifier: MIT
"""Rooms: made, configured, destroyed (XEP-0045 10), and found (6)."""

import pytest

from muc import MUC, USER, Occupant, codes, create, enter, item, new_room, rank
from raw import condition
from xmlstream import qname

DATA = "{jabber:x:data}"
OWNER = "<query xmlns='%s#owner'>%%s</query>" % MUC
INFO = "<query xmlns='http://jabber.org/protocol/disco#info'%s/>"
ITEMS = "<query xmlns='http://jabber.org/protocol/disco#items'>%s</query>"
OK = "result"


def fields(answer):
    return {f.get("var"): [v.text for v in f.findall(DATA + "value")]
            for f in answer.iter(DATA + "field")}


def features(answer):
    return {f.get("var") for f in answer.iter(qname("info:feature"))}


def items(client, host, inside=""):
    answer = client.iq("get", ITEMS % inside, host)
    return {i.get("jid"): i.get("name") for i in answer.iter(qname("items:item"))}


# -- 10.1 making


def test_10_1_3_reserved(alice, bob):
    a = Occupant(alice.ready(), new_room(), "a").join()
    assert codes(a.self_presence) == [110, 201]
    answer = a.client.iq("get", OWNER % "", a.room)
    form_ = fields(answer)
    assert form_["FORM_TYPE"] == [MUC + "#roomconfig"]
    assert form_["muc#roomconfig_roomowners"] == [alice.jid]
    assert form_["muc#roomconfig_maxusers"] == ["100"]
    options = [o.findtext(DATA + "value") for f in answer.iter(DATA + "field")
               if f.get("var") == "muc#roomconfig_maxusers" for o in f.findall(DATA + "option")]
    assert options == ["10", "20", "30", "50", "100"]
    assert a.configure(roomname="A <Dark> Cave", membersonly=1, maxusers=30, lang="en",
                       roomadmins=[bob.jid], persistentroom=1).get("type") == OK
    form_ = fields(a.client.iq("get", OWNER % "", a.room))
    assert form_["muc#roomconfig_roomname"] == ["A <Dark> Cave"]
    assert form_["muc#roomconfig_maxusers"] == ["30"]
    assert form_["muc#roomconfig_roomadmins"] == [bob.jid]
    b = enter(bob, a.room, "b")
    assert rank(b.self_presence) == ("admin", "moderator")


def test_10_1_3_cancelled(alice):
    a = Occupant(alice.ready(), new_room(), "a").join()
    cancel = OWNER % "<x xmlns='jabber:x:data' type='cancel'/>"
    assert a.client.iq("set", cancel, a.room).get("type") == OK
    gone = a.sees("a", "unavailable")
    assert gone.find(USER + "x").find(USER + "destroy") is not None
    assert rank(gone) == ("none", "none")
    assert condition(a.client.iq("get", INFO % "", a.room))[1] == "item-not-found"


def test_10_1_left_before_it_was_configured(alice, bob):
    a = Occupant(alice.ready(), new_room(), "a").join()
    a.leave()
    b = enter(bob, a.room, "b")
    assert codes(b.self_presence) == [110, 201] and rank(b.self_presence) == ("owner", "moderator")


def test_10_1_1_who_may(make_account, own_server):
    server = own_server(settings={"muc": {"create": "admin"}})
    a = Occupant(make_account(server).ready(), new_room(), "a")
    assert condition(a.refused()) == ("cancel", "not-allowed")


def test_10_1_1_users_of_the_host(server, make_account):
    """Users of another host enter rooms, and make their own where they belong."""
    other = make_account(server, host=[h for h in server.hosts if h != "localhost"][0])
    here, there = new_room(), new_room(other.host)
    assert condition(Occupant(other.ready(), here, "a").refused()) == ("cancel", "not-allowed")
    a = create(other, "a", there)
    enter(make_account(server), a.room, "b")


def test_rooms_per_user(make_account, own_server):
    server = own_server(settings={"muc": {"rooms_per_user": 2}})
    alice, bob = make_account(server), make_account(server)
    first, _ = create(alice), create(alice)
    third = Occupant(alice.ready(), new_room(), "a")
    assert condition(third.refused()) == ("wait", "resource-constraint")
    create(bob)
    first.leave()  # it was not persistent
    third.join()


# -- 10.2 configuring


def test_10_2_who_may(alice, bob):
    a = create(alice)
    b = enter(bob, a.room, "b")
    assert condition(b.client.iq("get", OWNER % "", a.room)) == ("auth", "forbidden")
    assert condition(b.configure(roomname="mine")) == ("auth", "forbidden")


@pytest.mark.parametrize("bad", [
    {"maxusers": 101}, {"maxusers": 0}, {"maxusers": "none"}, {"whois": "everybody"},
    {"muc#maxhistoryfetch": 101}, {"membersonly": "perhaps"}, {"passwordprotectedroom": 1},
    {"roomowners": ["@"]},
])
def test_10_2_what_is_not_accepted(alice, bad):
    a = create(alice)
    before = fields(a.client.iq("get", OWNER % "", a.room))
    assert condition(a.configure(**bad))[1] == "not-acceptable"
    assert fields(a.client.iq("get", OWNER % "", a.room)) == before


def test_10_2_no_form(alice):
    a = create(alice)
    for inside in ("", "<x xmlns='jabber:x:data' type='form'/>", "<other xmlns='urn:x'/>"):
        assert condition(a.client.iq("set", OWNER % inside, a.room))[1] == "bad-request"
    cancel = OWNER % "<x xmlns='jabber:x:data' type='cancel'/>"
    assert a.client.iq("set", cancel, a.room).get("type") == OK
    assert a.barrier()


def test_10_2_password_stays(alice, bob):
    """It is not shown, and a form without it does not change it."""
    a = create(alice, passwordprotectedroom=1, roomsecret="secret")
    form_ = fields(a.client.iq("get", OWNER % "", a.room))
    assert form_["muc#roomconfig_roomsecret"] == []
    assert form_["muc#roomconfig_passwordprotectedroom"] == ["1"]
    assert a.configure(passwordprotectedroom=1, roomsecret="").get("type") == OK
    b = Occupant(bob.ready(), a.room, "b")
    assert condition(b.refused())[1] == "not-authorized"
    assert a.configure(passwordprotectedroom=0).get("type") == OK
    b.join()


@pytest.mark.parametrize("change,expected", [
    ({"enablelogging": 1}, [170]), ({"whois": "anyone"}, [172]), ({"roomname": "x"}, [104]),
    ({"whois": "anyone", "enablelogging": 1}, [170, 172]),
    ({"whois": "anyone", "roomname": "x"}, [172, 104]), ({"whois": "moderators"}, []), ({}, []),
])
def test_10_2_1_everybody_hears(alice, bob, change, expected):
    a = create(alice)
    b = enter(bob, a.room, "b")
    assert a.configure(**change).get("type") == OK
    for o in (a, b):
        heard = [codes(o.client.wait("message", from_=a.room, type="groupchat"))[0]
                 for _ in expected]
        assert heard == expected
        assert o.barrier() and not o.client.taken("message")


def test_10_2_members_only_from_now_on(alice, bob, account):
    friend = account()
    a = create(alice)
    assert a.affiliate(friend, "member").get("type") == OK
    b, c = enter(bob, a.room, "b"), enter(friend, a.room, "c")
    assert a.configure(membersonly=1).get("type") == OK
    for o in (a, b, c):
        gone = o.sees("b", "unavailable")
        assert codes(gone) == ([110, 322] if o is b else [322])
    assert c.barrier() and not b.barrier()


def test_10_2_owners_and_admins_by_the_form(alice, bob, account):
    friend = account()
    a = create(alice)
    b = enter(bob, a.room, "b")
    assert a.configure(roomowners=[alice.jid, bob.jid], roomadmins=[friend.jid]).get("type") == OK
    assert rank(b.sees("b")) == ("owner", "moderator")
    assert b.configure(roomowners=[bob.jid], roomadmins=[]).get("type") == OK
    assert rank(a.sees("owner")) == ("member", "participant")
    assert [i["jid"] for i in b.listed(affiliation="owner")] == [bob.jid]


def test_10_2_too_many_changes(alice):
    """Nothing is left out silently."""
    a = create(alice)
    for n in range(11):
        admins = [dict(jid="a%d.%d@example.org" % (n, i), affiliation="admin") for i in range(91)]
        assert a.admin("set", *admins).get("type") == OK
    assert condition(a.configure(roomadmins=["else@example.org"]))[1] == "not-acceptable"
    assert len(a.listed(affiliation="admin")) == 1001
    assert a.configure(roomadmins=["a0.0@example.org"]).get("type") == OK
    assert [i["jid"] for i in a.listed(affiliation="admin")] == ["a0.0@example.org"]


# -- 10.9 destroying


def test_10_9_destroy(alice, bob):
    a = create(alice, persistentroom=1)
    b = enter(bob, a.room, "b")
    venue = new_room()
    destroy = OWNER % ("<destroy jid='%s'><reason>Macbeth doth come.</reason>"
                       "<password>cauldronburn</password></destroy>" % venue)
    assert condition(b.client.iq("set", destroy, a.room)) == ("auth", "forbidden")
    assert a.client.iq("set", destroy, a.room).get("type") == OK
    for o in (a, b):
        gone = o.sees(o.nick, "unavailable")
        assert rank(gone) == ("none", "none")
        told = gone.find(USER + "x").find(USER + "destroy")
        assert told.get("jid") == venue
        assert told.findtext(USER + "reason") == "Macbeth doth come."
        assert told.findtext(USER + "password") == "cauldronburn"
    assert not a.barrier()
    # the name is free again, and nothing is left
    c = enter(bob, a.room, "c")
    assert codes(c.self_presence) == [110, 201] and rank(c.self_presence) == ("owner", "moderator")
    assert c.configure().get("type") == OK and not c.history
    assert c.listed(affiliation="owner") == [{"affiliation": "owner", "jid": bob.jid}]


def test_persistent_or_not(alice, bob):
    a = create(alice, roomname="fleeting")
    a.leave()
    assert condition(a.client.iq("get", INFO % "", a.room))[1] == "item-not-found"
    a = create(alice, roomname="stays", persistentroom=1)
    a.set_subject("still")
    a.client.wait("message", child="subject")
    a.leave()
    b = enter(bob, a.room, "b")
    assert codes(b.self_presence) == [110] and b.subject == "still"


# -- 6 finding


def test_6_2_the_service(alice):
    client = alice.ready()
    assert "conference.localhost" in items(client, "localhost")
    answer = client.iq("get", INFO % "", "conference.localhost")
    identity = answer.find(".//" + qname("info:identity"))
    assert (identity.get("category"), identity.get("type")) == ("conference", "text")
    assert {MUC, MUC + "#stable_id", MUC + "#unique"} <= features(answer)
    answer = client.iq("get", "<unique xmlns='%s#unique'/>" % MUC, "conference.localhost")
    assert len(answer[0].text) > 20


def test_6_3_public_rooms(alice, bob):
    public = create(alice, roomname="Here & there", publicroom=1)
    hidden = create(alice, publicroom=0)
    locked = Occupant(alice.ready(), new_room(), "a").join()
    client = bob.ready()
    found, after = {}, ""
    while True:  # in pages
        page = items(client, "conference.localhost",
                     "<set xmlns='http://jabber.org/protocol/rsm'><max>2</max>%s</set>" % after)
        if not page:
            break
        assert len(page) <= 2 and not set(page) & set(found)
        found.update(page)
        after = "<after>%s</after>" % sorted(page)[-1].split("@")[0]
    assert found[public.room] == "Here & there"
    assert hidden.room not in found and locked.room not in found
    public.leave()
    assert not public.barrier()  # handled when what it left behind has gone
    assert public.room not in items(client, "conference.localhost")


def test_6_4_a_room(alice, bob):
    a = create(alice, roomname="Cave", roomdesc="The place", moderatedroom=1, persistentroom=1,
               lang="en")
    a.set_subject("Spells")
    a.client.wait("message", child="subject")
    answer = bob.ready().iq("get", INFO % "", a.room)
    assert answer.find(".//" + qname("info:identity")).get("name") == "Cave"
    assert {MUC, "muc_moderated", "muc_persistent", "muc_open", "muc_public", "muc_unsecured",
            "muc_semianonymous", "urn:xmpp:occupant-id:0", MUC + "#self-ping-optimization",
            MUC + "#stable_id"} <= features(answer)
    form_ = fields(answer)
    assert form_["muc#roominfo_description"] == ["The place"]
    assert form_["muc#roominfo_subject"] == ["Spells"]
    assert form_["muc#roominfo_occupants"] == ["1"] and form_["muc#roominfo_lang"] == ["en"]
    assert items(a.client, a.room) == {}
    answer = a.client.iq("get", INFO % (" node='%s#traffic'" % MUC), a.room)
    assert condition(answer)[1] == "service-unavailable"
    assert condition(a.client.iq("get", INFO % "", new_room()))[1] == "item-not-found"


# -- 7.10, 7.12 registration


def register(client, room, nick):
    return client.iq("set", "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data'"
                     " type='submit'><field var='FORM_TYPE'><value>%s#register</value></field>"
                     "<field var='muc#register_roomnick'><value>%s</value></field></x></query>"
                     % (MUC, nick), room)


def test_7_10_registration(alice, bob, account):
    a = create(alice)
    b = bob.ready()
    ask = "<query xmlns='jabber:iq:register'/>"
    answer = b.iq("get", ask, a.room)
    assert "muc#register_roomnick" in fields(answer)
    assert condition(register(b, a.room, "owner")) == ("cancel", "conflict")
    assert register(b, a.room, "thirdwitch").get("type") == OK
    assert a.listed(affiliation="member") == [
        {"affiliation": "member", "jid": bob.jid, "nick": "thirdwitch"}]
    answer = b.iq("get", ask, a.room)
    assert answer.find(".//{jabber:iq:register}registered") is not None
    assert answer.findtext(".//{jabber:iq:register}username") == "thirdwitch"
    answer = b.iq("get", INFO % " node='x-roomuser-item'", a.room)
    assert answer.find(".//" + qname("info:identity")).get("name") == "thirdwitch"
    c = account().ready()
    assert condition(register(c, a.room, "thirdwitch")) == ("cancel", "conflict")
    assert condition(Occupant(c, a.room, "thirdwitch").refused()) == ("cancel", "conflict")
    answer = c.iq("get", INFO % " node='x-roomuser-item'", a.room)
    assert answer.find(".//" + qname("info:identity")) is None
    remove = "<query xmlns='jabber:iq:register'><remove/></query>"
    assert b.iq("set", remove, a.room).get("type") == OK
    assert a.listed(affiliation="member") == []
    assert condition(c.iq("get", ask, new_room()))[1] == "item-not-found"
    bad = "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'/></query>"
    assert condition(c.iq("set", bad, a.room))[1] == "bad-request"
    assert a.configure(membersonly=1).get("type") == OK
    assert condition(c.iq("get", ask, a.room)) == ("cancel", "not-allowed")


def test_7_10_registration_opens_nothing(alice, bob, account):
    """Neither the log of a room with a password, nor voice, is to be had by registering."""
    a = create(alice, passwordprotectedroom=1, roomsecret="cauldron")
    b, c = bob.ready(), account().ready()
    log = "<query xmlns='urn:xmpp:mam:2'/>"
    a.say("between us")
    a.hears("between us")
    assert condition(register(b, a.room, "b")) == ("cancel", "not-allowed")
    assert condition(b.iq("set", log, a.room))[1] == "forbidden"
    assert a.listed(affiliation="member") == []
    Occupant(b, a.room, "b").join("<password>cauldron</password>")
    assert register(b, a.room, "b").get("type") == OK
    assert a.configure(passwordprotectedroom=0, moderatedroom=1).get("type") == OK
    assert condition(register(c, a.room, "c")) == ("cancel", "not-allowed")
    visitor = Occupant(c, a.room, "c").join()
    assert rank(visitor.self_presence) == ("none", "visitor")
    assert condition(register(c, a.room, "c")) == ("cancel", "not-allowed")
    assert [i["jid"] for i in a.listed(affiliation="member")] == [bob.jid]


# -- 7.8 invitations


def invitation(to, inside="<reason>Hey Hecate</reason>"):
    return "<x xmlns='%s#user'><invite to='%s'>%s</invite></x>" % (MUC, to, inside)


def test_7_8_2_invitation(alice, bob):
    a = create(alice, passwordprotectedroom=1, roomsecret="cauldron")
    b = bob.ready()
    a.client.send("<message to='%s' id='i1'>%s</message>" % (
        a.room, invitation(bob.jid, "<reason>Hey Hecate</reason><continue thread='t'/>")))
    m = b.wait("message", from_=a.room)
    x = m.find(USER + "x")
    invite = x.find(USER + "invite")
    assert (m.get("id"), m.get("to"), m.get("type")) == ("i1", bob.jid, None)
    assert invite.get("from") == a.jid and invite.findtext(USER + "reason") == "Hey Hecate"
    assert invite.find(USER + "continue").get("thread") == "t"
    assert x.findtext(USER + "password") == "cauldron"
    a.client.send("<message to='%s' id='i2'>%s</message>" % (a.room, invitation(
        bob.jid, "<reason>%s<b xmlns='urn:own'/></reason><continue><b xmlns='urn:own'/></continue>"
        % ("x" * 2000))))
    other = b.wait("message", from_=a.room, id="i2").find(USER + "x").find(USER + "invite")
    assert other.findtext(USER + "reason") == "x" * 1024
    assert [len(child) for child in other] == [0, 0]
    direct = m.find("{jabber:x:conference}x")
    assert direct.get("jid") == a.room and direct.get("password") == "cauldron"
    b.send("<message to='%s' id='d1'><x xmlns='%s#user'><decline to='%s'><reason>busy</reason>"
           "</decline></x></message>" % (a.room, MUC, invite.get("from")))
    m = a.client.wait("message", id="d1")
    decline = m.find(USER + "x").find(USER + "decline")
    assert m.get("from") == a.room and decline.get("from") == bob.jid
    assert decline.findtext(USER + "reason") == "busy"


def test_7_8_2_who_may(alice, bob, account):
    friend, stranger = account(), account()
    a = create(alice, membersonly=1, allowinvites=0)
    assert a.affiliate(bob, "member").get("type") == OK
    b = enter(bob, a.room, "b")
    b.client.send("<message to='%s'>%s</message>" % (a.room, invitation(friend.jid)))
    assert condition(b.client.wait("message", type="error")) == ("auth", "forbidden")
    s = stranger.ready()
    s.send("<message to='%s'>%s</message>" % (a.room, invitation(friend.jid)))
    assert condition(s.wait("message", type="error"))[1] == "not-acceptable"
    a.client.send("<message to='%s'>%s</message>" % (a.room, invitation("@")))
    assert condition(a.client.wait("message", type="error"))[1] == "jid-malformed"
    # a member by being invited
    f = friend.ready()
    a.client.send("<message to='%s'>%s</message>" % (a.room, invitation(friend.jid)))
    f.wait("message", from_=a.room)
    assert rank(Occupant(f, a.room, "f").join().self_presence) == ("member", "participant")


def test_declining_is_no_relay(alice, bob, account):
    """Somebody who is not here is not written to in the name of the room."""
    a = create(alice)
    victim = account().ready()
    b = bob.ready()
    b.send("<message to='%s'><x xmlns='%s#user'><decline to='%s'/></x></message>"
           % (a.room, MUC, victim.bare))
    b.send("<iq type='get' id='next' to='%s'>%s</iq>" % (a.room, INFO % ""))
    assert Occupant(b, a.room, "b").from_room().get("id") == "next"  # who is here is not said
    assert [e for e in b.barrier(victim) if e.get("from") == a.room] == []


# -- restarts, and jackdawctl


def test_restart(make_account, own_server):
    server = own_server()
    alice, bob = make_account(server), make_account(server)
    a = create(alice, roomname="stays", persistentroom=1, passwordprotectedroom=1,
               roomsecret="pw", whois="anyone", maxusers=20, presencebroadcast=["moderator"])
    fleeting = create(alice, "a", roomname="goes")
    assert a.affiliate(bob, "member", nick="reserved").get("type") == OK
    a.set_subject("subject")
    a.client.wait("message", child="subject")
    before = fields(a.client.iq("get", OWNER % "", a.room))
    server.kill()
    server.start()
    a = Occupant(alice.ready(), a.room, "a").join("<password>pw</password>")
    assert a.subject == "subject" and codes(a.self_presence) == [100, 110]
    assert fields(a.client.iq("get", OWNER % "", a.room)) == before
    assert a.listed(affiliation="member") == [
        {"affiliation": "member", "jid": bob.jid, "nick": "reserved"}]
    assert sorted(items(a.client, "conference.localhost")) == sorted([a.room, fleeting.room])
    b = enter(bob, fleeting.room, "b")
    assert codes(b.self_presence) == [110]
    a = enter(alice, fleeting.room, "a")
    assert a.self_presence.find(".//{*}item").get("affiliation") == "owner"
    for one in (a, b):
        one.client.send("<presence to='%s' type='unavailable'/>" % one.jid)
        one.client.wait("presence", type="unavailable", from_=one.jid)
    assert codes(enter(bob, fleeting.room, "b").self_presence) == [110, 201]


def test_restart_without_grace(make_account, own_server):
    """A room that is not persistent goes with its people."""
    server = own_server(settings={"muc": {"restart_grace": "0s"}})
    alice, bob = make_account(server), make_account(server)
    fleeting = create(alice, "a", roomname="goes")
    server.kill()
    server.start()
    assert codes(enter(bob, fleeting.room, "b").self_presence) == [110, 201]


def test_ctl(server, alice, bob):
    room = new_room()
    assert server.ctl("room", "create", room, alice.jid).returncode == 0
    assert "exists" in server.ctl("room", "create", room, alice.jid).stderr
    a = enter(alice, room, "a")
    assert codes(a.self_presence) == [110] and rank(a.self_presence) == ("owner", "moderator")
    b = enter(bob, room, "b")
    assert room in server.ctl("room", "list", "conference.localhost").stdout
    info = server.ctl("room", "info", room).stdout
    assert "persistent" in info and "occupants" in info
    assert server.ctl("room", "affiliation", room, bob.jid, "member", "why not").returncode == 0
    assert rank(b.sees("b")) == ("member", "participant")
    assert "affiliation" in server.ctl("room", "affiliation", room, bob.jid, "king").stderr
    assert "owner" in server.ctl("room", "affiliation", room, alice.jid, "none").stderr
    assert server.ctl("room", "kick", room, "b").returncode == 0
    assert 307 in codes(b.sees("b", "unavailable"))
    assert server.ctl("room", "kick", room, "b").returncode != 0
    assert server.ctl("room", "destroy", room, "over").returncode == 0
    gone = a.sees("a", "unavailable").find(USER + "x").find(USER + "destroy")
    assert gone.findtext(USER + "reason") == "over"
    assert room not in server.ctl("room", "list", "conference.localhost").stdout
    assert server.ctl("room", "info", room).returncode != 0


def test_11_2_shutdown(own_server, make_account):
    """Each device of everybody hears it of himself, before its stream ends; nobody is said to go."""
    server = own_server()
    alice, bob = make_account(server), make_account(server)
    a = create(alice, persistentroom=1)
    other = create(alice, "x", roomname="temporary")
    b = enter(bob, a.room, "b")
    second = enter(bob, a.room, "b")
    server.stop()
    for o in (a, b, second, other):
        gone = o.sees(o.nick, "unavailable")
        assert codes(gone) == [110, 332] and item(gone).get("role") == "none"
        assert gone.get("to") == o.client.jid
        assert not [p for p in o.client.taken("presence", type="unavailable")
                    if p.get("from").startswith(o.room)]
    server.start()
    assert server.ctl("room", "info", a.room).returncode == 0
    a = Occupant(alice.ready(), a.room, "a").join()
    assert a.affiliate(bob, "admin").get("type") == OK
