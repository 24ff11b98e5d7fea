/* SPDX-License-Identifier: MIT
 *
 * What the HTTP ports offer besides the WebSocket: a line for people who look,
 * and the documents by which browsers find the WebSocket (XEP-0156).
 *
 * They are written once, when the ports are known, and only read afterwards,
 * by the I/O threads.
 */
#include <stdio.h>

#include "core/conf.h"
#include "core/start.h"
#include "util/buf.h"
#include "util/idn.h"

#define REL "urn:xmpp:alt-connections:websocket"

struct web_host {
	char *name;                 /* as in URLs */
	struct buf xml[2], json[2]; /* [1]: for those who came by TLS */
};

static struct web_host *hosts;
static size_t n_hosts;

/* The name in the request chooses the host; it is never copied into an answer. */
static const struct web_host *host_of(const struct http_request *rq)
{
	for (size_t i = 0; i < n_hosts; i++)
		if (jd_str_is(rq->host, hosts[i].name))
			return &hosts[i];
	return &hosts[0];
}

static void get_xml(struct http_conn *h, const struct http_request *rq, void *arg)
{
	struct http_reply reply = {.status = 200, .type = "application/xrd+xml; charset=utf-8"};

	(void)arg;
	reply.body = buf_str(&host_of(rq)->xml[rq->secure]);
	http_respond(h, &reply);
}

static void get_json(struct http_conn *h, const struct http_request *rq, void *arg)
{
	struct http_reply reply = {.status = 200, .type = "application/json"};

	(void)arg;
	reply.body = buf_str(&host_of(rq)->json[rq->secure]);
	http_respond(h, &reply);
}

static void get_root(struct http_conn *h, const struct http_request *rq, void *arg)
{
	struct http_reply reply = {
		.status = 200,
		.type = "text/plain; charset=utf-8",
		.body = JD_STR("This is Jackdaw, an XMPP server. Clients connect to the WebSocket "
			       "/xmpp-websocket.\n"),
	};

	(void)rq;
	(void)arg;
	http_respond(h, &reply);
}

/* -- the documents ----------------------------------------------------------------------- */

static void put(struct buf *b, const char *fmt, ...) JD_PRINTF(2, 3);

static void put(struct buf *b, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* Ours: a name of 255 bytes at most, and few of these. */
	JD_ASSERT(n >= 0 && (size_t)n < sizeof(text) && buf_append(b, text, (size_t)n) == 0);
}

static void put_link(struct web_host *w, bool secure, const struct listener *l, unsigned *count)
{
	const struct listener_settings *s = listener_settings(l);
	char url[512];

	snprintf(url, sizeof(url), "%s://%s:%u/xmpp-websocket", s->direct_tls ? "wss" : "ws",
		 w->name, (unsigned)listener_port(l));
	put(&w->xml[secure], "  <Link rel='" REL "' href='%s'/>\n", url);
	put(&w->json[secure], "%s\n  {\"rel\": \"" REL "\", \"href\": \"%s\"}",
	    (*count)++ ? "," : "", url);
}

/* How many were put. */
static unsigned put_links(struct web_host *w, bool secure, bool tls,
			  struct listener *const *listeners, size_t n)
{
	unsigned count = 0;

	for (size_t i = 0; i < n && count < 32; i++) {
		const struct listener_settings *s = listener_settings(listeners[i]);

		if (s->alpn == TLS_ALPN_HTTP && s->direct_tls == tls)
			put_link(w, secure, listeners[i], &count);
	}
	return count;
}

/* A page that came by TLS may not use ws://, and passwords without TLS are refused
 * unless the operator allows them: so each gets what will work for it. */
static void host_document(struct web_host *w, bool secure, struct listener *const *listeners,
			  size_t n)
{
	bool tls = secure || !server.conf->auth.allow_plaintext;

	buf_init(&w->xml[secure], 64 << 10);
	buf_init(&w->json[secure], 64 << 10);
	put(&w->xml[secure], "<?xml version='1.0' encoding='utf-8'?>\n"
			     "<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>\n");
	put(&w->json[secure], "{\"links\": [");
	if (!put_links(w, secure, tls, listeners, n) && !secure)
		(void)put_links(w, secure, !tls, listeners, n);
	put(&w->xml[secure], "</XRD>\n");
	put(&w->json[secure], "\n]}\n");
}

static struct http_route routes[] = {
	{.path = "/xmpp-websocket"}, /* becomes c2s_ws_route */
	{.path = "/.well-known/host-meta", .get = get_xml, .cors = true},
	{.path = "/.well-known/host-meta.json", .get = get_json, .cors = true},
	{.path = "/", .get = get_root},
};
static const struct http_settings settings = {routes, JD_ARRAY_SIZE(routes)};

const struct http_settings *web_open(struct listener *const *listeners, size_t n)
{
	routes[0] = c2s_ws_route;
	/* They come first; nobody logs in to a component. */
	n_hosts = 0;
	while (n_hosts < server.conf->n_hosts && !server.conf->hosts[n_hosts].component)
		n_hosts++;
	hosts = mem_alloc(n_hosts * sizeof(hosts[0]));
	for (size_t i = 0; i < n_hosts; i++) {
		char name[256];

		if (idn_to_ascii(jd_cstr(server.conf->hosts[i].name), name) < 0)
			snprintf(name, sizeof(name), "localhost");
		hosts[i].name = jd_strdup(jd_cstr(name));
		host_document(&hosts[i], false, listeners, n);
		host_document(&hosts[i], true, listeners, n);
	}
	return &settings;
}

void web_close(void)
{
	for (size_t i = 0; i < n_hosts; i++) {
		mem_free(hosts[i].name);
		for (int k = 0; k < 2; k++) {
			buf_free(&hosts[i].xml[k]);
			buf_free(&hosts[i].json[k]);
		}
	}
	mem_free(hosts);
	hosts = NULL;
	n_hosts = 0;
}
