/* SPDX-License-Identifier: MIT
 *
 * Where the messages of the I/O threads arrive.  A client is the logic side of
 * one link: it exists from the link's first question until the link has closed
 * and every question has been answered, and holds the link for that long.
 */
#include "core/core.h"
#include "core/login.h"
#include "core/sm.h"
#include "core/tokens.h"

struct client *client_of(struct link *link)
{
	struct client *c = link->user;

	if (c)
		return c;
	c = mem_new(struct client);
	c->link = link;
	link->user = c;
	list_append(&server.clients, &c->node);
	return c;
}

static void client_settle(struct client *c)
{
	if (!c->closed || c->asks)
		return;
	JD_ASSERT(!c->session);
	auth_end(c);
	list_remove(&c->node);
	c->link->user = NULL;
	link_release(c->link);
	mem_free(c->login);
	mem_free(c);
}

void client_ask_done(struct client *c)
{
	JD_ASSERT(c->asks > 0);
	c->asks--;
	client_settle(c);
}

/* The last post of a session whose connection has gone: everything before it was handled. */
static void on_last_post(void *arg, bool dropped)
{
	struct jd_session *s = arg;

	if (!dropped)
		session_unbind(s);
	session_unref(s);
}

/* Nothing more comes from the connection: the session ends behind what came before, unless it
 * is one that may be resumed. */
static void client_session_ends(struct client *c, enum stream_end how)
{
	struct jd_session *s = c->session;

	c->ended = true;
	component_gone(c);
	if (!s)
		return;
	c->session = NULL;
	s->client = NULL;
	if (how == STREAM_LOST && sm_lost(s))
		session_unref(s);
	else /* the reference goes to the last post */
		mailbox_post_fn(&s->mailbox, on_last_post, s);
}

static void client_closed(struct link *link)
{
	struct client *c = link->user;

	if (!c) { /* it never asked for anything */
		link_release(link);
		return;
	}
	c->closed = true;
	client_session_ends(c, STREAM_LOST);
	c->asks++; /* it must not go before the last line */
	auth_closed(c);
	client_ask_done(c);
}

struct bind_wait {
	struct client *client;
	struct bind_ask *ask;
	struct jd_account *account;
};

/* In its place in the account's mailbox, when the account has been loaded. */
static void on_account(void *arg, bool dropped)
{
	struct bind_wait *w = arg;

	if (!dropped && !w->client->closed && !w->client->ended)
		session_bind(w->client, w->ask, w->account);
	account_unpin(w->account);
	client_ask_done(w->client);
	mem_free(w->ask);
	mem_free(w);
}

static void client_bind(struct client *c, struct bind_ask *ask)
{
	struct jd_host *host = host_find(ask->host);
	struct bind_wait *w;

	if (!host || server.stopping || c->session) {
		c2s_end(c->link, host ? STREAM_SYSTEM_SHUTDOWN : STREAM_HOST_GONE, NULL);
		mem_free(ask);
		return;
	}
	w = mem_new(struct bind_wait);
	*w = (struct bind_wait){c, ask, account_get(host, ask->name)};
	c->asks++;
	account_pin(w->account);
	mailbox_post_fn(&w->account->mailbox, on_account, w);
}

static void client_element(struct client *c, struct jd_wire *wire)
{
	if (c->session)
		session_receive(c->session, wire);
	else if (c->component)
		component_receive(c->component, wire);
	else
		wire_unref(wire); /* the session has been ended; the stream is closing */
}

static void client_drained(struct jd_session *s)
{
	if (s->sm)
		unacked_pump(s);
	session_drained(s);
}

static void client_auth(struct client *c, struct auth_ask *ask)
{
	if (ask->what == AUTH_TOKEN)
		token_ask(c, ask);
	else
		auth_ask(c, ask);
}

void client_receive(const struct io_msg *msg, void *arg)
{
	(void)arg;
	switch (msg->kind) {
	case IO_CLOSED:
		client_closed(msg->link);
		break;
	case IO_DRAINED:
		if (msg->link->user && client_of(msg->link)->session)
			client_drained(client_of(msg->link)->session);
		break;
	case C2S_AUTH:
		client_auth(client_of(msg->link), msg->p);
		break;
	case C2S_AUTH_RESULT:
		auth_result(msg->p);
		mem_free(msg->p);
		break;
	case C2S_BIND:
		client_bind(client_of(msg->link), msg->p);
		break;
	case C2S_RESUME:
		client_resume(client_of(msg->link), msg->p);
		break;
	case C2S_UPGRADE:
		login_upgrade(client_of(msg->link), msg->p);
		break;
	case C2S_LOGIN:
		login_complete(client_of(msg->link), msg->p);
		break;
	case C2S_REGISTER:
		client_register(client_of(msg->link), msg->p);
		break;
	case C2S_COMPONENT:
		component_bind(client_of(msg->link), msg->p);
		break;
	case C2S_ELEMENT:
		client_element(client_of(msg->link), msg->p);
		break;
	case C2S_IDLE:
		if (client_of(msg->link)->session)
			session_ping(client_of(msg->link)->session);
		break;
	case C2S_END:
		/* IO_CLOSED may be seconds away */
		client_session_ends(client_of(msg->link), (enum stream_end)msg->n);
		break;
	default:
		JD_ASSERT(!"unknown message");
	}
}
