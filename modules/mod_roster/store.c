/* SPDX-License-Identifier: MIT
 *
 * Rosters in memory and in the database.
 */
#include "roster.h"

#include <stdlib.h>

/* Versions begin with the microsecond of the account's making: a name that is made anew, by
 * whoever, must not come upon a version that a client has kept of the old one. */
static struct jd_stmt load = {
	.name = "roster.load",
	.lane = JD_LANE_READ,
	.sql = "SELECT COALESCE((SELECT version FROM roster_version WHERE owner = $1), "
	       "a.created_at),"
	       " i.jid, i.name, i.state, i.group_names, i.request"
	       " FROM account a LEFT JOIN roster_item i ON i.owner = a.owner"
	       " WHERE a.owner = $1 ORDER BY i.jid",
};

static struct jd_stmt put_item = {
	.name = "roster.put_item",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO roster_item (owner, jid, name, state, group_names, request)"
	       " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (owner, jid) DO UPDATE SET"
	       " name = excluded.name, state = excluded.state,"
	       " group_names = excluded.group_names, request = excluded.request",
};

static struct jd_stmt drop_item = {
	.name = "roster.drop_item",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM roster_item WHERE owner = $1 AND jid = $2",
};

static struct jd_stmt put_version = {
	.name = "roster.put_version",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO roster_version (owner, version) VALUES ($1, $2)"
	       " ON CONFLICT (owner) DO UPDATE SET version = excluded.version",
};

/* -- memory ------------------------------------------------------------------------------- */

static int jid_cmp(const char *a, struct jd_str b)
{
	size_t len = strlen(a);
	int c = memcmp(a, b.p, len < b.len ? len : b.len);

	if (c)
		return c;
	return len < b.len ? -1 : len > b.len;
}

/* The place of jid, or where it would be. */
static size_t roster_place(const struct roster *r, struct jd_str jid)
{
	size_t lo = 0, hi = r->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (jid_cmp(r->items[mid]->jid, jid) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct item *roster_find(const struct roster *r, struct jd_str jid)
{
	size_t i = roster_place(r, jid);

	if (i < r->count && jid_cmp(r->items[i]->jid, jid) == 0)
		return r->items[i];
	return NULL;
}

struct item *roster_add(struct roster *r, struct jd_str jid)
{
	size_t i = roster_place(r, jid);
	struct item *item = jd_alloc(sizeof(*item));

	if (r->count == r->cap) {
		size_t cap = r->cap ? r->cap * 2 : 16;
		struct item **items = jd_alloc(cap * sizeof(struct item *));

		if (r->count)
			memcpy(items, r->items, r->count * sizeof(struct item *));
		jd_free(r->items);
		r->items = items;
		r->cap = cap;
	}
	memmove(r->items + i + 1, r->items + i, (r->count - i) * sizeof(struct item *));
	r->items[i] = item;
	r->count++;
	item->jid = jd_strdup(jid);
	item->groups = jd_strdup(JD_STR(""));
	return item;
}

static void item_free(struct item *item)
{
	jd_free(item->jid);
	jd_free(item->name);
	jd_free(item->groups);
	jd_free(item->request);
	jd_free(item);
}

void roster_remove(struct roster *r, struct item *item)
{
	size_t i = roster_place(r, jd_cstr(item->jid));

	memmove(r->items + i, r->items + i + 1, (r->count - i - 1) * sizeof(struct item *));
	r->count--;
	item_free(item);
}

void roster_clear(struct roster *r)
{
	for (size_t i = 0; i < r->count; i++)
		item_free(r->items[i]);
	jd_free(r->items);
	*r = (struct roster){.submitted = r->submitted, .settled = r->settled};
}

void item_set(char **member, struct jd_str value)
{
	char *copy = value.p ? jd_strdup(value) : NULL;

	jd_free(*member);
	*member = copy;
}

/* -- loading --------------------------------------------------------------------------------- */

struct loading {
	struct jd_instance *mi;
	struct jd_account *account;
	struct jd_call *call;
	uint64_t behind; /* how many writes had been submitted when the rows were asked for */
};

static void fill(struct roster *r, const struct jd_rows *rows)
{
	size_t n = jd_rows_count(rows);

	roster_clear(r);
	r->loaded = true;
	r->version = n ? jd_row_int(rows, 0, 0) : 0;
	for (size_t i = 0; i < n; i++) {
		struct item *item;

		if (jd_row_null(rows, i, 1))
			continue;
		item = roster_add(r, jd_row_str(rows, i, 1));
		if (!jd_row_null(rows, i, 2))
			item_set(&item->name, jd_row_str(rows, i, 2));
		item->state = (unsigned)jd_row_int(rows, i, 3);
		item_set(&item->groups, jd_row_str(rows, i, 4));
		if (!jd_row_null(rows, i, 5))
			item_set(&item->request, jd_row_str(rows, i, 5));
	}
}

static enum jd_verdict not_loaded(struct jd_call *call)
{
	jd_bounce(jd_call_stanza(call), JD_RESOURCE_CONSTRAINT,
		  "The roster cannot be read at the moment.");
	return JD_DROP;
}

static int ask_rows(struct loading *l);

static void on_loaded(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct loading *l = arg;
	struct roster *r = jd_account_data(l->mi, l->account);

	if (status == JD_DB_OK && l->behind == r->submitted && !roster_settled(r)) {
		fill(r, rows);
		r->settled = r->submitted;
	}
	if (roster_settled(r))
		jd_resume(l->call, JD_PASS);
	else if (status != JD_DB_OK || ask_rows(l) < 0) /* written meanwhile: once more */
		jd_resume(l->call, not_loaded(l->call));
}

/* With the key of the writes where there are any that are not settled: behind them. */
static int ask_rows(struct loading *l)
{
	const struct roster *r = jd_account_data(l->mi, l->account);
	uint64_t no = jd_account_owner(l->account);
	struct jd_unit *unit = jd_unit_new();

	l->behind = r->submitted;
	jd_unit_key(unit, r->settled == r->submitted ? 0 : no);
	jd_unit_add(unit, &load, JD_PARAMS(jd_int((int64_t)no)));
	return jd_unit_submit(unit, jd_call_pending(l->call), on_loaded, l);
}

enum jd_verdict roster_load(struct jd_instance *mi, struct jd_account *a, struct jd_call *call)
{
	struct loading *l;

	if (roster_settled(jd_account_data(mi, a)))
		return JD_PASS;
	l = jd_call_data(call, sizeof(*l));
	*l = (struct loading){mi, a, call, 0};
	return ask_rows(l) < 0 ? not_loaded(call) : JD_WAIT;
}

/* -- writing ---------------------------------------------------------------------------------- */

/* Only the oldest that is not settled can be: one before it that failed is in memory still. */
static void on_written(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct change *change = arg;
	struct roster *r = jd_account_data(change->mi, change->account);

	(void)rows;
	if (status == JD_DB_OK && change->number == r->settled + 1)
		r->settled = change->number;
	change->done(change->arg, status == JD_DB_OK);
}

static struct jd_params item_params(struct jd_param p[6], int64_t owner, const struct item *item)
{
	p[0] = jd_int(owner);
	p[1] = jd_text(jd_cstr(item->jid));
	p[2] = jd_text(jd_cstr(item->name));
	p[3] = jd_int(item->state);
	p[4] = jd_text(jd_cstr(item->groups));
	p[5] = jd_text(jd_cstr(item->request));
	return (struct jd_params){p, 6};
}

int roster_write(struct change *change, struct jd_owner *owner, const struct item *item,
		 struct jd_str jid)
{
	struct roster *r = jd_account_data(change->mi, change->account);
	int64_t no = (int64_t)jd_account_owner(change->account);
	struct jd_unit *unit = jd_unit_new();
	struct jd_param p[6];

	jd_unit_key(unit, (uint64_t)no);
	if (item)
		jd_unit_add(unit, &put_item, item_params(p, no, item));
	else
		jd_unit_add(unit, &drop_item, JD_PARAMS(jd_int(no), jd_text(jid)));
	jd_unit_add(unit, &put_version, JD_PARAMS(jd_int(no), jd_int(++r->version)));
	change->number = ++r->submitted; /* if it is refused, memory is wrong too */
	return jd_unit_submit(unit, owner, on_written, change);
}

/* -- registration -------------------------------------------------------------------------------
 */

int store_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&load, &put_item, &drop_item, &put_version};

	return jd_statements(mi, all, JD_ARRAY_SIZE(all));
}
