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
