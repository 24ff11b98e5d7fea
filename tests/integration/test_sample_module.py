# SPDX-License-Identifier: MIT
"""A module built outside of the tree, as doc/module-writing.md tells, at work in a server."""

import os
import subprocess

import pytest

from server import SOURCE, build_dir

pytestmark = pytest.mark.ours
SAMPLE = os.path.join(SOURCE, "tests", "modules", "sample", "Makefile")
GREETING = "{urn:example:greeting}greeting"
MODULES = ["roster", "presence", "message", "disco", "ping", "version", "time"]


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The folder with mod_greet.so and mod_foreign.so."""
    folder = str(tmp_path_factory.mktemp("sample"))
    # jackdaw.pc of the build folder, which names where the headers are going to be.
    pkg_config = "env PKG_CONFIG_PATH=%s pkg-config --define-variable=includedir=%s" % (
        os.path.join(build_dir(), "include", "jackdaw"), os.path.join(SOURCE, "include"))
    subprocess.run(["make", "-s", "-f", SAMPLE, "PKG_CONFIG=" + pkg_config,
                    "CFLAGS=-g -O1 -Wall -Wextra -Werror"], cwd=folder, check=True)
    return folder


@pytest.fixture
def with_module(built, own_server, monkeypatch):
    """with_module(name, section=None): a server whose first host lists the module."""
    def make(name, section=None):
        monkeypatch.setenv("JACKDAW_MODULE_DIR", built)
        host = {"modules": [*MODULES, name]}
        if section:
            host[name] = section
        return own_server(settings={("host", "localhost"): host})
    return make


def test_greet(with_module, make_account):
    server = with_module("greet", {"text": "Hello & welcome"})
    alice = make_account(server)
    for times in (1, 2):
        client = alice.ready()
        hello = client.wait("message", type="headline")
        assert hello.get("from") == "localhost"
        assert hello.find("{jabber:client}body").text == "Hello & welcome"
        answer = client.iq("get", "<greeting xmlns='urn:example:greeting'/>")
        assert answer.find(GREETING).get("times") == str(times)
    assert server.ctl_json("greetings") == {"greetings": 2}
    bob = make_account(server).ready()
    answer = bob.iq("get", "<greeting xmlns='urn:example:greeting'/>", to=alice.jid)
    assert answer.get("type") == "error"
    server.ctl_ok("deluser", alice.jid)
    assert server.ctl_json("greetings") == {"greetings": 1}
    assert "greetings" in server.ctl_ok("help")
    assert {"name": "greet", "host": "localhost", "summary": "Greets whoever logs in"} in \
        server.ctl_json("modules")["modules"]


def test_not_on_another_host(with_module, make_account):
    server = with_module("greet")
    client = make_account(server, host="example.test").ready()
    answer = client.iq("get", "<greeting xmlns='urn:example:greeting'/>")
    assert answer.get("type") == "error"


def test_wrong_abi(with_module):
    with pytest.raises(AssertionError) as refusal:
        with_module("foreign")
    assert "was built for ABI 42 of Jackdaw, and this server has ABI 1" in str(refusal.value)


def test_option_of_the_module(with_module):
    with pytest.raises(AssertionError) as refusal:
        with_module("greet", {"enabled": "perhaps"})
    assert "'enabled' in greet must be true or false, not 'perhaps'" in str(refusal.value)
