/* SPDX-License-Identifier: MIT
 *
 * Where modules keep what they know of an account or a session: one pointer per
 * instance that has said a size, found by the instance's slot number, made at
 * first use.
 */
#include "core/core.h"

void *slots_get(struct slots *s, unsigned slot, size_t size)
{
	JD_ASSERT(size > 0);
	if (slot >= s->count) {
		unsigned count = slot + 1;

		s->p = mem_realloc(s->p, count * sizeof(s->p[0]));
		memset(s->p + s->count, 0, (count - s->count) * sizeof(s->p[0]));
		s->count = count;
	}
	if (!s->p[slot])
		s->p[slot] = mem_alloc(size);
	return s->p[slot];
}

bool slots_has(const struct slots *s, unsigned slot)
{
	return slot < s->count && s->p[slot];
}

void *jd_account_data(struct jd_instance *mi, struct jd_account *account)
{
	return slots_get(&account->slots, mi->account_slot, mi->module->account_size);
}

void *jd_session_data(struct jd_instance *mi, struct jd_session *session)
{
	return slots_get(&session->slots, mi->session_slot, mi->module->session_size);
}

void slots_drop(struct slots *s, struct jd_instance *mi, bool account)
{
	void (*fn)(struct jd_instance *, void *) =
		account ? mi->module->account_free : mi->module->session_free;
	unsigned slot = account ? mi->account_slot : mi->session_slot;

	if (!slots_has(s, slot))
		return;
	if (fn)
		fn(mi, s->p[slot]);
	mem_free(s->p[slot]);
	s->p[slot] = NULL;
}

static void slots_free(struct slots *s, struct list *instances, bool account)
{
	for (struct list *n = instances->next; n != instances; n = n->next)
		slots_drop(s, container_of(n, struct jd_instance, node), account);
}

static void slots_fini(struct slots *s, struct jd_host *host, bool account)
{
	slots_free(s, &host->instances, account);
	slots_free(s, &server.globals, account);
	mem_free(s->p);
	*s = (struct slots){NULL, 0};
}

void slots_free_account(struct slots *s, struct jd_host *host)
{
	slots_fini(s, host, true);
}

void slots_free_session(struct slots *s, struct jd_host *host)
{
	slots_fini(s, host, false);
}
