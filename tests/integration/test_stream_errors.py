# SPDX-License-Identifier: MIT
"""What is not a proper stream gets the stream error of RFC 6120 and the end.

Each mistake hits one stream; that others do not notice is what the witness
fixture checks after each.
"""

import pytest

from raw import condition, failure, fresh
from scram import Scram, b64, unb64
from xmlstream import NS, Eof, StreamOpen, qname

HEADER = ("<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
          "xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>")
TCP = ("plain", "tls")
WS = ("ws", "wss")
AUTH_PLAIN = "<auth xmlns='%s' mechanism='PLAIN'>%s</auth>"


@pytest.fixture(autouse=True)
def witness(server, connect):
    """A stranger whose stream lives through the test."""
    client = connect(server, "plain")
    client.open()
    yield
    assert client.sasl("abort").tag == qname("sasl:failure")


def header(**changes):
    attrs = {"xmlns": NS["client"], "xmlns:stream": NS["stream"], "to": "localhost",
             "version": "1.0"}
    attrs.update({key.replace("__", ":"): value for key, value in changes.items()})
    return "<stream:stream %s>" % " ".join(
        "%s='%s'" % item for item in attrs.items() if item[1] is not None)


# name: (bytes instead of a stream header, accepted conditions)
BAD_HEADERS = {
    "unknown host": (header(to="nowhere.test"), {"host-unknown"}),
    "no host": (header(to=None), {"host-unknown", "improper-addressing"}),
    "broken host": (header(to="a..b"), {"host-unknown", "improper-addressing"}),
    "content namespace": (header(xmlns="jabber:evil"), {"invalid-namespace"}),
    "server namespace": (header(xmlns="jabber:server"), {"invalid-namespace"}),
    "no content namespace": (header(xmlns=None), {"invalid-namespace"}),
    "stream namespace": (header(xmlns__stream="http://evil/"),
                         {"invalid-namespace", "bad-namespace-prefix", "bad-format"}),
    "other root": ("<stream:flow xmlns='jabber:client' xmlns:stream='%s' to='localhost' "
                   "version='1.0'>" % NS["stream"],
                   {"bad-format", "invalid-namespace", "unsupported-stanza-type"}),
    "version missing": (header(version=None), {"unsupported-version"}),
    "version 0.9": (header(version="0.9"), {"unsupported-version"}),
    "version is a word": (header(version="one"), {"unsupported-version"}),
    "unbound prefix": ("<stream:stream xmlns='jabber:client' to='localhost' version='1.0'>",
                       {"not-well-formed", "bad-namespace-prefix"}),
    "attribute twice": (header().replace("to=", "to='localhost' to="), {"not-well-formed"}),
    "HTTP": ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", {"not-well-formed"}),
    "garbage": ("\x16\x03\x01 hello", {"not-well-formed"}),
    "text": ("hello", {"not-well-formed"}),
    "a DTD": ("<?xml version='1.0'?><!DOCTYPE stream:stream [<!ENTITY a 'b'>]>" + header(),
              {"restricted-xml", "not-well-formed"}),
    "a DTD alone": ("<!DOCTYPE x>", {"restricted-xml", "not-well-formed"}),
    "a comment": ("<!-- hello -->" + header(), {"restricted-xml"}),
    "a processing instruction": ("<?php evil?>" + header(), {"restricted-xml"}),
    "latin-1 declared": ("<?xml version='1.0' encoding='ISO-8859-1'?>" + header(),
                         {"unsupported-encoding", "not-well-formed"}),
    "UTF-16 declared": ("<?xml version='1.0' encoding='UTF-16'?>" + header(),
                        {"unsupported-encoding", "not-well-formed"}),
    "UTF-16LE with BOM": (("\ufeff" + header()).encode("utf-16-le"),
                          {"unsupported-encoding", "not-well-formed", "bad-format"}),
    "UTF-16BE with BOM": (("\ufeff" + header()).encode("utf-16-be"),
                          {"unsupported-encoding", "not-well-formed", "bad-format"}),
    "UTF-16LE without BOM": (header().encode("utf-16-le"),
                             {"unsupported-encoding", "not-well-formed", "bad-format"}),
    "XML 1.1": ("<?xml version='1.1'?>" + header(), {"not-well-formed", "unsupported-version"}),
    "header too large": (header(filler="x" * 12000), {"policy-violation"}),
}


@pytest.mark.ours
@pytest.mark.parametrize("transport", TCP)
@pytest.mark.parametrize("name", BAD_HEADERS)
def test_bad_header(server, connect, transport, name):
    sent, conditions = BAD_HEADERS[name]
    client = connect(server, transport)
    client.send_raw(sent if isinstance(sent, bytes) else sent.encode())
    opened = client.next()
    assert isinstance(opened, StreamOpen), "RFC 6120 4.9.1.1: header first, got %r" % opened
    client.stream_error(*conditions)


@pytest.mark.parametrize("name", ["unknown host", "garbage", "attribute twice"])
def test_bad_header_everybody(server, connect, name):
    """The subset on which the reference agrees."""
    sent, conditions = BAD_HEADERS[name]
    client = connect(server, "plain")
    client.send_raw(sent.encode())
    client.stream_error(*conditions)


@pytest.mark.parametrize("version", ["1.0", "1.1", "2.0", "01.000"])
def test_versions_that_we_answer_with_ours(server, connect, version):
    client = connect(server, "plain")
    client.open(version=version)
    assert client.opened.get("version") == "1.0"


def test_white_space_and_declaration_before_the_header(server, connect):
    client = connect(server, "plain")
    client.send_raw(b"<?xml version='1.0' encoding='utf-8'?>\n  " + header().encode())
    client.wait("stream:features")


# name: (bytes behind a good header, accepted conditions)
BAD_BEFORE_LOGIN = {
    "message": ("<message to='a@localhost'><body>x</body></message>", {"not-authorized"}),
    "presence": ("<presence/>", {"not-authorized"}),
    "iq": ("<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", {"not-authorized"}),
    "bind": ("<iq type='set' id='1'><bind xmlns='%s'/></iq>" % NS["bind"], {"not-authorized"}),
    "wrong end tag": ("<a></b>", {"not-well-formed"}),
    "end of another": ("</stream:strea>", {"not-well-formed"}),
    "comment": ("<!-- x -->", {"restricted-xml"}),
    "processing instruction": ("<?x y?>", {"restricted-xml"}),
    "second declaration": ("<?xml version='1.0'?>", {"restricted-xml", "not-well-formed"}),
    "doctype": ("<!DOCTYPE x>", {"restricted-xml", "not-well-formed"}),
    "undefined entity": ("<auth xmlns='%s'>&foo;</auth>" % NS["sasl"],
                         {"restricted-xml", "not-well-formed"}),
    "unbound prefix": ("<foo:auth/>", {"not-well-formed", "bad-namespace-prefix"}),
    "NUL": ("<auth>\0</auth>", {"not-well-formed"}),
    "NUL by reference": ("<auth>&#0;</auth>", {"not-well-formed"}),
    "control character": ("<auth>\x07</auth>", {"not-well-formed"}),
    "bare ampersand": ("<auth>a & b</auth>", {"not-well-formed"}),
    "bad UTF-8": (b"<auth>\xff\xfe</auth>", {"not-well-formed"}),
    "overlong UTF-8": (b"<auth>\xc0\xbc</auth>", {"not-well-formed"}),
    "surrogate": (b"<auth>\xed\xa0\x80</auth>", {"not-well-formed"}),
    "above U+10FFFF": (b"<auth>\xf4\x90\x80\x80</auth>", {"not-well-formed"}),
    "U+FFFF": (b"<auth>\xef\xbf\xbf</auth>", {"not-well-formed"}),
    "cut UTF-8": (b"<auth>\xe2\x82</auth>", {"not-well-formed"}),
    "text between": ("hello<x/>", {"not-well-formed", "bad-format", "not-authorized",
                                   "unsupported-stanza-type"}),
    "CDATA between": ("<![CDATA[hello]]><x/>", {"not-well-formed", "bad-format",
                                                 "restricted-xml", "not-authorized",
                                                 "unsupported-stanza-type"}),
    "stanza of 10 001 bytes": ("<auth xmlns='%s'>%s</auth>" % (NS["sasl"], "A" * 10001),
                               {"policy-violation"}),
    "stanza without end": ("<auth xmlns='%s'>%s" % (NS["sasl"], "A" * 65536),
                           {"policy-violation"}),
    "tag without end": ("<auth mechanism='" + "A" * 65536, {"policy-violation"}),
    "18 levels": ("<auth xmlns='%s'>%s" % (NS["sasl"], "<a>" * 17), {"policy-violation"}),
    "66 elements": ("<auth xmlns='%s'>%s" % (NS["sasl"], "<a/>" * 65), {"policy-violation"}),
    "65 attributes": ("<auth %s/>" % " ".join("a%d='1'" % i for i in range(65)),
                      {"policy-violation"}),
    "a tag of 4 KiB": ("<auth a='%s'/>" % ("x" * 5000), {"policy-violation"}),
}


# Without a meaning in a frame, or answered on the level of frames (test_websocket).
NOT_IN_FRAMES = ("end of another", "text between", "CDATA between", "second declaration",
                 "bad UTF-8", "overlong UTF-8", "surrogate", "above U+10FFFF", "cut UTF-8")


@pytest.mark.ours
@pytest.mark.parametrize("name", BAD_BEFORE_LOGIN)
def test_bad_before_login(server, connect, name):
    sent, conditions = BAD_BEFORE_LOGIN[name]
    client = connect(server, "plain")
    client.open()
    client.send_raw(sent if isinstance(sent, bytes) else sent.encode())
    client.stream_error(*conditions)


@pytest.mark.ours
@pytest.mark.parametrize("name", [name for name in BAD_BEFORE_LOGIN if name not in NOT_IN_FRAMES])
def test_bad_frame_before_login(server, connect, name):
    """The same in WebSocket frames: error, <close/>, close frame."""
    sent, conditions = BAD_BEFORE_LOGIN[name]
    sent = sent if isinstance(sent, bytes) else sent.encode()
    conditions = conditions | ({"not-well-formed"} if b"xmlns" not in sent else set())
    client = connect(server, "ws")
    client.open()
    if sent.startswith((b"<message", b"<presence", b"<iq")):
        client.send(sent.decode())
    else:
        client.send_raw(sent)
    client.stream_error(*conditions)


@pytest.mark.ours
@pytest.mark.parametrize("prefix", ["<x", "<", "<x a='", "<!", "<?", "&", "</"])
def test_cut_in_the_middle(server, connect, prefix):
    """A client that vanishes in the middle of a token leaves nothing and gets nothing."""
    client = connect(server, "plain")
    client.open()
    client.send_raw(prefix.encode())
    client.connection.sock.shutdown(1)
    events = client.drain_to_end()
    assert isinstance(events[-1], Eof)


# -- after login -----------------------------------------------------------------

BAD_AFTER_LOGIN = {
    "wrong end tag": ("<message><body></message>", {"not-well-formed"}),
    "comment": ("<message><!-- x --></message>", {"restricted-xml"}),
    "processing instruction": ("<message><?x y?></message>", {"restricted-xml"}),
    "undefined entity": ("<message><body>&foo;</body></message>",
                         {"restricted-xml", "not-well-formed"}),
    "unbound attribute prefix": ("<message foo:bar='1'/>", {"not-well-formed"}),
    "unknown stanza": ("<command/>", {"unsupported-stanza-type", "bad-format"}),
    "foreign namespace": ("<message xmlns='jabber:evil'/>",
                          {"unsupported-stanza-type", "bad-format", "invalid-namespace"}),
    "server namespace": ("<message xmlns='jabber:server'/>",
                         {"unsupported-stanza-type", "bad-format", "invalid-namespace"}),
    "second login": ("<auth xmlns='%s' mechanism='PLAIN'/>" % NS["sasl"],
                     {"unsupported-stanza-type", "policy-violation", "not-authorized",
                      "bad-format"}),
    "1 MiB and more": ("<message to='a@localhost'><x xmlns='u'>%s</x></message>" %
                       ("x" * 1024 * 1024), {"policy-violation"}),
    "130 levels": ("<message to='a@localhost'>%s%s</message>" % ("<a>" * 129, "</a>" * 129),
                   {"policy-violation"}),
    "10 000 levels": ("<message to='a@localhost'>%s%s</message>" % ("<a>" * 9999, "</a>" * 9999),
                      {"policy-violation"}),
    "65 attributes": ("<message %s/>" % " ".join("a%d='1'" % i for i in range(65)),
                      {"policy-violation"}),
    "a tag of 17 KiB": ("<message a='%s'/>" % ("x" * 17 * 1024), {"policy-violation"}),
    "10 000 elements": ("<message to='a@localhost'>%s</message>" % ("<a/>" * 10000),
                        {"policy-violation"}),
    "a namespace of 513 bytes": ("<message><a xmlns='%s'/></message>" % ("n" * 513),
                                 {"policy-violation"}),
    "canonical form explodes": (
        "<message xmlns:a='%s'>%s</message>" % ("n" * 500, "<a:b/>" * 4000),
        {"policy-violation"}),
}


@pytest.mark.ours
@pytest.mark.parametrize("transport", ["tls", "ws"])
@pytest.mark.parametrize("name", BAD_AFTER_LOGIN)
def test_bad_after_login(alice, bob, transport, name):
    """The offender loses its stream; a contact of the same server keeps its own."""
    sent, conditions = BAD_AFTER_LOGIN[name]
    other = bob.ready("tls")
    client = alice.ready(transport)
    try:
        client.send(sent)
    except OSError:
        pass  # the server may close before it has read all of it
    client.stream_error(*conditions)
    other.barrier(other)


@pytest.mark.ours
@pytest.mark.parametrize("levels", [127])
def test_deep_but_allowed(alice, levels):
    """128 levels, the stanza included, arrive."""
    client = alice.ready()
    client.send("<message to='%s'>%s%s</message>" % (
        client.jid, "<a xmlns='u'>" + "<a>" * (levels - 1), "</a>" * levels))
    message = client.wait("message", from_=client.jid)
    depth = 0
    while len(message):
        message = message[0]
        depth += 1
    assert depth == levels


@pytest.mark.ours
def test_attribute_byte_by_byte(alice):
    """15 KiB of attribute in single bytes: quadratic for a naive parser (CVE-2023-52425)."""
    client = alice.ready("tls")
    client.connection.byte_mode = True
    client.send("<message to='%s' id='%s'/>" % (client.jid, "x" * 15 * 1024))
    client.connection.byte_mode = False
    client.wait("message", id="x" * 15 * 1024)


@pytest.mark.ours
def test_text_byte_by_byte(alice):
    client = alice.ready("tls")
    client.connection.byte_mode = True
    id_ = client.message(client.jid, "y" * 20000)
    client.connection.byte_mode = False
    assert client.wait("message", id=id_).findtext(qname("body")) == "y" * 20000


def test_white_space_keeps_a_stream_alive(alice):
    client = alice.ready("tls")
    client.send_raw(b" \n\t " * 100)
    client.barrier(client)


# -- STARTTLS ------------------------------------------------------------------------

@pytest.mark.ours
@pytest.mark.parametrize("behind", [
    "\n", "<auth xmlns='%s' mechanism='PLAIN'>%s</auth>" % (NS["sasl"], b64(b"\0a\0b")),
    "<presence/>", "</stream:stream>", "<x", "\x16\x03\x01"],
    ids=["white space", "auth", "stanza", "end", "half a tag", "TLS bytes"])
def test_nothing_behind_starttls_counts(server, alice, connect, behind):
    """CVE-2011-0411: what came in plain text behind <starttls/> is thrown away."""
    client = connect(server, "starttls")
    client.open()
    client.starttls(behind.encode())
    client.open()
    answer = client.auth("SCRAM-SHA-1", alice.user, alice.password)
    assert answer.tag == qname("sasl:success")
    assert not client.events, client.show()


def test_starttls_twice(server, connect):
    client = connect(server, "tls")
    client.open()
    client.send_raw(b"<starttls xmlns='%s'/>" % NS["tls"].encode())
    events = client.drain_to_end()
    assert not any(getattr(event, "tag", "") == qname("tls:proceed") for event in events)


def test_garbage_in_place_of_a_handshake(server, connect):
    client = connect(server, "starttls")
    client.open()
    client.send_raw(b"<starttls xmlns='%s'/>" % NS["tls"].encode())
    client.wait("tls:proceed")
    client.send_raw(b"this is no client hello at all\r\n" * 4)
    client.connection.recv_to_end()


# -- SASL ----------------------------------------------------------------------------

def sasl_client(server, connect):
    client = connect(server, "plain")
    client.open()
    return client


BAD_SASL = {
    "unknown mechanism": ("X-NONE", "", {"invalid-mechanism"}),
    "no mechanism": ("", "", {"invalid-mechanism", "malformed-request"}),
    "lower case": ("plain", b64(b"\0a\0b"), {"invalid-mechanism"}),
    "not base64": ("PLAIN", "!!!!", {"incorrect-encoding", "malformed-request"}),
    "padding first": ("PLAIN", "=AGEAYg==", {"incorrect-encoding", "malformed-request"}),
    "data behind padding": ("PLAIN", b64(b"\0a\0b") + "AAAA",
                            {"incorrect-encoding", "malformed-request"}),
    "white space": ("PLAIN", b64(b"\0a\0b")[:4] + " " + b64(b"\0a\0b")[4:],
                    {"incorrect-encoding", "malformed-request"}),
    "cut base64": ("PLAIN", "AGEAY", {"incorrect-encoding", "malformed-request"}),
    "one NUL": ("PLAIN", b64(b"a\0b"), {"malformed-request", "not-authorized"}),
    "three NULs": ("PLAIN", b64(b"\0a\0b\0c"), {"malformed-request", "not-authorized"}),
    "empty name": ("PLAIN", b64(b"\0\0b"), {"malformed-request", "not-authorized"}),
    "empty password": ("PLAIN", b64(b"\0a\0"), {"malformed-request", "not-authorized"}),
    "bad UTF-8": ("PLAIN", b64(b"\0\xff\0b"), {"malformed-request", "not-authorized"}),
    "unknown user": ("PLAIN", b64(b"\0nobody\0b"), {"not-authorized"}),
    "SCRAM without user": ("SCRAM-SHA-1", b64(b"n,,n=,r=abc"),
                           {"malformed-request", "not-authorized"}),
    "SCRAM without nonce": ("SCRAM-SHA-1", b64(b"n,,n=a"), {"malformed-request"}),
    "SCRAM empty nonce": ("SCRAM-SHA-1", b64(b"n,,n=a,r="), {"malformed-request"}),
    "SCRAM non-printable nonce": ("SCRAM-SHA-1", b64(b"n,,n=a,r=a\x07b"), {"malformed-request"}),
    "SCRAM mandatory extension": ("SCRAM-SHA-1", b64(b"n,,m=x,n=a,r=abc"), {"malformed-request"}),
    "SCRAM bad escape": ("SCRAM-SHA-1", b64(b"n,,n=a=2Fb,r=abc"),
                         {"malformed-request", "not-authorized"}),
    "SCRAM garbage": ("SCRAM-SHA-256", b64(b"hello"), {"malformed-request"}),
    "SCRAM p= without PLUS": ("SCRAM-SHA-1", b64(b"p=tls-unique,,n=a,r=abc"),
                              {"malformed-request", "not-authorized"}),
    "SCRAM foreign authzid": ("SCRAM-SHA-1", b64(b"n,a=other@localhost,n=a,r=abc"),
                              {"invalid-authzid", "not-authorized", "malformed-request"}),
}


@pytest.mark.ours
@pytest.mark.parametrize("name", BAD_SASL)
def test_bad_sasl(server, connect, name):
    """A failure, and the stream is good for another try."""
    mechanism, text, conditions = BAD_SASL[name]
    client = sasl_client(server, connect)
    assert failure(client.sasl("auth", text, mechanism=mechanism)) in conditions
    assert failure(client.sasl("abort")) in ("aborted", "malformed-request")


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_wrong_password_then_right(server, connect, alice, mechanism):
    client = sasl_client(server, connect)
    assert failure(client.auth(mechanism, alice.user, "wrong")) == "not-authorized"
    assert client.auth(mechanism, alice.user, alice.password).tag == qname("sasl:success")


@pytest.mark.ours
@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-1", "SCRAM-SHA-256"])
def test_unknown_user_looks_like_a_known_one(server, connect, alice, mechanism):
    """A salt of the same length, the same each time, the same count; failure at the end."""
    seen = []
    ghost = fresh("ghost")
    for user in (alice.user, ghost, ghost):
        client = sasl_client(server, connect)
        scram = Scram(mechanism, user, "wrong")
        challenge = client.sasl("auth", b64(scram.first()), mechanism=mechanism)
        final = scram.final(unb64(challenge.text))
        seen.append((scram.salt, scram.iterations))
        assert failure(client.sasl("response", b64(final))) == "not-authorized"
    assert seen[1] == seen[2]
    assert seen[0][1] == seen[1][1] and len(seen[0][0]) == len(seen[1][0])
    assert seen[0][0] != seen[1][0]


@pytest.mark.ours
@pytest.mark.parametrize("gs2,cbind", [("n,,", "y,,"), ("y,,", "n,,"), ("n,,", "n,a=x,"),
                                       ("n,,", ""), ("n,,", "n,,x")])
def test_scram_header_is_compared(server, connect, alice, gs2, cbind):
    client = sasl_client(server, connect)
    answer = client.auth("SCRAM-SHA-1", alice.user, alice.password, gs2=gs2, cbind=cbind)
    assert failure(answer) in ("not-authorized", "malformed-request", "incorrect-encoding")


@pytest.mark.ours
def test_scram_y_without_plus_is_welcome(server, connect, alice):
    client = sasl_client(server, connect)
    answer = client.auth("SCRAM-SHA-1", alice.user, alice.password, gs2="y,,")
    assert answer.tag == qname("sasl:success")


@pytest.mark.ours
def test_scram_response_for_another_nonce(server, connect, alice):
    client = sasl_client(server, connect)
    scram = Scram("SCRAM-SHA-1", alice.user, alice.password)
    challenge = client.sasl("auth", b64(scram.first()), mechanism="SCRAM-SHA-1")
    final = scram.final(unb64(challenge.text)).replace(b"r=" + scram.nonce[:4].encode(),
                                                       b"r=" + b"AAAA")
    assert failure(client.sasl("response", b64(final))) in ("not-authorized", "malformed-request")


@pytest.mark.ours
def test_authzid(server, connect, alice, bob):
    for authzid, good in ((alice.jid, True), ("", True), (bob.jid, False), ("@", False),
                          (alice.user + "@example.test", False)):
        client = sasl_client(server, connect)
        answer = client.auth("PLAIN", alice.user, alice.password, authzid=authzid)
        if good:
            assert answer.tag == qname("sasl:success")
            client.open()
            client.bind()
            assert client.bare == alice.jid
        else:
            assert failure(answer) == "invalid-authzid"


@pytest.mark.ours
def test_five_failures_end_the_stream(server, connect, alice):
    client = sasl_client(server, connect)
    for _ in range(4):
        assert failure(client.auth("PLAIN", alice.user, "wrong")) == "not-authorized"
    client.send(AUTH_PLAIN % (NS["sasl"], b64(b"\0x\0y")))
    assert failure(client.wait("sasl:failure")) == "not-authorized"
    client.stream_error("policy-violation", "not-authorized")


def test_abort(server, connect, alice):
    client = sasl_client(server, connect)
    scram = Scram("SCRAM-SHA-1", alice.user, alice.password)
    client.sasl("auth", b64(scram.first()), mechanism="SCRAM-SHA-1")
    assert failure(client.sasl("abort")) == "aborted"
    assert client.auth("SCRAM-SHA-1", alice.user, alice.password).tag == qname("sasl:success")


@pytest.mark.ours
def test_response_without_auth(server, connect):
    client = sasl_client(server, connect)
    assert failure(client.sasl("response", "")) in ("malformed-request", "not-authorized")


@pytest.mark.ours
def test_no_login_without_tls(strict_server, make_account, connect):
    user = make_account(strict_server)
    for transport in ("plain", "ws"):
        client = connect(strict_server, transport)
        client.open()
        assert not client.mechanisms()
        for mechanism in ("PLAIN", "SCRAM-SHA-1"):
            answer = client.auth(mechanism, user.user, user.password)
            assert failure(answer) in ("encryption-required", "invalid-mechanism")


# -- binding ---------------------------------------------------------------------------

def authenticated(user, transport="tls"):
    client = user.connect(user.server, transport, host=user.host).secure()
    assert client.auth("PLAIN", user.user, user.password).tag == qname("sasl:success")
    client.open()
    return client


@pytest.mark.quick
def test_resources(alice, transport):
    given = alice.login(transport, resource="balcony")
    assert given.resource == "balcony"
    chosen = alice.login(transport)
    assert chosen.resource not in ("", "balcony")
    empty = authenticated(alice, transport)
    assert empty.bind("").get("type") == "result"
    assert empty.resource not in ("", "balcony", chosen.resource)


@pytest.mark.parametrize("name", ["a b", "\u2603", "a/b@c", "'\"&<", "x" * 1023])
def test_resource_names(alice, name):
    if alice.server.kind == "reference" and len(name) > 100:
        pytest.skip("the reference shortens names")
    client = alice.login(resource=name)
    assert client.resource == name
    client.ready()
    client.barrier(client)


@pytest.mark.ours
@pytest.mark.parametrize("name", ["x" * 1024, "\u200e", "\u2028"])
def test_bad_resource_names(alice, name):
    client = authenticated(alice)
    answer = client.bind(name)
    assert condition(answer)[1] in ("bad-request", "jid-malformed", "not-acceptable")
    assert client.bind("good").get("type") == "result"


@pytest.mark.quick
@pytest.mark.ours
def test_conflict(alice, transport):
    """The new session wins; the old one is told why."""
    old = alice.ready(transport, resource="phone")
    new = alice.ready(transport, resource="phone")
    assert new.jid == old.jid
    old.stream_error("conflict")
    new.barrier(new)


@pytest.mark.ours
def test_bind_twice(alice):
    client = alice.login()
    answer = client.iq("set", "<bind xmlns='%s'/>" % NS["bind"])
    assert condition(answer)[1] in ("not-allowed", "bad-request", "conflict", "unexpected-request",
                                    "service-unavailable")
    client.ready()


@pytest.mark.ours
@pytest.mark.parametrize("stanza", [
    "<message to='%s'><body>too early</body></message>", "<presence to='%s'/>",
    "<iq type='get' id='early' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>"],
    ids=["message", "presence", "iq"])
def test_stanza_before_binding(alice, bob, stanza):
    receiver = bob.ready()
    client = authenticated(alice)
    client.send(stanza % receiver.jid)
    client.stream_error("not-authorized")
    assert not [e for e in receiver.barrier(receiver)]


@pytest.mark.ours
def test_two_half_logins_do_not_meet(server, connect, alice, bob):
    """Interleaved SCRAM exchanges of two users on two streams."""
    clients = [sasl_client(server, connect) for _ in range(2)]
    scrams = [Scram("SCRAM-SHA-1", user.user, user.password) for user in (alice, bob)]
    challenges = [client.sasl("auth", b64(scram.first()), mechanism="SCRAM-SHA-1")
                  for client, scram in zip(clients, scrams)]
    for client, scram, challenge in zip(clients, scrams, challenges):
        answer = client.sasl("response", b64(scram.final(unb64(challenge.text))))
        assert answer.tag == qname("sasl:success")
