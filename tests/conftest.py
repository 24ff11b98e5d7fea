# SPDX-License-Identifier: MIT
"""Fixtures that all tests with a running server share."""

import contextlib
import faulthandler
import os
import resource
import signal

import pytest

from raw import SLOW, TRANSPORTS, Client, fresh
from reference import Reference
from server import Server

PASSWORD = "correct horse, battery=staple"
TEST_DEADLINE = int(120 * SLOW)


def pytest_addoption(parser):
    parser.addoption("--reference", action="store_true",
                     help="run against Debian's Prosody instead of Jackdaw, to test the tests")
    parser.addoption("--ours", action="store_true",
                     help="with --reference: also what Jackdaw decides in its own way")


def pytest_configure(config):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 16384), hard))
    faulthandler.enable()


# Those that take longest, which are begun first: at the end all workers have something to do.
LONG = ("test_moving", "test_messages", "test_push", "test_postgres", "test_offline",
        "test_sasl2_tokens", "test_webpush", "test_streams", "test_adhoc", "test_archive",
        "test_life", "test_archive_log", "test_bench", "test_muc_full", "test_proof",
        "test_strophe", "test_slix")


def pytest_collection_modifyitems(config, items):
    items.sort(key=lambda item: item.path.stem not in LONG)
    if config.getoption("--reference") and not config.getoption("--ours"):
        skip = pytest.mark.skip(reason="a decision of Jackdaw's own; this run is the reference's")
        for item in items:
            if "ours" in item.keywords:
                item.add_marker(skip)


@pytest.fixture(autouse=True)
def deadline():
    """A test that hangs is a failure with a traceback, not a lost build."""
    def late(*_):
        raise AssertionError("the test took longer than %d s" % TEST_DEADLINE)
    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(TEST_DEADLINE)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def start(request, folder, **options):
    kind = Reference if request.config.getoption("--reference") else Server
    return kind(folder, **options).start()


@pytest.fixture(scope="session")
def shared_server(request, tmp_path_factory):
    """One server for all tests that leave it as they found it."""
    server = start(request, tmp_path_factory.mktemp("server"))
    yield server
    server.stop()


@pytest.fixture
def server(shared_server):
    shared_server.revive()
    yield shared_server
    shared_server.check()


@pytest.fixture(scope="session")
def shared_strict_server(request, tmp_path_factory):
    """As servers are in the wild: no passwords without TLS."""
    server = start(request, tmp_path_factory.mktemp("strict"),
                   settings={"auth": {"allow_plaintext": False}})
    yield server
    server.stop()


@pytest.fixture
def strict_server(shared_strict_server):
    shared_strict_server.revive()
    yield shared_strict_server
    shared_strict_server.check()


@pytest.fixture
def own_server(request, tmp_path_factory):
    """A function that starts a server for this test alone."""
    servers = []

    def make(start=True, **options):
        server = Server(tmp_path_factory.mktemp("own"), **options)
        servers.append(server)
        return server.start() if start else server
    yield make
    for server in servers:
        server.stop()


@pytest.fixture
def connect():
    """A function like Client(); the clients are closed at the end of the test."""
    clients = []

    def make(*args, **options):
        client = Client(*args, **options)
        clients.append(client)
        return client
    yield make
    for client in clients:
        client.close()


class Account:
    """A user of a test's own, on whichever server."""

    def __init__(self, server, connect, user, password, host):
        self.server = server
        self.connect = connect
        self.user = user
        self.password = password
        self.host = host
        self.jid = "%s@%s" % (user, host)

    def login(self, transport="starttls", mechanism="SCRAM-SHA-1", resource=None, **options):
        client = self.connect(self.server, transport, host=self.host, **options)
        return client.login(self.user, self.password, mechanism, resource)

    def ready(self, *args, priority=None, **options):
        return self.login(*args, **options).ready(priority)


@pytest.fixture
def make_account(connect):
    """make_account(server, host=...) creates an account of a fresh name."""
    def make(server, name=None, password=PASSWORD, host="localhost"):
        name = name or fresh("user")
        server.adduser(name, password, host)
        return Account(server, connect, name, password, host)
    return make


@pytest.fixture
def account(server, make_account):
    """account() creates an account on the shared server."""
    def make(name=None, **options):
        return make_account(server, name, **options)
    return make


@pytest.fixture
def alice(account):
    return account(fresh("alice"))


@pytest.fixture
def bob(account):
    return account(fresh("bob"))


@pytest.fixture(params=TRANSPORTS)
def transport(request):
    return request.param
