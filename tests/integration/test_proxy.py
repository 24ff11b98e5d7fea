# SPDX-License-Identifier: MIT
"""The PROXY protocol in front of every kind of listener.

Who is on the list must say for whom it connects; the address it names is in the
log and has its own share of connections.  Nobody else may say such a thing.
"""

import socket
import ssl
import struct

import pytest

from raw import DEADLINE, Connection
from websocket import Upgrade

pytestmark = pytest.mark.ours

CLIENT = "192.0.2.33"
KINDS = ("c2s", "c2s-tls", "http", "https")
V2 = b"\r\n\r\n\0\r\nQUIT\n"


def v1(address=CLIENT):
    return ("PROXY TCP4 %s 198.51.100.1 40000 5222\r\n" % address).encode()


def v2(address=CLIENT, tlv=b""):
    body = socket.inet_aton(address) + socket.inet_aton("198.51.100.1") + struct.pack(
        ">HH", 40000, 5222) + tlv
    return V2 + b"\x21\x11" + struct.pack(">H", len(body)) + body


HEADERS = {"1": v1(), "2": v2(), "2 with TLVs": v2(tlv=b"\x04\0\x05hello" * 100)}


class Proxied(Connection):
    """A connection that begins with a header."""

    header = b""
    pieces = False

    def __init__(self, address, byte_mode=False, *args, **options):
        super().__init__(address, byte_mode, *args, **options)
        self.byte_mode = self.pieces
        self.send(self.header)
        self.byte_mode = byte_mode


@pytest.fixture
def proxied(own_server, monkeypatch):
    """A server behind a proxy, and how its connections begin."""
    def make(header=v1(), pieces=False, **settings):
        server = own_server(settings={("listen", kind): dict(
            {"proxy_from": ["127.0.0.1", "2001:db8::/32"]}, **settings) for kind in KINDS})
        monkeypatch.setattr("raw.Connection", Proxied)
        monkeypatch.setattr(Proxied, "header", header)
        monkeypatch.setattr(Proxied, "pieces", pieces)
        return server
    return make


@pytest.mark.parametrize("pieces", [False, True], ids=["whole", "byte by byte"])
@pytest.mark.parametrize("name", HEADERS)
def test_logins(proxied, make_account, name, pieces):
    """Also in front of a TLS handshake and of HTTP; and it is the client who has logged in."""
    server = proxied(HEADERS[name], pieces)
    account = make_account(server)
    for transport in ("starttls", "tls", "ws", "wss"):
        client = account.ready(transport)
        client.barrier(client)
        server.process.log.wait(client.jid)
    bound = [line for line in server.process.log.lines if "session bound" in line.text]
    assert len(bound) == 4 and all(line.fields["peer"] == CLIENT for line in bound)


def hung_up(server, kind, sent, source=None):
    connection = Connection(server.address(kind), source=source)
    connection.send(sent)
    answer = connection.recv_to_end()
    connection.close()
    return answer


@pytest.mark.parametrize("kind", KINDS)
def test_header_is_a_must(proxied, kind):
    server = proxied()
    for sent in (b"<?xml version='1.0'?>", b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
                 b"\x16\x03\x01\x02\x00\x01", b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
                 V2 + b"\x31\x11\0\0"):
        assert hung_up(server, kind, sent) == b""
    server.process.log.wait("no header of the PROXY protocol")


def test_header_from_others_is_garbage(proxied):
    """Nobody becomes somebody else by saying so."""
    server = proxied()
    assert b"not-well-formed" in hung_up(server, "c2s", v1(), source=("127.0.0.2", 0))
    assert b" 400 " in hung_up(server, "http", v1() + b"\r\n", source=("127.0.0.2", 0))
    connection = Connection(server.address("c2s"), source=("127.0.0.2", 0))
    connection.send(b"<?xml version='1.0'?><stream:stream to='localhost' version='1.0' "
                    b"xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")
    assert b"<stream:stream" in connection.recv_some()
    connection.close()


def test_local(proxied, connect):
    """Health checks of the proxy itself."""
    for header in (V2 + b"\x20\0\0\0", b"PROXY UNKNOWN\r\n"):
        server = proxied(header)
        connect(server, "plain").open()


def test_share_of_the_client(proxied, connect, monkeypatch):
    """One address cannot have more connections by coming through a proxy."""
    server = proxied(max_per_address=2)
    for _ in range(2):
        connect(server, "plain").open()
    third = Connection(server.address("c2s"))
    third.send(v1())
    assert third.recv_to_end() == b""
    server.process.log.wait("too many connections from one address")
    monkeypatch.setattr(Proxied, "header", v1("192.0.2.34"))
    connect(server, "plain").open()


def test_nothing_said(proxied, connect):
    """Who does not say it in time is hung up on; others do not wait for that."""
    server = proxied()
    silent = [socket.create_connection(server.address("c2s"), DEADLINE) for _ in range(50)]
    connect(server, "plain").open()
    for sock in silent:
        sock.settimeout(2 * DEADLINE)
        assert sock.recv(1) == b""
        sock.close()


def test_websocket_upgrade_right_behind(proxied):
    """Header and request in one packet."""
    server = proxied()
    connection = Connection(server.address("http"))
    connection.send(v2() + Upgrade("localhost").request)
    assert b" 101 " in connection.recv_some()
    connection.close()


def test_tls_right_behind(proxied):
    """Header and ClientHello in one packet: libssl sees its bytes and only those."""
    server = proxied()
    context = ssl.create_default_context(cafile=server.certificate)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    connection = Connection(server.address("c2s-tls"))
    connection.send(v2() + outgoing.read())
    while True:
        incoming.write(connection.recv_some())
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            pass
    assert tls.version() in ("TLSv1.2", "TLSv1.3")
    connection.close()
