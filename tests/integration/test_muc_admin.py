# SPDX-License-Identifier: MIT
"""Rooms: what moderators, admins and owners do to people (XEP-0045 8 to 10)."""

import pytest

from muc import USER, Occupant, codes, create, enter, item, rank
from raw import condition

OK = "result"


def reason(stanza):
    return item(stanza).findtext(USER + "reason")


def actor(stanza):
    return item(stanza).find(USER + "actor").get("nick")


def room_of(alice, bob, **fields):
    a = create(alice, "owner", **fields)
    b = enter(bob, a.room, "b")
    a.sees("b")
    return a, b


def test_8_2_kick(alice, bob, account):
    a, b = room_of(alice, bob)
    c = enter(account(), a.room, "c")
    assert condition(b.role("c", "none")) == ("auth", "forbidden")
    assert a.role("b", "none", reason="Avaunt, you cullion!").get("type") == OK
    for o in (a, b, c):
        gone = o.sees("b", "unavailable")
        assert rank(gone) == ("none", "none")
        assert codes(gone) == ([110, 307] if o is b else [307])
        assert reason(gone) == "Avaunt, you cullion!" and actor(gone) == "owner"
    assert not b.barrier()
    assert condition(a.role("b", "none"))[1] == "item-not-found"
    b.join()


def test_8_2_whom_not(alice, bob, account):
    """Nobody puts out who is above him; admins do not put out each other."""
    a, b = room_of(alice, bob)
    friend = account()
    c = enter(friend, a.room, "c")
    assert a.role("b", "moderator").get("type") == OK
    b.sees("b")
    assert condition(b.role("owner", "none")) == ("cancel", "not-allowed")
    assert a.affiliate(friend, "member").get("type") == OK
    assert condition(b.role("c", "none")) == ("cancel", "not-allowed")
    assert a.affiliate(friend, "admin").get("type") == OK
    assert a.affiliate(bob, "admin").get("type") == OK
    assert condition(b.role("c", "none")) == ("cancel", "not-allowed")
    assert condition(a.role("c", "visitor")) == ("cancel", "not-allowed")
    assert a.role("c", "none").get("type") == OK
    c.sees("c", "unavailable")


def test_8_3_to_8_5_voice(alice, bob):
    a, b = room_of(alice, bob, moderatedroom=1)
    b.say("x", id="v1")
    assert condition(b.client.wait("message", id="v1", type="error"))[1] == "forbidden"
    assert a.role("b", "participant", reason="A worthy witch indeed!").get("type") == OK
    for o in (a, b):
        p = o.sees("b")
        assert rank(p) == ("none", "participant") and reason(p) == "A worthy witch indeed!"
    b.say("now")
    a.hears("now")
    assert [i["nick"] for i in a.listed(role="participant")] == ["b"]
    assert a.listed(role="participant")[0] == {
        "nick": "b", "role": "participant", "affiliation": "none", "jid": b.client.jid}
    assert a.role("b", "visitor", reason="Not so worthy after all!").get("type") == OK
    assert rank(b.sees("b")) == ("none", "visitor")
    assert condition(b.admin("get", {"role": "participant"}))[1] == "forbidden"
    assert a.listed(role="participant") == []


def test_8_6_request_for_voice(alice, bob):
    a, b = room_of(alice, bob, moderatedroom=1)
    form = ("<message to='%s'><x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'>"
            "<value>http://jabber.org/protocol/muc#request</value></field>"
            "<field var='muc#role'><value>participant</value></field>%s</x></message>")
    b.client.send(form % (a.room, ""))
    asked = a.client.wait("message", from_=a.room)
    fields = {f.get("var"): f.findtext("{jabber:x:data}value")
              for f in asked.iter("{jabber:x:data}field")}
    assert fields["muc#jid"] == b.client.jid and fields["muc#roomnick"] == "b"
    assert fields["muc#request_allow"] == "0" and fields["muc#role"] == "participant"
    allow = ("<field var='muc#roomnick'><value>b</value></field>"
             "<field var='muc#request_allow'><value>true</value></field>")
    b.client.send(form % (a.room, allow))
    assert condition(b.client.wait("message", type="error"))[1] == "forbidden"
    a.client.send(form % (a.room, allow))
    assert rank(b.sees("b")) == ("none", "participant")


def test_9_1_ban(alice, bob, account):
    a, b = room_of(alice, bob)
    c = enter(account(), a.room, "c")
    assert condition(c.affiliate(bob, "outcast")) == ("auth", "forbidden")
    assert a.affiliate(bob, "outcast", reason="Treason").get("type") == OK
    for o in (a, b, c):
        gone = o.sees("b", "unavailable")
        assert rank(gone) == ("outcast", "none")
        assert codes(gone) == ([110, 301] if o is b else [301])
        assert reason(gone) == "Treason" and actor(gone) == "owner"
    assert condition(b.refused()) == ("auth", "forbidden")
    assert a.listed(affiliation="outcast") == [{"affiliation": "outcast", "jid": bob.jid}]
    assert condition(c.admin("get", {"affiliation": "outcast"})) == ("auth", "forbidden")
    assert condition(a.affiliate(alice, "outcast")) == ("cancel", "conflict")
    assert a.affiliate(bob, "none").get("type") == OK
    assert a.listed(affiliation="outcast") == []
    b.join()


def test_9_1_ban_of_somebody_above(alice, bob, account):
    a, b = room_of(alice, bob)
    friend = account()
    assert a.affiliate(bob, "admin").get("type") == OK
    assert rank(b.sees("b")) == ("admin", "moderator")
    assert condition(b.affiliate(alice, "outcast")) == ("cancel", "not-allowed")
    assert condition(b.affiliate(friend, "admin")) == ("auth", "forbidden")
    assert condition(b.affiliate(friend, "owner")) == ("auth", "forbidden")
    assert condition(b.affiliate(bob, "none")) == ("cancel", "not-allowed")
    assert b.affiliate(friend, "outcast").get("type") == OK


def test_9_3_to_9_5_members(alice, bob, account):
    a, b = room_of(alice, bob, membersonly=0, moderatedroom=1, whois="anyone")
    assert a.affiliate(bob, "member", nick="thirdwitch", reason="A worthy witch").get("type") == OK
    p = b.sees("b")
    assert rank(p) == ("member", "participant") and reason(p) == "A worthy witch"
    assert a.listed(affiliation="member") == [
        {"affiliation": "member", "jid": bob.jid, "nick": "thirdwitch"}]
    assert b.listed(affiliation="member")
    assert condition(b.admin("get", {"affiliation": "outcast"}))[1] == "forbidden"
    assert a.affiliate(bob, "none").get("type") == OK
    assert rank(b.sees("b")) == ("none", "visitor")
    assert a.listed(affiliation="member") == []
    assert a.affiliate(bob, "member").get("type") == OK
    # several at once, all or none
    one, two = account(), account()
    answer = a.admin("set", {"jid": one.jid, "affiliation": "member"},
                     {"jid": two.jid, "affiliation": "friend"})
    assert condition(answer)[1] == "bad-request"
    assert len(a.listed(affiliation="member")) == 1
    assert a.admin("set", {"jid": one.jid, "affiliation": "member"},
                   {"jid": two.jid, "affiliation": "outcast"}).get("type") == OK
    assert len(a.listed(affiliation="member")) == 2


def test_9_4_member_of_a_members_only_room(alice, bob):
    a = create(alice, membersonly=1)
    assert a.affiliate(bob, "member").get("type") == OK
    b = enter(bob, a.room, "b")
    assert a.affiliate(bob, "none", reason="Not so worthy").get("type") == OK
    for o in (a, b):
        gone = o.sees("b", "unavailable")
        assert rank(gone) == ("none", "none") and codes(gone)[-1] == 321
        assert reason(gone) == "Not so worthy"
    assert condition(b.refused())[1] == "registration-required"


def test_9_6_to_9_8_moderators(alice, bob, account):
    a, b = room_of(alice, bob)
    assert a.role("b", "moderator").get("type") == OK
    assert rank(b.sees("b")) == ("none", "moderator")
    assert {i["nick"] for i in a.listed(role="moderator")} == {"owner", "b"}
    c = enter(account(), a.room, "c")
    assert condition(b.role("c", "moderator")) == ("auth", "forbidden")
    assert condition(b.role("owner", "participant")) == ("cancel", "not-allowed")
    assert b.role("c", "visitor").get("type") == OK
    assert a.role("b", "participant").get("type") == OK
    assert rank(b.sees("b")) == ("none", "participant")
    assert rank(c.sees("c")) == ("none", "visitor")


def test_10_3_to_10_8_owners_and_admins(alice, bob, account):
    a, b = room_of(alice, bob)
    assert condition(a.affiliate(alice, "admin")) == ("cancel", "conflict")
    assert a.affiliate(bob, "owner", reason="A worthy witch").get("type") == OK
    assert rank(b.sees("b")) == ("owner", "moderator")
    assert {i["jid"] for i in b.listed(affiliation="owner")} == {alice.jid, bob.jid}
    assert b.affiliate(alice, "admin").get("type") == OK
    assert rank(a.sees("owner")) == ("admin", "moderator")
    assert [i["jid"] for i in b.listed(affiliation="admin")] == [alice.jid]
    assert condition(a.admin("get", {"affiliation": "owner"}))[1] == "forbidden"
    assert condition(a.affiliate(bob, "none"))[1] == "not-allowed"
    assert b.affiliate(alice, "none").get("type") == OK
    assert rank(a.sees("owner")) == ("none", "participant")
    assert condition(b.affiliate(bob, "none")) == ("cancel", "conflict")
    # by a full address, and one who is not there
    friend = account()
    c = enter(friend, b.room, "c")
    assert b.affiliate(c.client.jid, "admin").get("type") == OK
    assert rank(c.sees("c")) == ("admin", "moderator")


@pytest.mark.parametrize("items", [
    [], [{"nick": "b"}], [{"nick": "b", "role": "king"}],
    [{"nick": "b", "role": "visitor", "affiliation": "member"}],
    [{"affiliation": "member"}],
    [{"jid": "a@b", "affiliation": "member"}, {"jid": "A@b/c", "affiliation": "admin"}],
    [{"nick": "b", "role": "visitor"}, {"jid": "a@b", "affiliation": "member"}],
])
def test_bad_requests(alice, bob, items):
    a, _ = room_of(alice, bob)
    assert condition(a.admin("set", *items)) == ("modify", "bad-request")


def test_bad_address(alice, bob):
    a, _ = room_of(alice, bob)
    answer = a.admin("set", {"jid": "a@@b", "affiliation": "member"})
    assert condition(answer) == ("modify", "jid-malformed")


def test_list_is_bounded(own_server, make_account):
    server = own_server(settings={"muc": {"max_affiliations": 10}})
    a = create(make_account(server))
    for i in range(9):
        assert a.affiliate("m%d@example.org" % i, "member").get("type") == OK
    assert condition(a.affiliate("one@example.org", "outcast")) == ("wait", "resource-constraint")
    assert a.affiliate("m0@example.org", "outcast").get("type") == OK
    assert a.affiliate("m0@example.org", "none").get("type") == OK
    assert a.affiliate("one@example.org", "outcast").get("type") == OK


def test_half_of_the_list_is_for_admins(own_server, make_account):
    """Nobody can fill it so that nobody can be banned."""
    server = own_server(settings={"muc": {"max_affiliations": 10}})
    a = create(make_account(server), membersonly=1)
    for i in range(5):
        a.client.send("<message to='%s' id='i%d'><x xmlns='%s'><invite to='m%d@localhost'/></x>"
                      "</message>" % (a.room, i, USER.strip("{}"), i))
    error = a.client.wait("message", type="error", from_=a.room)
    assert condition(error) == ("wait", "resource-constraint") and error.get("id") == "i4"
    assert a.affiliate("m4@localhost", "outcast").get("type") == OK


def test_9_1_ban_of_a_domain(alice, bob, account):
    friend, carol = account(), account()
    a, b = room_of(alice, bob)
    assert a.affiliate(friend, "member").get("type") == OK
    f = enter(friend, a.room, "f")
    assert condition(a.affiliate("localhost", "member"))[1] == "not-acceptable"
    assert condition(a.configure(roomowners=[alice.jid, "localhost"]))[1] == "not-acceptable"
    assert a.affiliate(alice.host, "outcast").get("type") == OK
    for o in (a, b, f):
        gone = o.sees("b", "unavailable")
        assert rank(gone) == ("outcast", "none")
        assert codes(gone) == ([110, 301] if o is b else [301])
    assert a.barrier() and f.barrier()
    assert condition(b.refused()) == ("auth", "forbidden")
    assert a.affiliate(bob, "member").get("type") == OK
    b.join()
    assert a.affiliate(bob, "none").get("type") == OK
    assert codes(b.sees("b", "unavailable")) == [110, 301]
    assert condition(Occupant(carol.ready(), a.room, "c").refused()) == ("auth", "forbidden")
    assert a.affiliate(alice.host, "none").get("type") == OK
    b.join()


def test_absent_outcast(alice, bob, account):
    """Who is banned is for moderators to know, where everybody sees addresses, too."""
    a = create(alice, whois="anyone")
    b = enter(bob, a.room, "b")
    assert a.affiliate("x@example.org", "outcast").get("type") == OK
    assert a.affiliate("x@example.org", "none").get("type") == OK
    assert a.affiliate("y@example.org", "member").get("type") == OK
    for o, expected in ((a, ["outcast", "none", "member"]), (b, ["member"])):
        told = [o.client.wait("message", from_=a.room) for _ in expected]
        assert [item(m).get("affiliation") for m in told if item(m) is not None] == expected


def test_absent_member(alice, bob):
    """Moderators hear of changes to somebody who is not here."""
    a = create(alice)
    assert a.affiliate(bob, "member").get("type") == OK
    told = a.client.wait("message", from_=a.room)
    assert item(told).get("jid") == bob.jid and item(told).get("affiliation") == "member"


def test_presence_that_is_not_shown(alice, bob, account):
    """muc#roomconfig_presencebroadcast: visitors are not shown to others."""
    a = create(alice, moderatedroom=1, presencebroadcast=["moderator", "participant"])
    b = enter(bob, a.room, "b")
    c = enter(account(), a.room, "c")
    assert set(c.others) == {"owner"}
    assert a.role("b", "participant").get("type") == OK
    assert rank(c.sees("b")) == ("none", "participant")
    assert a.role("b", "visitor").get("type") == OK
    assert rank(c.sees("b", "unavailable")) == ("none", "none")
    assert rank(b.sees("b")) == ("none", "participant")
    assert rank(b.sees("b")) == ("none", "visitor")
    assert Occupant.barrier(b)
