# SPDX-License-Identifier: MIT
"""The servers that are measured, each in a temporary folder on free ports of 127.0.0.1.

All get the same: the domain localhost, one ECDSA P-256 certificate, SCRAM keys of 4096
iterations in the store that the package prefers (Jackdaw: SQLite, Prosody: files,
ejabberd: Mnesia), the features that all of them have (roster, presence, carbons,
blocking, private storage, vCards, disco, ping, version, time), no rate limits, no
federation, logs at the level of warnings.  Prosody runs
with epoll and the generational collector, ejabberd with kernel poll, as
Debian starts it, and a backlog of 1024: with its default of 5 a crowd of clients waits for
seconds.

What only some figures need is in servers of its own, so that it costs the others nothing:
those with MORE have offline messages, rooms and stream management, those with ARCHIVE
keep everything for ever in a database of one PostgreSQL, which all reach by TCP on the
loopback and which has its settings from Debian, but for automatic vacuuming, which would come and go.
"""

import base64
import contextlib
import ctypes
import glob
import hashlib
import hmac
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time

HOST = "localhost"
PASSWORD = "bench"
SALT = b"jackdaw-bench-sa"
ITERATIONS = 4096
TRANSPORTS = ("tcp", "tls", "ws", "wss")
START_SECONDS = 60
MORE, ARCHIVE = "more", "PostgreSQL"  # second words of names
SUPERUSER = "root_of_tests"
# What the other servers have no counterpart for, or what is measured by itself.
BASE_WITHOUT = {"archive", "offline", "push", "webpush"}
_LIBC = ctypes.CDLL(None)


def free_ports(count):
    """Ports that nobody has now; all are bound before the first is given back."""
    with contextlib.ExitStack() as stack:
        ports = []
        for _ in range(count):
            sock = stack.enter_context(socket.socket())
            sock.bind(("127.0.0.1", 0))
            ports.append(sock.getsockname()[1])
        return ports


def scram_keys(hash_name):
    """(stored key, server key) of the password that all accounts have."""
    salted = hashlib.pbkdf2_hmac(hash_name, PASSWORD.encode(), SALT, ITERATIONS)
    client = hmac.digest(salted, b"Client Key", hash_name)
    return hashlib.new(hash_name, client).digest(), hmac.digest(salted, b"Server Key", hash_name)


def make_certificate(folder):
    """(certificate, key)"""
    cert, key = os.path.join(folder, "cert.pem"), os.path.join(folder, "key.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "30", "-subj", "/CN=" + HOST,
                    "-addext", "subjectAltName=DNS:" + HOST, "-keyout", key, "-out", cert],
                   check=True, capture_output=True)
    os.chmod(key, 0o640)
    return cert, key


def _die_with_parent():
    _LIBC.prctl(1, signal.SIGKILL)


class Database:
    """PostgreSQL, started when somebody wants it."""

    def __init__(self, source):
        sys.path.insert(0, os.path.join(source, "tests", "integration"))
        self.running = None

    def start(self):
        if self.running is None:
            import postgres  # pylint: disable=import-outside-toplevel,import-error
            self.port = postgres.PORT = str(free_ports(1)[0])
            self.running = postgres.Postgres(
                port=self.port, listen_addresses="127.0.0.1", fsync="on", full_page_writes="on",
                shared_buffers="128MB", max_wal_size="1GB", max_connections="100",
                deadlock_timeout="1s")
            assert self.running.superuser == SUPERUSER
        return self.running

    def create(self, name, owner=SUPERUSER):
        """An empty database."""
        self.start().sql('CREATE DATABASE "%s" OWNER %s TEMPLATE template0' % (name, owner))

    def pids(self):
        """Of the whole of it: who reads and writes for others counts as well."""
        return [self.running.process.pid] + self.running.backends()

    def stop(self):
        if self.running is not None:
            self.running.remove()
        self.running = None


class Subject:
    """Something that can be started, measured and stopped."""
    name = "?"
    raw = False
    database = None  # a Database, for those with ARCHIVE

    def __init__(self, folder):
        self.folder = os.path.join(folder, self.name.replace(" ", "-"))
        os.makedirs(self.folder)
        self.popen = None
        self.ports = {}

    def path(self, name):
        return os.path.join(self.folder, name)

    def spawn(self, argv, env=None, **more):
        with open(self.path("output"), "ab") as output:
            streams = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output}
            streams.update(more)
            self.popen = subprocess.Popen(argv, env=dict(os.environ, **(env or {})),
                                          cwd=self.folder, preexec_fn=_die_with_parent, **streams)

    def wait_for_ports(self):
        """Until all of them accept."""
        until = time.monotonic() + START_SECONDS
        for port in self.ports.values():
            while True:
                if self.popen.poll() is not None or time.monotonic() > until:
                    raise SystemExit("%s does not start; its folder is %s" % (
                        self.name, self.folder))
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.05)

    def pids(self):
        """The process and its descendants."""
        found, new = [], [self.popen.pid]
        while new:
            found += new
            new = [int(child) for pid in new
                   for path in glob.glob("/proc/%d/task/*/children" % pid)
                   for child in _words(path)]
        return found

    def ended(self):
        """Whether it was started, and is not there any more."""
        if self.popen is None or self.popen.poll() is None:
            return False
        self.popen = None
        return True

    def ask_to_stop(self, number=signal.SIGTERM):
        for pid in reversed(self.pids()) if self.popen else ():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self):
        if self.popen is None:
            return
        self.ask_to_stop()
        try:
            self.popen.wait(30)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.popen = None


def _words(path):
    try:
        with open(path, encoding="ascii") as file:
            return file.read().split()
    except OSError:
        return []


class Relay(Subject):
    """A floor: see relay.h."""
    raw = True

    def __init__(self, folder, build, kind, certificate=None, args=None):
        self.kind = kind
        self.name = {"bytes": "relay", "xml": "relay+expat+write", "fanout": "fan-out"}[kind]
        if certificate:
            self.name += "+TLS"
        super().__init__(folder)
        self.argv = [os.path.join(build, "jackdaw-bench"), "relay", kind]
        if certificate:
            self.argv += ["--cert", certificate[0], "--key", certificate[1]]
        for name, value in (args or {}).items():
            self.argv += ["--" + name, str(value)]

    def start(self):
        """Each run has one of its own: it ends with its clients."""
        self.spawn(self.argv, stdout=subprocess.PIPE)
        port = json.loads(self.popen.stdout.readline())["port"]
        self.popen.stdout.close()
        self.ports = {"raw": port, "raw-tls": port}

    def accounts(self, numbers):
        """There are none."""


class Jackdaw(Subject):
    """A release build."""

    def __init__(self, folder, build, source, certificate, io_threads=None, park_after="30s",
                 hosts=1, name="Jackdaw", more=(), only=None, database=None):
        self.name, self.more, self.database = name, set(more), database
        super().__init__(folder)
        self.build, self.source = build, source
        self.io_threads, self.park_after, self.hosts = io_threads, park_after, hosts
        self.certificate = certificate
        self.env = {"JACKDAW_SCHEMA_DIR": os.path.join(source, "schema")}
        self.env["JACKDAW_MODULE_DIR"] = subprocess.run(
            [os.path.join(source, "tools", "module-path"), build], check=True,
            capture_output=True, text=True).stdout.strip()
        self.there = {os.path.basename(path).removeprefix("mod_")
                      for path in glob.glob(os.path.join(build, "modules", "mod_*"))}
        self.modules = only
        if database:
            database.create("jackdaw", "jackdaw")

    def ctl(self, *args):
        done = subprocess.run([os.path.join(self.build, "jackdawctl"), "-s",
                               self.path("jackdaw.sock"), "--json", *args],
                              check=True, capture_output=True, env=dict(os.environ, **self.env))
        return json.loads(done.stdout)

    def choose_modules(self):
        """Those that are on by default, without what has figures of its own, and with what this
        one is to have."""
        if self.modules is not None:
            return
        default = {line["name"] for line in self.ctl("modules")["modules"]
                   if line["host"] == HOST}
        self.modules = sorted((default - BASE_WITHOUT) | (self.more & self.there - {"muc"}))

    def write_conf(self):
        io_threads = "" if self.io_threads is None else "io_threads = %d\n" % self.io_threads
        with open(self.path("jackdaw.conf"), "w", encoding="utf-8") as file:
            file.write('run_dir = "%s"\n%s' % (self.folder, io_threads))
            file.write('log { level = "warning" }\n')
            modules = ""
            if self.modules:
                modules = "modules = {%s} " % ", ".join('"%s"' % name for name in self.modules)
                modules += ("muc { messages_per_second = 10000 } " if "muc" in self.more else
                            'rooms = "" ')
            file.write('host "%s" { %scertificate = "%s" key = "%s" }\n' % (
                HOST, modules, *self.certificate))
            # What is on by default: with a list each, a thousand would not fit into the file.
            for number in range(1, self.hosts):
                file.write('host "host%d.test" { rooms = "" certificate = "%s" key = "%s" }\n' % (
                    number, *self.certificate))
            for name in ("c2s", "c2s-tls", "http", "https"):
                file.write('listen "%s" { address = "127.0.0.1" port = 0 }\n' % name)
            file.write('database { driver = "sqlite" path = "jackdaw.db" }\n'
                       if not self.database else
                       'database { driver = "pgsql" connection = "host=127.0.0.1 port=%s '
                       'dbname=jackdaw user=jackdaw" }\n' % self.database.port)
            file.write('control { socket = "jackdaw.sock" }\n')
            file.write('auth { allow_plaintext = true scram_iterations = %d }\n' % ITERATIONS)
            file.write('limits { park_after = "%s" stanzas_per_second = 0 '
                       'bytes_per_second = 0 }\n' % self.park_after)

    def start(self):
        self.write_conf()
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path("notify"))
        with notify:
            notify.bind(self.path("notify"))
            notify.settimeout(START_SECONDS)
            self.spawn([os.path.join(self.build, "jackdaw"), "-c", self.path("jackdaw.conf")],
                       dict(self.env, NOTIFY_SOCKET=self.path("notify")))
            try:
                while b"READY=1" not in notify.recv(4096):
                    pass
            except TimeoutError:
                raise SystemExit("Jackdaw does not start; its folder is " + self.folder) from None
        ports = {l["name"]: l["port"] for l in self.ctl("status")["listeners"]}
        self.ports = {"tcp": ports["c2s"], "starttls": ports["c2s"], "tls": ports["c2s-tls"],
                      "ws": ports["http"], "wss": ports["https"]}

    def accounts(self, numbers):
        """Written straight into the store, with the keys that the server would have made."""
        self.start()
        self.choose_modules()
        self.stop()
        keys = [scram_keys("sha1"), scram_keys("sha256")]
        if self.database:
            self.accounts_in_postgres(numbers, keys)
            return
        with contextlib.closing(sqlite3.connect(self.path("jackdaw.db"))) as db, db:
            for number in numbers:
                owner = db.execute(
                    "INSERT INTO account (host, name, created_at) VALUES (?, ?, ?)",
                    (HOST, "user%d" % number, int(time.time()))).lastrowid
                for which, (stored, server) in enumerate(keys):
                    db.execute("INSERT INTO credential VALUES (?, ?, ?, ?, ?, ?)",
                               (owner, which, SALT, ITERATIONS, stored, server))


    def accounts_in_postgres(self, numbers, keys):
        names = ",".join("('user%d')" % number for number in numbers)
        text = ["INSERT INTO account (host, name, created_at) SELECT '%s', name, %d FROM "
                "(VALUES %s) AS v (name);" % (HOST, int(time.time()), names)]
        text += ["INSERT INTO credential SELECT owner, %d, '\\x%s', %d, '\\x%s', '\\x%s' FROM account;"
                 % (which, SALT.hex(), ITERATIONS, stored.hex(), server.hex())
                 for which, (stored, server) in enumerate(keys)]
        self.database.running.sql("\n".join(text), "jackdaw")


class Prosody(Subject):

    def __init__(self, folder, certificate, name="Prosody", database=None):
        self.name, self.database = name, database
        super().__init__(folder)
        self.certificate = certificate
        if database:
            database.create("prosody")

    def extras(self):
        """(modules, other lines, lines of components)"""
        if self.database:
            return ', "mam"', """storage = { archive = "sql" }
sql = { driver = "PostgreSQL", host = "127.0.0.1", port = %s, database = "prosody", username = "%s" }
archive_expires_after = "never"
default_archive_policy = true
modules_disabled = { "s2s", "offline" }
""" % (self.database.port, SUPERUSER), ""
        if self.name.endswith(MORE):
            return (', "smacks", "offline"', 'modules_disabled = { "s2s" }\n',
                    'Component "conference.localhost" "muc"\n')
        return "", 'modules_disabled = { "s2s", "offline" }\n', ""

    def write_conf(self):
        modules, lines, components = self.extras()
        with open(self.path("prosody.cfg.lua"), "w", encoding="utf-8") as file:
            file.write('''run_as_root = true
pidfile = "%(folder)s/prosody.pid"
data_path = "%(folder)s/data"
log = { warn = "%(folder)s/prosody.log" }
network_backend = "epoll"
gc = { mode = "generational" }
interfaces = { "127.0.0.1" }
modules_enabled = { "disco", "roster", "saslauth", "tls", "blocklist", "carbons", "private",
	"vcard", "ping", "time", "version", "websocket"%(modules)s }
%(lines)sc2s_require_encryption = false
allow_unencrypted_plain_auth = true
consider_websocket_secure = true
authentication = "internal_hashed"
c2s_ports = { %(tcp)d }
c2s_direct_tls_ports = { %(tls)d }
http_ports = { %(ws)d }
https_ports = { %(wss)d }
http_interfaces = { "127.0.0.1" }
https_interfaces = { "127.0.0.1" }
ssl = { certificate = "%(cert)s", key = "%(key)s" }
c2s_direct_tls_ssl = { certificate = "%(cert)s", key = "%(key)s" }
https_ssl = { certificate = "%(cert)s", key = "%(key)s" }
VirtualHost "localhost"
%(components)s''' % dict(self.ports, folder=self.folder, cert=self.certificate[0],
                      key=self.certificate[1], modules=modules, lines=lines,
                      components=components))

    def start(self):
        self.ports = dict(zip(TRANSPORTS, free_ports(4)))
        self.write_conf()
        self.spawn(["prosody", "-F", "--config", self.path("prosody.cfg.lua")])
        self.wait_for_ports()
        self.ports["starttls"] = self.ports["tcp"]

    def accounts(self, numbers):
        folder = self.path("data/%s/accounts" % HOST)
        os.makedirs(folder)
        stored, server = scram_keys("sha1")
        for number in numbers:
            with open(os.path.join(folder, "user%d.dat" % number), "w", encoding="utf-8") as file:
                file.write('return {\n\t["iteration_count"] = %d;\n\t["salt"] = "%s";\n'
                           '\t["server_key"] = "%s";\n\t["stored_key"] = "%s";\n};\n' % (
                               ITERATIONS, SALT.decode(), server.hex(), stored.hex()))


class Ejabberd(Subject):

    def __init__(self, folder, certificate, name="ejabberd", database=None):
        self.name, self.database = name, database
        super().__init__(folder)
        self.certificate = certificate
        self.wanted = []
        if database:
            database.create("ejabberd")
            with open("/usr/share/ejabberd/sql/pg.sql", encoding="utf-8") as file:
                database.running.sql(file.read(), "ejabberd")

    def extras(self):
        """(modules, other lines)"""
        if self.database:
            return (", mod_mam: {db_type: sql, default: always}",
                    "sql_type: pgsql\nsql_server: 127.0.0.1\nsql_port: %s\n"
                    "sql_database: ejabberd\nsql_username: %s\nsql_password: \"\"\n"
                    % (self.database.port, SUPERUSER))
        if self.name.endswith(MORE):
            return ", mod_stream_mgmt: {}, mod_offline: {}, mod_muc: {}", ""
        return "", ""

    def write_conf(self):
        pem = self.path("server.pem")
        with open(pem, "w", encoding="ascii") as out:
            for part in self.certificate:
                with open(part, encoding="ascii") as file:
                    shutil.copyfileobj(file, out)
        modules, lines = self.extras()
        with open(self.path("ejabberd.yml"), "w", encoding="utf-8") as file:
            file.write('''loglevel: warning
hosts: [localhost]
certfiles: ["%(pem)s"]
listen:
  - {port: %(tcp)d, ip: "127.0.0.1", module: ejabberd_c2s, backlog: 1024, starttls: true, access: all}
  - {port: %(tls)d, ip: "127.0.0.1", module: ejabberd_c2s, backlog: 1024, tls: true, access: all}
  - {port: %(ws)d, ip: "127.0.0.1", module: ejabberd_http, backlog: 1024,
     request_handlers: {/xmpp-websocket: ejabberd_http_ws}}
  - {port: %(wss)d, ip: "127.0.0.1", module: ejabberd_http, backlog: 1024, tls: true,
     request_handlers: {/xmpp-websocket: ejabberd_http_ws}}
auth_method: internal
auth_password_format: scram
auth_scram_hash: sha
shaper: {}
modules: {mod_disco: {}, mod_roster: {}, mod_blocking: {}, mod_privacy: {}, mod_carboncopy: {},
  mod_private: {}, mod_vcard: {}, mod_ping: {}, mod_time: {}, mod_version: {}%(modules)s}
%(lines)s''' % dict(self.ports, pem=pem, modules=modules, lines=lines))

    def start(self):
        self.ports = dict(zip(TRANSPORTS, free_ports(4)))
        self.write_conf()
        # As /usr/sbin/ejabberdctl does, without the name of a node: no epmd is needed.
        argv = ["erl", "+K", "true", "+P", "250000", "-mnesia", "dir", '"%s"' % self.path("spool"),
                "-s", "ejabberd", "-noinput"]
        self.spawn(argv + self.make_accounts(), {
            "HOME": self.folder, "EJABBERD_CONFIG_PATH": self.path("ejabberd.yml"),
            "EJABBERD_LOG_PATH": self.path("ejabberd.log"), "ERL_CRASH_DUMP_BYTES": "0",
            "ERL_LIBS": glob.glob("/usr/lib/*/ejabberd-*")[0].rsplit("/", 1)[0]})
        self.wait_for_ports()
        self.wait_for_accounts()
        self.ports["starttls"] = self.ports["tcp"]

    def make_accounts(self):
        """As Mnesia's own records: registering 10 000 takes minutes of hashing."""
        if not self.wanted:
            return []
        stored, server = (base64.b64encode(key).decode() for key in scram_keys("sha1"))
        scram = '{scram,<<"%s">>,<<"%s">>,<<"%s">>,sha,%d}' % (
            stored, server, base64.b64encode(SALT).decode(), ITERATIONS)
        lists = "lists:append([lists:seq(F,L) || {F,L} <- [%s]])" % ",".join(
            "{%d,%d}" % (part[0], part[-1]) for part in self.wanted)
        text = ('spawn(fun() -> timer:sleep(2000), application:ensure_all_started(ejabberd), '
                'ok = mnesia:wait_for_tables([passwd], 30000), '
                '[ok = mnesia:dirty_write({passwd,{iolist_to_binary(["user",integer_to_list(N)]),'
                '<<"localhost">>},%s}) || N <- %s], mnesia:dump_log(), '
                'file:write_file("%s", <<"done">>) end).' % (scram, lists, self.path("accounts")))
        self.wanted = []
        return ["-eval", text]

    def wait_for_accounts(self):
        until = time.monotonic() + START_SECONDS
        while self.needs_accounts and not os.path.exists(self.path("accounts")):
            if time.monotonic() > until:
                raise SystemExit("ejabberd has no accounts; its folder is " + self.folder)
            time.sleep(0.1)
        self.needs_accounts = False

    needs_accounts = False

    def accounts(self, numbers):
        """Made at the first start; numbers are ranges one after the other."""
        numbers, part = sorted(numbers), []
        for number in numbers:
            if not part or number != part[-1] + 1:
                part = []
                self.wanted.append(part)
            part.append(number)
        self.needs_accounts = True
        self.start()
        self.stop()
