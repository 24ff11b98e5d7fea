# SPDX-License-Identifier: MIT
"""Searching in archives (XEP-0431): the same is found in both databases, and nothing is left of
what has been erased."""

import time

import pytest

from database import Database
from muc import create, enter
from raw import DEADLINE, condition, fresh
from test_archive import NS, Page, field, form, rsm, say
from test_archive import query_error as whole_error
from test_muc_history import query as room_query
from xmlstream import qname

FULLTEXT = "urn:xmpp:fulltext:0"
FIELD = "{%s}fulltext" % FULLTEXT
ON = {"archive": {"search": True}}
FIN = "{%s}fin" % NS

pytestmark = pytest.mark.ours


@pytest.fixture
def server(own_server):
    return own_server(settings=ON)


@pytest.fixture
def alice(server, make_account):
    return make_account(server, "alice")


@pytest.fixture
def bob(server, make_account):
    return make_account(server, "bob")


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;")


def query_error(client, inside, to=None):
    return whole_error(client, inside, to)[1]


def find(client, text, *fields, inside=""):
    """The bodies that are found."""
    return Page(client, form(field(FIELD, escaped(text)), *fields), inside).bodies


def terms(server):
    """All that the index has: its rows, and how many its own tables know of."""
    base = Database(server)
    return base.number("SELECT count(*) FROM archive_text")


def indexed(server, term):
    """How many messages have this term, by the index itself."""
    base = Database(server)
    if base.pgsql:
        return base.number(
            "SELECT count(*) FROM archive_text WHERE array_to_tsvector(array_remove("
            "string_to_array(terms, ' '), '')) @@ %s::tsquery", term)
    return base.number("SELECT count(*) FROM archive_words WHERE archive_words MATCH %s", term)


def first_term(server, bare):
    base = Database(server)
    return base.rows("SELECT t.terms FROM archive_text t JOIN account a ON a.owner = t.owner"
                     " WHERE a.name = %s ORDER BY t.id LIMIT 1", bare.split("@")[0])[0][0].split()[0]


def whole(server, host="localhost"):
    """Waits until all archives of the host are indexed."""
    deadline = time.monotonic() + DEADLINE
    while not server.ctl_json("archive", "index", host)["whole"]:
        assert time.monotonic() < deadline


def features(client, to):
    info = client.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to)
    return {f.get("var") for f in info.iter(qname("info:feature"))}


def fields(client):
    return {f.get("var") for f in client.iq("get", "<query xmlns='%s'/>" % NS).iter(
        "{jabber:x:data}field")}


def test_only_where_it_is_on(own_server, make_account, alice):
    assert FULLTEXT in features(alice.ready(), "alice@localhost")
    assert {FIELD, "withtext"} <= fields(alice.ready())
    off = own_server()
    client = make_account(off, "alice").ready()
    assert FULLTEXT not in features(client, client.bare)
    assert not {FIELD, "withtext"} & fields(client)
    for name in (FIELD, "withtext"):
        assert query_error(client, form(field(name, "x"))) == "feature-not-implemented"
    say(client, client, "nothing is kept of this")
    assert terms(off) == 0
    assert off.ctl("archive", "index", "localhost").returncode == 1


SAID = ["Hello, World!", "hello again", "Straße nach Łódź", "Crème brûlée", "don't do it",
        "日本語の本", "本日", "see example.org/a-b", "一 二", "ΣΊΣΥΦΟΣ", "😀 fun",
        "one two three two one", "word " * 300 + "end"]


FOUND = {
    "hello": [0, 1],
    "HELLO world": [0],
    "world hello": [0],
    "hello nobody": [],
    "hell": [],
    "strasse lodz": [2],
    "creme BRULEE": [3],
    "don't": [4],
    "dont": [],
    "日本": [5],
    "本": [5, 6],
    "本日": [6],
    "語　本": [5],
    "example.org": [7],
    "org.example": [],
    "a b": [7],
    "a-b": [7],
    "一二": [8],
    "σίσυφος": [9],
    "😀": [10],
    '"two three"': [11],
    '"three one"': [],
    '"one two" one': [11],
    '"two one': [11],
    '""""one': [11],
    "end": [12],
    "word end": [12],
    '"word end"': [12],
    '"end word"': [],
}


def test_what_is_found(alice, bob):
    a, b = alice.ready(), bob.ready()
    say(a, b, *SAID)
    for text, places in FOUND.items():
        for client in (a, b):
            assert find(client, text) == [SAID[i] for i in places], text
        assert Page(a, form(field("withtext", escaped(text)))).bodies == [SAID[i] for i in places]
    assert len(find(a, "")) == len(SAID)
    assert Page(a, form(field(FIELD, "hello"), field("withtext", "again"))).bodies == [SAID[1]]


# What means something to one database or the other.
HOSTILE = ["hello NEAR world", "hello OR nobody", "NOT hello", "hello*", "terms: hello", "hello:*",
           "hello & !nobody", "hello | nobody", "(hello)", "'hello'", "\\hello", "^hello", "{hello}",
           "hello -nobody", "hello + world", "%hello%", "hello); DROP TABLE archive; --", "$1 hello",
           "&hello;", "hello\u202e"]


def test_nothing_is_syntax(alice, bob):
    a, b = alice.ready(), bob.ready()
    say(a, b, "hello", "near or not world nobody")
    for text in HOSTILE:
        assert set(find(a, text)) <= {"hello"}, text
    for text in ("hello*", "(hello)", "'hello'", "\\hello", "^hello", "%hello%", "{hello}"):
        assert find(a, text) == ["hello"], text
    for text in ("hello OR nobody", "hello NEAR world", "NOT hello"):
        assert find(a, text) == [], text
    assert find(a, "OR NOT near") == ["near or not world nobody"]
    assert len(Page(a).bodies) == 2


def test_hostile_forms(alice, bob):
    a = alice.ready()
    say(a, bob.ready(), "hello")
    for text in ("*", '"', '""', " . ", "&amp;&lt;", "\u0301", "' --"):
        assert query_error(a, form(field(FIELD, text))) == "bad-request", text
    assert query_error(a, form(field(FIELD, "word " * 65))) == "bad-request"
    assert find(a, "hello " * 64) == ["hello"]
    for text in ("word " * 10000, "x" * 5000, "日" * 400):
        assert query_error(a, form(field(FIELD, text))) in ("not-acceptable", "bad-request")
    two = "<field var='%s'><value>hello</value><value>hello</value></field>" % FIELD
    assert condition(a.iq("set", "<query xmlns='%s'>%s</query>" % (NS, form(two)))) is not None
    assert find(a, "hello") == ["hello"]


def test_with_other_filters(alice, bob, server, make_account):
    a, b, c = alice.ready(), bob.ready(), make_account(server, "carol").ready()
    for i in range(12):
        say(a, b if i % 2 else c, "number %d %s" % (i, "odd" if i % 2 else "even"))
    everything = Page(a)
    assert find(a, "number", field("with", "bob@localhost")) == everything.bodies[1::2]
    assert find(a, "number", field("with", c.jid)) == everything.bodies[::2]
    assert find(a, "odd", field("with", c.jid)) == []
    at = [int(row[0]) for row in Database(server).rows(
        "SELECT at FROM archive JOIN account USING (owner) WHERE name = %s ORDER BY id", "alice")]
    exact = ["%s.%06dZ" % (s[:19], t % 1000000) for s, t in zip(everything.stamps, at)]
    assert find(a, "number", field("start", exact[3]), field("end", exact[5])) \
        == everything.bodies[3:6]
    assert find(a, "number", field("start", "9999-01-01T00:00:00Z")) == []
    assert find(a, "number", field("end", "2001-01-01T00:00:00Z")) == []
    assert find(a, "odd", field("after-id", everything.ids[3])) == everything.bodies[5::2]
    assert find(a, "even", field("before-id", everything.ids[3])) == everything.bodies[0:3:2]
    assert find(a, "even", field("ids", *everything.ids[:3])) == everything.bodies[0:3:2]
    page = Page(a, form(field(FIELD, "number")), rsm(5))
    assert page.bodies == everything.bodies[:5] and not page.complete and page.count is None
    page = Page(a, form(field(FIELD, "number")), rsm(5, after=page.last))
    assert page.bodies == everything.bodies[5:10] and not page.complete
    page = Page(a, form(field(FIELD, "number")), rsm(5, after=page.last))
    assert page.bodies == everything.bodies[10:] and page.complete
    page = Page(a, form(field(FIELD, "odd")), rsm(2, before=""))
    assert page.bodies == everything.bodies[9::2] and not page.complete
    page = Page(a, form(field(FIELD, "odd")), rsm(4, before=page.first))
    assert page.bodies == everything.bodies[1:9:2] and page.complete
    page = Page(a, form(field(FIELD, "odd")), rsm(2, before=""), flip=True)
    assert page.bodies == everything.bodies[11:8:-2]
    assert Page(a, form(field(FIELD, "odd")), rsm(0)).count == 6
    assert Page(a, form(field(FIELD, "nothing")), rsm(0)).count == 0
    assert query_error(a, form(field(FIELD, "odd")) + rsm(2, after="nonsense")) == "item-not-found"
    assert query_error(a, form(field(FIELD, "odd"), field("ids", everything.ids[0][:-1] + "0"))) \
        == "item-not-found"
    assert find(b, "number") == everything.bodies[1::2]
    assert query_error(a, form(field(FIELD, "odd")), "bob@localhost") == "forbidden"


def places(n):
    return ("<body>swordfish" + "." * n + "</body><fallback xmlns='urn:xmpp:fallback:0'>" + "".join(
        "<body start='%d' end='%d'/>" % (9 + i, 10 + i) for i in range(n)) + "</fallback>")


def languages(n):
    return "".join("<body xml:lang='x%d'>x</body>" % i for i in range(n)) + (
        "<body>swordfish</body>")


KEPT = {
    "normal": ("<body>swordfish</body>", True),
    "subject": ("<subject>swordfish</subject><body>x</body>", True),
    "languages": ("<body>x</body><body xml:lang='de'>swordfish</body>", True),
    "all fallback": ("<body>swordfish</body><fallback xmlns='urn:xmpp:fallback:0'/>", False),
    "its body": ("<body>swordfish</body><fallback xmlns='urn:xmpp:fallback:0'><body/></fallback>",
                 False),
    "its subject": ("<subject>swordfish</subject><body>x</body><fallback xmlns="
                    "'urn:xmpp:fallback:0'><subject/></fallback>", False),
    "quoted": ("<body>> ü swordfish\nyes</body><fallback xmlns='urn:xmpp:fallback:0'>"
               "<body start='0' end='13'/></fallback>", False),
    "behind": ("<body>> ünd\nswordfish</body><fallback xmlns='urn:xmpp:fallback:0'>"
               "<body start='0' end='6'/></fallback>", True),
    "omemo": ("<body>swordfish</body><encrypted xmlns='eu.siacs.conversations.axolotl'/>", False),
    "eme": ("<body>swordfish</body><encryption xmlns='urn:xmpp:eme:0' namespace='urn:x'/>", False),
    "other": ("<body>x</body><y xmlns='urn:x'><body>swordfish</body></y>", False),
    "across": ("<subject>sword</subject><body>fish</body>", False),
    # a megabyte of either must not keep the server busy
    "16 places": (places(16), True),
    "17 places": (places(17), False),
    "16 languages": (languages(15), True),
    "17 languages": (languages(16), False),
    "late": ("<body>%s swordfish</body>" % ("." * 65000), True),
    "too late": ("<body>%s swordfish</body>" % ("." * 66000), False),
    "too late together": ("<subject>%s</subject><body>%s swordfish</body>" % (
        "." * 33000, "." * 33000), False),
}


def test_what_is_indexed(alice, bob):
    a, b = alice.ready(), bob.ready()
    for inside, _ in KEPT.values():
        id_ = fresh("m")
        a.send("<message id='%s' type='chat' to='%s'>%s</message>" % (id_, b.jid, inside))
        b.wait("message", id=id_)
    page = Page(b, form(field(FIELD, "swordfish")))
    everything = Page(b)
    assert [everything.ids.index(i) for i in page.ids] == [
        i for i, (_, kept) in enumerate(KEPT.values()) if kept]
    assert find(b, '"sword fish"') == [] and len(find(b, "sword fish")) == 1


def retract(a, b, id_):
    name = fresh("r")
    a.send("<message id='%s' type='chat' to='%s'><retract xmlns='urn:xmpp:message-retract:1'"
           " id='%s'/></message>" % (name, b.jid, id_))
    b.wait("message", id=name)
    a.barrier(b)


def test_nothing_remains(server, alice, bob):
    a, b = alice.ready(), bob.ready()
    id_ = a.message(b.jid, "swordfish")
    b.wait("message", id=id_)
    say(a, b, "another", "swordfish")
    term = first_term(server, b.bare)
    assert terms(server) == 6 and indexed(server, term) == 2
    retract(a, b, id_)
    assert find(a, "swordfish") == find(b, "swordfish") == ["swordfish"]
    assert indexed(server, term) == 1
    # nobody's word is in the index, whatever it forgets and when
    base = Database(server)
    assert "swordfish" not in str(base.rows("SELECT terms FROM archive_text"))
    if not base.pgsql:
        words = b"".join(bytes(row[0]) for row in base._sqlite.execute(
            "SELECT block FROM archive_words_data"))
        assert words and b"swordfish" not in words and term.encode() in words
    server.ctl_ok("archive", "trim", "bob@localhost", "2126-01-01T00:00:00Z")
    assert indexed(server, term) == 0 and terms(server) == 2
    server.ctl_ok("deluser", "alice@localhost")
    assert terms(server) == 0
    assert base.number("SELECT count(*) FROM archive_indexed WHERE owner NOT IN"
                       " (SELECT owner FROM account)") == 0


def test_hidden_rows_are_not_indexed(server, alice, bob):
    a = alice.ready()
    bob.ready().close()
    a.send("<message type='chat' to='bob@localhost'><body>swordfish</body>"
           "<no-permanent-store xmlns='urn:xmpp:hints'/></message>")
    deadline = time.monotonic() + DEADLINE
    while not Database(server).number("SELECT count(*) FROM archive WHERE flags = 3"):
        assert time.monotonic() < deadline
    assert terms(server) == 0


def test_an_archive_from_before(own_server, make_account):
    server = own_server()
    alice, bob = make_account(server, "alice"), make_account(server, "bob")
    a, b = alice.ready(), bob.ready()
    say(a, b, *("number %d" % i for i in range(250)))
    gone = a.message(b.jid, "swordfish")
    b.wait("message", id=gone)
    retract(a, b, gone)
    a.close()
    b.close()
    assert terms(server) == 0
    server.write_conf(ON)
    server.restart()
    whole(server)
    assert terms(server) == 500
    a, b = alice.ready(), bob.ready()
    for client in (a, b):
        assert Page(client, form(field(FIELD, "number")), rsm(0)).count == 250
        assert find(client, "number 17") == ["number 17"]
        assert find(client, "swordfish") == []
    # whatever is said while it is off is found when it is on again, and nothing counts twice
    a.close()
    b.close()
    server.write_conf({"archive": {"search": False}})
    server.restart()
    a = alice.ready()
    say(a, a, "number off")
    assert terms(server) == 500
    a.close()
    server.write_conf(ON)
    server.restart()
    whole(server)
    a = alice.ready()
    assert find(a, "off") == ["number off"]
    term = first_term(server, a.bare)
    assert indexed(server, term) == 251
    assert terms(server) == 501
    # and goes where it is not wanted any more
    assert server.ctl("archive", "unindex", "localhost").returncode == 1
    server.write_conf({"archive": {"search": False}})
    server.restart()
    assert server.ctl_json("archive", "unindex", "localhost")["erased"] == 501
    assert terms(server) == 0
    assert indexed(server, term) == 0


def stable(client):
    """Does the server stand by what it has found?"""
    answer = client.iq("set", "<query xmlns='%s'>%s</query>" % (NS, form(field(FIELD, "swordfish"))))
    return answer.find(FIN).get("stable", "true") == "true"


def test_again(server, alice, bob):
    a, b = alice.ready(), bob.ready()
    say(a, b, "swordfish")
    whole(server)
    assert stable(a)
    base = Database(server)
    base.run(["DELETE FROM archive_text"])
    if not base.pgsql:  # nobody writes meanwhile, so it cannot be done yet
        base._sqlite.execute("BEGIN IMMEDIATE")
    server.ctl_ok("archive", "index", "localhost", "--again")
    if not base.pgsql:
        assert not stable(a)
        base._sqlite.rollback()
    whole(server)
    assert stable(a) and find(a, "swordfish") == ["swordfish"]
    assert terms(server) == 2


def test_rooms(server, alice, bob):
    a = create(alice)
    b = enter(bob, a.room, "b")
    for text in ("first swordfish", "second", "Swordfish again"):
        a.say(text)
        a.hears(text)
        b.hears(text)
    assert FULLTEXT in features(a.client, a.room)
    answer, found = room_query(b.client, a.room, field(FIELD, "swordfish"))
    assert answer.get("type") == "result"
    assert [r.find("{urn:xmpp:forward:0}forwarded").find(qname("message")).findtext(qname("body"))
            for r in found] == ["first swordfish", "Swordfish again"]
    answer, found = room_query(a.client, a.room, field(FIELD, "second"), "<max>0</max>")
    assert answer.find(".//{http://jabber.org/protocol/rsm}count").text == "1"
