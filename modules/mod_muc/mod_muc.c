/* SPDX-License-Identifier: MIT
 *
 * Group chat (XEP-0045): the rooms of a component.  The parts are listed in muc.h; here is
 * what an operator can set, and which part handles what comes to a room.
 */
#include "muc.h"

static const char *const creators[] = {
	[CREATE_HOST] = "host",
	[CREATE_SERVER] = "server",
	[CREATE_ANYONE] = "anyone",
	[CREATE_ADMIN] = "admin",
	NULL,
};

static const struct jd_option options[] = {
	JD_OPT_TEXT("name", struct muc, name, "Rooms", "What the service is called in lists."),
	JD_OPT_CHOICE("create", struct muc, create, "host", creators,
		      "Who may make rooms: users of the host that the component belongs to, of "
		      "this server, anyone, or administrators only."),
	JD_OPT_INT("rooms_per_user", struct muc, rooms_per_user, "50", 0, 1000000,
		   "Rooms that one user may have made; 0: any number."),
	JD_OPT_INT("max_occupants", struct muc, max_occupants, "100", 1, 100,
		   "People that a room holds at most."),
	JD_OPT_INT("admin_overflow", struct muc, admin_overflow, "5", 0, 20,
		   "Owners and admins that may enter a room that is full."),
	JD_OPT_INT("max_affiliations", struct muc, max_affiliations, "5000", 10, 100000,
		   "Members, admins, owners and banned ones of a room, together."),
	JD_OPT_INT("messages_per_second", struct muc, messages_per_second, "10", 1, 10000,
		   "What a user may send to a room on the average."),
	JD_OPT_INT("history", struct muc, history, "20", 0, 100,
		   "Messages that a new room sends to who enters."),
	JD_OPT_INT("max_history", struct muc, history_max, "100", 0, 100,
		   "Messages that a room can be set to send to who enters."),
	JD_OPT_SIZE("max_vcard", struct muc, vcard_bytes, "256k", 1024, 1024 * 1024,
		    "How large the vCard of a room may be, picture included."),
	JD_OPT_TIME(
		"restart_grace", struct muc, grace, "10min", 0, 86400 * 1000000LL,
		"How long rooms that are not persistent wait for their people after a restart."),
	JD_OPT_BOOL("persistent", struct muc, persistent, "false",
		    "New rooms stay when the last one leaves."),
	JD_OPT_BOOL("public", struct muc, listed, "true", "New rooms can be found."),
	JD_OPT_BOOL("members_only", struct muc, members_only, "false",
		    "Only members may enter new rooms."),
	JD_OPT_BOOL("moderated", struct muc, moderated, "false",
		    "Only those with voice may speak in new rooms."),
	JD_OPT_BOOL("show_addresses", struct muc, known_jids, "false",
		    "Occupants of new rooms see each other's addresses."),
	JD_OPT_BOOL("archive", struct muc, archived, "true", "New rooms keep what is said."),
	JD_OPT_END,
};

/* -- what comes to a room -------------------------------------------------------------------------
 */

static enum jd_verdict handle(struct visit *v)
{
	switch (v->st->kind) {
	case JD_MESSAGE:
		return muc_on_message(v);
	case JD_PRESENCE:
		return muc_on_presence(v);
	case JD_IQ:
		break;
	}
	return muc_on_request(v);
}

static struct visit *visit_new(struct jd_instance *mi, struct jd_account *account,
			       struct jd_stanza *st, struct jd_call *call)
{
	struct visit *v = jd_arena_new(st->arena, struct visit);

	v->muc = jd_data(mi);
	v->room = muc_room(mi, account);
	v->st = st;
	v->call = call;
	v->arena = st->arena;
	v->pending = call ? jd_call_pending(call) : NULL;
	return v;
}

static enum jd_verdict on_room(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	return muc_visit(visit_new(mi, ev->account, ev->st, ev->call), handle);
}

static enum jd_verdict visit_iq(struct jd_instance *mi, struct jd_iq *iq, visit_fn fn)
{
	struct visit *v = visit_new(mi, iq->account, iq->st, iq->call);

	v->iq = iq;
	return muc_visit(v, fn);
}

/* Pages of the archive take their time, and the room goes on meanwhile. */
static enum jd_verdict visit_aside(struct jd_instance *mi, struct jd_iq *iq, visit_fn fn)
{
	struct visit *v = visit_new(mi, iq->account, iq->st, NULL);

	v->iq = iq;
	v->pending = jd_iq_pending(iq);
	return muc_visit(v, fn);
}

#define IQ_HANDLER(name, how, fn)                                                                  \
	static enum jd_verdict name(struct jd_instance *mi, struct jd_iq *iq)                      \
	{                                                                                          \
		return how(mi, iq, fn);                                                            \
	}

IQ_HANDLER(on_info, visit_iq, muc_on_info)
IQ_HANDLER(on_items, visit_iq, muc_on_items)
IQ_HANDLER(on_admin_get, visit_iq, muc_on_admin_get)
IQ_HANDLER(on_admin_set, visit_iq, muc_on_admin_set)
IQ_HANDLER(on_owner_get, visit_iq, muc_on_owner_get)
IQ_HANDLER(on_owner_set, visit_iq, muc_on_owner_set)
IQ_HANDLER(on_register_get, visit_iq, muc_on_register_get)
IQ_HANDLER(on_register_set, visit_iq, muc_on_register_set)
IQ_HANDLER(on_moderate, visit_iq, muc_on_moderate)
IQ_HANDLER(on_vcard_get, visit_aside, muc_on_vcard_get)
IQ_HANDLER(on_vcard_set, visit_iq, muc_on_vcard_set)
IQ_HANDLER(on_command, visit_iq, muc_on_command)
IQ_HANDLER(on_archive, visit_aside, muc_on_archive)
IQ_HANDLER(on_state, visit_aside, muc_on_state)

static const struct {
	enum jd_type type;
	const char *ns, *name;
	jd_iq_fn fn;
	bool archive; /* only where there is one */
} requests[] = {
	{JD_TYPE_GET, JD_NS_DISCO_INFO, "query", on_info, false},
	{JD_TYPE_GET, JD_NS_DISCO_ITEMS, "query", on_items, false},
	{JD_TYPE_GET, NS_ADMIN, "query", on_admin_get, false},
	{JD_TYPE_SET, NS_ADMIN, "query", on_admin_set, false},
	{JD_TYPE_GET, NS_OWNER, "query", on_owner_get, false},
	{JD_TYPE_SET, NS_OWNER, "query", on_owner_set, false},
	{JD_TYPE_GET, NS_REGISTER, "query", on_register_get, false},
	{JD_TYPE_SET, NS_REGISTER, "query", on_register_set, false},
	{JD_TYPE_GET, NS_VCARD, "vCard", on_vcard_get, false},
	{JD_TYPE_SET, NS_VCARD, "vCard", on_vcard_set, false},
	{JD_TYPE_GET, NS_STATE, "query", on_state, false},
	{JD_TYPE_SET, "http://jabber.org/protocol/commands", "command", on_command, false},
	{JD_TYPE_GET, NS_MAM, "query", on_archive, true},
	{JD_TYPE_SET, NS_MAM, "query", on_archive, true},
	{JD_TYPE_GET, NS_MAM, "metadata", on_archive, true},
	{JD_TYPE_SET, NS_MODERATE, "moderate", on_moderate, true},
};

/* -- starting and stopping
 * ------------------------------------------------------------------------- */

static int start_requests(struct jd_instance *mi)
{
	const struct muc *muc = jd_data(mi);
	int r = 0;

	for (size_t i = 0; r == 0 && i < JD_ARRAY_SIZE(requests); i++)
		if (muc->archive || !requests[i].archive)
			r = jd_on_iq(mi, requests[i].type, JD_TO_ROOM, requests[i].ns,
				     requests[i].name, requests[i].fn);
	return r;
}

static int start(struct jd_instance *mi)
{
	struct muc *muc = jd_data(mi);
	int r;

	muc->archive = jd_service(mi, "archive", &muc->archive_mi);
	muc_form_start(muc);
	r = muc_store_start(mi);
	if (r == 0)
		r = jd_on(mi, room_in, JD_PRIO_NORMAL, on_room);
	if (r == 0)
		r = start_requests(mi);
	if (r == 0)
		r = muc_disco_start(mi);
	if (r == 0)
		r = muc_room_start(mi);
	if (r == 0)
		r = muc_vcard_start(mi);
	if (r == 0)
		r = muc_hats_start(mi);
	if (r == 0)
		r = muc_search_start(mi);
	if (r == 0)
		r = jd_commands(mi, muc_commands);
	if (r == 0)
		muc_store_leftovers(mi);
	return r;
}

static void stop(struct jd_instance *mi)
{
	struct muc *muc = jd_data(mi);

	muc_relays_free(muc);
	muc_form_stop(muc);
}

static const char *check(const void *data)
{
	const struct muc *muc = data;

	return muc->history > muc->history_max ? "history is more than max_history" : NULL;
}

JD_MODULE(muc, .summary = "Rooms for group chat (XEP-0045)", .scope = JD_PER_COMPONENT,
	  .after = "archive", .data_size = sizeof(struct muc), .account_size = sizeof(struct room),
	  .options = options, .check = check, .start = start, .stop = stop,
	  .account_free = muc_room_free);
