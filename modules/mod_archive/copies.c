/* SPDX-License-Identifier: MIT
 *
 * A private message of a room comes once for each device that its addressee has in
 * there (XEP-0045 7.2.8, 7.5), each time as a message of its own.  It is one for all that, so
 * the first of them gets a row, and the others the same: else it would be in the
 * archive twice, and taking it back would leave one.
 *
 * The copies come one behind the other, so that to remember the last one is enough.  All
 * of it is compared, not only what its sender calls it: nobody can hide a message behind another.
 * One for the device that the stored one was for is a new message.
 */
#include "archive.h"

#include <jackdaw/crypto.h>

#define NS_MUC_USER "http://jabber.org/protocol/muc#user"

bool archive_copied_read(struct jd_stanza *st, struct copied *ret_copied)
{
	struct jd_stanza *all;

	if (!st->id.len || !st->from.resource_len || !st->to.resource_len ||
	    !jd_el_ok(jd_el_child(jd_stanza_root(st), NS_MUC_USER, "x")))
		return false;
	all = jd_stanza_clone(st);
	jd_stanza_set_to(all, JD_JID_NULL);
	jd_digest(JD_HASH_SHA256, jd_stanza_bytes(all, all->arena), ret_copied->content);
	jd_stanza_unref(all);
	jd_digest(JD_HASH_SHA256, jd_jid_str(st->to), ret_copied->to);
	ret_copied->id = 0;
	return true;
}

uint64_t archive_copied_row(const struct home *h, const struct copied *c)
{
	return memcmp(h->copied.content, c->content, CONTENT_BYTES) == 0 &&
			       memcmp(h->copied.to, c->to, CONTENT_BYTES) != 0
		       ? h->copied.id
		       : 0;
}
