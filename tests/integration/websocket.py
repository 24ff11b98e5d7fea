# SPDX-License-Identifier: MIT
"""RFC 6455 from the client's side: honest by default, able to misbehave.

Frames are built by frame(), whose arguments can break every rule; what the
server sends is checked by all of them.
"""

import base64
import hashlib
import os
import struct

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class WebSocketError(AssertionError):
    """The server broke RFC 6455."""


def frame(opcode, payload=b"", fin=True, rsv=0, masked=True, length=None):
    """One frame. length overrides the announced length: the payload stays as it is."""
    size = len(payload) if length is None else length
    head = bytes([(0x80 if fin else 0) | (rsv << 4) | opcode])
    mask_bit = 0x80 if masked else 0
    if size < 126:
        head += bytes([mask_bit | size])
    elif size < 65536:
        head += struct.pack(">BH", mask_bit | 126, size)
    else:
        head += struct.pack(">BQ", mask_bit | 127, size)
    if not masked:
        return head + payload
    key = os.urandom(4)
    padded = key * (len(payload) // 4 + 1)
    number = int.from_bytes(payload, "big") ^ int.from_bytes(padded[:len(payload)], "big")
    return head + key + number.to_bytes(len(payload), "big")


def close_payload(code, reason=b""):
    return struct.pack(">H", code) + reason


class Upgrade:
    """The HTTP request that opens a WebSocket, and the check of its answer."""

    def __init__(self, host, path="/xmpp-websocket", protocol="xmpp", headers=()):
        self.key = base64.b64encode(os.urandom(16)).decode()
        lines = ["GET %s HTTP/1.1" % path, "Host: %s" % host, "Upgrade: websocket",
                 "Connection: Upgrade", "Sec-WebSocket-Version: 13",
                 "Sec-WebSocket-Key: %s" % self.key]
        if protocol is not None:
            lines.append("Sec-WebSocket-Protocol: %s" % protocol)
        lines.extend(headers)
        self.request = ("\r\n".join(lines) + "\r\n\r\n").encode()

    def check(self, head):
        status, fields = parse_head(head)
        if status != 101:
            raise WebSocketError("no upgrade: %r" % head)
        want = base64.b64encode(hashlib.sha1(self.key.encode() + _MAGIC).digest()).decode()
        if fields.get("sec-websocket-accept") != want:
            raise WebSocketError("wrong Sec-WebSocket-Accept: %r" % head)
        if "sec-websocket-extensions" in fields:
            raise WebSocketError("an extension that nobody asked for: %r" % head)
        return fields


def parse_head(head):
    """(status, {field: value}) of the head of an HTTP answer."""
    lines = head.decode("latin-1").split("\r\n")
    version, status = lines[0].split(" ")[:2]
    assert version in ("HTTP/1.1", "HTTP/1.0"), "not HTTP: %r" % head
    fields = {}
    for line in lines[1:]:
        if line:
            name, colon, value = line.partition(":")
            assert colon, "broken header line %r" % line
            fields[name.strip().lower()] = value.strip()
    return int(status), fields


class FrameReader:
    """feed(bytes) returns (opcode, payload) of whole messages and control frames."""

    def __init__(self):
        self._data = bytearray()
        self._message = None

    def feed(self, data):
        self._data += data
        out = []
        while (one := self._take()) is not None:
            done = self._assemble(*one)
            if done:
                out.append(done)
        return out

    def _take(self):
        data = self._data
        if len(data) < 2:
            return None
        first, second = data[0], data[1]
        if first & 0x70:
            raise WebSocketError("reserved bits are set")
        if second & 0x80:
            raise WebSocketError("a server's frame is masked")
        size, start = second & 0x7F, 2
        if size == 126:
            start = 4
            if len(data) < start:
                return None
            size = struct.unpack(">H", data[2:4])[0]
            if size < 126:
                raise WebSocketError("length is not in its shortest form")
        elif size == 127:
            start = 10
            if len(data) < start:
                return None
            size = struct.unpack(">Q", data[2:10])[0]
            if size < 65536:
                raise WebSocketError("length is not in its shortest form")
        if len(data) < start + size:
            return None
        payload = bytes(data[start:start + size])
        del data[:start + size]
        return first & 0x0F, bool(first & 0x80), payload

    def _assemble(self, opcode, fin, payload):
        if opcode >= CLOSE:
            if not fin or len(payload) > 125:
                raise WebSocketError("broken control frame")
            return opcode, payload
        if (opcode == CONTINUATION) != (self._message is not None):
            raise WebSocketError("fragments out of order")
        if opcode == CONTINUATION:
            self._message[1] += payload
        else:
            self._message = [opcode, payload]
        if not fin:
            return None
        message, self._message = tuple(self._message), None
        return message
