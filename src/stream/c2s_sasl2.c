/* SPDX-License-Identifier: MIT
 *
 * SASL2 (XEP-0388): one <authenticate/> says how to log in and what to do at once
 * when that has succeeded: bind (XEP-0386), give out a token (XEP-0484), take new
 * keys (XEP-0480).  All of it is read and checked before the exchange begins, and
 * nothing of it is done unless the exchange succeeds.  The stream is not begun
 * anew.
 */
#include "stream/c2s_priv.h"
#include "util/arena.h"
#include "xmpp/jid.h"

#define NS_UPGRADE "urn:xmpp:sasl:upgrade:0"

#define AGENT_TEXT_MAX 255  /* bytes kept of a user agent's name */
#define TAG_MAX        1000 /* leaves room for what the server adds to it */

void sasl2_free(struct sasl2 *two)
{
	if (!two)
		return;
	mem_free(two->software);
	mem_free(two->device_name);
	mem_free(two->tag);
	mem_free(two->extra);
	wire_unref(two->request);
	crypto_wipe(two, sizeof(*two));
	mem_free(two);
}

unsigned c2s_token_mechanisms(const struct c2s *c)
{
	uint8_t data[64];
	unsigned bits = 1u << SASL_HT_NONE;

	if (!c->login->settings->fast)
		return 0;
	if (c2s_binding(c, SASL_TLS_SERVER_END_POINT, data))
		bits |= 1u << SASL_HT_ENDP;
	if (c2s_binding(c, SASL_TLS_EXPORTER, data))
		bits |= 1u << SASL_HT_EXPR;
	return bits;
}

/* -- what we say ------------------------------------------------------------------------ */

static void on_challenge(struct c2s *c)
{
	const struct sasl *sasl = c->login->sasl;
	struct say s = {0};

	say_str(&s, "<challenge xmlns='" JD_NS_SASL2 "'>");
	say_base64(&s, sasl->out, sasl->out_len);
	say_str(&s, "</challenge>");
	say_done(c, &s);
}

static void on_failure(struct c2s *c, enum sasl_condition condition, const char *text)
{
	struct say s = {0};

	say_str(&s, "<failure xmlns='" JD_NS_SASL2 "'><");
	say_str(&s, sasl_condition_name(condition));
	say_str(&s, " xmlns='" JD_NS_SASL "'/>");
	if (text) {
		say_str(&s, "<text>");
		say_str(&s, text);
		say_str(&s, "</text>");
	}
	say_str(&s, "</failure>");
	say_done(c, &s);
}

/* XEP-0388: the address in the stream's header must be that of who logs in. */
static bool from_is_right(const struct c2s *c)
{
	const struct login *login = c->login;
	struct jd_str from = jd_cstr(login->from), name = jd_cstr(login->sasl->name);
	struct jd_str host = login->host->name;

	if (!login->from)
		return true;
	return from.len == name.len + 1 + host.len && memcmp(from.p, name.p, name.len) == 0 &&
	       from.p[name.len] == '@' && memcmp(from.p + name.len + 1, host.p, host.len) == 0;
}

static void on_success(struct c2s *c)
{
	struct login *login = c->login;
	struct sasl2 *two = login->two;
	struct sasl *sasl = login->sasl;

	if (!from_is_right(c)) {
		auth_fail(c, SASL_INVALID_AUTHZID, NULL);
		return;
	}
	two->extra = sasl->out;
	two->extra_len = sasl->out_len;
	sasl->out = NULL;
	two->proof = sasl->proof;
	auth_established(c);
	exchange_end(c);
	tasks_begin(c);
}

const struct auth_profile sasl2_profile = {on_challenge, on_success, on_failure};

/* -- reading the request ----------------------------------------------------------------- */

static int hex_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* A UUID of version 4, in lower case. */
static bool read_device(struct jd_str id, char out[DEVICE_ID_LEN])
{
	if (id.len != DEVICE_ID_LEN)
		return false;
	for (size_t i = 0; i < id.len; i++) {
		bool dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (dash ? id.p[i] != '-' : !hex_digit(id.p[i]))
			return false;
		out[i] = id.p[i] >= 'A' && id.p[i] <= 'F' ? (char)(id.p[i] + 32) : id.p[i];
	}
	return out[14] == '4' &&
	       (out[19] == '8' || out[19] == '9' || out[19] == 'a' || out[19] == 'b');
}

/* At most AGENT_TEXT_MAX bytes, cut between characters; NULL: none. */
static char *agent_text(struct jd_el agent, const char *name)
{
	struct jd_arena arena;
	struct jd_str text;
	char *copy;

	arena_init(&arena, NULL, 0);
	text = jd_el_text(jd_el_child(agent, JD_NS_SASL2, name), &arena);
	if (text.len > AGENT_TEXT_MAX) {
		text.len = AGENT_TEXT_MAX;
		while (text.len && ((unsigned char)text.p[text.len] & 0xC0) == 0x80)
			text.len--;
	}
	copy = text.len ? jd_strdup(text) : NULL;
	arena_fini(&arena);
	return copy;
}

static bool read_agent(struct sasl2 *two, struct jd_el agent)
{
	struct jd_str id = jd_el_attr(agent, "id");

	if (!jd_el_ok(agent))
		return true;
	if (id.p && !read_device(id, two->device))
		return false;
	two->has_device = id.p != NULL;
	two->software = agent_text(agent, "software");
	two->device_name = agent_text(agent, "device");
	return true;
}

static bool read_bool(struct jd_str v, bool *ret_value)
{
	if (!v.p || jd_str_is(v, "0") || jd_str_is(v, "false"))
		*ret_value = false;
	else if (jd_str_is(v, "1") || jd_str_is(v, "true"))
		*ret_value = true;
	else
		return false;
	return true;
}

/* -1 when there is none; as large as xs:int. */
static bool read_count(struct jd_str v, int64_t *ret_count)
{
	int64_t n = 0;

	*ret_count = -1;
	if (!v.p)
		return true;
	if (!v.len)
		return false;
	for (size_t i = 0; i < v.len; i++) {
		if (v.p[i] < '0' || v.p[i] > '9' || (n = n * 10 + (v.p[i] - '0')) > INT32_MAX)
			return false;
	}
	*ret_count = n;
	return true;
}

static bool read_fast(struct sasl2 *two, struct jd_el fast)
{
	if (!jd_el_ok(fast))
		return true;
	two->has_use = true;
	two->use.device = (struct jd_str){two->device, DEVICE_ID_LEN};
	return two->has_device && read_count(jd_el_attr(fast, "count"), &two->use.count) &&
	       read_bool(jd_el_attr(fast, "invalidate"), &two->use.invalidate);
}

static bool read_request_token(const struct c2s *c, struct sasl2 *two, struct jd_el el)
{
	enum sasl_mechanism m;

	if (!jd_el_ok(el) || !c->login->settings->fast)
		return true;
	if (!two->has_device || sasl_find(jd_el_attr(el, "mechanism"), &m) < 0 ||
	    !(c2s_token_mechanisms(c) & (1u << m)))
		return false;
	two->wants_token = sasl_name(m);
	return true;
}

static bool read_bind(struct sasl2 *two, struct jd_el bind)
{
	char out[JD_JID_PART_MAX];
	struct jd_arena arena;
	struct jd_str text;
	bool good = true;
	size_t n = 0;

	two->wants_bind = jd_el_ok(bind);
	arena_init(&arena, NULL, 0);
	text = jd_el_text(jd_el_child(bind, JD_NS_BIND2, "tag"), &arena);
	if (text.len)
		good = jid_prep_resource(text, out, &n) == 0 && n <= TAG_MAX;
	arena_fini(&arena);
	if (good && n)
		two->tag = jd_strdup((struct jd_str){out, n});
	return good;
}

/* What logic gets to see: everything but the message of the mechanism. */
static bool keep_request(const struct c2s *c, struct sasl2 *two, struct jd_el el)
{
	static const struct wire_limits limits = {
		.bytes = 256 * 1024, .elements = 1024, .depth = 64, .attrs = 64, .ns_bytes = 1024};
	struct wire_builder *b = wire_builder_new(c->thread->wires, &limits);
	struct wire_meta meta = {.flags = WIRE_NO_STANZA};
	int r;

	wire_start(b, JD_STR(JD_NS_SASL2), JD_STR("authenticate"));
	JD_EL_EACH(child, el)
	{
		if (!jd_el_is(child, JD_NS_SASL2, NULL))
			wire_copy(b, child);
	}
	wire_end(b);
	r = wire_finish(b, &meta, &two->request);
	wire_builder_free(b);
	return r == 0;
}

struct parts {
	struct jd_el initial, agent, bind, fast, request_token;
};

/* The children that we know, once each; others are not for us. */
static bool find_parts(struct jd_el el, struct parts *ret_parts)
{
	const struct {
		const char *ns, *name;
		struct jd_el *at;
	} known[] = {
		{JD_NS_SASL2, "initial-response", &ret_parts->initial},
		{JD_NS_SASL2, "user-agent", &ret_parts->agent},
		{JD_NS_BIND2, "bind", &ret_parts->bind},
		{JD_NS_FAST, "fast", &ret_parts->fast},
		{JD_NS_FAST, "request-token", &ret_parts->request_token},
	};

	for (size_t i = 0; i < JD_ARRAY_SIZE(known); i++) {
		*known[i].at = jd_el_child(el, known[i].ns, known[i].name);
		if (jd_el_ok(jd_el_next_is(*known[i].at, known[i].ns, known[i].name)))
			return false;
	}
	return true;
}

static unsigned read_upgrades(const struct c2s *c, struct jd_el el)
{
	struct jd_arena arena;
	unsigned bits = 0;

	arena_init(&arena, NULL, 0);
	JD_EL_EACH_IS(child, el, NS_UPGRADE, "upgrade")
	bits |= tasks_find(c, jd_el_text(child, &arena));
	arena_fini(&arena);
	return bits;
}

/* -- elements of the client -------------------------------------------------------------- */

static bool is_offered(const struct c2s *c, struct jd_str name, enum sasl_mechanism *ret_m)
{
	return sasl_find(name, ret_m) == 0 &&
	       (c2s_mechanisms(c) | c2s_token_mechanisms(c)) & (1u << *ret_m);
}

static bool read_request(struct c2s *c, struct jd_el el, enum sasl_mechanism m,
			 struct jd_el *ret_initial)
{
	struct sasl2 *two = c->login->two;
	struct parts p;

	if (!find_parts(el, &p) || !read_agent(two, p.agent) || !read_fast(two, p.fast) ||
	    !read_request_token(c, two, p.request_token) || !read_bind(two, p.bind) ||
	    !keep_request(c, two, el))
		return false;
	/* <fast/> is there if, and only if, the mechanism is one for tokens. */
	if (two->has_use != !!(SASL_HT_BITS & (1u << m)))
		return false;
	two->upgrades = read_upgrades(c, el);
	*ret_initial = p.initial;
	return true;
}

static void on_authenticate(struct c2s *c, struct jd_el el)
{
	struct login *login = c->login;
	enum sasl_mechanism m;
	struct jd_el initial;

	if (!c2s_may_login(c)) {
		auth_fail(c, SASL_ENCRYPTION_REQUIRED, NULL);
	} else if (!is_offered(c, jd_el_attr(el, "mechanism"), &m)) {
		auth_fail(c, SASL_INVALID_MECHANISM, NULL);
	} else {
		login->two = mem_new(struct sasl2);
		if (!read_request(c, el, m, &initial)) {
			auth_fail(c, SASL_MALFORMED_REQUEST, NULL);
			return;
		}
		auth_begin(c, m, &sasl2_profile);
		auth_message(c, initial, false);
	}
}

/* Between <authenticate/> and its end. */
static void on_answer(struct c2s *c, struct jd_el el)
{
	struct jd_str name = jd_el_name(el);

	if (jd_str_is(name, "abort"))
		auth_fail(c, SASL_ABORTED, NULL);
	else if (c->state == AT_TASK)
		tasks_element(c, el);
	else if (jd_str_is(name, "response"))
		auth_message(c, el, false);
	else
		c2s_error(c, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
}

void c2s_sasl2(struct c2s *c, struct jd_el el)
{
	struct login *login = c->login;
	struct jd_str name = jd_el_name(el);

	/* Another profile's exchange is under way; or it was <continue/>d and came to
	 * nothing, and there is no second one on this stream. */
	if ((c->state != AT_FEATURES && !login->two) ||
	    (c->state == AT_FEATURES && login->continued)) {
		c2s_error(c, STREAM_POLICY_VIOLATION, NULL);
		return;
	}
	login->profile = &sasl2_profile;
	if (login->two)
		on_answer(c, el);
	else if (jd_str_is(name, "authenticate"))
		on_authenticate(c, el);
	else if (jd_str_is(name, "abort"))
		auth_fail(c, SASL_ABORTED, NULL);
	else if (jd_str_is(name, "response") || jd_str_is(name, "next") ||
		 jd_str_is(name, "task-data"))
		auth_fail(c, SASL_MALFORMED_REQUEST, NULL);
	else
		c2s_error(c, STREAM_UNSUPPORTED_STANZA_TYPE, NULL);
}
