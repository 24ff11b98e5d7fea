# SPDX-License-Identifier: MIT
"""Messages for those who are away (XEP-0160): from the log, in order, and not twice."""

import pytest

import sasl2
from database import Database
from raw import condition, fresh
from slix import talk
from test_archive import Page, form, field
from xmlstream import qname

SID = "{urn:xmpp:sid:0}stanza-id"
DELAY = "{urn:xmpp:delay}delay"
PING = "<ping xmlns='urn:xmpp:ping'/>"
TYPING = "<composing xmlns='http://jabber.org/protocol/chatstates'/>"
NO_ARCHIVE = "<no-permanent-store xmlns='urn:xmpp:hints'/>"
MODULES = ["roster", "presence", "message", "disco", "ping", "carbons", "csi", "archive",
           "blocking", "offline"]

pytestmark = pytest.mark.ours


@pytest.fixture(scope="module")
def shared(request, tmp_path_factory):
    from conftest import start
    server = start(request, tmp_path_factory.mktemp("offline"), settings={
        ("host", "localhost"): {"modules": MODULES}})
    yield server
    server.stop()


@pytest.fixture
def server(shared):
    shared.revive()
    yield shared
    shared.check()


def settle(sender, account):
    """The account has handled all that came from the sender, which no session of it sees."""
    sender.iq("get", PING, account.jid)


def say(sender, account, *texts, inside=""):
    for text in texts:
        sender.send("<message type='chat' to='%s' id='%s'><body>%s</body>%s</message>" % (
            account.jid, fresh("m"), text, inside))
    settle(sender, account)


def texts(client):
    return [e.findtext(qname("body")) for e in client.taken("message")]


def come(client, n=None):
    """What has come; the bodies. An answer of the account itself is behind it when everything
    has been told, so a client that has got n of them waits for no more."""
    got = []
    while n is not None and len(got) < n:
        got.append(client.wait("message").findtext(qname("body")))
    client.iq("get", PING, client.bare)
    return got + texts(client)


def nothing(sender, account, client):
    """Nothing waits for it: what comes later comes first."""
    say(sender, account, "last")
    assert come(client, 1) == ["last"]


def is_question(event):
    return (getattr(event, "tag", None) == qname("iq") and event.get("type") == "get"
            and event.find("{urn:xmpp:ping}ping") is not None)


def confirm(client):
    """Answers when it is asked whether it is there: it has all that was sent to it before."""
    question = client.wait_for(is_question, "a ping")
    client.send("<iq type='result' id='%s' to='%s'/>" % (question.get("id"), question.get("from")))
    client.iq("get", PING, client.bare)


def leave(client):
    client.end()


def status(server, account):
    return server.ctl_json("offline", "status", account.jid)


def test_advertised(alice):
    info = alice.ready().iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>",
                            alice.host)
    assert "msgoffline" in {f.get("var") for f in info.iter(qname("info:feature"))}


@pytest.mark.quick
def test_plain_client(server, alice, bob, transport):
    desk = bob.ready()
    say(desk, alice, "1", "2", "3")
    assert not desk.taken("message"), "no errors"
    phone = alice.ready(transport)
    first = phone.wait("message")
    assert first.findtext(qname("body")) == "1" and first.get("from") == desk.jid
    assert first.find(DELAY).get("from") == alice.host
    assert first.find(SID).get("by") == alice.jid
    assert come(phone, 2) == ["2", "3"]
    desk.message(alice.jid, "4")
    live = phone.wait("message")
    assert live.findtext(qname("body")) == "4" and live.find(DELAY) is None
    confirm(phone)
    leave(phone)
    nothing(desk, alice, alice.ready())


def test_position_lasts(own_server, make_account):
    server = own_server(settings={("host", "localhost"): {"modules": MODULES}})
    alice, bob = make_account(server, "alice"), make_account(server, "bob")
    desk = bob.ready()
    say(desk, alice, "1", "2")
    phone = alice.ready()
    assert come(phone, 2) == ["1", "2"]
    confirm(phone)
    say(desk, alice, "3")
    assert phone.wait("message").findtext(qname("body")) == "3"
    leave(phone)  # it has not shown that it got the third
    server.restart()
    desk = bob.ready()
    assert status(server, alice)["position"] == 2
    assert status(server, alice)["waiting"] == 1
    phone = alice.ready()
    assert come(phone, 1) == ["3"]
    confirm(phone)
    leave(phone)
    server.restart()
    assert status(server, alice) == {"position": 3, "taken": "", "waiting": 0, "hidden": 0}
    nothing(bob.ready(), alice, alice.ready())


def test_killed_before_it_was_written(own_server, make_account):
    """It may come twice then; it is not lost."""
    server = own_server(settings={("host", "localhost"): {"modules": MODULES}})
    alice, bob = make_account(server, "alice"), make_account(server, "bob")
    desk, phone = bob.ready(), alice.ready()
    say(desk, alice, "1", "2")
    assert come(phone, 2) == ["1", "2"]
    confirm(phone)
    say(desk, alice, "3")
    server.kill()
    server.revive()
    assert come(alice.ready(), 3) == ["1", "2", "3"]


def test_slixmpp(server, alice, bob):
    say(bob.ready(), alice, "one", "two")

    async def scenario(client):
        client.send_presence()
        first = await client.wait_until("message", 15)
        return first["body"], first["delay"]["from"].full, first["delay"]["stamp"]
    text, by, stamp = talk(alice, ["xep_0203", "xep_0199"], scenario)
    assert text == "one" and by == alice.host and stamp is not None


def test_two_devices(alice, bob):
    """Delivered when one of them has it; the other asks the archive."""
    desk = bob.ready()
    say(desk, alice, "1", "2")
    phone = alice.ready()
    assert come(phone, 2) == ["1", "2"]
    confirm(phone)
    tablet = alice.ready()
    nothing(desk, alice, tablet)
    assert Page(tablet).bodies == ["1", "2", "last"]


def test_negative_priority(alice, bob):
    say(bob.ready(), alice, "1")
    phone = alice.ready(priority=-1)
    assert come(phone) == []
    phone.presence(priority=5)
    assert come(phone, 1) == ["1"]


def test_ghost(alice, bob):
    """A connection that broke has shown nothing."""
    desk = bob.ready()
    say(desk, alice, "1")
    ghost = alice.ready()
    assert come(ghost, 1) == ["1"]
    desk.message(ghost.jid, "2")
    ghost.wait("message")
    ghost.cut()
    phone = alice.ready()
    assert come(phone, 2) == ["1", "2"]


def test_bind2(server, alice, bob, connect):
    """It asks the archive for what was there; the rest comes."""
    desk = bob.ready()
    say(desk, alice, "1")
    say(desk, alice, "2", inside=NO_ARCHIVE)
    say(desk, alice, "3")
    phone = sasl2.login(server, alice, connect=connect)
    phone.iq("get", PING, phone.bare)
    say(desk, alice, "4")
    phone.presence()
    got = [phone.wait("message"), phone.wait("message")]
    assert [e.findtext(qname("body")) for e in got] == ["2", "4"]
    assert got[0].find(SID) is None and got[1].find(SID) is not None
    assert come(phone) == []
    say(desk, alice, "5")
    assert come(phone, 1) == ["5"]
    assert Page(phone).bodies == ["1", "3", "4", "5"]
    leave(phone)
    plain = alice.ready()
    assert come(plain, 5) == ["1", "2", "3", "4", "5"]


def test_archive_asked_before(alice, bob):
    say(bob.ready(), alice, *"123456")
    phone = alice.login()
    assert Page(phone, "<set xmlns='http://jabber.org/protocol/rsm'><max>4</max></set>"
                ).bodies == list("1234")
    phone.presence()
    assert come(phone, 2) == ["5", "6"]


def test_archive_filtered_before(server, alice, bob, account):
    """Only what the query has covered is left out."""
    carol = account(fresh("carol"))
    desk, sofa = bob.ready(), carol.ready()
    say(desk, alice, "b1")
    say(sofa, alice, "c1")
    say(desk, alice, "b2")
    phone = alice.login()
    assert Page(phone, form(field("with", carol.jid))).bodies == ["c1"]
    phone.presence()
    assert come(phone, 2) == ["b1", "b2"]


def test_many(server, alice, bob):
    """The newest 2000, in order; the archive has the others."""
    desk = bob.ready()
    for first in range(0, 3000, 100):
        desk.send_raw("".join(
            "<message type='chat' to='%s'><body>%d</body></message>" % (alice.jid, i)
            for i in range(first, first + 100)).encode())
        settle(desk, alice)
    phone = alice.ready()
    assert come(phone, 2000) == [str(i) for i in range(1000, 3000)]
    confirm(phone)
    leave(phone)
    phone = alice.ready()
    nothing(desk, alice, phone)
    assert Page(phone).bodies[0] == "0"


def test_hidden_below_the_newest(server, alice, bob):
    """What is not in the archive is never left out."""
    desk = bob.ready()
    say(desk, alice, "old")
    say(desk, alice, "secret", inside=NO_ARCHIVE)
    for first in range(0, 2000, 100):
        desk.send_raw("".join(
            "<message type='chat' to='%s'><body>%d</body></message>" % (alice.jid, i)
            for i in range(first, first + 100)).encode())
        settle(desk, alice)
    phone = alice.ready()
    assert come(phone, 2001) == ["secret"] + [str(i) for i in range(2000)]


def test_slow_reader(server, alice, bob):
    """Live messages come behind what waited, without a gap or a repetition, and nothing that is
    not stored overtakes them."""
    desk = bob.ready()
    large = "x" * 90000
    for i in range(130):
        say(desk, alice, "%d %s" % (i, large))
    phone = alice.login()
    phone.send("<presence/>")  # and reads nothing
    for i in range(130, 150):
        say(desk, alice, "%d %s" % (i, large))
        desk.send("<message type='chat' to='%s'>%s</message>" % (phone.jid, TYPING))
    settle(desk, alice)
    got = []
    while len(got) < 170:
        message = phone.wait("message")
        got.append((message.findtext(qname("body")) or "typing").split()[0])
    assert [t for t in got if t != "typing"] == [str(i) for i in range(150)]
    typing = [i for i, t in enumerate(got) if t == "typing"]
    for n, place in enumerate(typing):
        assert got.index(str(130 + n)) < place
    phone.iq("get", PING, phone.bare)
    assert texts(phone) == []


def test_blocked_meanwhile(alice, bob, account):
    carol = account(fresh("carol"))
    desk, sofa = bob.ready(), carol.ready()
    say(desk, alice, "1")
    say(sofa, alice, "spam")
    say(desk, alice, "2")
    phone = alice.login()
    answer = phone.iq("set", "<block xmlns='urn:xmpp:blocking'><item jid='%s'/></block>" % carol.jid)
    assert answer.get("type") == "result"
    phone.presence()
    assert come(phone, 2) == ["1", "2"]
    confirm(phone)
    leave(phone)
    nothing(desk, alice, alice.ready())


def test_taken_back_meanwhile(alice, bob):
    """What was taken back before it was delivered is not delivered (XEP-0424)."""
    desk = bob.ready()
    id_ = desk.message(alice.jid, "regretted")
    say(desk, alice, "kept")
    desk.send("<message type='chat' to='%s'><retract xmlns='urn:xmpp:message-retract:1' id='%s'/>"
              "<store xmlns='urn:xmpp:hints'/></message>" % (alice.jid, id_))
    settle(desk, alice)
    phone = alice.ready()
    first, second = phone.wait("message"), phone.wait("message")
    assert first.findtext(qname("body")) == "kept"
    assert second.find("{urn:xmpp:message-retract:1}retract") is not None
    assert come(phone) == []


def test_chat_states(alice, bob):
    """Neither kept nor refused; with a session that wants no messages it is the same."""
    desk = bob.ready()
    desk.send("<message type='chat' to='%s'>%s</message>" % (alice.jid, TYPING))
    settle(desk, alice)
    phone = alice.ready(priority=-1)
    desk.send("<message type='chat' to='%s'>%s</message>" % (alice.jid, TYPING))
    settle(desk, alice)
    phone.presence(priority=0)
    nothing(desk, alice, phone)
    assert not desk.taken("message")
    leave(phone)
    id_ = desk.message(alice.jid, "x")
    desk.send("<message type='chat' to='%s' id='no'>%s<body>y</body><no-store xmlns='urn:xmpp:hints'/>"
              "</message>" % (alice.jid, TYPING))
    assert condition(desk.wait("message", id="no")) == ("cancel", "service-unavailable")
    assert not desk.taken("message", id=id_)


def test_hidden_rows(server, alice, bob):
    """Kept until they are delivered, then erased; the archive never shows them."""
    base = Database(server)
    owner = base.number("SELECT owner FROM account WHERE name = %s", alice.user)
    desk = bob.ready()
    say(desk, alice, "1", inside=NO_ARCHIVE)
    say(desk, alice, "2")
    assert status(server, alice)["hidden"] == 1
    phone = alice.login()
    assert Page(phone).bodies == ["2"]
    phone.presence()
    hidden = phone.wait("message")
    assert hidden.findtext(qname("body")) == "1" and hidden.find(SID) is None
    assert hidden.find(DELAY) is not None
    say(desk, alice, "3", inside=NO_ARCHIVE)
    assert come(phone, 1) == ["3"]
    confirm(phone)
    leave(phone)
    server.restart()  # which writes what was left for later
    assert base.number("SELECT COUNT(*) FROM archive WHERE owner = %d AND flags & 2 = 2"
                       % owner) == 0
    nothing(bob.ready(), alice, alice.ready())


def test_without_archive(server, alice, bob):
    """Whoever wants no archive gets what came nevertheless."""
    phone = alice.login()
    answer = phone.iq("set", "<prefs xmlns='urn:xmpp:mam:2' default='never'><always/><never/></prefs>")
    assert answer.get("type") == "result"
    leave(phone)
    desk = bob.ready()
    say(desk, alice, "1", "2")
    phone = alice.login()
    assert Page(phone).bodies == []
    phone.presence()
    assert come(phone, 2) == ["1", "2"]
    confirm(phone)
    leave(phone)
    nothing(desk, alice, alice.ready())


def test_quota(own_server, make_account):
    server = own_server(settings={("host", "localhost"): {
        "modules": MODULES, "archive": {"undelivered": 2}}})
    alice, bob = make_account(server, "alice"), make_account(server, "bob")
    desk = bob.ready()
    say(desk, alice, "1", "2", inside=NO_ARCHIVE)
    assert not desk.taken("message")
    say(desk, alice, "3", inside=NO_ARCHIVE)
    assert condition(desk.wait("message")) == ("cancel", "service-unavailable")
    say(desk, alice, "4")
    assert not desk.taken("message"), "what is archived is never refused"
    assert come(alice.ready(), 3) == ["1", "2", "4"]


def test_quota_by_default(server, alice, bob):
    """Who keeps no archive has room for 1 000; and again, once they are delivered."""
    phone = alice.login()
    phone.iq("set", "<prefs xmlns='urn:xmpp:mam:2' default='never'><always/><never/></prefs>")
    leave(phone)
    desk = bob.ready()
    for i in range(0, 1000, 100):  # a mailbox is bounded, too
        say(desk, alice, *map(str, range(i, i + 100)))
    assert not desk.taken("message")
    say(desk, alice, "one too many", "two")
    for _ in range(2):
        assert condition(desk.wait("message")) == ("cancel", "service-unavailable")
    assert status(server, alice)["hidden"] == 1000
    phone = alice.ready()
    assert come(phone, 1000) == list(map(str, range(1000)))
    confirm(phone)
    leave(phone)
    assert status(server, alice)["hidden"] == 0
    say(desk, alice, "room again")
    assert not desk.taken("message")
    assert come(alice.ready(), 1) == ["room again"]


def test_status(server, alice, bob):
    assert status(server, alice) == {"position": 0, "taken": "", "waiting": 0, "hidden": 0}
    say(bob.ready(), alice, "1", "2")
    now = status(server, alice)
    assert (now["position"], now["waiting"]) == (0, 2) and now["oldest"].endswith("Z")
    assert "waiting" in server.ctl_ok("offline", "status", alice.jid)
    done = server.ctl("offline", "status", "nobody@localhost")
    assert done.returncode != 0 and "There is no account" in done.stderr


def test_long_talk(server, alice, bob):
    """What the account sends itself is no hole in what it has."""
    desk, phone = bob.ready(), alice.ready()
    for i in range(200):
        say(desk, alice, str(i))
        phone.wait("message")
        phone.message(bob.jid, "and %d" % i)
    confirm(phone)  # what it was asked in between
    say(desk, alice, "end")
    phone.wait("message")
    confirm(phone)
    leave(phone)
    server.restart()
    assert status(server, alice)["taken"] == ""
    assert status(server, alice)["waiting"] == 0
    nothing(bob.ready(), alice, alice.ready())


def test_module_goes_and_comes(server, alice, bob):
    desk, phone = bob.ready(), alice.ready()
    say(desk, alice, "1")
    assert come(phone, 1) == ["1"]
    confirm(phone)
    server.ctl_ok("module", "unload", "localhost", "offline")
    try:
        say(desk, alice, "2")
        assert come(phone, 1) == ["2"]
    finally:
        server.ctl_ok("module", "load", "localhost", "offline")
    # it does not know any more what the session was given, but what it has shown to have
    assert come(phone, 1) == ["2"]
    nothing(desk, alice, phone)
