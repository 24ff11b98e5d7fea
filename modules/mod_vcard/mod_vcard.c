/* SPDX-License-Identifier: MIT
 *
 * vcard-temp (XEP-0054): everybody may see an account's vCard, the account itself
 * sets it.
 *
 * Who has none looks to others like an account that does not exist, as section
 * 3.3 demands; so does the vCard of somebody else to whoever wants to set it.
 */
#include <jackdaw/module.h>

#define NS_VCARD "vcard-temp"

struct options {
	int64_t max_bytes;
};

static const struct jd_option options[] = {
	JD_OPT_SIZE("max_bytes", struct options, max_bytes, "256k", 1024, 1024 * 1024,
		    "How large a vCard may be, picture included."),
	JD_OPT_END,
};

static struct jd_stmt get = {
	.name = "vcard.get",
	.lane = JD_LANE_READ,
	.sql = "SELECT data FROM vcard WHERE owner = $1",
};

static struct jd_stmt put = {
	.name = "vcard.put",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO vcard (owner, data) VALUES ($1, $2)"
	       " ON CONFLICT (owner) DO UPDATE SET data = excluded.data",
};

static struct jd_stmt drop = {
	.name = "vcard.drop",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM vcard WHERE owner = $1",
};

static enum jd_verdict refuse(struct jd_iq *iq, enum jd_condition condition, const char *text)
{
	jd_iq_fail(iq, condition, text);
	return JD_DONE;
}

/* -- get ----------------------------------------------------------------------------- */

static void answer_none(struct jd_iq *iq)
{
	struct jd_xml *x;

	if (!iq->own) {
		jd_iq_fail(iq, JD_SERVICE_UNAVAILABLE, NULL);
		return;
	}
	x = jd_iq_result(iq);
	jd_xml_start(x, NS_VCARD, "vCard");
	jd_xml_end(x);
	jd_iq_reply(iq, x);
}

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
	if (!stored) {
		answer_none(iq);
		return;
	}
	x = jd_iq_result(iq);
	jd_xml_copy(x, jd_el_first(jd_stanza_root(stored)));
	jd_stanza_unref(stored);
	jd_iq_reply(iq, x);
}

static enum jd_verdict on_get(struct jd_instance *mi, struct jd_iq *iq)
{
	int64_t owner = (int64_t)jd_account_owner(iq->account);

	(void)mi;
	if (jd_db_query(jd_iq_pending(iq), &get, JD_PARAMS(jd_int(owner)), on_got, iq) < 0)
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
	else
		jd_iq_fail(iq, JD_INTERNAL_SERVER_ERROR, "The vCard could not be stored.");
	jd_resume(call, JD_DONE);
}

static enum jd_verdict on_set(struct jd_instance *mi, struct jd_iq *iq)
{
	const struct options *o = jd_data(mi);
	uint64_t owner = jd_account_owner(iq->account);
	struct jd_str text;
	struct jd_unit *unit;

	if (!iq->own) /* as if there were no such account */
		return refuse(iq, JD_SERVICE_UNAVAILABLE, NULL);
	text = jd_element_bytes(iq->query, iq->st->arena);
	if (!text.p || text.len > (size_t)o->max_bytes)
		return refuse(iq, JD_POLICY_VIOLATION, "The vCard is too large.");
	unit = jd_unit_new();
	jd_unit_key(unit, owner);
	if (jd_el_ok(jd_el_first(iq->query)))
		jd_unit_add(unit, &put, JD_PARAMS(jd_int((int64_t)owner), jd_text(text)));
	else /* an empty one is none */
		jd_unit_add(unit, &drop, JD_PARAMS(jd_int((int64_t)owner)));
	if (jd_unit_submit(unit, jd_call_pending(iq->call), on_set_written, iq) < 0)
		return refuse(iq, JD_RESOURCE_CONSTRAINT, NULL);
	return JD_WAIT;
}

/* -- the module ---------------------------------------------------------------------- */

static int start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&get, &put, &drop};
	int r = jd_statements(mi, all, JD_ARRAY_SIZE(all));

	if (r == 0)
		r = jd_on_iq(mi, JD_TYPE_GET, JD_TO_ACCOUNT, NS_VCARD, "vCard", on_get);
	if (r == 0)
		r = jd_on_iq(mi, JD_TYPE_SET, JD_TO_ACCOUNT, NS_VCARD, "vCard", on_set);
	jd_feature(mi, JD_TO_HOST | JD_TO_ACCOUNT, NS_VCARD);
	return r;
}

JD_MODULE(vcard, .summary = "vCards of accounts (XEP-0054)", .data_size = sizeof(struct options),
	  .options = options, .start = start);
