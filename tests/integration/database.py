# SPDX-License-Identifier: MIT
"""The server's database as an operator sees it: SQL from outside, on whichever there is.

    base = Database(server)
    base.rows("SELECT owner FROM account WHERE name = %s", "alice")  ->  [["7"]]

%s stands for a value, which is put in as a literal. What comes back is text, None
for NULL.
"""

import csv
import io
import sqlite3

from postgres import shared
from raw import DEADLINE

NULL = "\x02null"


class Database:
    """See the head of this file."""

    def __init__(self, server):
        self.name = server.database_name()
        self.pgsql = self.name is not None
        self._sqlite = None
        if not self.pgsql:
            self._sqlite = sqlite3.connect(server.settings["database"]["path"], timeout=DEADLINE)

    def _literal(self, value):
        if value is None:
            return "NULL"
        if isinstance(value, bytes):
            return ("'\\x%s'::bytea" if self.pgsql else "X'%s'") % value.hex()
        if isinstance(value, int):
            return str(value)
        return "'%s'" % str(value).replace("'", "''")

    def text(self, text, *values):
        return text % tuple(self._literal(value) for value in values) if values else text

    def rows(self, text, *values):
        text = self.text(text, *values)
        if not self.pgsql:
            return [[None if cell is None else str(cell) for cell in row]
                    for row in self._sqlite.execute(text)]
        found = shared().sql(text, self.name, "--csv", "-P", "null=" + NULL)
        return [[None if cell == NULL else cell for cell in row]
                for row in csv.reader(io.StringIO(found))]

    def number(self, text, *values):
        return int(self.rows(text, *values)[0][0])

    def run(self, statements):
        """All of them, in one transaction."""
        statements = list(statements)
        if self.pgsql:
            shared().sql("BEGIN;\n%s;\nCOMMIT;" % ";\n".join(statements), self.name)
        else:
            with self._sqlite:
                for statement in statements:
                    self._sqlite.execute(statement)

    def columns(self):
        """{table: [(column, type in capitals)]}"""
        if self.pgsql:
            found = self.rows(
                "SELECT table_name, column_name, upper(data_type) FROM information_schema.columns"
                " WHERE table_schema = current_schema() ORDER BY table_name, ordinal_position")
        else:
            found = self.rows(
                "SELECT m.name, c.name, upper(c.type) FROM sqlite_master m"
                " JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
                # an index, which SQLite calls a table and keeps in some
                " AND m.name NOT LIKE 'archive\\_words%' ESCAPE '\\' ORDER BY m.name, c.cid")
        tables = {}
        for table, column, kind in found:
            tables.setdefault(table, []).append((column, kind))
        return tables
