/* SPDX-License-Identifier: MIT
 *
 * How fast a client may be, and for how long it may be silent.
 *
 * Rates.  Each stream has two token buckets, bytes and elements, and each is one
 * number: the time at which all that came would be due if it had come at the
 * allowed rate.  Being `burst` ahead of the clock is the bound; past it nothing
 * is read until the clock has caught up.  Nobody is cut off for being fast, and
 * nothing that was sent is lost: TCP makes the sender wait.
 *
 * Silence.  A session that says nothing for a while is asked whether it is there
 * (by a ping that logic sends, or one of the WebSocket's own) and ended when not
 * one byte comes; whatever comes is a sign of life, an error too.  A stanza that
 * has begun must end some day, however steadily its bytes may drip.  All this is
 * looked at once a second: no timer is armed for any of it.
 */
#include "stream/c2s_priv.h"

/* -- rates --------------------------------------------------------------------------- */

static const struct stream_settings *settings_of(const struct c2s *c)
{
	return c->login ? c->login->settings : c->thread->settings;
}

static const struct stream_rate *rate_of(const struct c2s *c)
{
	return c->login ? &c->login->settings->rate_before : &c->thread->settings->rate_after;
}

static void spend(jd_usec *due, jd_usec now, uint64_t n, uint64_t per_second)
{
	if (!per_second) {
		*due = 0;
		return;
	}
	if (*due < now)
		*due = now;
	*due += (jd_usec)((n * JD_USEC_PER_SEC + per_second - 1) / per_second);
}

void pace_bytes(struct c2s *c, size_t n)
{
	spend(&c->bytes_due, loop_now(c->thread->loop), n, rate_of(c)->bytes);
}

void pace_element(struct c2s *c)
{
	c->drips = 0;
	spend(&c->elements_due, loop_now(c->thread->loop), 1, rate_of(c)->elements);
}

void pace_reset(struct c2s *c)
{
	c->bytes_due = c->elements_due = 0;
}

bool pace_too_fast(const struct c2s *c)
{
	jd_usec latest = loop_now(c->thread->loop) + settings_of(c)->rate_burst;

	return c->bytes_due > latest || c->elements_due > latest;
}

/* -- silence --------------------------------------------------------------------------- */

static void end_as_lost(struct c2s *c, const char *text)
{
	c->lost = true;
	c2s_error(c, STREAM_CONNECTION_TIMEOUT, text);
}

static void ask_for_life(struct c2s *c)
{
	if (c->ws) {
		ws_ping(c->ws);
		c->asked = true;
	} else {
		/* If the ring is full, in a second again. */
		c->asked = io_post(conn_link(c->conn), C2S_IDLE, NULL, 0);
	}
}

/* A component may well have nothing to say, and need not know pings: something is sent, so
 * that the system notices when nobody is there any more. */
static void keep_alive(struct c2s *c, const struct stream_settings *s, jd_usec now)
{
	if (s->idle_ping && now - conn_last_write(c->conn) >= s->idle_ping)
		c2s_say(c, " ");
}

/* True when the stream has ended. */
static bool check_silence(struct c2s *c, const struct stream_settings *s, jd_usec now)
{
	jd_usec silent = now - conn_last_read(c->conn);

	if (s->idle_timeout && silent >= s->idle_timeout) {
		end_as_lost(c, NULL);
		return true;
	}
	if (!s->idle_ping || silent < s->idle_ping)
		c->asked = false;
	else if (!c->asked)
		ask_for_life(c);
	return false;
}

/* True when the stream has ended. */
static bool check_drips(struct c2s *c, const struct stream_settings *s)
{
	if (!scan_unfinished(c->scan) && !(c->ws && ws_unfinished(c->ws)))
		c->drips = 0;
	else if (c->drips < UINT16_MAX)
		c->drips++;
	if (!s->stanza_deadline || c->drips * JD_USEC_PER_SEC <= s->stanza_deadline)
		return false;
	c2s_error(c, STREAM_POLICY_VIOLATION, "The stanza took too long to arrive.");
	return true;
}

bool pace_check(struct c2s *c, jd_usec now)
{
	const struct stream_settings *s = c->thread->settings;

	if (c->state != AT_BOUND)
		return false;
	if (c->component) {
		keep_alive(c, s, now);
		return !c->stops && !conn_paused(c->conn) && check_drips(c, s);
	}
	/* While it is not read, its silence is ours; and once it is read again, it gets one round
	 * of the wheel to be heard. */
	if (c->stops || conn_paused(c->conn)) {
		c->excused = true;
		return false;
	}
	if (c->excused) {
		c->excused = false;
		return false;
	}
	return check_silence(c, s, now) || check_drips(c, s);
}
