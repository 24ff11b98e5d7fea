# SPDX-License-Identifier: MIT
"""vcard-temp (XEP-0054)."""

import xml.etree.ElementTree as ET

import pytest

from raw import condition
from slix import talk
from xmlstream import qname, same

VCARD = "{vcard-temp}vCard"
FULL = ("<vCard xmlns='vcard-temp'><FN>J\u00fcliet &lt;&amp;&gt; \U0001F426</FN><N><FAMILY>Capulet"
        "</FAMILY><MIDDLE/></N><PHOTO><TYPE>image/png</TYPE><BINVAL>%s</BINVAL></PHOTO>"
        "<DESC>\n two\n lines\n</DESC></vCard>" % ("QUJD" * 20000))


def publish(client, xml, to=None):
    return client.iq("set", xml, to)


def ask(client, to=None):
    return client.iq("get", "<vCard xmlns='vcard-temp'/>", to)


@pytest.mark.ours
def test_advertised(alice):
    client = alice.ready()
    for to in (alice.host, alice.jid):
        info = client.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to)
        assert "vcard-temp" in {f.get("var") for f in info.iter(qname("info:feature"))}


@pytest.mark.quick
def test_everybody_sees_it(account, transport):
    alice, bob, far = account(), account(), account(host="example.test")
    client = alice.login(transport)
    assert publish(client, FULL).get("type") == "result"
    client.end()
    for who in (alice, bob, far):
        answer = ask(who.login(), alice.jid)
        assert answer.get("from") == alice.jid or who is alice
        assert same(answer.find(VCARD), ET.fromstring(FULL))


@pytest.mark.ours
def test_none(alice, bob):
    """An empty one for oneself; to others the same as no account."""
    client = alice.login()
    assert len(ask(client).find(VCARD)) == 0
    answers = [ask(client, bob.jid), ask(client, "nobody-of-that-name@localhost")]
    assert {condition(answer) for answer in answers} == {("cancel", "service-unavailable")}
    other = bob.login()
    publish(other, "<vCard xmlns='vcard-temp'><FN>B</FN></vCard>")
    assert ask(client, bob.jid).find(VCARD) is not None
    publish(other, "<vCard xmlns='vcard-temp'/>")
    assert condition(ask(client, bob.jid)) == ("cancel", "service-unavailable")


@pytest.mark.ours
def test_nobody_sets_that_of_others(alice, bob):
    one, other = alice.login(), bob.login()
    publish(one, FULL)
    evil = "<vCard xmlns='vcard-temp'><FN>Evil</FN></vCard>"
    assert condition(publish(other, evil, alice.jid)) == ("cancel", "service-unavailable")
    assert condition(publish(other, evil, alice.host)) == ("cancel", "service-unavailable")
    assert same(ask(other, alice.jid).find(VCARD), ET.fromstring(FULL))


BAD = {
    "too large": ("<vCard xmlns='vcard-temp'><FN>%s</FN></vCard>" % ("x" * 300000),
                  {"policy-violation"}),
    "another namespace": ("<vCard xmlns='urn:x'><FN>x</FN></vCard>", {"service-unavailable"}),
    "another name": ("<vcard xmlns='vcard-temp'><FN>x</FN></vcard>", {"service-unavailable"}),
    "two": ("<vCard xmlns='vcard-temp'><FN>x</FN></vCard>" * 2, {"bad-request"}),
}


@pytest.mark.ours
@pytest.mark.parametrize("name", BAD)
def test_bad_request(alice, name):
    client = alice.login()
    publish(client, FULL)
    payload, conditions = BAD[name]
    assert condition(publish(client, payload))[1] in conditions
    assert same(ask(client).find(VCARD), ET.fromstring(FULL))


@pytest.mark.ours
def test_survives_the_server_and_goes_with_the_account(own_server, make_account):
    server = own_server()
    alice, bob = make_account(server), make_account(server)
    publish(alice.login(), FULL)
    server.restart()
    client = bob.login()
    assert same(ask(client, alice.jid).find(VCARD), ET.fromstring(FULL))
    server.ctl_ok("deluser", alice.jid)
    assert condition(ask(client, alice.jid)) == ("cancel", "service-unavailable")
    server.ctl_ok("adduser", "--force", alice.jid, stdin=alice.password + "\n")
    assert condition(ask(client, alice.jid)) == ("cancel", "service-unavailable")


@pytest.mark.ours
def test_slixmpp(alice, bob):
    publish(bob.login(), "<vCard xmlns='vcard-temp'><FN>Bob</FN><NICKNAME>bobby</NICKNAME></vCard>")

    async def scenario(client):
        plugin = client["xep_0054"]
        own = plugin.make_vcard()
        own["FN"] = "Alice"
        await plugin.publish_vcard(own)
        mine = await plugin.get_vcard(cached=False)
        theirs = await plugin.get_vcard(bob.jid, cached=False)
        return mine["vcard_temp"]["FN"], theirs["vcard_temp"]["FN"]
    assert talk(alice, ["xep_0054"], scenario) == ("Alice", "Bob")
