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
	char *name; /* as in URLs */
	struct buf xml, json;
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
	reply.body = buf_str(&host_of(rq)->xml);
	http_respond(h, &reply);
}

static void get_json(struct http_conn *h, const struct http_request *rq, void *arg)
{
	struct http_reply reply = {.status = 200, .type = "application/json"};

	(void)arg;
	reply.body = buf_str(&host_of(rq)->json);
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

static void put_link(struct web_host *w, const struct listener *l, unsigned *count)
{
	const struct listener_settings *s = listener_settings(l);
	char url[512];

	snprintf(url, sizeof(url), "%s://%s:%u/xmpp-websocket", s->direct_tls ? "wss" : "ws",
		 w->name, (unsigned)listener_port(l));
	put(&w->xml, "  <Link rel='" REL "' href='%s'/>\n", url);
	put(&w->json, "%s\n  {\"rel\": \"" REL "\", \"href\": \"%s\"}", (*count)++ ? "," : "", url);
}

static void host_documents(struct web_host *w, struct listener *const *listeners, size_t n)
{
	unsigned count = 0;

	buf_init(&w->xml, 64 << 10);
	buf_init(&w->json, 64 << 10);
	put(&w->xml, "<?xml version='1.0' encoding='utf-8'?>\n"
		     "<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>\n");
	put(&w->json, "{\"links\": [");
	/* The safe ones first: clients take the first that they can use. */
	for (int tls = 1; tls >= 0; tls--) {
		for (size_t i = 0; i < n && count < 32; i++) {
			const struct listener_settings *s = listener_settings(listeners[i]);

			if (s->alpn == TLS_ALPN_HTTP && s->direct_tls == (tls == 1))
				put_link(w, listeners[i], &count);
		}
	}
	put(&w->xml, "</XRD>\n");
	put(&w->json, "\n]}\n");
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
	n_hosts = server.conf->n_hosts;
	hosts = mem_alloc(n_hosts * sizeof(hosts[0]));
	for (size_t i = 0; i < n_hosts; i++) {
		char name[256];

		if (idn_to_ascii(jd_cstr(server.conf->hosts[i].name), name) < 0)
			snprintf(name, sizeof(name), "localhost");
		hosts[i].name = jd_strdup(jd_cstr(name));
		host_documents(&hosts[i], listeners, n);
	}
	return &settings;
}

void web_close(void)
{
	for (size_t i = 0; i < n_hosts; i++) {
		mem_free(hosts[i].name);
		buf_free(&hosts[i].xml);
		buf_free(&hosts[i].json);
	}
	mem_free(hosts);
	hosts = NULL;
	n_hosts = 0;
}
