/* SPDX-License-Identifier: MIT
 *
 * Search for public rooms by words in name, description and address (XEP-0433).
 *
 * By address it is one statement on the rows of public rooms, in the lane of long ones, which has
 * a time limit.  Who is in a room only its memory knows: what asks for people, or puts rooms
 * with many first, searches those with somebody in them, and finds no other.  Hidden rooms are in
 * neither.  A component answers so many searches a second, whoever asks; one that reads much
 * counts for several, and a page ends early where descriptions are long.
 */
#include <stdlib.h>

#include "muc.h"
#include <jackdaw/rsm.h>

#define NS         "urn:xmpp:channel-search:0"
#define NS_SEARCH  NS ":search"
#define NS_ERROR   NS ":error"
#define BY_NUSERS  "{" NS ":order}nusers"
#define BY_ADDRESS "{" NS ":order}address"
#define TYPE       "xep-0045"

#define WORDS_MAX  4
#define PAGE_USUAL 50
#define PAGE_MOST  100
#define PER_SECOND 20.0
#define AT_ONCE    60.0
#define READ_BYTES (256.0 * 1024) /* in memory: what is one search more */
#define PAGE_BYTES 32768          /* of names and descriptions */

enum { S_Q, S_ALL, S_NAME, S_DESCRIPTION, S_ADDRESS, S_MIN, S_TYPES, S_KEY };

static const struct jd_form_option types[] = {{TYPE, "Rooms (XEP-0045)"}, {NULL, NULL}};
static const struct jd_form_option keys[] = {
	{BY_NUSERS, "Number of people"}, {BY_ADDRESS, "Address"}, {NULL, NULL}};

/* Lists are open: another type finds nothing, and another key has an error of its own. */
static const struct jd_form_field fields[] = {
	[S_Q] = {JD_FIELD_TEXT, "q", .label = "Search for", .max_bytes = 300},
	[S_ALL] = {JD_FIELD_BOOL, "all", .label = "All rooms, whatever the words"},
	[S_NAME] = {JD_FIELD_BOOL, "sinname", .label = "Search in names"},
	[S_DESCRIPTION] = {JD_FIELD_BOOL, "sindescription", .label = "Search in descriptions"},
	[S_ADDRESS] = {JD_FIELD_BOOL, "sinaddr", .label = "Search in addresses"},
	[S_MIN] = {JD_FIELD_TEXT, "min_users", .label = "People at least", .data = JD_DATA_INTEGER,
		   .min = 0, .max = 1000},
	[S_TYPES] = {JD_FIELD_LIST_MULTI, "types", .label = "Kinds of rooms",
		     .flags = JD_FIELD_OPEN, .options = types},
	[S_KEY] = {JD_FIELD_LIST, "key", .label = "Sorted by", .flags = JD_FIELD_OPEN,
		   .options = keys},
	JD_FORM_FIELDS_END,
};

static const struct jd_form_def def = {
	.form_type = NS ":search-params",
	.title = "Search for rooms",
	.fields = fields,
};

#define HAY                                                                                        \
	"(CASE WHEN $4 = 1 THEN a.name ELSE '' END || ' ' ||"                                      \
	" CASE WHEN $5 = 1 THEN r.title ELSE '' END || ' ' ||"                                     \
	" CASE WHEN $6 = 1 THEN r.description ELSE '' END)"
#define FIND(like)                                                                                 \
	"SELECT a.name, r.config FROM account a JOIN muc_room r ON r.owner = a.owner"              \
	" WHERE a.host = $1 AND a.name > $2 AND r.listed = 1 AND r.locked = 0"                     \
	" AND " HAY like "$7 ESCAPE '!' AND " HAY like "$8 ESCAPE '!'"                             \
	" AND " HAY like "$9 ESCAPE '!' AND " HAY like "$10 ESCAPE '!'"                            \
	" ORDER BY a.name LIMIT $3"

static struct jd_stmt find = {
	.name = "muc.find",
	.lane = JD_LANE_LONG,
	.sql = FIND(" LIKE "),
	.pgsql = FIND(" ILIKE "),
};

struct search {
	struct jd_instance *mi;
	struct jd_iq *iq;
	struct jd_str words[WORDS_MAX];
	unsigned n_words;
	bool in_name, in_description, in_address, by_nusers;
	unsigned min, limit;
	struct jd_str after;
	size_t read, written; /* bytes */
};

static struct muc *muc_of_search(const struct search *s)
{
	return jd_data(s->mi);
}

static void fail(struct jd_iq *iq, enum jd_condition condition, enum jd_errtype type,
		 const char *specific, const char *text)
{
	const struct jd_error error = {condition, type, text, NS_ERROR, specific};

	jd_iq_error(iq, &error);
}

/* -- what is found ------------------------------------------------------------------------------
 */

static const struct room *busy_room(const struct muc *muc, struct jd_str name)
{
	const struct room *r = muc->busy;

	while (r && !jd_str_eq(jd_jid_local(muc_room_jid(r)), name))
		r = r->busy_next;
	return r;
}

/* Owners say how long it is, and a server that asks for others ends its connection to us when an
 * answer is too long for it. */
static bool is_page_full(const struct search *s)
{
	return s->written >= PAGE_BYTES;
}

static void write_item(struct jd_xml *x, struct search *s, struct jd_str name,
		       const struct config *c, unsigned n)
{
	struct jd_str host = jd_host_name(s->iq->host);
	struct jd_arena *arena = s->iq->st->arena;

	s->written += name.len + c->title.len + c->description.len;
	jd_xml_start(x, NS_SEARCH, "item");
	jd_xml_attr(x, "address", jd_arena_printf(arena, "%.*s@%.*s", JD_FMT(name), JD_FMT(host)));
	jd_xml_leaf(x, NULL, "name", c->title.len ? c->title : name);
	if (c->description.len)
		jd_xml_leaf(x, NULL, "description", c->description);
	if (c->lang.len)
		jd_xml_leaf(x, NULL, "language", c->lang);
	jd_xml_leaf(x, NULL, "nusers", jd_arena_printf(arena, "%u", n));
	jd_xml_leaf(x, NULL, "service-type", JD_STR(TYPE));
	jd_xml_leaf(x, NULL, "is-open",
		    c->members_only || c->password.len ? JD_STR("false") : JD_STR("true"));
	jd_xml_leaf(x, NULL, "anonymity-mode",
		    c->known_jids ? JD_STR("{" NS ":anonymity}none") : JD_STR("muc_semianonymous"));
	jd_xml_end(x);
}

static struct jd_xml *start(const struct search *s)
{
	struct jd_xml *x = jd_iq_result(s->iq);

	jd_xml_start(x, NS_SEARCH, "result");
	return x;
}

static void end(const struct search *s, struct jd_xml *x, struct jd_str first, struct jd_str last)
{
	const struct jd_rsm_page page = {first, last, -1, -1};

	jd_rsm_write(x, &page);
	jd_xml_end(x);
	jd_iq_reply(s->iq, x);
}

/* -- rooms with somebody in them ----------------------------------------------------------------
 */

static bool has_word(struct search *s, struct jd_str text, struct jd_str word)
{
	s->read += text.len;
	for (size_t i = 0; i + word.len <= text.len; i++)
		if (strncasecmp(text.p + i, word.p, word.len) == 0)
			return true;
	return false;
}

static bool is_found(struct search *s, const struct room *r)
{
	const struct config *c = &r->config;
	bool all = r->made && !r->locked && c->listed && r->n_occupants >= s->min;

	for (unsigned i = 0; all && i < s->n_words; i++)
		all = (s->in_name && has_word(s, c->title, s->words[i])) ||
		      (s->in_description && has_word(s, c->description, s->words[i])) ||
		      (s->in_address && has_word(s, jd_jid_local(muc_room_jid(r)), s->words[i]));
	return all;
}

/* A place among them, also of one that is not there any more. */
struct place {
	unsigned n;
	struct jd_str name;
};

static struct place place_of(const struct search *s, const struct room *r)
{
	return (struct place){s->by_nusers ? r->n_occupants : 0, jd_jid_local(muc_room_jid(r))};
}

static int compare(struct place a, struct place b)
{
	size_t n = a.name.len < b.name.len ? a.name.len : b.name.len;
	int order = n ? memcmp(a.name.p, b.name.p, n) : 0;

	if (a.n != b.n)
		return a.n > b.n ? -1 : 1;
	if (order)
		return order;
	return (a.name.len > b.name.len) - (a.name.len < b.name.len);
}

static struct jd_str place_text(struct place p, struct jd_arena *arena)
{
	return jd_arena_printf(arena, "%u %.*s", p.n, JD_FMT(p.name));
}

static struct place place_read(struct jd_str s)
{
	const char *space = s.p ? memchr(s.p, ' ', s.len) : NULL;
	struct place p = {0, s};

	if (space) {
		p.n = (unsigned)strtoul(s.p, NULL, 10);
		p.name = (struct jd_str){space + 1, s.len - (size_t)(space + 1 - s.p)};
	}
	return p;
}

/* Keeps the first ones of a page in order. */
static unsigned keep(const struct search *s, const struct room **rooms, unsigned n,
		     const struct room *r)
{
	unsigned i = n < s->limit ? n : s->limit - 1;

	if (n == s->limit && compare(place_of(s, r), place_of(s, rooms[i])) > 0)
		return n;
	while (i > 0 && compare(place_of(s, r), place_of(s, rooms[i - 1])) < 0) {
		rooms[i] = rooms[i - 1];
		i--;
	}
	rooms[i] = r;
	return n < s->limit ? n + 1 : n;
}

static void search_busy(struct search *s)
{
	struct jd_arena *arena = s->iq->st->arena;
	const struct room **rooms = jd_arena_alloc(arena, (PAGE_MOST + 1) * sizeof(struct room *));
	struct jd_str first = JD_STR_NULL, last = JD_STR_NULL;
	struct jd_xml *x = start(s);
	unsigned n = 0, i;

	for (const struct room *r = muc_of_search(s)->busy; s->limit && r; r = r->busy_next)
		if (is_found(s, r) &&
		    (!s->after.p || compare(place_of(s, r), place_read(s->after)) > 0))
			n = keep(s, rooms, n, r);
	muc_of_search(s)->searches += (double)s->read / READ_BYTES;
	for (i = 0; i < n && !is_page_full(s); i++)
		write_item(x, s, jd_jid_local(muc_room_jid(rooms[i])), &rooms[i]->config,
			   rooms[i]->n_occupants);
	if (i) {
		first = place_text(place_of(s, rooms[0]), arena);
		last = place_text(place_of(s, rooms[i - 1]), arena);
	}
	end(s, x, first, last);
}

/* -- all public rooms -----------------------------------------------------------------------------
 */

static void on_found(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct search *s = arg;
	size_t i, n = status == JD_DB_OK ? jd_rows_count(rows) : 0;
	struct jd_str first = JD_STR_NULL, last = JD_STR_NULL;
	struct jd_xml *x;

	if (status != JD_DB_OK) {
		jd_iq_fail(s->iq, JD_INTERNAL_SERVER_ERROR, NULL);
		return;
	}
	x = start(s);
	for (i = 0; i < n && !is_page_full(s); i++) {
		struct jd_str name = jd_row_str(rows, i, 0);
		const struct room *r = busy_room(muc_of_search(s), name);
		struct config c;

		if (!muc_config_parse(muc_of_search(s), jd_row_str(rows, i, 1), &c))
			continue;
		write_item(x, s, name, &c, r ? r->n_occupants : 0);
		muc_config_free(&c);
	}
	if (i) {
		first = jd_row_str(rows, 0, 0);
		last = jd_row_str(rows, i - 1, 0);
	}
	end(s, x, first, last);
}

/* Anything around the word, of which no character stands for others. */
static struct jd_param pattern(const struct search *s, unsigned i)
{
	char *text, *p;

	if (i >= s->n_words)
		return jd_text(JD_STR("%"));
	text = p = jd_arena_bytes(s->iq->st->arena, 2 * s->words[i].len + 2);
	*p++ = '%';
	for (size_t k = 0; k < s->words[i].len; k++) {
		if (strchr("%_!", s->words[i].p[k]))
			*p++ = '!';
		*p++ = s->words[i].p[k];
	}
	*p++ = '%';
	return jd_text((struct jd_str){text, (size_t)(p - text)});
}

static void search_all(struct search *s)
{
	struct jd_str after = s->after.p ? s->after : JD_STR("");
	struct jd_params params =
		JD_PARAMS(jd_text(jd_host_name(s->iq->host)), jd_text(after), jd_int(s->limit),
			  jd_int(s->in_address), jd_int(s->in_name), jd_int(s->in_description),
			  pattern(s, 0), pattern(s, 1), pattern(s, 2), pattern(s, 3));

	if (jd_db_query(jd_iq_pending(s->iq), &find, params, on_found, s) < 0)
		fail(s->iq, JD_RESOURCE_CONSTRAINT, JD_ERRTYPE_WAIT, "rate-limit", NULL);
}

/* -- what is asked --------------------------------------------------------------------------------
 */

static void fill(struct jd_form *form)
{
	jd_form_set_bool(form, S_NAME, true);
	jd_form_set_bool(form, S_DESCRIPTION, true);
	jd_form_set_bool(form, S_ADDRESS, true);
	jd_form_set_int(form, S_MIN, 1);
	jd_form_add_text(form, S_TYPES, JD_STR(TYPE));
	jd_form_set_text(form, S_KEY, JD_STR(BY_NUSERS));
}

static void send_form(struct jd_iq *iq)
{
	struct jd_xml *x = jd_iq_result(iq);
	struct jd_form form;

	jd_form_init(&form, &def, iq->st->arena);
	fill(&form);
	jd_xml_start(x, NS_SEARCH, "search");
	jd_form_write_form(x, &form);
	jd_xml_end(x);
	jd_iq_reply(iq, x);
}

/* False: there are too many. */
static bool split(struct search *s, struct jd_str q)
{
	for (size_t i = 0, n; i < q.len; i += n) {
		for (n = 0; i + n < q.len && q.p[i + n] != ' '; n++)
			;
		if (n && s->n_words == WORDS_MAX)
			return false;
		if (n)
			s->words[s->n_words++] = (struct jd_str){q.p + i, n};
		else
			n = 1;
	}
	return true;
}

static bool is_on(const struct jd_form *form, unsigned i)
{
	return !jd_form_given(form, i) || jd_form_bool(form, i);
}

/* False: it has been answered. */
static bool read_words(struct search *s, const struct jd_form *form)
{
	struct jd_str q = jd_form_text(form, S_Q);
	bool all = jd_form_bool(form, S_ALL);

	s->in_name = is_on(form, S_NAME);
	s->in_description = is_on(form, S_DESCRIPTION);
	s->in_address = is_on(form, S_ADDRESS);
	if (all && q.len)
		fail(s->iq, JD_BAD_REQUEST, JD_ERRTYPE_MODIFY, "conflicting-fields",
		     "Either all rooms, or those with some words.");
	else if (!all && !jd_form_given(form, S_Q))
		fail(s->iq, JD_BAD_REQUEST, JD_ERRTYPE_CANCEL, "no-search-conditions", NULL);
	else if (!split(s, q) || (!all && !s->n_words))
		fail(s->iq, JD_BAD_REQUEST, JD_ERRTYPE_MODIFY, "invalid-search-terms",
		     "Say one to four words.");
	else if (!all && !s->in_name && !s->in_description && !s->in_address)
		fail(s->iq, JD_BAD_REQUEST, JD_ERRTYPE_MODIFY, "no-search-conditions",
		     "Say where to search.");
	else
		return true;
	return false;
}

static bool wants_rooms(const struct jd_form *form)
{
	for (unsigned i = 0; i < jd_form_count(form, S_TYPES); i++)
		if (jd_str_is(jd_form_text_at(form, S_TYPES, i), TYPE))
			return true;
	return !jd_form_count(form, S_TYPES);
}

static void go(struct search *s, const struct jd_form *form)
{
	struct jd_str key = jd_form_text(form, S_KEY);

	s->by_nusers = !key.len || jd_str_is(key, BY_NUSERS);
	s->min = jd_form_given(form, S_MIN) ? (unsigned)jd_form_int(form, S_MIN) : 1;
	if (!s->by_nusers && !jd_str_is(key, BY_ADDRESS))
		fail(s->iq, JD_FEATURE_NOT_IMPLEMENTED, JD_ERRTYPE_MODIFY, "invalid-sort-key",
		     NULL);
	else if (!read_words(s, form))
		return;
	else if (!wants_rooms(form) || !s->limit)
		end(s, start(s), JD_STR_NULL, JD_STR_NULL);
	else if (s->by_nusers || s->min)
		search_busy(s);
	else
		search_all(s);
}

static bool may_go(struct muc *muc)
{
	jd_usec now = jd_now_mono();

	muc->searches -= (double)(now - muc->searched_at) / JD_USEC_PER_SEC * PER_SECOND;
	muc->searched_at = now;
	if (muc->searches < 0)
		muc->searches = 0;
	if (muc->searches + 1 > AT_ONCE)
		return false;
	muc->searches += 1;
	return true;
}

static enum jd_verdict on_search(struct jd_instance *mi, struct jd_iq *iq)
{
	struct jd_el x = jd_el_child(iq->query, JD_NS_DATAFORM, "x");
	struct search *s = jd_arena_new(iq->st->arena, struct search);
	struct jd_error error;
	struct jd_form form;
	struct jd_rsm rsm;

	s->mi = mi;
	s->iq = iq;
	if (!jd_el_ok(x)) {
		send_form(iq);
		return JD_ASYNC;
	}
	if (jd_form_read(x, &def, iq->st->arena, &form) != JD_FORM_OK) {
		jd_iq_error(iq, &form.error);
		return JD_ASYNC;
	}
	if (jd_rsm_read(iq->query, iq->st->arena, &rsm, &error) < 0) {
		jd_iq_error(iq, &error);
		return JD_ASYNC;
	}
	s->limit = jd_rsm_limit(&rsm, PAGE_USUAL, PAGE_MOST);
	s->after = rsm.after;
	if (rsm.backwards)
		jd_iq_fail(iq, JD_FEATURE_NOT_IMPLEMENTED, "Rooms are listed forwards.");
	else if (!may_go(jd_data(mi)))
		fail(iq, JD_RESOURCE_CONSTRAINT, JD_ERRTYPE_WAIT, "rate-limit",
		     "Too many are searching.");
	else
		go(s, &form);
	return JD_ASYNC;
}

int muc_search_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&find};
	int r = jd_statements(mi, all, JD_ARRAY_SIZE(all));

	jd_feature(mi, JD_TO_HOST, NS_SEARCH);
	return r ? r : jd_on_iq(mi, JD_TYPE_GET, JD_TO_HOST, NS_SEARCH, "search", on_search);
}
