# SPDX-License-Identifier: MIT
"""A client in a room (XEP-0045), on top of raw.py: what tests of rooms have in common."""

from raw import fresh
from xmlstream import qname

MUC = "http://jabber.org/protocol/muc"
USER = "{%s#user}" % MUC
ADMIN = "{%s#admin}" % MUC
OCCUPANT = "{urn:xmpp:occupant-id:0}"
STANZA_ID = "{urn:xmpp:sid:0}stanza-id"
DELAY = "{urn:xmpp:delay}delay"


def new_room(host="localhost"):
    return "%s@conference.%s" % (fresh("room"), host)


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("'", "&apos;")


def nick_of(stanza):
    return stanza.get("from").partition("/")[2]


def codes(presence):
    """The status codes of a stanza, in the order in which they are there."""
    return [int(s.get("code")) for s in presence.iter(USER + "status")]


def item(presence):
    return presence.find(USER + "x").find(USER + "item")


def rank(presence):
    """Affiliation and role."""
    return item(presence).get("affiliation"), item(presence).get("role")


class Occupant:
    """A client under a name in a room."""

    def __init__(self, client, room, nick):
        self.client, self.room, self.nick = client, room, nick
        self.others = {}  # by name: the presence with which they were shown
        self.self_presence = None
        self.history = []
        self.subject = None

    @property
    def jid(self):
        return "%s/%s" % (self.room, self.nick)

    def send_join(self, inside="", before=""):
        self.client.send("<presence to='%s'>%s<x xmlns='%s'>%s</x></presence>" % (
            escaped(self.jid), before, MUC, inside))

    def join(self, inside="", before=""):
        """Comes in: others, itself, history, subject, and in this order."""
        self.send_join(inside, before)
        return self.entered()

    def entered(self):
        self.others, self.history = {}, []
        while True:
            p = self.from_room()
            assert p.tag == qname("presence"), p.tag
            assert p.get("type") is None, "refused: %s" % p.get("type")
            assert len(p.findall(USER + "x")) == 1
            assert len(p.findall(OCCUPANT + "occupant-id")) == 1
            if 110 in codes(p):
                break
            self.others[nick_of(p)] = p
        self.self_presence = p
        assert p.get("from") == self.jid and codes(p) == sorted(codes(p))
        while True:
            m = self.from_room()
            assert m.tag == qname("message") and m.get("type") == "groupchat"
            if m.find(qname("subject")) is not None and m.find(qname("body")) is None:
                break
            assert m.find(DELAY).get("from") == self.room
            self.history.append(m)
        self.subject = m.findtext(qname("subject"))
        return self

    def refused(self, inside="", before=""):
        self.send_join(inside, before)
        return self.client.wait("presence", type="error", from_=self.jid)

    def from_room(self):
        return self.client.wait_for(
            lambda e: (getattr(e, "get", lambda _: None)("from") or "").split("/")[0] == self.room,
            "something from the room")

    def configure(self, **fields):
        """Submits the form; names without their prefix; lists are several values."""
        return self.client.iq("set", form(fields), self.room)

    def say(self, body, id=None, inside=""):
        id = id or fresh("say")
        self.client.send(
            "<message to='%s' type='groupchat' id='%s'><body>%s</body>%s</message>"
            % (self.room, id, escaped(body), inside))
        return id

    def set_subject(self, text):
        self.client.send("<message to='%s' type='groupchat' id='%s'><subject>%s</subject></message>"
                         % (self.room, fresh("subject"), escaped(text)))

    def hears(self, body):
        return self.client.wait_for(
            lambda e: getattr(e, "tag", None) == qname("message")
            and e.findtext(qname("body")) == body
            and e.get("from").split("/")[0] == self.room
            and e.get("type") == "groupchat", "the room's message " + body)

    def sees(self, nick, type=None):
        """The next presence of that name."""
        return self.client.wait_for(
            lambda e: getattr(e, "tag", None) == qname("presence")
            and e.get("from") == "%s/%s" % (self.room, nick)
            and e.get("type") == type, "presence of %s" % nick)

    def leave(self, status=""):
        inside = "<status>%s</status>" % escaped(status) if status else ""
        self.client.send("<presence to='%s' type='unavailable'>%s</presence>" % (
            escaped(self.jid), inside))
        gone = self.sees(self.nick, "unavailable")
        assert 110 in codes(gone)
        return gone

    def barrier(self):
        """Behind it, everything that the room has sent before is here."""
        answer = self.client.iq("get", "<ping xmlns='urn:xmpp:ping'/>", self.jid)
        return answer.get("type") == "result"

    def admin(self, kind, *items):
        """items: dictionaries of attributes; reason is an element."""
        text = ""
        for i in items:
            attrs = "".join(" %s='%s'" % (k, escaped(v)) for k, v in i.items() if k != "reason")
            reason = "<reason>%s</reason>" % escaped(i["reason"]) if "reason" in i else ""
            text += "<item%s>%s</item>" % (attrs, reason)
        return self.client.iq(kind, "<query xmlns='%s#admin'>%s</query>" % (MUC, text), self.room)

    def affiliate(self, account, affiliation, **more):
        return self.admin("set", dict(jid=getattr(account, "jid", account),
                                      affiliation=affiliation, **more))

    def role(self, nick, role, **more):
        return self.admin("set", dict(nick=nick, role=role, **more))

    def listed(self, **which):
        answer = self.admin("get", which)
        assert answer.get("type") == "result", answer
        return [dict(i.attrib) for i in answer.iter(ADMIN + "item")]


def form(fields, prefix="muc#roomconfig_"):
    """The owner's form, submitted; without fields: an instant room."""
    text = ""
    if fields:
        text = ("<field var='FORM_TYPE' type='hidden'><value>%s#roomconfig</value></field>" % MUC)
    for name, value in fields.items():
        values = value if isinstance(value, (list, tuple)) else [value]
        var = name if "#" in name else prefix + name
        text += "<field var='%s'>%s</field>" % (
            var, "".join("<value>%s</value>" % escaped(str(v)) for v in values))
    return ("<query xmlns='%s#owner'><x xmlns='jabber:x:data' type='submit'>%s</x></query>"
            % (MUC, text))


def create(account, nick="owner", room=None, **fields):
    """A room that is open, with its owner in it."""
    owner = Occupant(account.ready(), room or new_room(account.host), nick).join()
    assert 201 in codes(owner.self_presence)
    assert owner.configure(**fields).get("type") == "result"
    return owner


def enter(account, room, nick, inside="", before=""):
    return Occupant(account.ready(), room, nick).join(inside, before)
