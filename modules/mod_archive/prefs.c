/* SPDX-License-Identifier: MIT
 *
 * What an account wants to have kept (XEP-0441): always, never, or messages with
 * those in its roster; and exceptions by address.  Preferences are loaded with
 * the first message of an account and stay in memory with it.
 */
#include "archive.h"

#include <stdlib.h>

#define PREFS_MAX 200

static const char *const names[] = {
	[KEEP_NEVER] = "never", [KEEP_ALWAYS] = "always", [KEEP_ROSTER] = "roster"};

static struct jd_stmt get = {
	.name = "archive.get_prefs",
	.lane = JD_LANE_READ,
	.sql = "SELECT jid, keep FROM archive_pref WHERE owner = $1 ORDER BY jid LIMIT 1001",
};

static struct jd_stmt drop = {
	.name = "archive.drop_prefs",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM archive_pref WHERE owner = $1",
};

static struct jd_stmt put = {
	.name = "archive.put_pref",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO archive_pref (owner, jid, keep) VALUES ($1, $2, $3)",
};

/* -- in memory ------------------------------------------------------------------------ */

static void forget(struct home *h)
{
	for (size_t i = 0; i < h->n_prefs; i++)
		jd_free(h->prefs[i].jid);
	jd_free(h->prefs);
	h->prefs = NULL;
	h->n_prefs = 0;
	h->keep = -1;
	h->loaded = false;
}

void archive_home_free(struct jd_instance *mi, void *data)
{
	(void)mi;
	forget(data);
}

void archive_home_fill(struct home *h, const struct jd_rows *rows)
{
	size_t n = jd_rows_count(rows);

	forget(h);
	h->loaded = true;
	if (n)
		h->prefs = jd_alloc(n * sizeof(*h->prefs));
	for (size_t i = 0; i < n; i++) {
		struct jd_str jid = jd_row_str(rows, i, 0);
		int64_t keep = jd_row_int(rows, i, 1);

		if (keep < KEEP_NEVER || keep > KEEP_ROSTER)
			continue;
		if (!jid.len)
			h->keep = (int)keep;
		else
			h->prefs[h->n_prefs++] = (struct pref){jd_strdup(jid), (enum keep)keep};
	}
}

int archive_home_load(struct jd_owner *owner, uint64_t number, jd_db_fn fn, void *arg)
{
	return jd_db_query(owner, &get, JD_PARAMS(jd_int((int64_t)number)), fn, arg);
}

/* An entry for the address as it is counts more than one for all its resources. */
enum keep archive_home_keep(const struct archive *o, const struct home *h, struct jd_jid peer)
{
	const struct pref *bare = NULL;

	for (size_t i = 0; i < h->n_prefs; i++) {
		const struct pref *p = &h->prefs[i];

		if (jd_str_is(jd_jid_str(peer), p->jid))
			return p->keep;
		if (jd_str_is(jd_jid_bare_str(peer), p->jid))
			bare = p;
	}
	if (bare)
		return bare->keep;
	return (enum keep)(h->keep < 0 ? o->keep : h->keep);
}

/* -- get ------------------------------------------------------------------------------ */

static void write_list(struct jd_xml *x, const struct home *h, enum keep keep)
{
	jd_xml_start(x, NULL, names[keep]);
	for (size_t i = 0; i < h->n_prefs; i++)
		if (h->prefs[i].keep == keep)
			jd_xml_leaf(x, NULL, "jid", jd_cstr(h->prefs[i].jid));
	jd_xml_end(x);
}

static void answer(struct jd_iq *iq, const struct archive *o, const struct home *h)
{
	struct jd_xml *x = jd_iq_result(iq);

	jd_xml_start(x, NS_MAM, "prefs");
	jd_xml_attr(x, "default", jd_cstr(names[h->keep < 0 ? o->keep : h->keep]));
	write_list(x, h, KEEP_ALWAYS);
	write_list(x, h, KEEP_NEVER);
	jd_xml_end(x);
	jd_iq_reply(iq, x);
}

static void on_got(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_iq *iq = arg;
	struct home h = {.keep = -1};

	if (status != JD_DB_OK) {
		jd_iq_fail(iq, JD_INTERNAL_SERVER_ERROR, NULL);
		return;
	}
	archive_home_fill(&h, rows);
	answer(iq, iq->data, &h);
	forget(&h);
}

static enum jd_verdict fail(struct jd_iq *iq, enum jd_condition condition, const char *text)
{
	jd_iq_fail(iq, condition, text);
	return JD_DONE;
}

static enum jd_verdict on_get(struct jd_instance *mi, struct jd_iq *iq)
{
	iq->data = jd_data(mi);
	if (!iq->own)
		return fail(iq, JD_FORBIDDEN, NULL);
	if (archive_home_load(jd_iq_pending(iq), jd_account_owner(iq->account), on_got, iq) < 0)
		return fail(iq, JD_RESOURCE_CONSTRAINT, NULL);
	return JD_ASYNC;
}

/* -- set ------------------------------------------------------------------------------ */

/* What is asked for, as a home that nobody lives in: in the stanza's arena. */
struct setting {
	struct jd_iq *iq;
	const struct archive *options;
	struct home *home;
	struct home asked;
	const char *wrong;
};

static bool wrong(struct setting *s, const char *text)
{
	s->wrong = text;
	return false;
}

static const struct pref *find(const struct setting *s, struct jd_jid jid)
{
	for (size_t i = 0; i < s->asked.n_prefs; i++)
		if (jd_str_is(jd_jid_str(jid), s->asked.prefs[i].jid))
			return &s->asked.prefs[i];
	return NULL;
}

static bool read_jid(struct setting *s, struct jd_el el, enum keep keep)
{
	struct jd_arena *arena = s->iq->st->arena;
	const struct pref *there;
	struct jd_jid jid;

	if (jd_jid_parse(arena, jd_el_text(el, arena), &jid) < 0)
		return wrong(s, "There is something that is no address.");
	there = find(s, jid);
	if (there)
		return there->keep == keep || wrong(s, "An address is in both lists.");
	if (s->asked.n_prefs == PREFS_MAX)
		return wrong(s, "These are too many addresses.");
	s->asked.prefs[s->asked.n_prefs++] =
		(struct pref){(char *)jd_arena_str(arena, jd_jid_str(jid)).p, keep};
	return true;
}

static bool read_list(struct setting *s, enum keep keep)
{
	struct jd_el list = jd_el_child(s->iq->query, NS_MAM, names[keep]);

	if (jd_el_ok(jd_el_next_is(list, NS_MAM, names[keep])))
		return wrong(s, "A list is there twice.");
	JD_EL_EACH_IS(el, list, NS_MAM, "jid")
	{
		if (!read_jid(s, el, keep))
			return false;
	}
	return true;
}

static bool read_prefs(struct setting *s)
{
	struct jd_str keep = jd_el_attr(s->iq->query, "default");

	s->asked.keep = -1;
	for (int i = KEEP_NEVER; i <= KEEP_ROSTER; i++)
		if (jd_str_is(keep, names[i]))
			s->asked.keep = i;
	if (s->asked.keep < 0)
		return wrong(s, "The default is always, never or roster.");
	s->asked.prefs = jd_arena_alloc(s->iq->st->arena, PREFS_MAX * sizeof(struct pref));
	return read_list(s, KEEP_ALWAYS) && read_list(s, KEEP_NEVER);
}

static void on_set_written(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct setting *s = arg;
	struct jd_call *call = s->iq->call;

	(void)rows;
	s->home->loaded = false;
	s->home->changes++;
	if (status == JD_DB_OK)
		answer(s->iq, s->options, &s->asked);
	else
		jd_iq_fail(s->iq, JD_INTERNAL_SERVER_ERROR, "This could not be stored.");
	jd_resume(call, JD_DONE);
}

static int submit(struct setting *s)
{
	struct jd_param owner = jd_int((int64_t)jd_account_owner(s->iq->account));
	struct jd_unit *unit = jd_unit_new();

	jd_unit_key(unit, (uint64_t)owner.num);
	jd_unit_add(unit, &drop, JD_PARAMS(owner));
	jd_unit_add(unit, &put, JD_PARAMS(owner, jd_text(JD_STR("")), jd_int(s->asked.keep)));
	for (size_t i = 0; i < s->asked.n_prefs; i++)
		jd_unit_add(unit, &put,
			    JD_PARAMS(owner, jd_text(jd_cstr(s->asked.prefs[i].jid)),
				      jd_int(s->asked.prefs[i].keep)));
	return jd_unit_submit(unit, jd_call_pending(s->iq->call), on_set_written, s);
}

static enum jd_verdict on_set(struct jd_instance *mi, struct jd_iq *iq)
{
	struct setting *s = jd_arena_new(iq->st->arena, struct setting);

	if (!iq->own)
		return fail(iq, JD_FORBIDDEN, NULL);
	s->iq = iq;
	s->options = jd_data(mi);
	s->home = jd_account_data(mi, iq->account);
	if (!read_prefs(s))
		return fail(iq, JD_BAD_REQUEST, s->wrong);
	if (submit(s) < 0)
		return fail(iq, JD_RESOURCE_CONSTRAINT, NULL);
	return JD_WAIT;
}

int archive_prefs_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&get, &drop, &put};
	int r = jd_statements(mi, all, JD_ARRAY_SIZE(all));

	if (r == 0)
		r = jd_on_iq(mi, JD_TYPE_GET, JD_TO_ACCOUNT, NS_MAM, "prefs", on_get);
	if (r == 0)
		r = jd_on_iq(mi, JD_TYPE_SET, JD_TO_ACCOUNT, NS_MAM, "prefs", on_set);
	return r;
}
