/* SPDX-License-Identifier: MIT
 *
 * External components (XEP-0114): domains whose addresses live in another
 * program, which is connected by a stream, or is not.
 *
 * There is nothing to be decided here about what passes: what the program sends is
 * looked at only for its addresses and routed at once, and what is sent to its
 * domain is written to its stream.  So there is no mailbox; the outbox of the stream
 * is the queue, and what finds it full, or nobody at its end, is answered.
 */
#include "core/command_priv.h"
#include "util/clock.h"

struct component {
	struct jd_host *host;
	struct client *client; /* NULL: it is not connected */
	char *peer;
	jd_usec since; /* since the epoch */
	uint64_t in, out;
};

void component_add(struct jd_host *host)
{
	host->external = mem_new(struct component);
	host->external->host = host;
}

void component_free(struct jd_host *host)
{
	if (!host->external)
		return;
	JD_ASSERT(!host->external->client);
	mem_free(host->external->peer);
	mem_free(host->external);
	host->external = NULL;
}

/* -- coming and going ---------------------------------------------------------------------- */

static void attach(struct component *x, struct client *c, struct jd_str peer)
{
	mem_free(x->peer);
	x->peer = jd_strdup(peer);
	x->client = c;
	x->since = clock_real();
	x->in = x->out = 0;
	c->component = x;
	jd_log(JD_LOG_NOTICE, "component connected", jd_kv_cstr("component", x->host->name),
	       jd_kv_cstr("peer", x->peer));
}

void component_bind(struct client *c, struct component_ask *ask)
{
	struct jd_host *host = host_find(ask->name);
	struct component *x = host ? host->external : NULL;

	if (!x || c->component)
		c2s_end(c->link, STREAM_HOST_GONE, NULL);
	else if (server.stopping)
		c2s_end(c->link, STREAM_SYSTEM_SHUTDOWN, NULL);
	else if (x->client)
		c2s_end(c->link, STREAM_CONFLICT, "This component is connected already.");
	else {
		attach(x, c, ask->peer);
		if (link_control(c->link, C2S_CTL_BOUND, NULL, NULL) < 0)
			link_close(c->link);
	}
	mem_free(ask);
}

void component_gone(struct client *c)
{
	struct component *x = c->component;

	if (!x)
		return;
	c->component = NULL;
	x->client = NULL;
	jd_log(JD_LOG_NOTICE, "component disconnected", jd_kv_cstr("component", x->host->name),
	       jd_kv_cstr("peer", x->peer));
}

/* -- what it sends --------------------------------------------------------------------------- */

/* What has arrived behind it already is not handled any more. */
static void end(struct component *x, enum stream_condition why)
{
	struct client *c = x->client;

	c2s_end(c->link, why, NULL);
	component_gone(c);
}

/* True when it was not to be routed. */
static bool refuses(struct component *x, struct jd_stanza *st, unsigned flags)
{
	static const struct jd_error too_long = {
		.condition = JD_POLICY_VIOLATION,
		.type = JD_ERRTYPE_MODIFY,
		.text = "The text of the message is too long.",
	};

	if (flags & WIRE_BAD_FROM || !jd_jid_ok(st->from) ||
	    !jd_str_eq(jd_jid_domain(st->from), jd_host_name(x->host))) {
		end(x, STREAM_INVALID_FROM);
		return true;
	}
	if (!jd_jid_ok(st->to) && !(flags & WIRE_BAD_TO)) {
		end(x, STREAM_IMPROPER_ADDRESSING);
		return true;
	}
	if (flags & WIRE_BAD_TO) {
		jd_stanza_set_to(st, x->host->jid);
		jd_bounce(st, JD_JID_MALFORMED, NULL);
		return true;
	}
	if (flags & WIRE_LONG_BODY)
		jd_bounce_error(st, &too_long);
	else if (st->type == JD_TYPE_INVALID)
		jd_bounce(st, JD_BAD_REQUEST, NULL);
	else
		return false;
	return true;
}

void component_receive(struct component *x, struct jd_wire *wire)
{
	struct jd_stanza *st;
	unsigned flags = wire->meta.flags;

	server.stanzas_in++;
	x->in++;
	if (flags & WIRE_NO_STANZA) {
		wire_unref(wire);
		end(x, STREAM_UNSUPPORTED_STANZA_TYPE);
		return;
	}
	st = stanza_from_wire(server.stanzas, wire);
	if (!refuses(x, st, flags))
		jd_route(st);
	jd_stanza_unref(st);
}

/* -- what it is sent --------------------------------------------------------------------------
 */

static void bounce_wait(struct jd_stanza *st, enum jd_condition condition, const char *text)
{
	const struct jd_error error = {
		.condition = condition, .type = JD_ERRTYPE_WAIT, .text = text};

	/* Who only says that he is there needs no answer, and one would make him stop. */
	if (st->kind != JD_PRESENCE ||
	    (st->type != JD_TYPE_NONE && st->type != JD_TYPE_UNAVAILABLE &&
	     st->type != JD_TYPE_PROBE))
		jd_bounce_error(st, &error);
}

void component_send(struct component *x, struct jd_stanza *st)
{
	if (!x->client) {
		bounce_wait(st, JD_SERVICE_UNAVAILABLE, "This component is not connected.");
	} else if (link_stanza(x->client->link, st, STANZA_STREAM) == 0) {
		x->out++;
	} else {
		jd_log_peer(JD_LOG_INFO, "component does not read what it is sent",
			    jd_kv_cstr("component", x->host->name));
		bounce_wait(st, JD_RESOURCE_CONSTRAINT, "Too much is waiting for this component.");
	}
}

/* -- the command ------------------------------------------------------------------------------- */

static void out_component(struct jd_command *c, const struct jd_host *host)
{
	const struct component *x = host->external;
	const struct jd_host *above = host_above(host);

	jd_out_record(c);
	jd_out_str(c, "name", jd_host_name(host));
	jd_out_str(c, "host", above ? jd_host_name(above) : JD_STR(""));
	jd_out_bool(c, "external", x != NULL);
	jd_out_bool(c, "connected", !x || x->client);
	jd_out_str(c, "peer", x && x->client ? jd_cstr(x->peer) : JD_STR(""));
	jd_out_str(c, "since",
		   x && x->client ? jd_time_text(jd_command_arena(c), x->since) : JD_STR(""));
	jd_out_int(c, "received", x ? (int64_t)x->in : 0);
	jd_out_int(c, "sent", x ? (int64_t)x->out : 0);
	jd_out_int(c, "queued", x && x->client ? (int64_t)link_queued(x->client->link) : 0);
}

static void cmd_components(struct jd_command *c)
{
	jd_out_list(c, "components");
	for (struct list *n = server.hosts.next; n != &server.hosts; n = n->next) {
		const struct jd_host *host = container_of(n, struct jd_host, node);

		if (host->component)
			out_component(c, host);
	}
	jd_out_end(c);
	jd_command_done(c);
}

const struct jd_command_def commands_component[] = {
	{.name = "component list",
	 .help = "Lists components, and which of the external ones are connected.",
	 .run = cmd_components},
	{.name = NULL},
};
