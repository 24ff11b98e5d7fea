# SPDX-License-Identifier: MIT
"""Clients from the wild come back to their sessions (XEP-0198)."""

import asyncio

import pytest

from raw import DEADLINE
from slix import talk

pytestmark = pytest.mark.ours


@pytest.mark.parametrize("transport", ["starttls", "tls", "ws", "wss"])
def test_xmppjs_resumes(node, clients, server, alice, bob, transport):
    one = clients.xmppjs(alice, transport).online()
    one.send("<presence/>")
    one.wait(name="presence", from_=one.jid)
    other = bob.ready()
    other.message(one.jid, "before")
    one.wait(name="message", body="before")
    one.command("lose")
    for i in range(3):
        other.message(one.jid, "meanwhile %d" % i)
    one.wait("resumed")
    for i in range(3):
        one.wait(name="message", body="meanwhile %d" % i)
    one.chat(other.jid, "here I am")
    assert other.wait("message", from_=one.jid, type="chat") is not None
    session = server.ctl_json("sessions", alice.jid)["sessions"]
    assert len(session) == 1 and session[0]["jid"] == one.jid and session[0]["managed"]
    other.message(one.jid, "after")
    one.wait(name="message", body="after")
    bodies = [e.get("body") for e in one.events if e.get("name") == "message"]
    assert not bodies, one.story()


def test_slixmpp_resumes(alice, bob):
    other = bob.ready()

    async def scenario(client):
        got = asyncio.Queue()
        client.add_event_handler("message", lambda m: got.put_nowait(m["body"]))
        client.send_presence()
        await asyncio.wait_for(client.wait_until("presence_available"), DEADLINE)
        jid = client.boundjid.full
        client.abort()
        for i in range(3):
            other.message(jid, "meanwhile %d" % i)
        client.connect(alice.server.address("c2s"))
        await client.wait_until("session_resumed", DEADLINE)
        bodies = [await asyncio.wait_for(got.get(), DEADLINE) for _ in range(3)]
        return jid, client.boundjid.full, bodies
    before, after, bodies = talk(alice, ["xep_0198"], scenario)
    assert before == after
    assert bodies == ["meanwhile %d" % i for i in range(3)]
