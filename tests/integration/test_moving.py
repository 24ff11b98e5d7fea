# SPDX-License-Identifier: MIT
"""Moving to another database, and what the operator is told of it."""

import os
import subprocess

import pytest

from database import Database
from postgres import shared
from raw import DEADLINE, fresh
from server import build_dir
from test_erasing import KEPT, fill, left, owner_of, tables

pytestmark = pytest.mark.ours
ROWS = 600
WAYS = [("sqlite", "pgsql"), ("pgsql", "sqlite"), ("sqlite", "sqlite")]


def settings(kind, folder):
    if kind == "pgsql":
        return {"database": {"driver": "pgsql", "connection": shared().conninfo(shared().create())}}
    return {"database": {"driver": "sqlite", "path": str(folder / "jackdaw.db")}}


@pytest.fixture(params=WAYS, ids="-to-".join)
def pair(request, own_server, make_account, tmp_path_factory):
    """A stopped server whose database has something of everything, and an empty one."""
    source, target = (own_server(start=False) for _ in range(2))
    for server, kind in zip((source, target), request.param):
        server.settings["database"] = {}
        server.write_conf(settings(kind, tmp_path_factory.mktemp("db")))
    source.start()
    user = make_account(source, fresh("mover"))
    gone = make_account(source, fresh("gone"))
    source.ctl_ok("deluser", gone.jid)
    source.stop()
    fill(Database(source), owner_of(Database(source), user.user), ROWS)
    Database(source).run(["INSERT INTO account (host, name, created_at, kind)"
                          " VALUES ('conference.localhost', 'room', 1, 1)"])
    return source, target, user


def copy(source, target):
    return subprocess.run(
        [os.path.join(build_dir(), "jackdawctl"), "db", "copy", source.conf, target.conf],
        env=source.environment(), capture_output=True, text=True, timeout=4 * DEADLINE, check=False)


def start_fails(server):
    return subprocess.run([os.path.join(build_dir(), "jackdaw"), "-c", server.conf],
                          env=server.environment(), capture_output=True, text=True,
                          timeout=4 * DEADLINE, check=False)


def contents(server):
    """Every row of every table, blobs as hexadecimal digits."""
    base = Database(server)
    digits = {"BLOB": "hex(%s)", "BYTEA": "upper(encode(%s, 'hex'))"}
    return {table: sorted(base.rows("SELECT %s FROM %s" % (
        ", ".join(digits.get(kind, "%s") % name for name, kind in columns), table)), key=repr)
            for table, columns in base.columns().items()
            if table != "schema_migration" and not table.startswith("sqlite_")}


def test_copy(pair):
    source, target, user = pair
    done = copy(source, target)
    assert done.returncode == 0, done.stderr
    assert "the same on both sides" in done.stdout
    assert contents(source) == contents(target)
    assert len(contents(target)["roster_item"]) == ROWS
    target.start()
    user.server = target
    # A room went along, and is no user.
    assert target.ctl_json("count")["registered"] == 1
    assert [u["jid"] for u in target.ctl_json("users")["users"]] == [user.jid]
    target.ctl_ok("unban", user.jid)  # one of the rows that went over
    user.ready()
    # Numbers of deleted accounts are not given again.
    base = Database(target)
    last = max(base.number("SELECT max(owner) FROM account"),
               base.number("SELECT max(owner) FROM account_tombstone"))
    target.adduser("newcomer", "secret")
    assert owner_of(base, "newcomer") == last + 1


def test_copy_goes_on(pair):
    source, target, _ = pair
    assert copy(source, target).returncode == 0
    # As if it had been broken off.
    Database(target).run(["DELETE FROM roster_item WHERE jid > 'v5'", "DELETE FROM vcard",
                          "INSERT INTO database_copy VALUES (1)"])
    refused = start_fails(target)
    assert refused.returncode == 1 and "copy" in refused.stderr
    done = copy(source, target)
    assert done.returncode == 0, done.stderr
    assert "going on" in done.stdout
    assert contents(source) == contents(target)


def test_copy_refuses(pair):
    source, target, _ = pair
    assert copy(source, target).returncode == 0
    again = copy(source, target)
    assert again.returncode == 1 and "not empty" in again.stderr
    # Something else was written into the target of a copy that is not over.
    Database(target).run(["INSERT INTO database_copy VALUES (1)",
                          "UPDATE roster_item SET name = 'somebody else' WHERE jid LIKE 'v7@%'"])
    differs = copy(source, target)
    assert differs.returncode == 1 and "roster_item" in differs.stderr
    source.start()
    busy = copy(source, target)
    assert busy.returncode == 1 and "another" in busy.stderr, busy.stderr
    source.stop()
    wrong = subprocess.run([os.path.join(build_dir(), "jackdawctl"), "db", "copy", source.conf],
                           capture_output=True, text=True, timeout=DEADLINE, check=False)
    assert wrong.returncode == 2 and "FROM" in wrong.stderr


def test_every_table_is_known(pair):
    """What the server copies and erases is what there is."""
    source, target, user = pair
    base = Database(source)
    assert set(left(base, owner_of(base, user.user))) >= set(tables(base)) - KEPT - {
        "account_leaving"}
    names = {line.split()[0] for line in copy(source, target).stdout.splitlines()
             if line.endswith("rows copied")}
    assert names == set(contents(source)) - {"database_copy"}


def test_status(server):
    status = server.ctl_json("db", "status")
    assert status["driver"] in ("sqlite", "pgsql") and status["answers"]
    assert status["tables"] >= 10
    assert status["waiting"] >= 0 and status["failures"] >= 0
    assert status["commits"] > 0


def test_backup(own_server, make_account, tmp_path):
    """A copy that is made while somebody writes is whole, and a server runs on it."""
    server = own_server()
    user = make_account(server, fresh("kept"))
    file = str(tmp_path / "copy.db")
    if server.database_name():
        assert "pg_dump" in server.ctl("backup", file).stderr
        return
    client = user.ready()
    for number in range(100):
        client.send("<iq type='set' id='s%d'><query xmlns='jabber:iq:roster'>"
                    "<item jid='c%d@example.org'/></query></iq>" % (number, number))
    server.ctl_ok("backup", file)
    client.barrier(client)
    assert os.stat(file).st_mode & 0o777 == 0o600
    again = server.ctl("backup", file)
    assert again.returncode == 1 and "exists" in again.stderr
    nowhere = server.ctl("backup", "/nowhere/copy.db")
    assert nowhere.returncode == 1 and "nowhere" in nowhere.stderr
    other = own_server(start=False)
    other.write_conf({"database": {"path": file}})
    other.start()
    user.server = other
    user.ready()
    server.ctl_ok("backup", "inside.db")
    assert os.path.exists(os.path.join(server.run_dir, "inside.db"))
