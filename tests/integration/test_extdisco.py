# SPDX-License-Identifier: MIT
"""External service discovery (XEP-0215)."""

import base64
import hashlib
import hmac
import time

import pytest

from raw import condition
from test_config import check, good
from test_config import folder as _folder  # a fixture
from xmlstream import NS, qname

pytestmark = pytest.mark.ours
folder = _folder
EXT = "urn:xmpp:extdisco:2"
SERVICE = "{%s}service" % EXT
SECRET = "shared & <kept>"
HOST = {"extdisco": {"services": ["stun:stun.test", "turn:turn.test:3479?transport=tcp"],
                     "secret": SECRET, "ttl": "1h"}}


@pytest.fixture
def turn_server(own_server):
    return own_server(settings={("host", "localhost"): HOST})


def services(client, host="localhost", type_=None):
    type_ = " type='%s'" % type_ if type_ else ""
    return client.iq("get", "<services xmlns='%s'%s/>" % (EXT, type_), host)


def features(client, host):
    info = client.iq("get", "<query xmlns='%s'/>" % NS["info"], host)
    return {f.get("var") for f in info.iter(qname("info:feature"))}


def test_services(turn_server, make_account):
    alice = make_account(turn_server)
    client = alice.login()
    assert EXT in features(client, alice.host)
    stun, turn = services(client).iter(SERVICE)
    assert stun.attrib == {"type": "stun", "host": "stun.test", "port": "3478", "transport": "udp"}
    assert (turn.get("port"), turn.get("transport"), turn.get("restricted")) == ("3479", "tcp", "1")
    name = turn.get("username")
    proof = hmac.new(SECRET.encode(), name.encode(), hashlib.sha1).digest()
    assert base64.b64decode(turn.get("password")) == proof
    end, _, who = name.partition(":")
    assert abs(int(end) - time.time() - 3600) < 600
    assert alice.user not in who
    assert [s.get("type") for s in services(client, type_="turn").iter(SERVICE)] == ["turn"]


def test_each_account_has_its_name(turn_server, make_account):
    def name(account):
        (turn,) = services(account.login(), type_="turn").iter(SERVICE)
        return turn.get("username").partition(":")[2]
    alice, bob = make_account(turn_server), make_account(turn_server)
    assert name(alice) == name(alice) != name(bob)


def test_not_for_other_hosts(turn_server, make_account):
    far = make_account(turn_server, host="example.test").login()
    assert condition(services(far)) == ("auth", "forbidden")
    assert condition(services(far, "example.test")) == ("cancel", "service-unavailable")
    assert EXT not in features(far, "example.test")


BAD = {
    "kind": 'services = {"ftp:x"}',
    "no host": 'services = {"stun:"}',
    "port": 'services = {"stun:x:0"}',
    "no number": 'services = {"stun:x:http"}',
    "transport": 'services = {"turn:x?transport=sctp"}',
    "open bracket": 'services = {"turn:[::1"}',
    "something behind": 'services = {"turn:x:1/path"}',
    "half": 'username = "x"',
    "both": 'username = "x" password = "y" secret = "z"',
    "empty": 'secret = ""',
}


@pytest.mark.parametrize("name", BAD)
def test_bad_options(folder, name):
    text = good(folder).replace('modules = {"roster"', 'extdisco {\n%s\n}\n'
                                '\tmodules = {"extdisco", "roster"' % BAD[name].replace("\" ", "\"\n"))
    done = check(folder, text)
    assert done.returncode not in (0, -6, -11, 99)
    assert "module 'extdisco' of host 'localhost'" in done.stdout + done.stderr
