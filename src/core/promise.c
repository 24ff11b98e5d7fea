/* SPDX-License-Identifier: MIT
 *
 * Promises: a module that offers a service calls back later, like the database and
 * the timers do; a promise is how it learns that nobody waits any more.
 */
#include "core/core.h"

struct jd_promise {
	struct pending pending;
	void (*broken)(void *arg);
	void *arg;
};

static void on_cancel(struct pending *p)
{
	struct jd_promise *promise = container_of(p, struct jd_promise, pending);
	void (*broken)(void *) = promise->broken;
	void *arg = promise->arg;

	mem_free(promise);
	broken(arg);
}

struct jd_promise *jd_promise_new(struct jd_owner *owner, void (*code)(void),
				  void (*broken)(void *arg), void *arg)
{
	struct jd_promise *promise = mem_new(struct jd_promise);

	promise->broken = broken;
	promise->arg = arg;
	promise->pending.cancel = on_cancel;
	promise->pending.code = code;
	owner_add(owner, &promise->pending);
	return promise;
}

void jd_promise_end(struct jd_promise *promise)
{
	if (!promise)
		return;
	list_remove(&promise->pending.node);
	mem_free(promise);
}
