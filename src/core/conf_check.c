/* SPDX-License-Identifier: MIT
 *
 * What one option cannot know by itself: paths, files that must be there,
 * listeners that get in each other's way.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core/conf_judge.h"
#include "net/proxy.h"
#include "util/crypto.h"

static const char *const kinds[] = {"c2s", "c2s-tls", "http", "https", "component", NULL};
static const int64_t kind_ports[] = {5222, 5223, 5280, 5443, 5347};
enum { KIND_C2S, KIND_C2S_TLS, KIND_HTTP, KIND_HTTPS, KIND_COMPONENT };

/* -- paths --------------------------------------------------------------------------- */

static void absolute(struct judge *j, const char **path)
{
	if (*path && (*path)[0] != '/')
		*path = jd_arena_printf(j->arena, "%s/%s", j->conf->run_dir, *path).p;
}

static const struct conf_node *section_option(const struct conf_node *top, const char *section,
					      const char *option)
{
	for (const struct conf_node *n = top->kids; n; n = n->next)
		if (n->section && strcmp(n->name, section) == 0)
			return node_option(n, option);
	return NULL;
}

static void check_dir(struct judge *j, int line, const char *option, const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		mistake(j, line, "'%s': %s: %s", option, path, strerror(errno));
	else if (!S_ISDIR(st.st_mode))
		mistake(j, line, "'%s': %s is not a folder", option, path);
}

static void from_environment(const char *name, const char **value)
{
	const char *text = getenv(name);

	if (text && *text)
		*value = text;
}

/* 0660 is octal, 660 is not: one is never meant where the other one is written. */
static void check_mode(struct judge *j, const struct conf_node *top)
{
	const struct conf_node *mode = section_option(top, "control", "mode");

	if (mode && mode->n_values == 1 && mode->values[0][0] != '0')
		mistake(j, mode->line,
			"'mode' in control must be octal, with a leading 0, such as 0660, not '%s'",
			mode->values[0]);
}

static bool is_octal(const struct conf_node *option)
{
	const char *word = option && option->n_values == 1 ? option->values[0] : "";

	return word[0] == '0' && word[1] >= '0' && word[1] <= '9';
}

static void check_paths(struct judge *j, const struct conf_node *top)
{
	struct conf *c = j->conf;
	const struct conf_node *run_dir = node_option(top, "run_dir");
	const struct conf_node *socket = section_option(top, "control", "socket");

	if (c->run_dir[0] != '/') {
		mistake(j, run_dir ? run_dir->line : 0, "'run_dir' must begin with '/', not '%s'",
			c->run_dir);
		return;
	}
	check_dir(j, run_dir ? run_dir->line : 0, "run_dir", c->run_dir);
	from_environment("JACKDAW_MODULE_DIR", &c->module_dir);
	from_environment("JACKDAW_SCHEMA_DIR", &c->schema_dir);
	absolute(j, &c->schema_dir);
	check_dir(j, node_line(top, "schema_dir"), "schema_dir", c->schema_dir);
	absolute(j, &c->database.path);
	absolute(j, &c->database.password_file);
	absolute(j, &c->control.socket);
	absolute(j, &c->http_client.trust);
	if (strlen(c->control.socket) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
		mistake(j, socket ? socket->line : 0,
			"'socket' in control is too long: the path of a socket has 107 bytes at "
			"most");
}

/* -- administrators -------------------------------------------------------------------- */

/* Compared byte for byte later on, so they are kept as they are prepared. */
static void check_admins(struct judge *j, int line, const char **admins)
{
	struct jd_jid jid;

	for (size_t i = 0; admins[i]; i++) {
		if (jd_jid_parse(j->arena, jd_cstr(admins[i]), &jid) < 0 || !jid.local_len ||
		    jid.resource_len)
			mistake(j, line, "'%s' in admins is not an address of the form user@host",
				admins[i]);
		else
			admins[i] = jd_arena_str(j->arena, jd_jid_str(jid)).p;
	}
}

/* -- certificates ---------------------------------------------------------------------- */

static void check_file(struct judge *j, const struct judged_host *jh, const char *option,
		       const char *path)
{
	struct stat st;

	if (access(path, R_OK) < 0 || stat(path, &st) < 0)
		mistake(j, node_line(jh->node, option), "'%s' in host: %s: %s", option, path,
			strerror(errno));
	else if (!S_ISREG(st.st_mode))
		mistake(j, node_line(jh->node, option), "'%s' in host: %s is not a file", option,
			path);
}

static void check_certificates(struct judge *j, const struct judged_host *jh)
{
	struct conf_host *h = jh->host;

	if (!h->certificate != !h->key) {
		mistake(j, jh->node->line, "host '%s' has a %s but no %s", h->name,
			h->key ? "key" : "certificate", h->key ? "certificate" : "key");
		return;
	}
	if (h->client_ca && !h->certificate)
		mistake(j, node_line(jh->node, "client_ca"),
			"host '%s' has a client_ca but no certificate", h->name);
	if (!h->certificate || j->conf->run_dir[0] != '/')
		return;
	absolute(j, &h->certificate);
	absolute(j, &h->key);
	check_file(j, jh, "certificate", h->certificate);
	check_file(j, jh, "key", h->key);
	absolute(j, &h->client_ca);
	if (h->client_ca)
		check_file(j, jh, "client_ca", h->client_ca);
}

/* -- listeners ---------------------------------------------------------------------------- */

static bool is_loopback(const char *address)
{
	return strcmp(address, "localhost") == 0 || strcmp(address, "127.0.0.1") == 0 ||
	       strcmp(address, "::1") == 0;
}

static bool same_place(const char *a, const char *b)
{
	if (strcmp(a, b) == 0 || strcmp(a, "*") == 0 || strcmp(b, "*") == 0)
		return true;
	return (strcmp(a, "localhost") == 0 && is_loopback(b)) ||
	       (strcmp(b, "localhost") == 0 && is_loopback(a));
}

static void listen_kind(struct judge *j, struct conf_listen *l, const struct conf_node *n)
{
	for (int i = 0; kinds[i] && l->kind_number < 0; i++)
		if (strcmp(kinds[i], l->name) == 0)
			l->kind_number = i;
	/* A wrong kind has been named already. */
	if (l->kind_number < 0 && !node_option(n, "kind"))
		mistake(j, n->line,
			"listen '%s' needs a 'kind', unless its name is one: c2s, c2s-tls, http, "
			"https or component%s",
			l->name, near_name(j, l->name, kinds));
	if (l->kind_number < 0)
		return;
	l->kind = kinds[l->kind_number];
	if (l->port < 0 && !node_option(n, "port"))
		l->port = kind_ports[l->kind_number];
	/* It has no TLS, and who connects there may speak for a whole domain. */
	if (l->kind_number == KIND_COMPONENT && !node_option(n, "address"))
		l->address = "localhost";
}

static bool any_certificate(const struct judge *j)
{
	for (size_t i = 0; i < j->n_hosts; i++)
		if (j->hosts[i].host->certificate)
			return true;
	return false;
}

static void check_address(struct judge *j, const struct conf_listen *l, const struct conf_node *n)
{
	unsigned char bytes[16];

	if (strcmp(l->address, "*") == 0 || strcmp(l->address, "localhost") == 0 ||
	    inet_pton(AF_INET, l->address, bytes) == 1 ||
	    inet_pton(AF_INET6, l->address, bytes) == 1)
		return;
	mistake(j, node_line(n, "address"),
		"'address' in listen must be *, localhost or a numeric address, not '%s'",
		l->address);
}

static void check_networks(struct judge *j, const struct conf_node *n, const char *option,
			   const char *const *networks)
{
	struct proxy_net net;

	for (; *networks; networks++)
		if (proxy_net_parse(*networks, &net) < 0)
			mistake(j, node_line(n, option),
				"'%s' in listen must have networks such as 192.0.2.0/24 or "
				"2001:db8::/32, not '%s'",
				option, *networks);
}

static void check_listen(struct judge *j, size_t i)
{
	struct conf_listen *l = &j->conf->listens[i];
	int line = j->listens[i]->line;

	listen_kind(j, l, j->listens[i]);
	check_address(j, l, j->listens[i]);
	check_networks(j, j->listens[i], "uncounted_from", l->uncounted_from);
	check_networks(j, j->listens[i], "proxy_from", l->proxy_from);
	if (is_octal(node_option(j->listens[i], "port")))
		mistake(j, node_line(j->listens[i], "port"),
			"'port' in listen begins with a 0, which would make it octal: '%s'",
			node_option(j->listens[i], "port")->values[0]);
	if ((l->kind_number == KIND_C2S_TLS || l->kind_number == KIND_HTTPS) && !any_certificate(j))
		mistake(j, line, "listen '%s' needs a certificate, and no host has one", l->name);
	for (size_t k = 0; k < i; k++) {
		const struct conf_listen *other = &j->conf->listens[k];

		if (strcmp(other->name, l->name) == 0)
			mistake(j, line, "listen '%s' is there twice; the first one is in line %d",
				l->name, j->listens[k]->line);
		else if (l->port > 0 && l->port == other->port &&
			 same_place(l->address, other->address))
			mistake(j, node_line(j->listens[i], "port"),
				"port %d in listen '%s' is taken by listen '%s' in line %d",
				(int)l->port, l->name, other->name, j->listens[k]->line);
	}
}

/* A password that leaves no keys can never be right. */
static void check_hashes(struct judge *j, const struct conf_node *top)
{
	const struct conf_node *hashes = section_option(top, "auth", "scram_hashes");

	if (hashes && hashes->n_values == 0)
		mistake(j, hashes->line, "'scram_hashes' in auth must name at least one hash");
}

/* -- the database ------------------------------------------------------------------------ */

void conf_db_settings(const struct conf *c, struct db_settings *ret_settings)
{
	*ret_settings = (struct db_settings){
		.driver = c->database.driver,
		.path = c->database.path,
		.conninfo = c->database.connection,
		.password_file = c->database.password_file,
		.module_dir = c->module_dir,
		.connections = (unsigned)c->database.connections,
		.schema_dir = c->schema_dir,
	};
}

static void check_database(struct judge *j, const struct conf_node *top)
{
	static const char *const drivers[] = {"sqlite", "pgsql"};
	const struct conf_node *driver = section_option(top, "database", "driver");
	const struct conf_node *secret = section_option(top, "database", "password_file");
	struct conf *c = j->conf;
	struct db_settings settings;
	struct db_error error;

	c->database.driver = drivers[c->database.driver_number];
	if (c->database.password_file && access(c->database.password_file, R_OK) < 0)
		mistake(j, secret ? secret->line : 0, "'password_file' in database: %s: %s",
			c->database.password_file, strerror(errno));
	conf_db_settings(c, &settings);
	if (db_check(&settings, &error) < 0)
		mistake(j, driver ? driver->line : 0, "%s", error.text);
}

/* -- silence, other servers -------------------------------------------------------------- */

static void check_idle(struct judge *j, const struct conf_node *top)
{
	const struct conf *c = j->conf;
	const struct conf_node *timeout = section_option(top, "limits", "idle_timeout");
	const struct conf_node *ping = section_option(top, "limits", "idle_ping");

	/* Silence is looked at once a second. */
	if (c->limits.idle_ping && c->limits.idle_ping < 2000000)
		mistake(j, ping ? ping->line : 0, "'idle_ping' in limits must be 0 or at least 2s");

	/* Whoever is asked must be able to answer. */
	if (c->limits.idle_timeout && c->limits.idle_ping &&
	    c->limits.idle_timeout <= c->limits.idle_ping)
		mistake(j, timeout ? timeout->line : 0,
			"'idle_timeout' in limits must be longer than 'idle_ping'");
}

static bool is_plain(const char *text)
{
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p >= 0x7f || strchr("<>&'\"", *p))
			return false;
	return *text != '\0';
}

static void check_see_other(struct judge *j, const struct conf_node *top)
{
	const struct conf *c = j->conf;
	const struct conf_node *resume = section_option(top, "limits", "resume_location");

	if (resume && c->limits.resume_location &&
	    (!is_plain(c->limits.resume_location) || strchr(c->limits.resume_location, '/')))
		mistake(j, resume->line,
			"'resume_location' in limits must be a host, or host:port, not '%s'",
			c->limits.resume_location);
	if (c->see_other && (!is_plain(c->see_other) || strchr(c->see_other, '/')))
		mistake(j, node_line(top, "shutdown_see_other"),
			"'shutdown_see_other' must be a host, or host:port, not '%s'",
			c->see_other);
	if (c->see_other_uri &&
	    (!is_plain(c->see_other_uri) || (strncmp(c->see_other_uri, "wss://", 6) != 0 &&
					     strncmp(c->see_other_uri, "ws://", 5) != 0)))
		mistake(j, node_line(top, "shutdown_see_other_uri"),
			"'shutdown_see_other_uri' must begin with wss:// or ws://, not '%s'",
			c->see_other_uri);
}

/* -- external components ----------------------------------------------------------------- */

/* The first line of the file. */
static void read_secret(struct judge *j, const struct judged_host *jh)
{
	struct conf_host *h = jh->host;
	int line = node_line(jh->node, "secret_file");
	char text[1024];
	FILE *file;

	if (j->conf->run_dir[0] != '/')
		return;
	absolute(j, &h->secret_file);
	file = fopen(h->secret_file, "re");
	if (!file) {
		mistake(j, line, "'secret_file' in component: %s: %s", h->secret_file,
			strerror(errno));
		return;
	}
	h->secret = "";
	if (fgets(text, sizeof(text), file)) {
		text[strcspn(text, "\r\n")] = '\0';
		h->secret = jd_arena_str(j->arena, jd_cstr(text)).p;
	}
	(void)fclose(file);
	crypto_wipe(text, sizeof(text));
	if (!*h->secret)
		mistake(j, line, "'secret_file' in component: %s has no secret in its first line",
			h->secret_file);
}

static void check_component(struct judge *j, const struct judged_host *jh)
{
	struct conf_host *h = jh->host;
	int line = jh->node->line;

	if (h->secret && h->secret_file)
		mistake(j, line, "component '%s' has a secret and a secret_file", h->name);
	else if (h->secret && !*h->secret)
		mistake(j, node_line(jh->node, "secret"), "'secret' in component is empty");
	else if (h->secret_file)
		read_secret(j, jh);
	if (h->modules[0] && (h->secret || h->secret_file))
		mistake(j, line,
			"component '%s' has modules and a secret: it answers here, or elsewhere",
			h->name);
	else if (!h->modules[0] && !h->secret && !h->secret_file)
		mistake(j, line, "component '%s' has neither modules nor a secret", h->name);
}

static void check_components(struct judge *j)
{
	const struct judged_host *external = NULL;
	bool listener = false;

	for (size_t i = 0; i < j->n_hosts; i++) {
		if (!j->hosts[i].host->component)
			continue;
		check_component(j, &j->hosts[i]);
		if (j->hosts[i].host->secret)
			external = &j->hosts[i];
	}
	for (size_t i = 0; i < j->conf->n_listens; i++)
		listener |= j->conf->listens[i].kind_number == KIND_COMPONENT;
	if (external && !listener)
		mistake(j, external->node->line,
			"component '%s' cannot connect: there is no listen \"component\"",
			external->host->name);
}

void judge_all(struct judge *j, const struct conf_node *top)
{
	check_paths(j, top);
	check_mode(j, top);
	check_idle(j, top);
	check_see_other(j, top);
	check_hashes(j, top);
	check_database(j, top);
	check_admins(j, node_line(top, "admins"), j->conf->admins);
	for (size_t i = 0; i < j->n_hosts; i++) { /* none is made yet */
		check_certificates(j, &j->hosts[i]);
		check_admins(j, node_line(j->hosts[i].node, "admins"), j->hosts[i].host->admins);
	}
	for (size_t i = 0; i < j->conf->n_listens; i++)
		check_listen(j, i);
	check_components(j);
}
