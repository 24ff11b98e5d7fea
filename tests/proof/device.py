# SPDX-License-Identifier: MIT
"""The devices of the loss proof, which send, listen, break and come back.

    Managed   XEP-0198 with resumption, and what it missed from the archive
    Plain     knows neither: what came while it was away is delivered to it
    Pager     never available: it asks the archive for what is behind the last id it knows
"""

import asyncio
import contextlib
import xml.etree.ElementTree as ET

import room
from stream import CLIENT, DEADLINE, Broken, Lost, Stream, child, tag

MAM = "urn:xmpp:mam:2"
SID = "urn:xmpp:sid:0"
RSM = "http://jabber.org/protocol/rsm"
PAGE = 20


class Device:
    """What all have in common."""

    catches_up = pages_only = False

    def __init__(self, world, account, number):
        self.world, self.account = world, account
        self.random = world.fork_random()
        self.name = "%s/d%d" % (account.name, number)
        self.resource = "d%d" % number
        self.received = set()   # keys
        self.ids = {}           # of rows in the own archive: what came with them
        self.sent = 0
        self.stream = None
        self.live_ids = [[]]    # of each session, in the order in which they came
        self.awaited = {}       # bodies that somebody waits for
        self.occupants = {}     # what it is in rooms, by their addresses

    # -- receiving -------------------------------------------------------------------

    def on_stanza(self, element):
        if room.is_answer(element):
            future = self.stream.entering.pop(element.get("from"), None)
            if future is not None:
                future.set_result(element)
        if element.tag != tag(CLIENT, "message"):
            return
        if element.get("type") == "error":
            self.on_error(element)
            return
        result = child(element, MAM, "result")
        if result is not None:
            self.on_result(result, element.get("from"))
            return
        body = element.findtext(tag(CLIENT, "body"))
        if body in self.awaited:
            self.awaited.pop(body).set_result(None)
            return
        self.on_live(element)

    def on_error(self, element):
        message = self.world.ledger.messages.get(element.get("id"))
        if message is not None and not message.acked:
            message.refused = True

    def on_live(self, element):
        origin = child(element, SID, "origin-id")
        if origin is None:
            return
        self.received.add(origin.get("id"))
        if element.get("type") == "groupchat":
            self.occupants[element.get("from").partition("/")[0]].on_live(element)
            return
        for sid in element.iterfind(tag(SID, "stanza-id")):
            if sid.get("by") != self.account.jid:
                continue
            if sid.get("id") in self.live_ids[-1]:
                self.world.ledger.fault("%s came twice in one session of %s" % (
                    origin.get("id"), self.name))
            self.live_ids[-1].append(sid.get("id"))
            self.ids[sid.get("id")] = origin.get("id") + " (live)"

    def on_result(self, result, archive):
        occupant = self.occupants.get(archive)
        forwarded = child(result, "urn:xmpp:forward:0", "forwarded")
        message = child(forwarded, CLIENT, "message")
        origin = child(message, SID, "origin-id")
        (occupant or self).ids.setdefault(
            result.get("id"), "%s (paged)" % (origin.get("id") if origin is not None else "?"))
        if origin is not None and not message.get("from").startswith(self.account.jid):
            self.received.add(origin.get("id"))

    # -- sending -----------------------------------------------------------------------

    def new_message(self):
        self.sent += 1
        to = self.random.choice(self.world.others(self.account))
        if self.occupants and self.random.random() < 0.3:
            to = self.random.choice(list(self.occupants.values())).room
        key = "%s/%d" % (self.name, self.sent)
        self.world.ledger.note(key, self.account.name, self.name, self.sent, to.name)
        return ("<message type='%s' to='%s' id='%s'><body>%s %s</body>"
                "<origin-id xmlns='%s' id='%s'/></message>" % (
                    "groupchat" if isinstance(to, room.Room) else "chat", to.jid, key, key,
                    "x" * self.random.randrange(200), SID, key))

    @staticmethod
    def key_of(text):
        """Of a text that new_message() has made."""
        return text.partition(" id='")[2].partition("'")[0]

    # -- the archive ---------------------------------------------------------------------

    async def catch_up(self, stream, last, archive=None):
        """Pages behind `last` until there is no more; the last id."""
        while True:
            answer = await stream.ask(
                "<query xmlns='%s'><set xmlns='%s'><max>%d</max>%s</set></query>" % (
                    MAM, RSM, PAGE, "<after>%s</after>" % last if last else ""), to=archive)
            if answer.get("type") == "error":
                if answer.find(".//{urn:ietf:params:xml:ns:xmpp-stanzas}item-not-found") is not None:
                    raise Broken("an id that the archive gave is unknown to it: " + last)
                raise Lost("archive: " + ET.tostring(answer, "unicode"))
            fin = child(answer, MAM, "fin")
            last = fin.findtext("%s/%s" % (tag(RSM, "set"), tag(RSM, "last"))) or last
            if fin.get("complete") == "true":
                return last

    # -- life ----------------------------------------------------------------------------

    async def open(self):
        stream = Stream(self.world.host, self.on_stanza)
        await stream.connect(self.world.address())
        try:
            await stream.login(self.account.user, self.account.password)
        except BaseException:
            stream.abort()
            raise
        return stream

    async def run(self):
        """Until the world says that it is enough."""
        while not self.world.over():
            try:
                await self.live()
            except Lost as error:
                self.world.say("%s: %s" % (self.name, error))
            finally:
                if self.stream:
                    self.stream.abort()
            await asyncio.sleep(self.random.uniform(0.05, 2.0))

    async def pause(self):
        await asyncio.sleep(self.random.expovariate(self.world.rate))
        if self.stream and self.stream.ended:
            raise self.stream.ended

    async def until(self, done, what):
        """Comes back as often as need be until done() holds."""
        for _ in range(100):
            with contextlib.suppress(Lost):
                if await done():
                    return
            if self.stream:
                self.stream.abort()
            await asyncio.sleep(0.3)  # clients wait before they come back
        raise Broken("%s: %s" % (self.name, what))

    async def marker(self, stream):
        """Everything that came before it for the account has arrived."""
        body = "marker-%s-%d" % (self.name, len(self.awaited))
        future = asyncio.get_running_loop().create_future()
        self.awaited[body] = future
        stream.stanza("<message type='chat' to='%s'><body>%s</body></message>" % (
            stream.jid, body))
        try:
            await asyncio.wait_for(future, DEADLINE)
        except asyncio.TimeoutError as error:
            raise (stream.ended or Broken("%s: nothing came behind the backlog" % self.name)) \
                from error


class Managed(Device):
    """Resumes where it can, and asks the archive where it cannot."""

    catches_up = True

    def __init__(self, *args):
        super().__init__(*args)
        self.last = None   # newest id of its last catching up
        self.old = None    # the stream to resume
        self.again = []    # texts that no session has acknowledged

    def on_acked(self, text):
        message = self.world.ledger.messages.get(self.key_of(text))
        if message is not None:
            message.acked = True

    async def come_back(self):
        stream = self.stream = await self.open()
        if self.old is not None and self.old.resumption:
            old, self.old = self.old, None
            if await stream.resume(old):
                self.world.count("resumed")
                self.old = stream
                await self.send_again(stream)
                return stream
            self.again.extend(old.unacked)
        elif self.old is not None:
            self.again.extend(self.old.unacked)
        self.old = None
        await self.begin(stream)
        return stream

    async def begin(self, stream):
        """A new session."""
        self.world.count("sessions")
        self.live_ids.append([])
        await stream.bind(self.resource)
        stream.on_acked = self.on_acked
        await stream.enable()
        self.old = stream
        self.last = await self.catch_up(stream, self.last)
        stream.stanza("<presence/>")
        for occupant in self.occupants.values():
            await occupant.begin(stream)
        await self.send_again(stream)

    async def send_again(self, stream):
        """What sessions that are gone had not acknowledged."""
        again, self.again = self.again, []
        for text in again:
            message = self.world.ledger.messages.get(self.key_of(text))
            if message is not None and not message.refused:
                message.again = True
                stream.stanza(text)
        await stream.flush()

    async def live(self):
        stream = await self.come_back()
        while not self.world.over():
            await self.pause()
            dice = self.random.random()
            if dice < 0.90:
                stream.stanza(self.new_message())
                if self.random.random() < 0.3:
                    stream.ask_for_ack()
                await stream.flush()
            elif dice < 0.95:
                text = self.new_message()
                stream.unacked.append(text)  # half of it goes, so it was not sent
                # Prosody goes on with the old connection's parser, so not there.
                stream.abort(None if self.world.options.reference else text)
            elif dice < 0.98:
                stream.abort()
            else:
                await self.leave(stream)

    async def leave(self, stream):
        """Logs out and stays away for a while; what was not acknowledged goes again."""
        stream.ask_for_ack()
        await stream.close()
        self.again.extend(stream.unacked)
        self.old = None
        self.world.count("logouts")
        await asyncio.sleep(self.random.uniform(0.5, 6))

    async def settle(self):
        """Everything acknowledged; then everything caught up."""
        async def all_acked():
            if self.stream is None or self.stream.ended:
                await self.come_back()
            await self.stream.all_acked()
            return True
        await self.until(all_acked, "not everything was acknowledged")

    async def finish(self):
        async def caught_up():
            if self.stream is None or self.stream.ended:
                await self.come_back()
            await self.marker(self.stream)
            self.last = await self.catch_up(self.stream, self.last)
            for occupant in self.occupants.values():
                await occupant.catch_up(self.stream)
            return True
        await self.until(caught_up, "did not catch up")


class Plain(Device):
    """As clients were twenty years ago."""

    async def begin(self):
        self.live_ids.append([])
        stream = self.stream = await self.open()
        await stream.bind(self.resource)
        stream.stanza("<presence/>")
        self.world.count("plain sessions")
        return stream

    async def live(self):
        stream = await self.begin()
        while not self.world.over():
            await self.pause()
            dice = self.random.random()
            if dice < 0.9:
                stream.stanza(self.new_message())
                await stream.flush()
            elif dice < 0.95:
                stream.abort()
            else:
                await stream.close()
                await asyncio.sleep(self.random.uniform(0.5, 6))

    async def settle(self):
        pass

    async def finish(self):
        async def got_all():
            await self.marker(await self.begin())
            return True
        await self.until(got_all, "did not get its backlog")


class Pager(Device):
    """Only ever asks the archive, page behind page."""

    catches_up = pages_only = True

    def __init__(self, *args):
        super().__init__(*args)
        self.last = None

    async def live(self):
        stream = self.stream = await self.open()
        await stream.bind(self.resource)
        while not self.world.over():
            self.last = await self.catch_up(stream, self.last)
            await self.pause()
            if self.random.random() < 0.05:
                stream.abort()

    async def settle(self):
        pass

    async def finish(self):
        async def paged():
            stream = self.stream = await self.open()
            await stream.bind(self.resource)
            self.last = await self.catch_up(stream, self.last)
            return True
        await self.until(paged, "did not reach the end of the archive")
