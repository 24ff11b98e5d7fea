# SPDX-License-Identifier: MIT
"""A module that knows an account of its own (<jackdaw/auth.h>), built outside of the tree."""

import hashlib
import hmac

import pytest

from raw import failure
from test_sample_module import built  # noqa: F401  pylint: disable=unused-import
from xmlstream import qname

pytestmark = pytest.mark.ours

MODULES = ["roster", "presence", "message", "disco", "ping", "version", "time"]
SALT = b"sixteen bytes!!!"


def keys(password):
    salted = hashlib.pbkdf2_hmac("sha1", password, SALT, 4096)
    client = hmac.new(salted, b"Client Key", "sha1").digest()
    return {"salt": SALT.hex(), "stored_key": hashlib.sha1(client).hexdigest(),
            "server_key": hmac.new(salted, b"Server Key", "sha1").hexdigest()}


@pytest.fixture
def with_fixed(built, own_server, monkeypatch):  # noqa: F811
    def make(**options):
        monkeypatch.setenv("JACKDAW_MODULE_DIR", built)
        return own_server(settings={("host", "localhost"): {
            "modules": [*MODULES, "fixed"], "fixed": options}})
    return make


def login(connect, server, user, password, mechanism):
    client = connect(server, "tls").secure()
    answer = client.auth(mechanism, user, password)
    if answer.tag != qname("sasl:success"):
        return failure(answer)
    client.open()
    assert client.bind().get("type") == "result"
    client.ready()
    return client


def test_password(with_fixed, connect, make_account):
    """Its user and the database's, side by side; who has no keys is offered no SCRAM."""
    server = with_fixed(password="of the module")
    alice = make_account(server)
    assert connect(server, "tls").secure().mechanisms() == ["PLAIN"]
    assert login(connect, server, "fixed", "wrong", "PLAIN") == "not-authorized"
    assert [user["jid"] for user in server.ctl_json("users")["users"]] == [alice.jid]
    owners = set()
    for _ in range(2):
        client = login(connect, server, "FIXED", "of the module", "PLAIN")
        assert client.bare == "fixed@localhost"
        assert client.iq("set", "<query xmlns='jabber:iq:roster'><item jid='x@localhost'/></query>"
                         ).get("type") == "result"
        owners.add(client.bare)
    other = login(connect, server, alice.user, alice.password, "PLAIN")
    other.message("fixed@localhost", "hello")
    assert client.wait("message").findtext("{jabber:client}body") == "hello"
    assert login(connect, server, alice.user, "of the module", "PLAIN") == "not-authorized"
    assert login(connect, server, "nobody", "x", "PLAIN") == "not-authorized"
    # The other host knows nothing of it.
    stranger = connect(server, "tls", host="example.test").secure()
    assert "SCRAM-SHA-1" in stranger.mechanisms()
    assert failure(stranger.auth("PLAIN", "fixed", "of the module")) == "not-authorized"


def test_keys(with_fixed, connect, make_account):
    server = with_fixed(**keys(b"of the keys"))
    alice = make_account(server)
    assert login(connect, server, "fixed", "of the keys", "SCRAM-SHA-1").bare == "fixed@localhost"
    assert login(connect, server, "fixed", "wrong", "SCRAM-SHA-1") == "not-authorized"
    # It has none for this hash, which looks like a wrong password.
    assert login(connect, server, "fixed", "of the keys", "SCRAM-SHA-256") == "not-authorized"
    assert login(connect, server, alice.user, alice.password, "SCRAM-SHA-256").bare == alice.jid


def test_keys_of_a_wrong_shape(with_fixed, connect):
    server = with_fixed(**dict(keys(b"x"), stored_key="00"))
    server.expect_error("SCRAM keys of a wrong shape")
    assert login(connect, server, "fixed", "x", "SCRAM-SHA-1") == "temporary-auth-failure"


def test_away(with_fixed, connect, make_account):
    """Nobody is let in by the database instead, since nobody can say whose the name is."""
    server = with_fixed(broken=True)
    alice = make_account(server)
    for user in ("fixed", alice.user):
        assert login(connect, server, user, alice.password, "PLAIN") == "temporary-auth-failure"


def test_set_password(with_fixed, connect, make_account):
    server = with_fixed(password="stays")
    alice = make_account(server)
    login(connect, server, "fixed", "stays", "PLAIN")
    assert server.ctl("passwd", "fixed@localhost", stdin="new\n").returncode != 0
    assert login(connect, server, "fixed", "stays", "PLAIN").bare == "fixed@localhost"
    server.ctl_ok("passwd", alice.jid, stdin="other\n")
    assert login(connect, server, alice.user, "other", "PLAIN").bare == alice.jid


def test_deleted(with_fixed, connect):
    """A name that was given up stays so, whatever the module says."""
    server = with_fixed(password="p")
    login(connect, server, "fixed", "p", "PLAIN")
    server.ctl_ok("deluser", "fixed@localhost")
    assert login(connect, server, "fixed", "p", "PLAIN") == "not-authorized"
