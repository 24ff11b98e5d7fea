# SPDX-License-Identifier: MIT
"""Messages: who gets them, that they arrive as they were written, and their limits."""

import random
import xml.etree.ElementTree as ET

import pytest

from raw import condition, fresh
from xmlstream import escape, qname, same

LARGEST = 99999
ASTRAL = "\U0001F426"


def exchange(one, other, body):
    for sender, receiver in ((one, other), (other, one)):
        id_ = sender.message(receiver.jid, body)
        message = receiver.wait("message", id=id_)
        assert message.get("from") == sender.jid and message.get("to") == receiver.jid
        assert (message.findtext(qname("body")) == body) is True


@pytest.mark.quick
@pytest.mark.parametrize("byte_mode", [
    pytest.param(False, id="whole"),
    pytest.param(True, id="bytewise", marks=pytest.mark.ours)])
def test_chat(alice, bob, transport, byte_mode):
    one = alice.ready(transport, byte_mode=byte_mode)
    other = bob.ready("starttls", byte_mode=byte_mode)
    exchange(one, other, "Hello")
    exchange(one, other, "\u00fc \u2603 %s & < > ' \" ]]> \t \n &amp; done" % ASTRAL)
    exchange(one, other, "x")


@pytest.mark.quick
@pytest.mark.parametrize("char", [ASTRAL, "&", "<", "a", "'"])
def test_largest_body(alice, bob, transport, char):
    exchange(alice.ready(transport), bob.ready("tls"), char * LARGEST)


@pytest.mark.ours
@pytest.mark.parametrize("char", [ASTRAL, "&", "a"])
def test_body_too_large(alice, bob, transport, char):
    """One more is an error for the message; the stream stays, nobody gets anything."""
    one, other = alice.ready(transport), bob.ready("tls")
    id_ = one.message(other.jid, char * (LARGEST + 1))
    error = one.wait("message", id=id_, type="error")
    assert condition(error) == ("modify", "policy-violation")
    assert error.get("from") == other.jid
    exchange(one, other, "still here")
    assert not one.barrier(other)


@pytest.mark.ours
def test_each_language_counts_for_itself(alice, bob):
    one, other = alice.ready(), bob.ready()
    bodies = "".join("<body xml:lang='%s'>%s</body>" % (lang, lang[0] * LARGEST)
                     for lang in ("en", "de", "fr"))
    one.send("<message to='%s' id='three'>%s</message>" % (other.jid, bodies))
    assert len(other.wait("message", id="three").findall(qname("body"))) == 3
    one.send("<message to='%s' id='over'><body>x</body><body xml:lang='de'>%s</body></message>" % (
        other.jid, "y" * (LARGEST + 1)))
    assert condition(one.wait("message", id="over")) == ("modify", "policy-violation")


def test_many_large_messages_in_a_row(alice, bob):
    one, other = alice.ready("tls"), bob.ready("ws")
    ids = [one.message(other.jid, "%d" % (i % 10) * 50000) for i in range(20)]
    for i, id_ in enumerate(ids):
        assert other.wait("message", id=id_).findtext(qname("body")) == "%d" % (i % 10) * 50000


def test_order(alice, bob):
    one, other = alice.ready("ws"), bob.ready()
    ids = [one.message(other.jid, str(i)) for i in range(500)]
    got = [other.wait("message").get("id") for _ in ids]
    assert got == ids


def test_to_myself(alice):
    client = alice.ready()
    exchange(client, client, "note to self")


def test_across_hosts(alice, account):
    other = account(fresh("far"), host="example.test").ready("ws")
    exchange(alice.ready(), other, "hello over there")


# -- who gets what --------------------------------------------------------------------

@pytest.fixture
def devices(bob):
    """Three devices of bob: two welcome, one with a negative priority."""
    return {name: bob.ready(resource=name, priority=priority)
            for name, priority in (("high", 5), ("low", 1), ("negative", -1))}


def who_got(sender, devices, id_):
    return {name for name, device in devices.items()
            if any(getattr(e, "tag", "") == qname("message") and e.get("id") == id_
                   for e in sender.barrier(device))}


def test_full_jid_reaches_only_that_device(alice, devices):
    sender = alice.ready()
    for name, device in devices.items():
        id_ = sender.message(device.jid, "for you")
        assert who_got(sender, devices, id_) == {name}


@pytest.mark.parametrize("type_", ["chat", "normal"])
def test_bare_jid_reaches_the_best(alice, bob, devices, type_):
    """RFC 6121 8.5.2.1.1/normal 8.5.2.1.1/chat: the most available or all that are not negative."""
    sender = alice.ready()
    id_ = sender.message(bob.jid, "for the best", type_)
    got = who_got(sender, devices, id_)
    assert "high" in got and "negative" not in got


def test_headline_reaches_all_that_are_not_negative(alice, bob, devices):
    sender = alice.ready()
    id_ = sender.message(bob.jid, "news", "headline")
    assert who_got(sender, devices, id_) == {"high", "low"}


def unstored(sender, to, body):
    """One that no archive keeps for later."""
    id_ = fresh("m")
    sender.send("<message to='%s' type='chat' id='%s'><body>%s</body>"
                "<no-store xmlns='urn:xmpp:hints'/></message>" % (to, id_, body))
    return id_


def test_only_negative_devices(alice, bob):
    device = bob.ready(priority=-1)
    sender = alice.ready()
    id_ = unstored(sender, bob.jid, "anybody?")
    assert condition(sender.wait("message", id=id_)) == ("cancel", "service-unavailable")
    assert who_got(sender, {"negative": device}, id_) == set()


def test_chat_to_an_absent_device_goes_to_the_account(alice, bob, devices):
    """RFC 6121 8.5.3.2.1/chat."""
    sender = alice.ready()
    id_ = sender.message(bob.jid + "/gone", "are you there?")
    assert "high" in who_got(sender, devices, id_)


@pytest.mark.ours
def test_normal_to_an_absent_device_is_an_error(alice, bob, devices):
    sender = alice.ready()
    id_ = sender.message(bob.jid + "/gone", "are you there?", "normal")
    assert condition(sender.wait("message", id=id_)) == ("cancel", "service-unavailable")
    assert who_got(sender, devices, id_) == set()


@pytest.mark.ours
def test_groupchat_to_a_user_is_an_error(alice, bob, devices):
    sender = alice.ready()
    for to in (bob.jid, bob.jid + "/gone"):
        id_ = sender.message(to, "hello room", "groupchat")
        assert condition(sender.wait("message", id=id_)) == ("cancel", "service-unavailable")
        assert who_got(sender, devices, id_) == set()


def test_device_without_presence(alice, bob):
    """Connected but not available: the full JID works, the bare one does not."""
    device = bob.login()
    sender = alice.ready()
    id_ = sender.message(device.jid, "psst")
    device.wait("message", id=id_)
    id_ = unstored(sender, bob.jid, "hello?")
    assert condition(sender.wait("message", id=id_)) == ("cancel", "service-unavailable")


def test_message_without_address_goes_to_the_own_account(alice):
    client = alice.ready()
    client.send("<message id='noto'><body>x</body></message>")
    message = client.wait("message", id="noto")
    assert message.get("from") == client.jid


# -- arriving as written ---------------------------------------------------------------

EXACT = {
    "CDATA": ("<body><![CDATA[<a> & ]]]]><![CDATA[> b]]></body>",
              "<body>&lt;a> &amp; ]]&gt; b</body>"),
    "character references": ("<body>&#65;&#x1F426;&#13;&#10;&#9;</body>", None),
    "white space in attributes": ("<a xmlns='u' b='&#9;&#10;&#13; x'/>", None),
    "quotes in attributes": ("<a xmlns='u' b='\"&apos;' c=\"'&quot;\"/>", None),
    "prefixed element": ("<p:a xmlns:p='u'><p:b/><c/></p:a>", None),
    "prefixed attribute": ("<e xmlns='u' xmlns:z='urn:z' z:k='v' k='w'/>", None),
    "two prefixes of one namespace": ("<e xmlns='u' xmlns:y='n' xmlns:z='n' y:a='1' z:b='2'/>",
                                      None),
    "prefix from the stanza": (None, None),
    "no namespace": ("<x xmlns=''><y/></x>", None),
    "back to client": ("<x xmlns='u'><message xmlns='jabber:client'><body>in</body></message></x>",
                       None),
    "server namespace": ("<message xmlns='jabber:server'><body>s</body></message>", None),
    "re-entry below client": ("<body><x xmlns='u'><body xmlns='jabber:client'/></x></body>", None),
    "xml:lang": ("<body xml:lang='de'>ja</body><body xml:lang='fr'>oui</body>", None),
    "xml:space": ("<x xmlns='u' xml:space='preserve'> a  b </x>", None),
    "names of other scripts": ("<\u00e4\u00f6 xmlns='urn:\u00fc' \u4e2d='1'>\u0e01</\u00e4\u00f6>",
                               None),
    "mixed content": ("<x xmlns='u'>a<b>c</b>d<e/>f</x>", None),
    "long attribute": ("<x xmlns='u' a='%s'/>" % ("&amp;" * 3000), None),
    "64 attributes": ("<x xmlns='u' %s/>" % " ".join("a%d='%d'" % (i, i) for i in range(64)), None),
    "stream prefix": ("<stream:x xmlns:stream='http://etherx.jabber.org/streams'/>", None),
    "our kind of prefix": ("<n1:x xmlns:n1='u' n1:a='1' xmlns:n2='v' n2:a='2'/>", None),
    "xmlns-like values": ("<x xmlns='u' a='xmlns:b=&quot;c&quot;'>xmlns='d'</x>", None),
}


def without_id(message, account):
    """What the archive of the receiver has called it, and nobody wrote."""
    for child in message.findall("{urn:xmpp:sid:0}stanza-id"):
        if child.get("by") == account.jid:
            message.remove(child)
    return message


@pytest.mark.parametrize("transport", ["tls", "ws"])
@pytest.mark.parametrize("name", EXACT)
def test_arrives_as_written(server, alice, bob, transport, name):
    if server.kind == "reference" and name in ("no namespace", "server namespace", "stream prefix",
                                               "back to client", "re-entry below client",
                                               "character references", "white space in attributes",
                                               "two prefixes of one namespace"):
        pytest.skip("the reference changes it on the way")
    payload, means = EXACT[name]
    sender, receiver = alice.ready(transport), bob.ready("tls")
    if name == "prefix from the stanza":
        sender.send("<message to='%s' id='exact' xmlns:z='urn:z'><x xmlns='u' z:k='v'><z:y/></x>"
                    "</message>" % receiver.jid)
        means = "<x xmlns='u' xmlns:z='urn:z' z:k='v'><z:y/></x>"
    else:
        sender.send("<message to='%s' id='exact'>%s</message>" % (receiver.jid, payload))
    got = without_id(receiver.wait("message", id="exact"), bob)
    want = ET.fromstring("<message xmlns='jabber:client'>%s</message>" % (means or payload))
    got.attrib.clear()
    assert same(got, want), "%s\n%s" % (ET.tostring(got, "unicode"), ET.tostring(want, "unicode"))


def random_tree(rng, depth=0):
    """An element as text, with everything that a writer can get wrong."""
    uris = ["urn:a", "urn:b", "urn:c'd\"e&f", "jabber:client", "http://x/?a=1&b=2"]
    texts = ["", "x", " & ", "<", ">", "]]>", "\r", "\n\t", "'\"", ASTRAL, "\u00e9", "\ud7ff",
             "\ue000", "\u0085", "\u2028", "a" * 300]
    prefix = rng.choice(["", "p", "q"])
    uri = rng.choice(uris)
    name = (prefix + ":" if prefix else "") + rng.choice(["a", "body", "x-y", "\u00e4"])
    attrs = {"xmlns" + (":" + prefix if prefix else ""): uri}
    for key in rng.sample(["k", "l", "to", "id"], rng.randrange(3)):
        attrs[key] = rng.choice(texts)
    if rng.random() < 0.3:
        attrs["xmlns:w"] = rng.choice(uris)
        attrs["w:k"] = rng.choice(texts)
    inner = ""
    for _ in range(rng.randrange(4) if depth < 5 else 0):
        inner += escape(rng.choice(texts)) + random_tree(rng, depth + 1)
    inner += escape(rng.choice(texts))
    text = "".join(" %s='%s'" % (key, escape(value).replace("\n", "&#10;").replace("\t", "&#9;"))
                   for key, value in attrs.items())
    return "<%s%s>%s</%s>" % (name, text, inner, name)


@pytest.mark.ours
@pytest.mark.parametrize("seed", [1, 2, 3, 4])
def test_random_trees_arrive_as_written(alice, bob, seed):
    rng = random.Random(seed)
    sender, receiver = alice.ready("tls"), bob.ready("ws")
    for i in range(60):
        payload = random_tree(rng)
        sender.send("<message to='%s' id='r%d'>%s</message>" % (receiver.jid, i, payload))
        got = without_id(receiver.wait("message", id="r%d" % i), bob)
        want = ET.fromstring("<message xmlns='jabber:client'>%s</message>" % payload)
        got.attrib.clear()
        assert same(got, want), "seed %d, message %d:\n%s\n%s" % (
            seed, i, payload, ET.tostring(got, "unicode"))


@pytest.mark.ours
def test_language_of_the_stream(alice, bob, connect):
    """The sender's stream language goes with a stanza that has none."""
    sender = connect(alice.server, "plain")
    sender.open(xml__lang="de")
    assert sender.auth("PLAIN", alice.user, alice.password).tag == qname("sasl:success")
    sender.open(xml__lang="de")
    sender.bind()
    receiver = bob.ready()
    lang = "{http://www.w3.org/XML/1998/namespace}lang"
    sender.send("<message to='%s' id='l1'/>" % receiver.jid)
    assert receiver.wait("message", id="l1").get(lang) == "de"
    sender.send("<message to='%s' id='l2' xml:lang='fr'/>" % receiver.jid)
    assert receiver.wait("message", id="l2").get(lang) == "fr"


@pytest.mark.ours
def test_stanza_ids_cannot_be_forged(alice, bob):
    sender, receiver = alice.ready(), bob.ready()
    sid = "urn:xmpp:sid:0"
    sender.send("<message to='%s' id='sid'><stanza-id xmlns='%s' id='1' by='%s'/>"
                "<stanza-id xmlns='%s' id='2' by='%s'/><stanza-id xmlns='%s' id='3' by='other@x'/>"
                "<body>x</body></message>" % (receiver.jid, sid, bob.jid, sid, bob.jid, sid))
    got = receiver.wait("message", id="sid")
    by = [e.get("id") for e in got.findall("{%s}stanza-id" % sid) if e.get("by") == bob.jid]
    assert "1" not in by and "2" not in by


# -- a slow reader -----------------------------------------------------------------------

@pytest.mark.ours
def test_slow_reader_stops_nobody(alice, bob, account):
    """One that does not read is cut off or held within bounds; others chat on."""
    lazy = bob.ready("tls")
    sender = alice.ready("tls")
    third = account().ready("ws")
    server = alice.server
    before = server.resident_kib()
    for i in range(1000):
        sender.message(lazy.jid, "z" * 90000)
        # The sender reads: when the lazy one has been cut off, there are errors to take.
        assert sender.iq("get", "<ping xmlns='urn:xmpp:ping'/>").get("type") == "result"
        sender.taken("message")
        if i % 100 == 0:
            exchange(third, third, "chat goes on")
    exchange(sender, third, "sender is well")
    grown = server.resident_kib() - before
    assert server.sanitized() or grown < 32 * 1024, "%d KiB more for one lazy reader" % grown
