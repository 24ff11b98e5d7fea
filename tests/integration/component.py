# SPDX-License-Identifier: MIT
"""A raw external component (XEP-0114) that can misbehave, as raw.Client is a client.

    bot = Component(server).ready()
    bot.send("<message from='bot@bots.localhost' to='alice@localhost'/>")
    bot.wait("message", to="bot@bots.localhost")

What it is sent must be in the stream's own namespace; the tests find it as they find
what a client is sent.
"""

import collections
import contextlib
import hashlib
import xml.etree.ElementTree as ET

from raw import Client, Connection, TcpStream
from xmlstream import NS, StreamOpen

ACCEPT = "jabber:component:accept"
NAME = "bots.localhost"
SECRET = "wysteria & roses"


def settings(more=()):
    """Of a server with one external component."""
    out = {("component", NAME): {"secret": SECRET}, ("listen", "component"): {"port": 0}}
    out.update(more)
    return out


def _local(event):
    """Its own namespace becomes that of clients; what says jabber:client is another one."""
    if isinstance(event, ET.Element):
        for el in event.iter():
            if el.tag.startswith("{jabber:client}"):
                el.tag = el.tag.replace("{jabber:client}", "{said jabber:client}")
            el.tag = el.tag.replace("{%s}" % ACCEPT, "{jabber:client}")
    return event


class Component(Client):
    def __init__(self, server, name=NAME, secret=SECRET, byte_mode=False, listener="component"):
        self.server, self.host, self.secret = server, name, secret
        self.transport = "component"
        self.events = collections.deque()
        self.features = self.opened = None
        self.jid = name
        self.connection = Connection(server.address(listener), byte_mode)
        self.stream = TcpStream(self.connection)

    def _read(self, until):
        before = len(self.events)
        super()._read(until)
        for i in range(before, len(self.events)):
            _local(self.events[i])

    def header(self, **attrs):
        """Sends a header; returns the server's."""
        fields = {"xmlns": ACCEPT, "xmlns:stream": NS["stream"], "to": self.host}
        fields.update(attrs)
        text = " ".join("%s='%s'" % item for item in fields.items() if item[1] is not None)
        self.send("<?xml version='1.0'?><stream:stream %s>" % text)
        self.opened = self.wait_for(lambda e: isinstance(e, StreamOpen), "a stream header")
        return self.opened

    def shake(self, secret=None):
        text = self.opened.get("id") + (self.secret if secret is None else secret)
        self.send("<handshake>%s</handshake>" % hashlib.sha1(text.encode()).hexdigest())

    def leave(self):
        """For the end of a test; the server has noticed when this returns."""
        with contextlib.suppress(OSError, AssertionError):
            self.end()
        self.close()

    def ready(self):
        self.header()
        self.shake()
        self.wait("handshake")
        return self
