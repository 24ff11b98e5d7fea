/* SPDX-License-Identifier: MIT
 *
 * How a room is at the moment, for `jackdawctl room info`: who is in it, how many are on its
 * lists, how much is in its log and since when nothing was said.  Only the component itself may
 * ask, which is what an operator's command does; others hear that there is nothing like this.
 */
#include "muc.h"

struct state {
	uint64_t rows;
	jd_usec last; /* 0: nothing is kept */
};

static void write_count(struct jd_xml *x, const struct room *r, const char *name,
			enum affiliation a)
{
	jd_xml_attr_int(x, name, (int64_t)muc_count(r, a));
}

static void write_occupant(struct jd_xml *x, const struct occupant *o)
{
	int64_t devices = 0;

	for (const struct device *d = o->devices; d; d = d->next)
		devices++;
	jd_xml_start(x, NULL, "occupant");
	jd_xml_attr(x, "nick", muc_nick(o));
	jd_xml_attr(x, "jid", jd_jid_str(o->who));
	jd_xml_attr(x, "affiliation", muc_affiliation_name(muc_affiliation(o->room, o->who)));
	jd_xml_attr(x, "role", muc_role_name(o->role));
	jd_xml_attr_int(x, "devices", devices);
	jd_xml_end(x);
}

static enum jd_verdict answer(struct visit *v, const struct state *s)
{
	const struct room *r = v->room;
	struct jd_xml *x;

	if (!r->made) /* any more */
		return muc_fail(v, JD_ITEM_NOT_FOUND, "There is no such room.");
	x = jd_iq_result(v->iq);
	jd_xml_start(x, NS_STATE, "query");
	write_count(x, r, "owners", AFF_OWNER);
	write_count(x, r, "admins", AFF_ADMIN);
	write_count(x, r, "members", AFF_MEMBER);
	write_count(x, r, "outcasts", AFF_OUTCAST);
	jd_xml_attr_int(x, "slow_mode", r->config.slow);
	jd_xml_attr_int(x, "kept", (int64_t)s->rows);
	jd_xml_attr(x, "last", s->last ? jd_time_text(v->arena, s->last) : JD_STR_NULL);
	for (const struct occupant *o = r->occupants; o; o = o->next)
		write_occupant(x, o);
	jd_xml_end(x);
	jd_iq_reply(v->iq, x);
	return JD_DONE;
}

/* -- of the log ----------------------------------------------------------------------------- */

static void fail(struct visit *v)
{
	(void)muc_fail(v, JD_INTERNAL_SERVER_ERROR, "The database does not answer.");
}

static void on_newest(void *arg, int result, const struct jd_archived *rows, size_t n, bool more)
{
	struct visit *v = arg;
	struct state *s = v->data;

	(void)more;
	if (result < 0) {
		fail(v);
		return;
	}
	s->last = n ? rows[n - 1].at : 0;
	(void)answer(v, s);
}

static void on_counted(void *arg, int result, uint64_t last, uint64_t total)
{
	struct visit *v = arg;
	struct state *s = v->data;
	const struct jd_archive_read read = {
		.owner = muc_room_owner(v->room), .newest = true, .limit = 1};

	(void)last;
	s->rows = total;
	if (result < 0 ||
	    v->muc->archive->read(v->muc->archive_mi, v->pending, &read, on_newest, v) < 0)
		fail(v);
}

enum jd_verdict muc_on_state(struct visit *v)
{
	struct room *r = v->room;

	if (!jd_jid_eq(v->st->from, jd_host_jid(jd_account_host(r->account))))
		return muc_fail(v, JD_SERVICE_UNAVAILABLE, NULL);
	v->data = jd_arena_new(v->arena, struct state);
	if (!r->made || !v->muc->archive)
		return answer(v, v->data);
	if (v->muc->archive->state(v->muc->archive_mi, v->pending, muc_room_owner(r), on_counted,
				   v) < 0)
		return muc_fail(v, JD_RESOURCE_CONSTRAINT, NULL);
	return JD_ASYNC;
}
