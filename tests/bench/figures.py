# SPDX-License-Identifier: MIT
"""What is measured: one Figure for each row of doc/benchmark.md, in that order.

A new figure is a line here and, if no scenario fits, a function in C (run.h).
"""

import dataclasses

PEERS = ("Prosody", "ejabberd")
THREADS = ("Jackdaw io=0", "Jackdaw io=2")
GROUP = 20000  # the accounts from here on are contacts of each other
CONTACTS = 50
LIBRARY = 30000  # these two have long archives
ROWS = 10000
ROOM = 100
HOSTS = 1000
MORE = ("Jackdaw more", "Prosody more", "ejabberd more")
ARCHIVE = ("Jackdaw PostgreSQL", "Prosody PostgreSQL", "ejabberd PostgreSQL")


@dataclasses.dataclass
class Must:
    """At most limit, times the figure of another subject (or figure) if one is named."""
    limit: float
    subject: str = ""
    figure: str = ""


@dataclasses.dataclass
class Figure:
    name: str
    title: str
    unit: str
    scenario: str
    args: dict
    field: str
    transport: str = "tcp"
    floors: tuple = ()
    subjects: tuple = ("Jackdaw",) + PEERS
    must: Must = None
    scale: float = 1          # of the field, to get the unit
    fresh: bool = False       # the server is started for this run, and runs alone
    once: bool = False        # one round is enough (memory)
    digits: int = 1
    less: dict = dataclasses.field(default_factory=dict)  # arguments of --quick
    of: str = ""              # another figure, whose runs have this one's field as well
    floor_args: dict = dataclasses.field(default_factory=dict)  # of the relay

    @property
    def group(self):
        """Figures of a group that follow each other are measured together, in turn."""
        return self.name.split("-")[0]

    def floor_transport(self):
        return "raw-tls" if self.transport in ("tls", "wss") else "raw"


def chat(transport, window, must):
    tls = "+TLS" if transport in ("tls", "wss") else ""
    title = {"tcp": "TCP", "tls": "TLS", "ws": "WebSocket"}[transport]
    floors = () if transport == "ws" else ("relay" + tls, "relay+expat+write" + tls)
    return Figure("chat-w%d-%s" % (window, transport), "chat W=%d %s" % (window, title),
                  "CPU us a message", "chat",
                  {"pairs": 50, "window": window, "messages": 30000, "warm": 5000},
                  "cpu_us_per_message", transport, floors,
                  ("Jackdaw",) + THREADS + PEERS, must,
                  less={"messages": 3000, "warm": 1000})


def kept(name, title, subjects, must, **args):
    return Figure("chat-" + name, "chat W=1 TCP, " + title, "CPU us a message", "chat",
                  dict({"pairs": 50, "messages": 3000, "warm": 300}, **args),
                  "cpu_us_per_message", subjects=subjects, must=must,
                  less={"messages": 1000, "warm": 100})


def of(figure, name, title, field, must, **more):
    """One more figure out of the same runs."""
    return dataclasses.replace(figure, name=name, title=title, field=field, must=must,
                               of=figure.of or figure.name, **more)


STORE = Figure("offline-store", "offline, storing", "CPU us a message", "offline",
               {"pairs": 50, "window": 10, "messages": 5000}, "cpu_us_per_message_stored",
               subjects=MORE, must=Must(60), less={"messages": 500})
PAGE = Figure("page-server", "archive on PostgreSQL, page of 50 out of %d: server" % ROWS,
              "CPU ms a page", "page",
              {"clients": 2, "first": LIBRARY, "pages": 400}, "cpu_us_per_page",
              subjects=ARCHIVE, must=Must(0.4), scale=1e-3, digits=2, less={"pages": 20})
LATENCY = Figure("latency-archive", "latency at 200 messages a second, archive on PostgreSQL, p50",
                 "ms", "latency", {"pairs": 50, "rate": 200, "messages": 1000}, "p50_ms",
                 subjects=ARCHIVE, must=Must(3), digits=3, less={"messages": 200})
TALK = Figure("room-talk", "room of %d, messages" % ROOM, "CPU us a delivery", "room",
              {"clients": ROOM, "messages": 300}, "cpu_us_per_delivery", floors=("fan-out",),
              subjects=MORE, must=Must(1.5, "fan-out"), less={"messages": 30},
              floor_args={"group": ROOM})
BUSY = dataclasses.replace(
    kept("busy", "", ARCHIVE, None, window=20),
    title="chat W=20 TCP, archive on PostgreSQL: server")
ON_POSTGRES = kept("archive", "archive on PostgreSQL: server", ARCHIVE, Must(40))


def login(name, title, transport, must, **args):
    return Figure("login-" + name, "login " + title, "CPU ms", "login",
                  dict({"clients": 50, "at-once": 50, "rounds": 10}, **args), "cpu_us_per_login",
                  transport, must=must, scale=1e-3, digits=2, less={"rounds": 1})


def idle(transport, must):
    """Two figures of one run: the first 2000 sessions, and all 10 000."""
    title = {"tcp": "TCP", "tls": "TLS", "ws": "WebSocket"}[transport]
    floor = "relay+TLS" if transport == "tls" else "relay"
    most = Figure("idle-10000-" + transport, "idle %s, 10000 sessions" % title, "KiB each", "idle",
                  {"clients": 10000, "step": 2000, "settle": 30}, "kib_each", transport,
                  (floor,), ("Jackdaw parked",) + PEERS, must, fresh=True, once=True,
                  less={"clients": 500, "step": 100, "settle": 5})
    return most, of(most, "idle-2000-" + transport, "idle %s, 2000 sessions" % title,
                    "kib_each_first", None)


def growth(name, title, subject, idle_sessions, must):
    return Figure("growth-" + name, "chat W=1 TCP, " + title, "CPU us a message", "chat",
                  {"pairs": 50, "messages": 30000, "warm": 5000, "idle": idle_sessions},
                  "cpu_us_per_message", subjects=(subject,), must=must,
                  less={"messages": 3000, "warm": 1000, "idle": idle_sessions // 20})


FIGURES = (
    chat("tcp", 1, Must(1.6, "relay+expat+write")),
    chat("tcp", 20, Must(2.5, "relay+expat+write")),
    chat("tls", 1, Must(1.5, "relay+expat+write+TLS")),
    chat("tls", 20, None),
    chat("ws", 1, Must(1.3, "Jackdaw", "chat-w1-tcp")),
    chat("ws", 20, None),
    kept("sm", "with XEP-0198", ("Jackdaw",) + MORE[1:], Must(1.3, "Jackdaw", "chat-w1-tcp"),
         messages=30000, warm=5000, sm=True),
    kept("sqlite", "archive on SQLite", ("Jackdaw archive",), None),
    ON_POSTGRES,
    of(ON_POSTGRES, "chat-archive-db", "chat W=1 TCP, archive on PostgreSQL: PostgreSQL",
       "db_cpu_us_per_message", Must(80)),
    BUSY,
    of(BUSY, "chat-busy-db", "the same: PostgreSQL", "db_cpu_us_per_message", None),
    PAGE,
    of(PAGE, "page-db", "the same: PostgreSQL", "db_cpu_us_per_page", Must(0.8)),
    STORE,
    of(STORE, "offline-deliver", "offline, login and delivery", "cpu_us_per_message_delivered",
       Must(25)),
    Figure("latency", "latency at 200 messages a second, p50", "ms", "latency",
           {"pairs": 50, "rate": 200, "messages": 1000}, "p50_ms",
           floors=("relay", "relay+expat+write"), subjects=("Jackdaw",) + THREADS + PEERS,
           must=Must(0.3), digits=3, less={"messages": 200}),
    LATENCY,
    Figure("presence", "presence, %d contacts" % CONTACTS, "CPU us a delivery", "presence",
           {"contacts": CONTACTS, "first": GROUP, "messages": 500}, "cpu_us_per_delivery",
           floors=("fan-out",), must=Must(1.5, "fan-out"), less={"messages": 30},
           floor_args={"group": CONTACTS + 1}),
    TALK,
    of(TALK, "room-join", "room join, filling a room of %d" % ROOM, "cpu_us_per_join", Must(0.5),
       unit="CPU ms an occupant", scale=1e-3, digits=2, floors=()),
    login("scram-tcp", "SCRAM TCP", "tcp", Must(0.25)),
    login("scram-tls", "SCRAM direct TLS", "tls", Must(1.0)),
    login("scram-starttls", "SCRAM STARTTLS", "starttls", None),
    login("scram-ws", "SCRAM WebSocket", "ws", None),
    login("plain-tcp", "PLAIN TCP", "tcp", None, mechanism="PLAIN"),
    login("roster", "SCRAM TCP, with a roster of %d and presence" % CONTACTS, "tcp", Must(0.8),
          first=GROUP, clients=CONTACTS + 1, roster=True),
    Figure("storm", "reconnect storm of 2000, TCP", "s", "storm",
           {"clients": 2000, "at-once": 200}, "seconds", digits=2, less={"clients": 200}),
    *idle("tcp", Must(3)),
    *idle("tls", Must(18)),
    *idle("ws", Must(3.5)),
    Figure("idle-default", "idle TCP, 10000 sessions, all modules that are on by default",
           "KiB each", "idle", {"clients": 10000, "settle": 30}, "kib_each",
           subjects=("Jackdaw default",), fresh=True, once=True,
           less={"clients": 500, "settle": 5}),
    Figure("empty", "empty server, PSS", "MiB", "idle", {"clients": 1, "settle": 10},
           "pss_empty_kib", subjects=("Jackdaw default",) + PEERS, must=Must(9), scale=1 / 1024,
           fresh=True, once=True),
    growth("few", "4 modules, 10 idle sessions", "Jackdaw few", 10, None),
    growth("idle10", "10 idle sessions", "Jackdaw", 10, Must(1.1, "Jackdaw few", "growth-few")),
    growth("idle10000", "9 900 idle sessions", "Jackdaw", 9900,
           Must(1.1, "Jackdaw", "growth-idle10")),
    growth("hosts", "%d hosts, 10 idle sessions" % HOSTS, "Jackdaw hosts", 10,
           Must(1.1, "Jackdaw", "growth-idle10")),
)
