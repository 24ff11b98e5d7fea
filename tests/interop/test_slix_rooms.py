# SPDX-License-Identifier: MIT
"""slixmpp's xep_0045 in our rooms: what a client that is not ours makes of them."""

import asyncio

import pytest
import slixmpp

from muc import new_room
from raw import DEADLINE
from slix import run

pytestmark = pytest.mark.ours
PLUGINS = ("xep_0030", "xep_0045", "xep_0249", "xep_0421")


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
