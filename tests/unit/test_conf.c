/* SPDX-License-Identifier: MIT
 *
 * The configuration: what is read, and every mistake with its exact words.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/conf.h"
#include "core/order.h"
#include "util/arena.h"
#include "util/mem.h"

/* -- modules that exist only here --------------------------------------------------- */

struct demo {
	bool loud;
	int64_t count, bytes;
	jd_usec wait;
	const char *greeting;
	const char **names;
	int colour;
};

static const char *const colours[] = {"red", "green", "blue", NULL};

static const struct jd_option demo_options[] = {
	JD_OPT_BOOL("loud", struct demo, loud, "true", "x"),
	JD_OPT_INT("count", struct demo, count, "3", 1, 10, "x"),
	JD_OPT_SIZE("bytes", struct demo, bytes, "64k", 1024, 1 << 20, "x"),
	JD_OPT_TIME("wait", struct demo, wait, "5min", 1000000, 3600000000LL, "x"),
	JD_OPT_TEXT("greeting", struct demo, greeting, NULL, "x"),
	JD_OPT_LIST("names", struct demo, names, "a, b", "x"),
	JD_OPT_CHOICE("colour", struct demo, colour, "green", colours, "x"),
	JD_OPT_END,
};

static const char *demo_check(const void *data)
{
	const struct demo *d = data;

	return d->count == 7 ? "seven is not a good count" : NULL;
}

static const struct jd_module demo = {.abi = JD_ABI,
				      .name = "demo",
				      .data_size = sizeof(struct demo),
				      .options = demo_options,
				      .check = demo_check};
static const struct jd_module plain = {.abi = JD_ABI, .name = "plain"};
static const struct jd_module needy = {.abi = JD_ABI, .name = "needy", .needs = "plain"};
static const struct jd_module egg = {.abi = JD_ABI, .name = "egg", .after = "hen"};
static const struct jd_module hen = {.abi = JD_ABI, .name = "hen", .after = "egg"};
static const struct jd_module rooms = {.abi = JD_ABI, .name = "rooms", .scope = JD_PER_COMPONENT};
static const struct jd_module *const all_modules[] = {&demo, &plain, &needy, &egg, &hen, &rooms};

static const struct jd_module *open_module(const struct conf *conf, const char *name, char *err,
					   size_t err_size)
{
	assert_non_null(conf->module_dir);
	for (size_t i = 0; i < JD_ARRAY_SIZE(all_modules); i++)
		if (strcmp(all_modules[i]->name, name) == 0)
			return all_modules[i];
	snprintf(err, err_size, "there is no module '%s'", name);
	return NULL;
}

/* -- a folder with a file of configuration ----------------------------------------------- */

static char dir[] = "/tmp/jackdaw-conf-XXXXXX";
static char file[64], said[16384];

static void write_file(const char *path, const char *text, size_t n)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, n), (ssize_t)n);
	close(fd);
}

static int setup(void **state)
{
	char path[128];

	(void)state;
	assert_non_null(mkdtemp(dir));
	assert_int_equal(chdir(dir), 0);
	snprintf(file, sizeof(file), "jackdaw.conf");
	snprintf(path, sizeof(path), "%s/schema", dir);
	assert_int_equal(mkdir(path, 0700), 0);
	write_file("a.crt", "x", 1);
	write_file("a.key", "x", 1);
	setenv("JACKDAW_SCHEMA_DIR", path, 1);
	unsetenv("JACKDAW_MODULE_DIR");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink("a.crt");
	unlink("a.key");
	unlink("jackdaw.conf");
	rmdir("schema");
	assert_int_equal(chdir("/"), 0);
	return rmdir(dir);
}

static void report(const char *line, void *arg)
{
	size_t n = strlen(said);

	(void)arg;
	snprintf(said + n, sizeof(said) - n, "%s\n", line);
}

static struct conf *load(const char *text)
{
	struct conf *conf = NULL;
	char buf[8192];
	int n = snprintf(buf, sizeof(buf), "run_dir = \"%s\"\n%s", dir, text);
	int err;

	assert_true(n > 0 && (size_t)n < sizeof(buf));
	write_file(file, buf, (size_t)n);
	said[0] = '\0';
	err = conf_load(file, open_module, report, NULL, &conf);
	assert_int_equal(err, conf ? 0 : -JD_ECONF);
	assert_int_equal(said[0] == '\0', conf != NULL);
	return conf;
}

/* -- mistakes ---------------------------------------------------------------------------------- */

#define HOST "host \"a.example\" { modules = {\"plain\"} }\n"

/* Line 1 is run_dir; the text begins in line 2. */
static const struct {
	const char *text;
	const char *want;
} mistakes[] = {
	{HOST "listen \"c2s\" {\n prot = 5222\n}\n",
	 "jackdaw.conf:4: unknown option 'prot' in listen; did you mean 'port'?\n"},
	{HOST "io_thread = 1\n",
	 "jackdaw.conf:3: unknown option 'io_thread'; did you mean 'io_threads'?\n"},
	{HOST "zzz = 1\n", "jackdaw.conf:3: unknown option 'zzz'\n"},
	{HOST "scram_iterations = 5000\n",
	 "jackdaw.conf:3: unknown option 'scram_iterations'; it belongs in section 'auth'\n"},
	{HOST "io_threads = many\n",
	 "jackdaw.conf:3: 'io_threads' must be a number from 0 to 64, not 'many'\n"},
	{HOST "io_threads = 65\n",
	 "jackdaw.conf:3: 'io_threads' must be a number from 0 to 64, not '65'\n"},
	{HOST "io_threads = -1\n",
	 "jackdaw.conf:3: 'io_threads' must be a number from 0 to 64, not '-1'\n"},
	{HOST "io_threads = 99999999999999999999\n",
	 "jackdaw.conf:3: 'io_threads' must be a number from 0 to 64, not "
	 "'99999999999999999999'\n"},
	{HOST "io_threads = {1, 2}\n",
	 "jackdaw.conf:3: 'io_threads' must be a number from 0 to 64, not a list\n"},
	{HOST "listen \"c2s\" { port = 70000 }\n",
	 "jackdaw.conf:3: 'port' in listen must be a number from 0 to 65535, not '70000'\n"},
	{HOST "auth { allow_plaintext = perhaps }\n",
	 "jackdaw.conf:3: 'allow_plaintext' in auth must be true or false, not 'perhaps'\n"},
	{HOST "log {\n level = loud\n}\n",
	 "jackdaw.conf:4: 'level' in log must be error, warning, notice, info or debug, not "
	 "'loud'\n"},
	{HOST "auth { mechanisms = {\"PLAIN\", \"LOGIN\"} }\n",
	 "jackdaw.conf:3: 'mechanisms' in auth must be a list of SCRAM-SHA-512-PLUS, "
	 "SCRAM-SHA-256-PLUS, SCRAM-SHA-1-PLUS, SCRAM-SHA-512, SCRAM-SHA-256, SCRAM-SHA-1, PLAIN "
	 "or EXTERNAL\n"},
	{HOST "auth { scram_hashes = {\"MD5\"} }\n",
	 "jackdaw.conf:3: 'scram_hashes' in auth must be a list of SHA-1, SHA-256 or SHA-512, "
	 "not 'MD5'\n"},
	{HOST "auth { scram_hashes = {} }\n",
	 "jackdaw.conf: 'scram_hashes' in auth must name at least one hash\n"},
	{HOST "limits { stanza_bytes = 5x }\n",
	 "jackdaw.conf:3: 'stanza_bytes' in limits must be a size from 10000 to 2M (such as 4096, "
	 "64k, 1M), not '5x'\n"},
	{HOST "limits { idle_ping = 1s }\n",
	 "jackdaw.conf:3: 'idle_ping' in limits must be 0 or at least 2s\n"},
	{HOST "limits { idle_timeout = 5min }\n",
	 "jackdaw.conf:3: 'idle_timeout' in limits must be longer than 'idle_ping'\n"},
	{HOST "listen \"c2s\" { proxy_from = {\"10.0.0.0/8\", \"10.0.0.1/8\"} }\n",
	 "jackdaw.conf:3: 'proxy_from' in listen must have networks such as 192.0.2.0/24 or "
	 "2001:db8::/32, not '10.0.0.1/8'\n"},
	{HOST "listen \"c2s\" { uncounted_from = {\"lb.example\"} }\n",
	 "jackdaw.conf:3: 'uncounted_from' in listen must have networks such as 192.0.2.0/24 or "
	 "2001:db8::/32, not 'lb.example'\n"},
	{HOST "shutdown_see_other = \"<x>\"\n",
	 "jackdaw.conf:3: 'shutdown_see_other' must be a host, or host:port, not '<x>'\n"},
	{HOST "limits {\nresume_location = \"x/y\"\n}\n",
	 "jackdaw.conf:4: 'resume_location' in limits must be a host, or host:port, not 'x/y'\n"},
	{HOST "shutdown_see_other_uri = \"https://x/\"\n",
	 "jackdaw.conf:3: 'shutdown_see_other_uri' must begin with wss:// or ws://, not "
	 "'https://x/'\n"},
	{HOST "limits { park_after = 2d }\n",
	 "jackdaw.conf:3: 'park_after' in limits must be a time from 0 to 1d (such as 500ms, 30s, "
	 "5min, 1h, 1d), not '2d'\n"},
	{HOST "limits { park_after = 30 }\n",
	 "jackdaw.conf:3: 'park_after' in limits must be a time from 0 to 1d (such as 500ms, 30s, "
	 "5min, 1h, 1d), not '30'\n"},
	{"host \"a.example\" { modules = {\"plain\", \"nothing\"} }\n",
	 "jackdaw.conf:2: there is no module 'nothing'\n"},
	{"host \"a.example\" { modules = {\"../x\"} }\n",
	 "jackdaw.conf:2: '../x' is not the name of a module: a-z, 0-9 and _\n"},
	{"host \"a.example\" { modules = {\"plain\", \"plain\"} }\n",
	 "jackdaw.conf:2: module 'plain' is listed twice\n"},
	{"host \"a.example\" { modules = {\"needy\"} }\n",
	 "jackdaw.conf:2: host 'a.example': module 'needy' needs 'plain', which is not listed\n"},
	{"host \"a.example\" { modules = {\"egg\", \"plain\", \"hen\"} }\n",
	 "jackdaw.conf:2: host 'a.example': these modules want to start after each other: egg "
	 "hen\n"},
	{"io_threads = 1\n",
	 "jackdaw.conf: there is no host: write host \"example.org\" { } for each domain\n"},
	{HOST "\nhost \"A.Example\" { modules = {} }\n",
	 "jackdaw.conf:4: host 'a.example' is there twice; the first one is in line 2\n"},
	{HOST HOST,
	 "jackdaw.conf:3: host 'a.example' is there twice; the first one is in line 2\n"},
	{HOST "admins = {\"a@b.example\", \"b.example\"}\n",
	 "jackdaw.conf:3: 'b.example' in admins is not an address of the form user@host\n"},
	{"host \"a.example\" {\n modules = {}\n admins = {\"a@b/c\"}\n}\n",
	 "jackdaw.conf:4: 'a@b/c' in admins is not an address of the form user@host\n"},
	{"host \"a b\" { modules = {} }\n", "jackdaw.conf:2: 'a b' is not a domain name\n"},
	{"host \"a.example\" {\n modules = {}\n certificate = \"a.crt\"\n}\n",
	 "jackdaw.conf:2: host 'a.example' has a certificate but no key\n"},
	{HOST "listen \"c2s\" { }\nlisten \"http\" { port = 5222 }\n",
	 "jackdaw.conf:4: port 5222 in listen 'http' is taken by listen 'c2s' in line 3\n"},
	{HOST "listen \"c2s\" { address = \"127.0.0.1\" }\n"
	      "listen \"two\" { kind = c2s\n address = localhost }\n",
	 "jackdaw.conf:4: port 5222 in listen 'two' is taken by listen 'c2s' in line 3\n"},
	{HOST "listen \"c2s\" { }\nlisten \"c2s\" { port = 5333 }\n",
	 "jackdaw.conf:4: listen 'c2s' is there twice; the first one is in line 3\n"},
	{HOST "listen \"htpp\" { }\n",
	 "jackdaw.conf:3: listen 'htpp' needs a 'kind', unless its name is one: c2s, c2s-tls, "
	 "http, https or component; did you mean 'http'?\n"},
	{HOST "listen \"x\" { kind = smtp }\n",
	 "jackdaw.conf:3: 'kind' in listen must be c2s, c2s-tls, http, https or component, "
	 "not 'smtp'\n"},
	{HOST "component \"x.example\" { }\n",
	 "jackdaw.conf:3: component 'x.example' has neither modules nor a secret\n"},
	{HOST "component \"x.example\" { secret = a }\n",
	 "jackdaw.conf:3: component 'x.example' cannot connect: there is no listen "
	 "\"component\"\n"},
	{HOST "listen \"component\" { }\n"
	      "component \"x.example\" { secret = a\n modules = {\"rooms\"} }\n",
	 "jackdaw.conf:4: component 'x.example' has modules and a secret: it answers here, or "
	 "elsewhere\n"},
	{HOST "listen \"component\" { }\n"
	      "component \"x.example\" { secret = a\n secret_file = \"/b\" }\n",
	 "jackdaw.conf:4: component 'x.example' has a secret and a secret_file\n"},
	{HOST "listen \"component\" { }\ncomponent \"x.example\" { secret = \"\" }\n",
	 "jackdaw.conf:4: 'secret' in component is empty\n"},
	{HOST "listen \"component\" { }\n"
	      "component \"x.example\" {\n secret_file = \"/nonexistent-jackdaw\" }\n",
	 "jackdaw.conf:5: 'secret_file' in component: /nonexistent-jackdaw: No such file or "
	 "directory\n"},
	{HOST "component \"A.Example\" { modules = {\"rooms\"} }\n",
	 "jackdaw.conf:3: component 'a.example' is there twice; the first one is in line 2\n"},
	{HOST "component \"x.example\" { modules = {\"plain\"} }\n",
	 "jackdaw.conf:3: module 'plain' runs on hosts, and 'x.example' is a component\n"},
	{"host \"a.example\" { modules = {\"rooms\"} }\n",
	 "jackdaw.conf:2: module 'rooms' runs on components, and 'a.example' is a host\n"},
	{HOST "component \"x.example\" { modules = {\"rooms\"}\n roms { } }\n",
	 "jackdaw.conf:4: unknown section 'roms' in component: it lists no such module; did you "
	 "mean 'rooms'?\n"},
	{HOST "component \"x.example\" { modules = {\"rooms\"}\n certificate = a }\n",
	 "jackdaw.conf:4: unknown option 'certificate' in component; it belongs in section "
	 "'host'\n"},
	{HOST "listen \"https\" { }\n",
	 "jackdaw.conf:3: listen 'https' needs a certificate, and no host has one\n"},
	{HOST "databse { path = x }\n",
	 "jackdaw.conf:3: unknown section 'databse': no host lists such a module; did you mean "
	 "'database'?\n"},
	{"host \"a.example\" { modules = {\"demo\"}\n dmeo { loud = no }\n}\n",
	 "jackdaw.conf:3: unknown section 'dmeo' in host: it lists no such module; did you mean "
	 "'demo'?\n"},
	{"host \"a.example\" { modules = {\"demo\"}\n demo { laud = no }\n}\n",
	 "jackdaw.conf:3: unknown option 'laud' in demo; did you mean 'loud'?\n"},
	{"host \"a.example\" { modules = {\"demo\"} }\nhost \"b.example\" { modules = {\"demo\"} "
	 "}\n"
	 "demo {\n count = 11\n}\n",
	 "jackdaw.conf:5: 'count' in demo must be a number from 1 to 10, not '11'\n"},
	{"host \"a.example\" { modules = {\"demo\"}\n demo { count = 7 }\n}\n",
	 "jackdaw.conf:2: module 'demo' of host 'a.example': seven is not a good count\n"},
	{HOST "log {\n level = debug\n", "jackdaw.conf: section 'log' has no closing brace\n"},
	{HOST "}\n", "jackdaw.conf:3: unexpected closing brace\n"},
	{HOST "log = 3\n", "jackdaw.conf:3: missing opening brace for section 'log'\n"},
	{HOST "io_threads { }\n", "jackdaw.conf:3: missing equal sign after option 'io_threads'\n"},
	{"host { }\n", "jackdaw.conf:2: missing title for section 'host'\n"},
	{HOST "log { level = \"info }\n",
	 "jackdaw.conf:3: a text in quotes has no closing quote on its line\n"},
	{HOST "/* this\nnever ends\n", "jackdaw.conf:3: a comment begins here and has no end\n"},
	{HOST "/* lines\nof\ncomment */ # and\n// more\nzzz = 1\n",
	 "jackdaw.conf:7: unknown option 'zzz'\n"},
	{HOST "run_dir = \"here\"\n",
	 "jackdaw.conf:3: 'run_dir' must begin with '/', not 'here'\n"},
	{HOST "run_dir = \"/nonexistent-jackdaw\"\n",
	 "jackdaw.conf:3: 'run_dir': /nonexistent-jackdaw: No such file or directory\n"},
	{HOST "\xff = 1\n", "jackdaw.conf: the file is not UTF-8 text\n"},
	{HOST "io_threads = \"1\\xff\"\n",
	 "jackdaw.conf:3: the escapes in this text make bytes that are not UTF-8 text\n"},
	{HOST "io_threads = \"1\\n\\t2\"\n",
	 "jackdaw.conf:3: 'io_threads' must be a number from 0 to 64, not '1??2'\n"},
	{HOST "control { mode = 01000 }\n",
	 "jackdaw.conf:3: 'mode' in control must be a number from 0 to 511, not '01000'\n"},
	{HOST "control { mode = 400 }\n",
	 "jackdaw.conf:3: 'mode' in control must be octal, with a leading 0, such as 0660,"
	 " not '400'\n"},
	{HOST "listen \"c2s\" { port = 05222 }\n",
	 "jackdaw.conf:3: 'port' in listen begins with a 0, which would make it octal:"
	 " '05222'\n"},
	/* All at once, in the order of lines. */
	{"zzz = 1\nhost \"a.example\" { modules = {\"demo\"}\n demo {\n  laud = no\n  count = 0\n "
	 "}\n}\n"
	 "foo { bar { baz = {1, 2} } }\nlisten \"c2s\" { port = x\n adress = 1 }\n",
	 "jackdaw.conf:2: unknown option 'zzz'\n"
	 "jackdaw.conf:5: unknown option 'laud' in demo; did you mean 'loud'?\n"
	 "jackdaw.conf:6: 'count' in demo must be a number from 1 to 10, not '0'\n"
	 "jackdaw.conf:9: unknown section 'foo': no host lists such a module\n"
	 "jackdaw.conf:10: 'port' in listen must be a number from 0 to 65535, not 'x'\n"
	 "jackdaw.conf:11: unknown option 'adress' in listen; did you mean 'address'?\n"},
};

static void test_mistakes(void **state)
{
	(void)state;
	for (size_t i = 0; i < JD_ARRAY_SIZE(mistakes); i++) {
		struct conf *conf = load(mistakes[i].text);

		if (conf)
			fail_msg("taken without a word: %s", mistakes[i].text);
		assert_string_equal(said, mistakes[i].want);
	}
}

static void test_certificate_files(void **state)
{
	char want[256];

	(void)state;
	assert_null(load("host \"a.example\" {\n modules = {}\n certificate = \"a.crt\"\n"
			 " key = \"b.key\"\n}\n"));
	snprintf(want, sizeof(want),
		 "jackdaw.conf:5: 'key' in host: %s/b.key: No such file or directory\n", dir);
	assert_string_equal(said, want);
}

static void test_no_file(void **state)
{
	struct conf *conf = NULL;

	(void)state;
	said[0] = '\0';
	assert_int_equal(conf_load("absent.conf", open_module, report, NULL, &conf), -JD_ECONF);
	assert_string_equal(said, "absent.conf: No such file or directory\n");
	said[0] = '\0';
	assert_int_equal(conf_load(".", open_module, report, NULL, &conf), -JD_ECONF);
	assert_string_equal(said, ".: this is not a file\n");
}

/* -- what is right
 * ---------------------------------------------------------------------------------- */

static void test_defaults(void **state)
{
	struct conf *c = load("host \"a.example\" { modules = {} }\n");
	char want[128];

	(void)state;
	assert_non_null(c);
	assert_int_equal(c->io_threads, 1);
	assert_int_equal(c->log.level, JD_LOG_INFO);
	assert_int_equal(c->log.format, LOG_TEXT);
	assert_int_equal(c->log.fd, 2);
	assert_int_equal(c->control.mode, 0660);
	assert_int_equal(c->limits.stanza_bytes, 1 << 20);
	assert_int_equal(c->limits.body_chars, 99999);
	assert_int_equal(c->auth.login_deadline, 30 * JD_USEC_PER_SEC);
	assert_string_equal(c->auth.mechanisms[0], "SCRAM-SHA-512-PLUS");
	assert_string_equal(c->auth.scram_hashes[2], "SHA-512");
	assert_string_equal(c->database.driver, "sqlite");
	snprintf(want, sizeof(want), "%s/jackdaw.db", dir);
	assert_string_equal(c->database.path, want);
	assert_int_equal(c->n_listens, 0);
	conf_free(c);
}

static void test_values(void **state)
{
	struct conf *c =
		load("# nothing\nhost \"M\xc3\xbcnchen.example\" {\n modules = {demo}\n"
		     " certificate = a.crt key = \"a.key\"\n demo { count = 9 }\n"
		     " admins = {\"Anna@M\xc3\xbcnchen.example\"}\n}\n"
		     "listen \"c2s\" { port = 0 }\nlisten \"https\" { address = \"::1\" }\n"
		     "listen \"inner\" { kind = \"http\"\n port = 0 }\n"
		     "demo { bytes = 2k count = 4\n wait = 90s greeting = 'hi'\n colour = blue\n"
		     " names = {x, y, z} }\n/* end */");
	const struct demo *d;

	(void)state;
	assert_non_null(c);
	assert_string_equal(c->hosts[0].name, "m\xc3\xbcnchen.example");
	assert_int_equal(c->hosts[0].certificate[0], '/');
	assert_string_equal(c->hosts[0].admins[0], "anna@m\xc3\xbcnchen.example");
	assert_null(c->hosts[0].admins[1]);
	assert_null(c->admins[0]);
	assert_int_equal(c->n_listens, 3);
	assert_string_equal(c->listens[1].kind, "https");
	assert_int_equal(c->listens[1].port, 5443);
	assert_string_equal(c->listens[2].kind, "http");
	assert_string_equal(c->listens[2].name, "inner");
	d = c->hosts[0].module_data[0];
	assert_int_equal(d->count, 9);
	assert_int_equal(d->bytes, 2048);
	assert_int_equal(d->wait, 90 * JD_USEC_PER_SEC);
	assert_string_equal(d->greeting, "hi");
	assert_int_equal(d->colour, 2);
	assert_string_equal(d->names[2], "z");
	assert_null(d->names[3]);
	assert_true(d->loud);
	conf_free(c);
}

static void test_environment(void **state)
{
	struct conf *c;

	(void)state;
	setenv("JD_TEST_PATH", "from-env.db", 1);
	c = load(HOST "database { path = \"${JD_TEST_PATH}\" }\n");
	assert_non_null(c);
	assert_non_null(strstr(c->database.path, "/from-env.db"));
	conf_free(c);
}

static void test_order(void **state)
{
	const struct jd_module a = {.name = "a", .needs = "c", .after = "zzz"};
	const struct jd_module b = {.name = "b", .after = "a"};
	const struct jd_module c = {.name = "c"};
	const struct jd_module *mods[] = {&b, &a, &c};
	size_t order[3];
	char err[128];

	(void)state;
	assert_int_equal(module_order(mods, 3, order, err, sizeof(err)), 0);
	assert_int_equal(order[0], 2);
	assert_int_equal(order[1], 1);
	assert_int_equal(order[2], 0);
}

static void test_docs(void **state)
{
	size_t n;
	const struct conf_doc *docs = conf_docs(&n);

	(void)state;
	assert_true(n > 20);
	for (size_t i = 0; i < n; i++) {
		assert_non_null(docs[i].help);
		assert_int_equal(docs[i].help[strlen(docs[i].help) - 1], '.');
	}
}

/* The manual names every option; it is written by hand. */
static void test_manual(void **state)
{
	const char *top = getenv("JD_TOP_SRCDIR");
	char path[2048], wanted[128];
	cleanup_free char *text = mem_alloc(1 << 20);
	const struct conf_doc *docs;
	size_t n;
	FILE *f;

	(void)state;
	if (!top)
		skip();
	snprintf(path, sizeof(path), "%s/man/jackdaw.conf.5", top);
	f = fopen(path, "re");
	assert_non_null(f);
	assert_true(fread(text, 1, (1 << 20) - 1, f) > 0);
	fclose(f);
	docs = conf_docs(&n);
	for (size_t i = 0; i < n; i++) {
		snprintf(wanted, sizeof(wanted), "\n.BR %s \" (%s", docs[i].name, docs[i].type);
		if (!strstr(text, wanted))
			fail_msg("jackdaw.conf(5) lacks %s", docs[i].name);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mistakes), cmocka_unit_test(test_certificate_files),
		cmocka_unit_test(test_no_file),  cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_values),   cmocka_unit_test(test_environment),
		cmocka_unit_test(test_order),    cmocka_unit_test(test_docs),
		cmocka_unit_test(test_manual),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
