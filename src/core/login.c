/* SPDX-License-Identifier: MIT
 *
 * The end of a login by SASL2 (XEP-0388): first the token, if one is due, is in the
 * database; then, in its place in the account's mailbox, the session is bound
 * (XEP-0386), with what the client wants switched on in it; and then one answer
 * tells of everything.
 *
 * The resource of a device that says its id is the same at every login: made of
 * that id, so that others can neither read the id in it nor guess it.
 */
#include "core/login.h"

#include "core/registry.h"
#include "core/sm.h"
#include "core/tokens.h"
#include "util/base64.h"
#include "util/buf.h"
#include "xml/escape.h"
#include "xmpp/delay.h"

#define ANSWER_MAX    ((size_t)64 * 1024)
#define RESOURCE_TEXT 16 /* characters that the server adds */
#define PREPARE_LIMIT (5 * JD_USEC_PER_SEC)

struct login {
	struct jd_owner owner;
	struct client *client;
	struct login_ask *ask;
	struct jd_account *account;
	struct token_issued token;
	bool preparing; /* the account's mailbox is held until it is known what to tell */
	struct resume_result refused; /* condition NULL: no session was to be resumed */
};

static void login_free(struct login *l)
{
	owner_cancel_all(&l->owner);
	client_ask_done(l->client);
	login_ask_free(l->ask);
	crypto_wipe(l, sizeof(*l));
	mem_free(l);
}

static bool is_gone(const struct login *l)
{
	return l->client->closed || l->client->ended;
}

/* -- the answer -------------------------------------------------------------------------------- */

static void send_answer(struct login *l, int status, struct jd_str text)
{
	struct login_answer *a = mem_alloc(sizeof(*a) + text.len + 1);

	a->status = status;
	a->managed = l->client->session && l->client->session->sm;
	a->text_len = text.len;
	if (text.len)
		memcpy(a->text, text.p, text.len);
	if (link_control(l->client->link, C2S_CTL_LOGIN, a, login_answer_free) < 0)
		c2s_end(l->client->link, STREAM_INTERNAL_SERVER_ERROR, NULL);
}

static void refuse(struct login *l, const char *why)
{
	send_answer(l, LOGIN_FAILED, jd_cstr(why));
}

/* <token/>: base64url text and a date, nothing to escape. */
static int put_token(struct buf *out, const struct token_issued *token)
{
	char stamp[DELAY_STAMP_LEN];
	struct jd_str expiry = delay_format(token->expires, stamp);

	if (!token->text[0])
		return 0;
	return buf_printf(out, "<token xmlns='" JD_NS_FAST "' expiry='%.*s' token='%s'/>",
			  JD_FMT(expiry), token->text);
}

/* inside: a stanza of ours, whose children go into <success/>. */
static void answer_with(struct login *l, int status, struct jd_xml *inside)
{
	struct jd_stanza *st = stanza_built(inside);
	struct jd_str text;
	struct buf out;

	buf_init(&out, ANSWER_MAX);
	text = st ? wire_content(stanza_of(st)->wire) : JD_STR_NULL;
	if (!text.len || buf_append(&out, text.p, text.len) < 0 || put_token(&out, &l->token) < 0)
		c2s_end(l->client->link, STREAM_INTERNAL_SERVER_ERROR, NULL);
	else
		send_answer(l, status, buf_str(&out));
	if (out.len)
		crypto_wipe(out.p, out.len);
	buf_free(&out);
	jd_stanza_unref(st);
}

static struct jd_xml *begin_answer(const struct login *l, struct jd_jid who)
{
	struct jd_xml *x = stanza_build(server.stanzas, JD_MESSAGE, JD_TYPE_NONE, JD_JID_NULL,
					JD_JID_NULL, JD_STR_NULL);

	jd_xml_leaf(x, JD_NS_SASL2, "authorization-identifier", jd_jid_str(who));
	if (l->refused.condition)
		sm_write_result(x, &l->refused);
	return x;
}

/* -- binding --------------------------------------------------------------------------------------
 */

static void generated(const struct login_ask *ask, char out[RESOURCE_TEXT])
{
	uint8_t data[sizeof(uint64_t) + 64 + JD_JID_PART_MAX], mac[CRYPTO_MAX_DIGEST];
	uint64_t owner = ask->bind.owner;
	size_t n = sizeof(owner);

	if (!ask->bind.device.len) {
		crypto_random(mac, RESOURCE_TEXT);
	} else {
		for (size_t i = 0; i < sizeof(owner); i++)
			data[i] = (uint8_t)(owner >> (56 - 8 * i));
		memcpy(data + n, ask->bind.device.p, ask->bind.device.len);
		n += ask->bind.device.len;
		if (ask->tag.len)
			memcpy(data + n, ask->tag.p, ask->tag.len);
		auth_secret_mac("resource", data, n + ask->tag.len, mac);
	}
	base64url_encode(mac, RESOURCE_TEXT * 3 / 4, out);
}

/* tag/generated, or generated. */
static struct jd_str make_resource(const struct login_ask *ask, char out[JD_JID_PART_MAX])
{
	size_t n = 0;

	if (ask->tag.len) {
		memcpy(out, ask->tag.p, ask->tag.len);
		n = ask->tag.len;
		out[n++] = '/';
	}
	generated(ask, out + n);
	return (struct jd_str){out, n + RESOURCE_TEXT};
}

static void tell_more(struct jd_session *s, struct jd_xml *x)
{
	struct jd_arena arena;
	char buf[512];

	if (!s->host->bound_ops)
		return;
	arena_init(&arena, buf, sizeof(buf));
	s->host->bound_ops->write(s->host->bound_mi, s, &arena, x);
	arena_fini(&arena);
}

static void bind_session(struct login *l)
{
	struct login_ask *ask = l->ask;
	struct jd_el request = jd_el_child(wire_root(ask->request), JD_NS_BIND2, "bind");
	char resource[JD_JID_PART_MAX];
	struct jd_session *s;
	struct jd_xml *x;

	ask->bind.resource = make_resource(ask, resource);
	s = session_admit(l->client, &ask->bind, l->account);
	if (!s) {
		refuse(l, "Too many sessions.");
		return;
	}
	session_ref(s);
	s->bind2 = true;
	x = begin_answer(l, jd_session_jid(s));
	jd_xml_start(x, JD_NS_BIND2, "bound");
	bind_features_run(s, request, x);
	tell_more(s, x);
	if (jd_el_ok(jd_el_child(request, JD_NS_SM, "enable")))
		sm_enable(s, jd_el_child(request, JD_NS_SM, "enable"), x);
	jd_xml_end(x);
	answer_with(l, LOGIN_BOUND, x);
	session_announce(s);
	session_unref(s);
}

static void login_end(struct login *l)
{
	account_unpin(l->account);
	login_free(l);
}

static void on_prepared(void *arg)
{
	struct login *l = arg;

	if (!l->preparing)
		return;
	l->preparing = false;
	mailbox_unhold(&l->account->mailbox);
	if (is_gone(l))
		;
	else if (l->account->state != ACCOUNT_READY || l->account->number != l->ask->bind.owner)
		c2s_end(l->client->link, STREAM_NOT_AUTHORIZED, "The account has been deleted.");
	else
		bind_session(l);
	login_end(l);
}

/* What the answer is going to tell is looked up first. */
static void prepare(struct login *l)
{
	const struct jd_host *host = l->account->host;

	l->preparing = true;
	mailbox_hold(&l->account->mailbox);
	if (!host->bound_ops) {
		on_prepared(l);
		return;
	}
	(void)jd_timer_start(&l->owner, PREPARE_LIMIT, on_prepared, l);
	host->bound_ops->prepare(host->bound_mi, l->account, &l->owner, on_prepared, l);
}

/* When the account has been loaded, and there is no earlier session to go on with. */
static void finish(struct login *l)
{
	const struct jd_account *a = l->account;

	if (is_gone(l)) {
		;
	} else if (a->state == ACCOUNT_FAILED) {
		refuse(l, NULL);
	} else if (a->state != ACCOUNT_READY || a->number != l->ask->bind.owner) {
		c2s_end(l->client->link, STREAM_NOT_AUTHORIZED, "The account has been deleted.");
	} else if (l->ask->wants_bind) {
		prepare(l);
		return;
	} else {
		answer_with(l, LOGIN_DONE, begin_answer(l, a->jid));
	}
	login_end(l);
}

/* XEP-0198: a session that is resumed has its address already, and <bind/> is not looked at. */
static void on_resumed(void *arg, const struct resume_result *result)
{
	struct login *l = arg;
	struct jd_xml *x;

	if (!result->session && !result->over) {
		l->refused = *result;
		finish(l);
		return;
	}
	if (result->session) {
		x = begin_answer(l, jd_session_jid(result->session));
		sm_write_result(x, result);
		answer_with(l, LOGIN_RESUMED, x);
		sm_resumed(result->session);
	}
	login_end(l);
}

/* In its place in the account's mailbox. */
static void on_account(void *arg, bool dropped)
{
	struct login *l = arg;
	struct jd_el resume = jd_el_child(wire_root(l->ask->request), JD_NS_SM, "resume");
	struct jd_str previd = jd_el_attr(resume, "previd");
	uint32_t h;

	if (dropped) {
		login_end(l);
	} else if (!jd_el_ok(resume) || is_gone(l)) {
		finish(l);
	} else if (!previd.len || !c2s_read_h(jd_el_attr(resume, "h"), &h)) {
		l->refused.condition = "bad-request";
		finish(l);
	} else {
		sm_resume(l->client, &l->ask->bind, previd, h, on_resumed, l);
	}
}

int jd_on_bound(struct jd_instance *mi, const struct jd_bound_ops *ops)
{
	struct jd_host *host = mi->host;

	if (!host)
		return -JD_EINVAL;
	if (host->bound_ops)
		return -JD_EEXIST;
	host->bound_mi = mi;
	host->bound_ops = ops;
	return 0;
}

void bound_remove(struct jd_instance *mi)
{
	if (!mi->host || mi->host->bound_mi != mi)
		return;
	mi->host->bound_mi = NULL;
	mi->host->bound_ops = NULL;
}

static void go_to_account(struct login *l)
{
	struct jd_host *host = host_find(l->ask->bind.host);

	if (is_gone(l)) {
		login_free(l);
		return;
	}
	if (!host || server.stopping || l->client->session) {
		c2s_end(l->client->link, host ? STREAM_SYSTEM_SHUTDOWN : STREAM_HOST_GONE, NULL);
		login_free(l);
		return;
	}
	l->account = account_get(host, l->ask->bind.name);
	account_pin(l->account);
	mailbox_post_fn(&l->account->mailbox, on_account, l);
}

static void on_token(void *arg, const struct token_issued *issued)
{
	struct login *l = arg;

	l->token = *issued;
	go_to_account(l);
}

void login_complete(struct client *c, struct login_ask *ask)
{
	struct auth_result good = {
		.good = true,
		.host = ask->bind.host,
		.name = ask->bind.name,
		.peer = ask->bind.peer,
		.mechanism = ask->bind.mechanism,
	};
	struct login *l = mem_new(struct login);

	auth_result(&good);
	l->client = c;
	l->ask = ask;
	owner_init(&l->owner);
	c->asks++;
	if (token_wanted(ask))
		token_issue(&l->owner, ask, on_token, l);
	else
		go_to_account(l);
}

/* -- upgrades of keys (XEP-0480) ------------------------------------------------------------- */

static struct jd_stmt list_hashes = {
	.name = "core.list_hashes",
	.lane = JD_LANE_READ,
	.sql = "SELECT hash FROM credential WHERE owner = $1",
};

static struct jd_stmt add_keys = {
	.name = "core.add_keys",
	.lane = JD_LANE_WRITE,
	.sql = "INSERT INTO credential (owner, hash, salt, iterations, stored_key, server_key)"
	       " SELECT $1, $2, $3, $4, $5, $6"
	       " WHERE EXISTS (SELECT 1 FROM credential WHERE owner = $1 AND salt = $7)"
	       " AND NOT EXISTS (SELECT 1 FROM credential WHERE owner = $1 AND hash = $2)",
	.pgsql = "INSERT INTO credential (owner, hash, salt, iterations, stored_key, server_key)"
		 " SELECT $1::bigint, $2::int, $3::bytea, $4::int, $5::bytea, $6::bytea"
		 " WHERE EXISTS (SELECT 1 FROM credential WHERE owner = $1 AND salt = $7)"
		 " AND NOT EXISTS (SELECT 1 FROM credential WHERE owner = $1 AND hash = $2)",
};

struct upgrade {
	struct jd_owner owner;
	struct client *client;
	struct upgrade_ask *ask;
};

static void upgrade_end(struct upgrade *u, bool failed, unsigned lacks)
{
	struct upgrade_answer *a = mem_new(struct upgrade_answer);
	struct client *c = u->client;

	*a = (struct upgrade_answer){failed, lacks};
	if (c->closed)
		mem_free(a);
	else if (link_control(c->link, C2S_CTL_UPGRADE, a, mem_free) < 0)
		c2s_end(c->link, STREAM_INTERNAL_SERVER_ERROR, NULL);
	upgrade_ask_free(u->ask);
	mem_free(u);
	client_ask_done(c);
}

static void on_hashes(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	unsigned lacks = (1u << CRYPTO_HASH_COUNT) - 1;

	for (size_t i = 0; status == JD_DB_OK && i < jd_rows_count(rows); i++)
		lacks &= ~(1u << jd_row_int(rows, i, 0));
	upgrade_end(arg, status != JD_DB_OK, lacks);
}

/* Nothing was written if the password has been changed meanwhile: that has made all keys. */
static void on_keys(void *arg, enum jd_db_status status, const struct jd_rows *rows)
{
	struct upgrade *u = arg;

	(void)rows;
	upgrade_end(u, status != JD_DB_OK, ~(1u << u->ask->hash));
}

static struct jd_param blob(const uint8_t *p, size_t n)
{
	return jd_blob((struct jd_str){(const char *)p, n});
}

/* In a row with changes of the password. */
static int write_keys(struct upgrade *u)
{
	const struct upgrade_ask *ask = u->ask;
	size_t digest = crypto_digest_size(ask->hash);
	struct jd_unit *unit = jd_unit_new();

	jd_unit_key(unit, ask->owner);
	jd_unit_add(unit, &add_keys,
		    JD_PARAMS(jd_int((int64_t)ask->owner), jd_int(ask->hash),
			      blob(ask->salt, ask->salt_len), jd_int(ask->iterations),
			      blob(ask->stored_key, digest), blob(ask->server_key, digest),
			      blob(ask->proof.salt, ask->proof.salt_len)));
	return jd_unit_submit(unit, &u->owner, on_keys, u);
}

void login_upgrade(struct client *c, struct upgrade_ask *ask)
{
	struct upgrade *u = mem_new(struct upgrade);
	int r;

	*u = (struct upgrade){.client = c, .ask = ask};
	owner_init(&u->owner);
	c->asks++;
	if (ask->keys)
		r = write_keys(u);
	else
		r = jd_db_query(&u->owner, &list_hashes, JD_PARAMS(jd_int((int64_t)ask->owner)),
				on_hashes, u);
	if (r < 0)
		upgrade_end(u, true, 0);
}
