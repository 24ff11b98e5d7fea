# SPDX-License-Identifier: MIT
"""Starts a Jackdaw in a temporary folder and watches it.

A Server writes its configuration from Python arguments, waits for READY=1,
reads the real ports by jackdawctl, and collects the log.  check() fails the
test when an error line was logged that nobody announced by expect_error(), or
when a sanitizer had something to say.
"""

import contextlib
import ctypes
import glob
import json
import os
import resource
import select
import signal
import socket
import subprocess
import threading
import time

from postgres import shared as shared_postgres
from raw import DEADLINE

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
_LIBC = ctypes.CDLL(None)
LISTENERS = ("c2s", "c2s-tls", "http", "https")
HOSTS = ("localhost", "example.test")
SANITIZERS = {"ASAN_OPTIONS": "exitcode=99:detect_leaks=1",
              "UBSAN_OPTIONS": "exitcode=99:print_stacktrace=1",
              "LSAN_OPTIONS": "exitcode=99",
              "TSAN_OPTIONS": "exitcode=99:second_deadlock_stack=1"}


def build_dir():
    build = os.environ.get("JACKDAW_BUILD")
    assert build, "JACKDAW_BUILD must name the build folder"
    return os.path.abspath(build)


def make_certificate(folder, names):
    """A self-signed ECDSA certificate for these names: (certificate, key)."""
    certificate, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    alternatives = ",".join("DNS:" + name for name in names)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
                    "-subj", "/CN=" + names[0], "-addext", "subjectAltName=" + alternatives,
                    "-keyout", key, "-out", certificate],
                   check=True, capture_output=True)
    return certificate, key


def conf_value(value):
    """A Python value in the syntax of jackdaw.conf."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, (list, tuple)):
        return "{%s}" % ", ".join(conf_value(item) for item in value)
    return '"%s"' % str(value).replace("\\", "\\\\").replace('"', '\\"')


def conf_text(settings):
    """{"io_threads": 2, "log": {...}, ("host", "a"): {...}} as jackdaw.conf."""
    lines = []
    for key, value in settings.items():
        if isinstance(value, dict):
            title = key if isinstance(key, str) else '%s "%s"' % key
            lines.append("%s {" % title)
            lines.extend("\t" + line for line in conf_text(value).splitlines())
            lines.append("}")
        elif value is not None:
            lines.append("%s = %s" % (key, conf_value(value)))
    return "\n".join(lines) + "\n"


class LogLine:
    """One line of the server's log."""

    def __init__(self, text):
        self.text = text.rstrip("\n")
        try:
            self.fields = json.loads(self.text)
        except ValueError:
            self.fields = {}
        if not isinstance(self.fields, dict):
            self.fields = {}
        self.level = self.fields.get("level", "?")

    def __repr__(self):
        return self.text


class Log:
    """Reads a pipe on a thread of its own until its end."""

    def __init__(self, pipe):
        self.lines = []
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._read, args=(pipe,), daemon=True)
        self._thread.start()

    def _read(self, pipe):
        with pipe:
            for line in pipe:
                with self._changed:
                    self.lines.append(LogLine(line.decode("utf-8", "replace")))
                    self._changed.notify_all()

    def wait(self, text, timeout=DEADLINE):
        """The first line that contains text."""
        def hit():
            return next((line for line in self.lines if text in line.text), None)
        with self._changed:
            assert self._changed.wait_for(hit, timeout), "no log line with %r" % text
            return hit()

    def finish(self):
        self._thread.join(DEADLINE)

    def whole(self):
        return "\n".join(line.text for line in self.lines)

    def tail(self, count=40):
        return "\n".join(line.text for line in self.lines[-count:])


class Process:
    """A server process that is waited for by its pidfd, never by sleeping."""

    def __init__(self, argv, environment, folder, limits=None):
        self.log = None
        self.notify_path = os.path.join(folder, "notify")
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.notify_path)
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(self.notify_path)

        def before_exec():
            _LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG: never outlive the tests
            for which, value in (limits or {}).items():
                resource.setrlimit(which, value)
        self.popen = subprocess.Popen(
            argv, env=dict(environment, NOTIFY_SOCKET=self.notify_path), cwd=folder,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            preexec_fn=before_exec)
        self.log = Log(self.popen.stderr)
        self.pidfd = os.pidfd_open(self.popen.pid)

    @property
    def pid(self):
        return self.popen.pid

    def wait_ready(self, timeout=2 * DEADLINE):
        until = time.monotonic() + timeout
        while True:
            left = max(0, until - time.monotonic())
            readable, _, _ = select.select([self.notify, self.pidfd], [], [], left)
            if self.notify in readable:
                if "READY=1" in self.notify.recv(4096).decode().split("\n"):
                    return
                continue
            if self.pidfd in readable:
                code = self.popen.wait()
                self.log.finish()
                raise AssertionError("server ended with %d before READY:\n%s" % (
                    code, self.log.tail()))
            raise AssertionError("server not ready in time:\n" + self.log.tail())

    def exited(self, timeout=2 * DEADLINE):
        """Waits for the end; the exit code, or None when the deadline passed."""
        if not select.select([self.pidfd], [], [], timeout)[0]:
            return None
        return self.popen.wait()

    def alive(self):
        return not select.select([self.pidfd], [], [], 0)[0]

    def signal(self, number):
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, number)

    def release(self):
        self.log.finish()
        self.notify.close()
        os.close(self.pidfd)


class Server:
    """A Jackdaw of its own; see the head of this file."""

    kind = "jackdaw"
    hosts = HOSTS

    def __init__(self, folder, settings=None, limits=None, run_dir=None, hosts=HOSTS,
                 io_threads=None, log_level="debug"):
        self.folder = str(folder)
        self.hosts = hosts
        self.run_dir = str(run_dir or os.path.join(self.folder, "run"))
        os.makedirs(self.run_dir, exist_ok=True)
        self.certificate, self.key = make_certificate(self.folder, hosts)
        self.conf = os.path.join(self.folder, "jackdaw.conf")
        self.socket = os.path.join(self.folder, "jackdaw.sock")
        self.limits = limits
        self.process = None
        self.listeners = {}
        self._announced = []
        self._last_log = None
        self._checked = 0
        if io_threads is None:
            io_threads = int(os.environ.get("JACKDAW_IO_THREADS", "2"))
        self.settings = self._defaults(io_threads, log_level)
        self.write_conf(settings or {})

    def _defaults(self, io_threads, log_level):
        settings = {"run_dir": self.run_dir, "io_threads": io_threads,
                    "log": {"level": log_level, "format": "json"}}
        for host in self.hosts:
            settings["host", host] = {"certificate": self.certificate, "key": self.key}
        for name in LISTENERS:
            settings["listen", name] = {"address": "127.0.0.1", "port": 0}
        settings["database"] = self._database()
        settings["control"] = {"socket": self.socket}
        settings["auth"] = {"allow_plaintext": True}
        # Tests are faster than people; test_streams has the rates.
        settings["limits"] = {"bytes_per_second": 0, "stanzas_per_second": 0}
        return settings

    def _database(self):
        if os.environ.get("JACKDAW_DB", "sqlite") == "pgsql":
            return {"driver": "pgsql", "connection": shared_postgres().conninfo(
                shared_postgres().create())}
        return {"driver": "sqlite", "path": os.path.join(self.run_dir, "jackdaw.db")}

    def database_name(self):
        """Of PostgreSQL; None: it is in a file."""
        words = self.settings["database"].get("connection", "").split()
        return next((word[len("dbname="):] for word in words if word.startswith("dbname=")), None)

    def write_conf(self, changes):
        """Merges changes into the settings and writes the file."""
        for key, value in changes.items():
            if isinstance(value, dict):
                self.settings.setdefault(key, {}).update(value)
            else:
                self.settings[key] = value
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(conf_text(self.settings))

    # -- life -----------------------------------------------------------------

    def environment(self):
        env = dict(os.environ)
        modules = sorted(glob.glob(os.path.join(build_dir(), "modules", "mod_*", ".libs")))
        modules += glob.glob(os.path.join(build_dir(), "src", "db", "pgsql", ".libs"))
        modules += glob.glob(os.path.join(build_dir(), "src", "net", "curl", ".libs"))
        env["JACKDAW_MODULE_DIR"] = ":".join(modules + [
            path for path in [os.environ.get("JACKDAW_MODULE_DIR")] if path])
        env.setdefault("JACKDAW_SCHEMA_DIR", os.path.join(SOURCE, "schema"))
        for name, value in SANITIZERS.items():
            options = [env[name]] if env.get(name) else []
            options += [value, "log_path=" + os.path.join(self.folder, "sanitizer")]
            env[name] = ":".join(options)
        return env

    def start(self):
        argv = os.environ.get("JACKDAW_RUN_WITH", "").split()
        argv += [os.path.join(build_dir(), "jackdaw"), "-c", self.conf]
        self.process = Process(argv, self.environment(), self.folder, self.limits)
        self._checked = 0
        try:
            self.process.wait_ready()
        except BaseException:
            self.kill()
            raise
        for listener in self.ctl_json("status")["listeners"]:
            self.listeners[listener["name"]] = (listener["address"], listener["port"])
        return self

    def stop(self, expected=0):
        """SIGTERM; the exit code must be the expected one."""
        if self.process is None:
            return
        self.process.signal(signal.SIGTERM)
        code = self.process.exited()
        if code is None:
            tail = self.process.log.tail()
            self.kill()
            raise AssertionError("the server did not stop on SIGTERM:\n" + tail)
        self.wait_exit(expected)

    def wait_exit(self, expected=0):
        """The end of a process that was told to stop by somebody else."""
        process = self.process
        code = process.exited()
        assert code is not None, "the server is still running:\n" + process.log.tail()
        process.release()
        self.process, self._last_log = None, process.log
        self._check(process.log)
        assert code == expected, "exit code %d, not %d:\n%s" % (code, expected, process.log.tail())

    def kill(self):
        """kill -9, as by a power cut."""
        if self.process is not None:
            self.process.signal(signal.SIGKILL)
            self.process.exited()
            self.process.release()
            self.process = None

    def revive(self):
        """One test's crash is not every test's: starts again what has died."""
        if self.process is None or not self.process.alive():
            self.kill()
            self.start()

    def restart(self):
        self.stop()
        return self.start()

    def address(self, listener):
        return self.listeners[listener]

    # -- control ----------------------------------------------------------------

    def ctl(self, *args, stdin=None, socket=None):
        """jackdawctl ARGS: the finished process with returncode, stdout, stderr."""
        argv = [os.path.join(build_dir(), "jackdawctl"), "-s", socket or self.socket, *args]
        return subprocess.run(argv, input=stdin, capture_output=True, text=True,
                              env=self.environment(), timeout=2 * DEADLINE)

    def ctl_ok(self, *args, stdin=None):
        done = self.ctl(*args, stdin=stdin)
        assert done.returncode == 0, "jackdawctl %s: exit %d\n%s%s" % (
            " ".join(args), done.returncode, done.stdout, done.stderr)
        return done.stdout

    def ctl_json(self, *args):
        return json.loads(self.ctl_ok("--json", *args))

    def adduser(self, user, password, host="localhost"):
        self.ctl_ok("adduser", "%s@%s" % (user, host), stdin=password + "\n")

    # -- watching -----------------------------------------------------------------

    def expect_error(self, text):
        """An error line with this text is part of the test, until the next check()."""
        self._announced.append(text)

    def check(self):
        """Alive, no error line but the announced, no sanitizer report since the last check."""
        if self.process is None:
            return
        died = not self.process.alive()
        if died:
            self.process.log.finish()
        self._check(self.process.log)
        assert not died, "the server has died:\n" + self.process.log.tail()

    def _check(self, log):
        reports = []
        for path in sorted(glob.glob(os.path.join(self.folder, "sanitizer.*"))):
            with open(path, encoding="utf-8", errors="replace") as file:
                reports.append(file.read())
            os.unlink(path)
        fresh, self._checked = log.lines[self._checked:], len(log.lines)
        announced, self._announced = self._announced, []
        bad = [line.text for line in fresh
               if (line.level == "error" and not any(text in line.text for text in announced))
               or "runtime error:" in line.text or "Sanitizer:" in line.text]
        assert not reports, "sanitizer report:\n" + "\n".join(reports)
        assert not bad, "unannounced errors in the log:\n" + "\n".join(bad)

    def last_log(self):
        """All that the server wrote in the life that has ended."""
        return self._last_log.whole()

    def sanitized(self):
        """Whether the binary has a sanitizer in it, which spends memory in its own way."""
        with open("/proc/%d/exe" % self.process.pid, "rb") as file:
            binary = file.read()
        return any(name in binary for name in (b"__asan_init", b"__tsan_init", b"__msan_init"))

    def resident_kib(self):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(line.split()[1])
        raise AssertionError("no VmRSS")
