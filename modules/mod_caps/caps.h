/* SPDX-License-Identifier: MIT
 *
 * The inside of mod_caps: the text over which hashes are made (text.c), and what
 * is known of clients (known.c).
 */
#pragma once

#include <jackdaw/caps.h>
#include <jackdaw/crypto.h>

#define NS_CAPS "http://jabber.org/protocol/caps"

/* -- text.c: XEP-0115 section 5.1 ------------------------------------------------------- */

/* Bounds of an answer that is believed. */
#define CAPS_MAX_PARTS 1024  /* identities, features, fields and values, each */
#define CAPS_MAX_BYTES 16384 /* of the text */

/* What the text is made of, collected in any order; strings are borrowed. */
struct caps_field {
	struct jd_str var;
	struct jd_str *values;
	size_t n_values;
};

struct caps_form {
	struct jd_str type;
	struct caps_field *fields;
	size_t n_fields;
};

struct caps_parts {
	struct jd_arena *arena;
	struct jd_str *identities; /* "category/type/lang/name" */
	size_t n_identities, max_identities;
	struct jd_str *features;
	size_t n_features, max_features;
	struct caps_form *forms;
	size_t n_forms, max_forms;
	bool ambiguous; /* the same text could stand for something else */
};

void caps_parts_init(struct caps_parts *p, struct jd_arena *arena, size_t max);
void caps_add_identity(struct caps_parts *p, struct jd_str category, struct jd_str type,
		       struct jd_str lang, struct jd_str name);
void caps_add_feature(struct caps_parts *p, struct jd_str var);
void caps_add_form(struct caps_parts *p, struct jd_str type, const struct jd_disco_field *fields,
		   size_t n);
/* The query of a disco#info answer. False: it is not well formed (section 5.4, step 3), or past
 * a bound. */
bool caps_read(struct caps_parts *p, struct jd_el query);
/* Sorts, then writes; in the arena. False: something is there twice, or it is too long. */
bool caps_text(struct caps_parts *p, struct jd_str *ret_text);
/* Digest of the text in base64; p NULL: a hash that we don't know. */
struct jd_str caps_hash(struct jd_arena *arena, struct jd_str hash, struct jd_str text);

/* -- known.c ------------------------------------------------------------------------------ */

struct caps_options {
	const char *node;
	int64_t max_known;
	int64_t max_hashes;
	jd_usec timeout;
};

struct known; /* what clients with one hash can do */
struct cache;

/* The data of a session. */
struct caps_client {
	struct jd_session *session;
	struct known *known;      /* what its presence names; NULL: nothing */
	struct caps_client *next; /* of those that wait for the same answer */
	int64_t hashes;           /* that it has made us ask for */
};

struct cache *cache_new(struct jd_instance *mi, const struct caps_options *options);
/* Sessions may outlive it; what they know stays with them. */
void cache_free(struct cache *cache);
/* Presence with this <c/> came from the client. */
void cache_seen(struct cache *cache, struct caps_client *client, struct jd_el c);
/* It is gone, or unavailable. */
void cache_forget(struct cache *cache, struct caps_client *client);
/* The known entry that <c/> names; NULL: none. */
const struct known *cache_find(struct cache *cache, struct jd_el c);

void known_unref(struct known *known); /* NULL is fine */
/* known NULL: unknown. */
enum jd_caps known_has(const struct known *known, struct jd_str feature);
bool known_each(const struct known *known, void (*fn)(struct jd_str feature, void *arg), void *arg);
