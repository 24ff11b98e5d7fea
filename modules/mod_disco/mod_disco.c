/* SPDX-License-Identifier: MIT
 *
 * Service Discovery (XEP-0030): shows what the modules of a host have said about
 * themselves.  There is no list here: each module registers its own features,
 * identities and items with the core.
 *
 * What an account's bare address can do is told to its owner and to contacts who
 * may see its presence; others get the same answer as for an account that does
 * not exist (XEP-0030 section 8).
 */
#include <jackdaw/roster.h>

#define NS_INFO  JD_NS_DISCO_INFO
#define NS_ITEMS JD_NS_DISCO_ITEMS

struct disco {
	const char *name;
};

static const struct jd_option options[] = {
	JD_OPT_TEXT("name", struct disco, name, "Jackdaw", "What the server is called in lists."),
	JD_OPT_END,
};

static void write_identity(struct jd_xml *x, struct jd_str category, struct jd_str type,
			   struct jd_str name)
{
	jd_xml_start(x, NULL, "identity");
	jd_xml_attr(x, "category", category);
	jd_xml_attr(x, "type", type);
	jd_xml_attr(x, "name", name.len ? name : JD_STR_NULL);
	jd_xml_end(x);
}

static void write_info(const struct jd_disco *d, void *arg)
{
	struct jd_xml *x = arg;

	if (d->kind == JD_DISCO_IDENTITY) {
		write_identity(x, d->category, d->type, d->name);
	} else if (d->kind == JD_DISCO_FEATURE) {
		jd_xml_start(x, NULL, "feature");
		jd_xml_attr(x, "var", d->var);
		jd_xml_end(x);
	}
}

static void write_item(const struct jd_disco *d, void *arg)
{
	struct jd_xml *x = arg;

	if (d->kind != JD_DISCO_ITEM)
		return;
	jd_xml_start(x, NULL, "item");
	jd_xml_attr(x, "jid", d->jid);
	jd_xml_attr(x, "node", d->node.len ? d->node : JD_STR_NULL);
	jd_xml_attr(x, "name", d->name.len ? d->name : JD_STR_NULL);
	jd_xml_end(x);
}

/* True when the asker must not learn anything about the account; answered then. */
static bool refused(struct jd_instance *mi, struct jd_iq *iq)
{
	const struct jd_roster_ops *roster;
	struct jd_instance *provider;
	struct jd_contact contact;

	if (!iq->account || iq->own)
		return false;
	roster = jd_service(mi, "roster", &provider);
	if (roster &&
	    roster->find(provider, iq->account, jd_jid_bare_str(iq->st->from), &contact) &&
	    contact.subscription & JD_SUB_FROM)
		return false;
	jd_iq_fail(iq, JD_SERVICE_UNAVAILABLE, NULL);
	return true;
}

static enum jd_verdict answer(struct jd_instance *mi, struct jd_iq *iq, const char *ns,
			      void (*write)(const struct jd_disco *, void *))
{
	const struct disco *d = jd_data(mi);
	enum jd_target target = iq->account ? JD_TO_ACCOUNT : JD_TO_HOST;
	struct jd_xml *x;

	if (refused(mi, iq))
		return JD_DONE;
	if (jd_el_attr(iq->query, "node").len) {
		jd_iq_fail(iq, JD_ITEM_NOT_FOUND, NULL);
		return JD_DONE;
	}
	x = jd_iq_result(iq);
	jd_xml_start(x, ns, "query");
	if (write == write_info && target == JD_TO_HOST)
		write_identity(x, JD_STR("server"), JD_STR("im"), jd_cstr(d->name));
	else if (write == write_info)
		write_identity(x, JD_STR("account"), JD_STR("registered"), JD_STR_NULL);
	jd_disco_each(iq->host, target, write, x);
	jd_xml_end(x);
	jd_iq_reply(iq, x);
	return JD_DONE;
}

static enum jd_verdict on_info(struct jd_instance *mi, struct jd_iq *iq)
{
	return answer(mi, iq, NS_INFO, write_info);
}

static enum jd_verdict on_items(struct jd_instance *mi, struct jd_iq *iq)
{
	return answer(mi, iq, NS_ITEMS, write_item);
}

static int start(struct jd_instance *mi)
{
	unsigned both = JD_TO_HOST | JD_TO_ACCOUNT;
	int r;

	jd_feature(mi, both, NS_INFO);
	jd_feature(mi, both, NS_ITEMS);
	r = jd_on_iq(mi, JD_TYPE_GET, both, NS_INFO, "query", on_info);
	if (r < 0)
		return r;
	return jd_on_iq(mi, JD_TYPE_GET, both, NS_ITEMS, "query", on_items);
}

JD_MODULE(disco, .summary = "Service discovery (XEP-0030)", .after = "roster",
	  .data_size = sizeof(struct disco), .options = options, .start = start);
