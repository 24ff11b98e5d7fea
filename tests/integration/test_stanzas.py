# SPDX-License-Identifier: MIT
"""Stanza errors, discovery and the small queries: what the core answers by itself."""

import re
import xml.etree.ElementTree as ET

import pytest

from raw import condition, fresh
from xmlstream import Eof, qname

PING = "<ping xmlns='urn:xmpp:ping'/>"
VERSION = "<query xmlns='jabber:iq:version'/>"
TIME = "<time xmlns='urn:xmpp:time'/>"
INFO = "<query xmlns='http://jabber.org/protocol/disco#info'/>"
ITEMS = "<query xmlns='http://jabber.org/protocol/disco#items'/>"
UNKNOWN = "<query xmlns='urn:test:nobody-knows'/>"


def error_of(client, stanza):
    """Sends a stanza that has an id; (type, condition) of the error that comes back."""
    id_ = fresh("e")
    client.send(stanza.replace("ID", "id='%s'" % id_))
    return condition(client.wait_for(
        lambda e: isinstance(e, ET.Element) and e.get("id") == id_ and e.get("type") == "error",
        "an error for " + stanza))


@pytest.mark.parametrize("type_", ["chat", "normal"])
def test_message_to_nobody(alice, type_):
    client = alice.ready()
    assert error_of(client, "<message ID type='%s' to='%s@localhost'><body>x</body></message>" % (
        type_, fresh("nobody"))) == ("cancel", "service-unavailable")


def test_silence_for_errors_results_and_presence(alice):
    """RFC 6120 8.3.1: no error for an error; presence to nobody is dropped."""
    client = alice.ready()
    nobody = fresh("nobody") + "@localhost"
    client.send("<message type='error' id='q1' to='%s'><error type='cancel'><gone xmlns='"
                "urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>" % nobody)
    client.send("<presence id='q2' to='%s'/>" % nobody)
    client.send("<iq type='result' id='q3' to='%s'/>" % nobody)
    client.send("<iq type='error' id='q4' to='localhost'/>")
    assert not client.barrier(client)


@pytest.mark.parametrize("to", ["USER@localhost", "localhost", "SELF", None])
@pytest.mark.parametrize("kind", ["get", "set"])
def test_unknown_iq(alice, to, kind):
    client = alice.ready()
    if to:
        to = to.replace("USER", fresh("nobody")).replace("SELF", alice.jid)
    assert condition(client.iq(kind, UNKNOWN, to)) == ("cancel", "service-unavailable")


def test_iq_to_an_absent_resource(alice, bob):
    bob.ready()
    client = alice.ready()
    assert condition(client.iq("get", PING, bob.jid + "/away")) == ("cancel",
                                                                    "service-unavailable")


@pytest.mark.ours
@pytest.mark.parametrize("stanza", [
    "<iq ID type='get'/>", "<iq ID type='set'/>",
    "<iq ID type='get'>%s%s</iq>" % (PING, PING),
    "<iq ID type='fetch'>%s</iq>" % PING, "<iq ID>%s</iq>" % PING])
def test_broken_iq(alice, stanza):
    client = alice.ready()
    assert error_of(client, stanza) == ("modify", "bad-request")


@pytest.mark.ours
def test_iq_without_id(alice):
    """RFC 6120 8.1.3: an IQ must have one. Whatever is answered, the server lives."""
    client = alice.ready()
    client.send("<iq type='get'>%s</iq>" % PING)
    answer = client.wait_for(lambda e: isinstance(e, Eof) or getattr(e, "tag", "") in (
        qname("iq"), qname("stream:error")), "an error")
    if getattr(answer, "tag", "") == qname("iq"):
        assert condition(answer) == ("modify", "bad-request")


@pytest.mark.ours
@pytest.mark.parametrize("to", ["@localhost", "a b@localhost", "a@@localhost", "a@local..host", "/",
                                "a@localhost/", "x" * 1024 + "@localhost", "a@" + "d" * 1024,
                                "\u2028@localhost", "a&amp;b@localhost", "a@b@localhost", ""])
@pytest.mark.parametrize("name", ["message", "iq"])
def test_malformed_address(alice, to, name):
    client = alice.ready()
    inner = PING if name == "iq" else "<body>x</body>"
    kind = "get" if name == "iq" else "chat"
    assert error_of(client, "<%s ID type='%s' to='%s'>%s</%s>" % (
        name, kind, to, inner, name)) == ("modify", "jid-malformed")


@pytest.mark.ours
def test_remote_domain(alice):
    client = alice.ready()
    for name, kind, inner in (("message", "chat", "<body>x</body>"), ("iq", "get", PING)):
        kind_, name_ = error_of(client, "<%s ID type='%s' to='a@remote.invalid'>%s</%s>" % (
            name, kind, inner, name))
        assert name_ in ("remote-server-not-found", "service-unavailable")


@pytest.mark.ours
def test_forged_from(alice, bob):
    """The own address is stamped; a foreign one ends the stream or is replaced."""
    receiver = bob.ready()
    client = alice.ready()
    for good in (client.jid, client.bare):
        client.send("<message to='%s' from='%s' id='good'/>" % (receiver.jid, good))
        assert receiver.wait("message", id="good").get("from") == client.jid
    for forged in (bob.jid, "localhost", alice.jid + "/other", "admin@localhost", "@"):
        offender = alice.ready()
        offender.send("<message to='%s' from='%s' id='forged'/>" % (receiver.jid, forged))
        offender.send("<iq type='get' id='%s'>%s</iq>" % (fresh(), PING))
        answer = offender.wait_for(lambda e: getattr(e, "tag", "") in (
            qname("stream:error"), qname("iq")), "a stream error or the answer behind it")
        if answer.tag == qname("stream:error"):
            assert answer.find(qname("streams:invalid-from")) is not None
        else:
            message = receiver.wait("message", id="forged")
            assert message.get("from") == offender.jid
    assert not [e for e in client.barrier(receiver) if e.get("id") == "forged"]


def test_ping(alice, bob):
    client = alice.ready()
    for to in (None, "localhost", alice.jid, "example.test"):
        answer = client.iq("get", PING, to)
        assert answer.get("type") == "result"
        # Without "to" the server answers for the account (RFC 6120 8.1.2.1).
        assert answer.get("from") in (to, client.jid, alice.jid, None)
        assert len(answer) == 0


def test_iq_between_clients(alice, bob):
    """An IQ to a full JID is the receiver's business; its answer finds the way back."""
    client, other = alice.ready(), bob.ready()
    client.send("<iq type='get' id='ask' to='%s'>%s</iq>" % (other.jid, UNKNOWN))
    ask = other.wait("iq", id="ask", type="get")
    assert ask.get("from") == client.jid
    other.send("<iq type='result' id='ask' to='%s'><x xmlns='u'/></iq>" % client.jid)
    assert client.wait("iq", id="ask").get("from") == other.jid


@pytest.mark.quick
def test_version(server, alice):
    query = alice.ready().iq("get", VERSION, "localhost").find(qname("version:query"))
    name = query.findtext(qname("version:name"))
    assert name == ("Prosody" if server.kind == "reference" else "Jackdaw")
    assert re.match(r"\d+\.\d+", query.findtext(qname("version:version")))


def test_time(alice):
    answer = alice.ready().iq("get", TIME, "localhost").find(qname("time:time"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", answer.findtext(
        qname("time:utc")))
    assert re.fullmatch(r"Z|[+-]\d\d:\d\d", answer.findtext(qname("time:tzo")))


@pytest.mark.quick
def test_disco_of_the_server(alice):
    client = alice.ready()
    query = client.iq("get", INFO, "localhost").find(qname("info:query"))
    identities = [(e.get("category"), e.get("type")) for e in query.iter(qname("info:identity"))]
    assert ("server", "im") in identities
    features = [e.get("var") for e in query.iter(qname("info:feature"))]
    assert len(features) == len(set(features))
    for feature in ("http://jabber.org/protocol/disco#info",
                    "http://jabber.org/protocol/disco#items",
                    "urn:xmpp:ping", "jabber:iq:version", "urn:xmpp:time", "jabber:iq:roster"):
        assert feature in features
    assert client.iq("get", ITEMS, "localhost").get("type") == "result"


@pytest.mark.ours
def test_everything_announced_is_answered(alice):
    """Each item of the server answers disco#info (stanza.io's upload discovery hangs else)."""
    client = alice.ready()
    items = client.iq("get", ITEMS, "localhost").find(qname("items:query"))
    for item in items:
        assert client.iq("get", INFO, item.get("jid")).get("type") == "result"
    for query in (PING, VERSION, TIME):
        assert client.iq("get", query, "localhost").get("type") == "result"


def test_disco_of_an_account(alice):
    client = alice.ready()
    query = client.iq("get", INFO, alice.jid).find(qname("info:query"))
    identities = [(e.get("category"), e.get("type")) for e in query.iter(qname("info:identity"))]
    assert ("account", "registered") in identities
    assert client.iq("get", ITEMS, alice.jid).get("type") == "result"


@pytest.mark.ours
def test_disco_of_strangers_tells_nothing(alice, bob):
    """A stranger and nobody look the same."""
    client = alice.ready()
    nobody = fresh("nobody") + "@localhost"
    for query in (INFO, ITEMS, "<query xmlns='jabber:iq:roster'/>"):
        stranger = client.iq("get", query, bob.jid)
        ghost = client.iq("get", query, nobody)
        assert condition(stranger) == condition(ghost)


@pytest.mark.ours
@pytest.mark.parametrize("node", ["nowhere", ""])
def test_disco_node(alice, node):
    client = alice.ready()
    answer = client.iq("get", INFO.replace("/>", " node='%s'/>" % node), "localhost")
    if node:
        assert condition(answer) == ("cancel", "item-not-found")


@pytest.mark.ours
@pytest.mark.parametrize("query", [PING, VERSION, TIME, INFO, ITEMS])
def test_set_of_what_can_only_be_asked(alice, query):
    kind, name = condition(alice.ready().iq("set", query, "localhost"))
    assert name in ("service-unavailable", "not-allowed", "bad-request")


def test_hundreds_of_queries_at_once(alice):
    """Every IQ gets exactly one answer."""
    client = alice.ready()
    count = 300
    for i in range(count):
        client.send("<iq type='get' id='many%d' to='localhost'>%s</iq>" % (
            i, (PING, VERSION, INFO, UNKNOWN)[i % 4]))
    for i in range(count):
        answer = client.wait("iq", id="many%d" % i)
        assert answer.get("type") == ("error" if i % 4 == 3 else "result")
    assert not client.barrier(client)
