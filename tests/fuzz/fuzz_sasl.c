/* SPDX-License-Identifier: MIT
 *
 * Fuzzing SASL exchanges, server side, every mechanism there is.
 *
 * Byte 0 chooses the mechanism, byte 1 what logic says (bits 0 and 1), whether
 * there is channel binding (bit 2), whether -PLUS was offered (bit 3), whether the
 * first message is missing (bit 4) and whether the client has a certificate (bit
 * 5).  Then come the client's messages with 0xFF between them.  So that input can come to an end
 * that no guessing reaches, three bytes are filled in by a client that knows the keys: 0xFE the
 * right proof, 0xFD the nonce, 0xFC the right binding.
 *
 * Nobody may get in who should not: success needs logic's consent and, in SCRAM,
 * a last message that we have computed apart from the server's own code.  And the
 * same exchange must go the same way twice.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "stream/sasl/sasl_priv.h"
#include "util/base64.h"
#include "util/buf.h"
#include "util/mem.h"
#include "util/utf8.h"
#include "xmpp/jid.h"

#define MESSAGES 8
#define NONCE    "fuzznonce"
#define BINDING  "a channel binding of some bytes"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What an honest client knows, and what it has seen so far. */
struct client {
	enum crypto_hash hash;
	uint8_t key[CRYPTO_MAX_DIGEST], stored[CRYPTO_MAX_DIGEST], server[CRYPTO_MAX_DIGEST];
	struct buf first;     /* its first message */
	struct buf challenge; /* the server's */
	struct buf last;      /* what it sent last */
	bool asked, given;    /* logic was, and agreed */
};

static size_t gs2_length(const struct client *c)
{
	const char *p = c->first.p, *end = p + c->first.len;
	const char *comma = c->first.len ? memchr(p, ',', c->first.len) : NULL;

	comma = comma ? memchr(comma + 1, ',', (size_t)(end - comma - 1)) : NULL;
	return comma ? (size_t)(comma + 1 - p) : c->first.len;
}

/* -- the blanks ---------------------------------------------------------------------------- */

static void put(struct buf *b, const void *p, size_t n)
{
	JD_ASSERT(n == 0 || buf_append(b, p, n) == 0);
}

static void put_base64(struct buf *b, const void *p, size_t n)
{
	char *text = mem_alloc_raw(BASE64_LEN(n) + 1);

	put(b, text, base64_encode(p, n, text));
	mem_free(text);
}

static void put_nonce(struct client *c, struct buf *b)
{
	const char *p = c->challenge.p;
	const char *comma = c->challenge.len ? memchr(p, ',', c->challenge.len) : NULL;

	if (comma && comma - p > 2)
		put(b, p + 2, (size_t)(comma - p - 2));
}

static void put_binding(struct client *c, struct buf *b)
{
	struct buf data;

	buf_init(&data, 1 << 20);
	put(&data, c->first.p, gs2_length(c));
	if (c->first.len && c->first.p[0] == 'p')
		put(&data, BINDING, strlen(BINDING));
	put_base64(b, data.p ? data.p : "", data.len);
	buf_free(&data);
}

/* client-first-bare "," server-first "," client-final-without-proof (RFC 5802 section 3). */
static void auth_message(struct client *c, struct jd_str final, struct buf *ret)
{
	size_t gs2 = gs2_length(c);

	buf_init(ret, 1 << 20);
	put(ret, c->first.p ? c->first.p + gs2 : "", c->first.len - gs2);
	put(ret, ",", 1);
	put(ret, c->challenge.p, c->challenge.len);
	put(ret, ",", 1);
	put(ret, final.p, final.len);
}

/* The proof for a message that ends at `so_far` with ",p=". */
static void put_proof(struct client *c, struct buf *b, struct jd_str so_far)
{
	uint8_t proof[CRYPTO_MAX_DIGEST];
	size_t n = crypto_digest_size(c->hash);
	struct buf text;

	if (so_far.len < 3 || memcmp(so_far.p + so_far.len - 3, ",p=", 3) != 0)
		return;
	so_far.len -= 3;
	auth_message(c, so_far, &text);
	crypto_hmac(c->hash, c->stored, n, text.p, text.len, proof);
	for (size_t i = 0; i < n; i++)
		proof[i] ^= c->key[i];
	put_base64(b, proof, n);
	buf_free(&text);
}

static void fill_in(struct client *c, const uint8_t *p, size_t n)
{
	c->last.len = 0;
	for (size_t i = 0; i < n; i++) {
		if (p[i] == 0xFE)
			put_proof(c, &c->last, buf_str(&c->last));
		else if (p[i] == 0xFD)
			put_nonce(c, &c->last);
		else if (p[i] == 0xFC)
			put_binding(c, &c->last);
		else
			put(&c->last, &p[i], 1);
	}
}

/* -- what success means ------------------------------------------------------------------------ */

static bool is_scram(const struct sasl *s)
{
	return strncmp(sasl_name(s->mechanism), "SCRAM-", 6) == 0;
}

static void check_scram(struct client *c, const struct sasl *s)
{
	bool plus = strstr(sasl_name(s->mechanism), "-PLUS") != NULL;
	const char *proof = NULL;
	struct buf want, text;
	uint8_t signature[CRYPTO_MAX_DIGEST];

	for (size_t i = 0; i + 3 <= c->last.len; i++)
		if (memcmp(c->last.p + i, ",p=", 3) == 0)
			proof = c->last.p + i;
	JD_ASSERT(proof && (c->first.p[0] == 'p') == plus);
	buf_init(&want, 1 << 20);
	put(&want, "c=", 2);
	put_binding(c, &want);
	put(&want, ",r=", 3);
	put_nonce(c, &want);
	JD_ASSERT((size_t)(proof - c->last.p) >= want.len);
	JD_ASSERT(memcmp(want.p, c->last.p, want.len) == 0);
	want.len = 0;
	put_proof(c, &want, (struct jd_str){c->last.p, (size_t)(proof + 3 - c->last.p)});
	JD_ASSERT(jd_str_eq(
		buf_str(&want),
		(struct jd_str){proof + 3, (size_t)(c->last.p + c->last.len - proof - 3)}));
	/* And the server knows it, too. */
	auth_message(c, (struct jd_str){c->last.p, (size_t)(proof - c->last.p)}, &text);
	crypto_hmac(c->hash, c->server, crypto_digest_size(c->hash), text.p, text.len, signature);
	want.len = 0;
	put(&want, "v=", 2);
	put_base64(&want, signature, crypto_digest_size(c->hash));
	JD_ASSERT(jd_str_eq(buf_str(&want), (struct jd_str){s->out, s->out_len}));
	buf_free(&text);
	buf_free(&want);
}

static bool plus_offered(unsigned how)
{
	bool any = false;

	for (unsigned i = 0; i < SASL_MECHANISM_COUNT; i++)
		any |= strstr(sasl_name((enum sasl_mechanism)i), "-PLUS") != NULL;
	return any && (how & 8);
}

static void check_success(struct client *c, const struct sasl *s, unsigned how)
{
	char name[JD_JID_PART_MAX];
	size_t n;

	JD_ASSERT(!c->asked || (c->given && s->owner == 7));
	JD_ASSERT(jid_prep_local(jd_cstr(s->name), name, &n) == 0);
	JD_ASSERT(jd_str_is((struct jd_str){name, n}, s->name));
	if (is_scram(s)) {
		JD_ASSERT(c->asked && !(c->first.p[0] == 'y' && plus_offered(how)));
		check_scram(c, s);
	}
}

/* -- an exchange
 * ----------------------------------------------------------------------------------- */

static enum sasl_step answer(struct client *c, struct sasl *s, unsigned how)
{
	struct auth_answer a = {.status = AUTH_GIVEN, .iterations = 4096, .salt_len = 16};
	struct auth_ask *ask = s->ask;

	JD_ASSERT(ask && !c->asked);
	s->ask = NULL;
	JD_ASSERT(jd_str_is(ask->host, "localhost") && jd_str_is(ask->name, s->name));
	c->asked = true;
	if ((how & 3) == 1)
		a.status = AUTH_REFUSED;
	else if ((how & 3) == 2)
		a.status = AUTH_TEMPORARY;
	a.owner = (how & 3) == 3 ? 0 : 7;
	c->given = a.status == AUTH_GIVEN && a.owner;
	c->hash = ask->hash;
	memset(c->key, 'k', sizeof(c->key));
	crypto_digest(c->hash, c->key, crypto_digest_size(c->hash), c->stored);
	memset(c->server, 's', sizeof(c->server));
	memcpy(a.stored_key, c->stored, sizeof(a.stored_key));
	memcpy(a.server_key, c->server, sizeof(a.server_key));
	if (ask->what == AUTH_ANONYMOUS)
		memcpy(a.name, "made-up", 8); /* the name comes from logic */
	auth_ask_free(ask);
	return sasl_answer(s, &a);
}

static void note(struct client *c, struct sasl *s, enum sasl_step step, struct buf *story)
{
	JD_ASSERT(buf_printf(story, "%d:%d:", (int)step,
			     step == SASL_FAILURE ? (int)s->condition : 0) == 0);
	if (step == SASL_FAILURE) {
		JD_ASSERT(sasl_condition_name(s->condition));
		return;
	}
	put(story, s->out, s->out_len);
	JD_ASSERT(!is_scram(s) || utf8_valid_xml(s->out, s->out_len));
	if (step == SASL_CHALLENGE && s->out_len) {
		c->challenge.len = 0;
		put(&c->challenge, s->out, s->out_len);
	}
}

static struct sasl *begin(unsigned mechanism, unsigned how)
{
	static const struct sasl_token_use token = {.device = JD_STR("device"), .count = -1};
	struct sasl_env env = {.host = JD_STR("localhost"),
			       .peer = JD_STR("192.0.2.1"),
			       .cert = {.n = how >> 5 & 1, .names = {"user"}},
			       .token = &token};
	struct sasl *s;

	for (unsigned i = 0; (how & 4) && i < SASL_BINDING_COUNT; i++) {
		env.bindings.len[i] = strlen(BINDING);
		memcpy(env.bindings.data[i], BINDING, strlen(BINDING));
	}
	env.offered = 1u << mechanism;
	for (unsigned i = 0; i < SASL_MECHANISM_COUNT; i++)
		if ((how & 8) || !strstr(sasl_name((enum sasl_mechanism)i), "-PLUS"))
			env.offered |= 1u << i;
	s = sasl_new((enum sasl_mechanism)mechanism, &env);
	if (is_scram(s))
		scram_set_nonce(s, NONCE);
	return s;
}

static void run(const uint8_t *data, size_t size, struct buf *story)
{
	unsigned how = data[1];
	struct sasl *s = begin(data[0] % SASL_MECHANISM_COUNT, how);
	struct client c = {.asked = false};
	const uint8_t *p = data + 2, *end = data + size;
	enum sasl_step step = SASL_CHALLENGE;

	buf_init(&c.first, 1 << 20);
	buf_init(&c.challenge, 1 << 20);
	buf_init(&c.last, 1 << 20);
	JD_ASSERT(!buf_reserve(&c.first, 1) && !buf_reserve(&c.last, 1)); /* never NULL */
	buf_init(story, 1 << 22);
	if (how & 16)
		note(&c, s, step = sasl_message(s, JD_STR_NULL), story);
	for (unsigned i = 0; i < MESSAGES && step == SASL_CHALLENGE && p <= end; i++) {
		const uint8_t *stop = p < end ? memchr(p, 0xFF, (size_t)(end - p)) : NULL;
		char *exact;

		stop = stop ? stop : end;
		fill_in(&c, p, (size_t)(stop - p));
		if (i == 0)
			put(&c.first, c.last.p, c.last.len);
		exact = mem_alloc_raw(c.last.len);
		memcpy(exact, c.last.p ? c.last.p : "", c.last.len);
		step = sasl_message(s, (struct jd_str){exact, c.last.len});
		mem_free(exact);
		if (step == SASL_ASK)
			step = answer(&c, s, how);
		JD_ASSERT(step != SASL_ASK);
		note(&c, s, step, story);
		p = stop + 1;
	}
	if (step == SASL_SUCCESS)
		check_success(&c, s, how);
	sasl_free(s);
	buf_free(&c.first);
	buf_free(&c.challenge);
	buf_free(&c.last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf one, two;

	if (size < 2 || size > 10000)
		return 0;
	run(data, size, &one);
	run(data, size, &two);
	JD_ASSERT(jd_str_eq(buf_str(&one), buf_str(&two)));
	buf_free(&one);
	buf_free(&two);
	return 0;
}
