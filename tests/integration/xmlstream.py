# SPDX-License-Identifier: MIT
"""An incremental reader of XMPP streams, stricter than any client.

Bytes go in, events come out: StreamOpen, an ElementTree element per stanza,
StreamEnd.  Whatever a server must never send (comments, processing
instructions, a DTD, unbound prefixes, malformed XML) raises Broken.

Debian's expat defers a token whose first half it has seen already until much
more data arrives, which would hang a test.  So bytes are held back here until
they end in a whole tag; expat never sees half a token.
"""

import re
import xml.etree.ElementTree as ET
from xml.parsers import expat

NS = {
    "client": "jabber:client",
    "server": "jabber:server",
    "stream": "http://etherx.jabber.org/streams",
    "streams": "urn:ietf:params:xml:ns:xmpp-streams",
    "stanzas": "urn:ietf:params:xml:ns:xmpp-stanzas",
    "tls": "urn:ietf:params:xml:ns:xmpp-tls",
    "sasl": "urn:ietf:params:xml:ns:xmpp-sasl",
    "bind": "urn:ietf:params:xml:ns:xmpp-bind",
    "framing": "urn:ietf:params:xml:ns:xmpp-framing",
    "roster": "jabber:iq:roster",
    "rosterver": "urn:xmpp:features:rosterver",
    "preapproval": "urn:xmpp:features:pre-approval",
    "info": "http://jabber.org/protocol/disco#info",
    "items": "http://jabber.org/protocol/disco#items",
    "ping": "urn:xmpp:ping",
    "version": "jabber:iq:version",
    "time": "urn:xmpp:time",
    "limits": "urn:xmpp:stream-limits:0",
}

# Text, then one whole tag. Possessive, so that a partial tag costs one pass.
_TAG = re.compile(rb"""[^<]*+<(?:[^>"']++|"[^"]*+"|'[^']*+')*+>""")
_SEPARATOR = "\x1f"


def qname(name):
    """'roster:query' -> '{jabber:iq:roster}query'; no prefix means jabber:client."""
    prefix, _, local = name.rpartition(":")
    return "{%s}%s" % (NS[prefix or "client"], local)


class Broken(AssertionError):
    """The server sent something that is not an XMPP stream."""


class StreamOpen:
    """The stream header of the server (or its <open/>)."""

    def __init__(self, attrs):
        self.attrs = attrs

    def get(self, name, default=None):
        return self.attrs.get(name, default)

    def __repr__(self):
        return "StreamOpen(%r)" % self.attrs


class StreamEnd:
    """</stream:stream>, or <close/> over WebSocket."""

    def __repr__(self):
        return "StreamEnd"


class Eof:
    """The connection is closed."""

    def __init__(self, reason=""):
        self.reason = reason

    def __repr__(self):
        return "Eof(%s)" % self.reason


def _clark(name):
    uri, sep, local = name.rpartition(_SEPARATOR)
    return "{%s}%s" % (uri, local) if sep else name


class StreamParser:
    """feed(bytes) returns the events that became complete."""

    def __init__(self):
        self._held = b""
        self._events = []
        self._stack = []
        self._depth = 0
        parser = expat.ParserCreate("UTF-8", _SEPARATOR)
        parser.buffer_text = True
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.CommentHandler = lambda text: self._refuse("a comment")
        parser.ProcessingInstructionHandler = lambda *a: self._refuse("a processing instruction")
        parser.StartDoctypeDeclHandler = lambda *a: self._refuse("a DTD")
        self._parser = parser

    @staticmethod
    def _refuse(what):
        raise Broken("the server sent " + what)

    def feed(self, data):
        data = self._held + data
        end = 0
        while match := _TAG.match(data, end):
            end = match.end()
        self._held = data[end:]
        self._events = []
        try:
            self._parser.Parse(data[:end], False)
        except expat.ExpatError as error:
            raise Broken("not well-formed: %s in %r" % (error, data[:end][-400:])) from error
        return self._events

    def leftover(self):
        """Bytes that do not end in a tag: white space or a cut stanza."""
        return self._held

    def _start(self, name, attrs):
        attrs = {_clark(key): value for key, value in attrs.items()}
        self._depth += 1
        if self._depth == 1:
            if _clark(name) != qname("stream:stream"):
                raise Broken("the stream's root is " + _clark(name))
            self._events.append(StreamOpen(attrs))
            return
        element = ET.Element(_clark(name), attrs)
        if self._stack:
            self._stack[-1].append(element)
        self._stack.append(element)

    def _end(self, name):
        self._depth -= 1
        if self._depth == 0:
            self._events.append(StreamEnd())
            return
        element = self._stack.pop()
        if not self._stack:
            self._events.append(element)

    def _text(self, text):
        if not self._stack:
            if text.strip():
                raise Broken("text between stanzas: %r" % text[:100])
            return
        element = self._stack[-1]
        if len(element):
            element[-1].tail = (element[-1].tail or "") + text
        else:
            element.text = (element.text or "") + text


def parse_frame(data):
    """One WebSocket message: a whole element that names its namespaces itself."""
    parser = StreamParser()
    header = b"<stream:stream xmlns:stream='%s'>" % NS["stream"].encode()
    if data.startswith(b"<?xml"):
        raise Broken("an XML declaration in a frame: %r" % data[:60])
    # A prefix from a header that clients do not have must not hide a mistake.
    if b"<stream:" in data and b"xmlns:stream=" not in data:
        raise Broken("prefix stream is not declared in its frame: %r" % data[:200])
    events = parser.feed(header + data)
    if len(events) != 2 or parser.leftover().strip():
        raise Broken("not exactly one element in a frame: %r" % data[:200])
    element = events[1]
    if not isinstance(element, ET.Element) or not element.tag.startswith("{"):
        raise Broken("an element without a namespace: %r" % data[:200])
    if element.tag == qname("framing:open"):
        return StreamOpen(dict(element.attrib))
    if element.tag == qname("framing:close"):
        return StreamEnd()
    return element


def same(a, b):
    """Two elements are equal: names, attributes, text, children in order."""
    return (a.tag == b.tag and a.attrib == b.attrib
            and (a.text or "") == (b.text or "") and len(a) == len(b)
            and all(same(x, y) and (x.tail or "") == (y.tail or "") for x, y in zip(a, b)))


def escape(text):
    """Text for element content or for an attribute in either kind of quotes."""
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ("'", "&apos;"),
                         ('"', "&quot;"), ("\r", "&#13;")):
        text = text.replace(char, entity)
    return text
