# SPDX-License-Identifier: MIT
"""SCRAM as it is today: every hash, channel binding where a client can know it, and the hash
of what was offered."""

import hashlib

import pytest

import sasl2
from raw import failure
from xmlstream import qname

CB = "{urn:xmpp:sasl-cb:0}"
HASHES = ("SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512")
SECURE = ("starttls", "tls")
END_POINT = "p=tls-server-end-point,,"

pytestmark = pytest.mark.ours


def bindings(client):
    return [e.get("type") for e in client.features.iterfind(
        "%ssasl-channel-binding/%schannel-binding" % (CB, CB))]


def end_point(client):
    """RFC 5929: the test's certificates are signed with SHA-256."""
    return hashlib.sha256(client.connection.sock.getpeercert(True)).digest()


def offer(client):
    return client.mechanisms(), bindings(client)


@pytest.mark.parametrize("secure", SECURE)
def test_offered(server, connect, secure):
    client = connect(server, secure).secure()
    assert bindings(client) == ["tls-exporter", "tls-server-end-point"]
    mechanisms = client.mechanisms()
    assert mechanisms[:3] == ["SCRAM-SHA-512-PLUS", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS"]
    assert mechanisms.index("SCRAM-SHA-512") < mechanisms.index("SCRAM-SHA-1") \
        < mechanisms.index("PLAIN")


@pytest.mark.parametrize("bare", ("plain", "ws", "wss"))
def test_nothing_to_bind_to(alice, server, connect, bare):
    client = connect(server, bare)
    client.open()
    assert not bindings(client)
    assert not [m for m in client.mechanisms() if m.endswith("-PLUS")]
    assert failure(client.auth("SCRAM-SHA-1-PLUS", alice.user, alice.password,
                               gs2=END_POINT)) == "invalid-mechanism"
    # Here "y" is the truth, and what stanza.io says in a browser.
    answer = client.auth("SCRAM-SHA-512", alice.user, alice.password, gs2="y,,",
                         offer=offer(client))
    assert answer.tag == qname("sasl:success")


@pytest.mark.parametrize("mechanism", HASHES)
@pytest.mark.parametrize("secure", SECURE)
def test_plus(alice, server, connect, secure, mechanism):
    client = connect(server, secure).secure()
    answer = client.auth(mechanism + "-PLUS", alice.user, alice.password, gs2=END_POINT,
                         data=end_point(client), offer=offer(client))
    assert answer.tag == qname("sasl:success")
    client.open()
    assert client.bind().get("type") == "result"


@pytest.mark.parametrize("mechanism", HASHES)
@pytest.mark.parametrize("secure", SECURE)
def test_plus_in_one_step(alice, server, connect, secure, mechanism):
    """SASL2 offers the same, and its hash covers its own list."""
    client = connect(server, secure).secure()
    names = [e.text for e in client.features.iterfind(
        "%s/%s" % (qname("sasl2:authentication"), qname("sasl2:mechanism")))]
    reply = sasl2.exchange(client, mechanism + "-PLUS", alice.user, alice.password, sasl2.BIND,
                           gs2=END_POINT, data=end_point(client), offer=(names, bindings(client)))
    sasl2.succeeded(client, reply)
    assert client.bare == alice.jid
    client = connect(server, secure).secure()
    assert sasl2.failed(sasl2.exchange(client, mechanism + "-PLUS", alice.user, alice.password,
                                       gs2=END_POINT, data=b"x" * 32)) == "not-authorized"
    assert sasl2.failed(sasl2.exchange(client, mechanism, alice.user, alice.password,
                                       gs2="y,,")) == "not-authorized"


@pytest.mark.parametrize("mechanism", HASHES)
def test_without_binding(alice, server, connect, mechanism):
    client = connect(server, "tls").secure()
    assert client.auth(mechanism, alice.user, alice.password,
                       offer=offer(client)).tag == qname("sasl:success")


def test_binding_must_fit(alice, server, connect):
    """Each in turn on one stream; a wrong binding counts like a wrong password."""
    client = connect(server, "tls").secure()
    good = end_point(client)
    for mechanism, gs2, data, want in (
            ("SCRAM-SHA-256-PLUS", END_POINT, b"x" * 32, "not-authorized"),
            ("SCRAM-SHA-256-PLUS", "p=tls-exporter,,", good, "not-authorized"),
            ("SCRAM-SHA-256-PLUS", "p=tls-unique,,", good, "malformed-request"),
            ("SCRAM-SHA-256-PLUS", "n,,", b"", "malformed-request"),
            ("SCRAM-SHA-256", END_POINT, good, "malformed-request"),
            ("SCRAM-SHA-256", "y,,", b"", "not-authorized")):
        assert failure(client.auth(mechanism, alice.user, alice.password, gs2=gs2,
                                   data=data)) == want
    assert client.auth("SCRAM-SHA-256-PLUS", alice.user, alice.password, gs2=END_POINT,
                       data=good).tag == qname("sasl:success")


def test_dropped_hash(own_server, make_account, connect):
    """No keys and no mechanisms of a hash that is not wanted; PLAIN works with another one."""
    server = own_server(settings={"auth": {"scram_hashes": ["SHA-512", "SHA-1"]}})
    user = make_account(server)
    client = connect(server, "tls").secure()
    assert client.mechanisms() == ["SCRAM-SHA-512-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-512",
                                   "SCRAM-SHA-1", "PLAIN"]
    for mechanism in ("SCRAM-SHA-512", "SCRAM-SHA-1", "PLAIN"):
        client = connect(server, "tls").secure()
        assert client.auth(mechanism, user.user, user.password).tag == qname("sasl:success")
    client = connect(server, "tls").secure()
    assert failure(client.auth("SCRAM-SHA-256", user.user, user.password)) == "invalid-mechanism"
    assert failure(client.auth("PLAIN", user.user, "wrong")) == "not-authorized"


def test_only_what_the_operator_allows(own_server, make_account, connect):
    server = own_server(settings={"auth": {"mechanisms": ["SCRAM-SHA-256"]}})
    make_account(server)
    client = connect(server, "tls").secure()
    assert client.mechanisms() == ["SCRAM-SHA-256"]
    assert not bindings(client)
