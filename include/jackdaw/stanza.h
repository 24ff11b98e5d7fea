/* SPDX-License-Identifier: MIT
 *
 * A stanza on its way: who sent what to whom, readable as a tree, cheap to send
 * on.  It is made by the stream layer from what was received or by the writers
 * below, and moves from mailbox to mailbox on the logic thread.
 *
 * Its content is an immutable block that may be shared with other threads and
 * with hundreds of receivers; what a stanza changes on its way (addresses, a
 * removed or an added child) is kept beside the block and becomes bytes when it
 * is sent.  Changing a stanza changes it for its next stations only.
 *
 * A handler borrows the stanza that it is called with.  Keeping it beyond the
 * handler takes a reference.
 *
 * Logic thread.
 */
#pragma once

#include <jackdaw/jid.h>
#include <jackdaw/xml.h>

struct jd_instance;
struct jd_session;
struct jd_receipt;

enum jd_kind { JD_MESSAGE, JD_PRESENCE, JD_IQ };

/* One enumeration for all three kinds; JD_TYPE_NONE is "normal" for a message
 * and "available" for presence, and never occurs in an IQ. */
enum jd_type {
	JD_TYPE_NONE,
	JD_TYPE_ERROR,
	JD_TYPE_CHAT,
	JD_TYPE_GROUPCHAT,
	JD_TYPE_HEADLINE,
	JD_TYPE_UNAVAILABLE,
	JD_TYPE_SUBSCRIBE,
	JD_TYPE_SUBSCRIBED,
	JD_TYPE_UNSUBSCRIBE,
	JD_TYPE_UNSUBSCRIBED,
	JD_TYPE_PROBE,
	JD_TYPE_GET,
	JD_TYPE_SET,
	JD_TYPE_RESULT,
	JD_TYPE_INVALID, /* a type that this kind does not have; answered with bad-request */
};

/* A place in the log of an account or a room (jackdaw/archive.h). */
struct jd_row {
	uint64_t owner; /* 0: none */
	uint64_t id;
};

/* Read the fields freely; change them only through the functions. */
struct jd_stanza {
	enum jd_kind kind;
	enum jd_type type;
	struct jd_jid from;
	struct jd_jid to; /* never absent once it is routed: no 'to' means the sender's bare JID */
	struct jd_str id; /* p NULL: none */
	struct jd_str lang;
	struct jd_session *origin;  /* the local session that sent it, while that lives; or NULL */
	struct jd_receipt *receipt; /* core.h; NULL for what no session of ours has sent */
	struct jd_row row;          /* where it has been stored last; a clone has it, too */
	struct jd_arena *arena;     /* lives as long as the stanza */
};

JD_EXPORT struct jd_stanza *jd_stanza_ref(struct jd_stanza *st);
JD_EXPORT void jd_stanza_unref(struct jd_stanza *st); /* NULL is fine */

/* About what it holds in memory, for bounds on what is kept. */
JD_EXPORT size_t jd_stanza_size(const struct jd_stanza *st);

/* The stanza element with its children as they would be sent now, edits included;
 * views of it live as long as the stanza, but show later edits only when asked for
 * again.  Read addresses from the fields, not from attributes of this element:
 * those may still be the ones that the stanza came with. */
JD_EXPORT struct jd_el jd_stanza_root(struct jd_stanza *st);

/* The whole stanza as it would be sent now, addresses included, as an element in x:
 * for forwarding (XEP-0297) and archives. */
JD_EXPORT void jd_stanza_write(struct jd_stanza *st, struct jd_xml *x);

/* -- edits -------------------------------------------------------------------- */

JD_EXPORT void jd_stanza_set_from(struct jd_stanza *st, struct jd_jid from); /* text is copied */
JD_EXPORT void jd_stanza_set_to(struct jd_stanza *st, struct jd_jid to);
/* It is committed to the log of `owner` under this number: whoever gets it there need not
 * store it again, and its arrival is noted. */
JD_EXPORT void jd_stanza_set_row(struct jd_stanza *st, uint64_t owner, uint64_t id);

/* Removes every child for which match() says so; returns how many. Reads once,
 * copies only if something is removed. */
JD_EXPORT unsigned jd_stanza_remove(struct jd_stanza *st,
				    bool (*match)(struct jd_el child, const void *arg),
				    const void *arg);

/* A writer that adds children behind the present ones; done with jd_stanza_added().
 * What grows past the bound on a stanza's size is not added. */
JD_EXPORT struct jd_xml *jd_stanza_add(struct jd_stanza *st);
JD_EXPORT void jd_stanza_added(struct jd_stanza *st, struct jd_xml *x);

/* -- errors (RFC 6120 section 8.3) --------------------------------------------- */

enum jd_condition {
	JD_BAD_REQUEST,
	JD_CONFLICT,
	JD_FEATURE_NOT_IMPLEMENTED,
	JD_FORBIDDEN,
	JD_GONE,
	JD_INTERNAL_SERVER_ERROR,
	JD_ITEM_NOT_FOUND,
	JD_JID_MALFORMED,
	JD_NOT_ACCEPTABLE,
	JD_NOT_ALLOWED,
	JD_NOT_AUTHORIZED,
	JD_POLICY_VIOLATION,
	JD_RECIPIENT_UNAVAILABLE,
	JD_REDIRECT,
	JD_REGISTRATION_REQUIRED,
	JD_REMOTE_SERVER_NOT_FOUND,
	JD_REMOTE_SERVER_TIMEOUT,
	JD_RESOURCE_CONSTRAINT,
	JD_SERVICE_UNAVAILABLE,
	JD_SUBSCRIPTION_REQUIRED,
	JD_UNDEFINED_CONDITION,
	JD_UNEXPECTED_REQUEST,
};

/* JD_ERRTYPE_DEFAULT: the one that RFC 6120 associates with the condition. */
enum jd_errtype {
	JD_ERRTYPE_DEFAULT,
	JD_ERRTYPE_AUTH,
	JD_ERRTYPE_CANCEL,
	JD_ERRTYPE_CONTINUE,
	JD_ERRTYPE_MODIFY,
	JD_ERRTYPE_WAIT,
};

struct jd_error {
	enum jd_condition condition;
	enum jd_errtype type;
	const char *text;   /* English, for people; or NULL */
	const char *app_ns; /* an application-specific condition; or NULL */
	const char *app_name;
};

JD_EXPORT const char *jd_condition_name(enum jd_condition c);
