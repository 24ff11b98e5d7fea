# SPDX-License-Identifier: MIT
"""A push service and its user agent: a local HTTPS server that takes what is POSTed, checks the
sender's token (RFC 8292) and decrypts the message (RFC 8291), with python3-cryptography."""

import base64
import hashlib
import hmac
import http.server
import json
import queue
import ssl
import threading

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from raw import DEADLINE


def to_text(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def from_text(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


class Push:
    """One request that came."""

    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body

    def claims(self, key):
        """Of the token, whose signature is good for this key."""
        scheme, rest = self.headers["Authorization"].split(" ", 1)
        assert scheme == "vapid"
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        assert parts["k"] == key
        head, claims, signature = parts["t"].split(".")
        signature = from_text(signature)
        assert len(signature) == 64 and json.loads(from_text(head))["alg"] == "ES256"
        numbers = (int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), from_text(key)).verify(
            encode_dss_signature(*numbers), ("%s.%s" % (head, claims)).encode(),
            ec.ECDSA(hashes.SHA256()))
        return json.loads(from_text(claims))


class UserAgent:
    """A subscription: keys, and what only they open."""

    def __init__(self):
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._public = self._key.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint)
        self._auth = hashlib.sha256(self._public).digest()[:16]
        self.p256dh, self.auth = to_text(self._public), to_text(self._auth)

    def decrypt(self, push):
        assert push.headers["Content-Encoding"] == "aes128gcm"
        salt, size, length = push.body[:16], int.from_bytes(push.body[16:20], "big"), push.body[20]
        sender, record = push.body[21:21 + length], push.body[21 + length:]
        assert len(push.body) <= size == 4096
        shared = self._key.exchange(
            ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), sender))
        secret = mac(mac(self._auth, shared),
                     b"WebPush: info\0" + self._public + sender + b"\1")
        start = mac(salt, secret)
        key = mac(start, b"Content-Encoding: aes128gcm\0\1")[:16]
        nonce = mac(start, b"Content-Encoding: nonce\0\1")[:12]
        text = AESGCM(key).decrypt(nonce, record, None).rstrip(b"\0")
        assert text[-1:] == b"\2"
        return json.loads(text[:-1])


class PushService:
    """Listens on a port of 127.0.0.1 and answers each request with .status and .body."""

    def __init__(self, certificate, key):
        self.status, self.headers, self.body = 201, {}, b""
        self.pushes = queue.Queue()
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                service.pushes.put(Push(self.path, self.headers, body))
                self.send_response(service.status)
                for item in service.headers.items():
                    self.send_header(*item)
                self.send_header("Content-Length", str(len(service.body)))
                self.end_headers()
                self.wfile.write(service.body)

            def log_message(self, *args):
                pass

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True,
                                                  do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def url(self, path="/push", host="localhost"):
        return "https://%s:%d%s" % (host, self.port, path)

    def next(self):
        return self.pushes.get(timeout=DEADLINE)

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
