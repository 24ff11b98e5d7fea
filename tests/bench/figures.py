# SPDX-License-Identifier: MIT
"""What is measured: one Figure for each row of doc/benchmark.md, in that order.

A new figure is a line here and, if no scenario fits, a function in C (run.h).
"""

import dataclasses

PEERS = ("Prosody", "ejabberd")
THREADS = ("Jackdaw io=0", "Jackdaw io=2")
GROUP = 20000  # the accounts from here on are contacts of each other
CONTACTS = 50


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

    @property
    def group(self):
        return self.name.split("-")[0]

    def floor_transport(self):
        return "raw-tls" if self.transport in ("tls", "wss") else "raw"


def chat(transport, window, must):
    tls = "+TLS" if transport in ("tls", "wss") else ""
    title = {"tcp": "TCP", "tls": "TLS", "ws": "WebSocket"}[transport]
    floors = () if transport == "ws" else ("relay" + tls, "relay+expat+write" + tls)
    return Figure("chat-w%d-%s" % (window, transport), "chat W=%d %s" % (window, title),
                  "CPU us a message", "chat",
                  {"pairs": 50, "window": window, "messages": 40000, "warm": 10000},
                  "cpu_us_per_message", transport, floors,
                  ("Jackdaw",) + THREADS + PEERS, must,
                  less={"messages": 3000, "warm": 1000})


def login(name, title, transport, must, **args):
    return Figure("login-" + name, "login " + title, "CPU ms", "login",
                  dict({"clients": 50, "at-once": 50, "rounds": 10}, **args), "cpu_us_per_login",
                  transport, must=must, scale=1e-3, digits=2, less={"rounds": 1})


def idle(transport, clients, must):
    title = {"tcp": "TCP", "tls": "TLS", "ws": "WebSocket"}[transport]
    return Figure("idle-%d-%s" % (clients, transport), "idle %s, %d sessions" % (title, clients),
                  "KiB each", "idle", {"clients": clients, "settle": 90}, "kib_each", transport,
                  subjects=("Jackdaw parked",) + PEERS, must=must, fresh=True, once=True,
                  less={"clients": clients // 20, "settle": 10})


def growth(name, title, subject, idle_sessions, must):
    return Figure("growth-" + name, "chat W=1 TCP, " + title, "CPU us a message", "chat",
                  {"pairs": 50, "messages": 40000, "warm": 10000, "idle": idle_sessions},
                  "cpu_us_per_message", subjects=(subject,), must=must,
                  less={"messages": 3000, "warm": 1000, "idle": idle_sessions // 20})


FIGURES = (
    chat("tcp", 1, Must(1.6, "relay+expat+write")),
    chat("tcp", 20, Must(2.5, "relay+expat+write")),
    chat("tls", 1, Must(1.5, "relay+expat+write+TLS")),
    chat("tls", 20, None),
    chat("ws", 1, Must(1.3, "Jackdaw", "chat-w1-tcp")),
    chat("ws", 20, None),
    Figure("latency", "latency at 200 messages a second, p50", "ms", "latency",
           {"pairs": 50, "rate": 200, "messages": 2000}, "p50_ms",
           floors=("relay", "relay+expat+write"), subjects=("Jackdaw",) + THREADS + PEERS,
           must=Must(0.3), digits=3, less={"messages": 200}),
    Figure("presence", "presence, %d contacts" % CONTACTS, "CPU us a delivery", "presence",
           {"contacts": CONTACTS, "first": GROUP, "messages": 500}, "cpu_us_per_delivery",
           floors=("fan-out",), must=Must(1.5, "fan-out"), less={"messages": 30}),
    login("scram-tcp", "SCRAM TCP", "tcp", Must(0.25)),
    login("scram-tls", "SCRAM direct TLS", "tls", Must(1.0)),
    login("scram-starttls", "SCRAM STARTTLS", "starttls", None),
    login("scram-ws", "SCRAM WebSocket", "ws", None),
    login("plain-tcp", "PLAIN TCP", "tcp", None, mechanism="PLAIN"),
    login("roster", "SCRAM TCP, with a roster of %d and presence" % CONTACTS, "tcp", Must(0.8),
          first=GROUP, clients=CONTACTS + 1, roster=True),
    Figure("storm", "reconnect storm of 2000, TCP", "s", "storm",
           {"clients": 2000, "at-once": 200}, "seconds", digits=2, less={"clients": 200}),
    idle("tcp", 2000, None),
    idle("tls", 2000, None),
    idle("ws", 2000, None),
    idle("tcp", 10000, Must(3)),
    idle("tls", 10000, Must(18)),
    idle("ws", 10000, Must(3.5)),
    Figure("empty", "empty server, PSS", "MiB", "idle", {"clients": 1, "settle": 10},
           "pss_empty_kib", subjects=("Jackdaw parked",) + PEERS, must=Must(9), scale=1 / 1024,
           fresh=True, once=True),
    growth("idle10", "10 idle sessions", "Jackdaw", 10, None),
    growth("idle10000", "9 900 idle sessions", "Jackdaw", 9900,
           Must(1.1, "Jackdaw", "growth-idle10")),
    growth("hosts", "100 hosts, 10 idle sessions", "Jackdaw hosts", 10,
           Must(1.1, "Jackdaw", "growth-idle10")),
)
