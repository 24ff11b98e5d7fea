/* SPDX-License-Identifier: MIT
 *
 * What else than stanzas modules put into the mailbox of an account: functions, and
 * notices of what was sent elsewhere; and how they keep it in memory.
 */
#include "core/registry.h"

/* In one mailbox. A notice is a courtesy: who has so many of them waiting misses nothing by
 * the next one that it would not find when it looks. */
#define MAX_NOTICES 256

struct account_post {
	struct list node;
	struct jd_account *account; /* pinned */
	jd_account_post_fn fn;      /* NULL: its module has gone */
	void *arg;
};

static struct list posts = LIST_INIT(posts);

/* -- functions --------------------------------------------------------------------------- */

static void on_post(void *arg, bool dropped)
{
	struct account_post *p = arg;
	struct jd_account *a = p->account;
	bool known = !dropped && (a->state == ACCOUNT_READY || a->state == ACCOUNT_ABSENT);

	list_remove(&p->node);
	if (p->fn)
		p->fn(p->arg, known ? a : NULL);
	account_unpin(a);
	mem_free(p);
}

void jd_account_post(struct jd_host *host, struct jd_str local, jd_account_post_fn fn, void *arg)
{
	struct account_post *p = mem_new(struct account_post);

	*p = (struct account_post){.account = account_get(host, local), .fn = fn, .arg = arg};
	account_pin(p->account);
	list_append(&posts, &p->node);
	mailbox_post_fn(&p->account->mailbox, on_post, p);
}

/* From the beginning after each: the function may post another one. */
void account_posts_drop(const struct jd_instance *mi)
{
	struct list *n = posts.next;

	while (n != &posts) {
		struct account_post *p = container_of(n, struct account_post, node);
		jd_account_post_fn fn = p->fn;

		n = n->next;
		if (!fn || !module_has_code(mi->module, (void (*)(void))fn))
			continue;
		p->fn = NULL;
		fn(p->arg, NULL);
		n = posts.next;
	}
}

/* -- notices ----------------------------------------------------------------------------- */

struct notice {
	struct jd_account *account; /* pinned */
	struct jd_stanza *st;
};

static void on_notice(void *arg, bool dropped)
{
	struct notice *n = arg;
	struct jd_account *a = n->account;
	struct jd_stanza_event ev = {.st = n->st, .host = a->host, .account = a};

	a->notices--;
	if (!dropped && a->state == ACCOUNT_READY)
		hook_notify_stanza(JD_HOOK_account_notice, &ev);
	jd_stanza_unref(n->st);
	account_unpin(a);
	mem_free(n);
}

void jd_notice(struct jd_jid to, struct jd_stanza *st)
{
	struct jd_host *host = to.local_len ? host_find(jd_jid_domain(to)) : NULL;
	struct jd_account *a;
	struct notice *n;

	if (!host || host->component || !host->chains[JD_HOOK_account_notice].count)
		return;
	a = account_get(host, jd_jid_local(to));
	if (a->notices >= MAX_NOTICES)
		return;
	n = mem_new(struct notice);
	n->account = a;
	n->st = jd_stanza_ref(st);
	a->notices++;
	account_pin(a);
	mailbox_post_fn(&a->mailbox, on_notice, n);
}

/* -- staying in memory ------------------------------------------------------------------- */

void jd_account_hold(struct jd_account *a)
{
	a->held++;
	account_pin(a);
}

void jd_account_release(struct jd_account *a)
{
	JD_ASSERT(a->held > 0);
	a->held--;
	account_unpin(a);
}
