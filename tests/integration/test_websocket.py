# SPDX-License-Identifier: MIT
"""WebSocket (RFC 6455, RFC 7395), host-meta (XEP-0156) and hostile HTTP."""

import json
import struct
import xml.etree.ElementTree as ET

import pytest

from raw import Connection, DeadlinePassed, read_head
from websocket import (BINARY, CLOSE, CONTINUATION, PING, TEXT, Upgrade, close_payload, frame,
                       parse_head)
from xmlstream import NS, Eof, StreamEnd, qname

OPEN = ("<open xmlns='%s' to='localhost' version='1.0'/>" % NS["framing"]).encode()


@pytest.fixture(params=["http", "https"])
def listener(request):
    return request.param


def raw_connection(server, listener):
    connection = Connection(server.address(listener))
    if listener == "https":
        connection.start_tls(server, "localhost", "http/1.1")
    return connection


def message(client, id_):
    return ("<message xmlns='jabber:client' to='%s' id='%s'/>" % (client.jid, id_)).encode()


def closed_with(client):
    """The close code of the server; the connection must end after it."""
    events = client.drain_to_end()
    assert isinstance(events[-1], Eof)
    return client.stream.closed_with


# -- the handshake ---------------------------------------------------------------------

@pytest.mark.quick
def test_first_frame_is_open(server, connect):
    """Strophe.js looks at the first bytes of the first frame."""
    client = connect(server, "ws")
    client.open()
    assert client.stream.http_fields["sec-websocket-protocol"] == "xmpp"
    assert client.stream.first_frame.startswith(b"<open ")
    assert b"version='1.0'" in client.stream.first_frame or b'version="1.0"' in \
        client.stream.first_frame


@pytest.mark.parametrize("headers", [
    ["Origin: null"], ["Origin: https://elsewhere.test"],
    ["Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"],
    ["X-Filler: " + "x" * 2000]], ids=["null origin", "origin", "deflate", "long header"])
def test_headers_of_browsers(server, connect, headers):
    client = connect(server, "wss", headers=headers)
    client.open()


@pytest.mark.parametrize("protocol", ["xmpp, other", "other, xmpp", "other,xmpp"])
def test_xmpp_among_other_protocols(server, connect, protocol):
    client = connect(server, "ws", protocol=protocol)
    assert client.stream.http_fields["sec-websocket-protocol"] == "xmpp"
    client.open()


UPGRADES = {
    "no subprotocol": (dict(protocol=None), None),
    "another subprotocol": (dict(protocol="chat"), None),
    "wrong case": (dict(protocol="XMPP"), None),
    "another path": (dict(path="/nothing"), None),
    "version 12": ({}, (b"Version: 13", b"Version: 12")),
    "no version": ({}, (b"Sec-WebSocket-Version: 13\r\n", b"")),
    "no key": ({}, (b"Sec-WebSocket-Key", b"X-Key")),
    "short key": ({}, None),
    "POST": ({}, (b"GET ", b"POST ")),
    "HTTP/1.0": ({}, (b"HTTP/1.1", b"HTTP/1.0")),
    "no host": ({}, (b"Host: localhost", b"X-Host: localhost")),
}


@pytest.mark.ours
@pytest.mark.parametrize("name", UPGRADES)
def test_refused_upgrade(server, listener, name):
    options, change = UPGRADES[name]
    upgrade = Upgrade("localhost", **options)
    request = upgrade.request
    if name == "short key":
        request = request.replace(upgrade.key.encode(), b"c2hvcnQ=")
    if change:
        assert change[0] in request
        request = request.replace(*change)
    connection = raw_connection(server, listener)
    connection.send(request)
    status, fields = parse_head(read_head(connection)[0])
    assert 400 <= status < 500, status
    if name == "version 12":
        assert status == 426 and fields["sec-websocket-version"] == "13"
    connection.close()


# -- framing ---------------------------------------------------------------------------

def test_fragments(alice):
    """A stanza in one-byte fragments with pings between them."""
    if alice.server.kind == "reference":
        pytest.skip("the reference closes on any fragment (threats.md)")
    client = alice.ready("ws")
    data = message(client, "fragments")
    out = b""
    for i, byte in enumerate(data):
        opcode = TEXT if i == 0 else CONTINUATION
        out += frame(opcode, bytes([byte]), fin=i == len(data) - 1)
        if i in (1, 20):
            out += frame(PING, b"p%d" % i)
    client.connection.send(out)
    client.wait("message", id="fragments")
    assert client.stream.pongs == [b"p1", b"p20"]


@pytest.mark.ours
def test_fragments_within_characters(alice):
    """A fragment may end inside a character; the message as a whole is UTF-8."""
    client = alice.ready("ws")
    body = "\U0001F426" * 50
    data = ("<message xmlns='jabber:client' to='%s' id='utf'><body>%s</body></message>" % (
        client.jid, body)).encode()
    pieces = [data[i:i + 3] for i in range(0, len(data), 3)]
    for i, piece in enumerate(pieces):
        client.connection.send(frame(TEXT if i == 0 else CONTINUATION, piece,
                                     fin=i == len(pieces) - 1))
    assert client.wait("message", id="utf").findtext(qname("body")) == body


@pytest.mark.ours
def test_large_message_in_fragments(alice):
    """What browsers do with 400 kB."""
    client = alice.ready("wss")
    body = "\U0001F426" * 99999
    data = ("<message xmlns='jabber:client' to='%s' id='big'><body>%s</body></message>" % (
        client.jid, body)).encode()
    pieces = [data[i:i + 131072] for i in range(0, len(data), 131072)]
    for i, piece in enumerate(pieces):
        client.connection.send(frame(TEXT if i == 0 else CONTINUATION, piece,
                                     fin=i == len(pieces) - 1))
    assert (client.wait("message", id="big").findtext(qname("body")) == body) is True


@pytest.mark.ours
def test_empty_fragments(alice):
    client = alice.ready("ws")
    data = message(client, "empty")
    client.connection.send(frame(TEXT, b"", fin=False) + frame(CONTINUATION, data, fin=False)
                           + frame(CONTINUATION, b"", fin=True))
    client.wait("message", id="empty")


def test_ping(server, connect):
    client = connect(server, "ws")
    client.open()
    for payload in (b"", b"x", b"\xff" * 125):
        client.connection.send(frame(PING, payload))
    answer = client.sasl("abort")
    assert answer is not None
    assert client.stream.pongs == [b"", b"x", b"\xff" * 125]


def test_unasked_pong_is_nothing(server, connect):
    client = connect(server, "ws")
    client.open()
    client.connection.send(frame(0xA, b"hello"))
    client.sasl("abort")


BAD_FRAMES = {
    "unmasked": (frame(TEXT, b"<a/>", masked=False), {1002}),
    "unmasked ping": (frame(PING, b"", masked=False), {1002}),
    "RSV1": (frame(TEXT, b"<a/>", rsv=4), {1002}),
    "RSV2": (frame(TEXT, b"<a/>", rsv=2), {1002}),
    "RSV3": (frame(TEXT, b"<a/>", rsv=1), {1002}),
    "opcode 3": (frame(3, b""), {1002}),
    "opcode 11": (frame(11, b""), {1002}),
    "binary": (frame(BINARY, b"<a/>"), {1003}),
    "ping of 126 bytes": (frame(PING, b"x" * 126), {1002}),
    "fragmented ping": (frame(PING, b"x", fin=False), {1002}),
    "continuation of nothing": (frame(CONTINUATION, b"<a/>"), {1002}),
    "text within a message": (frame(TEXT, b"<a", fin=False) + frame(TEXT, b"/>"), {1002}),
    "bad UTF-8": (frame(TEXT, b"<a>\xff</a>"), {1007}),
    "overlong UTF-8": (frame(TEXT, b"<a>\xc0\xbc</a>"), {1007}),
    "surrogate": (frame(TEXT, b"<a>\xed\xa0\x80</a>"), {1007}),
    "above U+10FFFF": (frame(TEXT, b"<a>\xf4\x90\x80\x80</a>"), {1007}),
    "cut UTF-8": (frame(TEXT, b"<a/>\xe2\x82"), {1007}),
    "announces 2^62 bytes": (frame(TEXT, b"<a", length=1 << 62), {1009}),
    "length with the top bit": (b"\x81\xff" + struct.pack(">Q", 1 << 63) + b"\0\0\0\0",
                                {1002, 1009}),
    "long form of a short length": (b"\x81\xfe\x00\x01" + b"\0\0\0\0" + b"<", {1002}),
    "too large": (frame(TEXT, b"<a>" + b"x" * 20000), {1009}),
    "too large in fragments": (frame(TEXT, b"<a>" + b"x" * 9000, fin=False)
                               + frame(CONTINUATION, b"x" * 9000, fin=False), {1009}),
    "close with one byte": (frame(CLOSE, b"x"), {1002}),
    "close with code 1005": (frame(CLOSE, close_payload(1005)), {1002}),
    "close with code 999": (frame(CLOSE, close_payload(999)), {1002}),
    "close with bad UTF-8": (frame(CLOSE, close_payload(1000, b"\xff")), {1002, 1007}),
}


@pytest.mark.ours
@pytest.mark.parametrize("name", BAD_FRAMES)
def test_bad_frame(server, connect, name):
    data, codes = BAD_FRAMES[name]
    client = connect(server, "ws")
    client.open()
    client.connection.send(data)
    assert closed_with(client) in codes


@pytest.mark.ours
def test_flood_of_pings(server, connect):
    """More control frames than anybody needs: 1008."""
    client = connect(server, "ws")
    client.open()
    try:
        for _ in range(50):
            client.connection.send(frame(PING, b"x" * 100))
    except OSError:
        pass
    assert closed_with(client) in (1008, None)


@pytest.mark.ours
def test_too_large_after_login(alice):
    client = alice.ready("ws")
    try:
        client.connection.send(frame(TEXT, b"<message xmlns='jabber:client'>"
                                     + b"x" * (1024 * 1024 + 1)))
    except OSError:
        pass
    assert closed_with(client) in (1009, 1000, 1008)


@pytest.mark.ours
@pytest.mark.parametrize("code", [1000, 1001, 3000, None])
def test_close_frame_is_answered(alice, bob, code):
    """Closing without <close/>: the session ends, contacts would see it go."""
    client = alice.ready("ws")
    witness = bob.ready()
    client.send("<presence to='%s'/>" % witness.jid)
    witness.wait("presence", from_=client.jid, type=None)
    client.connection.send(frame(CLOSE, close_payload(code) if code else b""))
    assert closed_with(client) in (code, 1000, None)
    witness.wait("presence", from_=client.jid, type="unavailable")


def test_polite_close(alice):
    client = alice.ready("wss")
    events = client.end()
    assert isinstance(events[-2], StreamEnd) and isinstance(events[-1], Eof)
    assert client.stream.closed_with in (1000, None)


# -- RFC 7395 --------------------------------------------------------------------------

BAD_MESSAGES = {
    "stream header": ("<stream:stream xmlns='jabber:client' xmlns:stream='%s' to='localhost' "
                      "version='1.0'>" % NS["stream"],
                      {"bad-format", "not-well-formed", "invalid-namespace"}),
    "open without namespace": ("<open to='localhost' version='1.0'/>",
                               {"invalid-namespace", "bad-format", "not-well-formed"}),
    "open of nowhere": ("<open xmlns='%s' to='nowhere.test' version='1.0'/>" % NS["framing"],
                        {"host-unknown"}),
    "open without version": ("<open xmlns='%s' to='localhost'/>" % NS["framing"],
                             {"unsupported-version"}),
    "a stanza first": ("<presence xmlns='jabber:client'/>",
                       {"bad-format", "not-authorized", "invalid-namespace",
                        "unsupported-stanza-type", "not-well-formed"}),
    "two elements": (OPEN.decode() * 2, {"not-well-formed", "bad-format"}),
    "text": ("hello", {"not-well-formed", "bad-format"}),
    "a DTD": ("<!DOCTYPE x [<!ENTITY a 'b'>]><open xmlns='%s'/>" % NS["framing"],
              {"restricted-xml", "not-well-formed"}),
    "half an element": ("<open xmlns='%s'" % NS["framing"], {"not-well-formed"}),
}


@pytest.mark.ours
@pytest.mark.parametrize("name", BAD_MESSAGES)
def test_bad_first_message(server, connect, name):
    sent, conditions = BAD_MESSAGES[name]
    client = connect(server, "ws")
    client.send_raw(sent.encode())
    client.stream_error(*conditions)


@pytest.mark.ours
@pytest.mark.parametrize("sent,conditions", [
    ("<message to='a@localhost'/>", {"invalid-namespace", "not-well-formed", "bad-format",
                                     "unsupported-stanza-type"}),
    ("<message xmlns='jabber:client'/><message xmlns='jabber:client'/>",
     {"not-well-formed", "bad-format"}),
    ("<message xmlns='jabber:client'>", {"not-well-formed"}),
    ("</message>", {"not-well-formed"}),
    ("<message xmlns='jabber:client' z:a='1'/>", {"not-well-formed"})],
    ids=["no namespace", "two elements", "open element", "end tag", "unbound prefix"])
def test_bad_message_after_login(alice, sent, conditions):
    client = alice.ready("ws")
    client.send_raw(sent.encode())
    client.stream_error(*conditions)


@pytest.mark.ours
def test_white_space_and_declaration(alice):
    """White space around an element and an XML declaration in front are XML, so they pass."""
    client = alice.ready("ws")
    client.send_raw(b"  \n" + message(client, "w1") + b"\n ")
    client.wait("message", id="w1")


@pytest.mark.ours
def test_prefixes_do_not_outlive_a_frame(alice):
    client = alice.ready("ws")
    client.send_raw(b"<message xmlns='jabber:client' xmlns:z='u' z:a='1' id='p1' to='%s'/>"
                    % client.jid.encode())
    client.wait("message", id="p1")
    client.send_raw(b"<message xmlns='jabber:client' z:a='1' id='p2' to='%s'/>"
                    % client.jid.encode())
    client.stream_error("not-well-formed")


# -- plain HTTP ------------------------------------------------------------------------

def ask(server, listener, request):
    """(status, fields, body) of the answer to these bytes."""
    connection = raw_connection(server, listener)
    connection.send(request)
    head, body = read_head(connection)
    status, fields = parse_head(head)
    want = int(fields.get("content-length", "0"))
    while len(body) < want and not request.startswith(b"HEAD"):
        more = connection.recv_some()
        assert more, "body is cut: %r" % body
        body += more
    connection.close()
    return status, fields, body


def get(path, *headers, method="GET"):
    return "\r\n".join(["%s %s HTTP/1.1" % (method, path), "Host: localhost", *headers,
                        "", ""]).encode()


def port_of(server, listener):
    return server.address(listener)[1]


@pytest.mark.ours
@pytest.mark.quick
def test_host_meta(server, listener):
    """XEP-0156 in both forms, for any origin; the address is that of this server."""
    want = {"http": "ws", "https": "wss"}[listener]
    host = "localhost:%d" % port_of(server, listener)
    status, fields, body = ask(server, listener, get("/.well-known/host-meta").replace(
        b"Host: localhost", b"Host: " + host.encode()))
    assert status == 200 and fields["access-control-allow-origin"] == "*"
    assert fields["content-type"].startswith("application/xrd+xml")
    xrd = ET.fromstring(body)
    links = {e.get("rel"): e.get("href") for e in xrd.iter(
        "{http://docs.oasis-open.org/ns/xri/xrd-1.0}Link")}
    url = links["urn:xmpp:alt-connections:websocket"]
    assert url.startswith(want + "://") and url.endswith("/xmpp-websocket")
    status, fields, body = ask(server, listener, get("/.well-known/host-meta.json").replace(
        b"Host: localhost", b"Host: " + host.encode()))
    assert status == 200 and fields["access-control-allow-origin"] == "*"
    assert fields["content-type"].startswith("application/json")
    links = {link["rel"]: link["href"] for link in json.loads(body)["links"]}
    assert links["urn:xmpp:alt-connections:websocket"] == url


@pytest.mark.ours
def test_head_and_keep_alive(server, listener):
    connection = raw_connection(server, listener)
    for method in ("HEAD", "GET", "HEAD"):
        connection.send(get("/.well-known/host-meta", method=method))
        head, body = read_head(connection)
        status, fields = parse_head(head)
        assert status == 200
        if method == "GET":
            while len(body) < int(fields["content-length"]):
                body += connection.recv_some()
        else:
            assert body == b""
    connection.close()


BAD_REQUESTS = {
    "garbage": (b"\x16\x03\x01\x02\x00\r\n\r\n", {400}),
    "no version": (b"GET /\r\n\r\n", {400}),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", {400, 505}),
    "HTTP/0.9": (b"GET / HTTP/0.9\r\nHost: a\r\n\r\n", {400, 505}),
    "no host": (b"GET / HTTP/1.1\r\n\r\n", {400}),
    "two hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", {400}),
    "broken host": (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", {400}),
    "space before colon": (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", {400}),
    "line folding": (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", {400}),
    "bare CR": (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", {400}),
    "bare LF": (b"GET / HTTP/1.1\nHost: a\n\n", {400}),
    "NUL": (b"GET / HTTP/1.1\r\nHost: a\r\nX: b\0c\r\n\r\n", {400}),
    "no colon": (b"GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n", {400}),
    "empty name": (b"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", {400}),
    "length and chunks": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                          b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", {400}),
    "two lengths": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                    b"Content-Length: 4\r\n\r\nabcd", {400}),
    "negative length": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", {400}),
    "huge length": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n",
                    {400, 413}),
    "unknown coding": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
                       {400, 501}),
    "bad chunk": (b"POST /nothing HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
                  {400, 404}),
    "65 headers": (b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 65 + b"\r\n", {431}),
    "long header": (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 9000 + b"\r\n\r\n", {431}),
    "header without end": (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 70000, {431}),
    "long target": (b"GET /" + b"a" * 3000 + b" HTTP/1.1\r\nHost: a\r\n\r\n", {414}),
    "climbing": (get("/../etc/passwd"), {400, 404}),
    "climbing encoded": (get("/%2e%2e/%2e%2e/etc/passwd"), {400, 404}),
    "climbing encoded slash": (get("/..%2f..%2fetc/passwd"), {400, 404}),
    "%u002e": (get("/%u002e%u002e/"), {400}),
    "bad escape": (get("/%2>"), {400}),
    "cut escape": (get("/%2"), {400}),
    "NUL encoded": (get("/%00"), {400}),
    "backslash": (get("/..%5c"), {400}),
    "bad UTF-8": (get("/%ff"), {400, 404}),
    "unknown path": (get("/nothing"), {404}),
    "unknown method": (get("/.well-known/host-meta", method="DANCE"), {405, 501}),
    "wrong method": (get("/.well-known/host-meta", "Content-Length: 0", method="POST"), {405}),
    "broken method": (b"G(T / HTTP/1.1\r\nHost: a\r\n\r\n", {400}),
    "plain GET of the WebSocket": (get("/xmpp-websocket"), {400, 426}),
    "absolute form of elsewhere": (b"GET http://elsewhere/x HTTP/1.1\r\nHost: a\r\n\r\n",
                                   {400, 404, 421}),
    "CONNECT": (b"CONNECT elsewhere:80 HTTP/1.1\r\nHost: elsewhere\r\n\r\n", {400, 404, 405, 501}),
}


@pytest.mark.ours
@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_bad_request(server, listener, name):
    request, codes = BAD_REQUESTS[name]
    status, _, body = ask(server, listener, request)
    assert status in codes
    assert b"root:" not in body


@pytest.mark.ours
@pytest.mark.parametrize("name", ["two lengths", "length and chunks", "bare LF", "line folding"])
def test_no_smuggling(server, name):
    """After a request that can be read in two ways nothing more is read from that connection."""
    connection = raw_connection(server, "http")
    connection.send(BAD_REQUESTS[name][0] + get("/.well-known/host-meta"))
    data = connection.recv_to_end()
    assert data.count(b"HTTP/1.1 ") == 1


def test_xmpp_on_the_http_port(server):
    """A client on the wrong port gets an end, not silence."""
    connection = raw_connection(server, "http")
    connection.send(b"<?xml version='1.0'?><stream:stream to='localhost' version='1.0' "
                    b"xmlns='jabber:client' xmlns:stream='%s'>\r\n\r\n" % NS["stream"].encode())
    try:
        assert b"<stream" not in connection.recv_to_end()
    except DeadlinePassed:
        assert server.kind == "reference"


def test_plain_http_on_the_tls_port(server):
    connection = Connection(server.address("https"))
    connection.send(get("/"))
    assert not connection.recv_to_end().startswith(b"HTTP/1.1 200")
