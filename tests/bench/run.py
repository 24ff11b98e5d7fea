#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Measures Jackdaw, the floors, Prosody and ejabberd in one session; see doc/benchmark.md.

The servers run side by side and are measured one after the other, round by round, so that a
neighbour who makes the machine slow for a minute makes all of them slow.  Medians count.
"""

import argparse
import contextlib
import itertools
import json
import os
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import report
import servers
from figures import CONTACTS, FIGURES, GROUP, HOSTS, LIBRARY, ROWS

HERE = os.path.dirname(os.path.abspath(__file__))
SOURCE = os.path.dirname(os.path.dirname(HERE))
ACCOUNTS = (list(range(10001)) + list(range(GROUP, GROUP + CONTACTS + 1)) +
            [LIBRARY, LIBRARY + 1])
RUN_SECONDS = 400  # after which a run is given up
OPEN_FILES = 11000  # what 10 000 sessions need
JACKDAWS = {  # arguments of servers.Jackdaw
    "io=0": {"io_threads": 0}, "io=2": {"io_threads": 2}, "parked": {"park_after": "1s"},
    "hosts": {"hosts": HOSTS}, "default": {"park_after": "1s", "only": ()},
    "few": {"only": ["roster", "presence", "message", "ping"]}, "archive": {"more": ("archive",)},
    servers.MORE: {"more": ("archive", "offline", "muc", "sm")},
    servers.ARCHIVE: {"more": ("archive",)}}


def arguments():
    names = sorted({figure.group for figure in FIGURES} | {figure.name for figure in FIGURES})
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0],
                                     epilog="Figures and groups: " + ", ".join(names))
    parser.add_argument("--build", default=".", help="the build folder (a release build)")
    parser.add_argument("--only", action="append", metavar="FIGURE", choices=names,
                        help="a figure or a group of them; may be repeated")
    parser.add_argument("--servers", default="Jackdaw,Prosody,ejabberd",
                        help="which of them (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="default %(default)s")
    parser.add_argument("--minutes", type=int, default=15,
                        help="only first rounds are begun after so many (default %(default)s)")
    parser.add_argument("--quick", action="store_true",
                        help="small numbers: to try the benchmark, not the servers")
    parser.add_argument("--json", metavar="FILE", default="bench.jsonl",
                        help="one line for each run (default %(default)s)")
    parser.add_argument("--doc", metavar="FOLDER",
                        help="where benchmark.md and benchmark.svg go (default: nowhere)")
    args = parser.parse_args()
    args.build = os.path.abspath(args.build)
    args.servers = args.servers.split(",")
    if args.rounds < 1:
        parser.error("--rounds is at least 1")
    return args


class Bench:
    """All that has been started, and what was measured."""

    def __init__(self, args, folder):
        self.args, self.folder = args, folder
        self.tool = os.path.join(args.build, "jackdaw-bench")
        self.certificate = servers.make_certificate(folder)
        self.database = servers.Database(SOURCE)
        self.running = {}
        self.values = {}  # (figure, subject): [value, ...]
        self.lines = open(args.json, "w", encoding="utf-8")
        self.broken, self.remarks, self.dead, self.late = [], [], set(), set()
        self.begun = time.monotonic()

    # -- subjects ---------------------------------------------------------------------

    def make(self, name, floor_args=None):
        if name.startswith(("relay", "fan-out")):
            tls = self.certificate if name.endswith("+TLS") else None
            kind = "fanout" if name.startswith("fan") else "xml" if "expat" in name else "bytes"
            return servers.Relay(tempfile.mkdtemp(dir=self.folder), self.args.build, kind, tls,
                                 floor_args)
        who, _, what = name.partition(" ")
        database = self.database if what == servers.ARCHIVE else None
        if who == "Prosody":
            return servers.Prosody(self.folder, self.certificate, name, database)
        if who == "ejabberd":
            return servers.Ejabberd(self.folder, self.certificate, name, database)
        return servers.Jackdaw(self.folder, self.args.build, SOURCE, self.certificate,
                               name=name, database=database, **JACKDAWS.get(what, {}))

    def subject(self, name, fresh):
        """A server that runs, with its accounts.  A fresh one runs alone: pages that several
        processes share would count for less."""
        if fresh:
            for other in self.running.values():
                other.ask_to_stop()
            for other in self.running.values():
                other.stop()
        if name not in self.running:
            self.tell("%s: accounts" % name)
            subject = self.make(name)
            subject.accounts(ACCOUNTS)
            subject.start()
            self.running[name] = subject
            self.prepare(subject)
            if fresh:
                subject.stop()
        if self.running[name].ended():
            self.note("%s has ended by itself" % name)
        if self.running[name].popen is None:
            self.running[name].start()
        return self.running[name]

    def needs(self, subject, first):
        """Whether a figure of this server uses the accounts from that on."""
        return any(figure.args.get("first") == first and subject.name in figure.subjects
                   for figure in self.figures())

    def prepare(self, subject):
        """The contacts and the archives of the scenarios that need some.  A database's
        connections are there only when they were used."""
        line = {}
        if self.needs(subject, GROUP):
            line = self.call(subject, "befriend", {"first": GROUP, "contacts": CONTACTS}, "tcp")
        if self.needs(subject, LIBRARY):
            self.tell("%s: archive" % subject.name)
            line = self.call(subject, "chat", {
                "first": LIBRARY, "pairs": 1, "window": 20,
                "messages": ROWS // (20 if self.args.quick else 1)}, "tcp")
        elif subject.database:
            line = self.call(subject, "chat", {"messages": 1000}, "tcp")
        if "broken" in line:
            self.note("%s, before it is measured: %s" % (subject.name, line["broken"]))

    def stop(self):
        """For good: what they would still write is thrown away."""
        for subject in self.running.values():
            subject.ask_to_stop(signal.SIGKILL)
        for subject in self.running.values():
            subject.stop()
        self.database.stop()
        self.lines.close()

    # -- runs -------------------------------------------------------------------------

    def figures(self):
        only = self.args.only
        chosen = [figure for figure in FIGURES
                  if not only or figure.name in only or figure.group in only]
        sources = {figure.of for figure in chosen}
        return [figure for figure in FIGURES if figure in chosen or figure.name in sources]

    def wanted(self, figure):
        names = [name for name in figure.subjects if name.split(" ")[0] in self.args.servers]
        return list(figure.floors) + names

    def tell(self, text):
        if sys.stderr.isatty():
            print("\r\033[K" + text, end="", file=sys.stderr, flush=True)

    def call(self, subject, scenario, options, transport):
        argv = [self.tool, scenario, "--transport", transport,
                "--port", str(subject.ports[transport])]
        for pid in subject.pids():
            argv += ["--pid", str(pid)]
        for pid in subject.database.pids() if subject.database else ():
            argv += ["--db-pid", str(pid)]
        for name, value in options.items():
            argv += ["--" + name] + ([] if value is True else [str(value)])
        begin = time.monotonic()
        done = subprocess.run(argv, capture_output=True, text=True, check=False,
                              timeout=RUN_SECONDS)
        line = json.loads(done.stdout) if done.stdout else {}
        line["wall"] = round(time.monotonic() - begin, 1)
        if done.returncode:
            line["broken"] = done.stderr.strip()
        return line

    def note(self, text, broken=True):
        """What went wrong, or was left out; it is told at once and again at the end."""
        (self.broken if broken else self.remarks).append(text)
        print("\r\033[K" * sys.stderr.isatty() + text, file=sys.stderr, flush=True)

    def measure(self, figure, name, number):
        """One run.  What another server breaks is tried again; of ours once is too often.  A
        server that does not start, or for whose run nobody waits any longer for the second time, is
        left out from then on, and the page says so.  Nothing that one does costs the others
        their figures."""
        if name in self.dead:
            return
        for last in (name.startswith("Jackdaw"), True):
            try:
                line = self.measure_once(figure, name, number)
                why = line.get("broken")
            except SystemExit as error:
                if not isinstance(error.code, str):
                    raise  # a signal
                self.dead.add(name)
                why, last = error.code, True
            except subprocess.TimeoutExpired:
                why, last = "no end after %d seconds" % RUN_SECONDS, True
                (self.dead if name in self.late else self.late).add(name)
                self.kill(name)
            except Exception as error:  # pylint: disable=broad-except
                why, last = "%s: %s" % (type(error).__name__, error), True
                self.kill(name)
            if why and last:
                self.note("%s, %s, round %d: %s" % (name, figure.title, number + 1, why))
            if last or not why:
                return

    def kill(self, name):
        """Whatever it still does; the next figure starts it again."""
        if name in self.running:
            self.running[name].ask_to_stop(signal.SIGKILL)
            self.running[name].stop()

    def measure_once(self, figure, name, number):
        floor = name in figure.floors
        subject = (self.make(name, figure.floor_args) if floor else
                   self.subject(name, figure.fresh))
        self.tell("%s: %s, round %d" % (figure.title, name, number + 1))
        if floor:
            subject.start()
        options = dict(figure.args, **(figure.less if self.args.quick else {}))
        try:
            line = self.call(subject, figure.scenario, options,
                             figure.floor_transport() if floor else figure.transport)
        finally:
            if floor:
                subject.stop()
            elif figure.fresh:
                subject.stop()
        line.update(figure=figure.name, subject=name, round=number)
        print(json.dumps(line), file=self.lines, flush=True)
        for one in self.figures():
            value = line.get(one.field) if figure.name in (one.name, one.of) else None
            if value is not None and "broken" not in line:
                self.values.setdefault((one.name, name), []).append(value * one.scale)
        return line

    def run(self):
        for _, group in itertools.groupby(self.figures(), lambda figure: figure.group):
            group = [figure for figure in group if not figure.of]
            for number in range(self.args.rounds):
                if number and self.minutes() > self.args.minutes:
                    self.note("%s: %d of %d rounds, for want of time"
                              % (group[0].group, number, self.args.rounds), False)
                    break
                for figure in group:
                    for name in self.wanted(figure) if not (number and figure.once) else ():
                        self.measure(figure, name, number)
        self.tell("")

    def minutes(self):
        return (time.monotonic() - self.begun) / 60

    def medians(self):
        return {key: statistics.median(values) for key, values in self.values.items()}


def allow_files():
    """As many open files as may be, for all that is started from here; returns how many."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if hard < OPEN_FILES:
        with contextlib.suppress(ValueError, OSError):  # root may
            resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
            return OPEN_FILES
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def main():
    args = arguments()
    missing = [name for name, program in (("Prosody", "prosody"), ("ejabberd", "erl"))
               if name in args.servers and not shutil.which(program)]
    if missing:
        sys.exit("%s is not there: tools/deps bench installs it, --servers leaves it out"
                 % " and ".join(missing))
    files = allow_files()
    # So that the folder goes away and the servers stop in order.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    with tempfile.TemporaryDirectory(prefix="jackdaw-bench-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        load = os.getloadavg()[0]
        bench = Bench(args, folder)
        if files < OPEN_FILES:
            bench.note("only %d open files are allowed: 10 000 sessions need %d"
                       % (files, OPEN_FILES), False)
        try:
            bench.run()
        except (KeyboardInterrupt, SystemExit):
            bench.note("cut short after %.0f minutes" % bench.minutes())
        finally:
            bench.stop()
    results = report.Results(bench.figures(), bench.medians(), bench.broken, load, args,
                             bench.minutes(), bench.remarks)
    print(results.text())
    if args.doc:
        results.write(args.doc)
    sys.exit(1 if bench.broken else 0)


if __name__ == "__main__":
    main()
