/* SPDX-License-Identifier: MIT
 *
 * Private XML storage (XEP-0049): what a client keeps for itself, an element for
 * each namespace and name.
 *
 * Nothing of it is in memory.  Whether there is room for more is decided by the
 * database, in the unit that writes: its last statement finds a row only if all
 * rows together are within the bounds, and the unit is undone if it finds none.
 */
#include <jackdaw/module.h>

#define NS_PRIVATE "jabber:iq:private"

/* Namespace and name of an element: they are a key in the database. */
#define KEY_MAX_BYTES 1024
/* Elements in one request. */
#define SET_MAX 64

struct options {
	int64_t max_bytes;
	int64_t max_items;
};

static const struct jd_option options[] = {
	JD_OPT_SIZE("max_bytes", struct options, max_bytes, "256k", 1024, 16 * 1024 * 1024,
		    "What one account may store, all together."),
	JD_OPT_INT("max_items", struct options, max_items, "100", 1, 10000,
		   "Elements that one account may store."),
	JD_OPT_END,
};

static struct jd_stmt get = {
	.name = "private.get",
	.lane = JD_LANE_READ,
	.sql = "SELECT data FROM private_item WHERE owner = $1 AND ns = $2 AND name = $3",
};

static struct jd_stmt put = {
	.name = "private.put",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO private_item (owner, ns, name, bytes, data)"
	       " VALUES ($1, $2, $3, $4, $5) ON CONFLICT (owner, ns, name) DO UPDATE SET"
	       " bytes = excluded.bytes, data = excluded.data",
};

static struct jd_stmt drop = {
	.name = "private.drop",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM private_item WHERE owner = $1 AND ns = $2 AND name = $3",
};

static struct jd_stmt check_room = {
	.name = "private.check_room",
	.lane = JD_LANE_WRITE,
	.sql = "SELECT 1 FROM account WHERE owner = $1"
	       " AND (SELECT COUNT(*) FROM private_item WHERE owner = $1) <= $2"
	       " AND (SELECT COALESCE(SUM(bytes), 0) FROM private_item WHERE owner = $1) <= $3",
	.expect = 1,
};

/* -- elements as text ---------------------------------------------------------------- */

static bool is_key(struct jd_el el)
{
	return jd_el_ns(el).len && !jd_str_is(jd_el_ns(el), NS_PRIVATE) &&
	       jd_el_ns(el).len + jd_el_name(el).len <= KEY_MAX_BYTES;
}

/* Nothing was stored: the element as it was asked for, empty. */
static void write_empty(struct jd_xml *x, struct jd_iq *iq, struct jd_el asked)
{
	struct jd_str ns = jd_arena_str(iq->st->arena, jd_el_ns(asked));
	struct jd_str name = jd_arena_str(iq->st->arena, jd_el_name(asked));

	jd_xml_start(x, ns.p, name.p);
	jd_xml_end(x);
}

static bool is_empty(struct jd_el el)
{
	return !jd_el_ok(jd_el_first(el)) && !jd_el_text_chars(el);
}

/* -- get ----------------------------------------------------------------------------- */

static void on_got(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_iq *iq = arg;
	struct jd_stanza *stored = NULL;
	struct jd_xml *x;

	if (status != JD_DB_OK) {
		jd_iq_fail(iq, JD_INTERNAL_SERVER_ERROR, NULL);
		return;
	}
	if (jd_rows_count(rows))
		stored = jd_stanza_parse(jd_row_str(rows, 0, 0));
	x = jd_iq_result(iq);
	jd_xml_start(x, NS_PRIVATE, "query");
	if (stored)
		jd_xml_copy(x, jd_el_first(jd_stanza_root(stored)));
	else
		write_empty(x, iq, jd_el_first(iq->query));
	jd_xml_end(x);
	jd_stanza_unref(stored);
	jd_iq_reply(iq, x);
}

static enum jd_verdict refuse(struct jd_iq *iq, enum jd_condition condition, const char *text)
{
	jd_iq_fail(iq, condition, text);
	return JD_DONE;
}

static enum jd_verdict on_get(struct jd_instance *mi, struct jd_iq *iq)
{
	struct jd_el asked = jd_el_first(iq->query);
	int64_t owner = (int64_t)jd_account_owner(iq->account);

	(void)mi;
	if (!iq->own) /* as if there were no such account */
		return refuse(iq, JD_SERVICE_UNAVAILABLE, NULL);
	if (!jd_el_ok(asked) || jd_el_ok(jd_el_next(asked)))
		return refuse(iq, JD_BAD_REQUEST, "Ask for one element.");
	if (!is_key(asked))
		return refuse(iq, JD_NOT_ACCEPTABLE, NULL);
	if (jd_db_query(
		    jd_iq_pending(iq), &get,
		    JD_PARAMS(jd_int(owner), jd_text(jd_el_ns(asked)), jd_text(jd_el_name(asked))),
		    on_got, iq) < 0)
		return refuse(iq, JD_RESOURCE_CONSTRAINT, NULL);
	return JD_ASYNC;
}

/* -- set ----------------------------------------------------------------------------- */

static void on_set_written(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_iq *iq = arg;
	struct jd_call *call = iq->call;

	(void)rows;
	if (status == JD_DB_OK)
		jd_iq_ok(iq);
	else if (status == JD_DB_CONFLICT)
		jd_iq_fail(iq, JD_POLICY_VIOLATION, "This is more than may be stored.");
	else
		jd_iq_fail(iq, JD_INTERNAL_SERVER_ERROR, "This could not be stored.");
	jd_resume(call, JD_DONE);
}

static bool has_twin(struct jd_el el)
{
	for (struct jd_el e = jd_el_next(el); jd_el_ok(e); e = jd_el_next(e))
		if (jd_str_eq(jd_el_ns(e), jd_el_ns(el)) &&
		    jd_str_eq(jd_el_name(e), jd_el_name(el)))
			return true;
	return false;
}

/* NULL, or what is wrong with the elements. */
static const char *judge(struct jd_el query)
{
	unsigned n = 0;

	JD_EL_EACH(el, query)
	{
		if (!is_key(el))
			return "An element needs a namespace of its own, not a long one.";
		if (++n > SET_MAX)
			return "Too many elements at once.";
	}
	JD_EL_EACH(el, query)
	if (has_twin(el))
		return "An element is there twice.";
	return n ? NULL : "There is no element.";
}

/* False: an element is too large. */
static bool add_item(struct jd_unit *unit, struct jd_iq *iq, struct jd_el el)
{
	int64_t owner = (int64_t)jd_account_owner(iq->account);
	struct jd_param key[3] = {jd_int(owner), jd_text(jd_el_ns(el)), jd_text(jd_el_name(el))};
	struct jd_str text;

	if (is_empty(el)) { /* the same as none */
		jd_unit_add(unit, &drop, (struct jd_params){key, 3});
		return true;
	}
	text = jd_element_bytes(el, iq->st->arena);
	if (!text.p)
		return false;
	jd_unit_add(unit, &put,
		    JD_PARAMS(key[0], key[1], key[2], jd_int((int64_t)text.len), jd_text(text)));
	return true;
}

static enum jd_verdict on_set(struct jd_instance *mi, struct jd_iq *iq)
{
	const struct options *o = jd_data(mi);
	uint64_t owner = jd_account_owner(iq->account);
	const char *wrong;
	struct jd_unit *unit;

	if (!iq->own)
		return refuse(iq, JD_SERVICE_UNAVAILABLE, NULL);
	wrong = judge(iq->query);
	if (wrong)
		return refuse(iq, JD_NOT_ACCEPTABLE, wrong);
	unit = jd_unit_new();
	jd_unit_key(unit, owner);
	JD_EL_EACH(el, iq->query)
	{
		if (add_item(unit, iq, el))
			continue;
		jd_unit_free(unit);
		return refuse(iq, JD_POLICY_VIOLATION, "This is more than may be stored.");
	}
	jd_unit_add(unit, &check_room,
		    JD_PARAMS(jd_int((int64_t)owner), jd_int(o->max_items), jd_int(o->max_bytes)));
	if (jd_unit_submit(unit, jd_call_pending(iq->call), on_set_written, iq) < 0)
		return refuse(iq, JD_RESOURCE_CONSTRAINT, NULL);
	return JD_WAIT;
}

/* -- the module ---------------------------------------------------------------------- */

static int start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&get, &put, &drop, &check_room};
	int r = jd_statements(mi, all, JD_ARRAY_SIZE(all));

	if (r == 0)
		r = jd_on_iq(mi, JD_TYPE_GET, JD_TO_ACCOUNT, NS_PRIVATE, "query", on_get);
	if (r == 0)
		r = jd_on_iq(mi, JD_TYPE_SET, JD_TO_ACCOUNT, NS_PRIVATE, "query", on_set);
	jd_feature(mi, JD_TO_HOST, NS_PRIVATE);
	return r;
}

JD_MODULE(private, .summary = "Private XML storage (XEP-0049)", .data_size = sizeof(struct options),
	  .options = options, .start = start);
