/* SPDX-License-Identifier: MIT
 *
 * Addresses: split, prepare, put together.
 *
 * Nearly every address is ASCII, and in ASCII the profiles come down to a table:
 * which bytes may stand in a part, and for the local part lower case.  The table
 * is walked while copying; the first byte that it does not know sends the part
 * to precis.c.
 */
#include "xmpp/jid.h"

#include "util/idn.h"
#include "xmpp/precis.h"

enum {
	LOCAL = 1,    /* may stand in a local part (after mapping) */
	RESOURCE = 2, /* may stand in a resource or password */
};

/* RFC 7622 section 3.3.1 on top of the class: no " & ' / : < > @, no space. */
#define G (LOCAL | RESOURCE)
#define R RESOURCE
static const uint8_t classes[256] = {
	[' '] = R, ['!'] = G, ['"'] = R, ['#'] = G, ['$'] = G,  ['%'] = G, ['&'] = R, ['\''] = R,
	['('] = G, [')'] = G, ['*'] = G, ['+'] = G, [','] = G,  ['-'] = G, ['.'] = G, ['/'] = R,
	['0'] = G, ['1'] = G, ['2'] = G, ['3'] = G, ['4'] = G,  ['5'] = G, ['6'] = G, ['7'] = G,
	['8'] = G, ['9'] = G, [':'] = R, [';'] = G, ['<'] = R,  ['='] = G, ['>'] = R, ['?'] = G,
	['@'] = R, ['A'] = G, ['B'] = G, ['C'] = G, ['D'] = G,  ['E'] = G, ['F'] = G, ['G'] = G,
	['H'] = G, ['I'] = G, ['J'] = G, ['K'] = G, ['L'] = G,  ['M'] = G, ['N'] = G, ['O'] = G,
	['P'] = G, ['Q'] = G, ['R'] = G, ['S'] = G, ['T'] = G,  ['U'] = G, ['V'] = G, ['W'] = G,
	['X'] = G, ['Y'] = G, ['Z'] = G, ['['] = G, ['\\'] = G, [']'] = G, ['^'] = G, ['_'] = G,
	['`'] = G, ['a'] = G, ['b'] = G, ['c'] = G, ['d'] = G,  ['e'] = G, ['f'] = G, ['g'] = G,
	['h'] = G, ['i'] = G, ['j'] = G, ['k'] = G, ['l'] = G,  ['m'] = G, ['n'] = G, ['o'] = G,
	['p'] = G, ['q'] = G, ['r'] = G, ['s'] = G, ['t'] = G,  ['u'] = G, ['v'] = G, ['w'] = G,
	['x'] = G, ['y'] = G, ['z'] = G, ['{'] = G, ['|'] = G,  ['}'] = G, ['~'] = G,
};
#undef G
#undef R

static char lower(unsigned char c)
{
	return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

/* One part by the table, or by slow if it is not ASCII. fold: in lower case. */
static inline int prep_part(struct jd_str in, uint8_t allowed, bool fold, precis_fn *slow,
			    char *out, size_t *ret_len)
{
	uint8_t all = allowed, bits = 0;

	if (in.len == 0)
		return -JD_EINVAL;
	if (in.len > JD_JID_PART_MAX)
		return slow(in, out, JD_JID_PART_MAX, ret_len);
	for (size_t i = 0; i < in.len; i++) {
		unsigned char c = (unsigned char)in.p[i];

		all &= classes[c];
		bits |= c;
		out[i] = fold ? lower(c) : (char)c;
	}
	if (bits & 0x80)
		return slow(in, out, JD_JID_PART_MAX, ret_len);
	if (!all)
		return -JD_EINVAL;
	*ret_len = in.len;
	return 0;
}

/* Width mapping may have uncovered an excluded character (a fullwidth @). */
static int username_local(struct jd_str in, char *out, size_t max, size_t *ret_len)
{
	size_t len;
	int r = precis_username(in, out, max, &len);

	if (r != 0)
		return r;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)out[i];

		if (c < 0x80 && !(classes[c] & LOCAL))
			return -JD_EINVAL;
	}
	*ret_len = len;
	return 0;
}

int jid_prep_local(struct jd_str in, char out[JD_JID_PART_MAX], size_t *ret_len)
{
	return prep_part(in, LOCAL, true, username_local, out, ret_len);
}

int jid_prep_resource(struct jd_str in, char out[JD_JID_PART_MAX], size_t *ret_len)
{
	return prep_part(in, RESOURCE, false, precis_opaque, out, ret_len);
}

int jid_prep_password(struct jd_str in, char out[JD_JID_PART_MAX], size_t *ret_len)
{
	return jid_prep_resource(in, out, ret_len);
}

/* local, resource: p NULL when absent; present and empty is an error. */
static int prep_parts(struct jd_str local, struct jd_str domain, struct jd_str resource, char *out,
		      struct jd_jid *ret_jid)
{
	struct jd_jid jid = {out, 0, 0, 0};
	size_t len, used = 0;

	if (local.p) {
		if (jid_prep_local(local, out, &len) != 0)
			return -JD_EINVAL;
		jid.local_len = (uint16_t)len;
		out[len] = '@';
		used = len + 1;
	}
	if (domain.len == 0 || idn_domain(domain, out + used, &len) != 0)
		return -JD_EINVAL;
	jid.domain_len = (uint16_t)len;
	used += len;
	if (resource.p) {
		out[used++] = '/';
		if (jid_prep_resource(resource, out + used, &len) != 0)
			return -JD_EINVAL;
		jid.resource_len = (uint16_t)len;
	}
	*ret_jid = jid;
	return 0;
}

/* What the first '/' ends may hold one '@'; behind it anything goes. */
int jid_prep(struct jd_str in, char out[JD_JID_MAX], struct jd_jid *ret_jid)
{
	struct jd_str local = JD_STR_NULL, domain = in, resource = JD_STR_NULL;
	const char *sep = in.len ? memchr(in.p, '/', in.len) : NULL;

	if (sep) {
		domain.len = (size_t)(sep - in.p);
		resource = (struct jd_str){sep + 1, in.len - domain.len - 1};
	}
	sep = domain.len ? memchr(domain.p, '@', domain.len) : NULL;
	if (sep) {
		local = (struct jd_str){in.p, (size_t)(sep - in.p)};
		domain = (struct jd_str){sep + 1, domain.len - local.len - 1};
	}
	return prep_parts(local, domain, resource, out, ret_jid);
}

/* -- into an arena --------------------------------------------------------------- */

struct jd_jid jd_jid_of(struct jd_str prepared)
{
	const char *slash = prepared.len ? memchr(prepared.p, '/', prepared.len) : NULL;
	size_t bare = slash ? (size_t)(slash - prepared.p) : prepared.len;
	const char *at = bare ? memchr(prepared.p, '@', bare) : NULL;
	size_t local = at ? (size_t)(at - prepared.p) : 0;
	size_t domain = at ? bare - local - 1 : bare;
	size_t resource = slash ? prepared.len - bare - 1 : 0;

	if (!domain || (at && !local) || (slash && !resource) || local > JD_JID_PART_MAX ||
	    domain > JD_JID_PART_MAX || resource > JD_JID_PART_MAX)
		return JD_JID_NULL;
	return (struct jd_jid){prepared.p, (uint16_t)local, (uint16_t)domain, (uint16_t)resource};
}

struct jd_jid jd_jid_copy(struct jd_arena *arena, struct jd_jid jid)
{
	if (jid.p)
		jid.p = jd_arena_str(arena, jd_jid_str(jid)).p;
	return jid;
}

int jd_jid_parse(struct jd_arena *arena, struct jd_str in, struct jd_jid *ret_jid)
{
	char out[JD_JID_MAX];
	struct jd_jid jid;
	int r = jid_prep(in, out, &jid);

	if (r == 0)
		*ret_jid = jd_jid_copy(arena, jid);
	return r;
}

int jd_jid_make(struct jd_arena *arena, struct jd_str local, struct jd_str domain,
		struct jd_str resource, struct jd_jid *ret_jid)
{
	char out[JD_JID_MAX];
	struct jd_jid jid;
	int r = prep_parts(local.len ? local : JD_STR_NULL, domain,
			   resource.len ? resource : JD_STR_NULL, out, &jid);

	if (r == 0)
		*ret_jid = jd_jid_copy(arena, jid);
	return r;
}
