# SPDX-License-Identifier: MIT
"""SASL2 (XEP-0388), Bind 2 (0386), tokens of devices (0484), upgrades of keys (0480)."""

import hashlib
import xml.etree.ElementTree as ET

import pytest

import sasl2
from database import Database
from sasl2 import BIND, agent, bind, exchange, failed, new_id, request_token, succeeded, tag, use
from scram import b64, unb64
from xmlstream import NS, qname

pytestmark = pytest.mark.ours

PING = "<ping xmlns='urn:xmpp:ping'/>"


def works(client):
    assert client.iq("get", PING, to=client.host).get("type") == "result"


def get_token(server, account, connect, device=None, mechanism="HT-SHA-256-NONE", **options):
    device = device or new_id()
    client = sasl2.login(server, account, connect=connect,
                         inside=BIND + agent(device) + request_token(mechanism), **options)
    return client, sasl2.token_of(account, device, client.success, mechanism)


def secured(server, connect, transport="starttls"):
    return connect(server, transport).secure()


# -- what is offered ----------------------------------------------------------------------


def offered(client):
    return client.features.find(qname("sasl2:authentication"))


def test_features(server, connect, transport):
    client = secured(server, connect, transport)
    offer = offered(client)
    assert [m.text for m in offer.iterfind(qname("sasl2:mechanism"))] == client.mechanisms()
    inline = offer.find(qname("sasl2:inline"))
    features = [f.get("var") for f in inline.iterfind("%s/%s/%s" % (
        qname("bind2:bind"), qname("bind2:inline"), qname("bind2:feature")))]
    assert "urn:xmpp:carbons:2" in features
    tokens = [m.text for m in inline.iterfind("%s/%s" % (
        qname("fast:fast"), qname("fast:mechanism")))]
    binding = transport != "ws"
    assert tokens == ["HT-SHA-256-EXPR", "HT-SHA-256-ENDP"] * binding + ["HT-SHA-256-NONE"]
    assert [u.text for u in offer.iterfind(qname("upgrade:upgrade"))] == [
        "UPGR-SCRAM-SHA-1", "UPGR-SCRAM-SHA-256", "UPGR-SCRAM-SHA-512"]


def test_nothing_is_offered_where_tls_comes_first(strict_server, connect):
    client = connect(strict_server, "starttls")
    client.open()
    assert offered(client) is None
    sasl2.send(client, "PLAIN", b64(b"\0a\0b"))
    assert failed(sasl2.answer(client)) == "encryption-required"


def test_tokens_can_be_switched_off(own_server, make_account, connect):
    server = own_server(settings={"auth": {"tokens": False}})
    account = make_account(server)
    client = sasl2.login(server, account, connect=connect,
                         inside=BIND + agent(new_id()) + request_token())
    assert client.success.find(qname("fast:token")) is None
    client = secured(server, connect)
    assert offered(client).find("%s/%s" % (qname("sasl2:inline"), qname("fast:fast"))) is None
    sasl2.send(client, "HT-SHA-256-NONE", sasl2.ht(account.user, "x"),
               agent(new_id()) + "<fast xmlns='urn:xmpp:fast:0'/>")
    assert failed(sasl2.answer(client)) == "invalid-mechanism"


# -- logging in ---------------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_one_round_trip_to_a_session(server, alice, connect, transport, mechanism):
    client = sasl2.login(server, alice, transport, mechanism, connect=connect)
    assert client.bare == alice.jid and client.resource
    assert client.success.find(qname("bind2:bound")) is not None
    assert not client.has_feature("bind:bind") and offered(client) is None
    assert client.has_feature("rosterver:ver")
    client.ready()
    works(client)
    client.end()


def test_byte_by_byte(server, alice, connect):
    works(sasl2.login(server, alice, connect=connect, byte_mode=True))


def test_without_bind_it_is_bound_as_ever(server, alice, connect, transport):
    client = sasl2.login(server, alice, transport, inside="", connect=connect)
    assert client.jid == alice.jid
    assert client.success.find(qname("bind2:bound")) is None
    assert client.has_feature("bind:bind") and client.has_feature("rosterver:ver")
    assert client.bind("mine").get("type") == "result"
    assert client.resource == "mine"
    works(client)


def test_request_and_stanza_in_one_write(server, alice, connect):
    """What follows in the same write waits for the session."""
    client = secured(server, connect)
    plain = b64(("\0%s\0%s" % (alice.user, alice.password)).encode())
    client.send_raw(("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>%s"
                     "</initial-response>%s</authenticate><iq type='get' id='behind' "
                     "to='localhost'>%s</iq>" % (plain, BIND, PING)).encode())
    succeeded(client, sasl2.answer(client))
    assert client.wait("iq", id="behind").get("type") == "result"


def test_unknown_inline_elements_are_ignored(server, alice, connect):
    inside = bind("<x xmlns='urn:example:unknown'/>") + "<resume xmlns='urn:example:unknown'/>"
    works(sasl2.login(server, alice, inside=inside, connect=connect))


def test_wrong_password(server, alice, connect, transport):
    client = secured(server, connect, transport)
    for mechanism in ("PLAIN", "SCRAM-SHA-256"):
        assert failed(exchange(client, mechanism, alice.user, "wrong", BIND)) == "not-authorized"
    succeeded(client, exchange(client, "PLAIN", alice.user, alice.password, BIND))


def test_failures_end_the_stream_as_with_the_old_profile(server, alice, connect):
    client = secured(server, connect)
    for i in range(5):
        if i % 2:
            assert client.auth("PLAIN", alice.user, "wrong").tag == qname("sasl:failure")
        else:
            assert failed(exchange(client, "PLAIN", alice.user, "wrong")) == "not-authorized"
    client.stream_error("policy-violation")


def test_both_profiles_on_one_stream(server, alice, connect):
    client = secured(server, connect)
    assert client.auth("PLAIN", alice.user, "wrong").tag == qname("sasl:failure")
    works(succeeded(client, exchange(client, "PLAIN", alice.user, alice.password, BIND)))


def test_the_header_names_somebody_else(server, alice, bob, connect):
    client = connect(server, "tls")
    client.open(from_=bob.jid)
    assert failed(exchange(client, "PLAIN", alice.user, alice.password)) == "invalid-authzid"
    works(succeeded(client, exchange(client, "PLAIN", bob.user, bob.password, BIND)))


def test_the_header_names_somebody_of_another_host(server, alice, connect):
    client = connect(server, "tls")
    client.open(from_=alice.jid.replace("localhost", "elsewhere"))
    assert failed(exchange(client, "PLAIN", alice.user, alice.password)) == "invalid-authzid"


# -- bad input ----------------------------------------------------------------------------


BAD_REQUESTS = {
    "id of no version": agent("d4565fa7-4d72-1749-b3d3-740edbf87770"),
    "id too short": agent("d4565fa7"),
    "empty id": agent(""),
    "two agents": agent(new_id()) * 2,
    "two binds": BIND * 2,
    "bad tag": tag("\u200e\u0378"),
    "long tag": tag("x" * 1001),
    "token without a device": request_token(),
    "token for a mechanism of passwords": agent(new_id()) + request_token("PLAIN"),
    "token for nothing": agent(new_id()) + request_token(""),
    "password and token": agent(new_id()) + "<fast xmlns='urn:xmpp:fast:0'/>",
    "two initial responses": "<initial-response/>",
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
def test_malformed(server, alice, connect, name):
    client = secured(server, connect)
    reply = exchange(client, "PLAIN", alice.user, alice.password, BAD_REQUESTS[name])
    assert failed(reply) == "malformed-request"
    # The stream is as it was.
    works(succeeded(client, exchange(client, "PLAIN", alice.user, alice.password, BIND)))


@pytest.mark.parametrize("fast", ["count='-1'", "count='x'", "count=''", "count='2147483648'",
                                  "count='99999999999999999999'", "invalidate='yes'"])
def test_malformed_use_of_a_token(server, alice, connect, fast):
    _, token = get_token(server, alice, connect)
    client = secured(server, connect)
    assert failed(use(client, token, BIND, fast)) == "malformed-request"
    succeeded(client, use(client, token, BIND))


def test_a_token_needs_its_elements(server, alice, connect):
    _, token = get_token(server, alice, connect)
    first = sasl2.ht(alice.user, token.text)
    fast = "<fast xmlns='urn:xmpp:fast:0'/>"
    client = secured(server, connect)
    for initial, inside in ((first, agent(token.device)), (first, fast),
                            (first, fast + "<user-agent/>"), (None, fast + agent(token.device)),
                            ("", fast + agent(token.device))):
        sasl2.send(client, "HT-SHA-256-NONE", initial, inside)
        assert failed(sasl2.answer(client)) == "malformed-request"
    client.stream_error("policy-violation")


@pytest.mark.parametrize("raw", [b"user", b"\0" + bytes(32), b"user\0" + bytes(31),
                                 b"user\0" + bytes(33), b"us\xffer\0" + bytes(32)])
def test_messages_that_prove_no_token(server, connect, raw):
    client = secured(server, connect)
    sasl2.send(client, "HT-SHA-256-NONE", b64(raw),
               agent(new_id()) + "<fast xmlns='urn:xmpp:fast:0'/>")
    assert failed(sasl2.answer(client)) == "malformed-request"


def test_mechanisms_that_are_not_offered(server, alice, connect):
    client = secured(server, connect)
    for mechanism in ("", "plain", "EXTERNAL-NOT", "UPGR-SCRAM-SHA-256"):
        sasl2.send(client, mechanism, "AA==")
        assert failed(sasl2.answer(client)) == "invalid-mechanism"
    _, token = get_token(server, alice, connect)
    reply = client.sasl("auth", sasl2.ht(alice.user, token.text), mechanism="HT-SHA-256-NONE")
    assert reply.find(qname("sasl:invalid-mechanism")) is not None


@pytest.mark.parametrize("text", ["=", "AA", "A A=", "AAAA\nAAAA", "%%%%", "AB=="])
def test_base64_is_strict(server, connect, text):
    client = secured(server, connect)
    sasl2.send(client, "PLAIN", text)
    assert failed(sasl2.answer(client)) == "incorrect-encoding"


@pytest.mark.parametrize("name", ["response", "next", "task-data", "abort"])
def test_nothing_is_under_way(server, connect, name):
    client = secured(server, connect)
    client.send("<%s xmlns='urn:xmpp:sasl:2'/>" % name)
    assert failed(sasl2.answer(client)) == ("aborted" if name == "abort" else "malformed-request")


def begin_scram(client, account):
    sasl2.send(client, "SCRAM-SHA-256", b64(("n,,n=%s,r=abcdef" % account.user).encode()))
    assert sasl2.answer(client).tag == qname("sasl2:challenge")


def test_abort(server, alice, connect):
    client = secured(server, connect)
    begin_scram(client, alice)
    client.send("<abort xmlns='urn:xmpp:sasl:2'><text>no</text></abort>")
    assert failed(sasl2.answer(client)) == "aborted"
    works(succeeded(client, exchange(client, "PLAIN", alice.user, alice.password, BIND)))


@pytest.mark.parametrize("xml", [
    "<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'/>",
    "<next xmlns='urn:xmpp:sasl:2' task='UPGR-SCRAM-SHA-256'/>",
    "<task-data xmlns='urn:xmpp:sasl:2'/>",
    "<challenge xmlns='urn:xmpp:sasl:2'/>",
    "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'/>",
    "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<abort xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>",
    "<message to='localhost'/>",
    "<iq type='get' id='1'/>",
])
def test_nothing_else_may_come_within_an_exchange(server, alice, connect, xml):
    client = secured(server, connect)
    begin_scram(client, alice)
    client.send(xml)
    client.stream_error("unsupported-stanza-type", "not-authorized", "policy-violation")


def test_the_new_profile_may_not_come_within_the_old(server, alice, connect):
    client = secured(server, connect)
    client.sasl("auth", b64(("n,,n=%s,r=abcdef" % alice.user).encode()), mechanism="SCRAM-SHA-1")
    client.send("<response xmlns='urn:xmpp:sasl:2'/>")
    client.stream_error("policy-violation")


@pytest.mark.parametrize("inside", [BIND, ""])
def test_a_second_login(server, alice, connect, inside):
    client = sasl2.login(server, alice, inside=inside, connect=connect)
    sasl2.send(client, "PLAIN", b64(("\0%s\0%s" % (alice.user, alice.password)).encode()))
    client.stream_error("unsupported-stanza-type", "not-authorized")


def test_oversized(server, alice, connect, transport):
    client = secured(server, connect, transport)
    client.send("<authenticate xmlns='urn:xmpp:sasl:2' mechanism='PLAIN'><initial-response>%s"
                "</initial-response></authenticate>" % ("A" * 12000))
    client.stream_error("policy-violation")


# -- Bind 2 -------------------------------------------------------------------------------


def test_the_tag_and_a_stable_resource(server, alice, connect):
    device = new_id()
    seen = []
    for text, id_ in (("Tag", device), ("Tag", device.upper()), ("Other", device),
                      ("Tag", new_id())):
        client = sasl2.login(server, alice, connect=connect, inside=tag(text) + agent(id_))
        assert client.resource.startswith(text + "/")
        assert device not in client.resource.lower()
        seen.append(client.resource)
        client.end()
    assert seen[0] == seen[1] and len(set(seen)) == 3


def test_resources_without_tag_or_device(server, alice, connect):
    clients = [sasl2.login(server, alice, connect=connect, inside=inside)
               for inside in (BIND, BIND, tag("a/b"), tag("a/b"), tag(""))]
    assert len({c.jid for c in clients}) == 5
    assert all(c.resource.startswith("a/b/") for c in clients[2:4])
    for client in clients:
        works(client)


def test_accounts_with_the_same_device_do_not_meet(server, alice, bob, connect):
    device = agent(new_id())
    a = sasl2.login(server, alice, connect=connect, inside=tag("T") + device)
    b = sasl2.login(server, bob, connect=connect, inside=tag("T") + device)
    assert a.resource != b.resource
    works(a)


@pytest.mark.parametrize("again", ["bind2", "iq"])
def test_a_device_has_one_session(server, alice, connect, transport, again):
    device = agent(new_id())
    other = sasl2.login(server, alice, connect=connect, inside=BIND + agent(new_id()))
    first = sasl2.login(server, alice, transport, connect=connect, inside=tag("One") + device)
    if again == "bind2":
        second = sasl2.login(server, alice, connect=connect, inside=tag("Two") + device)
    else:
        second = sasl2.login(server, alice, connect=connect, inside=device)
        second.bind()
    first.stream_error("conflict")
    works(second)
    works(other)


def test_the_last_session_is_seen_to_go_before_the_new_one_comes(server, alice, connect):
    watcher = alice.ready()
    device = agent(new_id())
    first = sasl2.login(server, alice, connect=connect, inside=tag("T") + device).ready()
    watcher.wait("presence", from_=first.jid)
    second = sasl2.login(server, alice, connect=connect, inside=tag("T") + device)
    assert second.jid == first.jid
    assert watcher.wait("presence", from_=first.jid).get("type") == "unavailable"


def test_carbons_from_the_first_moment(server, alice, bob, connect):
    carbons = bind("<enable xmlns='urn:xmpp:carbons:2'/>")
    quiet = sasl2.login(server, alice, connect=connect, inside=carbons)
    silent = sasl2.login(server, alice, connect=connect)
    alice_main, bob_client = alice.ready(), bob.ready()
    bob_client.message(alice_main.jid, "for one of them")
    assert quiet.wait("message", from_=alice.jid).find("{urn:xmpp:carbons:2}received") is not None
    bob_client.barrier(silent)
    assert not silent.taken("message", from_=alice.jid)


def test_stanzas_find_the_session(server, alice, bob, connect, transport):
    one = sasl2.login(server, alice, transport, connect=connect, inside=tag("T")).ready()
    other = bob.ready()
    for to in (one.jid, one.bare):
        id_ = other.message(to, "hello")
        assert one.wait("message", id=id_).get("from") == other.jid
    id_ = one.message(other.jid, "hello")
    assert other.wait("message", id=id_).get("from") == one.jid


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
