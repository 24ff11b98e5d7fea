# SPDX-License-Identifier: MIT
"""A server whose PostgreSQL has accidents: it stays alive, answers what needs no database,
loses nothing that was acknowledged, and recovers by itself."""

import concurrent.futures
import contextlib
import os
import subprocess
import time

import pytest

import sasl2
from pgproxy import Proxy
from postgres import Postgres
from raw import DEADLINE, SLOW, condition, failure, fresh
from scram import b64
from xmlstream import qname

pytestmark = pytest.mark.ours
RECOVERY = 2 * SLOW  # seconds, as promised in doc/database.md
FAILED = "a database operation failed"
UNKNOWN = "the outcome of a database commit is not known"
# Without what keeps messages: then they need no database.
LIVE_ONLY = ["roster", "presence", "message", "disco", "ping"]


@pytest.fixture(scope="module")
def database():
    """A PostgreSQL that may be broken, apart from the one that other tests share."""
    with Postgres() as one:
        yield one


@pytest.fixture
def settings(database):
    if database.process is None:
        database.start()
    database.resume()
    return {"database": {"driver": "pgsql", "connection": database.conninfo(database.create())},
            ("host", "localhost"): {"modules": LIVE_ONLY}}


@pytest.fixture
def proxy(database, settings):
    """In front of the database; its settings are in settings."""
    one = Proxy(database)
    name = settings["database"]["connection"].split("dbname=")[1].split()[0]
    settings["database"]["connection"] = one.conninfo(name)
    yield one
    one.cut()


def item(jid):
    return "<query xmlns='jabber:iq:roster'><item jid='%s'/></query>" % jid


def contacts(client):
    return {e.get("jid") for e in client.roster().iter(qname("roster:item"))}


def works_again(server, account):
    """Seconds until a login and a change of a roster succeed."""
    began = time.monotonic()
    while True:
        client = account.connect(server, "plain", host=account.host)
        client.open()
        answer = client.auth("PLAIN", account.user, account.password)
        if answer.tag == qname("sasl:success"):
            return time.monotonic() - began
        assert failure(answer) == "temporary-auth-failure"
        client.close()


def both_talk(one, other):
    """Messages need no database."""
    one.message(other.jid, "are you there")
    other.wait("message", from_=one.jid)


# -- gone and back ---------------------------------------------------------------------------

@pytest.mark.parametrize("accident", ["stop", "crash"])
def test_gone_and_back(database, settings, own_server, make_account, accident):
    server = own_server(settings=settings)
    alice, bob = make_account(server), make_account(server)
    one, other = alice.ready(), bob.ready("ws")
    assert one.iq("set", item("before@x.test")).get("type") == "result"
    server.expect_error(FAILED)
    server.expect_error(UNKNOWN)
    getattr(database, accident)()
    server.process.log.wait("the database is gone")
    both_talk(one, other)
    late = alice.connect(server, "plain")
    late.open()
    assert failure(late.auth("PLAIN", alice.user, alice.password)) == "temporary-auth-failure"
    assert condition(one.iq("set", item("during@x.test")))[0] in ("wait", "cancel")
    both_talk(other, one)
    assert server.ctl_json("status")["database_failures"] > 0
    database.start()
    assert works_again(server, bob) < RECOVERY
    server.process.log.wait("the database is back")
    assert one.iq("set", item("after@x.test")).get("type") == "result"
    assert contacts(alice.ready()) == {"before@x.test", "after@x.test"}


def test_what_cannot_be_kept_is_refused(database, settings, own_server, make_account):
    """With an archive: stored first, then sent, so without a database nobody gets anything."""
    settings["host", "localhost"]["modules"] = LIVE_ONLY + ["archive", "offline"]
    server = own_server(settings=settings)
    alice, bob = make_account(server), make_account(server)
    one, other = alice.ready(), bob.ready()
    both_talk(one, other)
    server.expect_error(FAILED)
    server.expect_error(UNKNOWN)
    database.stop()
    server.process.log.wait("the database is gone")
    id_ = one.message(other.bare, "refused")
    assert condition(one.wait("message", id=id_, type="error")) == ("wait", "resource-constraint")
    database.start()
    assert works_again(server, bob) < RECOVERY
    # The row of what was refused is still being tried; until it is there nothing newer is taken.
    while not other.taken("message"):
        id_ = one.message(other.bare, "kept again")
        one.iq("get", "<ping xmlns='urn:xmpp:ping'/>", to="localhost")
        other.iq("get", "<ping xmlns='urn:xmpp:ping'/>", to="localhost")


def test_short_absence_is_not_noticed(database, settings, own_server, make_account):
    """What came meanwhile waits, and is done in its order."""
    server = own_server(settings=settings)
    account = make_account(server)
    client = account.ready()
    database.stop()
    for number in range(20):
        client.send("<iq type='set' id='n%d'>%s</iq>" % (number, item("n%d@x.test" % number)))
    database.start()
    for number in range(20):
        assert client.wait("iq", id="n%d" % number, timeout=DEADLINE).get("type") == "result"
    assert len(contacts(account.ready())) == 20


def test_nothing_acknowledged_is_lost(database, settings, own_server, make_account):
    """Killed in the middle of writes: what got a result is there."""
    server = own_server(settings=settings)
    accounts = [make_account(server) for _ in range(4)]
    clients = [account.ready() for account in accounts]
    server.expect_error(FAILED)
    server.expect_error(UNKNOWN)
    for number in range(60):
        for client in clients:
            client.send("<iq type='set' id='n%d'>%s</iq>" % (number, item("n%d@x.test" % number)))
    clients[0].wait("iq", id="n5")
    database.crash()
    database.start()
    for client, account in zip(clients, accounts):
        good = set()
        for number in range(60):
            if client is clients[0] and number == 5:
                good.add("n5@x.test")
            elif client.wait("iq", id="n%d" % number).get("type") == "result":
                good.add("n%d@x.test" % number)
        assert good
        assert good <= contacts(account.ready())


def test_nobody_is_let_in(proxy, settings, own_server, make_account):
    server = own_server(settings=settings)
    account = make_account(server)
    server.expect_error(FAILED)
    proxy.refuse()
    client = account.connect(server, "plain")
    client.open()
    assert failure(client.auth("PLAIN", account.user, account.password)) == "temporary-auth-failure"
    proxy.accept()
    assert works_again(server, account) < RECOVERY


def test_slow(proxy, settings, own_server, make_account):
    """An answer takes a fifth of a second: everything works, messages are as quick as ever."""
    server = own_server(settings=settings)
    alice, bob, carol = (make_account(server) for _ in range(3))
    one, other, third = alice.ready(), bob.ready(), carol.ready()
    proxy.delay(0.2)
    one.send("<iq type='set' id='slow'>%s</iq>" % item("slow@x.test"))
    both_talk(other, third)  # alice's own messages wait behind what she changes
    assert one.wait("iq", id="slow").get("type") == "result"
    assert contacts(alice.ready()) == {"slow@x.test"}
    proxy.delay(0)


def test_paused(database, settings, own_server, make_account):
    """It is there and says nothing. The server answers what needs no database."""
    server = own_server(settings=settings)
    alice, bob, carol = (make_account(server) for _ in range(3))
    one, other, third = alice.ready(), bob.ready(), carol.ready()
    database.pause()
    one.send("<iq type='set' id='late'>%s</iq>" % item("late@x.test"))
    both_talk(other, third)
    assert server.ctl_json("status")["database_waiting"] > 0
    database.resume()
    assert one.wait("iq", id="late").get("type") == "result"


def test_commit_without_an_answer(proxy, settings, own_server, make_account):
    """The connection ends between COMMIT and its answer: the client gets an error, the server
    and the database agree afterwards."""
    server = own_server(settings=settings)
    account = make_account(server)
    client = account.ready()
    assert client.iq("set", item("before@x.test")).get("type") == "result"
    server.expect_error(UNKNOWN)
    proxy.hold()
    client.send("<iq type='set' id='half'>%s</iq>" % item("half@x.test"))
    proxy.held()
    proxy.cut()
    assert client.wait("iq", id="half").get("type") == "error"
    server.process.log.wait(UNKNOWN)
    told = contacts(client)
    assert "before@x.test" in told
    server.restart()
    assert contacts(account.ready()) == told


# -- full ----------------------------------------------------------------------------------------

@pytest.fixture
def small_disk(database):
    """A folder that holds 16 MiB, for PostgreSQL."""
    folder = os.path.join(database.folder, fresh("small"))
    os.mkdir(folder)
    mounted = os.getuid() == 0 and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16m,mode=0777", "none", folder],
        capture_output=True, check=False).returncode == 0
    if not mounted:
        pytest.skip("a small file system can only be mounted by root")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_full_disk(database, small_disk, own_server, make_account):
    """Writes fail with an error of their own; everything else goes on; nothing is lost."""
    os.mkdir(os.path.join(small_disk, "space"))
    if database.who:
        os.chown(os.path.join(small_disk, "space"), database.who["user"], database.who["group"])
    space = fresh("space")
    database.sql("CREATE TABLESPACE %s LOCATION '%s/space'" % (space, small_disk))
    name = database.create(options="TABLESPACE " + space)
    server = own_server(settings={
        "database": {"driver": "pgsql", "connection": database.conninfo(name)},
        ("host", "localhost"): {"modules": LIVE_ONLY}})
    alice, bob = make_account(server), make_account(server)
    one, other = alice.ready(), bob.ready()
    filler = os.path.join(small_disk, "filler")
    with contextlib.suppress(OSError), open(filler, "wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)
    server.expect_error(FAILED)
    good = set()
    for number in range(200):
        jid = "%s%d@x.test" % ("long" * 100, number)
        answer = one.iq("set", item(jid))
        if answer.get("type") == "error":
            break
        good.add(jid)
    else:
        raise AssertionError("the disk did not become full")
    assert condition(answer)[1] in ("resource-constraint", "internal-server-error")
    both_talk(one, other)
    assert contacts(one) == good
    os.unlink(filler)
    assert one.iq("set", item("after@x.test")).get("type") == "result"
    assert contacts(alice.ready()) == good | {"after@x.test"}
    database.drop(name)
    database.sql("DROP TABLESPACE " + space)


# -- configuration -------------------------------------------------------------------------------

def test_password_file(database, settings, own_server, make_account, tmp_path):
    """With a password, which is read anew for each connection."""
    database.sql("CREATE ROLE guarded LOGIN PASSWORD 'it''s a secret'")
    name = database.create()
    database.sql('ALTER DATABASE "%s" OWNER TO guarded' % name)
    rules = os.path.join(database.data, "pg_hba.conf")
    with open(rules, encoding="ascii") as file:
        before = file.read()
    with open(rules, "w", encoding="ascii") as file:
        file.write("local all guarded scram-sha-256\n" + before)
    database.sql("SELECT pg_reload_conf()")
    secret = tmp_path / "secret"
    secret.write_text("wrong\n")
    wanted = {"database": {"driver": "pgsql", "password_file": str(secret),
                           "connection": database.conninfo(name, user="guarded")}}
    with pytest.raises(AssertionError) as refusal:
        own_server(settings=wanted)
    assert "password authentication failed" in str(refusal.value)
    secret.write_text("it's a secret\n")
    server = own_server(settings=wanted)
    make_account(server).ready()
    server.stop()


@pytest.mark.parametrize("change, words", [
    ({"connection": None}, "PostgreSQL needs a 'connection'"),
    ({"connection": "hots=x"}, "invalid connection option"),
    ({"password_file": "/nowhere/secret"}, "'password_file' in database: /nowhere/secret"),
    ({"connections": 17}, "17"),
])
def test_check(settings, own_server, change, words):
    """`jackdaw --check` finds it, without asking the database."""
    with pytest.raises(AssertionError) as refusal:
        own_server(settings={"database": dict(settings["database"], **change)})
    assert words in str(refusal.value)


def test_newer_tables(database, settings, own_server):
    server = own_server(settings=settings)
    name = server.database_name()
    server.stop()
    database.sql("INSERT INTO schema_migration VALUES ('core', 9999, 'later', 1)", name)
    with pytest.raises(AssertionError) as refusal:
        own_server(settings=settings)
    assert "written by a newer Jackdaw" in str(refusal.value)


def test_killed_server_comes_back(settings, own_server, make_account):
    """The lock of a server that was killed is no obstacle."""
    server = own_server(settings=settings)
    account = make_account(server)
    for _ in range(3):
        server.kill()
        server.start()
    account.ready()


# -- side by side ----------------------------------------------------------------------------

def until(is_so, what):
    end = time.monotonic() + DEADLINE
    while not is_so():
        assert time.monotonic() < end, what


def test_no_token_of_an_old_password(database, settings, own_server, make_account):
    """The change stands still half way, and in comes somebody with the old password."""
    server = own_server(settings=settings)
    # So that one of them has a connection of its own for writing.
    accounts = [make_account(server) for _ in range(3)]
    alice = accounts[1]
    name = settings["database"]["connection"].split("dbname=")[1].split()[0]

    def ask(client):
        sasl2.send(client, "PLAIN", b64(("\0%s\0%s" % (alice.user, alice.password)).encode()),
                   sasl2.agent(sasl2.new_id()) + sasl2.request_token())

    def count(query):
        return int(database.sql("SELECT count(*) FROM " + query, name))

    first, thief = (alice.connect(server, "starttls").secure() for _ in range(2))
    ask(first)
    sasl2.succeeded(first, sasl2.answer(first))
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with database.held("SELECT agent FROM fast_token FOR UPDATE", name):
            change = pool.submit(server.ctl, "passwd", alice.jid, stdin="another secret\n")
            until(lambda: count("pg_stat_activity WHERE wait_event_type = 'Lock' AND datname ="
                                " '%s'" % name), "the change does not wait")
            before = server.ctl_json("db", "status")["waiting"]
            ask(thief)
            until(lambda: sum("logged in" in line.text for line in server.process.log.lines) == 2,
                  "the old password is refused already")
            # Its token is there, or has to wait.
            until(lambda: count("fast_token") == 2 or
                  all(server.ctl_json("db", "status")["waiting"] > before for _ in range(5)),
                  "no token is written")
        done = change.result(2 * DEADLINE)
    assert done.returncode == 0, done.stderr
    thief.drain_to_end()
    assert count("fast_token") == 0
