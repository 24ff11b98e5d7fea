/* SPDX-License-Identifier: MIT
 *
 * The parts of mod_archive:
 *
 *     rules.c    which messages are kept: one table
 *     prefs.c    whose are: what the account wants (XEP-0441)
 *     log.c      the logs in memory: what waits to be written, in order
 *     write.c    what is written: units, their outcomes, and what is tried again
 *     store.c    stored first, then sent: messages on their way
 *     copies.c   the same message for several devices, stored once
 *     read.c     rows, for other modules
 *     pack.c     rows are kept packed, with dictionaries
 *     train.c    where those come from
 *     scrub.c    what must not get into one
 *     retract.c  messages that are taken back (XEP-0424)
 *     service.c  what other modules may ask for (jackdaw/archive.h)
 *     trim.c     what is too old: by command, and by the option
 *     manage.c   what an administrator can ask for
 *     query.c    what a client asks for (XEP-0313), understood and checked
 *     page.c     the page that answers it: one statement, and what is written
 *     search.c   words, of messages and of queries (XEP-0431)
 *     index.c    the index of what was there before it was wanted
 */
#pragma once

#include <jackdaw/archive.h>
#include <jackdaw/crypto.h>
#include <jackdaw/rsm.h>
#include <jackdaw/stanza_id.h>
#include <jackdaw/time.h>

#define NS_MAM      "urn:xmpp:mam:2"
#define NS_EXTENDED "urn:xmpp:mam:2#extended"
#define NS_FORWARD  "urn:xmpp:forward:0"
#define NS_FULLTEXT "urn:xmpp:fulltext:0"

struct log;

/* Data of the instance; the options come first. */
struct archive {
	int keep;       /* enum keep: of an account that has said nothing */
	int64_t quota;  /* hidden rows of an owner */
	jd_usec expire; /* 0: never */
	bool compress;
	bool deliver; /* somebody delivers later: hidden rows are wanted */
	struct log **logs;
	size_t n_buckets, n_logs;
	struct reading *readings; /* read.c */
	struct expiry *expiry;    /* trim.c */
	bool search;
	uint8_t search_key[JD_INSTALLATION_KEY];
	struct indexing *indexing; /* index.c */
};

/* -- what is kept ------------------------------------------------------------------------- */

/* Stored like this in archive_pref, and places of the option's choices. */
enum keep { KEEP_NEVER, KEEP_ALWAYS, KEEP_ROSTER };

/* In the column of that name. */
enum { FLAG_BODY = 1, FLAG_HIDDEN = 2, FLAG_RETRACTED = 4 };
#define VISIBLE "flags & 2 = 0"

enum kept { KEPT_NO, KEPT_UNTIL_DELIVERED, KEPT_FOREVER };

/* ret_flags: of the row. */
enum kept archive_rules(struct jd_stanza *st, int *ret_flags);
/* What is said to all in a room. */
bool archive_room_keeps(struct jd_el root);

/* -- accounts ----------------------------------------------------------------------------- */

struct pref {
	char *jid;
	enum keep keep;
};

/* A private message of a room, and for which device it was; id 0: none. */
#define CONTENT_BYTES 32
struct copied {
	uint64_t id; /* of its row */
	uint8_t content[CONTENT_BYTES], to[CONTENT_BYTES];
};

/* Data of an account. */
struct home {
	bool loaded;
	int keep; /* -1: it has said nothing */
	struct pref *prefs;
	size_t n_prefs;
	unsigned
		changes; /* of preferences, counted: what was asked for before one is out of date */
	struct copied copied; /* the last one that was stored */
};

/* False: it is none, and comes only once. ret_copied: without the row. */
bool archive_copied_read(struct jd_stanza *st, struct copied *ret_copied);
/* The row that another copy of it has got; 0: none. */
uint64_t archive_copied_row(const struct home *h, const struct copied *c);

void archive_home_free(struct jd_instance *mi, void *data);
/* What the account wants for messages to or from this address. Loaded homes only. */
enum keep archive_home_keep(const struct archive *o, const struct home *h, struct jd_jid peer);
/* Its preferences as they are stored. -JD_ELIMIT: not now. */
int archive_home_load(struct jd_owner *owner, uint64_t number, jd_db_fn fn, void *arg) JD_MUST_USE;
/* From the rows of that. */
void archive_home_fill(struct home *h, const struct jd_rows *rows);

/* -- logs --------------------------------------------------------------------------------- */

struct op;
struct query;

/* A kind of what is done to a log, one after the other. */
struct op_kind {
	bool joins; /* several may be in one unit, each with a single statement */
	/* Adds its statements; false: none, it only waits for its turn. */
	bool (*fill)(struct log *log, struct op *op, struct jd_unit *unit);
	/* It has been done; rows: of its last statement, NULL if it had none. Its result, or
	 * OP_MORE: it is of another kind now and has its turn once more. */
	int (*done)(struct log *log, struct op *op, const struct jd_rows *rows);
};

#define OP_MORE    1
#define NAME_BYTES 1024 /* of what a sender calls its message */

struct op {
	struct op *next;
	const struct op_kind *kind;
	struct jd_promise *promise;
	bool stubborn; /* tried for a long time: it cannot be refused any more */
	bool again;    /* it may be there already */
	int result;
	unsigned attempts;
	jd_archive_put_fn fn; /* NULL: nobody waits */
	void *arg;
	uint64_t id;
	int64_t at;
	int out, type, flags, format; /* of a row, as the others */
	struct jd_str peer, resource, name, stanza;
	struct jd_str terms; /* p NULL: none */
	char *extra;         /* freed with it */
	size_t extra_len;
};

struct place {
	uint64_t id;
	int64_t at;
};

struct log {
	struct log *next; /* of its bucket */
	struct jd_instance *mi;
	uint64_t owner;
	enum { LOG_NEW, LOG_LOADING, LOG_READY } state;
	bool used;         /* since the last look */
	bool busy;         /* something of it is at the database, or waits a little */
	uint64_t last_id;  /* given */
	uint64_t resolved; /* up to here every row is there or never will be */
	uint64_t total, counted, counting;
	uint64_t hidden;
	int64_t last_at;
	struct place oldest, newest; /* of what is visible; id 0: nothing */
	struct op *first, **end;
	unsigned n_ops, n_running;
	struct jd_str
		drops;  /* hidden rows to be erased soon, as JSON without its end; p NULL: none */
	unsigned alone; /* so many are to be tried one by one */
	unsigned failures; /* one after another */
};

int archive_log_start(struct jd_instance *mi);
void archive_log_stop(struct jd_instance *mi);
/* NULL: it is not in memory. */
struct log *archive_log_find(struct jd_instance *mi, uint64_t owner);
struct log *archive_log_get(struct jd_instance *mi, uint64_t owner);
/* An op with room for `text` bytes behind it (ret_text). */
struct op *archive_op_new(const struct op_kind *kind, jd_archive_put_fn fn, void *arg, size_t text,
			  char **ret_text);
/* In its turn; consumes op. owner NULL: fn is called whatever happens. */
int archive_log_add(struct log *log, struct op *op, struct jd_owner *owner) JD_MUST_USE;
/* Goes on with it, if it stands still. */
void archive_log_run(struct log *log);
/* The first n ops have this result. */
void archive_log_end(struct log *log, unsigned n, int result);
/* fn, soon, while the log is busy. */
void archive_log_later(struct log *log, jd_usec after, void (*fn)(void *arg));
/* Some of it writes nothing of its own: what is counted must be read again. */
void archive_log_forget(struct log *log);
/* What stands in front, as far as it goes together. */
void archive_write(struct log *log);
int archive_write_start(struct jd_instance *mi);

/* In its turn. flags: of the row. */
int archive_put(struct jd_instance *mi, struct jd_owner *owner, const struct jd_archive_put *row,
		int flags, bool stubborn, jd_archive_put_fn fn, void *arg) JD_MUST_USE;

int archive_prefs_start(struct jd_instance *mi);
int archive_store_start(struct jd_instance *mi);
int archive_service_start(struct jd_instance *mi);
int archive_state(struct jd_instance *mi, struct jd_owner *owner, uint64_t log,
		  jd_archive_put_fn fn, void *arg) JD_MUST_USE;
/* Hidden rows that are to be erased soon go before whatever is added next. */
void archive_drop_first(struct log *log);
/* They go now, without waiting for it. */
void archive_drop_now(struct log *log);
/* Rows from before this time go, some hundred; fn's id: how many those were. */
int archive_trim(struct jd_instance *mi, struct jd_owner *owner, uint64_t log, jd_usec before,
		 jd_archive_put_fn fn, void *arg) JD_MUST_USE;
int archive_trim_start(struct jd_instance *mi);
void archive_trim_stop(struct jd_instance *mi);
int archive_manage_start(struct jd_instance *mi);

/* A copy of s at *p, which moves behind it. */
struct jd_str archive_copy(char **p, struct jd_str s);
/* A message that has been stored takes another back: fn (or NULL) when that has been tried. False:
 * it does not. */
bool archive_retract_by(struct jd_instance *mi, uint64_t log, struct jd_stanza *st, bool out,
			struct jd_owner *owner, jd_archive_put_fn fn, void *arg);
int archive_retract_start(struct jd_instance *mi);
int archive_retract(struct jd_instance *mi, struct jd_owner *owner, uint64_t log, uint64_t id,
		    const struct jd_archive_tombstone *t, jd_archive_put_fn fn,
		    void *arg) JD_MUST_USE;
int archive_query_start(struct jd_instance *mi);
int archive_query_handle(struct jd_instance *mi); /* of accounts */
int archive_read_start(struct jd_instance *mi);

/* -- searching ---------------------------------------------------------------------------- */

#define TERMS_BYTES 36864 /* of one message; words behind are not found */

int archive_search_start(struct jd_instance *mi);
/* Of a message that may be shown; in `out`. p NULL: none, or searching is off. */
struct jd_str archive_terms(struct jd_instance *mi, uint64_t owner, struct jd_stanza *st,
			    char out[TERMS_BYTES]);
/* new: the row goes into the log with them. */
void archive_terms_put(struct jd_unit *unit, uint64_t owner, uint64_t id, struct jd_str terms,
		       bool new);
void archive_terms_drop(struct jd_unit *unit, uint64_t owner, uint64_t id);
/* What a client searches for. NULL, or what is wrong. */
const char *archive_search_read(struct query *q, struct jd_str text);
int archive_index_start(struct jd_instance *mi);
void archive_index_stop(struct jd_instance *mi);
/* All messages of this host can be found. */
bool archive_indexed(struct jd_instance *mi);

/* -- rows --------------------------------------------------------------------------------- */

int archive_read(struct jd_instance *mi, struct jd_owner *owner, const struct jd_archive_read *what,
		 jd_archive_read_fn fn, void *arg) JD_MUST_USE;
void archive_read_stop(struct jd_instance *mi);
/* Its text, as it was before it was stored. p NULL: it cannot be read. Valid until the next one. */
struct jd_str archive_text(const struct jd_rows *rows, size_t row, unsigned col);
/* A stanza from these columns: format, stanza. NULL: it cannot be read. */
struct jd_stanza *archive_stanza(const struct jd_rows *rows, size_t row, unsigned col);
/* That is said, once. */
void archive_unreadable(uint64_t owner, uint64_t id);
/* What the log of this address calls it. */
void archive_tell_id(struct jd_stanza *st, struct jd_jid by, uint64_t owner, uint64_t id);

/* -- packed rows -------------------------------------------------------------------------- */

#define PAGE_ROOM        524288 /* PAGE_BYTES, of stanzas that are not packed */
#define DICTIONARIES_MAX 64     /* in the table: none is ever erased */

struct jd_dictionary;

/* Changes bytes to what is stored: its format. Valid until the next one. */
int archive_pack(struct jd_instance *mi, struct jd_str *bytes);
/* And back; p NULL: that cannot be done. Valid until the next one. */
struct jd_str archive_unpack(int64_t format, struct jd_str bytes);
/* Of rows with the columns format and stanza the first n or less, but for one, that are not too
 * large together. */
size_t archive_fit(const struct jd_rows *rows, size_t n, unsigned col);

/* The number of a dictionary that must be fetched before these rows are read; 0: of none. */
int64_t archive_needs(const struct jd_rows *rows, unsigned col);
struct fetch {
	int64_t number;
	void (*fn)(void *arg, int result);
	void *arg;
};
/* fn when it is there, or known not to be; f stays where it is until then, or the owner goes. */
int archive_fetch(struct jd_owner *owner, struct fetch *f) JD_MUST_USE;
/* The same as a statement in a unit, whose last result it is. */
void archive_fetch_add(struct jd_unit *unit, int64_t number);
void archive_fetched(int64_t number, const struct jd_rows *rows);

int archive_pack_start(struct jd_instance *mi);
void archive_pack_stop(void);
/* New rows are packed with this one, unless there is a newer one. */
void archive_pack_use(int64_t number, struct jd_str bytes);
struct jd_dictionary *archive_pack_newest(void); /* NULL: none */
int64_t archive_pack_number(void);               /* of that; 0: none */

int archive_train_start(struct jd_instance *mi);
void archive_train_stop(const struct jd_instance *mi);
/* A row has been written: bytes before and after. */
void archive_train_note(struct jd_instance *mi, size_t in, size_t out);
/* What was noted is about another dictionary. */
void archive_train_forget(void);
void archive_cmd_dictionary(struct jd_command *c);

/* out: room for as many bytes, which are the same but for what people say. */
void archive_scrub(struct jd_str bytes, uint64_t seed, char *out);

/* -- queries ------------------------------------------------------------------------------ */

#define PAGE_USUAL  50
#define PAGE_MOST   100
#define PAGE_BYTES  "524288" /* of stanzas; or one, however large */
#define COUNT_MOST  10000
#define QUERYID_MAX 1024
#define CHECKS_MAX  4

struct query {
	struct query *next;  /* of the same session */
	struct asker *asker; /* NULL: it has ended, or it is somebody else's */
	struct jd_instance *mi;
	struct jd_iq *iq;
	uint64_t owner;
	struct jd_str id; /* queryid; p NULL: none */
	bool flip, backwards;
	bool filtered; /* by more than a page's place */
	bool count_only;
	unsigned limit;
	uint64_t after, before; /* between these, neither included */
	jd_usec start, end;
	struct jd_jid with; /* or none */
	struct jd_str ids;  /* as JSON; p NULL: not asked for by id */
	unsigned n_ids;
	struct jd_str words;         /* terms, with a space between; p NULL: any text will do */
	struct jd_str phrases;       /* terms that stand together, as JSON */
	uint64_t checks[CHECKS_MAX]; /* ids that must be there */
	unsigned n_checks;
	uint64_t total;
	struct fetch fetch;
};

/* Whoever calls has checked that the asker may. */
enum jd_verdict archive_query(struct jd_instance *mi, struct jd_iq *iq, uint64_t owner);
/* Of an account: its session's queries stand one behind the other. */
struct asker {
	struct query *first;
};
void archive_asker_free(struct jd_instance *mi, void *data);
int archive_page_start(struct jd_instance *mi);
/* Answers the query, when the connection of who asks has room. */
void archive_page_get(struct query *q);
int archive_bound_start(struct jd_instance *mi);
/* <metadata/>, of a log that is in memory. */
void archive_write_metadata(struct jd_xml *x, struct jd_arena *arena, struct jd_instance *mi,
			    uint64_t owner);
