# SPDX-License-Identifier: MIT
"""A page of an archive reads one run of an index, however much there is.

The statements are those of the module, read out of what has been built, and the
databases say how they would run them."""

import os
import re

import pytest

from database import Database
from server import build_dir

pytestmark = pytest.mark.ours

END = 2 ** 63 - 1
ROWS = int(os.environ.get("JACKDAW_ARCHIVE_ROWS", "20000"))
OWNERS = 3
AT_ONCE = 50000
SPARE = 20  # pages of the database that trees of another height may cost


def texts_of_module(pattern):
    for path in ("modules/mod_archive/.libs/mod_archive.so", "jackdaw"):
        path = os.path.join(build_dir(), path)
        if not os.path.exists(path):
            continue
        with open(path, "rb") as file:
            found = re.findall(pattern, file.read())
        if found:
            return [text.decode() for text in found]
    raise AssertionError("the module's statements are not found")


def statements(dialect):
    """The texts of all statements that read rows of an archive."""
    alias = {"pgsql": b"p", "sqlite": b"a"}[dialect]
    return texts_of_module(rb"SELECT %s\.id, %s\.at, [^\0]*" % (alias, alias))


def values(text, owner, rows):
    """What a client's query would put into it: the page behind the middle."""
    page = {1: owner, 2: rows // 2, 3: END, 4: 0, 5: END}
    if "$11" not in text:
        return {**page, 6: 51}
    page.update({6: rows // 2, 7: 0, 8: 0, 9: 0, 10: 1, 11: 51, 12: "peer3@example.org"})
    if "archive_text" in text:
        page.update({6: rows // 2, 12: "owner%d i%d" % (owner, 7), 13: '[" owner%d i7 "]' % owner,
                     14: None, 15: None, 16: None, 17: 0})
    elif "json" in text:
        page.update({12: "[%d,%d]" % (rows // 2 + 1, rows // 2 + 2), 13: 2, 14: None, 15: None})
    elif "$13" in text:
        page[13] = "phone"
    return {n: v for n, v in page.items() if "$%d" % n in text}


def make_rows(base, last, first=1):
    """Each account gets rows with these numbers; some at a time, which nobody has to wait for."""
    base.run(["INSERT INTO archive_owner (owner, next_id, total, counted) SELECT owner, 1, 0, 0"
              " FROM account WHERE true ON CONFLICT DO NOTHING"])
    stanza = "decode('3c6d2f3e', 'hex')" if base.pgsql else "X'3c6d2f3e'"
    for begin in range(first, last + 1, AT_ONCE):
        end = min(begin + AT_ONCE - 1, last)
        numbers = ("generate_series(%d, %d) AS i" % (begin, end) if base.pgsql else
                   "(WITH RECURSIVE n(i) AS (SELECT %d UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
                   " SELECT i FROM n)" % (begin, end))
        base.run(["INSERT INTO archive (owner, id, at, peer, resource, direction, type, flags,"
                  " format, stanza) SELECT a.owner, i, 1000000 * CAST(i AS BIGINT), 'peer' ||"
                  " (i %% 7) || '@example.org', 'phone', i %% 2, 1, 1, 0, %s FROM %s, account a"
                  % (stanza, numbers)])
    base.run(["ANALYZE archive"])


def make_terms(base):
    """Of each row: one that all have, and one that some have."""
    base.run(["INSERT INTO archive_text (owner, id, terms) SELECT owner, id, ' owner' || owner ||"
              " ' i' || (id %% %d) || ' ' FROM archive" % (ROWS // 40), "ANALYZE archive_text"])


def literal(value):
    return "NULL" if value is None else "'%s'" % value if isinstance(value, str) else str(value)


def explain_sqlite(base, text, rows=ROWS):
    given = values(text, base.number("SELECT min(owner) FROM account"), rows)
    for n in sorted(given, reverse=True):
        text = text.replace("$%d" % n, literal(given[n]))
    return [row[3] for row in base.rows("EXPLAIN QUERY PLAN " + text.replace("%", "%%"))]


def explain_pgsql(base, text, rows=ROWS):
    given = values(text, base.number("SELECT min(owner) FROM account"), rows)
    kinds = ", ".join("text" if n in (14, 15, 16) or isinstance(v, str) else "bigint"
                      for n, v in sorted(given.items()))
    found = base.rows(
        "SET plan_cache_mode = force_generic_plan; PREPARE page(%s) AS %s;"
        " EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off, SUMMARY off) EXECUTE page(%s)"
        % (kinds, text.replace("%", "%%"), ", ".join(literal(v) for _, v in sorted(given.items()))))
    return [row[0] for row in found if row and row[0] not in ("SET", "PREPARE")]


def pages_read(plan):
    found = re.search(r"Buffers: shared hit=(\d+)(?: read=(\d+))?", "\n".join(plan))
    return int(found[1]) + int(found[2] or 0)


@pytest.fixture
def base(own_server, make_account):
    server = own_server()
    for i in range(OWNERS):
        make_account(server, "u%d" % i)
    server.stop()
    return Database(server)


def searches(base, text, plan):
    """By words: the index of those, then one look-up for each row that it leads to."""
    assert not re.search(r"Seq Scan on archive|SCAN (archive|a)\b", plan), plan
    if base.pgsql:
        assert "Bitmap Index Scan on archive_words" in plan, plan
        assert "Bitmap Index Scan on archive_text_pkey" not in plan, plan
        assert pages_read(plan.split("\n")) < 400, plan
    else:
        assert "SCAN w VIRTUAL TABLE INDEX" in plan, plan
        if "ORDER BY w.rowid" in text:  # in the order of the index
            assert "ORDER BY" not in plan.split("SCAN (subquery")[0], plan
        assert "SEARCH a USING INDEX sqlite_autoindex_archive_1 (owner=? AND id=?)" in plan, plan


def test_a_page_is_a_run_of_an_index(base):
    make_rows(base, ROWS)
    make_terms(base)
    texts = statements("pgsql" if base.pgsql else "sqlite")
    assert len(texts) >= 14
    for text in texts:
        plan = (explain_pgsql if base.pgsql else explain_sqlite)(base, text)
        whole = "\n".join(plan)
        if "archive_text" in text:
            searches(base, text, whole)
        elif base.pgsql:
            assert "Seq Scan on archive" not in whole and "Bitmap" not in whole, whole
            assert pages_read(plan) < 400, whole
        else:
            assert not re.search(r"\bSCAN (archive|a)\b", whole), whole
            inner = [line for line in plan if "SEARCH archive USING" in line]
            assert [line for line in inner if "id>? AND id<?" in line or "id=?" in line], whole


def cost(base, text, rows):
    """Pages of the database; SQLite does not tell those, but what it would do."""
    if base.pgsql:
        return pages_read(explain_pgsql(base, text, rows))
    return explain_sqlite(base, text, rows)


def test_a_page_costs_the_same_whatever_there_is(base):
    texts = [t for t in statements("pgsql" if base.pgsql else "sqlite")
             if "json" not in t and "$13" not in t]
    make_rows(base, ROWS // 10)
    few = [cost(base, text, ROWS // 10) for text in texts]
    make_rows(base, ROWS, ROWS // 10 + 1)
    many = [cost(base, text, ROWS) for text in texts]
    if base.pgsql:
        assert all(b <= a + SPARE for a, b in zip(few, many)), (few, many)
    else:
        assert few == many


PUT = "PREPARE put(%s) AS " % ", ".join(
    {4: "text", 5: "text", 8: "text", 11: "bytea"}.get(n, "bigint") for n in range(1, 12))


def cost_of_insert(base, rows):
    """Pages of the second of two: the first one may split some."""
    text = min(texts_of_module(rb"INSERT INTO archive \(owner, id, at, [^\0]*"), key=len)
    owner = base.number("SELECT min(owner) FROM account")
    given = ["%d, %d, %d, 'peer3@example.org', 'phone', 0, 1, 'name', 1, 0, '<m/>'"
             % (owner, rows + i, 1000000 * (rows + i)) for i in (1, 2)]
    if not base.pgsql:
        for n, value in reversed(list(enumerate(given[0].split(", "), 1))):
            text = text.replace("$%d" % n, value)
        return explain_sqlite(base, text, rows)
    found = base.rows("SET plan_cache_mode = force_generic_plan; BEGIN; " + PUT + text + "".join(
        "; EXPLAIN (ANALYZE, BUFFERS, COSTS off, TIMING off, SUMMARY off) EXECUTE put(%s)" % values
        for values in given) + "; ROLLBACK")
    plans = "\n".join(row[0] for row in found if row).split("Insert on archive")
    return pages_read(plans[2:])


def test_a_row_costs_the_same_whatever_there_is(base):
    """Three indexes, each deeper by a page at most, and the row of the owner."""
    make_rows(base, ROWS // 10)
    few = cost_of_insert(base, ROWS // 10)
    make_rows(base, ROWS, ROWS // 10 + 1)
    many = cost_of_insert(base, ROWS)
    if base.pgsql:
        assert 4 <= few <= many + 4 and many <= few + 4, (few, many)
    else:
        assert few == many
