/* SPDX-License-Identifier: MIT
 *
 * Reading and writing XML.
 *
 * READING.  A struct jd_el is a view: a pair of words that names an element of
 * an immutable, already checked block of canonical XML (a stanza).  Views are
 * passed by value, cost nothing, and live as long as the stanza they came from.
 * "No element" is a view too, for which every question answers no, nothing or
 * empty, so that questions can be chained without checks:
 *
 *     struct jd_str node = jd_el_attr(jd_el_child(el, JD_NS_DISCO_INFO, "query"), "node");
 *
 * Nothing here recurses and nothing allocates, but for decoding escaped text.
 *
 * WRITING.  A struct jd_xml writes canonical XML into a block, element by
 * element.  It escapes, chooses prefixes and says xmlns where it is needed:
 *
 *     jd_xml_start(x, JD_NS_ROSTER, "query");
 *     jd_xml_attr(x, "ver", ver);
 *     jd_xml_end(x);
 *
 * A writer belongs to what it builds (stanza.h hands them out) and is consumed
 * by sending that.  Text given to it must be valid UTF-8; characters that XML
 * cannot carry are replaced by U+FFFD.  Past the bound on a stanza's size the
 * writer swallows what comes and the send reports it.
 *
 * Logic thread.
 */
#pragma once

#include <jackdaw/mem.h>
#include <jackdaw/ns.h>
#include <jackdaw/types.h>

struct jd_wire;
struct jd_xml;

struct jd_el {
	const struct jd_wire *wire; /* NULL: no element */
	uint32_t i;
};

#define JD_EL_NONE ((struct jd_el){NULL, 0})

static inline bool jd_el_ok(struct jd_el el)
{
	return el.wire != NULL;
}

JD_EXPORT struct jd_str jd_el_name(struct jd_el el);
JD_EXPORT struct jd_str jd_el_ns(struct jd_el el);
/* ns or name NULL: any. */
JD_EXPORT bool jd_el_is(struct jd_el el, const char *ns, const char *name);

JD_EXPORT struct jd_el jd_el_first(struct jd_el el); /* first child element */
JD_EXPORT struct jd_el jd_el_next(struct jd_el el);  /* next sibling element */
JD_EXPORT struct jd_el jd_el_parent(struct jd_el el);
/* First child, and next sibling, with this namespace and name; NULL: any. */
JD_EXPORT struct jd_el jd_el_child(struct jd_el el, const char *ns, const char *name);
JD_EXPORT struct jd_el jd_el_next_is(struct jd_el el, const char *ns, const char *name);

#define JD_EL_EACH(var, parent)                                                                    \
	for (struct jd_el var = jd_el_first(parent); jd_el_ok(var); var = jd_el_next(var))
#define JD_EL_EACH_IS(var, parent, ns, name)                                                       \
	for (struct jd_el var = jd_el_child(parent, ns, name); jd_el_ok(var);                      \
	     var = jd_el_next_is(var, ns, name))

/* The decoded value of an attribute without namespace; p is NULL when absent. */
JD_EXPORT struct jd_str jd_el_attr(struct jd_el el, const char *name);
/* The same for one in a namespace (JD_NS_XML, "lang"). */
JD_EXPORT struct jd_str jd_el_attr_ns(struct jd_el el, const char *ns, const char *name);

/* All text directly inside el, decoded. Points into the block when it is one run
 * without escapes, else into the arena. */
JD_EXPORT struct jd_str jd_el_text(struct jd_el el, struct jd_arena *arena);
/* Code points of that text, without decoding it. */
JD_EXPORT size_t jd_el_text_chars(struct jd_el el);

/* -- writing ---------------------------------------------------------------- */

/* ns NULL: the namespace of the parent. */
JD_EXPORT void jd_xml_start(struct jd_xml *x, const char *ns, const char *name);
JD_EXPORT void jd_xml_end(struct jd_xml *x);
/* Only between start and the first text or child. value.p NULL: nothing is written. */
JD_EXPORT void jd_xml_attr(struct jd_xml *x, const char *name, struct jd_str value);
JD_EXPORT void jd_xml_attr_ns(struct jd_xml *x, const char *ns, const char *name,
			      struct jd_str value);
JD_EXPORT void jd_xml_attr_int(struct jd_xml *x, const char *name, int64_t value);
JD_EXPORT void jd_xml_text(struct jd_xml *x, struct jd_str text);
/* <name xmlns=ns>text</name> */
JD_EXPORT void jd_xml_leaf(struct jd_xml *x, const char *ns, const char *name, struct jd_str text);
/* A copy of a whole element out of another stanza, namespaces kept right. */
JD_EXPORT void jd_xml_copy(struct jd_xml *x, struct jd_el el);
/* A stanza as the text that jd_stanza_bytes() has made (core.h), inside of another element. It is
 * neither read nor checked, so that costs nothing, and who looks into what is written here does
 * not find it: for what is only sent on. */
JD_EXPORT void jd_xml_stored(struct jd_xml *x, struct jd_str bytes);
