/* SPDX-License-Identifier: MIT
 *
 * Block lists in memory and in the database.
 */
#include "blocking.h"

#include <stdlib.h>

static struct jd_stmt load = {
	.name = "blocking.load",
	.lane = JD_LANE_READ,
	.sql = "SELECT jid FROM block_item WHERE owner = $1",
};

static struct jd_stmt put = {
	.name = "blocking.put",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO block_item (owner, jid) VALUES ($1, $2)"
	       " ON CONFLICT (owner, jid) DO NOTHING",
};

static struct jd_stmt drop = {
	.name = "blocking.drop",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM block_item WHERE owner = $1 AND jid = $2",
};

static struct jd_stmt drop_all = {
	.name = "blocking.drop_all",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM block_item WHERE owner = $1",
};

/* -- memory -------------------------------------------------------------------------- */

static int str_cmp(struct jd_str a, struct jd_str b)
{
	size_t n = a.len < b.len ? a.len : b.len;
	int c = n ? memcmp(a.p, b.p, n) : 0;

	if (c)
		return c;
	return a.len < b.len ? -1 : a.len > b.len;
}

static int by_text(const void *a, const void *b)
{
	return str_cmp(*(const struct jd_str *)a, *(const struct jd_str *)b);
}

void blocking_sort(struct jids *jids)
{
	size_t n = 0;

	if (jids->n > 1)
		qsort(jids->p, jids->n, sizeof(jids->p[0]), by_text);
	for (size_t i = 0; i < jids->n; i++)
		if (!n || !jd_str_eq(jids->p[n - 1], jids->p[i]))
			jids->p[n++] = jids->p[i];
	jids->n = n;
}

bool blocking_have(struct jids jids, struct jd_str jid)
{
	return jids.n && bsearch(&jid, jids.p, jids.n, sizeof(jids.p[0]), by_text);
}

/* The place of jid, or where it would be. */
static size_t blocklist_place(const struct blocklist *l, struct jd_str jid)
{
	size_t lo = 0, hi = l->count;

	while (lo < hi) {
		size_t mid = lo + (hi - lo) / 2;

		if (str_cmp(jd_cstr(l->jids[mid]), jid) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

bool blocklist_has(const struct blocklist *l, struct jd_str jid)
{
	size_t i = blocklist_place(l, jid);

	return i < l->count && jd_str_eq(jd_cstr(l->jids[i]), jid);
}

bool blocklist_blocks(const struct blocklist *l, struct jd_jid jid)
{
	return l->count &&
	       (blocklist_has(l, jd_jid_str(jid)) || blocklist_has(l, jd_jid_bare_str(jid)) ||
		blocklist_has(l, jd_jid_domain(jid)));
}

/* Both are sorted: merged into a new array. */
static void blocklist_add(struct blocklist *l, struct jids jids)
{
	char **all = jd_alloc((l->count + jids.n) * sizeof(char *));
	size_t n = 0, k = 0;

	for (size_t i = 0; i < jids.n; i++) {
		while (k < l->count && str_cmp(jd_cstr(l->jids[k]), jids.p[i]) < 0)
			all[n++] = l->jids[k++];
		if (k < l->count && jd_str_eq(jd_cstr(l->jids[k]), jids.p[i]))
			continue;
		all[n++] = jd_strdup(jids.p[i]);
		l->bytes += jids.p[i].len;
	}
	while (k < l->count)
		all[n++] = l->jids[k++];
	jd_free(l->jids);
	l->jids = all;
	l->count = n;
}

static void blocklist_remove(struct blocklist *l, struct jids jids)
{
	size_t n = 0, k = 0;

	for (size_t i = 0; i < l->count; i++) {
		struct jd_str jid = jd_cstr(l->jids[i]);

		while (k < jids.n && str_cmp(jids.p[k], jid) < 0)
			k++;
		if (k < jids.n && jd_str_eq(jids.p[k], jid)) {
			l->bytes -= jid.len;
			jd_free(l->jids[i]);
		} else {
			l->jids[n++] = l->jids[i];
		}
	}
	l->count = n;
}

void blocklist_clear(struct blocklist *l)
{
	for (size_t i = 0; i < l->count; i++)
		jd_free(l->jids[i]);
	jd_free(l->jids);
	l->jids = NULL;
	l->count = l->bytes = 0;
	l->loaded = false;
}

/* -- loading ------------------------------------------------------------------------- */

static bool blocklist_settled(const struct blocklist *l)
{
	return l->loaded && l->settled == l->submitted;
}

struct loading {
	struct jd_instance *mi;
	struct jd_account *account;
	struct jd_call *call;
	uint64_t behind; /* how many writes had been submitted when the rows were asked for */
};

static void fill(struct blocklist *l, struct jd_arena *arena, const struct jd_rows *rows)
{
	struct jids jids = {NULL, jd_rows_count(rows)};

	blocklist_clear(l);
	l->loaded = true;
	l->settled = l->submitted;
	if (!jids.n)
		return;
	jids.p = jd_arena_alloc(arena, jids.n * sizeof(jids.p[0]));
	for (size_t i = 0; i < jids.n; i++)
		jids.p[i] = jd_row_str(rows, i, 0);
	blocking_sort(&jids);
	blocklist_add(l, jids);
}

static enum jd_verdict not_loaded(struct jd_call *call)
{
	jd_bounce(jd_call_stanza(call), JD_RESOURCE_CONSTRAINT,
		  "The block list cannot be read at the moment.");
	return JD_DROP;
}

static int ask_rows(struct loading *ld);

static void on_loaded(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct loading *ld = arg;
	struct blocklist *l = jd_account_data(ld->mi, ld->account);

	if (status == JD_DB_OK && ld->behind == l->submitted && !blocklist_settled(l))
		fill(l, jd_call_stanza(ld->call)->arena, rows);
	if (blocklist_settled(l))
		jd_resume(ld->call, JD_PASS);
	else if (status != JD_DB_OK || ask_rows(ld) < 0) /* written meanwhile: once more */
		jd_resume(ld->call, not_loaded(ld->call));
}

/* With the key of the writes where there are any that are not settled: behind them. */
static int ask_rows(struct loading *ld)
{
	const struct blocklist *l = jd_account_data(ld->mi, ld->account);
	uint64_t no = jd_account_owner(ld->account);
	struct jd_unit *unit = jd_unit_new();

	ld->behind = l->submitted;
	jd_unit_key(unit, l->settled == l->submitted ? 0 : no);
	jd_unit_add(unit, &load, JD_PARAMS(jd_int((int64_t)no)));
	return jd_unit_submit(unit, jd_call_pending(ld->call), on_loaded, ld);
}

enum jd_verdict blocklist_load(struct jd_instance *mi, struct jd_account *a, struct jd_call *call)
{
	struct loading *ld;

	if (blocklist_settled(jd_account_data(mi, a)))
		return JD_PASS;
	ld = jd_call_data(call, sizeof(*ld));
	*ld = (struct loading){mi, a, call, 0};
	return ask_rows(ld) < 0 ? not_loaded(call) : JD_WAIT;
}

/* -- writing ------------------------------------------------------------------------- */

int blocklist_write(struct jd_instance *mi, struct jd_iq *iq, struct change *change, jd_db_fn fn,
		    void *arg)
{
	struct blocklist *l = jd_account_data(mi, iq->account);
	struct jids jids = change->jids;
	int64_t no = (int64_t)jd_account_owner(iq->account);
	struct jd_unit *unit = jd_unit_new();
	int r;

	jd_unit_key(unit, (uint64_t)no);
	if (!change->block && jids.n == l->count)
		jd_unit_add(unit, &drop_all, JD_PARAMS(jd_int(no)));
	else
		for (size_t i = 0; i < jids.n; i++)
			jd_unit_add(unit, change->block ? &put : &drop,
				    JD_PARAMS(jd_int(no), jd_text(jids.p[i])));
	r = jd_unit_submit(unit, jd_call_pending(iq->call), fn, arg);
	if (r == 0)
		change->number = ++l->submitted;
	return r;
}

/* One that has been read back since is in memory already; behind one whose outcome is unknown
 * only a read can tell. */
void blocklist_written(struct blocklist *l, const struct change *change)
{
	if (change->number != l->settled + 1)
		return;
	l->settled = change->number;
	if (change->block)
		blocklist_add(l, change->jids);
	else
		blocklist_remove(l, change->jids);
}

int blocklist_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&load, &put, &drop, &drop_all};

	return jd_statements(mi, all, JD_ARRAY_SIZE(all));
}
