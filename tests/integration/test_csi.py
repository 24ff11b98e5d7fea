# SPDX-License-Identifier: MIT
"""Client state indication (XEP-0352): what nobody looks at waits."""

import pytest

import sasl2
from raw import fresh
from slix import talk
from xmlstream import qname

CSI = "urn:xmpp:csi:0"
TYPING = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"


def say(client, what):
    client.send("<%s xmlns='%s'/>" % (what, CSI))


def show(sender, to, status):
    sender.send("<presence to='%s'><status>%s</status></presence>" % (to.jid, status))


def settle(sender, account):
    """The account has handled all that came from the sender, which no session of it sees."""
    sender.iq("get", "<ping xmlns='urn:xmpp:ping'/>", account.jid)


def statuses(client):
    return [e.findtext(qname("status")) for e in client.taken("presence")]


def ready(account, transport="starttls"):
    """Its own presence has come back, so nothing else is on its way to it."""
    client = account.ready(transport)
    client.iq("get", "<ping xmlns='urn:xmpp:ping'/>", client.host)
    client.taken("presence")
    return client


def test_advertised(alice):
    client = alice.login()
    assert client.features.find("{%s}csi" % CSI) is not None


@pytest.mark.quick
def test_waits_and_comes(alice, bob, transport):
    phone, desk = ready(alice, transport), ready(bob)
    say(phone, "inactive")
    phone.iq("get", "<ping xmlns='urn:xmpp:ping'/>", phone.host)
    for status in "123":
        show(desk, phone, status)
    desk.send("<message type='chat' to='%s'>%s</message>" % (phone.jid, TYPING))
    settle(desk, alice)
    assert not phone.events
    id_ = desk.message(phone.jid, "wake up")
    phone.wait("message", id=id_)
    assert statuses(phone) == ["3"]
    assert len(phone.taken("message")) == 1


def test_active_before_the_answer(alice, bob):
    """What waited is written before anything that comes behind <active/>."""
    phone, desk = ready(alice), ready(bob)
    say(phone, "inactive")
    phone.iq("get", "<ping xmlns='urn:xmpp:ping'/>", phone.host)
    assert statuses(phone) == []
    show(desk, phone, "late")
    settle(desk, alice)
    say(phone, "active")
    id_ = fresh("p")
    phone.send("<iq type='get' id='%s' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>" % (
        id_, phone.host))
    first, second = phone.next(), phone.next()
    assert first.tag == qname("presence") and second.get("id") == id_


def test_with_bind2(server, alice, bob, connect):
    inside = sasl2.bind("<inactive xmlns='%s'/>" % CSI)
    client = connect(server, host=alice.host).secure()
    inline = client.features.find(".//%s/{%s}inline" % (qname("bind2:bind"), sasl2.NS["bind2"]))
    assert CSI in {f.get("var") for f in inline}
    phone, desk = sasl2.login(server, alice, connect=connect, inside=inside), ready(bob)
    show(desk, phone, "quiet")
    id_ = desk.message(phone.jid, "wake up")
    phone.wait("message", id=id_)
    assert statuses(phone) == ["quiet"]
    show(desk, phone, "again")
    settle(desk, alice)
    assert not phone.events
    say(phone, "active")
    phone.wait("presence", from_=desk.jid)


def test_many_senders(own_server, make_account):
    """The bound is one number for all; at it everything is sent, in order."""
    server = own_server(settings={("host", "localhost"): {"csi": {"max_stanzas": 3}}})
    account = make_account(server, fresh("phone"))
    phone = ready(account)
    others = [ready(make_account(server, fresh("other"))) for _ in range(4)]
    say(phone, "inactive")
    phone.iq("get", "<ping xmlns='urn:xmpp:ping'/>", phone.host)
    for i, other in enumerate(others):
        show(other, phone, str(i))
        settle(other, account)
    phone.wait("presence", from_=others[3].jid)
    assert statuses(phone) == ["0", "1", "2"]


def test_slixmpp(alice, bob):
    desk = ready(bob)

    async def scenario(client):
        client.send_presence()
        client.plugin["xep_0352"].send_inactive()
        await client.plugin["xep_0199"].send_ping(client.boundjid.host)
        desk.send("<presence to='%s'/>" % client.boundjid.full)
        id_ = desk.message(client.boundjid.full, "x")
        seen = []
        client.add_event_handler("presence", lambda p: seen.append(p["from"].full))
        message = await client.wait_until("message", 15)
        assert message["id"] == id_
        return seen
    assert desk.jid in talk(alice, ["xep_0352", "xep_0199"], scenario)
