# SPDX-License-Identifier: MIT
"""Announcements and the message of the day."""

import pytest

from raw import condition
from xmlstream import qname

pytestmark = pytest.mark.ours


def body(client):
    return client.wait("message", type="headline").findtext(qname("body"))


def headlines(client):
    """What has come; the client itself is asked last."""
    events = client.barrier(client)
    return [e.findtext(qname("body")) for e in events
            if e.tag == qname("message") and e.get("type") == "headline"]


@pytest.mark.quick
def test_announce(own_server, make_account):
    server = own_server()
    one, other = make_account(server).ready(), make_account(server).ready("ws")
    silent = make_account(server).login()
    far = make_account(server, host="example.test").ready()
    text = "Down at 5 < 6 & \u2603"
    assert server.ctl_json("announce", "localhost", text) == {"sessions": 2}
    for client in (one, other):
        message = client.wait("message", type="headline", from_="localhost")
        assert message.findtext(qname("body")) == text
        assert message.get("to") == client.jid
    assert headlines(far) == [] and headlines(silent) == []


def test_thousands_in_order(own_server, make_account):
    """More than are told at a time; every session gets both, in their order."""
    server = own_server()
    accounts = [make_account(server) for _ in range(5)]
    clients = [account.ready("plain") for account in accounts for _ in range(45)]
    server.ctl_ok("announce", "localhost", "first")
    server.ctl_ok("announce", "localhost", "second")
    assert {(body(client), body(client)) for client in clients} == {("first", "second")}


@pytest.mark.parametrize("args", [["localhost", ""], ["localhost", "x" * 20000]])
def test_bad_text(server, args):
    for command in (["announce"], ["motd", "set"]):
        done = server.ctl(*command, *args)
        assert done.returncode == 1 and "text" in done.stderr


def test_text_is_utf8(server):
    done = server.ctl("announce", "localhost", b"\xff\xfe")
    assert done.returncode == 2 and "UTF-8" in done.stderr


def test_hosts_are_not_others(server):
    assert server.ctl("announce", "elsewhere.test", "x").returncode == 2
    assert server.ctl("motd", "show", "elsewhere.test").returncode == 2


def test_motd(own_server, make_account):
    """Once for each account, also after the server was away; gone with the account."""
    server = own_server()
    alice, bob = make_account(server), make_account(server)
    far = make_account(server, host="example.test")
    server.ctl_ok("motd", "set", "localhost", "Welcome & <hello>")
    assert server.ctl_json("motd", "show", "localhost")["text"] == "Welcome & <hello>"
    assert server.ctl_json("motd", "show", "example.test") == {}
    first = alice.ready()
    assert body(first) == "Welcome & <hello>"
    assert headlines(alice.ready()) == []
    assert headlines(far.ready()) == []
    server.restart()
    assert headlines(alice.ready()) == []
    assert body(bob.ready()) == "Welcome & <hello>"
    server.ctl_ok("motd", "set", "localhost", "Another")
    assert body(bob.ready()) == "Another"
    server.ctl_ok("motd", "clear", "localhost")
    assert server.ctl_json("motd", "show", "localhost") == {}
    assert headlines(alice.ready()) == []
    server.ctl_ok("deluser", bob.jid)


def test_by_message(own_server, make_account):
    server = own_server(settings={("host", "localhost"): {"admins": ["root@localhost"]}})
    root = make_account(server, name="root").login()
    alice = make_account(server).ready()
    root.send("<message to='localhost/announce/online'><body>hi</body></message>")
    assert body(alice) == "hi"
    alice.send("<message id='x' to='localhost/announce/online'><body>hi</body></message>")
    assert condition(alice.wait("message", id="x")) == ("auth", "forbidden")
    root.send("<message to='localhost/announce/motd'><body>day</body></message>")
    root.send("<message id='y' to='example.test/announce/motd'><body>day</body></message>")
    assert condition(root.wait("message", id="y")) == ("auth", "forbidden")
    alice.send("<presence/>")
    assert body(alice) == "day"
