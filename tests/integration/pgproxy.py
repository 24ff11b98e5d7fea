# SPDX-License-Identifier: MIT
"""A relay in front of PostgreSQL's Unix socket, which has accidents when told.

    proxy = Proxy(postgres)          proxy.conninfo("database")
    proxy.hold(b"COMMIT")            answers stay here, once such a thing was asked
    proxy.block()                    questions stay here
    proxy.held()                     waits until something stays here
    proxy.cut()                      all connections end; new ones are as usual
    proxy.refuse() / accept()        nobody gets in / again
    proxy.delay(0.2)                 every answer takes so much longer
"""

import contextlib
import os
import socket
import threading
import time

PORT = "5432"
DEADLINE = 60


class _Link:
    """One client and its connection to PostgreSQL: two threads."""

    def __init__(self, proxy, client):
        self.proxy = proxy
        self.client = client
        self.server = socket.socket(socket.AF_UNIX)
        self.holding = False
        self.server.connect(proxy.target)
        for work in (self._questions, self._answers):
            threading.Thread(target=work, daemon=True).start()

    def _pass(self, source, target, stays):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                if stays(data):
                    self.proxy.note_held()
                    continue
                target.sendall(data)
        except OSError:
            pass
        self.end()

    def _questions(self):
        def stays(data):
            word = self.proxy.hold_word
            if word is not None and word in data:
                self.holding = True
            return self.proxy.blocking
        self._pass(self.client, self.server, stays)

    def _answers(self):
        def stays(_):
            if self.proxy.pause:
                time.sleep(self.proxy.pause)  # that is what a slow network does
            return self.holding or self.proxy.hold_word == b""
        self._pass(self.server, self.client, stays)

    def end(self):
        for sock in (self.client, self.server):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


class Proxy:
    """See the head of this file."""

    def __init__(self, postgres):
        self.target = os.path.join(postgres.folder, ".s.PGSQL." + PORT)
        self.folder = os.path.join(postgres.folder, "proxy%d" % id(self))
        self.path = os.path.join(self.folder, ".s.PGSQL." + PORT)
        self.postgres = postgres
        self.hold_word = None
        self.blocking = False
        self.pause = 0
        self._held = threading.Event()
        self._links = []
        self._listener = None
        os.mkdir(self.folder)
        self.accept()

    def conninfo(self, name, **options):
        return self.postgres.conninfo(name, host=self.folder, **options)

    def note_held(self):
        self._held.set()

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                self._links.append(_Link(self, client))
            except OSError:
                client.close()

    def accept(self):
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen(64)
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def refuse(self):
        os.unlink(self.path)
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def hold(self, word=b""):
        self._held.clear()
        self.hold_word = word

    def block(self):
        self._held.clear()
        self.blocking = True

    def held(self):
        assert self._held.wait(DEADLINE), "nothing came to the proxy"

    def cut(self):
        links, self._links = self._links, []
        self.hold_word, self.blocking = None, False
        for link in links:
            link.end()

    def delay(self, seconds):
        self.pause = seconds
