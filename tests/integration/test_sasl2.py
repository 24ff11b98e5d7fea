# SPDX-License-Identifier: MIT
"""SASL2 (XEP-0388) and Bind 2 (0386); what follows from a login is in test_sasl2_tokens.py."""

import pytest

import sasl2
from sasl2 import BIND, agent, bind, exchange, failed, new_id, request_token, succeeded, tag, use
from scram import b64
from xmlstream import qname

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
    binding = transport not in ("ws", "wss")
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
