# SPDX-License-Identifier: MIT
"""Last activity (XEP-0012)."""

import xml.etree.ElementTree as ET

import pytest

from raw import condition
from slix import talk
from xmlstream import qname

LAST = "{jabber:iq:last}query"


def ask(client, to=None):
    return client.iq("get", "<query xmlns='jabber:iq:last'/>", to)


def befriend(watcher, watched):
    """watcher may see watched; both are logged in."""
    watcher.send("<presence to='%s' type='subscribe'/>" % watched.jid.partition("/")[0])
    watched.wait("presence", type="subscribe")
    watched.send("<presence to='%s' type='subscribed'/>" % watcher.jid.partition("/")[0])
    watcher.wait("presence", type="subscribed")


def seconds(answer):
    assert answer.get("type") == "result", condition(answer)
    return int(answer.find(LAST).get("seconds"))


@pytest.mark.ours
def test_advertised(alice):
    client = alice.ready()
    for to in (alice.host, alice.jid):
        info = client.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to)
        assert "jabber:iq:last" in {f.get("var") for f in info.iter(qname("info:feature"))}


@pytest.mark.ours
def test_host(alice):
    assert seconds(ask(alice.login(), alice.host)) >= 0


@pytest.mark.quick
def test_while_she_is_there(alice, bob):
    watcher, watched = bob.ready(), alice.ready()
    befriend(watcher, watched)
    assert seconds(ask(watcher, alice.jid)) == 0


def test_strangers_learn_nothing(alice, bob):
    bob.ready()
    assert condition(ask(alice.ready(), bob.jid))[1] in ("forbidden", "service-unavailable")


@pytest.mark.ours
def test_strangers_do_not_ask_devices(alice, bob):
    stranger, asked = bob.ready(), alice.ready()
    assert condition(ask(stranger, asked.jid)) == ("cancel", "service-unavailable")
    events = stranger.barrier(asked)
    assert not [e for e in events if e.tag == qname("iq")]


@pytest.mark.ours
def test_strangers_do_not_learn_names(alice, bob):
    stranger = bob.ready()
    answers = [ask(stranger, to) for to in (alice.jid, "nobody@" + stranger.host)]
    for answer in answers:
        for name in ("from", "id"):
            del answer.attrib[name]
    assert ET.tostring(answers[0]) == ET.tostring(answers[1])


@pytest.mark.ours
def test_survives_the_server_and_goes_with_the_account(own_server, make_account):
    server = own_server()
    alice, bob = make_account(server), make_account(server)
    watcher, watched = bob.ready(), alice.ready()
    befriend(watcher, watched)
    watched.send("<presence type='unavailable'><status>&lt;gone&gt; \u2603</status></presence>")
    watcher.wait("presence", type="unavailable", from_=watched.jid)  # it has been handled
    watched.end()
    server.restart()
    watcher = bob.ready()
    answer = ask(watcher, alice.jid)
    assert seconds(answer) >= 0
    assert answer.find(LAST).text == "<gone> \u2603"
    server.ctl_ok("deluser", alice.jid)
    server.ctl_ok("adduser", "--force", alice.jid, stdin=alice.password + "\n")
    new = alice.login()
    assert condition(ask(new)) == ("cancel", "service-unavailable")


@pytest.mark.ours
def test_status_may_be_kept(own_server, make_account):
    server = own_server(settings={"last": {"show_status": False}})
    alice = make_account(server)
    one, other = alice.ready(), alice.login()
    one.send("<presence type='unavailable'><status>x</status></presence>")
    one.barrier(other)
    answer = ask(other)
    assert seconds(answer) >= 0 and not answer.find(LAST).text


@pytest.mark.ours
def test_slixmpp(alice):
    async def scenario(client):
        server = await client["xep_0012"].get_last_activity(alice.host)
        return server["last_activity"]["seconds"]
    assert talk(alice, ["xep_0012"], scenario) >= 0
