#!/usr/bin/python3
# SPDX-License-Identifier: MIT
"""The proof that nothing acknowledged is lost.

    tests/proof/proof.py --build DIR [--seconds N] [--seed N] [--db pgsql] [--power]

Accounts with one to three devices each (device.py) send numbered messages to each other.
Connections break, also within a stanza; sessions are resumed or not; clients log out and
come back; the server is killed by SIGKILL, and PostgreSQL stopped, killed and paused, at
random moments. Then the noise ends, everybody comes back and catches up, every archive is
read from its beginning, and what the ledger says must hold (ledger.py):

    - what was acknowledged (XEP-0198) is in both archives, and was received by every device
      that catches up, or by one device of an account that has none such;
    - rows of one sending device stand in the order in which it sent;
    - a message has two rows only if its sender had to send it again in a new session;
    - nothing comes twice within one session, resumed or not;
    - who pages with `after` all the time has seen every row in the end.

The seed is printed; the same one gives the same decisions, though not the same timing.
"""

import argparse
import asyncio
import collections
import concurrent.futures
import os
import random
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "integration")]

import device as devices  # noqa: E402
import reference  # noqa: E402
from ledger import Ledger, Row  # noqa: E402
import powerloss  # noqa: E402
from postgres import Postgres  # noqa: E402
from server import Server  # noqa: E402
from stream import CLIENT, child, tag  # noqa: E402

HOST = "localhost"
MODULES = "roster presence message disco ping carbons csi blocking archive offline".split()
# What the server may log while its database is being shot.
EXPECTED = ["database", "PostgreSQL", "could not"]


class Account:
    def __init__(self, world, number):
        self.user = self.name = "user%d" % number
        self.jid = "%s@%s" % (self.user, HOST)
        self.password = "secret%d" % number
        self.rows = []
        self.devices = []
        self._fill(world, number)

    def _fill(self, world, number):
        kinds = [[devices.Managed], [devices.Plain], [devices.Managed, devices.Managed],
                 [devices.Managed, devices.Plain, devices.Pager], [devices.Managed, devices.Pager]]
        for place, kind in enumerate(kinds[number % len(kinds)]):
            self.devices.append(kind(world, self, place))


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
        for name, value in powerloss.environment(self.library, self.path).items():
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

    async def accidents(self):
        while not self.over():
            await asyncio.sleep(self.random.uniform(2, 7))
            if self.over() or self.options.calm:
                continue
            accident = self.random.choice(self._possible())
            self.count(accident.__name__.strip("_"))
            self.say("-- " + accident.__name__)
            await asyncio.get_running_loop().run_in_executor(self.pool, accident)

    def _possible(self):
        if isinstance(self.server, ForgetfulServer):
            return [self._power_cut]
        possible = [self._server_killed, self._server_restarted]
        if self.postgres:
            possible += [self._database_killed, self._database_restarted, self._database_paused]
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

    def _database_restarted(self):
        self.postgres.stop()
        time.sleep(self.random.uniform(0, 3))
        self.postgres.start()

    def _database_paused(self):
        self.postgres.pause()
        time.sleep(self.random.uniform(0, 3))
        self.postgres.resume()

    # -- the run --------------------------------------------------------------------------

    async def run(self):
        self.end = time.monotonic() + self.options.seconds
        await asyncio.gather(self.accidents(), *(device.run() for device in self.devices()))
        await asyncio.gather(*(device.settle() for device in self.devices()))
        await asyncio.gather(*(device.finish() for device in self.devices()))
        for account in self.accounts:
            await self._audit(account)
        self.ledger.check({account.name: account for account in self.accounts})

    async def _audit(self, account):
        """The whole archive, from its beginning."""
        rows = account.rows

        class Auditor(devices.Device):
            def on_result(self, result):
                message = child(child(result, "urn:xmpp:forward:0", "forwarded"),
                                CLIENT, "message")
                origin = child(message, devices.SID, "origin-id")
                if origin is not None:
                    rows.append(Row(result.get("id"), origin.get("id"),
                                    message.get("from").partition("@")[0]))

        auditor = Auditor(self, account, 99)
        stream = await auditor.open()
        await stream.bind("auditor")
        await auditor.catch_up(stream, None)
        stream.abort()

    def report(self):
        messages = self.ledger.messages.values()
        print("%d messages, %d acknowledged, %d refused, %d sent again; %d rows; %s" % (
            len(messages), sum(m.acked for m in messages), sum(m.refused for m in messages),
            sum(m.again for m in messages), sum(len(a.rows) for a in self.accounts),
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


def prove(options):
    """Runs it; the world, with its faults."""
    print("seed %d" % options.seed, flush=True)
    postgres = Postgres() if options.db == "pgsql" else None
    server = make_server(options, postgres)
    try:
        server.start()
        world = World(options, server, postgres)
        for account in world.accounts:
            server.adduser(account.user, account.password)
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
    sys.exit(1 if prove(options).ledger.faults else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
