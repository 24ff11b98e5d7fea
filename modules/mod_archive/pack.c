/* SPDX-License-Identifier: MIT
 *
 * Rows are kept packed, each by itself, with a dictionary whose number stands in its column
 * `format`; 0: as it is, because there was no dictionary, or packing did not pay.
 *
 * Dictionaries belong to the database, so what is known of them is shared by all instances,
 * the archives of hosts and of rooms.  The newest one is loaded at the start and used for
 * new rows; others when a row turns up that needs them, and whoever has read that row asks
 * for it again then.  One that is not in the table is remembered as missing.
 *
 * What cannot be read is left out by everybody, and said once.
 */
#include "archive.h"

#include <jackdaw/pack.h>

#define LOAD_AGAIN (30 * JD_USEC_PER_SEC)
#define WORTH_MIN  100                             /* bytes of a row that is packed */
#define ROW_MAX    ((size_t)(2 * 1024 + 64) << 10) /* of any: what the core sends at most */
#define TOLD_MAX   32

struct dictionary {
	struct dictionary *next;
	int64_t number;
	struct jd_dictionary *d; /* NULL: it is missing, or damaged */
};

/* A row that could not be read. */
struct told {
	uint64_t owner, id;
};

static struct {
	unsigned users;
	struct dictionary *first;
	struct dictionary *newest; /* new rows are packed with it; NULL: there is none */
	struct told told[TOLD_MAX];
	unsigned n_told;
} known;

static struct jd_stmt get = {
	.name = "archive.get_dictionary",
	.lane = JD_LANE_READ,
	.sql = "SELECT id, bytes FROM archive_dictionary WHERE id = $1",
};

static struct jd_stmt get_newest = {
	.name = "archive.newest_dictionary",
	.lane = JD_LANE_READ,
	.sql = "SELECT id, bytes FROM archive_dictionary ORDER BY id DESC LIMIT 1",
};

/* -- what is known ---------------------------------------------------------------------------- */

static struct dictionary *find(int64_t number)
{
	struct dictionary *d = known.first;

	while (d && d->number != number)
		d = d->next;
	return d;
}

static struct dictionary *learn(int64_t number, struct jd_str bytes)
{
	struct dictionary *d = find(number);

	if (d)
		return d;
	d = jd_alloc(sizeof(*d));
	d->number = number;
	d->d = bytes.p ? jd_dictionary_new((uint32_t)number, bytes) : NULL;
	d->next = known.first;
	known.first = d;
	if (!d->d)
		jd_log(JD_LOG_WARNING, "a dictionary of archives is missing or damaged",
		       jd_kv_int("number", number));
	return d;
}

void archive_pack_use(int64_t number, struct jd_str bytes)
{
	struct dictionary *d = learn(number, bytes);

	if (d->d && (!known.newest || known.newest->number < number)) {
		known.newest = d;
		archive_train_forget();
	}
}

struct jd_dictionary *archive_pack_newest(void)
{
	return known.newest ? known.newest->d : NULL;
}

int64_t archive_pack_number(void)
{
	return known.newest ? known.newest->number : 0;
}

/* -- loading ---------------------------------------------------------------------------------- */

void archive_fetch_add(struct jd_unit *unit, int64_t number)
{
	jd_unit_add(unit, &get, JD_PARAMS(jd_int(number)));
}

void archive_fetched(int64_t number, const struct jd_rows *rows)
{
	(void)learn(number, jd_rows_count(rows) ? jd_row_str(rows, 0, 1) : JD_STR_NULL);
}

static void on_fetched(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	const struct fetch *f = arg;

	if (status == JD_DB_OK)
		archive_fetched(f->number, rows);
	f->fn(f->arg, status == JD_DB_OK ? 0 : -JD_EDB);
}

int archive_fetch(struct jd_owner *owner, struct fetch *f)
{
	return jd_db_query(owner, &get, JD_PARAMS(jd_int(f->number)), on_fetched, f);
}

int64_t archive_needs(const struct jd_rows *rows, unsigned col)
{
	for (size_t i = 0; i < jd_rows_count(rows); i++) {
		int64_t number = jd_row_int(rows, i, col);

		if (number > 0 && number <= DICTIONARIES_MAX && !find(number))
			return number;
	}
	return 0;
}

static void load_newest(void *arg);

static void on_newest(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct jd_instance *mi = arg;

	if (status != JD_DB_OK)
		(void)jd_timer_start(jd_instance_pending(mi), LOAD_AGAIN, load_newest, mi);
	else if (jd_rows_count(rows))
		archive_pack_use(jd_row_int(rows, 0, 0), jd_row_str(rows, 0, 1));
}

static void load_newest(void *arg)
{
	struct jd_instance *mi = arg;

	if (!known.newest &&
	    jd_db_query(jd_instance_pending(mi), &get_newest, JD_NO_PARAMS, on_newest, mi) < 0)
		on_newest(mi, JD_DB_FAILED, NULL);
}

/* -- rows ------------------------------------------------------------------------------------- */

int archive_pack(struct jd_instance *mi, struct jd_str *bytes)
{
	const struct archive *a = jd_data(mi);
	struct jd_str packed = *bytes;
	int format = 0;

	if (!a->compress || bytes->len < WORTH_MIN || bytes->len > ROW_MAX)
		return 0;
	if (known.newest && jd_pack(known.newest->d, *bytes, &packed) == 0)
		format = (int)known.newest->number;
	archive_train_note(mi, bytes->len, packed.len);
	*bytes = packed;
	return format;
}

struct jd_str archive_unpack(int64_t format, struct jd_str bytes)
{
	const struct dictionary *d;
	struct jd_str out;

	if (format == 0)
		return bytes;
	d = find(format);
	if (!d || !d->d || jd_unpack(d->d, bytes, ROW_MAX, &out) < 0)
		return JD_STR_NULL;
	return out;
}

static size_t row_size(const struct jd_rows *rows, size_t row, unsigned col)
{
	struct jd_str bytes = jd_row_str(rows, row, col + 1);
	size_t size = jd_row_int(rows, row, col) ? jd_packed_size(bytes) : bytes.len;

	return size > ROW_MAX ? 0 : size; /* such a row is not going to be read */
}

size_t archive_fit(const struct jd_rows *rows, size_t n, unsigned col)
{
	size_t sum = 0;

	for (size_t i = 0; i < n; i++) {
		sum += row_size(rows, i, col);
		if (i && sum > PAGE_ROOM)
			return i;
	}
	return n;
}

void archive_unreadable(uint64_t owner, uint64_t id)
{
	struct told *t;

	for (unsigned i = 0; i < known.n_told && i < TOLD_MAX; i++)
		if (known.told[i].owner == owner && known.told[i].id == id)
			return;
	t = &known.told[known.n_told++ % TOLD_MAX];
	*t = (struct told){owner, id};
	jd_log(JD_LOG_WARNING, "a row of an archive cannot be read: it is left out",
	       jd_kv_int("owner", (int64_t)owner), jd_kv_int("id", (int64_t)id));
}

/* -- the instance ----------------------------------------------------------------------------- */

int archive_pack_start(struct jd_instance *mi)
{
	static struct jd_stmt *const all[] = {&get, &get_newest};
	int r = jd_statements(mi, all, JD_ARRAY_SIZE(all));

	if (r == 0) {
		known.users++;
		load_newest(mi);
	}
	return r;
}

void archive_pack_stop(void)
{
	if (--known.users)
		return;
	while (known.first) {
		struct dictionary *d = known.first;

		known.first = d->next;
		jd_dictionary_free(d->d);
		jd_free(d);
	}
	known.newest = NULL;
	known.n_told = 0;
}
