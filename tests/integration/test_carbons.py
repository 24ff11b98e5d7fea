# SPDX-License-Identifier: MIT
"""Message Carbons (XEP-0280)."""

import asyncio

import pytest

from raw import condition, fresh
from slix import talk
from xmlstream import qname

CARBONS = "{urn:xmpp:carbons:2}"
FORWARD = "{urn:xmpp:forward:0}"


def switch(client, what="enable", to=None, kind="set"):
    return client.iq(kind, "<%s xmlns='urn:xmpp:carbons:2'/>" % what, to)


def devices(account, n, transport="starttls"):
    """n sessions, all with carbons."""
    clients = [account.ready(transport) for _ in range(n)]
    for client in clients:
        assert switch(client).get("type") == "result"
    return clients


def inner(client, direction):
    """The message inside the next copy, which must come from the own account."""
    copy = client.wait_for(lambda e: getattr(e, "tag", None) == qname("message")
                           and e.find(CARBONS + direction) is not None, "a copy: " + direction)
    assert copy.get("from") == client.bare and copy.get("to") == client.jid
    message = copy.find(CARBONS + direction).find(FORWARD + "forwarded").find(qname("message"))
    assert copy.get("type") == message.get("type")
    return message


def copies(client):
    return [e for e in client.events if getattr(e, "tag", None) == qname("message")
            and (e.find(CARBONS + "sent") is not None or e.find(CARBONS + "received") is not None)]


def test_advertised(alice):
    info = alice.ready().iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>",
                            alice.host)
    assert "urn:xmpp:carbons:2" in {f.get("var") for f in info.iter(qname("info:feature"))}


@pytest.mark.quick
def test_both_directions(alice, bob, transport):
    phone, tablet = devices(alice, 2, transport)
    desk = bob.ready()
    body = "\u2603 & < ' \" ]]> \U0001F426"
    id_ = phone.message(bob.jid, body)
    sent = inner(tablet, "sent")
    assert (sent.get("id"), sent.get("from"), sent.get("to")) == (id_, phone.jid, bob.jid)
    assert sent.findtext(qname("body")) == body
    desk.wait("message", id=id_)
    id_ = desk.message(phone.jid, body)
    received = inner(tablet, "received")
    assert (received.get("id"), received.get("from"), received.get("to")) == (
        id_, desk.jid, phone.jid)
    assert received.findtext(qname("body")) == body
    phone.wait("message", id=id_)
    for client in (phone, tablet, desk):
        assert not copies(client)


def test_each_message_once(alice, bob):
    """To the bare address everybody gets it, so nobody gets a copy."""
    phone, tablet = devices(alice, 2)
    desk = bob.ready()
    id_ = desk.message(alice.jid, "all")
    for client in (phone, tablet):
        client.wait("message", id=id_)
        desk.barrier(client)
        assert not copies(client)


@pytest.mark.quick
def test_order(alice, bob):
    """A conversation with two devices: the third sees it as it was."""
    phone, tablet = devices(alice, 2)
    desk = bob.ready()
    for i in range(50):
        phone.message(desk.jid, "question %d" % i)
        desk.wait("message", from_=phone.jid)
        desk.message(phone.jid, "answer %d" % i)
        phone.wait("message", from_=desk.jid)
    seen = []
    while len(seen) < 100:
        event = tablet.wait("message")
        seen.append(next(event.iter(qname("body"))).text)
    assert seen == ["%s %d" % (what, i) for i in range(50) for what in ("question", "answer")]


@pytest.mark.parametrize("hint", ["<private xmlns='urn:xmpp:carbons:2'/>",
                                  "<no-copy xmlns='urn:xmpp:hints'/>"])
@pytest.mark.ours
def test_private(alice, bob, hint):
    phone, tablet = devices(alice, 2)
    desk, shelf = devices(bob, 2)
    phone.send("<message type='chat' id='p' to='%s'><body>x</body>%s</message>" % (desk.jid, hint))
    desk.wait("message", id="p")
    phone.barrier(tablet)
    desk.barrier(shelf)
    assert not copies(tablet) and not copies(shelf)


@pytest.mark.ours
def test_nobody_enables_for_others(alice, bob):
    victim, offender = alice.ready(), bob.ready()
    other = alice.ready()
    for what in ("enable", "disable"):
        assert condition(switch(offender, what, alice.jid)) == ("cancel", "service-unavailable")
    offender.message(other.jid, "x")
    other.wait("message", from_=offender.jid)
    other.barrier(victim)
    assert not copies(victim)


@pytest.mark.ours
def test_bad_requests(alice):
    client = alice.ready()
    for kind, what, to in (("get", "enable", None), ("set", "activate", None),
                           ("set", "enable", alice.host), ("set", "private", None)):
        assert condition(switch(client, what, to, kind))[1] == "service-unavailable"


def test_forged_copy_keeps_its_sender(alice, bob):
    """CVE-2017-5589: what looks like a copy has the address of who sent it."""
    victim, offender = alice.ready(), bob.ready()
    switch(victim)
    id_ = fresh("forged")
    offender.send(
        "<message to='%s' id='%s' type='chat'><received xmlns='urn:xmpp:carbons:2'>"
        "<forwarded xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client' from='eve@localhost'"
        " to='%s'><body>x</body></message></forwarded></received></message>" % (
            victim.jid, id_, alice.jid))
    assert victim.wait("message", id=id_).get("from") == offender.jid


def test_disabled_and_gone_with_the_session(alice, bob):
    phone, tablet = devices(alice, 2)
    desk = bob.ready()
    assert switch(tablet, "disable").get("type") == "result"
    desk.message(phone.jid, "x")
    phone.wait("message", from_=desk.jid)
    phone.barrier(tablet)
    assert not copies(tablet)
    switch(tablet)
    resource = tablet.resource
    tablet.end()
    tablet = alice.ready(resource=resource)
    desk.message(phone.jid, "x")
    phone.wait("message", from_=desk.jid)
    phone.barrier(tablet)
    assert not copies(tablet)


@pytest.mark.ours
def test_largest_message_is_copied(alice, bob):
    """99 999 characters, each as long as they get, inside of a wrapper."""
    phone, tablet = devices(alice, 2)
    desk = bob.ready()
    for body in ("&" * 99999, "\U0001F426" * 99999):
        desk.message(phone.jid, body)
        phone.wait("message", from_=desk.jid)
        assert (inner(tablet, "received").findtext(qname("body")) == body) is True


@pytest.mark.ours
def test_slixmpp(alice, bob):
    desk, phone = bob.ready(), alice.ready()

    async def scenario(client):
        sent, received = asyncio.Queue(), asyncio.Queue()
        client.add_event_handler("carbon_sent", sent.put_nowait)
        client.add_event_handler("carbon_received", received.put_nowait)
        client.send_presence()
        await client["xep_0280"].enable()
        phone.message(bob.jid, "from the phone")
        out = await sent.get()
        desk.message(phone.jid, "to the phone")
        back = await received.get()
        return out["carbon_sent"]["body"], back["carbon_received"]["body"]
    assert talk(alice, ["xep_0280"], scenario) == ("from the phone", "to the phone")
