/* SPDX-License-Identifier: MIT
 *
 * What a stream says by itself: its header, errors, the end.  Over TCP these are
 * parts of one document; over a WebSocket each is a frame and a document of its
 * own (RFC 7395), so the header is <open/>, the end is <close/>, and an error
 * declares the prefix "stream" itself.
 */
#include "net/ws_frame.h"
#include "stream/c2s_priv.h"
#include "util/base64.h"
#include "xml/escape.h"

#define ID_BYTES 18

/* -- text ---------------------------------------------------------------------------- */

static char *room(struct say *s, size_t n)
{
	if (s->len + n > s->cap) {
		s->cap = (s->len + n) * 2 + 256;
		s->p = mem_realloc(s->p, s->cap);
	}
	return s->p + s->len;
}

void say_bytes(struct say *s, const void *data, size_t n)
{
	if (n == 0)
		return;
	memcpy(room(s, n), data, n);
	s->len += n;
}

void say_str(struct say *s, const char *text)
{
	say_bytes(s, text, strlen(text));
}

void say_uint(struct say *s, uint64_t n)
{
	char digits[24];
	size_t at = sizeof(digits);

	do
		digits[--at] = (char)('0' + n % 10);
	while (n /= 10);
	say_bytes(s, digits + at, sizeof(digits) - at);
}

static void say_escaped(struct say *s, struct jd_str value, enum escape_where where)
{
	while (value.len) {
		size_t n = escape_plain(value.p, value.len, where);

		say_bytes(s, value.p, n);
		if (n < value.len) {
			struct jd_str ref = escape_ref(value.p[n]);

			say_bytes(s, ref.p, ref.len);
			n++;
		}
		value.p += n;
		value.len -= n;
	}
}

static void say_text(struct say *s, struct jd_str value)
{
	say_escaped(s, value, ESCAPE_TEXT);
}

void say_attr(struct say *s, const char *name, struct jd_str value)
{
	if (!value.p)
		return;
	say_str(s, " ");
	say_str(s, name);
	say_str(s, "='");
	say_escaped(s, value, ESCAPE_ATTR);
	say_str(s, "'");
}

void say_base64(struct say *s, const void *data, size_t n)
{
	s->len += base64_encode(data, n, room(s, BASE64_LEN(n)));
}

void say_done(struct c2s *c, struct say *s)
{
	if (c->ws)
		ws_write(c->ws, s->p, s->len);
	else
		conn_write(c->conn, s->p, s->len);
	crypto_wipe(s->p, s->len);
	mem_free(s->p);
	*s = (struct say){0};
}

void c2s_say(struct c2s *c, const char *text)
{
	struct say s = {0};

	say_str(&s, text);
	say_done(c, &s);
}

/* -- the frame of a stream -------------------------------------------------------------- */

void c2s_say_header(struct c2s *c, struct jd_str from)
{
	const struct stream_settings *settings = c->login->settings;
	const struct stream_host *host = c->login->host;
	char id[ID_BYTES * 4 / 3 + 2];
	struct say s = {0};

	if (c->component) {
		component_say_header(c);
		return;
	}
	if (!host && settings->n_hosts)
		host = &settings->hosts[0];
	crypto_random_id(id, ID_BYTES);
	say_str(&s, c->ws ? "<open xmlns='" JD_NS_FRAMING "'"
			  : "<?xml version='1.0'?><stream:stream xmlns='" JD_NS_STANZA
			    "' xmlns:stream='" JD_NS_STREAM "'");
	say_attr(&s, "id", jd_cstr(id));
	say_attr(&s, "from", host ? host->name : JD_STR_NULL);
	say_attr(&s, "to", from);
	say_str(&s, " version='1.0' xml:lang='en'");
	say_str(&s, c->ws ? "/>" : ">");
	say_done(c, &s);
	c->header_out = true;
}

/* Where a session goes when the server stops; NULL: nowhere. */
static const char *other_server(const struct c2s *c)
{
	const struct stream_settings *s = c->thread->settings;

	if (c->state != AT_BOUND || c->component)
		return NULL;
	return c->ws ? s->see_other_uri : s->see_other;
}

/* RFC 6120 4.9.3.19: an error that says where. RFC 7395 3.6: <close/> says it, without an error. */
static void say_see_other(struct c2s *c, const char *other)
{
	struct say s = {0};

	if (c->ws) {
		say_str(&s, "<close xmlns='" JD_NS_FRAMING "'");
		say_attr(&s, "see-other-uri", jd_cstr(other));
		say_str(&s, "/>");
	} else {
		say_str(&s, "<stream:error><see-other-host xmlns='" JD_NS_STREAM_ERRORS "'>");
		say_text(&s, jd_cstr(other));
		say_str(&s, "</see-other-host></stream:error>");
	}
	say_done(c, &s);
	c->end_said = c->ws != NULL;
}

void c2s_say_end(struct c2s *c)
{
	if (c->end_said)
		return;
	if (c->ws)
		c2s_say(c, "<close xmlns='" JD_NS_FRAMING "'/>");
	else if (c->header_out)
		c2s_say(c, "</stream:stream>");
}

/* If the ring is full, IO_CLOSED will tell. */
void c2s_tell_end(struct c2s *c)
{
	if ((c->state == AT_BOUND || c->state == AT_BINDING) && !c->end_told)
		c->end_told = io_post(conn_link(c->conn), C2S_END, NULL,
				      c->lost ? STREAM_LOST : STREAM_ENDED);
}

void c2s_end_stream(struct c2s *c)
{
	if (c->state == AT_CLOSED)
		return;
	c2s_tell_end(c);
	c2s_say_end(c);
	c->state = AT_CLOSED;
	if (c->scanning)
		scan_pause(c->scan);
	if (c->ws)
		ws_close(c->ws, WS_CLOSE_NORMAL, NULL);
	else
		conn_close(c->conn, CONN_WE_CLOSED);
}

void c2s_say_error(struct c2s *c, const char *condition, const char *text, const char *detail)
{
	struct say s = {0};

	say_str(&s, c->ws ? "<stream:error xmlns:stream='" JD_NS_STREAM "'><" : "<stream:error><");
	say_str(&s, condition);
	say_str(&s, " xmlns='" JD_NS_STREAM_ERRORS "'/>");
	if (text) {
		say_str(&s, "<text xmlns='" JD_NS_STREAM_ERRORS "' xml:lang='en'>");
		say_str(&s, text);
		say_str(&s, "</text>");
	}
	say_str(&s, detail);
	say_str(&s, "</stream:error>");
	say_done(c, &s);
}

void c2s_error(struct c2s *c, enum stream_condition condition, const char *text)
{
	c2s_error_detail(c, condition, text, "");
}

void c2s_error_detail(struct c2s *c, enum stream_condition condition, const char *text,
		      const char *detail)
{
	const char *name = stream_condition_name(condition), *other;

	if (c->state == AT_CLOSED)
		return;
	jd_log_peer(JD_LOG_INFO, "stream error", jd_kv_cstr("condition", name),
		    jd_kv_str("peer", conn_peer(c->conn)));
	if (!c->header_out)
		c2s_say_header(c, JD_STR_NULL);
	other = condition == STREAM_SYSTEM_SHUTDOWN ? other_server(c) : NULL;
	if (other)
		say_see_other(c, other);
	else
		c2s_say_error(c, name, text, detail);
	c2s_end_stream(c);
}
