# SPDX-License-Identifier: MIT
"""Rosters, subscriptions and presence (RFC 6121, sections 2 to 4)."""

import pytest

from raw import condition, fresh
from xmlstream import escape, qname

ITEM = qname("roster:query") + "/" + qname("roster:item")


def items(answer):
    """{jid: (subscription, ask, name, groups)} of a roster result or push."""
    return {item.get("jid"): (item.get("subscription", "none"), item.get("ask"), item.get("name"),
                              sorted(g.text for g in item.findall(qname("roster:group"))))
            for item in answer.findall(ITEM)}


def version(answer):
    return answer.find(qname("roster:query")).get("ver")


def item_xml(jid, name=None, groups=(), **attrs):
    name = " name='%s'" % escape(name) if name is not None else ""
    attrs = "".join(" %s='%s'" % pair for pair in attrs.items())
    return "<item jid='%s'%s%s>%s</item>" % (
        escape(jid), name, attrs, "".join("<group>%s</group>" % escape(g) for g in groups))


def set_items(client, *xml, to=None):
    return client.iq("set", "<query xmlns='jabber:iq:roster'>%s</query>" % "".join(xml), to=to)


def push(client):
    """The next roster push; it is acknowledged as clients do."""
    stanza = client.wait("iq", child="roster:query", type="set")
    assert stanza.get("from") in (None, client.bare)
    client.send("<iq type='result' id='%s'/>" % stanza.get("id"))
    return stanza


# -- the list itself ------------------------------------------------------------------

@pytest.mark.quick
def test_set_push_get_remove(alice, transport):
    client = alice.login(transport)
    assert items(client.roster()) == {}
    jid = "juliet@example.test"
    assert set_items(client, item_xml(jid, "Juliet \u2665 & co", ["Friends", "Lovers"])
                     ).get("type") == "result"
    want = {jid: ("none", None, "Juliet \u2665 & co", ["Friends", "Lovers"])}
    assert items(push(client)) == want
    assert items(client.roster()) == want
    set_items(client, item_xml(jid))
    assert items(push(client)) == {jid: ("none", None, None, [])}
    assert set_items(client, item_xml(jid, subscription="remove")).get("type") == "result"
    assert items(push(client))[jid][0] == "remove"
    assert items(client.roster()) == {}


def test_push_goes_to_interested_resources_only(alice):
    """Who has not asked for the roster gets none (converse.js relies on it)."""
    asked, other, silent = alice.ready(), alice.login("ws"), alice.login()
    other.roster()
    silent.send("<presence id='s'/>")
    silent.wait("presence", id="s")
    set_items(asked, item_xml("x@example.test"))
    for client in (asked, other):
        assert set(items(push(client))) == {"x@example.test"}
    events = asked.barrier(silent)
    assert not [e for e in events if e.tag == qname("iq")]


def test_subscription_state_cannot_be_set(alice):
    client = alice.ready()
    set_items(client, item_xml("x@example.test", subscription="both", ask="subscribe"))
    assert items(client.roster())["x@example.test"][:2] == ("none", None)


def test_remove_what_is_not_there(alice):
    client = alice.ready()
    assert condition(set_items(client, item_xml("nobody@example.test", subscription="remove"))
                     )[1] == "item-not-found"


BAD_SETS = {
    "no item": ("", {"bad-request"}),
    "two items": (item_xml("a@x.test") + item_xml("b@x.test"), {"bad-request"}),
    "no jid": ("<item/>", {"bad-request"}),
    "broken jid": ("<item jid='a b@@x'/>", {"bad-request", "jid-malformed"}),
    "group twice": (item_xml("a@x.test", None, ["g", "g"]), {"bad-request"}),
    "empty group": (item_xml("a@x.test", None, [""]), {"not-acceptable"}),
    "name too long": (item_xml("a@x.test", "n" * 5000), {"not-acceptable"}),
    "group too long": (item_xml("a@x.test", None, ["n" * 5000]), {"not-acceptable"}),
}


@pytest.mark.ours
@pytest.mark.parametrize("name", BAD_SETS)
def test_bad_roster_set(alice, name):
    client = alice.ready()
    payload, conditions = BAD_SETS[name]
    assert condition(set_items(client, payload))[1] in conditions
    assert items(client.roster()) == {}


@pytest.mark.ours
def test_jid_is_prepared(alice):
    client = alice.ready()
    set_items(client, item_xml("JULIET@Example.TEST"))
    assert set(items(client.roster())) == {"juliet@example.test"}


@pytest.mark.ours
def test_rosters_are_private(alice, bob):
    client = alice.ready()
    owner = bob.ready()
    get = "<query xmlns='jabber:iq:roster'/>"
    assert condition(client.iq("get", get, bob.jid))[1] in ("service-unavailable", "forbidden")
    assert condition(set_items(client, item_xml("evil@x.test"), to=bob.jid))[1] in (
        "service-unavailable", "forbidden", "not-allowed")
    assert items(owner.roster()) == {}


def test_pushes_of_others_are_just_stanzas(alice, bob):
    """CVE-2017-5589 and its kin: what looks like a push keeps its true sender."""
    victim = bob.ready()
    offender = alice.ready()
    offender.send("<iq type='set' id='fake' to='%s'><query xmlns='jabber:iq:roster'>%s</query></iq>"
                  % (victim.jid, item_xml("evil@x.test")))
    arrived = victim.wait("iq", id="fake")
    assert arrived.get("from") == offender.jid


def test_versions(alice):
    client = alice.ready()
    empty = version(client.roster(ver=""))
    assert empty is not None
    set_items(client, item_xml("a@x.test"))
    first = version(push(client))
    set_items(client, item_xml("b@x.test"))
    second = version(push(client))
    assert second not in (empty, first)
    current = client.roster(ver=second)
    if current.find(qname("roster:query")) is None:
        assert not client.barrier(client), "nothing has changed, so there is nothing to push"
    else:
        assert set(items(current)) == {"a@x.test", "b@x.test"}
    # An older version: the whole list, or an empty answer and the changes as pushes.
    older = client.roster(ver=first)
    if older.find(qname("roster:query")) is None:
        assert "b@x.test" in items(push(client))
    else:
        assert set(items(older)) == {"a@x.test", "b@x.test"}
    unknown = client.roster(ver="no-such-version")
    assert set(items(unknown)) == {"a@x.test", "b@x.test"}


@pytest.mark.ours
def test_nothing_changed_is_an_empty_answer(alice):
    client = alice.ready()
    set_items(client, item_xml("a@x.test"))
    answer = client.roster(ver=version(push(client)))
    assert answer.get("type") == "result" and len(answer) == 0


def test_large_roster(alice):
    client = alice.ready("tls")
    for i in range(300):
        client.send("<iq type='set' id='big%d'><query xmlns='jabber:iq:roster'>%s</query></iq>" % (
            i, item_xml("contact%d@example.test" % i, "Contact %d" % i, ["Group %d" % (i % 10)])))
    for i in range(300):
        assert client.wait("iq", id="big%d" % i).get("type") == "result"
    assert len(items(client.roster())) == 300


# -- subscriptions ---------------------------------------------------------------------

def presence(client, to, type_):
    client.send("<presence to='%s' type='%s'/>" % (to, type_))


def state(client, contact):
    return items(client.roster()).get(contact, (None, None))[:2]


def subscribe(one, other):
    """one subscribes to other's presence, other agrees."""
    presence(one, other.bare, "subscribe")
    asked = other.wait("presence", type="subscribe")
    assert asked.get("from") == one.bare and asked.get("to") == other.bare
    presence(other, one.bare, "subscribed")
    one.wait("presence", type="subscribed", from_=other.bare)
    one.wait("presence", type=None, from_=other.jid)


def make_friends(one, other):
    subscribe(one, other)
    subscribe(other, one)
    for client in (one, other):
        client.taken("iq")
        client.taken("presence")
    return one, other


@pytest.mark.quick
def test_handshake(alice, bob, transport):
    """Every step, its pushes and what each side sees of the other."""
    one, other = alice.ready(transport), bob.ready()
    presence(one, bob.jid, "subscribe")
    assert items(push(one))[bob.jid][:2] == ("none", "subscribe")
    assert other.wait("presence", type="subscribe").get("from") == alice.jid
    presence(other, alice.jid, "subscribed")
    assert items(push(other))[alice.jid][:2] == ("from", None)
    one.wait("presence", type="subscribed", from_=bob.jid)
    assert items(push(one))[bob.jid][:2] == ("to", None)
    one.wait("presence", from_=other.jid, type=None)
    presence(other, alice.jid, "subscribe")
    assert items(push(other))[alice.jid][:2] == ("from", "subscribe")
    one.wait("presence", type="subscribe", from_=bob.jid)
    presence(one, bob.jid, "subscribed")
    assert items(push(one))[bob.jid][:2] == ("both", None)
    other.wait("presence", type="subscribed", from_=alice.jid)
    assert items(push(other))[alice.jid][:2] == ("both", None)
    other.wait("presence", from_=one.jid, type=None)


@pytest.mark.ours
def test_approval_in_advance(alice, bob):
    """RFC 6121 3.4.1 3.4.2/note 3.4.2/answer 2.1.2.1: the request is answered, not shown."""
    one, other = alice.ready(), bob.ready()
    presence(one, bob.jid, "subscribed")
    item = push(one).find(".//" + qname("roster:item"))
    assert (item.get("jid"), item.get("approved")) == (bob.jid, "true")
    assert not [e for e in one.barrier(other) if getattr(e, "tag", "") == qname("presence")]
    presence(other, alice.jid, "subscribe")
    other.wait("presence", type="subscribed", from_=alice.jid)
    other.wait("presence", from_=one.jid, type=None)
    assert state(one, bob.jid)[0] == "from"
    assert not [e for e in other.barrier(one) if e.get("type") == "subscribe"]


def test_refusal(alice, bob):
    one, other = alice.ready(), bob.ready()
    presence(one, bob.jid, "subscribe")
    other.wait("presence", type="subscribe")
    presence(other, alice.jid, "unsubscribed")
    one.wait("presence", type="unsubscribed", from_=bob.jid)
    assert state(one, bob.jid) == ("none", None)
    assert state(other, alice.jid) in ((None, None), ("none", None))
    assert not [e for e in other.barrier(one) if getattr(e, "tag", "") == qname("presence")
                and e.get("from") == other.jid]


def test_unsubscribe(alice, bob):
    one, other = make_friends(alice.ready(), bob.ready())
    presence(one, bob.jid, "unsubscribe")
    other.wait("presence", type="unsubscribe", from_=alice.jid)
    assert state(one, bob.jid) == ("from", None)
    assert state(other, alice.jid) == ("to", None)
    if alice.server.kind == "jackdaw":  # RFC 6121 3.3.3, which the reference leaves out
        one.wait("presence", type="unavailable", from_=other.jid)


def test_cancel(alice, bob):
    one, other = make_friends(alice.ready(), bob.ready())
    presence(one, bob.jid, "unsubscribed")
    other.wait("presence", type="unsubscribed", from_=alice.jid)
    assert state(one, bob.jid) == ("to", None)
    assert state(other, alice.jid) == ("from", None)
    other.wait("presence", type="unavailable", from_=one.jid)


def test_removal_ends_both_subscriptions(alice, bob):
    """RFC 6121 2.5.2."""
    one, other = make_friends(alice.ready(), bob.ready())
    set_items(one, item_xml(bob.jid, subscription="remove"))
    other.wait("presence", type="unsubscribed", from_=alice.jid)
    other.wait("presence", type="unsubscribe", from_=alice.jid)
    assert state(one, bob.jid) == (None, None)
    assert state(other, alice.jid) == ("none", None)
    other.wait("presence", type="unavailable", from_=one.jid)


def test_request_waits_for_the_receiver(alice, bob):
    """RFC 6121 3.1.3/keep 3.1.3/deliver: a request is shown at each login until it is answered."""
    one = alice.ready()
    presence(one, bob.jid, "subscribe")
    push(one)
    for transport in ("starttls", "ws"):
        other = bob.ready(transport)
        assert other.wait("presence", type="subscribe").get("from") == alice.jid
        assert state(other, alice.jid) == (None, None), "not in the roster yet"
        other.end()
    other = bob.ready()
    other.wait("presence", type="subscribe")
    presence(other, alice.jid, "subscribed")
    one.wait("presence", type="subscribed")
    other.end()
    other = bob.ready()
    one.wait("presence", from_=other.jid, type=None)
    events = other.barrier(other)
    assert not [e for e in events if e.get("type") == "subscribe"]


def test_approval_reaches_who_was_away(alice, bob):
    one = alice.ready()
    presence(one, bob.jid, "subscribe")
    push(one)
    one.end()
    other = bob.ready()
    other.wait("presence", type="subscribe")
    presence(other, alice.jid, "subscribed")
    push(other)
    one = alice.ready()
    assert state(one, bob.jid) == ("to", None)
    one.wait("presence", from_=other.jid, type=None)


def test_asking_again_when_subscribed(alice, bob):
    """RFC 6121 3.1.3/auto: the server answers for the contact."""
    one, other = make_friends(alice.ready(), bob.ready())
    presence(one, bob.jid, "subscribe")
    assert not [e for e in one.barrier(other) if e.get("type") == "subscribe"]
    assert state(one, bob.jid) == ("both", None)


@pytest.mark.ours
@pytest.mark.parametrize("type_", ["subscribed", "unsubscribed", "unsubscribe"])
def test_answers_that_nobody_asked_for(alice, bob, type_):
    """Out of the state table: no effect on the other side, nothing delivered."""
    one, other = alice.ready(), bob.ready()
    presence(one, bob.jid, type_)
    assert not [e for e in one.barrier(other) if getattr(e, "tag", "") == qname("presence")]
    assert state(other, alice.jid) == (None, None)
    assert state(one, bob.jid)[0] in (None, "none")


def test_full_address_counts_as_bare(alice, bob):
    one, other = alice.ready(), bob.ready()
    presence(one, other.jid, "subscribe")
    assert other.wait("presence", type="subscribe").get("to") == bob.jid
    assert bob.jid in items(push(one))


@pytest.mark.ours
def test_subscribe_to_oneself_and_to_nobody(alice):
    client = alice.ready()
    presence(client, alice.jid, "subscribe")
    nobody = fresh("nobody") + "@localhost"
    presence(client, nobody, "subscribe")
    client.barrier(client)
    assert state(client, alice.jid)[0] in (None, "none")
    assert state(client, nobody)[0] in (None, "none")


def test_across_hosts(alice, account):
    one, other = alice.ready(), account(fresh("far"), host="example.test").ready("wss")
    make_friends(one, other)
    assert state(one, other.bare) == ("both", None)


# -- presence --------------------------------------------------------------------------

def test_initial_presence_probes(alice, bob):
    """Who comes online sees who is there: every resource of every contact."""
    one, other = make_friends(alice.ready(), bob.ready())
    second = bob.ready("ws")
    one.wait("presence", from_=second.jid, type=None)
    late = alice.ready("wss")
    for client in (other, second):
        late.wait("presence", from_=client.jid, type=None)
        client.wait("presence", from_=late.jid, type=None)
    late.wait("presence", from_=one.jid, type=None)


def test_changes_and_absence(alice, bob):
    one, other = make_friends(alice.ready(), bob.ready())
    one.send("<presence><show>dnd</show><status>busy &amp; so on</status></presence>")
    seen = other.wait("presence", from_=one.jid)
    assert seen.findtext(qname("show")) == "dnd"
    assert seen.findtext(qname("status")) == "busy & so on"
    one.send("<presence type='unavailable'><status>bye</status></presence>")
    gone = other.wait("presence", from_=one.jid, type="unavailable")
    assert gone.findtext(qname("status")) == "bye"
    one.send("<presence/>")
    other.wait("presence", from_=one.jid, type=None)


@pytest.mark.quick
@pytest.mark.parametrize("way", ["end", "cut", "close"])
def test_leaving(alice, bob, transport, way):
    """RFC 6121 4.5.2/contacts: a polite end, a reset and a silent close all tell the contacts."""
    one, other = make_friends(alice.ready(transport), bob.ready())
    if way == "close":
        one.connection.sock.close()
    else:
        getattr(one, way)()
    other.wait("presence", from_=one.jid, type="unavailable")
    events = other.barrier(other)
    assert not [e for e in events if getattr(e, "tag", "") == qname("presence")
                and e.get("from") == one.jid], "told once"


def test_strangers_see_nothing(alice, bob):
    one, other = alice.ready(), bob.ready()
    one.send("<presence><show>away</show></presence>")
    one.send("<presence type='unavailable'/>")
    one.send("<presence/>")
    assert not [e for e in one.barrier(other) if getattr(e, "tag", "") == qname("presence")]


def test_probe_of_a_stranger_tells_nothing(alice, bob):
    one, other = alice.ready(), bob.ready()
    presence(one, bob.jid, "probe")
    presence(one, other.jid, "probe")
    events = one.barrier(other) + other.barrier(one)
    assert not [e for e in events if getattr(e, "tag", "") == qname("presence")
                and e.get("from") == other.jid]


def test_directed_presence(alice, bob):
    """RFC 6121 4.6.3/first 4.6.4 4.6.6: to a stranger, and its end when the sender leaves."""
    one, other = alice.ready(), bob.ready()
    one.send("<presence to='%s' id='dir'><show>chat</show></presence>" % other.jid)
    assert other.wait("presence", id="dir").get("from") == one.jid
    one.cut()
    other.wait("presence", from_=one.jid, type="unavailable")


def test_own_resources_see_each_other(alice):
    one = alice.ready()
    two = alice.ready("ws")
    one.wait("presence", from_=two.jid, type=None)
    two.wait("presence", from_=one.jid, type=None)
    two.end()
    one.wait("presence", from_=two.jid, type="unavailable")


@pytest.mark.ours
@pytest.mark.parametrize("inner", ["<priority>128</priority>", "<priority>-129</priority>",
                                   "<priority>high</priority>", "<priority/>"])
def test_bad_priority(alice, inner):
    """An error or a default, never a lost stream."""
    client = alice.ready()
    client.send("<presence id='bad'>%s</presence>" % inner)
    answer = client.wait("presence", id="bad")
    if answer.get("type") == "error":
        assert condition(answer) == ("modify", "bad-request")
    client.barrier(client)


@pytest.mark.ours
def test_presence_of_an_unknown_type(alice):
    client = alice.ready()
    client.send("<presence type='dancing' id='dance'/>")
    assert condition(client.wait("presence", id="dance")) == ("modify", "bad-request")


def test_many_contacts(account):
    """One with many contacts comes and goes; everybody hears of it once."""
    star = account(fresh("star")).ready("tls")
    fans = [account(fresh("fan")).ready("tls") for _ in range(20)]
    for fan in fans:
        make_friends(fan, star)
    star.end()
    for fan in fans:
        fan.wait("presence", type="unavailable", from_=star.jid)
