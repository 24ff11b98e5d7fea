/* SPDX-License-Identifier: MIT
 *
 * See logbook.h.
 */
#include "replay/logbook.h"

#include "core/core.h"

#include <stdio.h>
#include <stdlib.h>

#define NS_LOGBOOK "urn:example:logbook"
#define PAGE_BYTES 100000

static uint64_t last;
static char taken[4096], untaken[4096], life[4096];

static void note(char *text, const char *word)
{
	size_t n = strlen(text);

	(void)snprintf(text + n, sizeof(taken) - n, "%s%s", n ? " " : "", word);
}

static char *take(char *text)
{
	char *copy = jd_strdup(jd_cstr(text));

	text[0] = '\0';
	return copy;
}

char *logbook_taken(void)
{
	return take(taken);
}

char *logbook_untaken(void)
{
	return take(untaken);
}

char *logbook_life(void)
{
	return take(life);
}

void logbook_clear(void)
{
	last = 0;
	taken[0] = untaken[0] = life[0] = '\0';
}

static void note_rows(char *text, const struct jd_taken_event *ev)
{
	char number[24];

	for (size_t i = 0; i < ev->n; i++) {
		(void)snprintf(number, sizeof(number), "%llu", (unsigned long long)ev->rows[i]);
		note(text, number);
	}
}

static void on_taken(struct jd_instance *mi, struct jd_taken_event *ev)
{
	(void)mi;
	note_rows(taken, ev);
}

static void on_untaken(struct jd_instance *mi, struct jd_taken_event *ev)
{
	(void)mi;
	note_rows(untaken, ev);
}

static void on_lost(struct jd_instance *mi, struct jd_session_event *ev)
{
	(void)mi;
	note(life, jd_session_hibernates(ev->session) ? "lost" : "lost?");
}

static void on_resumed(struct jd_instance *mi, struct jd_session_event *ev)
{
	(void)mi;
	note(life, jd_session_hibernates(ev->session) ? "resumed?" : "resumed");
}

static void on_activity(struct jd_instance *mi, struct jd_session_event *ev)
{
	(void)mi;
	note(life, jd_session_inactive(ev->session) ? "inactive" : "active");
}

static enum jd_verdict on_account(struct jd_instance *mi, struct jd_stanza_event *ev)
{
	struct jd_stanza *st = ev->st;

	(void)mi;
	if (ev->again)
		note(life, st->to.resource_len || st->kind != JD_MESSAGE ? "again?" : "again");
	if (st->kind == JD_MESSAGE && !st->row.owner &&
	    jd_el_ok(jd_el_child(jd_stanza_root(st), JD_NS_STANZA, "body")))
		jd_stanza_set_row(st, jd_account_owner(ev->account), ++last);
	return JD_PASS;
}

/* Data of a session. */
struct page {
	struct jd_session *session;
	int left;
};

static void page_send(struct jd_session *session)
{
	static char text[PAGE_BYTES + 1];
	struct jd_xml *x = jd_stanza_new(JD_MESSAGE, JD_TYPE_HEADLINE, JD_JID_NULL,
					 jd_session_jid(session), JD_STR_NULL);
	struct jd_stanza *st;

	memset(text, 'x', PAGE_BYTES);
	jd_xml_leaf(x, NS_LOGBOOK, "part", jd_cstr(text));
	st = jd_built(x);
	if (st)
		(void)jd_session_send(session, st);
	jd_stanza_unref(st);
}

static void next(void *arg)
{
	struct page *p = arg;

	if (p->left-- <= 0)
		return;
	page_send(p->session);
	jd_session_when_drained(p->session, jd_session_pending(p->session), next, p);
}

static bool on_nonza(struct jd_instance *mi, struct jd_nonza_event *ev)
{
	struct page *p = jd_session_data(mi, ev->session);

	if (!jd_el_is(ev->el, NS_LOGBOOK, NULL))
		return false;
	if (jd_str_is(jd_el_name(ev->el), "page")) {
		*p = (struct page){ev->session, atoi(jd_el_attr(ev->el, "n").p)};
		jd_session_when_drained(ev->session, jd_session_pending(ev->session), next, p);
	} else {
		jd_session_set_inactive(ev->session, jd_str_is(jd_el_name(ev->el), "inactive"));
	}
	return true;
}

static int start(struct jd_instance *mi)
{
	int r = jd_on(mi, account_in, JD_PRIO_LAST - 50, on_account);

	if (r == 0)
		r = jd_on(mi, session_taken, JD_PRIO_NORMAL, on_taken);
	if (r == 0)
		r = jd_on(mi, session_untaken, JD_PRIO_NORMAL, on_untaken);
	if (r == 0)
		r = jd_on(mi, session_lost, JD_PRIO_NORMAL, on_lost);
	if (r == 0)
		r = jd_on(mi, session_resumed, JD_PRIO_NORMAL, on_resumed);
	if (r == 0)
		r = jd_on(mi, session_activity, JD_PRIO_NORMAL, on_activity);
	return r == 0 ? jd_on(mi, session_nonza, JD_PRIO_NORMAL, on_nonza) : r;
}

const struct jd_module logbook = {
	.abi = JD_ABI, .name = "logbook", .session_size = sizeof(struct page), .start = start};

/* -- sessions that came by Bind 2 ----------------------------------------------------------------
 */

static void on_bound(struct jd_instance *mi, struct jd_session_event *ev)
{
	(void)mi;
	ev->session->bind2 = true;
}

static int start_bind2(struct jd_instance *mi)
{
	return jd_on(mi, session_bound, JD_PRIO_FIRST, on_bound);
}

const struct jd_module by_bind2 = {.abi = JD_ABI, .name = "by_bind2", .start = start_bind2};
