# SPDX-License-Identifier: MIT
"""Rooms: what is bounded there. What needs the time to pass is in replay/scripts/muc-*.txt."""

from muc import codes, create, enter
from raw import condition


def test_slow_mode(alice, bob):
    """XEP-0500: in the forms, refused in words that a user understands, and owners may."""
    a = create(alice)
    b = enter(bob, a.room, "b")
    for bad in ("-1", "1.5", "86401", "often"):
        assert condition(a.configure(slow_mode_duration=bad))[1] == "not-acceptable"
    assert a.configure(slow_mode_duration=3600).get("type") == "result"
    assert 104 in codes(b.client.wait("message", from_=a.room))
    assert b.say("one") and a.hears("one") is not None
    b.say("two")
    error = b.client.wait("message", type="error", from_=a.room)
    assert condition(error) == ("wait", "policy-violation")
    text = "".join(t.text for t in error.iter("{urn:ietf:params:xml:ns:xmpp-stanzas}text"))
    assert "3600 seconds" in text
    a.say("owner one")
    a.say("owner two")
    assert b.hears("owner two") is not None
    # what is sent to one is not said to all
    b.client.send("<message to='%s' type='chat'><body>psst</body></message>" % a.jid)
    a.client.wait("message", type="chat", from_=b.jid)
    info = a.client.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", a.room)
    field = [f for f in info.iter("{jabber:x:data}field")
             if f.get("var") == "muc#roominfo_slow_mode_duration"]
    assert [v.text for v in field[0]] == ["3600"]
