/* SPDX-License-Identifier: MIT
 *
 * New dictionaries.  When enough rows have been written without one, or those of late are packed
 * markedly worse than when the newest came into use, rows are read in steps of some dozen, spread
 * over the owners, scrubbed of what people have said (scrub.c), and given to a worker.  Of what
 * comes back the last samples are the judge: a dictionary that is hardly better than the one in use
 * is thrown away, for one that is stored stays for ever.  It is used after its COMMIT.
 *
 * An administrator can ask for one, which then is not judged.  One is made at a time.
 */
#include "archive.h"

#include <jackdaw/crypto.h>
#include <jackdaw/pack.h>

#define FIRST_AFTER 1024 /* rows without a dictionary */
#define WINDOW      8192 /* rows that are compared with the WINDOW after it came into use */
#define PAUSE       (3600 * JD_USEC_PER_SEC) /* between two that nobody has asked for */

#define SAMPLES      2000
#define SAMPLES_MIN  200
#define SAMPLE_BYTES (1000 << 10) /* of all */
#define ROOM         (16 << 10)   /* of a dictionary */
#define JUDGES       10           /* every so many samples one at the end is kept for that */

/* Counted in all instances. */
static struct {
	uint64_t rows, in, out;
	uint64_t first; /* the share that was left, in millionths, at first; 0: not known yet */
	jd_usec not_before;
	struct training *training; /* NULL: none is made */
} state;

struct training {
	struct jd_instance *mi;
	struct jd_command *command; /* NULL: nobody has asked for it, or waits any more */
	struct jd_promise *promise;
	bool asked_for;
	int64_t number, depth;         /* rows of each owner */
	int64_t owner, id;             /* the place of the last row that was read */
	int64_t start;                 /* the owner where it began */
	bool wrapped;                  /* owners before that are read */
	size_t n, len, sizes[SAMPLES]; /* of the samples */
	char *made;                    /* until it is committed */
	size_t made_len;
	char bytes[SAMPLE_BYTES];
};

static struct jd_stmt look = {
	.name = "archive.look_for_samples",
	.lane = JD_LANE_LONG,
	.sql = "SELECT (SELECT MAX(id) FROM archive_dictionary),"
	       " (SELECT COUNT(*) FROM archive_owner), (SELECT MAX(owner) FROM archive_owner)",
};

/* $1 owner, $2 id: behind these; $3 the owner to end with, $4 so many of the newest of each. */
static struct jd_stmt read_samples = {
	.name = "archive.read_samples",
	.lane = JD_LANE_LONG,
	.sql = "SELECT a.owner, a.id, a.format, a.stanza FROM archive_owner o CROSS JOIN archive a"
	       " WHERE o.owner >= $1 AND o.owner <= $3 AND a.owner = o.owner AND a.id >"
	       " (SELECT MAX(id) FROM archive WHERE owner = o.owner) - $4"
	       " AND (a.owner > $1 OR a.id > $2) AND length(a.stanza) < 4096"
	       " ORDER BY o.owner, a.id LIMIT 64",
};

static struct jd_stmt keep = {
	.name = "archive.keep_dictionary",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO archive_dictionary (id, made, bytes) VALUES ($1, $2, $3)",
};

static struct jd_stmt list = {
	.name = "archive.list_dictionaries",
	.lane = JD_LANE_READ,
	.sql = "SELECT id, made, length(bytes) FROM archive_dictionary ORDER BY id",
};

/* -- the end ---------------------------------------------------------------------------------- */

static void training_free(struct training *t)
{
	state.training = NULL;
	state.not_before = jd_now_mono() + PAUSE;
	jd_promise_end(t->promise);
	jd_free(t->made);
	jd_free(t);
}

static void fail(struct training *t, const char *why)
{
	struct jd_command *c = t->command;

	if (!c)
		jd_log(JD_LOG_INFO, "no new dictionary for archives",
		       jd_kv_str("why", jd_cstr(why)));
	training_free(t);
	if (c)
		jd_command_fail(c, "There is no new dictionary: %s.", why);
}

static void succeed(struct training *t)
{
	struct jd_command *c = t->command;

	jd_log(JD_LOG_NOTICE, "archives have a new dictionary", jd_kv_int("number", t->number),
	       jd_kv_int("bytes", (int64_t)t->made_len), jd_kv_int("samples", (int64_t)t->n));
	if (c) {
		jd_out_int(c, "number", t->number);
		jd_out_int(c, "bytes", (int64_t)t->made_len);
		jd_out_int(c, "samples", (int64_t)t->n);
	}
	archive_pack_use(t->number, (struct jd_str){t->made, t->made_len});
	training_free(t);
	if (c)
		jd_command_done(c);
}

/* -- a dictionary -------------------------------------------------------------------------------
 */

static size_t judges(const struct training *t)
{
	return t->n / JUDGES;
}

/* How many bytes the judges have, packed with it. */
static size_t packed_size(const struct training *t, struct jd_dictionary *d)
{
	const char *p = t->bytes + t->len;
	struct jd_str packed;
	size_t sum = 0;

	for (size_t i = 0; i < judges(t); i++) {
		struct jd_str sample = {p -= t->sizes[t->n - 1 - i], t->sizes[t->n - 1 - i]};

		sum += jd_pack(d, sample, &packed) == 0 ? packed.len : sample.len;
	}
	return sum;
}

/* A twentieth better than what there is. */
static bool is_better(const struct training *t)
{
	struct jd_dictionary *old = archive_pack_newest();
	struct jd_dictionary *d =
		jd_dictionary_new((uint32_t)t->number, (struct jd_str){t->made, t->made_len});
	bool better = d && (!old || packed_size(t, d) < packed_size(t, old) / 20 * 19);

	jd_dictionary_free(d);
	return better;
}

static void on_kept(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	(void)rows;
	if (status == JD_DB_OK)
		succeed(arg);
	else
		fail(arg, "the database did not take it");
}

static void on_made(void *arg, struct jd_str bytes)
{
	struct training *t = arg;
	struct jd_unit *unit;

	if (!bytes.p) {
		fail(t, "nothing came of the samples");
		return;
	}
	t->made = jd_alloc(bytes.len);
	memcpy(t->made, bytes.p, bytes.len);
	t->made_len = bytes.len;
	if (!t->asked_for && !is_better(t)) {
		state.first = 0;
		fail(t, "it would hardly be better than the one in use");
		return;
	}
	unit = jd_unit_new();
	jd_unit_add(unit, &keep,
		    JD_PARAMS(jd_int(t->number), jd_int((int64_t)jd_now()), jd_blob(bytes)));
	if (jd_unit_submit(unit, jd_instance_pending(t->mi), on_kept, t) < 0)
		fail(t, "the database has too much to do");
}

static void train(struct training *t)
{
	size_t n = t->n - judges(t), len = t->len;

	for (size_t i = n; i < t->n; i++)
		len -= t->sizes[i];
	if (t->n < SAMPLES_MIN)
		fail(t, "there are too few messages");
	else if (jd_dictionary_train(jd_instance_pending(t->mi), (uint32_t)t->number, ROOM,
				     (struct jd_str){t->bytes, len}, t->sizes, n, on_made, t) < 0)
		fail(t, "the server is busy");
}

/* -- samples ------------------------------------------------------------------------------------
 */

/* False: there is no room for more. */
static bool take(struct training *t, const struct jd_rows *rows, size_t row)
{
	struct jd_str bytes = archive_unpack(jd_row_int(rows, row, 2), jd_row_str(rows, row, 3));
	uint64_t seed;

	t->owner = jd_row_int(rows, row, 0);
	t->id = jd_row_int(rows, row, 1);
	if (t->n == SAMPLES || bytes.len > sizeof(t->bytes) - t->len)
		return false;
	if (!bytes.len)
		return true;
	jd_random(&seed, sizeof(seed));
	archive_scrub(bytes, seed, t->bytes + t->len);
	t->len += bytes.len;
	t->sizes[t->n++] = bytes.len;
	return true;
}

static void next_step(struct training *t);

static void on_samples(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct training *t = arg;
	size_t n = rows ? jd_rows_count(rows) : 0;
	bool room = true;

	if (status != JD_DB_OK) {
		fail(t, "the database does not answer");
		return;
	}
	for (size_t i = 0; i < n && room; i++)
		room = take(t, rows, i);
	if (room && !n && !t->wrapped) {
		t->wrapped = true;
		t->owner = t->id = 0;
		n = 1;
	}
	if (room && n)
		next_step(t);
	else
		train(t);
}

static void next_step(struct training *t)
{
	if (jd_db_query(jd_instance_pending(t->mi), &read_samples,
			JD_PARAMS(jd_int(t->owner), jd_int(t->id),
				  jd_int(t->wrapped ? t->start - 1 : INT64_MAX), jd_int(t->depth)),
			on_samples, t) < 0)
		fail(t, "the database has too much to do");
}

/* Of few owners many rows, of many a few each, beginning with any of them. */
static void on_look(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct training *t = arg;
	int64_t owners, last;
	uint64_t any;

	if (status != JD_DB_OK || jd_rows_count(rows) != 1) {
		fail(t, "the database does not answer");
		return;
	}
	t->number = jd_row_int(rows, 0, 0) + 1;
	owners = jd_row_int(rows, 0, 1);
	last = jd_row_int(rows, 0, 2);
	if (t->number > DICTIONARIES_MAX) {
		fail(t, "there are as many as there may be");
		return;
	}
	t->depth = owners ? 2 * SAMPLES / owners : 0;
	if (t->depth < 20)
		t->depth = 20;
	jd_random(&any, sizeof(any));
	t->start = t->owner = last ? (int64_t)(any % (uint64_t)last) + 1 : 1;
	next_step(t);
}

static void on_broken(void *arg)
{
	struct training *t = arg;

	t->command = NULL;
	t->promise = NULL;
}

static void begin(struct jd_instance *mi, struct jd_command *c)
{
	struct training *t = jd_alloc(sizeof(*t));

	t->mi = mi;
	t->command = c;
	t->asked_for = c != NULL;
	if (c)
		t->promise = jd_promise_new(jd_command_pending(c), (void (*)(void))on_broken,
					    on_broken, t);
	state.training = t;
	if (jd_db_query(jd_instance_pending(mi), &look, JD_NO_PARAMS, on_look, t) < 0)
		fail(t, "the database has too much to do");
}

/* -- when ------------------------------------------------------------------------------------- */

static void begin_now(void *arg)
{
	if (!state.training)
		begin(arg, NULL);
}

/* Of what has been written; with a dictionary: whether it has become worse by a quarter. */
static bool is_due(void)
{
	uint64_t left = state.in ? state.out * 1000000 / state.in : 0, first = state.first;

	if (archive_pack_number()) {
		if (state.rows < WINDOW)
			return false;
		if (!first)
			state.first = left;
	} else if (state.rows < FIRST_AFTER) {
		return false;
	}
	state.rows = state.in = state.out = 0;
	return !archive_pack_number() || (first && left > first + first / 4);
}

void archive_train_note(struct jd_instance *mi, size_t in, size_t out)
{
	state.rows++;
	state.in += in;
	state.out += out;
	if (is_due() && !state.training && jd_now_mono() >= state.not_before)
		(void)jd_timer_start(jd_instance_pending(mi), 0, begin_now, mi);
}

void archive_train_forget(void)
{
	state.rows = state.in = state.out = state.first = 0;
}

/* -- the command ------------------------------------------------------------------------------ */

static void on_list(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_command *c = arg;
	int64_t newest = archive_pack_number();

	if (status != JD_DB_OK) {
		jd_command_fail(c, "The database does not answer.");
		return;
	}
	jd_out_list(c, "dictionaries");
	for (size_t i = 0; i < jd_rows_count(rows); i++) {
		jd_out_record(c);
		jd_out_int(c, "number", jd_row_int(rows, i, 0));
		jd_out_str(c, "made",
			   jd_time_text(jd_command_arena(c), (jd_usec)jd_row_int(rows, i, 1)));
		jd_out_int(c, "bytes", jd_row_int(rows, i, 2));
		jd_out_bool(c, "in_use", jd_row_int(rows, i, 0) == newest);
	}
	jd_out_end(c);
	jd_command_done(c);
}

void archive_cmd_dictionary(struct jd_command *c)
{
	struct jd_str what = jd_arg_text(c, 0);
	bool making = jd_str_is(what, "train");

	if (!making && what.p && !jd_str_is(what, "list"))
		jd_command_fail(c, "WHAT is list or train.");
	else if (making && state.training)
		jd_command_fail(c, "A dictionary is being made already.");
	else if (making)
		begin(jd_command_instance(c), c);
	else if (jd_db_query(jd_command_pending(c), &list, JD_NO_PARAMS, on_list, c) < 0)
		jd_command_fail(c, "The database has too much to do; try again.");
}

/* -- the instance ----------------------------------------------------------------------------- */

int archive_train_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&look, &read_samples, &keep, &list};

	return jd_statements(mi, all, JD_ARRAY_SIZE(all));
}

void archive_train_stop(const struct jd_instance *mi)
{
	if (state.training && state.training->mi == mi)
		training_free(state.training);
}
