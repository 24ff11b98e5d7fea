# SPDX-License-Identifier: MIT
"""Archives of accounts (XEP-0313) and what they keep (XEP-0441)."""

import xml.etree.ElementTree as ET

import pytest

from database import Database
from raw import condition, fresh
from slix import talk
from xmlstream import qname

NS = "urn:xmpp:mam:2"
MAM = "{%s}" % NS
RSM = "{http://jabber.org/protocol/rsm}"
SID = "{urn:xmpp:sid:0}stanza-id"
FORWARDED = "{urn:xmpp:forward:0}forwarded"
DELAY = "{urn:xmpp:delay}delay"
MODULES = ["roster", "presence", "message", "disco", "carbons", "archive", "blocking"]

pytestmark = pytest.mark.ours


@pytest.fixture
def server(own_server):
    server = own_server(settings={("host", name): {"modules": MODULES}
                                  for name in ("localhost", "example.test")})
    return server


@pytest.fixture
def alice(server, make_account):
    return make_account(server, "alice")


@pytest.fixture
def bob(server, make_account):
    return make_account(server, "bob")


def field(var, *values):
    return "<field var='%s'>%s</field>" % (var, "".join("<value>%s</value>" % v for v in values))


def form(*fields):
    return ("<x xmlns='jabber:x:data' type='submit'>%s%s</x>"
            % (field("FORM_TYPE", NS), "".join(fields)))


def rsm(max=None, **other):
    inside = "<max>%d</max>" % max if max is not None else ""
    inside += "".join("<%s>%s</%s>" % (k, v, k) for k, v in other.items())
    return "<set xmlns='http://jabber.org/protocol/rsm'>%s</set>" % inside


class Page:
    """What a query brought."""

    def __init__(self, client, *inside, to=None, flip=False):
        self.name = fresh("q")
        inside = "".join(inside) + ("<flip-page/>" if flip else "")
        answer = client.iq("set", "<query xmlns='%s' queryid='%s'>%s</query>"
                           % (NS, self.name, inside), to)
        assert answer.get("type") == "result", ET.tostring(answer)
        fin = answer.find(MAM + "fin")
        set_ = fin.find(RSM + "set")
        self.complete = fin.get("complete") == "true"
        self.first, self.last = set_.findtext(RSM + "first"), set_.findtext(RSM + "last")
        count = set_.findtext(RSM + "count")
        self.count = None if count is None else int(count)
        self.ids, self.messages, self.stamps = [], [], []
        for event in list(client.events):
            result = event.find(MAM + "result") if hasattr(event, "find") else None
            if result is None or result.get("queryid") != self.name:
                continue
            assert event.get("from") == client.bare and event.get("to") == client.jid
            client.events.remove(event)
            inner = result.find(FORWARDED)
            self.ids.append(result.get("id"))
            self.stamps.append(inner.find(DELAY).get("stamp"))
            self.messages.append(inner.find(qname("message")))

    @property
    def bodies(self):
        return [m.findtext(qname("body")) for m in self.messages]


def query_error(client, inside, to=None):
    return condition(client.iq("set", "<query xmlns='%s'>%s</query>" % (NS, inside), to))


def say(a, b, *bodies):
    """From a to b, and it has arrived."""
    for body in bodies:
        b.wait("message", id=a.message(b.jid, body))


def test_advertised(alice):
    client = alice.ready()
    info = client.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", client.bare)
    assert {NS, NS + "#extended", "urn:xmpp:sid:0"} <= {
        f.get("var") for f in info.iter(qname("info:feature"))}


def test_both_sides_and_ids(alice, bob, transport):
    a, b = alice.ready(transport), bob.ready()
    body = "\u2603 & < ' \" ]]> \U0001F426"
    id_ = a.message(b.jid, body)
    got = b.wait("message", id=id_)
    sids = got.findall(SID)
    assert [s.get("by") for s in sids] == [b.bare]
    for client, own in ((a, None), (b, sids[0].get("id"))):
        page = Page(client)
        assert page.complete and page.count == 1 and page.bodies == [body]
        assert page.first == page.last == page.ids[0]
        message = page.messages[0]
        assert (message.get("from"), message.get("to"), message.get("id"), message.get("type")) \
            == (a.jid, b.jid, id_, "chat")
        assert own is None or page.ids[0] == own
        assert message.find(SID) is None
    assert Page(a).ids != Page(b).ids


def test_kept_across_a_restart_and_when_nobody_is_there(server, alice, bob):
    a = alice.ready()
    id_ = a.message("bob@localhost", "later")
    a.iq("get", "<query xmlns='jabber:iq:roster'/>")
    assert not [e for e in a.events if getattr(e, "get", lambda _: 0)("id") == id_]
    assert Page(a).bodies == ["later"]
    ids = Page(a).ids
    server.restart()
    b = bob.ready()
    assert Page(b).bodies == ["later"]
    assert Page(alice.ready()).ids == ids


KEPT = {
    "normal": ("", "<body>x</body>", True),
    "empty body": ("chat", "<body/>", True),
    "fallback": ("chat", "<body>x</body><fallback xmlns='urn:xmpp:fallback:0' for='urn:x'/>", True),
    "receipt": ("chat", "<received xmlns='urn:xmpp:receipts' id='1'/>", True),
    "omemo": ("chat", "<encrypted xmlns='urn:xmpp:omemo:2'/>", True),
    "reactions": ("chat", "<reactions xmlns='urn:xmpp:reactions:0' id='1'/>", True),
    "retraction": ("chat", "<retract xmlns='urn:xmpp:message-retract:1' id='1'/>", True),
    "displayed": ("", "<displayed xmlns='urn:xmpp:chat-markers:0' id='1'/>", True),
    "call": ("chat", "<propose xmlns='urn:xmpp:jingle-message:0' id='1'/>", True),
    "invitation": ("", "<x xmlns='jabber:x:conference' jid='r@c.test'/>", True),
    "mediated": ("", "<x xmlns='http://jabber.org/protocol/muc#user'><invite/></x>", True),
    "hint": ("chat", "<store xmlns='urn:xmpp:hints'/>", True),
    "chat state": ("chat", "<composing xmlns='http://jabber.org/protocol/chatstates'/>", False),
    "markable": ("chat", "<markable xmlns='urn:xmpp:chat-markers:0'/>", False),
    "request": ("chat", "<request xmlns='urn:xmpp:receipts'/>", False),
    "occupant": ("", "<x xmlns='http://jabber.org/protocol/muc#user'/>", False),
    "headline": ("headline", "<body>x</body>", False),
    "groupchat": ("groupchat", "<body>x</body>", False),
    "no-store": ("chat", "<body>x</body><no-store xmlns='urn:xmpp:hints'/>", False),
    "not for ever": ("chat", "<body>x</body><no-permanent-store xmlns='urn:xmpp:hints'/>", False),
    "both hints": ("chat", "<store xmlns='urn:xmpp:hints'/><no-store xmlns='urn:xmpp:hints'/>",
                   False),
}


def test_what_is_kept(alice, bob):
    a, b = alice.ready(), bob.ready()
    for name, (kind, inside, kept) in KEPT.items():
        type_ = " type='%s'" % kind if kind else ""
        a.send("<message to='%s' id='%s'%s>%s</message>" % (b.jid, name, type_, inside))
        got = b.wait("message", id=name)
        assert (got.find(SID) is not None) == kept, name
    expected = [name for name, case in KEPT.items() if case[2]]
    for client in (a, b):
        assert [m.get("id") for m in Page(client).messages] == expected
    a.send("<message to='%s/gone' id='z'><body>x</body></message>" % b.bare)
    assert condition(a.wait("message", id="z"))[1] == "service-unavailable"
    assert Page(b).count == len(expected)


def test_pages(alice, bob):
    a, b = alice.ready(), bob.ready()
    texts = ["m%d" % i for i in range(7)]
    say(a, b, *texts)
    everything = Page(a)
    assert everything.bodies == texts and everything.complete and everything.count == 7
    seen, after = [], None
    while True:
        page = Page(a, rsm(3, **({"after": after} if after else {})))
        assert page.count == 7
        seen.append(page.bodies)
        if page.complete:
            break
        after = page.last
    assert seen == [texts[:3], texts[3:6], texts[6:]]
    page = Page(a, rsm(3, before=""))
    assert page.bodies == texts[4:] and not page.complete
    assert (page.first, page.last) == (everything.ids[4], everything.ids[6])
    page = Page(a, rsm(3, before=page.first))
    assert page.bodies == texts[1:4] and not page.complete
    flipped = Page(a, rsm(3, before=everything.ids[4]), flip=True)
    assert flipped.bodies == texts[3:0:-1]
    assert (flipped.first, flipped.last) == (page.first, page.last)
    assert Page(a, rsm(3), flip=True).bodies == texts[2::-1]
    assert Page(a, rsm(3, before=everything.ids[1])).complete
    assert Page(a, rsm(7)).complete and not Page(a, rsm(6)).complete
    end = Page(a, rsm(3, after=everything.ids[6]))
    assert end.bodies == [] and end.complete and end.count == 7 and end.first is None
    count = Page(a, rsm(0))
    assert count.bodies == [] and count.count == 7
    assert count.complete is False


def test_filters(alice, bob, server, make_account):
    carol = make_account(server, "carol").ready()
    a, b = alice.ready(), bob.ready()
    say(a, b, "b1", "b2")
    say(a, carol, "c1")
    say(b, a, "b3")
    say(a, a, "self")
    whole = Page(a)
    ids, stamps = whole.ids, whole.stamps
    assert whole.bodies == ["b1", "b2", "c1", "b3", "self"]

    def bodies(*fields, page=""):
        got = Page(a, form(*fields), page)
        assert got.count is None
        return got.bodies
    assert bodies(field("with", b.bare)) == ["b1", "b2", "b3"]
    assert bodies(field("with", b.jid)) == ["b1", "b2", "b3"]
    assert bodies(field("with", b.bare + "/elsewhere")) == []
    assert bodies(field("with", a.bare)) == ["self"]
    assert bodies(field("with", b.bare.upper()), page=rsm(1, before="")) == ["b3"]
    assert bodies(field("with", b.bare), page=rsm(1, after=ids[0])) == ["b2"]
    assert bodies(field("after-id", ids[0]), field("before-id", ids[3])) == ["b2", "c1"]
    assert bodies(field("after-id", ids[0]), page=rsm(2, before="")) == ["b3", "self"]
    assert bodies(field("ids", ids[3], ids[0])) == ["b1", "b3"]
    assert bodies(field("ids", ids[3], ids[0]), field("with", carol.bare)) == []
    assert bodies(field("ids", ids[3], ids[0]), page=rsm(1, before="")) == ["b3"]
    # stamps have milliseconds, rows microseconds
    assert bodies(field("start", "2001-01-01T00:00:00Z")) == whole.bodies
    assert bodies(field("end", "2001-01-01T00:00:00Z")) == []
    assert bodies(field("start", "9999-01-01T00:00:00Z")) == []
    assert bodies(field("start", stamps[2])) == [
        t for t, s in zip(whole.bodies, stamps) if s >= stamps[2]]
    base = Database(server)
    at = [int(r[0]) for r in base.rows("SELECT at FROM archive JOIN account USING (owner)"
                                       " WHERE name = %s ORDER BY id", "alice")]
    exact = ["%s.%06dZ" % (s[:19], t % 1000000) for s, t in zip(stamps, at)]
    assert at == sorted(set(at))
    assert bodies(field("start", exact[1]), field("end", exact[3])) == ["b2", "c1", "b3"]
    assert bodies(field("start", exact[1]), field("end", exact[3]),
                  page=rsm(1, before="")) == ["b3"]
    for fields, count in ((field("with", b.bare), 3), (field("ids", *ids[:2]), 2),
                          (field("with", "x@y.test"), 0), (field("start", exact[1]), 4)):
        assert Page(a, form(fields), rsm(0)).count == count


BAD = {
    "unknown field": (form(field("{urn:x}search", "x")), "feature-not-implemented"),
    "no form type": ("<x xmlns='jabber:x:data' type='submit'>%s</x>" % field("with", "a@b.test"),
                     "bad-request"),
    "other form type": ("<x xmlns='jabber:x:data' type='submit'>%s</x>"
                        % field("FORM_TYPE", "urn:x"), "bad-request"),
    "two forms": (form() + form(), "bad-request"),
    "bad address": (form(field("with", "@")), "not-acceptable"),
    "bad time": (form(field("start", "yesterday")), "not-acceptable"),
    "no such id": (form(field("ids", "x")), "item-not-found"),
    "no such end": (form(field("before-id", "x")), "item-not-found"),
    "long id": (form(field("after-id", "x" * 3000)), "item-not-found"),
    "no such page": (rsm(5, after="AAAAAAAAAAAAAAAAAAAAAA"), "item-not-found"),
    "no number": (rsm(-1), "bad-request"),
    "by number": (rsm(5, index=3), "feature-not-implemented"),
    "too many ids": (form(field("ids", *["x%d" % i for i in range(101)])), "not-acceptable"),
}


def test_bad_queries(alice, bob):
    a, b = alice.ready(), bob.ready()
    say(a, b, "x")
    for name, (inside, expected) in BAD.items():
        assert query_error(a, inside)[1] == expected, name
    theirs = Page(b).ids[0]
    for inside in (rsm(5, after=theirs), rsm(5, before=theirs), form(field("ids", theirs)),
                   form(field("after-id", theirs))):
        assert query_error(a, inside)[1] == "item-not-found"
    assert query_error(a, "", b.bare)[1] == "forbidden"
    for kind, payload in (("get", "<query xmlns='%s'/>"), ("get", "<metadata xmlns='%s'/>"),
                          ("get", "<prefs xmlns='%s'/>"),
                          ("set", "<prefs xmlns='%s' default='never'/>")):
        assert condition(a.iq(kind, payload % NS, b.bare))[1] == "forbidden"
    answer = a.iq("set", "<query xmlns='%s' queryid='%s'/>" % (NS, "q" * 2000))
    assert condition(answer)[1] == "bad-request"
    assert Page(a).bodies == ["x"]


def test_ids_that_are_gone(server, alice, bob):
    a, b = alice.ready(), bob.ready()
    say(a, b, "0", "1", "2")
    ids = Page(a).ids
    Database(server).run(["DELETE FROM archive WHERE id = 2"])
    for inside in (rsm(5, after=ids[1]), rsm(5, before=ids[1]), form(field("ids", *ids)),
                   form(field("ids", ids[1])), form(field("before-id", ids[1]))):
        assert query_error(a, inside)[1] == "item-not-found"
    assert Page(a, rsm(5, after=ids[0])).bodies == ["2"]


def test_large_pages(alice, bob):
    a, b = alice.ready(), bob.ready()
    big = "x" * 90000
    for i in range(13):
        say(a, b, "%d " % i + big)
    page = Page(a)
    assert 1 < len(page.bodies) < 13 and not page.complete
    seen = list(page.bodies)
    while not page.complete:
        page = Page(a, rsm(50, after=page.last))
        seen += page.bodies
    assert [t.partition(" ")[0] for t in seen] == [str(i) for i in range(13)]
    page = Page(a, rsm(50, before=""))
    assert page.bodies[-1].startswith("12 ") and not page.complete


def test_at_most_a_hundred(alice, bob):
    a, b = alice.ready(), bob.ready()
    for i in range(120):
        a.message(b.jid, str(i))
    a.barrier(b)
    assert len(Page(a).bodies) == 50
    page = Page(a, rsm(1000))
    assert len(page.bodies) == 100 and not page.complete and page.count == 120
    assert page.bodies == [str(i) for i in range(100)]


def test_form_and_metadata(alice, bob):
    a, b = alice.ready(), bob.ready()
    answer = a.iq("get", "<query xmlns='%s'/>" % NS)
    fields = {f.get("var"): f for f in answer.iter("{jabber:x:data}field")}
    assert set(fields) == {"FORM_TYPE", "with", "start", "end", "before-id", "after-id", "ids"}
    assert fields["with"].get("type") == "jid-single"
    assert fields["ids"].find("{http://jabber.org/protocol/xdata-validate}validate") is not None
    assert not list(answer.iter("{jabber:x:data}required"))
    answer = a.iq("get", "<metadata xmlns='%s'/>" % NS)
    assert list(answer.find(MAM + "metadata")) == []
    say(a, b, "1", "2", "3")
    whole = Page(a)
    metadata = a.iq("get", "<metadata xmlns='%s'/>" % NS).find(MAM + "metadata")
    for name, i in (("start", 0), ("end", 2)):
        end = metadata.find(MAM + name)
        assert (end.get("id"), end.get("timestamp")) == (whole.ids[i], whole.stamps[i])


def set_prefs(client, default, always=(), never=()):
    lists = "".join("<%s>%s</%s>" % (name, "".join("<jid>%s</jid>" % j for j in jids), name)
                    for name, jids in (("always", always), ("never", never)))
    return client.iq("set", "<prefs xmlns='%s' default='%s'>%s</prefs>" % (NS, default, lists))


def prefs(answer):
    found = answer.find(MAM + "prefs")
    return (found.get("default"), [j.text for j in found.find(MAM + "always")],
            [j.text for j in found.find(MAM + "never")])


def test_preferences(server, alice, bob):
    a, b = alice.ready(), bob.ready()
    ask = "<prefs xmlns='%s'/>" % NS
    assert prefs(a.iq("get", ask)) == ("always", [], [])
    say(a, b, "1")
    assert prefs(set_prefs(a, "never")) == ("never", [], [])
    say(a, b, "no")
    set_prefs(a, "never", always=[b.bare.upper(), b.bare])
    assert prefs(a.iq("get", ask)) == ("never", [b.bare], [])
    say(a, b, "2")
    set_prefs(a, "always", never=[b.bare], always=[b.jid])
    say(a, b, "3")
    set_prefs(a, "always", never=[b.jid])
    say(b, a, "no")
    set_prefs(a, "roster")
    say(a, b, "no")
    a.iq("set", "<query xmlns='jabber:iq:roster'><item jid='%s'/></query>" % b.bare)
    say(a, b, "4")
    say(b, a, "5")
    assert Page(a).bodies == ["1", "2", "3", "4", "5"]
    assert Page(b).count == 8
    server.restart()
    a = alice.ready()
    assert prefs(a.iq("get", ask)) == ("roster", [], [])
    for bad in ("<prefs xmlns='%s'/>", "<prefs xmlns='%s' default='x'/>",
                "<prefs xmlns='%s' default='always'><never><jid>@</jid></never></prefs>",
                "<prefs xmlns='%s' default='always'><never><jid>a@b.c</jid></never>"
                "<always><jid>a@b.c</jid></always></prefs>",
                "<prefs xmlns='%s' default='always'><never>" + "".join(
                    "<jid>u%d@x.test</jid>" % i for i in range(201)) + "</never></prefs>"):
        assert condition(a.iq("set", bad % NS))[1] == "bad-request"
    assert prefs(a.iq("get", ask)) == ("roster", [], [])


def test_blocked_is_not_kept(alice, bob):
    a, b = alice.ready(), bob.ready()
    b.iq("set", "<block xmlns='urn:xmpp:blocking'><item jid='%s'/></block>" % a.bare)
    a.send("<message to='%s' id='x' type='chat'><body>x</body></message>" % b.jid)
    assert condition(a.wait("message", id="x", type="error"))[1] == "service-unavailable"
    assert Page(b).count == 0


def test_stats_and_erasing(server, alice, bob):
    a, b = alice.ready(), bob.ready()
    assert server.ctl_json("archive", "stats", a.bare) == {"messages": 0, "bytes": 0}
    say(a, b, "1", "2")
    page = Page(a)
    stats = server.ctl_json("archive", "stats", a.bare)
    assert stats["messages"] == 2 and 100 < stats["bytes"] < 1000
    assert (stats["oldest"], stats["newest"]) == (page.stamps[0], page.stamps[1])
    done = server.ctl("archive", "stats", "nobody@localhost")
    assert done.returncode != 0 and "no account" in done.stderr + done.stdout
    set_prefs(a, "always", never=["x@y.test"])
    a.end()
    server.ctl_ok("deluser", "alice@localhost")
    base = Database(server)
    for table in ("archive", "archive_owner", "archive_pref"):
        assert base.number("SELECT count(*) FROM %s WHERE owner NOT IN"
                           " (SELECT owner FROM account)" % table) == 0
    assert base.number("SELECT count(*) FROM archive") == 2


def test_slixmpp(alice, bob):
    a, b = alice.ready(), bob.ready()
    say(a, b, *["m%d" % i for i in range(25)])
    say(b, a, "last")

    async def scenario(client):
        mam = client["xep_0313"]
        found = []
        async for message in mam.iterate(with_jid=None, rsm={"max": 10}):
            found.append(message["mam_result"]["forwarded"]["stanza"]["body"])
        back = []
        async for message in mam.iterate(reverse=True, rsm={"max": 10}, total=12):
            back.append(message["mam_result"]["forwarded"]["stanza"]["body"])
        fields = await mam.get_fields()
        metadata = await mam.get_archive_metadata()
        return found, back, [f["var"] for f in fields], metadata["mam_metadata"]["start"]["id"]
    found, back, fields, start = talk(alice, ["xep_0313"], scenario)
    assert found == ["m%d" % i for i in range(25)] + ["last"]
    assert back[:3] == ["last", "m24", "m23"]
    assert "with" in fields
    assert start == Page(a).ids[0]
