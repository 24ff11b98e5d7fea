# SPDX-License-Identifier: MIT
"""Deleting an account leaves nothing of it in any table, whatever happens meanwhile."""

import sqlite3

import pytest

from raw import DEADLINE, fresh

pytestmark = pytest.mark.ours
KEPT = {"account_tombstone"}  # on purpose: the name is not given to a stranger
MANY = 3000


def database(server):
    base = sqlite3.connect("%s/jackdaw.db" % server.run_dir, timeout=DEADLINE)
    base.execute("PRAGMA busy_timeout = 10000")
    return base


def tables(base):
    """Every table with a column `owner`."""
    names = [row[0] for row in base.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return [name for name in names
            if any(column[1] == "owner" for column in base.execute("PRAGMA table_info(%s)" % name))]


def value(column, number):
    """Something that fits a column, different for each number."""
    kind = column[2].upper()
    if kind in ("INTEGER", "BIGINT"):
        return number
    return b"%d" % number if kind == "BLOB" else "v%d@example.org" % number


def fill(base, owner, rows):
    """Rows of the owner in each table that takes as many."""
    for table in tables(base):
        columns = list(base.execute("PRAGMA table_info(%s)" % table))
        if table in KEPT | {"account", "account_leaving"}:
            continue
        marks = ", ".join("?" for _ in columns)
        for number in range(rows):
            base.execute("INSERT OR IGNORE INTO %s VALUES (%s)" % (table, marks),
                         [owner if column[1] == "owner" else value(column, number)
                          for column in columns])
    base.commit()


def left(base, owner):
    return {table: count for table in tables(base) if table not in KEPT
            for count in base.execute("SELECT count(*) FROM %s WHERE owner = ?" % table, (owner,))
            .fetchone() if count}


def owner_of(base, user):
    return base.execute("SELECT owner FROM account WHERE name = ?", (user,)).fetchone()[0]


def test_nothing_remains(server, account):
    user = account(fresh("gone")).user
    base = database(server)
    owner = owner_of(base, user)
    fill(base, owner, 1200)
    filled = left(base, owner)
    assert {"account", "roster_item", "block_item", "private_item", "vcard", "last_seen"} <= set(filled)
    assert filled["roster_item"] == 1200
    server.ctl_ok("deluser", user + "@localhost")
    assert left(base, owner) == {}
    assert user + "@localhost" not in server.ctl_ok("users")


def test_killed_in_between(own_server, make_account):
    server = own_server()
    user = make_account(server, fresh("gone")).user
    base = database(server)
    owner = owner_of(base, user)
    fill(base, owner, MANY)
    # As if the server had been killed behind the first step, with all of the rows left.
    server.kill()
    base.execute("INSERT INTO account_leaving SELECT owner, host, name, 1 FROM account"
                 " WHERE owner = ?", (owner,))
    base.execute("UPDATE account SET name = '@' || owner WHERE owner = ?", (owner,))
    base.commit()
    server.revive()
    for _ in range(2):  # and killed again, wherever it is now
        server.kill()
        server.revive()
    server.process.log.wait("an account has been erased", timeout=DEADLINE)
    assert left(base, owner) == {}
    assert base.execute("SELECT count(*) FROM account_leaving").fetchone() == (0,)


def test_the_name_may_be_given_again_by_force(server, account, connect):
    first = account(fresh("again"))
    base = database(server)
    owner = owner_of(base, first.user)
    server.ctl_ok("deluser", first.jid)
    assert server.ctl("adduser", first.jid, stdin="geheim\n").returncode == 1
    server.ctl_ok("adduser", first.jid, "--force", stdin="geheim\n")
    assert owner_of(base, first.user) > owner
    server.ctl_ok("deluser", first.jid)
