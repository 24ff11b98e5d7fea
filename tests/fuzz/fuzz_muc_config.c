/* SPDX-License-Identifier: MIT
 *
 * Fuzzing the configuration of rooms: the input is the <x/> that an owner submits.
 *
 * Whatever it says, a configuration that is taken keeps the bounds of the component,
 * and kept as text and read again it is the same.
 */
#include <stdint.h>

#include "core/core.h"
#include "modules/mod_muc/muc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct muc muc = {.max_occupants = 100,
			 .history_max = 100,
			 .history = 20,
			 .max_affiliations = 50,
			 .listed = true};

static bool is_x(struct jd_str s)
{
	return s.len > 2 && s.p[0] == '<' && s.p[1] == 'x';
}

static struct jd_stanza *wrapped(struct jd_str s, struct jd_arena *arena)
{
	if (!is_x(s))
		return NULL;
	return jd_stanza_parse(
		jd_arena_printf(arena, "<message xmlns='jabber:client'>%.*s</message>", JD_FMT(s)));
}

/* Nothing would be tried if what is around a form were wrong. */
static void check_wrapping(struct jd_arena *arena)
{
	struct jd_stanza *st = wrapped(JD_STR("<x xmlns='jabber:x:data' type='submit'/>"), arena);

	JD_ASSERT(st && jd_el_ok(jd_el_child(jd_stanza_root(st), JD_NS_DATAFORM, "x")));
	jd_stanza_unref(st);
}

static void check(const struct config *c, struct jd_arena *arena)
{
	struct jd_str text = muc_config_text(&muc, c, arena);
	struct config again;

	JD_ASSERT(c->max_users >= 1 && c->max_users <= 100 && c->history <= 100);
	JD_ASSERT(c->private <= ALLOW_NOBODY);
	JD_ASSERT((c->broadcast & ~0xeu) == 0 && (c->member_list & ~0xeu) == 0);
	JD_ASSERT(c->password.len <= 256 && c->title.len <= 300);
	JD_ASSERT(text.p && muc_config_parse(&muc, text, &again));
	JD_ASSERT(jd_str_eq(text, muc_config_text(&muc, &again, arena)));
	JD_ASSERT(jd_str_eq(c->password, again.password) && jd_str_eq(c->title, again.title));
	JD_ASSERT(c->max_users == again.max_users && c->members_only == again.members_only);
	muc_config_free(&again);
}

static void submit(struct jd_el x, struct jd_arena *arena)
{
	struct config now, taken;
	struct config_lists lists;
	struct jd_error error = {0};

	muc_config_default(&muc, &now);
	if (!muc_config_read(&muc, &now, x, arena, &taken, &lists, &error)) {
		JD_ASSERT(error.condition == JD_BAD_REQUEST ||
			  error.condition == JD_NOT_ACCEPTABLE);
		return;
	}
	JD_ASSERT(lists.n_owners <= (size_t)muc.max_affiliations &&
		  lists.n_admins <= (size_t)muc.max_affiliations);
	for (size_t i = 0; i < lists.n_owners; i++)
		JD_ASSERT(!lists.owners[i].resource_len);
	check(&taken, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jd_str s = {(const char *)data, size};
	struct jd_arena *arena;
	struct jd_stanza *st, *own;
	bool first = !muc.form;

	if (first) {
		role_take(ROLE_LOGIC);
		server.loop = loop_new("fuzz");
		JD_ASSERT(core_init() == 0);
		muc_form_start(&muc);
	}
	own = jd_built(
		jd_stanza_new(JD_MESSAGE, JD_TYPE_NONE, JD_JID_NULL, JD_JID_NULL, JD_STR_NULL));
	arena = own->arena;
	if (first)
		check_wrapping(arena);
	st = memchr(s.p, '\0', s.len) ? NULL : wrapped(s, arena);
	if (st)
		submit(jd_el_child(jd_stanza_root(st), JD_NS_DATAFORM, "x"), arena);
	jd_stanza_unref(st);
	jd_stanza_unref(own);
	return 0;
}
