/* SPDX-License-Identifier: MIT
 *
 * Entity capabilities (XEP-0115): the server says by a hash what it can do, and
 * finds out by theirs what the clients of its accounts can do.
 *
 * Clients keep what they have learned under the hash, so that a login costs them
 * no question; the server does the same and offers it to other modules
 * (<jackdaw/caps.h>).
 */
#include "caps.h"

#define MAX_OWN 1024 /* entries of service discovery */

struct caps {
	struct caps_options options; /* first */
	struct cache *cache;
};

static const struct jd_option options[] = {
	JD_OPT_TEXT("node", struct caps, options.node, "urn:jackdaw:server",
		    "The URI under which the server tells its own hash."),
	JD_OPT_INT("max_known", struct caps, options.max_known, "1000", 1, 100000,
		   "How many kinds of clients are remembered."),
	JD_OPT_INT("max_hashes", struct caps, options.max_hashes, "16", 1, 1000,
		   "How many unknown hashes a session may come with."),
	JD_OPT_TIME("timeout", struct caps, options.timeout, "20s", 1000000, 300000000,
		    "How long a client may take to answer."),
	JD_OPT_END,
};

/* -- the server's own ------------------------------------------------------------------- */

static void collect(const struct jd_disco *d, void *arg)
{
	struct caps_parts *parts = arg;

	if (d->kind == JD_DISCO_IDENTITY)
		caps_add_identity(parts, d->category, d->type, JD_STR_NULL, d->name);
	else if (d->kind == JD_DISCO_FEATURE)
		caps_add_feature(parts, d->var);
	else if (d->kind == JD_DISCO_FORM)
		caps_add_form(parts, d->var, d->fields, d->n_fields);
}

/* As it is now: what modules have registered may be more than it was. p NULL: nothing can be
 * said, because it is too much. */
static struct jd_str own_hash(struct jd_host *host, struct jd_arena *arena)
{
	struct caps_parts parts;
	struct jd_str text;

	caps_parts_init(&parts, arena, MAX_OWN);
	jd_disco_each(host, JD_TO_HOST, collect, &parts);
	if (!caps_text(&parts, &text))
		return JD_STR_NULL;
	return caps_hash(arena, JD_STR("sha-1"), text);
}

static size_t own_attrs(struct jd_instance *mi, struct jd_host *host, struct jd_arena *arena,
			struct jd_attr *attrs)
{
	const struct caps *c = jd_data(mi);

	attrs[0] = (struct jd_attr){"hash", JD_STR("sha-1")};
	attrs[1] = (struct jd_attr){"node", jd_cstr(c->options.node)};
	attrs[2] = (struct jd_attr){"ver", own_hash(host, arena)};
	return 3;
}

static bool ops_own_node(struct jd_instance *mi, struct jd_str node, struct jd_arena *arena)
{
	const struct caps *c = jd_data(mi);
	struct jd_str ver = own_hash(jd_instance_host(mi), arena);

	return ver.p && jd_str_eq(node, jd_arena_printf(arena, "%s#%s", c->options.node, ver.p));
}

/* -- those of clients --------------------------------------------------------------------- */

static struct caps_client *client_of(struct jd_instance *mi, struct jd_session *session)
{
	struct caps_client *client = jd_session_data(mi, session);

	client->session = session;
	return client;
}

static void on_presence(struct jd_instance *mi, struct jd_session_event *ev)
{
	struct jd_stanza *presence = jd_session_presence(ev->session);
	struct caps_client *client = client_of(mi, ev->session);
	const struct caps *c = jd_data(mi);

	if (presence)
		cache_seen(c->cache, client, jd_el_child(jd_stanza_root(presence), NS_CAPS, "c"));
	else
		cache_forget(c->cache, client);
}

static void on_unbound(struct jd_instance *mi, struct jd_session_event *ev)
{
	const struct caps *c = jd_data(mi);

	cache_forget(c->cache, client_of(mi, ev->session));
}

static enum jd_caps ops_session(struct jd_instance *mi, struct jd_session *session,
				struct jd_str feature)
{
	return known_has(client_of(mi, session)->known, feature);
}

static enum jd_caps ops_presence(struct jd_instance *mi, struct jd_stanza *presence,
				 struct jd_str feature)
{
	const struct caps *c = jd_data(mi);

	return known_has(cache_find(c->cache, jd_el_child(jd_stanza_root(presence), NS_CAPS, "c")),
			 feature);
}

static bool ops_each(struct jd_instance *mi, struct jd_session *session,
		     void (*fn)(struct jd_str feature, void *arg), void *arg)
{
	return known_each(client_of(mi, session)->known, fn, arg);
}

/* -- the module --------------------------------------------------------------------------- */

static void session_free(struct jd_instance *mi, void *data)
{
	(void)mi;
	known_unref(((struct caps_client *)data)->known);
}

static int start(struct jd_instance *mi)
{
	static const struct jd_caps_ops ops = {.session = ops_session,
					       .presence = ops_presence,
					       .each = ops_each,
					       .own_node = ops_own_node};
	struct caps *c = jd_data(mi);
	int r;

	c->cache = cache_new(mi, &c->options);
	jd_feature(mi, JD_TO_HOST, NS_CAPS);
	jd_stream_feature_attrs(mi, NS_CAPS, "c", own_attrs);
	r = jd_provide(mi, "caps", &ops);
	if (r == 0)
		r = jd_on(mi, session_presence, JD_PRIO_EARLY, on_presence);
	if (r == 0)
		r = jd_on(mi, session_unbound, JD_PRIO_LATE, on_unbound);
	return r;
}

static void stop(struct jd_instance *mi)
{
	const struct caps *c = jd_data(mi);

	cache_free(c->cache);
}

JD_MODULE(caps, .summary = "Entity capabilities (XEP-0115)", .needs = "disco",
	  .data_size = sizeof(struct caps), .session_size = sizeof(struct caps_client),
	  .options = options, .session_free = session_free, .start = start, .stop = stop);
