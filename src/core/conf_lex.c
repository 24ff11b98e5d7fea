/* SPDX-License-Identifier: MIT
 *
 * The text of the configuration file, made ready for libconfuse: checked, and
 * its comments blanked out.  libconfuse would read comments by itself, but
 * counts the lines of those in C style twice, and takes an unfinished one for the
 * end of the file; then a mistake would be named with a line where it is not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/conf_lex.h"
#include "util/utf8.h"

static int fail(char *err, size_t err_size, const char *text)
{
	snprintf(err, err_size, "%s", text);
	return -JD_ECONF;
}

static int read_whole(int fd, char *text, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = read(fd, text + got, n - got);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return r ? -errno : -EIO;
		got += (size_t)r;
	}
	text[n] = '\0';
	return 0;
}

static int load(int fd, char **ret_text, size_t *ret_len, char *err, size_t err_size)
{
	struct stat st;
	char *text;
	int e;

	if (fstat(fd, &st) < 0)
		return fail(err, err_size, strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(err, err_size, "this is not a file");
	if (st.st_size > CONF_MAX_BYTES)
		return fail(err, err_size, "the file is larger than 256 KiB");
	text = mem_alloc_raw((size_t)st.st_size + 1);
	e = read_whole(fd, text, (size_t)st.st_size);
	if (e) {
		mem_free(text);
		return fail(err, err_size, strerror(-e));
	}
	*ret_text = text;
	*ret_len = (size_t)st.st_size;
	return 0;
}

int conf_load_text(const char *file, char **ret_text, size_t *ret_len, char *err, size_t err_size)
{
	/* NONBLOCK: opening a FIFO by mistake does not wait for a writer. */
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	int rc;

	if (fd < 0)
		return fail(err, err_size, strerror(errno));
	rc = load(fd, ret_text, ret_len, err, err_size);
	close(fd);
	return rc;
}

struct lexer {
	char *p, *end;
	int line;
	const char *wrong;
};

static void blank_line(struct lexer *lx)
{
	while (lx->p < lx->end && *lx->p != '\n')
		*lx->p++ = ' ';
}

static void blank_block(struct lexer *lx)
{
	int line = lx->line;

	for (; lx->p + 1 < lx->end; lx->p++) {
		if (lx->p[0] == '*' && lx->p[1] == '/') {
			memset(lx->p, ' ', 2);
			lx->p += 2;
			return;
		}
		if (*lx->p == '\n')
			lx->line++;
		else
			*lx->p = ' ';
	}
	lx->line = line;
	lx->wrong = "a comment begins here and has no end";
}

static void skip_quoted(struct lexer *lx)
{
	char quote = *lx->p++;

	for (; lx->p < lx->end && *lx->p != '\n'; lx->p++) {
		if (*lx->p == quote) {
			lx->p++;
			return;
		}
		if (*lx->p == '\\' && lx->p + 1 < lx->end && lx->p[1] != '\n')
			lx->p++;
	}
	lx->wrong = "a text in quotes has no closing quote on its line";
}

static void skip_one(struct lexer *lx)
{
	char c = *lx->p, next = lx->p + 1 < lx->end ? lx->p[1] : '\0';

	if (c == '#' || (c == '/' && next == '/')) {
		blank_line(lx);
	} else if (c == '/' && next == '*') {
		memset(lx->p, ' ', 2);
		lx->p += 2;
		blank_block(lx);
	} else if (c == '"' || c == '\'') {
		skip_quoted(lx);
	} else {
		lx->line += c == '\n';
		lx->p++;
	}
}

int conf_blank_comments(char *text, size_t len, int *ret_line, const char **ret_wrong)
{
	struct lexer lx = {text, text + len, 1, NULL};

	if (!utf8_valid_xml(text, len)) {
		*ret_line = 0;
		*ret_wrong = "the file is not UTF-8 text";
		return -JD_ECONF;
	}
	while (lx.p < lx.end && !lx.wrong)
		skip_one(&lx);
	if (!lx.wrong)
		return 0;
	*ret_line = lx.line;
	*ret_wrong = lx.wrong;
	return -JD_ECONF;
}
