/* SPDX-License-Identifier: MIT
 *
 * Shares: how much of what everybody waits for, above all the database, one
 * account may keep busy.
 *
 * Whatever waits in a home is charged to the account that has sent what the home
 * is handling.  While an account has as much waiting as it may, homes that would
 * go on for it stand still, and so do its own sessions, which stops its sockets;
 * what others send meanwhile to such a home goes on in its place in the queue, and
 * is charged to them.  So a client that writes to thousands of names, or has
 * thousands of contacts, is served a little slower, and nobody else is.
 */
#include "core/core.h"

struct share *share_new(void)
{
	struct share *sh = mem_new(struct share);

	sh->refs = 1;
	list_init(&sh->homes);
	list_init(&sh->senders);
	return sh;
}

struct share *share_ref(struct share *sh)
{
	if (sh)
		sh->refs++;
	return sh;
}

void share_unref(struct share *sh)
{
	if (!sh || --sh->refs)
		return;
	JD_ASSERT(!sh->busy && list_empty(&sh->homes) && list_empty(&sh->senders));
	mem_free(sh);
}

bool share_full(const struct share *sh)
{
	return sh->busy >= SHARE_MAX;
}

/*
 * One that stands still goes on.  Everybody who has been let go on and is done, or
 * has stopped waiting, calls this for the next; senders make more work, so they
 * come when none of it is left.
 */
void share_next(struct share *sh)
{
	struct list *from = list_empty(&sh->homes) ? &sh->senders : &sh->homes;

	if (!share_full(sh) && !list_empty(from))
		mailbox_unpark(container_of(from->next, struct mailbox, place));
}

struct share *share_enter(struct share *sh)
{
	if (sh)
		sh->busy++;
	return share_ref(sh);
}

void share_leave(struct share **sh)
{
	struct share *left = *sh;

	*sh = NULL;
	if (!left)
		return;
	left->busy--;
	share_next(left);
	share_unref(left);
}

/* The account that a stanza speaks for; what others send is charged to all of them together. */
struct share *share_of(const struct jd_stanza *st)
{
	struct jd_account *a;

	if (st->origin && st->origin->bound)
		return account_share(st->origin->account);
	a = route_sender(st);
	return a && a->state == ACCOUNT_READY ? account_share(a) : server.others;
}
