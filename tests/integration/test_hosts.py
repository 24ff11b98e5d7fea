# SPDX-License-Identifier: MIT
"""Several hosts on one server: each with its modules, settings, administrators and certificate,
and none that knows anything of the others' users."""

import os
import ssl

import pytest

from raw import condition
from server import make_certificate
from xmlstream import NS, qname

pytestmark = pytest.mark.ours
A, B = "localhost", "example.test"
NAME = "juliet"
SMALL = ["roster", "presence", "message", "disco"]


@pytest.fixture
def twins(own_server, make_account):
    """The same name on both hosts, with another password; and the server."""
    server = own_server()
    one = make_account(server, name=NAME, password="one")
    other = make_account(server, name=NAME, password="other", host=B)
    return server, one, other


def features(client, to):
    info = client.iq("get", "<query xmlns='%s'/>" % NS["info"], to)
    return {f.get("var") for f in info.iter(qname("info:feature"))}


def vcard(size):
    return "<vCard xmlns='vcard-temp'><FN>%s</FN></vCard>" % ("x" * size)


# -- settings -------------------------------------------------------------------------------

def test_modules_differ(own_server, make_account):
    server = own_server(settings={("host", B): {"modules": SMALL}})
    full, small = make_account(server).ready(), make_account(server, host=B).ready()
    assert full.iq("set", vcard(1)).get("type") == "result"
    assert condition(small.iq("set", vcard(1))) == ("cancel", "service-unavailable")
    lacking = {"vcard-temp", "jabber:iq:private", "urn:xmpp:blocking", "urn:xmpp:carbons:2",
               "jabber:iq:last", "urn:xmpp:ping", "jabber:iq:version", "urn:xmpp:time"}
    assert lacking <= features(full, A) | features(full, full.bare)
    assert not lacking & (features(small, B) | features(small, small.bare))
    # Whoever asks: it is the asked host that counts.
    for client in (full, small):
        for host, kind in ((A, "result"), (B, "error")):
            assert client.iq("get", "<ping xmlns='urn:xmpp:ping'/>", host).get("type") == kind
    loaded = {(m["name"], m.get("host")) for m in server.ctl_json("modules")["modules"]}
    assert {name for name, host in loaded if host == B} == set(SMALL)


def test_options_differ(own_server, make_account):
    server = own_server(settings={"vcard": {"max_bytes": 4000}, "disco": {"name": "Both"},
                                  ("host", B): {"vcard": {"max_bytes": 1500}}})
    for host, fits in ((A, True), (B, False)):
        client = make_account(server, host=host).login()
        assert (client.iq("set", vcard(2000)).get("type") == "result") is fits
        assert condition(client.iq("set", vcard(4100)))[1] == "policy-violation"
        info = client.iq("get", "<query xmlns='%s'/>" % NS["info"], host)
        assert next(info.iter(qname("info:identity"))).get("name") == "Both"


def test_administrators_differ(own_server, make_account):
    """Those of a host administer it alone, those of the top level every host."""
    server = own_server(settings={"admins": ["chief@localhost"],
                                  ("host", A): {"admins": ["here@localhost"]},
                                  ("host", B): {"admins": ["there@example.test"]}})
    may = {"chief@localhost": {A, B}, "here@localhost": {A}, "there@example.test": {B},
           "here@example.test": set()}
    for jid, hosts in may.items():
        user, host = jid.split("@")
        client = make_account(server, name=user, host=host).ready()
        for target in (A, B):
            client.send("<message id='%s' to='%s/announce/online'/>" % (target, target))
            error = condition(client.wait("message", id=target))
            assert error[1] == ("bad-request" if target in hosts else "forbidden"), (jid, target)


def test_registration_differs(own_server, connect):
    """Open at one host; what is made there is nothing at the other."""
    server = own_server(settings={("host", B): {"register": {"registration": True}}})
    register = "{http://jabber.org/features/iq-register}register"
    query = ("<query xmlns='jabber:iq:register'><username>newcomer</username>"
             "<password>long enough</password></query>")
    shut = connect(server, "tls", host=A)
    assert shut.open().find(register) is None
    shut.send("<iq type='set' id='r' to='%s'>%s</iq>" % (A, query))
    shut.drain_to_end()
    open_ = connect(server, "tls", host=B)
    assert open_.open().find(register) is not None
    assert open_.iq("set", query, B).get("type") == "result"
    assert server.ctl_json("users", A)["users"] == []
    assert [user["jid"] for user in server.ctl_json("users", B)["users"]] == ["newcomer@" + B]


class Trusting:
    """The server, as a client sees it that trusts this certificate only."""

    def __init__(self, server, certificate):
        self.address, self.hosts, self.certificate = server.address, server.hosts, certificate


@pytest.mark.parametrize("transport", ["tls", "starttls", "wss"])
def test_certificates_differ(own_server, make_account, connect, tmp_path, transport):
    certificates = {}
    for host in (A, B):
        folder = str(tmp_path / host)
        os.mkdir(folder)
        certificates[host] = make_certificate(folder, [host])
    server = own_server(settings={("host", host): {"certificate": pair[0], "key": pair[1]}
                                  for host, pair in certificates.items()})
    for host in (A, B):
        account = make_account(server, host=host)
        good = connect(Trusting(server, certificates[host][0]), transport, host=host)
        good.login(account.user, account.password)
        other = A if host == B else B
        with pytest.raises(ssl.SSLCertVerificationError):
            connect(Trusting(server, certificates[other][0]), transport, host=host).secure()


# -- users ----------------------------------------------------------------------------------

def test_same_name_other_password(twins, connect):
    server, one, other = twins
    for account, wrong in ((one, "other"), (other, "one")):
        client = connect(server, "tls", host=account.host).secure()
        answer = client.auth("SCRAM-SHA-1", NAME, wrong)
        assert answer.tag == qname("sasl:failure")
        account.login("tls")


def test_messages_and_sessions(twins):
    server, one, other = twins
    here, there = one.ready(), other.ready()
    here.message(other.jid, "to the other")
    message = there.wait("message")
    assert message.get("from") == here.jid and message.findtext(qname("body")) == "to the other"
    assert not [e for e in here.barrier(here) if e.tag == qname("message")]
    for host, client in ((A, here), (B, there)):
        listed = server.ctl_json("sessions", host)["sessions"]
        assert [session["jid"] for session in listed] == [client.jid]


def test_rosters_and_presence(twins):
    _, one, other = twins
    here, there = one.ready(), other.ready()
    here.iq("set", "<query xmlns='jabber:iq:roster'><item jid='x@x.test'/></query>")
    assert len(here.roster().find(qname("roster:query"))) == 1
    assert len(there.roster().find(qname("roster:query"))) == 0
    there.send("<presence><status>secret</status></presence>")
    there.send("<presence to='%s' type='probe'/>" % one.jid)
    events = there.barrier(here)
    assert not [e for e in events if e.tag == qname("presence")]
    # Asked for and granted it goes over as within a host.
    here.send("<presence to='%s' type='subscribe'/>" % other.jid)
    there.wait("presence", type="subscribe", from_=one.jid)
    there.send("<presence to='%s' type='subscribed'/>" % one.jid)
    here.wait("presence", type="subscribed", from_=other.jid)
    assert here.wait("presence", from_=there.jid).findtext(qname("status")) == "secret"


def test_nothing_is_told_about_others_users(twins):
    """The same answers as for nobody."""
    _, one, other = twins
    stranger = other.ready()
    one.ready()
    for payload in ("<query xmlns='%s'/>" % NS["info"], "<query xmlns='%s'/>" % NS["items"],
                    "<vCard xmlns='vcard-temp'/>", "<query xmlns='jabber:iq:private'/>",
                    "<query xmlns='jabber:iq:roster'/>", "<blocklist xmlns='urn:xmpp:blocking'/>"):
        answers = [stranger.iq("get", payload, to) for to in (one.jid, "nobody@" + A)]
        assert condition(answers[0]) == condition(answers[1]), payload


def test_stores_are_apart(twins):
    server, one, other = twins
    here, there = one.ready(), other.ready()
    store = "<query xmlns='jabber:iq:private'>%s</query>"
    here.iq("set", store % "<x xmlns='urn:x'>one</x>")
    there.iq("set", store % "<x xmlns='urn:x'>other</x>")
    here.iq("set", vcard(3))
    here.iq("set", "<block xmlns='urn:xmpp:blocking'><item jid='z@z.test'/></block>")

    def private(client):
        return client.iq("get", store % "<x xmlns='urn:x'/>").findtext(".//{urn:x}x")
    assert (private(here), private(there)) == ("one", "other")
    assert there.iq("get", "<blocklist xmlns='urn:xmpp:blocking'/>").find(".//{*}item") is None
    assert len(there.iq("get", "<vCard xmlns='vcard-temp'/>").find("{vcard-temp}vCard")) == 0
    server.ctl_ok("deluser", one.jid)
    assert [user["jid"] for user in server.ctl_json("users", A)["users"]] == []
    assert [user["jid"] for user in server.ctl_json("users", B)["users"]] == [other.jid]
    assert private(there) == "other"
    server.ctl_ok("adduser", "--force", one.jid, stdin="one\n")
    assert not private(one.login())


def test_stream_speaks_for_its_host(twins):
    """Who has logged in at one host cannot be somebody of the other."""
    _, one, other = twins
    here, there = one.ready(), other.ready()
    here.send("<message from='%s' to='%s' id='f'><body>x</body></message>" % (other.jid, there.jid))
    here.stream_error("invalid-from")
    assert not [e for e in there.barrier(there) if e.tag == qname("message")]
