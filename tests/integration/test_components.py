# SPDX-License-Identifier: MIT
"""External components (XEP-0114): another program that answers for a domain."""

import asyncio
import contextlib
import hashlib
import os
import xml.etree.ElementTree as ET

import pytest
import slixmpp
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from component import ACCEPT, NAME, SECRET, Component, settings
from raw import DEADLINE, condition
from server import SOURCE, Server
from slix import run
from xmlstream import NS, qname

pytestmark = pytest.mark.ours

BOT = "bot@" + NAME
MUTE = "mute.localhost"


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A server with two external components, one of which never comes."""
    server = Server(tmp_path_factory.mktemp("home"), settings=settings(
        {("component", MUTE): {"secret": "other"}})).start()
    yield server
    server.stop()


@pytest.fixture
def component(home):
    """A function that makes a Component; they are closed at the end."""
    made = []

    def make(*args, **options):
        made.append(Component(home, *args, **options))
        return made[-1]
    yield make
    for one in made:
        one.leave()
    home.check()


@pytest.fixture
def bot(component):
    return component().ready()


@pytest.fixture
def user(home, make_account):
    return make_account(home)


# -- stanzas -----------------------------------------------------------------------------------


@pytest.mark.parametrize("byte_mode", [False, True])
def test_echo(component, user, byte_mode):
    bot = component(byte_mode=byte_mode).ready()
    alice = user.ready()
    alice.send("<message to='%s/x' type='chat' id='m1' xml:lang='de'><body>h\u00e4 &amp; ho</body>"
               "<x xmlns='urn:x'><y/></x></message>" % BOT)
    got = bot.wait("message", to=BOT + "/x", from_=alice.jid, id="m1", type="chat")
    assert got.findtext(qname("body")) == "h\u00e4 & ho"
    assert got.find("{urn:x}x/{urn:x}y") is not None
    assert got.get("{http://www.w3.org/XML/1998/namespace}lang") == "de"
    bot.send("<message from='%s/x' to='%s' type='chat' id='m2'><body>back</body></message>"
             % (BOT, alice.jid))
    assert alice.wait("message", from_=BOT + "/x", id="m2").findtext(qname("body")) == "back"
    # Any name of its domain, and none.
    for sender in ("other@" + NAME, NAME, NAME + "/r"):
        bot.send("<message from='%s' to='%s'><body>b</body></message>" % (sender, user.jid))
        alice.wait("message", from_=sender)


def test_iq(bot, user):
    alice = user.ready()
    alice.send("<iq type='get' id='q1' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>" % BOT)
    asked = bot.wait("iq", id="q1", type="get", to=BOT)
    bot.send("<iq type='result' id='q1' from='%s' to='%s'/>" % (BOT, asked.get("from")))
    alice.wait("iq", id="q1", type="result", from_=BOT)
    # And the other way: the server, an account, a client.
    for to, kind in (("localhost", "result"), (alice.jid, "get")):
        bot.send("<iq type='get' id='q2' from='%s' to='%s'><ping xmlns='urn:xmpp:ping'/></iq>"
                 % (BOT, to))
        if kind == "get":
            alice.wait("iq", id="q2", type="get", from_=BOT)
            alice.send("<iq type='result' id='q2' to='%s'/>" % BOT)
        bot.wait("iq", id="q2", type="result", from_=to, to=BOT)
    bot.send("<iq type='get' id='q3' from='%s' to='%s'><query xmlns='jabber:iq:roster'/></iq>"
             % (BOT, user.jid))
    assert bot.wait("iq", id="q3").get("type") == "error"


def test_not_connected(home, user):
    alice = user.ready()
    for to in (MUTE, "bot@" + MUTE):
        alice.send("<message id='m' to='%s'><body>b</body></message>" % to)
        assert condition(alice.wait("message", id="m", from_=to)) == (
            "wait", "service-unavailable")
        answer = alice.iq("get", "<ping xmlns='urn:xmpp:ping'/>", to)
        assert condition(answer) == ("wait", "service-unavailable")
        alice.send("<presence to='%s'/><presence to='%s' type='unavailable'/>" % (to, to))
    assert alice.iq("get", "<ping xmlns='urn:xmpp:ping'/>", "localhost").get("type") == "result"
    assert not alice.taken("presence", type="error")


def test_roster_and_presence(bot, user):
    alice = user.ready()
    alice.send("<presence to='%s' type='subscribe'/>" % BOT)
    bot.wait("presence", type="subscribe", to=BOT, from_=user.jid)
    bot.send("<presence from='%s' to='%s' type='subscribed'/>" % (BOT, user.jid))
    bot.send("<presence from='%s/here' to='%s'><status>on</status></presence>" % (BOT, user.jid))
    alice.wait("presence", from_=BOT, type="subscribed")
    assert alice.wait("presence", from_=BOT + "/here").findtext(qname("status")) == "on"
    # The bot wants to see her as well.
    bot.send("<presence from='%s' to='%s' type='subscribe'/>" % (BOT, user.jid))
    alice.wait("presence", from_=BOT, type="subscribe")
    alice.send("<presence to='%s' type='subscribed'/>" % BOT)
    bot.wait("presence", to=BOT, type="subscribed", from_=user.jid)
    bot.wait("presence", to=BOT, from_=alice.jid, type=None)
    item = alice.iq("get", "<query xmlns='%s'/>" % NS["roster"]).find(
        "%s/%s" % (qname("roster:query"), qname("roster:item")))
    assert (item.get("jid"), item.get("subscription")) == (BOT, "both")
    alice.end()
    bot.wait("presence", to=BOT, from_=alice.jid, type="unavailable")
    again = user.ready()
    bot.wait("presence", to=BOT, type="probe")
    bot.wait("presence", to=BOT, from_=again.jid, type=None)


def test_directed_presence_ends(bot, user):
    alice = user.ready()
    alice.send("<presence to='room@%s/nick'/>" % NAME)
    bot.wait("presence", to="room@%s/nick" % NAME, from_=alice.jid, type=None)
    alice.cut()
    bot.wait("presence", to="room@%s/nick" % NAME, from_=alice.jid, type="unavailable")


def test_shown(home, bot, user):
    alice = user.ready()
    items = alice.iq("get", "<query xmlns='%s'/>" % NS["items"], "localhost")
    assert {NAME, MUTE} <= {i.get("jid") for i in items.iter(qname("items:item"))}
    listed = {c["name"]: c for c in home.ctl_json("component", "list")["components"]}
    assert listed[NAME]["external"] and listed[NAME]["connected"]
    assert listed[NAME]["host"] == "localhost" and listed[NAME]["peer"] and listed[NAME]["since"]
    assert not listed[MUTE]["connected"] and not listed[MUTE]["peer"]
    sent = listed[NAME]["sent"]
    alice.send("<message to='%s'><body>b</body></message>" % BOT)
    bot.wait("message", to=BOT)
    listed = {c["name"]: c for c in home.ctl_json("component", "list")["components"]}
    assert listed[NAME]["sent"] == sent + 1
    hosts = {h["name"]: h["component"] for h in home.ctl_json("host", "list")["hosts"]}
    assert hosts[NAME] and not hosts["localhost"]


def test_no_users(home, connect):
    """Nobody can have an account there, or log in."""
    for words in (["adduser", BOT], ["passwd", BOT], ["deluser", BOT], ["users", NAME],
                  ["count", NAME], ["kick", BOT], ["ban", BOT]):
        done = home.ctl(*words, stdin="secret\n")
        assert done.returncode and "it has no users" in done.stderr, (words, done.stderr)
    client = connect(home, "plain", host=NAME)
    client.send_raw(client.stream.header(NAME, {}))
    client.stream_error("host-unknown")


# -- the stream -----------------------------------------------------------------------------------


def test_header(component):
    one = component()
    opened = one.header()
    assert (opened.get("from"), opened.get("version")) == (NAME, None)
    assert len(opened.get("id")) >= 20
    other = component()
    assert other.header().get("id") != opened.get("id")
    # Names are prepared.
    upper = component(name="BOTS.LocalHost.").ready()
    assert upper.opened.get("from") == NAME
    upper.send("<iq type='get' id='1' from='BOT@Bots.localhost' to='LOCALHOST'>"
               "<ping xmlns='urn:xmpp:ping'/></iq>")
    upper.wait("iq", id="1", type="result", to=BOT)


@pytest.mark.parametrize("attrs, error", [
    ({"to": "localhost"}, "host-unknown"),
    ({"to": "nobody.localhost"}, "host-unknown"),
    ({"to": BOT}, "host-unknown"),
    ({"to": "conference.localhost"}, "host-unknown"),
    ({"to": None}, "host-unknown"),
    ({"xmlns": NS["client"]}, "invalid-namespace"),
    ({"xmlns": "jabber:component:connect"}, "invalid-namespace"),
    ({"xmlns": None}, "invalid-namespace"),
])
def test_bad_header(component, attrs, error):
    one = component()
    one.header(**attrs)
    one.stream_error(error)


def test_on_the_clients_port(component):
    one = component(listener="c2s")
    one.header()
    one.stream_error("invalid-namespace")


@pytest.mark.parametrize("what", ["wrong", "other's", "empty", "upper", "secret itself", "none",
                                  "child"])
def test_wrong_secret(component, what):
    one = component()
    one.header()
    if what == "upper":
        text = hashlib.sha1((one.opened.get("id") + SECRET).encode()).hexdigest().upper()
        one.send("<handshake>%s</handshake>" % text)
    elif what == "secret itself":
        one.send("<handshake>%s</handshake>" % SECRET.replace("&", "&amp;"))
    elif what == "none":
        one.send("<handshake/>")
    elif what == "child":
        one.send("<handshake><x/></handshake>")
    else:
        one.shake({"wrong": "wysteria", "other's": "other", "empty": ""}[what])
    one.stream_error("not-authorized")


@pytest.mark.parametrize("first", [
    "<message from='%s' to='localhost'/>" % BOT,
    "<iq from='%s' to='localhost' type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>" % BOT,
    "<handshake xmlns='jabber:client'>0</handshake>",
    "<starttls xmlns='%s'/>" % NS["tls"],
    "<auth xmlns='%s' mechanism='PLAIN'/>" % NS["sasl"],
])
def test_before_the_handshake(component, first):
    one = component()
    one.header()
    one.send(first)
    one.stream_error("not-authorized")


def test_huge_handshake(component):
    one = component()
    one.header()
    one.send("<handshake>%s</handshake>" % ("a" * 20000))
    one.stream_error("policy-violation")


@pytest.mark.parametrize("stanza, error", [
    ("<message from='alice@localhost' to='alice@localhost'><body>b</body></message>",
     "invalid-from"),
    ("<message from='x@mute.localhost' to='alice@localhost'/>", "invalid-from"),
    ("<message from='x@x.bots.localhost' to='alice@localhost'/>", "invalid-from"),
    ("<message to='alice@localhost'/>", "invalid-from"),
    ("<message from='' to='alice@localhost'/>", "invalid-from"),
    ("<presence from='a b@bots.localhost' to='alice@localhost'/>", "invalid-from"),
    ("<message from='%s'/>" % BOT, "improper-addressing"),
    ("<handshake/>", "unsupported-stanza-type"),
    ("<x xmlns='urn:x'/>", "unsupported-stanza-type"),
    ("<stream:features/>", "unsupported-stanza-type"),
    ("<!-- hm -->", "restricted-xml"),
    ("<message from='%s' to='localhost'></iq>" % BOT, "not-well-formed"),
])
def test_bad_stanza(bot, stanza, error):
    bot.send(stanza)
    bot.stream_error(error)


def test_nothing_behind_an_error(bot, user):
    alice = user.ready()
    message = "<message from='%s' to='%s'><body>b</body></message>"
    bot.send(message % (BOT, user.jid) + message % ("x@localhost", user.jid)
             + message % (BOT, user.jid))
    bot.stream_error("invalid-from")
    alice.wait("message", from_=BOT)
    alice.iq("get", "<ping xmlns='urn:xmpp:ping'/>", "localhost")
    assert not alice.taken("message")


def test_answered(bot):
    """What is wrong with a stanza alone is said to its sender."""
    bot.send("<message id='1' from='%s' to='a b@localhost'/>" % BOT)
    assert condition(bot.wait("message", id="1", to=BOT)) == ("modify", "jid-malformed")
    bot.send("<message id='2' from='%s' to='alice@localhost'><body>%s</body></message>"
             % (BOT, "x" * 100000))
    assert condition(bot.wait("message", id="2", to=BOT)) == ("modify", "policy-violation")
    bot.send("<iq id='3' type='what' from='%s' to='localhost'><x xmlns='urn:x'/></iq>" % BOT)
    assert condition(bot.wait("iq", id="3", to=BOT)) == ("modify", "bad-request")
    bot.send("<message id='4' from='%s' to='x@far.example'><body>b</body></message>" % BOT)
    assert condition(bot.wait("message", id="4", to=BOT))[1] == "remote-server-not-found"
    bot.send("<message id='5' from='%s' to='nobody@localhost'><body>b</body></message>" % BOT)
    assert condition(bot.wait("message", id="5", to=BOT))[1] == "service-unavailable"


def test_among_components(bot):
    bot.send("<iq type='get' id='1' from='%s' to='bot@%s'><ping xmlns='urn:xmpp:ping'/></iq>"
             % (BOT, MUTE))
    assert condition(bot.wait("iq", id="1", to=BOT)) == ("wait", "service-unavailable")
    bot.send("<message id='2' from='%s' to='other@%s'><body>b</body></message>" % (BOT, NAME))
    bot.wait("message", id="2", to="other@" + NAME, from_=BOT)


def successor(component, attempts=100):
    """Two connections are two threads: the end of one can be told after the other's handshake."""
    for _ in range(attempts - 1):
        with contextlib.suppress(AssertionError):
            return component().ready()
    return component().ready()


def test_conflict(component, bot, user):
    second = component()
    second.header()
    second.shake()
    second.stream_error("conflict")
    alice = user.ready()
    alice.send("<message to='%s'><body>b</body></message>" % BOT)
    bot.wait("message", to=BOT)
    bot.end()
    third = successor(component)
    alice.send("<message to='%s'><body>b</body></message>" % BOT)
    third.wait("message", to=BOT)


def test_pipelined(component, user):
    """Stanzas right behind the handshake wait for the answer."""
    alice = user.ready()
    one = component()
    one.header()
    one.shake()
    one.send("<message from='%s' to='%s'><body>early</body></message>" % (BOT, user.jid))
    one.wait("handshake")
    alice.wait("message", from_=BOT)


def test_unread(own_server, make_account):
    """A component that does not read: its senders are told, and all goes on when it reads."""
    server = own_server(settings=settings())
    alice = make_account(server).ready()
    bot = Component(server).ready()
    sent = 0
    while True:
        alice.send("<message id='m%d' to='%s'><body>%s</body></message>" % (
            sent, BOT, "x" * 90000))
        sent += 1
        assert sent < 2000, "nothing was refused"
        alice.iq("get", "<ping xmlns='urn:xmpp:ping'/>", "localhost")
        refused = alice.taken("message", type="error")
        if refused:
            break
    assert condition(refused[0]) == ("wait", "resource-constraint")
    last = int(refused[0].get("id")[1:]) - 1
    bot.wait("message", id="m%d" % last)
    alice.send("<message id='again' to='%s'><body>b</body></message>" % BOT)
    bot.wait("message", id="again")
    bot.close()


def test_deadline_and_silence(own_server):
    server = own_server(settings=settings(dict(auth={"allow_plaintext": True, "login_deadline": "1s"},
                                          limits={"idle_ping": "2s", "idle_timeout": "3s"})))
    late = Component(server)
    late.header()
    late.stream_error("connection-timeout")
    bot = Component(server).ready()
    # It is never ended for saying nothing; something is sent, to see whether it is there.
    assert bot.connection.recv_some() == b" "
    assert bot.connection.recv_some() == b" "
    bot.send("<iq type='get' id='1' from='%s' to='localhost'><ping xmlns='urn:xmpp:ping'/></iq>"
             % BOT)
    bot.wait("iq", id="1", type="result")
    bot.close()


def test_restart(own_server, make_account):
    changes = settings({"shutdown_see_other": "other.example"})
    server = own_server(settings=changes)
    account = make_account(server)
    bot = Component(server).ready()
    server.stop()
    bot.stream_error("system-shutdown")
    server.start()
    bot = Component(server).ready()
    alice = account.ready()
    alice.send("<message to='%s'><body>b</body></message>" % BOT)
    bot.wait("message", to=BOT)
    bot.cut()
    server.process.log.wait("component disconnected")
    alice.send("<message id='m' to='%s'><body>b</body></message>" % BOT)
    assert condition(alice.wait("message", id="m")) == ("wait", "service-unavailable")


def test_secret_file(own_server, tmp_path):
    path = tmp_path / "secret"
    path.write_text("from a file\nand no more\n")
    server = own_server(settings={("component", NAME): {"secret_file": str(path)},
                                  ("listen", "five"): {"kind": "component", "port": 0}})
    assert server.listeners["five"][0] in ("localhost", "127.0.0.1", "::1")
    Component(server, secret="from a file", listener="five").ready().close()
    wrong = Component(server, listener="five")
    wrong.header()
    wrong.shake()
    wrong.stream_error("not-authorized")


# -- components with modules -----------------------------------------------------------------------


def test_modules(own_server, make_account):
    name = "services.localhost"
    server = own_server(settings={("component", name): {"modules": ["disco", "ping"]},
                                  "admins": ["root@localhost"]})
    alice = make_account(server).ready()

    def features():
        info = alice.iq("get", "<query xmlns='%s'/>" % NS["info"], name)
        assert not [i for i in info.iter(qname("info:identity")) if i.get("category") == "server"]
        return {f.get("var") for f in info.iter(qname("info:feature"))}
    ping = "<ping xmlns='urn:xmpp:ping'/>"
    assert features() == {NS["info"], NS["items"], NS["ping"]}
    assert alice.iq("get", ping, name).get("type") == "result"
    # There are no rooms; presence is not answered.
    for to in ("room@" + name, "room@%s/nick" % name):
        alice.send("<presence to='%s'/>" % to)
        assert condition(alice.iq("get", ping, to)) == ("cancel", "service-unavailable")
        alice.send("<message id='m' to='%s'><body>b</body></message>" % to)
        assert condition(alice.wait("message", id="m")) == ("cancel", "service-unavailable")
    assert not alice.taken("presence", from_="room@%s/nick" % name)
    server.ctl_ok("module", "load", name, "time")
    assert NS["time"] in features()
    server.ctl_ok("module", "reload", name, "ping")
    server.ctl_ok("module", "unload", name, "time")
    assert features() == {NS["info"], NS["items"], NS["ping"]}
    done = server.ctl("module", "load", name, "roster")
    assert done.returncode and "runs on hosts, and '%s' is a component" % name in done.stderr
    listed = {c["name"]: c for c in server.ctl_json("component", "list")["components"]}
    assert listed[name]["connected"] and not listed[name]["external"]


# -- slixmpp -----------------------------------------------------------------------------------


def echo_of_the_readme(server):
    """The example, with this server's names; its last lines are done by the test."""
    with open(os.path.join(SOURCE, "README.md"), encoding="utf-8") as file:
        lines = file.read().splitlines()
    begin = lines.index("    import slixmpp")
    text = "\n".join(line[4:] for line in lines[begin:lines.index("    bot.connect()")])
    host, port = server.address("component")
    for old, new in (("bots.example.org", NAME), ("the secret", SECRET), ('"localhost"', '"%s"' % host),
                     ("5347", str(port))):
        assert text.count(old) == 1
        text = text.replace(old, new)
    names = {}
    exec(text, names)
    return names["bot"]


def test_slixmpp_echo(home, user):
    async def scenario():
        bot = echo_of_the_readme(home)
        bot.register_plugin("xep_0030")
        bot.register_plugin("xep_0199")
        bot.connect()
        await bot.wait_until("session_start", DEADLINE)
        client = slixmpp.ClientXMPP(user.jid, user.password)
        client.ca_certs = home.certificate
        client.register_plugin("xep_0030")
        client.register_plugin("xep_0199")
        client.connect(home.address("c2s"))
        await client.wait_until("session_start", DEADLINE)
        echoed = asyncio.get_event_loop().create_future()
        client.add_event_handler("message", lambda m: echoed.done() or echoed.set_result(m))
        client.send_message(BOT, "hello")
        message = await asyncio.wait_for(echoed, DEADLINE)
        assert (message["body"], message["from"].bare) == ("hello", BOT)
        info = await client["xep_0030"].get_info(jid=NAME)
        assert info["disco_info"]["features"] is not None
        await client["xep_0199"].ping(NAME)
        await bot["xep_0199"].ping("localhost", ifrom=NAME)
        await client.disconnect(wait=2)
        await bot.disconnect(wait=2)
    run(scenario())


def test_slixmpp_push_server(own_server, make_account):
    """A push service (XEP-0357) that is a component: it is told of a message for somebody who is
    away, and what it answers is noted."""
    modules = ["roster", "presence", "message", "disco", "archive", "push"]
    server = own_server(settings=settings({("host", "localhost"): {"modules": modules}}))
    alice, bob = make_account(server, "alice"), make_account(server, "bob")
    pubsub = "http://jabber.org/protocol/pubsub"

    def use():
        client = alice.ready(resource="phone")
        enabled = client.iq("set", "<enable xmlns='urn:xmpp:push:0' jid='push@%s' node='n1'/>" % NAME)
        assert enabled.get("type") == "result", ET.tostring(enabled)
        client.end()
        bob.ready().message(alice.jid, "wake up")

    async def scenario():
        service = slixmpp.ComponentXMPP(NAME, SECRET, *server.address("component"))
        loop = asyncio.get_event_loop()
        told = loop.create_future()

        def on_publish(iq):
            iq.reply().send()
            told.set_result(iq)
        service.register_handler(Callback("publish", MatchXPath(
            "{%s}iq/{%s}pubsub" % (ACCEPT, pubsub)), on_publish))
        service.connect()
        await service.wait_until("session_start", DEADLINE)
        await loop.run_in_executor(None, use)
        iq = await asyncio.wait_for(told, DEADLINE)
        assert (iq["from"], iq["to"], iq["type"]) == ("localhost", "push@" + NAME, "set")
        publish = iq.xml.find("{%s}pubsub/{%s}publish" % (pubsub, pubsub))
        assert publish.get("node") == "n1"
        assert publish.find("{%s}item/{urn:xmpp:push:0}notification" % pubsub) is not None
        await service.disconnect(wait=2)
    run(scenario())
    for _ in range(200):
        found = server.ctl_json("push", "list", alice.jid)["registrations"]
        if found[0].get("result") == "ok":
            return
    raise AssertionError(found)
