/* SPDX-License-Identifier: MIT
 *
 * Calls: one stanza on its way through one chain, and what it means to wait.
 *
 * A call runs handlers until one ends the chain or waits.  While it waits, its
 * mailbox is held, what the handler asked for is pending on the call, and a
 * deadline runs; jd_resume() goes on behind the handler.  If modules have come
 * or gone meanwhile, it goes on at the first handler that sorts behind the one
 * that waited.
 */
#include "core/core.h"

#define WAIT_DEADLINE (30 * JD_USEC_PER_SEC)

struct jd_call *call_new(struct mailbox *mailbox, const struct jd_stanza_event *ev, call_end_fn end)
{
	struct jd_call *call = jd_arena_new(ev->st->arena, struct jd_call);

	call->ev = *ev;
	call->ev.call = call;
	call->mailbox = mailbox;
	call->hook = JD_HOOK_COUNT;
	call->end = end;
	owner_init(&call->owner);
	jd_stanza_ref(ev->st);
	call->receipt = receipt_ref(ev->st->receipt);
	if (ev->session)
		session_ref(ev->session);
	if (ev->account)
		account_pin(ev->account);
	return call;
}

static void call_finish(struct jd_call *call, enum jd_verdict verdict)
{
	struct jd_stanza *st = call->ev.st;
	struct jd_session *session = call->ev.session;
	struct jd_account *account = call->ev.account;
	struct jd_receipt *receipt = call->receipt;

	owner_cancel_all(&call->owner);
	call->end(call, verdict);
	if (session)
		session_unref(session);
	if (account)
		account_unpin(account);
	jd_receipt_drop(receipt);
	jd_stanza_unref(st);
}

/* With it goes everything that the handler had pending, the deadline too: it would come while
 * another handler waits. */
static void wait_over(struct jd_call *call)
{
	call->waiting = false;
	list_remove(&call->waits);
	owner_cancel_all(&call->owner);
	share_leave(&call->charged);
	mailbox_unhold(call->mailbox);
}

/* What was waited for is not going to come: cancelled, answered, and the mailbox goes on. */
static void call_abandon(struct jd_call *call, enum jd_condition condition, const char *text)
{
	wait_over(call);
	if (call->iq)
		iq_refuse(call->iq, condition, text);
	else
		jd_bounce(call->ev.st, condition, text);
	call_finish(call, JD_DROP);
}

static void on_deadline(void *arg)
{
	struct jd_call *call = arg;

	jd_log(JD_LOG_ERROR, "handler did not resume in time",
	       jd_kv_cstr("module", call->at.mi ? call->at.mi->module->name : "core"),
	       jd_kv_str("to", jd_jid_str(call->ev.st->to)));
	call_abandon(call, JD_INTERNAL_SERVER_ERROR, "This took too long.");
}

void calls_abandon(const struct jd_instance *mi)
{
	struct list *next;

	for (struct list *n = server.waits.next; n != &server.waits; n = next) {
		struct jd_call *call = container_of(n, struct jd_call, waits);

		next = n->next;
		if (!mi || call->at.mi == mi)
			call_abandon(call, JD_SERVICE_UNAVAILABLE, NULL);
	}
}

static void call_wait(struct jd_call *call)
{
	call->waiting = true;
	list_append(&server.waits, &call->waits);
	call->charged = share_enter(call->mailbox->share);
	mailbox_hold(call->mailbox);
	(void)jd_timer_start(&call->owner, WAIT_DEADLINE, on_deadline, call);
}

/* What a session had sent goes with it: a presence that waited would make it look alive
 * again, and fill its data, which has been freed. */
static bool sender_gone(const struct jd_call *call)
{
	return call->hook == JD_HOOK_session_in && !call->ev.session->bound;
}

/* The home was deleted: nobody is there any more, as account_in_end() answers. */
static bool home_gone(const struct jd_call *call)
{
	return call->hook == JD_HOOK_account_in && call->ev.account->state == ACCOUNT_DELETED;
}

/* Sessions come and go while a stanza waits in front of the account's home. */
static void find_session(struct jd_call *call)
{
	struct jd_session *old = call->ev.session, *s;

	if (call->hook != JD_HOOK_account_in || !call->ev.st->to.resource_len)
		return;
	s = jd_session_find(call->ev.account, jd_jid_resource(call->ev.st->to));
	if (s == old)
		return;
	call->ev.session = s ? session_ref(s) : NULL;
	if (old)
		session_unref(old);
}

static void call_go(struct jd_call *call)
{
	struct chain *chain = &call->ev.host->chains[call->hook];
	enum jd_verdict verdict = JD_PASS;

	if (call->epoch != chain->epoch) {
		call->next = call->at.mi ? chain_after(chain, &call->at) : 0;
		call->epoch = chain->epoch;
	}
	while (verdict == JD_PASS && !sender_gone(call) && !home_gone(call) &&
	       call->next < chain->count) {
		enum jd_verdict (*fn)(struct jd_instance *, struct jd_stanza_event *);

		call->at = chain->items[call->next++];
		call->data = NULL; /* each handler's data is its own */
		fn = (enum jd_verdict(*)(struct jd_instance *,
					 struct jd_stanza_event *))call->at.fn;
		verdict = fn(call->at.mi, &call->ev);
	}
	JD_ASSERT(verdict != JD_ASYNC);
	if (verdict == JD_WAIT)
		call_wait(call);
	else
		call_finish(call, sender_gone(call) ? JD_DROP : verdict);
}

void call_run(struct mailbox *mailbox, enum jd_hook hook, const struct jd_stanza_event *ev,
	      call_end_fn end)
{
	struct jd_call *call = call_new(mailbox, ev, end);

	call->hook = hook;
	call->epoch = ev->host->chains[hook].epoch;
	ev->host->chains[hook].calls++;
	call_go(call);
}

void call_verdict(struct jd_call *call, enum jd_verdict verdict)
{
	if (verdict == JD_WAIT)
		call_wait(call);
	else
		call_finish(call, verdict);
}

/* -- public ------------------------------------------------------------------------------- */

void *jd_call_data(struct jd_call *call, size_t size)
{
	if (!call->data)
		call->data = jd_arena_alloc(call->ev.st->arena, size);
	return call->data;
}

struct jd_owner *jd_call_pending(struct jd_call *call)
{
	return &call->owner;
}

struct jd_stanza *jd_call_stanza(struct jd_call *call)
{
	return call->ev.st;
}

void jd_resume(struct jd_call *call, enum jd_verdict verdict)
{
	JD_ASSERT(call->waiting);
	JD_ASSERT(verdict != JD_WAIT && verdict != JD_ASYNC);
	wait_over(call);
	find_session(call);
	if (verdict == JD_PASS && call->hook != JD_HOOK_COUNT)
		call_go(call);
	else
		call_finish(call, verdict);
}
