# SPDX-License-Identifier: MIT
"""A room of a hundred people, and the next one (protocol.md 2)."""

from muc import Occupant, codes, create
from raw import condition


def test_a_hundred_and_the_next(make_account, own_server):
    """One account under several names is as many people."""
    server = own_server()
    alice, *people = [make_account(server) for _ in range(12)]
    a = create(alice, "n0", whois="anyone")
    clients = [people[i // 10].ready() for i in range(100)]
    everybody = [a]
    for i, client in enumerate(clients[:99]):
        everybody.append(Occupant(client, a.room, "n%d" % (i + 1)).join())
        assert len(everybody[-1].others) == i + 1
    last = Occupant(clients[99], a.room, "n100")
    assert condition(last.refused()) == ("wait", "service-unavailable")
    # one device more of a person is nobody more
    second = Occupant(people[9].ready(), a.room, "n99").join()
    id_ = everybody[50].say("to all")
    for o in everybody:
        assert o.hears("to all").get("id") == id_
    # an owner more may come, and five of them at most
    owners = [Occupant(alice.ready(), a.room, "o%d" % i) for i in range(6)]
    for o in owners[:5]:
        o.join()
    assert condition(owners[5].refused()) == ("wait", "service-unavailable")
    assert second.hears("to all")
    everybody[1].leave()
    for o in owners[:5]:
        o.leave()
    last.join()
    assert codes(last.self_presence) == [100, 110]
    assert condition(owners[5].configure(maxusers=101))[1] == "not-acceptable"


def test_race_for_the_last_place(alice, account):
    """Two at once: exactly one is in."""
    a = create(alice, maxusers=2)
    two = [Occupant(account().ready(), a.room, "r%d" % i) for i in range(2)]
    for o in two:
        o.send_join()
    got = [o.client.wait_for(lambda e, o=o: getattr(e, "get", lambda _: None)("from") == o.jid,
                             "an answer") for o in two]
    assert sorted(p.get("type") or "" for p in got) == ["", "error"]
