# SPDX-License-Identifier: MIT
"""Rooms in the loss proof.

A room is an account to the ledger: it has rows, and its occupants are its devices. Each
is one that resumes (device.Managed); all devices of an account sit under one name.
What a room says leaves with its id, so an occupant finds it live or in the room's archive,
and live in the order of that.
"""

import asyncio
import xml.etree.ElementTree as ET

from stream import CLIENT, DEADLINE, Broken, Lost, child, tag

MUC = "http://jabber.org/protocol/muc"
MUC_USER = MUC + "#user"
SID = "urn:xmpp:sid:0"


class Room:
    """See the head of this file."""

    is_room = True

    def __init__(self, name, host):
        self.name = name
        self.jid = "%s@%s" % (name, host)
        self.rows = []
        self.ids = set()
        self.devices = []

    async def make(self, stream):
        """Makes it, for ever; who does so leaves again when he goes."""
        await enter(stream, self, "maker", made=True)
        answer = await stream.ask(
            "<query xmlns='%s#owner'><x xmlns='jabber:x:data' type='submit'>"
            "<field var='FORM_TYPE'><value>%s#roomconfig</value></field>"
            "<field var='muc#roomconfig_persistentroom'><value>1</value></field></x></query>" % (
                MUC, MUC), to=self.jid)
        if answer.get("type") != "result":
            raise Broken("no room: " + ET.tostring(answer, "unicode"))


class Occupant:
    """A device in a room."""

    catches_up = pages_only = True

    def __init__(self, device, room):
        self.device, self.room = device, room
        self.name = "%s in %s" % (device.name, room.name)
        self.received = device.received
        self.ids = {}
        self.live_ids = [[]]  # ids of each session, in the order in which they came
        self.last = None  # newest that it has paged to
        room.devices.append(self)

    def on_live(self, element):
        for sid in element.iterfind(tag(SID, "stanza-id")):
            if sid.get("by") != self.room.jid:
                continue
            if sid.get("id") in self.live_ids[-1]:
                self.device.world.ledger.fault("%s came twice in one session of %s" % (
                    sid.get("id"), self.name))
            self.live_ids[-1].append(sid.get("id"))
            self.ids[sid.get("id")] = element.get("id") + " (live)"

    async def begin(self, stream):
        """In a new session."""
        self.live_ids.append([])
        await enter(stream, self.room, self.device.account.name)
        await self.catch_up(stream)

    async def catch_up(self, stream):
        self.last = await self.device.catch_up(stream, self.last, self.room.jid)


async def enter(stream, room, nick, made=False):
    """Comes back when the room has said that we are in it."""
    future = asyncio.get_running_loop().create_future()
    at = "%s/%s" % (room.jid, nick)
    stream.entering[at] = future
    stream.stanza("<presence to='%s'><x xmlns='%s'><history maxstanzas='0'/></x></presence>" % (
        at, MUC))
    try:
        presence = await asyncio.wait_for(future, DEADLINE)
    except asyncio.TimeoutError as error:
        raise (stream.ended or Broken("%s says nothing to who enters" % room.name)) from error
    finally:
        stream.entering.pop(at, None)
    if presence.get("type") == "error":
        raise Lost("%s: %s" % (room.name, ET.tostring(presence, "unicode")))
    codes = {status.get("code") for status in presence.iter(tag(MUC_USER, "status"))}
    if ("201" in codes) != made:
        raise Broken("%s is %s" % (room.name, "not new" if made else "lost"))


def is_answer(element):
    """Presence of the room that says whether we are in it."""
    if element.tag != tag(CLIENT, "presence"):
        return False
    user = child(element, MUC_USER, "x")
    return element.get("type") == "error" or (
        element.get("type") is None and user is not None and
        any(status.get("code") == "110" for status in user.iter(tag(MUC_USER, "status"))))
