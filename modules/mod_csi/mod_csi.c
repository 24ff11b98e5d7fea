/* SPDX-License-Identifier: MIT
 *
 * Client state indication (XEP-0352): what nobody needs to see at once waits
 * while nobody looks at the client, so that the radio of a telephone may sleep.
 *
 * What waits stands in a queue of the session, of presence and chat states the
 * latest of each sender.  The whole queue is written, in its order, right before
 * the first thing that cannot wait, when the client becomes active, and when the
 * queue has reached its bound: so nothing overtakes anything of the same sender.
 * A session without a connection that may come back (XEP-0198) is treated as
 * one that nobody looks at, and comes back active, as section 5 wants it.
 */
#include "csi.h"

#define NS_CSI    "urn:xmpp:csi:0"
#define HELD_SIZE ((size_t)256 << 10) /* of one session */

struct held {
	struct held *next;
	struct jd_stanza *st;
	enum light what;
};

/* Data of a session. */
struct state {
	struct jd_session *session;
	struct held *first, **end; /* end NULL: not used yet */
	unsigned n;
	size_t size;
	bool writing;
};

static const struct jd_option options[] = {
	JD_OPT_BOOL("presence", struct options, presence, "true", "Presence may wait."),
	JD_OPT_BOOL("chat_states", struct options, chat_states, "true",
		    "Chat states (is typing) may wait."),
	JD_OPT_BOOL("notifications", struct options, notifications, "true",
		    "Notices of what other accounts have published (XEP-0163) may wait."),
	JD_OPT_INT("max_stanzas", struct options, max_stanzas, "256", 1, 4096,
		   "So many wait for a session; with one more all of them are sent."),
	JD_OPT_END,
};

static struct state *state_of(struct jd_instance *mi, struct jd_session *s)
{
	struct state *state = jd_session_data(mi, s);

	if (!state->end) {
		state->session = s;
		state->end = &state->first;
	}
	return state;
}

/* -- the queue ------------------------------------------------------------------------------- */

/* The caller owns the reference. */
static struct jd_stanza *take(struct state *state, struct held **at)
{
	struct held *h = *at;
	struct jd_stanza *st = h->st;

	*at = h->next;
	if (state->end == &h->next)
		state->end = at;
	state->n--;
	state->size -= jd_stanza_size(st);
	jd_free(h);
	return st;
}

/* Where nobody can be written to any more, what waits is dropped. */
static void write_all(struct state *state)
{
	state->writing = true;
	while (state->first) {
		struct jd_stanza *st = take(state, &state->first);

		(void)jd_session_send(state->session, st);
		jd_stanza_unref(st);
	}
	state->writing = false;
}

/* A later one makes it worthless. */
static bool is_replaced(const struct held *h, const struct jd_stanza *by, enum light what)
{
	if (h->what != what || !jd_jid_eq(h->st->from, by->from))
		return false;
	return what == LIGHT_PRESENCE || (what == LIGHT_CHAT_STATE && h->st->type == by->type);
}

static void replace(struct state *state, const struct jd_stanza *by, enum light what)
{
	for (struct held **at = &state->first; *at; at = &(*at)->next) {
		if (!is_replaced(*at, by, what))
			continue;
		jd_stanza_unref(take(state, at));
		return; /* there is only one */
	}
}

static void hold(struct state *state, struct jd_stanza *st, enum light what)
{
	struct held *h = jd_alloc(sizeof(*h));

	replace(state, st, what);
	h->st = jd_stanza_keep(st);
	h->what = what;
	*state->end = h;
	state->end = &h->next;
	state->n++;
	state->size += jd_stanza_size(h->st);
}

/* -- what is written to a session ------------------------------------------------------------ */

static bool nobody_looks(const struct jd_session *s)
{
	return jd_session_inactive(s) || jd_session_hibernates(s);
}

static bool on_write(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	const struct options *o = jd_data(mi);
	struct state *state;
	enum light what;

	if (!nobody_looks(ev->session))
		return false;
	state = state_of(mi, ev->session);
	if (state->writing)
		return false;
	what = csi_judge(o, ev);
	if (what == HEAVY) {
		write_all(state);
		return false;
	}
	hold(state, ev->st, what);
	if (state->n > o->max_stanzas || state->size > HELD_SIZE)
		write_all(state);
	return true;
}

/* -- what the client says -------------------------------------------------------------------- */

static void on_activity(struct jd_instance *mi, struct jd_session_event *ev)
{
	if (!nobody_looks(ev->session))
		write_all(state_of(mi, ev->session));
}

static void on_resumed(struct jd_instance *mi, struct jd_session_event *ev)
{
	(void)mi;
	jd_session_set_inactive(ev->session, false);
}

/* False: it is not about this. */
static bool is_said(struct jd_session *s, struct jd_el el)
{
	bool active = jd_el_is(el, NS_CSI, "active");

	if (!active && !jd_el_is(el, NS_CSI, "inactive"))
		return false;
	jd_session_set_inactive(s, !active);
	return true;
}

static bool on_nonza(struct jd_instance *mi, struct jd_nonza_event *ev)
{
	(void)mi;
	return is_said(ev->session, ev->el);
}

/* In the <bind/> of Bind 2 (XEP-0386); there is nothing to answer. */
static void on_bind(struct jd_instance *mi, struct jd_session *s, struct jd_el el,
		    struct jd_xml *answer)
{
	(void)mi;
	(void)answer;
	(void)is_said(s, el);
}

/* -- the module ------------------------------------------------------------------------------ */

/* A session that goes on without this module gets what it waits for. */
static void session_free(struct jd_instance *mi, void *data)
{
	(void)mi;
	write_all(data);
}

static int start(struct jd_instance *mi)
{
	int r = jd_on(mi, session_out, JD_PRIO_LATE, on_write);

	if (r == 0)
		r = jd_on(mi, session_nonza, JD_PRIO_NORMAL, on_nonza);
	if (r == 0)
		r = jd_on(mi, session_activity, JD_PRIO_EARLY, on_activity);
	if (r == 0)
		r = jd_on(mi, session_resumed, JD_PRIO_EARLY, on_resumed);
	jd_stream_feature(mi, NS_CSI, "csi");
	jd_bind_feature(mi, NS_CSI, on_bind);
	return r;
}

JD_MODULE(csi, .summary = "What can wait does while nobody looks (XEP-0352)",
	  .data_size = sizeof(struct options), .session_size = sizeof(struct state),
	  .options = options, .session_free = session_free, .start = start);
