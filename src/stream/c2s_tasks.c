/* SPDX-License-Identifier: MIT
 *
 * Tasks between a good login by SASL2 and its <success/>.  The one kind we have
 * is that of XEP-0480: an account that lacks the keys of a SCRAM hash gets them
 * from its client, which knows the password:
 *
 *     S: <continue/> offers UPGR-SCRAM-SHA-512     C: <next/>
 *     S: salt and iterations                       C: the salted password
 *
 * Only who has just shown the password may do this.  Whoever has got hold of a
 * token must not make a password of it.
 */
#include "stream/c2s_priv.h"
#include "util/arena.h"
#include "util/base64.h"

#define NS_UPGRADE       "urn:xmpp:sasl:upgrade:0"
#define NS_SCRAM_UPGRADE "urn:xmpp:scram-upgrade:0"

static const struct {
	const char *name;
	enum sasl_mechanism mechanism;
} tasks[CRYPTO_HASH_COUNT] = {
	[CRYPTO_SHA1] = {"UPGR-SCRAM-SHA-1", SASL_SCRAM_SHA_1},
	[CRYPTO_SHA256] = {"UPGR-SCRAM-SHA-256", SASL_SCRAM_SHA_256},
	[CRYPTO_SHA512] = {"UPGR-SCRAM-SHA-512", SASL_SCRAM_SHA_512},
};

unsigned tasks_offered(const struct c2s *c)
{
	unsigned bits = 0;

	for (unsigned h = 0; h < CRYPTO_HASH_COUNT; h++) {
		if (c2s_mechanisms(c) & (1u << tasks[h].mechanism))
			bits |= 1u << h;
	}
	return bits;
}

void tasks_say_offered(struct c2s *c, struct say *s)
{
	for (unsigned h = 0; h < CRYPTO_HASH_COUNT; h++) {
		if (!(tasks_offered(c) & (1u << h)))
			continue;
		say_str(s, "<upgrade xmlns='" NS_UPGRADE "'>");
		say_str(s, tasks[h].name);
		say_str(s, "</upgrade>");
	}
}

unsigned tasks_find(const struct c2s *c, struct jd_str name)
{
	for (unsigned h = 0; h < CRYPTO_HASH_COUNT; h++) {
		if (jd_str_is(name, tasks[h].name))
			return tasks_offered(c) & (1u << h);
	}
	return 0;
}

static void post_ask(struct c2s *c, struct upgrade_ask *ask)
{
	ask->owner = c->login->owner;
	ask->proof = c->login->two->proof;
	c->state = AT_ASKING;
	c2s_stop(c, STOP_ASK);
	c2s_post(c, C2S_UPGRADE, ask);
}

void tasks_begin(struct c2s *c)
{
	struct sasl2 *two = c->login->two;

	if (two->upgrades && two->proof.salt_len && !two->proof.token)
		post_ask(c, mem_new(struct upgrade_ask));
	else
		bind2_complete(c);
}

/* -- from task to task ----------------------------------------------------------------- */

static void say_continue(struct c2s *c)
{
	struct sasl2 *two = c->login->two;
	struct say s = {0};

	say_str(&s, "<continue xmlns='" JD_NS_SASL2 "'>");
	if (two->extra_len) {
		say_str(&s, "<additional-data>");
		say_base64(&s, two->extra, two->extra_len);
		say_str(&s, "</additional-data>");
		two->extra_len = 0;
	}
	say_str(&s, "<tasks><task>");
	say_str(&s, tasks[two->hash].name);
	say_str(&s, "</task></tasks></continue>");
	say_done(c, &s);
}

static void next_task(struct c2s *c)
{
	struct login *login = c->login;
	struct sasl2 *two = login->two;

	if (!two->upgrades) {
		bind2_complete(c);
		return;
	}
	two->hash = CRYPTO_SHA1;
	while (!(two->upgrades & (1u << two->hash)))
		two->hash++;
	two->salted = false;
	login->continued = true;
	c->state = AT_TASK;
	say_continue(c);
}

/* Logic has told what is lacking, or written what was given. */
void c2s_upgraded(struct c2s *c, const struct upgrade_answer *a)
{
	struct sasl2 *two = c->login ? c->login->two : NULL;

	if (c->state != AT_ASKING || !two)
		return;
	c->stops &= (uint8_t)~STOP_ASK;
	two->upgrades &= a->lacks;
	if (a->failed)
		auth_fail(c, SASL_TEMPORARY_AUTH_FAILURE, NULL);
	else
		next_task(c);
	c2s_go(c, 0);
}

/* -- one task -------------------------------------------------------------------------- */

static void on_next(struct c2s *c, struct jd_el el)
{
	struct sasl2 *two = c->login->two;
	struct say s = {0};

	if (two->salted || !jd_str_is(jd_el_attr(el, "task"), tasks[two->hash].name)) {
		auth_fail(c, SASL_MALFORMED_REQUEST, NULL);
		return;
	}
	crypto_random(two->salt, sizeof(two->salt));
	two->salted = true;
	say_str(&s, "<task-data xmlns='" JD_NS_SASL2 "'><salt xmlns='" NS_SCRAM_UPGRADE
		    "' iterations='");
	say_uint(&s, c->login->settings->iterations);
	say_str(&s, "'>");
	say_base64(&s, two->salt, sizeof(two->salt));
	say_str(&s, "</salt></task-data>");
	say_done(c, &s);
}

/* The salted password; -JD_EINVAL when it is not that. */
static int read_hash(struct jd_el el, enum crypto_hash hash, uint8_t out[CRYPTO_MAX_DIGEST])
{
	struct jd_arena arena;
	struct jd_str text;
	size_t n = 0;
	int r;

	arena_init(&arena, NULL, 0);
	text = jd_el_text(jd_el_child(el, NS_SCRAM_UPGRADE, "hash"), &arena);
	r = base64_decode(text, out, CRYPTO_MAX_DIGEST, &n);
	arena_fini(&arena);
	return r == 0 && n == crypto_digest_size(hash) ? 0 : -JD_EINVAL;
}

static void on_hash(struct c2s *c, struct jd_el el)
{
	const struct sasl2 *two = c->login->two;
	uint8_t salted[CRYPTO_MAX_DIGEST];
	struct upgrade_ask *ask;
	struct scram_keys keys;

	if (!two->salted || read_hash(el, two->hash, salted) < 0) {
		auth_fail(c, SASL_MALFORMED_REQUEST, NULL);
		return;
	}
	scram_keys_of(two->hash, salted, &keys);
	ask = mem_new(struct upgrade_ask);
	ask->keys = true;
	ask->hash = two->hash;
	ask->salt_len = sizeof(two->salt);
	memcpy(ask->salt, two->salt, sizeof(two->salt));
	ask->iterations = c->login->settings->iterations;
	memcpy(ask->stored_key, keys.stored, sizeof(keys.stored));
	memcpy(ask->server_key, keys.server, sizeof(keys.server));
	crypto_wipe(salted, sizeof(salted));
	crypto_wipe(&keys, sizeof(keys));
	post_ask(c, ask);
}

void tasks_element(struct c2s *c, struct jd_el el)
{
	if (jd_str_is(jd_el_name(el), "next"))
		on_next(c, el);
	else if (jd_str_is(jd_el_name(el), "task-data"))
		on_hash(c, el);
	else
		c2s_error(c,
			  jd_str_is(jd_el_name(el), "authenticate")
				  ? STREAM_POLICY_VIOLATION
				  : STREAM_UNSUPPORTED_STANZA_TYPE,
			  NULL);
}
