/* SPDX-License-Identifier: MIT
 *
 * ANONYMOUS (RFC 4505, XEP-0175): one message with a trace, which is read by
 * nobody and must be text all the same.  Logic makes the account and its name.
 */
#include "stream/sasl/sasl_priv.h"
#include "util/utf8.h"

#define TRACE_MAX 1020 /* bytes: 255 characters */

static enum sasl_step anonymous_message(struct sasl *s, struct jd_str message)
{
	if (!message.p) {
		sasl_set_out(s, NULL, 0);
		return SASL_CHALLENGE;
	}
	if (message.len > TRACE_MAX || !utf8_valid_xml(message.p, message.len))
		return sasl_fail(s, SASL_MALFORMED_REQUEST);
	return sasl_make_ask(s, AUTH_ANONYMOUS, CRYPTO_SHA1, JD_STR_NULL);
}

static enum sasl_step anonymous_answer(struct sasl *s, const struct auth_answer *answer)
{
	if (answer->status != AUTH_GIVEN || !answer->owner)
		return sasl_fail(s, SASL_NOT_AUTHORIZED);
	_Static_assert(sizeof(answer->name) <= sizeof(s->name), "a name fits");
	memcpy(s->name, answer->name, sizeof(answer->name));
	s->owner = answer->owner;
	return SASL_SUCCESS;
}

static void anonymous_free(struct sasl *s)
{
	(void)s;
}

const struct sasl_impl sasl_anonymous = {anonymous_message, anonymous_answer, anonymous_free};
