# SPDX-License-Identifier: MIT
"""Modules that are loaded, unloaded and reloaded while clients are at work."""

import os
import re
import shutil
import subprocess
import threading

import pytest

from raw import condition
from server import SOURCE
from test_sample_module import GREETING, MODULES, SAMPLE, built  # noqa: F401 (a fixture)

pytestmark = pytest.mark.ours
REQUESTS = (
    "<ping xmlns='urn:xmpp:ping'/>", "<query xmlns='jabber:iq:version'/>",
    "<time xmlns='urn:xmpp:time'/>", "<query xmlns='http://jabber.org/protocol/disco#info'/>",
    "<query xmlns='http://jabber.org/protocol/disco#items'/>", "<query xmlns='jabber:iq:last'/>",
    "<vCard xmlns='vcard-temp'/>", "<services xmlns='urn:xmpp:extdisco:2'/>",
    "<query xmlns='jabber:iq:register'/>")
OWN = ("<query xmlns='jabber:iq:roster'/>", "<blocklist xmlns='urn:xmpp:blocking'/>",
       "<query xmlns='jabber:iq:private'><x xmlns='urn:x'/></query>", "<vCard xmlns='vcard-temp'/>")


def default_modules():
    """As the built program has them: a server whose file lists none."""
    with open(os.path.join(SOURCE, "src", "core", "conf_table.c"), encoding="utf-8") as file:
        words = re.search(r'(?:"roster presence [^"]*"\s*)(?:"[^"]*"\s*)*', file.read())
    return words.group(0).replace('"', "").split()


def running(server, host="localhost"):
    return {m["name"] for m in server.ctl_json("modules")["modules"] if m["host"] == host}


def module(server, what, name, host="localhost"):
    done = server.ctl("module", what, host, name)
    return done.returncode == 0 or done.stderr.strip()


class Traffic:
    """Two clients that ask and write all the time; every request is answered once."""

    def __init__(self, alice, bob):
        self.error = None
        self.rounds = 0
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=pair)
                         for pair in ((alice, bob), (bob, alice))]

    def _run(self, me, other):
        try:
            while not self._stop.is_set():
                me.send("<presence/><presence to='%s'/>" % other.jid)
                me.message(other.jid, "hello")
                for payload in REQUESTS:
                    me.iq("get", payload, me.host)
                    me.iq("get", payload, other.bare)
                for payload in OWN:
                    me.iq("get", payload)
                me.iq("set", "<enable xmlns='urn:xmpp:carbons:2'/>")
                me.events.clear()
                self.rounds += 1
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        assert self.error is None, self.error
        assert self.rounds


def test_every_module(own_server, make_account):
    server = own_server()
    modules = default_modules()
    assert running(server) == set(modules)
    with Traffic(make_account(server).ready(), make_account(server).ready()):
        for name in modules:
            said = module(server, "unload", name)
            if said is True:
                assert name not in running(server)
                assert "does not run on host" in module(server, "unload", name)
                assert module(server, "load", name) is True
            else:
                assert "'%s' is needed by" % name in said
            assert running(server) == set(modules)
            assert "already" in module(server, "load", name)
            assert module(server, "reload", name) is True
            assert running(server) == set(modules)


def test_all_go_and_come_back(own_server, make_account):
    server = own_server()
    modules = default_modules()
    with Traffic(make_account(server).ready(), make_account(server).ready()):
        for _ in range(2):
            left = list(modules)
            while left:
                gone = [name for name in reversed(left) if module(server, "unload", name) is True]
                assert gone
                left = [name for name in left if name not in gone]
            assert not running(server)
            refused = module(server, "load", "presence")
            assert "'presence' needs 'roster', which does not run on host 'localhost'" in refused
            for name in modules:
                assert module(server, "load", name) is True
            assert running(server) == set(modules)
    assert server.ctl_json("check")["mistakes"] == 0


def test_what_is_offered_follows(own_server, make_account, connect):
    server = own_server()
    alice = make_account(server)
    client = alice.ready()
    ping = "<ping xmlns='urn:xmpp:ping'/>"

    def features():
        info = client.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>",
                         "localhost")
        return {e.get("var") for e in info[0]} - {None}

    def caps():
        other = connect(server, "tls").login(alice.user, alice.password)
        found = other.features.find("{http://jabber.org/protocol/caps}c")
        return None if found is None else found.get("ver")
    before = caps()
    assert "urn:xmpp:ping" in features() and before
    assert module(server, "unload", "ping") is True
    assert "urn:xmpp:ping" not in features()
    assert condition(client.iq("get", ping, "localhost")) == ("cancel", "service-unavailable")
    assert caps() != before
    assert module(server, "load", "ping") is True
    assert client.iq("get", ping, "localhost").get("type") == "result"
    assert caps() == before
    assert "ping" in running(server, "example.test")


def test_refusals(own_server):
    server = own_server()
    for args, why in ((("load", "localhost", "pong"), "did you mean 'ping'?"),
                      (("load", "localhost", "Ping!"), "is not the name of a module"),
                      (("load", "localhost", "x" * 50), "not the name of a module"),
                      (("load", "nowhere.test", "ping"), "nowhere.test"),
                      (("unload", "localhost", "roster"), "'roster' is needed by 'presence'")):
        done = server.ctl("module", *args)
        assert done.returncode != 0 and why in done.stderr, done.stderr
    assert running(server) == set(default_modules())


@pytest.fixture
def greeting(built, own_server, tmp_path, monkeypatch):  # noqa: F811
    """A server that could load a module in a folder where it may be replaced."""
    folder = tmp_path / "modules"
    folder.mkdir()
    monkeypatch.setenv("JACKDAW_MODULE_DIR", str(folder))
    host = {"modules": MODULES}
    server = own_server(settings={("host", "localhost"): host})
    shutil.copy(os.path.join(built, "mod_greet.so"), folder / "mod_greet.so")
    return server, folder


def rewrite(server, old, new):
    with open(server.conf, encoding="utf-8") as file:
        text = file.read()
    assert old in text
    with open(server.conf, "w", encoding="utf-8") as file:
        file.write(text.replace(old, new, 1))


def test_out_of_tree(greeting, make_account):
    server, folder = greeting
    alice = make_account(server)
    client = alice.ready()
    assert module(server, "load", "greet") is True
    hello = client.wait("message", type="headline")
    assert hello.find("{jabber:client}body").text == "Welcome!"
    # Options of now, and a mistake in them keeps the old one at work.
    rewrite(server, 'host "localhost" {', 'host "localhost" {\ngreet { text = "Hi" }\n')
    with Traffic(client, make_account(server).ready()):
        assert module(server, "reload", "greet") is True
    assert alice.ready().wait("message", type="headline").find("{jabber:client}body").text == "Hi"
    rewrite(server, 'text = "Hi"', 'enabled = "perhaps"')
    said = module(server, "reload", "greet")
    assert "'enabled' in greet must be true or false, not 'perhaps'" in said
    assert alice.ready().wait("message", type="headline").find("{jabber:client}body").text == "Hi"
    rewrite(server, 'enabled = "perhaps"', 'text = "Ho"')
    # A file that is no module: the old one stays; replacing it under a server is safe.
    (folder / "new").write_bytes(b"nonsense")
    os.replace(folder / "new", folder / "mod_greet.so")
    assert "cannot be loaded" in module(server, "reload", "greet")
    answer = client.iq("get", "<greeting xmlns='urn:example:greeting'/>")
    assert answer.find(GREETING) is not None
    assert module(server, "unload", "greet") is True
    answer = client.iq("get", "<greeting xmlns='urn:example:greeting'/>")
    assert condition(answer) == ("cancel", "service-unavailable")
    assert "no command" in server.ctl("greetings").stderr


@pytest.fixture(scope="module")
def versions(built, tmp_path_factory):  # noqa: F811
    """versions(name, old, new): the folder of a mod_greet.so with this change in its source."""
    with open(os.path.join(os.path.dirname(SAMPLE), "mod_greet.c"), encoding="utf-8") as file:
        source = file.read()

    def make(old, new):
        folder = tmp_path_factory.mktemp("version")
        assert old in source
        (folder / "mod_greet.c").write_text(source.replace(old, new))
        subprocess.run(["cc", "-shared", "-fPIC", "-g", "-O1", "-I" + os.path.join(SOURCE, "include"),
                        "-o", "mod_greet.so", "mod_greet.c"], cwd=folder, check=True)
        return folder / "mod_greet.so"
    return make


def put(file, folder):
    shutil.copy(file, folder / "new")
    os.replace(folder / "new", folder / "mod_greet.so")


def test_versions(greeting, versions, make_account):
    server, folder = greeting
    second = '"Tells how many greetings have been said."', '"Counts greetings."'
    alice, far = make_account(server), make_account(server, host="example.test")
    for host in ("localhost", "example.test"):
        assert module(server, "load", "greet", host) is True
    server.ctl_ok("greetings")
    # One that does not start: the old one does again, and greets once more.
    put(versions("static int start(struct jd_instance *mi)\n{",
                 "static int start(struct jd_instance *mi)\n{\n\tif (mi) return -JD_ELIMIT;"), folder)
    client = alice.ready()
    client.wait("message", type="headline")
    assert "'greet' did not start on host 'localhost'" in module(server, "reload", "greet")
    client.wait("message", type="headline")
    answer = client.iq("get", "<greeting xmlns='urn:example:greeting'/>")
    assert answer.find(GREETING).get("times") == "2"
    # Another one, host by host: both work, the command waits for the second.
    put(versions(*second), folder)
    assert module(server, "reload", "greet") is True
    client.wait("message", type="headline")
    far.ready().wait("message", type="headline")
    assert "Tells how many" in server.ctl_ok("help", "greetings")
    assert module(server, "reload", "greet", "example.test") is True
    assert "Counts greetings." in server.ctl_ok("help", "greetings")
    assert server.ctl_json("greetings")["greetings"] >= 4
    for host in ("localhost", "example.test"):
        assert module(server, "unload", "greet", host) is True
    assert client.iq("get", "<ping xmlns='urn:xmpp:ping'/>", "localhost").get("type") == "result"
