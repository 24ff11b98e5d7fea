/* SPDX-License-Identifier: MIT
 *
 * The picture of a room, and what else its vCard says (XEP-0486, XEP-0054).
 *
 * Owners set it.  Whoever may know what the room is about may see it: everybody, unless only
 * members may enter or a password is needed.  The hash of the picture, by which clients see
 * whether they have it already, stands in the room's information and comes in a presence of the
 * room itself (XEP-0153), to who enters and when it changes.
 */
#include "muc.h"

#define NS_UPDATE  "vcard-temp:x:update"
#define PHOTOS_MAX 8 /* the same picture in so many formats */

/* In the table of users' vCards: a room has a number as they have. */
static struct jd_stmt get = {
	.name = "muc.get_vcard",
	.lane = JD_LANE_READ,
	.sql = "SELECT data FROM vcard WHERE owner = $1",
};

static struct jd_stmt put = {
	.name = "muc.put_vcard",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO vcard (owner, data) VALUES ($1, $2)"
	       " ON CONFLICT (owner) DO UPDATE SET data = excluded.data",
};

static struct jd_stmt drop = {
	.name = "muc.drop_vcard",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM vcard WHERE owner = $1",
};

static struct jd_stmt set_avatar = {
	.name = "muc.set_avatar",
	.lane = JD_LANE_WRITE,
	.sql = "UPDATE muc_room SET avatar = $2 WHERE owner = $1",
	.expect = 1,
};

/* -- its hash ------------------------------------------------------------------------------ */

static struct jd_str hash_of(struct jd_str picture, struct jd_arena *arena)
{
	static const char hex[] = "0123456789abcdef";
	uint8_t digest[JD_DIGEST_MAX];
	char *text = jd_arena_bytes(arena, 40);

	jd_digest(JD_HASH_SHA1, picture, digest);
	for (size_t i = 0; i < 20; i++) {
		text[2 * i] = hex[digest[i] >> 4];
		text[2 * i + 1] = hex[digest[i] & 15];
	}
	return (struct jd_str){text, 40};
}

/* One for each photo, between spaces; p NULL: there is none. False: these are no pictures. */
static bool hash_photos(struct jd_el vcard, struct jd_arena *arena, struct jd_str *ret_hashes)
{
	unsigned n = 0;

	*ret_hashes = JD_STR_NULL;
	JD_EL_EACH_IS(photo, vcard, NS_VCARD, "PHOTO")
	{
		struct jd_el binval = jd_el_child(photo, NS_VCARD, "BINVAL");
		struct jd_str picture, hash;

		if (!jd_el_ok(binval))
			continue;
		if (n++ == PHOTOS_MAX ||
		    jd_base64_read(arena, jd_el_text(binval, arena), &picture) < 0)
			return false;
		hash = hash_of(picture, arena);
		*ret_hashes = ret_hashes->p ? jd_arena_printf(arena, "%.*s %.*s",
							      JD_FMT(*ret_hashes), JD_FMT(hash))
					    : hash;
	}
	return true;
}

/* -- telling --------------------------------------------------------------------------------- */

static struct jd_stanza *update(const struct room *r)
{
	struct jd_str hashes = r->avatar ? jd_cstr(r->avatar) : JD_STR("");
	struct jd_xml *x =
		jd_stanza_new(JD_PRESENCE, JD_TYPE_NONE, muc_room_jid(r), JD_JID_NULL, JD_STR_NULL);

	if (hashes.len > 40)
		hashes.len = 40; /* there is place for one */
	jd_xml_start(x, NS_UPDATE, "x");
	jd_xml_leaf(x, NS_UPDATE, "photo", hashes);
	jd_xml_end(x);
	return jd_built(x);
}

void muc_show_avatar(const struct device *to)
{
	const struct room *r = to->occupant->room;
	struct jd_stanza *st;

	if (!r->avatar)
		return;
	st = update(r);
	jd_send_copy(st, to->jid);
	jd_stanza_unref(st);
}

static void change_avatar(struct room *r, struct jd_str hashes)
{
	bool same = jd_str_eq(hashes, r->avatar ? jd_cstr(r->avatar) : JD_STR_NULL);
	struct jd_stanza *st;

	jd_free(r->avatar);
	r->avatar = hashes.p ? jd_strdup(hashes) : NULL;
	if (!same) {
		st = update(r);
		muc_send_all(r, st);
		jd_stanza_unref(st);
	}
	muc_announce(r, 104);
}

/* -- get ------------------------------------------------------------------------------------- */

static void on_got(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct visit *v = arg;
	struct jd_stanza *stored = NULL;
	struct jd_xml *x;

	if (status != JD_DB_OK) {
		(void)muc_fail(v, JD_INTERNAL_SERVER_ERROR, NULL);
		return;
	}
	if (jd_rows_count(rows))
		stored = jd_stanza_parse(jd_row_str(rows, 0, 0));
	if (!stored) {
		(void)muc_fail(v, JD_ITEM_NOT_FOUND, NULL);
		return;
	}
	x = jd_iq_result(v->iq);
	jd_xml_copy(x, jd_el_first(jd_stanza_root(stored)));
	jd_stanza_unref(stored);
	jd_iq_reply(v->iq, x);
}

/* To whom it is not shown, it is not there. */
enum jd_verdict muc_on_vcard_get(struct visit *v)
{
	const struct room *r = v->room;

	if (!r->made || r->locked || !muc_may_look_inside(r, v->st->from))
		return muc_fail(v, JD_ITEM_NOT_FOUND, NULL);
	if (jd_db_query(v->pending, &get, JD_PARAMS(jd_int((int64_t)muc_room_owner(r))), on_got,
			v) == 0)
		return JD_ASYNC;
	return muc_fail(v, JD_RESOURCE_CONSTRAINT, NULL);
}

/* -- set ------------------------------------------------------------------------------------- */

static void on_set(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct visit *v = arg;
	const struct jd_str *hashes = v->data;

	(void)rows;
	if (status == JD_DB_OK) {
		change_avatar(v->room, *hashes);
		jd_iq_ok(v->iq);
	} else {
		v->room->loaded = false; /* it may be there all the same */
		(void)muc_fail(v, JD_INTERNAL_SERVER_ERROR, "It could not be stored.");
	}
	muc_end(v, JD_DONE);
}

static enum jd_verdict store(struct visit *v, struct jd_str text, struct jd_str *hashes)
{
	struct jd_param owner = jd_int((int64_t)muc_room_owner(v->room));
	struct jd_unit *unit = jd_unit_new();

	if (jd_el_ok(jd_el_first(v->iq->query)))
		jd_unit_add(unit, &put, JD_PARAMS(owner, jd_text(text)));
	else /* an empty one is none */
		jd_unit_add(unit, &drop, JD_PARAMS(owner));
	jd_unit_add(unit, &set_avatar, JD_PARAMS(owner, jd_text(*hashes)));
	v->data = hashes;
	if (muc_store_submit(v, unit, on_set) == 0)
		return JD_WAIT;
	return muc_fail(v, JD_RESOURCE_CONSTRAINT, NULL);
}

enum jd_verdict muc_on_vcard_set(struct visit *v)
{
	struct jd_str *hashes = jd_arena_new(v->arena, struct jd_str);
	struct jd_str text;

	if (!v->room->made)
		return muc_fail(v, JD_ITEM_NOT_FOUND, "There is no such room.");
	if (muc_power(v->room, v->st->from) != AFF_OWNER)
		return muc_fail(v, JD_FORBIDDEN, "Only owners set the picture of a room.");
	text = jd_element_bytes(v->iq->query, v->arena);
	if (!text.p || text.len > (size_t)v->muc->vcard_bytes)
		return muc_fail(v, JD_POLICY_VIOLATION, "The vCard is too large.");
	if (!hash_photos(v->iq->query, v->arena, hashes))
		return muc_fail(v, JD_BAD_REQUEST, "These are too many pictures, or none.");
	return store(v, text, hashes);
}

int muc_vcard_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&get, &put, &drop, &set_avatar};

	jd_feature(mi, JD_TO_HOST | JD_TO_ROOM, NS_VCARD);
	return jd_statements(mi, all, JD_ARRAY_SIZE(all));
}
