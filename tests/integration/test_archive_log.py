# SPDX-License-Identifier: MIT
"""What the log promises: stored first, taken back (XEP-0424), told at login (XEP-0386), and pages that
come as the connection takes them."""

import datetime
import os
import time
import xml.etree.ElementTree as ET

import pytest

from database import Database
from muc import OCCUPANT, create, enter
from raw import DEADLINE, condition
from sasl2 import login
from test_archive import MAM, MODULES, NS, SID, Page, form, field, rsm, say, set_prefs
from test_archive import alice, bob, server  # noqa: F401 (fixtures)
from xmlstream import qname

RETRACTED = "{urn:xmpp:message-retract:1}retracted"
RETRACT = "<retract xmlns='urn:xmpp:message-retract:1' id='%s'/>"
FEATURES = "http://jabber.org/protocol/disco#info"

pytestmark = pytest.mark.ours


def take_back(client, to, id_, own="back"):
    client.send("<message type='chat' id='%s' to='%s'>%s<body>taken back</body></message>"
                % (own, to, RETRACT % id_))


def rows_with(server, text):
    """How many rows have this in their stanza."""
    base = Database(server)
    hex_ = "encode(stanza, 'hex')" if base.pgsql else "lower(hex(stanza))"
    return base.number("SELECT count(*) FROM archive WHERE %s LIKE '%%%s%%'"
                       % (hex_, text.encode().hex()))


def test_retraction_leaves_a_tombstone_on_both_sides(server, alice, bob, make_account):
    a, b = alice.ready(), bob.ready()
    say(a, b, "before", "secret", "after")
    assert rows_with(server, "secret") == 2
    sent = Page(a)
    secret = sent.messages[1].get("id")
    take_back(a, b.jid, secret)
    b.wait("message", id="back")
    for client in (a, b):
        page = Page(client)
        assert page.count == 4
        assert page.bodies == ["before", None, "after", "taken back"]
        stone = page.messages[1]
        assert [e.tag for e in stone] == [RETRACTED]
        assert stone[0].get("id") == "back" and stone[0].get("stamp").endswith("Z")
        assert (stone.get("from"), stone.get("to"), stone.get("id"), stone.get("type")) == (
            a.jid, b.jid, secret, "chat")
    assert Page(a).ids[:3] == sent.ids and Page(a).stamps[:3] == sent.stamps
    assert rows_with(server, "secret") == 0
    # once more, and one that is not there: nothing happens
    take_back(a, b.jid, secret, "twice")
    take_back(a, b.jid, "nothing", "none")
    take_back(a, b.jid, "x" * 2000, "long")
    a.barrier(b)
    assert Page(b).messages[1][0].get("id") == "back"


def test_only_the_author_takes_back(server, alice, bob, make_account):
    carol = make_account(server, "carol").ready()
    a, b = alice.ready(), bob.ready()
    say(a, b, "mine")
    id_ = Page(a).messages[0].get("id")
    take_back(b, a.jid, id_)          # to whom it was said
    take_back(carol, b.jid, id_)      # somebody else
    take_back(carol, a.jid, id_)
    b.barrier(a), carol.barrier(a), carol.barrier(b)
    assert Page(a).bodies[0] == Page(b).bodies[0] == "mine"
    other = alice.ready()             # another device of hers
    take_back(other, b.jid, id_)
    b.wait("message", id="back", type="chat", **{"from": other.jid})
    assert Page(a).bodies[0] is None and Page(b).bodies[0] is None


def test_occupants_take_back_only_their_own(alice, bob):
    """Private messages of a room: who has written is in the resource."""
    a, other, b = alice.ready(), alice.ready(), bob.ready()
    mark = "<x xmlns='http://jabber.org/protocol/muc#user'/>"

    def send(client, id_, inside):
        client.send("<message type='chat' id='%s' to='%s'>%s</message>" % (id_, b.jid, inside))

    send(a, "0", "<body>zero</body>" + mark)
    send(a, "1", "<body>one</body>" + mark)
    a.barrier(b)
    send(other, "r", RETRACT % "0" + mark)
    send(other, "r", RETRACT % "0")     # of a room, which it does not say
    send(other, "1", "<body>two</body>" + mark)
    other.barrier(b)
    assert [body for body in Page(b).bodies if body] == ["zero", "one", "two"]
    send(a, "r", RETRACT % "1" + mark)  # not the last of this id, which is another's
    a.barrier(b)
    assert [body for body in Page(b).bodies if body] == ["zero", "two"]


def test_occupants_take_back_under_another_name(alice, bob, account):
    """In our rooms the occupant-id says who has written; the name may be anybody's by then."""
    a, c = create(alice), account()
    b, c = enter(bob, a.room, "b"), enter(c, a.room, "c")
    mark = "<x xmlns='http://jabber.org/protocol/muc#user'/>"

    def send(o, id_, inside):
        o.client.send("<message type='chat' id='%s' to='%s'>%s</message>" % (id_, b.jid, inside))
        b.client.wait("message", id=id_)

    def there():
        return [body for body in Page(b.client).bodies if body]

    def rename(o, nick):
        o.client.send("<presence to='%s/%s'/>" % (a.room, nick))
        o.nick = nick
        o.sees(nick)

    send(a, "1", "<body>one</body>" + mark)
    send(a, "2", "<body>two</body>" + mark)
    rename(a, "else")
    rename(c, "owner")
    send(c, "r1", RETRACT % "1" + mark)     # under her name of then
    forged = "<occupant-id xmlns='urn:xmpp:occupant-id:0' id='%s'/>" % a.self_presence.find(
        OCCUPANT + "occupant-id").get("id")
    send(c, "r2", RETRACT % "1" + mark + forged)
    send(c, "1", "<body>another one</body>" + mark)
    assert there() == ["one", "two", "another one"]
    send(a, "r3", RETRACT % "1" + mark)
    assert there() == ["two", "another one"]


def test_retraction_right_behind_its_message(alice, bob):
    a, b = alice.ready(), bob.ready()
    for i in range(20):
        a.message(b.jid, "oops", id="m%d" % i)
        take_back(a, b.jid, "m%d" % i, "r%d" % i)
    a.barrier(b)
    for client in (a, b):
        bodies = Page(client).bodies
        assert bodies[::2] == [None] * 20 and bodies[1::2] == ["taken back"] * 20


def test_advertised(alice):
    client = alice.ready()
    info = client.iq("get", "<query xmlns='%s'/>" % FEATURES, client.bare)
    assert {"urn:xmpp:message-retract:1", "urn:xmpp:message-retract:1#tombstone"} <= {
        f.get("var") for f in info.iter(qname("info:feature"))}


def test_bind2_tells_where_the_archive_begins_and_ends(server, alice, bob):
    def metadata():
        client = login(server, alice)
        return client.success.find(qname("bind2:bound")).find(MAM + "metadata")
    assert len(metadata()) == 0
    a, b = alice.ready(), bob.ready()
    say(a, b, "1", "2", "3")
    page = Page(a)
    for again in range(2):
        start, end = metadata()
        assert (start.get("id"), start.get("timestamp")) == (page.ids[0], page.stamps[0])
        assert (end.get("id"), end.get("timestamp")) == (page.ids[2], page.stamps[2])
        server.restart()


def test_pages_wait_for_the_connection(server, alice, bob):
    """Many queries at once, each with a page of half a MiB, from a client that does not read."""
    a, b = alice.ready(), bob.ready()
    big = "x" * 90000
    for i in range(6):
        say(a, b, "%d " % i + big)
    for i in range(40):
        a.send("<iq type='set' id='q%d'><query xmlns='%s' queryid='q%d'/></iq>" % (i, NS, i))
    other = alice.ready()
    assert Page(other, rsm(1)).bodies[0].startswith("0 ")
    for i in range(40):
        answer = a.wait("iq", id="q%d" % i)
        assert answer.get("type") == "result"
        results = a.taken("message")
        assert [r.find(MAM + "result").get("queryid") for r in results] == ["q%d" % i] * 5
    a.iq("get", "<query xmlns='jabber:iq:roster'/>")


def test_queries_of_a_session_that_goes(alice, bob):
    a, b = alice.ready(), bob.ready()
    say(a, b, *["x" * 90000] * 5)
    for i in range(30):
        a.send("<iq type='set' id='q%d'><query xmlns='%s'/></iq>" % (i, NS))
    a.cut()
    assert Page(alice.ready(), rsm(1)).count == 5


def test_the_count_survives(server, alice, bob):
    a, b = alice.ready(), bob.ready()
    for i in range(600):
        a.message(b.jid, str(i))
        if i % 50 == 0:
            a.barrier(b)
    a.barrier(b)
    assert Page(a, rsm(0)).count == Page(b, rsm(0)).count == 600
    counted = Database(server).number("SELECT min(counted) FROM archive_owner")
    assert 256 <= counted <= 600
    server.kill()
    server.start()
    a = alice.ready()
    assert Page(a, rsm(0)).count == 600
    say(a, bob.ready(), "one more")
    page = Page(a, rsm(2, before=""))
    assert page.count == 601 and page.bodies == ["599", "one more"]


def everything(client):
    seen, page = [], Page(client, rsm(100))
    while not page.complete:
        seen += page.bodies
        page = Page(client, rsm(100, after=page.last))
    return seen + page.bodies


def test_what_was_seen_is_there_after_a_kill(server, alice, bob):
    """A message that came to somebody, and one that an archive has shown, is stored, whenever the
    server is killed."""
    for attempt in range(5):
        a, b = alice.ready(), bob.ready()
        for i in range(30 * attempt + 10):
            a.message(b.jid, "%d.%d" % (attempt, i))
        for i in range(20 * attempt + 5):
            b.wait_for(lambda e: getattr(e, "tag", "") == qname("message")
                       and e.findtext(qname("body")) == "%d.%d" % (attempt, i), "a message")
        shown = Page(a, rsm(100, before="")).bodies
        server.kill()
        server.start()
        received = ["%d.%d" % (attempt, i) for i in range(20 * attempt + 5)]
        theirs = [t for t in everything(bob.ready()) if t.startswith("%d." % attempt)]
        assert theirs[:len(received)] == received and len(set(theirs)) == len(theirs)
        ours = everything(alice.ready())
        assert len(set(ours)) == len(ours) and set(shown) <= set(ours)


def test_hidden_rows_are_for_nobody(server, alice, bob):
    """What delivery keeps for itself is no part of the archive."""
    a, b = alice.ready(), bob.ready()
    say(a, b, "1", "2", "3")
    server.stop()
    Database(server).run(["UPDATE archive SET flags = 3 WHERE id = 2",
                          "UPDATE archive_owner SET counted = 0, total = 0"])
    server.start()
    a = alice.ready()
    page = Page(a)
    assert page.bodies == ["1", "3"] and page.count == 2 and page.complete
    assert Page(a, form(field("with", "bob@localhost"))).bodies == ["1", "3"]
    assert Page(a, form(field("with", "bob@localhost")), rsm(0)).count == 2
    assert Page(a, rsm(1)).complete is False and Page(a, rsm(1, before="")).bodies == ["3"]
    server.stop()
    Database(server).run(["UPDATE archive SET flags = 3 WHERE id = 1"])
    server.start()
    a = alice.ready()
    answer = a.iq("get", "<metadata xmlns='%s'/>" % NS).find(MAM + "metadata")
    assert answer[0].get("id") == answer[1].get("id") == page.ids[1]


def test_no_store_stays_out(alice, bob):
    a, b = alice.ready(), bob.ready()
    set_prefs(b, "never")
    a.message(b.jid, "unseen", id="u")
    assert b.wait("message", id="u").find(SID) is None
    a.send("<message to='%s' type='chat' id='gone'><body>x</body></message>" % "nobody@localhost")
    assert condition(a.wait("message", id="gone", type="error"))[1] == "service-unavailable"
    assert Page(b).count == 0 and Page(a).bodies == ["unseen", "x"]


def test_trim(server, alice, bob):
    a, b = alice.ready(), bob.ready()
    for i in range(1100):
        a.message(b.jid, str(i))
        if i % 100 == 99:
            a.barrier(b)
    page = Page(a, rsm(1, before=""))
    assert page.count == 1100
    at = Database(server).rows("SELECT at FROM archive JOIN account USING (owner)"
                               " WHERE name = 'alice' AND id = 1051")[0][0]
    middle = Page(a, form(field("start", when(int(at)))), rsm(1))
    assert middle.bodies == ["1050"]
    assert server.ctl_json("archive", "trim", a.bare, when(int(at))) == {"erased": 1050}
    assert server.ctl_json("archive", "trim", a.bare, when(int(at))) == {"erased": 0}
    assert Page(a, rsm(1)).bodies == ["1050"] and Page(a, rsm(0)).count == 50
    assert Page(b, rsm(0)).count == 1100
    answer = a.iq("get", "<metadata xmlns='%s'/>" % NS).find(MAM + "metadata")
    assert answer[0].get("id") == middle.ids[0]
    # all of it; the ids go on behind those that are gone
    assert server.ctl_json("archive", "trim", a.bare, "2999-01-01T00:00:00Z") == {"erased": 50}
    server.restart()
    a = alice.ready()
    assert Page(a).count == 0
    say(a, bob.ready(), "new")
    assert Page(a).count == 1
    assert Database(server).number("SELECT max(id) FROM archive JOIN account USING (owner)"
                                   " WHERE name = 'alice'") == 1101
    for bad in (("nobody@localhost", "2026-01-01T00:00:00Z"), (a.bare, "yesterday")):
        assert server.ctl("archive", "trim", *bad).returncode != 0


def when(at):
    return "%s.%06dZ" % (datetime.datetime.fromtimestamp(
        at // 1000000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S"), at % 1000000)


def test_export(server, alice, bob, tmp_path):
    a, b = alice.ready(), bob.ready()
    texts = ["%d <&> \u2603" % i for i in range(230)]
    for text in texts:
        a.message(b.jid, text)
    a.barrier(b)
    take_back(a, b.jid, Page(a, rsm(1)).messages[0].get("id"))
    a.barrier(b)
    while Page(a, rsm(1)).messages[0].find(qname("body")) is not None:
        pass
    path = str(tmp_path / "alice.xml")
    assert server.ctl_json("archive", "export", a.bare, path) == {"messages": 231}
    assert os.stat(path).st_mode & 0o777 == 0o600
    root = ET.parse(path).getroot()
    results = root.findall(".//{urn:xmpp:pie:0#mam}archive/" + MAM + "result")
    bodies = [r.findtext(".//" + qname("body")) for r in results]
    assert bodies == [None] + texts[1:] + ["taken back"]
    page = Page(a, rsm(100))
    assert [r.get("id") for r in results[:100]] == page.ids
    assert results[0].find(".//{urn:xmpp:delay}delay").get("stamp") == page.stamps[0]
    for bad in ((a.bare, path), (a.bare, "relative"), (a.bare, "/nowhere/x"),
                ("nobody@localhost", path + "2")):
        assert server.ctl("archive", "export", *bad).returncode != 0


def test_expiry(own_server, make_account):
    server = own_server(settings={("host", "localhost"): {"modules": MODULES}})
    alice, bob = make_account(server, "alice"), make_account(server, "bob")
    say(alice.ready(), bob.ready(), *[str(i) for i in range(20)])
    server.stop()
    Database(server).run(["UPDATE archive SET at = at - 4000000000 WHERE id <= 15"])
    server.write_conf({"archive": {"expire": "1h"}})
    server.start()
    base = Database(server)
    deadline = time.monotonic() + DEADLINE
    while base.number("SELECT count(*) FROM archive") > 10:
        assert time.monotonic() < deadline
    page = Page(alice.ready())
    assert page.count == 5 and page.bodies == [str(i) for i in range(15, 20)]
