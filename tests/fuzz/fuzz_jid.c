/* SPDX-License-Identifier: MIT
 *
 * Fuzzing addresses.  The first byte chooses between whole addresses, each kind
 * of part, and domains.
 *
 * What was prepared must be a fixed point: preparing it again changes nothing,
 * or else two spellings of one address would be two.  A whole address must be
 * judged as its parts are, the ASCII short cuts as the long way round judges, and
 * a domain must come back from its form for DNS.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "util/idn.h"
#include "util/mem.h"
#include "util/utf8.h"
#include "xmpp/jid.h"
#include "xmpp/precis.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef int prep_fn(struct jd_str in, char out[JD_JID_PART_MAX], size_t *ret_len);

/* -- parts ---------------------------------------------------------------------------- */

static bool ascii(struct jd_str s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

/* False: refused.  The text that comes out is prepared already. */
static bool part(prep_fn *prep, struct jd_str in, char out[JD_JID_PART_MAX], struct jd_str *ret)
{
	char again[JD_JID_PART_MAX];
	size_t n, m;

	if (prep(in, out, &n) < 0)
		return false;
	JD_ASSERT(n >= 1 && n <= JD_JID_PART_MAX && utf8_valid_xml(out, n));
	JD_ASSERT(prep((struct jd_str){out, n}, again, &m) == 0);
	JD_ASSERT(m == n && memcmp(out, again, n) == 0);
	*ret = (struct jd_str){out, n};
	return true;
}

/* precis.h knows nothing of ASCII short cuts, and nothing of what RFC 7622 forbids besides. */
static void check_local(struct jd_str in)
{
	char out[JD_JID_PART_MAX], slow[JD_JID_PART_MAX];
	struct jd_str s;
	bool good = part(jid_prep_local, in, out, &s);
	size_t n;
	bool also = precis_username(in, slow, sizeof(slow), &n) == 0;

	for (size_t i = 0; also && i < n; i++)
		also = !strchr("\"&'/:<>@", slow[i]);
	JD_ASSERT(good == also);
	JD_ASSERT(!good || (s.len == n && memcmp(s.p, slow, n) == 0));
}

static void check_opaque(prep_fn *prep, struct jd_str in)
{
	char out[JD_JID_PART_MAX], slow[JD_JID_PART_MAX];
	struct jd_str s;
	bool good = part(prep, in, out, &s);
	size_t n;
	bool also = precis_opaque(in, slow, sizeof(slow), &n) == 0;

	JD_ASSERT(good == also);
	JD_ASSERT(!good || (s.len == n && memcmp(s.p, slow, n) == 0));
}

/* Upper case changes nothing; the A-labels name the same domain. */
static void check_domain(struct jd_str in)
{
	char out[JD_JID_PART_MAX], other[JD_JID_PART_MAX], dns[256];
	struct jd_str s;
	size_t n;

	if (!part(idn_domain, in, out, &s))
		return;
	if (idn_to_ascii(s, dns) < 0) {
		JD_ASSERT(!ascii(s) || s.len > 253 || strchr("[0123456789", s.p[0]));
		return;
	}
	JD_ASSERT(strlen(dns) <= 255 && ascii(jd_cstr(dns)));
	for (char *c = dns; *c; c++)
		if (*c >= 'a' && *c <= 'z' && s.p[0] != '[')
			*c = (char)(*c - 'a' + 'A');
	JD_ASSERT(idn_domain(jd_cstr(dns), other, &n) == 0);
	JD_ASSERT(n == s.len && memcmp(out, other, n) == 0);
}

/* -- addresses ------------------------------------------------------------------------- */

/* RFC 7622 section 3.1: the first slash begins the resource, the first at-sign in front of it
 * ends the local part. */
static void cut(struct jd_str in, struct jd_str *local, struct jd_str *domain,
		struct jd_str *resource)
{
	const char *slash = in.len ? memchr(in.p, '/', in.len) : NULL;
	const char *end = slash ? slash : in.p + in.len;
	const char *at = in.len ? memchr(in.p, '@', (size_t)(end - in.p)) : NULL;
	const char *from = at ? at + 1 : in.p;

	*local = at ? (struct jd_str){in.p, (size_t)(at - in.p)} : JD_STR_NULL;
	*domain = (struct jd_str){from, (size_t)(end - from)};
	*resource = slash ? (struct jd_str){slash + 1, (size_t)(in.p + in.len - slash - 1)}
			  : JD_STR_NULL;
}

static void check_jid(struct jd_str in)
{
	char out[JD_JID_MAX], again[JD_JID_MAX], parts[3][JD_JID_PART_MAX];
	struct jd_str raw[3], want[3] = {JD_STR_NULL, JD_STR_NULL, JD_STR_NULL};
	struct jd_jid jid, same;
	bool good = jid_prep(in, out, &jid) == 0, also;

	cut(in, &raw[0], &raw[1], &raw[2]);
	also = part(idn_domain, raw[1], parts[1], &want[1]);
	also = also && (!raw[0].p || part(jid_prep_local, raw[0], parts[0], &want[0]));
	also = also && (!raw[2].p || part(jid_prep_resource, raw[2], parts[2], &want[2]));
	JD_ASSERT(good == also);
	if (!good)
		return;
	JD_ASSERT(jd_jid_str(jid).p == out && jd_jid_str(jid).len <= JD_JID_MAX);
	JD_ASSERT(jid.local_len == want[0].len && jid.resource_len == want[2].len);
	JD_ASSERT(!want[0].p || jd_str_eq(jd_jid_local(jid), want[0]));
	JD_ASSERT(jd_str_eq(jd_jid_domain(jid), want[1]));
	JD_ASSERT(!want[2].p || jd_str_eq(jd_jid_resource(jid), want[2]));
	JD_ASSERT(jid_prep(jd_jid_str(jid), again, &same) == 0 && jd_jid_eq(jid, same));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jd_str in = {(const char *)data + 1, size - 1};

	if (size < 1)
		return 0;
	switch (data[0] & 7) {
	case 0:
		check_local(in);
		break;
	case 1:
		check_opaque(jid_prep_resource, in);
		break;
	case 2:
		check_opaque(jid_prep_password, in);
		break;
	case 3:
		check_domain(in);
		break;
	default:
		check_jid(in);
	}
	return 0;
}
