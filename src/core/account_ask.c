/* SPDX-License-Identifier: MIT
 *
 * Changes to accounts for modules.  The change itself cannot be cancelled; when
 * its owner goes, only nobody is told.
 */
#include "core/core.h"

struct account_ask {
	struct pending pending; /* in the owner's list, until `gone` */
	jd_account_fn fn;
	void *arg;
	bool gone;
};

static void on_done(void *arg, int result)
{
	struct account_ask *a = arg;

	if (!a->gone) {
		list_remove(&a->pending.node);
		a->fn(a->arg, result);
	}
	mem_free(a);
}

static void on_cancel(struct pending *p)
{
	container_of(p, struct account_ask, pending)->gone = true;
}

static struct account_ask *ask_new(jd_account_fn fn, void *arg)
{
	struct account_ask *a = mem_new(struct account_ask);

	a->pending.cancel = on_cancel;
	a->pending.code = (void (*)(void))fn;
	a->fn = fn;
	a->arg = arg;
	return a;
}

/* What the function that was called with a has returned. */
static int begun(struct jd_owner *owner, struct account_ask *a, int err)
{
	if (err)
		mem_free(a);
	else
		owner_add(owner, &a->pending);
	return err;
}

int jd_room_make(struct jd_owner *owner, struct jd_account *room, jd_account_fn fn, void *arg)
{
	struct account_ask *a = ask_new(fn, arg);

	return begun(owner, a, room_make(room, on_done, a));
}

int jd_room_erase(struct jd_owner *owner, struct jd_account *room, jd_account_fn fn, void *arg)
{
	struct account_ask *a = ask_new(fn, arg);

	return begun(owner, a, room_erase(room, on_done, a));
}

int jd_account_make(struct jd_owner *owner, struct jd_host *host, struct jd_jid jid,
		    struct jd_str password, jd_account_fn fn, void *arg)
{
	struct account_ask *a = ask_new(fn, arg);

	return begun(owner, a, account_set_password(host, jid, password, true, false, on_done, a));
}

int jd_account_password(struct jd_owner *owner, struct jd_account *account, struct jd_str password,
			struct jd_session *keep, jd_account_fn fn, void *arg)
{
	struct account_ask *a = ask_new(fn, arg);
	int err;

	if (keep)
		err = account_change_password(account->host, account->jid, password,
					      jd_jid_resource(keep->jid), on_done, a);
	else
		err = account_set_password(account->host, account->jid, password, false, false,
					   on_done, a);
	return begun(owner, a, err);
}

int jd_account_delete(struct jd_owner *owner, struct jd_account *account, jd_account_fn fn,
		      void *arg)
{
	struct account_ask *a = ask_new(fn, arg);

	return begun(owner, a, account_delete(account->host, account->jid, on_done, a));
}
