/* SPDX-License-Identifier: MIT
 *
 * The stream header (RFC 6120 section 4.7, RFC 7395 section 3.4).  Ours is always
 * said first, then what is wrong with theirs, or the features.
 */
#include "stream/c2s_priv.h"
#include "xmpp/jid.h"

/* major.minor, both digits; ours is 1.0, and any 1.x or later client speaks it. */
static bool version_ok(struct jd_str v)
{
	size_t major = 0, i = 0;
	bool positive = false;

	for (; i < v.len && v.p[i] >= '0' && v.p[i] <= '9'; i++, major++)
		positive |= v.p[i] != '0';
	if (!major || i + 1 >= v.len || v.p[i] != '.')
		return false;
	for (i++; i < v.len; i++) {
		if (v.p[i] < '0' || v.p[i] > '9')
			return false;
	}
	return positive;
}

static const struct stream_host *find_host(const struct stream_settings *settings, struct jd_str to)
{
	char text[JD_JID_MAX];
	struct jd_jid jid;

	if (!to.p || jid_prep(to, text, &jid) < 0 || jid.local_len || jid.resource_len)
		return NULL;
	return stream_host_find(settings, jd_jid_domain(jid));
}

/* 0, or 1 with what is wrong. */
static int check(const struct c2s *c, const struct scan_open *open, const struct stream_host *host,
		 enum stream_condition *ret_condition)
{
	const struct login *login = c->login;

	/* The namespace of <open/> is what made it one. */
	if (!c->ws &&
	    (!jd_str_is(open->ns, JD_NS_STREAM) || !jd_str_is(open->content_ns, JD_NS_STANZA)))
		*ret_condition = STREAM_INVALID_NAMESPACE;
	else if (!jd_str_is(open->name, c->ws ? "open" : "stream"))
		*ret_condition = STREAM_BAD_FORMAT;
	else if (!host)
		*ret_condition = STREAM_HOST_UNKNOWN;
	else if (login->name && host != login->host)
		*ret_condition = STREAM_NOT_AUTHORIZED; /* logged in to another host */
	else if (!version_ok(open->version))
		*ret_condition = STREAM_UNSUPPORTED_VERSION;
	else
		return 0;
	return 1;
}

/* Who the client says it is (RFC 6120 4.7.1); XEP-0388 wants it to be true in the end. */
static void set_from(struct login *login, struct jd_str from)
{
	char text[JD_JID_MAX];
	struct jd_jid jid;

	mem_free(login->from);
	login->from = NULL;
	if (from.p && jid_prep(from, text, &jid) == 0 && jid.local_len)
		login->from = jd_strdup(jd_jid_str(jd_jid_bare(jid)));
}

/* One that is cut would be another language. */
static void set_lang(struct c2s *c, struct jd_str lang)
{
	struct login *login = c->login;

	if (lang.len > sizeof(login->lang))
		lang = JD_STR_NULL;
	login->lang_len = (uint8_t)lang.len;
	if (lang.len)
		memcpy(login->lang, lang.p, lang.len);
	scan_set_lang(c->scan, lang);
}

void c2s_open(struct c2s *c, const struct scan_open *open)
{
	struct login *login = c->login;
	const struct stream_host *host = find_host(login->settings, open->to);
	enum stream_condition condition;
	int wrong = check(c, open, host, &condition);

	if (host && !login->name)
		login->host = host;
	c2s_say_header(c, open->from);
	if (wrong) {
		c2s_error(c, condition, NULL);
		return;
	}
	set_lang(c, open->lang);
	set_from(login, open->from);
	c->state = login->name ? AT_BIND : AT_FEATURES;
	c2s_features(c);
}
