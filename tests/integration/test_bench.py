# SPDX-License-Identifier: MIT
"""jackdaw-bench, small: every scenario, every transport, exact counts, wrong command lines."""

import json
import os
import subprocess

import pytest

from raw import DEADLINE
from server import Server, build_dir

pytestmark = pytest.mark.ours

USERS = 10
LISTENERS = {"tcp": "c2s", "starttls": "c2s", "tls": "c2s-tls", "ws": "http", "wss": "https"}


def bench(*args):
    return subprocess.run([os.path.join(build_dir(), "jackdaw-bench"), *map(str, args)],
                          capture_output=True, text=True, timeout=3 * DEADLINE)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A server whose sessions and accounts are those of this file."""
    server = Server(tmp_path_factory.mktemp("bench"), hosts=("localhost",), settings={
        "limits": {"stanzas_per_second": 0, "bytes_per_second": 0},
        "auth": {"scram_iterations": 4096}}).start()
    yield server
    server.check()
    server.stop()


@pytest.fixture(scope="module")
def run(own):
    """run(scenario, options...) against the server: (the line of JSON, exit code)."""
    for number in range(USERS):
        own.adduser("bench%d" % number, "pencil%d" % number)

    def call(scenario, *args, transport="tcp", password="pencil%n"):
        done = bench(scenario, "--transport", transport, "--user", "bench",
                     "--password", password, "--pid", own.process.pid,
                     "--port", own.address(LISTENERS[transport])[1], *args)
        return json.loads(done.stdout or "{}"), done
    return call


def whole(line, count):
    assert (line["sent"], line["received"]) == (count, count), line
    assert not (line["lost"] or line["duplicate"] or line["out_of_order"]), line
    assert "broken" not in line


@pytest.mark.parametrize("transport", LISTENERS)
def test_chat(run, transport):
    line, done = run("chat", "--pairs", 3, "--window", 4, "--messages", 200, "--warm", 20,
                     transport=transport)
    assert done.returncode == 0, done.stderr
    whole(line, 200)
    assert line["scenario"] == "chat" and line["transport"] == transport
    assert line["cpu_us_per_message"] > 0 and line["pss_kib"] > 0
    assert line["bytes_in"] > 200 * 300


def test_latency(run):
    line, done = run("latency", "--pairs", 2, "--rate", 1000, "--messages", 100)
    assert done.returncode == 0, done.stderr
    whole(line, 100)
    assert 0 < line["p50_ms"] <= line["p90_ms"] <= line["p99_ms"] <= line["max_ms"]


@pytest.mark.parametrize("mechanism", ("PLAIN", "SCRAM-SHA-1", "SCRAM-SHA-256"))
def test_login(run, mechanism):
    line, done = run("login", "--mechanism", mechanism, "--clients", USERS, "--at-once", 3,
                     "--rounds", 2, "--roster")
    assert done.returncode == 0, done.stderr
    assert line["logins"] == 2 * USERS and line["mechanism"] == mechanism


def test_wrong_password(run):
    for mechanism in ("PLAIN", "SCRAM-SHA-256"):
        line, done = run("login", "--mechanism", mechanism, "--clients", 1, password="guess")
        assert done.returncode == 1 and "refused" in done.stderr and not line


def test_storm_and_idle(run):
    line, done = run("storm", "--clients", USERS)
    assert done.returncode == 0 and line["clients"] == USERS, done.stderr
    line, done = run("idle", "--clients", 4, "--idle", 2, "--settle", 1)
    assert done.returncode == 0 and line["clients"] == 6, done.stderr
    assert line["pss_full_kib"] > 0


def test_presence(run):
    for _ in range(2):
        # The second time there is nothing to do.
        line, done = run("befriend", "--contacts", 4)
        assert done.returncode == 0 and line["subscriptions"] == 20, done.stderr
    line, done = run("presence", "--contacts", 4, "--messages", 10)
    assert done.returncode == 0, done.stderr
    assert (line["sent"], line["received"], line["lost"]) == (10, 40, 0)


def test_lost_is_seen(run):
    """Accounts that are no contacts see no presence, and the run says so."""
    line, done = run("presence", "--contacts", 1, "--messages", 1, "--first", 8)
    assert done.returncode == 1
    assert line["lost"] == line["sent"] >= 1 and line["received"] == 0 and line["broken"]


@pytest.mark.parametrize("kind, scenario, count", (
    ("bytes", "chat", 100), ("xml", "chat", 100), ("fanout", "presence", 100)))
@pytest.mark.parametrize("tls", (False, True))
def test_relay(own, kind, scenario, count, tls):
    argv = [os.path.join(build_dir(), "jackdaw-bench"), "relay", kind, "--group", "6"]
    if tls:
        argv += ["--cert", own.certificate, "--key", own.key]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as relay:
        port = json.loads(relay.stdout.readline())["port"]
        done = bench(scenario, "--transport", "raw-tls" if tls else "raw", "--port", port,
                     "--pairs", 3, "--contacts", 5, "--messages", count, "--pid", relay.pid)
        line = json.loads(done.stdout)
        assert done.returncode == 0, line
        assert line["received"] == count * (5 if scenario == "presence" else 1)
        assert relay.wait(DEADLINE) == 0


@pytest.mark.parametrize("args, code, word", (
    ([], 2, "usage:"), (["dance"], 2, "dance"), (["chat", "--window", "0"], 1, "--window"),
    (["chat", "--pairs", "-1"], 1, "--pairs"), (["chat", "--rate", "1x"], 1, "--rate"),
    (["chat", "--transport", "pigeon"], 2, "pigeon"), (["chat", "more"], 2, "usage:"),
    (["chat", "--mechanism", "EXTERNAL"], 2, "EXTERNAL"), (["chat", "--what"], 2, "usage:"),
    (["chat", "--pid", "0"], 1, "no process"), (["relay"], 2, "usage:"),
    (["relay", "bytes", "--cert", "x"], 1, "--key"), (["chat", "--transport", "raw"], 1, "--port")))
def test_usage(args, code, word):
    done = bench(*args)
    assert (done.returncode, done.stdout) == (code, "") and word in done.stderr


def test_help():
    done = bench("--help")
    assert done.returncode == 0 and "befriend" in done.stdout and not done.stderr
    assert bench("--version").stdout.startswith("jackdaw-bench ")
