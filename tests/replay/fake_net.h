/* SPDX-License-Identifier: MIT
 *
 * The network that replay tests pretend: the functions of net/link.h and the one
 * of stream/stream.h that the core calls, defined here so that the linker has no
 * reason to take the real ones out of the library.
 *
 * What a script sends is parsed by the real scanner and queued like messages in
 * an I/O thread's ring; a source of the logic loop hands it to client_receive().
 * What the core sends to a link is kept, as text, until the script has looked at it.
 */
#pragma once

#include "core/core.h"

/* One stanza that was sent to a link. */
struct output {
	struct list node;
	size_t len;
	char text[];
};

struct fake_link {
	struct link link; /* first */
	struct list node;
	struct list out; /* struct output */
	struct scan *scan;
	struct auth_answer *answer;
	bool bound, refused; /* what became of the last bind */
	bool held;           /* HOLD came, and no GO yet */
	unsigned holds;      /* how often */
	bool deaf;           /* does not read: what is sent stays counted */
	bool ended;          /* a stream error came: why and text */
	enum stream_condition why;
	const char *text;
	bool closing; /* IO_CLOSED is in the ring or was delivered */
	bool released;
};

void fake_net_start(void);
/* Every link must have been released. */
void fake_net_stop(void);

struct fake_link *fake_connect(void);
/* Everything in xml, first-level elements one after the other. */
void fake_send(struct fake_link *f, struct jd_str xml);
/* It takes what was sent to it. */
void fake_read(struct fake_link *f);
/* p belongs to the message. */
void fake_post(struct fake_link *f, uint32_t kind, void *p);
/* The client closes its stream; IO_CLOSED follows. */
void fake_close(struct fake_link *f);
/* Its connection is gone, without a word. */
void fake_lose(struct fake_link *f);
void fake_bind(struct fake_link *f, const char *host, const char *name, uint64_t owner,
	       const char *resource);
/* As if logged in, by another kind of connection. */
void fake_resume(struct fake_link *f, const char *host, const char *name, uint64_t owner,
		 struct jd_str previd, uint32_t h);
void fake_ask(struct fake_link *f, struct auth_ask ask);
/* The oldest thing sent to it, taken out (mem_free it), or NULL. */
struct output *fake_take(struct fake_link *f);
/* Nothing is left to be handed to the core. */
bool fake_net_idle(void);
/* For walking all links: NULL starts and ends. */
struct fake_link *fake_next(struct fake_link *after);

/* Text as a block, as a client's stream would make it; NULL: not exactly one element. */
struct jd_wire *fake_parse(struct jd_str xml);
