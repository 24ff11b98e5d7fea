/* SPDX-License-Identifier: MIT
 *
 * Pages of long results (XEP-0059).  A request is read once from front to back;
 * what it must not have twice, it must not have twice, because nobody could say
 * which of the two counts.
 */
#include <jackdaw/rsm.h>

#include <limits.h>

enum { SEEN_MAX = 1, SEEN_BEFORE = 2, SEEN_AFTER = 4 };

struct reader {
	struct jd_rsm rsm;
	struct jd_arena *arena;
	unsigned seen;
	struct jd_error *error;
};

static int wrong(struct reader *r, enum jd_condition condition, const char *text)
{
	*r->error = (struct jd_error){.condition = condition, .text = text};
	return -JD_EINVAL;
}

/* Digits and nothing else; what is larger than anybody can mean counts as the largest. */
static bool read_number(struct jd_str s, unsigned *ret)
{
	uint64_t n = 0;

	if (s.len == 0 || s.len > 18)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		n = n * 10 + (unsigned)(s.p[i] - '0');
	}
	*ret = n > INT_MAX ? INT_MAX : (unsigned)n;
	return true;
}

static int see(struct reader *r, unsigned what)
{
	if (r->seen & what)
		return wrong(r, JD_BAD_REQUEST, "The page is described twice.");
	r->seen |= what;
	return 0;
}

static int read_max(struct reader *r, struct jd_el el)
{
	if (see(r, SEEN_MAX) < 0)
		return -JD_EINVAL;
	if (!read_number(jd_el_text(el, r->arena), &r->rsm.max))
		return wrong(r, JD_BAD_REQUEST, "The size of the page is not a number.");
	r->rsm.limited = true;
	return 0;
}

static int read_uid(struct reader *r, struct jd_el el, unsigned what, struct jd_str *ret)
{
	struct jd_str text = jd_el_text(el, r->arena);

	if (see(r, what) < 0)
		return -JD_EINVAL;
	if (text.len > JD_RSM_UID_MAX)
		return wrong(r, JD_ITEM_NOT_FOUND, NULL);
	if (text.len)
		*ret = text;
	return 0;
}

static int read_child(struct reader *r, struct jd_el el)
{
	if (jd_el_is(el, JD_NS_RSM, "max"))
		return read_max(r, el);
	if (jd_el_is(el, JD_NS_RSM, "after"))
		return read_uid(r, el, SEEN_AFTER, &r->rsm.after);
	if (jd_el_is(el, JD_NS_RSM, "before")) {
		r->rsm.backwards = true;
		return read_uid(r, el, SEEN_BEFORE, &r->rsm.before);
	}
	if (jd_el_is(el, JD_NS_RSM, "index"))
		return wrong(r, JD_FEATURE_NOT_IMPLEMENTED, "Pages have no numbers here.");
	return 0;
}

int jd_rsm_read(struct jd_el parent, struct jd_arena *arena, struct jd_rsm *ret_rsm,
		struct jd_error *ret_error)
{
	struct reader r = {.arena = arena, .error = ret_error};
	struct jd_el set = jd_el_child(parent, JD_NS_RSM, "set");

	r.rsm.given = jd_el_ok(set);
	if (r.rsm.given && jd_el_ok(jd_el_next_is(set, JD_NS_RSM, "set")))
		return wrong(&r, JD_BAD_REQUEST, "The page is described twice.");
	for (struct jd_el el = jd_el_first(set); jd_el_ok(el); el = jd_el_next(el)) {
		int e = read_child(&r, el);

		if (e < 0)
			return e;
	}
	*ret_rsm = r.rsm;
	return 0;
}

unsigned jd_rsm_limit(const struct jd_rsm *rsm, unsigned usual, unsigned most)
{
	unsigned n = rsm->limited ? rsm->max : usual;

	return n < most ? n : most;
}

static void write_count(struct jd_xml *x, uint64_t count)
{
	char digits[20];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + count % 10);
	while ((count /= 10) != 0);
	jd_xml_leaf(x, NULL, "count", (struct jd_str){digits + at, sizeof(digits) - at});
}

void jd_rsm_write(struct jd_xml *x, const struct jd_rsm_page *page)
{
	jd_xml_start(x, JD_NS_RSM, "set");
	if (page->first.p) {
		jd_xml_start(x, NULL, "first");
		if (page->index >= 0)
			jd_xml_attr_int(x, "index", page->index);
		jd_xml_text(x, page->first);
		jd_xml_end(x);
		jd_xml_leaf(x, NULL, "last", page->last);
	}
	if (page->count >= 0)
		write_count(x, (uint64_t)page->count);
	jd_xml_end(x);
}
