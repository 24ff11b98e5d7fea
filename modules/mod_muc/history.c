/* SPDX-License-Identifier: MIT
 *
 * What was said before somebody came (XEP-0045 7.2.13, 7.2.14): the end of the log, as much
 * of it as the room gives and the client wants, and then the subject (7.2.15).
 */
#include "muc.h"

/* What the client wants at most; what it has not said is not limited. */
struct wanted {
	unsigned stanzas;
	uint64_t chars;
	jd_usec since;
};

/* A whole number, cut where it is larger than we count; false: none. */
static bool read_number(struct jd_el el, const char *name, uint64_t *ret_n)
{
	struct jd_str s = jd_el_attr(el, name);
	uint64_t n = 0;

	if (!s.len)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		if (n < UINT32_MAX)
			n = n * 10 + (uint64_t)(s.p[i] - '0');
	}
	*ret_n = n;
	return true;
}

static struct wanted read_wanted(const struct room *r, struct jd_el el)
{
	struct wanted w = {.stanzas = r->config.history, .chars = UINT64_MAX};
	jd_usec now = jd_now(), at;
	uint64_t n;

	if (read_number(el, "maxstanzas", &n) && n < w.stanzas)
		w.stanzas = (unsigned)n;
	if (read_number(el, "maxchars", &n))
		w.chars = n;
	if (read_number(el, "seconds", &n))
		w.since = n * JD_USEC_PER_SEC < now ? now - n * JD_USEC_PER_SEC : 0;
	if (jd_time_parse(jd_el_attr(el, "since"), &at) == 0 && at > w.since)
		w.since = at;
	if (!w.chars)
		w.stanzas = 0;
	return w;
}

static bool is_history(const struct jd_archived *row)
{
	return row->st && !muc_is_subject(jd_stanza_root(row->st));
}

/* The first of the rows that together are not too long. */
static size_t first_row(const struct jd_archived *rows, size_t n, uint64_t chars,
			struct jd_arena *arena)
{
	while (n && chars != UINT64_MAX) {
		uint64_t size =
			is_history(&rows[n - 1]) ? jd_stanza_bytes(rows[n - 1].st, arena).len : 0;

		if (size > chars)
			return n;
		chars -= size;
		n--;
	}
	return chars == UINT64_MAX ? 0 : n;
}

static void send_row(const struct room *r, const struct jd_archived *row, struct jd_jid to)
{
	struct jd_stanza *st = jd_stanza_clone(row->st);
	struct jd_xml *x = jd_stanza_add(st);

	jd_delay_write(x, muc_room_jid(r), row->at);
	jd_stanza_added(st, x);
	jd_stanza_set_to(st, to);
	jd_route(st);
	jd_stanza_unref(st);
}

static void on_rows(void *arg, int result, const struct jd_archived *rows, size_t n, bool more)
{
	struct visit *v = arg;
	const struct wanted *w = v->data;

	(void)more;
	if (result < 0)
		n = 0;
	for (size_t i = first_row(rows, n, w->chars, v->st->arena); i < n; i++)
		if (is_history(&rows[i]))
			send_row(v->room, &rows[i], v->st->from);
	muc_send_subject(v->room, v->st->from);
	muc_end(v, JD_DONE);
}

enum jd_verdict muc_history(struct visit *v, struct jd_el el)
{
	struct wanted *w = jd_arena_new(v->st->arena, struct wanted);
	struct jd_archive_read read = {.owner = muc_room_owner(v->room), .newest = true};

	*w = read_wanted(v->room, el);
	v->data = w;
	read.since = w->since;
	read.limit = w->stanzas;
	if (v->muc->archive && v->room->config.archived && w->stanzas &&
	    v->muc->archive->read(v->muc->archive_mi, v->pending, &read, on_rows, v) == 0)
		return JD_WAIT;
	muc_send_subject(v->room, v->st->from);
	return JD_DONE;
}
