# SPDX-License-Identifier: MIT
"""Deleting an account leaves nothing of it in any table, whatever happens meanwhile."""

import pytest

from database import Database
from raw import DEADLINE, fresh

pytestmark = pytest.mark.ours
KEPT = {"account_tombstone"}  # on purpose: the name is not given to a stranger
MANY = 3000


def tables(base):
    """Every table with a column `owner`, and its columns."""
    return {name: columns for name, columns in base.columns().items()
            if any(column == "owner" for column, _ in columns)}


def value(kind, number):
    """Something that fits a column, different for each number."""
    if kind in ("INTEGER", "BIGINT"):
        return number
    return b"%d" % number if kind in ("BLOB", "BYTEA") else "v%d@example.org" % number


def fill(base, owner, rows):
    """Rows of the owner in each table that takes as many."""
    base.run(base.text("INSERT INTO %s VALUES (%s) ON CONFLICT DO NOTHING" % (
        table, ", ".join("%s" for _ in columns)), *(
            owner if column == "owner" else value(kind, number) for column, kind in columns))
             for table, columns in tables(base).items()
             if table not in KEPT | {"account", "account_leaving"} for number in range(rows))


def left(base, owner):
    counts = {table: base.number("SELECT count(*) FROM %s WHERE owner = %d" % (table, owner))
              for table in tables(base) if table not in KEPT}
    return {table: count for table, count in counts.items() if count}


def owner_of(base, user):
    return base.number("SELECT owner FROM account WHERE name = %s", user)


def test_nothing_remains(server, account):
    user = account(fresh("gone")).user
    base = Database(server)
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
    base = Database(server)
    owner = owner_of(base, user)
    fill(base, owner, MANY)
    # As if the server had been killed behind the first step, with all of the rows left.
    server.kill()
    base.run(["INSERT INTO account_leaving SELECT owner, host, name, 1 FROM account"
              " WHERE owner = %d" % owner,
              "UPDATE account SET name = '@' || owner WHERE owner = %d" % owner])
    server.revive()
    for _ in range(2):  # and killed again, wherever it is now
        server.kill()
        server.revive()
    if base.number("SELECT count(*) FROM account_leaving"):  # else an earlier life was done with it
        server.process.log.wait("an account has been erased", timeout=DEADLINE)
    assert left(base, owner) == {}
    assert base.number("SELECT count(*) FROM account_leaving") == 0


def test_the_name_may_be_given_again_by_force(server, account, connect):
    first = account(fresh("again"))
    base = Database(server)
    owner = owner_of(base, first.user)
    server.ctl_ok("deluser", first.jid)
    assert server.ctl("adduser", first.jid, stdin="geheim\n").returncode == 1
    server.ctl_ok("adduser", first.jid, "--force", stdin="geheim\n")
    assert owner_of(base, first.user) > owner
    server.ctl_ok("deluser", first.jid)
