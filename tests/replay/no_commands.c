/* SPDX-License-Identifier: MIT
 *
 * Commands are not of this world: modules may register some, and nobody runs them.
 */
#include <stdlib.h>

#include "core/registry.h"

int jd_commands(struct jd_instance *mi, const struct jd_command_def *defs)
{
	(void)mi;
	(void)defs;
	return 0;
}

void commands_remove(struct jd_instance *mi)
{
	(void)mi;
}

struct jd_instance *jd_command_instance(struct jd_command *c)
{
	(void)c;
	abort();
}

struct jd_arena *jd_command_arena(struct jd_command *c)
{
	(void)c;
	abort();
}

struct jd_owner *jd_command_pending(struct jd_command *c)
{
	(void)c;
	abort();
}

struct jd_str jd_arg_text(struct jd_command *c, unsigned i)
{
	(void)c;
	(void)i;
	abort();
}

void jd_out_str(struct jd_command *c, const char *key, struct jd_str value)
{
	(void)c;
	(void)key;
	(void)value;
	abort();
}

void jd_out_int(struct jd_command *c, const char *key, int64_t value)
{
	(void)c;
	(void)key;
	(void)value;
	abort();
}

void jd_command_done(struct jd_command *c)
{
	(void)c;
	abort();
}

void jd_command_fail(struct jd_command *c, const char *fmt, ...)
{
	(void)c;
	(void)fmt;
	abort();
}
