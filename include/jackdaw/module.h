/* SPDX-License-Identifier: MIT
 *
 * Writing a module: the one header to include.
 *
 * A module is a shared object with one exported descriptor.  The core makes an
 * instance of it for every host that lists it, allocates and zeroes the
 * instance's data, fills in the options, and calls start(), which registers what
 * the module does.  Everything registered is recorded and undone by the core:
 * unloading needs no code in the module.  Strings that are registered are copied.
 *
 *     #include <jackdaw/module.h>
 *
 *     static enum jd_verdict on_ping(struct jd_instance *mi, struct jd_iq *iq)
 *     {
 *             jd_iq_ok(iq);
 *             return JD_DONE;
 *     }
 *
 *     static int start(struct jd_instance *mi)
 *     {
 *             jd_feature(mi, JD_TO_HOST | JD_TO_ACCOUNT, "urn:xmpp:ping");
 *             return jd_on_iq(mi, JD_TYPE_GET, JD_TO_HOST | JD_TO_ACCOUNT, "urn:xmpp:ping",
 *                             "ping", on_ping);
 *     }
 *
 *     JD_MODULE(ping, .summary = "Answers pings (XEP-0199)", .start = start);
 *
 * Every callback runs on the logic thread, never beneath the call that asked for
 * it.  A module needs no lock and makes no thread.
 */
#pragma once

#include <jackdaw/command.h>
#include <jackdaw/core.h>

#define JD_ABI     1
#define JD_VERSION "0.1.0"

/* -- options ---------------------------------------------------------------------- */

enum jd_option_kind {
	JD_OPTION_END,
	JD_OPTION_BOOL,   /* bool */
	JD_OPTION_INT,    /* int64_t */
	JD_OPTION_SIZE,   /* int64_t bytes; k, M, G */
	JD_OPTION_TIME,   /* jd_usec; ms, s, min, h, d */
	JD_OPTION_TEXT,   /* const char *; NULL when absent and without default */
	JD_OPTION_LIST,   /* const char **, ends with NULL */
	JD_OPTION_CHOICE, /* int: place in choices */
};

struct jd_option {
	enum jd_option_kind kind;
	const char *name;
	size_t offset;              /* into the instance's data */
	const char *fallback;       /* the default, written as in the file; NULL: none */
	int64_t min, max;           /* both 0: any */
	const char *const *choices; /* ends with NULL */
	const char *help;           /* one sentence */
};

/* clang-format off */
#define JD_OPT_BOOL(nm, type, member, dflt, hlp)                                                   \
	{JD_OPTION_BOOL, nm, offsetof(type, member), dflt, 0, 0, NULL, hlp}
#define JD_OPT_INT(nm, type, member, dflt, lo, hi, hlp)                                            \
	{JD_OPTION_INT, nm, offsetof(type, member), dflt, lo, hi, NULL, hlp}
#define JD_OPT_SIZE(nm, type, member, dflt, lo, hi, hlp)                                           \
	{JD_OPTION_SIZE, nm, offsetof(type, member), dflt, lo, hi, NULL, hlp}
#define JD_OPT_TIME(nm, type, member, dflt, lo, hi, hlp)                                           \
	{JD_OPTION_TIME, nm, offsetof(type, member), dflt, lo, hi, NULL, hlp}
#define JD_OPT_TEXT(nm, type, member, dflt, hlp)                                                   \
	{JD_OPTION_TEXT, nm, offsetof(type, member), dflt, 0, 0, NULL, hlp}
#define JD_OPT_LIST(nm, type, member, dflt, hlp)                                                   \
	{JD_OPTION_LIST, nm, offsetof(type, member), dflt, 0, 0, NULL, hlp}
#define JD_OPT_CHOICE(nm, type, member, dflt, chs, hlp)                                            \
	{JD_OPTION_CHOICE, nm, offsetof(type, member), dflt, 0, 0, chs, hlp}
#define JD_OPT_END                                                                                 \
	{JD_OPTION_END, NULL, 0, NULL, 0, 0, NULL, NULL}
/* clang-format on */

/* -- the descriptor ------------------------------------------------------------------ */

/* Where a module may run, or'ed; 0 is JD_PER_HOST. */
enum jd_scope {
	JD_PER_HOST = 1,      /* an instance for each host that lists it */
	JD_GLOBAL = 2,        /* one for all of them, which is called for every one */
	JD_PER_COMPONENT = 4, /* an instance for each component that lists it */
};

struct jd_module {
	uint32_t abi; /* JD_ABI; always the first member */
	const char *name;
	const char *summary; /* one sentence */
	unsigned scope;
	const char *needs;   /* names of modules that must be loaded before, separated by spaces */
	const char *after;   /* modules that start earlier if they are loaded at all */
	size_t data_size;    /* jd_data(); zeroed, then options */
	size_t account_size; /* jd_account_data() */
	size_t session_size; /* jd_session_data() */
	const struct jd_option *options;
	const struct jd_migration *migrations; /* ends with version 0 */
	/* Any of the following may be NULL. */
	/* Cross-checks of the options: a sentence about what is wrong, or NULL. */
	const char *(*check)(const void *data);
	/* A module that starts while the server runs is told of the sessions that are there:
	 * session_bound, and session_presence of those that are available. */
	int (*start)(struct jd_instance *mi);
	/* Its handlers are gone, and so is what it had of accounts and sessions: the functions
	 * below have been called for it. */
	void (*stop)(struct jd_instance *mi);
	void (*account_free)(struct jd_instance *mi, void *data);
	void (*session_free)(struct jd_instance *mi, void *data);
};

#ifdef JD_STATIC_MODULES
#define JD_MODULE_SYMBOL(nm) jd_module_##nm
#else
#define JD_MODULE_SYMBOL(nm) jd_module
#endif

#define JD_MODULE(nm, ...)                                                                         \
	extern const struct jd_module JD_MODULE_SYMBOL(nm);                                        \
	JD_EXPORT const struct jd_module JD_MODULE_SYMBOL(nm) = {                                  \
		.abi = JD_ABI, .name = #nm, __VA_ARGS__}

/* -- the instance ---------------------------------------------------------------------- */

JD_EXPORT void *jd_data(struct jd_instance *mi);
JD_EXPORT struct jd_host *jd_instance_host(struct jd_instance *mi); /* NULL: JD_GLOBAL */
JD_EXPORT const char *jd_instance_name(struct jd_instance *mi);
JD_EXPORT struct jd_owner *jd_instance_pending(struct jd_instance *mi);

/* -- registration, in start() -------------------------------------------------------------- */

/* Low runs first; equal ones by module name. */
#define JD_PRIO_FIRST  100
#define JD_PRIO_EARLY  300
#define JD_PRIO_NORMAL 500
#define JD_PRIO_LATE   700
#define JD_PRIO_LAST   900

enum jd_hook {
#define JD_FILTER(name, event, text) JD_HOOK_##name,
#define JD_ASK(name, event, text)    JD_HOOK_##name,
#define JD_NOTIFY(name, event, text) JD_HOOK_##name,
#include <jackdaw/hooks.def>
#undef JD_FILTER
#undef JD_ASK
#undef JD_NOTIFY
	JD_HOOK_COUNT
};

/* Behind jd_on(). */
JD_EXPORT int jd_hook_add(struct jd_instance *mi, enum jd_hook hook, int prio, void (*fn)(void));

#define JD_FILTER(name, event, text)                                                               \
	static inline int jd_on_##name(                                                            \
		struct jd_instance *mi, int prio,                                                  \
		enum jd_verdict (*fn)(struct jd_instance *, struct event *))                       \
	{                                                                                          \
		return jd_hook_add(mi, JD_HOOK_##name, prio, (void (*)(void))fn);                  \
	}
#define JD_ASK(name, event, text)                                                                  \
	static inline int jd_on_##name(struct jd_instance *mi, int prio,                           \
				       bool (*fn)(struct jd_instance *, struct event *))           \
	{                                                                                          \
		return jd_hook_add(mi, JD_HOOK_##name, prio, (void (*)(void))fn);                  \
	}
#define JD_NOTIFY(name, event, text)                                                               \
	static inline int jd_on_##name(struct jd_instance *mi, int prio,                           \
				       void (*fn)(struct jd_instance *, struct event *))           \
	{                                                                                          \
		return jd_hook_add(mi, JD_HOOK_##name, prio, (void (*)(void))fn);                  \
	}
#include <jackdaw/hooks.def>
#undef JD_FILTER
#undef JD_ASK
#undef JD_NOTIFY

/* jd_on(mi, session_bound, JD_PRIO_NORMAL, on_bound): 0, or -JD_ELIMIT. */
#define jd_on(mi, name, prio, fn) jd_on_##name((mi), (prio), (fn))

/* type JD_TYPE_GET or JD_TYPE_SET; targets: enum jd_target, or'ed. -JD_EEXIST when another module
 * of this host handles it. */
typedef enum jd_verdict (*jd_iq_fn)(struct jd_instance *mi, struct jd_iq *iq);
JD_EXPORT int jd_on_iq(struct jd_instance *mi, enum jd_type type, unsigned targets, const char *ns,
		       const char *name, jd_iq_fn fn) JD_MUST_USE;

/* Service discovery (XEP-0030): shown by mod_disco. */
JD_EXPORT void jd_feature(struct jd_instance *mi, unsigned targets, const char *var);
JD_EXPORT void jd_identity(struct jd_instance *mi, unsigned targets, const char *category,
			   const char *type, const char *name);
JD_EXPORT void jd_item(struct jd_instance *mi, const char *jid, const char *node, const char *name);
/* More about it, as a data form of type "result" (XEP-0128); one of each FORM_TYPE is shown. */
struct jd_disco_field {
	const char *var;
	const char *type;          /* "list-multi"; NULL: not said */
	const char *const *values; /* ends with NULL */
};
JD_EXPORT void jd_disco_form(struct jd_instance *mi, unsigned targets, const char *form_type,
			     const struct jd_disco_field *fields, size_t n);

/* What a stream offers after login: an empty element in its own namespace (RFC 6120 4.3.2). */
JD_EXPORT void jd_stream_feature(struct jd_instance *mi, const char *ns, const char *name);
/* The same with attributes: attrs() fills in so many of them as it returns, at most
 * JD_ATTRS_MAX, with values in the arena, whenever the features of the host are put together,
 * which is after all its modules have started. */
#define JD_ATTRS_MAX 8
struct jd_attr {
	const char *name;
	struct jd_str value;
};
typedef size_t (*jd_attrs_fn)(struct jd_instance *mi, struct jd_host *host, struct jd_arena *arena,
			      struct jd_attr *attrs);
JD_EXPORT void jd_stream_feature_attrs(struct jd_instance *mi, const char *ns, const char *name,
				       jd_attrs_fn attrs);

/*
 * What a client may ask for while it binds (Bind 2, XEP-0386): fn is called for each
 * child of its <bind/> in this namespace, when the session has its address and
 * before anybody is told of it.  It may write an answer, which goes into <bound/>.
 */
typedef void (*jd_bind_fn)(struct jd_instance *mi, struct jd_session *session, struct jd_el request,
			   struct jd_xml *answer);
JD_EXPORT void jd_bind_feature(struct jd_instance *mi, const char *ns, jd_bind_fn fn);

/*
 * What the answer to Bind 2 tells of the account, asked for or not.  prepare() looks it up before
 * the session is bound, while nothing else happens in the account's home: what it starts
 * belongs to `owner`, and it says done(arg) once, at once or later; if it does not in some seconds,
 * the session is bound all the same.  write() writes into <bound/>.  One module of a
 * host: -JD_EEXIST.
 */
struct jd_bound_ops {
	void (*prepare)(struct jd_instance *mi, struct jd_account *account, struct jd_owner *owner,
			void (*done)(void *arg), void *arg);
	void (*write)(struct jd_instance *mi, struct jd_session *session, struct jd_arena *arena,
		      struct jd_xml *bound);
};
JD_EXPORT int jd_on_bound(struct jd_instance *mi, const struct jd_bound_ops *ops) JD_MUST_USE;

/*
 * In-band registration (XEP-0077) by somebody who has not logged in: a get or set with a query in
 * jabber:iq:register, under TLS.  Who registers the handler switches it on for the host.  Exactly
 * one of the answers ends it, now or from a callback that belongs to jd_register_pending().
 */
struct jd_register;
JD_EXPORT int jd_on_register(struct jd_instance *mi, jd_register_fn fn) JD_MUST_USE;
JD_EXPORT struct jd_stanza *jd_register_stanza(struct jd_register *r); /* without addresses */
JD_EXPORT struct jd_str jd_register_peer(struct jd_register *r);       /* numeric address */
JD_EXPORT struct jd_owner *jd_register_pending(struct jd_register *r);
JD_EXPORT struct jd_xml *jd_register_result(struct jd_register *r);
JD_EXPORT void jd_register_reply(struct jd_register *r, struct jd_xml *x);
JD_EXPORT void jd_register_error(struct jd_register *r, const struct jd_error *error);

/* Commands; the table ends with an entry without name. -JD_EEXIST. */
JD_EXPORT int jd_commands(struct jd_instance *mi, const struct jd_command_def *defs) JD_MUST_USE;

/*
 * An account is being erased: its name leads nowhere any more, its sessions have gone. fn is
 * called when this module's turn comes, and once more after a failure or a restart of the
 * server, so what it does must be doable again. It erases what the account has here in steps
 * of bounded size (its callbacks belong to jd_erasure_pending()), and then says
 * jd_erase_done(), once: false, and it is called again a little later.
 */
struct jd_erasure;
typedef void (*jd_erase_fn)(struct jd_instance *mi, struct jd_erasure *e);
JD_EXPORT int jd_on_erase(struct jd_instance *mi, jd_erase_fn fn) JD_MUST_USE;
JD_EXPORT struct jd_jid jd_erasure_jid(const struct jd_erasure *e); /* the name that it had */
JD_EXPORT uint64_t jd_erasure_owner(const struct jd_erasure *e);
JD_EXPORT struct jd_owner *jd_erasure_pending(struct jd_erasure *e);
JD_EXPORT void jd_erase_done(struct jd_erasure *e, bool good);

/* Statements; before they are used. */
JD_EXPORT int jd_statements(struct jd_instance *mi, struct jd_stmt *const *stmts,
			    size_t n) JD_MUST_USE;

/* What modules of one host offer each other: a table of functions by name. The
 * needing module names the offering one in .needs. NULL when nobody offers it. */
JD_EXPORT int jd_provide(struct jd_instance *mi, const char *service, const void *ops) JD_MUST_USE;
JD_EXPORT const void *jd_service(struct jd_instance *mi, const char *service,
				 struct jd_instance **ret_provider);

/* What is registered on a host, for mod_disco. fn is called for each. */
struct jd_disco {
	enum { JD_DISCO_IDENTITY, JD_DISCO_FEATURE, JD_DISCO_ITEM, JD_DISCO_FORM } kind;
	struct jd_str category, type, name;  /* identity; an item has name */
	struct jd_str var;                   /* feature; a form's FORM_TYPE */
	struct jd_str jid, node;             /* item */
	const struct jd_disco_field *fields; /* form */
	size_t n_fields;
};
JD_EXPORT void jd_disco_each(struct jd_host *host, enum jd_target target,
			     void (*fn)(const struct jd_disco *entry, void *arg), void *arg);

/* Queries for nodes of a host or an account; on a component those without a node, too. Each
 * function answers iq, now or later, and returns true, or does nothing and returns false: not its
 * node. Others than its owner never ask about an account that hides from them. */
struct jd_disco_nodes {
	bool (*info)(struct jd_instance *mi, struct jd_iq *iq, struct jd_str node);
	bool (*items)(struct jd_instance *mi, struct jd_iq *iq, struct jd_str node);
};
JD_EXPORT void jd_on_disco_node(struct jd_instance *mi, const struct jd_disco_nodes *nodes);
/* For mod_disco: asks them in turn. False: nobody knows the node of this query. */
JD_EXPORT bool jd_disco_node(struct jd_iq *iq);
