/* SPDX-License-Identifier: MIT
 *
 * In-band registration (XEP-0077).  The owner of an account changes its password
 * and removes it; who has none makes one before the login, where the operator
 * has allowed that: it is off by default, since what it makes is mostly spam.
 *
 * What comes before the login is counted per address before it costs anything,
 * comes only over TLS (the stream layer sees to it), and is told no more than
 * that a name is taken or not to be had.
 */
#include <jackdaw/form.h>

#include "register_priv.h"

#define NS_REGISTER "jabber:iq:register"
#define NAME_MAX    64

static const struct jd_option options[] = {
	JD_OPT_BOOL("registration", struct options, registration, "false",
		    "Whoever comes may make an account."),
	JD_OPT_INT("min_password", struct options, min_password, "8", 1, 256,
		   "Characters that a new password has at least."),
	JD_OPT_INT("per_address", struct options, per_address, "5", 1, 100000,
		   "Attempts to register that one address (/64 for IPv6) has in a period."),
	JD_OPT_INT("per_host", struct options, per_host, "100", 1, 1000000,
		   "Attempts that all addresses together have in a period."),
	JD_OPT_TIME("period", struct options, period, "1h", 1000000LL, 86400 * 1000000LL,
		    "The period that attempts are counted in."),
	JD_OPT_LIST("reserved", struct options, reserved,
		    "abuse admin administrator help hostmaster info news noc noreply operator "
		    "postmaster root security server service support system webmaster",
		    "Names that nobody can register."),
	JD_OPT_TEXT("instructions", struct options, instructions,
		    "Choose a name and a password for your account.",
		    "What people are told who register."),
	JD_OPT_END,
};

enum { F_NAME, F_PASSWORD };

static const struct jd_form_field fields[] = {
	[F_NAME] = {JD_FIELD_TEXT, "username", .label = "Name", .flags = JD_FIELD_REQUIRED,
		    .max_bytes = NAME_MAX},
	[F_PASSWORD] = {JD_FIELD_PRIVATE, "password", .label = "Password",
			.flags = JD_FIELD_REQUIRED, .max_bytes = JD_JID_PART_MAX},
	JD_FORM_FIELDS_END,
};

static struct jd_form_def form_def(const struct options *o)
{
	return (struct jd_form_def){
		.form_type = NS_REGISTER,
		.title = "Registration",
		.instructions = o->instructions,
		.fields = fields,
		.type_optional = true,
	};
}

/* -- what both kinds of requests have ---------------------------------------------------- */

struct wanted {
	struct jd_str name, password;
};

static struct jd_str only_text(struct jd_el query, const char *name, struct jd_arena *arena)
{
	struct jd_el el = jd_el_child(query, NS_REGISTER, name);

	if (!jd_el_ok(el) || jd_el_ok(jd_el_next_is(el, NS_REGISTER, name)))
		return JD_STR_NULL;
	return jd_el_text(el, arena);
}

/* Name and password, from a form or from elements of their own. */
static bool read_wanted(const struct options *o, struct jd_el query, struct jd_arena *arena,
			struct wanted *ret_wanted, struct jd_error *ret_error)
{
	const struct jd_form_def def = form_def(o);
	struct jd_el x = jd_el_child(query, JD_NS_DATAFORM, "x");
	struct jd_form form;

	if (jd_el_ok(x)) {
		if (jd_form_read(x, &def, arena, &form) != JD_FORM_OK) {
			*ret_error = form.error;
			return false;
		}
		*ret_wanted = (struct wanted){jd_form_text(&form, F_NAME),
					      jd_form_text(&form, F_PASSWORD)};
		return true;
	}
	ret_wanted->name = only_text(query, "username", arena);
	ret_wanted->password = only_text(query, "password", arena);
	if (ret_wanted->name.len && ret_wanted->password.len)
		return true;
	*ret_error = (struct jd_error){.condition = JD_NOT_ACCEPTABLE,
				       .text = "A name and a password are needed."};
	return false;
}

static size_t count_chars(struct jd_str s)
{
	size_t n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
	return n;
}

static bool is_good_password(const struct options *o, struct jd_str password,
			     struct jd_arena *arena, struct jd_error *ret_error)
{
	if (count_chars(password) >= (size_t)o->min_password)
		return true;
	*ret_error = (struct jd_error){
		.condition = JD_NOT_ACCEPTABLE,
		.text = jd_arena_printf(arena, "The password must have %d characters at least.",
					(int)o->min_password)
				.p};
	return false;
}

static struct jd_error error_of(int result)
{
	switch (result) {
	case -JD_EEXIST:
		return (struct jd_error){.condition = JD_CONFLICT, .text = "The name is taken."};
	case -JD_EINVAL:
		return (struct jd_error){.condition = JD_NOT_ACCEPTABLE,
					 .text = "This cannot be a password."};
	case -JD_ENOENT:
		return (struct jd_error){.condition = JD_REGISTRATION_REQUIRED};
	case -JD_ELIMIT:
		return (struct jd_error){.condition = JD_RESOURCE_CONSTRAINT};
	default:
		return (struct jd_error){.condition = JD_INTERNAL_SERVER_ERROR};
	}
}

/* -- before the login ---------------------------------------------------------------------- */

static void show_form(const struct options *o, struct jd_register *r)
{
	const struct jd_form_def def = form_def(o);
	struct jd_xml *x = jd_register_result(r);
	struct jd_form form;

	jd_xml_start(x, NS_REGISTER, "query");
	jd_xml_leaf(x, NULL, "instructions", jd_cstr(o->instructions));
	jd_xml_leaf(x, NULL, "username", JD_STR_NULL);
	jd_xml_leaf(x, NULL, "password", JD_STR_NULL);
	jd_form_init(&form, &def, jd_register_stanza(r)->arena);
	jd_form_write_form(x, &form);
	jd_xml_end(x);
	jd_register_reply(r, x);
}

/* However the operator has written the words: they are prepared as names are. */
static bool is_reserved(const struct options *o, struct jd_jid jid, struct jd_arena *arena)
{
	struct jd_jid other;

	for (const char *const *word = o->reserved; word && *word; word++)
		if (jd_jid_make(arena, jd_cstr(*word), jd_jid_domain(jid), JD_STR_NULL, &other) ==
			    0 &&
		    jd_jid_eq(jid, other))
			return true;
	return false;
}

/* The address of the new account. */
static bool read_jid(struct jd_instance *mi, struct jd_str name, struct jd_arena *arena,
		     struct jd_jid *ret_jid, struct jd_error *ret_error)
{
	const struct options *o = jd_data(mi);
	struct jd_str host = jd_host_name(jd_instance_host(mi));

	*ret_error = (struct jd_error){.condition = JD_NOT_ACCEPTABLE,
				       .text = "This cannot be the name of an account."};
	if (name.len > NAME_MAX || jd_jid_make(arena, name, host, JD_STR_NULL, ret_jid) < 0)
		return false;
	/* Who is named in `admins` without having an account would be whoever comes first. */
	if (!is_reserved(o, *ret_jid, arena) && !jd_is_admin(jd_instance_host(mi), *ret_jid))
		return true;
	*ret_error = error_of(-JD_EEXIST);
	return false;
}

static void on_made(void *arg, int result)
{
	struct jd_register *r = arg;
	struct jd_error error = error_of(result);

	jd_log(JD_LOG_NOTICE, result ? "registration failed" : "account registered",
	       jd_kv_str("peer", jd_register_peer(r)), jd_kv_cstr("result", jd_strerror(result)));
	if (result)
		jd_register_error(r, &error);
	else
		jd_register_reply(r, jd_register_result(r));
}

static void on_register(struct jd_instance *mi, struct jd_register *r)
{
	struct options *o = jd_data(mi);
	struct jd_stanza *st = jd_register_stanza(r);
	struct jd_el query = jd_el_first(jd_stanza_root(st));
	struct jd_error error;
	struct wanted wanted;
	struct jd_jid jid;
	int err;

	if (st->type == JD_TYPE_GET) {
		show_form(o, r);
		return;
	}
	if (!register_may_try(o, jd_register_peer(r), jd_now_mono())) {
		jd_log_peer(JD_LOG_INFO, "too many attempts to register",
			    jd_kv_str("peer", jd_register_peer(r)));
		error = (struct jd_error){.condition = JD_RESOURCE_CONSTRAINT,
					  .text = "Too many attempts; try again later."};
		jd_register_error(r, &error);
		return;
	}
	if (!read_wanted(o, query, st->arena, &wanted, &error) ||
	    !read_jid(mi, wanted.name, st->arena, &jid, &error) ||
	    !is_good_password(o, wanted.password, st->arena, &error)) {
		jd_register_error(r, &error);
		return;
	}
	err = jd_account_make(jd_register_pending(r), jd_instance_host(mi), jid, wanted.password,
			      on_made, r);
	error = error_of(err);
	if (err)
		jd_register_error(r, &error);
}

/* -- after the login --------------------------------------------------------------------- */

static enum jd_verdict refuse(struct jd_iq *iq, enum jd_condition condition, const char *text)
{
	jd_iq_fail(iq, condition, text);
	return JD_DONE;
}

/* The account that asks for its own; NULL: somebody else's or a stranger, answered. */
static struct jd_account *asking(struct jd_iq *iq)
{
	struct jd_account *a = iq->session ? jd_session_account(iq->session) : NULL;

	if (iq->account && !iq->own)
		(void)refuse(iq, JD_SERVICE_UNAVAILABLE, NULL);
	else if (!a || jd_account_host(a) != iq->host)
		(void)refuse(iq, JD_FORBIDDEN, NULL);
	else
		return a;
	return NULL;
}

static enum jd_verdict on_get(struct jd_instance *mi, struct jd_iq *iq)
{
	struct jd_account *a = asking(iq);
	struct jd_xml *x;

	(void)mi;
	if (!a)
		return JD_DONE;
	x = jd_iq_result(iq);
	jd_xml_start(x, NS_REGISTER, "query");
	jd_xml_leaf(x, NULL, "registered", JD_STR_NULL);
	jd_xml_leaf(x, NULL, "username", jd_jid_local(jd_account_jid(a)));
	jd_xml_leaf(x, NULL, "password", JD_STR_NULL);
	jd_xml_end(x);
	jd_iq_reply(iq, x);
	return JD_DONE;
}

static void on_changed(void *arg, int result)
{
	struct jd_error error = error_of(result);
	struct jd_iq *iq = arg;

	if (result)
		jd_iq_error(iq, &error);
	else
		jd_iq_ok(iq);
}

static enum jd_verdict change_password(struct jd_instance *mi, struct jd_iq *iq,
				       struct jd_account *a)
{
	const struct options *o = jd_data(mi);
	struct jd_error error;
	struct wanted wanted;
	struct jd_jid jid;
	int err;

	if (!read_wanted(o, iq->query, iq->st->arena, &wanted, &error)) {
		jd_iq_error(iq, &error);
		return JD_DONE;
	}
	if (jd_jid_make(iq->st->arena, wanted.name, jd_host_name(iq->host), JD_STR_NULL, &jid) <
		    0 ||
	    !jd_jid_eq(jid, jd_account_jid(a)))
		return refuse(iq, JD_NOT_ALLOWED, "This is not the name of your account.");
	if (!is_good_password(o, wanted.password, iq->st->arena, &error)) {
		jd_iq_error(iq, &error);
		return JD_DONE;
	}
	err = jd_account_password(jd_iq_pending(iq), a, wanted.password, iq->session, on_changed,
				  iq);
	if (!err)
		return JD_ASYNC;
	error = error_of(err);
	jd_iq_error(iq, &error);
	return JD_DONE;
}

static void on_deleted(void *arg, int result)
{
	(void)arg;
	if (result == -JD_ECLOSED)
		jd_log(JD_LOG_INFO, "the rest of the account is erased at the next start");
	else if (result)
		jd_log(JD_LOG_ERROR, "an account could not be removed",
		       jd_kv_cstr("reason", jd_strerror(result)));
	else
		jd_log(JD_LOG_INFO, "the account has been removed");
}

/* The answer goes first: the session ends with the account. */
static enum jd_verdict remove_account(struct jd_instance *mi, struct jd_iq *iq,
				      struct jd_account *a)
{
	int err = jd_account_delete(jd_instance_pending(mi), a, on_deleted, NULL);

	if (err)
		return refuse(iq, JD_RESOURCE_CONSTRAINT, NULL);
	jd_log(JD_LOG_NOTICE, "its owner removes an account",
	       jd_kv_str("jid", jd_jid_str(jd_account_jid(a))));
	jd_iq_ok(iq);
	return JD_DONE;
}

static enum jd_verdict on_set(struct jd_instance *mi, struct jd_iq *iq)
{
	struct jd_el remove = jd_el_child(iq->query, NS_REGISTER, "remove");
	struct jd_account *a = asking(iq);

	if (!a)
		return JD_DONE;
	if (!jd_el_ok(remove))
		return change_password(mi, iq, a);
	if (jd_el_ok(jd_el_next(jd_el_first(iq->query))))
		return refuse(iq, JD_BAD_REQUEST, "<remove/> stands alone.");
	return remove_account(mi, iq, a);
}

/* -- the module ------------------------------------------------------------------------ */

static int start(struct jd_instance *mi)
{
	unsigned both = JD_TO_HOST | JD_TO_ACCOUNT;
	struct options *o = jd_data(mi);
	int r = jd_on_iq(mi, JD_TYPE_GET, both, NS_REGISTER, "query", on_get);

	if (r == 0)
		r = jd_on_iq(mi, JD_TYPE_SET, both, NS_REGISTER, "query", on_set);
	if (r == 0 && o->registration) {
		o->tries = jd_alloc(ADDRESSES * sizeof(*o->tries));
		r = jd_on_register(mi, on_register);
	}
	jd_feature(mi, JD_TO_HOST, NS_REGISTER);
	return r;
}

static void stop(struct jd_instance *mi)
{
	struct options *o = jd_data(mi);

	jd_free(o->tries);
}

JD_MODULE(register, .summary = "Passwords, and registration in-band (XEP-0077)",
	  .data_size = sizeof(struct options), .options = options, .start = start, .stop = stop);
