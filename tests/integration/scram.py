# SPDX-License-Identifier: MIT
"""The client side of SCRAM (RFC 5802, 7677), with knobs to do it wrong."""

import base64
import hashlib
import hmac
import os

HASHES = {"SCRAM-SHA-1": "sha1", "SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512",
          "SCRAM-SHA-1-PLUS": "sha1", "SCRAM-SHA-256-PLUS": "sha256",
          "SCRAM-SHA-512-PLUS": "sha512"}


def b64(data):
    return base64.b64encode(data).decode()


def unb64(text):
    return base64.b64decode(text or "", validate=True)


class Scram:
    """first() -> message; final(server-first) -> message; verify(server-final).

    data: what the channel binding gives; offer: the lists of mechanisms and binding types that
    the server showed, which its h= must cover (XEP-0474).
    """

    def __init__(self, mechanism, user, password, gs2="n,,", cbind=None, nonce=None, data=b"",
                 offer=None):
        self.hash = HASHES[mechanism]
        self.password = password.encode()
        self.gs2 = gs2
        self.cbind = (gs2 if cbind is None else cbind).encode() + data
        self.offer = offer
        self.nonce = b64(os.urandom(18)) if nonce is None else nonce
        name = user.replace("=", "=3D").replace(",", "=2C")
        self.bare = "n=%s,r=%s" % (name, self.nonce)
        self.signature = None
        self.iterations = None
        self.salt = None

    def first(self):
        return (self.gs2 + self.bare).encode()

    def _hmac(self, key, text):
        return hmac.new(key, text, self.hash).digest()

    def final(self, server_first):
        server_first = server_first.decode()
        fields = dict(part.split("=", 1) for part in server_first.split(","))
        assert fields["r"].startswith(self.nonce) and len(fields["r"]) > len(self.nonce), \
            "the server did not extend our nonce: " + server_first
        self.salt = base64.b64decode(fields["s"], validate=True)
        self.iterations = int(fields["i"])
        if self.offer is not None:
            lists = "\x1f".join("\x1e".join(sorted(names)) for names in self.offer if names)
            assert fields.get("h") == b64(hashlib.new(self.hash, lists.encode()).digest()), \
                "the offer was another one: " + server_first
        salted = hashlib.pbkdf2_hmac(self.hash, self.password, self.salt, self.iterations)
        client_key = self._hmac(salted, b"Client Key")
        stored_key = hashlib.new(self.hash, client_key).digest()
        without_proof = "c=%s,r=%s" % (b64(self.cbind), fields["r"])
        message = ",".join((self.bare, server_first, without_proof)).encode()
        proof = bytes(a ^ b for a, b in zip(client_key, self._hmac(stored_key, message)))
        self.signature = self._hmac(self._hmac(salted, b"Server Key"), message)
        return ("%s,p=%s" % (without_proof, b64(proof))).encode()

    def verify(self, server_final):
        assert server_final.startswith(b"v="), "no server signature: %r" % server_final
        assert base64.b64decode(server_final[2:]) == self.signature, "wrong server signature"
