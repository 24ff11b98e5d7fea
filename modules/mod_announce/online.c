/* SPDX-License-Identifier: MIT
 *
 * Announcements to all who are there.
 *
 * The sessions of the host are kept in the order of their coming.  An announcement
 * walks from the first to the one that was the last when it was given, some at a
 * time, so that fifty thousand sessions don't stop everything else; who comes
 * later has missed it.
 */
#include "announce.h"

#define AT_A_TIME 200
#define MAX_GOING 16

static struct crowd *crowd_of(struct jd_instance *mi)
{
	return &((struct announce *)jd_data(mi))->crowd;
}

void send_text(struct jd_instance *mi, struct jd_jid to, struct text text)
{
	struct jd_xml *x = jd_stanza_new(JD_MESSAGE, JD_TYPE_HEADLINE,
					 jd_host_jid(jd_instance_host(mi)), to, JD_STR_NULL);

	if (text.subject.p)
		jd_xml_leaf(x, JD_NS_STANZA, "subject", text.subject);
	jd_xml_leaf(x, JD_NS_STANZA, "body", text.body);
	jd_send(x);
}

/* -- an announcement ---------------------------------------------------------------------- */

static void going_end(struct crowd *c)
{
	struct announcement *a = c->going;

	c->going = a->next;
	c->n_going--;
	jd_free(a->subject);
	jd_free(a->body);
	jd_free(a);
}

/* The oldest one goes first, so that they arrive in their order. */
static void tell_some(struct jd_instance *mi, struct announcement *a)
{
	struct text text = {jd_cstr(a->subject), jd_cstr(a->body)};

	for (unsigned n = 0; a->at && n < AT_A_TIME; n++) {
		struct online *o = a->at;

		a->at = o == a->last ? NULL : o->next;
		if (o->available)
			send_text(mi, jd_session_jid(o->session), text);
	}
}

static void on_time(void *arg)
{
	struct jd_instance *mi = arg;
	struct crowd *c = crowd_of(mi);

	c->timer = NULL;
	if (c->going)
		tell_some(mi, c->going);
	while (c->going && !c->going->at)
		going_end(c);
	if (c->going)
		c->timer = jd_timer_start(jd_instance_pending(mi), JD_USEC_PER_MSEC, on_time, mi);
}

int64_t crowd_tell(struct jd_instance *mi, struct text text)
{
	struct crowd *c = crowd_of(mi);
	struct announcement *a, **at = &c->going;

	if (c->n_going == MAX_GOING)
		return -JD_ELIMIT;
	a = jd_alloc(sizeof(*a));
	a->at = c->first;
	a->last = c->last;
	a->subject = text.subject.p ? jd_strdup(text.subject) : NULL;
	a->body = jd_strdup(text.body);
	while (*at)
		at = &(*at)->next;
	*at = a;
	c->n_going++;
	if (!c->timer)
		c->timer = jd_timer_start(jd_instance_pending(mi), 0, on_time, mi);
	return (int64_t)c->available;
}

/* -- who is there ------------------------------------------------------------------------- */

static void on_bound(struct jd_instance *mi, struct jd_session_event *ev)
{
	struct online *o = jd_session_data(mi, ev->session);
	struct crowd *c = crowd_of(mi);

	o->session = ev->session;
	o->prev = c->last;
	*(c->last ? &c->last->next : &c->first) = o;
	c->last = o;
	o->listed = true;
}

static void on_presence(struct jd_instance *mi, struct jd_session_event *ev)
{
	struct online *o = jd_session_data(mi, ev->session);
	bool now = jd_session_presence(ev->session) != NULL;
	struct crowd *c = crowd_of(mi);

	if (!o->listed || o->available == now)
		return;
	o->available = now;
	c->available += now ? 1 : (size_t)-1;
}

/* Announcements on their way go on behind it, or end in front of it. */
static void step_over(struct crowd *c, const struct online *o)
{
	for (struct announcement *a = c->going; a; a = a->next) {
		if (a->at == o)
			a->at = o == a->last ? NULL : o->next;
		if (a->last == o)
			a->last = o->prev;
	}
}

static void leave(struct crowd *c, struct online *o)
{
	if (!o->listed)
		return;
	step_over(c, o);
	*(o->prev ? &o->prev->next : &c->first) = o->next;
	*(o->next ? &o->next->prev : &c->last) = o->prev;
	if (o->available)
		c->available--;
	o->listed = o->available = false;
}

static void on_unbound(struct jd_instance *mi, struct jd_session_event *ev)
{
	leave(crowd_of(mi), jd_session_data(mi, ev->session));
}

int crowd_start(struct jd_instance *mi)
{
	int r = jd_on(mi, session_bound, JD_PRIO_NORMAL, on_bound);

	if (r == 0)
		r = jd_on(mi, session_presence, JD_PRIO_NORMAL, on_presence);
	if (r == 0)
		r = jd_on(mi, session_unbound, JD_PRIO_NORMAL, on_unbound);
	return r;
}

/* When the session ends it has left; when the module does, this comes before stop(). */
void crowd_forget(struct jd_instance *mi, void *data)
{
	leave(crowd_of(mi), data);
}

void crowd_stop(struct jd_instance *mi)
{
	struct crowd *c = crowd_of(mi);

	while (c->going)
		going_end(c);
}
