# SPDX-License-Identifier: MIT
"""The client side of SASL2 (XEP-0388), Bind 2 (0386), FAST (0484) and upgrades (0480)."""

import hashlib
import hmac
import uuid
import xml.etree.ElementTree as ET

from raw import Client
from scram import HASHES, Scram, b64, unb64
from xmlstream import NS, qname

NS.setdefault("sasl2", "urn:xmpp:sasl:2")
NS.setdefault("bind2", "urn:xmpp:bind:0")
NS.setdefault("fast", "urn:xmpp:fast:0")
NS.setdefault("upgrade", "urn:xmpp:sasl:upgrade:0")
NS.setdefault("scramup", "urn:xmpp:scram-upgrade:0")

BIND = "<bind xmlns='urn:xmpp:bind:0'/>"


def bind(inside):
    return "<bind xmlns='urn:xmpp:bind:0'>%s</bind>" % inside


def tag(text):
    return bind("<tag>%s</tag>" % text)


def request_token(mechanism="HT-SHA-256-NONE"):
    return "<request-token xmlns='urn:xmpp:fast:0' mechanism='%s'/>" % mechanism


def agent(id_, software="Raw", device="Bench"):
    return ("<user-agent id='%s'><software>%s</software><device>%s</device></user-agent>"
            % (id_, software, device))


def new_id():
    return str(uuid.uuid4())


def ht(user, token, binding=b""):
    mac = hmac.new(token.encode(), b"Initiator" + binding, hashlib.sha256).digest()
    return b64(user.encode() + b"\0" + mac)


class Token:
    """What a device keeps."""

    def __init__(self, user, device, element, mechanism="HT-SHA-256-NONE"):
        self.user = user
        self.device = device
        self.text = element.get("token")
        self.expiry = element.get("expiry")
        self.mechanism = mechanism


def is_answer(event):
    return isinstance(event, ET.Element) and event.tag.startswith("{%s}" % NS["sasl2"])


def answer(client):
    return client.wait_for(is_answer, "an answer of SASL2")


def send(client, mechanism, initial=None, inside=""):
    first = "" if initial is None else "<initial-response>%s</initial-response>" % initial
    client.send("<authenticate xmlns='%s' mechanism='%s'>%s%s</authenticate>" % (
        NS["sasl2"], mechanism, first, inside))


def exchange(client, mechanism, user, password, inside="", **knobs):
    """Up to <success/>, <failure/> or <continue/>; checks the server's signature."""
    if mechanism == "PLAIN":
        send(client, mechanism, b64(("\0%s\0%s" % (user, password)).encode()), inside)
        return answer(client)
    assert mechanism in HASHES
    scram = Scram(mechanism, user, password, **knobs)
    send(client, mechanism, b64(scram.first()), inside)
    reply = answer(client)
    if reply.tag != qname("sasl2:challenge"):
        return reply
    client.send("<response xmlns='%s'>%s</response>" % (
        NS["sasl2"], b64(scram.final(unb64(reply.text)))))
    reply = answer(client)
    if reply.tag in (qname("sasl2:success"), qname("sasl2:continue")):
        scram.verify(unb64(reply.findtext(qname("sasl2:additional-data"))))
    return reply


def use(client, token, inside="", fast="", binding=b"", mechanism=None, user=None, device=None):
    """A login by a token; the answer. The server must know the token, too."""
    inside += agent(device or token.device)
    inside += "<fast xmlns='urn:xmpp:fast:0' %s/>" % fast
    send(client, mechanism or token.mechanism, ht(user or token.user, token.text, binding), inside)
    reply = answer(client)
    if reply.tag == qname("sasl2:success"):
        want = hmac.new(token.text.encode(), b"Responder" + binding, hashlib.sha256).digest()
        assert unb64(reply.findtext(qname("sasl2:additional-data"))) == want
    return reply


def succeeded(client, reply):
    """Waits for the features behind <success/>; sets client.jid."""
    assert reply.tag == qname("sasl2:success"), ET.tostring(reply, "unicode")
    client.jid = reply.findtext(qname("sasl2:authorization-identifier"))
    client.features = client.wait("stream:features")
    return client


def failed(reply):
    """The condition of a <failure/>."""
    assert reply.tag == qname("sasl2:failure"), ET.tostring(reply, "unicode")
    names = [e.tag.rpartition("}")[2] for e in reply if e.tag.startswith("{%s}" % NS["sasl"])]
    assert len(names) == 1, ET.tostring(reply, "unicode")
    return names[0]


def login(server, account, transport="starttls", mechanism="SCRAM-SHA-256", inside=BIND,
          connect=Client, **options):
    client = connect(server, transport, host=account.host, **options).secure()
    reply = exchange(client, mechanism, account.user, account.password, inside)
    succeeded(client, reply)
    client.success = reply
    return client


def token_of(account, device, reply, mechanism="HT-SHA-256-NONE"):
    element = reply.find(qname("fast:token"))
    assert element is not None, ET.tostring(reply, "unicode")
    return Token(account.user, device, element, mechanism)
