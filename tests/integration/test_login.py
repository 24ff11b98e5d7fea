# SPDX-License-Identifier: MIT
"""Every way in: transports, mechanisms, whole and byte by byte."""

import pytest

from raw import TRANSPORTS, Client, fresh
from xmlstream import NS, qname

MECHANISMS = ("SCRAM-SHA-1", "SCRAM-SHA-256", "PLAIN")


@pytest.mark.quick
# The reference's expat defers half tokens and never answers a bytewise client.
@pytest.mark.parametrize("byte_mode", [
    pytest.param(False, id="whole"),
    pytest.param(True, id="bytewise", marks=pytest.mark.ours)])
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_login(alice, transport, mechanism, byte_mode):
    client = alice.login(transport, mechanism, byte_mode=byte_mode)
    assert client.bare == alice.jid
    assert client.resource
    client.ready()
    assert client.iq("get", "<ping xmlns='urn:xmpp:ping'/>", to="localhost").get("type") == "result"
    client.end()


def test_plain_socket_where_the_configuration_allows_it(alice):
    client = alice.login("plain", "PLAIN")
    assert client.jid


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("name,password", [
    ("comma,", "pass"), ("equals=", "pass=,word"), ("ümläut", "pässwörd"),
    ("grüße", "\u2603 snow man"), ("long" * 40, "x" * 200)])
def test_names_and_passwords_of_many_kinds(server, make_account, mechanism, name, password):
    if server.kind == "reference" and not name.isascii():
        pytest.skip("the reference's account files are written by hand")
    account = make_account(server, name + fresh("n"), password)
    assert account.login(mechanism=mechanism).bare == account.jid


def test_the_name_is_prepared_at_login(server, make_account):
    account = make_account(server, fresh("lower"))
    account.user = account.user.upper()
    assert account.login().bare == account.jid


def test_stream_header(server, connect, transport):
    """RFC 6120 4.7: from, a fresh id, the version; nothing is assumed to be prepared."""
    ids = set()
    for _ in range(2):
        client = connect(server, transport)
        client.open()
        assert client.opened.get("from") == "localhost"
        assert client.opened.get("version") == "1.0"
        ids.add(client.opened.get("id"))
    assert len(ids) == 2 and None not in ids


def test_stream_id_changes_with_each_restart(alice, server, connect):
    client = connect(server, "starttls")
    client.open()
    first = client.opened.get("id")
    client.starttls()
    client.open()
    second = client.opened.get("id")
    assert client.auth("PLAIN", alice.user, alice.password).tag == qname("sasl:success")
    client.open()
    assert len({first, second, client.opened.get("id")}) == 3


@pytest.mark.ours
def test_features_in_order(strict_server, connect):
    """STARTTLS first and alone, then mechanisms, then bind and the rest."""
    client = connect(strict_server, "starttls")
    client.open()
    assert client.has_feature("tls:starttls")
    assert not client.mechanisms()
    assert not client.has_feature("bind:bind")
    client.starttls()
    client.open()
    assert not client.has_feature("tls:starttls")
    assert set(MECHANISMS) <= set(client.mechanisms())
    assert not client.has_feature("bind:bind")


@pytest.mark.ours
def test_starttls_is_required(strict_server, connect):
    client = connect(strict_server, "starttls")
    client.open()
    assert client.features.find("%s/%s" % (qname("tls:starttls"),
                                           "{%s}required" % NS["tls"])) is not None


@pytest.mark.ours
def test_features_after_login(alice):
    client = alice.login()
    assert client.has_feature("bind:bind")
    assert client.has_feature("rosterver:ver")  # RFC 6121 2.6.1 3.4
    assert client.has_feature("preapproval:sub")
    limits = client.features.find(qname("limits:limits"))
    assert int(limits.findtext("{%s}max-bytes" % NS["limits"])) == 1024 * 1024


def test_two_hosts(server, make_account, connect):
    """The same name on two hosts is two accounts; each host has its own certificate check."""
    name = fresh("twin")
    one = make_account(server, name, "one")
    two = make_account(server, name, "two", host="example.test")
    for transport in TRANSPORTS:
        assert one.login(transport).bare == one.jid
        assert two.login(transport).bare == two.jid
    wrong = connect(server, "tls", host="example.test").secure()
    assert wrong.auth("SCRAM-SHA-1", name, "one").tag == qname("sasl:failure")


@pytest.mark.ours
def test_alpn(server, account):
    """Direct TLS with and without ALPN; a foreign protocol is refused or not chosen."""
    user = account()
    client = user.login("tls")
    assert client.connection.sock.selected_alpn_protocol() == "xmpp-client"


@pytest.mark.quick
def test_polite_end(alice, transport):
    """</stream> or <close/> is answered by the same, then the connection ends."""
    client = alice.login(transport)
    names = [type(event).__name__ for event in client.end()]
    assert names == ["StreamEnd", "Eof"]


def test_end_before_login(server, connect, transport):
    client = connect(server, transport)
    client.open()
    assert [type(event).__name__ for event in client.end()] == ["StreamEnd", "Eof"]


def test_many_logins_of_one_account(server, alice):
    """Twenty devices at once."""
    clients = [alice.login("tls") for _ in range(20)]
    assert len({client.jid for client in clients}) == 20
    for client in clients:
        client.ready()
    for client in clients:
        assert isinstance(client, Client)
        client.end()
