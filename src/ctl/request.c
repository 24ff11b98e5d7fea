/* SPDX-License-Identifier: MIT
 *
 * One request, one answer, over a Unix socket.
 */
#include "ctl/request.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/crypto.h"
#include "util/mem.h"

bool request_insert(struct request *rq, size_t at, const char *word)
{
	if (rq->n == REQUEST_MAX_WORDS)
		return false;
	memmove(rq->words + at + 1, rq->words + at, (rq->n - at) * sizeof(rq->words[0]));
	rq->words[at] = word;
	rq->n++;
	return true;
}

void answer_free(struct answer *a)
{
	mem_free(a->text.p);
	*a = (struct answer){0};
}

static int fail(int err, char *why, size_t size, const char *text)
{
	snprintf(why, size, "%s", text);
	return err;
}

static int connect_to(const char *path, int *ret_fd, char *why, size_t why_size)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(at.sun_path))
		return fail(-JD_EIO, why, why_size, "the path is too long for a socket");
	memcpy(at.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail(-JD_EIO, why, why_size, strerror(errno));
	if (connect(fd, (struct sockaddr *)&at, sizeof(at)) < 0) {
		int e = errno;

		close(fd);
		return fail(-JD_EIO, why, why_size,
			    e == ECONNREFUSED ? "the socket is there, but nobody listens"
					      : strerror(e));
	}
	*ret_fd = fd;
	return 0;
}

static int put(struct buf *b, const char *word)
{
	uint32_t len = htonl((uint32_t)strlen(word));
	int err = buf_append(b, &len, 4);

	return err ? err : buf_append(b, word, strlen(word));
}

static int pack(const struct request *rq, struct buf *b)
{
	uint32_t count = htonl((uint32_t)rq->n);
	int err = buf_append(b, &count, 4);

	for (size_t i = 0; i < rq->n && !err; i++)
		err = put(b, rq->words[i]);
	return err;
}

static int send_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t sent = send(fd, p, n, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return -errno;
		p += sent;
		n -= (size_t)sent;
	}
	return 0;
}

static int read_all(int fd, void *out, size_t n)
{
	char *p = out;

	while (n) {
		ssize_t got = read(fd, p, n);

		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return got ? -errno : -ECONNRESET;
		p += got;
		n -= (size_t)got;
	}
	return 0;
}

static int read_answer(int fd, struct answer *a)
{
	unsigned char code;
	uint32_t len;
	int err = read_all(fd, &code, 1);

	if (!err)
		err = read_all(fd, &len, 4);
	if (err)
		return err;
	a->text.len = ntohl(len);
	if (code > 2 || a->text.len > ANSWER_MAX_BYTES)
		return -EPROTO;
	a->code = code;
	a->text.p = mem_alloc(a->text.len + 1);
	return read_all(fd, a->text.p, a->text.len);
}

int request_send(const char *socket_path, const struct request *rq, struct answer *ret_answer,
		 char *why, size_t why_size)
{
	struct answer a = {0};
	struct buf b;
	int fd, err;

	buf_init(&b, REQUEST_MAX_BYTES);
	err = pack(rq, &b);
	if (err)
		err = fail(-JD_ELIMIT, why, why_size, "the arguments are too long");
	else
		err = connect_to(socket_path, &fd, why, why_size);
	if (!err) {
		int e = send_all(fd, b.p, b.len);

		if (!e)
			e = read_answer(fd, &a);
		close(fd);
		if (e)
			err = fail(-JD_EIO, why, why_size,
				   e == -ECONNRESET ? "it has closed the connection"
						    : strerror(-e));
	}
	if (b.p)
		crypto_wipe(b.p, b.cap);
	buf_free(&b);
	if (err)
		answer_free(&a);
	else
		*ret_answer = a;
	return err;
}
