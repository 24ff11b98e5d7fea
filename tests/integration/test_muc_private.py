# SPDX-License-Identifier: MIT
"""What occupants of a room say to one (XEP-0045 7.5): it is in the archives of the two accounts,
once each, and in no other; copies go to the sender's other devices; who said it takes it back."""

import pytest

from muc import OCCUPANT, Occupant, create, enter
from test_archive import Page, SID
from test_carbons import copies, inner, switch
from test_muc_history import query
from xmlstream import qname

pytestmark = pytest.mark.ours
MARK = "{http://jabber.org/protocol/muc#user}x"
RETRACT = "{urn:xmpp:message-retract:1}"


class Scene:
    """Alice and bob with two devices in the room each, and one more beside; carol is there, too."""

    def __init__(self, alice, bob, carol):
        self.alice, self.bob, self.carol = alice, bob, carol
        self.a = create(alice, "a")
        self.room = self.a.room
        self.b = enter(bob, self.room, "b")
        self.b2 = enter(bob, self.room, "b")
        self.c = enter(carol, self.room, "c")
        self.tablet, self.desk = alice.ready(), bob.ready()
        for client in (self.a.client, self.b.client, self.b2.client, self.tablet, self.desk):
            assert switch(client).get("type") == "result"
        for o in (self.a, self.b, self.b2, self.c):
            assert o.barrier()
            o.client.events.clear()

    def whisper(self, sender, nick, inside, id_):
        sender.client.send("<message type='chat' id='%s' to='%s/%s'>%s"
                           "<x xmlns='http://jabber.org/protocol/muc#user'/></message>"
                           % (id_, self.room, nick, inside))

    def nobody_else(self):
        """Neither the room nor the third occupant has anything of it."""
        assert self.c.barrier()
        assert not self.c.client.taken("message")
        assert not query(self.c.client, self.room)[1]
        assert not Page(self.c.client).bodies


@pytest.fixture
def scene(alice, bob, account):
    return Scene(alice, bob, account())


def test_in_both_archives_and_no_other(scene):
    s = scene
    s.whisper(s.a, "b", "<body>psst</body>", "p1")
    ids = []
    for o in (s.b, s.b2):
        m = o.client.wait("message", id="p1")
        assert (m.get("from"), m.get("type")) == (s.a.jid, "chat")
        assert len(m.findall(MARK)) == 1 and m.find(OCCUPANT + "occupant-id") is not None
        ids.append([i.get("id") for i in m.iter(SID) if i.get("by") == s.bob.jid])
    assert ids[0] == ids[1] and len(ids[0]) == 1
    page = Page(s.b.client)
    assert page.bodies == ["psst"] and page.ids == ids[0]
    assert page.messages[0].get("from") == s.a.jid
    page = Page(s.tablet)
    assert page.bodies == ["psst"]
    assert page.messages[0].get("to") == s.room + "/b"
    s.nobody_else()


def test_copies(scene):
    """To the sender's other devices; those of whom it is for get it from the room, or not at all."""
    s = scene
    s.whisper(s.a, "b", "<body>psst</body>", "p1")
    sent = inner(s.tablet, "sent")
    assert (sent.get("to"), sent.get("id")) == (s.room + "/b", "p1")
    assert sent.find(MARK) is not None
    for o in (s.b, s.b2):
        o.client.wait("message", id="p1")
        assert o.barrier() and not copies(o.client)
    s.a.client.barrier(s.desk)
    assert not copies(s.desk)
    assert not s.desk.taken("message", from_=s.a.jid)


def test_taken_back(scene):
    s = scene
    retract = "<retract xmlns='urn:xmpp:message-retract:1' id='p1'/>"
    s.whisper(s.a, "b", "<body>psst</body>", "p1")
    s.b.client.wait("message", id="p1")
    s.whisper(s.c, "b", retract, "r1")      # it is not his
    s.whisper(s.b, "a", retract, "r2")
    s.b.client.wait("message", id="r1")
    s.a.client.wait("message", id="r2")
    assert "psst" in Page(s.desk).bodies and "psst" in Page(s.tablet).bodies
    s.whisper(s.a, "b", retract, "r3")
    s.b.client.wait("message", id="r3")
    for client in (s.desk, s.tablet):
        page = Page(client)
        assert "psst" not in page.bodies
        tombs = [m for m in page.messages if m.find(RETRACT + "retracted") is not None]
        assert len(tombs) == 1 and tombs[0].find(qname("body")) is None


def test_whoever_is_away_finds_it(scene):
    """A device that was not there reads both sides in the archive, by whom they are with."""
    s = scene
    s.whisper(s.a, "b", "<body>one</body>", "p1")
    s.b.client.wait("message", id="p1")
    s.whisper(s.b, "a", "<body>two</body>", "p2")
    s.a.client.wait("message", id="p2")
    s.whisper(s.c, "b", "<body>three</body>", "p3")
    s.b.client.wait("message", id="p3")
    late = s.bob.ready()
    with_a = ("<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE'><value>urn:xmpp:mam:2"
              "</value></field><field var='with'><value>%s/a</value></field></x>" % s.room)
    assert Page(late, with_a).bodies == ["one", "two"]
    assert Page(late).bodies == ["one", "two", "three"]


def test_refused_is_kept_by_nobody(scene):
    """What the room does not let through is not in the archive of whom it was for."""
    s = scene
    assert s.a.configure(allowpm="none").get("type") == "result"
    s.whisper(s.b, "a", "<body>no</body>", "p1")
    assert s.b.client.wait("message", id="p1", type="error") is not None
    stranger = Occupant(s.desk, s.room, "x")
    s.whisper(stranger, "a", "<body>no</body>", "p2")
    assert s.desk.wait("message", id="p2", type="error") is not None
    assert not Page(s.tablet).bodies
