# SPDX-License-Identifier: MIT
"""A small XMPP client that can misbehave.

Blocking, one thread, no sleeps: every wait has a deadline, and a deadline that
passes is a failure with a transcript.  A Client is a connection (TCP, TLS or
WebSocket) plus a queue of events that nobody has asked for yet:

    bob = Client(server, "starttls").login("bob", "secret")
    bob.send("<message to='alice@localhost'><body>hi</body></message>")
    reply = bob.wait("message", from_=alice.jid)

With byte_mode every byte is a write of its own.
"""

import collections
import itertools
import os
import re
import socket
import ssl
import time
import xml.etree.ElementTree as ET

from scram import HASHES, Scram, b64, unb64
from websocket import (CLOSE, PING, PONG, TEXT, FrameReader, Upgrade, close_payload, frame)
from xmlstream import NS, Eof, StreamEnd, StreamOpen, StreamParser, escape, parse_frame, qname

SLOW = float(os.environ.get("JACKDAW_TEST_SLOW", "1"))
DEADLINE = 15 * SLOW
TRANSPORTS = ("starttls", "tls", "ws", "wss")
_START_TAG = re.compile(r"\s*<([^\s/>]+)([^>]*)>")
_ids = itertools.count(1)


class DeadlinePassed(AssertionError):
    """What a test waited for did not come."""


def fresh(prefix="t"):
    """An id or a name that no other test uses."""
    return "%s%d" % (prefix, next(_ids))


class Connection:
    """Bytes in both directions, with deadlines. Knows no XMPP."""

    def __init__(self, address, byte_mode=False, source=None, certificate=None):
        self.certificate = certificate  # files: the client's own certificate, and its key
        self.sock = socket.create_connection(address, DEADLINE, source)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.byte_mode = byte_mode
        self.log = collections.deque(maxlen=40)

    def start_tls(self, server, host, alpn=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(server.certificate)
        if self.certificate:
            context.load_cert_chain(*self.certificate)
        if alpn:
            context.set_alpn_protocols([alpn])
        self.sock.settimeout(DEADLINE)
        self.sock = context.wrap_socket(self.sock, server_hostname=host)

    def send(self, data):
        self.log.append(("C", data[:400]))
        self.sock.settimeout(DEADLINE)
        if self.byte_mode:
            for i in range(len(data)):
                self.sock.sendall(data[i:i + 1])
        else:
            self.sock.sendall(data)

    def recv(self, until):
        """Some bytes; b"" at the end. An abrupt end is told apart by the exception."""
        left = until - time.monotonic()
        if left <= 0:
            raise DeadlinePassed("deadline passed; transcript:\n" + self.transcript())
        self.sock.settimeout(left)
        try:
            data = self.sock.recv(65536)
        except (TimeoutError, ssl.SSLWantReadError) as error:
            raise DeadlinePassed("deadline passed; transcript:\n" + self.transcript()) from error
        self.log.append(("S", data[:400]))
        return data

    def recv_some(self):
        return self.recv(time.monotonic() + DEADLINE)

    def recv_to_end(self, timeout=DEADLINE):
        """All bytes up to the end, which may be a reset."""
        until = time.monotonic() + timeout
        data = b""
        try:
            while more := self.recv(until):
                data += more
        except (ConnectionError, ssl.SSLError):
            pass
        return data

    def transcript(self):
        return "\n".join("%s: %s" % (who, data.decode("utf-8", "replace"))
                         for who, data in self.log) or "(nothing)"

    def cut(self):
        """Gone without a word: the peer gets a reset."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()

    def close(self):
        self.sock.close()


class TcpStream:
    """XML stream framing over a Connection."""

    websocket = False

    def __init__(self, connection):
        self.connection = connection
        self.parser = StreamParser()

    def header(self, host, attrs):
        fields = {"to": host, "version": "1.0", "xmlns": NS["client"],
                  "xmlns:stream": NS["stream"]}
        fields.update(attrs)
        text = " ".join("%s='%s'" % item for item in fields.items() if item[1] is not None)
        return ("<?xml version='1.0'?><stream:stream %s>" % text).encode()

    footer = b"</stream:stream>"

    def restart(self):
        self.parser = StreamParser()

    def send(self, data):
        self.connection.send(data)

    def read(self, until):
        data = self.connection.recv(until)
        return self.parser.feed(data) if data else [Eof()]


class WebSocketStream:
    """RFC 7395 framing over a Connection."""

    websocket = True
    footer = ("<close xmlns='%s'/>" % NS["framing"]).encode()

    def __init__(self, connection, http_host, **upgrade):
        self.connection = connection
        self.reader = FrameReader()
        self.pongs = []
        self.closed_with = None
        self.last_frame = b""
        self.first_frame = None
        request = Upgrade(http_host, **upgrade)
        connection.send(request.request)
        head, self._rest = read_head(connection)
        self.http_fields = request.check(head)

    def header(self, host, attrs):
        fields = {"xmlns": NS["framing"], "to": host, "version": "1.0"}
        fields.update(attrs)
        text = " ".join("%s='%s'" % item for item in fields.items() if item[1] is not None)
        return ("<open %s/>" % text).encode()

    def restart(self):
        pass

    def send(self, data):
        self.connection.send(frame(TEXT, data))

    def read(self, until):
        data, self._rest = self._rest, b""
        data = data or self.connection.recv(until)
        if not data:
            return [Eof("close code %s" % (self.closed_with,))]
        events = []
        for opcode, payload in self.reader.feed(data):
            if opcode == PING:
                self.connection.send(frame(PONG, payload))
            elif opcode == PONG:
                self.pongs.append(payload)
            elif opcode == CLOSE:
                self._closed(payload)
            else:
                assert opcode == TEXT, "a data frame that is not text: opcode %d" % opcode
                self.last_frame = payload
                self.first_frame = self.first_frame or payload
                events.append(parse_frame(payload))
        return events

    def _closed(self, payload):
        self.closed_with = int.from_bytes(payload[:2], "big") if payload else None
        try:
            self.connection.send(frame(CLOSE, close_payload(1000)))
        except OSError:
            pass  # a server may close at once after its close frame


def read_head(connection, until=None):
    """(head, bytes behind it) of an HTTP answer."""
    until = until or time.monotonic() + DEADLINE
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(until)
        assert more, "closed inside an HTTP head: %r" % data
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head, rest


class Client:
    """One stream. server is anything with address(), certificate and hosts."""

    def __init__(self, server, transport="starttls", host="localhost", byte_mode=False,
                 source=None, alpn=None, certificate=None, **upgrade):
        self.server = server
        self.transport = transport
        self.host = host
        self.events = collections.deque()
        self.features = None
        self.opened = None
        self.jid = None
        listener = {"starttls": "c2s", "plain": "c2s", "tls": "c2s-tls",
                    "ws": "http", "wss": "https"}[transport]
        address = server.address(listener)
        self.connection = Connection(address, byte_mode, source, certificate)
        if transport in ("tls", "wss"):
            alpn = alpn or {"tls": "xmpp-client", "wss": "http/1.1"}[transport]
            self.connection.start_tls(server, host, alpn)
        if transport in ("ws", "wss"):
            self.stream = WebSocketStream(self.connection, "%s:%d" % (host, address[1]), **upgrade)
        else:
            self.stream = TcpStream(self.connection)

    # -- leaving ------------------------------------------------------------

    def close(self):
        """For the end of a test: polite if possible, never an error."""
        try:
            self.stream.send(self.stream.footer)
        except (OSError, ValueError):
            pass
        self.connection.close()

    def cut(self):
        self.connection.cut()

    def end(self):
        """A polite end: both sides close. Returns what came before the end."""
        self.stream.send(self.stream.footer)
        return self.drain_to_end()

    # -- sending ------------------------------------------------------------

    def send(self, xml):
        """A stanza as text; over WebSocket its namespace is added where it is missing."""
        if isinstance(xml, ET.Element):
            xml = ET.tostring(xml, encoding="unicode")
        if self.stream.websocket:
            tag = _START_TAG.match(xml)
            if tag and "xmlns=" not in tag[2] and ":" not in tag[1]:
                end = tag.end(1)
                xml = "%s xmlns='jabber:client'%s" % (xml[:end], xml[end:])
        self.stream.send(xml.encode())

    def send_raw(self, data):
        """Bytes as they are: no framing over TCP, inside one frame over WebSocket."""
        self.stream.send(data)

    # -- events -------------------------------------------------------------

    def next(self, timeout=DEADLINE):
        """The next event, whatever it is."""
        until = time.monotonic() + timeout
        while not self.events:
            self._read(until)
        return self.events.popleft()

    def _read(self, until):
        try:
            self.events.extend(self.stream.read(until))
        except (ConnectionError, ssl.SSLError, BrokenPipeError) as error:
            self.events.append(Eof(str(error)))

    def wait_for(self, accept, what, timeout=DEADLINE):
        """The first event that accept() likes; the others stay in the queue."""
        until = time.monotonic() + timeout
        seen = 0
        while True:
            for i in range(seen, len(self.events)):
                if accept(self.events[i]):
                    event = self.events[i]
                    del self.events[i]
                    return event
            seen = len(self.events)
            if seen and isinstance(self.events[-1], Eof):
                raise AssertionError("stream ended while waiting for %s: %s\n%s" % (
                    what, self.show(), self.connection.transcript()))
            try:
                self._read(until)
            except DeadlinePassed as error:
                raise DeadlinePassed("waited for %s, got %s\n%s" % (
                    what, self.show(), error)) from None

    def show(self):
        return [ET.tostring(e, "unicode")[:300] if isinstance(e, ET.Element) else e
                for e in self.events]

    def wait(self, name, child=None, timeout=DEADLINE, **attrs):
        """The first stanza with this name, child and these attributes.

        from_ is the attribute 'from'; type=None means that it is absent.
        """
        attrs = {key.rstrip("_"): value for key, value in attrs.items()}

        def accept(event):
            return (isinstance(event, ET.Element) and event.tag == qname(name)
                    and (child is None or event.find(qname(child)) is not None)
                    and all(event.get(key) == value for key, value in attrs.items()))
        return self.wait_for(accept, "<%s> with %s %r" % (name, child, attrs), timeout)

    def taken(self, name, **attrs):
        """What of that kind is in the queue already, removed from it."""
        attrs = {key.rstrip("_"): value for key, value in attrs.items()}
        hits = [e for e in self.events if isinstance(e, ET.Element) and e.tag == qname(name)
                and all(e.get(key) == value for key, value in attrs.items())]
        self.events = collections.deque(e for e in self.events
                                        if not any(e is hit for hit in hits))
        return hits

    def drain_to_end(self, timeout=DEADLINE):
        """Every event up to the end of the connection, which must come."""
        until = time.monotonic() + timeout
        while not (self.events and isinstance(self.events[-1], Eof)):
            self._read(until)
        out = list(self.events)
        self.events.clear()
        return out

    def stream_error(self, *conditions):
        """Waits for a stream error and the end; the condition must be one of these.

        Over WebSocket a message that is too large may end on the level of frames.
        """
        events = self.drain_to_end()
        if self.stream.websocket and self.stream.closed_with == 1009:
            assert "policy-violation" in conditions, "close code 1009: message too big"
            return None
        errors = [e for e in events if isinstance(e, ET.Element) and e.tag == qname("stream:error")]
        assert len(errors) == 1, "no stream error: %r\n%s" % (
            events, self.connection.transcript())
        names = [e.tag.rpartition("}")[2] for e in errors[0] if e.tag.startswith(
            "{%s}" % NS["streams"]) and not e.tag.endswith("}text")]
        assert len(names) == 1 and names[0] in conditions, "stream error %s, wanted one of %s" % (
            names, conditions)
        assert any(isinstance(e, StreamEnd) for e in events), "no </stream:stream>: %r" % events
        return errors[0]

    # -- negotiation ----------------------------------------------------------

    def open(self, **attrs):
        """Sends a stream header, waits for the server's and for its features."""
        attrs = {key.rstrip("_").replace("__", ":"): value for key, value in attrs.items()}
        self.stream.restart()
        self.stream.send(self.stream.header(self.host, attrs))
        self.opened = self.wait_for(lambda e: isinstance(e, StreamOpen), "a stream header")
        self.features = self.wait("stream:features")
        return self.features

    def has_feature(self, name):
        return self.features.find(qname(name)) is not None

    def mechanisms(self):
        return [m.text for m in self.features.iterfind(
            "%s/%s" % (qname("sasl:mechanisms"), qname("sasl:mechanism")))]

    def starttls(self, behind=b""):
        """behind: bytes that travel in the same write, to be ignored by the server."""
        self.send_raw(b"<starttls xmlns='%s'/>" % NS["tls"].encode() + behind)
        self.wait("tls:proceed")
        self.connection.start_tls(self.server, self.host)

    def sasl(self, name, text="", **attrs):
        """One SASL element; returns the answer."""
        attrs = "".join(" %s='%s'" % item for item in attrs.items())
        self.send("<%s xmlns='%s'%s>%s</%s>" % (name, NS["sasl"], attrs, text, name))
        sasl = "{%s}" % NS["sasl"]
        return self.wait_for(lambda e: isinstance(e, ET.Element) and e.tag.startswith(sasl),
                             "a SASL answer")

    def auth(self, mechanism, user, password, authzid="", **knobs):
        """A whole exchange; returns <success/> or <failure/>."""
        if mechanism == "PLAIN":
            plain = "\0".join((authzid, user, password)).encode()
            return self.sasl("auth", b64(plain), mechanism=mechanism)
        assert mechanism in HASHES, mechanism
        scram = Scram(mechanism, user, password, **knobs)
        answer = self.sasl("auth", b64(scram.first()), mechanism=mechanism)
        if answer.tag != qname("sasl:challenge"):
            return answer
        answer = self.sasl("response", b64(scram.final(unb64(answer.text))))
        if answer.tag == qname("sasl:challenge"):
            scram.verify(unb64(answer.text))
            return self.sasl("response")
        if answer.tag == qname("sasl:success"):
            scram.verify(unb64(answer.text))
        return answer

    def bind(self, resource=None):
        """Returns the answer; self.jid is set when it is a result."""
        inner = "<resource>%s</resource>" % escape(resource) if resource is not None else ""
        answer = self.iq("set", "<bind xmlns='%s'>%s</bind>" % (NS["bind"], inner))
        if answer.get("type") == "result":
            self.jid = answer.findtext("%s/%s" % (qname("bind:bind"), qname("bind:jid")))
        return answer

    def secure(self):
        """Opens the stream and brings it to the point where SASL is offered."""
        self.open()
        if self.transport == "starttls":
            self.starttls()
            self.open()
        return self

    def login(self, user, password, mechanism="SCRAM-SHA-1", resource=None):
        self.secure()
        answer = self.auth(mechanism, user, password)
        assert answer.tag == qname("sasl:success"), ET.tostring(answer, "unicode")
        self.open()
        answer = self.bind(resource)
        assert answer.get("type") == "result", ET.tostring(answer, "unicode")
        return self

    # -- everyday stanzas ------------------------------------------------------

    @property
    def bare(self):
        return self.jid.partition("/")[0]

    @property
    def resource(self):
        return self.jid.partition("/")[2]

    def iq(self, kind, payload, to=None, id=None):
        """Sends an IQ and waits for its answer."""
        id = id or fresh("iq")
        to_attr = " to='%s'" % escape(to) if to is not None else ""
        self.send("<iq type='%s' id='%s'%s>%s</iq>" % (kind, id, to_attr, payload))
        return self.wait_for(lambda e: isinstance(e, ET.Element) and e.tag == qname("iq")
                             and e.get("id") == id and e.get("type") in ("result", "error"),
                             "the answer to IQ " + id)

    def roster(self, ver=None):
        """Asks for the roster; returns the answer."""
        ver = " ver='%s'" % ver if ver is not None else ""
        return self.iq("get", "<query xmlns='jabber:iq:roster'%s/>" % ver)

    def presence(self, **attrs):
        """Initial or changed presence; waits until the server has reflected it."""
        priority = attrs.pop("priority", None)
        inner = "<priority>%d</priority>" % priority if priority is not None else ""
        self.send("<presence id='%s'>%s</presence>" % (id_ := fresh("p"), inner))
        self.wait("presence", from_=self.jid, id=id_)
        return self

    def message(self, to, body, type="chat", id=None):
        id = id or fresh("m")
        self.send("<message to='%s' type='%s' id='%s'><body>%s</body></message>" % (
            escape(to), type, id, escape(body)))
        return id

    def ready(self, priority=None):
        """Roster, then initial presence: what a chat client does after login."""
        self.roster()
        return self.presence(priority=priority)

    def barrier(self, to):
        """Everything that this client sent to that one before has arrived there.

        Stanzas of one pair keep their order, so a marker behind them proves it.
        Returns what the receiver has in its queue now.
        """
        marker = fresh("barrier")
        self.send("<message to='%s' type='headline' id='%s'/>" % (escape(to.jid), marker))
        to.wait("message", id=marker)
        return list(to.events)



def condition(stanza):
    """(type, condition) of an error stanza."""
    assert stanza.get("type") == "error", ET.tostring(stanza, "unicode")
    error = stanza.find(qname("error"))
    names = [e.tag.rpartition("}")[2] for e in error
             if e.tag.startswith("{%s}" % NS["stanzas"]) and not e.tag.endswith("}text")]
    assert len(names) == 1, ET.tostring(stanza, "unicode")
    return error.get("type"), names[0]


def failure(answer):
    """The condition of a SASL <failure/>."""
    assert answer.tag == qname("sasl:failure"), ET.tostring(answer, "unicode")
    names = [e.tag.rpartition("}")[2] for e in answer if not e.tag.endswith("}text")]
    assert len(names) == 1, ET.tostring(answer, "unicode")
    return names[0]
