# SPDX-License-Identifier: MIT
"""Private XML Storage (XEP-0049)."""

import xml.etree.ElementTree as ET

import pytest

from raw import condition
from slix import talk
from xmlstream import qname, same

PRIVATE = "{jabber:iq:private}query"


def store(client, *elements, to=None):
    return client.iq("set", "<query xmlns='jabber:iq:private'>%s</query>" % "".join(elements), to)


def ask(client, *elements, to=None):
    return client.iq("get", "<query xmlns='jabber:iq:private'>%s</query>" % "".join(elements), to)


def stored(client, empty):
    answer = ask(client, empty)
    assert answer.get("type") == "result", ET.tostring(answer)
    found = list(answer.find(PRIVATE))
    assert len(found) == 1
    return found[0]


def note(text, name="note", ns="urn:example:notes"):
    return "<%s xmlns='%s'>%s</%s>" % (name, ns, text, name)


def test_advertised(alice):
    info = alice.ready().iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>",
                            alice.host)
    assert "jabber:iq:private" in {f.get("var") for f in info.iter(qname("info:feature"))}


@pytest.mark.quick
def test_what_was_stored_comes_back(alice, transport):
    xml = ("<storage xmlns='storage:bookmarks' xmlns:o='urn:o' o:x='1'><conference jid='r@c.test'"
           " name='&quot;\u2603&apos; &lt;&amp;&gt;' autojoin='true'><nick>\U0001F426 ]]&gt; x</nick>"
           "<o:more/></conference> tail <url name='n' url='http://a.test/?a=1&amp;b=2'/></storage>")
    client = alice.login(transport)
    assert len(stored(client, "<storage xmlns='storage:bookmarks'/>")) == 0
    assert store(client, xml).get("type") == "result"
    assert same(stored(client, "<storage xmlns='storage:bookmarks'/>"), ET.fromstring(xml))
    client.end()
    client = alice.login()
    assert same(stored(client, "<storage xmlns='storage:bookmarks'/>"), ET.fromstring(xml))


@pytest.mark.ours
@pytest.mark.quick
def test_replace_and_erase(alice):
    client = alice.login()
    store(client, note("one"))
    store(client, note("two"), note("other", ns="urn:example:other"))
    assert stored(client, note("")).text == "two"
    assert stored(client, note("", ns="urn:example:other")).text == "other"
    assert store(client, note("")).get("type") == "result"
    assert not stored(client, note("")).text
    assert stored(client, note("", ns="urn:example:other")).text == "other"


BAD = {
    "get nothing": ("get", "", {"bad-request"}),
    "get two": ("get", note("", "a") + note("", "b"), {"bad-request"}),
    "get without a namespace": ("get", "<a/>", {"not-acceptable"}),
    "set nothing": ("set", "", {"not-acceptable"}),
    "set only text": ("set", "text", {"not-acceptable"}),
    "set without a namespace": ("set", "<a>x</a>", {"not-acceptable"}),
    "set twice": ("set", note("1") + note("2"), {"not-acceptable"}),
    "long key": ("set", note("1", "n" * 1024), {"not-acceptable"}),
    "too many at once": ("set", "".join(note("1", "n%d" % i) for i in range(65)),
                         {"not-acceptable"}),
    "too large": ("set", note("x" * 300000), {"policy-violation"}),
}


@pytest.mark.ours
@pytest.mark.parametrize("name", BAD)
def test_bad_request(alice, name):
    client = alice.login()
    store(client, note("kept"))
    kind, payload, conditions = BAD[name]
    answer = client.iq(kind, "<query xmlns='jabber:iq:private'>%s</query>" % payload)
    assert condition(answer)[1] in conditions
    assert stored(client, note("")).text == "kept"


@pytest.mark.ours
def test_bounds_hold_for_all_together(own_server, make_account):
    server = own_server(settings={"private": {"max_items": 3, "max_bytes": "2k"}})
    client = make_account(server).login()
    assert store(client, note("x" * 1500, "big")).get("type") == "result"
    assert condition(store(client, note("x" * 600, "more")))[1] == "policy-violation"
    assert store(client, note("x" * 600, "big")).get("type") == "result"
    assert store(client, note("x" * 600, "more")).get("type") == "result"
    assert store(client, note("x", "third")).get("type") == "result"
    assert condition(store(client, note("x", "fourth")))[1] == "policy-violation"
    assert not stored(client, note("", "fourth")).text
    assert store(client, note("", "third"), note("x", "fourth")).get("type") == "result"


@pytest.mark.ours
def test_private(alice, bob):
    one, other = alice.login(), bob.login()
    store(one, note("secret"))
    assert condition(ask(other, note(""), to=alice.jid)) == ("cancel", "service-unavailable")
    assert condition(store(other, note("evil"), to=alice.jid)) == ("cancel", "service-unavailable")
    assert not stored(other, note("")).text
    assert stored(one, note("")).text == "secret"


@pytest.mark.ours
def test_survives_the_server_and_goes_with_the_account(own_server, make_account):
    server = own_server()
    alice = make_account(server)
    store(alice.login(), note("kept"))
    server.restart()
    assert stored(alice.login(), note("")).text == "kept"
    server.ctl_ok("deluser", alice.jid)
    server.ctl_ok("adduser", "--force", alice.jid, stdin=alice.password + "\n")
    assert not stored(alice.login(), note("")).text


@pytest.mark.ours
def test_slixmpp(alice):
    async def scenario(client):
        from slixmpp.plugins.xep_0048.stanza import Bookmarks
        plugin, bookmarks = client["xep_0048"], Bookmarks()
        bookmarks.add_conference("room@conference.example.test", "alice", autojoin=True)
        await plugin.set_bookmarks(bookmarks, method="xep_0049")
        answer = await plugin.get_bookmarks(method="xep_0049")
        return [str(c["jid"]) for c in answer["private"]["bookmarks"]["conferences"]]
    assert talk(alice, ["xep_0048", "xep_0049", "xep_0223"], scenario) == [
        "room@conference.example.test"]
