# SPDX-License-Identifier: MIT
"""ANONYMOUS (RFC 4505, XEP-0175): an account that lasts as long as its session."""

import pytest

import sasl2
from raw import DEADLINE, condition, failure
from scram import b64
from xmlstream import qname

pytestmark = pytest.mark.ours

REGISTER = "<query xmlns='jabber:iq:register'><username>a</username><password>b</password></query>"


@pytest.fixture
def host(own_server):
    return own_server(settings={("host", "localhost"): {"anonymous": True}})


def nobody(connect, server, text=None, transport="starttls"):
    client = connect(server, transport).secure()
    assert client.mechanisms()[-1] == "ANONYMOUS"
    answer = client.sasl("auth", b64(b"a trace") if text is None else text, mechanism="ANONYMOUS")
    assert answer.tag == qname("sasl:success")
    client.open()
    assert client.bind().get("type") == "result"
    return client


def accounts(server):
    return [user["jid"] for user in server.ctl_json("users", "localhost")["users"]]


def wait_erased(server, jid):
    log = server.process.log
    with log._changed:
        assert log._changed.wait_for(
            lambda: any("has been erased" in line.text and jid in line.text for line in log.lines),
            DEADLINE), "%s was not erased" % jid
    assert jid not in accounts(server)


def test_off(server, connect):
    client = connect(server, "tls").secure()
    assert "ANONYMOUS" not in client.mechanisms()
    assert failure(client.sasl("auth", "=", mechanism="ANONYMOUS")) == "invalid-mechanism"


def test_only_where_it_is_wanted(host, connect):
    assert "ANONYMOUS" not in connect(host, "tls", host="example.test").secure().mechanisms()


@pytest.mark.parametrize("transport", ("starttls", "tls", "ws", "wss"))
def test_login(host, connect, transport):
    one, two = (nobody(connect, host, transport=transport) for _ in range(2))
    assert one.bare != two.bare
    assert len(one.bare.partition("@")[0]) == 24
    one.ready()
    two.ready()
    one.message(two.jid, "hello")
    assert two.wait("message").findtext("{jabber:client}body") == "hello"
    # Queries of both kinds work as for anybody.
    assert one.iq("get", "<ping xmlns='urn:xmpp:ping'/>", to="localhost").get("type") == "result"
    assert one.roster().get("type") == "result"


def test_traces(host, connect):
    for text in ("=", b64("ü@sirhc".encode()), b64(b"x" * 1020)):
        nobody(connect, host, text).end()
    client = connect(host, "tls").secure()
    for text, want in ((b64(b"\xff"), "malformed-request"), (b64(b"a\0b"), "malformed-request"),
                       (b64(b"x" * 1021), "malformed-request"), ("a b", "incorrect-encoding")):
        assert failure(client.sasl("auth", text, mechanism="ANONYMOUS")) == want
    assert client.sasl("auth", "", mechanism="ANONYMOUS").tag == qname("sasl:challenge")
    assert client.sasl("response", "").tag == qname("sasl:success")


def test_what_it_may_not(host, connect, make_account):
    """Nothing is kept for nobody, nobody subscribes, nobody goes elsewhere."""
    alice = make_account(host)
    client = nobody(connect, host)
    client.ready()
    for kind, inner, to in (
            ("set", "<query xmlns='jabber:iq:roster'><item jid='%s'/></query>" % alice.jid, None),
            ("set", "<query xmlns='jabber:iq:private'><a xmlns='x'/></query>", None),
            ("set", "<vCard xmlns='vcard-temp'/>", client.bare),
            ("set", REGISTER, None), ("set", REGISTER, "localhost"),
            ("get", "<ping xmlns='urn:xmpp:ping'/>", "elsewhere.example")):
        answer = client.iq(kind, inner, to=to)
        assert condition(answer) == ("cancel", "not-allowed"), inner
    client.send("<presence type='subscribe' to='%s' id='s1'/>" % alice.jid)
    assert condition(client.wait("presence", id="s1")) == ("cancel", "not-allowed")
    assert client.iq("set", "<enable xmlns='urn:xmpp:carbons:2'/>").get("type") == "result"


def test_it_ends_with_the_session(host, connect):
    """The name too, and also for who logged in and went before binding."""
    client = nobody(connect, host)
    assert accounts(host) == [client.bare]
    client.end()
    wait_erased(host, client.bare)
    client = connect(host, "tls").secure()
    assert client.sasl("auth", "=", mechanism="ANONYMOUS").tag == qname("sasl:success")
    jid, = accounts(host)
    client.connection.close()
    wait_erased(host, jid)


def test_a_killed_server_leaves_nothing(host, connect):
    jid = nobody(connect, host).bare
    host.kill()
    host.start()
    wait_erased(host, jid)


def nobody_in_vain(connect, server):
    """A client whose login as nobody has failed at its end: it said that it is somebody."""
    client = connect(server, "tls")
    client.open(from_="a@localhost")
    sasl2.send(client, "ANONYMOUS", "")
    assert sasl2.failed(sasl2.answer(client)) == "invalid-authzid"
    return client


def test_another_login_behind_it(host, connect, make_account):
    """Whoever tries to be somebody after that is not nobody any more."""
    client = nobody_in_vain(connect, host)
    jid, = accounts(host)
    sasl2.send(client, "HT-SHA-256-NONE", sasl2.ht("a", "x"), sasl2.agent(sasl2.new_id()) +
               "<fast xmlns='urn:xmpp:fast:0'/>")
    assert sasl2.failed(sasl2.answer(client)) == "not-authorized"
    client.connection.close()
    wait_erased(host, jid)
    alice = make_account(host, "a")
    client = nobody_in_vain(connect, host)
    jid, = set(accounts(host)) - {alice.jid}
    reply = sasl2.exchange(client, "PLAIN", alice.user, alice.password, sasl2.BIND)
    sasl2.succeeded(client, reply)
    wait_erased(host, jid)
    client.ready()
    assert accounts(host) == [alice.jid]


def test_who_was_nobody_can_be_banned_before_binding(host, connect, make_account):
    alice = make_account(host, "a")
    client = nobody_in_vain(connect, host)
    reply = sasl2.exchange(client, "PLAIN", alice.user, alice.password)
    sasl2.succeeded(client, reply)
    host.ctl_ok("ban", alice.jid)
    client.stream_error("not-authorized")
