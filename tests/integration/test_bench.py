# SPDX-License-Identifier: MIT
"""jackdaw-bench, small: every scenario, every transport, exact counts, wrong command lines;
and the page that the benchmark writes."""

import json
import os
import subprocess
import sys
import types
import unittest.mock
import xml.etree.ElementTree

import pytest

from raw import DEADLINE
from server import SOURCE, Server, build_dir

pytestmark = pytest.mark.ours

USERS = 10
LISTENERS = {"tcp": "c2s", "starttls": "c2s", "tls": "c2s-tls", "ws": "http", "wss": "https"}


def bench(*args):
    return subprocess.run([os.path.join(build_dir(), "jackdaw-bench"), *map(str, args)],
                          capture_output=True, text=True, timeout=3 * DEADLINE)


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A server whose sessions and accounts are those of this file, and which keeps nothing."""
    server = Server(tmp_path_factory.mktemp("bench"), hosts=("localhost",), settings={
        "limits": {"stanzas_per_second": 0, "bytes_per_second": 0},
        "auth": {"scram_iterations": 4096},
        ("host", "localhost"): {"modules": ["roster", "presence", "message", "disco", "ping",
                                            "version", "time", "carbons", "blocking"]}}).start()
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


@pytest.fixture(scope="module")
def run_archive(tmp_path_factory):
    """The same against a server that keeps what is sent: two accounts with ten messages, and
    others with none."""
    server = Server(tmp_path_factory.mktemp("bench-archive"), hosts=("localhost",), settings={
        "limits": {"stanzas_per_second": 0, "bytes_per_second": 0},
        "auth": {"scram_iterations": 4096},
        ("host", "localhost"): {"modules": ["roster", "presence", "message", "disco", "ping",
                                            "archive", "offline"],
                                "muc": {"messages_per_second": 1000}}})
    server.start()
    for number in range(6):
        server.adduser("bench%d" % number, "pencil")

    def call(scenario, *args):
        done = bench(scenario, "--user", "bench", "--password", "pencil",
                     "--port", server.address("c2s")[1], "--pid", server.process.pid, *args)
        return json.loads(done.stdout or "{}"), done

    assert call("chat", "--pairs", 1, "--messages", 10)[1].returncode == 0
    yield call
    server.check()
    server.stop()


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


@pytest.mark.parametrize("transport", ("tcp", "ws"))
def test_stream_management(run, transport):
    line, done = run("chat", "--sm", "--pairs", 2, "--messages", 50, transport=transport)
    assert done.returncode == 0, done.stderr
    whole(line, 50)
    assert line["unacked"] == 0


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


def test_idle_in_steps(run):
    line, done = run("idle", "--clients", 4, "--step", 2, "--settle", 1)
    assert done.returncode == 0 and line["clients"] == 4, done.stderr
    assert "kib_each_first" in line and "kib_each" in line


def test_pages(run_archive):
    """Ten messages in pages of four: 4, 4, 2, and from the end again."""
    line, done = run_archive("page", "--clients", 2, "--page", 4, "--pages", 18)
    assert done.returncode == 0, done.stderr
    # What is read before lets the measured walk begin with the second page.
    assert line["pages"] == 18 and 56 <= line["rows"] <= 62 and line["cpu_us_per_page"] > 0


def test_no_pages(run_archive):
    line, done = run_archive("page", "--clients", 1, "--first", 2, "--pages", 1)
    assert done.returncode == 1 and "empty" in line["broken"]


def test_offline(run_archive):
    """Twice, so that nothing of the first is left for the second."""
    for _ in range(2):
        line, done = run_archive("offline", "--first", 2, "--pairs", 2, "--messages", 14,
                                 "--window", 3)
        assert done.returncode == 0, done.stderr
        whole(line, 14)
        assert line["cpu_us_per_message_stored"] > 0 and line["cpu_us_per_message_delivered"] > 0


def test_offline_is_missing(run):
    """Without an offline store the messages come back, and the run says so."""
    line, done = run("offline", "--pairs", 1, "--messages", 2)
    assert done.returncode == 1 and line["received"] == 0 and line["broken"]


def test_room(run_archive):
    line, done = run_archive("room", "--clients", 5, "--messages", 9)
    assert done.returncode == 0, done.stderr
    whole(dict(line, sent=5 * line["sent"]), 5 * (9 + 1))
    assert line["presences"] == 25
    assert line["cpu_us_per_join"] > 0 and line["cpu_us_per_delivery"] > 0


def test_archive_is_missing(run):
    """An error for an answer is no page."""
    line, done = run("page", "--clients", 1, "--pages", 1)
    assert done.returncode == 1 and "page" in line["broken"]


def test_room_is_missing(run):
    line, done = run("room", "--clients", 2, "--messages", 1, "--rooms", "nowhere.localhost")
    assert done.returncode == 1 and "error" in line["broken"]


def test_lost_is_seen(run):
    """Accounts that are no contacts see no presence, and the run says so."""
    line, done = run("presence", "--contacts", 1, "--messages", 1, "--first", 8)
    assert done.returncode == 1
    assert line["lost"] == line["sent"] >= 1 and line["received"] == 0 and line["broken"]


@pytest.mark.parametrize("kind, scenario, count", (
    ("bytes", "chat", 100), ("xml", "chat", 100), ("fanout", "presence", 100),
    ("fanout", "room", 100)))
@pytest.mark.parametrize("tls", (False, True))
def test_relay(own, kind, scenario, count, tls):
    argv = [os.path.join(build_dir(), "jackdaw-bench"), "relay", kind, "--group", "6"]
    if tls:
        argv += ["--cert", own.certificate, "--key", own.key]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as relay:
        port = json.loads(relay.stdout.readline())["port"]
        done = bench(scenario, "--transport", "raw-tls" if tls else "raw", "--port", port,
                     "--pairs", 3, "--contacts", 5, "--clients", 6, "--messages", count,
                     "--pid", relay.pid)
        line = json.loads(done.stdout)
        assert done.returncode == 0, line
        if scenario == "room":
            count += count // 10 + 1  # not measured, but counted
        assert line["received"] == count * (1 if scenario == "chat" else 5)
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


# -- the page -----------------------------------------------------------------------------


@pytest.fixture
def tool(monkeypatch):
    """The modules of tests/bench that need no server."""
    monkeypatch.syspath_prepend(os.path.join(SOURCE, "tests", "bench"))
    import figures  # pylint: disable=import-outside-toplevel,import-error
    import report  # pylint: disable=import-outside-toplevel,import-error
    return types.SimpleNamespace(figures=figures, report=report)


def test_figures(tool):
    """Each has its name, and what it refers to is there."""
    names = {figure.name: figure for figure in tool.figures.FIGURES}
    assert len(names) == len(tool.figures.FIGURES)
    for figure in names.values():
        assert not figure.of or not names[figure.of].of
        must = figure.must
        if must and must.subject:
            other = names[must.figure or figure.name]
            assert must.subject in other.subjects + other.floors, figure.name
    assert set(tool.report.IN_PICTURE) <= set(names)


def test_what_one_server_breaks(tool, tmp_path):
    """It costs neither the others their figures nor, when it can go on, itself the next ones."""
    import run  # pylint: disable=import-outside-toplevel,import-error
    args = types.SimpleNamespace(build=".", json=tmp_path / "lines", rounds=2, minutes=0,
                                 only=["chat-w1-tcp"], servers=["Jackdaw", "Prosody", "ejabberd"])

    class Bench(run.Bench):
        """Nothing is started."""
        tried = []

        def measure_once(self, figure, name, number):
            self.tried.append(name)
            if name == "Prosody":
                raise SystemExit("Prosody does not start")
            if name == "Jackdaw":
                raise subprocess.TimeoutExpired("bench", 1)
            if name == "ejabberd":
                raise KeyError("what nobody thought of")
            return {}

    with unittest.mock.patch("servers.make_certificate"):
        bench = Bench(args, str(tmp_path))
    bench.run()
    assert {"relay", "Jackdaw io=2"} <= set(bench.tried) and len(bench.broken) == 3
    assert len(bench.remarks) == 1 and "1 of 2 rounds" in bench.remarks[0]
    bench.args.minutes = 60
    bench.tried.clear()
    bench.run()
    assert bench.tried.count("relay") == bench.tried.count("ejabberd") == 2
    assert bench.tried.count("Jackdaw") == 1 and "Prosody" not in bench.tried
    bench.stop()


def test_page(tool, tmp_path):
    chosen = [f for f in tool.figures.FIGURES if f.name in ("chat-w1-tcp", "chat-archive", "empty")]
    medians = {("chat-w1-tcp", "relay"): 5, ("chat-w1-tcp", "relay+expat+write"): 10,
               ("chat-w1-tcp", "Jackdaw"): 15, ("chat-w1-tcp", "Jackdaw io=2"): 18.5,
               ("chat-w1-tcp", "Prosody"): 150, ("chat-archive", "Jackdaw PostgreSQL"): 41,
               ("chat-archive", "ejabberd PostgreSQL"): 410}
    results = tool.report.Results(chosen, medians, ["Prosody, idle: it hung up"], 0.25,
                                  types.SimpleNamespace(rounds=3, quick=False), 24.6,
                                  ["chat: 1 of 3 rounds"])
    assert "must be <= 1.6 x relay+expat+write: reached: 1.50 x" in results.text()
    assert "BROKEN: Prosody, idle" in results.text()
    assert "NOTE: chat: 1 of 3 rounds" in results.text()
    results.write(tmp_path)
    page = (tmp_path / "benchmark.md").read_text(encoding="utf-8")
    rows = {line.split("|")[1].strip(): line for line in page.splitlines() if line[:2] == "| "}
    chat = rows["chat W=1 TCP, CPU us a message"]
    assert "| io=0: - / io=2: 18.5 |" in chat and "150.0 (15.0 x floor, 10.0 x Jackdaw)" in chat
    archive = next(line for title, line in rows.items() if "PostgreSQL" in title)
    assert "missed: 41.0" in archive and "410.0 (10.0 x Jackdaw)" in archive
    assert "not measured" in next(line for title, line in rows.items() if "empty" in title)
    assert "1 targets reached, 1 missed, 1 not measured" in page and "took 25 minutes" in page
    assert "- chat: 1 of 3 rounds" in page
    assert "- Prosody, idle: it hung up" in page and "{" not in page.replace("{}", "")
    picture = xml.etree.ElementTree.parse(tmp_path / "benchmark.svg").getroot()
    bars = [part for part in picture.iter() if part.tag.endswith("rect")]
    assert len(bars) == 1 + 3 + 2  # the ground; floor, Jackdaw, Prosody; Jackdaw, ejabberd
