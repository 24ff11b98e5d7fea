/* SPDX-License-Identifier: MIT
 *
 * External service discovery (XEP-0215): where calls find STUN and TURN, with
 * credentials that end by themselves.
 *
 * The server shares a secret with the TURN server and asks it nothing: a name that
 * begins with the time of its end, and the HMAC-SHA1 of that name as the password.
 * What stands behind the time is the same for an account each time, so that the
 * TURN server can bound what one user takes, and does not say who it is.
 */
#include <stdlib.h>

#include <jackdaw/crypto.h>
#include <jackdaw/module.h>

#define NS_2 "urn:xmpp:extdisco:2"
#define NS_1 "urn:xmpp:extdisco:1" /* the same, asked for by older clients */

#define MAX_SERVICES 32

struct service {
	char *type, *host, *transport;
	unsigned port;
};

struct extdisco {
	const char **services;
	const char *secret, *username, *password;
	jd_usec ttl;
	/* not options: */
	struct service parsed[MAX_SERVICES];
	size_t n;
};

static const struct jd_option options[] = {
	JD_OPT_LIST("services", struct extdisco, services, NULL,
		    "What there is: \"stun:HOST:PORT\", \"turn:HOST:PORT?transport=udp\"."),
	JD_OPT_TEXT("secret", struct extdisco, secret, NULL,
		    "What the TURN servers know, too, for credentials that end."),
	JD_OPT_TEXT("username", struct extdisco, username, NULL,
		    "A name for everybody, for TURN servers without a shared secret."),
	JD_OPT_TEXT("password", struct extdisco, password, NULL, "The password to that name."),
	JD_OPT_TIME("ttl", struct extdisco, ttl, "12h", 60000000, 30 * 86400000000,
		    "How long credentials by the shared secret last."),
	JD_OPT_END,
};

/* -- what is configured ----------------------------------------------------------------- */

/* "turn:host:port?transport=udp", "stun:host", "turns:[2001:db8::1]:5349": a place in s. */
struct pieces {
	struct jd_str type, host, transport;
	unsigned port;
};

static bool split_host(const char **at, struct jd_str *ret_host)
{
	const char *p = *at;
	size_t n;

	if (*p == '[') {
		n = strspn(p + 1, "0123456789abcdefABCDEF:.");
		if (!n || p[1 + n] != ']')
			return false;
		*ret_host = (struct jd_str){p + 1, n};
		*at = p + n + 2;
		return true;
	}
	n = strspn(p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._");
	*ret_host = (struct jd_str){p, n};
	*at = p + n;
	return n > 0 && n < 256;
}

static bool split_port(const char **at, unsigned *ret_port)
{
	char *end;
	unsigned long port;

	if (**at != ':')
		return true;
	if ((*at)[1] < '0' || (*at)[1] > '9')
		return false;
	port = strtoul(*at + 1, &end, 10);
	*at = end;
	*ret_port = (unsigned)port;
	return port > 0 && port < 65536;
}

static bool split(const char *s, struct pieces *ret)
{
	static const struct {
		const char *type;
		unsigned port;
		const char *transport;
	} types[] = {{"stun", 3478, "udp"},
		     {"turn", 3478, "udp"},
		     {"stuns", 5349, "tcp"},
		     {"turns", 5349, "tcp"}};
	struct pieces p = {.port = 0};

	p.type = (struct jd_str){s, strcspn(s, ":")};
	for (size_t i = 0; i < JD_ARRAY_SIZE(types); i++) {
		if (!jd_str_is(p.type, types[i].type))
			continue;
		p.port = types[i].port;
		p.transport = jd_cstr(types[i].transport);
	}
	s += p.type.len;
	if (!p.port || *s++ != ':' || !split_host(&s, &p.host) || !split_port(&s, &p.port))
		return false;
	if (strncmp(s, "?transport=", 11) == 0) {
		p.transport = jd_cstr(s + 11);
		if (!jd_str_is(p.transport, "udp") && !jd_str_is(p.transport, "tcp"))
			return false;
	} else if (*s) {
		return false;
	}
	*ret = p;
	return true;
}

static const char *check(const void *data)
{
	const struct extdisco *e = data;
	struct pieces p;
	size_t n = 0;

	for (; e->services && e->services[n]; n++)
		if (!split(e->services[n], &p))
			return "each service is \"stun:HOST\", \"stuns:\", \"turn:\" or "
			       "\"turns:\", "
			       "with \":PORT\" and \"?transport=udp\" or \"tcp\" where they differ "
			       "from the usual ones";
	if (n > MAX_SERVICES)
		return "there are at most 32 services";
	if (!e->username != !e->password)
		return "'username' and 'password' go together";
	if (e->secret && e->username)
		return "give either 'secret', or 'username' and 'password'";
	if (e->secret && !*e->secret)
		return "an empty 'secret' is known to everybody";
	return NULL;
}

/* -- credentials ------------------------------------------------------------------------ */

static bool restricted(const struct extdisco *e, const struct service *s)
{
	return (e->secret || e->username) &&
	       (strcmp(s->type, "turn") == 0 || strcmp(s->type, "turns") == 0);
}

/* Who asks, as a name that says nothing to others. */
static struct jd_str pseudonym(const struct extdisco *e, struct jd_iq *iq)
{
	uint8_t digest[JD_DIGEST_MAX];
	char hex[17];

	jd_hmac(JD_HASH_SHA256, jd_cstr(e->secret), jd_jid_bare_str(iq->st->from), digest);
	for (size_t i = 0; i < 8; i++) {
		hex[2 * i] = "0123456789abcdef"[digest[i] >> 4];
		hex[2 * i + 1] = "0123456789abcdef"[digest[i] & 15];
	}
	return jd_arena_str(iq->st->arena, (struct jd_str){hex, 16});
}

static void write_credentials(struct jd_xml *x, const struct extdisco *e, struct jd_iq *iq)
{
	jd_usec end = (jd_now() + e->ttl) / JD_USEC_PER_SEC;
	struct jd_arena *arena = iq->st->arena;
	uint8_t digest[JD_DIGEST_MAX];
	struct jd_str name;

	if (!e->secret) {
		jd_xml_attr(x, "username", jd_cstr(e->username));
		jd_xml_attr(x, "password", jd_cstr(e->password));
		return;
	}
	name = jd_arena_printf(arena, "%llu:%.*s", (unsigned long long)end,
			       JD_FMT(pseudonym(e, iq)));
	jd_hmac(JD_HASH_SHA1, jd_cstr(e->secret), name, digest);
	jd_xml_attr(x, "username", name);
	jd_xml_attr(x, "password", jd_base64(arena, digest, jd_digest_size(JD_HASH_SHA1)));
	jd_xml_attr(x, "expires", jd_time_text(arena, end * JD_USEC_PER_SEC));
}

static void write_service(struct jd_xml *x, const struct extdisco *e, struct jd_iq *iq,
			  const struct service *s)
{
	jd_xml_start(x, NULL, "service");
	jd_xml_attr(x, "type", jd_cstr(s->type));
	jd_xml_attr(x, "host", jd_cstr(s->host));
	jd_xml_attr_int(x, "port", s->port);
	jd_xml_attr(x, "transport", jd_cstr(s->transport));
	if (restricted(e, s)) {
		jd_xml_attr(x, "restricted", JD_STR("1"));
		write_credentials(x, e, iq);
	}
	jd_xml_end(x);
}

/* -- questions -------------------------------------------------------------------------- */

/* Relaying costs money: for our own users only. */
static bool refused(struct jd_iq *iq)
{
	if (iq->session && jd_account_host(jd_session_account(iq->session)) == iq->host)
		return false;
	jd_iq_fail(iq, JD_FORBIDDEN, NULL);
	return true;
}

static enum jd_verdict on_services(struct jd_instance *mi, struct jd_iq *iq)
{
	struct jd_str type = jd_el_attr(iq->query, "type");
	const struct extdisco *e = jd_data(mi);
	struct jd_xml *x;

	if (refused(iq))
		return JD_DONE;
	x = jd_iq_result(iq);
	jd_xml_start(x, jd_el_is(iq->query, NS_1, NULL) ? NS_1 : NS_2, "services");
	jd_xml_attr(x, "type", type);
	for (size_t i = 0; i < e->n; i++)
		if (!type.p || jd_str_is(type, e->parsed[i].type))
			write_service(x, e, iq, &e->parsed[i]);
	jd_xml_end(x);
	jd_iq_reply(iq, x);
	return JD_DONE;
}

/* Whether the service is the one asked for; the port may be left out. */
static bool wanted(struct jd_el asked, const struct service *s, struct jd_arena *arena)
{
	struct jd_str port = jd_el_attr(asked, "port");

	return jd_str_is(jd_el_attr(asked, "host"), s->host) &&
	       jd_str_is(jd_el_attr(asked, "type"), s->type) &&
	       (!port.p || jd_str_eq(port, jd_arena_printf(arena, "%u", s->port)));
}

static enum jd_verdict on_credentials(struct jd_instance *mi, struct jd_iq *iq)
{
	const char *ns = jd_el_is(iq->query, NS_1, NULL) ? NS_1 : NS_2;
	struct jd_el asked = jd_el_child(iq->query, ns, "service");
	const struct extdisco *e = jd_data(mi);
	const struct service *found[MAX_SERVICES];
	size_t n = 0;
	struct jd_xml *x;

	if (refused(iq))
		return JD_DONE;
	if (!jd_el_attr(asked, "host").len || !jd_el_attr(asked, "type").len) {
		jd_iq_fail(iq, JD_BAD_REQUEST, "Which service? It has a host and a type.");
		return JD_DONE;
	}
	for (size_t i = 0; i < e->n; i++)
		if (wanted(asked, &e->parsed[i], iq->st->arena) && restricted(e, &e->parsed[i]))
			found[n++] = &e->parsed[i];
	if (!n) {
		jd_iq_fail(iq, JD_ITEM_NOT_FOUND, NULL);
		return JD_DONE;
	}
	x = jd_iq_result(iq);
	jd_xml_start(x, ns, "credentials");
	for (size_t i = 0; i < n; i++)
		write_service(x, e, iq, found[i]);
	jd_xml_end(x);
	jd_iq_reply(iq, x);
	return JD_DONE;
}

/* -- the module ------------------------------------------------------------------------- */

static void parse(struct extdisco *e)
{
	struct pieces p;

	for (size_t i = 0; e->services && e->services[i] && e->n < MAX_SERVICES; i++) {
		if (!split(e->services[i], &p))
			continue; /* check() has refused it */
		e->parsed[e->n++] = (struct service){jd_strdup(p.type), jd_strdup(p.host),
						     jd_strdup(p.transport), p.port};
	}
}

static int start(struct jd_instance *mi)
{
	static const char *const names[] = {NS_2, NS_1};
	struct extdisco *e = jd_data(mi);
	int r = 0;

	parse(e);
	/* Who has no services does not say that there could be some. */
	for (size_t i = 0; e->n && i < JD_ARRAY_SIZE(names) && r == 0; i++) {
		jd_feature(mi, JD_TO_HOST, names[i]);
		r = jd_on_iq(mi, JD_TYPE_GET, JD_TO_HOST, names[i], "services", on_services);
		if (r == 0)
			r = jd_on_iq(mi, JD_TYPE_GET, JD_TO_HOST, names[i], "credentials",
				     on_credentials);
	}
	return r;
}

static void stop(struct jd_instance *mi)
{
	struct extdisco *e = jd_data(mi);

	for (size_t i = 0; i < e->n; i++) {
		jd_free(e->parsed[i].type);
		jd_free(e->parsed[i].host);
		jd_free(e->parsed[i].transport);
	}
}

JD_MODULE(extdisco, .summary = "STUN and TURN servers for calls (XEP-0215)",
	  .data_size = sizeof(struct extdisco), .options = options, .check = check, .start = start,
	  .stop = stop);
