/* SPDX-License-Identifier: MIT
 *
 * Contact addresses (XEP-0157): whom to write to about this server, as a form
 * beside the host's features.
 */
#include <jackdaw/module.h>

#define FORM_TYPE "http://jabber.org/network/serverinfo"

#define MAX_ADDRESSES 16 /* of each kind */
#define MAX_BYTES     1024

struct contacts {
	const char **abuse, **admin, **feedback, **sales, **security, **status, **support;
};

static const struct jd_option options[] = {
	JD_OPT_LIST("abuse", struct contacts, abuse, NULL, "Where abuse is reported to."),
	JD_OPT_LIST("admin", struct contacts, admin, NULL, "Who runs the server."),
	JD_OPT_LIST("feedback", struct contacts, feedback, NULL, "Who wants to know opinions."),
	JD_OPT_LIST("sales", struct contacts, sales, NULL, "Who sells."),
	JD_OPT_LIST("security", struct contacts, security, NULL,
		    "Where weaknesses are reported to."),
	JD_OPT_LIST("status", struct contacts, status, NULL, "Where it says whether all is well."),
	JD_OPT_LIST("support", struct contacts, support, NULL, "Who helps users."),
	JD_OPT_END,
};

/* In the order in which they are shown. */
static const struct {
	const char *var;
	size_t offset;
} kinds[] = {
	{"abuse-addresses", offsetof(struct contacts, abuse)},
	{"admin-addresses", offsetof(struct contacts, admin)},
	{"feedback-addresses", offsetof(struct contacts, feedback)},
	{"sales-addresses", offsetof(struct contacts, sales)},
	{"security-addresses", offsetof(struct contacts, security)},
	{"status-addresses", offsetof(struct contacts, status)},
	{"support-addresses", offsetof(struct contacts, support)},
};

static const char **addresses(const struct contacts *c, size_t kind)
{
	return *(const char **const *)(const void *)((const char *)c + kinds[kind].offset);
}

/* A scheme, a colon and something behind it (RFC 3986 section 3), nothing that must be escaped
 * there. */
static bool is_uri(const char *s)
{
	size_t scheme = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				  "0123456789+-.");

	if (!scheme || s[scheme] != ':' || !s[scheme + 1] || strlen(s) > MAX_BYTES)
		return false;
	for (; *s; s++)
		if ((unsigned char)*s <= ' ' || strchr("<>\"{}|\\^`", *s) ||
		    (unsigned char)*s == 0x7f)
			return false;
	return true;
}

static const char *check(const void *data)
{
	for (size_t i = 0; i < JD_ARRAY_SIZE(kinds); i++) {
		const char **list = addresses(data, i);
		size_t n = 0;

		for (; list && list[n]; n++)
			if (!is_uri(list[n]))
				return "each address is a URI: \"mailto:admin@example.org\", "
				       "\"xmpp:admin@example.org\" or \"https://example.org/help\"";
		if (n > MAX_ADDRESSES)
			return "there are at most 16 addresses of each kind";
	}
	return NULL;
}

static int start(struct jd_instance *mi)
{
	struct jd_disco_field fields[JD_ARRAY_SIZE(kinds)];
	const struct contacts *c = jd_data(mi);
	size_t n = 0;

	for (size_t i = 0; i < JD_ARRAY_SIZE(kinds); i++) {
		const char **list = addresses(c, i);

		if (list && list[0])
			fields[n++] = (struct jd_disco_field){kinds[i].var, "list-multi", list};
	}
	if (n)
		jd_disco_form(mi, JD_TO_HOST, FORM_TYPE, fields, n);
	return 0;
}

JD_MODULE(contacts, .summary = "Contact addresses of the server (XEP-0157)",
	  .data_size = sizeof(struct contacts), .options = options, .check = check, .start = start);
