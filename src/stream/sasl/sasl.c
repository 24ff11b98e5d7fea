/* SPDX-License-Identifier: MIT
 *
 * What is common to all mechanisms: their names, an exchange's life, and the two
 * rules about identities.  The name that was proved is prepared once and is who
 * the client is; an authorization identity may only repeat it.
 */
#include "stream/ask.h"
#include "stream/sasl/sasl_priv.h"
#include "util/mem.h"
#include "xmpp/jid.h"

static const struct {
	const char *name;
	const struct sasl_impl *impl;
} mechanisms[SASL_MECHANISM_COUNT] = {
	[SASL_PLAIN] = {"PLAIN", &sasl_plain},
	[SASL_SCRAM_SHA_1] = {"SCRAM-SHA-1", &sasl_scram},
	[SASL_SCRAM_SHA_256] = {"SCRAM-SHA-256", &sasl_scram},
	[SASL_SCRAM_SHA_512] = {"SCRAM-SHA-512", &sasl_scram},
	[SASL_SCRAM_SHA_1_PLUS] = {"SCRAM-SHA-1-PLUS", &sasl_scram},
	[SASL_SCRAM_SHA_256_PLUS] = {"SCRAM-SHA-256-PLUS", &sasl_scram},
	[SASL_SCRAM_SHA_512_PLUS] = {"SCRAM-SHA-512-PLUS", &sasl_scram},
	[SASL_EXTERNAL] = {"EXTERNAL", &sasl_external},
	[SASL_ANONYMOUS] = {"ANONYMOUS", &sasl_anonymous},
	[SASL_HT_NONE] = {"HT-SHA-256-NONE", &sasl_ht},
	[SASL_HT_ENDP] = {"HT-SHA-256-ENDP", &sasl_ht},
	[SASL_HT_EXPR] = {"HT-SHA-256-EXPR", &sasl_ht},
};

static const char *const conditions[] = {
	[SASL_ABORTED] = "aborted",
	[SASL_ACCOUNT_DISABLED] = "account-disabled",
	[SASL_CREDENTIALS_EXPIRED] = "credentials-expired",
	[SASL_ENCRYPTION_REQUIRED] = "encryption-required",
	[SASL_INCORRECT_ENCODING] = "incorrect-encoding",
	[SASL_INVALID_AUTHZID] = "invalid-authzid",
	[SASL_INVALID_MECHANISM] = "invalid-mechanism",
	[SASL_MALFORMED_REQUEST] = "malformed-request",
	[SASL_MECHANISM_TOO_WEAK] = "mechanism-too-weak",
	[SASL_NOT_AUTHORIZED] = "not-authorized",
	[SASL_TEMPORARY_AUTH_FAILURE] = "temporary-auth-failure",
};

const char *sasl_condition_name(enum sasl_condition c)
{
	return conditions[c];
}

int sasl_find(struct jd_str name, enum sasl_mechanism *ret_mechanism)
{
	for (unsigned i = 0; i < SASL_MECHANISM_COUNT; i++) {
		if (jd_str_is(name, mechanisms[i].name)) {
			*ret_mechanism = (enum sasl_mechanism)i;
			return 0;
		}
	}
	return -JD_ENOENT;
}

const char *sasl_name(enum sasl_mechanism m)
{
	return mechanisms[m].name;
}

static const char *const bindings[SASL_BINDING_COUNT] = {
	[SASL_TLS_EXPORTER] = "tls-exporter",
	[SASL_TLS_SERVER_END_POINT] = "tls-server-end-point",
};

const char *sasl_binding_name(enum sasl_binding b)
{
	return bindings[b];
}

int sasl_binding_find(struct jd_str name, enum sasl_binding *ret_binding)
{
	for (unsigned i = 0; i < SASL_BINDING_COUNT; i++) {
		if (jd_str_is(name, bindings[i])) {
			*ret_binding = (enum sasl_binding)i;
			return 0;
		}
	}
	return -JD_ENOENT;
}

/* -- an exchange -------------------------------------------------------------------- */

struct sasl *sasl_new(enum sasl_mechanism mechanism, const struct sasl_env *env)
{
	struct sasl *s = mem_new(struct sasl);

	s->mechanism = mechanism;
	s->env = *env;
	return s;
}

static void drop_out(struct sasl *s)
{
	if (s->out)
		crypto_wipe(s->out, s->out_cap);
	mem_free(s->out);
	s->out = NULL;
	s->out_len = s->out_cap = 0;
}

void sasl_free(struct sasl *s)
{
	if (!s)
		return;
	mechanisms[s->mechanism].impl->free(s);
	auth_ask_free(s->ask);
	drop_out(s);
	crypto_wipe(s, sizeof(*s));
	mem_free(s);
}

/* Only who has proved to be the account learns that it is banned. */
static enum sasl_step allowed(struct sasl *s, enum sasl_step step)
{
	return step == SASL_SUCCESS && s->banned ? sasl_fail(s, SASL_ACCOUNT_DISABLED) : step;
}

enum sasl_step sasl_message(struct sasl *s, struct jd_str message)
{
	return allowed(s, mechanisms[s->mechanism].impl->message(s, message));
}

enum sasl_step sasl_answer(struct sasl *s, const struct auth_answer *answer)
{
	if (answer->status == AUTH_TEMPORARY)
		return sasl_fail(s, SASL_TEMPORARY_AUTH_FAILURE);
	s->proof = answer->proof;
	s->banned = answer->banned;
	return allowed(s, mechanisms[s->mechanism].impl->answer(s, answer));
}

/* -- for the mechanisms ---------------------------------------------------------------- */

enum sasl_step sasl_fail(struct sasl *s, enum sasl_condition condition)
{
	s->condition = condition;
	return SASL_FAILURE;
}

void sasl_set_out(struct sasl *s, const void *data, size_t n)
{
	drop_out(s);
	if (n == 0)
		return;
	s->out = mem_alloc_raw(n);
	memcpy(s->out, data, n);
	s->out_len = s->out_cap = n;
}

bool sasl_set_name(struct sasl *s, struct jd_str raw)
{
	char out[JD_JID_PART_MAX];
	size_t n;

	_Static_assert(sizeof(s->name) > JD_JID_PART_MAX, "a name fits");
	if (jid_prep_local(raw, out, &n) < 0)
		return false;
	memcpy(s->name, out, n);
	s->name[n] = '\0';
	return true;
}

bool sasl_authzid_is_own(const struct sasl *s, struct jd_str authzid)
{
	char out[JD_JID_MAX];
	struct jd_jid jid;

	if (jid_prep(authzid, out, &jid) < 0)
		return false;
	return jid.resource_len == 0 && jd_str_is(jd_jid_local(jid), s->name) &&
	       jd_str_eq(jd_jid_domain(jid), s->env.host);
}

enum sasl_step sasl_make_ask(struct sasl *s, int what, enum crypto_hash hash,
			     struct jd_str password)
{
	struct jd_str name = jd_cstr(s->name);
	struct auth_ask *ask = mem_alloc(sizeof(*ask) + s->env.host.len + name.len + password.len +
					 s->env.peer.len);
	char *at = (char *)(ask + 1);

	ask->what = what;
	ask->hash = hash;
	ask->host = str_place(&at, s->env.host);
	ask->name = str_place(&at, name);
	ask->password = str_place(&at, password);
	ask->peer = str_place(&at, s->env.peer);
	s->ask = ask;
	return SASL_ASK;
}
