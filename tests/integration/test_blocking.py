# SPDX-License-Identifier: MIT
"""The Blocking Command (XEP-0191)."""

import pytest

from raw import condition
from slix import talk
from xmlstream import escape, qname

BLOCKING = "{urn:xmpp:blocking}"
BLOCKED = "{urn:xmpp:blocking:errors}blocked"


def items_xml(jids):
    return "".join("<item jid='%s'/>" % escape(jid) for jid in jids)


def change(client, what, *jids, to=None):
    return client.iq("set", "<%s xmlns='urn:xmpp:blocking'>%s</%s>" % (
        what, items_xml(jids), what), to)


def blocked(client):
    """The list, by which the client asks for pushes, too."""
    answer = client.iq("get", "<blocklist xmlns='urn:xmpp:blocking'/>")
    assert answer.get("type") == "result"
    return {item.get("jid") for item in answer.find(BLOCKING + "blocklist")}


def push(client, what):
    """The addresses of the next push; it is acknowledged as clients do."""
    stanza = client.wait_for(lambda e: getattr(e, "tag", None) == qname("iq")
                             and e.get("type") == "set"
                             and e.find(BLOCKING + what) is not None, "a push: " + what)
    assert stanza.get("from") in (None, client.bare) and stanza.get("to") == client.jid
    client.send("<iq type='result' id='%s'/>" % stanza.get("id"))
    return {item.get("jid") for item in stanza.find(BLOCKING + what)}


def make_friends(one, other):
    for asker, asked in ((one, other), (other, one)):
        asker.send("<presence to='%s' type='subscribe'/>" % asked.bare)
        asked.wait("presence", type="subscribe")
        asked.send("<presence to='%s' type='subscribed'/>" % asker.bare)
        asker.wait("presence", type="subscribed")
        asker.wait("presence", from_=asked.jid, type=None)


def refused(client, to):
    """A message to this address comes back because it is blocked."""
    id_ = client.message(to, "x")
    error = client.wait("message", id=id_, type="error")
    assert condition(error) == ("cancel", "not-acceptable")
    assert error.find(qname("error")).find(BLOCKED) is not None


def unheard(client, to):
    """A message to this address is answered as if nobody were there."""
    id_ = client.message(to, "x")
    assert condition(client.wait("message", id=id_, type="error")) == (
        "cancel", "service-unavailable")


def test_advertised(alice):
    info = alice.ready().iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>",
                            alice.host)
    assert "urn:xmpp:blocking" in {f.get("var") for f in info.iter(qname("info:feature"))}


@pytest.mark.quick
def test_block_and_unblock(alice, bob, transport):
    one, other = alice.ready(transport), bob.ready()
    make_friends(one, other)
    assert blocked(one) == set()
    assert change(one, "block", bob.jid, "Eve@Example.TEST").get("type") == "result"
    assert push(one, "block") == {bob.jid, "eve@example.test"}
    other.wait("presence", type="unavailable", from_=one.jid)
    refused(one, bob.jid)
    refused(one, other.jid)
    unheard(other, alice.jid)
    if alice.server.kind == "jackdaw":  # the reference drops it without a word
        unheard(other, one.jid)
    for to in (alice.jid, one.jid):
        assert condition(other.iq("get", "<query xmlns='jabber:iq:version'/>", to)) == (
            "cancel", "service-unavailable")
    assert condition(one.iq("get", "<query xmlns='jabber:iq:version'/>", other.jid)) == (
        "cancel", "not-acceptable")
    assert change(one, "unblock", bob.jid).get("type") == "result"
    assert push(one, "unblock") == {bob.jid}
    other.wait("presence", from_=one.jid, type=None)
    other.barrier(one)
    one.barrier(other)
    assert blocked(one) == {"eve@example.test"}


@pytest.mark.ours
def test_unblocked_contact_is_seen_again(alice, bob):
    one, other = alice.ready(), bob.ready()
    make_friends(one, other)
    change(one, "block", bob.jid)
    other.send("<presence><show>away</show></presence>")
    other.wait("presence", from_=other.jid)
    unheard(other, alice.jid)  # its presence, sent before, has been handled
    assert not one.taken("presence", from_=other.jid)
    change(one, "unblock")
    assert one.wait("presence", from_=other.jid).findtext(qname("show")) == "away"


def test_pushes_go_to_those_who_asked(alice):
    asked, other, silent = alice.ready(), alice.ready("ws"), alice.ready()
    for client in (asked, other):
        blocked(client)
    change(silent, "block", "eve@example.test")
    for client in (asked, other):
        assert push(client, "block") == {"eve@example.test"}
    change(asked, "unblock")
    for client in (asked, other):
        assert push(client, "unblock") == set()
    asked.barrier(silent)
    assert not [e for e in silent.events if getattr(e, "tag", None) == qname("iq")]


@pytest.mark.ours
@pytest.mark.parametrize("form", ["full", "bare", "domain"])
def test_matching(account, form):
    """<user@domain/resource>, <user@domain>, <domain>; nobody else is meant."""
    alice, bob, carol = account(), account(host="example.test"), account(host="example.test")
    one, other = alice.ready(), bob.ready()
    device, friend = bob.ready(), carol.ready()
    change(one, "block", {"full": other.jid, "bare": bob.jid, "domain": bob.host}[form])
    unheard(other, alice.jid)
    for client, reached in ((device, form == "full"), (friend, form != "domain")):
        if reached:
            client.message(alice.jid, "x")
            one.wait("message", from_=client.jid)
            one.message(client.jid, "x")
            client.wait("message", from_=one.jid)
        else:
            unheard(client, alice.jid)
            refused(one, client.jid)


def test_survives_the_session(alice, bob):
    one, other = alice.ready(), bob.ready()
    change(one, "block", bob.jid)
    one.end()
    one = alice.ready("tls")
    assert blocked(one) == {bob.jid}
    unheard(other, alice.jid)
    refused(one, bob.jid)


@pytest.mark.ours
def test_survives_the_server(own_server, make_account):
    server = own_server()
    alice, bob = make_account(server), make_account(server)
    change(alice.ready(), "block", bob.jid, "x@example.test/y")
    server.restart()
    assert blocked(alice.ready()) == {bob.jid, "x@example.test/y"}
    unheard(bob.ready(), alice.jid)


@pytest.mark.ours
def test_own_devices_and_server_are_never_blocked(alice):
    phone, tablet = alice.ready(), alice.ready()
    for jid in (alice.jid, tablet.jid):
        assert condition(change(phone, "block", jid)) == ("cancel", "not-allowed")
    assert change(phone, "block", alice.host).get("type") == "result"
    assert phone.iq("get", "<ping xmlns='urn:xmpp:ping'/>", alice.host).get("type") == "result"
    assert phone.roster().get("type") == "result"
    phone.message(tablet.jid, "x")
    tablet.wait("message", from_=phone.jid)


BAD = {
    "no item": ("block", "", {"bad-request"}),
    "no jid": ("block", "<item/>", {"bad-request"}),
    "empty jid": ("block", "<item jid=''/>", {"jid-malformed", "bad-request"}),
    "one of two broken": ("block", "<item jid='a@b.test'/><item jid='a b@@c'/>",
                          {"jid-malformed"}),
    "long jid": ("block", "<item jid='%s@b.test'/>" % ("x" * 1024), {"jid-malformed"}),
    "foreign item": ("block", "<item xmlns='urn:x' jid='a@b.test'/>", {"bad-request"}),
    "unblock nothing known": ("unblock", "<it jid='a@b.test'/>", {"bad-request"}),
    "unblock broken": ("unblock", "<item jid='a b@@c'/>", {"jid-malformed"}),
    "too many": ("block", "".join("<item jid='u%d@b.test'/>" % i for i in range(1001)),
                 {"resource-constraint"}),
    "too long together": ("block", "".join("<item jid='u@b.test/%s%d'/>" % ("r" * 1000, i)
                                           for i in range(140)), {"resource-constraint"}),
}


@pytest.mark.ours
@pytest.mark.parametrize("name", BAD)
def test_bad_request(alice, name):
    client = alice.ready()
    change(client, "block", "kept@b.test")
    what, payload, conditions = BAD[name]
    answer = client.iq("set", "<%s xmlns='urn:xmpp:blocking'>%s</%s>" % (what, payload, what))
    assert condition(answer)[1] in conditions
    assert blocked(client) == {"kept@b.test"}


@pytest.mark.ours
def test_many(alice):
    """As many as there may be, in one request, and out again."""
    client = alice.ready()
    jids = {"u%d@b.test" % i for i in range(1000)}
    assert change(client, "block", *jids).get("type") == "result"
    assert blocked(client) == jids
    assert condition(change(client, "block", "one@more.test"))[1] == "resource-constraint"
    assert change(client, "unblock", *sorted(jids)[:999]).get("type") == "result"
    assert blocked(client) == {sorted(jids)[999]}


@pytest.mark.ours
def test_lists_are_private(alice, bob):
    one, other = alice.ready(), bob.ready()
    change(one, "block", "x@b.test")
    get = "<blocklist xmlns='urn:xmpp:blocking'/>"
    for answer in (other.iq("get", get, alice.jid), change(other, "block", "y@b.test", to=alice.jid),
                   change(other, "unblock", to=alice.jid)):
        assert condition(answer) == ("cancel", "service-unavailable")
    assert blocked(one) == {"x@b.test"}


@pytest.mark.ours
def test_deleted_with_the_account(own_server, make_account):
    server = own_server()
    alice = make_account(server)
    change(alice.ready(), "block", "x@b.test")
    server.ctl_ok("deluser", alice.jid)
    server.ctl_ok("adduser", "--force", alice.jid, stdin=alice.password + "\n")
    assert blocked(alice.ready()) == set()


@pytest.mark.ours
def test_slixmpp(alice):
    async def scenario(client):
        plugin = client["xep_0191"]
        await plugin.block("eve@example.test")
        first = (await plugin.get_blocked())["blocklist"]["items"]
        await plugin.unblock("eve@example.test")
        second = (await plugin.get_blocked())["blocklist"]["items"]
        return {str(jid) for jid in first}, set(second)
    assert talk(alice, ["xep_0191"], scenario) == ({"eve@example.test"}, set())
