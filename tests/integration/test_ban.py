# SPDX-License-Identifier: MIT
"""Banning: who proves to be a banned account is told so; nobody else learns of it."""

import pytest

from raw import failure
from xmlstream import qname

pytestmark = pytest.mark.ours


def answer(account, connect, mechanism, password=None):
    client = connect(account.server, "tls", host=account.host).secure()
    return client.auth(mechanism, account.user, password or account.password)


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_ban(server, alice, bob, connect, mechanism):
    session, other = alice.ready(), bob.ready()
    server.ctl_ok("ban", alice.jid, "too many letters")
    session.drain_to_end()
    refused = answer(alice, connect, mechanism)
    assert refused.tag == qname("sasl:failure") and failure(refused) == "account-disabled"
    wrong = answer(alice, connect, mechanism, "wrong")
    assert failure(wrong) == "not-authorized"
    assert "too many letters" in server.ctl_ok("bans")
    # For others it is an account that isn't there at the moment.
    other.send("<message to='%s' type='headline'><body>x</body></message>" % alice.jid)
    other.barrier(other)
    server.ctl_ok("unban", alice.jid)
    alice.ready()
    again = server.ctl("unban", alice.jid)
    assert again.returncode == 1 and "not banned" in again.stderr


def test_nobody(server):
    done = server.ctl("ban", "nobody-at-all@localhost")
    assert done.returncode == 1 and "is no account" in done.stderr


def test_a_ban_goes_with_the_account(server, account):
    user = account()
    server.ctl_ok("ban", user.jid)
    server.ctl_ok("ban", user.jid, "again")
    server.ctl_ok("deluser", user.jid)
    assert user.jid not in server.ctl_ok("bans")
