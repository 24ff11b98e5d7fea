/* SPDX-License-Identifier: MIT
 *
 * PLAIN (RFC 4616): authzid NUL authcid NUL password, in one message.  Exactly
 * two NULs, a name and a password that are not empty.  The password goes to
 * logic prepared and in memory that is wiped behind it.
 */
#include "stream/sasl/sasl_priv.h"
#include "util/utf8.h"
#include "xmpp/jid.h"

/* The three fields; false if there are more or fewer. */
static bool split(struct jd_str message, struct jd_str field[3])
{
	const char *at = message.p, *end = message.p + message.len;

	for (int i = 0; i < 3; i++) {
		const char *nul = memchr(at, '\0', (size_t)(end - at));

		if ((i < 2) != (nul != NULL))
			return false;
		field[i] = (struct jd_str){at, (size_t)((nul ? nul : end) - at)};
		at = nul ? nul + 1 : end;
	}
	return true;
}

static enum sasl_step ask_for(struct sasl *s, struct jd_str password)
{
	char prepared[JD_JID_PART_MAX];
	enum sasl_step step;
	size_t n;

	if (jid_prep_password(password, prepared, &n) < 0)
		return sasl_fail(s, SASL_NOT_AUTHORIZED);
	step = sasl_make_ask(s, AUTH_PASSWORD, CRYPTO_SHA1, (struct jd_str){prepared, n});
	crypto_wipe(prepared, sizeof(prepared));
	return step;
}

static enum sasl_step plain_message(struct sasl *s, struct jd_str message)
{
	struct jd_str field[3];

	if (!message.p) {
		sasl_set_out(s, NULL, 0);
		return SASL_CHALLENGE;
	}
	if (!split(message, field) || !field[1].len || !field[2].len)
		return sasl_fail(s, SASL_MALFORMED_REQUEST);
	for (int i = 0; i < 3; i++) {
		if (!utf8_valid_xml(field[i].p, field[i].len))
			return sasl_fail(s, SASL_MALFORMED_REQUEST);
	}
	if (!sasl_set_name(s, field[1]))
		return sasl_fail(s, SASL_NOT_AUTHORIZED);
	if (field[0].len && !sasl_authzid_is_own(s, field[0]))
		return sasl_fail(s, SASL_INVALID_AUTHZID);
	return ask_for(s, field[2]);
}

static enum sasl_step plain_answer(struct sasl *s, const struct auth_answer *answer)
{
	if (answer->status != AUTH_GIVEN || !answer->owner)
		return sasl_fail(s, SASL_NOT_AUTHORIZED);
	s->owner = answer->owner;
	return SASL_SUCCESS;
}

static void plain_free(struct sasl *s)
{
	(void)s;
}

const struct sasl_impl sasl_plain = {plain_message, plain_answer, plain_free};
