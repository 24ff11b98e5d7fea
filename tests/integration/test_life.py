# SPDX-License-Identifier: MIT
"""Start, stop, crash, full disk, crowds: what happens to a server in its life."""

import base64
import json
import os
import resource
import select
import signal
import socket
import stat
import time

import pytest

from raw import DEADLINE, TRANSPORTS, Client, Connection, condition, failure, fresh
from xmlstream import qname

pytestmark = pytest.mark.ours
CROWD = 1000
# For what only a database in a file can have; others have tests of their own.
IN_A_FILE = {"driver": "sqlite", "path": "jackdaw.db", "connection": None}


def item(jid):
    return "<query xmlns='jabber:iq:roster'><item jid='%s'/></query>" % jid


def contacts(client):
    return {e.get("jid"): e.get("subscription") for e in client.roster().iter(
        qname("roster:item"))}


def befriend(one, other):
    one.send("<presence to='%s' type='subscribe'/>" % other.bare)
    other.wait("presence", type="subscribe")
    other.send("<presence to='%s' type='subscribed'/>" % one.bare)
    one.wait("presence", type="subscribed")


# -- stop and start ---------------------------------------------------------------------

@pytest.mark.quick
def test_stop_says_system_shutdown(own_server, make_account):
    server = own_server()
    clients = [make_account(server).ready(transport) for transport in TRANSPORTS]
    half = Client(server, "plain")
    half.open()
    silent = Connection(server.address("c2s"))
    server.process.signal(signal.SIGTERM)
    for client in (*clients, half):
        client.stream_error("system-shutdown")
    silent.recv_to_end()
    server.wait_exit(0)


def test_stop_twice(own_server):
    """A second signal while stopping does no harm."""
    server = own_server()
    server.process.signal(signal.SIGTERM)
    server.process.signal(signal.SIGTERM)
    server.process.signal(signal.SIGINT)
    server.wait_exit(0)


def test_restart_keeps_everything(own_server, make_account):
    server = own_server()
    alice, bob = make_account(server), make_account(server, host="example.test")
    one, other = alice.ready(), bob.ready()
    befriend(one, other)
    one.iq("set", item("a@x.test"))
    before = one.roster().find(qname("roster:query"))
    server.restart()
    one, other = alice.ready(), bob.ready("ws")
    assert contacts(one) == {bob.jid: "to", "a@x.test": "none"}
    assert one.roster().find(qname("roster:query")).get("ver") == before.get("ver")
    one.wait("presence", from_=other.jid, type=None)
    for mechanism in ("SCRAM-SHA-256", "PLAIN"):
        assert alice.login(mechanism=mechanism).bare == alice.jid


def test_power_cut(own_server, make_account):
    """What was answered before kill -9 is there after it."""
    server = own_server()
    alice, bob = make_account(server), make_account(server)
    one, other = alice.ready(), bob.ready()
    befriend(one, other)
    for i in range(20):
        assert one.iq("set", item("c%d@x.test" % i)).get("type") == "result"
    server.kill()
    server.start()
    assert alice.jid in server.ctl_ok("users")
    have = contacts(alice.ready())
    assert have[bob.jid] == "to" and {"c%d@x.test" % i for i in range(20)} < set(have)


def test_one_database_one_server(own_server, tmp_path):
    """A second server on the same database refuses with a sentence; the first goes on."""
    first = own_server()
    with pytest.raises(AssertionError) as refusal:
        own_server(settings={"database": first.settings["database"]})
    assert "in use by another Jackdaw" in str(refusal.value)
    assert first.ctl_json("status")["listeners"]


def test_port_in_use(own_server):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(AssertionError) as refusal:
            own_server(settings={("listen", "c2s"): {"port": port}})
    assert str(port) in str(refusal.value)


def test_stale_socket_is_no_obstacle(own_server):
    """The control socket of a server that was killed is replaced."""
    server = own_server()
    server.kill()
    assert os.path.exists(server.socket)
    server.start()
    assert server.ctl_json("status")["listeners"]


def test_ipv6(own_server, make_account):
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    server = own_server(settings={("listen", "six"): {
        "kind": "c2s", "address": "::1", "port": 0}})
    account = make_account(server)
    server.listeners["c2s"] = server.listeners["six"]
    assert server.address("c2s")[0] == "::1"
    account.ready()


# -- a full disk --------------------------------------------------------------------------

def test_full_disk(own_server, make_account):
    """Writes fail with an error of their own; everything else goes on; nothing is lost.

    A limit of the file size stands for the full disk: every write behind its first
    block fails, in database and journal alike.
    """
    server = own_server(settings={"database": IN_A_FILE})
    alice, bob = make_account(server), make_account(server)
    one = alice.ready()
    assert one.iq("set", item("before@x.test")).get("type") == "result"
    pid, hard = server.process.pid, resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)[1]
    server.expect_error("")
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (4096, hard))
    for i in range(10):
        answer = one.iq("set", item("during%d@x.test" % i))
        assert condition(answer)[1] in ("resource-constraint", "internal-server-error")
    done = server.ctl("adduser", fresh("late") + "@localhost", stdin="secret\n")
    assert done.returncode == 1 and done.stderr.strip()
    other = bob.ready("ws")
    one.send("<message to='%s'><body>the disk is full, we talk</body>"
             "<no-store xmlns='urn:xmpp:hints'/></message>" % other.jid)
    other.wait("message", from_=one.jid)
    assert set(contacts(one)) == {"before@x.test"}
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (hard, hard))
    assert one.iq("set", item("after@x.test")).get("type") == "result"
    server.expect_error("")
    server.restart()
    assert set(contacts(alice.ready())) == {"before@x.test", "after@x.test"}


# -- crowds ---------------------------------------------------------------------------------

def half_open(server, count):
    """Connections that never log in: silent ones, and some in the middle of something."""
    starts = {"c2s": [b"", b"<", b"<?xml version='1.0'?><stream:stream to='localho"],
              "c2s-tls": [b"", b"\x16\x03\x01\x02\x00\x01"],
              "http": [b"", b"GET / HTTP/1.1\r\nHost: loc"],
              "https": [b"", b"\x16\x03"]}
    names = list(starts)
    crowd = []
    for i in range(count):
        name = names[i % len(names)]
        sock = socket.create_connection(server.address(name), DEADLINE, ("127.0.0.2", 0))
        texts = starts[name]
        sock.sendall(texts[i // len(names) % len(texts)])
        crowd.append(sock)
    return crowd


def test_a_thousand_half_open_connections(own_server, make_account):
    """Others do not notice, and when they have gone the memory is back."""
    server = own_server(settings={"auth": {"login_deadline": "600s"}})
    one, other = make_account(server).ready(), make_account(server).ready("wss")
    before = server.resident_kib()
    for _ in range(2):
        crowd = half_open(server, CROWD)
        for i in range(20):
            id_ = one.message(other.jid, "number %d" % i)
            other.wait("message", id=id_)
        make_account(server).ready("tls").end()
        for sock in crowd:
            sock.close()
    one.barrier(other)
    grown = server.resident_kib() - before
    assert server.sanitized() or grown < 32 * 1024, "%d KiB more" % grown


def test_deadline_before_login(own_server, make_account):
    """Absolute: neither silence nor dribbling nor half a login goes on for ever."""
    server = own_server(settings={"auth": {"login_deadline": "2s"}})
    account = make_account(server)
    bound = account.ready()
    quiet = half_open(server, 40)
    opened = Client(server, "plain")
    opened.open()
    failing = Client(server, "plain")
    failing.open()
    dribbler = Connection(server.address("c2s"))
    until = time.monotonic() + DEADLINE
    while not select.select([dribbler.sock], [], [], 0.1)[0]:
        assert time.monotonic() < until, "a dribbling client is still connected"
        dribbler.send(b" ")
    dribbler.recv_to_end()
    opened.stream_error("connection-timeout", "policy-violation", "not-authorized")
    for sock in quiet:
        sock.settimeout(DEADLINE)
        try:
            while sock.recv(4096):
                pass
        except ConnectionError:
            pass
        sock.close()
    failing.drain_to_end()
    bound.barrier(bound)


def test_connections_per_address(own_server):
    server = own_server(settings={("listen", "c2s"): {"max_per_address": 5,
                                                         "uncounted_from": []}})
    friends = [Client(server, "plain") for _ in range(5)]
    for client in friends:
        client.open()
    sixth = Connection(server.address("c2s"))
    try:
        sixth.send(b"<?xml version='1.0'?>")
    except OSError:
        pass
    sixth.recv_to_end()
    elsewhere = Client(server, "plain", source=("127.0.0.2", 0))
    elsewhere.open()
    friends[0].end()
    until = time.monotonic() + DEADLINE
    while True:  # the place is free when the server has seen our end of the socket close
        again = Client(server, "plain")
        try:
            again.open()
            break
        except (AssertionError, OSError):
            assert time.monotonic() < until, "the place of a closed connection stays taken"
    for client in (*friends[1:], elsewhere, again):
        client.close()


def test_logins_and_resets_in_a_storm(own_server, make_account):
    """Clients that vanish at every step of the way in; then everything is as before."""
    server = own_server()
    account = make_account(server)
    for step in range(6):
        for transport in TRANSPORTS:
            client = Client(server, transport)
            if step >= 1:
                client.secure()
            if step >= 2:
                client.sasl("auth", "biwsbj1hLHI9YWJj", mechanism="SCRAM-SHA-1")
            if step >= 3:
                client.cut()
                client = Client(server, transport).secure()
                client.auth("PLAIN", account.user, account.password)
            if step >= 4:
                client.open()
                client.bind()
            if step >= 5:
                client.ready()
                client.send("<iq type='get' id='x'><query xmlns='jabber:iq:roster'/></iq>" * 20)
            client.cut()
    survivor = account.ready()
    survivor.barrier(survivor)
    sessions = [s["jid"] for s in server.ctl_json("sessions")["sessions"]]
    assert survivor.jid in sessions


# -- the log ----------------------------------------------------------------------------------

def test_no_secrets_in_the_log(own_server, make_account):
    server = own_server(log_level="debug")
    password = "tell-nobody-" + fresh()
    account = make_account(server, password=password)
    for mechanism in ("PLAIN", "SCRAM-SHA-1"):
        account.login(mechanism=mechanism).end()
    client = Client(server, "plain")
    client.open()
    client.auth("PLAIN", account.user, password + "-wrong")
    client.close()
    server.ctl_ok("passwd", account.jid, stdin=password + "2\n")
    server.stop()
    log = server.last_log()
    assert log
    plain = base64.b64encode(("\0%s\0%s" % (account.user, password)).encode()).decode()
    for secret in (password, plain[8:24]):
        assert secret not in log


def test_log_lines_cannot_be_forged(own_server):
    """A hostile name is escaped and cut; each line stays one JSON object."""
    server = own_server(log_level="debug")
    evil = 'x\n{"level":"error","text":"forged"}\r\x1b[31m' + "y" * 5000
    for transport in ("plain", "ws"):
        client = Client(server, transport)
        client.open()
        assert failure(client.auth("PLAIN", evil, "p")) in ("not-authorized", "malformed-request")
        client.close()
    server.stop()
    for line in server.last_log().splitlines():
        assert isinstance(json.loads(line), dict) and len(line) < 4096


def test_files_are_private(own_server):
    server = own_server(settings={"database": IN_A_FILE})
    mode = os.stat(os.path.join(server.run_dir, "jackdaw.db")).st_mode
    assert not stat.S_IMODE(mode) & 0o007
