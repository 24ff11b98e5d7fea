/* SPDX-License-Identifier: MIT
 *
 * The rows of rooms.  A room is read whole when somebody comes to it, and each change is
 * one unit, which is committed before anybody is told of it.
 */
#include "muc.h"

#define LEFTOVERS_MAX   1000
#define LEFTOVERS_AGAIN (60 * JD_USEC_PER_SEC)

static struct jd_stmt get_room = {
	.name = "muc.get_room",
	.lane = JD_LANE_READ,
	.sql = "SELECT config, salt, locked, subject, subject_at, avatar, hats FROM muc_room WHERE "
	       "owner "
	       "= $1",
};

static struct jd_stmt get_affiliations = {
	.name = "muc.get_affiliations",
	.lane = JD_LANE_READ,
	.sql = "SELECT jid, affiliation, nick, reason, came FROM muc_affiliation WHERE owner = $1"
	       " ORDER BY jid LIMIT 100000",
};

static struct jd_stmt make = {
	.name = "muc.make",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO muc_room (owner, creator, created_at, locked, fleeting, listed, title,"
	       " config, salt) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
};

/* The end of that unit: it is undone when somebody has more rooms than he may. */
static struct jd_stmt check_number = {
	.name = "muc.check_number",
	.lane = JD_LANE_WRITE,
	.sql = "UPDATE muc_room SET creator = $2 WHERE owner = $1"
	       " AND (SELECT COUNT(*) FROM muc_room WHERE creator = $2) <= $3",
	.expect = 1,
};

static struct jd_stmt set_config = {
	.name = "muc.set_config",
	.lane = JD_LANE_WRITE,
	.sql = "UPDATE muc_room SET locked = $2, fleeting = $3, listed = $4, title = $5,"
	       " config = $6, description = $7 WHERE owner = $1",
	.expect = 1,
};

static struct jd_stmt set_subject = {
	.name = "muc.set_subject",
	.lane = JD_LANE_WRITE,
	.sql = "UPDATE muc_room SET subject = $2, subject_at = $3 WHERE owner = $1",
	.expect = 1,
};

static struct jd_stmt put_affiliation = {
	.name = "muc.put_affiliation",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO muc_affiliation (owner, jid, affiliation, nick, reason, came)"
	       " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (owner, jid) DO UPDATE SET"
	       " affiliation = excluded.affiliation, nick = excluded.nick,"
	       " reason = excluded.reason, came = muc_affiliation.came | excluded.came",
};

static struct jd_stmt set_came = {
	.name = "muc.set_came",
	.lane = JD_LANE_WRITE,
	.sql = "UPDATE muc_affiliation SET came = 1 WHERE owner = $1 AND jid = $2",
};

static struct jd_stmt drop_affiliation = {
	.name = "muc.drop_affiliation",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM muc_affiliation WHERE owner = $1 AND jid = $2",
};

/* It is in no list any more while the rest is erased. */
static struct jd_stmt drop_room = {
	.name = "muc.drop_room",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM muc_room WHERE owner = $1",
};

static struct jd_stmt leftovers = {
	.name = "muc.leftovers",
	.lane = JD_LANE_READ,
	.sql = "SELECT a.name, r.owner FROM muc_room r JOIN account a ON a.owner = r.owner"
	       " WHERE r.fleeting = 1 AND r.owner > $2 AND a.host = $1 ORDER BY r.owner LIMIT $3",
};

#define LIST(condition)                                                                            \
	"SELECT a.name, r.title, r.config, r.owner FROM account a"                                 \
	" JOIN muc_room r ON r.owner = a.owner WHERE a.host = $1 AND a.name > $2" condition        \
	" ORDER BY a.name LIMIT $3"

static struct jd_stmt list_public = {
	.name = "muc.list_public",
	.lane = JD_LANE_READ,
	.sql = LIST(" AND r.listed = 1 AND r.locked = 0"),
};

static struct jd_stmt list_all = {
	.name = "muc.list_all",
	.lane = JD_LANE_READ,
	.sql = LIST(""),
};

static struct jd_param owner_of(const struct room *r)
{
	return jd_int((int64_t)muc_room_owner(r));
}

static bool is_fleeting(const struct config *c, bool locked)
{
	return locked || !c->persistent;
}

/* -- loading ------------------------------------------------------------------------------------
 */

struct load {
	struct visit *v;
	muc_done_fn fn;
	uint64_t owner;
	struct jd_str config, salt, subject, avatar, hats;
	bool locked;
	jd_usec subject_at;
};

static void fill_affiliates(struct room *r, const struct jd_rows *rows, struct jd_arena *arena)
{
	struct jd_jid jid;

	for (size_t i = 0; i < jd_rows_count(rows); i++) {
		if (jd_jid_parse(arena, jd_row_str(rows, i, 0), &jid) < 0)
			continue;
		muc_affiliate_put(r, jid, (enum affiliation)jd_row_int(rows, i, 1),
				  jd_row_str(rows, i, 2), jd_row_str(rows, i, 3));
		if (jd_row_int(rows, i, 4))
			(void)muc_affiliate_came(r, jid);
	}
}

/* A visit that does not stop the room may come late: another one has loaded it, or it was destroyed
 * or made anew meanwhile, and what these rows say is of a room that is not there any more. */
static bool is_late(const struct load *l)
{
	return l->v->room->loaded || muc_room_owner(l->v->room) != l->owner;
}

static void on_affiliations(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct load *l = arg;
	struct room *r = l->v->room;

	if (status != JD_DB_OK) {
		l->fn(l->v, -JD_EDB);
		return;
	}
	if (!is_late(l)) {
		muc_room_reset(r);
		if (!muc_config_parse(l->v->muc, l->config, &r->config))
			muc_config_default(l->v->muc, &r->config);
		r->loaded = r->made = true;
		r->locked = l->locked;
		memcpy(r->salt, l->salt.p,
		       l->salt.len < sizeof(r->salt) ? l->salt.len : sizeof(r->salt));
		r->subject = l->subject.p ? jd_stanza_parse(l->subject) : NULL;
		r->subject_at = l->subject_at;
		r->hats = l->hats.p ? jd_stanza_parse(l->hats) : NULL;
		r->avatar = l->avatar.p ? jd_strdup(l->avatar) : NULL;
		fill_affiliates(r, rows, l->v->arena);
	}
	l->fn(l->v, 0);
}

static void on_room(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct load *l = arg;
	struct jd_arena *arena = l->v->arena;

	if (status != JD_DB_OK) {
		l->fn(l->v, -JD_EDB);
		return;
	}
	if (is_late(l)) {
		l->fn(l->v, 0);
		return;
	}
	if (!jd_rows_count(rows)) { /* a number, and nothing else: it was never made */
		muc_room_reset(l->v->room);
		l->v->room->loaded = true;
		l->fn(l->v, 0);
		return;
	}
	l->config = jd_arena_str(arena, jd_row_str(rows, 0, 0));
	l->salt = jd_arena_str(arena, jd_row_str(rows, 0, 1));
	l->locked = jd_row_int(rows, 0, 2);
	l->subject = jd_arena_str(arena, jd_row_str(rows, 0, 3));
	l->subject_at = (jd_usec)jd_row_int(rows, 0, 4);
	l->avatar = jd_arena_str(arena, jd_row_str(rows, 0, 5));
	l->hats = jd_arena_str(arena, jd_row_str(rows, 0, 6));
	if (jd_db_query(l->v->pending, &get_affiliations, JD_PARAMS(owner_of(l->v->room)),
			on_affiliations, l) < 0)
		l->fn(l->v, -JD_ELIMIT);
}

int muc_store_load(struct visit *v, muc_done_fn fn)
{
	struct load *l = jd_arena_new(v->arena, struct load);

	l->v = v;
	l->fn = fn;
	l->owner = muc_room_owner(v->room);
	return jd_db_query(v->pending, &get_room, JD_PARAMS(owner_of(v->room)), on_room, l);
}

/* -- changes ------------------------------------------------------------------------------------
 */

static int submit(const struct visit *v, struct jd_unit *unit, jd_db_fn fn, void *arg)
{
	jd_unit_key(unit, muc_room_owner(v->room));
	return jd_unit_submit(unit, v->pending, fn, arg);
}

int muc_store_make(struct visit *v, const struct new_room *n, jd_db_fn fn)
{
	const struct config *c = &n->config;
	struct jd_unit *unit = jd_unit_new();
	struct jd_param owner = owner_of(v->room), creator = jd_text(jd_jid_bare_str(n->creator));

	jd_unit_add(unit, &make,
		    JD_PARAMS(owner, creator, jd_int((int64_t)jd_now()), jd_int(n->locked),
			      jd_int(is_fleeting(c, n->locked)), jd_int(c->listed),
			      jd_text(c->title.p ? c->title : JD_STR("")),
			      jd_text(muc_config_text(v->muc, c, v->arena)),
			      jd_blob((struct jd_str){(const char *)n->salt, sizeof(n->salt)})));
	if (!n->ownerless)
		jd_unit_add(unit, &put_affiliation,
			    JD_PARAMS(owner, creator, jd_int(AFF_OWNER), jd_null(), jd_null(),
				      jd_int(n->enters)));
	if (!n->unlimited)
		jd_unit_add(unit, &check_number,
			    JD_PARAMS(owner, creator, jd_int(v->muc->rooms_per_user)));
	return submit(v, unit, fn, v);
}

void muc_config_store(const struct room *r, struct jd_unit *unit, const struct config *c,
		      bool locked, struct jd_arena *arena)
{
	jd_unit_add(unit, &set_config,
		    JD_PARAMS(owner_of(r), jd_int(locked), jd_int(is_fleeting(c, locked)),
			      jd_int(c->listed), jd_text(c->title.p ? c->title : JD_STR("")),
			      jd_text(muc_config_text(muc_of(r), c, arena)),
			      jd_text(c->description.p ? c->description : JD_STR(""))));
}

void muc_standing_store(const struct room *r, struct jd_unit *unit, const struct standing *s)
{
	struct jd_param jid = jd_text(jd_jid_bare_str(s->who));
	struct jd_str nick = muc_standing_nick(r, s);

	if (s->after == AFF_NONE)
		jd_unit_add(unit, &drop_affiliation, JD_PARAMS(owner_of(r), jid));
	else
		jd_unit_add(unit, &put_affiliation,
			    JD_PARAMS(owner_of(r), jid, jd_int(s->after),
				      jd_text(nick.len ? nick : JD_STR_NULL),
				      jd_text(s->reason.len ? s->reason : JD_STR_NULL),
				      jd_int(s->came || muc_occupant_of(r, s->who))));
}

void muc_came_store(struct room *r, struct jd_jid who)
{
	struct jd_unit *unit = jd_unit_new();

	jd_unit_add(unit, &set_came, JD_PARAMS(owner_of(r), jd_text(jd_jid_bare_str(who))));
	jd_unit_key(unit, muc_room_owner(r));
	if (jd_unit_submit(unit, jd_account_pending(r->account), NULL, NULL) < 0)
		jd_log(JD_LOG_WARNING, "the database is busy: who has come into a room is not "
				       "kept");
}

int muc_store_submit(struct visit *v, struct jd_unit *unit, jd_db_fn fn)
{
	return submit(v, unit, fn, v);
}

int muc_store_subject(struct visit *v, struct jd_stanza *st, jd_usec at, jd_db_fn fn)
{
	return jd_db_query(v->pending, &set_subject,
			   JD_PARAMS(owner_of(v->room), jd_text(jd_stanza_bytes(st, st->arena)),
				     jd_int((int64_t)at)),
			   fn, v);
}

/* -- lists --------------------------------------------------------------------------------------
 */

int muc_store_list(struct jd_instance *mi, struct jd_owner *owner, const struct room_list *l,
		   jd_db_fn fn, void *arg)
{
	struct jd_str host = jd_host_name(jd_instance_host(mi));

	return jd_db_query(owner, l->hidden ? &list_all : &list_public,
			   JD_PARAMS(jd_text(host), jd_text(l->after.p ? l->after : JD_STR("")),
				     jd_int(l->limit)),
			   fn, arg);
}

static void look_for_leftovers(void *arg);

/* Whatever comes for such a room ends it, if nobody is there: so something does. */
static void on_leftovers(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_jid host = jd_host_jid(jd_instance_host(arg)), room;
	struct muc *muc = jd_data(arg);
	struct jd_stanza *st =
		jd_built(jd_stanza_new(JD_MESSAGE, JD_TYPE_HEADLINE, host, host, JD_STR_NULL));

	for (size_t i = 0; status == JD_DB_OK && i < jd_rows_count(rows); i++)
		if (jd_jid_make(st->arena, jd_row_str(rows, i, 0), jd_jid_domain(host), JD_STR_NULL,
				&room) == 0)
			jd_send_copy(st, room);
	jd_stanza_unref(st);
	if (status == JD_DB_OK && jd_rows_count(rows))
		muc->leftover = jd_row_int(rows, jd_rows_count(rows) - 1, 1);
	if (status != JD_DB_OK || jd_rows_count(rows) == LEFTOVERS_MAX)
		(void)jd_timer_start(jd_instance_pending(arg), LEFTOVERS_AGAIN, look_for_leftovers,
				     arg);
}

static void look_for_leftovers(void *arg)
{
	struct jd_instance *mi = arg;
	const struct muc *muc = jd_data(mi);
	struct jd_str host = jd_host_name(jd_instance_host(mi));

	if (jd_db_query(jd_instance_pending(mi), &leftovers,
			JD_PARAMS(jd_text(host), jd_int(muc->leftover), jd_int(LEFTOVERS_MAX)),
			on_leftovers, mi) < 0)
		(void)jd_timer_start(jd_instance_pending(mi), LEFTOVERS_AGAIN, look_for_leftovers,
				     mi);
}

void muc_store_leftovers(struct jd_instance *mi)
{
	struct muc *muc = jd_data(mi);

	muc->grace_until = jd_now_mono() + muc->grace;
	(void)jd_timer_start(jd_instance_pending(mi), muc->grace, look_for_leftovers, mi);
}

/* -- starting -----------------------------------------------------------------------------------
 */

static void on_deleting(struct jd_instance *mi, struct jd_account_event *ev)
{
	(void)mi;
	jd_unit_add(ev->unit, &drop_room, JD_PARAMS(jd_int((int64_t)ev->owner)));
}

int muc_store_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {
		&get_room,    &get_affiliations, &make,      &check_number,
		&set_config,  &set_subject,      &drop_room, &put_affiliation,
		&list_public, &drop_affiliation, &set_came,  &list_all,
		&leftovers,
	};
	int r = jd_statements(mi, all, JD_ARRAY_SIZE(all));

	if (r == 0)
		r = jd_on(mi, account_deleting, JD_PRIO_NORMAL, on_deleting);
	return r;
}
