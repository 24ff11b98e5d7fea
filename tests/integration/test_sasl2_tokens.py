# SPDX-License-Identifier: MIT
"""Tokens of devices (XEP-0484) and upgrades of keys (XEP-0480), over SASL2."""

import hashlib
import xml.etree.ElementTree as ET

import pytest

import sasl2
from database import Database
from sasl2 import BIND, agent, exchange, failed, new_id, request_token, succeeded, use
from scram import b64, unb64
from test_sasl2 import get_token, secured, works
from xmlstream import NS, qname

pytestmark = pytest.mark.ours


# -- tokens -------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["starttls", "tls", "ws", "wss"])
def test_a_token_logs_in(server, alice, connect, how):
    client, token = get_token(server, alice, connect, transport=how)
    client.end()
    for _ in range(2):
        client = secured(server, connect, how)
        reply = use(client, token, BIND)
        works(succeeded(client, reply))
        assert reply.find(qname("fast:token")) is None
        client.end()


def test_what_a_token_looks_like(server, alice, connect):
    _, token = get_token(server, alice, connect)
    assert len(token.text) == 43
    assert token.expiry.endswith("Z")


def end_point(client):
    der = client.connection.sock.getpeercert(True)
    return hashlib.sha256(der).digest()


def test_a_token_bound_to_the_certificate(server, alice, connect):
    _, token = get_token(server, alice, connect, mechanism="HT-SHA-256-ENDP")
    client = secured(server, connect, "tls")
    for wrong in (b"", b"\0" * 32):
        assert failed(use(client, token, BIND, binding=wrong)) == "not-authorized"
    works(succeeded(client, use(client, token, BIND, binding=end_point(client))))


def test_a_token_is_for_one_mechanism(server, alice, connect):
    """XEP-0484: one for a binding must not work without it."""
    _, token = get_token(server, alice, connect, mechanism="HT-SHA-256-ENDP")
    client = secured(server, connect)
    reply = use(client, token, BIND, mechanism="HT-SHA-256-NONE")
    assert failed(reply) == "not-authorized"
    plain = connect(server, "ws").secure()
    assert failed(use(plain, token, BIND)) == "invalid-mechanism"


def test_a_token_is_for_one_account_and_device(server, alice, bob, connect):
    _, token = get_token(server, alice, connect)
    client = secured(server, connect)
    assert failed(use(client, token, BIND, user=bob.user)) == "not-authorized"
    assert failed(use(client, token, BIND, device=new_id())) == "not-authorized"
    assert failed(use(client, token, BIND, user="nobody-at-all")) == "not-authorized"
    # The same device with a token of the other account.
    get_token(server, bob, connect, device=token.device)
    assert failed(use(client, token, BIND, user=bob.user)) == "not-authorized"
    succeeded(client, use(client, token, BIND))


def test_counting(server, alice, connect):
    _, token = get_token(server, alice, connect)
    for count, good in ((5, True), (5, False), (4, False), (0, False), (6, True), (6, False),
                        (2147483647, True)):
        client = secured(server, connect)
        reply = use(client, token, BIND, "count='%d'" % count)
        if good:
            succeeded(client, reply)
        else:
            assert failed(reply) == "not-authorized"
        client.end()


def test_who_counts_once_counts_always(server, alice, connect):
    _, token = get_token(server, alice, connect)
    succeeded(client := secured(server, connect), use(client, token, BIND, "count='0'"))
    assert failed(use(client := secured(server, connect), token, BIND)) == "not-authorized"


def test_a_replayed_login(server, alice, connect):
    """The very bytes again, on two streams at once: one of them is let in."""
    _, token = get_token(server, alice, connect)
    streams = [secured(server, connect) for _ in range(4)]
    for client in streams:
        sasl2.send(client, token.mechanism, sasl2.ht(alice.user, token.text),
                   agent(token.device) + "<fast xmlns='urn:xmpp:fast:0' count='1'/>")
    outcomes = sorted(sasl2.answer(client).tag.rpartition("}")[2] for client in streams)
    assert outcomes == ["failure"] * 3 + ["success"]


@pytest.mark.parametrize("value", ["1", "true"])
def test_invalidate(server, alice, connect, value):
    _, token = get_token(server, alice, connect)
    client = secured(server, connect)
    reply = use(client, token, BIND, "invalidate='%s'" % value)
    works(succeeded(client, reply))
    assert reply.find(qname("fast:token")) is None
    assert failed(use(secured(server, connect), token, BIND)) == "not-authorized"


def test_invalidate_and_ask_for_another(server, alice, connect):
    _, token = get_token(server, alice, connect)
    client = secured(server, connect)
    reply = use(client, token, BIND + request_token(), "invalidate='true'")
    succeeded(client, reply)
    fresh = sasl2.token_of(alice, token.device, reply)
    assert failed(use(secured(server, connect), token, BIND)) == "not-authorized"
    succeeded(client := secured(server, connect), use(client, fresh, BIND))


def test_no_token_for_a_failed_login(server, alice, connect):
    device = new_id()
    client = secured(server, connect)
    inside = BIND + agent(device) + request_token()
    reply = exchange(client, "PLAIN", alice.user, "wrong", inside)
    assert failed(reply) == "not-authorized" and reply.find(qname("fast:token")) is None
    assert server.ctl_json("token", "list", alice.jid)["tokens"] == []


def test_the_old_token_is_good_until_the_new_one_is_used(server, alice, connect):
    _, old = get_token(server, alice, connect)
    succeeded(client := secured(server, connect), use(client, old, BIND))
    lost = secured(server, connect)
    reply = use(lost, old, BIND + request_token())
    unseen = sasl2.token_of(alice, old.device, reply)
    # As if that answer had been lost: the old one goes on, and the lost one ends.
    client = secured(server, connect)
    reply = use(client, old, BIND + request_token())
    new = sasl2.token_of(alice, old.device, reply)
    assert failed(use(secured(server, connect), unseen, BIND)) == "not-authorized"
    succeeded(client := secured(server, connect), use(client, old, BIND))
    succeeded(client := secured(server, connect), use(client, new, BIND))
    assert failed(use(secured(server, connect), old, BIND)) == "not-authorized"
    tokens = server.ctl_json("token", "list", alice.jid)["tokens"]
    assert len(tokens) == 1


def test_two_devices(server, alice, connect):
    _, one = get_token(server, alice, connect)
    _, two = get_token(server, alice, connect)
    for token in (one, two, one, two):
        succeeded(client := secured(server, connect), use(client, token, BIND))


def test_a_new_password_ends_tokens(server, alice, connect):
    client, token = get_token(server, alice, connect)
    server.ctl_ok("passwd", alice.jid, stdin="another one\n")
    client.stream_error("not-authorized")
    assert failed(use(secured(server, connect), token, BIND)) == "not-authorized"
    assert server.ctl_json("token", "list", alice.jid)["tokens"] == []


def test_deleting_ends_tokens(server, account, connect):
    user = account()
    _, token = get_token(server, user, connect)
    server.ctl_ok("deluser", user.jid)
    assert failed(use(secured(server, connect), token, BIND)) == "not-authorized"
    server.ctl_ok("adduser", "--force", user.jid, stdin=user.password + "\n")
    assert failed(use(secured(server, connect), token, BIND)) == "not-authorized"


# -- tokens and the operator ----------------------------------------------------------------


def test_revoking_ends_what_is_not_bound_yet(server, alice, connect):
    """Who has logged in by a token and waits with binding is in the account as well."""
    first, token = get_token(server, alice, connect)
    waiting = secured(server, connect)
    succeeded(waiting, use(waiting, token))
    assert server.ctl_json("token", "revoke", alice.jid, token.device)["revoked"] == 1
    first.stream_error("not-authorized")
    waiting.stream_error("not-authorized")


def test_list_and_revoke(server, alice, connect):
    one, first = get_token(server, alice, connect)
    two, second = get_token(server, alice, connect)
    tokens = server.ctl_json("token", "list", alice.jid)["tokens"]
    assert {t["client"] for t in tokens} == {first.device, second.device}
    assert all(t["software"] == "Raw" and t["device"] == "Bench" for t in tokens)
    assert first.text not in str(tokens)
    assert server.ctl_json("token", "revoke", alice.jid, first.device)["revoked"] == 1
    one.stream_error("policy-violation", "not-authorized", "reset")
    works(two)
    assert failed(use(secured(server, connect), first, BIND)) == "not-authorized"
    client = secured(server, connect)
    succeeded(client, use(client, second, BIND))
    two.stream_error("conflict")
    assert server.ctl_json("token", "revoke", alice.jid)["revoked"] == 1
    assert server.ctl_json("token", "revoke", alice.jid)["revoked"] == 0
    assert failed(use(secured(server, connect), second, BIND)) == "not-authorized"


def test_nobody_to_list(server):
    assert server.ctl("token", "list", "nobody@localhost").returncode == 1
    assert server.ctl("token", "revoke", "nobody@localhost").returncode == 1


# -- tokens and time ------------------------------------------------------------------------


def change(server, sql, *values):
    """In the database of a server that does not run."""
    base = Database(server)
    base.run([base.text(sql.replace("?", "%s"), *values)])


def test_a_killed_server_remembers(own_server, make_account, connect):
    server = own_server()
    account = make_account(server)
    device = new_id()
    client, token = get_token(server, account, connect, device=device)
    resource = client.resource
    server.kill()
    server.start()
    client = secured(server, connect)
    succeeded(client, use(client, token, BIND, "count='3'"))
    assert client.resource == resource
    server.kill()
    server.start()
    assert failed(use(secured(server, connect), token, BIND, "count='3'")) == "not-authorized"
    succeeded(client := secured(server, connect), use(client, token, BIND, "count='4'"))


def test_an_expired_token(own_server, make_account, connect):
    server = own_server()
    account = make_account(server)
    _, token = get_token(server, account, connect)
    server.stop()
    change(server, "UPDATE fast_token SET expires_at = issued_at - 1")
    server.start()
    client = secured(server, connect)
    assert failed(use(client, token, BIND)) == "credentials-expired"
    reply = exchange(client, "PLAIN", account.user, account.password,
                     BIND + agent(token.device) + request_token())
    succeeded(client, reply)
    fresh = sasl2.token_of(account, token.device, reply)
    succeeded(client := secured(server, connect), use(client, fresh, BIND))


def test_an_old_token_is_replaced(own_server, make_account, connect):
    server = own_server()
    account = make_account(server)
    _, token = get_token(server, account, connect)
    server.stop()
    change(server, "UPDATE fast_token SET issued_at = issued_at - ?", 8 * 86400 * 1000000)
    server.start()
    client = secured(server, connect)
    reply = use(client, token, BIND)
    succeeded(client, reply)
    new = sasl2.token_of(account, token.device, reply)
    assert new.text != token.text and new.expiry > token.expiry
    # Without asking for it, and none when it is the last use.
    client = secured(server, connect)
    assert use(client, token, BIND, "invalidate='1'").find(qname("fast:token")) is None
    assert failed(use(secured(server, connect), new, BIND)) == "not-authorized"


# -- upgrades of keys -----------------------------------------------------------------------


def upgrade(*hashes):
    return "".join("<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-%s</upgrade>" % h
                   for h in hashes)


@pytest.fixture
def lacking(own_server, make_account):
    """A server with an account that has the keys of SHA-1 only."""
    server = own_server()
    account = make_account(server)
    server.stop()
    change(server, "DELETE FROM credential WHERE hash <> 0")
    server.start()
    return account


def task_of(reply):
    assert reply.tag == qname("sasl2:continue"), ET.tostring(reply, "unicode")
    tasks = [t.text for t in reply.iterfind("%s/%s" % (qname("sasl2:tasks"), qname("sasl2:task")))]
    assert len(tasks) == 1
    return tasks[0]


def task_data(client, inside):
    client.send("<task-data xmlns='urn:xmpp:sasl:2'>%s</task-data>" % inside)
    return sasl2.answer(client)


def next_task(client, task):
    client.send("<next xmlns='urn:xmpp:sasl:2' task='%s'/>" % task)
    reply = sasl2.answer(client)
    return reply.find(qname("scramup:salt")) if reply.tag == qname("sasl2:task-data") else reply


def salted(account, task, salt):
    hash_ = task.replace("UPGR-SCRAM-SHA-", "sha")
    key = hashlib.pbkdf2_hmac(hash_, account.password.encode(), unb64(salt.text),
                              int(salt.get("iterations")))
    return "<hash xmlns='urn:xmpp:scram-upgrade:0'>%s</hash>" % b64(key)


def test_upgrade(lacking, connect, transport):
    server = lacking.server
    client = secured(server, connect, transport)
    for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
        assert failed(exchange(client, mechanism, lacking.user, lacking.password)) \
            == "not-authorized"
    device = new_id()
    reply = exchange(client, "SCRAM-SHA-1", lacking.user, lacking.password,
                     BIND + agent(device) + request_token() + upgrade("1", "512", "256"))
    assert task_of(reply) == "UPGR-SCRAM-SHA-256"
    for task in ("UPGR-SCRAM-SHA-256", "UPGR-SCRAM-SHA-512"):
        assert task_of(reply) == task
        reply = task_data(client, salted(lacking, task, next_task(client, task)))
    works(succeeded(client, reply))
    assert reply.find(qname("sasl2:additional-data")) is None
    assert reply.find(qname("bind2:bound")) is not None
    token = sasl2.token_of(lacking, device, reply)
    for mechanism in ("SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"):
        works(sasl2.login(server, lacking, mechanism=mechanism, connect=connect))
    # Nothing is lacking any more.
    client = secured(server, connect)
    succeeded(client, use(client, token, BIND + upgrade("256")))
    works(sasl2.login(server, lacking, inside=BIND + upgrade("1", "256", "512"), connect=connect))


def test_a_token_is_no_password(lacking, connect):
    """Who has a token only must not be able to set keys."""
    device = new_id()
    client = secured(lacking.server, connect)
    reply = exchange(client, "SCRAM-SHA-1", lacking.user, lacking.password,
                     BIND + agent(device) + request_token())
    token = sasl2.token_of(lacking, device, reply)
    client = secured(lacking.server, connect)
    works(succeeded(client, use(client, token, BIND + upgrade("256"))))


def begin_upgrade(lacking, connect):
    client = secured(lacking.server, connect)
    reply = exchange(client, "SCRAM-SHA-1", lacking.user, lacking.password, BIND + upgrade("512"))
    assert task_of(reply) == "UPGR-SCRAM-SHA-512"
    return client


@pytest.mark.parametrize("inside", [
    "", "<hash xmlns='urn:xmpp:scram-upgrade:0'/>",
    "<hash xmlns='urn:xmpp:scram-upgrade:0'>AAAA</hash>",
    "<hash xmlns='urn:xmpp:scram-upgrade:0'>=</hash>",
    "<hash xmlns='urn:example:other'>%s</hash>" % b64(bytes(64)),
    "<hash xmlns='urn:xmpp:scram-upgrade:0'>%s</hash>" % b64(bytes(65))])
def test_bad_keys(lacking, connect, inside):
    client = begin_upgrade(lacking, connect)
    assert next_task(client, "UPGR-SCRAM-SHA-512").get("iterations") is not None
    assert failed(task_data(client, inside)) == "malformed-request"
    assert failed(exchange(secured(lacking.server, connect), "SCRAM-SHA-512", lacking.user,
                           lacking.password)) == "not-authorized"


def test_tasks_out_of_order(lacking, connect):
    client = begin_upgrade(lacking, connect)
    key = "<hash xmlns='urn:xmpp:scram-upgrade:0'>%s</hash>" % b64(bytes(64))
    assert failed(task_data(client, key)) == "malformed-request"
    client = begin_upgrade(lacking, connect)
    assert failed(next_task(client, "UPGR-SCRAM-SHA-256")) == "malformed-request"
    client = begin_upgrade(lacking, connect)
    next_task(client, "UPGR-SCRAM-SHA-512")
    assert failed(next_task(client, "UPGR-SCRAM-SHA-512")) == "malformed-request"


def test_no_second_login_behind_a_continue(lacking, connect):
    client = begin_upgrade(lacking, connect)
    sasl2.send(client, "PLAIN", "AA==")
    client.stream_error("policy-violation")
    client = begin_upgrade(lacking, connect)
    client.send("<abort xmlns='urn:xmpp:sasl:2'/>")
    assert failed(sasl2.answer(client)) == "aborted"
    sasl2.send(client, "PLAIN", b64(("\0%s\0%s" % (lacking.user, lacking.password)).encode()))
    client.stream_error("policy-violation")


def test_no_stanza_between_tasks(lacking, connect):
    client = begin_upgrade(lacking, connect)
    client.send("<iq type='set' id='1'><bind xmlns='%s'/></iq>" % NS["bind"])
    client.stream_error("not-authorized")
