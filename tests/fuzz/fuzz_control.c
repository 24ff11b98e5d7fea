/* SPDX-License-Identifier: MIT
 *
 * Fuzzing the control socket and the arguments of commands.  Byte 0 says how
 * (bit 0: the rest is bytes for the socket; else it is text, a word a line, made
 * into a request), and into how large pieces it is cut.
 *
 * Whole and in pieces there must be the same answer, of the form that the
 * protocol has; a request that could be read is always answered; and the command
 * "echo" must have got what its declaration promises.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/command_priv.h"
#include "core/conf.h"
#include "util/clock.h"
#include "util/utf8.h"

#define ANSWER_MAX ((size_t)1 << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* -- a command with every kind of argument ----------------------------------------------- */

static unsigned echoes;

static void cmd_echo(struct jd_command *c)
{
	struct jd_jid account = jd_arg_jid(c, 0);
	struct jd_str text = jd_arg_text(c, 4);

	echoes++;
	JD_ASSERT(account.local_len && !account.resource_len);
	JD_ASSERT(jd_str_is(jd_jid_domain(account), "a.example") ||
		  jd_str_is(jd_jid_domain(account), "b.example"));
	JD_ASSERT(jd_arg_given(c, 1) || jd_arg_int(c, 1) == 0);
	JD_ASSERT(!jd_arg_given(c, 2) || jd_jid_ok(jd_arg_jid(c, 2)));
	JD_ASSERT(!jd_arg_given(c, 3) || jd_arg_text(c, 3).len == 9);
	JD_ASSERT(jd_arg_given(c, 4) == (text.p != NULL));
	JD_ASSERT(!text.p || !memchr(text.p, '\0', text.len));
	JD_ASSERT(jd_arg_given(c, 6)); /* a secret that is needed */
	jd_out_str(c, "jid", jd_jid_str(account));
	jd_out_int(c, "number", jd_arg_int(c, 1));
	jd_out_str(c, "text", text);
	jd_out_bool(c, "flag", jd_arg_flag(c, 5));
	jd_out_list(c, "list");
	for (int i = 0; i < 2; i++) {
		jd_out_record(c);
		jd_out_str(c, "secret", jd_arg_text(c, 6));
	}
	jd_out_end(c);
	jd_command_done(c);
}

static void cmd_fail(struct jd_command *c)
{
	jd_command_fail(c, "It is %d degrees too cold.", 3);
}

static const struct jd_arg args[] = {
	{JD_ARG_BARE_JID, "JID", false, "An account."}, {JD_ARG_INT, "NUMBER", true, "A number."},
	{JD_ARG_JID, "PEER", true, "An address."},      {JD_ARG_HOST, "HOST", true, "A host."},
	{JD_ARG_TEXT, "TEXT", true, "A text."},         {JD_ARG_FLAG, "loud", true, "A flag."},
	{JD_ARG_SECRET, "SECRET", false, "A secret."},  {JD_ARG_END, NULL, false, NULL},
};

static const struct jd_command_def defs[] = {
	{"echo", "Says what it was told.", args, cmd_echo},
	{"room list", "Two words.", NULL, cmd_fail},
	{NULL, NULL, NULL, NULL},
};

static const char *no_modules[] = {NULL};
static const struct conf_host hosts[] = {{.name = "a.example", .modules = no_modules},
					 {.name = "b.example", .modules = no_modules}};
static const struct jd_module module = {.abi = JD_ABI, .name = "sample"};
static struct jd_instance instance = {.module = &module};
static struct sockaddr_un at = {.sun_family = AF_UNIX};

static void clean_up(void)
{
	char lock[sizeof(at.sun_path) + 8];

	(void)snprintf(lock, sizeof(lock), "%s.lock", at.sun_path);
	unlink(at.sun_path);
	unlink(lock);
}

static void set_up(void)
{
	const char *tmp = getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp";
	char err[256];

	role_take(ROLE_LOGIC);
	clock_fake(1000000, 1800000000 * JD_USEC_PER_SEC);
	server.loop = loop_new("fuzz");
	JD_ASSERT(core_init() == 0);
	instance.host = host_add(hosts[0].name, &hosts[0]);
	(void)host_add(hosts[1].name, &hosts[1]);
	commands_init();
	JD_ASSERT(jd_commands(&instance, defs) == 0);
	(void)snprintf(at.sun_path, sizeof(at.sun_path), "%s/jackdaw-fuzz-%d", tmp, (int)getpid());
	if (control_open(at.sun_path, 0600, err, sizeof(err)) < 0)
		mem_die(__FILE__, __LINE__, err);
	atexit(clean_up);
}

/* -- one request ------------------------------------------------------------------------------ */

static void turn(void)
{
	loop_turn(server.loop, false);
}

/* Sends in pieces and reads until the server has had its last word. */
static void ask(const char *p, size_t n, size_t step, struct buf *answer)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool open = true;
	ssize_t r;

	buf_init(answer, ANSWER_MAX + 4096);
	JD_ASSERT(fd >= 0 && connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0);
	for (size_t sent = 0; sent < n && open;) {
		r = send(fd, p + sent, step < n - sent ? step : n - sent, MSG_NOSIGNAL);
		open = r >= 0 || errno == EAGAIN;
		sent += r > 0 ? (size_t)r : 0;
		turn();
	}
	shutdown(fd, SHUT_WR);
	for (unsigned idle = 0; idle < 10;) {
		turn();
		JD_ASSERT(buf_reserve(answer, 4096) == 0);
		r = recv(fd, answer->p + answer->len, 4096, 0);
		if (r == 0 || (r < 0 && errno != EAGAIN))
			break;
		answer->len += r > 0 ? (size_t)r : 0;
		idle = r > 0 ? 0 : idle + 1;
	}
	close(fd);
	turn();
	turn();
}

/* A code, a length and so many bytes; false: nothing at all. */
static bool check_answer(const struct buf *answer)
{
	uint32_t len;

	if (answer->len == 0)
		return false;
	JD_ASSERT(answer->len >= 5 && (unsigned char)answer->p[0] <= 2);
	memcpy(&len, answer->p + 1, 4);
	JD_ASSERT(ntohl(len) == answer->len - 5);
	return true;
}

static void put_u32(struct buf *b, size_t n)
{
	uint32_t be = htonl((uint32_t)n);

	JD_ASSERT(buf_append(b, &be, 4) == 0);
}

/* A word a line. */
static bool make_request(const char *p, size_t n, struct buf *rq)
{
	size_t words = 1;

	for (size_t i = 0; i < n; i++)
		words += p[i] == '\n';
	if (words > CONTROL_MAX_WORDS)
		return false;
	put_u32(rq, words);
	for (size_t from = 0, to; from <= n; from = to + 1) {
		for (to = from; to < n && p[to] != '\n';)
			to++;
		put_u32(rq, to - from);
		JD_ASSERT(to == from || buf_append(rq, p + from, to - from) == 0);
	}
	return true;
}

/* "status" counts what we do; what stops the server would end us. */
static bool is_about_us(const char *p, size_t n)
{
	return (n >= 6 && memmem(p, n, "status", 6)) || (n >= 4 && memmem(p, n, "stop", 4)) ||
	       (n >= 6 && memmem(p, n, "reload", 6)) || (n >= 5 && memmem(p, n, "check", 5));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *p = (const char *)data + 1;
	struct buf rq, whole, pieces;
	bool made = false;
	unsigned before;

	if (size < 2 || size > 20000 || is_about_us(p, size - 1))
		return 0;
	if (!at.sun_path[0])
		set_up();
	buf_init(&rq, 1 << 20);
	if (data[0] & 1)
		JD_ASSERT(buf_append(&rq, p, size - 1) == 0);
	else
		made = make_request(p, size - 1, &rq);
	before = echoes;
	ask(rq.p ? rq.p : "", rq.len, rq.len ? rq.len : 1, &whole);
	before = echoes - before;
	ask(rq.p ? rq.p : "", rq.len, (size_t)data[0] / 2 % 32 + 1 + rq.len / 100, &pieces);
	JD_ASSERT(jd_str_eq(buf_str(&whole), buf_str(&pieces)));
	JD_ASSERT(check_answer(&whole) || !made);
	JD_ASSERT(!before || whole.p[0] == 0);
	buf_free(&rq);
	buf_free(&whole);
	buf_free(&pieces);
	return 0;
}
