/* SPDX-License-Identifier: MIT
 *
 * Fuzzing the configuration: comments, libconfuse, and the judge behind them.
 *
 * A file is either taken or there is a mistake to read about, each in one line
 * of valid text; reading it again says the same; and comments are nothing but
 * white space: a copy whose comments were blanked is judged in the same words.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/conf.h"
#include "core/conf_lex.h"
#include "util/buf.h"
#include "util/mem.h"
#include "util/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* -- a module with one option of each type -------------------------------------------------- */

struct demo {
	bool loud;
	int64_t count, bytes;
	jd_usec wait;
	const char *greeting;
	const char **names;
	int colour;
};

static const char *const colours[] = {"red", "green", NULL};

static const struct jd_option options[] = {
	JD_OPT_BOOL("loud", struct demo, loud, "true", "x"),
	JD_OPT_INT("count", struct demo, count, "3", 1, 10, "x"),
	JD_OPT_SIZE("bytes", struct demo, bytes, "64k", 1024, 1 << 20, "x"),
	JD_OPT_TIME("wait", struct demo, wait, "5min", 1000000, 3600000000LL, "x"),
	JD_OPT_TEXT("greeting", struct demo, greeting, NULL, "x"),
	JD_OPT_LIST("names", struct demo, names, "a, b", "x"),
	JD_OPT_CHOICE("colour", struct demo, colour, "green", colours, "x"),
	JD_OPT_END,
};

static const struct jd_module demo = {
	.abi = JD_ABI, .name = "demo", .data_size = sizeof(struct demo), .options = options};

static const struct jd_module *open_module(const struct conf *conf, const char *name, char *err,
					   size_t err_size)
{
	JD_ASSERT(conf->module_dir);
	if (strcmp(name, "demo") == 0)
		return &demo;
	(void)snprintf(err, err_size, "there is no module '%s'", name);
	return NULL;
}

/* Bounds hold whatever was written. */
static void check_demo(const struct demo *d)
{
	JD_ASSERT(d->count >= 1 && d->count <= 10);
	JD_ASSERT(d->bytes >= 1024 && d->bytes <= 1 << 20);
	JD_ASSERT(d->wait >= 1000000 && d->wait <= 3600000000LL);
	JD_ASSERT(d->colour == 0 || d->colour == 1);
	JD_ASSERT(d->names);
}

/* -- reading -------------------------------------------------------------------------------------
 */

static void on_mistake(const char *line, void *arg)
{
	struct buf *said = arg;
	size_t n = strlen(line);

	JD_ASSERT(n > 0 && utf8_valid_xml(line, n) && !memchr(line, '\n', n));
	JD_ASSERT(buf_append(said, line, n) == 0 && buf_append(said, "\n", 1) == 0);
}

static void check_conf(const struct conf *conf)
{
	for (size_t i = 0; i < conf->n_hosts; i++) {
		const struct conf_host *h = &conf->hosts[i];

		JD_ASSERT(h->name && *h->name);
		for (size_t k = 0; h->modules[k]; k++) {
			JD_ASSERT(strcmp(h->modules[k], "demo") == 0);
			check_demo(h->module_data[k]);
		}
	}
	for (size_t i = 0; i < conf->n_listens; i++)
		JD_ASSERT(conf->listens[i].port >= 0 && conf->listens[i].port <= 65535);
}

static bool judge(const char *text, size_t n, struct buf *said)
{
	int fd = memfd_create("conf", MFD_CLOEXEC);
	struct conf *conf = NULL;
	char path[64];
	int r;

	JD_ASSERT(fd >= 0 && write(fd, text, n) == (ssize_t)n);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	buf_init(said, (size_t)64 << 20);
	r = conf_load(path, open_module, on_mistake, said, &conf);
	JD_ASSERT(r == (conf ? 0 : -JD_ECONF) && (said->len == 0) == (conf != NULL));
	if (conf)
		check_conf(conf);
	conf_free(conf);
	close(fd);
	return r == 0;
}

/* The same text without its comments, if those can be found. */
static void check_comments(const char *text, size_t n, bool good, const struct buf *said)
{
	char *copy = mem_alloc_raw(n + 1);
	const char *wrong;
	struct buf also;
	int line;

	memcpy(copy, text, n);
	copy[n] = '\0';
	if (conf_blank_comments(copy, n, &line, &wrong) == 0) {
		for (size_t i = 0; i < n; i++)
			JD_ASSERT(copy[i] == text[i] || (copy[i] == ' ' && text[i] != '\n'));
		JD_ASSERT(judge(copy, n, &also) == good);
		JD_ASSERT(jd_str_eq(buf_str(&also), buf_str(said)));
		buf_free(&also);
		JD_ASSERT(conf_blank_comments(copy, n, &line, &wrong) == 0);
	} else {
		JD_ASSERT(!good && wrong && line >= 0);
	}
	mem_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf said, again;
	bool good;

	if (size > CONF_MAX_BYTES)
		return 0;
	setenv("JACKDAW_SCHEMA_DIR", "/", 1);
	good = judge((const char *)data, size, &said);
	JD_ASSERT(judge((const char *)data, size, &again) == good);
	JD_ASSERT(jd_str_eq(buf_str(&said), buf_str(&again)));
	check_comments((const char *)data, size, good, &said);
	buf_free(&said);
	buf_free(&again);
	return 0;
}
