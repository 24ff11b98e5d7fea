# SPDX-License-Identifier: MIT
"""The first chat: alice in a browser, bob with slixmpp and a second device.

They add each other, see presence come and go, and exchange messages both ways,
small ones and the largest.
"""

import pytest

from raw import fresh
from xmlstream import NS

LARGEST = 99999
ASTRAL = "\U0001F426"  # four bytes in UTF-8, two units in JavaScript


def start_chat(peer):
    """What a chat client does after login: the roster, then presence."""
    peer.online()
    assert peer.iq("get", "<query xmlns='jabber:iq:roster'/>")["type"] == "result"
    peer.send("<presence id='%s'/>" % (id_ := fresh("start")))
    peer.wait(name="presence", from_=peer.jid, id=id_)
    return peer


def befriend(one, other, devices):
    """one and other subscribe to each other; devices are further ones of other's account."""
    for asker, asked in ((one, other), (other, one)):
        asker.send("<presence to='%s' type='subscribe'/>" % asked.bare)
        asked.wait(name="presence", type="subscribe", from_=asker.bare)
        asked.send("<presence to='%s' type='subscribed'/>" % asker.bare)
        asker.wait(name="presence", type="subscribed", from_=asked.bare)
    for device in (other, *devices):
        one.wait(name="presence", from_=device.jid, type=None)
        device.wait(name="presence", from_=one.jid, type=None)


def roster_state(peer, contact):
    answer = peer.iq("get", "<query xmlns='jabber:iq:roster'/>")
    item = answer["xml"].partition("jid=")[2][:200] + answer["xml"]
    assert contact in item
    return answer["xml"]


def talk(one, other, body, count=1):
    """Both ways, and exactly what was written."""
    for sender, receiver in ((one, other), (other, one)):
        id_ = sender.chat(receiver.jid, body, count)
        message = receiver.wait(name="message", id=id_)
        assert message["from"] == sender.jid
        arrived = message["body"] or ""
        # Compared by length first: the difference of two long texts takes pytest minutes.
        assert len(arrived) == len(body) * count, "%s: %s" % (receiver.jid, receiver.story())
        assert (arrived == body * count) is True


def too_long(sender, receiver):
    """One character more than the limit: an error for the stanza, none for the stream."""
    id_ = sender.chat(receiver.jid, "x", LARGEST + 1)
    error = sender.wait(name="message", id=id_, type="error")
    assert "policy-violation" in error.get("xml", "policy-violation")
    if "xml" in error:
        assert NS["stanzas"] in error["xml"] and "modify" in error["xml"]
    talk(sender, receiver, "still here")


def come_and_go(watched, watcher):
    watched.send("<presence><show>away</show></presence>")
    watcher.wait(name="presence", from_=watched.jid, show="away")
    watched.send("<presence type='unavailable'/>")
    watcher.wait(name="presence", from_=watched.jid, type="unavailable")
    watched.send("<presence/>")
    watcher.wait(name="presence", from_=watched.jid, type=None)


def first_chat(start_alice, clients, alice, bob, large=True, limits=True):
    one = start_chat(start_alice())
    phone = start_chat(clients.slixmpp(bob))
    desktop = start_chat(clients.xmppjs(bob, "tls"))
    befriend(one, phone, [desktop])
    for device in (phone, desktop):
        come_and_go(device, one)
        come_and_go(one, device)
        talk(one, device, "Hello & <welcome>, \u00fcmlaut, \u2603, %s!" % ASTRAL)
        if large:
            talk(one, device, ASTRAL, LARGEST)
            talk(one, device, "&", LARGEST)
    if limits:
        for sender, receiver in ((one, phone), (phone, desktop), (desktop, one)):
            too_long(sender, receiver)
    assert alice.jid in roster_state(phone, alice.jid)
    assert "both" in roster_state(one, bob.jid)
    phone.vanish()
    one.wait(name="presence", from_=phone.jid, type="unavailable")
    desktop.close()
    one.wait(name="presence", from_=desktop.jid, type="unavailable")
    for peer in (one, phone, desktop):
        assert not peer.errors(), peer.story()


@pytest.mark.browser
@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_browser(server, browser, clients, alice, bob, secure):
    # A browser sends large messages in fragments, which the reference does not take.
    ours = server.kind == "jackdaw"
    first_chat(lambda: clients.strophe_browser(alice, secure), clients, alice, bob, ours, ours)


@pytest.mark.browser
@pytest.mark.ours
@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_browser_finds_the_websocket(browser, clients, alice, secure):
    """Cross-origin host-meta (XEP-0156), then the login at the address found there."""
    page = clients.strophe_browser(alice, secure, discover=True)
    url = page.wait("discovered")["url"]
    assert url == clients.websocket_url(secure)
    start_chat(page)


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_strophe_in_node(server, node, clients, alice, bob, secure):
    first_chat(lambda: clients.strophe_node(alice, secure), clients, alice, bob,
               limits=server.kind == "jackdaw")


@pytest.mark.parametrize("transport", ["starttls", "tls", "ws", "wss"])
def test_xmppjs_logs_in_by_a_token(node, clients, server, alice, transport):
    """SASL2, Bind 2 and FAST of @xmpp/client: a password first, then the device's token."""
    def mechanisms():
        return [s["mechanism"] for s in server.ctl_json("sessions", alice.jid)["sessions"]]
    one = start_chat(clients.xmppjs(alice, transport))
    assert mechanisms() == ["SCRAM-SHA-1"]
    before = one.jid
    for _ in range(2):
        one.command("again")
        one.wait("offline")
        assert one.wait("online")["jid"] == before
        assert mechanisms() == ["HT-SHA-256-NONE"]
    tokens = server.ctl_json("token", "list", alice.jid)["tokens"]
    assert len(tokens) == 1


@pytest.mark.parametrize("transport", ["starttls", "tls", "ws", "wss"])
def test_xmppjs(node, clients, alice, bob, transport):
    one = start_chat(clients.xmppjs(alice, transport))
    phone = start_chat(clients.slixmpp(bob))
    befriend(one, phone, [])
    talk(one, phone, "hello")
    come_and_go(one, phone)
    one.close()
    phone.wait(name="presence", from_=one.jid, type="unavailable")
    assert not one.errors() and not phone.errors()


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512",
                                       "PLAIN"])
def test_slixmpp_mechanisms(clients, alice, mechanism):
    phone = start_chat(clients.slixmpp(alice, mechanism))
    answer = phone.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", "localhost")
    assert answer["type"] == "result"


def test_slixmpp_wrong_password(clients, alice):
    alice.password = "wrong"
    clients.slixmpp(alice).wait("error", text="failed auth")


@pytest.mark.browser
def test_browser_wrong_password(browser, clients, alice):
    alice.password = "wrong"
    clients.strophe_browser(alice, True).wait("status", status="AUTHFAIL")


@pytest.mark.browser
def test_tab_is_shut(browser, clients, alice, bob):
    """A browser closed without a word: contacts see the user go."""
    page = start_chat(clients.strophe_browser(alice, True))
    phone = start_chat(clients.slixmpp(bob))
    befriend(page, phone, [])
    page.command("vanish")
    phone.wait(name="presence", from_=page.jid, type="unavailable")
