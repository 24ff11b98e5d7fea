/* SPDX-License-Identifier: MIT
 *
 * The end of a login by SASL2: logic does what was asked for in one go (a token,
 * a session by Bind 2), and its answer, <success/> and the features of what the
 * stream is now leave together.
 */
#include "stream/c2s_priv.h"

void bind2_complete(struct c2s *c)
{
	const struct login *login = c->login;
	struct sasl2 *two = login->two;
	struct jd_str device = {two->device, two->has_device ? DEVICE_ID_LEN : 0};
	struct jd_str name = jd_cstr(login->name), peer = conn_peer(c->conn);
	struct jd_str lang = {login->lang, login->lang_len}, tag = jd_cstr(two->tag);
	struct jd_str software = jd_cstr(two->software), on = jd_cstr(two->device_name);
	struct login_ask *ask =
		mem_alloc(sizeof(*ask) + login->host->name.len + name.len + lang.len + peer.len +
			  device.len + tag.len + software.len + on.len);
	char *at = (char *)(ask + 1);

	ask->bind.host = str_place(&at, login->host->name);
	ask->bind.name = str_place(&at, name);
	ask->bind.owner = login->owner;
	ask->bind.lang = str_place(&at, lang);
	ask->bind.peer = str_place(&at, peer);
	ask->bind.device = str_place(&at, device);
	ask->bind.framed = c->ws != NULL;
	ask->bind.secure = c2s_secure(c);
	ask->bind.transport = c2s_transport(c);
	ask->bind.mechanism = login->mechanism;
	ask->tag = str_place(&at, tag);
	ask->software = str_place(&at, software);
	ask->device_name = str_place(&at, on);
	ask->wants_bind = two->wants_bind;
	ask->wants_token = two->wants_token;
	ask->proof = two->proof;
	ask->request = two->request;
	two->request = NULL;
	c->state = AT_BINDING;
	c2s_stop(c, STOP_ASK);
	c2s_post(c, C2S_LOGIN, ask);
}

static void say_success(struct c2s *c, const struct login_answer *a)
{
	const struct sasl2 *two = c->login->two;
	struct say s = {0};

	say_str(&s, "<success xmlns='" JD_NS_SASL2 "'>");
	if (two->extra_len) {
		say_str(&s, "<additional-data>");
		say_base64(&s, two->extra, two->extra_len);
		say_str(&s, "</additional-data>");
	}
	say_bytes(&s, a->text, a->text_len);
	say_str(&s, "</success>");
	say_done(c, &s);
}

static void keep_device(struct login *login)
{
	const struct sasl2 *two = login->two;

	if (!two->has_device)
		return;
	memcpy(login->device, two->device, DEVICE_ID_LEN);
	login->device_len = DEVICE_ID_LEN;
}

void c2s_logged_in(struct c2s *c, const struct login_answer *a)
{
	struct login *login = c->login;

	if (c->state != AT_BINDING || !login->two)
		return;
	if (a->status == LOGIN_FAILED) {
		auth_fail(c, SASL_TEMPORARY_AUTH_FAILURE, a->text_len ? a->text : NULL);
	} else {
		say_success(c, a);
		auth_raise_limits(c);
		keep_device(login);
		sasl2_free(login->two);
		login->two = NULL;
		c->state = a->status == LOGIN_DONE ? AT_BIND : AT_BOUND;
		login->managed = a->managed;
		if (a->status != LOGIN_RESUMED)
			c2s_features(c);
	}
	if (c->state == AT_BOUND) {
		login_free(login);
		c->login = NULL;
	}
	c2s_go(c, STOP_ASK);
}
