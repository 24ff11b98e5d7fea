/* SPDX-License-Identifier: MIT
 *
 * Who may change what in a room: every combination of mod_muc's tables, against the
 * sentences of XEP-0045 sections 5, 8, 9 and 10.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "modules/mod_muc/muc.h"

static const struct config open_room = {0}, moderated = {.moderated = true},
			   members = {.members_only = true};

static void test_names(void **state)
{
	enum affiliation a;
	enum muc_role r;

	(void)state;
	for (enum affiliation i = AFF_OUTCAST; i <= AFF_OWNER; i++)
		assert_true(muc_affiliation_read(muc_affiliation_name(i), &a) && a == i);
	for (enum muc_role i = ROLE_NONE; i <= ROLE_MODERATOR; i++)
		assert_true(muc_role_read(muc_role_name(i), &r) && r == i);
	assert_false(muc_affiliation_read(JD_STR("Owner"), &a));
	assert_false(muc_affiliation_read(JD_STR_NULL, &a));
	assert_false(muc_role_read(JD_STR("owner"), &r));
}

/* 5.1.2, 5.2.1 */
static void test_roles_of_who_comes(void **state)
{
	(void)state;
	assert_int_equal(muc_role_of(&open_room, AFF_NONE), ROLE_PARTICIPANT);
	assert_int_equal(muc_role_of(&moderated, AFF_NONE), ROLE_VISITOR);
	assert_int_equal(muc_role_of(&members, AFF_NONE), ROLE_NONE);
	for (unsigned i = 0; i < 3; i++) {
		const struct config *c = i == 0 ? &open_room : i == 1 ? &moderated : &members;

		assert_int_equal(muc_role_of(c, AFF_OUTCAST), ROLE_NONE);
		assert_int_equal(muc_role_of(c, AFF_MEMBER), ROLE_PARTICIPANT);
		assert_int_equal(muc_role_of(c, AFF_ADMIN), ROLE_MODERATOR);
		assert_int_equal(muc_role_of(c, AFF_OWNER), ROLE_MODERATOR);
	}
	assert_int_equal(muc_role_after(&moderated, ROLE_MODERATOR, AFF_NONE, AFF_MEMBER),
			 ROLE_MODERATOR);
	assert_int_equal(muc_role_after(&moderated, ROLE_VISITOR, AFF_NONE, AFF_MEMBER),
			 ROLE_PARTICIPANT);
	assert_int_equal(muc_role_after(&moderated, ROLE_MODERATOR, AFF_ADMIN, AFF_NONE),
			 ROLE_VISITOR);
}

/* 9.1 to 9.5, 10.3 to 10.8: admins between none, member and outcast; owners all. */
static void test_affiliations(void **state)
{
	enum jd_condition why;

	(void)state;
	for (enum affiliation actor = AFF_OUTCAST; actor <= AFF_OWNER; actor++)
		for (enum affiliation before = AFF_OUTCAST; before <= AFF_OWNER; before++)
			for (enum affiliation after = AFF_OUTCAST; after <= AFF_OWNER; after++) {
				bool may = actor == AFF_OWNER ||
					   (actor == AFF_ADMIN && before < AFF_ADMIN &&
					    after < AFF_ADMIN);

				assert_int_equal(muc_may_affiliate(actor, before, after, &why),
						 may);
				if (!may)
					assert_int_equal(why,
							 actor == AFF_ADMIN && after < AFF_ADMIN
								 ? JD_NOT_ALLOWED
								 : JD_FORBIDDEN);
			}
}

static bool may(enum affiliation actor, enum muc_role actor_role, enum affiliation target,
		enum muc_role before, enum muc_role after)
{
	const struct change_of_role c = {.actor = actor,
					 .target = target,
					 .actor_role = actor_role,
					 .before = before,
					 .after = after};
	enum jd_condition why;

	return muc_may_role(&c, &why);
}

/* 8.2 to 8.5, 9.6 to 9.8 */
static void test_roles(void **state)
{
	(void)state;
	for (enum affiliation target = AFF_NONE; target <= AFF_OWNER; target++)
		for (enum muc_role after = ROLE_NONE; after <= ROLE_MODERATOR; after++) {
			assert_false(may(AFF_NONE, ROLE_VISITOR, target, ROLE_PARTICIPANT, after));
			assert_false(
				may(AFF_MEMBER, ROLE_PARTICIPANT, target, ROLE_VISITOR, after));
		}
	/* a moderator without affiliation: those who are not above him, but no moderators */
	assert_true(may(AFF_NONE, ROLE_MODERATOR, AFF_NONE, ROLE_PARTICIPANT, ROLE_NONE));
	assert_true(may(AFF_NONE, ROLE_MODERATOR, AFF_NONE, ROLE_VISITOR, ROLE_PARTICIPANT));
	assert_false(may(AFF_NONE, ROLE_MODERATOR, AFF_MEMBER, ROLE_PARTICIPANT, ROLE_NONE));
	assert_false(may(AFF_NONE, ROLE_MODERATOR, AFF_NONE, ROLE_MODERATOR, ROLE_PARTICIPANT));
	assert_false(may(AFF_NONE, ROLE_MODERATOR, AFF_NONE, ROLE_PARTICIPANT, ROLE_MODERATOR));
	assert_false(may(AFF_NONE, ROLE_MODERATOR, AFF_ADMIN, ROLE_MODERATOR, ROLE_NONE));
	/* admins make moderators and unmake them; not each other, nor owners */
	assert_true(may(AFF_ADMIN, ROLE_MODERATOR, AFF_MEMBER, ROLE_PARTICIPANT, ROLE_MODERATOR));
	assert_true(may(AFF_ADMIN, ROLE_MODERATOR, AFF_MEMBER, ROLE_MODERATOR, ROLE_VISITOR));
	assert_false(may(AFF_ADMIN, ROLE_MODERATOR, AFF_ADMIN, ROLE_MODERATOR, ROLE_NONE));
	assert_false(may(AFF_ADMIN, ROLE_MODERATOR, AFF_OWNER, ROLE_MODERATOR, ROLE_VISITOR));
	/* owners put admins out, and take no role from them */
	assert_true(may(AFF_OWNER, ROLE_MODERATOR, AFF_ADMIN, ROLE_MODERATOR, ROLE_NONE));
	assert_false(may(AFF_OWNER, ROLE_MODERATOR, AFF_ADMIN, ROLE_MODERATOR, ROLE_PARTICIPANT));
	assert_false(may(AFF_OWNER, ROLE_MODERATOR, AFF_OWNER, ROLE_MODERATOR, ROLE_NONE));
	/* who is not there has no role, and still the power */
	assert_true(may(AFF_OWNER, ROLE_NONE, AFF_NONE, ROLE_PARTICIPANT, ROLE_NONE));
}

static void test_private(void **state)
{
	(void)state;
	for (enum muc_role r = ROLE_VISITOR; r <= ROLE_MODERATOR; r++) {
		assert_true(muc_allows(ALLOW_ANYONE, r));
		assert_int_equal(muc_allows(ALLOW_PARTICIPANTS, r), r >= ROLE_PARTICIPANT);
		assert_int_equal(muc_allows(ALLOW_MODERATORS, r), r == ROLE_MODERATOR);
		assert_false(muc_allows(ALLOW_NOBODY, r));
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_names),        cmocka_unit_test(test_roles_of_who_comes),
		cmocka_unit_test(test_affiliations), cmocka_unit_test(test_roles),
		cmocka_unit_test(test_private),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
