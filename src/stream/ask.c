/* SPDX-License-Identifier: MIT
 *
 * The end of what travels between negotiation and logic: whatever held a secret
 * is wiped.
 */
#include "stream/stream.h"
#include "util/mem.h"

void auth_ask_free(struct auth_ask *ask)
{
	if (!ask)
		return;
	if (ask->password.len)
		crypto_wipe((void *)(uintptr_t)ask->password.p, ask->password.len);
	mem_free(ask);
}

void register_ask_free(struct register_ask *ask)
{
	if (ask)
		wire_unref(ask->wire);
	mem_free(ask);
}

void auth_answer_free(void *answer)
{
	if (answer)
		crypto_wipe(answer, sizeof(struct auth_answer));
	mem_free(answer);
}

void upgrade_ask_free(struct upgrade_ask *ask)
{
	if (ask)
		crypto_wipe(ask, sizeof(*ask));
	mem_free(ask);
}

void login_ask_free(struct login_ask *ask)
{
	if (!ask)
		return;
	wire_unref(ask->request);
	mem_free(ask);
}

void login_answer_free(void *answer)
{
	struct login_answer *a = answer;

	if (a)
		crypto_wipe(a->text, a->text_len);
	mem_free(a);
}

bool c2s_read_h(struct jd_str text, uint32_t *ret_h)
{
	uint64_t h = 0;

	if (!text.len || text.len > sizeof("4294967295") - 1)
		return false;
	for (size_t i = 0; i < text.len; i++) {
		if (text.p[i] < '0' || text.p[i] > '9')
			return false;
		h = h * 10 + (uint64_t)(text.p[i] - '0');
	}
	*ret_h = (uint32_t)h;
	return h <= UINT32_MAX;
}
