/* SPDX-License-Identifier: MIT
 *
 * The namespaces that more than one file names.  A module's own namespaces are
 * plain strings in its own source.
 */
#pragma once

/*
 * The content namespace: jabber:client, jabber:server or
 * jabber:component:accept, whichever the stream speaks.  In memory the stanza
 * and what inherits its namespace carry this one name, and the writer of the
 * receiving connection says what is right there.  It prints as jabber:client.
 */
#define JD_NS_STANZA "jabber:client"

#define JD_NS_SERVER        "jabber:server"
#define JD_NS_COMPONENT     "jabber:component:accept"
#define JD_NS_STREAM        "http://etherx.jabber.org/streams"
#define JD_NS_STREAM_ERRORS "urn:ietf:params:xml:ns:xmpp-streams"
#define JD_NS_STANZA_ERRORS "urn:ietf:params:xml:ns:xmpp-stanzas"
#define JD_NS_TLS           "urn:ietf:params:xml:ns:xmpp-tls"
#define JD_NS_SASL          "urn:ietf:params:xml:ns:xmpp-sasl"
#define JD_NS_SASL_CB       "urn:xmpp:sasl-cb:0"
#define JD_NS_SASL2         "urn:xmpp:sasl:2"
#define JD_NS_BIND2         "urn:xmpp:bind:0"
#define JD_NS_FAST          "urn:xmpp:fast:0"
#define JD_NS_BIND          "urn:ietf:params:xml:ns:xmpp-bind"
#define JD_NS_SESSION       "urn:ietf:params:xml:ns:xmpp-session"
#define JD_NS_FRAMING       "urn:ietf:params:xml:ns:xmpp-framing"
#define JD_NS_SM            "urn:xmpp:sm:3"
#define JD_NS_LIMITS        "urn:xmpp:stream-limits:0"
#define JD_NS_ROSTER        "jabber:iq:roster"
#define JD_NS_ROSTERVER     "urn:xmpp:features:rosterver"
#define JD_NS_DISCO_INFO    "http://jabber.org/protocol/disco#info"
#define JD_NS_DISCO_ITEMS   "http://jabber.org/protocol/disco#items"
#define JD_NS_DATAFORM      "jabber:x:data"
#define JD_NS_DELAY         "urn:xmpp:delay"
#define JD_NS_SID           "urn:xmpp:sid:0"
#define JD_NS_XML           "http://www.w3.org/XML/1998/namespace"
