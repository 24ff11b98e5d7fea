# SPDX-License-Identifier: MIT
"""jackdawctl: every command, its exit codes and both forms of its answers."""

import json
import os
import stat
import subprocess

import pytest

from raw import DEADLINE, failure, fresh
from server import build_dir
from xmlstream import qname

pytestmark = pytest.mark.ours
COMMANDS = ("adduser", "passwd", "deluser", "users", "sessions", "kick", "status", "stop",
            "modules", "check", "help")
OK, FAILED, USAGE, UNREACHABLE = 0, 1, 2, 3


def login_fails(account, connect, password=None):
    client = connect(account.server, "tls", host=account.host).secure()
    answer = client.auth("SCRAM-SHA-1", account.user, password or account.password)
    return answer.tag == qname("sasl:failure") and failure(answer) == "not-authorized"


def users(server, *args):
    return [user["jid"] for user in server.ctl_json("users", *args)["users"]]


def sessions(server, *args):
    return [session["jid"] for session in server.ctl_json("sessions", *args)["sessions"]]


@pytest.mark.quick
def test_status(server):
    status = server.ctl_json("status")
    names = {listener["name"] for listener in status["listeners"]}
    assert {"c2s", "c2s-tls", "http", "https"} <= names
    assert all(0 < listener["port"] < 65536 for listener in status["listeners"])
    text = server.ctl_ok("status")
    assert str(status["listeners"][0]["port"]) in text


def test_memory(server, alice):
    def kinds():
        memory = server.ctl_json("memory")
        return memory, {kind["kind"]: kind for kind in memory["kinds"]}
    _, before = kinds()
    clients = [alice.ready() for _ in range(3)]
    memory, now = kinds()
    assert memory["resident"] > 1 << 20
    for kind in ("sessions", "connections", "streams", "kept stanzas"):
        assert now[kind]["count"] >= len(clients), kind
        assert now[kind]["bytes"] >= 50 * now[kind]["count"], kind
    assert now["sessions"]["count"] == len(sessions(server)), before
    roster = [m for m in memory["modules"] if (m["module"], m["host"]) == ("roster", "localhost")]
    assert len(roster) == 1 and roster[0]["bytes"] > 0


def test_host_list(server, alice):
    alice.ready()
    hosts = {host["name"]: host for host in server.ctl_json("host", "list")["hosts"]}
    assert {"localhost", "example.test"} <= set(hosts)
    assert hosts["localhost"]["sessions"] >= 1 and hosts["localhost"]["tls"] is True
    assert hosts["localhost"]["modules"] > 10


def test_help(server):
    text = server.ctl_ok("help")
    for command in COMMANDS:
        assert command in text


@pytest.mark.parametrize("args", [["users"], ["sessions"], ["status"], ["modules"], ["help"],
                                  ["users", "localhost"], ["sessions", "localhost"], ["check"]])
def test_json_is_one_document(server, args):
    done = server.ctl("--json", *args)
    assert done.returncode == OK, done.stderr
    assert isinstance(json.loads(done.stdout), dict)


def test_users(server, alice, account):
    far = account(fresh("far"), host="example.test")
    assert {alice.jid, far.jid} <= set(users(server))
    assert alice.jid in users(server, "localhost") and far.jid not in users(server, "localhost")
    assert alice.jid in server.ctl_ok("users")


def test_modules(server):
    names = {module["name"] for module in server.ctl_json("modules")["modules"]}
    assert {"roster", "presence", "message", "disco", "ping", "version", "time", "carbons",
            "csi", "archive", "offline", "blocking", "private", "vcard", "last", "caps", "contacts",
            "extdisco", "announce", "adhoc", "admin", "register", "push"} <= names


def test_check(server):
    assert server.ctl("check").returncode == OK


@pytest.mark.parametrize("args", [
    ["nonsense"], [], ["adduser"], ["adduser", "a@localhost", "b"], ["kick"], ["deluser"],
    ["passwd"], ["status", "now"], ["--nonsense", "status"], ["adduser", "a b@localhost"],
    ["adduser", "@localhost"], ["adduser", "localhost"], ["kick", "@@"], ["users", "a..b"]])
def test_wrong_arguments(server, args):
    done = server.ctl(*args, stdin="secret\n")
    assert done.returncode == USAGE, done.stdout + done.stderr
    assert done.stderr.strip(), "says what is wrong"
    assert not done.stdout.strip(), "nothing that a script could take for an answer"


@pytest.mark.parametrize("args", [
    ["adduser", "a@nowhere.test"], ["deluser", "nobody-at-all@localhost"],
    ["passwd", "nobody-at-all@localhost"], ["kick", "nobody-at-all@localhost"],
    ["users", "nowhere.test"]])
def test_failures(server, args):
    """A sentence on stderr; exit code 1 (2 where the argument itself names no host of ours)."""
    done = server.ctl(*args, stdin="secret\n")
    assert done.returncode in (FAILED, USAGE), done.stdout + done.stderr
    assert done.stderr.strip()


def test_json_failures_are_documents_too(server):
    done = server.ctl("--json", "deluser", "nobody-at-all@localhost")
    assert done.returncode == FAILED
    assert isinstance(json.loads(done.stdout or done.stderr), dict)


def test_similar_name_is_proposed(server):
    assert "status" in server.ctl("statsu").stderr


def test_not_reachable(server):
    done = server.ctl("status", socket=server.socket + ".nowhere")
    assert done.returncode == UNREACHABLE
    assert server.socket + ".nowhere" in done.stderr


@pytest.mark.parametrize("stdin", ["", "\n"])
def test_no_password(server, stdin):
    done = server.ctl("adduser", fresh("nopw") + "@localhost", stdin=stdin)
    assert done.returncode in (FAILED, USAGE) and done.stderr.strip()


def test_adduser_twice(server, alice, connect):
    done = server.ctl("adduser", alice.jid, stdin="another\n")
    assert done.returncode == FAILED and alice.jid in done.stderr
    assert alice.login().bare == alice.jid
    assert login_fails(alice, connect, "another")


def test_adduser_prepares_the_name(server, connect):
    name = fresh("Mixed")
    server.ctl_ok("adduser", name + "@LOCALHOST", stdin="secret\n")
    assert name.lower() + "@localhost" in users(server)


def test_passwd(server, alice, connect):
    """The new password works, the old one does not, and its sessions are over."""
    client = alice.ready()
    server.ctl_ok("passwd", alice.jid, stdin="new secret\n")
    client.drain_to_end()
    assert login_fails(alice, connect)
    alice.password = "new secret"
    for mechanism in ("SCRAM-SHA-1", "SCRAM-SHA-256", "PLAIN"):
        assert alice.login(mechanism=mechanism).bare == alice.jid


def test_sessions_and_kick(server, alice, bob):
    one, two, other = alice.ready("ws"), alice.ready("tls"), bob.ready()
    assert {one.jid, two.jid, other.jid} <= set(sessions(server))
    server.ctl_ok("kick", one.jid)
    one.drain_to_end()
    assert two.jid in sessions(server) and one.jid not in sessions(server)
    two.barrier(two)
    three = alice.ready()
    server.ctl_ok("kick", alice.jid)
    two.drain_to_end()
    three.drain_to_end()
    assert not [jid for jid in sessions(server) if jid.startswith(alice.jid)]
    other.barrier(other)
    assert alice.ready().bare == alice.jid, "kicked, not banned"


def test_deluser(server, alice, bob, connect):
    """Sessions end, the account is gone, contacts are told, the name rests."""
    one, other = alice.ready(), bob.ready()
    other.send("<presence to='%s' type='subscribe'/>" % alice.jid)
    one.wait("presence", type="subscribe")
    one.send("<presence to='%s' type='subscribed'/>" % bob.jid)
    other.wait("presence", from_=one.jid, type=None)
    server.ctl_ok("deluser", alice.jid)
    one.drain_to_end()
    other.wait("presence", type="unavailable", from_=one.jid)
    other.wait("presence", type="unsubscribed", from_=alice.jid)
    assert alice.jid not in users(server)
    assert login_fails(alice, connect)
    again = server.ctl("adduser", alice.jid, stdin="secret\n")
    assert again.returncode == FAILED and "force" in again.stderr
    server.ctl_ok("adduser", "--force", alice.jid, stdin=alice.password + "\n")
    fresh_start = alice.ready()
    roster = fresh_start.roster()
    assert not list(roster.iter(qname("roster:item"))), "nothing of the old account"


def test_socket_is_guarded(server):
    mode = os.stat(server.socket).st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660


def test_garbage_on_the_socket(server):
    """Whoever may use the socket may err; the server does not care."""
    import socket
    for data in (b"", b"\0" * 100, b"{" * 100000, b"\xff" * 70000, b"status\n"):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.settimeout(DEADLINE)
            sock.connect(server.socket)
            try:
                sock.sendall(data)
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(65536):
                    pass
            except ConnectionError:
                pass
    assert server.ctl_json("status")["listeners"]


def test_many_at_once(server):
    """Thirty tools in parallel, each with an answer of its own."""
    argv = [os.path.join(build_dir(), "jackdawctl"), "-s", server.socket, "--json", "status"]
    tools = [subprocess.Popen(argv, stdout=subprocess.PIPE, env=server.environment())
             for _ in range(30)]
    for tool in tools:
        output, _ = tool.communicate(timeout=2 * DEADLINE)
        assert tool.returncode == OK and json.loads(output)["listeners"]


def test_stop(own_server, make_account):
    server = own_server()
    client = make_account(server).ready()
    server.ctl_ok("stop")
    client.stream_error("system-shutdown")
    server.wait_exit(0)
    assert server.ctl("status").returncode == UNREACHABLE
