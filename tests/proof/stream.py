# SPDX-License-Identifier: MIT
"""One XML stream of the loss proof: login, binding, XEP-0198, IQs.

Asyncio, because dozens of devices live in one process. Whatever goes wrong with the
connection is a Lost; whatever the server may not do is a Broken, which fails the proof.
"""

import asyncio
import base64
import collections
import contextlib
import itertools
import xml.etree.ElementTree as ET
from xml.sax.saxutils import escape

SM = "urn:xmpp:sm:3"
CLIENT = "jabber:client"
DEADLINE = 40  # seconds that an answer may take; a server under chaos is slow, not silent
_NUMBERS = itertools.count(1)


class Lost(Exception):
    """The connection has gone; the device comes back."""


class Broken(AssertionError):
    """The server has done what it must never do."""


def tag(ns, name):
    return "{%s}%s" % (ns, name)


def child(element, ns, name):
    return element.find(tag(ns, name))


class Stream:
    """See the head of this file. Stanzas go to on_stanza(element), in order."""

    def __init__(self, host, on_stanza):
        self.host = host
        self.on_stanza = on_stanza
        self.reader = self.writer = self.task = None
        self.jid = None
        self.resumption = None  # id of the session, once it may be resumed
        self.heard = 0          # stanzas that came since <enabled/>: our h
        self.unacked = collections.deque()  # texts that went since <enable/>
        self.acked = 0
        self.news = asyncio.Event()  # of acknowledgements, or of the end
        self.managed = False
        self.on_acked = lambda text: None
        self.answers = {}
        self.entering = {}      # futures by addresses in rooms
        self.nonzas = asyncio.Queue()
        self.ended = None  # the exception that ended it
        self._parser = None
        self._root = None

    # -- bytes ----------------------------------------------------------------------

    async def connect(self, address):
        try:
            self.reader, self.writer = await asyncio.open_connection(*address[:2])
        except OSError as error:
            raise Lost(str(error)) from error
        self._new_parser()
        self.task = asyncio.ensure_future(self._read())

    def _new_parser(self):
        self._parser = ET.XMLPullParser(["start", "end"])
        self._root = None
        self._depth = 0

    async def _read(self):
        try:
            while True:
                data = await self.reader.read(65536)
                if not data:
                    raise Lost("end of input")
                self._parser.feed(data)
                self._events()
        except (OSError, Lost, ET.ParseError) as error:
            self._end(error if isinstance(error, Lost) else Lost(str(error)))
        except Exception as error:  # a check failed: whoever waits hears of it
            self._end(error)

    def _events(self):
        parser = self._parser
        for event, element in parser.read_events():
            if event == "start":
                self._depth += 1
                if self._depth == 1:
                    self._root = element
                continue
            self._depth -= 1
            if self._depth == 1:
                self._root.remove(element)
                self._element(element)
            if self._depth == 0:
                raise Lost("the stream was ended")
            if parser is not self._parser:
                return

    def _end(self, error):
        if self.ended is None:
            self.ended = error
        self.news.set()
        for future in [*self.answers.values(), *self.entering.values()]:
            if not future.done():
                future.set_exception(self.ended)
                future.exception()
        self.nonzas.put_nowait(None)
        self.writer.transport.abort()

    def write(self, text):
        if self.ended is not None:
            raise self.ended
        self.writer.write(text.encode())

    async def flush(self):
        try:
            await self.writer.drain()
        except OSError as error:
            raise Lost(str(error)) from error

    def abort(self, half=None):
        """Cuts the connection, behind half a stanza if there is one."""
        if self.ended is None:
            if half:
                self.writer.write(half.encode()[:len(half) // 2])
            self._end(Lost("cut"))

    async def close(self):
        """Ends the stream as clients do."""
        with contextlib.suppress(Exception):
            self.write("</stream:stream>")
            await asyncio.wait_for(asyncio.shield(self.task), DEADLINE)
        self.abort()

    # -- elements ---------------------------------------------------------------------

    def _element(self, element):
        ns = element.tag[1:].partition("}")[0]
        if ns == SM and element.tag in (tag(SM, "r"), tag(SM, "a")):
            self._management(element)
        elif ns != CLIENT:
            self.nonzas.put_nowait(element)
        else:
            self._stanza(element)

    def _management(self, element):
        if element.tag == tag(SM, "r"):
            self.write("<a xmlns='%s' h='%d'/>" % (SM, self.heard))
        else:
            self.take_ack(int(element.get("h")))

    def take_ack(self, h):
        count = (h - self.acked) % 2 ** 32
        if count > len(self.unacked):
            raise Broken("%d acknowledged of %d" % (count, len(self.unacked)))
        self.acked = h
        for _ in range(count):
            self.on_acked(self.unacked.popleft())
        self.news.set()

    def _stanza(self, element):
        if self.managed:
            self.heard = (self.heard + 1) % 2 ** 32
        if element.tag == tag(CLIENT, "iq") and element.get("type") in ("result", "error"):
            future = self.answers.pop(element.get("id"), None)
            if future is not None and not future.done():
                future.set_result(element)
        elif element.tag == tag(CLIENT, "iq"):
            self.stanza("<iq type='result' id='%s'%s/>" % (
                escape(element.get("id"), {"'": "&apos;"}),
                " to='%s'" % element.get("from") if element.get("from") else ""))
        else:
            self.on_stanza(element)

    def stanza(self, text):
        """Sends a stanza; it counts for XEP-0198."""
        if self.managed:
            self.unacked.append(text)
        self.write(text)

    def ask_for_ack(self):
        self.write("<r xmlns='%s'/>" % SM)

    async def all_acked(self):
        """Waits until nothing is left that the server has not confirmed; or raises Lost."""
        until = asyncio.get_running_loop().time() + DEADLINE
        self.ask_for_ack()
        while self.unacked:
            self.news.clear()
            try:
                await asyncio.wait_for(
                    self.news.wait(), until - asyncio.get_running_loop().time())
            except asyncio.TimeoutError as error:
                raise Lost("not acknowledged in time") from error
            if self.ended:
                raise self.ended

    async def ask(self, inside, kind="set", to=None):
        """An IQ; its answer."""
        id_ = "q%d" % next(_NUMBERS)
        future = asyncio.get_running_loop().create_future()
        self.answers[id_] = future
        self.stanza("<iq type='%s' id='%s'%s>%s</iq>" % (
            kind, id_, " to='%s'" % to if to else "", inside))
        try:
            return await asyncio.wait_for(future, DEADLINE)
        except asyncio.TimeoutError as error:
            raise Broken("no answer to " + inside[:200]) from error
        finally:
            self.answers.pop(id_, None)

    async def nonza(self):
        try:
            element = await asyncio.wait_for(self.nonzas.get(), DEADLINE)
        except asyncio.TimeoutError as error:
            raise Broken("the server says nothing") from error
        if element is None:
            raise self.ended
        if element.tag == tag("http://etherx.jabber.org/streams", "error"):
            raise Lost("stream error: " + ET.tostring(element, "unicode"))
        return element

    # -- login --------------------------------------------------------------------------

    async def _open(self):
        self._new_parser()
        self.write("<?xml version='1.0'?><stream:stream xmlns='%s' version='1.0' to='%s'"
                   " xmlns:stream='http://etherx.jabber.org/streams'>" % (CLIENT, self.host))
        return await self.nonza()

    async def login(self, user, password):
        await self._open()
        text = base64.b64encode(("\0%s\0%s" % (user, password)).encode()).decode()
        self.write("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>"
                   % text)
        answer = await self.nonza()
        if not answer.tag.endswith("}success"):
            raise Lost("login: " + ET.tostring(answer, "unicode"))
        await self._open()

    async def bind(self, resource):
        answer = await self.ask("<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
                                "<resource>%s</resource></bind>" % resource)
        if answer.get("type") != "result":
            raise Lost("bind: " + ET.tostring(answer, "unicode"))
        self.jid = answer[0][0].text

    async def enable(self):
        self.write("<enable xmlns='%s' resume='true'/>" % SM)
        self.managed = True
        self.unacked.clear()
        answer = await self.nonza()
        if answer.tag != tag(SM, "enabled"):
            raise Broken(ET.tostring(answer, "unicode"))
        self.heard = 0
        self.resumption = answer.get("id")

    async def resume(self, old):
        """True: it goes on where `old` was. False: the server says that it cannot."""
        self.write("<resume xmlns='%s' previd='%s' h='%d'/>" % (SM, old.resumption, old.heard))
        # What comes behind <resumed/> counts, and may come in the same bytes.
        self.managed, self.heard = True, old.heard
        self.unacked, self.acked, self.on_acked = old.unacked, old.acked, old.on_acked
        answer = await self.nonza()
        if answer.get("h"):
            self.take_ack(int(answer.get("h")))
        if answer.tag != tag(SM, "resumed"):
            self.managed, self.heard, self.acked = False, 0, 0
            self.unacked = collections.deque()
            return False
        self.jid, self.resumption = old.jid, old.resumption
        again, self.unacked = self.unacked, collections.deque()
        for text in again:
            self.stanza(text)
        return True
