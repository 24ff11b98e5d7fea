/* SPDX-License-Identifier: MIT
 *
 * Messages that are taken back (XEP-0424, XEP-0425): what they said goes from the log,
 * and a tombstone stays in its place, with the same id, time and addresses.
 *
 * An account's home honours it when it comes from the same bare address as the
 * message, by the name that the sender gave that.  Both homes do so, each for its own
 * log and in its turn, behind whatever is still being written.  What nobody has been
 * given yet is not going to be.  A room's module says itself which row goes.
 */
#include "archive.h"
#include "sql.h"

#define NS_RETRACT  "urn:xmpp:message-retract:1"
#define NS_MODERATE "urn:xmpp:message-moderate:1"
#define NS_MUC_USER "http://jabber.org/protocol/muc#user"
#define NS_OCCUPANT "urn:xmpp:occupant-id:0"

/* A message far back cannot be taken back: looking for it must not cost the more the longer
 * people talk. */
#define LOOK_BACK "2000"

/* Of messages with one name, the latest; others in a room could have used it, too. */
#define SAME_NAME "8"

#define COLUMNS "SELECT id, at, flags, format, stanza, direction, 0 FROM archive WHERE owner = $1"

static struct jd_stmt get_row = {
	.name = "archive.get_row",
	.lane = JD_LANE_READ,
	.sql = COLUMNS " AND id = $2",
};

static struct jd_stmt find_row = {
	.name = "archive.find_row",
	.lane = JD_LANE_READ,
	.sql = COLUMNS
	" AND id IN (SELECT id FROM (SELECT id, resource, direction, origin_id FROM archive"
	" WHERE owner = $1 AND peer = $2 ORDER BY id DESC LIMIT " LOOK_BACK
	") AS latest WHERE direction = $3 AND origin_id = $4"
	" AND (CAST($5 AS TEXT) IS NULL OR resource = $5)"
	" ORDER BY id DESC LIMIT " SAME_NAME ") ORDER BY id DESC",
};

static struct jd_stmt bury = {
	.name = "archive.bury",
	.lane = JD_LANE_WRITE,
	.sql = "UPDATE archive SET stanza = $3, format = 0, flags = 4"
	       " WHERE owner = $1 AND id = $2 AND " VISIBLE,
};

/* Nobody asks for those: no tombstone is needed. */
static struct jd_stmt bury_hidden = {
	.name = "archive.bury_hidden",
	.lane = JD_LANE_WRITE,
	.sql = "DELETE FROM archive WHERE owner = $1 AND id = $2 AND flags & 2 = 2",
};

/* What an op has behind it. */
struct retraction {
	struct jd_str id, moderator, occupant, reason;
	struct jd_str author; /* occupant-id of who takes it back; p NULL: it has none */
	bool private;         /* through a room */
};

/* -- the tombstone ---------------------------------------------------------------------- */

static void write_occupant(struct jd_xml *x, struct jd_str id)
{
	jd_xml_start(x, NS_OCCUPANT, "occupant-id");
	jd_xml_attr(x, "id", id);
	jd_xml_end(x);
}

static void write_retracted(struct jd_xml *x, struct jd_arena *arena, const struct retraction *r)
{
	jd_xml_start(x, NS_RETRACT, "retracted");
	jd_xml_attr(x, "stamp", jd_time_text(arena, jd_now()));
	jd_xml_attr(x, "id", r->id);
	if (r->moderator.p || r->occupant.p) {
		jd_xml_start(x, NS_MODERATE, "moderated");
		jd_xml_attr(x, "by", r->moderator);
		if (r->occupant.p)
			write_occupant(x, r->occupant);
		jd_xml_end(x);
	}
	if (r->reason.p)
		jd_xml_leaf(x, NULL, "reason", r->reason);
	jd_xml_end(x);
}

/* It came or goes through a room (XEP-0045 7.5): the resource says who wrote it or to whom. */
static bool is_private(struct jd_stanza *st)
{
	return jd_el_ok(jd_el_child(jd_stanza_root(st), NS_MUC_USER, "x"));
}

static struct jd_str author_of(struct jd_stanza *st)
{
	return jd_el_attr(jd_el_child(jd_stanza_root(st), NS_OCCUPANT, "occupant-id"), "id");
}

/* A name in a room is anybody's, so what tells its authors apart is their occupant-id (XEP-0421),
 * which the room vouches for; where rooms have none, it is the name. */
static bool is_of_another(struct jd_stanza *st, const struct op *op)
{
	const struct retraction *r = (const struct retraction *)(const void *)(op + 1);
	struct jd_str author = author_of(st);

	if (!op->name.p || !is_private(st))
		return false;
	if (!op->out && author.p)
		return !jd_str_eq(author, r->author);
	return !jd_str_eq(jd_jid_resource(op->out ? st->to : st->from), op->resource);
}

/* What is stored in place of row i: text that the caller frees; p NULL: this one is not meant. */
static struct jd_str tombstone(uint64_t owner, const struct jd_rows *rows, size_t i,
			       const struct op *op)
{
	const struct retraction *r = (const struct retraction *)(const void *)(op + 1);
	struct jd_stanza *st = archive_stanza(rows, i, ROW_FORMAT), *made;
	struct jd_str text = JD_STR_NULL, out;
	struct jd_el occupant;
	struct jd_xml *x;
	char *p;

	if (!st)
		archive_unreadable(owner, (uint64_t)jd_row_int(rows, i, ROW_ID));
	if (!st || is_of_another(st, op)) {
		jd_stanza_unref(st);
		return JD_STR_NULL;
	}
	x = jd_stanza_new(JD_MESSAGE, st->type, st->from, st->to, st->id);
	occupant = jd_el_child(jd_stanza_root(st), NS_OCCUPANT, "occupant-id");
	if (jd_el_ok(occupant))
		jd_xml_copy(x, occupant);
	write_retracted(x, st->arena, r);
	made = jd_built(x);
	if (made)
		text = jd_stanza_bytes(made, st->arena);
	p = text.p ? jd_strdup(text) : NULL;
	out = (struct jd_str){p, text.len};
	jd_stanza_unref(made);
	jd_stanza_unref(st);
	return out;
}

/* -- in the log's turn ---------------------------------------------------------------------- */

static bool bury_fill(struct log *log, struct op *op, struct jd_unit *unit)
{
	struct jd_param owner = jd_int((int64_t)log->owner), id = jd_int((int64_t)op->id);

	jd_unit_add(unit, &bury,
		    JD_PARAMS(owner, id, jd_blob((struct jd_str){op->extra, op->extra_len})));
	archive_terms_drop(unit, log->owner, op->id);
	jd_unit_add(unit, &bury_hidden, JD_PARAMS(owner, id));
	return true;
}

static int bury_done(struct log *log, struct op *op, const struct jd_rows *rows)
{
	op->at = (int64_t)jd_now();
	log->hidden -= log->hidden && jd_rows_affected(rows) > 0;
	return 0;
}

static const struct op_kind bury_kind = {.fill = bury_fill, .done = bury_done};

static const struct op_kind fetch_kind;

static bool find_fill(struct log *log, struct op *op, struct jd_unit *unit)
{
	const struct retraction *r = (const struct retraction *)(const void *)(op + 1);
	struct jd_param owner = jd_int((int64_t)log->owner);

	if (op->name.p)
		jd_unit_add(unit, &find_row,
			    JD_PARAMS(owner, jd_text(op->peer), jd_int(op->out), jd_text(op->name),
				      r->private && op->out ? jd_text(op->resource) : jd_null()));
	else
		jd_unit_add(unit, &get_row, JD_PARAMS(owner, jd_int((int64_t)op->id)));
	return true;
}

static int find_done(struct log *log, struct op *op, const struct jd_rows *rows)
{
	struct jd_str text = JD_STR_NULL;
	size_t i = 0;

	op->format = (int)archive_needs(rows, ROW_FORMAT);
	if (op->format) {
		op->kind = &fetch_kind;
		return OP_MORE;
	}
	for (; i < jd_rows_count(rows); i++) {
		if (!(jd_row_int(rows, i, ROW_FLAGS) & FLAG_RETRACTED))
			text = tombstone(log->owner, rows, i, op);
		if (text.p)
			break;
	}
	if (!text.p)
		return -JD_ENOENT;
	op->id = (uint64_t)jd_row_int(rows, i, ROW_ID);
	op->extra = (char *)text.p;
	op->extra_len = text.len;
	op->kind = &bury_kind;
	return OP_MORE;
}

static const struct op_kind find_kind = {.fill = find_fill, .done = find_done};

/* A dictionary, without which the row cannot be read; then once more. */
static bool fetch_fill(struct log *log, struct op *op, struct jd_unit *unit)
{
	(void)log;
	archive_fetch_add(unit, op->format);
	return true;
}

static int fetch_done(struct log *log, struct op *op, const struct jd_rows *rows)
{
	(void)log;
	archive_fetched(op->format, rows);
	op->kind = &find_kind;
	return OP_MORE;
}

static const struct op_kind fetch_kind = {.fill = fetch_fill, .done = fetch_done};

/* -- asked for ---------------------------------------------------------------------------- */

static struct jd_str moderator(const struct jd_archive_tombstone *t)
{
	return jd_jid_ok(t->moderator) ? jd_jid_str(t->moderator) : JD_STR_NULL;
}

static struct op *op_new(const struct jd_archive_tombstone *t, struct jd_jid from,
			 struct jd_str name, struct jd_str author, jd_archive_put_fn fn, void *arg)
{
	struct jd_str peer = jd_jid_bare_str(from), resource = jd_jid_resource(from);
	size_t texts = t->id.len + moderator(t).len + t->occupant.len + t->reason.len + author.len +
		       peer.len + resource.len + name.len;
	struct retraction *r;
	char *p;
	struct op *op = archive_op_new(&find_kind, fn, arg, sizeof(*r) + texts, &p);

	r = (struct retraction *)(void *)p;
	p += sizeof(*r);
	r->id = archive_copy(&p, t->id);
	r->moderator = archive_copy(&p, moderator(t));
	r->occupant = archive_copy(&p, t->occupant);
	r->reason = archive_copy(&p, t->reason);
	r->author = archive_copy(&p, author);
	op->peer = archive_copy(&p, peer);
	op->resource = archive_copy(&p, resource);
	op->name = archive_copy(&p, name);
	return op;
}

int archive_retract(struct jd_instance *mi, struct jd_owner *owner, uint64_t log, uint64_t id,
		    const struct jd_archive_tombstone *t, jd_archive_put_fn fn, void *arg)
{
	struct op *op = op_new(t, JD_JID_NULL, JD_STR_NULL, JD_STR_NULL, fn, arg);

	op->id = id;
	return archive_log_add(archive_log_get(mi, log), op, owner);
}

/* It is best effort where the database fails: the message that takes back is in the log, and
 * clients act on it. */
bool archive_retract_by(struct jd_instance *mi, uint64_t log, struct jd_stanza *st, bool out,
			struct jd_owner *owner, jd_archive_put_fn fn, void *arg)
{
	struct jd_el el = jd_el_child(jd_stanza_root(st), NS_RETRACT, "retract");
	struct jd_str name = jd_el_attr(el, "id");
	struct jd_archive_tombstone t = {.id = st->id.len ? st->id : JD_STR_NULL};
	struct op *op;

	if (!name.len || name.len > NAME_BYTES)
		return false;
	op = op_new(&t, out ? st->to : st->from, name, author_of(st), fn, arg);
	((struct retraction *)(void *)(op + 1))->private = is_private(st);
	op->out = out;
	return archive_log_add(archive_log_get(mi, log), op, owner) == 0;
}

int archive_retract_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&get_row, &find_row, &bury, &bury_hidden};

	jd_feature(mi, JD_TO_HOST | JD_TO_ACCOUNT | JD_TO_ROOM, NS_RETRACT);
	jd_feature(mi, JD_TO_HOST | JD_TO_ACCOUNT | JD_TO_ROOM, NS_RETRACT "#tombstone");
	return jd_statements(mi, all, JD_ARRAY_SIZE(all));
}
