#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The proof that nothing acknowledged is lost.

    tests/proof/proof.py --build DIR [--seconds N] [--seed N] [--db pgsql]
                         [--power | --restarts | --sabotage]

Accounts with one to three devices each (device.py) send numbered messages to each other.
Connections break, also within a stanza; sessions are resumed or not; clients log out and
come back; the server is killed by SIGKILL, and PostgreSQL stopped, killed and paused, at
random moments. Then the noise ends, everybody comes back and catches up, every archive is
read from its beginning, and what the ledger says must hold (ledger.py):

    - what was acknowledged (XEP-0198) is in both archives, and was received by every device
      that catches up, or by one device of an account that has none such;
    - rows of one sending device stand in the order in which it sent (the last of each message);
    - a message has two rows only if its sender had to send it again in a new session;
    - nothing comes twice within one session, resumed or not;
    - who pages with `after` all the time has seen every row in the end;
    - an id that anybody was given, live or by a page, is in the archive.

Some are in rooms (room.py): what was acknowledged there is in the room's archive once, every occupant
finds it live or there, and live in the order of the archive; the rooms outlive everything.

The seed is printed; the same one gives the same decisions, though not the same timing.
"""

import argparse
import asyncio
import collections
import concurrent.futures
import os
import random
import sqlite3
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "integration")]

import device as devices  # noqa: E402
import reference  # noqa: E402
import room  # noqa: E402
from ledger import Ledger, Row  # noqa: E402
import powerloss  # noqa: E402
from postgres import Postgres  # noqa: E402
from server import Server  # noqa: E402
from stream import CLIENT, child, tag  # noqa: E402

HOST = "localhost"
ROOMS = "conference.localhost"
MODULES = "roster presence message disco ping carbons csi blocking archive offline".split()
# Microseconds that a COMMIT takes: who says before it is over that a row is there has lied, and an
# accident that comes in between shows it.
SLOW_DISK = 30000
# What the server may log while its database is being shot.
EXPECTED = ["database", "PostgreSQL", "could not"]


class Account:
    is_room = False

    def __init__(self, world, number):
        self.user = self.name = "user%d" % number
        self.jid = "%s@%s" % (self.user, HOST)
        self.password = "secret%d" % number
        self.rows = []
        self.ids = set()
        self.devices = []
        self._fill(world, number)

    def _fill(self, world, number):
        kinds = [[devices.Managed], [devices.Plain], [devices.Managed, devices.Managed],
                 [devices.Managed, devices.Plain, devices.Pager], [devices.Managed, devices.Pager]]
        for place, kind in enumerate(kinds[number % len(kinds)]):
            self.devices.append(kind(world, self, place))


def sender(message):
    """The user's name: in a room it is the name that he has there."""
    name, _, rest = message.get("from").partition("@")
    return rest.partition("/")[2] if message.get("type") == "groupchat" else name


class ForgetfulServer(Server):
    """One whose disk loses what was not waited for when the power is cut."""

    def __init__(self, folder, seed):
        super().__init__(folder)
        self.library = powerloss.build(self.folder)
        self.path = os.path.join(self.run_dir, "jackdaw.db")
        self.random = random.Random(seed)
        self.undone = 0

    def environment(self):
        env = super().environment()
        for name, value in powerloss.environment(self.library, self.path,
                                                      SLOW_DISK).items():
            env[name] = ":".join(filter(None, [env.get(name), value]))
        return env

    def cut_power(self):
        self.kill()
        self.undone += powerloss.cut(self.path, self.random)
        self.start()


class World:
    """See the head of this file."""

    host = HOST

    def __init__(self, options, server, postgres):
        self.options, self.server, self.postgres = options, server, postgres
        self.random = random.Random(options.seed)
        self.rate = options.rate
        self.ledger = Ledger()
        self.counts = collections.Counter()
        self.end = None
        # What it starts dies with its thread.
        self.pool = concurrent.futures.ThreadPoolExecutor(1)
        self.accounts = [Account(self, i) for i in range(options.accounts)]
        self.rooms = [] if options.reference else [
            room.Room("room%d" % i, ROOMS) for i in range(3)]
        self._people()

    def _people(self):
        """Who is in which room; a third of all is in two."""
        for i, device in enumerate(self.devices()):
            if isinstance(device, devices.Managed) and self.rooms:
                chosen = {self.rooms[i % 3], self.rooms[i * i % 3]}
                for where in sorted(chosen, key=lambda one: one.name):
                    device.occupants[where.jid] = room.Occupant(device, where)

    def fork_random(self):
        return random.Random(self.random.getrandbits(64))

    def others(self, account):
        return [other for other in self.accounts if other is not account]

    def address(self):
        return self.server.address("c2s")

    def over(self):
        return time.monotonic() >= self.end

    def count(self, what):
        self.counts[what] += 1

    def say(self, text):
        if self.options.verbose:
            print(text, flush=True)

    def devices(self):
        return [device for account in self.accounts for device in account.devices]

    # -- accidents ----------------------------------------------------------------------

    def between(self):
        """Seconds from one accident to the next."""
        return self.random.uniform(0.3, 1.2) if self.options.restarts \
            else self.random.uniform(2, 7)

    async def accidents(self):
        while not self.over():
            await asyncio.sleep(self.between())
            if self.over() or self.options.calm:
                continue
            accident = self.random.choice(self._possible())
            self.count(accident.__name__.strip("_"))
            self.say("-- " + accident.__name__)
            await asyncio.get_running_loop().run_in_executor(self.pool, accident)

    def _possible(self):
        if isinstance(self.server, ForgetfulServer):
            return [self._power_cut]
        if self.options.restarts:
            return [self._server_restarted]
        possible = [self._server_killed, self._server_restarted]
        if self.postgres:
            possible += [self._database_killed, self._database_restarted, self._database_paused,
                         self._all_killed, self._all_killed]
        return possible

    def _server_killed(self):
        self.server.kill()
        self.server.start()

    def _server_restarted(self):
        for text in EXPECTED:
            self.server.expect_error(text)
        self.server.restart()

    def _power_cut(self):
        self.server.cut_power()

    def _database_killed(self):
        self.postgres.crash()
        time.sleep(self.random.uniform(0, 3))
        self.postgres.start()

    def _all_killed(self):
        """What the server knows is lost with what the database has not written."""
        self.postgres.pause()
        time.sleep(self.random.uniform(0, 0.5))
        self.server.kill()
        self.postgres.crash()
        self.postgres.start()
        self.server.start()

    def _database_restarted(self):
        self.postgres.stop()
        time.sleep(self.random.uniform(0, 3))
        self.postgres.start()

    def _database_paused(self):
        self.postgres.pause()
        time.sleep(self.random.uniform(0, 3))
        self.postgres.resume()

    # -- the run --------------------------------------------------------------------------

    async def _make_rooms(self):
        maker = devices.Device(self, self.accounts[0], 98)
        stream = maker.stream = await maker.open()
        await stream.bind("maker")
        for one in self.rooms:
            await one.make(stream)
        await stream.close()

    async def run(self):
        await self._make_rooms()
        self.end = time.monotonic() + self.options.seconds
        await asyncio.gather(self.accidents(), *(device.run() for device in self.devices()))
        await asyncio.gather(*(device.settle() for device in self.devices()))
        await asyncio.gather(*(device.finish() for device in self.devices()))
        places = self.accounts + self.rooms
        for place in places:
            await self._audit(place)
        self.ledger.check({place.name: place for place in places})

    async def _audit(self, place):
        """The whole archive, from its beginning."""
        rows, ids = place.rows, place.ids
        account = self.accounts[0] if place.is_room else place

        class Auditor(devices.Device):
            def on_result(self, result, archive):
                ids.add(result.get("id"))
                message = child(child(result, "urn:xmpp:forward:0", "forwarded"),
                                CLIENT, "message")
                origin = child(message, devices.SID, "origin-id")
                if origin is not None:
                    rows.append(Row(result.get("id"), origin.get("id"), sender(message)))

        auditor = Auditor(self, account, 99)
        stream = await auditor.open()
        await stream.bind("auditor")
        await auditor.catch_up(stream, None, place.jid if place.is_room else None)
        stream.abort()

    def report(self):
        messages = self.ledger.messages.values()
        print("%d messages, %d acknowledged, %d refused, %d sent again; %d rows; %s" % (
            len(messages), sum(m.acked for m in messages), sum(m.refused for m in messages),
            sum(m.again for m in messages), sum(len(place.rows) for place in self.accounts + self.rooms),
            ", ".join("%s %d" % item for item in sorted(self.counts.items()))))
        for fault in self.ledger.faults[:40]:
            print("FAULT: " + fault)
        if len(self.ledger.faults) > 40:
            print("... and %d more" % (len(self.ledger.faults) - 40))


def arguments(argv):
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--build", default=os.environ.get("JACKDAW_BUILD"))
    parser.add_argument("--db", choices=("sqlite", "pgsql"), default="sqlite")
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10 ** 6))
    parser.add_argument("--accounts", type=int, default=20)
    parser.add_argument("--rate", type=float, default=3.0, help="actions a second of a device")
    parser.add_argument("--calm", action="store_true", help="nothing is killed")
    parser.add_argument("--power", action="store_true",
                        help="SQLite: each accident is a power cut (powerloss.py)")
    parser.add_argument("--restarts", action="store_true",
                        help="the server is stopped and started in order, all the time")
    parser.add_argument("--sabotage", action="store_true",
                        help="the proof's own test: some rows vanish, which must be found")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("--reference", action="store_true",
                        help="the proof's own test: against Debian's Prosody, and nothing is killed")
    return parser.parse_args(argv)


def make_server(options, postgres):
    folder = tempfile.mkdtemp(prefix="jackdaw-proof-")
    if options.reference:
        reference.CONF = reference.CONF.replace('"carbons"', '"carbons", "smacks", "mam"').replace(
            'modules_disabled = {{ "s2s", "offline" }}', 'modules_disabled = {{ "s2s" }}')
        return reference.Reference(folder)
    os.environ["JACKDAW_BUILD"] = options.build
    os.environ["JACKDAW_DB"] = "sqlite"
    server = ForgetfulServer(folder, options.seed) if options.power else Server(folder)
    server.write_conf({("host", HOST): {"modules": MODULES}})
    if postgres:
        server.settings["database"] = {
            "driver": "pgsql", "connection": postgres.conninfo(postgres.create())}
        server.write_conf({})
    return server


# A COMMIT that lies: it says that the row is there, and it is not.
SABOTAGE = {
    "sqlite": "CREATE TRIGGER sabotage AFTER INSERT ON archive WHEN NEW.id % 50 = 7 AND"
              " NEW.origin_id LIKE 'user%' BEGIN"
              " DELETE FROM archive WHERE owner = NEW.owner AND id = NEW.id; END",
    "pgsql": "CREATE FUNCTION sabotage() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
             " DELETE FROM archive WHERE owner = NEW.owner AND id = NEW.id; RETURN NULL; END $$;"
             " CREATE TRIGGER sabotage AFTER INSERT ON archive FOR EACH ROW"
             " WHEN (NEW.id % 50 = 7 AND NEW.origin_id LIKE 'user%') EXECUTE FUNCTION sabotage()",
}


def sabotage(server, postgres):
    if postgres:
        postgres.sql(SABOTAGE["pgsql"], server.database_name())
        return
    base = sqlite3.connect(server.settings["database"]["path"])
    base.execute(SABOTAGE["sqlite"])
    base.close()


def prove(options):
    """Runs it; the world, with its faults."""
    print("seed %d" % options.seed, flush=True)
    slow = {"fsync": "on", "commit_delay": SLOW_DISK, "commit_siblings": 0}
    postgres = Postgres(**slow) if options.db == "pgsql" else None
    server = make_server(options, postgres)
    try:
        server.start()
        world = World(options, server, postgres)
        for account in world.accounts:
            server.adduser(account.user, account.password)
        if options.sabotage:
            sabotage(server, postgres)
        asyncio.run(world.run())
        world.report()
        if options.power:
            print("%d writes undone by power cuts" % server.undone)
        for text in EXPECTED:
            server.expect_error(text)
        server.stop()
        world.pool.shutdown()
        return world
    finally:
        if not options.reference:
            server.kill()
        if postgres:
            postgres.remove()


def main(argv):
    options = arguments(argv)
    if options.reference:
        options.calm = True
    elif not options.build:
        sys.exit("--build DIR is needed")
    lost = prove(options).ledger.faults
    if options.sabotage:
        lost = not any(fault.startswith("LOST") for fault in lost)
        print("the sabotage was not found" if lost else "the sabotage was found")
    sys.exit(1 if lost else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
