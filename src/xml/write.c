/* SPDX-License-Identifier: MIT
 *
 * The public writer: the builder behind a door that modules cannot break.
 * Names come from programs and are checked, values may come from anywhere and
 * are repaired.  A failure shows when the result is sent.
 */
#include <jackdaw/xml.h>

#include <inttypes.h>
#include <stdio.h>

#include "util/mem.h"
#include "util/utf8.h"
#include "xml/wire_build.h"

static const char replacement[] = "\xEF\xBF\xBD";

/* Not every name by the letter of XML: what would break out of the tag, and prefixes. */
static bool name_ok(const char *name)
{
	const unsigned char *u = (const unsigned char *)name;

	if (!*u || *u == '-' || *u == '.' || (*u >= '0' && *u <= '9'))
		return false;
	for (; *u; u++) {
		if (!((*u >= 'a' && *u <= 'z') || (*u >= 'A' && *u <= 'Z') || *u >= 0x80 ||
		      (*u >= '0' && *u <= '9') || *u == '-' || *u == '_' || *u == '.'))
			return false;
	}
	return utf8_valid_xml(name, strlen(name));
}

/* Copies s into out (3 bytes for each of s at most), what XML cannot carry replaced. */
static size_t repair(struct jd_str s, char *out)
{
	size_t len = 0;

	while (s.len) {
		uint32_t cp;
		size_t n = utf8_decode(s.p, s.len, &cp);

		if (n && utf8_valid_xml(s.p, n)) {
			memcpy(out + len, s.p, n);
			len += n;
		} else {
			memcpy(out + len, replacement, 3);
			len += 3;
			if (!n)
				n = 1;
		}
		s.p += n;
		s.len -= n;
	}
	return len;
}

/* s itself when it is good; else a repaired copy, which the caller frees. NULL: refused. */
static bool carry(struct wire_builder *b, struct jd_str *s, char **ret_copy)
{
	*ret_copy = NULL;
	if (utf8_valid_xml(s->p, s->len))
		return true;
	if (s->len > b->limits.bytes) {
		wire_fail(b, -JD_ELIMIT);
		return false;
	}
	*ret_copy = wire_realloc(b, NULL, s->len * 3);
	if (!*ret_copy) {
		wire_fail(b, -JD_ENOMEM);
		return false;
	}
	*s = (struct jd_str){*ret_copy, repair(*s, *ret_copy)};
	return true;
}

void jd_xml_start(struct jd_xml *x, const char *ns, const char *name)
{
	if (!name_ok(name)) {
		wire_fail(x->b, -JD_EINVAL);
		return;
	}
	wire_start(x->b, jd_cstr(ns), jd_cstr(name));
}

void jd_xml_end(struct jd_xml *x)
{
	JD_ASSERT(x->b->error || wire_depth(x->b) > x->depth0);
	wire_end(x->b);
}

void jd_xml_attr_ns(struct jd_xml *x, const char *ns, const char *name, struct jd_str value)
{
	char *copy;

	if (!value.p)
		return;
	if (!name_ok(name) || (!ns && strcmp(name, "xmlns") == 0)) {
		wire_fail(x->b, -JD_EINVAL);
		return;
	}
	if (!carry(x->b, &value, &copy))
		return;
	wire_attr(x->b, jd_cstr(ns), jd_cstr(name), value);
	mem_free(copy);
}

void jd_xml_attr(struct jd_xml *x, const char *name, struct jd_str value)
{
	jd_xml_attr_ns(x, NULL, name, value);
}

void jd_xml_attr_int(struct jd_xml *x, const char *name, int64_t value)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%" PRId64, value);

	jd_xml_attr_ns(x, NULL, name, (struct jd_str){text, (size_t)n});
}

void jd_xml_text(struct jd_xml *x, struct jd_str text)
{
	char *copy;

	if (!text.len || !carry(x->b, &text, &copy))
		return;
	wire_text(x->b, text);
	mem_free(copy);
}

void jd_xml_leaf(struct jd_xml *x, const char *ns, const char *name, struct jd_str text)
{
	jd_xml_start(x, ns, name);
	jd_xml_text(x, text);
	jd_xml_end(x);
}

void jd_xml_stored(struct jd_xml *x, struct jd_str bytes)
{
	JD_ASSERT(x->b->error || wire_depth(x->b) > x->depth0);
	wire_opaque(x->b, bytes);
}

void jd_xml_copy(struct jd_xml *x, struct jd_el el)
{
	wire_copy(x->b, el);
}
