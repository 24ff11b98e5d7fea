# SPDX-License-Identifier: MIT
"""Stream management (XEP-0198) with a server and real connections."""

import xml.etree.ElementTree as ET

import pytest

import sasl2
from raw import TRANSPORTS, Client, condition, fresh
from xmlstream import NS, qname

pytestmark = pytest.mark.ours
NS.setdefault("sm", "urn:xmpp:sm:3")
NS.setdefault("delay", "urn:xmpp:delay")


def is_sm(*names):
    wanted = [qname("sm:" + name) for name in names]
    return lambda event: isinstance(event, ET.Element) and event.tag in wanted


def enable(client, attrs="resume='true'"):
    client.send("<enable xmlns='urn:xmpp:sm:3' %s/>" % attrs)
    answer = client.wait_for(is_sm("enabled", "failed"), "the answer to <enable/>")
    assert answer.tag == qname("sm:enabled"), ET.tostring(answer)
    client.sm_id = answer.get("id")
    return answer


def handled(client):
    """h, by a request of our own."""
    client.send("<r xmlns='urn:xmpp:sm:3'/>")
    return int(client.wait_for(is_sm("a"), "<a/>").get("h"))


def confirm(client, h):
    client.send("<a xmlns='urn:xmpp:sm:3' h='%d'/>" % h)


def authenticated(server, account, transport):
    client = Client(server, transport, host=account.host).secure()
    assert client.auth("SCRAM-SHA-1", account.user, account.password).tag == qname("sasl:success")
    client.open()
    assert client.has_feature("sm:sm")
    return client


def resume(server, account, id_, h, transport="starttls"):
    """A new connection and its answer."""
    client = authenticated(server, account, transport)
    client.send("<resume xmlns='urn:xmpp:sm:3' previd='%s' h='%d'/>" % (id_, h))
    return client, client.wait_for(is_sm("resumed", "failed"), "the answer to <resume/>")


def why(failed):
    assert failed.tag == qname("sm:failed"), ET.tostring(failed)
    return failed[0].tag.rpartition("}")[2]


def bodies(client, count):
    return [client.wait("message").findtext(qname("body")) for _ in range(count)]


@pytest.mark.quick
@pytest.mark.parametrize("back", ["starttls", "wss"])
@pytest.mark.parametrize("transport", TRANSPORTS)
def test_resume(server, make_account, transport, back):
    """What was lost in both directions comes, once and in order, on another connection."""
    account, other = make_account(server), make_account(server).ready()
    client = account.ready(transport)
    enable(client)
    for i in range(3):
        other.message(client.jid, "to %d" % i)
    assert bodies(client, 3) == ["to 0", "to 1", "to 2"]
    client.message(other.jid, "from 0")
    assert bodies(other, 1) == ["from 0"]
    if not client.stream.websocket:
        client.send_raw(b"<message to='" + other.jid.encode() + b"'><body>never")
    client.cut()
    other.message(client.jid, "late")
    again, answer = resume(server, account, client.sm_id, 1, back)
    assert answer.tag == qname("sm:resumed") and answer.get("previd") == client.sm_id
    assert answer.get("h") == "1"
    assert bodies(again, 3) == ["to 1", "to 2", "late"]
    again.jid = client.jid
    again.message(other.jid, "from 1")
    assert bodies(other, 1) == ["from 1"]
    assert not [e for e in again.barrier(other) if e.get("type") == "unavailable"]
    confirm(again, 4)
    assert handled(again) == 3


def test_enable(server, make_account):
    client = make_account(server).ready()
    client.send("<r xmlns='urn:xmpp:sm:3'/>")
    assert why(client.wait_for(is_sm("failed"), "failed")) == "unexpected-request"
    answer = enable(client, "resume='1' max='30'")
    assert answer.get("resume") == "true" and answer.get("max") == "30"
    assert len(answer.get("id")) >= 24
    assert handled(client) == 0
    client.presence()
    assert handled(client) == 1
    client.send("<enable xmlns='urn:xmpp:sm:3'/>")
    assert why(client.wait_for(is_sm("failed"), "failed")) == "unexpected-request"
    other = make_account(server).ready()
    answer = enable(other, "")
    assert answer.get("resume") is None and answer.get("id") is None


def test_too_early(server, make_account):
    """Before the login, and before binding: refused, and the stream goes on."""
    account = make_account(server)
    client = Client(server, "tls").secure()
    client.send("<enable xmlns='urn:xmpp:sm:3'/>")
    assert why(client.wait_for(is_sm("failed"), "failed")) == "unexpected-request"
    assert client.auth("SCRAM-SHA-1", account.user, account.password).tag == qname("sasl:success")
    client.open()
    for element in ("enable", "r", "a h='0'"):
        client.send("<%s xmlns='urn:xmpp:sm:3'/>" % element)
        assert why(client.wait_for(is_sm("failed"), "failed")) == "unexpected-request"
    for attrs in ("", "previd='x'", "previd='x' h='-1'", "previd='x' h='4294967296'", "h='1'"):
        client.send("<resume xmlns='urn:xmpp:sm:3' %s/>" % attrs)
        assert why(client.wait_for(is_sm("failed"), "failed")) == "bad-request"
    assert client.bind("here").get("type") == "result"
    enable(client)


def test_of_another_account(server, make_account):
    victim, thief = make_account(server), make_account(server)
    client = victim.ready()
    enable(client)
    stranger, answer = resume(server, thief, client.sm_id, 0)
    assert why(answer) == "item-not-found" and answer.get("h") is None
    assert stranger.bind().get("type") == "result"
    assert handled(client) == 0


def test_while_the_old_one_is_there(server, make_account):
    account, other = make_account(server), make_account(server).ready()
    client = account.ready()
    enable(client)
    other.message(client.jid, "one")
    client.wait("message")
    again, answer = resume(server, account, client.sm_id, 0)
    assert answer.get("h") == "0"
    client.stream_error("conflict")
    assert bodies(again, 1) == ["one"]
    third, answer = resume(server, account, client.sm_id, 1, "ws")
    assert answer.tag == qname("sm:resumed")
    again.stream_error("conflict")
    assert handled(third) == 0


def test_h_too_high(server, make_account):
    account = make_account(server)
    client = account.ready()
    enable(client)
    confirm(client, 7)
    events = client.drain_to_end()
    error = [e for e in events if isinstance(e, ET.Element)][-1]
    assert error.find(qname("streams:undefined-condition")) is not None
    detail = error.find(qname("sm:handled-count-too-high"))
    assert detail.get("h") == "7" and detail.get("send-count") == "0"


def test_ended_by_the_client_is_over(server, make_account):
    account, other = make_account(server), make_account(server).ready()
    client = account.ready()
    enable(client)
    other.send("<presence to='%s'/>" % client.jid)
    client.send("<presence to='%s'/>" % other.jid)
    assert handled(client) == 1
    client.end()
    other.wait("presence", type="unavailable")
    _, answer = resume(server, account, client.sm_id, 0)
    assert why(answer) == "item-not-found" and answer.get("h") == "1"


def test_time_is_over(own_server, make_account):
    server = own_server(settings={"limits": {"resume_timeout": "1s"}})
    account, other = make_account(server), make_account(server).ready()
    client = account.ready()
    assert enable(client).get("max") == "1"
    client.send("<presence to='%s'/>" % other.jid)
    other.wait("presence", from_=client.jid)
    client.cut()
    other.message(client.jid, "lost", id="lost")
    other.send("<iq type='get' id='v' to='%s'><query xmlns='jabber:iq:version'/></iq>" % client.jid)
    assert condition(other.wait("iq", id="v"))[1] == "service-unavailable"
    other.wait("presence", type="unavailable", from_=client.jid)
    _, answer = resume(server, account, client.sm_id, 0)
    assert why(answer) == "item-not-found"
    back = account.ready()
    message = back.wait("message", id="lost")
    assert message.find(qname("delay:delay")) is not None
    assert not [e for e in other.barrier(back) if e.get("id") == "lost"]
    assert not other.taken("message", type="error")


def test_location(own_server, make_account):
    """Where several machines answer to a name, a client learns which of them has its session."""
    server = own_server(settings={"limits": {"resume_location": "[2001:db8::1]:5222"}})
    account = make_account(server)
    assert enable(account.ready()).get("location") == "[2001:db8::1]:5222"
    assert enable(account.ready(), "").get("location") is None
    assert enable(account.ready(transport="ws")).get("location") is None


def test_given_to_another_device(server, make_account):
    """A device that is replaced: its messages go to who is there, once, with their time."""
    account, other = make_account(server), make_account(server).ready()
    client = account.ready(resource="one")
    enable(client)
    other.message(client.jid, "seen")
    client.wait("message")
    confirm(client, 1)
    handled(client)  # so that it has come before the connection goes
    client.cut()
    other.message(client.jid, "unseen")
    desk = account.ready(resource="two")
    newer = account.ready(resource="one")
    message = desk.wait("message")
    assert message.findtext(qname("body")) == "unseen"
    assert message.find(qname("delay:delay")) is not None
    other.message(desk.jid, "next")
    assert desk.wait("message").findtext(qname("body")) == "next"
    assert not newer.taken("message", type="error")


def test_commands(server, make_account):
    account = make_account(server)
    client = account.ready()
    session = server.ctl_json("sessions", client.jid)["sessions"][0]
    assert session["managed"] is False
    enable(client)
    session = server.ctl_json("sessions", client.jid)["sessions"][0]
    assert session["managed"] is True and session["connected"] is True
    other = account.ready()
    client.cut()
    other.message(client.jid, "x")
    sessions = server.ctl_json("sessions", client.jid)["sessions"]
    while sessions[0]["connected"]:
        sessions = server.ctl_json("sessions", client.jid)["sessions"]
    assert server.ctl_json("memory")


def inline_resume(id_, h, bind=""):
    return "<resume xmlns='urn:xmpp:sm:3' previd='%s' h='%d'/>%s" % (id_, h, bind)


ENABLE = "<enable xmlns='urn:xmpp:sm:3' resume='true'/>"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_inline(server, make_account, transport):
    """Switched on within Bind 2; resumed within SASL2, where there are no features then."""
    account, other = make_account(server), make_account(server).ready()
    client = sasl2.login(server, account, transport, inside=sasl2.bind(ENABLE))
    enabled = client.success.find("%s/%s" % (qname("bind2:bound"), qname("sm:enabled")))
    assert client.features.find(qname("sm:sm")) is None and enabled.get("resume") == "true"
    client.presence()
    other.message(client.jid, "one")
    client.wait("message")
    client.cut()
    again = Client(server, transport, host=account.host).secure()
    assert again.features.find(".//{urn:xmpp:sasl:2}inline/{urn:xmpp:sm:3}sm") is not None
    reply = sasl2.exchange(again, "SCRAM-SHA-256", account.user, account.password,
                           inline_resume(enabled.get("id"), 1, sasl2.bind(ENABLE)))
    assert reply.findtext(qname("sasl2:authorization-identifier")) == client.jid
    assert reply.find(qname("sm:resumed")).get("h") == "1"
    assert reply.find(qname("bind2:bound")) is None
    assert bodies(again, 1) == ["one"]
    assert handled(again) == 1


def test_inline_refused(server, make_account):
    """Both the refusal and what was asked for besides."""
    account = make_account(server)
    client = Client(server, "tls", host=account.host).secure()
    reply = sasl2.exchange(client, "SCRAM-SHA-256", account.user, account.password,
                           inline_resume("x", 1, sasl2.bind(ENABLE)))
    assert why(reply.find(qname("sm:failed"))) == "item-not-found"
    assert reply.find("%s/%s" % (qname("bind2:bound"), qname("sm:enabled"))) is not None
    sasl2.succeeded(client, reply)
    assert handled(client) == 0
    without = Client(server, "tls", host=account.host).secure()
    reply = sasl2.exchange(without, "SCRAM-SHA-256", account.user, account.password,
                           inline_resume("x", 1))
    assert why(reply.find(qname("sm:failed"))) == "item-not-found"
    sasl2.succeeded(without, reply)
    assert without.has_feature("sm:sm")
    assert without.bind(fresh("r")).get("type") == "result"


def test_stop(own_server, make_account):
    """The last word of a server that stops is what it has handled."""
    server = own_server()
    client = make_account(server).ready()
    lost = make_account(server).ready()
    enable(client)
    enable(lost)
    lost.cut()
    client.presence()
    server.stop()
    events = [e for e in client.drain_to_end() if isinstance(e, ET.Element)]
    assert [e.get("h") for e in events if e.tag == qname("sm:a")] == ["1"]
    assert events[-1].find(qname("streams:system-shutdown")) is not None
