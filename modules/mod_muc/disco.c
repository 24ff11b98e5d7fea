/* SPDX-License-Identifier: MIT
 *
 * What others can find out: of the component (its public rooms, in pages), of a room
 * (what it is like: XEP-0045 6.4), and by what name they are known there (7.12).
 *
 * Rooms that are not in memory are listed from the database; who is in a room is told to
 * nobody outside.
 */
#include "muc.h"
#include <jackdaw/rsm.h>

#define NODE_NICK     "x-roomuser-item"
#define NODE_COMMANDS "http://jabber.org/protocol/commands"
#define NODE_TRAFFIC  "http://jabber.org/protocol/muc#traffic"
#define NODE_ROOMS    "http://jabber.org/protocol/muc#rooms"
#define PAGE_USUAL    100
#define PAGE_MOST     200

/* -- a room ---------------------------------------------------------------------------------------
 */

static void write_feature(struct jd_xml *x, const char *var)
{
	jd_xml_start(x, NULL, "feature");
	jd_xml_attr(x, "var", jd_cstr(var));
	jd_xml_end(x);
}

static void write_registered(const struct jd_disco *d, void *arg)
{
	struct jd_xml *x = arg;

	if (d->kind != JD_DISCO_FEATURE)
		return;
	jd_xml_start(x, NULL, "feature");
	jd_xml_attr(x, "var", d->var);
	jd_xml_end(x);
}

static void write_identity(struct jd_xml *x, struct jd_str name)
{
	jd_xml_start(x, NULL, "identity");
	jd_xml_attr(x, "category", JD_STR("conference"));
	jd_xml_attr(x, "name", name.len ? name : JD_STR_NULL);
	jd_xml_attr(x, "type", JD_STR("text"));
	jd_xml_end(x);
}

static void write_features(struct jd_xml *x, const struct config *c)
{
	write_feature(x, c->password.len ? "muc_passwordprotected" : "muc_unsecured");
	write_feature(x, c->listed ? "muc_public" : "muc_hidden");
	write_feature(x, c->persistent ? "muc_persistent" : "muc_temporary");
	write_feature(x, c->members_only ? "muc_membersonly" : "muc_open");
	write_feature(x, c->moderated ? "muc_moderated" : "muc_unmoderated");
	write_feature(x, c->known_jids ? "muc_nonanonymous" : "muc_semianonymous");
}

enum info {
	I_DESCRIPTION,
	I_LANG,
	I_OCCUPANTS,
	I_SUBJECT,
	I_SUBJECT_FREE,
	I_INVITES,
	I_HISTORY,
	I_MAX_USERS,
	I_CONTACTS,
	I_PUBSUB,
	I_SLOW,
	I_ACTIVITY,
	I_AVATAR,
	I_HATS
};

static const struct jd_form_field info_fields[] = {
	[I_DESCRIPTION] = {JD_FIELD_TEXT, "muc#roominfo_description", .label = "Description"},
	[I_LANG] = {JD_FIELD_TEXT, "muc#roominfo_lang", .label = "Language of the discussion"},
	[I_OCCUPANTS] = {JD_FIELD_TEXT, "muc#roominfo_occupants", .label = "Occupants"},
	[I_SUBJECT] = {JD_FIELD_TEXT, "muc#roominfo_subject", .label = "Subject"},
	[I_SUBJECT_FREE] = {JD_FIELD_BOOL, "muc#roominfo_subjectmod",
			    .label = "Participants may change the subject"},
	[I_INVITES] = {JD_FIELD_BOOL, "muc#roomconfig_allowinvites",
		       .label = "Members may invite others"},
	[I_HISTORY] = {JD_FIELD_TEXT, "muc#maxhistoryfetch",
		       .label = "Messages at most that are sent to who enters"},
	[I_MAX_USERS] = {JD_FIELD_TEXT, "muc#roomconfig_maxusers", .label = "Occupants at most"},
	[I_CONTACTS] = {JD_FIELD_JID_MULTI, "muc#roominfo_contactjid", .label = "Owners"},
	[I_PUBSUB] = {JD_FIELD_TEXT, "muc#roomconfig_pubsub",
		      .label = "Associated publish-subscribe node"},
	[I_SLOW] = {JD_FIELD_TEXT, "muc#roominfo_slow_mode_duration",
		    .label = "Seconds between two messages of one user"},
	[I_ACTIVITY] = {JD_FIELD_TEXT, "{urn:xmpp:muc-activity}message-activity",
			.label = "Messages per hour"},
	[I_AVATAR] = {JD_FIELD_TEXT_MULTI, "muc#roominfo_avatarhash",
		      .label = "Hashes of the picture"},
	[I_HATS] = {JD_FIELD_TEXT, "hats#hash", .label = "Changes with the list of hats"},
	JD_FORM_FIELDS_END,
};

static const struct jd_form_def info_def = {.form_type = NS_ROOMINFO, .fields = info_fields};

/* What is said inside is not told outside, where the room is not open to everybody. */
bool muc_may_look_inside(const struct room *r, struct jd_jid who)
{
	return muc_affiliation(r, who) > AFF_NONE || muc_device_find(r, who) ||
	       (!r->config.members_only && !r->config.password.len &&
		muc_affiliation(r, who) != AFF_OUTCAST);
}

/* A hash for each format (XEP-0486). */
static void set_avatar(struct jd_form *form, const char *hashes)
{
	for (const char *p = hashes; p && strlen(p) >= 40; p += p[40] ? 41 : 40)
		jd_form_add_text(form, I_AVATAR, (struct jd_str){p, 40});
}

static void write_info(struct jd_xml *x, const struct visit *v)
{
	struct room *r = v->room;
	const struct config *c = &r->config;
	struct jd_form form;
	struct jd_el subject;

	jd_form_init(&form, &info_def, v->arena);
	jd_form_set_text(&form, I_DESCRIPTION, c->description);
	jd_form_set_text(&form, I_LANG, c->lang);
	jd_form_set_int(&form, I_OCCUPANTS, r->n_occupants);
	if (muc_may_look_inside(r, v->st->from)) {
		set_avatar(&form, r->avatar);
		jd_form_set_text(&form, I_HATS, muc_hats_hash(r, v->arena));
	}
	if (r->subject && muc_may_look_inside(r, v->st->from)) {
		subject = jd_el_child(jd_stanza_root(r->subject), JD_NS_STANZA, "subject");
		jd_form_set_text(&form, I_SUBJECT, jd_el_text(subject, v->arena));
	}
	jd_form_set_bool(&form, I_SUBJECT_FREE, c->subject_free);
	jd_form_set_bool(&form, I_INVITES, c->invites_free);
	jd_form_set_int(&form, I_HISTORY, c->history);
	jd_form_set_int(&form, I_MAX_USERS, c->max_users);
	for (size_t i = 0; i < r->n_affiliates && c->known_jids; i++)
		if (r->affiliates[i]->affiliation == AFF_OWNER)
			jd_form_add_jid(&form, I_CONTACTS, r->affiliates[i]->jid);
	jd_form_set_text(&form, I_PUBSUB, c->pubsub);
	jd_form_set_int(&form, I_SLOW, c->slow);
	jd_form_set_text(&form, I_ACTIVITY, muc_activity(r, v->arena));
	jd_form_write_result(x, &form);
}

static struct jd_str title_of(const struct room *r)
{
	return r->config.title.len ? r->config.title : jd_jid_local(muc_room_jid(r));
}

static enum jd_verdict answer_nick(struct visit *v)
{
	const struct affiliate *a = muc_affiliate_find(v->room, v->st->from);
	struct jd_xml *x = jd_iq_result(v->iq);

	jd_xml_start(x, JD_NS_DISCO_INFO, "query");
	jd_xml_attr(x, "node", JD_STR(NODE_NICK));
	if (a && a->nick)
		write_identity(x, jd_cstr(a->nick));
	jd_xml_end(x);
	jd_iq_reply(v->iq, x);
	return JD_DONE;
}

enum jd_verdict muc_on_info(struct visit *v)
{
	struct jd_str node = jd_el_attr(v->iq->query, "node");
	struct jd_xml *x;

	if (!v->room->made || v->room->locked)
		return muc_fail(v, JD_ITEM_NOT_FOUND, "There is no such room.");
	if (jd_str_is(node, NODE_NICK))
		return answer_nick(v);
	if (jd_str_is(node, NODE_TRAFFIC)) /* everything is let through */
		return muc_fail(v, JD_SERVICE_UNAVAILABLE, NULL);
	if (node.len)
		return muc_fail(v, JD_ITEM_NOT_FOUND, NULL);
	x = jd_iq_result(v->iq);
	jd_xml_start(x, JD_NS_DISCO_INFO, "query");
	write_identity(x, title_of(v->room));
	jd_disco_each(v->iq->host, JD_TO_ROOM, write_registered, x);
	write_features(x, &v->room->config);
	write_info(x, v);
	jd_xml_end(x);
	jd_iq_reply(v->iq, x);
	return JD_DONE;
}

/* Who is in it is for those in it to know, who are told by presence. */
enum jd_verdict muc_on_items(struct visit *v)
{
	struct jd_str node = jd_el_attr(v->iq->query, "node");
	struct jd_xml *x;

	if (!v->room->made)
		return muc_fail(v, JD_ITEM_NOT_FOUND, "There is no such room.");
	x = jd_iq_result(v->iq);
	jd_xml_start(x, JD_NS_DISCO_ITEMS, "query");
	jd_xml_attr(x, "node", node);
	if (jd_str_is(node, NODE_COMMANDS))
		muc_write_commands(x, v);
	jd_xml_end(x);
	jd_iq_reply(v->iq, x);
	return JD_DONE;
}

/* -- the component
 * ---------------------------------------------------------------------------------- */

struct listing {
	struct jd_iq *iq;
	struct jd_str host;
	unsigned limit;
	bool paged; /* the client knows of pages */
};

static void write_room(struct jd_xml *x, const struct listing *l, struct jd_arena *arena,
		       struct jd_str name, struct jd_str title)
{
	jd_xml_start(x, NULL, "item");
	jd_xml_attr(x, "jid", jd_arena_printf(arena, "%.*s@%.*s", JD_FMT(name), JD_FMT(l->host)));
	jd_xml_attr(x, "name", title.len ? title : name);
	jd_xml_end(x);
}

static void on_list(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct listing *l = arg;
	struct jd_rsm_page page = {.index = -1, .count = -1};
	size_t n = status == JD_DB_OK ? jd_rows_count(rows) : 0;
	bool more = n > l->limit;
	struct jd_xml *x;

	if (status != JD_DB_OK) {
		jd_iq_fail(l->iq, JD_INTERNAL_SERVER_ERROR, NULL);
		return;
	}
	if (more)
		n = l->limit;
	x = jd_iq_result(l->iq);
	jd_xml_start(x, JD_NS_DISCO_ITEMS, "query");
	for (size_t i = 0; i < n; i++)
		write_room(x, l, l->iq->st->arena, jd_row_str(rows, i, 0), jd_row_str(rows, i, 1));
	if (n) {
		page.first = jd_row_str(rows, 0, 0);
		page.last = jd_row_str(rows, n - 1, 0);
	}
	if (l->paged || more)
		jd_rsm_write(x, &page);
	jd_xml_end(x);
	jd_iq_reply(l->iq, x);
}

static bool component_items(struct jd_instance *mi, struct jd_iq *iq, struct jd_str node)
{
	struct listing *l = jd_arena_new(iq->st->arena, struct listing);
	struct room_list list = {.limit = PAGE_USUAL};
	struct jd_error error;
	struct jd_rsm rsm;

	if (iq->account || (node.len && !jd_str_is(node, NODE_ROOMS)))
		return false;
	if (jd_rsm_read(iq->query, iq->st->arena, &rsm, &error) < 0) {
		jd_iq_error(iq, &error);
		return true;
	}
	if (rsm.backwards) {
		jd_iq_fail(iq, JD_FEATURE_NOT_IMPLEMENTED, "Rooms are listed forwards.");
		return true;
	}
	l->iq = iq;
	l->host = jd_host_name(iq->host);
	l->limit = jd_rsm_limit(&rsm, PAGE_USUAL, PAGE_MOST);
	l->paged = rsm.given;
	list.after = rsm.after;
	list.limit = l->limit + 1;
	if (muc_store_list(mi, jd_iq_pending(iq), &list, on_list, l) < 0)
		jd_iq_fail(iq, JD_RESOURCE_CONSTRAINT, NULL);
	return true;
}

static const struct jd_disco_nodes nodes = {.items = component_items};

/* XEP-0307: nobody else will think of it. */
static enum jd_verdict on_unique(struct jd_instance *mi, struct jd_iq *iq)
{
	struct jd_jid room;
	struct jd_xml *x;

	(void)mi;
	if (jd_jid_make(iq->st->arena, jd_random_id(iq->st->arena, 20), jd_host_name(iq->host),
			JD_STR_NULL, &room) < 0) {
		jd_iq_fail(iq, JD_INTERNAL_SERVER_ERROR, NULL);
		return JD_DONE;
	}
	x = jd_iq_result(iq);
	jd_xml_leaf(x, NS_MUC "#unique", "unique", jd_jid_local(room));
	jd_iq_reply(iq, x);
	return JD_DONE;
}

int muc_disco_start(struct jd_instance *mi)
{
	const struct muc *muc = jd_data(mi);
	unsigned both = JD_TO_HOST | JD_TO_ROOM;

	jd_identity(mi, JD_TO_HOST, "conference", "text", muc->name);
	jd_feature(mi, both, NS_MUC);
	jd_feature(mi, both, NS_MUC "#stable_id");
	jd_feature(mi, JD_TO_HOST, NS_MUC "#unique");
	jd_feature(mi, JD_TO_ROOM, JD_NS_DISCO_INFO);
	jd_feature(mi, JD_TO_ROOM, JD_NS_DISCO_ITEMS);
	jd_feature(mi, JD_TO_ROOM, NS_ROOMCONFIG);
	jd_feature(mi, JD_TO_ROOM, NS_ROOMINFO);
	jd_feature(mi, JD_TO_ROOM, NS_REQUEST);
	jd_feature(mi, JD_TO_ROOM, NS_MUC_REGISTER);
	jd_feature(mi, JD_TO_ROOM, NS_REGISTER);
	jd_feature(mi, JD_TO_ROOM, NS_MUC "#self-ping-optimization");
	jd_feature(mi, JD_TO_ROOM, NS_OCCUPANT_ID);
	if (muc->archive)
		jd_feature(mi, JD_TO_ROOM, NS_MODERATE);
	jd_on_disco_node(mi, &nodes);
	return jd_on_iq(mi, JD_TYPE_GET, JD_TO_HOST, NS_MUC "#unique", "unique", on_unique);
}
