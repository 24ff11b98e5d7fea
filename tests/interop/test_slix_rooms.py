# SPDX-License-Identifier: MIT
"""slixmpp's xep_0045 in our rooms: what a client that is not ours makes of them."""

import asyncio
import xml.etree.ElementTree as ET

import pytest
import slixmpp
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from muc import new_room
from raw import DEADLINE
from slix import run

pytestmark = pytest.mark.ours
PLUGINS = ("xep_0030", "xep_0045", "xep_0048", "xep_0199", "xep_0249", "xep_0359", "xep_0421")
MODERATE = "urn:xmpp:message-moderate:1"
RETRACT = "urn:xmpp:message-retract:1"


async def login(account):
    client = slixmpp.ClientXMPP(account.jid, account.password)
    client.ca_certs = account.server.certificate
    for plugin in PLUGINS:
        client.register_plugin(plugin)
    client.messages = asyncio.Queue()
    client.add_event_handler("groupchat_message", client.messages.put_nowait)
    client.connect(account.server.address("c2s"))
    await client.wait_until("session_start", DEADLINE)
    client.send_presence()
    return client


async def said(client, body):
    while True:
        message = await asyncio.wait_for(client.messages.get(), DEADLINE)
        if message["body"] == body:
            return message


def test_rooms(alice, bob):
    async def scenario():
        a, b = await login(alice), await login(bob)
        room = slixmpp.JID(new_room())
        rooms = a["xep_0045"]
        await rooms.join_muc_wait(room, "alice", timeout=DEADLINE)
        form = await rooms.get_room_config(room)
        form["type"] = "submit"
        form.set_values({"muc#roomconfig_roomname": "A room", "muc#roomconfig_whois": "anyone"})
        await rooms.set_room_config(room, form)
        info = await b["xep_0030"].get_info(jid=room)
        assert "muc_nonanonymous" in info["disco_info"]["features"]
        presence, _, occupants, _ = await b["xep_0045"].join_muc_wait(
            room, "bob", maxstanzas=10, timeout=DEADLINE)
        assert {p["from"].resource for p in occupants} - {"bob"} == {"alice"}
        assert presence["muc"]["role"] == "participant"
        assert set(b["xep_0045"].get_roster(room)) == {"alice", "bob"}
        assert b["xep_0045"].get_jid_property(room, "alice", "jid") == a.boundjid.full
        b.send_message(mto=room, mbody="hello", mtype="groupchat")
        for client in (a, b):
            message = await said(client, "hello")
            assert message["from"].resource == "bob" and message["mucnick"] == "bob"
        await rooms.set_affiliation(room, "member", jid=slixmpp.JID(bob.jid))
        assert await rooms.get_affiliation_list(room, "member") == [bob.jid]
        await rooms.set_role(room, "bob", "none", reason="bye")
        with pytest.raises(slixmpp.exceptions.IqError):
            await b["xep_0045"].set_role(room, "alice", "none")
        _, _, _, history = await b["xep_0045"].join_muc_wait(
            room, "bob", maxstanzas=10, timeout=DEADLINE)
        assert [m["body"] for m in history] == ["hello"]
        await rooms.destroy(room, reason="over")
        for client in (a, b):
            await client.disconnect(wait=2)
    run(scenario())


async def made(client, room, nick):
    await client["xep_0045"].join_muc_wait(room, nick, timeout=DEADLINE)
    form = await client["xep_0045"].get_room_config(room)
    form["type"] = "submit"
    await client["xep_0045"].set_room_config(room, form)


def test_ids_and_self_ping(alice, bob):
    """XEP-0421: one id for one account, whatever it is called; XEP-0410: am I still there?"""
    async def scenario():
        a, b = await login(alice), await login(bob)
        room = slixmpp.JID(new_room())
        await made(a, room, "alice")
        info = await a["xep_0030"].get_info(jid=room)
        assert a["xep_0421"].namespace in info["disco_info"]["features"]
        ids = []
        for nick in ("bob", "robert"):
            await b["xep_0045"].join_muc_wait(room, nick, timeout=DEADLINE)
            assert await b["xep_0199"].ping("%s/%s" % (room, nick)) > 0
            b.send_message(mto=room, mbody="I am " + nick, mtype="groupchat")
            ids += [(await said(client, "I am " + nick))["occupant-id"]["id"]
                    for client in (a, b)]
            await a["xep_0045"].set_role(room, nick, "none")
            with pytest.raises(slixmpp.exceptions.IqError) as refusal:
                await b["xep_0199"].send_ping("%s/%s" % (room, nick))
            assert refusal.value.condition == "not-acceptable"
        assert len(set(ids)) == 1 and ids[0]
        a.send_message(mto=room, mbody="I am alice", mtype="groupchat")
        assert (await said(a, "I am alice"))["occupant-id"]["id"] != ids[0]
        for client in (a, b):
            await client.disconnect(wait=2)
    run(scenario())


def test_moderation(alice, bob):
    """XEP-0425: its plugin speaks an older version, so the request is written here."""
    async def scenario():
        a, b = await login(alice), await login(bob)
        room = slixmpp.JID(new_room())
        await made(a, room, "alice")
        await b["xep_0045"].join_muc_wait(room, "bob", timeout=DEADLINE)
        b.send_message(mto=room, mbody="spam", mtype="groupchat")
        id_ = (await said(a, "spam"))["stanza_id"]["id"]

        def request(client):
            iq = client.make_iq_set(ito=room)
            moderate = ET.Element("{%s}moderate" % MODERATE, {"id": id_})
            ET.SubElement(moderate, "{%s}retract" % RETRACT)
            iq.append(moderate)
            return iq.send(timeout=DEADLINE)
        with pytest.raises(slixmpp.exceptions.IqError) as refusal:
            await request(b)
        assert refusal.value.condition == "forbidden"
        told = []
        b.register_handler(Callback(
            "retraction", MatchXPath("{jabber:client}message/{%s}retract" % RETRACT), told.append))
        await request(a)
        await b["xep_0199"].ping("%s/bob" % room)
        assert [m.xml.find("{%s}retract" % RETRACT).get("id") for m in told] == [id_]
        assert told[0]["from"] == room
        _, _, _, history = await a["xep_0045"].join_muc_wait(
            room, "alice", maxstanzas=10, timeout=DEADLINE)
        assert "spam" not in [m["body"] for m in history]
        for client in (a, b):
            await client.disconnect(wait=2)
    run(scenario())


def test_bookmarks(alice, bob):
    """XEP-0048 in private storage: another device finds the room, and enters it as it is told."""
    async def scenario():
        a, b = await login(alice), await login(bob)
        room = slixmpp.JID(new_room())
        await made(a, room, "alice")
        marks = b["xep_0048"].stanza.Bookmarks()
        marks.add_conference(room, "bob", autojoin=True)
        await b["xep_0048"].set_bookmarks(marks)
        await b.disconnect(wait=2)
        b = await login(bob)
        answer = await b["xep_0048"].get_bookmarks()
        found = [c for c in answer["private"]["bookmarks"]["conferences"] if c["autojoin"]]
        assert [c["jid"] for c in found] == [room]
        presence, _, occupants, _ = await b["xep_0045"].join_muc_wait(
            found[0]["jid"], found[0]["nick"], timeout=DEADLINE)
        assert presence["from"].resource == "bob"
        assert "alice" in {p["from"].resource for p in occupants}
        for client in (a, b):
            await client.disconnect(wait=2)
    run(scenario())
