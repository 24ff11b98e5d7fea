/* SPDX-License-Identifier: MIT
 *
 * The life of a room: loaded by the first who comes to it, made by the first who enters where
 * there is none, forgotten when it is empty, destroyed.
 *
 * A room that is not persistent, or waits for its first configuration, lives as long as it has
 * occupants, and occupants keep it in memory.  So one that is loaded is what a crash has
 * left, and is destroyed before anything else.
 */
#include "muc.h"

struct muc *muc_of(const struct room *r)
{
	return jd_data(r->mi);
}

struct room *muc_room(struct jd_instance *mi, struct jd_account *account)
{
	struct room *r = jd_account_data(mi, account);

	r->mi = mi;
	r->account = account;
	return r;
}

struct jd_jid muc_room_jid(const struct room *r)
{
	return jd_account_jid(r->account);
}

uint64_t muc_room_owner(const struct room *r)
{
	return jd_account_owner(r->account);
}

void muc_room_keep(struct room *r, struct jd_stanza *st)
{
	if (st)
		jd_stanza_ref(st);
	jd_stanza_unref(r->kept);
	r->kept = st;
}

void muc_room_reset(struct room *r)
{
	muc_config_free(&r->config);
	muc_affiliates_free(r);
	jd_stanza_unref(r->subject);
	jd_stanza_unref(r->hats);
	r->hats = NULL;
	jd_free(r->avatar);
	r->avatar = NULL;
	jd_stanza_unref(r->notice); /* its timer may run: it finds nothing */
	r->subject = r->notice = NULL;
	r->loaded = r->made = r->locked = r->waits = false;
}

void muc_room_free(struct jd_instance *mi, void *data)
{
	struct room *r = data;

	(void)mi;
	if (!r->mi)
		return;
	while (r->occupants)
		muc_occupant_remove(r->occupants);
	muc_room_reset(r); /* the timer was cancelled before */
	muc_room_keep(r, NULL);
	muc_paces_free(r);
}

void muc_room_wake(struct room *r)
{
	struct muc *muc = muc_of(r);

	jd_account_hold(r->account);
	r->busy_next = muc->busy;
	r->busy_at = &muc->busy;
	if (r->busy_next)
		r->busy_next->busy_at = &r->busy_next;
	muc->busy = r;
}

void muc_room_rest(struct room *r)
{
	*r->busy_at = r->busy_next;
	if (r->busy_next)
		r->busy_next->busy_at = r->busy_at;
	jd_account_release(r->account);
}

/* -- visits --------------------------------------------------------------------------------------
 */

static bool stays(const struct room *r)
{
	return !r->made || r->occupants || (r->config.persistent && !r->locked) ||
	       muc_of(r)->stopping || (r->waits && jd_now_mono() < muc_of(r)->grace_until);
}

static void on_settled(void *arg, int result)
{
	struct visit *v = arg;

	if (result == 0)
		muc_room_reset(v->room);
	else
		v->room->loaded = false; /* whoever comes next tries again */
	jd_resume(v->call, v->verdict);
}

/* What the last occupant has left behind goes before anything else is handled. */
static enum jd_verdict settle(struct visit *v, enum jd_verdict verdict)
{
	if (verdict == JD_WAIT || !v->call || stays(v->room))
		return verdict;
	v->verdict = verdict;
	if (jd_room_erase(v->pending, v->room->account, on_settled, v) == 0)
		return JD_WAIT;
	v->room->loaded = false;
	return verdict;
}

void muc_end(struct visit *v, enum jd_verdict verdict)
{
	verdict = settle(v, verdict);
	if (v->call && verdict != JD_WAIT)
		jd_resume(v->call, verdict);
}

enum jd_verdict muc_refuse(struct visit *v, enum jd_condition condition, enum jd_errtype type,
			   const char *text)
{
	const struct jd_error error = {.condition = condition, .type = type, .text = text};

	if (v->answered)
		return JD_DONE;
	if (v->iq) {
		jd_iq_error(v->iq, &error);
		return JD_DONE;
	}
	jd_bounce_error(v->st, &error);
	return JD_DROP;
}

static enum jd_verdict no_database(struct visit *v)
{
	return muc_refuse(v, JD_RESOURCE_CONSTRAINT, JD_ERRTYPE_WAIT,
			  "The database does not answer.");
}

static void on_leftover_gone(void *arg, int result)
{
	struct visit *v = arg;

	if (result < 0 && result != -JD_ENOENT) {
		muc_end(v, no_database(v));
		return;
	}
	muc_room_reset(v->room);
	muc_end(v, v->go(v));
}

static void on_loaded(struct visit *v, int result)
{
	struct room *r = v->room;

	r->waits = !r->locked && !r->occupants;
	if (result == 0 && !v->call)
		(void)v->go(v);
	else if (result == 0 && stays(r))
		muc_end(v, v->go(v));
	else if (result < 0 || jd_room_erase(v->pending, r->account, on_leftover_gone, v) < 0)
		muc_end(v, no_database(v));
}

enum jd_verdict muc_visit(struct visit *v, visit_fn go)
{
	v->go = go;
	if (v->room->loaded || !muc_room_owner(v->room))
		return settle(v, go(v));
	if (muc_store_load(v, on_loaded) < 0)
		return no_database(v);
	return v->call ? JD_WAIT : JD_ASYNC;
}

/* -- making one ----------------------------------------------------------------------------------
 */

/* Its name ends with that of a host of ours, and he is a user there. */
static bool is_of_host(const struct jd_host *component, struct jd_jid who)
{
	struct jd_str name = jd_host_name(component), domain = jd_jid_domain(who);

	return name.len > domain.len + 1 && name.p[name.len - domain.len - 1] == '.' &&
	       memcmp(name.p + name.len - domain.len, domain.p, domain.len) == 0;
}

bool muc_may_create(const struct visit *v)
{
	const struct jd_host *host = jd_account_host(v->room->account);

	if (muc_is_master(v->room, v->st->from))
		return true;
	switch ((enum creators)v->muc->create) {
	case CREATE_HOST:
		return v->st->origin && is_of_host(host, v->st->from);
	case CREATE_SERVER:
		return v->st->origin;
	case CREATE_ANYONE:
		return true;
	case CREATE_ADMIN:
		break;
	}
	return false;
}

static void on_not_made(void *arg, int result)
{
	struct visit *v = arg;

	(void)result;
	muc_room_reset(v->room);
	muc_end(v, muc_refuse(v, JD_RESOURCE_CONSTRAINT, JD_ERRTYPE_WAIT,
			      "The room could not be made: you may have too many."));
}

static void on_stored(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct visit *v = arg;
	struct new_room *n = v->data;
	struct room *r = v->room;

	(void)rows;
	if (status != JD_DB_OK) {
		if (jd_room_erase(v->pending, r->account, on_not_made, v) < 0)
			on_not_made(v, -JD_EDB);
		return;
	}
	muc_room_reset(r);
	if (!muc_config_parse(v->muc, muc_config_text(v->muc, &n->config, v->arena), &r->config))
		r->config = n->config;
	memcpy(r->salt, n->salt, sizeof(r->salt));
	r->loaded = r->made = true;
	r->locked = n->locked;
	if (!n->ownerless)
		muc_affiliate_put(r, n->creator, AFF_OWNER, JD_STR_NULL, JD_STR_NULL);
	if (n->enters)
		(void)muc_affiliate_came(r, n->creator);
	muc_end(v, v->go(v));
}

static void on_numbered(void *arg, int result)
{
	struct visit *v = arg;

	if (result < 0 || muc_store_make(v, v->data, on_stored) < 0)
		muc_end(v, no_database(v));
}

static void make_salt(struct new_room *n, struct jd_arena *arena)
{
	struct jd_str random = jd_random_id(arena, sizeof(n->salt));

	memcpy(n->salt, random.p, random.len < sizeof(n->salt) ? random.len : sizeof(n->salt));
}

enum jd_verdict muc_room_make(struct visit *v, struct jd_jid creator, bool locked, visit_fn go)
{
	struct new_room *n = jd_arena_new(v->arena, struct new_room);
	int r;

	muc_config_default(v->muc, &n->config);
	n->creator = jd_jid_bare(creator);
	n->locked = locked;
	n->enters = v->st->kind == JD_PRESENCE;
	n->ownerless = jd_jid_eq(creator, jd_host_jid(jd_account_host(v->room->account)));
	n->unlimited = muc_is_master(v->room, v->st->from) || !v->muc->rooms_per_user;
	make_salt(n, v->arena);
	v->data = n;
	v->go = go;
	if (muc_room_owner(v->room)) /* of an attempt that was not finished */
		r = muc_store_make(v, n, on_stored);
	else
		r = jd_room_make(v->pending, v->room->account, on_numbered, v);
	return r < 0 ? no_database(v) : JD_WAIT;
}

/* -- the end -------------------------------------------------------------------------------------
 */

struct ending {
	struct visit *v;
	struct destruction d;
	muc_done_fn fn;
};

/* Each hears of himself only: all others go, too. */
static void send_away(struct room *r, const struct news *news)
{
	for (struct occupant *o = r->occupants; o; o = o->next)
		for (struct device *i = o->devices; i; i = i->next)
			muc_tell_device(o, news, i);
	while (r->occupants)
		muc_occupant_remove(r->occupants);
}

static void on_destroyed(void *arg, int result)
{
	struct ending *e = arg;
	struct room *r = e->v->room;
	const struct news news = {
		.type = JD_TYPE_UNAVAILABLE, .role = ROLE_NONE, .destruction = &e->d};

	if (result == 0) {
		send_away(r, &news);
		muc_room_reset(r);
	}
	e->fn(e->v, result);
}

int muc_room_destroy(struct visit *v, const struct destruction *d, muc_done_fn fn)
{
	struct ending *e = jd_arena_new(v->arena, struct ending);

	e->v = v;
	e->d = *d;
	e->fn = fn;
	return jd_room_erase(v->pending, v->room->account, on_destroyed, e);
}

/* -- the end of the server -----------------------------------------------------------------------
 */

static void on_farewell(void *arg, struct jd_account *account)
{
	struct news news = {.type = JD_TYPE_UNAVAILABLE, .role = ROLE_NONE};

	if (!account)
		return;
	muc_news_code(&news, 332);
	send_away(muc_room(arg, account), &news);
}

/* In the turn of each room, whose state may be used by what waits there now. */
static void on_stopping(struct jd_instance *mi, struct jd_host_event *ev)
{
	struct muc *muc = jd_data(mi);

	muc->stopping = true;
	for (const struct room *r = muc->busy; r; r = r->busy_next)
		jd_account_post(ev->host, jd_jid_local(muc_room_jid(r)), on_farewell, mi);
}

int muc_room_start(struct jd_instance *mi)
{
	return jd_on(mi, host_stopping, JD_PRIO_NORMAL, on_stopping);
}
