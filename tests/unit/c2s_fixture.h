/* SPDX-License-Identifier: MIT
 *
 * What the tests of client streams share: a logic side that follows a script and
 * writes down what it is told, and clients at the other end of a socket pair.
 * Everything runs on the test's own thread (io_threads = 0) and on a clock that
 * stands still, so that no timer fires unasked.
 *
 * There is one account, user@localhost with the password "pencil", number 7, and one
 * external component, bots.localhost with the secret "brush".
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stream/c2s_priv.h"
#include "util/base64.h"
#include "util/buf.h"
#include "util/clock.h"

#define ITERATIONS 16
#define HEADER_IN                                                                                  \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "                               \
	"xmlns:stream='http://etherx.jabber.org/streams' to='localhost' version='1.0'>"
#define HEADER_OUT                                                                                 \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:client' "                               \
	"xmlns:stream='http://etherx.jabber.org/streams' id='ID' from='localhost' "                \
	"version='1.0' xml:lang='en'>"
#define END_OUT "</stream:stream>"
#define SHUTDOWN_OUT                                                                               \
	"<stream:error><system-shutdown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"             \
	"</stream:error>"
#define LIMITS_BEFORE                                                                              \
	"<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>10000</max-bytes>"                    \
	"<idle-seconds>30</idle-seconds></limits>"
#define MECHANISMS_INSIDE                                                                          \
	"<mechanism>SCRAM-SHA-512</mechanism><mechanism>SCRAM-SHA-256</mechanism>"                 \
	"<mechanism>SCRAM-SHA-1</mechanism><mechanism>PLAIN</mechanism>"
#define MECHANISMS                                                                                 \
	"<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" MECHANISMS_INSIDE "</mechanisms>"
#define BIND2_OFFERED                                                                              \
	"<sm xmlns='urn:xmpp:sm:3'/><bind xmlns='urn:xmpp:bind:0'><inline>"                        \
	"<feature var='urn:xmpp:sm:3'/><feature var='urn:xmpp:carbons:2'/></inline></bind>"
#define FAST_OFFERED(mechanisms) "<fast xmlns='urn:xmpp:fast:0'>" mechanisms "</fast>"
#define UPGRADE_OFFERED(hash)                                                                      \
	"<upgrade xmlns='urn:xmpp:sasl:upgrade:0'>UPGR-SCRAM-SHA-" hash "</upgrade>"
#define UPGRADES_OFFERED UPGRADE_OFFERED("1") UPGRADE_OFFERED("256") UPGRADE_OFFERED("512")
#define AUTHENTICATION_WITH(mechanisms, tokens, upgrades)                                          \
	"<authentication xmlns='urn:xmpp:sasl:2'>" mechanisms "<inline>" BIND2_OFFERED             \
	FAST_OFFERED(tokens) "</inline>" upgrades "</authentication>"
#define AUTHENTICATION(mechanisms, tokens) AUTHENTICATION_WITH(mechanisms, tokens, UPGRADES_OFFERED)
#define TOKEN_NONE                         "<mechanism>HT-SHA-256-NONE</mechanism>"
#define OFFER                              MECHANISMS AUTHENTICATION(MECHANISMS_INSIDE, TOKEN_NONE) LIMITS_BEFORE
#define FEATURES_BEFORE                    "<stream:features>" OFFER "</stream:features>"
#define FEATURES_INSIDE                                                                            \
	"<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"                                         \
	"<session xmlns='urn:ietf:params:xml:ns:xmpp-session'><optional/></session>"               \
	"<sm xmlns='urn:xmpp:sm:3'/>"                                                              \
	"<ver xmlns='urn:xmpp:features:rosterver'/>"                                               \
	"<limits xmlns='urn:xmpp:stream-limits:0'><max-bytes>1048576</max-bytes>"                  \
	"<idle-seconds>300</idle-seconds></limits>"
#define FEATURES_AFTER   "<stream:features>" FEATURES_INSIDE "</stream:features>"
#define SASL(name, text) "<" name " xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>" text "</" name ">"
#define SASL_EMPTY(name) "<" name " xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
#define SASL_FAILED(c)   SASL("failure", "<" c "/>")
#define AUTH(mechanism, text)                                                                      \
	"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='" mechanism "'>" text "</auth>"
#define PLAIN_GOOD  "AHVzZXIAcGVuY2ls" /* NUL user NUL pencil */
#define PLAIN_WRONG "AHVzZXIAaW5r"     /* ink */
#define BIND(id, inside)                                                                           \
	"<iq type='set' id='" id "'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>" inside        \
	"</bind></iq>"
#define ERROR_OUT(c)                                                                               \
	"<stream:error><" c " xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"

struct world {
	struct loop *logic;
	struct io *io;
	struct stream_settings settings;
	unsigned released; /* references to settings that have ended */
	struct buf log;
	struct link *link; /* of the last message */
	struct auth_ask *ask;
	bool deaf;         /* questions wait for world_answer() */
	int auth_status;   /* what AUTH_GIVEN would be */
	bool refuse;       /* binding */
	bool quiet;        /* elements are counted, not written down */
	bool fail_login;   /* to complete a login by SASL2 ... */
	bool hold_login;   /* ... or not answered at all */
	unsigned lacks;    /* hashes that the account has no keys of */
	unsigned elements; /* that came */
	unsigned lost;     /* streams that ended without a word */
	unsigned hold_at;  /* HOLD is said at that element; 0: never */
};

/* -- logic ---------------------------------------------------------------------------- */

static inline void JD_PRINTF(2, 3) world_note(struct world *w, const char *fmt, ...)
{
	char text[8192];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	assert_true(n >= 0 && (size_t)n < sizeof(text));
	assert_int_equal(buf_append(&w->log, text, (size_t)n), 0);
}

static inline void world_say(struct link *link, const char *text)
{
	struct piece *p = link_piece(strlen(text));

	memcpy(p->text, text, strlen(text));
	p->head_len = (uint32_t)strlen(text);
	assert_int_equal(link_send(link, p), 0);
}

static inline void world_control(struct link *link, enum stream_control op)
{
	assert_int_equal(link_control(link, (uint16_t)op, NULL, NULL), 0);
}

static inline struct auth_answer *make_answer(struct world *w, const struct auth_ask *ask)
{
	struct auth_answer *a = mem_new(struct auth_answer);
	struct scram_keys keys;

	a->status = w->auth_status;
	a->owner = jd_str_is(ask->name, "user") ? 7 : 0;
	if (ask->what == AUTH_PASSWORD) {
		if (!a->owner || !jd_str_is(ask->password, "pencil"))
			a->status = w->auth_status ? w->auth_status : AUTH_REFUSED;
		a->proof.salt_len = 16;
		return a;
	}
	if (ask->what == AUTH_TOKEN) {
		memset(a->server_key, 'r', 32);
		a->proof.salt_len = 16;
		a->proof.token = true;
		return a;
	}
	a->iterations = ITERATIONS;
	a->salt_len = 16;
	memset(a->salt, 's', 16);
	scram_derive(ask->hash, JD_STR("pencil"), a->salt, 16, ITERATIONS, &keys);
	memcpy(a->stored_key, keys.stored, sizeof(keys.stored));
	memcpy(a->server_key, keys.server, sizeof(keys.server));
	return a;
}

static inline void world_answer(struct world *w)
{
	struct auth_answer *a = make_answer(w, w->ask);

	assert_int_equal(link_control(w->link, C2S_CTL_AUTH, a, auth_answer_free), 0);
	auth_ask_free(w->ask);
	w->ask = NULL;
}

static inline void world_bind(struct world *w, struct link *link)
{
	world_say(link, w->refuse ? "<refused/>" : "<bound/>");
	world_control(link, w->refuse ? C2S_CTL_REFUSED : C2S_CTL_BOUND);
}

static inline void on_auth_ask(struct world *w, struct auth_ask *ask)
{
	static const char *const hashes[] = {"SHA-1", "SHA-256", "SHA-512"};

	if (ask->what == AUTH_TOKEN)
		world_note(w, "AUTH TOKEN %.*s@%.*s device=%.*s %s binding=%zu count=%d%s;",
			   JD_FMT(ask->name), JD_FMT(ask->host), JD_FMT(ask->device),
			   ask->mechanism, ask->binding.len, (int)ask->count,
			   ask->invalidate ? " invalidate" : "");
	else
		world_note(w, "AUTH %s %.*s@%.*s;",
			   ask->what == AUTH_PASSWORD ? "PASSWORD" : hashes[ask->hash],
			   JD_FMT(ask->name), JD_FMT(ask->host));
	assert_true(jd_str_is(ask->peer, "local"));
	w->ask = ask;
	if (!w->deaf)
		world_answer(w);
}

static inline void on_bind_ask(struct world *w, struct link *link, struct bind_ask *ask)
{
	world_note(w, "BIND %.*s@%.*s/%.*s %d id=%.*s lang=%.*s %s%s %s;", JD_FMT(ask->name),
		   JD_FMT(ask->host), JD_FMT(ask->resource), (int)ask->owner, JD_FMT(ask->iq_id),
		   JD_FMT(ask->lang), ask->transport, ask->framed ? " framed" : "", ask->mechanism);
	assert_true(jd_str_is(ask->peer, "local"));
	mem_free(ask);
	if (!w->deaf)
		world_bind(w, link);
}

static inline unsigned count_children(const struct jd_wire *request)
{
	unsigned n = 0;

	JD_EL_EACH(el, wire_root(request))
	{
		assert_false(jd_el_is(el, "urn:xmpp:sasl:2", "initial-response"));
		n++;
	}
	return n;
}

static inline void on_login_ask(struct world *w, struct link *link, struct login_ask *ask)
{
	static const char done[] = "<done/>";
	struct login_answer *a = mem_alloc(sizeof(*a) + sizeof(done));

	world_note(w, "LOGIN %.*s@%.*s %d %s", JD_FMT(ask->bind.name), JD_FMT(ask->bind.host),
		   (int)ask->bind.owner, ask->bind.mechanism);
	if (ask->wants_bind)
		world_note(w, " bind=%.*s", JD_FMT(ask->tag));
	if (ask->bind.device.len)
		world_note(w, " device=%.*s %.*s %.*s", JD_FMT(ask->bind.device),
			   JD_FMT(ask->software), JD_FMT(ask->device_name));
	if (ask->wants_token)
		world_note(w, " token=%s", ask->wants_token);
	world_note(w, "%s request=%u;", ask->proof.token ? " proof=token" : "",
		   count_children(ask->request));
	a->status = w->fail_login ? LOGIN_FAILED : ask->wants_bind ? LOGIN_BOUND : LOGIN_DONE;
	a->text_len = w->fail_login ? 0 : sizeof(done) - 1;
	memcpy(a->text, done, sizeof(done));
	login_ask_free(ask);
	if (w->hold_login)
		login_answer_free(a);
	else
		assert_int_equal(link_control(link, C2S_CTL_LOGIN, a, login_answer_free), 0);
}

static inline void on_upgrade_ask(struct world *w, struct link *link, struct upgrade_ask *ask)
{
	static const char *const hashes[] = {"SHA-1", "SHA-256", "SHA-512"};
	struct upgrade_answer *a = mem_new(struct upgrade_answer);

	if (ask->keys)
		world_note(w, "KEYS %d %s %zu %u;", (int)ask->owner, hashes[ask->hash],
			   ask->salt_len, ask->iterations);
	else
		world_note(w, "LACKS %d;", (int)ask->owner);
	if (ask->keys)
		w->lacks &= ~(1u << ask->hash);
	a->lacks = w->lacks;
	upgrade_ask_free(ask);
	assert_int_equal(link_control(link, C2S_CTL_UPGRADE, a, mem_free), 0);
}

static inline void on_component_ask(struct world *w, struct link *link, struct component_ask *ask)
{
	world_note(w, "COMPONENT %.*s;", JD_FMT(ask->name));
	assert_true(jd_str_is(ask->peer, "local"));
	mem_free(ask);
	if (w->refuse)
		c2s_end(link, STREAM_CONFLICT, NULL);
	else if (!w->deaf)
		world_control(link, C2S_CTL_BOUND);
}

static inline void on_wire(struct world *w, struct link *link, struct jd_wire *wire)
{
	w->elements++;
	if (!w->quiet)
		world_note(w, "%s %.*s;", wire->meta.flags & WIRE_NO_STANZA ? "NONZA" : "STANZA",
			   (int)wire->bytes_len, wire->bytes);
	wire_unref(wire);
	if (w->elements == w->hold_at)
		world_control(link, C2S_CTL_HOLD);
}

static inline void world_receive(const struct io_msg *msg, void *arg)
{
	struct world *w = arg;
	struct auth_result *r = msg->p;

	w->link = msg->link;
	switch (msg->kind) {
	case C2S_AUTH:
		on_auth_ask(w, msg->p);
		break;
	case C2S_AUTH_RESULT:
		world_note(w, "%s %.*s %s;", r->good ? "GOOD" : "BAD", JD_FMT(r->name),
			   r->mechanism);
		mem_free(r);
		break;
	case C2S_BIND:
		on_bind_ask(w, msg->link, msg->p);
		break;
	case C2S_UPGRADE:
		on_upgrade_ask(w, msg->link, msg->p);
		break;
	case C2S_LOGIN:
		on_login_ask(w, msg->link, msg->p);
		break;
	case C2S_COMPONENT:
		on_component_ask(w, msg->link, msg->p);
		break;
	case C2S_ELEMENT:
		on_wire(w, msg->link, msg->p);
		break;
	case C2S_END:
		if (msg->n == STREAM_LOST)
			w->lost++;
		else
			world_note(w, "END;");
		break;
	case C2S_IDLE:
		world_note(w, "IDLE;");
		break;
	case IO_CLOSED:
		world_note(w, "CLOSED;");
		w->link = NULL;
		link_release(msg->link);
		break;
	default:
		fail_msg("message %u", msg->kind);
	}
}

/* -- the world --------------------------------------------------------------------------- */

static const struct stream_host world_hosts[] = {
	{
		.name = JD_STR("localhost"),
		.features = JD_STR("<ver xmlns='urn:xmpp:features:rosterver'/>"),
		.bind_features = JD_STR("<feature var='urn:xmpp:carbons:2'/>"),
	},
	{
		.name = JD_STR("example.test"),
		.features = JD_STR(""),
		.bind_features = JD_STR("<feature var='urn:xmpp:carbons:2'/>"),
	},
};

static const struct stream_component world_components[] = {
	{.name = JD_STR("bots.localhost"), .secret = JD_STR("brush")},
};

static inline void settings_released(struct shared *shared)
{
	container_of(shared, struct world, settings.shared)->released++;
}

static inline void world_turn(struct world *w)
{
	loop_turn(w->logic, false);
}

static inline void world_start_ring(struct world *w, size_t ring_size)
{
	const struct io_settings io = {.threads = 0, .max_links = 100, .ring_size = ring_size};

	clock_fake(1000 * JD_USEC_PER_SEC, 1000 * JD_USEC_PER_SEC);
	role_take(ROLE_LOGIC);
	*w = (struct world){.logic = loop_new("logic")};
	buf_init(&w->log, 1 << 20);
	w->settings = (struct stream_settings){
		.hosts = world_hosts,
		.n_hosts = JD_ARRAY_SIZE(world_hosts),
		.components = world_components,
		.n_components = JD_ARRAY_SIZE(world_components),
		.allow_plaintext = true,
		.mechanisms = (1u << SASL_MECHANISM_COUNT) - 1,
		.before = scan_limits_before,
		.after = scan_limits_after,
		.body_chars = 99999,
		.fast = true,
		.iterations = 4096,
		.login_deadline = 30 * JD_USEC_PER_SEC,
		.idle_ping = 300 * JD_USEC_PER_SEC,
		.idle_timeout = 600 * JD_USEC_PER_SEC,
		.max_auth_failures = 5,
		.park_after = 30 * JD_USEC_PER_SEC,
	};
	shared_init(&w->settings.shared, settings_released);
	w->io = io_start(&io, w->logic, world_receive, w);
}

static inline void world_configure(struct world *w)
{
	stream_configure(w->io, &w->settings);
	for (int i = 0; i < 4; i++)
		world_turn(w);
}

static inline void world_start(struct world *w)
{
	world_start_ring(w, 0);
	world_configure(w);
}

static inline void world_stop(struct world *w)
{
	struct io *io = w->io;

	io_stop(io);
	stream_fini(io);
	loop_free(w->logic);
	shared_unref(&w->settings.shared);
	assert_int_equal(w->released, 1);
	auth_ask_free(w->ask);
	buf_free(&w->log);
	clock_fake_stop();
}

/* Turns until cond holds; what never comes is ended by the alarm. */
#define world_until(w, cond)                                                                       \
	do {                                                                                       \
		alarm(60);                                                                         \
		while (!(cond))                                                                    \
			world_turn(w);                                                             \
		alarm(0);                                                                          \
	} while (0)

/* More turns than anything takes that is under way. */
static inline void world_settle(struct world *w)
{
	for (int i = 0; i < 30; i++)
		world_turn(w);
}

/* What logic was told since the last call. */
static inline void world_told(struct world *w, const char *want)
{
	size_t n = strlen(want);

	alarm(60);
	while (w->log.len < n)
		world_turn(w);
	alarm(0);
	world_settle(w);
	assert_int_equal(buf_append(&w->log, "", 1), 0);
	assert_string_equal(w->log.p, want);
	w->log.len = 0;
}

/* The wheel turns, and everybody is looked at. */
static inline void pass_seconds(struct world *w, unsigned seconds)
{
	for (unsigned i = 0; i < seconds * 8 + 8; i++) {
		clock_fake_advance(JD_USEC_PER_SEC / 8);
		world_turn(w);
	}
	world_settle(w);
}

/* -- clients -------------------------------------------------------------------------------- */

struct client {
	struct world *w;
	int fd;
	bool bytewise;
	bool eof;
	bool raw; /* ids are left as they are */
	struct buf in;
};

static inline void client_connect_to(struct world *w, struct client *cl, struct tls_store *tls,
				     void (*accepted)(struct conn *, void *), void *arg)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	*cl = (struct client){.w = w, .fd = fds[1]};
	buf_init(&cl->in, 8 << 20);
	accepted(conn_new(io_thread_at(w->io, 0), fds[0], tls, false), arg);
}

static inline void client_connect(struct world *w, struct client *cl)
{
	client_connect_to(w, cl, NULL, c2s_accepted, NULL);
}

static inline void client_cut(struct client *cl)
{
	close(cl->fd);
	buf_free(&cl->in);
}

static inline void client_send_n(struct client *cl, const char *p, size_t n)
{
	size_t step = cl->bytewise ? 1 : n;

	for (size_t at = 0; at < n;) {
		ssize_t r = send(cl->fd, p + at, step < n - at ? step : n - at,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (r < 0 && errno == EPIPE)
			return;
		if (r > 0)
			at += (size_t)r;
		world_turn(cl->w);
	}
}

static inline void client_send(struct client *cl, const char *text)
{
	client_send_n(cl, text, strlen(text));
}

/* Ids are random: each reads as ID. */
static inline void hide_ids(struct buf *b)
{
	static const char mark[] = " id='";
	const size_t n = sizeof(mark) - 1;

	for (size_t i = 0; i + n + 24 < b->len; i++) {
		char *p = b->p + i;

		if (memcmp(p, mark, n) != 0 || p[n + 24] != '\'' || memchr(p + n, '\'', 24))
			continue;
		memcpy(p + n, "ID", 2);
		memmove(p + n + 2, p + n + 24, b->len - i - n - 24);
		b->len -= 22;
	}
}

static inline void client_read(struct client *cl)
{
	ssize_t r;

	for (;;) {
		assert_int_equal(buf_reserve(&cl->in, 65536), 0);
		r = recv(cl->fd, cl->in.p + cl->in.len, 65536, MSG_DONTWAIT);
		if (r <= 0)
			break;
		cl->in.len += (size_t)r;
	}
	if (r == 0)
		cl->eof = true;
	if (!cl->raw)
		hide_ids(&cl->in);
}

/* Exactly this comes next, and then nothing. */
static inline void client_expect(struct client *cl, const char *want)
{
	alarm(60);
	do {
		world_turn(cl->w);
		client_read(cl);
	} while (cl->in.len < strlen(want) && !cl->eof);
	alarm(0);
	world_settle(cl->w);
	client_read(cl);
	assert_int_equal(buf_append(&cl->in, "", 1), 0);
	assert_string_equal(cl->in.p, want);
	cl->in.len = 0;
}

/* This, and the end of the connection; the client is gone then. */
static inline void client_expect_end(struct client *cl, const char *want)
{
	alarm(60);
	while (!cl->eof) {
		world_turn(cl->w);
		client_read(cl);
	}
	alarm(0);
	assert_int_equal(buf_append(&cl->in, "", 1), 0);
	assert_string_equal(cl->in.p, want);
	client_cut(cl);
}

static inline void client_open(struct client *cl)
{
	client_send(cl, HEADER_IN);
	client_expect(cl, HEADER_OUT FEATURES_BEFORE);
}

static inline void client_plain(struct client *cl)
{
	client_open(cl);
	client_send(cl, AUTH("PLAIN", PLAIN_GOOD));
	client_expect(cl, SASL_EMPTY("success"));
	world_told(cl->w, "AUTH PASSWORD user@localhost;GOOD user PLAIN;");
	client_send(cl, HEADER_IN);
	client_expect(cl, HEADER_OUT FEATURES_AFTER);
}

static inline void client_login(struct client *cl)
{
	client_plain(cl);
	client_send(cl, BIND("b1", "<resource>r</resource>"));
	client_expect(cl, "<bound/>");
	world_told(cl->w, "BIND user@localhost/r 7 id=b1 lang= tcp PLAIN;");
}

/* -- components -------------------------------------------------------------------------------- */

#define COMPONENT_IN                                                                               \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "                     \
	"xmlns:stream='http://etherx.jabber.org/streams' to='bots.localhost'>"
#define COMPONENT_OUT                                                                              \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:component:accept' "                     \
	"xmlns:stream='http://etherx.jabber.org/streams' id='ID' from='bots.localhost'>"

/* Sends its header and writes the handshake for the id that it is given. */
static inline void component_shake(struct client *cl, const char *secret, char out[128])
{
	uint8_t digest[CRYPTO_MAX_DIGEST];
	char text[64], hex[41];
	const char *id;

	cl->raw = true;
	client_send(cl, COMPONENT_IN);
	alarm(60);
	while (cl->in.len < 150) {
		world_turn(cl->w);
		client_read(cl);
	}
	alarm(0);
	id = memmem(cl->in.p, cl->in.len, " id='", 5);
	assert_non_null(id);
	(void)snprintf(text, sizeof(text), "%.24s%s", id + 5, secret);
	crypto_digest(CRYPTO_SHA1, text, strlen(text), digest);
	crypto_hex(digest, 20, hex);
	(void)snprintf(out, 128, "<handshake>%s</handshake>", hex);
	cl->raw = false;
	cl->in.len = 0;
}
