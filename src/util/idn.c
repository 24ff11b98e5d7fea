/* SPDX-License-Identifier: MIT
 *
 * Domain names.  Nearly all of them are ASCII and pass in one loop.  The rest is
 * lower-cased and normalised as a whole, then checked label by label with the
 * strict, registering side of libidn2: only that applies every contextual rule,
 * while its looking-up side lets some of them pass.
 */
#include "util/idn.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>

#include "util/utf8.h"

#define DOMAIN_MAX ((size_t)1023) /* bytes of a JID's domain part */
#define DNS_MAX    ((size_t)253)  /* characters of a name in DNS, without the last dot */
#define LABEL_MAX  ((size_t)63)

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

static bool ldh(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

static bool is_ascii(struct jd_str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	}
	return true;
}

/* Lower-case letters, digits, hyphens; right length; no hyphen at the ends. */
static bool label_ok(struct jd_str l)
{
	if (l.len == 0 || l.len > LABEL_MAX || l.p[0] == '-' || l.p[l.len - 1] == '-')
		return false;
	for (size_t i = 0; i < l.len; i++) {
		if (!ldh(l.p[i]))
			return false;
	}
	return true;
}

static bool is_a_label(struct jd_str l)
{
	return l.len >= 4 && memcmp(l.p, "xn--", 4) == 0;
}

/* Cuts the first label off rest; false when there is none left. */
static bool next_label(struct jd_str *rest, struct jd_str *ret_label)
{
	const char *dot;

	if (!rest->p)
		return false;
	dot = rest->len ? memchr(rest->p, '.', rest->len) : NULL;
	if (!dot) {
		*ret_label = *rest;
		*rest = JD_STR_NULL;
		return true;
	}
	*ret_label = (struct jd_str){rest->p, (size_t)(dot - rest->p)};
	rest->len -= ret_label->len + 1;
	rest->p = dot + 1;
	return true;
}

/* [IPv6]: in the one form that inet_ntop() writes, so that equal addresses are equal texts. */
static int ipv6(struct jd_str in, char *out, size_t *ret_len)
{
	char text[INET6_ADDRSTRLEN];
	struct in6_addr addr;
	size_t n = in.len;

	if (n < 4 || n - 2 >= sizeof(text) || in.p[n - 1] != ']' || memchr(in.p, '\0', n))
		return -JD_EINVAL;
	memcpy(text, in.p + 1, n - 2);
	text[n - 2] = '\0';
	if (inet_pton(AF_INET6, text, &addr) != 1 ||
	    !inet_ntop(AF_INET6, &addr, text, sizeof(text)))
		return -JD_EINVAL;
	n = strlen(text);
	out[0] = '[';
	memcpy(out + 1, text, n);
	out[n + 1] = ']';
	*ret_len = n + 2;
	return 0;
}

/* The usual case. 1 when there are A-labels to look into: out is then lower-cased only. */
static int ascii_domain(struct jd_str in, char *out, size_t *ret_len)
{
	struct jd_str rest = {out, in.len}, label;
	int r = 0;

	if (in.len > DNS_MAX)
		return -JD_EINVAL;
	for (size_t i = 0; i < in.len; i++)
		out[i] = lower(in.p[i]);
	while (next_label(&rest, &label)) {
		if (!label_ok(label))
			return -JD_EINVAL;
		if (is_a_label(label))
			r = 1;
	}
	*ret_len = in.len;
	return r;
}

/* Lower case, then NFC, into out (DOMAIN_MAX bytes). */
static int fold(struct jd_str in, char *out, size_t *ret_len)
{
	uint32_t cp;
	uint8_t *s;
	size_t n;

	for (size_t i = 0; i < in.len; i += n) {
		n = utf8_decode(in.p + i, in.len - i, &cp);
		if (n == 0)
			return -JD_EINVAL;
	}
	/* Its own buffer, since the function may shift to the heap but never back. */
	s = u8_tolower((const uint8_t *)in.p, in.len, NULL, UNINORM_NFC, NULL, &n);
	if (!s)
		return -JD_EINVAL;
	if (n <= DOMAIN_MAX) {
		memcpy(out, s, n);
		*ret_len = n;
	}
	free(s);
	return n <= DOMAIN_MAX ? 0 : -JD_EINVAL;
}

/* The A-label of a U-label that keeps all rules; terminated. */
static int to_a_label(struct jd_str u, char out[LABEL_MAX + 1], size_t *ret_len)
{
	char text[LABEL_MAX * 4 + 1];
	uint8_t *a = NULL;
	size_t n;
	int r;

	if (u.len >= sizeof(text) || memchr(u.p, '\0', u.len))
		return -JD_EINVAL;
	memcpy(text, u.p, u.len);
	text[u.len] = '\0';
	r = idn2_register_u8((const uint8_t *)text, NULL, &a, 0);
	if (r != IDN2_OK)
		return -JD_EINVAL;
	n = strlen((char *)a);
	if (n <= LABEL_MAX) {
		memcpy(out, a, n + 1);
		*ret_len = n;
	}
	idn2_free(a);
	return n <= LABEL_MAX ? 0 : -JD_EINVAL;
}

/* The U-label of an A-label; it must lead back to the same A-label. */
static int to_u_label(struct jd_str a, char out[LABEL_MAX * 4 + 1], size_t *ret_len)
{
	char text[LABEL_MAX + 1], back[LABEL_MAX + 1], *u = NULL;
	size_t n, back_len = 0;
	int r = -JD_EINVAL;

	memcpy(text, a.p, a.len);
	text[a.len] = '\0';
	if (idn2_to_unicode_8z8z(text, &u, 0) != IDN2_OK || !u)
		return -JD_EINVAL;
	n = strlen(u);
	if (n <= LABEL_MAX * 4 && !is_ascii((struct jd_str){u, n}))
		r = to_a_label((struct jd_str){u, n}, back, &back_len);
	if (r == 0 && !jd_str_eq((struct jd_str){back, back_len}, a))
		r = -JD_EINVAL;
	if (r == 0) {
		memcpy(out, u, n + 1);
		*ret_len = n;
	}
	idn2_free(u);
	return r;
}

/* One label in normal form; adds to dns what it takes as A-label. */
static int label_normal(struct jd_str in, char out[LABEL_MAX * 4 + 1], size_t *ret_len, size_t *dns)
{
	char a[LABEL_MAX + 1];
	size_t n = 0;
	int r;

	if (!is_ascii(in)) {
		r = to_a_label(in, a, &n);
		if (r < 0)
			return r;
		memcpy(out, in.p, in.len);
		*ret_len = in.len;
		*dns += n;
		return 0;
	}
	if (!label_ok(in))
		return -JD_EINVAL;
	*dns += in.len;
	if (is_a_label(in))
		return to_u_label(in, out, ret_len);
	memcpy(out, in.p, in.len);
	*ret_len = in.len;
	return 0;
}

static int unicode_domain(struct jd_str in, char *out, size_t *ret_len)
{
	char label[LABEL_MAX * 4 + 1], folded[DOMAIN_MAX];
	size_t n = 0, len = 0, dns = 0;
	struct jd_str rest, l;
	int r = fold(in, folded, &n);

	if (r < 0)
		return r;
	rest = (struct jd_str){folded, n};
	while (next_label(&rest, &l)) {
		r = label_normal(l, label, &n, &dns);
		if (r < 0)
			return r;
		if (len + n + 1 > DOMAIN_MAX || dns > DNS_MAX)
			return -JD_EINVAL;
		memcpy(out + len, label, n);
		len += n;
		if (rest.p) {
			out[len++] = '.';
			dns++;
		}
	}
	*ret_len = len;
	return 0;
}

/* An A-label can hold what its U-label could not be written as, such as a character that
 * would be mapped to another: then the name would have two forms, and one of them no address. */
static int settled_domain(struct jd_str in, char *out, size_t *ret_len)
{
	char once[DOMAIN_MAX], twice[DOMAIN_MAX];
	size_t n = 0, m = 0;
	int r = unicode_domain(in, once, &n);

	if (r == 0)
		r = unicode_domain((struct jd_str){once, n}, twice, &m);
	if (r < 0)
		return r;
	if (n != m || memcmp(once, twice, n) != 0)
		return -JD_EINVAL;
	memcpy(out, once, n);
	*ret_len = n;
	return 0;
}

int idn_domain(struct jd_str in, char out[1023], size_t *ret_len)
{
	size_t n = 0;
	int r;

	if (in.len > 0 && in.p[in.len - 1] == '.')
		in.len--;
	if (in.len == 0 || in.len > DOMAIN_MAX)
		return -JD_EINVAL;
	if (in.p[0] == '[')
		return ipv6(in, out, ret_len);
	if (!is_ascii(in))
		return settled_domain(in, out, ret_len);
	r = ascii_domain(in, out, &n);
	if (r == 1)
		return settled_domain(in, out, ret_len);
	if (r == 0)
		*ret_len = n;
	return r;
}

int idn_to_ascii(struct jd_str domain, char out[256])
{
	char normal[DOMAIN_MAX], a[LABEL_MAX + 1];
	size_t n = 0, len = 0;
	struct jd_str rest, l;
	int r = idn_domain(domain, normal, &n);

	if (r < 0)
		return r;
	rest = (struct jd_str){normal, n};
	while (next_label(&rest, &l)) {
		/* An address in brackets is one "label" here and passes as it is. */
		if (is_ascii(l)) {
			memcpy(out + len, l.p, l.len);
			len += l.len;
		} else {
			r = to_a_label(l, a, &n);
			if (r < 0)
				return r;
			memcpy(out + len, a, n);
			len += n;
		}
		if (rest.p)
			out[len++] = '.';
	}
	out[len] = '\0';
	return 0;
}
