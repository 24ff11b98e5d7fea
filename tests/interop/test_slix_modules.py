# SPDX-License-Identifier: MIT
"""What slixmpp's plugins make of the modules, each by its own methods and not by ours."""

import asyncio
import base64
import hashlib
import hmac
import xml.etree.ElementTree as ET

import pytest
from slixmpp.plugins import xep_0082

from server import Server
from slix import talk

pytestmark = pytest.mark.ours
EXTDISCO = "urn:xmpp:extdisco:2"


@pytest.fixture(scope="module")
def rich_server(request, tmp_path_factory):
    """A server on which everything that needs a setting has one."""
    server = Server(
        tmp_path_factory.mktemp("rich"),
        settings={"contacts": {"admin": ["xmpp:admin@localhost"], "abuse": ["mailto:a@b.test"]},
                  "extdisco": {"services": ["turn:turn.test"], "secret": "s"}}).start()
    yield server
    server.stop()


@pytest.fixture
def rich(rich_server, make_account):
    rich_server.revive()
    yield lambda: make_account(rich_server)
    rich_server.check()


def test_last_activity(rich):
    async def scenario(client):
        plugin = client["xep_0012"]
        client.send_presence()
        host = await plugin.get_last_activity(client.boundjid.domain)
        own = await plugin.get_last_activity(client.boundjid.bare)
        return host["last_activity"]["seconds"], own["last_activity"]["seconds"]
    host, own = talk(rich(), ["xep_0012"], scenario)
    assert host >= 0 and own == 0


def test_private_storage(rich):
    """Bookmarks, which is what it was used for."""
    account = rich()

    async def store(client):
        bookmarks = client["xep_0048"].stanza.Bookmarks()
        bookmarks.add_conference("room@chat.test", nick="me & you", autojoin=True, name="A <room>")
        await client["xep_0048"].set_bookmarks(bookmarks, method="xep_0049")

    async def fetch(client):
        answer = await client["xep_0048"].get_bookmarks(method="xep_0049")
        return [(str(room["jid"]), room["nick"], room["name"], room["autojoin"])
                for room in answer["private"]["bookmarks"]["conferences"]]
    talk(account, ["xep_0048", "xep_0049"], store)
    assert talk(account, ["xep_0048", "xep_0049"], fetch) == [
        ("room@chat.test", "me & you", "A <room>", True)]


def test_vcard(rich):
    account, other = rich(), rich()
    picture = bytes(range(256)) * 50

    async def publish(client):
        card = client["xep_0054"].make_vcard()
        card["FN"] = "J\u00fcliet <&>"
        card["PHOTO"]["TYPE"] = "image/png"
        card["PHOTO"]["BINVAL"] = picture
        await client["xep_0054"].publish_vcard(card)

    async def look(client):
        answer = await client["xep_0054"].get_vcard(account.jid, cached=False)
        return answer["vcard_temp"]["FN"], answer["vcard_temp"]["PHOTO"]["BINVAL"]
    talk(account, ["xep_0054"], publish)
    assert talk(other, ["xep_0054"], look) == ("J\u00fcliet <&>", picture)


def test_blocking(rich):
    async def scenario(client):
        plugin, pushed = client["xep_0191"], []
        client.add_event_handler("blocked", pushed.append)
        await plugin.get_blocked()
        await plugin.block(["x@localhost", "y.test"])
        blocked = {str(j) for j in (await plugin.get_blocked())["blocklist"]["items"]}
        await plugin.unblock("x@localhost")
        left = {str(j) for j in (await plugin.get_blocked())["blocklist"]["items"]}
        return blocked, left, len(pushed)
    assert talk(rich(), ["xep_0191"], scenario) == ({"x@localhost", "y.test"}, {"y.test"}, 1)


def test_time_and_version(rich):
    async def scenario(client):
        host = client.boundjid.domain
        now = await client["xep_0202"].get_entity_time(host)
        version = await client["xep_0092"].get_version(host)
        # Its own reader puts a second Z behind the time (slixmpp 1.8).
        return now["entity_time"].xml.findtext("{urn:xmpp:time}utc"), version["software_version"]
    now, version = talk(rich(), ["xep_0202", "xep_0092"], scenario)
    assert xep_0082.parse(now).year >= 2024
    assert version["name"] == "Jackdaw" and version["version"]


def test_caps_of_the_server(rich):
    """slixmpp asks by the node, makes the sum, and keeps the answer only if they agree."""
    async def scenario(client):
        for _ in range(200):
            info = await client["xep_0115"].get_caps(client.boundjid.domain)
            if info is not None:
                return info["features"], client["xep_0115"].caps_node
            await client["xep_0030"].get_info(client.boundjid.domain)
        raise AssertionError("the plugin did not believe the server")
    features, _ = talk(rich(), ["xep_0115", "xep_0128", "xep_0004"], scenario)
    assert {"http://jabber.org/protocol/caps", EXTDISCO} <= set(features)


async def questions(client):
    """How often the server asked what this client can do, and for which nodes."""
    nodes = []

    def watch(stanza):
        if stanza.name == "iq" and stanza["type"] == "get" and \
                stanza.xml.find("{http://jabber.org/protocol/disco#info}query") is not None:
            nodes.append(stanza["disco_info"]["node"])
        return stanza
    client.add_filter("in", watch)
    await client["xep_0115"].update_caps(broadcast=False)
    client.send_presence()
    for _ in range(3):
        await client["xep_0199"].send_ping(client.boundjid.domain)
    ver = await client["xep_0115"].get_verstring(client.boundjid)
    return nodes, "%s#%s" % (client["xep_0115"].caps_node, ver)


def test_caps_of_the_client(rich):
    """The server asks the first of them and believes it; the second one is not asked."""
    plugins = ["xep_0030", "xep_0115", "xep_0199", "xep_0092"]
    nodes, mine = talk(rich(), plugins, questions)
    assert nodes == [mine]
    assert talk(rich(), plugins, questions) == ([], mine)
    nodes, other = talk(rich(), plugins + ["xep_0202"], questions)
    assert nodes == [other] and other != mine


def test_contact_addresses(rich):
    async def scenario(client):
        answer = await client["xep_0030"].get_info(client.boundjid.domain)
        form = answer["disco_info"]["form"]
        return form["type"], form.get_values()
    type_, values = talk(rich(), ["xep_0030", "xep_0128", "xep_0004"], scenario)
    assert type_ == "result"
    assert values["FORM_TYPE"] in ("http://jabber.org/network/serverinfo",
                                   ["http://jabber.org/network/serverinfo"])
    assert values["admin-addresses"] == ["xmpp:admin@localhost"]
    assert values["abuse-addresses"] == ["mailto:a@b.test"]


def test_external_services(rich):
    """slixmpp 1.8 has no plugin for them, but a client that can ask for anything."""
    async def scenario(client):
        iq = client.make_iq_get(ito=client.boundjid.domain)
        iq.append(ET.Element("{%s}services" % EXTDISCO))
        answer = await asyncio.wait_for(iq.send(), 15)
        return [dict(s.attrib) for s in answer.xml.iter("{%s}service" % EXTDISCO)]
    (turn,) = talk(rich(), [], scenario)
    proof = hmac.new(b"s", turn["username"].encode(), hashlib.sha1).digest()
    assert base64.b64decode(turn["password"]) == proof
    assert (turn["host"], turn["port"], turn["transport"]) == ("turn.test", "3478", "udp")
