/* SPDX-License-Identifier: MIT
 *
 * Parameters and results in PostgreSQL's binary form: nothing is quoted, nothing
 * is parsed.  Integers of any size come back as 64 bits, and so do the numerics
 * that sum() makes, cut to whole numbers; a column of a type that isn't here fails
 * the unit, for the statement can cast it.
 */
#include <endian.h>

#include "db/pgsql/pgsql.h"

#define MAX_RESULT ((size_t)16 * 1024 * 1024)

/* Of pg_type, where they are fixed. */
enum {
	TYPE_BOOL = 16,
	TYPE_BYTEA = 17,
	TYPE_CHAR = 18,
	TYPE_NAME = 19,
	TYPE_INT8 = 20,
	TYPE_INT2 = 21,
	TYPE_INT4 = 23,
	TYPE_TEXT = 25,
	TYPE_OID = 26,
	TYPE_FLOAT4 = 700,
	TYPE_FLOAT8 = 701,
	TYPE_UNKNOWN = 705,
	TYPE_BPCHAR = 1042,
	TYPE_VARCHAR = 1043,
	TYPE_NUMERIC = 1700,
	TYPE_VOID = 2278,
};

/* -- parameters ------------------------------------------------------------------- */

Oid value_type(unsigned char kind)
{
	switch (kind) {
	case JD_PARAM_INT:
		return TYPE_INT8;
	case JD_PARAM_TEXT:
		return TYPE_TEXT;
	case JD_PARAM_BLOB:
		return TYPE_BYTEA;
	default:
		return 0;
	}
}

void value_bind(struct bound *b, const struct unit_step *step)
{
	for (size_t i = 0; i < step->n_params; i++) {
		const struct jd_param *p = &step->params[i];

		b->formats[i] = 1;
		if (p->kind == JD_PARAM_NULL) {
			b->values[i] = NULL;
			b->lengths[i] = 0;
		} else if (p->kind == JD_PARAM_INT) {
			b->numbers[i] = htobe64((uint64_t)p->num);
			b->values[i] = (const char *)&b->numbers[i];
			b->lengths[i] = 8;
		} else {
			b->values[i] = p->str.p ? p->str.p : "";
			b->lengths[i] = (int)p->str.len;
		}
	}
}

/* -- rows ------------------------------------------------------------------------- */

static uint64_t big_endian(const char *p, size_t n)
{
	uint64_t u = 0;

	for (size_t i = 0; i < n; i++)
		u = u << 8 | (unsigned char)p[i];
	return u;
}

static int64_t from_double(double d)
{
	if (!(d > -9.2e18 && d < 9.2e18)) /* NaN too */
		return d < 0 ? INT64_MIN : d > 0 ? INT64_MAX : 0;
	return (int64_t)d;
}

static int64_t from_float(const char *p, size_t n)
{
	union {
		uint32_t u;
		float f;
	} four;
	union {
		uint64_t u;
		double d;
	} eight;

	if (n == 4) {
		four.u = (uint32_t)big_endian(p, 4);
		return from_double((double)four.f);
	}
	eight.u = big_endian(p, 8);
	return from_double(eight.d);
}

/* Digits of base 10 000, the first of weight 10 000^weight; what is behind the point is cut. */
static int64_t from_numeric(const char *p, size_t n)
{
	int digits = n >= 8 ? (int)big_endian(p, 2) : 0;
	int weight = n >= 8 ? (int16_t)big_endian(p + 2, 2) : 0;
	unsigned sign = n >= 8 ? (unsigned)big_endian(p + 4, 2) : 0;
	unsigned __int128 sum = 0;

	if (n < 8 + 2 * (size_t)digits || sign & 0x8000) /* NaN, infinity */
		return 0;
	if (weight > 4)
		return sign ? INT64_MIN : INT64_MAX;
	for (int i = 0; i <= weight; i++)
		sum = sum * 10000 + (i < digits ? big_endian(p + 8 + 2 * (size_t)i, 2) : 0);
	if (sum > INT64_MAX)
		return sign ? INT64_MIN : INT64_MAX;
	return sign ? -(int64_t)sum : (int64_t)sum;
}

static int64_t from_int(const char *p, size_t n)
{
	uint64_t u = big_endian(p, n);

	if (n == 2)
		return (int16_t)u;
	return n == 4 ? (int32_t)u : (int64_t)u;
}

static int take_cell(struct jd_arena *arena, Oid type, const char *p, size_t n,
		     struct jd_param *cell)
{
	switch (type) {
	case TYPE_INT2:
	case TYPE_INT4:
	case TYPE_INT8:
		*cell = jd_int(from_int(p, n));
		return 0;
	case TYPE_OID:
	case TYPE_BOOL:
		*cell = jd_int((int64_t)big_endian(p, n));
		return 0;
	case TYPE_NUMERIC:
		*cell = jd_int(from_numeric(p, n));
		return 0;
	case TYPE_FLOAT4:
	case TYPE_FLOAT8:
		*cell = jd_int(from_float(p, n));
		return 0;
	case TYPE_TEXT:
	case TYPE_VARCHAR:
	case TYPE_BPCHAR:
	case TYPE_CHAR:
	case TYPE_NAME:
	case TYPE_UNKNOWN:
		*cell = jd_text(jd_arena_str(arena, (struct jd_str){p, n}));
		return 0;
	case TYPE_BYTEA:
		*cell = jd_blob(jd_arena_str(arena, (struct jd_str){p, n}));
		return 0;
	case TYPE_VOID:
		*cell = jd_null();
		return 0;
	default:
		return -JD_EINVAL;
	}
}

/* Room for one row more: the table doubles, the arena keeps the smaller ones. */
static struct jd_param *row_new(struct jd_rows *rows, size_t *capacity)
{
	struct jd_param *larger;

	if (rows->count == *capacity) {
		*capacity = *capacity ? *capacity * 2 : 1;
		larger = jd_arena_alloc(rows->arena, *capacity * rows->cols * sizeof(*larger));
		if (rows->count)
			memcpy(larger, rows->cells, rows->count * rows->cols * sizeof(*larger));
		rows->cells = larger;
	}
	return &rows->cells[rows->count++ * rows->cols];
}

static size_t row_bytes(const PGresult *r, int row, unsigned cols)
{
	size_t n = cols * sizeof(struct jd_param);

	for (unsigned i = 0; i < cols; i++)
		n += (size_t)libpq->PQgetlength(r, row, (int)i);
	return n;
}

static int take_row(struct jd_rows *rows, size_t *capacity, const PGresult *r, int row)
{
	struct jd_param *cells = row_new(rows, capacity);

	for (int i = 0; i < (int)rows->cols; i++) {
		int err;

		cells[i] = jd_null();
		if (libpq->PQgetisnull(r, row, i))
			continue;
		err = take_cell(rows->arena, libpq->PQftype(r, i), libpq->PQgetvalue(r, row, i),
				(size_t)libpq->PQgetlength(r, row, i), &cells[i]);
		if (err)
			return err;
	}
	return 0;
}

int value_rows(struct jd_rows *rows, size_t *capacity, size_t *bytes, const PGresult *r)
{
	int n = libpq->PQntuples(r);

	rows->cols = (unsigned)libpq->PQnfields(r);
	for (int row = 0; row < n; row++) {
		int err;

		*bytes += row_bytes(r, row, rows->cols);
		if (*bytes > MAX_RESULT)
			return -JD_ELIMIT;
		err = take_row(rows, capacity, r, row);
		if (err)
			return err;
	}
	return 0;
}
