/* SPDX-License-Identifier: MIT
 *
 * Which prepared statement a step needs.  The interface has integers, texts and
 * blobs, and a parameter's kind is known only when there is a value; so a text has
 * a variant for each choice of kinds that was met.  There is nearly always one.  A
 * NULL fits whatever the others have taught; where nobody has, the server finds
 * the type out by itself.
 */
#include <ctype.h>
#include <strings.h>

#include "db/pgsql/pgsql.h"

static bool fits(const struct variant *v, const struct unit_step *step)
{
	if (v->n_params != step->n_params)
		return false;
	for (size_t i = 0; i < step->n_params; i++)
		if (step->params[i].kind != JD_PARAM_NULL && step->params[i].kind != v->kinds[i])
			return false;
	return true;
}

/* Those that surely return none begin with one of three words and lack a fourth. */
static bool returns_rows(const char *sql)
{
	while (isspace((unsigned char)*sql))
		sql++;
	if (strncasecmp(sql, "INSERT", 6) != 0 && strncasecmp(sql, "UPDATE", 6) != 0 &&
	    strncasecmp(sql, "DELETE", 6) != 0)
		return true;
	return strcasestr(sql, "RETURNING");
}

static struct variant *variant_new(struct variant_book *book, const struct unit_step *step)
{
	struct variant *v = mem_new(struct variant);
	const struct variant *older = book->first[step->statement->id];

	v->id = book->count++;
	v->statement = step->statement;
	v->sql = stmt_sql(&step->statement->stmt, "pgsql");
	v->returns_rows = v->sql && returns_rows(v->sql);
	v->n_params = (unsigned)step->n_params;
	for (size_t i = 0; i < step->n_params; i++) {
		v->kinds[i] = (unsigned char)step->params[i].kind;
		if (v->kinds[i] == JD_PARAM_NULL && older && i < older->n_params)
			v->kinds[i] = older->kinds[i];
	}
	return v;
}

static void reserve(struct variant_book *book, unsigned id)
{
	unsigned n = (id | 31) + 1;

	if (id < book->n)
		return;
	book->first = mem_realloc(book->first, n * sizeof(struct variant *));
	memset(book->first + book->n, 0, (n - book->n) * sizeof(struct variant *));
	book->n = n;
}

const struct variant *variant_find(struct variant_book *book, const struct unit_step *step)
{
	unsigned id = step->statement->id;
	struct variant *v;

	reserve(book, id);
	for (v = book->first[id]; v; v = v->next)
		if (fits(v, step))
			return v;
	v = variant_new(book, step);
	v->next = book->first[id]; /* the newest knows most */
	book->first[id] = v;
	return v;
}

void variants_free(struct variant_book *book)
{
	for (unsigned i = 0; i < book->n; i++) {
		while (book->first[i]) {
			struct variant *v = book->first[i];

			book->first[i] = v->next;
			mem_free(v);
		}
	}
	mem_free(book->first);
}
