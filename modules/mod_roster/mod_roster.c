/* SPDX-License-Identifier: MIT
 *
 * Rosters and subscriptions (RFC 6121 sections 2 and 3): who an account's
 * contacts are, who sees whose presence.  Presence itself is mod_presence.
 *
 *   store.c         rosters in memory and in the database
 *   query.c         what clients ask and are told
 *   subscription.c  the four requests, both ways
 *   farewell.c      what contacts of a deleted account are told
 *
 * This file puts them together: the filter that loads a roster before anybody
 * needs it, the service for other modules, the options.
 */
#include "roster.h"

static const struct jd_option options[] = {
	JD_OPT_BOOL("versioning", struct options, versioning, "true",
		    "Spare clients that have the current roster its transfer (RFC 6121 2.6)."),
	JD_OPT_INT("max_items", struct options, max_items, "10000", 1, 1000000,
		   "Contacts that one roster may hold."),
	JD_OPT_END,
};

/* -- loading before it is needed -------------------------------------------------------------- */

static enum jd_verdict on_session_first(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	if (ev->st->kind != JD_PRESENCE)
		return JD_PASS;
	return roster_load(mi, ev->account, ev->call);
}

static enum jd_verdict on_account_first(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	enum jd_type type = ev->st->type;

	if (ev->st->kind == JD_MESSAGE || type == JD_TYPE_RESULT || type == JD_TYPE_ERROR ||
	    (ev->st->kind == JD_IQ && ev->st->to.resource_len))
		return JD_PASS;
	return roster_load(mi, ev->account, ev->call);
}

/* -- the service ---------------------------------------------------------------------------------
 */

static struct jd_contact contact_of(const struct item *item)
{
	return (struct jd_contact){
		.jid = jd_jid_of(jd_cstr(item->jid)),
		.subscription = (enum jd_subscription)(item->state & (ITEM_TO | ITEM_FROM)),
		.pending_in = item->state & ITEM_IN,
		.pending_out = item->state & ITEM_OUT,
	};
}

static bool service_ready(struct jd_instance *mi, struct jd_account *a)
{
	return ((struct roster *)jd_account_data(mi, a))->loaded;
}

static bool service_find(struct jd_instance *mi, struct jd_account *a, struct jd_str jid,
			 struct jd_contact *ret_contact)
{
	const struct item *item = roster_find(jd_account_data(mi, a), jid);

	if (item)
		*ret_contact = contact_of(item);
	return item != NULL;
}

static void service_each(struct jd_instance *mi, struct jd_account *a, unsigned mask,
			 void (*fn)(const struct jd_contact *, void *), void *arg)
{
	const struct roster *r = jd_account_data(mi, a);

	for (size_t i = 0; i < r->count; i++) {
		struct jd_contact c = contact_of(r->items[i]);

		if (r->items[i]->state & mask)
			fn(&c, arg);
	}
}

static void service_each_request(struct jd_instance *mi, struct jd_account *a,
				 void (*fn)(struct jd_stanza *, void *), void *arg)
{
	const struct roster *r = jd_account_data(mi, a);

	for (size_t i = 0; i < r->count; i++) {
		struct jd_stanza *st;

		if (!(r->items[i]->state & ITEM_IN) || !r->items[i]->request)
			continue;
		st = jd_stanza_parse(jd_cstr(r->items[i]->request));
		if (st)
			fn(st, arg);
		jd_stanza_unref(st);
	}
}

static const struct jd_roster_ops ops = {
	.ready = service_ready,
	.find = service_find,
	.each = service_each,
	.each_request = service_each_request,
};

/* -- the module
 * --------------------------------------------------------------------------------------- */

static void account_free(struct jd_instance *mi, void *data)
{
	(void)mi;
	roster_clear(data);
}

static int start(struct jd_instance *mi)
{
	int r = jd_provide(mi, "roster", &ops);

	if (r == 0)
		r = store_start(mi);
	if (r == 0)
		r = farewell_start(mi);
	if (r == 0)
		r = jd_on(mi, session_in, JD_PRIO_FIRST, on_session_first);
	if (r == 0)
		r = jd_on(mi, account_in, JD_PRIO_FIRST, on_account_first);
	if (r == 0)
		r = query_start(mi);
	if (r == 0)
		r = subscription_start(mi);
	return r;
}

JD_MODULE(roster, .summary = "Rosters and subscriptions (RFC 6121)",
	  .data_size = sizeof(struct options), .account_size = sizeof(struct roster),
	  .session_size = sizeof(struct interest), .options = options, .account_free = account_free,
	  .start = start);
