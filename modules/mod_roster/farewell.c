/* SPDX-License-Identifier: MIT
 *
 * The contacts of a deleted account hear that it is over (RFC 6121 3.2, 3.3): some at
 * a time, each page of the roster erased once its contacts have been written to, so
 * that a server that ends in between goes on where it was.
 */
#include "roster.h"

#define PAGE "50"

static struct jd_stmt load_page = {
	.name = "roster.load_page",
	.lane = JD_LANE_READ,
	.sql = "SELECT jid, state FROM roster_item WHERE owner = $1 ORDER BY jid LIMIT " PAGE,
};

static struct jd_stmt drop_page = {
	.name = "roster.drop_page",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM roster_item WHERE owner = $1 AND jid <= $2",
};

static void say_farewell(struct jd_jid from, struct jd_arena *arena, struct jd_str contact,
			 unsigned state)
{
	struct jd_jid to;

	if (jd_jid_parse(arena, contact, &to) < 0)
		return;
	if (state & (ITEM_TO | ITEM_OUT))
		jd_send(jd_stanza_new(JD_PRESENCE, JD_TYPE_UNSUBSCRIBE, from, to, JD_STR_NULL));
	if (state & (ITEM_FROM | ITEM_IN))
		jd_send(jd_stanza_new(JD_PRESENCE, JD_TYPE_UNSUBSCRIBED, from, to, JD_STR_NULL));
}

static void ask_page(struct jd_erasure *e);

static void on_dropped(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	(void)rows;
	if (status == JD_DB_OK)
		ask_page(arg);
	else
		jd_erase_done(arg, false);
}

static void say_page(struct jd_jid from, const struct jd_rows *rows)
{
	struct jd_stanza *memory =
		jd_built(jd_stanza_new(JD_PRESENCE, JD_TYPE_NONE, from, from, JD_STR_NULL));

	for (size_t i = 0; i < jd_rows_count(rows); i++)
		say_farewell(from, memory->arena, jd_row_str(rows, i, 0),
			     (unsigned)jd_row_int(rows, i, 1));
	jd_stanza_unref(memory);
}

static void on_page(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_erasure *e = arg;
	struct jd_unit *unit;

	if (status != JD_DB_OK || jd_rows_count(rows) == 0) {
		jd_erase_done(e, status == JD_DB_OK);
		return;
	}
	say_page(jd_erasure_jid(e), rows);
	unit = jd_unit_new();
	jd_unit_key(unit, jd_erasure_owner(e));
	jd_unit_add(unit, &drop_page,
		    JD_PARAMS(jd_int((int64_t)jd_erasure_owner(e)),
			      jd_text(jd_row_str(rows, jd_rows_count(rows) - 1, 0))));
	if (jd_unit_submit(unit, jd_erasure_pending(e), on_dropped, e) < 0)
		jd_erase_done(e, false);
}

/* With the account's key: behind what is still being written for it. */
static void ask_page(struct jd_erasure *e)
{
	struct jd_unit *unit = jd_unit_new();

	jd_unit_key(unit, jd_erasure_owner(e));
	jd_unit_add(unit, &load_page, JD_PARAMS(jd_int((int64_t)jd_erasure_owner(e))));
	if (jd_unit_submit(unit, jd_erasure_pending(e), on_page, e) < 0)
		jd_erase_done(e, false);
}

static void on_erase(struct jd_instance *mi, struct jd_erasure *e)
{
	(void)mi;
	ask_page(e);
}

int farewell_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&load_page, &drop_page};
	int r = jd_statements(mi, all, JD_ARRAY_SIZE(all));

	return r < 0 ? r : jd_on_erase(mi, on_erase);
}
