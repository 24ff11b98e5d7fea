# SPDX-License-Identifier: MIT
"""Clients from the wild page through history (XEP-0313)."""

import re

import pytest
from slixmpp import JID

from peer import Clients
from raw import fresh
from server import Server
from slix import talk as slix_talk

pytestmark = pytest.mark.ours
MODULES = ("roster presence message disco ping version time carbons blocking private vcard last "
           "caps archive").split()
COUNT = 25


@pytest.fixture(scope="module")
def keeping(tmp_path_factory):
    """A server that keeps what is said."""
    server = Server(tmp_path_factory.mktemp("keeping"))
    server.settings["host", "localhost"]["modules"] = MODULES
    server.write_conf({})
    server.start()
    yield server
    server.stop()


@pytest.fixture
def wild(node, keeping, tmp_path):
    group = Clients(keeping, str(tmp_path))
    yield group
    group.close()
    keeping.check()


@pytest.fixture
def talk(keeping, make_account, wild):
    """Twenty-five messages from a phone; the account that was written to, and the bodies."""
    sender, receiver = make_account(keeping), make_account(keeping)
    phone, desktop = wild.xmppjs(sender, "tls").online(), wild.xmppjs(receiver, "tls").online()
    for peer in (phone, desktop):
        peer.send("<presence/>")
        peer.wait(name="presence", from_=peer.jid)
    bodies = ["message %d \u2603" % i for i in range(COUNT)]
    for body in bodies:
        phone.chat(receiver.jid, body)
    for body in bodies:
        desktop.wait(name="message", body=body)
    desktop.close()
    return receiver, sender, bodies


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_stanza_io_pages(wild, talk, secure):
    account, other, bodies = talk
    client = wild.stanzaio(account, secure).online()

    def page(**paging):
        id_ = fresh("page")
        client.command("history", id=id_, **paging)
        return client.wait("history", id=id_)
    forwards, after = [], None
    while True:
        got = page(max=10, **({"after": after} if after else {}))
        forwards += got["bodies"]
        if got["complete"]:
            break
        after = got["last"]
    assert forwards == bodies
    newest = page(max=7, before="")
    assert newest["bodies"] == bodies[-7:] and newest["count"] == COUNT
    assert page(max=5, before=newest["first"])["bodies"] == bodies[-12:-7]
    assert page(max=50, **{"with": other.jid})["bodies"] == bodies
    assert page(max=50, **{"with": "nobody@localhost"})["bodies"] == []
    id_ = fresh("prefs")
    client.command("preferences", id=id_, default="roster")
    assert client.wait("preferences", id=id_)["default"] == "roster"
    assert not client.errors(), client.story()


def strophe_pages(client, bodies):
    """Plain stanzas: what a web client without a plugin does."""
    got, last = [], ""
    while True:
        after = "<after>%s</after>" % last if last else ""
        answer = client.iq("set", "<query xmlns='urn:xmpp:mam:2'>"
                           "<set xmlns='http://jabber.org/protocol/rsm'><max>10</max>%s</set>"
                           "</query>" % after)["xml"]
        last = re.search(r"<last[^>]*>([^<]+)</last>", answer).group(1)
        results = [event for event in client.events
                   if event["event"] == "stanza" and "urn:xmpp:mam:2" in event.get("xml", "")]
        for event in results:
            client.events.remove(event)
            got.append(re.search(r"<body[^>]*>([^<]*)</body>", event["xml"]).group(1))
        if re.search(r"complete=[\"']true", answer):
            break
    assert got == bodies
    assert not client.errors(), client.story()


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_strophe_pages(wild, talk, secure):
    account, _, bodies = talk
    strophe_pages(wild.strophe_node(account, secure).online(), bodies)


@pytest.mark.browser
def test_strophe_pages_in_a_browser(browser, wild, talk):
    account, _, bodies = talk
    strophe_pages(wild.strophe_browser(account, True).online(), bodies)


def test_slixmpp_pages(talk):
    """Iterating both ways, and the fields of the form."""
    account, other, bodies = talk

    async def scenario(client):
        archive = client["xep_0313"]
        fields = (await archive.get_fields()).get_fields()

        async def collected(**how):
            return [result["mam_result"]["forwarded"]["stanza"]["body"]
                    async for result in archive.iterate(rsm={"max": 4}, **how)]
        backwards = await collected(reverse=True)
        metadata = await archive.get_archive_metadata()
        return (sorted(fields), await collected(), backwards,
                await collected(with_jid=JID(other.jid)), metadata)
    fields, forwards, backwards, with_other, metadata = slix_talk(account, ["xep_0313"], scenario)
    assert {"start", "end", "with", "after-id", "before-id", "ids"} <= set(fields)
    assert forwards == bodies and with_other == bodies
    assert backwards == bodies[::-1]
    assert metadata["mam_metadata"]["start"]["id"]
