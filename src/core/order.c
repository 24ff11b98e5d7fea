/* SPDX-License-Identifier: MIT
 *
 * In which order modules start: again and again the first one whose
 * predecessors have all been taken.  Few modules, so simple beats clever.
 */
#include "core/order.h"

#include <stdio.h>

#include "util/mem.h"

/* The next word of a list separated by spaces; len 0 at the end. */
static struct jd_str next_word(const char **list)
{
	struct jd_str word;

	if (!*list)
		return JD_STR_NULL;
	*list += strspn(*list, " ");
	word = (struct jd_str){*list, strcspn(*list, " ")};
	*list += word.len;
	return word;
}

bool word_in(const char *list, const char *name)
{
	for (struct jd_str w = next_word(&list); w.len; w = next_word(&list))
		if (jd_str_is(w, name))
			return true;
	return false;
}

static bool follows(const struct jd_module *m, const struct jd_module *other)
{
	return word_in(m->needs, other->name) || word_in(m->after, other->name);
}

static bool all_there(const struct jd_module *const *modules, size_t n, size_t i, char *err,
		      size_t err_size)
{
	const char *list = modules[i]->needs;

	for (struct jd_str w = next_word(&list); w.len; w = next_word(&list)) {
		bool found = false;

		for (size_t k = 0; k < n; k++)
			found = found || jd_str_is(w, modules[k]->name);
		if (!found) {
			snprintf(err, err_size, "module '%s' needs '%.*s', which is not listed",
				 modules[i]->name, JD_FMT(w));
			return false;
		}
	}
	return true;
}

static bool ready(const struct jd_module *const *modules, size_t n, size_t i, const bool *taken)
{
	for (size_t k = 0; k < n; k++)
		if (k != i && !taken[k] && follows(modules[i], modules[k]))
			return false;
	return true;
}

/* The names that are left, among them the circle. */
static void tell_circle(const struct jd_module *const *modules, size_t n, const bool *taken,
			char *err, size_t err_size)
{
	size_t len =
		(size_t)snprintf(err, err_size, "these modules want to start after each other:");

	for (size_t i = 0; i < n && len < err_size; i++)
		if (!taken[i])
			len += (size_t)snprintf(err + len, err_size - len, " %s", modules[i]->name);
}

int module_order(const struct jd_module *const *modules, size_t n, size_t *ret_order, char *err,
		 size_t err_size)
{
	cleanup_free bool *taken = mem_alloc(n + 1);
	size_t done = 0;

	for (size_t i = 0; i < n; i++)
		if (!all_there(modules, n, i, err, err_size))
			return -JD_ECONF;
	while (done < n) {
		size_t i = 0;

		while (i < n && (taken[i] || !ready(modules, n, i, taken)))
			i++;
		if (i == n) {
			tell_circle(modules, n, taken, err, err_size);
			return -JD_ECONF;
		}
		taken[i] = true;
		ret_order[done++] = i;
	}
	return 0;
}
