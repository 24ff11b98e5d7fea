# SPDX-License-Identifier: MIT
"""Rooms: search for public ones (XEP-0433)."""

import xml.etree.ElementTree as ET

import pytest

from muc import create, enter
from raw import condition, fresh

NS = "urn:xmpp:channel-search:0"
SEARCH = "{%s:search}" % NS
ERROR = "{%s:error}" % NS
DATA = "{jabber:x:data}"
RSM = "{http://jabber.org/protocol/rsm}"
HOST = "conference.localhost"
ADDRESS = "{%s:order}address" % NS


def ask(client, rsm="", host=HOST, **fields):
    text = "".join("<field var='%s'><value>%s</value></field>" % f for f in fields.items())
    return client.iq(
        "get", "<search xmlns='%s:search'><set xmlns='http://jabber.org/protocol/rsm'>%s</set>"
        "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>%s:search-params"
        "</value></field>%s</x></search>" % (NS, rsm, NS, text), host)


def everything(client, **fields):
    """Every room, also those where nobody is, by address."""
    return ask(client, key=ADDRESS, min_users=0, **fields)


def found(answer):
    assert answer.get("type") == "result", answer
    return [i.get("address") for i in answer.iter(SEARCH + "item")]


def wrong(answer):
    return [e.tag.replace(ERROR, "") for e in answer.iter() if e.tag.startswith(ERROR)]


def test_form(alice):
    answer = alice.ready().iq("get", "<search xmlns='%s:search'/>" % NS, HOST)
    fields = {f.get("var"): f.findtext(DATA + "value") for f in answer.iter(DATA + "field")}
    assert fields == {"FORM_TYPE": NS + ":search-params", "q": None, "all": None, "sinname": "1",
                      "sindescription": "1", "sinaddr": "1", "min_users": "1",
                      "types": "xep-0045", "key": "{%s:order}nusers" % NS}
    info = alice.ready().iq("get", "<query xmlns='http://jabber.org/protocol/disco#info'/>", HOST)
    assert NS + ":search" in [f.get("var") for f in info[0]]


def test_where_it_looks(alice, bob):
    """In memory and in the database the same."""
    word = fresh("needle")
    c = bob.ready()
    by_name = create(alice, roomname="the %s here" % word.upper(), persistentroom=1)
    by_description = create(alice, roomdesc="x%sx" % word, persistentroom=1, membersonly=1)
    by_address = create(alice, room="%s@%s" % (word, HOST), persistentroom=1, whois="anyone")
    rooms = [by_name.room, by_description.room, by_address.room]
    for search in (ask, everything):
        assert sorted(found(search(c, q=word))) == sorted(rooms)
        assert found(search(c, q=word, sinname=0, sinaddr=0)) == [by_description.room]
        assert found(search(c, q=word, sindescription=0, sinaddr=0)) == [by_name.room]
        assert found(search(c, q=word, sindescription=0, sinname=0)) == [by_address.room]
        assert found(search(c, q="the " + word)) == [by_name.room]
        assert not found(search(c, q=word, types="xep-0369"))
        assert not found(search(c, q=word[:-1] + "%")) and not found(search(c, q="n_edle"))
    for search in (ask, everything):
        said = {i.get("address"): {e.tag.replace(SEARCH, ""): e.text for e in i}
                for i in search(c, q=word).iter(SEARCH + "item")}
        assert said[by_name.room] == {
            "name": "the %s here" % word.upper(), "nusers": "1", "service-type": "xep-0045",
            "is-open": "true", "anonymity-mode": "muc_semianonymous"}
        assert said[by_description.room]["is-open"] == "false"
        assert said[by_description.room]["description"] == "x%sx" % word
        assert said[by_address.room]["anonymity-mode"] == "{%s:anonymity}none" % NS
    for o in (by_name, by_description, by_address):
        o.leave()
    assert not found(ask(c, q=word))
    assert sorted(found(everything(c, q=word))) == sorted(rooms)


def test_hidden(alice, bob):
    word = fresh("hidden")
    a = create(alice, roomname=word, publicroom=0, persistentroom=1,
               passwordprotectedroom=1, roomsecret="secret" + word)
    for search in (ask, everything):
        assert not found(search(bob.ready(), q=word))
    assert a.configure(publicroom=1).get("type") == "result"
    for search in (ask, everything):
        assert found(search(bob.ready(), q=word)) == [a.room]
        assert not found(search(bob.ready(), q="secret" + word))


def test_order_and_pages(alice, bob):
    word = fresh("page")
    rooms = [create(alice, room="%s%d@%s" % (word, i, HOST)) for i in range(5)]
    for i in (1, 3):
        enter(bob, rooms[i].room, "b")
    many = [rooms[i].room for i in (1, 3, 0, 2, 4)]
    c = bob.ready()
    for order, fields in ((many, {}), (sorted(many), {"key": ADDRESS}),
                          (sorted(many), {"key": ADDRESS, "min_users": 0})):
        got, after = [], ""
        while True:
            answer = ask(c, "<max>2</max>" + after, q=word, **fields)
            page = found(answer)
            if not page:
                break
            assert len(page) <= 2
            got += page
            after = "<after>%s</after>" % next(answer.iter(RSM + "last")).text
        assert got == order, fields
    assert found(ask(c, q=word, min_users=2)) == many[:2]
    assert set(many) <= set(found(ask(c, "<max>100</max>", all=1, key=ADDRESS, min_users=0)))


@pytest.mark.parametrize("fields,expected", [
    ({"q": "x", "all": 1}, (("modify", "bad-request"), ["conflicting-fields"])),
    ({}, (("cancel", "bad-request"), ["no-search-conditions"])),
    ({"q": "  "}, (("modify", "bad-request"), ["invalid-search-terms"])),
    ({"q": "a b c d e"}, (("modify", "bad-request"), ["invalid-search-terms"])),
    ({"q": "x", "key": "other"}, (("modify", "feature-not-implemented"), ["invalid-sort-key"])),
    ({"q": "x", "sinname": 0, "sindescription": 0, "sinaddr": 0},
     (("modify", "bad-request"), ["no-search-conditions"])),
    ({"q": "x", "min_users": -1}, (("modify", "not-acceptable"), [])),
    ({"q": "x" * 301}, (("modify", "not-acceptable"), [])),
])
def test_mistakes(alice, fields, expected):
    answer = ask(alice.ready(), **fields)
    assert (condition(answer), wrong(answer)) == expected


def test_bound(own_server, make_account):
    """Many at once are told to wait, and later are answered again."""
    server = own_server()
    c = make_account(server).ready()
    for i in range(200):
        c.send("<iq type='get' id='s%d' to='%s'><search xmlns='%s:search'>"
               "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>"
               "%s:search-params</value></field><field var='q'><value>x</value></field></x>"
               "</search></iq>" % (i, HOST, NS, NS))
    answers = [c.wait("iq", id="s%d" % i) for i in range(200)]
    refused = [a for a in answers if a.get("type") == "error"]
    assert 10 < len(refused) < 141
    assert all(wrong(a) == ["rate-limit"] and condition(a) == ("wait", "resource-constraint")
               for a in refused)


def test_long_descriptions(own_server, make_account):
    """They make pages short, and searches in them count for several."""
    server = own_server()
    people = [make_account(server) for _ in range(2)]
    rooms = [create(p, roomdesc="&" * 1980 + " to be or not").room
             for p in people for _ in range(30)]
    c = people[0].ready()
    for fields in ({}, {"min_users": 0}):
        got, after = [], ""
        while True:
            answer = ask(c, after, q="to be or not", key=ADDRESS, **fields)
            page = found(answer)
            if not page:
                break
            assert len(ET.tostring(answer)) < 256000
            got += page
            after = "<after>%s</after>" % next(answer.iter(RSM + "last")).text
        assert got == sorted(rooms, key=lambda room: room.partition("@")[0])
    for i in range(40):  # as many as may come at once, if they are small
        c.send("<iq type='get' id='s%d' to='%s'><search xmlns='%s:search'>"
               "<set xmlns='http://jabber.org/protocol/rsm'><max>1</max></set><x xmlns='jabber:x:data'"
               " type='submit'><field var='FORM_TYPE'><value>%s:search-params</value></field>"
               "<field var='q'><value>to be or not</value></field></x></search></iq>" % (i, HOST, NS, NS))
    refused = [c.wait("iq", id="s%d" % i).get("type") == "error" for i in range(40)]
    assert any(refused) and not all(refused)
