# SPDX-License-Identifier: MIT
"""A real PostgreSQL of the tests' own, unprivileged, in a temporary folder.

    with Postgres() as postgres:
        postgres.create("name")
        postgres.conninfo("name")

It listens on a Unix socket inside its folder and nowhere else, so no port is
taken.  stop(), start(), crash() and pause() are the accidents.  As a program it
does the same for tests in C: one command a line on its standard input, one
answer a line; it ends, and PostgreSQL with it, when the input does.
"""

import atexit
import contextlib
import ctypes
import glob
import os
import pwd
import select
import shutil
import signal
import subprocess
import sys
import tempfile

from pgproxy import Proxy

PORT = "5432"  # only part of the socket's name
USERS = ("postgres", "nobody")
DEADLINE = 60
_LIBC = ctypes.CDLL(None)

# Nothing here has to survive a power cut, only the end of a process.
SETTINGS = {
    "listen_addresses": "", "port": PORT, "fsync": "off", "full_page_writes": "off",
    "shared_buffers": "16MB", "max_connections": "120", "autovacuum": "off",
    "deadlock_timeout": "50ms", "max_wal_size": "128MB", "log_min_messages": "warning", "max_locks_per_transaction": "64",
}


def binaries():
    """The folder with initdb, of the newest version; None when there is none."""
    found = glob.glob("/usr/lib/postgresql/*/bin/initdb")
    if found:
        return os.path.dirname(max(found, key=lambda path: float(path.split("/")[4])))
    path = shutil.which("initdb")
    return path and os.path.dirname(os.path.realpath(path))


def _unprivileged():
    """What Popen needs so that PostgreSQL runs at all: it refuses to be root."""
    if os.getuid() != 0:
        return {}
    for name in USERS:
        with contextlib.suppress(KeyError):
            user = pwd.getpwnam(name)
            return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    raise AssertionError("there is no user that PostgreSQL could run as")


class Postgres:
    """See the head of this file."""

    def __init__(self, **settings):
        self.bin = binaries()
        assert self.bin, "PostgreSQL is not installed"
        self.who = _unprivileged()
        self.folder = tempfile.mkdtemp(prefix="jackdaw-pg-")
        self.data = os.path.join(self.folder, "data")
        self.log = os.path.join(self.folder, "log")
        self.superuser = "root_of_tests"
        self.process = None
        self._count = 0
        if self.who:
            os.chown(self.folder, self.who["user"], self.who["group"])
        self._run("initdb", "-D", self.data, "-U", self.superuser, "-A", "trust", "-E", "UTF8",
                  "--locale=C", "--no-sync", "--no-instructions")
        settings = dict(SETTINGS, unix_socket_directories=self.folder, **settings)
        with open(os.path.join(self.data, "postgresql.auto.conf"), "a", encoding="ascii") as file:
            for name, value in settings.items():
                file.write("%s = '%s'\n" % (name, value))
        self.start()
        self.sql("CREATE ROLE jackdaw LOGIN")

    def _environment(self):
        env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        env["LC_ALL"] = "C"
        return env

    def _run(self, program, *args, check=True, **options):
        done = subprocess.run([os.path.join(self.bin, program), *args], cwd=self.folder,
                              env=self._environment(), capture_output=True, text=True,
                              timeout=DEADLINE, check=False, **self.who, **options)
        assert not check or done.returncode == 0, "%s: %s%s" % (program, done.stdout, done.stderr)
        return done

    # -- life ---------------------------------------------------------------------

    def begin(self):
        """Starts it and doesn't wait until it answers."""
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [os.path.join(self.bin, "postgres"), "-D", self.data], cwd=self.folder,
                env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=lambda: _LIBC.prctl(1, signal.SIGQUIT), **self.who)

    def start(self):
        self.begin()
        pidfd = os.pidfd_open(self.process.pid)
        try:
            while self._run("pg_isready", "-q", "-h", self.folder, "-p", PORT,
                            check=False).returncode != 0:
                # The answer may come any moment: the wait is for the process's end.
                if select.select([pidfd], [], [], 0.02)[0]:
                    with open(self.log, encoding="utf-8", errors="replace") as file:
                        raise AssertionError("PostgreSQL has ended:\n" + file.read())
        finally:
            os.close(pidfd)
        return self

    def _end(self, number):
        if self.process is not None:
            self.resume()
            self.process.send_signal(number)
            self.process.wait(DEADLINE)
            self.process = None

    def stop(self):
        """As an operator does: fast shutdown, clients are told."""
        self._end(signal.SIGINT)

    def restart(self):
        self.stop()
        return self.start()

    def backends(self):
        """The numbers of its processes."""
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid),
                  encoding="ascii") as file:
            return [int(pid) for pid in file.read().split()]

    def _signal_all(self, number):
        for pid in [self.process.pid] + self.backends():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def crash(self):
        """SIGKILL for every process of it."""
        children = [os.pidfd_open(pid) for pid in self.backends()]
        self._signal_all(signal.SIGKILL)
        self.process.wait(DEADLINE)
        self.process = None
        for pidfd in children:
            # The shared memory must be free before the next start.
            select.select([pidfd], [], [], DEADLINE)
            os.close(pidfd)

    def pause(self):
        """It is there and doesn't answer."""
        self._signal_all(signal.SIGSTOP)

    def resume(self):
        self._signal_all(signal.SIGCONT)

    def remove(self):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._end(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()

    # -- databases ------------------------------------------------------------------

    def sql(self, text, database="postgres", *options):
        """Runs statements; what they return, one row a line."""
        return self._run("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", self.folder,
                         "-p", PORT, "-U", self.superuser, "-d", database, *options,
                         input=text).stdout.strip()

    @contextlib.contextmanager
    def held(self, text, database):
        """A transaction that has run a statement, returning rows, and is undone at the end."""
        with subprocess.Popen(
                [os.path.join(self.bin, "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1",
                 "-h", self.folder, "-p", PORT, "-U", self.superuser, "-d", database],
                cwd=self.folder, env=self._environment(), stdin=subprocess.PIPE,
                stdout=subprocess.PIPE, text=True, **self.who) as process:
            process.stdin.write("BEGIN;\n%s;\n" % text)
            process.stdin.flush()
            try:
                assert process.stdout.readline().strip(), "no row is held"
                yield
            finally:
                process.stdin.close()
                process.wait(DEADLINE)

    def create(self, name=None, options=""):
        """A database that belongs to the role of the server; returns its name."""
        if name is None:
            self._count += 1
            name = "jd%d" % self._count
        self.sql('CREATE DATABASE "%s" OWNER jackdaw %s' % (name, options))
        return name

    def renew(self, name):
        """create(), or an empty one again, which is faster."""
        if self.sql("SELECT 1 FROM pg_database WHERE datname = '%s'" % name):
            self.sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION jackdaw", name)
        else:
            self.create(name)
        return name

    def drop(self, name):
        self.sql('DROP DATABASE IF EXISTS "%s" WITH (FORCE)' % name)

    def conninfo(self, name, host=None, user="jackdaw"):
        return "host=%s port=%s dbname=%s user=%s" % (host or self.folder, PORT, name, user)


_shared = []


def shared():
    """One for all servers of this run, each with a database of its own."""
    if not _shared:
        _shared.append(Postgres())
        atexit.register(_shared[0].remove)
    return _shared[0]


def _serve():
    """The commands of tests in C."""
    with Postgres() as postgres:
        proxy = Proxy(postgres)
        commands = {"create": lambda name: postgres.conninfo(postgres.renew(name)),
                    "drop": postgres.drop,
                    "stop": lambda _: postgres.stop(), "start": lambda _: postgres.start(),
                    "begin": lambda _: postgres.begin(), "crash": lambda _: postgres.crash(),
                    "pause": lambda _: postgres.pause(), "resume": lambda _: postgres.resume(),
                    "proxy": proxy.conninfo, "hold": lambda word: proxy.hold(word.encode()),
                    "block": lambda _: proxy.block(), "held": lambda _: proxy.held(),
                    "cut": lambda _: proxy.cut(), "refuse": lambda _: proxy.refuse(),
                    "accept": lambda _: proxy.accept(),
                    "latin1": lambda name: postgres.conninfo(postgres.create(
                        name, "ENCODING 'LATIN1' TEMPLATE template0")),
                    "sql": lambda text: postgres.sql(text, "test")}
        print("ready", flush=True)
        for line in sys.stdin:
            command, _, argument = line.rstrip("\n").partition(" ")
            result = commands[command](argument)
            print(str(result or "ok").replace("\n", " "), flush=True)


if __name__ == "__main__":
    if binaries() is None:
        print("missing", flush=True)
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        _serve()
