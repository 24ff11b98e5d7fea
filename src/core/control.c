/* SPDX-License-Identifier: MIT
 *
 * The control socket: a small server on the logic loop for jackdawctl.
 *
 * Who may open the socket may do everything; the permissions of the file are the
 * only guard, and they are right before the first connection is possible.  One
 * request per connection.  While as many clients are there as we take, others
 * wait in the kernel's queue.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/command_priv.h"
#include "core/json.h"
#include "core/registry.h"
#include "util/buf.h"
#include "util/crypto.h"

#define MAX_CLIENTS  16
#define IDLE_USEC    (30 * JD_USEC_PER_SEC)
#define ANSWER_BYTES ((size_t)40 << 20)
#define USAGE_BYTES  2048

struct control_client {
	struct list node;
	struct watch watch;
	struct timer idle;
	struct command_front front;
	struct buf in, out;
	size_t sent;
	bool json, answered;
	char by[32];
};

static struct {
	struct watch watch;
	struct list clients;
	unsigned n_clients;
	int fd, lock_fd;
	char *path, *lock_path;
} control = {.fd = -1, .lock_fd = -1};

/* -- clients --------------------------------------------------------------------------- */

static void client_free(struct control_client *c)
{
	command_abandon(&c->front);
	loop_timer_cancel(server.loop, &c->idle);
	watch_fini(&c->watch);
	close(c->watch.fd);
	list_remove(&c->node);
	/* There may be a password in it. */
	if (c->in.p)
		crypto_wipe(c->in.p, c->in.cap);
	buf_free(&c->in);
	buf_free(&c->out);
	mem_free(c);
	control.n_clients--;
	watch_set(&control.watch, LOOP_READ);
}

static void on_idle(struct timer *t)
{
	client_free(container_of(t, struct control_client, idle));
}

/* Writes what the socket takes; frees the client when all is out. */
static void client_write(struct control_client *c)
{
	while (c->sent < c->out.len) {
		ssize_t n =
			send(c->watch.fd, c->out.p + c->sent, c->out.len - c->sent, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN) {
			watch_set(&c->watch, LOOP_WRITE);
			loop_timer(server.loop, &c->idle, IDLE_USEC, on_idle);
			return;
		}
		if (n < 0)
			break;
		c->sent += (size_t)n;
	}
	client_free(c);
}

/* May free c. */
static void client_answer(struct control_client *c, uint8_t code, struct jd_str text)
{
	uint32_t len = htonl((uint32_t)text.len);

	c->answered = true;
	if (buf_append(&c->out, &code, 1) < 0 || buf_append(&c->out, &len, 4) < 0 ||
	    buf_append(&c->out, text.p ? text.p : "", text.len) < 0) {
		client_free(c);
		return;
	}
	client_write(c);
}

static void client_refuse(struct control_client *c, uint8_t code, struct jd_str sentence)
{
	struct buf b;
	int err;

	if (!c->json) {
		client_answer(c, code, sentence);
		return;
	}
	buf_init(&b, 1 << 20);
	err = buf_append(&b, "{\"error\": ", 10);
	if (!err)
		err = json_put_str(&b, sentence);
	if (!err)
		err = buf_append(&b, "}", 1);
	client_answer(c, code, err ? JD_STR("{\"error\": \"\"}") : buf_str(&b));
	buf_free(&b);
}

static void on_done(struct command_front *front, const struct doc *doc, struct jd_str error)
{
	struct control_client *c = container_of(front, struct control_client, front);
	struct buf b;

	if (!doc) {
		client_refuse(c, 1, error);
		return;
	}
	buf_init(&b, 4 * DOC_MAX_BYTES);
	if ((c->json ? doc_json(doc, &b) : doc_text(doc, &b)) < 0)
		client_refuse(c, 1, JD_STR("The answer is too long; ask for less."));
	else
		client_answer(c, 0, buf_str(&b));
	buf_free(&b);
}

/* -- requests ----------------------------------------------------------------------------- */

static uint32_t get_u32(const char *p)
{
	uint32_t n;

	memcpy(&n, p, 4);
	return ntohl(n);
}

enum { MORE = 0, BAD = -1 };

/* The words of a whole request; their number, MORE, or BAD. */
static int split(const struct buf *in, struct jd_str words[CONTROL_MAX_WORDS])
{
	size_t at = 4;
	uint32_t count;

	if (in->len < 4)
		return MORE;
	count = get_u32(in->p);
	if (count == 0 || count > CONTROL_MAX_WORDS)
		return BAD;
	for (uint32_t i = 0; i < count; i++) {
		uint32_t len;

		if (in->len - at < 4)
			return MORE;
		len = get_u32(in->p + at);
		at += 4;
		if (len > CONTROL_MAX_BYTES)
			return BAD;
		if (in->len - at < len)
			return MORE;
		words[i] = (struct jd_str){in->p + at, len};
		at += len;
	}
	return (int)count; /* what may stand behind it is nobody's */
}

/* Who is at the other end, as the kernel says. */
static void client_who(struct control_client *c)
{
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (getsockopt(c->watch.fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0)
		snprintf(c->by, sizeof(c->by), "uid %lu", (unsigned long)peer.uid);
	c->front.by = jd_cstr(c->by);
}

/* May free c. */
static void client_request(struct control_client *c, const struct jd_str *words, size_t n)
{
	char usage[USAGE_BYTES] = "";
	int outcome;

	if (jd_str_is(words[0], "?secret")) {
		outcome = command_secrets(words + 1, n - 1, usage, sizeof(usage));
		client_answer(c, (uint8_t)(outcome ? 2 : 0), jd_cstr(usage));
		return;
	}
	c->json = jd_str_is(words[0], "json");
	c->front.done = on_done;
	client_who(c);
	/* It may answer, and c be gone, before this returns; then the outcome is RUNS. */
	outcome = command_run(&c->front, words + 1, n - 1, usage, sizeof(usage));
	if (outcome == COMMAND_USAGE)
		client_refuse(c, 2, jd_cstr(usage));
}

/* True when there may be more to read; else c may be gone. */
static bool client_take(struct control_client *c)
{
	struct jd_str words[CONTROL_MAX_WORDS];
	int n = split(&c->in, words);

	if (n == MORE)
		return true;
	if (n == BAD) {
		client_free(c);
		return false;
	}
	/* The command has its own deadline. What a client sends behind its request is not read. */
	loop_timer_cancel(server.loop, &c->idle);
	watch_set(&c->watch, 0);
	client_request(c, words, (size_t)n);
	return false;
}

static void client_read(struct control_client *c)
{
	do {
		ssize_t n;

		if (buf_reserve(&c->in, 4096) < 0) {
			client_free(c);
			return;
		}
		n = read(c->watch.fd, c->in.p + c->in.len, 4096);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0) {
			client_free(c);
			return;
		}
		c->in.len += (size_t)n;
	} while (client_take(c));
}

static void on_client(struct watch *w, unsigned events)
{
	struct control_client *c = container_of(w, struct control_client, watch);

	if (events & LOOP_WRITE)
		client_write(c);
	else if (!c->answered)
		client_read(c);
}

static void client_new(int fd)
{
	struct control_client *c = mem_new(struct control_client);

	buf_init(&c->in, CONTROL_MAX_BYTES + 4096);
	buf_init(&c->out, ANSWER_BYTES);
	watch_init(&c->watch, server.loop, fd, on_client);
	watch_set(&c->watch, LOOP_READ);
	loop_timer(server.loop, &c->idle, IDLE_USEC, on_idle);
	list_append(&control.clients, &c->node);
	control.n_clients++;
	if (control.n_clients == MAX_CLIENTS)
		watch_set(&control.watch, 0);
}

static void on_accept(struct watch *w, unsigned events)
{
	int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (fd >= 0)
		client_new(fd);
	else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
		jd_log_peer(JD_LOG_WARNING, "a control connection could not be taken",
			    jd_kv_cstr("why", strerror(errno)));
}

/* -- the socket ----------------------------------------------------------------------------- */

/*
 * Whoever holds the lock beside the socket may replace it: so a socket that a
 * dead server left is replaced, and two servers that start at once don't both
 * believe so.
 */
static int take_lock(char *err, size_t err_size)
{
	control.lock_path = jd_strdup(jd_cstr(control.path));
	control.lock_path = mem_realloc(control.lock_path, strlen(control.path) + 6);
	memcpy(control.lock_path + strlen(control.path), ".lock", 6);
	control.lock_fd = open(control.lock_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (control.lock_fd < 0) {
		snprintf(err, err_size, "the control socket's %s cannot be opened: %s",
			 control.lock_path, strerror(errno));
		return -JD_EIO;
	}
	if (flock(control.lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	snprintf(err, err_size, "another server is using the control socket %s", control.path);
	return -JD_EBUSY;
}

static int clear_path(char *err, size_t err_size)
{
	struct stat st;

	if (lstat(control.path, &st) < 0)
		return 0;
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(err, err_size, "%s is in the way of the control socket, and no socket",
			 control.path);
		return -JD_EEXIST;
	}
	if (unlink(control.path) == 0)
		return 0;
	snprintf(err, err_size, "the old control socket %s cannot be removed: %s", control.path,
		 strerror(errno));
	return -JD_EIO;
}

static int bind_socket(int mode, char *err, size_t err_size)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	size_t n = strlen(control.path);
	mode_t mask;
	int r;

	if (n >= sizeof(at.sun_path)) {
		snprintf(err, err_size, "the path of the control socket is too long: %s",
			 control.path);
		return -JD_EINVAL;
	}
	memcpy(at.sun_path, control.path, n + 1);
	control.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	mask = umask(0177);
	r = control.fd < 0 ? -1 : bind(control.fd, (struct sockaddr *)&at, sizeof(at));
	umask(mask);
	/* Nobody can connect before listen(): the permissions are right in time. */
	if (r < 0 || chmod(control.path, (mode_t)mode) < 0 || listen(control.fd, 64) < 0) {
		snprintf(err, err_size, "the control socket %s cannot be opened: %s", control.path,
			 strerror(errno));
		return -JD_EIO;
	}
	return 0;
}

int control_open(const char *path, int mode, char *err, size_t err_size)
{
	int e;

	list_init(&control.clients);
	control.path = jd_strdup(jd_cstr(path));
	e = take_lock(err, err_size);
	if (!e)
		e = clear_path(err, err_size);
	if (!e)
		e = bind_socket(mode, err, err_size);
	if (e) {
		control_close();
		return e;
	}
	watch_init(&control.watch, server.loop, control.fd, on_accept);
	watch_set(&control.watch, LOOP_READ);
	return 0;
}

void control_close(void)
{
	while (control.n_clients)
		client_free(container_of(control.clients.next, struct control_client, node));
	if (control.watch.event)
		watch_fini(&control.watch);
	if (control.fd >= 0) {
		unlink(control.path);
		close(control.fd);
	}
	/* The lock's file stays: who removes it races with who opens it. */
	if (control.lock_fd >= 0)
		close(control.lock_fd);
	mem_free(control.path);
	mem_free(control.lock_path);
	memset(&control, 0, sizeof(control));
	control.fd = control.lock_fd = -1;
}
