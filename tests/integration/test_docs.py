# SPDX-License-Identifier: MIT
"""What the documents show, done: commands with their output, configurations, paths."""

import fnmatch
import os
import re
import subprocess

import pytest

from raw import DEADLINE
from server import SOURCE, Server, build_dir, make_certificate

pytestmark = pytest.mark.ours


def read(name):
    with open(os.path.join(SOURCE, name), encoding="utf-8") as file:
        return file.read()


def section(text, title):
    """The part of a Markdown text below this heading."""
    return re.search(r"^## %s\n(.*?)(?=^## |\Z)" % re.escape(title), text, re.M | re.S)[1]


def indented(text):
    """Each indented block, without its indentation."""
    blocks = re.findall(r"(?:^ {4}.*\n)+", text, re.M)
    return ["".join(line[4:] + "\n" for line in block.splitlines()) for block in blocks]


def transcript(block):
    """[(command, lines that it shall print)]"""
    steps = []
    for line in block.splitlines():
        if line.startswith("$ "):
            steps.append((line[2:], []))
        else:
            steps[-1][1].append(line)
    return steps


def same(shown, printed):
    """"..." alone stands for any lines, and within a line for any text."""
    if not shown:
        return not printed
    if shown[0] == "...":
        return any(same(shown[1:], printed[skip:]) for skip in range(len(printed) + 1))
    pattern = "*".join(re.sub(r"([\[\]?*])", r"[\1]", part) for part in shown[0].split("..."))
    return bool(printed) and fnmatch.fnmatchcase(printed[0], pattern) and same(shown[1:], printed[1:])


def test_same():
    assert same(["a", "...", "d"], ["a", "b", "c", "d"]) and same(["..."], [])
    assert same(["jid  ..."], ["jid  now"]) and same(['{"a": [', "..."], ['{"a": [', "]"])
    assert not same(["a"], ["b"]) and not same(["a"], ["a", "b"]) and not same(["a", "b"], ["a"])


def test_commands_of_the_readme(own_server):
    server = own_server(hosts=("localhost",))
    for user in ("alice", "bob", "admin"):
        server.adduser(user, "secret")
    blocks = [block for block in indented(section(read("README.md"), "jackdawctl"))
              if block.startswith("$ ")]
    assert blocks
    env = dict(server.environment(), JACKDAW_SOCKET=server.socket,
               PATH=build_dir() + ":" + os.environ["PATH"])
    for command, shown in (step for block in blocks for step in transcript(block)):
        if command.startswith("export "):
            # Where quickstart has put things; here they are elsewhere.
            continue
        done = subprocess.run(["sh", "-c", command], env=env, capture_output=True, text=True,
                              timeout=DEADLINE)
        assert done.returncode == 0, "%s: %s" % (command, done.stderr)
        assert same(shown, done.stdout.splitlines()), "%s printed:\n%s" % (command, done.stdout)
    server.check()


def check(server, conf):
    path = os.path.join(server.folder, "documented.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(conf)
    return subprocess.run([os.path.join(build_dir(), "jackdaw"), "-c", path, "--check"],
                          env=server.environment(), capture_output=True, text=True, timeout=DEADLINE)


def configurations():
    readme = [block for block in indented(section(read("README.md"), "Install"))
              if block.startswith("run_dir")]
    assert len(readme) == 1
    return {"README.md": readme[0], "conf/jackdaw.conf": read("conf/jackdaw.conf")}


@pytest.mark.parametrize("name", ["README.md", "conf/jackdaw.conf"])
def test_configurations_are_right(tmp_path, name):
    conf = configurations()[name]
    server = Server(tmp_path)
    host = re.search(r'^host "([^"]+)"', conf, re.M)[1]
    assert 'run_dir = "/var/lib/jackdaw"' in conf
    conf = conf.replace("/var/lib/jackdaw", server.run_dir)
    missing = check(server, conf)
    assert missing.returncode == 1 and host + ".crt" in missing.stderr, missing.stderr
    certificate, key = make_certificate(server.run_dir, [host])
    os.rename(certificate, os.path.join(server.run_dir, host + ".crt"))
    os.rename(key, os.path.join(server.run_dir, host + ".key"))
    done = check(server, conf)
    assert done.returncode == 0, done.stderr


FOLDERS = ("conf", "doc", "include", "man", "modules", "packaging", "schema", "src", "tests", "tools")


def sources():
    """Every file of the tree, as "/folder/name"."""
    yield from ("/" + name for name in os.listdir(SOURCE))
    for top in FOLDERS:
        for folder, _, names in os.walk(os.path.join(SOURCE, top)):
            yield from ("/" + os.path.relpath(os.path.join(folder, name), SOURCE)
                        for name in names)


@pytest.mark.parametrize("document", ["README.md", "HACKING.md", "doc/ARCHITECTURE.md",
                                      "doc/module-writing.md", "tests/README.md"])
def test_files_that_are_named_exist(document):
    """Every path in backquotes, from the top or only its end; what is in capitals is anybody's."""
    files = list(sources())
    gone = []
    for path in re.findall(r"`([A-Za-z0-9_./*-]+)`", read(document)):
        looks_so = re.search(r"[a-z]/|\.(c|h|py|md|def|conf|txt)$", path)
        made = path.split("/")[0] in ("build", "run") or re.search(r"\b(mod_x|[A-Z]{4,})\b", path)
        if looks_so and not made and not path.startswith("/"):
            path = path.rstrip("/")
            if not fnmatch.filter(files, "*/" + path) and not fnmatch.filter(files, "*/%s/*" % path):
                gone.append(path)
    assert not gone


def test_unit_file(tmp_path):
    """systemd understands every line of the service."""
    text = read("packaging/jackdaw.service.in")
    text = text.replace("@sbindir@/jackdaw", os.path.join(build_dir(), "jackdaw"))
    path = tmp_path / "jackdaw.service"
    path.write_text(text.replace("@sysconfdir@", "/etc"))
    try:
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", str(path)],
                              capture_output=True, text=True, timeout=DEADLINE)
    except FileNotFoundError:
        pytest.skip("there is no systemd-analyze")
    assert done.returncode == 0 and "jackdaw.service" not in done.stderr, done.stderr
