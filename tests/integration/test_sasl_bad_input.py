# SPDX-License-Identifier: MIT
"""Wrong messages of every mechanism, in both profiles: exactly what is said, and that the same
stream is good for a right login afterwards."""

import pytest

import sasl2
from raw import failure
from scram import Scram, b64, unb64
from xmlstream import NS, qname

pytestmark = pytest.mark.ours

ENCODING, MALFORMED = "incorrect-encoding", "malformed-request"
REFUSED, AUTHZID = "not-authorized", "invalid-authzid"

# Texts as they stand in the element.
TEXTS = {
    "padding in front": ("PLAIN", "=AGEAYg==", ENCODING),
    "padding alone, twice": ("PLAIN", "==", ENCODING),
    "padding within": ("PLAIN", "AGE=AGI=", ENCODING),
    "no padding": ("PLAIN", "AGEAYg", ENCODING),
    "bits behind the end": ("PLAIN", "AGEAYh==", ENCODING),
    "line feed": ("PLAIN", "AGEA\nYg==", ENCODING),
    "space in front": ("PLAIN", " AGEAYg==", ENCODING),
    "space behind": ("PLAIN", "AGEAYg== ", ENCODING),
    "alphabet of URLs": ("PLAIN", "_-AA", ENCODING),
    "an element": ("PLAIN", "<a xmlns='x'/>", ENCODING),
}

# Messages, decoded.
MESSAGES = {
    "nothing": ("PLAIN", b"", MALFORMED),
    "no NUL": ("PLAIN", b"alice", MALFORMED),
    "one NUL": ("PLAIN", b"alice\0b", MALFORMED),
    "three NULs": ("PLAIN", b"\0alice\0b\0c", MALFORMED),
    "NUL behind": ("PLAIN", b"\0alice\0b\0", MALFORMED),
    "empty name": ("PLAIN", b"\0\0b", MALFORMED),
    "empty password": ("PLAIN", b"\0alice\0", MALFORMED),
    "no UTF-8 in the name": ("PLAIN", b"\0ali\xff\0b", MALFORMED),
    "overlong UTF-8": ("PLAIN", b"\0ali\xc0\xaf\0b", MALFORMED),
    "a surrogate": ("PLAIN", b"\0a\0\xed\xa0\x80", MALFORMED),
    "a non-character": ("PLAIN", "\0a\0\ufffe".encode(), MALFORMED),
    "control character in the name": ("PLAIN", b"\0ali\x07ce\0b", MALFORMED),
    "space in the name": ("PLAIN", b"\0ali ce\0b", REFUSED),
    "a JID as name": ("PLAIN", b"\0alice@localhost\0b", REFUSED),
    "unassigned code point": ("PLAIN", "\0a\U000e0fff\0b".encode(), REFUSED),
    "tabulator in the password": ("PLAIN", b"\0alice\0a\tb", REFUSED),
    "a name of 1024 bytes": ("PLAIN", b"\0" + b"a" * 1024 + b"\0b", REFUSED),
    "a password of 1024 bytes": ("PLAIN", b"\0alice\0" + b"a" * 1024, REFUSED),
    "somebody else's authzid": ("PLAIN", b"bob@localhost\0alice\0b", AUTHZID),
    "another host's authzid": ("PLAIN", b"alice@example.test\0alice\0b", AUTHZID),
    "a full JID as authzid": ("PLAIN", b"alice@localhost/x\0alice\0b", AUTHZID),
    "a name as authzid": ("PLAIN", b"alice\0alice\0b", AUTHZID),
    "SCRAM: nothing": ("SCRAM-SHA-256", b"", MALFORMED),
    "SCRAM: no gs2 header": ("SCRAM-SHA-256", b"n=alice,r=abc", MALFORMED),
    "SCRAM: its final message first": ("SCRAM-SHA-256", b"c=biws,r=abc,p=AAAA", MALFORMED),
    "SCRAM: unknown flag": ("SCRAM-SHA-256", b"x,,n=alice,r=abc", MALFORMED),
    "SCRAM: NUL in the name": ("SCRAM-SHA-256", b"n,,n=a\0b,r=abc", MALFORMED),
    "SCRAM: empty name": ("SCRAM-SHA-512", b"n,,n=,r=abc", MALFORMED),
    "SCRAM: bad escape": ("SCRAM-SHA-512", b"n,,n=a=2Fb,r=abc", MALFORMED),
    "SCRAM: fields in another order": ("SCRAM-SHA-512", b"n,,r=abc,n=alice", MALFORMED),
    "SCRAM: what must be understood": ("SCRAM-SHA-1", b"n,,m=1,n=alice,r=abc", MALFORMED),
    "SCRAM: no PLUS and a binding": ("SCRAM-SHA-1", b"p=tls-exporter,,n=alice,r=abc", MALFORMED),
    "SCRAM: foreign authzid": ("SCRAM-SHA-1", b"n,a=bob@localhost,n=alice,r=abc", AUTHZID),
    "SCRAM: a name that cannot be": ("SCRAM-SHA-1", b"n,,n=a b,r=abc", REFUSED),
    "PLUS: unknown binding": ("SCRAM-SHA-1-PLUS", b"p=tls-unique,,n=alice,r=abc", MALFORMED),
    "PLUS: no binding": ("SCRAM-SHA-512-PLUS", b"n,,n=alice,r=abc", MALFORMED),
}


def old(client, mechanism, text):
    return failure(client.sasl("auth", text or "=", mechanism=mechanism))


def new(client, mechanism, text):
    sasl2.send(client, mechanism, text)
    return sasl2.failed(sasl2.answer(client))


PROFILES = {"old": old, "new": new}


@pytest.fixture(params=PROFILES)
def refuse(request):
    return PROFILES[request.param]


@pytest.mark.parametrize("name", TEXTS)
def test_text(server, connect, alice, refuse, name):
    client = connect(server, "tls").secure()
    mechanism, text, want = TEXTS[name]
    assert refuse(client, mechanism, text) == want
    assert client.auth("SCRAM-SHA-256", alice.user, alice.password).tag == qname("sasl:success")


@pytest.mark.parametrize("name", MESSAGES)
def test_message(server, connect, alice, refuse, name):
    client = connect(server, "tls").secure()
    mechanism, message, want = MESSAGES[name]
    assert refuse(client, mechanism, b64(message)) == want
    assert client.auth("SCRAM-SHA-256", alice.user, alice.password).tag == qname("sasl:success")


FINALS = {
    "nothing": (lambda final: b"", MALFORMED),
    "the first message again": (lambda final: b"n,,n=alice,r=abc", MALFORMED),
    "no proof": (lambda final: final.rpartition(b",p=")[0], MALFORMED),
    "another gs2 header": (lambda final: b"c=eSws" + final[6:], REFUSED),
    "the header and more": (lambda final: b"c=biwseA==" + final[6:], REFUSED),
    "the header in bad base64": (lambda final: b"c=biwt" + final[6:], REFUSED),
    "another nonce": (lambda final: final.replace(b",r=", b",r=x", 1), REFUSED),
    "the client's half of the nonce": (lambda final: b"c=biws,r=half,p=" + final.rpartition(
        b",p=")[2], REFUSED),
    "an extension that was not proved": (lambda final: final.replace(b",p=", b",x=y,p="), REFUSED),
    "a short proof": (lambda final: final.rpartition(b",p=")[0] + b",p=AAAA", MALFORMED),
    "a proof in bad base64": (lambda final: final[:-1] + b"!", MALFORMED),
    "another proof": (lambda final: final.rpartition(b",p=")[0] + b",p=" + b"A" * 43 + b"=",
                      REFUSED),
    "something behind the proof": (lambda final: final + b",x=y", MALFORMED),
    "NUL": (lambda final: final + b"\0", MALFORMED),
}


@pytest.mark.parametrize("name", FINALS)
def test_final(server, connect, alice, name):
    client = connect(server, "tls").secure()
    spoil, want = FINALS[name]
    scram = Scram("SCRAM-SHA-256", alice.user, alice.password)
    challenge = client.sasl("auth", b64(scram.first()), mechanism="SCRAM-SHA-256")
    final = spoil(scram.final(unb64(challenge.text)))
    assert failure(client.sasl("response", b64(final) or "=")) == want
    # That exchange is over: nothing can be added to it.
    assert failure(client.sasl("response", b64(final) or "=")) == MALFORMED
    assert client.auth("SCRAM-SHA-256", alice.user, alice.password).tag == qname("sasl:success")


def test_out_of_order(server, connect, alice):
    """A response to nothing, a login within a login, an end of nothing."""
    client = connect(server, "tls").secure()
    assert failure(client.sasl("response", b64(b"x"))) == MALFORMED
    scram = Scram("SCRAM-SHA-256", alice.user, alice.password)
    challenge = client.sasl("auth", b64(scram.first()), mechanism="SCRAM-SHA-256")
    assert challenge.tag == qname("sasl:challenge")
    assert failure(client.sasl("auth", "AAAA", mechanism="PLAIN")) == MALFORMED
    assert failure(client.sasl("response", b64(scram.final(unb64(challenge.text))))) == MALFORMED
    assert client.auth("PLAIN", alice.user, alice.password).tag == qname("sasl:success")


def test_oversized(server, connect):
    """Elements before the login have a size, whatever they are for."""
    client = connect(server, "tls").secure()
    client.send("<auth xmlns='%s' mechanism='PLAIN'>%s</auth>" % (NS["sasl"], "A" * 12000))
    assert client.wait("stream:error").find(
        "{urn:ietf:params:xml:ns:xmpp-streams}policy-violation") is not None
