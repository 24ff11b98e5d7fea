/* SPDX-License-Identifier: MIT
 *
 * The parts of mod_muc:
 *
 *     mod_muc.c      options, and which part handles what
 *     rules.c        who may change what: tables
 *     config.c       what a room is like, and the form that says it
 *     room.c         the life of a room: loaded, made, destroyed
 *     store.c        its rows
 *     occupant.c     who is in it
 *     join.c         coming, changing names, going
 *     presence.c     what each occupant is told of the others
 *     message.c      what is said to all
 *     pace.c         how fast, and how much
 *     private.c      what is said to one, messages and requests
 *     history.c      what was said before
 *     affiliation.c  the list of those who stand in a lasting relation to the room
 *     admin.c        that list and the roles of occupants, seen and changed (muc#admin)
 *     owner.c        configuration and destruction (muc#owner)
 *     invite.c       invitations, and who asks for voice
 *     register.c     registration with a room (XEP-0045 7.10)
 *     disco.c        what others can find out
 *     vcard.c        the picture of a room
 *     hats.c         what people in it wear (XEP-0317)
 *     search.c       public rooms, found by words (XEP-0433)
 *     moderate.c     messages taken back (XEP-0424, 0425)
 *     commands.c     jackdawctl room
 *     state.c        what that shows of a room
 *
 * A room is a home: its mailbox handles one stanza after the other, and stands still while
 * one of them waits for the database.  So nothing here has to expect that the room
 * changes between a question and its answer.
 */
#pragma once

#include <jackdaw/archive.h>
#include <jackdaw/crypto.h>
#include <jackdaw/form.h>
#include <jackdaw/module.h>
#include <jackdaw/stanza_id.h>
#include <jackdaw/time.h>

#define NS_MUC          "http://jabber.org/protocol/muc"
#define NS_USER         "http://jabber.org/protocol/muc#user"
#define NS_ADMIN        "http://jabber.org/protocol/muc#admin"
#define NS_OWNER        "http://jabber.org/protocol/muc#owner"
#define NS_ROOMCONFIG   "http://jabber.org/protocol/muc#roomconfig"
#define NS_ROOMINFO     "http://jabber.org/protocol/muc#roominfo"
#define NS_REQUEST      "http://jabber.org/protocol/muc#request"
#define NS_MUC_REGISTER "http://jabber.org/protocol/muc#register"
#define NS_OCCUPANT_ID  "urn:xmpp:occupant-id:0"
#define NS_REGISTER     "jabber:iq:register"
#define NS_MAM          "urn:xmpp:mam:2"
#define NS_RETRACT      "urn:xmpp:message-retract:1"
#define NS_MODERATE     "urn:xmpp:message-moderate:1"
#define NS_STATE        "urn:jackdaw:room" /* within this server only */
#define NS_CORRECT      "urn:xmpp:message-correct:0"
#define NS_VCARD        "vcard-temp"
#define NS_HATS         "urn:xmpp:hats:0"
#define NS_HATS_OLD     "xmpp:prosody.im/protocol/hats:1" /* clients still take it for the other */

#define REASON_MAX 1024 /* bytes of a reason; a longer one is cut */
#define NICK_MAX   200  /* bytes */
#define ID_SIZE    48   /* of an occupant's id, as text */

/* In muc_affiliation, and in this order: more is more. */
enum affiliation { AFF_OUTCAST, AFF_NONE, AFF_MEMBER, AFF_ADMIN, AFF_OWNER };
enum muc_role { ROLE_NONE, ROLE_VISITOR, ROLE_PARTICIPANT, ROLE_MODERATOR };

enum creators { CREATE_HOST, CREATE_SERVER, CREATE_ANYONE, CREATE_ADMIN };

/* -- configuration ------------------------------------------------------------------------ */

enum allow { ALLOW_ANYONE, ALLOW_PARTICIPANTS, ALLOW_MODERATORS, ALLOW_NOBODY };

/* Texts live as long as st, which is the form that says all this. */
struct config {
	struct jd_stanza *st;
	struct jd_str title, description, lang, password, pubsub;
	bool persistent, listed, members_only, moderated, known_jids, subject_free, invites_free,
		logged, archived;
	enum allow private;
	unsigned broadcast;   /* bits of roles whose presence is shown */
	unsigned member_list; /* bits of roles that may see the list of members */
	unsigned max_users, history;
	unsigned slow; /* seconds between two messages of one account; 0: none */
};

/* -- the instance ------------------------------------------------------------------------- */

struct muc {
	/* options */
	const char *name;
	int64_t max_occupants, admin_overflow, rooms_per_user, max_affiliations;
	int64_t history, history_max, messages_per_second, vcard_bytes;
	int create; /* enum creators */
	jd_usec grace;
	bool persistent, listed, members_only, moderated, known_jids, archived;
	/* not options */
	const struct jd_archive *archive; /* NULL: none on this component */
	struct jd_instance *archive_mi;
	struct muc_form *form;    /* config.c */
	struct muc_relay *relays; /* private.c */
	struct room *busy;        /* rooms with somebody in them: what others may know of them */
	double searches;          /* that have not been paid for by time, as of then */
	jd_usec searched_at;      /* by jd_now_mono() */
	bool stopping;            /* the server: rooms are left as they are */
	jd_usec grace_until;      /* by jd_now_mono() */
	int64_t leftover;         /* the last one that was looked for, by number */
};

/* -- rooms -------------------------------------------------------------------------------- */

/* Somebody on the list; text of jid, nick and reason is his. */
struct affiliate {
	struct jd_jid jid; /* bare */
	enum affiliation affiliation;
	char *nick, *reason; /* or NULL */
	bool came;           /* by himself, or registered */
};

struct occupant;

/* One connection of an occupant. */
struct device {
	struct device *next;
	struct occupant *occupant;
	struct jd_jid jid; /* full */
	struct jd_stanza *presence;
	jd_usec asked_at; /* whether it is there; by jd_now_mono() */
};

/* A name in the room, with one device or several of one account; the newest first. */
struct occupant {
	struct occupant *next;
	struct room *room;
	struct jd_jid at;  /* room@host/nick */
	struct jd_jid who; /* bare */
	enum muc_role role;
	struct device *devices;
	struct jd_stanza *looks[2]; /* its presence as others see it: without, with its address */
	char id[ID_SIZE];           /* XEP-0421 */
	struct pace *pace;
};

/* How fast an account speaks here; times are by jd_now_mono(). */
struct pace {
	struct pace *next;
	char id[ID_SIZE];   /* of its occupants */
	unsigned occupants; /* 0: it has left */
	double credit;      /* messages that may be sent, as of then */
	jd_usec credit_at;
	jd_usec said_at; /* something, in a room that is slow; 0: nothing yet */
};

/* Data of an account on this component. */
struct room {
	struct jd_instance *mi;
	struct jd_account *account;
	struct room *busy_next, **busy_at; /* in the list of the instance */
	bool loaded;                       /* what follows is what the database has */
	bool made;                         /* there is such a room */
	bool locked;                       /* it waits for its first configuration */
	bool waits; /* the server was started anew; for the grace, its people may come back */
	struct config config;
	uint8_t salt[32];       /* for occupants' ids */
	struct jd_stanza *hats; /* a tree of its hats and their wearers; NULL: there are none */
	char *avatar;           /* hashes of its picture, between spaces; NULL: it has none */
	struct affiliate **affiliates;
	size_t n_affiliates, room_affiliates;
	struct occupant *occupants; /* in the order of their coming */
	struct occupant **last;
	unsigned n_occupants, n_devices;
	struct pace *paces;
	unsigned n_away;           /* of these, those of who has left */
	struct activity *activity; /* pace.c; NULL: nothing was said */
	struct jd_stanza *subject; /* NULL: there was none yet */
	jd_usec subject_at;
	struct jd_stanza
		*kept; /* what is being stored: it goes with the room if nobody asks for it */
	struct jd_stanza *notice; /* what absent members are going to hear of */
	struct jd_timer *notice_timer;
};

/* -- visits ------------------------------------------------------------------------------- */

/* A stanza that a room is handling; in the arena of that. */
struct visit {
	struct muc *muc;
	struct room *room;
	struct jd_stanza *st;
	struct jd_call *call; /* NULL: the room does not stand still for it */
	struct jd_iq *iq;     /* a request to the room itself; or NULL */
	bool answered;        /* that */
	struct jd_arena *arena;
	struct jd_owner *pending;
	enum jd_verdict verdict; /* that is said when the room has settled */
	void *data;              /* of who handles it */
	enum jd_verdict (*go)(struct visit *v);
};

typedef enum jd_verdict (*visit_fn)(struct visit *v);
typedef void (*muc_done_fn)(struct visit *v, int result);

/* Calls go() when the room is loaded, and sees to its verdict. */
enum jd_verdict muc_visit(struct visit *v, visit_fn go);
/* For whoever has returned JD_WAIT. */
void muc_end(struct visit *v, enum jd_verdict verdict);
/* The stanza is answered with an error; the verdict is JD_DROP for a message or presence. */
enum jd_verdict muc_refuse(struct visit *v, enum jd_condition condition, enum jd_errtype type,
			   const char *text);

/* -- rules.c ------------------------------------------------------------------------------ */

struct jd_str muc_affiliation_name(enum affiliation a);
struct jd_str muc_role_name(enum muc_role r);
bool muc_affiliation_read(struct jd_str s, enum affiliation *ret_a);
bool muc_role_read(struct jd_str s, enum muc_role *ret_r);
/* What somebody becomes who comes in with this affiliation. */
enum muc_role muc_role_of(const struct config *c, enum affiliation a);
/* And what an occupant becomes whose affiliation changes. */
enum muc_role muc_role_after(const struct config *c, enum muc_role now, enum affiliation before,
			     enum affiliation after);
/* False: ret_why is to be answered. */
bool muc_may_affiliate(enum affiliation actor, enum affiliation before, enum affiliation after,
		       enum jd_condition *ret_why);
bool muc_may_see_list(const struct config *c, enum affiliation actor, enum muc_role role,
		      enum affiliation list);

struct change_of_role {
	enum affiliation actor, target;
	enum muc_role actor_role, before, after;
};

bool muc_may_role(const struct change_of_role *c, enum jd_condition *ret_why);
bool muc_allows(enum allow a, enum muc_role role);

/* -- config.c ----------------------------------------------------------------------------- */

void muc_form_start(struct muc *muc);
void muc_form_stop(struct muc *muc);
/* What new rooms are like. */
void muc_config_default(struct muc *muc, struct config *ret_config);
/* From text that muc_config_text() has given; false: that is not what it is. */
bool muc_config_parse(struct muc *muc, struct jd_str text, struct config *ret_config);
struct jd_str muc_config_text(struct muc *muc, const struct config *c, struct jd_arena *arena);
void muc_config_free(struct config *c);
/* Lists of the whole configuration; one that is given may be empty. */
struct config_lists {
	bool owners_given, admins_given;
	const struct jd_jid *owners, *admins;
	size_t n_owners, n_admins;
};
void muc_config_write(struct muc *muc, const struct config *c, const struct config_lists *lists,
		      struct jd_arena *arena, struct jd_xml *x);
/* What was submitted, where it says nothing the present one, whose texts it uses. False:
 * ret_error. */
bool muc_config_read(struct muc *muc, const struct config *now, struct jd_el x,
		     struct jd_arena *arena, struct config *ret_config,
		     struct config_lists *ret_lists, struct jd_error *ret_error);

/* -- room.c, store.c ---------------------------------------------------------------------- */

struct room *muc_room(struct jd_instance *mi, struct jd_account *account);
struct muc *muc_of(const struct room *r);
struct jd_jid muc_room_jid(const struct room *r);
uint64_t muc_room_owner(const struct room *r);
/* Holds a stanza for a visit that waits, instead of the one before; NULL: none. */
void muc_room_keep(struct room *r, struct jd_stanza *st);
/* The first one comes, the last one has gone: a room with somebody in it stays in memory. */
void muc_room_wake(struct room *r);
void muc_room_rest(struct room *r);
int muc_room_start(struct jd_instance *mi);
/* As before it was loaded, but for its occupants. */
void muc_room_reset(struct room *r);
void muc_room_free(struct jd_instance *mi, void *data);

struct new_room {
	struct config config;
	struct jd_jid creator;
	bool locked, unlimited;
	bool ownerless; /* an administrator makes it for others */
	bool enters;    /* its creator does, at once */
	uint8_t salt[32];
};

/* Makes the room for whoever visits; the verdict of go() ends it. */
enum jd_verdict muc_room_make(struct visit *v, struct jd_jid creator, bool locked, visit_fn go);
bool muc_may_create(const struct visit *v);
/* Its occupants hear that it is destroyed, and why; then nothing is left of it. fn(v, result). */
struct destruction {
	struct jd_str venue, reason, password; /* p NULL: none */
};
int muc_room_destroy(struct visit *v, const struct destruction *d, muc_done_fn fn) JD_MUST_USE;

int muc_store_start(struct jd_instance *mi);
/* fn(v, result) later: 0, or -JD_E*. For an account with a number. */
int muc_store_load(struct visit *v, muc_done_fn fn) JD_MUST_USE;
/* fn is called with the visit. CONFLICT: the creator has too many rooms. */
int muc_store_make(struct visit *v, const struct new_room *n, jd_db_fn fn) JD_MUST_USE;
int muc_store_subject(struct visit *v, struct jd_stanza *st, jd_usec at, jd_db_fn fn) JD_MUST_USE;
int muc_store_submit(struct visit *v, struct jd_unit *unit, jd_db_fn fn) JD_MUST_USE;
void muc_config_store(const struct room *r, struct jd_unit *unit, const struct config *c,
		      bool locked, struct jd_arena *arena);
/* The same for who came; it may be lost with the server. */
void muc_came_store(struct room *r, struct jd_jid who);
/* Rooms that a stop of the server has left behind go, when their time is over. */
void muc_store_leftovers(struct jd_instance *mi);
struct room_list {
	struct jd_str after; /* a name */
	unsigned limit;
	bool hidden; /* those that cannot be found, too */
};
/* fn gets rows of name, title, configuration, number; in the order of names. */
int muc_store_list(struct jd_instance *mi, struct jd_owner *owner, const struct room_list *l,
		   jd_db_fn fn, void *arg) JD_MUST_USE;

/* -- occupant.c --------------------------------------------------------------------------- */

struct jd_jid muc_jid_keep(struct jd_jid jid); /* to be freed by muc_jid_drop() */
void muc_jid_drop(struct jd_jid *jid);
struct jd_str muc_nick(const struct occupant *o);
struct occupant *muc_occupant_find(const struct room *r, struct jd_str nick);
/* Of an account, with whatever name. */
struct occupant *muc_occupant_of(const struct room *r, struct jd_jid who);
struct device *muc_device_find(const struct room *r, struct jd_jid jid);
struct occupant *muc_occupant_add(struct room *r, struct jd_jid at, struct jd_jid who,
				  enum muc_role role);
struct device *muc_device_add(struct occupant *o, struct jd_stanza *presence);
void muc_device_set_presence(struct device *d, struct jd_stanza *presence);
/* Without a word; the occupant goes with its last device. */
void muc_device_remove(struct device *d);
void muc_occupant_remove(struct occupant *o);
void muc_occupant_rename(struct occupant *o, struct jd_jid at);
/* How it looks has changed. */
void muc_occupant_touch(struct occupant *o);
/* The id of an account in this room (XEP-0421). */
void muc_occupant_id(const struct room *r, struct jd_jid who, char *out);

/* -- pace.c ------------------------------------------------------------------------------- */

/* The one of this account, which lives until it was put back as often. */
struct pace *muc_pace_get(struct room *r, const char *id);
void muc_pace_put(struct room *r, struct pace *p);
/* With what was counted; nobody is in the room. */
void muc_paces_free(struct room *r);
/* Takes one message from what it may send now; false: it must wait. */
bool muc_occupant_pays(struct occupant *o);
/* Seconds until it may say this to all; 0: now. */
unsigned muc_must_wait(const struct occupant *o, struct jd_stanza *st);
/* All have been sent it. */
void muc_was_said(struct room *r, struct jd_stanza *st);
/* Messages in an hour, as text; p NULL: not known, or not to be told. */
struct jd_str muc_activity(struct room *r, struct jd_arena *arena);

/* -- presence.c --------------------------------------------------------------------------- */

#define CODES_MAX 6

/* What is said with a presence besides what it says itself. */
struct news {
	enum jd_type type;
	enum muc_role role; /* as it is told */
	unsigned codes[CODES_MAX];
	unsigned n_codes;
	struct jd_str nick;   /* the new one, with 303; p NULL: none */
	struct jd_str actor;  /* who did it, by nick; p NULL: not said */
	struct jd_str reason; /* p NULL: none */
	const struct destruction *destruction;
	struct jd_stanza *words;  /* whose children are passed on; NULL: those of the device */
	const struct device *but; /* hears nothing of it */
};

/* To everybody, those of this occupant last. */
void muc_tell_all(struct occupant *o, const struct news *news);
/* The same to one of its devices only, which it is about. */
void muc_tell_device(struct occupant *o, const struct news *news, struct device *to);
/* Those who are there, to a device that comes. */
void muc_show_all(struct device *to);
/* As it is now, to all. */
void muc_tell_look(struct occupant *o);
/* Who has sent v is told that he is not in the room. */
void muc_tell_out(struct visit *v);
/* Its role was `before`. */
void muc_tell_role(struct occupant *o, enum muc_role before, const struct news *news);
/* It leaves the room with all devices. */
void muc_throw_out(struct occupant *o, const struct news *news);
void muc_news_code(struct news *n, unsigned code);
/* A copy for one device goes its way. */
void muc_send_all(const struct room *r, struct jd_stanza *st);
bool muc_sees_addresses(const struct room *r, const struct occupant *viewer);

/* -- join.c, message.c, private.c, history.c ---------------------------------------------- */

enum jd_verdict muc_on_presence(struct visit *v);
enum jd_verdict muc_on_message(struct visit *v);
enum jd_verdict muc_on_private(struct visit *v);
enum jd_verdict muc_on_request(struct visit *v);
/* An error came back for what was sent to a device. */
void muc_on_error(struct visit *v);
/* Children that are the room's own to say. */
bool muc_is_reserved(const struct room *r, struct jd_el child, struct jd_arena *arena);
void muc_write_occupant_id(struct jd_xml *x, const char *id);
/* Sends what was said before, then the subject, and ends the visit. */
enum jd_verdict muc_history(struct visit *v, struct jd_el wanted);
void muc_send_subject(struct room *r, struct jd_jid to);
bool muc_is_subject(struct jd_el root);
/* A message of the room's to everybody in it, with this status code. */
void muc_announce(struct room *r, unsigned code);
/* Stores and then sends a message; the verdict of the visit is said when that is done. */
enum jd_verdict muc_publish(struct visit *v, struct jd_stanza *st, struct jd_jid peer);
/* The same with what may be a new subject. */
enum jd_verdict muc_say(struct visit *v, struct jd_stanza *st);
void muc_device_lost(struct device *d);
void muc_relays_free(struct muc *muc);

/* -- affiliation.c, admin.c --------------------------------------------------------------- */

struct affiliate *muc_affiliate_find(const struct room *r, struct jd_jid who);
enum affiliation muc_affiliation(const struct room *r, struct jd_jid who);
/* Its place in the list; false: it is not there. */
bool muc_affiliate_place(const struct room *r, struct jd_jid who, size_t *ret_i);
/* What the list says of exactly this address, be it that of a domain. */
enum affiliation muc_listed_affiliation(const struct room *r, struct jd_jid who);
/* The component itself (for jackdawctl), and its administrators. */
bool muc_is_master(const struct room *r, struct jd_jid who);
/* These act as owners. */
enum affiliation muc_power(const struct room *r, struct jd_jid who);
struct affiliate *muc_affiliate_by_nick(const struct room *r, struct jd_str nick);
size_t muc_count(const struct room *r, enum affiliation a);

/* A change of somebody's affiliation, before and after it is stored. */
struct standing {
	struct jd_jid who; /* bare */
	enum affiliation before, after;
	struct jd_str nick;   /* p NULL: stays; empty: none */
	struct jd_str reason; /* p NULL: none */
	bool came;            /* with this: he says so himself */
};

/* The list as the database has it. */
void muc_affiliate_put(struct room *r, struct jd_jid who, enum affiliation affiliation,
		       struct jd_str nick, struct jd_str reason);
void muc_affiliates_free(struct room *r);
/* He wants to have to do with the room, which others cannot say for him. True: that is new. */
bool muc_affiliate_came(struct room *r, struct jd_jid who);
/* The name that is reserved for him afterwards; p NULL: none. */
struct jd_str muc_standing_nick(const struct room *r, const struct standing *s);
/* The row of a change, for a unit. */
void muc_standing_store(const struct room *r, struct jd_unit *unit, const struct standing *s);
/* It is stored: the list, and everybody who is concerned. actor p NULL: not said. */
void muc_standing_apply(struct room *r, const struct standing *s, struct jd_str actor);
/* Whether the list has at most so many entries with these changes, or grows no longer. */
bool muc_list_fits(const struct room *r, const struct standing *s, size_t n, int64_t most);

enum jd_verdict muc_on_admin_get(struct visit *v);
enum jd_verdict muc_on_admin_set(struct visit *v);
/* Answers a request to the room with an error: JD_DONE. */
enum jd_verdict muc_fail(struct visit *v, enum jd_condition condition, const char *text);
struct jd_str muc_reason(struct jd_el item, const char *ns, struct jd_arena *arena);

/* -- owner.c, invite.c, register.c, disco.c, vcard.c, hats.c, moderate.c, commands.c
 * ----------------------- */

enum jd_verdict muc_on_owner_get(struct visit *v);
enum jd_verdict muc_on_owner_set(struct visit *v);
/* Messages to the room that are not for all. */
enum jd_verdict muc_on_normal(struct visit *v);
enum jd_verdict muc_on_register_get(struct visit *v);
enum jd_verdict muc_on_register_set(struct visit *v);
enum jd_verdict muc_on_info(struct visit *v);
enum jd_verdict muc_on_items(struct visit *v);
int muc_disco_start(struct jd_instance *mi);
/* What is not for everybody: who is in the room or belongs to it may; others where all may enter.
 */
bool muc_may_look_inside(const struct room *r, struct jd_jid who);
enum jd_verdict muc_on_vcard_get(struct visit *v);
enum jd_verdict muc_on_vcard_set(struct visit *v);
void muc_show_avatar(const struct device *to);
int muc_vcard_start(struct jd_instance *mi);
void muc_write_hats(struct jd_xml *x, const struct occupant *o);
/* Changes with the list of hats; p NULL: there are none. */
struct jd_str muc_hats_hash(const struct room *r, struct jd_arena *arena);
enum jd_verdict muc_on_command(struct visit *v);
void muc_write_commands(struct jd_xml *x, const struct visit *v);
int muc_hats_start(struct jd_instance *mi);
int muc_search_start(struct jd_instance *mi);
enum jd_verdict muc_on_archive(struct visit *v);
enum jd_verdict muc_on_state(struct visit *v);
enum jd_verdict muc_on_moderate(struct visit *v);
enum jd_verdict muc_on_retract(struct visit *v, struct occupant *o, struct jd_stanza *st);
extern const struct jd_command_def muc_commands[];
