# SPDX-License-Identifier: MIT
"""A room in which everybody talks at once, when the server or a connection breaks: what anybody
heard is in the log, once, in the order in which it was heard, and nothing between is missing."""

import xml.etree.ElementTree as ET

import pytest

from muc import STANZA_ID, Occupant, create
from test_muc_history import inner, query
from test_sm import enable, resume
from xmlstream import qname

TALKERS, WORDS = 8, 25  # fewer than the room has places in its mailbox
FAST = {"muc": {"messages_per_second": 10000}}
HISTORY = "<history maxstanzas='0'/>"
CLIENT = "{jabber:client}"


def words(i):
    return ["%d.%d" % (i, n) for n in range(WORDS)]


def said_in(events, room):
    """(id in the log, body) of the room's messages among these events."""
    return [(e.find(STANZA_ID).get("id"), e.findtext(qname("body"))) for e in events
            if isinstance(e, ET.Element) and e.tag == qname("message")
            and e.get("type") == "groupchat" and e.get("from").startswith(room + "/")
            and e.find(qname("body")) is not None]


def log_of(client, room):
    rows, after = [], ""
    while True:
        answer, results = query(client, room, rsm="<max>50</max>" + after)
        rows += [(r.get("id"), inner(r).findtext(qname("body"))) for r in results]
        if answer.find("{urn:xmpp:mam:2}fin").get("complete") == "true":
            return rows
        after = "<after>%s</after>" % rows[-1][0]


def is_part_of(heard, log):
    """Without a hole, and in the same order."""
    start = log.index(heard[0]) if heard else 0
    return log[start:start + len(heard)] == heard


def read_until(client, room, count, events=()):
    """What comes, until so many messages of the room are among it."""
    events = list(events)
    while len(said_in(events, room)) < count:
        events.append(client.next())
    return events


def talk(occupants):
    """All say all that they have, as fast as it can be written."""
    for n in range(WORDS):
        for i, o in enumerate(occupants):
            o.client.send("<message to='%s' type='groupchat' id='w%d.%d'><body>%d.%d</body>"
                          "</message>" % (o.room, i, n, i, n))


def room_of(accounts):
    owner = create(accounts[0], "n0", persistentroom=1)
    return [owner] + [Occupant(a.ready(), owner.room, "n%d" % (i + 1)).join()
                      for i, a in enumerate(accounts[1:])]


def say_rest(accounts, room):
    """Everybody comes back and says what is not in the log."""
    occupants = [Occupant(a.ready(), room, "n%d" % i).join(HISTORY)
                 for i, a in enumerate(accounts)]
    there = {body for _, body in log_of(occupants[0].client, room)}
    for i, o in enumerate(occupants):
        for body in words(i):
            if body not in there:
                o.say(body)
    for o in occupants:
        assert o.barrier()
    return log_of(occupants[0].client, room)


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_restart_under_load(make_account, own_server, how):
    server = own_server(settings=FAST)
    accounts = [make_account(server) for _ in range(TALKERS)]
    occupants = room_of(accounts)
    room = occupants[0].room
    talk(occupants)
    first = read_until(occupants[0].client, room, TALKERS)
    getattr(server, how)()
    heard = [said_in(o.client.drain_to_end(), room) for o in occupants]
    heard[0] = said_in(first, room) + heard[0]
    server.start()
    before = log_of(accounts[1].ready(), room)
    log = say_rest(accounts, room)
    assert log[:len(before)] == before
    assert sorted(body for _, body in log) == sorted(
        body for i in range(TALKERS) for body in words(i))
    assert len({id_ for id_, _ in log}) == len(log)
    for part in heard:
        assert is_part_of(part, before)


def test_resume_under_load(make_account, own_server):
    """Whoever loses the connection and resumes has heard everything, once."""
    server = own_server(settings=FAST)
    accounts = [make_account(server) for _ in range(TALKERS)]
    occupants = room_of(accounts)
    room = occupants[0].room
    account = make_account(server)
    listener = Occupant(account.ready(), room, "listener").join(HISTORY)
    assert listener.barrier()
    enable(listener.client)
    listener.client.events.clear()
    talk(occupants)
    first = read_until(listener.client, room, 20)
    listener.client.cut()
    stanzas = [e for e in first if isinstance(e, ET.Element) and e.tag.startswith(CLIENT)]
    again, answer = resume(server, account, listener.client.sm_id, len(stanzas))
    assert answer.tag == qname("sm:resumed")
    everything = said_in(read_until(again, room, TALKERS * WORDS, first), room)
    assert everything == log_of(accounts[0].ready(), room)
    again.close()
