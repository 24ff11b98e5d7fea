/* SPDX-License-Identifier: MIT
 *
 * One more user than the database has: a sample of <jackdaw/auth.h>.  Name and
 * password are options; with SCRAM keys (SHA-1, in hex) it also knows those.  The
 * answers come a turn of the loop later, as from a directory somewhere else.
 */
#include <jackdaw/auth.h>
#include <jackdaw/module.h>

struct fixed {
	const char *user, *password;
	const char *salt, *stored_key, *server_key;
	bool broken;
};

static const struct jd_option options[] = {
	JD_OPT_TEXT("user", struct fixed, user, "fixed", "The name."),
	JD_OPT_TEXT("password", struct fixed, password, "secret", "The password."),
	JD_OPT_TEXT("salt", struct fixed, salt, NULL, "The salt of the keys, in hex."),
	JD_OPT_TEXT("stored_key", struct fixed, stored_key, NULL, "StoredKey, in hex."),
	JD_OPT_TEXT("server_key", struct fixed, server_key, NULL, "ServerKey, in hex."),
	JD_OPT_BOOL("broken", struct fixed, broken, "false", "Know nothing at the moment."),
	JD_OPT_END,
};

static struct jd_str unhex(const char *text, char *out)
{
	size_t n = 0;

	for (; text[0] && text[1]; text += 2) {
		unsigned byte = 0;

		for (int i = 0; i < 2; i++)
			byte = byte * 16 + (unsigned)(text[i] <= '9' ? text[i] - '0'
								     : (text[i] | 32) - 'a' + 10);
		out[n++] = (char)byte;
	}
	return (struct jd_str){out, n};
}

static void give_keys(const struct fixed *f, struct jd_auth *q)
{
	char salt[64], stored[64], server[64];
	struct jd_auth_keys keys = {.iterations = 4096};

	if (q->hash != JD_SHA_1) {
		jd_auth_answer(q, JD_AUTH_NO, NULL);
		return;
	}
	keys.salt = unhex(f->salt, salt);
	keys.stored_key = unhex(f->stored_key, stored);
	keys.server_key = unhex(f->server_key, server);
	jd_auth_answer(q, JD_AUTH_YES, &keys);
}

struct waiting {
	const struct fixed *fixed;
	struct jd_auth *question;
};

static void answer(void *arg)
{
	struct waiting *w = arg;
	struct jd_auth *q = w->question;
	const struct fixed *f = w->fixed;

	jd_free(w);
	if (f->broken)
		jd_auth_answer(q, JD_AUTH_FAILED, NULL);
	else if (!jd_str_is(q->name, f->user))
		jd_auth_answer(q, JD_AUTH_UNKNOWN, NULL);
	else if (q->what == JD_AUTH_KEYS)
		give_keys(f, q);
	else if (q->what == JD_AUTH_PASSWORD)
		jd_auth_answer(q, jd_str_is(q->password, f->password) ? JD_AUTH_YES : JD_AUTH_NO,
			       NULL);
	else /* it is there, and its password stays as it is */
		jd_auth_answer(q, q->what == JD_AUTH_EXISTS ? JD_AUTH_YES : JD_AUTH_NO, NULL);
}

static void ask(struct jd_instance *mi, struct jd_auth *question)
{
	struct waiting *w = jd_alloc(sizeof(*w));

	w->fixed = jd_data(mi);
	w->question = question;
	(void)jd_timer_start(jd_instance_pending(mi), 0, answer, w);
}

static int start(struct jd_instance *mi)
{
	const struct fixed *f = jd_data(mi);
	unsigned can = JD_AUTH_CAN(JD_AUTH_PASSWORD) | JD_AUTH_CAN(JD_AUTH_EXISTS) |
		       JD_AUTH_CAN(JD_AUTH_SET_PASSWORD);

	if (f->salt && f->stored_key && f->server_key)
		can |= JD_AUTH_CAN(JD_AUTH_KEYS);
	return jd_auth_provide(mi, can, ask);
}

JD_MODULE(fixed, .summary = "One user more", .data_size = sizeof(struct fixed), .options = options,
	  .start = start);
