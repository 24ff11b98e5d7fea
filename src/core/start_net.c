/* SPDX-License-Identifier: MIT
 *
 * Starting and stopping what talks to the network: certificates, I/O threads
 * with the stream layer's settings, listeners.
 */
#include <stdio.h>

#include "core/auth_provider.h"
#include "core/conf.h"
#include "core/start.h"
#include "stream/sasl/sasl.h"
#include "util/clock.h"
#include "util/idn.h"

#define DRAIN_DEADLINE    (5 * JD_USEC_PER_SEC)
#define FAREWELL_DEADLINE (2 * JD_USEC_PER_SEC)

static struct listener **listeners;
static size_t n_listeners;
static struct tls_store *store;
static struct io *stream_io; /* whose stream layer must be ended */

struct listener *const *server_listeners(size_t *ret_n)
{
	*ret_n = n_listeners;
	return listeners;
}

/* -- certificates -------------------------------------------------------------------------- */

int net_open_tls(const struct conf *conf, struct tls_store **ret_store, char *err, size_t err_size)
{
	cleanup_free struct tls_host *hosts = mem_alloc((conf->n_hosts + 1) * sizeof(*hosts));
	cleanup_free char *names = mem_alloc((conf->n_hosts + 1) * 256);
	size_t n = 0;

	for (size_t i = 0; i < conf->n_hosts; i++) {
		const struct conf_host *h = &conf->hosts[i];
		char *name = names + i * 256;

		if (h->component)
			continue;
		if (!h->certificate) {
			if (!conf->auth.allow_plaintext)
				jd_log(JD_LOG_WARNING,
				       "nobody can log in: the host has no certificate, and "
				       "allow_plaintext is false",
				       jd_kv_cstr("host", h->name));
			continue;
		}
		if (idn_to_ascii(jd_cstr(h->name), name) < 0) {
			snprintf(err, err_size,
				 "host '%s' has no name in DNS: no certificate can fit", h->name);
			return -JD_ECONF;
		}
		hosts[n++] = (struct tls_host){name, h->certificate, h->key, h->client_ca};
	}
	if (n)
		return tls_store_new(hosts, n, ret_store, err, err_size);
	*ret_store = NULL;
	return 0;
}

void net_use_tls(struct tls_store *fresh)
{
	for (size_t i = 0; i < n_listeners; i++)
		listener_set_tls(listeners[i], fresh);
	tls_store_unref(store);
	store = fresh;
}

/* -- the settings of streams ----------------------------------------------------------------- */

struct settings {
	struct stream_settings s; /* first */
	struct stream_host *hosts;
	struct stream_component *components;
};

static void settings_release(struct shared *shared)
{
	struct settings *st = container_of(shared, struct settings, s.shared);

	for (size_t i = 0; i < st->s.n_hosts; i++) {
		mem_free((void *)(uintptr_t)st->hosts[i].name.p);
		mem_free((void *)(uintptr_t)st->hosts[i].features.p);
		mem_free((void *)(uintptr_t)st->hosts[i].bind_features.p);
	}
	for (size_t i = 0; i < st->s.n_components; i++) {
		const struct stream_component *x = &st->components[i];

		crypto_wipe((void *)(uintptr_t)x->secret.p, x->secret.len);
		mem_free((void *)(uintptr_t)x->secret.p);
		mem_free((void *)(uintptr_t)x->name.p);
	}
	mem_free(st->components);
	mem_free(st->hosts);
	mem_free((void *)(uintptr_t)st->s.see_other);
	mem_free((void *)(uintptr_t)st->s.see_other_uri);
	mem_free(st);
}

static void settings_hosts(struct settings *st)
{
	unsigned can;
	size_t i = 0;

	st->hosts = mem_alloc(server.conf->n_hosts * sizeof(st->hosts[0]));
	for (struct list *n = server.hosts.next; n != &server.hosts; n = n->next) {
		struct jd_host *host = container_of(n, struct jd_host, node);

		JD_ASSERT(i < server.conf->n_hosts);
		if (host->component)
			continue; /* nobody logs in there */
		st->hosts[i].name = jd_cstr(jd_strdup(jd_cstr(host->name)));
		st->hosts[i].features = jd_cstr(host_stream_features(host));
		st->hosts[i].registration = host->register_fn != NULL;
		st->hosts[i].anonymous = host->conf->anonymous;
		can = auth_provider_can(host);
		st->hosts[i].no_scram = can && !(can & JD_AUTH_CAN(JD_AUTH_KEYS));
		st->hosts[i].bind_features = jd_cstr(host_bind_features(host));
		i++;
	}
	st->s.hosts = st->hosts;
	st->s.n_hosts = i;
}

static void settings_components(struct settings *st)
{
	size_t n = 0;

	st->components = mem_alloc(server.conf->n_hosts * sizeof(st->components[0]));
	for (size_t i = 0; i < server.conf->n_hosts; i++) {
		const struct conf_host *h = &server.conf->hosts[i];

		if (!h->secret)
			continue;
		st->components[n].name = jd_cstr(jd_strdup(jd_cstr(h->name)));
		st->components[n++].secret = jd_cstr(jd_strdup(jd_cstr(h->secret)));
	}
	st->s.components = st->components;
	st->s.n_components = n;
}

static unsigned mechanism_bits(const char *const *names)
{
	enum sasl_mechanism m;
	unsigned bits = 0;

	for (; *names; names++)
		if (sasl_find(jd_cstr(*names), &m) == 0)
			bits |= 1u << m;
	return bits;
}

unsigned net_hash_bits(const struct conf *conf)
{
	static const char *const names[CRYPTO_HASH_COUNT] = {
		[CRYPTO_SHA1] = "SHA-1",
		[CRYPTO_SHA256] = "SHA-256",
		[CRYPTO_SHA512] = "SHA-512",
	};
	unsigned bits = 0;

	for (const char **name = conf->auth.scram_hashes; *name; name++) {
		for (unsigned h = 0; h < CRYPTO_HASH_COUNT; h++)
			bits |= strcmp(*name, names[h]) == 0 ? 1u << h : 0;
	}
	return bits;
}

static void settings_pace(struct stream_settings *s, const struct conf *conf)
{
	s->park_after = conf->limits.park_after;
	s->idle_ping = conf->limits.idle_ping;
	s->idle_timeout = conf->limits.idle_timeout;
	s->stanza_deadline = conf->limits.stanza_deadline;
	s->rate_before = (struct stream_rate){(uint64_t)conf->limits.bytes_before_login,
					      (uint64_t)conf->limits.stanzas_before_login};
	s->rate_after = (struct stream_rate){(uint64_t)conf->limits.bytes_per_second,
					     (uint64_t)conf->limits.stanzas_per_second};
	s->rate_burst = conf->limits.burst;
}

static char *text_copy(const char *text)
{
	return text ? jd_strdup(jd_cstr(text)) : NULL;
}

static struct stream_settings *settings_new(const struct conf *conf)
{
	struct settings *st = mem_new(struct settings);
	struct stream_settings *s = &st->s;

	shared_init(&s->shared, settings_release);
	settings_hosts(st);
	settings_components(st);
	s->allow_plaintext = conf->auth.allow_plaintext;
	s->mechanisms =
		mechanism_bits(conf->auth.mechanisms) & ~sasl_without_hashes(net_hash_bits(conf));
	s->before = scan_limits_before;
	s->before.stanza_bytes = (size_t)conf->limits.stanza_bytes_before_login;
	s->after = scan_limits_after;
	s->after.stanza_bytes = (size_t)conf->limits.stanza_bytes;
	s->body_chars = (size_t)conf->limits.body_chars;
	s->login_deadline = conf->auth.login_deadline;
	s->max_auth_failures = (unsigned)conf->auth.max_failures;
	s->fast = conf->auth.tokens;
	s->iterations = (unsigned)conf->auth.scram_iterations;
	settings_pace(s, conf);
	s->see_other = text_copy(conf->see_other);
	s->see_other_uri = text_copy(conf->see_other_uri);
	return s;
}

/* -- starting -----------------------------------------------------------------------------------
 */

/* The documents of the HTTP routes are made when the ports are known; connections come later. */
static struct http_settings http;

/* They have been checked. */
static struct proxy_net *networks(const char *const *texts, size_t *ret_n)
{
	struct proxy_net *nets;
	size_t n = 0;

	while (texts[n])
		n++;
	nets = mem_alloc((n + 1) * sizeof(*nets));
	for (size_t i = 0; i < n; i++)
		JD_ASSERT(proxy_net_parse(texts[i], &nets[i]) == 0);
	*ret_n = n;
	return nets;
}

static void (*accepted_by(const char *kind))(struct conn *c, void *arg)
{
	if (strncmp(kind, "http", 4) == 0)
		return http_accepted;
	return strcmp(kind, "component") == 0 ? component_accepted : c2s_accepted;
}

static int open_one(const struct conf_listen *l, char *err, size_t err_size)
{
	size_t n_uncounted, n_proxies;
	cleanup_free struct proxy_net *uncounted = networks(l->uncounted_from, &n_uncounted);
	cleanup_free struct proxy_net *proxies = networks(l->proxy_from, &n_proxies);
	bool web = strncmp(l->kind, "http", 4) == 0;
	struct listener_settings s = {
		.name = l->name,
		.address = l->address,
		.port = (uint16_t)l->port,
		.direct_tls = strcmp(l->kind, "c2s-tls") == 0 || strcmp(l->kind, "https") == 0,
		.alpn = web ? TLS_ALPN_HTTP : TLS_ALPN_XMPP_CLIENT,
		.max_per_address = (size_t)l->max_per_address,
		.uncounted = uncounted,
		.n_uncounted = n_uncounted,
		.proxies = proxies,
		.n_proxies = n_proxies,
		.unacked = server.conf->limits.unacked_timeout,
		.accepted = accepted_by(l->kind),
		.arg = web ? &http : NULL,
	};
	char why[256];
	int e = listener_open(&s, &listeners[n_listeners], why, sizeof(why));

	if (e)
		snprintf(err, err_size, "listen '%s': %s", l->name, why);
	else
		n_listeners++;
	return e;
}

static size_t strangers_max(const struct conf *conf)
{
	int64_t quarter = conf->max_connections / 4;

	if (conf->max_unauthenticated)
		return (size_t)conf->max_unauthenticated;
	return quarter ? (size_t)quarter : 1;
}

void net_refresh(void)
{
	struct stream_settings *settings;

	if (!server.io || server.io != stream_io)
		return; /* not started; or a test's */
	settings = settings_new(server.conf);
	stream_configure(server.io, settings);
	shared_unref(&settings->shared);
}

static void start_io(void)
{
	struct io_settings s = {
		.threads = (unsigned)server.conf->io_threads,
		.max_links = (size_t)server.conf->max_connections,
		.max_strangers = strangers_max(server.conf),
	};
	struct stream_settings *settings = settings_new(server.conf);

	server.io = stream_io = io_start(&s, server.loop, client_receive, NULL);
	stream_configure(server.io, settings);
	shared_unref(&settings->shared);
	for (size_t i = 0; i < n_listeners; i++)
		listener_start(listeners[i], server.io, store);
}

int net_start(char *err, size_t err_size)
{
	const struct conf *conf = server.conf;
	int e = net_open_tls(conf, &store, err, err_size);

	if (e)
		return e;
	listeners = mem_alloc((conf->n_listens + 1) * sizeof(struct listener *));
	for (size_t i = 0; i < conf->n_listens && !e; i++)
		e = open_one(&conf->listens[i], err, err_size);
	if (!e) {
		http = *web_open(listeners, n_listeners);
		start_io();
	} else {
		net_stop();
		net_fini();
	}
	return e;
}

/* -- stopping
 * --------------------------------------------------------------------------------------- */

struct deadline {
	struct timer timer;
	bool passed;
};

static void on_deadline(struct timer *t)
{
	container_of(t, struct deadline, timer)->passed = true;
}

/* What modules have to say reaches the sessions while these are there. */
static void say_farewell(void)
{
	struct deadline d = {.passed = false};

	loop_timer(server.loop, &d.timer, FAREWELL_DEADLINE, on_deadline);
	core_say_farewell();
	while (!d.passed && !list_empty(&server.run))
		loop_turn(server.loop, false);
	loop_timer_cancel(server.loop, &d.timer);
}

/* What clients sent before is handled, and they get their good-bye. */
static void drain(void)
{
	struct deadline d = {.passed = false};

	say_farewell();
	core_shutdown_sessions();
	loop_timer(server.loop, &d.timer, DRAIN_DEADLINE, on_deadline);
	while (!d.passed && !list_empty(&server.clients))
		loop_turn(server.loop, true);
	loop_timer_cancel(server.loop, &d.timer);
}

void net_stop(void)
{
	for (size_t i = 0; i < n_listeners && server.io; i++)
		listener_stop(listeners[i]);
	if (server.io) {
		drain();
		io_stop(server.io);
		server.io = NULL;
	}
	for (size_t i = 0; i < n_listeners; i++)
		listener_free(listeners[i]);
	mem_free(listeners);
	listeners = NULL;
	n_listeners = 0;
	tls_store_unref(store);
	store = NULL;
	web_close();
}

void net_fini(void)
{
	if (stream_io)
		stream_fini(stream_io);
	stream_io = NULL;
}
