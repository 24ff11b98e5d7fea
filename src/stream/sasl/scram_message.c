/* SPDX-License-Identifier: MIT
 *
 * The grammar of SCRAM's messages: fields in their order, nothing missing,
 * nothing double.
 */
#include "stream/sasl/scram_message.h"

#include "util/utf8.h"

/* The next field up to a comma or the end; in moves behind the comma. ret_more: there was one. */
static struct jd_str next_field(struct jd_str *in, bool *ret_more)
{
	const char *comma = memchr(in->p, ',', in->len);
	size_t n = comma ? (size_t)(comma - in->p) : in->len;
	struct jd_str field = {in->p, n};

	*ret_more = comma != NULL;
	in->p += comma ? n + 1 : n;
	in->len -= comma ? n + 1 : n;
	return field;
}

/* The value of "k=value"; p NULL if it is not that, or empty. */
static struct jd_str value_of(struct jd_str field, char key)
{
	if (field.len < 3 || field.p[0] != key || field.p[1] != '=')
		return JD_STR_NULL;
	return (struct jd_str){field.p + 2, field.len - 2};
}

/* Extensions that may be ignored: a letter, '=', anything but nothing. m= is the one that
 * must not be: whoever sends it wants us to understand what follows (RFC 5802 section 5.1). */
static bool extension_ok(struct jd_str field)
{
	return field.len >= 3 && field.p[1] == '=' && field.p[0] != 'm' &&
	       ((field.p[0] >= 'a' && field.p[0] <= 'z') ||
		(field.p[0] >= 'A' && field.p[0] <= 'Z'));
}

static bool nonce_ok(struct jd_str nonce)
{
	for (size_t i = 0; i < nonce.len; i++) {
		if (nonce.p[i] < 0x21 || nonce.p[i] > 0x7E)
			return false;
	}
	return nonce.len > 0;
}

bool scram_unescape(struct jd_str in, char *out, size_t *ret_len)
{
	size_t n = 0;

	for (size_t i = 0; i < in.len; i++) {
		if (in.p[i] != '=') {
			out[n++] = in.p[i];
			continue;
		}
		if (in.len - i < 3)
			return false;
		if (memcmp(in.p + i, "=2C", 3) == 0)
			out[n++] = ',';
		else if (memcmp(in.p + i, "=3D", 3) == 0)
			out[n++] = '=';
		else
			return false;
		i += 2;
	}
	*ret_len = n;
	return true;
}

/* "n", "y" or "p=" and a name of letters, digits, '.' and '-'. */
static bool parse_flag(struct jd_str flag, struct scram_first *f)
{
	if (flag.len == 0)
		return false;
	f->flag = flag.p[0];
	if (f->flag != 'p')
		return flag.len == 1 && (f->flag == 'n' || f->flag == 'y');
	f->binding = value_of(flag, 'p');
	return f->binding.p != NULL;
}

static bool parse_gs2(struct jd_str *in, struct scram_first *f)
{
	const char *start = in->p;
	struct jd_str flag, authzid;
	bool more;

	flag = next_field(in, &more);
	if (!more || !parse_flag(flag, f))
		return false;
	authzid = next_field(in, &more);
	if (!more)
		return false;
	f->authzid = value_of(authzid, 'a');
	if (authzid.len && !f->authzid.p)
		return false;
	f->gs2 = (struct jd_str){start, (size_t)(in->p - start)};
	return true;
}

bool scram_parse_first(struct jd_str in, struct scram_first *ret_first)
{
	struct scram_first first = {0}, *f = &first;
	bool more;

	if (!utf8_valid_xml(in.p, in.len) || !parse_gs2(&in, f))
		return false;
	f->bare = in;
	f->name = value_of(next_field(&in, &more), 'n'); /* m= is refused here */
	if (!f->name.p || !more)
		return false;
	f->nonce = value_of(next_field(&in, &more), 'r');
	if (!nonce_ok(f->nonce))
		return false;
	while (more) {
		if (!extension_ok(next_field(&in, &more)))
			return false;
	}
	*ret_first = first;
	return true;
}

bool scram_parse_final(struct jd_str in, struct scram_final *ret_final)
{
	struct scram_final final = {0}, *f = &final;
	const char *start = in.p;
	struct jd_str field;
	bool more;

	if (!utf8_valid_xml(in.p, in.len))
		return false;
	f->binding = value_of(next_field(&in, &more), 'c');
	if (!f->binding.p || !more)
		return false;
	f->nonce = value_of(next_field(&in, &more), 'r');
	if (!f->nonce.p || !more)
		return false;
	for (;;) {
		size_t before = (size_t)(in.p - start) - 1;

		field = next_field(&in, &more);
		if (!more) {
			f->without_proof = (struct jd_str){start, before};
			f->proof = value_of(field, 'p');
			if (!f->proof.p)
				return false;
			*ret_final = final;
			return true;
		}
		if (!extension_ok(field) || field.p[0] == 'p')
			return false;
	}
}
