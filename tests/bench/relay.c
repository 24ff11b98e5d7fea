/* SPDX-License-Identifier: MIT
 *
 * Floors to measure a server against; see relay.h.
 */
#include "relay.h"

#include <arpa/inet.h>
#include <errno.h>
#include <expat.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"

#define READ_SIZE ((size_t)64 << 10)
#define OUT_SIZE  ((size_t)1 << 20)
#define NS_DEPTH  32
#define NS_SIZE   64
#define GROUP_MAX 1024
#define SEPARATOR '\xFF'

struct end {
	int fd;
	struct end *other;
	unsigned group;
	SSL *ssl;
	XML_Parser parser;
	unsigned depth;
	bool open;           /* a start tag whose '>' has not been written yet */
	char (*ns)[NS_SIZE]; /* [NS_DEPTH], with a parser */
};

static int epoll;
static struct relay_options options;
static SSL_CTX *tls;
static struct end *ends[GROUP_MAX * 16];
static unsigned n_ends;
static char in[READ_SIZE], out[OUT_SIZE];
static size_t out_len;

/* -- writing XML again ------------------------------------------------------------------ */

static void put(const char *p, size_t n)
{
	if (out_len + n > OUT_SIZE)
		abort();
	memcpy(out + out_len, p, n);
	out_len += n;
}

static void put_text(const char *p, size_t n, bool attribute)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] == '&')
			put("&amp;", 5);
		else if (p[i] == '<')
			put("&lt;", 4);
		else if (p[i] == '\'' && attribute)
			put("&apos;", 6);
		else
			put(p + i, 1);
	}
}

static void close_tag(struct end *e)
{
	if (e->open)
		put(">", 1);
	e->open = false;
}

static void XMLCALL on_start(void *data, const XML_Char *name, const XML_Char **atts)
{
	struct end *e = data;
	const char *local = strchr(name, SEPARATOR);
	size_t ns = local ? (size_t)(local - name) : 0;

	local = local ? local + 1 : name;
	if (ns >= NS_SIZE || e->depth + 1 >= NS_DEPTH)
		abort();
	memcpy(e->ns[e->depth], name, ns);
	e->ns[e->depth][ns] = 0;
	if (e->depth++ == 0)
		return;
	close_tag(e);
	put("<", 1);
	put(local, strlen(local));
	if (e->depth > 2 && strcmp(e->ns[e->depth - 1], e->ns[e->depth - 2]) != 0) {
		put(" xmlns='", 8);
		put_text(name, ns, true);
		put("'", 1);
	}
	for (; *atts; atts += 2) {
		put(" ", 1);
		put(atts[0], strlen(atts[0]));
		put("='", 2);
		put_text(atts[1], strlen(atts[1]), true);
		put("'", 1);
	}
	e->open = true;
}

static void XMLCALL on_end(void *data, const XML_Char *name)
{
	struct end *e = data;
	const char *local = strchr(name, SEPARATOR);

	local = local ? local + 1 : name;
	e->depth--;
	if (e->open) {
		put("/>", 2);
		e->open = false;
		return;
	}
	put("</", 2);
	put(local, strlen(local));
	put(">", 1);
}

static void XMLCALL on_text(void *data, const XML_Char *s, int len)
{
	struct end *e = data;

	if (e->depth < 2)
		return;
	close_tag(e);
	put_text(s, (size_t)len, false);
}

static XML_Parser parser_new(struct end *e)
{
	static const char header[] = "<stream:stream xmlns='jabber:client' "
				     "xmlns:stream='http://etherx.jabber.org/streams'>";
	XML_Parser p = XML_ParserCreateNS("UTF-8", SEPARATOR);

	e->ns = bench_grow(NULL, NS_DEPTH * sizeof(*e->ns));
	XML_SetUserData(p, e);
	XML_SetElementHandler(p, on_start, on_end);
	XML_SetCharacterDataHandler(p, on_text);
	/* A stanza must not wait for the next one: Debian's expat may hold it back otherwise,
	 * but feeds that end with a complete token are never held back. */
	if (XML_Parse(p, header, sizeof(header) - 1, 0) != XML_STATUS_OK)
		abort();
	return p;
}

/* -- sockets ------------------------------------------------------------------------------- */

static void send_all(struct end *e, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t took = e->ssl ? SSL_write(e->ssl, p, n > 16384 ? 16384 : (int)n)
				      : send(e->fd, p, n, MSG_NOSIGNAL);

		if (took < 0 && !e->ssl && errno != EAGAIN)
			_exit(0);
		if (took > 0) {
			p += took;
			n -= (size_t)took;
		}
	}
}

static void pass_on(struct end *e, size_t n)
{
	if (options.kind == RELAY_FANOUT) {
		unsigned first = e->group * options.group;

		for (unsigned i = first; i < first + options.group && i < n_ends; i++)
			if (ends[i] != e)
				send_all(ends[i], in, n);
		return;
	}
	if (!e->other)
		return;
	if (!e->parser) {
		send_all(e->other, in, n);
		return;
	}
	out_len = 0;
	if (XML_Parse(e->parser, in, (int)n, 0) != XML_STATUS_OK)
		abort();
	send_all(e->other, out, out_len);
}

static void on_readable(struct end *e)
{
	ssize_t n;

	if (!e->ssl) {
		n = recv(e->fd, in, sizeof(in), 0);
		if (n <= 0)
			_exit(0); /* the load generator has gone */
		pass_on(e, (size_t)n);
		return;
	}
	while ((n = SSL_read(e->ssl, in, sizeof(in))) > 0)
		pass_on(e, (size_t)n);
	if (SSL_get_error(e->ssl, (int)n) != SSL_ERROR_WANT_READ)
		_exit(0);
}

static void tls_begin(struct end *e)
{
	if (!(e->ssl = SSL_new(tls)) || !SSL_set_fd(e->ssl, e->fd))
		abort();
	SSL_set_accept_state(e->ssl);
}

static void tls_init(void)
{
	tls = SSL_CTX_new(TLS_server_method());
	if (!tls || SSL_CTX_use_certificate_chain_file(tls, options.certificate) != 1 ||
	    SSL_CTX_use_PrivateKey_file(tls, options.key, SSL_FILETYPE_PEM) != 1)
		bench_fail("relay: certificate or key");
	SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

static void on_connection(int listener)
{
	static struct end *waiting;
	struct end *e = calloc(1, sizeof(*e));
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = e};
	int one = 1;

	if (!e || (e->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) < 0)
		abort();
	setsockopt(e->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (options.kind == RELAY_XML)
		e->parser = parser_new(e);
	if (options.kind == RELAY_FANOUT) {
		if (n_ends == sizeof(ends) / sizeof(ends[0]))
			bench_fail("relay: too many connections");
		e->group = n_ends / options.group;
		ends[n_ends++] = e;
	}
	if (tls)
		tls_begin(e);
	if (waiting) {
		e->other = waiting;
		waiting->other = e;
		waiting = NULL;
	} else {
		waiting = e;
	}
	epoll_ctl(epoll, EPOLL_CTL_ADD, e->fd, &ev);
}

void relay_serve(int listener, const struct relay_options *o)
{
	struct epoll_event events[64], ev = {.events = EPOLLIN};

	options = *o;
	if (options.certificate)
		tls_init();
	epoll = epoll_create1(0);
	epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &ev);
	for (;;) {
		int n = epoll_wait(epoll, events, 64, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr)
				on_readable(events[i].data.ptr);
			else
				on_connection(listener);
		}
	}
}

int relay_listen(int *ret_port)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(at);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&at, len) < 0 || listen(fd, 128) < 0 ||
	    getsockname(fd, (struct sockaddr *)&at, &len) < 0)
		bench_fail("relay: %s", strerror(errno));
	*ret_port = ntohs(at.sin_port);
	return fd;
}

pid_t relay_start(enum relay_kind kind, int *ret_port)
{
	const struct relay_options o = {.kind = kind};
	int fd = relay_listen(ret_port);
	pid_t parent = getpid(), pid;

	pid = fork();
	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (getppid() != parent)
			_exit(0);
		relay_serve(fd, &o);
	}
	close(fd);
	return pid;
}
