# SPDX-License-Identifier: MIT
"""Push notifications (XEP-0357): registrations, what services are told, what they answer."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from component import NAME, Component, settings
from muc import Occupant, create
from raw import condition
from xmlstream import qname

PUSH = "urn:xmpp:push:0"
PUBSUB = "{http://jabber.org/protocol/pubsub}"
OPTIONS = "http://jabber.org/protocol/pubsub#publish-options"
FORM = "{jabber:x:data}"
MODULES = ["roster", "presence", "message", "disco", "archive", "push"]

pytestmark = pytest.mark.ours


@pytest.fixture
def make(own_server, make_account):
    """A server with these options of push; alice, bob, and a service that is a client."""
    def make(**options):
        server = own_server(settings={("host", "localhost"): {"modules": MODULES, "push": options}})
        return (server, *(make_account(server, name) for name in ("alice", "bob", "service")))
    return make


def form(**fields):
    fields = {"FORM_TYPE": OPTIONS, **fields}
    return "<x xmlns='jabber:x:data' type='submit'>%s</x>" % "".join(
        "<field var='%s'><value>%s</value></field>" % item for item in fields.items())


def enable(client, service, node, inside=""):
    answer = client.iq("set", "<enable xmlns='%s' jid='%s' node='%s'>%s</enable>"
                       % (PUSH, service.jid, node, inside))
    assert answer.get("type") == "result"


def register(client, room, nick):
    return client.iq(
        "set", "<query xmlns='jabber:iq:register'><x xmlns='jabber:x:data' type='submit'>"
        "<field var='FORM_TYPE'><value>http://jabber.org/protocol/muc#register</value></field>"
        "<field var='muc#register_roomnick'><value>%s</value></field></x></query>" % nick, room)


def published(service):
    return service.wait("iq", type="set")


def answer(service, request, error=None, type="cancel"):
    inside = "" if not error else (
        "<error type='%s'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>" % (type, error))
    service.send("<iq type='%s' id='%s' to='%s'>%s</iq>" % (
        "error" if error else "result", request.get("id"), request.get("from"), inside))


def registrations(server):
    return server.ctl_json("push", "list", "alice@localhost")["registrations"]


def wait_for_result(server, result):
    """What a service says is written later; the list is asked until it is there."""
    for _ in range(200):
        found = registrations(server)
        if found[0].get("result") == result:
            return found[0]
    raise AssertionError(found)


def not_told(sender, to, service):
    """The account has seen all that the sender has sent, and its service has heard nothing."""
    sender.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to.jid)
    sender.barrier(service)
    assert not [event for event in service.events if event.tag == qname("iq")]


def summary(request):
    return {field.get("var"): field.findtext(FORM + "value")
            for field in request.iter(FORM + "field")}


def test_advertised(make):
    _, alice, _, _ = make()
    client = alice.ready()
    info = client.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", client.bare)
    assert PUSH in {f.get("var") for f in info.iter(qname("info:feature"))}


def test_told_when_away_and_after_a_restart(make):
    server, alice, bob, other = make()
    service, a = other.ready(resource="app"), alice.ready(resource="phone")
    enable(a, service, "n & 'x'".replace("&", "&amp;").replace("'", "&apos;"), form(secret="s"))
    a.close()
    server.restart()
    service, b = other.ready(resource="app"), bob.ready()
    b.message("alice@localhost", "the text")
    request = published(service)
    assert request.get("from") == "localhost"
    publish = request.find("%spubsub/%spublish" % (PUBSUB, PUBSUB))
    assert publish.get("node") == "n & 'x'"
    item = publish.find(PUBSUB + "item")
    assert [child.tag for child in item] == ["{%s}notification" % PUSH] and not len(item[0])
    assert summary(request) == {"FORM_TYPE": OPTIONS, "secret": "s"}
    answer(service, request)
    assert wait_for_result(server, "ok")["enabled"]


@pytest.mark.parametrize("error", ["item-not-found", "forbidden", "not-allowed", "gone"])
def test_final_errors_end_it(make, error):
    server, alice, bob, other = make(interval="1s")
    service, b, a = other.ready(), bob.ready(), alice.ready(resource="phone")
    enable(a, service, "n")
    a.close()
    b.message("alice@localhost", "one")
    answer(service, published(service), error)
    assert not wait_for_result(server, error)["enabled"]
    b.message("alice@localhost", "two")
    not_told(b, alice, service)
    # Nor is it tried after a restart. Made anew, it is.
    server.restart()
    service, b = other.ready(resource=service.resource), bob.ready()
    b.message("alice@localhost", "three")
    not_told(b, alice, service)
    a = alice.ready(resource="phone")
    enable(a, service, "n")
    a.close()
    b.message("alice@localhost", "four")
    answer(service, published(service))
    assert wait_for_result(server, "ok")["enabled"]


@pytest.mark.parametrize("error", ["resource-constraint", "internal-server-error",
                                   "service-unavailable", "remote-server-timeout",
                                   "feature-not-implemented"])
def test_others_are_tried_again(make, error):
    server, alice, bob, other = make(backoff="1s")
    service, b, a = other.ready(), bob.ready(), alice.ready(resource="phone")
    enable(a, service, "n")
    a.close()
    b.message("alice@localhost", "one")
    answer(service, published(service), error, "wait")
    assert wait_for_result(server, error)["enabled"]
    answer(service, published(service))
    assert "error" not in wait_for_result(server, "ok")["result"]


@pytest.mark.parametrize("level, expected", [
    ("none", {}),
    ("sender", {"message-count": "1", "last-message-sender": True}),
    ("body", {"message-count": "1", "last-message-sender": True,
              "last-message-body": "\u2603 & <"})])
def test_summary(make, level, expected):
    server, alice, bob, other = make(summary=level)
    service, b, a = other.ready(), bob.ready(), alice.ready(resource="phone")
    enable(a, service, "n")
    a.close()
    b.message("alice@localhost", "\u2603 & <")
    found = summary(published(service))
    assert found.pop("FORM_TYPE", "urn:xmpp:push:summary") == "urn:xmpp:push:summary"
    assert found == {k: b.jid if v is True else v for k, v in expected.items()}


def test_bounds(make):
    server, alice, bob, other = make(max_registrations=2)
    a = alice.ready(resource="phone")
    request = "<enable xmlns='%s' jid='%%s' node='%%s'>%%s</enable>" % PUSH
    for jid, node, inside, expected in (
            ("push.example", "n" * 1024, "", "bad-request"),
            ("@", "n", "", "jid-malformed"),
            ("push.example", "n", form(secret="s" * 8000), "not-acceptable"),
            ("push.example", "n", "<x xmlns='jabber:x:data' type='submit'/>", "bad-request")):
        assert condition(a.iq("set", request % (jid, node, inside)))[1] == expected
    assert condition(a.iq("set", "<disable xmlns='%s'/>" % PUSH))[1] == "bad-request"
    for i in range(5):
        a.iq("set", request % ("push.example", "n%d" % i, ""))
    assert [r["node"] for r in registrations(server)] == ["n3", "n4"]
    b = bob.ready()
    assert condition(b.iq("set", request % ("push.example", "n", ""), alice.jid)) == \
        condition(b.iq("set", request % ("push.example", "n", ""), "nobody@localhost"))
    a.iq("set", "<disable xmlns='%s' jid='push.example' node='n3'/>" % PUSH)
    assert [r["node"] for r in registrations(server)] == ["n4"]
    a.iq("set", "<disable xmlns='%s' jid='push.example'/>" % PUSH)
    assert registrations(server) == []


def test_command(make):
    server, alice, bob, other = make()
    service, a = other.ready(), alice.ready(resource="phone")
    assert "no account" in server.ctl("push", "list", "nobody@localhost").stderr
    assert server.ctl_json("push", "test", alice.jid)["results"] == []
    enable(a, service, "n")
    a.iq("set", "<enable xmlns='%s' jid='%s' node='x'/>" % (PUSH, "nobody@localhost/x"))
    found = registrations(server)
    assert [(r["service"], r["node"], r["client"], r["enabled"]) for r in found] == [
        (service.jid, "n", "phone", True), ("nobody@localhost/x", "x", "phone", True)]
    with ThreadPoolExecutor() as threads:
        test = threads.submit(server.ctl_json, "push", "test", alice.jid)
        answer(service, published(service), "forbidden")
        results = {r["node"]: r["result"] for r in test.result()["results"]}
    assert results == {"n": "forbidden", "x": "service-unavailable"}
    assert all(r["enabled"] for r in registrations(server))


def test_what_is_news(make):
    server, alice, bob, other = make(interval="1s")
    service, b, a = other.ready(), bob.ready(), alice.ready(resource="phone")
    enable(a, service, "n")
    a.close()
    for inside in ("<received xmlns='urn:xmpp:receipts' id='x'/>",
                   "<displayed xmlns='urn:xmpp:chat-markers:0' id='x'/>",
                   "<composing xmlns='http://jabber.org/protocol/chatstates'/>"):
        b.send("<message type='chat' to='%s'>%s</message>" % (alice.jid, inside))
    not_told(b, alice, service)
    for inside in ("<body>x</body>",
                   "<encrypted xmlns='eu.siacs.conversations.axolotl'><header sid='1'/></encrypted>"
                   "<store xmlns='urn:xmpp:hints'/>",
                   "<propose xmlns='urn:xmpp:jingle-message:0' id='c'/>"
                   "<store xmlns='urn:xmpp:hints'/>"):
        b.send("<message type='chat' to='%s'>%s</message>" % (alice.jid, inside))
        answer(service, published(service))
    # What the account itself writes is no news for its other devices.
    tablet = alice.ready(resource="tablet")
    tablet.message(alice.jid, "a note")
    not_told(tablet, alice, service)


def test_rooms_give_notice(make, make_account):
    """To members who are not there, but were: others cannot wake whom they like."""
    server, alice, bob, other = make(summary="body")
    carol = make_account(server, "carol")
    b, service = create(bob), other.ready()
    for account, node in ((alice, "a"), (carol, "c")):
        assert b.affiliate(account, "member", nick=node).get("type") == "result"
        client = account.ready(resource="phone")
        enable(client, service, node)
        if account is carol:
            Occupant(client, b.room, node).join()
            b.sees(node)
        client.close()
    b.sees("c", "unavailable")
    b.say("\u2603")
    request = published(service)
    found = summary(request)
    assert request.find(".//%spublish" % PUBSUB).get("node") == "c"
    assert (found["last-message-sender"], found["last-message-body"]) == (b.jid, "\u2603")
    answer(service, request)
    not_told(b.client, alice, service)
    # Registration is consent as well.
    a = alice.ready(resource="phone")
    register(a, b.room, "a")
    a.close()
    b.say("again")
    service.wait_for(lambda e: e.tag == qname("iq")
                     and e.find(".//%spublish" % PUBSUB).get("node") == "a", "what alice is told")


@pytest.mark.parametrize("how", ["enters", "registers"])
def test_rooms_give_notice_after_a_restart(make, make_account, how):
    """Who came stays one who came, and who did not one who did not."""
    server, alice, bob, other = make(summary="body")
    carol = make_account(server, "carol")
    b, service = create(bob, persistentroom=1), other.ready(resource="s")
    for account, node in ((alice, "a"), (carol, "c")):
        assert b.affiliate(account, "member").get("type") == "result"
        client = account.ready(resource="phone")
        enable(client, service, node)
        if account is carol and how == "enters":
            Occupant(client, b.room, node).join()
        elif account is carol:
            assert register(client, b.room, "c").get("type") == "result"
        client.close()
    assert b.affiliate(alice, "member", reason="behind what was written before"
                       ).get("type") == "result"
    server.kill()
    server.start()
    service = other.ready(resource="s")
    b = Occupant(bob.ready(), b.room, "b").join()
    b.say("\u2603")
    request = published(service)
    assert request.find(".//%spublish" % PUBSUB).get("node") == "c"
    answer(service, request)
    not_told(b.client, alice, service)


def test_a_lost_connection(make):
    """With XEP-0198. A room takes such a session for one that is there."""
    server, alice, bob, other = make(interval="1s")
    b, service, a = create(bob), other.ready(), alice.ready(resource="phone")
    Occupant(a, b.room, "alice").join()
    enable(a, service, "n")
    a.send("<enable xmlns='urn:xmpp:sm:3' resume='true'/>")
    a.wait_for(lambda event: getattr(event, "tag", "") == "{urn:xmpp:sm:3}enabled", "<enabled/>")
    b.client.message(alice.jid, "there")
    b.say("there")
    not_told(b.client, alice, service)
    a.cut()
    server.process.log.wait("session has lost its connection")
    answer(service, published(service))  # nobody has acknowledged the message
    b.say("away")
    answer(service, published(service))
    b.client.message(alice.jid, "away")
    answer(service, published(service))


def test_an_external_component_is_a_service(own_server, make_account):
    """And while it is away, it is tried again."""
    server = own_server(settings=settings({("host", "localhost"): {
        "modules": MODULES, "push": {"backoff": "1s"}}}))
    alice, bob = make_account(server, "alice"), make_account(server, "bob")
    a, b = alice.ready(resource="phone"), bob.ready()
    a.iq("set", "<enable xmlns='%s' jid='%s' node='n'/>" % (PUSH, NAME))
    a.close()
    b.message(alice.jid, "x")
    assert wait_for_result(server, "service-unavailable")["enabled"]
    service = Component(server).ready()
    request = published(service)
    assert (request.get("from"), request.get("to")) == ("localhost", NAME)
    service.send("<iq type='result' id='%s' from='%s' to='localhost'/>" % (request.get("id"), NAME))
    wait_for_result(server, "ok")
    service.leave()
