# SPDX-License-Identifier: MIT
"""`jackdaw --check`: each mistake is named with file, line, what was found and what would do."""

import os
import subprocess

import pytest

from raw import DEADLINE
from server import Server, build_dir, make_certificate

pytestmark = pytest.mark.ours

GOOD = """# line 1
run_dir = "{dir}"
io_threads = 1
log {{
	level = "info"
	format = "text"
}}
host "localhost" {{
	certificate = "{dir}/cert.pem"
	key = "{dir}/key.pem"
	modules = {{"roster", "presence", "message", "disco", "ping", "version", "time"}}
}}
listen "c2s" {{
	address = "127.0.0.1"
	port = 0
}}
database {{
	driver = "sqlite"
	path = "jackdaw.db"
}}
auth {{
	allow_plaintext = false
	login_deadline = "30s"
}}
limits {{
	stanza_bytes = "1M"
}}
"""

# name: (text replaced, replacement, line of the mistake, words that the message has)
MISTAKES = {
    "misspelt option": ("io_threads =", "io_thread =", 3, ["io_thread", "io_threads"]),
    "misspelt section": ("log {", "logs {", 4, ["logs", "log"]),
    "misspelt in a section": ("stanza_bytes", "stanza_byte", 26, ["stanza_byte", "stanza_bytes"]),
    "unknown option": ("io_threads = 1", "frobnicate = 1", 3, ["frobnicate"]),
    "number out of range": ("io_threads = 1", "io_threads = 1000", 3, ["1000", "64"]),
    "negative number": ("io_threads = 1", "io_threads = -1", 3, ["-1", "64"]),
    "no number": ("io_threads = 1", 'io_threads = "many"', 3, ["many", "io_threads"]),
    "port out of range": ("port = 0", "port = 70000", 15, ["70000", "65535"]),
    "no such level": ('"info"', '"loud"', 5, ["loud", "error", "warning", "debug"]),
    "nearest choice": ('"text"', '"jsn"', 6, ["jsn", "json"]),
    "no boolean": ("allow_plaintext = false", 'allow_plaintext = "maybe"', 22, ["maybe"]),
    "no time": ('"30s"', '"30 parsecs"', 23, ["30 parsecs", "s", "min"]),
    "time out of range": ('"30s"', '"30d"', 23, ["30d"]),
    "no size": ('"1M"', '"1X"', 26, ["1X"]),
    "size out of range": ('"1M"', '"1k"', 26, ["1k"]),
    "unknown driver": ('"sqlite"', '"sqlight"', 18, ["sqlight", "sqlite"]),
    "unknown module": ('"roster"', '"rooster"', 11, ["rooster", "roster"]),
    "kind of listener": ('listen "c2s"', 'listen "c2x"', 13, ["c2x", "c2s"]),
    "address": ('"127.0.0.1"', '"300.0.0.1"', 14, ["300.0.0.1"]),
    "broken host name": ('host "localhost"', 'host "local..host"', 8, ["local..host"]),
    "missing file": ("/cert.pem", "/nothing.pem", 9, ["nothing.pem"]),
    "missing quote": ('level = "info"', 'level = "info', None, []),
    "missing brace": ("allow_plaintext = false\n\tlogin_deadline = \"30s\"\n}",
                      "allow_plaintext = false\n", None, []),
    "no value": ("io_threads = 1", "io_threads =", None, []),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("config"))
    make_certificate(folder, ["localhost"])
    return folder


def check(folder, text):
    path = os.path.join(folder, "jackdaw.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return run_check(folder, path)


def run_check(folder, path):
    # The environment of a server, without one.
    server = Server.__new__(Server)
    server.folder = folder
    return subprocess.run([os.path.join(build_dir(), "jackdaw"), "--check", "-c", path],
                          capture_output=True, text=True, env=server.environment(),
                          timeout=2 * DEADLINE)


def good(folder):
    return GOOD.format(dir=folder)


@pytest.mark.quick
def test_good(folder):
    done = check(folder, good(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert not os.path.exists(os.path.join(folder, "jackdaw.db")), "--check starts nothing"


@pytest.mark.parametrize("name", MISTAKES)
def test_mistake(folder, name):
    old, new, line, words = MISTAKES[name]
    text = good(folder)
    assert old in text
    done = check(folder, text.replace(old, new, 1))
    said = done.stdout + done.stderr
    assert done.returncode not in (0, -6, -11, 99), said
    where = "jackdaw.conf:%d" % line if line else "jackdaw.conf"
    hit = [text for text in said.splitlines() if where in text and all(w in text for w in words)]
    assert hit, "no line with %s and %r in:\n%s" % (where, words, said)


def test_all_mistakes_at_once(folder):
    text = good(folder).replace("io_threads =", "io_thread =").replace('"info"', '"loud"') \
        .replace("port = 0", "port = 70000")
    done = check(folder, text)
    said = done.stdout + done.stderr
    assert done.returncode != 0
    for where in ("jackdaw.conf:3", "jackdaw.conf:5", "jackdaw.conf:15"):
        assert where in said


def test_same_host_twice(folder):
    text = good(folder) + good(folder)[good(folder).index("host "):good(folder).index("listen ")]
    done = check(folder, text)
    assert done.returncode != 0 and "localhost" in done.stdout + done.stderr


def test_no_host(folder):
    text = good(folder)
    text = text[:text.index("host ")] + text[text.index("listen "):]
    done = check(folder, text)
    assert done.returncode != 0 and "host" in done.stdout + done.stderr


def test_key_of_another_certificate(folder, tmp_path):
    make_certificate(str(tmp_path), ["localhost"])
    done = check(folder, good(folder).replace(folder + "/key.pem", str(tmp_path) + "/key.pem"))
    assert done.returncode != 0 and "key" in done.stdout + done.stderr


def test_no_file(folder):
    done = run_check(folder, folder + "/nowhere.conf")
    assert done.returncode != 0 and "nowhere.conf" in done.stdout + done.stderr


def test_wrong_configuration_starts_nothing(folder):
    text = good(folder).replace("io_threads =", "io_thread =")
    path = os.path.join(folder, "bad.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    server = Server.__new__(Server)
    server.folder = folder
    done = subprocess.run([os.path.join(build_dir(), "jackdaw"), "-c", path], timeout=2 * DEADLINE,
                          capture_output=True, text=True, env=server.environment())
    assert done.returncode > 0 and "bad.conf:3" in done.stderr


@pytest.mark.parametrize("args", [["--nonsense"], ["-c"], ["-c", "a", "b"]])
def test_wrong_arguments(folder, args):
    server = Server.__new__(Server)
    server.folder = folder
    done = subprocess.run([os.path.join(build_dir(), "jackdaw"), *args], capture_output=True,
                          text=True, env=server.environment(), timeout=2 * DEADLINE)
    assert done.returncode == 2 and done.stderr.strip()


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version(folder, option):
    server = Server.__new__(Server)
    server.folder = folder
    done = subprocess.run([os.path.join(build_dir(), "jackdaw"), option], capture_output=True,
                          text=True, env=server.environment(), timeout=2 * DEADLINE)
    assert done.returncode == 0 and "ackdaw" in done.stdout
