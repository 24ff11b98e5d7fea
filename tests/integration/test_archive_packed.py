# SPDX-License-Identifier: MIT
"""Rows are packed with dictionaries: nobody who reads an archive notices, whatever was packed when and
with which; dictionaries hold nothing that was said; what is damaged is left out."""

import pytest

from database import Database
from test_archive import MODULES, Page, rsm, say
from test_archive import alice, bob, server  # noqa: F401 (fixtures)
from test_archive_log import RETRACTED, take_back

SECRETS = ("Zwergenkoenig", "7310482956", "qxjvzkqxjvzk")

pytestmark = pytest.mark.ours


def fill(a, b, n=150):
    """Messages in both archives, all with the same secrets."""
    for i in range(n):
        a.send("<message type='chat' to='%s' id='fill-%d'><subject>%s</subject><body>The %s has %s, "
               "said %d</body><thread>%s</thread><request xmlns='urn:xmpp:receipts'/>"
               "<origin-id xmlns='urn:xmpp:sid:0' id='fill-%d'/></message>"
               % (b.jid, i, SECRETS[0], SECRETS[0], SECRETS[1], i, SECRETS[2], i))
    a.barrier(b)
    b.events.clear()
    a.barrier(b)


def formats(server):
    return [int(row[0]) for row in Database(server).rows(
        "SELECT DISTINCT format FROM archive ORDER BY format")]


def train(server):
    done = server.ctl_json("archive", "dictionary", "train")
    assert 200 <= done["samples"] <= 2000 and 0 < done["bytes"] <= 16384
    return done["number"]


def everything(client):
    """All bodies of its archive."""
    page = Page(client, rsm(100))
    seen = list(page.bodies)
    while not page.complete:
        page = Page(client, rsm(100, after=page.last))
        seen += page.bodies
    return seen


def unpacked(n):
    return ["The %s has %s, said %d" % (SECRETS[0], SECRETS[1], i) for i in range(n)]


def test_packed_and_read(server, alice, bob, tmp_path):
    a, b = alice.ready(), bob.ready()
    assert "too few messages" in server.ctl("archive", "dictionary", "train").stderr
    assert server.ctl_json("archive", "dictionary")["dictionaries"] == []
    fill(a, b)
    assert formats(server) == [0]
    assert train(server) == 1
    listed = server.ctl_json("archive", "dictionary", "list")["dictionaries"]
    assert [(d["number"], d["in_use"]) for d in listed] == [(1, True)]
    fill(a, b)
    assert formats(server) == [0, 1]
    base = Database(server)
    plain, packed = (base.number("SELECT sum(length(stanza)) FROM archive WHERE format = %s", n)
                     for n in (0, 1))
    assert packed * 2 < plain
    assert everything(a) == everything(b) == unpacked(150) * 2

    # another one; what the first has packed is read with the first, after a restart as well
    assert train(server) == 2
    say(a, b, "one more")
    assert formats(server) == [0, 1, 2]
    for client in (a, b):
        client.end()
    server.restart()
    a, b = alice.ready(), bob.ready()
    listed = server.ctl_json("archive", "dictionary", "list")["dictionaries"]
    assert [(d["number"], d["in_use"]) for d in listed] == [(1, False), (2, True)]
    assert everything(a) == everything(b) == unpacked(150) * 2 + ["one more"]
    assert server.ctl("archive", "dictionary", "retrain").returncode != 0


def test_dictionaries_say_nothing(server, alice, bob):
    a, b = alice.ready(), bob.ready()
    fill(a, b)
    train(server)
    base = Database(server)
    hex_ = "encode(bytes, 'hex')" if base.pgsql else "lower(hex(bytes))"
    text = bytes.fromhex(base.rows("SELECT %s FROM archive_dictionary" % hex_)[0][0])
    assert b"urn:xmpp:receipts" in text and b"localhost" in text
    for secret in SECRETS:
        for i in range(len(secret) - 7):  # shorter pieces turn up by chance
            assert secret[i:i + 8].encode() not in text, secret


@pytest.fixture
def packed(server, alice, bob):
    """Both, with rows of a dictionary that a server that starts does not know yet."""
    a, b = alice.ready(), bob.ready()
    fill(a, b)
    train(server)
    say(a, b, "first", "second", "third")
    train(server)
    for client in (a, b):
        client.end()
    server.restart()
    return server


def test_taken_back(packed, alice, bob):
    a, b = alice.ready(), bob.ready()
    last = Page(b, rsm(3, before=""))
    assert last.bodies == ["first", "second", "third"]
    for client in (a, b):
        client.end()
    packed.restart()
    a, b = alice.ready(), bob.ready()
    take_back(a, b.jid, last.messages[1].get("id"))
    b.wait("message", id="back")
    for client in (a, b):
        page = Page(client, rsm(4, before=""))
        assert page.bodies == ["first", None, "third", "taken back"]
        assert [e.tag for e in page.messages[1]] == [RETRACTED]


def test_exported(packed, alice, tmp_path):
    path = str(tmp_path / "alice.xml")
    assert packed.ctl_json("archive", "export", "alice@localhost", path) == {"messages": 153}
    with open(path, encoding="utf-8") as file:
        text = file.read()
    assert all("<body>%s</body>" % body in text for body in ("first", "second", "third"))


def test_damaged(packed, alice, bob):
    base = Database(packed)
    owner = base.number("SELECT owner FROM account WHERE name = 'alice'")
    ids = [int(row[0]) for row in base.rows(
        "SELECT id FROM archive WHERE owner = %s ORDER BY id DESC LIMIT 4", owner)][::-1]
    stanza = "decode('28b52ffd2401', 'hex')" if base.pgsql else "X'28b52ffd2401'"
    half = ("substr(stanza, 1, length(stanza) - 9)" if base.pgsql
            else "CAST(substr(stanza, 1, length(stanza) - 9) AS BLOB)")
    change = "UPDATE archive SET %s WHERE owner = %d AND id = %d"
    base.run([change % ("format = 50", owner, ids[0]),          # there is no such dictionary
              change % ("stanza = " + half, owner, ids[1]),
              change % ("stanza = " + stanza, owner, ids[3])])
    a = alice.ready()
    for _ in range(2):
        page = Page(a, rsm(4, before=""))
        assert page.bodies == ["second"] and page.count == 153 and not page.complete
        page = Page(a, rsm(3, after=page.first))
        assert page.bodies == ["second"] and page.complete
    base.run([change % ("format = 2000000000", owner, ids[0]),
              change % ("format = 2", owner, ids[1])])
    assert Page(a, rsm(4, before="")).bodies == ["second"]
    path = str(packed.folder) + "/damaged.xml"
    assert packed.ctl_json("archive", "export", a.bare, path) == {"messages": 150}
    a.end()
    packed.stop()
    told = [line for line in packed.last_log().splitlines() if "cannot be read" in line]
    assert sorted(told) == sorted(set(told)) and len(told) == 3
    for id_ in (ids[0], ids[1], ids[3]):
        assert any("%d" % id_ in line and "owner" in line for line in told)


def test_page_is_bounded_by_what_is_unpacked(packed, alice, bob):
    a, b = alice.ready(), bob.ready()
    big = "x" * 90000
    for i in range(13):
        say(a, b, "%d " % i + big)
    base = Database(packed)
    assert base.number("SELECT max(length(stanza)) FROM archive WHERE format = 2") < 5000
    page = Page(a, rsm(50, before=""))
    assert page.bodies[-1].startswith("12 ") and not page.complete
    assert len(page.bodies) == 5
    seen = page.bodies
    while len(seen) < 16:
        page = Page(a, rsm(50, before=page.first))
        seen = page.bodies + seen
    assert [t.partition(" ")[0] for t in seen[-16:]] == (
        ["first", "second", "third"] + [str(i) for i in range(13)])


def test_by_itself(server, alice, bob):
    """After a thousand rows nobody has to ask."""
    a, b = alice.ready(), bob.ready()
    for _ in range(4):
        fill(a, b, 130)
    server.process.log.wait("archives have a new dictionary")
    say(a, b, "and now")
    assert formats(server) == [0, 1]
    assert Page(b, rsm(1, before="")).bodies == ["and now"]


def test_switched_off(own_server, make_account):
    server = own_server(settings={
        ("host", name): {"modules": MODULES, "archive": {"compress": False}}
        for name in ("localhost", "example.test")})
    a, b = make_account(server, "alice").ready(), make_account(server, "bob").ready()
    fill(a, b)
    train(server)
    say(a, b, "as it is")
    assert formats(server) == [0]
