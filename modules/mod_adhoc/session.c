/* SPDX-License-Identifier: MIT
 *
 * Sessions of commands: what is kept between two stages.  They are few, so a list
 * will do.  One ends when its command is done or cancelled, when its user's
 * session ends, or when nothing came for a while.
 *
 * A stage that is being answered keeps its session: its answer is waited for
 * less long (30 s) than a session lives without a request (a minute at least).
 */
#include "adhoc_priv.h"

static void adhoc_session_free(struct session *s)
{
	struct adhoc *a = jd_data(s->mi);
	struct session **at = &a->sessions;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	memcpy(a->ended[a->next_ended], s->id, ID_SIZE);
	a->next_ended = (a->next_ended + 1) % ENDED_KEPT;
	jd_timer_stop(&s->timer);
	jd_free(s->node);
	jd_free(s->owner);
	jd_free(s->data);
	jd_free(s);
}

static void on_timeout(void *arg)
{
	struct session *s = arg;

	s->timer = NULL; /* it has run */
	adhoc_session_free(s);
}

void adhoc_session_touch(struct session *s)
{
	const struct adhoc *a = jd_data(s->mi);

	jd_timer_stop(&s->timer);
	s->timer = jd_timer_start(jd_instance_pending(s->mi), a->timeout, on_timeout, s);
}

static bool same_account(const struct session *s, struct jd_jid owner)
{
	struct jd_str bare = jd_jid_bare_str(owner);
	size_t n = strlen(s->owner);

	return n >= bare.len && memcmp(s->owner, bare.p, bare.len) == 0 &&
	       (n == bare.len || s->owner[bare.len] == '/');
}

static bool is_full(const struct adhoc *a, struct jd_jid owner)
{
	int64_t all = 0, own = 0;

	for (const struct session *s = a->sessions; s; s = s->next) {
		all++;
		own += same_account(s, owner);
	}
	return all >= a->max_sessions || own >= a->max_per_account;
}

struct session *adhoc_session_new(struct jd_instance *mi, struct jd_iq *iq, struct jd_str node)
{
	struct adhoc *a = jd_data(mi);
	struct jd_str id = jd_random_id(iq->st->arena, ID_BYTES);
	struct session *s;

	if (is_full(a, iq->st->from) || id.len >= ID_SIZE)
		return NULL;
	s = jd_alloc(sizeof(*s));
	s->mi = mi;
	memcpy(s->id, id.p, id.len);
	s->node = jd_strdup(node);
	s->owner = jd_strdup(jd_jid_str(iq->st->from));
	s->next = a->sessions;
	a->sessions = s;
	adhoc_session_touch(s);
	return s;
}

struct session *adhoc_session_find(struct jd_instance *mi, struct jd_str id, struct jd_jid owner)
{
	const struct adhoc *a = jd_data(mi);

	for (struct session *s = a->sessions; s; s = s->next)
		if (!s->gone && jd_str_is(id, s->id) && jd_str_is(jd_jid_str(owner), s->owner))
			return s;
	return NULL;
}

void adhoc_session_end(struct session *s)
{
	if (s->busy)
		s->gone = true;
	else
		adhoc_session_free(s);
}

bool adhoc_session_has_ended(struct jd_instance *mi, struct jd_str id)
{
	const struct adhoc *a = jd_data(mi);

	for (unsigned i = 0; i < ENDED_KEPT && id.len; i++)
		if (jd_str_is(id, a->ended[i]))
			return true;
	return false;
}

void adhoc_sessions_end_of(struct jd_instance *mi, struct jd_jid owner)
{
	const struct adhoc *a = jd_data(mi);

	for (struct session *s = a->sessions, *next; s; s = next) {
		next = s->next;
		if (jd_str_is(jd_jid_str(owner), s->owner))
			adhoc_session_end(s);
	}
}

void adhoc_sessions_free(struct jd_instance *mi)
{
	struct adhoc *a = jd_data(mi);

	while (a->sessions)
		adhoc_session_free(a->sessions);
}
