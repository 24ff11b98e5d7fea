/* SPDX-License-Identifier: MIT
 *
 * Who may log in, said by a module.
 *
 * Without one, the database knows the accounts of a host.  A module can know others
 * (a directory, another service): it is asked first, and the database about every name that
 * the module does not know.  An account that only the module knows gets its row in
 * the database at its first login, since everything else needs its number; its password and
 * keys are never written there.
 *
 * Questions are asked on the logic thread and may be answered at once or later, once each; what
 * is slow belongs to a worker or another process.  Back-off, fake keys for names that nobody
 * knows, and the exchange itself are the server's work.
 */
#pragma once

#include <jackdaw/core.h>

enum jd_hash { JD_SHA_1, JD_SHA_256, JD_SHA_512 };

enum jd_auth_what {
	JD_AUTH_KEYS,         /* the SCRAM keys of name for hash */
	JD_AUTH_PASSWORD,     /* whether password is right for name */
	JD_AUTH_EXISTS,       /* whether there is such a name; somebody else has proved it */
	JD_AUTH_SET_PASSWORD, /* password is to be the new one of name, which exists */
};
#define JD_AUTH_CAN(what) (1u << (what))

struct jd_auth {
	enum jd_auth_what what;
	struct jd_host *host;
	struct jd_str name;     /* prepared local part */
	struct jd_str password; /* prepared; PASSWORD and SET_PASSWORD */
	enum jd_hash hash;      /* KEYS */
};

enum jd_auth_status {
	JD_AUTH_YES,     /* KEYS: here they are; PASSWORD: it is right; EXISTS; SET: done */
	JD_AUTH_NO,      /* the name is the module's, and it is not so (a wrong password ...) */
	JD_AUTH_UNKNOWN, /* the name is not the module's: the database is asked */
	JD_AUTH_FAILED,  /* nobody can say at the moment */
};

/* RFC 5802 section 3; StoredKey and ServerKey have the size of the hash, a salt at most 64
 * bytes. */
struct jd_auth_keys {
	struct jd_str salt;
	unsigned iterations; /* 4096 and more */
	struct jd_str stored_key, server_key;
};

typedef void (*jd_auth_fn)(struct jd_instance *mi, struct jd_auth *question);

/*
 * From start(), one module per host (-JD_EEXIST). can: bits JD_AUTH_CAN() of what
 * it answers; what it cannot is asked of the database alone.  A host whose module checks
 * passwords without having keys offers no SCRAM.  Questions still open when the module stops
 * are answered JD_AUTH_FAILED for it, and must not be answered any more.
 */
JD_EXPORT int jd_auth_provide(struct jd_instance *mi, unsigned can, jd_auth_fn fn) JD_MUST_USE;
/* keys: of JD_AUTH_YES to KEYS, copied; else NULL. Keys of another shape count as FAILED. */
JD_EXPORT void jd_auth_answer(struct jd_auth *question, enum jd_auth_status status,
			      const struct jd_auth_keys *keys);
