# SPDX-License-Identifier: MIT
"""In-band registration (XEP-0077): before the login, and by an account's owner."""

import xml.etree.ElementTree as ET

import pytest

from raw import condition, fresh
from slix import talk
from xmlstream import qname

pytestmark = pytest.mark.ours

QUERY = "{jabber:iq:register}query"
FEATURE = "{http://jabber.org/features/iq-register}register"
LONG = "a long password"


def query(inside=""):
    return "<query xmlns='jabber:iq:register'>%s</query>" % inside


def wish(name, password=LONG):
    return query("<username>%s</username><password>%s</password>" % (name, password))


def form(name, password=LONG):
    return query("<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>"
                 "jabber:iq:register</value></field><field var='username'><value>%s</value></field>"
                 "<field var='password'><value>%s</value></field></x>" % (name, password))


def has_feature(client):
    return client.features.find(FEATURE) is not None


@pytest.fixture
def open_server(own_server):
    return own_server(settings={"register": {"registration": True, "per_address": 12}})


# -- the owner of an account ---------------------------------------------------------------


def test_shown(alice):
    client = alice.login()
    for to in (None, "localhost"):
        found = client.iq("get", query(), to).find(QUERY)
        assert [e.tag.partition("}")[2] for e in found] == ["registered", "username", "password"]
        assert found[1].text == alice.user and not found[2].text
    info = client.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", "localhost")
    assert "jabber:iq:register" in {f.get("var") for f in info.iter(qname("info:feature"))}


@pytest.mark.parametrize("shape", [wish, form])
def test_password(alice, shape):
    one, other = alice.login(), alice.login()
    answer = one.iq("set", shape(alice.user, "another one"), "localhost")
    assert answer.get("type") == "result", ET.tostring(answer)
    other.stream_error("not-authorized")
    assert one.iq("get", "<ping xmlns='urn:xmpp:ping'/>", "localhost").get("type") == "result"
    alice.password = "another one"
    alice.login()


def test_password_refused(alice, bob):
    client = alice.login()
    wrong = {
        "short": (wish(alice.user, "seven.."), "not-acceptable"),
        "short in bytes only": (wish(alice.user, "\u00e4\u00f6\u00fc\u00df"), "not-acceptable"),
        "another's": (wish(bob.user), "not-allowed"),
        "no name": (wish(""), "not-acceptable"),
        "no password": (wish(alice.user, ""), "not-acceptable"),
        "two passwords": (query("<username>%s</username><password>%s</password><password>x"
                                "</password>" % (alice.user, LONG)), "not-acceptable"),
        "not a password": (wish(alice.user, "tab\tulator at"), "not-acceptable"),
        "form": (form(alice.user, ""), "not-acceptable"),
        "nothing": (query(), "not-acceptable"),
        "remove and more": (query("<remove/><username>x</username>"), "bad-request"),
    }
    for name, (xml, expected) in wrong.items():
        assert condition(client.iq("set", xml, "localhost"))[1] == expected, name
    for xml in (wish(bob.user), query("<remove/>")):
        answer = client.iq("set", xml, bob.jid)
        assert condition(answer) == ("cancel", "service-unavailable")
        assert condition(client.iq("set", xml, "example.test"))[1] == "forbidden"
    alice.login()
    bob.login()


def test_remove(alice, server):
    client, other = alice.login(), alice.login()
    assert client.iq("set", query("<remove/>"), "localhost").get("type") == "result"
    client.stream_error("not-authorized")
    other.stream_error("not-authorized")
    server.process.log.wait("the account has been removed")
    assert alice.jid not in server.ctl_ok("users", "localhost")


# -- before the login ----------------------------------------------------------------------


def test_off_by_default(server, connect):
    client = connect(server).secure()
    assert not has_feature(client)
    client.send("<iq type='get' id='1'>%s</iq>" % query())
    client.stream_error("not-authorized")


def test_only_with_tls(open_server, connect):
    client = connect(open_server, "plain")
    client.open()
    assert not has_feature(client)
    client.send("<iq type='get' id='1'>%s</iq>" % query())
    client.stream_error("not-authorized")


@pytest.mark.parametrize("shape", [wish, form])
@pytest.mark.parametrize("transport", ["starttls", "tls", "wss"])
def test_register(open_server, connect, transport, shape):
    client = connect(open_server, transport).secure()
    assert has_feature(client)
    shown = client.iq("get", query()).find(QUERY)
    assert shown.find("{jabber:iq:register}username") is not None
    assert {f.get("var") for f in shown.iter("{jabber:x:data}field")} == {
        "FORM_TYPE", "username", "password"}
    name = fresh("new")
    answer = client.iq("set", shape(name.upper()))
    assert answer.get("type") == "result", ET.tostring(answer)
    # The same stream goes on to the login.
    assert client.auth("SCRAM-SHA-1", name, LONG).tag == qname("sasl:success")
    client.open()
    client.bind()
    assert client.bare == name + "@localhost"


REFUSED = {
    "taken": (lambda: wish("taken"), "conflict"),
    "reserved": (lambda: wish("Admin"), "conflict"),
    "short": (lambda: wish(fresh("s"), "short"), "not-acceptable"),
    "not a name": (lambda: wish("a b"), "not-acceptable"),
    "an address": (lambda: wish("a@b"), "not-acceptable"),
    "long": (lambda: wish("x" * 65), "not-acceptable"),
    "no password": (lambda: query("<username>x</username>"), "not-acceptable"),
    "form without": (lambda: form(""), "not-acceptable"),
    "remove": (lambda: query("<remove/>"), "not-acceptable"),
}


def test_refused(open_server, connect, make_account):
    make_account(open_server, "taken")
    client = connect(open_server).secure()
    for name, (xml, expected) in REFUSED.items():
        assert condition(client.iq("set", xml()))[1] == expected, name
    assert open_server.ctl_ok("users").count("@") == 1


def test_reserved_names_as_they_were_written(own_server, connect):
    server = own_server(settings={"register": {"registration": True, "reserved": ["Chef", "b\u00dcro"]}})
    client = connect(server).secure()
    for name in ("chef", "CHEF", "B\u00fcro"):
        assert condition(client.iq("set", wish(name))) == ("cancel", "conflict"), name
    assert client.iq("set", wish("admin")).get("type") == "result"


def test_an_administrators_name_is_not_to_be_had(own_server, connect):
    """Somebody is named in `admins` who has no account yet, or none any more."""
    server = own_server(settings={"register": {"registration": True}, "admins": ["root@localhost"],
                                  ("host", "localhost"): {"admins": ["boss@localhost"]}})
    client = connect(server).secure()
    for name in ("root", "Boss"):
        assert condition(client.iq("set", wish(name))) == ("cancel", "conflict"), name
    assert server.ctl_ok("users").count("@") == 0


def test_too_many(open_server, connect):
    for i in range(2):
        client = connect(open_server).secure()
        for _ in range(6):
            assert condition(client.iq("set", wish("a b")))[1] == "not-acceptable"
    client = connect(open_server).secure()
    assert condition(client.iq("set", wish(fresh("late")))) == ("wait", "resource-constraint")
    assert "@" not in open_server.ctl_ok("users")
    for _ in range(9):
        client.iq("get", query())
    client.send("<iq type='get' id='z'>%s</iq>" % query())
    client.stream_error("policy-violation")


def test_nothing_else(open_server, connect):
    for xml in ("<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>",
                "<iq type='result' id='1'>%s</iq>" % query(),
                "<iq type='get'>%s</iq>" % query(),
                "<message to='x@localhost'>%s</message>" % query(),
                "<iq type='get' id='1' xmlns='urn:x'>%s</iq>" % query()):
        client = connect(open_server).secure()
        client.send(xml)
        client.stream_error("not-authorized", "unsupported-stanza-type", "invalid-namespace")


def test_slixmpp(open_server, make_account):
    owner = make_account(open_server)

    async def scenario(client):
        register = client["xep_0077"]
        await register.change_password("changed it")
        return True
    assert talk(owner, ["xep_0077"], scenario)
    owner.password = "changed it"

    async def leave(client):
        await client["xep_0077"].cancel_registration()
        return True
    assert talk(owner, ["xep_0077"], leave)
