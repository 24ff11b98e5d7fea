# SPDX-License-Identifier: MIT
"""What holds a stream together: pings of the silent, bounds on what is fast or half open,
other servers at the end, the certificate of the host that is meant.
"""

import contextlib
import os
import signal
import socket
import ssl
import subprocess
import time
import xml.etree.ElementTree as ET

import pytest

from raw import DEADLINE, NS, Connection, StreamEnd, b64, qname
from server import make_certificate
from websocket import CLOSE, FrameReader, PING, frame

pytestmark = pytest.mark.ours

LIMITS = "{urn:xmpp:stream-limits:0}"
PING_XML = "<ping xmlns='urn:xmpp:ping'/>"


# -- silence -----------------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["result", "error"])
def test_silent_session_is_asked(own_server, make_account, kind):
    """The answer is for nobody: not an error, not a message, to no one; and it is life."""
    server = own_server(settings={"limits": {"idle_ping": "2s", "idle_timeout": "5s"}})
    client = make_account(server).login("starttls")
    until = time.monotonic() + 9  # longer than the time-out: only answers keep it alive
    asked = 0
    while time.monotonic() < until or asked < 3:
        ping = client.wait("iq", type="get")
        assert ping.find("{urn:xmpp:ping}ping") is not None
        assert ping.get("from") == "localhost" and ping.get("to") == client.jid
        inner = ("<error type='cancel'><service-unavailable xmlns='%s'/></error>" % NS["stanzas"]
                 if kind == "error" else "")
        client.send("<iq type='%s' id='%s' to='localhost'>%s</iq>" % (kind, ping.get("id"), inner))
        asked += 1
    client.iq("get", PING_XML)
    assert [event for event in client.events if event.get("type") != "get"] == []


def test_silent_websocket_is_asked(own_server, make_account):
    """By a ping of the WebSocket's own, which browsers answer by themselves."""
    server = own_server(settings={"limits": {"idle_ping": "2s", "idle_timeout": "4s"}})
    client = make_account(server).login("ws")
    reader = FrameReader()
    pings = 0
    while pings < 3:
        for opcode, payload in reader.feed(client.connection.recv_some()):
            assert opcode == PING, payload
            pings += 1
            client.connection.send(frame(10, payload))
    client.iq("get", PING_XML)


@pytest.mark.parametrize("transport", ["starttls", "wss"])
def test_dead_peer(own_server, make_account, transport):
    """Who does not answer has gone; contacts hear of it."""
    server = own_server(settings={"limits": {"idle_ping": "2s", "idle_timeout": "3s"}})
    account, friend = make_account(server), make_account(server)
    dead = account.ready(transport, resource="dead")
    witness = friend.ready("tls")
    dead.send("<presence to='%s'/>" % witness.jid)
    witness.wait("presence", from_=dead.jid, type=None)
    # Nothing is read from `dead`, so nothing is answered.
    until = time.monotonic() + DEADLINE
    while not witness.taken("presence", from_=dead.jid, type="unavailable"):
        assert time.monotonic() < until, "the dead session is still there"
        witness.iq("get", PING_XML)
    if transport == "starttls":
        dead.stream_error("connection-timeout")


def test_half_closed_and_unread(own_server, make_account):
    """Its input has ended and its output goes nowhere: it is no session any more, at once."""
    server = own_server(settings={"limits": {"idle_ping": "0", "idle_timeout": "0"}})
    account, friend = make_account(server), make_account(server)
    client, witness = account.ready("plain"), friend.ready("tls")
    client.send("<presence to='%s'/>" % witness.jid)
    witness.wait("presence", from_=client.jid, type=None)
    for _ in range(30):
        witness.message(client.jid, "x" * 90000)
    witness.iq("get", PING_XML)
    client.connection.sock.shutdown(socket.SHUT_WR)
    witness.wait("presence", from_=client.jid, type="unavailable", timeout=4)


def test_dripping_stanza(own_server, make_account):
    """A stanza must end, however steadily its bytes come."""
    server = own_server(settings={"limits": {"stanza_deadline": "2s"}})
    client = make_account(server).login("tls")
    client.send_raw(b"<message><body>")
    until = time.monotonic() + DEADLINE
    with contextlib.suppress(OSError):
        while not client.events and time.monotonic() < until:
            client.send_raw(b"x")
            with contextlib.suppress(AssertionError):
                client.events.append(client.next(timeout=0.3))
    client.stream_error("policy-violation")


def test_announced_limits(own_server, connect, make_account):
    """XEP-0478, before and after the login."""
    server = own_server(settings={"limits": {"idle_ping": "77s", "stanza_bytes": "300k"},
                                  "auth": {"login_deadline": "25s"}})
    client = connect(server, "tls")
    client.open()
    before = client.features.find(LIMITS + "limits")
    assert before.findtext(LIMITS + "max-bytes") == "10000"
    assert before.findtext(LIMITS + "idle-seconds") == "25"
    after = make_account(server).login("tls").features.find(LIMITS + "limits")
    assert after.findtext(LIMITS + "max-bytes") == str(300 * 1024)
    assert after.findtext(LIMITS + "idle-seconds") == "77"


# -- too fast, too many ---------------------------------------------------------------------

def test_rate_of_stanzas(own_server, make_account):
    """Faster than allowed: it takes longer, in order and whole, and nobody else waits."""
    server = own_server(settings={"limits": {"stanzas_per_second": 20, "burst": "1s"}})
    fast, slow = make_account(server).login("tls"), make_account(server).login("tls")
    began = time.monotonic()
    fast.send("".join("<iq type='get' id='n%d'>%s</iq>" % (i, PING_XML) for i in range(80)))
    slow.iq("get", PING_XML)
    assert not fast.taken("iq", id="n79")
    seen = [fast.wait("iq", type="result").get("id") for _ in range(80)]
    assert seen == ["n%d" % i for i in range(80)]
    assert time.monotonic() - began > 2, "80 stanzas at 20 a second and 20 at once"


def test_rate_before_login(own_server, connect, make_account):
    """Slow is no error: the login works, only later."""
    server = own_server(settings={"limits": {"bytes_per_second_before_login": "300",
                                             "burst": "1s"}})
    began = time.monotonic()
    make_account(server).login("tls")
    assert time.monotonic() - began > 0.5, "about 700 bytes at 300 a second and 300 at once"


def test_honest_client_among_half_open_ones(own_server, make_account):
    """The oldest that has not logged in makes room; sessions never do."""
    server = own_server(io_threads=1, settings={
        "max_connections": 40, "auth": {"login_deadline": "600s"}})
    account = make_account(server)
    session = account.ready("tls")
    crowd = []
    for _ in range(8):
        for _ in range(20):
            crowd.append(socket.create_connection(server.address("c2s"), DEADLINE))
        account.ready("starttls").end()
    session.barrier(session)
    open_ = 0
    for sock in crowd:
        sock.setblocking(False)
        try:
            sock.recv(1)
        except BlockingIOError:
            open_ += 1
        except OSError:
            pass
        sock.close()
    assert open_ <= 10, "a quarter of the connections"


# -- other servers -----------------------------------------------------------------------------

def test_see_other(own_server, make_account, connect):
    server = own_server(settings={"shutdown_see_other": "other.example:5299",
                                  "shutdown_see_other_uri": "wss://other.example/ws"})
    account = make_account(server)
    tcp, web, stranger = account.ready("starttls"), account.ready("wss"), connect(server, "plain")
    stranger.open()
    server.process.signal(signal.SIGTERM)
    error = tcp.stream_error("see-other-host")
    assert error.findtext("{%s}see-other-host" % NS["streams"]) == "other.example:5299"
    stranger.stream_error("system-shutdown")
    events = web.drain_to_end()
    assert not [e for e in events if getattr(e, "tag", "") == qname("stream:error")], events
    assert any(isinstance(e, StreamEnd) for e in events)
    assert b"see-other-uri='wss://other.example/ws'" in web.stream.last_frame
    assert web.stream.closed_with == 1000
    server.wait_exit()


def test_websocket_close_both_ways(own_server, make_account):
    """RFC 7395 3.6: <close/> is answered by <close/>, then the WebSocket's own handshake."""
    server = own_server()
    client = make_account(server).ready("ws")
    client.send_raw(("<close xmlns='%s'/>" % NS["framing"]).encode())
    reader = FrameReader()
    frames = []
    while not any(opcode == CLOSE for opcode, _ in frames):
        data = client.connection.recv_some()
        assert data, "the connection ended without a close frame"
        frames += reader.feed(data)
    assert ET.fromstring(frames[0][1]).tag == "{%s}close" % NS["framing"]
    assert frames[-1][1][:2] == b"\x03\xe8"
    client.connection.send(frame(CLOSE, b"\x03\xe8"))
    assert client.connection.recv_to_end() == b""


# -- certificates ---------------------------------------------------------------------------------

@pytest.fixture
def two_certificates(own_server, tmp_path):
    """localhost and example.test, each with a certificate of its own."""
    files = {}
    for host in ("localhost", "example.test"):
        (tmp_path / host).mkdir()
        files[host] = make_certificate(str(tmp_path / host), [host])
    server = own_server(settings={
        ("host", host): {"certificate": pair[0], "key": pair[1]} for host, pair in files.items()})
    server.files = files
    return server


def starttls(server, to):
    """A plain connection with <proceed/>, as a raw socket."""
    connection = Connection(server.address("c2s"))
    connection.send(("<?xml version='1.0'?><stream:stream to='%s' version='1.0' "
                     "xmlns='jabber:client' xmlns:stream='%s'><starttls xmlns='%s'/>" % (
                         to, NS["stream"], NS["tls"])).encode())
    data = b""
    while b"<proceed" not in data:
        more = connection.recv_some()
        assert more, data
        data += more
    return connection.sock


def shown(server, kind, sni, to=None):
    """The name in the certificate that a client gets to see."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    sock = (starttls(server, to) if kind == "starttls"
            else socket.create_connection(server.address(kind), DEADLINE))
    with context.wrap_socket(sock, server_hostname=sni) as tls:
        pem = ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True))
    text = subprocess.run(["openssl", "x509", "-noout", "-subject", "-nameopt", "multiline"],
                          input=pem, capture_output=True, text=True, check=True).stdout
    return text.rpartition("= ")[2].strip()


@pytest.mark.parametrize("kind, sni, to, wanted", [
    ("c2s-tls", "localhost", None, "localhost"),
    ("c2s-tls", "example.test", None, "example.test"),
    ("c2s-tls", "EXAMPLE.test", None, "example.test"),
    ("c2s-tls", "nobody.test", None, "localhost"),
    ("c2s-tls", None, None, "localhost"),
    ("https", "example.test", None, "example.test"),
    ("https", None, None, "localhost"),
    ("starttls", None, "example.test", "example.test"),
    ("starttls", None, "localhost", "localhost"),
    ("starttls", "example.test", "example.test", "example.test"),
    ("starttls", "example.test", "localhost", "example.test"),
    ("starttls", "nobody.test", "example.test", "example.test")])
def test_certificate(two_certificates, kind, sni, to, wanted):
    """The server name decides; where there is none that we serve, the header of STARTTLS."""
    assert shown(two_certificates, kind, sni, to) == wanted


def test_header_for_another_host_than_the_handshake(two_certificates, connect, make_account):
    """The header decides about the host, as long as it is one that we serve."""
    server = two_certificates
    account = make_account(server, host="example.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    client = connect(server, "plain", host="example.test")
    client.connection.sock.close()
    client.connection.sock = context.wrap_socket(
        socket.create_connection(server.address("c2s-tls"), DEADLINE),
        server_hostname="localhost")
    client.open()
    assert client.opened.get("from") == "example.test"
    plain = b64(("\0%s\0%s" % (account.user, account.password)).encode())
    assert client.sasl("auth", plain, mechanism="PLAIN").tag == qname("sasl:success")
    client.host = "nobody.test"
    other = connect(server, "plain", host="nobody.test")
    other.send_raw(other.stream.header("nobody.test", {}))
    other.stream_error("host-unknown")


def test_new_certificates_at_sighup(two_certificates, make_account, tmp_path):
    """Who is connected stays; who comes sees the new one."""
    server = two_certificates
    server.certificate = server.files["localhost"][0]
    session = make_account(server).ready("tls")
    (tmp_path / "new").mkdir()
    fresh_pair = make_certificate(str(tmp_path / "new"), ["new.example", "example.test"])
    for source, target in zip(fresh_pair, server.files["example.test"]):
        os.replace(source, target)
    server.process.signal(signal.SIGHUP)
    until = time.monotonic() + DEADLINE
    while shown(server, "c2s-tls", "example.test") != "new.example":
        assert time.monotonic() < until, "the old certificate is still shown"
    assert shown(server, "https", "example.test") == "new.example"
    assert shown(server, "starttls", None, "example.test") == "new.example"
    assert shown(server, "c2s-tls", "localhost") == "localhost"
    session.barrier(session)


def test_host_that_nobody_can_log_in_to(own_server):
    """No certificate, and no passwords without TLS: the operator is told."""
    server = own_server(settings={"auth": {"allow_plaintext": False},
                                  ("host", "bare.test"): {}})
    line = server.process.log.wait("nobody can log in")
    assert line.fields["host"] == "bare.test" and line.level == "warning"
