/* SPDX-License-Identifier: MIT
 *
 * Queries (XEP-0313): the form, the page and the ids that a client names are read
 * and checked here; what is left is numbers and addresses, from which page.c makes
 * an answer.  An archive is shown to its owner and nobody else.
 */
#include <jackdaw/form.h>

#include "archive.h"

enum { F_WITH, F_START, F_END, F_BEFORE, F_AFTER, F_IDS, F_TEXT, F_WITHTEXT };

#define TEXT_MAX 1024 /* bytes of what is searched for */

/* clang-format off */
#define FIELDS                                                                                     \
	[F_WITH] = {JD_FIELD_JID, "with", .label = NULL},                                          \
	[F_START] = {JD_FIELD_TEXT, "start", .data = JD_DATA_TIME},                                \
	[F_END] = {JD_FIELD_TEXT, "end", .data = JD_DATA_TIME},                                    \
	[F_BEFORE] = {JD_FIELD_TEXT, "before-id", .label = NULL},                                  \
	[F_AFTER] = {JD_FIELD_TEXT, "after-id", .label = NULL},                                    \
	[F_IDS] = {JD_FIELD_LIST_MULTI, "ids", .flags = JD_FIELD_OPEN, .max_values = PAGE_MOST}

static const struct jd_form_field fields[] = {FIELDS, JD_FORM_FIELDS_END};

/* As XEP-0431 has it, and as servers had it before. */
static const struct jd_form_field search_fields[] = {
	FIELDS,
	[F_TEXT] = {JD_FIELD_TEXT, "{" NS_FULLTEXT "}fulltext", .max_bytes = TEXT_MAX},
	[F_WITHTEXT] = {JD_FIELD_TEXT, "withtext", .max_bytes = TEXT_MAX},
	JD_FORM_FIELDS_END,
};
/* clang-format on */

/* Without searching, and with it. */
static const struct jd_form_def defs[] = {
	{.form_type = NS_MAM, .fields = fields},
	{.form_type = NS_MAM, .fields = search_fields},
};

static const struct jd_form_def *def_of(struct jd_instance *mi)
{
	return &defs[((const struct archive *)jd_data(mi))->search];
}

static enum jd_verdict fail(struct jd_iq *iq, enum jd_condition condition, const char *text)
{
	jd_iq_fail(iq, condition, text);
	return JD_DONE;
}

/* -- ids ------------------------------------------------------------------------------ */

static void check_add(struct query *q, uint64_t id)
{
	for (unsigned i = 0; i < q->n_checks; i++)
		if (q->checks[i] == id)
			return;
	q->checks[q->n_checks++] = id;
}

/* One that must be there. */
static bool read_id(struct query *q, struct jd_str text, uint64_t *ret_id)
{
	if (jd_stanza_id_decode(text, q->owner, ret_id) < 0 || *ret_id > INT64_MAX)
		return false;
	check_add(q, *ret_id);
	return true;
}

static bool read_after(struct query *q, struct jd_str text)
{
	uint64_t id;

	if (!text.p)
		return true;
	if (!read_id(q, text, &id))
		return false;
	if (id > q->after)
		q->after = id;
	return true;
}

static bool read_before(struct query *q, struct jd_str text)
{
	uint64_t id;

	if (!text.p)
		return true;
	if (!read_id(q, text, &id))
		return false;
	if (id < q->before)
		q->before = id;
	return true;
}

/* As JSON, which both databases can take apart. The form has no value twice. */
static bool read_ids(struct query *q, const struct jd_form *form)
{
	struct jd_arena *arena = q->iq->st->arena;
	struct jd_str list = JD_STR("[");
	unsigned n = jd_form_count(form, F_IDS);

	for (unsigned i = 0; i < n; i++) {
		uint64_t id;

		if (jd_stanza_id_decode(jd_form_text_at(form, F_IDS, i), q->owner, &id) < 0 ||
		    id > INT64_MAX)
			return false;
		list = jd_arena_printf(arena, "%.*s%s%llu", JD_FMT(list), i ? "," : "",
				       (unsigned long long)id);
	}
	if (n)
		q->ids = jd_arena_printf(arena, "%.*s]", JD_FMT(list));
	q->n_ids = n;
	return true;
}

/* -- the form ------------------------------------------------------------------------- */

static bool is_known(const struct jd_form_def *def, struct jd_str var)
{
	for (const struct jd_form_field *f = def->fields; f->type != JD_FIELD_END; f++)
		if (jd_str_is(var, f->var))
			return true;
	return jd_str_is(var, "FORM_TYPE");
}

/* Whoever filters by what is not known here would take everything for what he wanted. */
static bool has_unknown(const struct jd_form_def *def, struct jd_el form)
{
	JD_EL_EACH_IS(field, form, JD_NS_DATAFORM, "field")
	{
		if (jd_el_attr(field, "var").p && !is_known(def, jd_el_attr(field, "var")))
			return true;
	}
	return false;
}

/* False: no such id. */
static bool take_form(struct query *q, const struct jd_form *form)
{
	q->filtered = false;
	for (unsigned i = 0; form->def->fields[i].type != JD_FIELD_END; i++)
		q->filtered |= jd_form_given(form, i);
	q->with = jd_form_jid(form, F_WITH);
	if (jd_form_given(form, F_START))
		q->start = (jd_usec)jd_form_int(form, F_START);
	if (jd_form_given(form, F_END))
		q->end = (jd_usec)jd_form_int(form, F_END);
	return read_after(q, jd_form_text(form, F_AFTER)) &&
	       read_before(q, jd_form_text(form, F_BEFORE)) && read_ids(q, form);
}

/* Both fields, if somebody makes sure. An empty one asks for nothing. False: answered. */
static bool take_text(struct query *q, const struct jd_form *form)
{
	struct jd_str text = jd_form_text(form, F_TEXT), other = jd_form_text(form, F_WITHTEXT);
	const char *wrong;

	if (other.len)
		text = jd_arena_printf(q->iq->st->arena, "%.*s %.*s", JD_FMT(text), JD_FMT(other));
	wrong = text.len ? archive_search_read(q, text) : NULL;
	if (wrong)
		jd_iq_fail(q->iq, JD_BAD_REQUEST, wrong);
	return !wrong;
}

/* False: answered. */
static bool read_form(struct query *q)
{
	struct jd_el x = jd_el_child(q->iq->query, JD_NS_DATAFORM, "x");
	const struct jd_form_def *def = def_of(q->mi);
	struct jd_form form;

	if (!jd_el_ok(x))
		return true;
	if (jd_el_ok(jd_el_next_is(x, JD_NS_DATAFORM, "x"))) {
		jd_iq_fail(q->iq, JD_BAD_REQUEST, "There are two forms.");
		return false;
	}
	if (has_unknown(def, x)) {
		jd_iq_fail(q->iq, JD_FEATURE_NOT_IMPLEMENTED,
			   "The form has a field that is unknown here.");
		return false;
	}
	switch (jd_form_read(x, def, q->iq->st->arena, &form)) {
	case JD_FORM_WRONG:
		jd_iq_error(q->iq, &form.error);
		return false;
	case JD_FORM_CANCELLED:
		jd_iq_fail(q->iq, JD_BAD_REQUEST, "The form was cancelled.");
		return false;
	case JD_FORM_OK:
		break;
	}
	if (!take_form(q, &form)) {
		jd_iq_fail(q->iq, JD_ITEM_NOT_FOUND, NULL);
		return false;
	}
	return def == &defs[false] || take_text(q, &form);
}

/* -- the page ------------------------------------------------------------------------- */

/* False: answered. */
static bool read_page(struct query *q)
{
	struct jd_rsm rsm;
	struct jd_error error;

	if (jd_rsm_read(q->iq->query, q->iq->st->arena, &rsm, &error) < 0) {
		jd_iq_error(q->iq, &error);
		return false;
	}
	q->backwards = rsm.backwards;
	q->count_only = rsm.limited && rsm.max == 0;
	q->limit = jd_rsm_limit(&rsm, PAGE_USUAL, PAGE_MOST);
	if (read_after(q, rsm.after) && read_before(q, rsm.before))
		return true;
	jd_iq_fail(q->iq, JD_ITEM_NOT_FOUND, NULL);
	return false;
}

static void on_state(void *arg, int result, uint64_t last, uint64_t total)
{
	struct query *q = arg;

	(void)last;
	q->total = total;
	if (result < 0 && result != -JD_ENOENT)
		jd_iq_fail(q->iq, JD_INTERNAL_SERVER_ERROR, NULL);
	else
		archive_page_get(q);
}

/* How many there are is known when the log is in memory; and who has sent something sees it, also
 * while it is still being written. */
static int begin(struct query *q)
{
	const struct log *log = archive_log_find(q->mi, q->owner);

	if (log ? log->state == LOG_READY && !log->first : q->filtered) {
		q->total = log ? log->total : 0;
		archive_page_get(q);
		return 0;
	}
	return archive_state(q->mi, jd_iq_pending(q->iq), q->owner, on_state, q);
}

static enum jd_verdict run(struct jd_instance *mi, struct jd_iq *iq, uint64_t owner)
{
	struct query *q = jd_arena_new(iq->st->arena, struct query);

	if (jd_el_attr(iq->query, "node").p)
		return fail(iq, JD_ITEM_NOT_FOUND, "An account's archive has no nodes.");
	q->mi = mi;
	q->iq = iq;
	q->owner = owner;
	q->before = INT64_MAX;
	q->end = INT64_MAX;
	q->id = jd_el_attr(iq->query, "queryid");
	if (q->id.len > QUERYID_MAX)
		return fail(iq, JD_BAD_REQUEST, "The query has too long a name.");
	q->flip = jd_el_ok(jd_el_child(iq->query, NS_MAM, "flip-page"));
	if (!read_form(q) || !read_page(q))
		return JD_DONE;
	if (begin(q) < 0)
		return fail(iq, JD_RESOURCE_CONSTRAINT, NULL);
	return JD_ASYNC;
}

/* -- what may be asked for ------------------------------------------------------------ */

static enum jd_verdict show_form(struct jd_instance *mi, struct jd_iq *iq)
{
	struct jd_form form;
	struct jd_xml *x;

	jd_form_init(&form, def_of(mi), iq->st->arena);
	x = jd_iq_result(iq);
	jd_xml_start(x, NS_MAM, "query");
	jd_form_write_form(x, &form);
	jd_xml_end(x);
	jd_iq_reply(iq, x);
	return JD_DONE;
}

/* -- its ends ------------------------------------------------------------------------- */

static void write_end(struct jd_xml *x, struct jd_arena *arena, uint64_t owner, const char *name,
		      struct place place)
{
	jd_xml_start(x, NULL, name);
	jd_xml_attr(x, "id", jd_stanza_id_encode(arena, owner, place.id));
	jd_xml_attr(x, "timestamp", jd_time_text(arena, (jd_usec)place.at));
	jd_xml_end(x);
}

void archive_write_metadata(struct jd_xml *x, struct jd_arena *arena, struct jd_instance *mi,
			    uint64_t owner)
{
	const struct log *log = archive_log_find(mi, owner);

	jd_xml_start(x, NS_MAM, "metadata");
	if (log && log->newest.id) {
		write_end(x, arena, owner, "start", log->oldest);
		write_end(x, arena, owner, "end", log->newest);
	}
	jd_xml_end(x);
}

/* A request for metadata: the handler's data. */
struct asked {
	struct jd_instance *mi;
	struct jd_iq *iq;
	uint64_t owner;
};

static void on_known(void *arg, int result, uint64_t last, uint64_t total)
{
	struct asked *ask = arg;
	struct jd_xml *x;

	(void)last;
	(void)total;
	if (result < 0 && result != -JD_ENOENT) {
		jd_iq_fail(ask->iq, JD_INTERNAL_SERVER_ERROR, NULL);
		return;
	}
	x = jd_iq_result(ask->iq);
	archive_write_metadata(x, ask->iq->st->arena, ask->mi, ask->owner);
	jd_iq_reply(ask->iq, x);
}

static enum jd_verdict show_ends(struct jd_instance *mi, struct jd_iq *iq, uint64_t owner)
{
	struct asked *ask = jd_arena_new(iq->st->arena, struct asked);

	*ask = (struct asked){mi, iq, owner};
	if (archive_state(mi, jd_iq_pending(iq), owner, on_known, ask) < 0)
		return fail(iq, JD_RESOURCE_CONSTRAINT, NULL);
	return JD_ASYNC;
}

/* -- who asks ------------------------------------------------------------------------- */

enum jd_verdict archive_query(struct jd_instance *mi, struct jd_iq *iq, uint64_t owner)
{
	if (jd_el_is(iq->query, NS_MAM, "metadata"))
		return show_ends(mi, iq, owner);
	return iq->st->type == JD_TYPE_GET ? show_form(mi, iq) : run(mi, iq, owner);
}

/* An account's archive is its own. */
static enum jd_verdict on_own(struct jd_instance *mi, struct jd_iq *iq)
{
	if (!iq->own)
		return fail(iq, JD_FORBIDDEN, NULL);
	return archive_query(mi, iq, jd_account_owner(iq->account));
}

int archive_query_handle(struct jd_instance *mi)
{
	int r = jd_on_iq(mi, JD_TYPE_SET, JD_TO_ACCOUNT, NS_MAM, "query", on_own);

	if (r == 0)
		r = jd_on_iq(mi, JD_TYPE_GET, JD_TO_ACCOUNT, NS_MAM, "query", on_own);
	if (r == 0)
		r = jd_on_iq(mi, JD_TYPE_GET, JD_TO_ACCOUNT, NS_MAM, "metadata", on_own);
	return r;
}

int archive_query_start(struct jd_instance *mi)
{
	return archive_page_start(mi);
}
