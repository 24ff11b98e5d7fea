# SPDX-License-Identifier: MIT
"""A server under load: strangers by the thousand, readers that do not read.

Each test computes what the server may spend on it and reads what it has spent
from /proc; with a sanitizer in the server, memory is not looked at.
"""

import resource
import select
import socket
import time

import pytest

from raw import DEADLINE, Client, fresh
from scram import b64

PASSWORD = "correct horse, battery=staple"
HALF_OPEN = 5000
FILES_BESIDES = 200
MESSAGES = 100000
KIB = 1024
HEADER = (b"<?xml version='1.0'?><stream:stream to='localhost' version='1.0' xmlns='jabber:client' "
          b"xmlns:stream='http://etherx.jabber.org/streams'>")
AUTH = b"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='SCRAM-SHA-1'>FIRST</auth>"
# One stranger: its connection and stream, a parser with its first region, a builder.
STRANGER = 24 * KIB
# One session that does not read: its outbox up to the hard bound, its own mailbox, what the
# allocator keeps besides.
OUTBOX = 4 * 1024 * KIB
MAILBOX = 4 * 1024 * KIB
SLACK = 32 * 1024 * KIB


def most_connections():
    """As many as asked for, or what this machine allows to one process."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(HALF_OPEN, hard - FILES_BESIDES)
    if count < HALF_OPEN:
        print("this machine allows %d files: %d connections" % (hard, count))
    return count


@pytest.fixture
def big_server(own_server):
    """No limit for one address and none for one sender, and time enough to open them all."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    listen = {"max_per_address": 0}
    return own_server(settings={("listen", "c2s"): listen, ("listen", "c2s-tls"): listen,
                                "limits": {"bytes_per_second": 0, "stanzas_per_second": 0},
                                "auth": {"login_deadline": "5min"}},
                      limits={resource.RLIMIT_NOFILE: (hard, hard)}, log_level="notice")


def login(server, name, transport="starttls"):
    client = Client(server, transport)
    if transport == "plain":
        client.open()
        answer = client.auth("SCRAM-SHA-1", name, PASSWORD)
        assert answer.tag.endswith("success")
        client.open()
        client.bind("r")
    else:
        client.login(name, PASSWORD, resource="r")
    return client


def used(server):
    return server.resident_kib() * KIB


def wait_until(what, true):
    """Asks the server until it is so."""
    until = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < until, what


# ---- strangers --------------------------------------------------------------------------

def open_all(server, count):
    """Connections that stop at four places of the way in, a quarter each."""
    plain, tls = server.address("c2s"), server.address("c2s-tls")
    said = [(plain, b""), (tls, b""), (plain, HEADER[:100]), (plain, HEADER + AUTH)]
    sockets = []
    for i in range(count):
        address, text = said[i % len(said)]
        # One name for all would be slowed down: who fails at it is answered late.
        text = text.replace(b"FIRST", b64(b"n,,n=nobody%d,r=abcdefgh" % i).encode())
        sock = socket.create_connection(address, DEADLINE)
        if text:
            sock.sendall(text)
        sockets.append(sock)
    # Those in the middle of their exchange have their challenge.
    for sock in sockets[3::4]:
        got = b""
        while b"</challenge>" not in got:
            more = sock.recv(65536)
            assert more, "closed: %r" % got
            got += more
    return sockets


def test_half_open_connections(big_server):
    server = big_server
    count = most_connections()
    name = fresh("normal")
    server.adduser(name, PASSWORD)
    before = used(server)
    sockets = open_all(server, count)
    wait_until("not all were taken",
               lambda: server.ctl_json("status")["connections"] >= count)
    # All of them are there, and somebody who means it comes in and is served.
    client = login(server, name)
    client.send("<message to='%s@localhost/r' type='chat'><body>me</body></message>" % name)
    client.wait("message", type="chat")
    spent = used(server) - before
    assert server.ctl_json("status")["connections"] >= count
    print("%d bytes for each stranger" % (spent // count))
    if not server.sanitized():
        assert spent < count * STRANGER + SLACK, "%d bytes each" % (spent // count)
    for sock in sockets:
        sock.close()
    wait_until("connections are left", lambda: server.ctl_json("status")["connections"] == 1)
    client.end()
    server.check()


# ---- readers that do not read --------------------------------------------------------------

class Flood:
    """A client as bytes: sends as fast as it is let, and reads what comes."""

    def __init__(self, client, to, count):
        self.sock = client.connection.sock
        self.sock.setblocking(False)
        self.to, self.count = to, count
        self.made = 0
        self.out = b""
        self.errors = 0
        self.rest = b""

    def done(self):
        return self.made == self.count and not self.out

    def refill(self):
        text = []
        while self.made < self.count and len(text) < 100:
            text.append("<message to='%s' id='%d' type='chat'><body>%s</body></message>" % (
                self.to, self.made, "x" * 200))
            self.made += 1
        self.out = "".join(text).encode()

    def turn(self, writable, readable):
        if writable:
            if not self.out:
                self.refill()
            if self.out:
                self.out = self.out[self.sock.send(self.out):]
        if readable:
            more = self.sock.recv(1 << 18)
            assert more, "the sender's stream was ended"
            text = self.rest + more
            self.errors += text.count(b"</message>") if b"</message>" in text else 0
            self.rest = text[text.rfind(b"</message>") + 10:] if b"</message>" in text else text


def pump(floods, extra=None, until=None, seconds=600):
    """Runs all of them to their end; extra: (socket, function) read as it becomes readable."""
    deadline = time.monotonic() + seconds
    until = until or (lambda: all(flood.done() for flood in floods))
    while not until():
        assert time.monotonic() < deadline, [(f.made, f.errors) for f in floods]
        read = [f.sock for f in floods] + ([extra[0]] if extra else [])
        write = [f.sock for f in floods if not f.done()]
        readable, writable, _ = select.select(read, write, [], 1)
        for flood in floods:
            flood.turn(flood.sock in writable, flood.sock in readable)
        if extra and extra[0] in readable:
            extra[1]()


def others_are_served(first, second):
    """A word between two who have nothing to do with it."""
    mark = fresh("mark")
    first.send("<message to='%s' id='%s'><body>x</body></message>" % (second.jid, mark))
    second.wait("message", id=mark)


def test_reader_that_never_reads(big_server):
    server = big_server
    names = [fresh("u") for _ in range(4)]
    for name in names:
        server.adduser(name, PASSWORD)
    sender, deaf = (login(server, name, "plain") for name in names[:2])
    carol, dave = (login(server, name) for name in names[2:])
    before = used(server)
    most = 0
    flood = Flood(sender, deaf.jid, MESSAGES)
    for step in range(1, 11):
        pump([flood], until=lambda at=step * MESSAGES // 10: flood.made >= at or flood.done())
        others_are_served(carol, dave)
        most = max(most, used(server) - before)
    pump([flood])
    print("%d KiB for the one who does not read" % (most // KIB))
    if not server.sanitized():
        assert most < OUTBOX + 2 * MAILBOX + SLACK, "%d bytes" % most
    others_are_served(carol, dave)
    # The sender is still there and is told what became of a request behind all of it.
    flood.sock.setblocking(True)
    flood.sock.sendall(b"<iq type='get' id='last' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>")
    got = b""
    while b"id='last'" not in got:
        flood.sock.settimeout(DEADLINE)
        more = flood.sock.recv(1 << 18)
        assert more, "the sender's stream was ended"
        got = got[-100:] + more
    # Nothing was kept for the deaf one that is past the bound of its outbox.
    assert server.ctl_json("status")["sessions"] in (3, 4)
    server.check()


def test_many_senders_one_slow_reader(big_server):
    """Each message arrives or is answered by an error, whatever the pace."""
    server = big_server
    count, each = 20, 500
    names = [fresh("u") for _ in range(count + 3)]
    for name in names:
        server.adduser(name, PASSWORD)
    reader = login(server, names[0], "plain")
    carol, dave = (login(server, name) for name in names[1:3])
    floods = [Flood(login(server, name, "plain"), reader.jid, each) for name in names[3:]]
    before = used(server)
    arrived, tail = 0, b""

    def read_a_little():
        nonlocal arrived, tail
        data = reader.connection.sock.recv(8 * KIB)
        assert data, "the reader's stream was ended"
        text = tail + data
        arrived += text.count(b"</message>")
        tail = text[text.rfind(b"</message>") + 10:] if b"</message>" in text else text

    reader.connection.sock.setblocking(True)
    pump(floods, (reader.connection.sock, read_a_little))
    others_are_served(carol, dave)
    pump(floods, (reader.connection.sock, read_a_little),
         until=lambda: arrived + sum(flood.errors for flood in floods) >= count * each)
    assert arrived + sum(flood.errors for flood in floods) == count * each
    if not server.sanitized():
        assert used(server) - before < OUTBOX + MAILBOX + count * (256 * KIB) + SLACK
    server.check()
