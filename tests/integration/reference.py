# SPDX-License-Identifier: MIT
"""A Prosody in the place of Jackdaw: the tests' own test.

`pytest --reference` runs everything that is not Jackdaw's own decision against
Debian's Prosody, so that a mistake in the tests isn't taken for one in the
server.  Same interface as server.Server as far as the tests need it.
"""

import os
import random
import select
import signal
import socket
import time

from raw import DEADLINE
from server import HOSTS, LISTENERS, Process, make_certificate

CONF = """
run_as_root = true
pidfile = "{folder}/prosody.pid"
data_path = "{folder}/data"
plugin_paths = {{}}
log = {{ {{ levels = {{ min = "info" }}, to = "console" }} }}
modules_enabled = {{ "roster", "saslauth", "tls", "disco", "ping", "version", "time",
                     "websocket", "http", "presence", "message", "iq",
                     "carbons", "blocklist", "private", "vcard", "lastactivity" }}
modules_disabled = {{ "s2s", "offline" }}
authentication = "internal_plain"
storage = "internal"
allow_unencrypted_plain_auth = true
c2s_require_encryption = false
c2s_stanza_size_limit = 1024 * 1024
consider_websocket_secure = false
interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {c2s} }}
c2s_direct_tls_ports = {{ {c2s_tls} }}
http_interfaces = {{ "127.0.0.1" }}
https_interfaces = {{ "127.0.0.1" }}
http_ports = {{ {http} }}
https_ports = {{ {https} }}
http_paths = {{ websocket = "/xmpp-websocket" }}
http_default_host = "localhost"
cross_domain_websocket = true
ssl = {{ certificate = "{certificate}", key = "{key}" }}
https_ssl = {{ certificate = "{certificate}", key = "{key}" }}
c2s_direct_tls_ssl = {{ certificate = "{certificate}", key = "{key}" }}
"""


def free_ports(count):
    """Ports below the ephemeral range, which nobody gets by accident."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        top = int(file.read().split()[0])
    ports = []
    while len(ports) < count:
        port = random.SystemRandom().randrange(max(1024, top - 12000), top)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        if port not in ports:
            ports.append(port)
    return ports


class Reference:
    """Debian's Prosody on loopback."""

    kind = "reference"
    hosts = HOSTS

    def __init__(self, folder, **_):
        self.folder = str(folder)
        self.certificate, key = make_certificate(self.folder, HOSTS)
        self.listeners = {name: ("127.0.0.1", port)
                          for name, port in zip(LISTENERS, free_ports(len(LISTENERS)))}
        ports = {name.replace("-", "_"): port for name, (_, port) in self.listeners.items()}
        self.conf = os.path.join(self.folder, "prosody.cfg.lua")
        with open(self.conf, "w", encoding="utf-8") as file:
            file.write(CONF.format(folder=self.folder, certificate=self.certificate, key=key,
                                   **ports))
            file.writelines('VirtualHost "%s"\n' % host for host in HOSTS)
        self.process = None

    def start(self):
        self.process = Process(["prosody", "-F", "--config", self.conf], os.environ, self.folder)
        self.wait_listening()
        return self

    def wait_listening(self):
        """Prosody does not tell when it is ready: knock until every port answers."""
        until = time.monotonic() + 2 * DEADLINE
        for address in self.listeners.values():
            while True:
                try:
                    socket.create_connection(address, 1).close()
                    break
                except OSError:
                    assert self.process.alive() and time.monotonic() < until, \
                        "Prosody does not listen:\n" + self.process.log.tail()
                    select.select([self.process.pidfd], [], [], 0.05)

    def stop(self):
        self.process.signal(signal.SIGTERM)
        if self.process.exited() is None:
            self.process.signal(signal.SIGKILL)
            self.process.exited()
        self.process.release()

    def address(self, listener):
        return self.listeners[listener]

    def adduser(self, user, password, host="localhost"):
        folder = os.path.join(self.folder, "data", host.replace(".", "%2e"), "accounts")
        os.makedirs(folder, exist_ok=True)
        name = "".join(c if c.isalnum() and c.isascii() else "%%%02x" % b
                       for c in user for b in c.encode()[:1])
        with open(os.path.join(folder, name + ".dat"), "w", encoding="utf-8") as file:
            file.write('return { ["password"] = "%s"; };\n' % password)

    def revive(self):
        pass

    def sanitized(self):
        return True

    def resident_kib(self):
        return 0

    def expect_error(self, text):
        pass

    def check(self):
        assert self.process.alive(), "Prosody has died:\n" + self.process.log.tail()
