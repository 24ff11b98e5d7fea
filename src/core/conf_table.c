/* SPDX-License-Identifier: MIT
 *
 * The options of the server itself.  jackdaw.conf(5) says the same in more words.
 */
#include "core/conf_table.h"
#include "core/conf_value.h"
#include "util/mem.h"
#include "xmpp/stanza.h"

#define KILO 1024LL
#define MEGA (1024 * KILO)
#define SEC  1000000LL
#define DAY  (86400 * SEC)

static const char *const levels[] = {"error", "warning", "notice", "info", "debug", NULL};
static const char *const formats[] = {"text", "json", NULL};
static const char *const kinds[] = {"c2s", "c2s-tls", "http", "https", "component", NULL};
static const char *const drivers[] = {"sqlite", "pgsql", NULL};
static const char *const mechanisms[] = {
	"SCRAM-SHA-512-PLUS",
	"SCRAM-SHA-256-PLUS",
	"SCRAM-SHA-1-PLUS",
	"SCRAM-SHA-512",
	"SCRAM-SHA-256",
	"SCRAM-SHA-1",
	"PLAIN",
	"EXTERNAL",
	NULL,
};
static const char *const hashes[] = {"SHA-1", "SHA-256", "SHA-512", NULL};

static const struct jd_option top_options[] = {
	JD_OPT_TEXT("run_dir", struct conf, run_dir, JD_RUN_DIR,
		    "Folder of what the server writes; other paths are relative to it."),
	JD_OPT_INT("io_threads", struct conf, io_threads, "1", 0, 64,
		   "Threads that own the connections; 0: everything on one thread."),
	JD_OPT_INT("workers", struct conf, workers, "2", 1, 64,
		   "Threads for password hashing and other costly work."),
	JD_OPT_INT("max_connections", struct conf, max_connections, "50000", 1, 1000000,
		   "Connections that each I/O thread takes; more are closed at once."),
	JD_OPT_INT("max_unauthenticated", struct conf, max_unauthenticated, "0", 0, 1000000,
		   "Of these, those that have not logged in: past it the oldest is closed; 0: a "
		   "quarter."),
	JD_OPT_TEXT("shutdown_see_other", struct conf, see_other, NULL,
		    "Where sessions are sent when the server stops: \"host\" or \"host:port\"."),
	JD_OPT_TEXT("shutdown_see_other_uri", struct conf, see_other_uri, NULL,
		    "The same for WebSockets: a wss:// address."),
	JD_OPT_TEXT("module_dir", struct conf, module_dir, JD_MODULE_DIR,
		    "Folders of modules, separated by colons; JACKDAW_MODULE_DIR comes first."),
	JD_OPT_TEXT("schema_dir", struct conf, schema_dir, JD_SCHEMA_DIR,
		    "Folder of the database tables; JACKDAW_SCHEMA_DIR comes first."),
	JD_OPT_LIST("admins", struct conf, admins, NULL,
		    "Addresses (user@host) that may administer the whole server."),
	JD_OPT_END,
};

static const struct jd_option log_options[] = {
	JD_OPT_CHOICE("level", struct conf, log.level, "info", levels,
		      "How much is written: this level and those before it."),
	JD_OPT_CHOICE("format", struct conf, log.format, "text", formats,
		      "Lines for people, or a JSON object in each line."),
	JD_OPT_END,
};

static const struct jd_option host_options[] = {
	JD_OPT_TEXT("certificate", struct conf_host, certificate, NULL,
		    "File with the certificate and its chain (PEM); without it there is no TLS."),
	JD_OPT_TEXT("key", struct conf_host, key, NULL, "File with the private key (PEM)."),
	JD_OPT_TEXT("client_ca", struct conf_host, client_ca, NULL,
		    "File with the authorities (PEM) whose certificates let clients log in."),
	JD_OPT_BOOL("anonymous", struct conf_host, anonymous, "false",
		    "Whether anybody may log in without an account (ANONYMOUS)."),
	JD_OPT_LIST("modules", struct conf_host, modules,
		    "roster presence message disco ping version time carbons csi archive "
		    "offline blocking private vcard last caps contacts extdisco announce adhoc "
		    "admin register push",
		    "What the host offers."),
	JD_OPT_LIST("admins", struct conf_host, admins, NULL,
		    "Addresses (user@host) that may administer this host."),
	JD_OPT_TEXT("rooms", struct conf_host, rooms, "conference",
		    "The first part of the name of its component for rooms; \"\": it has none."),
	JD_OPT_END,
};

static const struct jd_option component_options[] = {
	JD_OPT_LIST("modules", struct conf_host, modules, "", "What the component offers."),
	JD_OPT_LIST("admins", struct conf_host, admins, NULL,
		    "Addresses (user@host) that may administer it, besides those of its host."),
	JD_OPT_TEXT("secret", struct conf_host, secret, NULL,
		    "What an external component (XEP-0114) must know to connect as this one."),
	JD_OPT_TEXT("secret_file", struct conf_host, secret_file, NULL,
		    "A file whose first line is the secret."),
	JD_OPT_END,
};

static const struct jd_option listen_options[] = {
	JD_OPT_CHOICE("kind", struct conf_listen, kind_number, NULL, kinds,
		      "What is spoken there; default: the listener's name."),
	JD_OPT_TEXT(
		"address", struct conf_listen, address, "*",
		"A numeric address, \"localhost\" (both loopbacks), or \"*\" (all). Default for "
		"components: localhost."),
	JD_OPT_INT(
		"port", struct conf_listen, port, NULL, 0, 65535,
		"TCP port; 0: the system chooses. Default: 5222, 5223, 5280, 5443, 5347 by kind."),
	JD_OPT_INT("max_per_address", struct conf_listen, max_per_address, "256", 0, 1000000,
		   "Connections of one peer address (/64 for IPv6), more are closed; 0: no bound."),
	JD_OPT_LIST("uncounted_from", struct conf_listen, uncounted_from, "127.0.0.0/8 ::1",
		    "Networks whose addresses have no such bound."),
	JD_OPT_LIST("proxy_from", struct conf_listen, proxy_from, "",
		    "Networks of proxies that begin each connection with a PROXY header."),
	JD_OPT_END,
};

static const struct jd_option database_options[] = {
	JD_OPT_CHOICE("driver", struct conf, database.driver_number, "sqlite", drivers,
		      "Kind of database."),
	JD_OPT_TEXT("path", struct conf, database.path, "jackdaw.db",
		    "sqlite: the file of the database."),
	JD_OPT_TEXT(
		"connection", struct conf, database.connection, NULL,
		"pgsql: where the database is, in the words of libpq: \"host=... dbname=...\"."),
	JD_OPT_TEXT("password_file", struct conf, database.password_file, NULL,
		    "pgsql: a file whose first line is the password."),
	JD_OPT_INT(
		"connections", struct conf, database.connections, "3", 1, 16,
		"pgsql: connections for reads, and as many for writes; two more are for others."),
	JD_OPT_END,
};

static const struct jd_option control_options[] = {
	JD_OPT_TEXT("socket", struct conf, control.socket, "jackdaw.sock",
		    "Unix socket of jackdawctl."),
	JD_OPT_INT("mode", struct conf, control.mode, "0660", 0, 0777,
		   "Its permissions, in octal with a leading 0: who may use it."),
	JD_OPT_END,
};

static const struct jd_option auth_options[] = {
	JD_OPT_BOOL("allow_plaintext", struct conf, auth.allow_plaintext, "false",
		    "Logins over connections without TLS: only for tests on loopback."),
	JD_OPT_INT("scram_iterations", struct conf, auth.scram_iterations, "10000", 4096, 10000000,
		   "Rounds of PBKDF2 for new passwords."),
	{JD_OPTION_LIST, "mechanisms", offsetof(struct conf, auth.mechanisms),
	 "SCRAM-SHA-512-PLUS SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-512 SCRAM-SHA-256 "
	 "SCRAM-SHA-1 PLAIN EXTERNAL",
	 0, 0, mechanisms, "SASL mechanisms that are offered, as far as a stream can have them."},
	{JD_OPTION_LIST, "scram_hashes", offsetof(struct conf, auth.scram_hashes),
	 "SHA-1 SHA-256 SHA-512", 0, 0, hashes,
	 "Hashes for which new passwords get SCRAM keys; no mechanism of another one is offered."},
	JD_OPT_BOOL("tokens", struct conf, auth.tokens, "true",
		    "Devices may log in by tokens that they were given (XEP-0484)."),
	JD_OPT_TIME("token_lifetime", struct conf, auth.token_lifetime, "21d", 60 * SEC, 3650 * DAY,
		    "So long a device may stay away and still log in by its token."),
	JD_OPT_TIME("login_deadline", struct conf, auth.login_deadline, "30s", 1 * SEC, 600 * SEC,
		    "From the connection to the bound session, whatever is sent meanwhile."),
	JD_OPT_INT("max_failures", struct conf, auth.max_failures, "5", 1, 100,
		   "Failed logins after which a stream is closed."),
	JD_OPT_END,
};

static const struct jd_option limits_options[] = {
	JD_OPT_SIZE("stanza_bytes", struct conf, limits.stanza_bytes, "1M", 10000, STANZA_BYTES_MAX,
		    "Size of a stanza after login."),
	JD_OPT_SIZE("stanza_bytes_before_login", struct conf, limits.stanza_bytes_before_login,
		    "10000", 10000, 64 * KILO, "Size of an element before login."),
	JD_OPT_INT("body_chars", struct conf, limits.body_chars, "99999", 1, 10000000,
		   "Characters in the body of a message."),
	JD_OPT_TIME("park_after", struct conf, limits.park_after, "30s", 0, 1 * DAY,
		    "A connection that is idle so long gives its parser back; 0: never."),
	JD_OPT_TIME("idle_ping", struct conf, limits.idle_ping, "5min", 0, 1 * DAY,
		    "A session that is silent so long is asked whether it is there; 0: never."),
	JD_OPT_TIME("idle_timeout", struct conf, limits.idle_timeout, "10min", 0, 1 * DAY,
		    "A session that is silent so long is ended; 0: never."),
	JD_OPT_TIME("stanza_deadline", struct conf, limits.stanza_deadline, "2min", 0, 1 * DAY,
		    "From the first byte of a stanza to its last; 0: none."),
	JD_OPT_TIME("unacked_timeout", struct conf, limits.unacked_timeout, "2min", 0, 1 * DAY,
		    "A connection ends whose peer confirms nothing for so long; 0: the system's."),
	JD_OPT_SIZE("bytes_per_second", struct conf, limits.bytes_per_second, "512k", 0,
		    1024 * MEGA, "What a session may send; it is read no faster. 0: no bound."),
	JD_OPT_INT("stanzas_per_second", struct conf, limits.stanzas_per_second, "200", 0, 1000000,
		   "The same in stanzas."),
	JD_OPT_SIZE("bytes_per_second_before_login", struct conf, limits.bytes_before_login, "16k",
		    0, 1024 * MEGA, "The same in bytes, before login."),
	JD_OPT_INT("stanzas_per_second_before_login", struct conf, limits.stanzas_before_login,
		   "10", 0, 1000000, "The same in elements, before login."),
	JD_OPT_TIME("burst", struct conf, limits.burst, "10s", 1 * SEC, 600 * SEC,
		    "How much of that may come at once: as much as is allowed in this time."),
	JD_OPT_TIME("resume_timeout", struct conf, limits.resume_timeout, "10min", 0, 1 * DAY,
		    "A session that has lost its connection can be resumed for so long; 0: never."),
	JD_OPT_INT(
		"resume_sessions", struct conf, limits.resume_sessions, "8", 1, 1000,
		"So many of an account wait without a connection; one more, and the oldest ends."),
	JD_OPT_INT("resume_stanzas", struct conf, limits.resume_stanzas, "20000", 10, 100000,
		   "Stanzas kept for a session until its client confirms them; past it, it ends."),
	JD_OPT_SIZE("resume_bytes", struct conf, limits.resume_bytes, "4M", 64 * KILO, 1024 * MEGA,
		    "The same in bytes."),
	JD_OPT_TEXT("resume_location", struct conf, limits.resume_location, NULL,
		    "Host, or host:port, where a session is best resumed; default: none is named."),
	JD_OPT_END,
};

static const struct jd_option http_client_options[] = {
	JD_OPT_BOOL("allow_private", struct conf, http_client.allow_private, "false",
		    "Whether requests may go to addresses that are not public, as well."),
	JD_OPT_TEXT("trust", struct conf, http_client.trust, NULL,
		    "File with the authorities (PEM) that are trusted; default: the system's."),
	JD_OPT_END,
};

const struct conf_section conf_sections[] = {
	{"", false, "At the top of the file.", top_options},
	{"log", false, "What is written to standard error.", log_options},
	{"host", true, "A domain that is served; its name is the title.", host_options},
	{"component", true, "A domain without users; its name is the title.", component_options},
	{"listen", true, "A listening socket; its name is the title.", listen_options},
	{"database", false, "Where accounts and everything else are kept.", database_options},
	{"control", false, "The socket of jackdawctl.", control_options},
	{"auth", false, "Logins.", auth_options},
	{"limits", false, "Bounds.", limits_options},
	{"http_client", false, "Requests to web servers, for modules.", http_client_options},
};
const size_t conf_n_sections = JD_ARRAY_SIZE(conf_sections);

const struct conf_section *conf_section_find(const char *name)
{
	for (size_t i = 0; i < conf_n_sections; i++)
		if (strcmp(conf_sections[i].name, name) == 0)
			return &conf_sections[i];
	return NULL;
}

#define MAX_DOCS 96

const struct conf_doc *conf_docs(size_t *ret_n)
{
	static struct conf_doc docs[MAX_DOCS];
	size_t n = 0;

	for (size_t i = 0; i < conf_n_sections; i++) {
		for (const struct jd_option *o = conf_sections[i].options; o->kind != JD_OPTION_END;
		     o++) {
			JD_ASSERT(n < MAX_DOCS);
			docs[n++] = (struct conf_doc){
				conf_sections[i].name, o->name, conf_kind_name(o->kind),
				o->fallback,           o->help,
			};
		}
	}
	*ret_n = n;
	return docs;
}
