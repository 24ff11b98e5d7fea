/* SPDX-License-Identifier: MIT
 *
 * Clients switch notifications on and off (XEP-0357 sections 4 and 5), and the
 * table of what is on.  A request is answered when its row is committed.  What an
 * account has registered is read with its first news and stays in memory with it.
 */
#include "push.h"

static struct jd_stmt put = {
	.name = "push.put",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO push_registration (owner, jid, node, client, request, since)"
	       " SELECT owner, CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS TEXT),"
	       " CAST($5 AS TEXT), CAST($6 AS BIGINT) FROM account WHERE owner = $1"
	       " ON CONFLICT (owner, jid, node) DO UPDATE SET client = excluded.client,"
	       " request = excluded.request, since = excluded.since, ended = NULL",
};

/* All but the newest. */
static struct jd_stmt trim = {
	.name = "push.trim",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM push_registration WHERE owner = $1 AND since < (SELECT MIN(since) FROM"
	       " (SELECT since FROM push_registration WHERE owner = $1 ORDER BY since DESC"
	       " LIMIT $2) AS newest)",
};

static struct jd_stmt drop = {
	.name = "push.drop",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM push_registration WHERE owner = $1 AND jid = $2",
};

static struct jd_stmt drop_node = {
	.name = "push.drop_node",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM push_registration WHERE owner = $1 AND jid = $2 AND node = $3",
};

static struct jd_stmt get = {
	.name = "push.get",
	.lane = JD_LANE_READ,
	.sql = "SELECT jid, node, client, request, since FROM push_registration"
	       " WHERE owner = $1 AND ended IS NULL ORDER BY since DESC LIMIT $2",
};

/* Only that one which was told of, not the one that the client has made since. */
static struct jd_stmt note = {
	.name = "push.note",
	.lane = JD_LANE_WRITE,
	.sql = "UPDATE push_registration SET result = $5, result_at = $6, ended = $7"
	       " WHERE owner = $1 AND jid = $2 AND node = $3 AND since = $4",
};

/* A request; in its stanza's arena. */
struct change {
	struct jd_instance *mi;
	struct jd_iq *iq;
	struct jd_jid jid;
	struct jd_str node;    /* p NULL: none, or all */
	struct jd_str request; /* p NULL: it is switched off */
	jd_usec since;
};

/* -- in memory -------------------------------------------------------------------------------- */

struct home *push_home(struct jd_instance *mi, struct jd_account *account)
{
	struct home *h = jd_account_data(mi, account);

	h->mi = mi;
	h->account = account;
	return h;
}

void push_account_free(struct jd_instance *mi, void *data)
{
	struct home *h = data;
	struct reg *r, *next;

	(void)mi;
	for (r = h->regs; r; r = next) {
		next = r->next;
		push_reg_free(r);
	}
	push_forget(&h->waiting);
}

static void set_text(char **at, struct jd_str text)
{
	jd_free(*at);
	*at = jd_strdup(text.p ? text : JD_STR(""));
}

static struct reg *find(struct home *h, struct jd_str jid, struct jd_str node)
{
	for (struct reg *r = h->regs; r; r = r->next)
		if (!r->dropped && jd_str_is(jid, r->jid) && jd_str_is(node, r->node))
			return r;
	return NULL;
}

static struct reg *find_or_make(struct home *h, struct jd_str jid, struct jd_str node)
{
	struct reg *r = find(h, jid, node);

	if (r)
		return r;
	r = jd_alloc(sizeof(*r));
	r->mi = h->mi;
	r->account = h->account;
	set_text(&r->jid, jid);
	set_text(&r->node, node);
	r->next = h->regs;
	h->regs = r;
	return r;
}

static void drop_oldest(struct home *h)
{
	const struct options *o = jd_data(h->mi);
	struct reg *oldest = NULL;
	int64_t n = 0;

	for (struct reg *r = h->regs; r; r = r->next) {
		if (r->dropped)
			continue;
		n++;
		if (!oldest || r->since < oldest->since)
			oldest = r;
	}
	if (n > o->max_registrations)
		push_drop(oldest);
}

/* -- loading ---------------------------------------------------------------------------------- */

static void fill(struct home *h, const struct jd_rows *rows)
{
	h->state = LOADED;
	for (size_t i = jd_rows_count(rows); i-- > 0;) {
		struct reg *r = find_or_make(h, jd_row_str(rows, i, 0), jd_row_str(rows, i, 1));

		set_text(&r->client, jd_row_str(rows, i, 2));
		set_text(&r->request, jd_row_str(rows, i, 3));
		r->since = (jd_usec)jd_row_int(rows, i, 4);
	}
}

static void on_loaded(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct home *h = arg;
	struct kept_news waiting = h->waiting;
	struct news news = push_kept(&waiting);

	h->state = UNKNOWN;
	if (h->again) {
		push_load(h);
		return;
	}
	h->waiting = (struct kept_news){0};
	if (status == JD_DB_OK) {
		fill(h, rows);
		if (news.count)
			push_tell(h, NULL, &news);
	}
	push_forget(&waiting);
}

void push_load(struct home *h)
{
	const struct options *o = jd_data(h->mi);
	int64_t owner = (int64_t)jd_account_owner(h->account);

	if (h->state != UNKNOWN || !owner)
		return;
	h->again = false;
	/* Not now? Then with the next news. */
	if (jd_db_query(jd_account_pending(h->account), &get,
			JD_PARAMS(jd_int(owner), jd_int(o->max_registrations)), on_loaded, h) == 0)
		h->state = LOADING;
}

void push_note(struct reg *r, struct jd_str result, bool ended)
{
	int64_t owner = (int64_t)jd_account_owner(r->account);
	struct jd_unit *unit = jd_unit_new();

	jd_unit_key(unit, (uint64_t)owner);
	jd_unit_add(unit, &note,
		    JD_PARAMS(jd_int(owner), jd_text(jd_cstr(r->jid)), jd_text(jd_cstr(r->node)),
			      jd_int((int64_t)r->since), jd_text(result), jd_int((int64_t)jd_now()),
			      jd_text(ended ? result : JD_STR_NULL)));
	if (jd_unit_submit(unit, jd_account_pending(r->account), NULL, NULL) < 0)
		jd_log(JD_LOG_WARNING, "the database is busy: what a push service said is not kept",
		       jd_kv_str("service", jd_cstr(r->jid)));
}

/* -- requests --------------------------------------------------------------------------------- */

static enum jd_verdict refuse(struct jd_iq *iq, enum jd_condition condition, const char *text)
{
	jd_iq_fail(iq, condition, text);
	return JD_DONE;
}

static void be_on(struct home *h, const struct change *c)
{
	struct reg *r = find_or_make(h, jd_jid_str(c->jid), c->node);

	set_text(&r->client, jd_jid_resource(c->iq->st->from));
	set_text(&r->request, c->request);
	r->since = c->since;
	r->ended = false;
	r->fails = 0;
	jd_timer_stop(&r->timer);
	push_back(r);
	drop_oldest(h);
}

static void be_off(struct home *h, const struct change *c)
{
	struct reg *r, *next;

	for (r = h->regs; r; r = next) {
		next = r->next;
		if (!r->dropped && jd_str_is(jd_jid_str(c->jid), r->jid) &&
		    (!c->node.p || jd_str_is(c->node, r->node)))
			push_drop(r);
	}
}

static void on_written(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct change *c = arg;
	struct home *h = push_home(c->mi, c->iq->account);
	struct jd_call *call = c->iq->call;

	(void)rows;
	h->again = true; /* whatever is being read now may be older */
	if (status != JD_DB_OK) {
		jd_iq_fail(c->iq, JD_INTERNAL_SERVER_ERROR, "This could not be stored.");
	} else {
		if (h->state == LOADED && c->request.p)
			be_on(h, c);
		else if (h->state == LOADED)
			be_off(h, c);
		jd_iq_ok(c->iq);
	}
	jd_resume(call, JD_DONE);
}

static void add_on(struct jd_unit *unit, int64_t owner, const struct change *c)
{
	const struct options *o = jd_data(c->mi);

	jd_unit_add(unit, &put,
		    JD_PARAMS(jd_int(owner), jd_text(jd_jid_str(c->jid)),
			      jd_text(c->node.p ? c->node : JD_STR("")),
			      jd_text(jd_jid_resource(c->iq->st->from)), jd_text(c->request),
			      jd_int((int64_t)c->since)));
	jd_unit_add(unit, &trim, JD_PARAMS(jd_int(owner), jd_int(o->max_registrations)));
}

static void add_off(struct jd_unit *unit, int64_t owner, const struct change *c)
{
	struct jd_param jid = jd_text(jd_jid_str(c->jid));

	if (c->node.p)
		jd_unit_add(unit, &drop_node, JD_PARAMS(jd_int(owner), jid, jd_text(c->node)));
	else
		jd_unit_add(unit, &drop, JD_PARAMS(jd_int(owner), jid));
}

static enum jd_verdict write_change(struct change *c)
{
	struct jd_unit *unit = jd_unit_new();
	uint64_t owner = jd_account_owner(c->iq->account);

	jd_unit_key(unit, owner);
	if (c->request.p)
		add_on(unit, (int64_t)owner, c);
	else
		add_off(unit, (int64_t)owner, c);
	if (jd_unit_submit(unit, jd_call_pending(c->iq->call), on_written, c) < 0)
		return refuse(c->iq, JD_RESOURCE_CONSTRAINT, NULL);
	return JD_WAIT;
}

/* NULL: it has been refused. */
static struct change *read_change(struct jd_instance *mi, struct jd_iq *iq)
{
	struct change *c = jd_arena_new(iq->st->arena, struct change);
	struct jd_str jid = jd_el_attr(iq->query, "jid");

	c->mi = mi;
	c->iq = iq;
	c->node = jd_el_attr(iq->query, "node");
	c->since = jd_now();
	if (!iq->own) /* as if there were no such account */
		jd_iq_fail(iq, JD_SERVICE_UNAVAILABLE, NULL);
	else if (!jid.p || c->node.len > NODE_MAX)
		jd_iq_fail(iq, JD_BAD_REQUEST, "An address and a node of reasonable length.");
	else if (jd_jid_parse(iq->st->arena, jid, &c->jid) < 0)
		jd_iq_fail(iq, JD_JID_MALFORMED, NULL);
	else
		return c;
	return NULL;
}

/* Any field may be there: they are the service's. */
static bool good_form(struct jd_iq *iq)
{
	static const struct jd_form_field none[] = {JD_FORM_FIELDS_END};
	static const struct jd_form_def def = {.form_type = NS_OPTIONS, .fields = none};
	struct jd_el x = jd_el_child(iq->query, JD_NS_DATAFORM, "x");
	struct jd_form form;

	if (!jd_el_ok(x) || jd_form_read(x, &def, iq->st->arena, &form) == JD_FORM_OK)
		return true;
	jd_iq_fail(iq, JD_BAD_REQUEST, "The form is not one of publish-options.");
	return false;
}

static enum jd_verdict on_enable(struct jd_instance *mi, struct jd_iq *iq)
{
	struct change *c = read_change(mi, iq);

	if (!c || !good_form(iq))
		return JD_DONE;
	c->request = jd_element_bytes(iq->query, iq->st->arena);
	if (!c->request.p || c->request.len > REQUEST_MAX)
		return refuse(iq, JD_NOT_ACCEPTABLE, "The form is too large.");
	if (!c->node.p)
		c->node = JD_STR("");
	return write_change(c);
}

static enum jd_verdict on_disable(struct jd_instance *mi, struct jd_iq *iq)
{
	struct change *c = read_change(mi, iq);

	return c ? write_change(c) : JD_DONE;
}

int push_enable_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&put, &trim, &drop, &drop_node, &get, &note};
	int r = jd_statements(mi, all, JD_ARRAY_SIZE(all));

	if (r == 0)
		r = jd_on_iq(mi, JD_TYPE_SET, JD_TO_ACCOUNT, NS_PUSH, "enable", on_enable);
	if (r == 0)
		r = jd_on_iq(mi, JD_TYPE_SET, JD_TO_ACCOUNT, NS_PUSH, "disable", on_disable);
	jd_feature(mi, JD_TO_ACCOUNT, NS_PUSH);
	return r;
}
