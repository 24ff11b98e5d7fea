/* SPDX-License-Identifier: MIT
 *
 * In-band registration before the login: a request of a client that is nobody
 * yet, handed to the module that offers registration, and its answer back to the
 * stream, which waits for it.
 */
#include "core/core.h"
#include "core/registry.h"

#define DEADLINE (30 * JD_USEC_PER_SEC)

struct jd_register {
	struct list node; /* in requests */
	struct client *client;
	struct register_ask *ask;
	struct jd_instance *mi;
	struct jd_stanza *st;
	struct jd_owner owner;
};

static struct list requests = LIST_INIT(requests);

static int offer(struct jd_host *host, void *arg)
{
	struct jd_host *from = arg;

	if (host->register_fn)
		return -JD_EEXIST;
	host->register_mi = from->register_mi;
	host->register_fn = from->register_fn;
	return 0;
}

int jd_on_register(struct jd_instance *mi, jd_register_fn fn)
{
	struct jd_host wanted = {.register_mi = mi, .register_fn = fn};

	return instance_each_host(mi, offer, &wanted);
}

void registers_remove(struct jd_instance *mi)
{
	const struct jd_error error = {.condition = JD_SERVICE_UNAVAILABLE};

	for (struct list *n = requests.next, *next; n != &requests; n = next) {
		struct jd_register *r = container_of(n, struct jd_register, node);

		next = n->next;
		if (r->mi == mi)
			jd_register_error(r, &error);
	}
	for (struct list *n = server.hosts.next; n != &server.hosts; n = n->next) {
		struct jd_host *host = container_of(n, struct jd_host, node);

		if (host->register_mi != mi)
			continue;
		host->register_mi = NULL;
		host->register_fn = NULL;
	}
}

static void on_deadline(void *arg)
{
	const struct jd_error error = {.condition = JD_INTERNAL_SERVER_ERROR,
				       .text = "This took too long."};

	jd_register_error(arg, &error);
}

void client_register(struct client *c, struct register_ask *ask)
{
	struct jd_host *host = host_find(ask->host);
	struct jd_register *r;

	if (!host || !host->register_fn || server.stopping) {
		c2s_end(c->link, server.stopping ? STREAM_SYSTEM_SHUTDOWN : STREAM_HOST_GONE, NULL);
		register_ask_free(ask);
		return;
	}
	r = mem_new(struct jd_register);
	r->client = c;
	r->ask = ask;
	r->mi = host->register_mi;
	r->st = stanza_from_wire(server.stanzas, ask->wire);
	ask->wire = NULL; /* the stanza's now */
	owner_init(&r->owner);
	list_append(&requests, &r->node);
	c->asks++;
	(void)jd_timer_start(&r->owner, DEADLINE, on_deadline, r);
	host->register_fn(r->mi, r);
}

/* -- for the module -------------------------------------------------------------------- */

struct jd_stanza *jd_register_stanza(struct jd_register *r)
{
	return r->st;
}

struct jd_str jd_register_peer(struct jd_register *r)
{
	return r->ask->peer;
}

struct jd_owner *jd_register_pending(struct jd_register *r)
{
	return &r->owner;
}

struct jd_xml *jd_register_result(struct jd_register *r)
{
	return stanza_build(server.stanzas, JD_IQ, JD_TYPE_RESULT, JD_JID_NULL, JD_JID_NULL,
			    r->st->id);
}

static void answer(struct jd_register *r, struct jd_stanza *reply)
{
	struct client *c = r->client;

	list_remove(&r->node);
	owner_cancel_all(&r->owner);
	if (c->closed || c->ended)
		jd_stanza_unref(reply);
	else
		client_tell(c, reply, r->ask->framed, C2S_CTL_REGISTERED);
	jd_stanza_unref(r->st);
	register_ask_free(r->ask);
	mem_free(r);
	client_ask_done(c);
}

void jd_register_reply(struct jd_register *r, struct jd_xml *x)
{
	struct jd_stanza *reply = stanza_built(x);

	JD_ASSERT(reply); /* it is small, and all of it is ours */
	answer(r, reply);
}

void jd_register_error(struct jd_register *r, const struct jd_error *error)
{
	struct jd_stanza *reply = stanza_error(server.stanzas, r->st, error);

	JD_ASSERT(reply);
	answer(r, reply);
}
