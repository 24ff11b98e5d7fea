/* SPDX-License-Identifier: MIT
 *
 * The thread of the HTTP client.  Requests come and go by two lists under one
 * lock: a request costs a handshake, so nobody meets there.  The finished list is
 * a source of the home loop.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/curl/table.h"
#include "net/http_client.h"
#include "net/public_address.h"
#include "util/hash.h"
#include "util/log.h"
#include "util/mem.h"

#define POLL_MSEC     1000
#define CONNECT_MSEC  10000L
#define DONE_PER_TURN 64
#define POOL_MAX      32L /* connections kept for later */
#define PER_ORIGIN    4   /* transfers at once: who is slow keeps only itself waiting */

struct http_client {
	struct source source;
	struct waker *waker;
	pthread_t thread;
	char *trust;
	bool allow_private;
	unsigned max_at_once, max_waiting;

	CURLM *multi;       /* the thread's; only waking is anybody's */
	struct list active; /* the thread's */
	unsigned n_active;

	pthread_mutex_t lock;
	struct list waiting, finished;
	unsigned n_waiting;
	bool news; /* something of `waiting` may be able to start that was not before */
	bool stopping;
};

static const struct curl_table *libcurl;

/* -- loading ---------------------------------------------------------------------------------- */

static int load_file(const char *file, char *ret_error, size_t size)
{
	void *handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
	const struct curl_table *table = handle ? dlsym(handle, CURL_TABLE_SYMBOL) : NULL;

	if (!table || table->version != CURL_TABLE_VERSION) {
		(void)snprintf(ret_error, size, "cannot load the HTTP client: %s",
			       table ? "it is of another Jackdaw" : dlerror());
		if (handle)
			dlclose(handle);
		return table ? -JD_EABI : -JD_EIO;
	}
	if (table->curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		(void)snprintf(ret_error, size, "libcurl does not start");
		return -JD_EIO;
	}
	libcurl = table; /* and the object stays */
	return 0;
}

/* The first http_curl.so of the folders, which colons separate. */
int http_client_load(const char *folders, char *ret_error, size_t size)
{
	char file[4096];

	if (libcurl)
		return 0;
	for (const char *p = folders ? folders : ""; *p;) {
		size_t len = strcspn(p, ":");

		(void)snprintf(file, sizeof(file), "%.*s/http_curl.so", (int)len, p);
		if (access(file, F_OK) == 0)
			return load_file(file, ret_error, size);
		p += len + (p[len] == ':');
	}
	(void)snprintf(ret_error, size,
		       "the HTTP client, http_curl.so, is in no module folder (%s)",
		       folders ? folders : "");
	return -JD_ENOENT;
}

/* -- one transfer, on the thread -------------------------------------------------------------- */

/* The only place where an address is known for certain: the one that is connected to. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
	struct http_exchange *x = arg;

	if (purpose != CURLSOCKTYPE_IPCXN ||
	    (!x->client->allow_private && !address_is_public(&a->addr, a->addrlen))) {
		x->refused = true;
		return CURL_SOCKET_BAD;
	}
	return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static size_t on_bytes(char *bytes, size_t one, size_t n, void *arg)
{
	struct http_exchange *x = arg;

	n *= one;
	if (n > x->max_answer - x->answer_len) {
		x->result = -JD_ELIMIT;
		return 0;
	}
	memcpy(x->answer + x->answer_len, bytes, n);
	x->answer_len += n;
	return n;
}

static void set_options(struct http_exchange *x, CURL *easy)
{
#define SET(option, value) (void)libcurl->curl_easy_setopt(easy, option, value)
	SET(CURLOPT_URL, x->url);
	SET(CURLOPT_PROTOCOLS_STR, "https");
	SET(CURLOPT_FOLLOWLOCATION, 0L);
	SET(CURLOPT_PROXY, ""); /* whatever the environment says */
	SET(CURLOPT_NOSIGNAL, 1L);
	SET(CURLOPT_QUICK_EXIT, 1L); /* never waits for the system's resolver */
	SET(CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
	SET(CURLOPT_SSL_VERIFYPEER, 1L);
	SET(CURLOPT_SSL_VERIFYHOST, 2L);
	SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
	if (x->client->trust)
		SET(CURLOPT_CAINFO, x->client->trust);
	SET(CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MSEC);
	SET(CURLOPT_TIMEOUT_MS, (long)(x->timeout / JD_USEC_PER_MSEC));
	SET(CURLOPT_POST, 1L);
	SET(CURLOPT_POSTFIELDS, x->body);
	SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)x->body_len);
	SET(CURLOPT_HTTPHEADER, x->list);
	SET(CURLOPT_USERAGENT, "Jackdaw");
	SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
	SET(CURLOPT_OPENSOCKETDATA, x);
	SET(CURLOPT_WRITEFUNCTION, on_bytes);
	SET(CURLOPT_WRITEDATA, x);
	SET(CURLOPT_PRIVATE, x);
#undef SET
}

static void finish(struct http_client *c, struct http_exchange *x)
{
	pthread_mutex_lock(&c->lock);
	list_append(&c->finished, &x->node);
	c->news = true;
	pthread_mutex_unlock(&c->lock);
	waker_wake(c->waker);
}

static void transfer_start(struct http_client *c, struct http_exchange *x)
{
	x->easy = libcurl->curl_easy_init();
	JD_ASSERT(x->easy);
	for (size_t i = 0; x->headers && x->headers[i]; i++)
		x->list = libcurl->curl_slist_append(x->list, x->headers[i]);
	x->answer = mem_alloc(x->max_answer + 1);
	set_options(x, x->easy);
	list_append(&c->active, &x->node);
	c->n_active++;
	(void)libcurl->curl_multi_add_handle(c->multi, x->easy);
}

static void transfer_end(struct http_client *c, struct http_exchange *x)
{
	(void)libcurl->curl_multi_remove_handle(c->multi, x->easy);
	libcurl->curl_easy_cleanup(x->easy);
	libcurl->curl_slist_free_all(x->list);
	x->easy = x->list = NULL;
	list_remove(&x->node);
	c->n_active--;
	finish(c, x);
}

static void transfer_judge(struct http_client *c, CURL *easy, CURLcode code)
{
	struct http_exchange *x = NULL;

	(void)libcurl->curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&x);
	/* It has come also where the body was too large. */
	(void)libcurl->curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &x->status);
	if (code != CURLE_OK) {
		if (!x->result)
			x->result =
				x->refused && code == CURLE_COULDNT_CONNECT ? -JD_EACCESS : -JD_EIO;
		(void)snprintf(x->reason, sizeof(x->reason), "%s",
			       x->result == -JD_EACCESS ? "its address is not public"
							: libcurl->curl_easy_strerror(code));
	}
	transfer_end(c, x);
}

/* -- the thread ------------------------------------------------------------------------------- */

static struct http_exchange *take(struct http_client *c, struct list *list)
{
	struct http_exchange *x = NULL;

	pthread_mutex_lock(&c->lock);
	if (!list_empty(list)) {
		x = container_of(list->next, struct http_exchange, node);
		list_remove(&x->node);
		c->n_waiting -= list == &c->waiting;
	}
	pthread_mutex_unlock(&c->lock);
	return x;
}

static bool has_its_share(const struct http_client *c, uint64_t origin)
{
	unsigned n = 0;

	for (const struct list *i = c->active.next; i != &c->active; i = i->next)
		n += container_of(i, struct http_exchange, node)->origin == origin;
	return n >= PER_ORIGIN;
}

/* The first one that may start. The others stay where they are, and are looked at again when
 * one has come or one has ended. */
static struct http_exchange *take_waiting(struct http_client *c)
{
	struct http_exchange *found = NULL;

	pthread_mutex_lock(&c->lock);
	for (struct list *n = c->waiting.next; c->news && !found && n != &c->waiting; n = n->next) {
		struct http_exchange *x = container_of(n, struct http_exchange, node);

		if (!has_its_share(c, x->origin))
			found = x;
	}
	if (found) {
		list_remove(&found->node);
		c->n_waiting--;
	} else {
		c->news = false;
	}
	pthread_mutex_unlock(&c->lock);
	return found;
}

static bool is_stopping(struct http_client *c)
{
	bool stopping;

	pthread_mutex_lock(&c->lock);
	stopping = c->stopping;
	pthread_mutex_unlock(&c->lock);
	return stopping;
}

static void turn(struct http_client *c)
{
	struct http_exchange *x;
	CURLMsg *m;
	int n;

	while (c->n_active < c->max_at_once && (x = take_waiting(c)))
		transfer_start(c, x);
	(void)libcurl->curl_multi_perform(c->multi, &n);
	while ((m = libcurl->curl_multi_info_read(c->multi, &n)))
		if (m->msg == CURLMSG_DONE)
			transfer_judge(c, m->easy_handle, m->data.result);
}

static void close_exchange(struct http_exchange *x)
{
	x->result = -JD_ECLOSED;
	(void)snprintf(x->reason, sizeof(x->reason), "the server stops");
}

static void *http_main(void *arg)
{
	struct http_client *c = arg;

	log_thread_name("http");
	while (!is_stopping(c)) {
		turn(c);
		(void)libcurl->curl_multi_poll(c->multi, NULL, 0, POLL_MSEC, NULL);
	}
	while (!list_empty(&c->active)) {
		struct http_exchange *x = container_of(c->active.next, struct http_exchange, node);

		close_exchange(x);
		transfer_end(c, x);
	}
	return NULL;
}

/* -- the home thread -------------------------------------------------------------------------- */

static bool finished_pending(struct source *source)
{
	struct http_client *c = container_of(source, struct http_client, source);
	bool any;

	pthread_mutex_lock(&c->lock);
	any = !list_empty(&c->finished);
	pthread_mutex_unlock(&c->lock);
	return any;
}

static bool finished_drain(struct source *source)
{
	struct http_client *c = container_of(source, struct http_client, source);
	struct http_exchange *x;

	for (int i = 0; i < DONE_PER_TURN; i++) {
		x = take(c, &c->finished);
		if (!x)
			return false;
		x->done(x);
	}
	return finished_pending(source);
}

struct http_client *http_client_new(struct loop *home, const struct http_client_settings *settings)
{
	struct http_client *c = mem_new(struct http_client);
	sigset_t all, before;

	c->waker = loop_waker(home);
	c->trust = settings->trust ? jd_strdup(jd_cstr(settings->trust)) : NULL;
	c->allow_private = settings->allow_private;
	c->max_at_once = settings->max_at_once;
	c->max_waiting = settings->max_waiting;
	list_init(&c->active);
	list_init(&c->waiting);
	list_init(&c->finished);
	pthread_mutex_init(&c->lock, NULL);
	c->multi = libcurl->curl_multi_init();
	JD_ASSERT(c->multi);
	(void)libcurl->curl_multi_setopt(c->multi, CURLMOPT_MAXCONNECTS, POOL_MAX);
	c->source.drain = finished_drain;
	c->source.pending = finished_pending;
	loop_add_source(home, &c->source);
	/* Signals are for the logic thread: the new thread inherits a full mask. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	JD_ASSERT(pthread_create(&c->thread, NULL, http_main, c) == 0);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return c;
}

/* Of scheme, host and port as they are written, in small letters. */
static uint64_t origin_of(const char *url)
{
	const char *host = strstr(url, "://");
	size_t len = host ? (size_t)(host + 3 - url) + strcspn(host + 3, "/?#") : strlen(url);
	char *text = jd_strdup((struct jd_str){url, len});
	uint64_t hash;

	for (size_t i = 0; i < len; i++)
		if (text[i] >= 'A' && text[i] <= 'Z')
			text[i] = (char)(text[i] + 'a' - 'A');
	if (len > 4 && memcmp(text + len - 4, ":443", 4) == 0)
		len -= 4;
	hash = hash_bytes(text, len);
	mem_free(text);
	return hash;
}

int http_client_start(struct http_client *c, struct http_exchange *x)
{
	bool full;

	x->client = c;
	x->origin = origin_of(x->url);
	pthread_mutex_lock(&c->lock);
	full = c->n_waiting >= c->max_waiting;
	if (!full) {
		list_append(&c->waiting, &x->node);
		c->n_waiting++;
		c->news = true;
	}
	pthread_mutex_unlock(&c->lock);
	if (full)
		return -JD_ELIMIT;
	(void)libcurl->curl_multi_wakeup(c->multi);
	return 0;
}

void http_client_free(struct http_client *c)
{
	struct http_exchange *x;

	if (!c)
		return;
	pthread_mutex_lock(&c->lock);
	c->stopping = true;
	pthread_mutex_unlock(&c->lock);
	(void)libcurl->curl_multi_wakeup(c->multi);
	pthread_join(c->thread, NULL);
	while ((x = take(c, &c->finished)))
		x->done(x);
	while ((x = take(c, &c->waiting))) {
		close_exchange(x);
		x->done(x);
	}
	loop_remove_source(&c->source);
	(void)libcurl->curl_multi_cleanup(c->multi);
	pthread_mutex_destroy(&c->lock);
	mem_free(c->trust);
	mem_free(c);
}

void http_exchange_fini(struct http_exchange *x)
{
	mem_free(x->url);
	for (size_t i = 0; x->headers && x->headers[i]; i++)
		mem_free(x->headers[i]);
	mem_free(x->headers);
	mem_free(x->body);
	mem_free(x->answer);
}
