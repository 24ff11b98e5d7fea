# SPDX-License-Identifier: MIT
"""A real client in a process of its own: commands in, events out, as JSON lines.

Every wait has a deadline; what the process said is in the failure's text.
"""

import base64
import contextlib
import hashlib
import json
import os
import re
import shutil
import subprocess
import threading

from raw import SLOW, fresh

DEADLINE = 30 * SLOW
HERE = os.path.dirname(os.path.abspath(__file__))


def node_dir():
    """Where the scripts stand beside their installed packages (tests/run prepares it)."""
    return os.environ.get("JACKDAW_NODE_DIR") or os.path.join(HERE, "node")


def node_ready():
    return shutil.which("node") and os.path.isdir(os.path.join(node_dir(), "node_modules"))


def chromium():
    """The browser: $JACKDAW_CHROMIUM, or Debian's."""
    return os.environ.get("JACKDAW_CHROMIUM") or shutil.which("chromium")


def spki_hash(certificate):
    """How Chromium names a key that it is told to accept."""
    public = subprocess.run(["openssl", "x509", "-in", certificate, "-pubkey", "-noout"],
                            check=True, capture_output=True).stdout
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "der"], input=public,
                         check=True, capture_output=True).stdout
    return base64.b64encode(hashlib.sha256(der).digest()).decode()


def parse_event(line):
    """Libraries chatter on stdout; that is an event as well."""
    try:
        event = json.loads(line)
    except ValueError:
        event = None
    return event if isinstance(event, dict) else {"event": "chatter", "text": line}


class Peer:
    """The process and what it has told so far."""

    def __init__(self, argv, options, env=None):
        self.events = []
        self._seen = []
        self._changed = threading.Condition()
        self._ended = False
        self.jid = None
        self.process = subprocess.Popen(
            [*argv, json.dumps(options)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=dict(os.environ, **(env or {})))
        self._stderr = []
        self._threads = [threading.Thread(target=self._read_events, daemon=True),
                         threading.Thread(target=self._read_stderr, daemon=True)]
        for thread in self._threads:
            thread.start()

    def _read_events(self):
        with self.process.stdout as pipe:
            for line in pipe:
                with self._changed:
                    self.events.append(parse_event(line))
                    self._seen.append(line[:300])
                    self._changed.notify_all()
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _read_stderr(self):
        with self.process.stderr as pipe:
            for line in pipe:
                self._stderr.append(line)

    def story(self):
        return "%s\nevents:\n%sstderr:\n%s" % (
            " ".join(self.process.args[:-1]), "".join(self._seen[-30:]),
            "".join(self._stderr[-30:]))

    def wait(self, event="stanza", timeout=DEADLINE, **fields):
        """Takes the first event with these fields out of the queue; from_ is 'from'."""
        fields = {key.rstrip("_"): value for key, value in fields.items()}

        def hit():
            return next((e for e in self.events if e["event"] == event and all(
                e.get(key) == value for key, value in fields.items())), None)
        with self._changed:
            self._changed.wait_for(lambda: hit() or self._ended, timeout)
            found = hit()
            assert found, "no %s with %r\n%s" % (event, fields, self.story())
            self.events.remove(found)
            return found

    def online(self):
        self.jid = self.wait("online")["jid"]
        return self

    @property
    def bare(self):
        return self.jid.partition("/")[0]

    def command(self, op, **fields):
        self.process.stdin.write(json.dumps(dict(fields, op=op)) + "\n")
        self.process.stdin.flush()

    def send(self, xml):
        """A stanza as text, parsed and written by the client's own library."""
        self.command("send", xml=re.sub(r"^<(\w+)", r"<\1 xmlns='jabber:client'", xml))

    def chat(self, to, body, count=1):
        id_ = fresh("peer")
        self.command("chat", to=to, id=id_, body=body, count=count)
        return id_

    def iq(self, kind, payload, to=None):
        id_ = fresh("peeriq")
        to = " to='%s'" % to if to else ""
        self.send("<iq type='%s' id='%s'%s>%s</iq>" % (kind, id_, to, payload))
        return self.wait(name="iq", id=id_)

    def errors(self):
        return [e for e in self.events if e["event"] == "error"]

    def vanish(self):
        """Gone without a word."""
        self.process.kill()
        self.process.wait()

    def close(self):
        """Polite if it goes, forced if not; never an error."""
        if self.process.poll() is None:
            try:
                self.command("close")
                # The end of its input would be a second "close", which cuts the first one short:
                # and who is cut off has not left, but may come back (XEP-0198).
                self.process.wait(10 * SLOW)
            except (OSError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        for thread in self._threads:
            thread.join(5)


class Clients:
    """Starts clients of all kinds on one server and closes them at the end."""

    def __init__(self, server, folder):
        self.server = server
        self.folder = folder
        self.peers = []
        self._profiles = 0

    def _start(self, argv, options, env=None):
        peer = Peer(argv, options, env)
        self.peers.append(peer)
        return peer

    def _node(self, script, options):
        return self._start(["node", os.path.join(node_dir(), script)], options,
                           {"NODE_EXTRA_CA_CERTS": self.server.certificate})

    def _url(self, scheme, listener, path=""):
        return "%s://localhost:%d%s" % (scheme, self.server.address(listener)[1], path)

    def websocket_url(self, secure):
        return self._url(*(("wss", "https") if secure else ("ws", "http")), "/xmpp-websocket")

    def slixmpp(self, account, mechanism=None):
        address, port = self.server.address("c2s")
        return self._start(["/usr/bin/python3", os.path.join(HERE, "slix_client.py")],
                           {"jid": account.jid, "password": account.password,
                            "address": address, "port": port, "mechanism": mechanism,
                            "certificate": self.server.certificate})

    def xmppjs(self, account, transport):
        service = {"tls": lambda: self._url("xmpps", "c2s-tls"),
                   "starttls": lambda: self._url("xmpp", "c2s"),
                   "ws": lambda: self.websocket_url(False),
                   "wss": lambda: self.websocket_url(True)}[transport]()
        return self._node("xmppjs.mjs", {"service": service, "domain": account.host,
                                         "username": account.user, "password": account.password})

    def stanzaio(self, account, secure):
        return self._node("stanzaio.mjs", {"url": self.websocket_url(secure),
                                           "jid": account.jid, "password": account.password})

    def strophe_node(self, account, secure):
        return self._node("strophe-node.mjs", {"url": self.websocket_url(secure),
                                               "jid": account.jid, "password": account.password})

    def strophe_browser(self, account, secure, discover=False):
        self._profiles += 1
        options = {"jid": account.jid, "password": account.password, "chromium": chromium(),
                   "profile": os.path.join(self.folder, "profile%d" % self._profiles),
                   "spki": spki_hash(self.server.certificate)}
        if discover:
            listener = ("https", "https") if secure else ("http", "http")
            options["discover"] = self._url(*listener, "/.well-known/host-meta.json")
        else:
            options["url"] = self.websocket_url(secure)
        return self._node("strophe-browser.mjs", options)

    def close(self):
        for peer in self.peers:
            if peer.process.poll() is None:
                peer.close()
