/* SPDX-License-Identifier: MIT
 *
 * Who may administer what: the options `admins` of a host and of the server.
 * Both sides have been prepared, so that equal addresses are equal bytes.
 */
#include "core/conf.h"
#include "core/core.h"

static bool is_listed(const char *const *admins, struct jd_jid jid)
{
	struct jd_str bare = jd_jid_bare_str(jid);

	for (size_t i = 0; admins && admins[i]; i++)
		if (jd_str_is(bare, admins[i]))
			return true;
	return false;
}

bool jd_is_admin(const struct jd_host *host, struct jd_jid jid)
{
	if (!jid.local_len)
		return false;
	if (server.conf && is_listed(server.conf->admins, jid))
		return true;
	if (host && host->conf && is_listed(host->conf->admins, jid))
		return true;
	host = host && host->component ? host_above(host) : NULL;
	return host && host->conf && is_listed(host->conf->admins, jid);
}
