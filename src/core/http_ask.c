/* SPDX-License-Identifier: MIT
 *
 * The HTTP client, for modules: made when the first one is ready for it.
 */
#include <jackdaw/http_client.h>

#include "core/conf.h"
#include "core/core.h"
#include "net/http_client.h"

#ifdef JD_CURL

#define MAX_AT_ONCE 64
#define MAX_WAITING 4096
#define TIMEOUT     (30 * JD_USEC_PER_SEC)
#define URL_MAX     4096

struct http_ask {
	struct http_exchange exchange; /* first: they are freed as one */
	struct pending pending;
	jd_http_fn fn; /* NULL: nobody waits for it any more */
	void *arg;
};

static struct http_client *client;

int jd_http_ready(void)
{
	const struct conf *c = server.conf;
	const struct http_client_settings settings = {
		.trust = c->http_client.trust,
		.allow_private = c->http_client.allow_private,
		.max_at_once = MAX_AT_ONCE,
		.max_waiting = MAX_WAITING,
	};
	char error[512];
	int r;

	if (client)
		return 0;
	r = http_client_load(c->module_dir, error, sizeof(error));
	if (r < 0) {
		jd_log(JD_LOG_ERROR, error);
		return r;
	}
	client = http_client_new(server.loop, &settings);
	return 0;
}
static void on_cancel(struct pending *p)
{
	container_of(p, struct http_ask, pending)->fn = NULL;
}

static void on_done(struct http_exchange *x)
{
	struct http_ask *a = container_of(x, struct http_ask, exchange);

	if (a->fn) {
		list_remove(&a->pending.node);
		a->fn(a->arg, x->result, (unsigned)x->status,
		      (struct jd_str){x->answer, x->answer_len}, x->reason);
	}
	http_exchange_fini(x);
	mem_free(a);
}

static bool is_line(struct jd_str s)
{
	return s.p && !memchr(s.p, '\r', s.len) && !memchr(s.p, '\n', s.len) &&
	       !memchr(s.p, '\0', s.len);
}

static bool is_good(const struct jd_http_request *r)
{
	static const char scheme[] = "https://";

	if (!is_line(r->url) || r->url.len > URL_MAX || r->url.len < sizeof(scheme) ||
	    strncasecmp(r->url.p, scheme, sizeof(scheme) - 1) != 0)
		return false;
	for (size_t i = 0; i < r->n_headers; i++)
		if (!is_line(r->headers[i]))
			return false;
	return true;
}

static struct http_ask *ask_new(const struct jd_http_request *r)
{
	struct http_ask *a = mem_new(struct http_ask);
	struct http_exchange *x = &a->exchange;

	x->url = jd_strdup(r->url);
	x->headers = mem_alloc((r->n_headers + 1) * sizeof(*x->headers));
	for (size_t i = 0; i < r->n_headers; i++)
		x->headers[i] = jd_strdup(r->headers[i]);
	x->body = jd_strdup(r->body.p ? r->body : JD_STR(""));
	x->body_len = r->body.len;
	x->max_answer = JD_HTTP_ANSWER_MAX;
	x->timeout = r->timeout ? r->timeout : TIMEOUT;
	x->done = on_done;
	return a;
}

int jd_http_post(struct jd_owner *owner, const struct jd_http_request *request, jd_http_fn fn,
		 void *arg)
{
	struct http_ask *a;
	int r;

	if (!client || !is_good(request))
		return client ? -JD_EINVAL : -JD_ENOENT;
	a = ask_new(request);
	r = http_client_start(client, &a->exchange);
	if (r < 0) {
		http_exchange_fini(&a->exchange);
		mem_free(a);
		return r;
	}
	a->fn = fn;
	a->arg = arg;
	a->pending.cancel = on_cancel;
	a->pending.code = (void (*)(void))fn;
	owner_add(owner, &a->pending);
	return 0;
}

void http_ask_fini(void)
{
	http_client_free(client);
	client = NULL;
}

#else

int jd_http_ready(void)
{
	jd_log(JD_LOG_ERROR, "this server was built without an HTTP client");
	return -JD_ENOENT;
}

int jd_http_post(struct jd_owner *owner, const struct jd_http_request *request, jd_http_fn fn,
		 void *arg)
{
	(void)owner;
	(void)request;
	(void)fn;
	(void)arg;
	return -JD_ENOENT;
}

void http_ask_fini(void)
{
}

#endif
