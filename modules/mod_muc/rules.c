/* SPDX-License-Identifier: MIT
 *
 * Who may change what in a room, as tables (XEP-0045 section 5).
 *
 * A lack of power is `forbidden`; a target that is out of reach, whatever one wants of it,
 * is `not-allowed`.
 */
#include "muc.h"

#define BIT(n) (1u << (n))

static const char *const affiliations[] = {
	[AFF_OUTCAST] = "outcast", [AFF_NONE] = "none",   [AFF_MEMBER] = "member",
	[AFF_ADMIN] = "admin",     [AFF_OWNER] = "owner",
};

static const char *const roles[] = {
	[ROLE_NONE] = "none",
	[ROLE_VISITOR] = "visitor",
	[ROLE_PARTICIPANT] = "participant",
	[ROLE_MODERATOR] = "moderator",
};

struct jd_str muc_affiliation_name(enum affiliation a)
{
	return jd_cstr(affiliations[a]);
}

struct jd_str muc_role_name(enum muc_role r)
{
	return jd_cstr(roles[r]);
}

bool muc_affiliation_read(struct jd_str s, enum affiliation *ret_a)
{
	for (unsigned i = 0; i < JD_ARRAY_SIZE(affiliations); i++) {
		if (!jd_str_is(s, affiliations[i]))
			continue;
		*ret_a = (enum affiliation)i;
		return true;
	}
	return false;
}

bool muc_role_read(struct jd_str s, enum muc_role *ret_r)
{
	for (unsigned i = 0; i < JD_ARRAY_SIZE(roles); i++) {
		if (!jd_str_is(s, roles[i]))
			continue;
		*ret_r = (enum muc_role)i;
		return true;
	}
	return false;
}

/* -- roles that come with affiliations -------------------------------------------------- */

enum muc_role muc_role_of(const struct config *c, enum affiliation a)
{
	switch (a) {
	case AFF_OWNER:
	case AFF_ADMIN:
		return ROLE_MODERATOR;
	case AFF_MEMBER:
		return ROLE_PARTICIPANT;
	case AFF_NONE:
		if (c->members_only)
			return ROLE_NONE;
		return c->moderated ? ROLE_VISITOR : ROLE_PARTICIPANT;
	case AFF_OUTCAST:
		break;
	}
	return ROLE_NONE;
}

/* Who rises keeps what he has been given besides. */
enum muc_role muc_role_after(const struct config *c, enum muc_role now, enum affiliation before,
			     enum affiliation after)
{
	enum muc_role usual = muc_role_of(c, after);

	return after > before && now > usual ? now : usual;
}

/* -- affiliations ----------------------------------------------------------------------- */

/* Which affiliations somebody may give and take; nobody else may any. */
static const unsigned in_reach[] = {
	[AFF_ADMIN] = BIT(AFF_OUTCAST) | BIT(AFF_NONE) | BIT(AFF_MEMBER),
	[AFF_OWNER] = BIT(AFF_OUTCAST) | BIT(AFF_NONE) | BIT(AFF_MEMBER) | BIT(AFF_ADMIN) |
		      BIT(AFF_OWNER),
};

bool muc_may_affiliate(enum affiliation actor, enum affiliation before, enum affiliation after,
		       enum jd_condition *ret_why)
{
	*ret_why = JD_FORBIDDEN;
	if (!(in_reach[actor] & BIT(after)))
		return false;
	*ret_why = JD_NOT_ALLOWED;
	return in_reach[actor] & BIT(before);
}

/* Admins see the lists that they may change.  Where everybody knows everybody, those who belong to
 * the room see who else does; nobody else sees who is banned. */
bool muc_may_see_list(const struct config *c, enum affiliation actor, enum muc_role role,
		      enum affiliation list)
{
	if (actor >= AFF_ADMIN)
		return actor == AFF_OWNER || list <= AFF_MEMBER || c->known_jids;
	if (list == AFF_OUTCAST || !(c->member_list & BIT(role ? role : ROLE_PARTICIPANT)))
		return false;
	return c->known_jids && (actor == AFF_MEMBER || role != ROLE_NONE);
}

/* -- roles ------------------------------------------------------------------------------ */

/* Moderators put out and give voice to whom is not above them; who becomes or stays a moderator
 * is said by admins. Admins and owners are moderators while they are there. */
bool muc_may_role(const struct change_of_role *c, enum jd_condition *ret_why)
{
	*ret_why = JD_FORBIDDEN;
	if (c->actor_role != ROLE_MODERATOR && c->actor < AFF_ADMIN)
		return false;
	if (c->after == ROLE_MODERATOR && c->before != ROLE_MODERATOR && c->actor < AFF_ADMIN)
		return false;
	*ret_why = JD_NOT_ALLOWED;
	if (c->target > c->actor)
		return false;
	if (c->target >= AFF_ADMIN)
		return c->after == ROLE_MODERATOR ||
		       (c->after == ROLE_NONE && c->target < c->actor);
	return c->before != ROLE_MODERATOR || c->actor >= AFF_ADMIN || c->after == c->before;
}

bool muc_allows(enum allow a, enum muc_role role)
{
	static const enum muc_role least[] = {
		[ALLOW_ANYONE] = ROLE_VISITOR,
		[ALLOW_PARTICIPANTS] = ROLE_PARTICIPANT,
		[ALLOW_MODERATORS] = ROLE_MODERATOR,
	};

	return a != ALLOW_NOBODY && role >= least[a];
}
