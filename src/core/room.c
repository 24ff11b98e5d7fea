/* SPDX-License-Identifier: MIT
 *
 * Rooms: the names on a component.
 *
 * A room is an account object whose host is a component.  It is loaded and unloaded like
 * that of a user, and has the same mailbox; but what comes for it is the affair
 * of the component's modules also while there is no such room, because the first who
 * enters makes it.  Nobody logs in as a room, so it has no keys, and a name that
 * was destroyed may be used again: by another room, with another number.
 */
#include "core/erase.h"
#include "util/clock.h"

static struct jd_stmt make_room = {
	.name = "core.make_room",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO account (host, name, created_at, kind) VALUES ($1, $2, $3, $4)"
	       " RETURNING owner",
};

/* One room that is being made or erased; the room is pinned meanwhile. */
struct change {
	struct list node;
	struct jd_owner pending;
	struct jd_account *room;
	account_done_fn done;
	void *arg;
};

static struct list changes = LIST_INIT(changes);

/* -- what comes in ----------------------------------------------------------------------- */

static void room_in_end(struct jd_call *call, enum jd_verdict verdict)
{
	if (verdict == JD_PASS && call->ev.st->kind != JD_PRESENCE)
		jd_bounce(call->ev.st, JD_SERVICE_UNAVAILABLE, NULL);
}

void room_handle(struct jd_account *a, struct jd_stanza *st)
{
	struct jd_stanza_event ev = {.st = st, .host = a->host, .account = a};
	bool asks = st->type == JD_TYPE_GET || st->type == JD_TYPE_SET;

	if (a->state == ACCOUNT_FAILED)
		jd_bounce(st, JD_RESOURCE_CONSTRAINT, "The database does not answer.");
	else if (st->kind != JD_IQ || st->to.resource_len)
		call_run(&a->mailbox, JD_HOOK_room_in, &ev, room_in_end);
	else if (asks)
		iq_dispatch(&a->mailbox, &ev, JD_TO_ROOM);
}

/* -- changes ----------------------------------------------------------------------------- */

static struct change *change_new(struct jd_account *room, account_done_fn done, void *arg)
{
	struct change *c = mem_new(struct change);

	c->room = room;
	c->done = done;
	c->arg = arg;
	room->changing = true;
	account_pin(room);
	owner_init(&c->pending);
	list_append(&changes, &c->node);
	return c;
}

static void change_free(struct change *c)
{
	owner_cancel_all(&c->pending);
	list_remove(&c->node);
	account_unpin(c->room);
	mem_free(c);
}

static void change_end(struct change *c, int result)
{
	account_done_fn done = c->done;
	void *arg = c->arg;

	c->room->changing = false; /* the next one may follow at once */
	done(arg, result);
	change_free(c);
}

static int not_begun(struct change *c, int e)
{
	c->room->changing = false;
	change_free(c);
	return e;
}

void rooms_fini(void)
{
	while (!list_empty(&changes))
		change_end(container_of(changes.next, struct change, node), -JD_ECLOSED);
}

static void on_made(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct change *c = arg;

	if (status == JD_DB_OK && jd_rows_count(rows) == 1) {
		c->room->number = (uint64_t)jd_row_int(rows, 0, 0);
		c->room->state = ACCOUNT_READY;
		change_end(c, 0);
		return;
	}
	/* It may be there all the same: who comes next looks again. */
	c->room->state = ACCOUNT_NEW;
	change_end(c, status == JD_DB_CONFLICT ? -JD_EEXIST : -JD_EDB);
}

int room_make(struct jd_account *room, account_done_fn done, void *arg)
{
	struct change *c;
	int e;

	JD_ASSERT(room->host->component);
	if (room->changing)
		return -JD_EAGAIN;
	if (room->state != ACCOUNT_ABSENT)
		return room->state == ACCOUNT_READY ? -JD_EEXIST : -JD_EAGAIN;
	c = change_new(room, done, arg);
	e = jd_db_query(&c->pending, &make_room,
			JD_PARAMS(jd_text(jd_host_name(room->host)),
				  jd_text(jd_jid_local(room->jid)), jd_int((int64_t)clock_real()),
				  jd_int(ACCOUNT_ROOM)),
			on_made, c);
	return e ? not_begun(c, e) : 0;
}

static void on_left(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct change *c = arg;
	struct jd_account *room = c->room;

	(void)rows;
	if (status != JD_DB_OK) {
		change_end(c, -JD_EDB);
		return;
	}
	erase_account(room->host, room->jid, room->number, NULL, NULL);
	room->number = 0;
	room->state = ACCOUNT_ABSENT;
	change_end(c, 0);
}

int room_erase(struct jd_account *room, account_done_fn done, void *arg)
{
	struct jd_unit *unit;
	struct jd_account_event ev;
	struct change *c;
	int e;

	JD_ASSERT(room->host->component);
	if (room->changing)
		return -JD_EAGAIN;
	if (room->state != ACCOUNT_READY)
		return -JD_ENOENT;
	c = change_new(room, done, arg);
	unit = jd_unit_new();
	ev = (struct jd_account_event){room->host, room->jid, room->number, unit};
	hook_notify_account(JD_HOOK_account_deleting, &ev);
	jd_unit_key(unit, room->number);
	account_add_leave(unit, room->number);
	e = jd_unit_submit(unit, &c->pending, on_left, c);
	return e ? not_begun(c, e) : 0;
}
