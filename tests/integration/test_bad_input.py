# SPDX-License-Identifier: MIT
"""Bad input, answered by the book: the one condition that fits, and nobody else notices.

What test_stream_errors, test_stanzas and test_websocket try in breadth with several
accepted answers stands here once more only where the answer is a decision; the rest
is what they leave out: attributes by the thousand, slow tokens, old TLS, code points
that no address may have, answers to questions that nobody asked.
"""

import socket
import ssl
import xml.etree.ElementTree as ET

import pytest

from raw import DEADLINE, NS, StreamOpen, condition, fresh, qname
from websocket import CONTINUATION, PING, TEXT, frame

pytestmark = pytest.mark.ours

PING_XML = "<ping xmlns='urn:xmpp:ping'/>"


def header(declared="<?xml version='1.0'?>", **attrs):
    fields = {"to": "localhost", "version": "1.0", "xmlns": NS["client"],
              "xmlns:stream": NS["stream"]}
    fields.update((key.replace("__", ":"), value) for key, value in attrs.items())
    return declared + "<stream:stream %s>" % " ".join(
        "%s='%s'" % item for item in fields.items() if item[1] is not None)


@pytest.fixture
def witness(bob):
    """Somebody who chats on, whatever the others do."""
    client = bob.ready("tls")
    yield client
    client.barrier(client)


# -- before there is a stream ----------------------------------------------------------

HEADERS = {
    "UTF-16LE": (header().encode("utf-16"), "unsupported-encoding"),
    "UTF-16BE": (b"\xfe\xff" + header().encode("utf-16-be"), "unsupported-encoding"),
    "UTF-16LE without a mark": (header().encode("utf-16-le"), "unsupported-encoding"),
    "UTF-16BE without a mark": (header().encode("utf-16-be"), "unsupported-encoding"),
    "UTF-32": (header().encode("utf-32"), "unsupported-encoding"),
    "ISO-8859-1 declared": (header("<?xml version='1.0' encoding='ISO-8859-1'?>").encode(),
                            "unsupported-encoding"),
    "US-ASCII declared": (header("<?xml version='1.0' encoding='US-ASCII'?>").encode(),
                          "unsupported-encoding"),
    "unheard-of encoding": (header("<?xml version='1.0' encoding='x-none'?>").encode(),
                            "unsupported-encoding"),
    "wrong default namespace": (header(xmlns="jabber:evil").encode(), "invalid-namespace"),
    "a server's stream": (header(xmlns="jabber:server").encode(), "invalid-namespace"),
    "a component's stream": (header(xmlns="jabber:component:accept").encode(),
                             "invalid-namespace"),
    "no default namespace": (header(xmlns=None).encode(), "invalid-namespace"),
    "wrong stream namespace": (header(xmlns__stream="urn:other").encode(), "invalid-namespace"),
    "NUL in the header": (header(to="local\0host").encode(), "not-well-formed"),
    "non-character in the header": (header(to="local\ufffehost").encode(), "not-well-formed"),
    "another's host": (header(to="example.invalid").encode(), "host-unknown"),
    "an account": (header(to="a@localhost").encode(), "host-unknown"),
    "30 000 attributes": (header(**{"a%d" % i: "" for i in range(30000)}).encode(),
                          "policy-violation"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_header(server, connect, witness, name):
    sent, wanted = HEADERS[name]
    client = connect(server, "plain")
    try:
        client.send_raw(sent)
    except OSError:
        pass
    assert isinstance(client.next(), StreamOpen)
    client.stream_error(wanted)


@pytest.mark.parametrize("minimum, maximum", [(ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1),
                                              (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)],
                         ids=["TLS 1.0", "TLS 1.1"])
@pytest.mark.parametrize("listener", ["c2s-tls", "https"])
def test_old_tls(server, witness, listener, minimum, maximum):
    """An alert, not a connection; and the client can really speak it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version, context.maximum_version = minimum, maximum
    with socket.create_connection(server.address(listener), DEADLINE) as sock:
        with pytest.raises(ssl.SSLError, match="(?i)alert.*protocol.version"):
            context.wrap_socket(sock, server_hostname="localhost")


# -- in a session -------------------------------------------------------------------------

def nested(levels):
    return "<message to='a@localhost'>%s%s</message>" % ("<a>" * levels, "</a>" * levels)


STANZAS = {
    "10 000 levels": (nested(10000), "policy-violation"),
    "30 000 attributes": ("<message %s/>" % " ".join("a%d=''" % i for i in range(30000)),
                          "policy-violation"),
    "attributes in namespaces": ("<message %s/>" % " ".join(
        "xmlns:p%d='urn:%d' p%d:a=''" % (i, i, i) for i in range(100)), "policy-violation"),
    "NUL": ("<message><body>\0</body></message>", "not-well-formed"),
    "NUL by reference": ("<message><body>&#0;</body></message>", "not-well-formed"),
    "U+FFFE": ("<message><body>\ufffe</body></message>", "not-well-formed"),
    "U+FFFF by reference": ("<message><body>&#xffff;</body></message>", "not-well-formed"),
    "surrogate by reference": ("<message><body>&#xd800;</body></message>", "not-well-formed"),
    "beyond Unicode by reference": ("<message><body>&#x110000;</body></message>",
                                    "not-well-formed"),
    "control character": ("<message><body>\x0b</body></message>", "not-well-formed"),
    "in an attribute": ("<message id='\x01'/>", "not-well-formed"),
    "a server's stanza": ("<message xmlns='jabber:server' to='a@localhost'/>",
                          "unsupported-stanza-type"),
    "no namespace": ("<message xmlns='' to='a@localhost'/>", "unsupported-stanza-type"),
    "a prefix of nobody": ("<x:message/>", "not-well-formed"),
    "a stanza that is none": ("<msg/>", "unsupported-stanza-type"),
    "features from a client": ("<stream:features xmlns:stream='%s'/>" % NS["stream"],
                               "unsupported-stanza-type"),
    "TLS once more": ("<starttls xmlns='%s'/>" % NS["tls"], "unsupported-stanza-type"),
    "another stream inside": ("<stream:stream xmlns:stream='%s' to='localhost'/>" % NS["stream"],
                              "unsupported-stanza-type"),
    "forged from": ("<message from='admin@localhost' to='a@localhost'/>", "invalid-from"),
    "from of another resource": ("<message from='OWN/other' to='a@localhost'/>", "invalid-from"),
    "from that is no address": ("<message from='@' to='a@localhost'/>", "invalid-from"),
    "entities": ("<message><body>&lol;</body></message>", "not-well-formed"),
}
# A frame is a document: what a stream answers by its own rules is no element of one there.
FRAMED = {"no namespace": "not-well-formed"}


@pytest.mark.parametrize("transport", ["tls", "ws"])
@pytest.mark.parametrize("name", STANZAS)
def test_stanza(alice, witness, transport, name):
    sent, wanted = STANZAS[name]
    client = alice.ready(transport)
    try:
        client.send(sent.replace("OWN", client.bare))
    except OSError:
        pass  # it may close before it has read all
    client.stream_error(FRAMED.get(name, wanted) if transport == "ws" else wanted)


def test_prefixed_stanza(alice, witness):
    """RFC 6120 4.8.5: namespaces count, not prefixes; what goes out has ours."""
    client = alice.ready("tls")
    client.send("<c:message xmlns:c='jabber:client' to='%s' type='chat'><c:body>x</c:body>"
                "<z:y xmlns:z='urn:z'/></c:message>" % witness.jid)
    message = witness.wait("message", from_=client.jid)
    assert message.findtext(qname("body")) == "x"
    assert message.find("{urn:z}y") is not None


def test_large_attribute_in_small_pieces(alice, witness):
    """256 KiB in pieces of 16 bytes: refused at its bound, long before it is all there."""
    client = alice.ready("tls")
    sent = 0
    try:
        client.send_raw(b"<message id='")
        for _ in range(16384):
            client.send_raw(b"x" * 16)
            sent += 16
    except OSError:
        pass
    client.stream_error("policy-violation")
    assert sent <= 262144


def test_expansion(alice, witness):
    """What prefixes keep short and our own form writes out has the same bound."""
    client = alice.ready("tls")
    client.send("<message to='%s'><x xmlns='v' xmlns:p='%s'>%s</x></message>" % (
        witness.jid, "u" * 512, "<p:a/><b/>" * 2040))
    client.stream_error("policy-violation")


# -- WebSocket -----------------------------------------------------------------------------

FRAMES = {
    "unmasked": (frame(TEXT, b"<presence xmlns='jabber:client'/>", masked=False), 1002),
    "reserved bit": (frame(TEXT, b"<presence xmlns='jabber:client'/>", rsv=4), 1002),
    "broken inside a character": (frame(TEXT, b"<a xmlns='jabber:client'>\xe2\x82", fin=False)
                                  + frame(CONTINUATION, b"</a>"), 1007),
    "ends inside a character": (frame(TEXT, b"<a>\xf0\x9f\x98", fin=False)
                                + frame(CONTINUATION, b""), 1007),
    "pings": (frame(PING, b"x" * 125) * 100, 1008),
    "pings in a message": (frame(TEXT, b"<presence", fin=False) + frame(PING) * 100, 1008),
}


@pytest.mark.parametrize("name", FRAMES)
def test_frames(alice, witness, name):
    sent, code = FRAMES[name]
    client = alice.ready("ws")
    try:
        client.connection.send(sent)
    except OSError:
        pass
    client.drain_to_end()
    assert client.stream.closed_with == code


def test_character_in_two_fragments(alice, witness):
    """Fragments may be cut anywhere, within a character too."""
    client = alice.ready("ws")
    text = ("<message xmlns='jabber:client' to='%s' id='%s'><body>\U0001f426</body></message>" % (
        witness.jid, id_ := fresh())).encode()
    cut = text.index(b"\x9f")
    client.connection.send(frame(TEXT, text[:cut], fin=False)
                           + frame(CONTINUATION, text[cut:cut + 1], fin=False)
                           + frame(CONTINUATION, text[cut + 1:]))
    assert witness.wait("message", id=id_).findtext(qname("body")) == "\U0001f426"


# -- addresses -------------------------------------------------------------------------------

JIDS = {
    "control": "a\x7f@localhost", "bidi mark": "a\u200e@localhost",
    "line separator": "a\u2028@localhost", "private use": "a\ue000@localhost",
    "unassigned": "a\U000e0080@localhost", "space": "a\u00a0b@localhost",
    "quote": "a&quot;b@localhost", "apostrophe": "a&apos;b@localhost",
    "slash in front": "/a@localhost", "colon": "a:b@localhost", "angle": "a&lt;b@localhost",
    "empty local part": "@localhost", "empty resource": "a@localhost/",
    "empty label": "a@local..host", "two ats": "a@b@localhost",
    "local part of 1 024": "x" * 1024 + "@localhost", "domain of 1 024": "a@" + "d" * 1024,
    "resource of 1 024": "a@localhost/" + "r" * 1024, "grows past 1 023": "\ufdfa" * 300
    + "@localhost", "control in the resource": "a@localhost/\x7f",
    "mixed digits": "\u0660\u06f0@localhost", "middle dot": "a\u00b7b@localhost",
}


@pytest.mark.parametrize("name", JIDS)
def test_address(alice, name):
    client = alice.ready()
    id_ = fresh()
    client.send("<message to='%s' id='%s'><body>x</body></message>" % (JIDS[name], id_))
    assert condition(client.wait("message", id=id_)) == ("modify", "jid-malformed")


def test_parts_of_1023(alice):
    """The longest parts are no mistake: there is just nobody of that name."""
    client = alice.ready()
    for to in ("x" * 1023 + "@localhost", "a@localhost/" + "r" * 1023):
        id_ = fresh()
        client.send("<message to='%s' id='%s'><body>x</body></message>" % (to, id_))
        assert condition(client.wait("message", id=id_)) == ("cancel", "service-unavailable")


# -- answers that nobody asked for -------------------------------------------------------------

@pytest.mark.parametrize("kind", ["result", "error"])
@pytest.mark.parametrize("to", [None, "localhost", "BARE", "BARE/none", "OTHER"])
def test_unasked_answer(alice, witness, kind, to):
    """To the server, to accounts, to nobody: silence. To a session: its own affair."""
    client = alice.ready()
    inner = ("<error type='cancel'><item-not-found xmlns='%s'/></error>" % NS["stanzas"]
             if kind == "error" else PING_XML)
    address = (to or "").replace("BARE", client.bare).replace("OTHER", witness.jid)
    id_ = fresh("unasked")
    client.send("<iq type='%s' id='%s'%s>%s</iq>" % (
        kind, id_, " to='%s'" % address if to else "", inner))
    client.iq("get", PING_XML)
    assert not client.taken("iq", id=id_)
    if to == "OTHER":
        assert witness.wait("iq", id=id_).get("from") == client.jid


def test_roster_of_others(alice, witness):
    """RFC 6121 2.3.3: nobody changes or reads the roster of somebody else."""
    client = alice.ready()
    item = "<query xmlns='jabber:iq:roster'><item jid='evil@localhost'/></query>"
    for kind, payload in (("set", item), ("get", "<query xmlns='jabber:iq:roster'/>")):
        answer = client.iq(kind, payload, to=witness.bare)
        assert condition(answer)[1] in ("forbidden", "service-unavailable")
    assert witness.roster().find(".//{jabber:iq:roster}item") is None


def test_too_many_items(own_server, make_account):
    """A roster has a bound. Past it the one request fails; up to it the roster can be had."""
    bound = 4500
    server = own_server(settings={("host", "localhost"): {"roster": {"max_items": bound}},
                                  "limits": {"stanzas_per_second": 0}})
    client = make_account(server).login()
    for start in range(0, bound + 100, 100):
        numbers = range(start, start + 100)
        client.send("".join(
            "<iq type='set' id='r%d'><query xmlns='jabber:iq:roster'>"
            "<item jid='contact-%d@example.invalid'><group>g</group></item></query></iq>" % (i, i)
            for i in numbers))
        for i in numbers:
            answer = client.wait("iq", id="r%d" % i)
            if i < bound:
                assert answer.get("type") == "result", ET.tostring(answer)
            else:
                assert condition(answer) == ("wait", "resource-constraint")
    items = client.roster().findall(".//{jabber:iq:roster}item")
    assert len(items) == bound
    assert len({item.get("jid") for item in items}) == bound
