# SPDX-License-Identifier: MIT
"""Entity capabilities (XEP-0115)."""

import base64
import hashlib

import pytest

from raw import condition
from slix import talk
from xmlstream import NS, qname

CAPS = "http://jabber.org/protocol/caps"
C = "{%s}c" % CAPS
X = "{jabber:x:data}"


def info(client, to, node=None):
    node = " node='%s'" % node if node else ""
    return client.iq("get", "<query xmlns='%s'%s/>" % (NS["info"], node), to)


def text_of(query):
    """The text of section 5.1, made without a look at the server's."""
    parts = sorted("%s/%s/%s/%s" % (i.get("category"), i.get("type"), "", i.get("name") or "")
                   for i in query.iter(qname("info:identity")))
    parts += sorted(f.get("var") for f in query.iter(qname("info:feature")))
    forms = []
    for x in query.iter(X + "x"):
        fields = {f.get("var"): sorted(v.text or "" for v in f.iter(X + "value"))
                  for f in x.iter(X + "field")}
        type_ = fields.pop("FORM_TYPE")[0]
        forms.append((type_, sorted(fields.items())))
    for type_, fields in sorted(forms):
        parts.append(type_)
        for var, values in fields:
            parts += [var, *values]
    return "".join(part + "<" for part in parts)


def hash_of(query):
    return base64.b64encode(hashlib.sha1(text_of(query).encode()).digest()).decode()


@pytest.mark.quick
def test_hash_of_the_server(alice, transport):
    client = alice.login(transport)
    c = client.features.find(C)
    assert c is not None and c.get("hash") == "sha-1"
    node = "%s#%s" % (c.get("node"), c.get("ver"))
    answer = info(client, alice.host, node)
    query = answer.find(qname("info:query"))
    assert query.get("node") == node
    assert hash_of(query) == c.get("ver")
    whole = info(client, alice.host).find(qname("info:query"))
    assert text_of(whole) == text_of(query) and whole.get("node") is None


@pytest.mark.ours
def test_offered_after_login_only(alice, connect, server):
    client = connect(server, "tls")
    assert client.open().find(C) is None
    assert alice.login("tls").features.find(C) is not None


@pytest.mark.ours
def test_other_nodes(alice):
    client = alice.login()
    c = client.features.find(C)
    for node in (c.get("node"), c.get("node") + "#", c.get("node") + "#AAAA", "#" + c.get("ver"),
                 "x" + c.get("node") + "#" + c.get("ver")):
        assert condition(info(client, alice.host, node)) == ("cancel", "item-not-found")
    own = "%s#%s" % (c.get("node"), c.get("ver"))
    assert condition(info(client, alice.jid, own)) == ("cancel", "item-not-found")
    items = client.iq("get", "<query xmlns='%s' node='%s'/>" % (NS["items"], own), alice.host)
    assert condition(items) == ("cancel", "item-not-found")


@pytest.mark.ours
def test_other_modules_other_hash(own_server, make_account):
    server = own_server(settings={("host", "example.test"): {
        "caps": {"node": "https://example.test/?a&b='c'<d"}, "disco": {"name": "Our & <chat>"}}})
    one = make_account(server).login()
    other = make_account(server, host="example.test").login()
    c = other.features.find(C)
    assert c.get("node") == "https://example.test/?a&b='c'<d"
    assert c.get("ver") != one.features.find(C).get("ver")
    query = info(other, "example.test").find(qname("info:query"))
    assert query.find(qname("info:identity")).get("name") == "Our & <chat>"
    assert hash_of(query) == c.get("ver")


@pytest.mark.ours
def test_client_is_asked_once(own_server, make_account):
    """With its own node; the next one with this hash is not."""
    server = own_server()
    one, other = make_account(server).login(), make_account(server).login()
    text = "client/pc//Raw<urn:test<"
    ver = base64.b64encode(hashlib.sha1(text.encode()).digest()).decode()
    c = "<presence><c xmlns='%s' hash='sha-1' node='urn:raw' ver='%s'/></presence>" % (CAPS, ver)
    one.send(c)
    question = one.wait("iq", child="info:query", type="get", from_="localhost")
    assert question.find(qname("info:query")).get("node") == "urn:raw#" + ver
    one.send("<iq type='result' id='%s' to='localhost'><query xmlns='%s' node='urn:raw#%s'>"
             "<identity category='client' type='pc' name='Raw'/><feature var='urn:test'/></query>"
             "</iq>" % (question.get("id"), NS["info"], ver))
    one.barrier(one)
    other.send(c)
    events = other.barrier(other)
    assert not [e for e in events if e.tag == qname("iq")]


@pytest.mark.ours
def test_slixmpp(alice):
    """slixmpp's own sum of what the server says."""
    async def scenario(client):
        answer = await client["xep_0030"].get_info(alice.host)
        return client["xep_0115"].generate_verstring(answer["disco_info"], "sha-1")
    ver = talk(alice, ["xep_0030", "xep_0115"], scenario)
    assert ver == alice.login().features.find(C).get("ver")
