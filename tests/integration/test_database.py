# SPDX-License-Identifier: MIT
"""doc/database.md: what it shows is done."""

import os
import re
import subprocess

import pytest

import postgres
from database import Database
from raw import DEADLINE
from server import SOURCE, build_dir

pytestmark = pytest.mark.ours


def blocks():
    with open(os.path.join(SOURCE, "doc", "database.md"), encoding="utf-8") as file:
        return ["".join(line[4:] + "\n" for line in block.splitlines())
                for block in re.findall(r"(?:^ {4}.*\n)+", file.read(), re.M)]


def test_queries(server, alice):
    base = Database(server)
    queries = [block for block in blocks() if block.startswith("SELECT")]
    assert len(queries) == 4
    found = [base.rows(query) for query in queries]
    assert ["localhost"] in [row[:1] for row in found[0]]
    assert [alice.user, "localhost"] in found[2]
    assert "core" in [row[0] for row in found[3]]


def test_configuration(server, tmp_path):
    block = next(block for block in blocks() if block.startswith("database"))
    conf = tmp_path / "jackdaw.conf"
    conf.write_text('run_dir = "%s"\nhost "localhost" {\n}\n%s' % (tmp_path, block))
    done = subprocess.run([os.path.join(build_dir(), "jackdaw"), "-c", conf, "--check"],
                          env=server.environment(), capture_output=True, text=True,
                          timeout=DEADLINE, check=False)
    assert done.returncode == 0, done.stderr


def test_creating(own_server, make_account):
    """The role and the database of the page are enough."""
    creating = next(block for block in blocks() if block.startswith("CREATE ROLE"))
    creating = creating.replace("jackdaw", "as_documented")
    one = postgres.shared()
    for statement in creating.strip().splitlines():
        one.sql(statement)
    server = own_server(settings={"database": {
        "driver": "pgsql", "connection": one.conninfo("as_documented", user="as_documented")}})
    make_account(server).ready()
