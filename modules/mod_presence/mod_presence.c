/* SPDX-License-Identifier: MIT
 *
 * Presence (RFC 6121 section 4): from one session to everybody who may see it.
 *
 *   broadcast   presence without 'to' goes to the account's own sessions and to
 *               the contacts who see us; the first one also asks for theirs
 *               (probes) and brings what waited: subscription requests
 *   directed    presence with 'to' goes there, and is remembered, so that they
 *               too hear when the session ends; unless it cannot be delivered
 *   probe       a contact's server asks; it is told about each available session
 *
 * Who sees whom is known by the service "roster".
 */
#include <jackdaw/presence.h>
#include <jackdaw/roster.h>

#define DIRECTED_MAX 256

struct directed {
	struct directed *next;
	struct jd_jid to; /* text behind the struct */
};

/* Data of a session. */
struct state {
	struct directed *directed;
	unsigned n_directed;
};

struct service {
	const struct jd_roster_ops *ops;
	struct jd_instance *mi;
};

static struct service *service_of(struct jd_instance *mi)
{
	return jd_data(mi);
}

/* -- directed presence --------------------------------------------------------------------- */

static struct directed **directed_find(struct state *st, struct jd_jid to)
{
	struct directed **p = &st->directed;

	while (*p && !jd_jid_eq((*p)->to, to))
		p = &(*p)->next;
	return p;
}

/* False when the session has told as many as it may. */
static bool directed_add(struct state *st, struct jd_jid to)
{
	struct jd_str text = jd_jid_str(to);
	struct directed *d;

	if (*directed_find(st, to))
		return true;
	if (st->n_directed >= DIRECTED_MAX)
		return false;
	d = jd_alloc(sizeof(*d) + text.len);
	memcpy(d + 1, text.p, text.len);
	d->to = to;
	d->to.p = (const char *)(d + 1);
	d->next = st->directed;
	st->directed = d;
	st->n_directed++;
	return true;
}

static void directed_remove(struct state *st, struct jd_jid to)
{
	struct directed **p = directed_find(st, to), *d = *p;

	if (!d)
		return;
	*p = d->next;
	st->n_directed--;
	jd_free(d);
}

/* The address, and each resource of it: they hear of the session by a broadcast. */
static void directed_remove_all(struct state *st, struct jd_jid bare)
{
	struct directed **p = &st->directed;

	while (*p) {
		struct directed *d = *p;

		if (!jd_jid_bare_eq(d->to, bare)) {
			p = &d->next;
			continue;
		}
		*p = d->next;
		st->n_directed--;
		jd_free(d);
	}
}

static void directed_clear(struct state *st)
{
	while (st->directed)
		directed_remove(st, st->directed->to);
}

/* -- to contacts ------------------------------------------------------------------------------ */

struct fan {
	struct jd_stanza *st; /* what is sent */
	struct state *told;   /* directed presence that this makes superfluous; or NULL */
	struct jd_jid from;   /* probes */
};

static void to_contact(const struct jd_contact *contact, void *arg)
{
	struct fan *fan = arg;

	if (!jd_jid_ok(contact->jid))
		return;
	if (fan->told)
		directed_remove_all(fan->told, contact->jid);
	jd_send_copy(fan->st, contact->jid);
}

static void probe_contact(const struct jd_contact *contact, void *arg)
{
	struct fan *fan = arg;

	if (jd_jid_ok(contact->jid))
		jd_send(jd_stanza_new(JD_PRESENCE, JD_TYPE_PROBE, fan->from, contact->jid,
				      JD_STR_NULL));
}

/* To the account's other sessions that are available. */
static void to_own(struct jd_account *a, struct jd_session *but, struct jd_stanza *st)
{
	struct jd_session *next;

	for (struct jd_session *s = jd_session_next(a, NULL); s; s = next) {
		next = jd_session_next(a, s);
		if (s != but && jd_session_presence(s))
			(void)jd_session_send(s, st);
	}
}

static void broadcast(struct jd_instance *mi, struct jd_account *a, struct jd_stanza *st,
		      struct state *told)
{
	struct service *roster = service_of(mi);
	struct fan fan = {.st = st, .told = told};

	roster->ops->each(roster->mi, a, JD_SUB_FROM, to_contact, &fan);
}

/* -- from a session ------------------------------------------------------------------------------
 */

static void deliver_request(struct jd_stanza *request, void *arg)
{
	(void)jd_session_send(arg, request);
}

/* Shows the session who else of the account is there; false: nobody is. */
static bool show_others(struct jd_account *a, struct jd_session *to)
{
	bool any = false;

	for (struct jd_session *s = jd_session_next(a, NULL); s; s = jd_session_next(a, s)) {
		if (s == to || !jd_session_presence(s))
			continue;
		(void)jd_session_send(to, jd_session_presence(s));
		any = true;
	}
	return any;
}

/* The first presence: ask for that of others, and show what waited.  The account asks (section
 * 4.3.1); but where others of its sessions know the answers already, only the new one gets them. */
static void arrive(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	struct service *roster = service_of(mi);
	struct fan probes = {.st = ev->st, .from = jd_account_jid(ev->account)};

	if (show_others(ev->account, ev->session))
		probes.from = jd_session_jid(ev->session);
	roster->ops->each(roster->mi, ev->account, JD_SUB_TO, probe_contact, &probes);
	roster->ops->each_request(roster->mi, ev->account, deliver_request, ev->session);
}

/* -128..127; absent is 0. False: not a priority (RFC 6121 4.7.2.3). */
static bool read_priority(struct jd_stanza *st, int *ret_priority)
{
	struct jd_el el = jd_el_child(jd_stanza_root(st), JD_NS_STANZA, "priority");
	struct jd_str s = jd_el_text(el, st->arena);
	size_t i = s.len && (s.p[0] == '-' || s.p[0] == '+');
	int n = 0;

	if (!jd_el_ok(el) || !s.len) {
		*ret_priority = 0;
		return true;
	}
	if (i == s.len || s.len > i + 3)
		return false;
	for (size_t k = i; k < s.len; k++) {
		if (s.p[k] < '0' || s.p[k] > '9')
			return false;
		n = n * 10 + (s.p[k] - '0');
	}
	if (s.p[0] == '-')
		n = -n;
	if (n < -128 || n > 127)
		return false;
	*ret_priority = n;
	return true;
}

static void available(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	struct state *st = jd_session_data(mi, ev->session);
	bool first = !jd_session_presence(ev->session);
	int priority;

	if (!read_priority(ev->st, &priority)) {
		jd_bounce(ev->st, JD_BAD_REQUEST, "The priority is not a number from -128 to 127.");
		return;
	}
	jd_session_set_presence(ev->session, ev->st, priority);
	to_own(ev->account, NULL, ev->st);
	broadcast(mi, ev->account, ev->st, st);
	if (first)
		arrive(mi, ev);
}

/* Everybody who was told that the session is there. */
static void tell_unavailable(struct jd_instance *mi, struct jd_account *a, struct jd_session *s,
			     struct jd_stanza *st)
{
	struct state *state = jd_session_data(mi, s);

	if (jd_session_presence(s)) {
		to_own(a, s, st);
		broadcast(mi, a, st, state);
	}
	for (struct directed *d = state->directed; d; d = d->next)
		jd_send_copy(st, d->to);
	directed_clear(state);
}

static void unavailable(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	tell_unavailable(mi, ev->account, ev->session, ev->st);
	if (!jd_session_presence(ev->session))
		return;
	(void)jd_session_send(ev->session, ev->st); /* itself, too (section 4.5.2) */
	jd_session_set_presence(ev->session, NULL, 0);
}

static bool may_see(struct jd_instance *mi, struct jd_account *a, struct jd_jid who)
{
	struct service *roster = service_of(mi);
	struct jd_contact contact;

	if (jd_jid_bare_eq(who, jd_account_jid(a)))
		return true;
	return roster->ops->find(roster->mi, a, jd_jid_bare_str(who), &contact) &&
	       contact.subscription & JD_SUB_FROM;
}

static enum jd_verdict directed(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	struct state *st = jd_session_data(mi, ev->session);

	if (ev->st->type == JD_TYPE_UNAVAILABLE) {
		directed_remove(st, ev->st->to);
	} else if (jd_session_presence(ev->session) && may_see(mi, ev->account, ev->st->to)) {
		return JD_PASS; /* will hear of the end by the broadcast */
	} else if (!directed_add(st, ev->st->to)) {
		jd_bounce(ev->st, JD_RESOURCE_CONSTRAINT, "Too many addresses have been told.");
		return JD_DROP;
	}
	return JD_PASS;
}

static enum jd_verdict on_session(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	enum jd_type type = ev->st->type;

	if (ev->st->kind != JD_PRESENCE)
		return JD_PASS;
	if (type == JD_TYPE_PROBE) /* servers probe, clients don't need to */
		return JD_DROP;
	if (type != JD_TYPE_NONE && type != JD_TYPE_UNAVAILABLE)
		return JD_PASS;
	if (jd_el_attr(jd_stanza_root(ev->st), "to").p)
		return directed(mi, ev);
	if (type == JD_TYPE_NONE)
		available(mi, ev);
	else
		unavailable(mi, ev);
	return JD_DONE;
}

static void on_unbound(struct jd_instance *mi, struct jd_session_event *ev)
{
	struct jd_stanza *st;

	if (!jd_session_presence(ev->session) &&
	    !((struct state *)jd_session_data(mi, ev->session))->directed)
		return;
	st = jd_built(jd_stanza_new(JD_PRESENCE, JD_TYPE_UNAVAILABLE, jd_session_jid(ev->session),
				    jd_account_jid(ev->account), JD_STR_NULL));
	tell_unavailable(mi, ev->account, ev->session, st);
	jd_stanza_unref(st);
}

/* -- the service --------------------------------------------------------------------------------
 */

static void withdraw_of(struct state *state, struct jd_session *s,
			bool (*match)(struct jd_jid, void *), void *arg)
{
	struct directed **p = &state->directed;

	while (*p) {
		struct directed *d = *p;

		if (!match(d->to, arg)) {
			p = &d->next;
			continue;
		}
		jd_send(jd_stanza_new(JD_PRESENCE, JD_TYPE_UNAVAILABLE, jd_session_jid(s), d->to,
				      JD_STR_NULL));
		*p = d->next;
		state->n_directed--;
		jd_free(d);
	}
}

static void service_withdraw(struct jd_instance *mi, struct jd_account *a,
			     bool (*match)(struct jd_jid, void *), void *arg)
{
	for (struct jd_session *s = jd_session_next(a, NULL); s; s = jd_session_next(a, s))
		withdraw_of(jd_session_data(mi, s), s, match, arg);
}

static const struct jd_presence_ops presence_ops = {
	.withdraw = service_withdraw,
};

/* -- to an account
 * ----------------------------------------------------------------------------------- */

static void on_probe(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	struct jd_jid asker = ev->st->from;
	unsigned n = 0;

	if (!may_see(mi, ev->account, asker)) {
		jd_send(jd_stanza_new(JD_PRESENCE, JD_TYPE_UNSUBSCRIBED,
				      jd_account_jid(ev->account), jd_jid_bare(asker),
				      JD_STR_NULL));
		return;
	}
	for (struct jd_session *s = jd_session_next(ev->account, NULL); s;
	     s = jd_session_next(ev->account, s)) {
		if (!jd_session_presence(s))
			continue;
		jd_send_copy(jd_session_presence(s), asker);
		n++;
	}
	if (!n)
		jd_send(jd_stanza_new(JD_PRESENCE, JD_TYPE_UNAVAILABLE, jd_account_jid(ev->account),
				      asker, JD_STR_NULL));
}

static enum jd_verdict on_account(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	if (ev->st->kind != JD_PRESENCE)
		return JD_PASS;
	if (ev->st->type == JD_TYPE_PROBE) {
		on_probe(mi, ev);
		return JD_DONE;
	}
	if (ev->st->type == JD_TYPE_ERROR && ev->session)
		directed_remove(jd_session_data(mi, ev->session), ev->st->from);
	if (ev->st->to.resource_len)
		return JD_PASS; /* the core gives it to that session */
	if (ev->st->type == JD_TYPE_NONE || ev->st->type == JD_TYPE_UNAVAILABLE)
		to_own(ev->account, NULL, ev->st);
	return JD_DONE;
}

/* -- the module
 * ------------------------------------------------------------------------------------------ */

static void session_free(struct jd_instance *mi, void *data)
{
	(void)mi;
	directed_clear(data);
}

static int start(struct jd_instance *mi)
{
	struct service *roster = service_of(mi);
	int r;

	roster->ops = jd_service(mi, "roster", &roster->mi);
	if (!roster->ops)
		return -JD_ENOENT;
	r = jd_provide(mi, "presence", &presence_ops);
	if (r == 0)
		r = jd_on(mi, session_in, JD_PRIO_NORMAL, on_session);
	if (r == 0)
		r = jd_on(mi, account_in, JD_PRIO_NORMAL, on_account);
	if (r == 0)
		r = jd_on(mi, session_unbound, JD_PRIO_NORMAL, on_unbound);
	return r;
}

JD_MODULE(presence, .summary = "Presence: broadcast, directed, probes (RFC 6121 4)",
	  .needs = "roster", .data_size = sizeof(struct service),
	  .session_size = sizeof(struct state), .session_free = session_free, .start = start);
