# SPDX-License-Identifier: MIT
"""The gateway to Web Push (mod_webpush), with a push service that decrypts what it gets."""

import pytest

from component import NAME, Component, settings
from raw import condition
from test_push import FORM, PUSH, form, wait_for_result
from webpush import PushService, UserAgent
from xmlstream import qname

GATEWAY = "push.localhost"
MODULES = ["roster", "presence", "message", "disco", "archive", "push"]

pytestmark = pytest.mark.ours


@pytest.fixture
def world(own_server, make_account):
    """A server with a gateway, its push service, alice with a registration, and bob."""
    services = []

    def make(allow_private=True, trust=True, push=None, webpush=None, more=()):
        server = own_server(start=False, settings=dict(more))
        client = {"allow_private": allow_private}
        if trust:
            client["trust"] = server.certificate
        server.write_conf({
            ("host", "localhost"): {"modules": MODULES, "push": push or {"backoff": "1s"}},
            ("component", GATEWAY): {"modules": ["webpush", "disco"], "webpush": webpush or {}},
            "http_client": client})
        server.start()
        service = PushService(server.certificate, server.key)
        services.append(service)
        return (server, service, *(make_account(server, name) for name in ("alice", "bob")))
    yield make
    for service in services:
        service.close()


def register(alice, agent, endpoint, node="n", **fields):
    client = alice.ready(resource="phone")
    fields = {"endpoint": endpoint, "p256dh": agent.p256dh, "auth": agent.auth, **fields}
    assert client.iq("set", "<enable xmlns='%s' jid='%s' node='%s'>%s</enable>"
                     % (PUSH, GATEWAY, node, form(**fields))).get("type") == "result"
    client.close()


def features(client):
    """(identities, features, the public key) of the gateway."""
    info = client.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", GATEWAY)
    key = [field.findtext(FORM + "value") for field in info.iter(FORM + "field")
           if field.get("var") == "vapid-public-key"]
    return ({(i.get("category"), i.get("type")) for i in info.iter(qname("info:identity"))},
            {f.get("var") for f in info.iter(qname("info:feature"))}, key[0])


def test_reaches_the_client(world):
    server, service, alice, bob = world(push={"summary": "body"}, webpush={
        "contact": "mailto:admin@localhost", "ttl": "1h"})
    agent, b = UserAgent(), bob.ready()
    identities, found, key = features(b)
    assert ("pubsub", "push") in identities and PUSH in found
    register(alice, agent, service.url("/a?b"), "phone \u2603")
    b.message(alice.jid, "\u2603 \"quoted\"\n\\")
    push = service.next()
    assert push.path == "/a?b" and push.headers["TTL"] == "3600"
    assert push.headers["Urgency"] == "high"
    claims = push.claims(key)
    assert claims["aud"] == "https://localhost:%d" % service.port
    assert claims["sub"] == "mailto:admin@localhost"
    assert agent.decrypt(push) == {"server": "localhost", "node": "phone \u2603", "count": 1,
                                   "from": b.jid, "body": "\u2603 \"quoted\"\n\\"}
    assert wait_for_result(server, "ok")["enabled"]
    server.restart()
    assert features(bob.ready())[2] == key


def test_tells_nothing_by_default(world):
    server, service, alice, bob = world()
    agent = UserAgent()
    register(alice, agent, service.url())
    bob.ready().message(alice.jid, "secret")
    assert agent.decrypt(service.next()) == {"server": "localhost", "node": "n"}


def test_long_text(world):
    _, service, alice, bob = world(push={"summary": "body"})
    agent = UserAgent()
    register(alice, agent, service.url(), "n" * 1000)
    bob.ready().message(alice.jid, "\u2603\"\\" * 10000)
    got = agent.decrypt(service.next())
    assert got["body"].startswith("\u2603\"\\") and got["node"].startswith("nnn")


@pytest.mark.parametrize("status, error, final", [
    (404, "item-not-found", True), (410, "gone", True), (403, "forbidden", True),
    (429, "resource-constraint", False), (500, "resource-constraint", False),
    (503, "resource-constraint", False), (301, "undefined-condition", False),
    (400, "undefined-condition", False)])
def test_answers(world, status, error, final):
    server, service, alice, bob = world()
    service.status = status
    service.headers = {"Location": service.url("/elsewhere")}
    agent = UserAgent()
    register(alice, agent, service.url())
    bob.ready().message(alice.jid, "x")
    assert service.next().path == "/push"
    assert wait_for_result(server, error)["enabled"] != final
    if not final:
        service.status = 201
        assert service.next().path == "/push"
        wait_for_result(server, "ok")


def test_answer_of_any_length(world):
    """What the status says counts, however much is said besides."""
    server, service, alice, bob = world()
    service.status, service.body = 410, b"x" * 100000
    register(alice, UserAgent(), service.url())
    bob.ready().message(alice.jid, "x")
    assert not wait_for_result(server, "gone")["enabled"]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "[::ffff:127.0.0.1]",
                                  "169.254.169.254", "10.0.0.1", "0x7f.1", "2130706433"])
def test_private_addresses_are_refused(world, host):
    server, service, alice, bob = world(allow_private=False)
    register(alice, UserAgent(), service.url(host=host))
    bob.ready().message(alice.jid, "x")
    assert not wait_for_result(server, "not-allowed")["enabled"]
    assert service.pushes.empty()


def test_distrust(world):
    """A certificate that nobody vouches for, and one for another name."""
    server, service, alice, bob = world(trust=False)
    register(alice, UserAgent(), service.url())
    bob.ready().message(alice.jid, "x")
    assert wait_for_result(server, "remote-server-timeout")["enabled"]
    assert service.pushes.empty()


def test_another_name(world):
    server, service, alice, bob = world()
    register(alice, UserAgent(), service.url(host="127.0.0.1"))
    bob.ready().message(alice.jid, "x")
    assert wait_for_result(server, "remote-server-timeout")["enabled"]
    assert service.pushes.empty()


@pytest.mark.parametrize("wrong", [
    {"endpoint": "http://localhost/"}, {"endpoint": "file:///etc/passwd"}, {"endpoint": "x"},
    {"endpoint": "https://user:secret@localhost/"}, {"p256dh": "AAAA"}, {"p256dh": "BA" + "A" * 85},
    {"auth": "AAAA"}, {"auth": "!"}, {"endpoint": ""}])
def test_bad_registrations_end(world, wrong):
    server, service, alice, bob = world()
    agent = UserAgent()
    register(alice, agent, **{"endpoint": service.url(), **wrong})
    bob.ready().message(alice.jid, "x")
    assert not wait_for_result(server, "not-allowed")["enabled"]
    assert service.pushes.empty()


def publish(agent, service):
    return ("<pubsub xmlns='http://jabber.org/protocol/pubsub'><publish node='n'><item>"
            "<notification xmlns='%s'/></item></publish><publish-options>%s</publish-options>"
            "</pubsub>" % (PUSH, form(endpoint=service.url(), p256dh=agent.p256dh,
                                      auth=agent.auth)))


@pytest.mark.parametrize("listed", [False, True])
def test_who_may_publish(world, listed):
    """No user; a server that is none of this one's hosts only if it is listed."""
    server, service, alice, _ = world(webpush={"servers": [NAME]} if listed else {}, more=settings())
    agent, client = UserAgent(), alice.ready()
    assert condition(client.iq("set", publish(agent, service), GATEWAY)) == ("auth", "forbidden")
    other = Component(server).ready()
    for name in (NAME, "user@" + NAME):
        other.send("<iq type='set' id='%s' from='%s' to='%s'>%s</iq>"
                   % (name, name, GATEWAY, publish(agent, service)))
        got = other.wait("iq", id=name)
        if listed and name == NAME:
            assert got.get("type") == "result"
            assert agent.decrypt(service.next()) == {"server": NAME, "node": "n"}
        else:
            assert condition(got) == ("auth", "forbidden")
    assert service.pushes.empty()
    other.leave()
