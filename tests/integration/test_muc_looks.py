# SPDX-License-Identifier: MIT
"""Rooms: their pictures (XEP-0486)."""

import base64
import hashlib

import pytest

from muc import Occupant, codes, create, enter
from raw import condition
from slix import talk
from xmlstream import qname

VCARD = "{vcard-temp}"
UPDATE = "{vcard-temp:x:update}"
DATA = "{jabber:x:data}"
PICTURE = b"\x89PNG\r\n\x1a\n not quite a picture"


def digest(picture):
    return hashlib.sha1(picture).hexdigest()


def vcard(*pictures, more=""):
    return "<vCard xmlns='vcard-temp'>%s%s</vCard>" % (more, "".join(
        "<PHOTO><TYPE>image/png</TYPE><BINVAL>%s</BINVAL></PHOTO>"
        % base64.encodebytes(p).decode() for p in pictures))


def publish(o, *pictures, more=""):
    return o.client.iq("set", vcard(*pictures, more=more), o.room)


def fetch(client, room):
    return client.iq("get", "<vCard xmlns='vcard-temp'/>", room)


def photos(answer):
    return [base64.b64decode(b.text) for b in answer.iter(VCARD + "BINVAL")]


def info(client, to):
    return client.iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", to)


def hashes(client, room):
    return [v.text for f in info(client, room).iter(DATA + "field")
            if f.get("var") == "muc#roominfo_avatarhash" for v in f.findall(DATA + "value")]


def features(client, to):
    return [f.get("var") for f in info(client, to)[0] if f.tag.endswith("feature")]


def room_presence(o):
    """What the room says of its own picture."""
    p = o.client.wait_for(lambda e: getattr(e, "tag", None) == qname("presence")
                          and e.get("from") == o.room, "the room's own presence")
    return p.find(UPDATE + "x").findtext(UPDATE + "photo")


def told_104(o):
    return o.client.wait_for(lambda e: getattr(e, "tag", None) == qname("message")
                             and e.get("from") == o.room and codes(e) == [104], "status 104")


def test_picture(alice, bob, account):
    a = create(alice)
    b = enter(bob, a.room, "b")
    stranger = account().ready()
    assert condition(fetch(stranger, a.room))[1] == "item-not-found" and not hashes(stranger, a.room)
    assert publish(a, PICTURE).get("type") == "result"
    for o in (a, b):
        assert room_presence(o) == digest(PICTURE)
        assert told_104(o).get("type") == "groupchat"
    for client in (b.client, stranger):
        assert photos(fetch(client, a.room)) == [PICTURE]
        assert hashes(client, a.room) == [digest(PICTURE)]
    for to in (a.room, a.room.partition("@")[2]):
        assert "vcard-temp" in features(stranger, to)
    c = Occupant(stranger, a.room, "c")
    c.send_join()
    assert room_presence(c) == digest(PICTURE)
    c.entered()
    assert publish(a).get("type") == "result"
    for o in (a, b, c):
        assert not room_presence(o)
        told_104(o)
    assert condition(fetch(stranger, a.room))[1] == "item-not-found" and not hashes(stranger, a.room)
    d = enter(account(), a.room, "d")
    assert d.barrier() and not d.client.taken("presence", from_=a.room)


def test_two_formats_and_other_words(alice):
    a = create(alice)
    assert publish(a, b"one", b"two", more="<DESC>about</DESC>").get("type") == "result"
    assert hashes(a.client, a.room) == [digest(b"one"), digest(b"two")]
    assert room_presence(a) == digest(b"one")
    told_104(a)
    assert fetch(a.client, a.room)[0].findtext(VCARD + "DESC") == "about"
    # the picture stays, something else is new: nobody needs it again
    assert publish(a, b"one", b"two", more="<DESC>more</DESC>").get("type") == "result"
    told_104(a)
    assert a.barrier() and not a.client.taken("presence", from_=a.room)


def test_who_may_set_it(alice, bob, account):
    a = create(alice)
    b = enter(bob, a.room, "b")
    assert a.affiliate(bob, "admin").get("type") == "result"
    assert condition(publish(b, PICTURE)) == ("auth", "forbidden")
    assert condition(account().ready().iq("set", vcard(PICTURE), a.room)) == ("auth", "forbidden")
    assert not hashes(a.client, a.room)
    assert condition(account().ready().iq("set", vcard(PICTURE), "no" + a.room))[1] == "item-not-found"


@pytest.mark.parametrize("fields", [{"membersonly": 1},
                                    {"passwordprotectedroom": 1, "roomsecret": "s"}])
def test_who_may_see_it(alice, bob, account, fields):
    a = create(alice, **fields)
    publish(a, PICTURE)
    assert a.affiliate(bob, "member").get("type") == "result"
    member, stranger = bob.ready(), account().ready()
    assert photos(fetch(member, a.room)) == [PICTURE] and hashes(member, a.room)
    assert condition(fetch(stranger, a.room))[1] == "item-not-found"
    assert not hashes(stranger, a.room)


def test_banned_see_nothing(alice, bob):
    a = create(alice)
    publish(a, PICTURE)
    assert a.affiliate(bob, "outcast").get("type") == "result"
    assert condition(fetch(bob.ready(), a.room))[1] == "item-not-found"


@pytest.mark.parametrize("inside,expected", [
    ("<PHOTO><BINVAL>no base64!</BINVAL></PHOTO>", "bad-request"),
    ("<PHOTO><BINVAL>AAA</BINVAL></PHOTO>", "bad-request"),
    ("<PHOTO><BINVAL>AAAA</BINVAL></PHOTO>" * 9, "bad-request"),
    ("<DESC>%s</DESC>" % ("x" * 300000), "policy-violation"),
], ids=["alphabet", "padding", "nine", "large"])
def test_what_is_no_picture(alice, inside, expected):
    a = create(alice)
    answer = a.client.iq("set", "<vCard xmlns='vcard-temp'>%s</vCard>" % inside, a.room)
    assert condition(answer)[1] == expected
    assert condition(fetch(a.client, a.room))[1] == "item-not-found"


def test_picture_is_kept(own_server, make_account):
    """Over a restart, and no longer than its room."""
    server = own_server()
    alice = make_account(server)
    a = create(alice, persistentroom=1)
    publish(a, PICTURE)
    server.restart()
    a = Occupant(alice.ready(), a.room, "again")
    a.send_join()
    assert room_presence(a) == digest(PICTURE)
    a.entered()
    assert photos(fetch(a.client, a.room)) == [PICTURE]
    destroyed = a.client.iq("set", "<query xmlns='http://jabber.org/protocol/muc#owner'>"
                            "<destroy/></query>", a.room)
    assert destroyed.get("type") == "result"
    a = create(alice, room=a.room)
    assert condition(fetch(a.client, a.room))[1] == "item-not-found" and not hashes(a.client, a.room)


def test_slixmpp_sets_and_gets(alice):
    a = create(alice)

    async def scenario(client):
        card = client["xep_0054"].make_vcard()
        card["PHOTO"]["TYPE"] = "image/png"
        card["PHOTO"]["BINVAL"] = PICTURE
        await client["xep_0054"].publish_vcard(jid=a.room, vcard=card)
        got = await client["xep_0054"].get_vcard(a.room)
        return got["vcard_temp"]["PHOTO"]["BINVAL"]

    assert talk(alice, ["xep_0054"], scenario) == PICTURE
    assert hashes(a.client, a.room) == [digest(PICTURE)]
