# SPDX-License-Identifier: MIT
"""The proof that nothing acknowledged is lost, in short; and that it would notice."""

import argparse
import os
import random
import subprocess
import sys

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import powerloss  # noqa: E402
import proof  # noqa: E402
from ledger import Ledger, Row  # noqa: E402

pytestmark = pytest.mark.ours
SEED = 20261122


def prove(**changes):
    options = proof.arguments(["--seed", str(SEED), "--seconds", "25"])
    world = proof.prove(argparse.Namespace(**dict(vars(options), **changes)))
    assert not world.ledger.faults, "\n".join(world.ledger.faults[:40])
    return world


@pytest.mark.parametrize("power", [False, True])
def test_nothing_acknowledged_is_lost(power):
    """`tests/proof/proof.py` is the same for as long as you like."""
    database = os.environ.get("JACKDAW_DB", "sqlite")
    if power and database != "sqlite":
        power, changes = False, {"seed": SEED + 1}
    else:
        changes = {}
    world = prove(db=database, power=power, **changes)
    messages = world.ledger.messages.values()
    assert sum(m.acked for m in messages) > 100
    rooms = {room.name for room in world.rooms}
    assert sum(m.acked for m in messages if m.to in rooms) > 10
    assert world.counts["resumed"] > 5 and world.counts["sessions"] > 20


def test_restarts():
    """A server that is stopped in order all the time leaves nothing behind, and loses nothing."""
    world = prove(db=os.environ.get("JACKDAW_DB", "sqlite"), restarts=True, seconds=15)
    assert world.counts["server_restarted"] > 1


# -- it would notice --------------------------------------------------------------------


def test_sabotage():
    """Some rows vanish at their COMMIT: they are missed everywhere."""
    options = proof.arguments(["--seed", str(SEED), "--seconds", "8", "--calm", "--sabotage",
                               "--db", os.environ.get("JACKDAW_DB", "sqlite")])
    options.build = os.environ["JACKDAW_BUILD"]
    found = "\n".join(proof.prove(options).ledger.faults)
    assert "is not in the archive" in found and "never got it" in found
    assert "ids that the archive does not know" in found


class Place:
    is_room = False

    def __init__(self, name, rows, *devices):
        self.name, self.devices = name, devices
        self.rows = [Row(i, *row) for i, row in enumerate(rows)]
        self.ids = set(range(4))


class Having:
    pages_only = False

    def __init__(self, *received, catches_up=True, ids=(0, 1, 2, 3), live=()):
        self.name, self.live_ids = "device", [live]
        self.received, self.catches_up, self.ids = set(received), catches_up, dict.fromkeys(ids, "m")


def faults(a_rows, b_rows, *devices, again=False):
    ledger = Ledger()
    for number in (1, 2):
        message = ledger.note("m%d" % number, "a", "a/d", number, "b")
        message.acked, message.again = True, again
    ledger.check({"a": Place("a", [(key, "a") for key in a_rows], Having()),
                  "b": Place("b", [(key, "a") for key in b_rows], *devices)})
    return len(ledger.faults)


BOTH = ["m1", "m2"]


def test_the_ledger():
    assert faults(BOTH, BOTH, Having(*BOTH)) == 0
    assert faults(BOTH, ["m1"], Having(*BOTH)) == 1
    assert faults(["m2"], BOTH, Having(*BOTH)) == 1
    assert faults(BOTH, ["m2", "m1"], Having(*BOTH)) == 1
    assert faults(BOTH, ["m1", "m1", "m2"], Having(*BOTH)) == 1
    assert faults(BOTH, ["m1", "m1", "m2"], Having(*BOTH), again=True) == 0
    assert faults(BOTH, BOTH, Having("m1")) == 2
    assert faults(BOTH, BOTH, Having("m1"), Having(*BOTH)) == 1
    assert faults(BOTH, BOTH, Having("m1", catches_up=False), Having("m2", catches_up=False)) == 0
    assert faults(BOTH, BOTH, Having("m1", catches_up=False)) == 1
    assert faults(BOTH, BOTH, Having(*BOTH, ids=(0,))) == 1
    assert faults(BOTH, BOTH, Having(*BOTH, ids=range(5))) == 1
    assert faults(BOTH, BOTH, Having(*BOTH, live=(0, 1))) == 0
    assert faults(BOTH, BOTH, Having(*BOTH, live=(1, 0))) == 1


WRITER = """
import os, signal, sqlite3, sys
base = sqlite3.connect(sys.argv[1], isolation_level=None)
base.execute("PRAGMA journal_mode = WAL")
base.execute("PRAGMA synchronous = " + sys.argv[2])
base.execute("CREATE TABLE IF NOT EXISTS t (x INTEGER)")
for i in range(100):
    base.execute("INSERT INTO t VALUES (%d)" % i)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("synchronous, whole", [("FULL", True), ("OFF", False)])
def test_the_power_cut(tmp_path, synchronous, whole):
    """Rows that were waited for are there after it, others are not."""
    library, path = powerloss.build(str(tmp_path)), str(tmp_path / "base.db")
    env = dict(os.environ, **powerloss.environment(library, path))
    subprocess.run([sys.executable, "-c", WRITER, path, synchronous], env=env, check=False)
    undone = powerloss.cut(path, random.Random(4))
    count = subprocess.run(
        [sys.executable, "-c", "import sqlite3, sys; "
         "print(sqlite3.connect(sys.argv[1]).execute('SELECT COUNT(*) FROM t').fetchone()[0])",
         path], capture_output=True, text=True, check=False).stdout.strip()
    assert (undone == 0) == whole
    assert (count == "100") == whole
