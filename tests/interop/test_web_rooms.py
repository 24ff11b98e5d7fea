# SPDX-License-Identifier: MIT
"""Web clients in our rooms: Strophe.js with its plugin in a browser, stanza.io."""

import pytest

from muc import new_room
from raw import fresh

pytestmark = pytest.mark.ours
CONFIG = {"muc#roomconfig_roomname": "A Dark Cave", "muc#roomconfig_whois": "anyone",
          "muc#roomconfig_persistentroom": "1"}


def call(peer, name, *args):
    """A function of the plugin that tells of its answer."""
    id_ = fresh("call")
    peer.command("room", call=name, args=args, id=id_)
    return peer.wait("answer", call=id_)


def do(peer, name, *args):
    peer.command("room", call=name, args=args)


def roster(peer, *nicks):
    peer.wait("room-roster", nicks=sorted(nicks))


@pytest.mark.browser
def test_strophe(browser, clients, alice, bob):
    """Made, configured, entered by two; said, whispered, named, put out; entered again."""
    a, b = (clients.strophe_browser(who, True).online() for who in (alice, bob))
    room = new_room()
    a.command("enter", room=room, nick="firstwitch")
    assert "'201'" in a.wait("room-presence", from_=room + "/firstwitch")["xml"].replace('"', "'")
    assert call(a, "createConfiguredRoom", room, CONFIG)["type"] == "result"
    assert "A Dark Cave" in call(a, "configure", room)["xml"]
    b.command("enter", room=room, nick="secondwitch")
    for peer in (a, b):
        roster(peer, "firstwitch", "secondwitch")
    for i, peer in enumerate((a, b)):
        do(peer, "groupchat", room, "to all %d" % i)
        for other in (a, b):
            other.wait("room-message", body="to all %d" % i, type="groupchat")
    do(a, "message", room, "secondwitch", "to one", None, "chat")
    assert b.wait("room-message", body="to one")["type"] == "chat"
    do(a, "setTopic", room, "Spells")
    b.wait("room-message", from_=room + "/firstwitch", body=None, type="groupchat")
    do(b, "changeNick", room, "oldhag")
    for peer in (a, b):
        roster(peer, "firstwitch", "oldhag")
    assert call(b, "kick", room, "firstwitch", None)["type"] == "error"
    assert call(a, "kick", room, "oldhag", "begone")["type"] == "result"
    gone = b.wait("room-presence", from_=room + "/oldhag", type="unavailable")
    assert "307" in gone["xml"] and "begone" in gone["xml"]
    roster(a, "firstwitch")
    assert call(a, "ban", room, bob.jid, None)["type"] == "result"
    b.command("enter", room=room, nick="secondwitch")
    assert "forbidden" in b.wait("stanza", from_=room + "/secondwitch", type="error")["xml"]
    assert call(a, "revoke", room, bob.jid, None)["type"] == "result"
    b.command("enter", room=room, nick="secondwitch")
    roster(b, "firstwitch", "secondwitch")
    for i in range(2):
        assert "delay" in b.wait("room-message", body="to all %d" % i)["xml"]
    subject = b.wait("room-message", from_=room + "/firstwitch", body=None, type="groupchat")
    assert "Spells" in subject["xml"] and "delay" in subject["xml"]
    assert not a.errors() and not b.errors()


def entered(peer, room, nick):
    peer.command("join", room=room, nick=nick)
    peer.wait("joined", from_="%s/%s" % (room, nick))


def say(peer, room, body):
    peer.command("chat", to=room, type="groupchat", id=fresh("say"), body=body)


def pages(peer, room):
    """The bodies of the room's archive, in pages of two."""
    found, after = [], None
    while True:
        id_ = fresh("page")
        peer.command("history", id=id_, to=room, max=2, **({"after": after} if after else {}))
        page = peer.wait("history", id=id_)
        found += page["bodies"]
        if page["complete"]:
            return found
        after = page["last"]


@pytest.mark.parametrize("secure", [False, True], ids=["ws", "wss"])
def test_stanza_io(node, clients, alice, bob, secure):
    """Entered, said, read back from the room's log; taken back, by its author and a moderator."""
    a, b = (clients.stanzaio(who, secure).online() for who in (alice, bob))
    room = new_room()
    entered(a, room, "firstwitch")
    a.command("open", room=room)
    a.wait("opened", room=room)
    entered(b, room, "secondwitch")
    a.wait("occupant", from_=room + "/secondwitch", role="participant")
    ids = {}
    for peer, body in ((a, "one"), (b, "two"), (b, "three"), (a, "four"), (b, "five")):
        say(peer, room, body)
        heard = [who.wait(body=body, type="groupchat") for who in (a, b)]
        assert heard[0]["ids"] == heard[1]["ids"] and heard[0]["occupant"] == heard[1]["occupant"]
        ids[body] = heard[0]["ids"][0]["id"]
    assert pages(b, room) == ["one", "two", "three", "four", "five"]
    b.command("retract", to=room, target=ids["two"])
    for who in (a, b):
        who.wait(retract=ids["two"], from_=room + "/secondwitch")
    for who, body, answer in ((b, "one", "error"), (a, "three", "result")):
        id_ = fresh("moderate")
        who.command("moderate", id=id_, room=room, target=ids[body])
        assert who.wait("moderated", id=id_)["type"] == answer
    for who in (a, b):
        who.wait(retract=ids["three"], from_=room)
    kept = pages(a, room)
    assert [body for body in kept if body in ids] == ["one", "four", "five"]
    a.command("topic", room=room, topic="Brews")
    for who in (a, b):
        who.wait("topic", from_=room, topic="Brews")
    a.command("kick", room=room, nick="secondwitch")
    assert "307" in b.wait("left", from_=room + "/secondwitch")["codes"]
    assert not a.errors() and not b.errors()
