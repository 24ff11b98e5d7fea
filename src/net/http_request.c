/* SPDX-License-Identifier: MIT
 *
 * Takes the header of one request apart, in place: names and the host become
 * lower case, the path is decoded.  Whatever two readers could understand
 * differently is refused: white space around a name, two lengths, two hosts,
 * a length with a transfer coding, a path that climbs.
 */
#include "net/http_parse.h"

#include "util/utf8.h"

bool http_token_char(unsigned char c)
{
	if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))
		return true;
	return c && strchr("!#$%&'*+-.^_`|~", c);
}

bool http_text_char(unsigned char c)
{
	return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool same_without_case(struct jd_str a, struct jd_str b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

static struct jd_str trim(struct jd_str s)
{
	while (s.len && (s.p[0] == ' ' || s.p[0] == '\t')) {
		s.p++;
		s.len--;
	}
	while (s.len && (s.p[s.len - 1] == ' ' || s.p[s.len - 1] == '\t'))
		s.len--;
	return s;
}

struct jd_str http_header(const struct http_request *rq, const char *name)
{
	for (size_t i = 0; i < rq->n_headers; i++)
		if (jd_str_is(rq->headers[i].name, name))
			return rq->headers[i].value;
	return JD_STR_NULL;
}

static bool list_has(struct jd_str list, struct jd_str token, bool exact)
{
	while (list.len) {
		const char *comma = memchr(list.p, ',', list.len);
		size_t n = comma ? (size_t)(comma - list.p) : list.len;
		struct jd_str item = trim((struct jd_str){list.p, n});

		if (exact ? jd_str_eq(item, token) : same_without_case(item, token))
			return true;
		n += comma ? 1 : 0;
		list.p += n;
		list.len -= n;
	}
	return false;
}

bool http_header_has(const struct http_request *rq, const char *name, const char *token, bool exact)
{
	for (size_t i = 0; i < rq->n_headers; i++)
		if (jd_str_is(rq->headers[i].name, name) &&
		    list_has(rq->headers[i].value, jd_cstr(token), exact))
			return true;
	return false;
}

static size_t count_headers(const struct http_request *rq, const char *name)
{
	size_t n = 0;

	for (size_t i = 0; i < rq->n_headers; i++)
		n += jd_str_is(rq->headers[i].name, name);
	return n;
}

/* -- the lines ------------------------------------------------------------------------- */

/* Cuts the next word at a space, or all that is left. */
static struct jd_str next_word(struct jd_str *rest)
{
	const char *space = rest->len ? memchr(rest->p, ' ', rest->len) : NULL;
	struct jd_str word = {rest->p, space ? (size_t)(space - rest->p) : rest->len};
	size_t n = word.len + (space ? 1 : 0);

	rest->p += n;
	rest->len -= n;
	return word;
}

static bool is_token(struct jd_str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!http_token_char((unsigned char)s.p[i]))
			return false;
	return s.len > 0;
}

static unsigned parse_version(struct jd_str v, struct http_request *rq)
{
	if (v.len != 8 || memcmp(v.p, "HTTP/", 5) != 0 || v.p[6] != '.' || v.p[5] < '0' ||
	    v.p[5] > '9' || v.p[7] < '0' || v.p[7] > '9')
		return 400;
	if (v.p[5] != '1')
		return 505;
	rq->minor = (unsigned)(v.p[7] - '0');
	return 0;
}

static unsigned parse_request_line(struct jd_str line, struct http_request *rq,
				   struct jd_str *ret_target)
{
	rq->method = next_word(&line);
	*ret_target = next_word(&line);
	if (!is_token(rq->method) || ret_target->len == 0)
		return 400;
	for (size_t i = 0; i < ret_target->len; i++)
		if (ret_target->p[i] <= ' ' || ret_target->p[i] > '~' || ret_target->p[i] == '#')
			return 400;
	return parse_version(line, rq);
}

static unsigned parse_header_line(char *line, size_t n, struct http_request *rq)
{
	char *colon = memchr(line, ':', n);
	struct http_header *h;

	if (!colon || rq->n_headers == JD_ARRAY_SIZE(rq->headers))
		return 400;
	h = &rq->headers[rq->n_headers++];
	h->name = (struct jd_str){line, (size_t)(colon - line)};
	if (!is_token(h->name))
		return 400;
	for (char *c = line; c < colon; c++)
		*c = lower(*c);
	h->value = trim((struct jd_str){colon + 1, n - h->name.len - 1});
	return 0;
}

/* -- host and target --------------------------------------------------------------------- */

static bool host_char(char c, bool literal)
{
	if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || c == '.')
		return true;
	return literal ? c == ':' : c == '-' || c == '_';
}

static bool port_ok(struct jd_str port)
{
	for (size_t i = 0; i < port.len; i++)
		if (port.p[i] < '0' || port.p[i] > '9')
			return false;
	return port.len <= 5;
}

/* host[:port] or [address][:port]; lower-cased in place, the port is left out. */
static unsigned parse_host(struct jd_str s, struct http_request *rq)
{
	char *p = (char *)s.p; /* within head, which is ours to change */
	bool literal = s.len && p[0] == '[';
	size_t end = literal;

	for (size_t i = 0; i < s.len; i++)
		p[i] = lower(p[i]);
	while (end < s.len && host_char(p[end], literal))
		end++;
	if (literal && (end == s.len || p[end++] != ']' || end < 4))
		return 400;
	rq->host = (struct jd_str){p, end};
	if (end == 0)
		return 400;
	if (end == s.len)
		return 0;
	if (p[end] != ':' || !port_ok((struct jd_str){p + end + 1, s.len - end - 1}))
		return 400;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = lower(c);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Once, in place. Returns false for broken escapes and for bytes that no path may hold. */
static bool decode_path(char *p, size_t n, size_t *ret_len)
{
	size_t out = 0;

	for (size_t i = 0; i < n; i++) {
		unsigned char c = (unsigned char)p[i];

		if (c == '%') {
			int high = i + 2 < n ? hex_digit(p[i + 1]) : -1;
			int low = i + 2 < n ? hex_digit(p[i + 2]) : -1;

			if (high < 0 || low < 0)
				return false;
			c = (unsigned char)(high << 4 | low);
			i += 2;
		}
		if (c < 0x20 || c == 0x7f || c == '\\')
			return false;
		p[out++] = (char)c;
	}
	*ret_len = out;
	return utf8_valid_xml(p, out);
}

static bool climbs(struct jd_str path)
{
	size_t begin = 1;

	for (size_t i = 1; i <= path.len; i++) {
		if (i < path.len && path.p[i] != '/')
			continue;
		if (i - begin == 2 && path.p[begin] == '.' && path.p[begin + 1] == '.')
			return true;
		begin = i + 1;
	}
	return false;
}

static unsigned parse_path(struct jd_str target, struct http_request *rq)
{
	const char *mark = memchr(target.p, '?', target.len);
	size_t n = mark ? (size_t)(mark - target.p) : target.len;

	if (mark)
		rq->query = (struct jd_str){mark + 1, target.len - n - 1};
	if (n == 0 || target.p[0] != '/' || !decode_path((char *)target.p, n, &n))
		return 400;
	rq->path = (struct jd_str){target.p, n};
	return climbs(rq->path) ? 400 : 0;
}

/* http://host/path: every server must understand it, and its host counts. */
static unsigned parse_absolute(struct jd_str target, struct http_request *rq)
{
	static const char *const schemes[] = {"http://", "https://"};
	unsigned status;
	size_t n = 0;

	for (size_t i = 0; i < JD_ARRAY_SIZE(schemes) && n == 0; i++) {
		struct jd_str scheme = jd_cstr(schemes[i]);

		if (target.len > scheme.len &&
		    same_without_case((struct jd_str){target.p, scheme.len}, scheme))
			n = scheme.len;
	}
	if (n == 0)
		return 400;
	target.p += n;
	target.len -= n;
	for (n = 0; n < target.len && target.p[n] != '/' && target.p[n] != '?';)
		n++;
	status = parse_host((struct jd_str){target.p, n}, rq);
	if (status)
		return status;
	if (n == target.len) {
		rq->path = JD_STR("/");
		return 0;
	}
	return parse_path((struct jd_str){target.p + n, target.len - n}, rq);
}

static unsigned parse_target(struct jd_str target, struct http_request *rq)
{
	size_t hosts = count_headers(rq, "host");
	unsigned status = 0;

	if (hosts > 1 || (hosts == 0 && rq->minor > 0))
		return 400;
	if (hosts)
		status = parse_host(http_header(rq, "host"), rq);
	if (status)
		return status;
	if (target.p[0] == '/')
		return parse_path(target, rq);
	if (jd_str_is(target, "*") && jd_str_is(rq->method, "OPTIONS")) {
		rq->path = target;
		return 0;
	}
	return parse_absolute(target, rq);
}

/* -- what follows the header ---------------------------------------------------------------- */

static unsigned parse_length(struct jd_str s, uint64_t *ret_length)
{
	uint64_t v = 0;

	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return 400;
		if (v < UINT64_MAX / 16) /* past every bound already: it need not be exact */
			v = v * 10 + (uint64_t)(s.p[i] - '0');
	}
	*ret_length = v;
	return s.len ? 0 : 400;
}

static unsigned parse_framing(const struct http_request *rq, struct http_framing *ret_framing)
{
	size_t lengths = count_headers(rq, "content-length");
	size_t codings = count_headers(rq, "transfer-encoding");

	*ret_framing = (struct http_framing){.chunked = codings > 0};
	if (codings) {
		if (lengths || codings > 1 || rq->minor == 0 ||
		    !same_without_case(http_header(rq, "transfer-encoding"), JD_STR("chunked")))
			return 400;
		return 0;
	}
	if (lengths > 1)
		return 400;
	return lengths ? parse_length(http_header(rq, "content-length"), &ret_framing->length) : 0;
}

static bool wants_keep_alive(const struct http_request *rq)
{
	if (http_header_has(rq, "connection", "close", false))
		return false;
	return rq->minor > 0 || http_header_has(rq, "connection", "keep-alive", false);
}

unsigned http_request_parse(char *head, size_t n, struct http_request *rq,
			    struct http_framing *ret_framing)
{
	struct jd_str target = JD_STR_NULL;
	unsigned status = 0;
	char *line = head, *lf;

	for (; status == 0 && (lf = memchr(line, '\n', n - (size_t)(line - head))); line = lf + 1) {
		size_t len = (size_t)(lf - line) - 1; /* without CR */

		if (line == head)
			status = parse_request_line((struct jd_str){line, len}, rq, &target);
		else
			status = parse_header_line(line, len, rq);
	}
	if (status == 0)
		status = parse_target(target, rq);
	if (status == 0)
		status = parse_framing(rq, ret_framing);
	if (status)
		return status;
	rq->keep_alive = wants_keep_alive(rq);
	/* Nobody here wants a body, so there is nothing to encourage a client to. */
	return count_headers(rq, "expect") ? 417 : 0;
}
