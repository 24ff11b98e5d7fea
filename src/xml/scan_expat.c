/* SPDX-License-Identifier: MIT
 *
 * expat as the scanner's parser.
 *
 * It gets an allocator of its own, a random hash salt, and a separator between
 * namespace and name that UTF-8 text cannot contain.  Whatever could define an
 * entity ends the stream at its first sign.  Reparse deferral, which some
 * versions have and others not, is switched off where it exists: it would keep
 * the end of a stanza until more bytes come, and the feeder does its work.
 */
#include "xml/parser.h"

#include <dlfcn.h>
#include <expat.h>
#include <pthread.h>
#include <strings.h>

#include "util/crypto.h"
#include "util/mem.h"
#include "util/slab.h"

#define SEPARATOR  ((XML_Char)'\xFF')
#define MEMORY_CAP ((size_t)4 * 1024 * 1024)

struct parser {
	XML_Parser xp;
	void *arg;
	struct scan_heap heap;
};

/* -- memory ------------------------------------------------------------------------ */

/* expat's allocator is not told for whom: set around every call into expat. */
static _Thread_local struct scan_heap *heap_now;

static void *on_malloc(size_t n)
{
	return scan_heap_alloc(heap_now, n);
}

static void *on_realloc(void *p, size_t n)
{
	return p ? scan_heap_realloc(p, n) : scan_heap_alloc(heap_now, n);
}

static void on_free(void *p)
{
	scan_heap_release(p);
}

static struct scan_heap *enter(struct parser *p)
{
	struct scan_heap *outer = heap_now;

	heap_now = &p->heap;
	return outer;
}

/* -- what is decided at run time ------------------------------------------------------ */

typedef XML_Bool (*deferral_fn)(XML_Parser, XML_Bool);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static unsigned long salt;
static deferral_fn set_deferral;

static void init_once(void)
{
	void *sym = dlsym(RTLD_DEFAULT, "XML_SetReparseDeferralEnabled");

	/* A data pointer that is a function: said so to the compiler by copying. */
	memcpy(&set_deferral, &sym, sizeof(sym));
	crypto_random(&salt, sizeof(salt));
	salt |= 1; /* 0 would mean: choose one yourself */
}

/* -- handlers ---------------------------------------------------------------------- */

/* uri SEPARATOR local, or local alone. False: a second separator, which UTF-8 rules out. */
static bool split(const XML_Char *s, struct parser_name *ret_name)
{
	const char *sep = strchrnul(s, SEPARATOR);
	const char *end = sep;

	ret_name->ns = JD_STR("");
	if (*sep) {
		ret_name->ns = (struct jd_str){s, (size_t)(sep - s)};
		s = sep + 1;
		end = strchrnul(s, SEPARATOR);
	}
	ret_name->local = (struct jd_str){s, (size_t)(end - s)};
	return !*end;
}

static void XMLCALL on_start(void *data, const XML_Char *name, const XML_Char **atts)
{
	struct parser *p = data;
	struct parser_attr attrs[PARSER_ATTRS];
	struct parser_name el;
	unsigned n = 0;

	if (!split(name, &el)) {
		scan_on_error(p->arg, SCAN_NOT_WELL_FORMED);
		return;
	}
	for (; atts[0]; atts += 2, n++) {
		if (n == PARSER_ATTRS) {
			scan_on_error(p->arg, SCAN_POLICY_VIOLATION);
			return;
		}
		if (!split(atts[0], &attrs[n].name)) {
			scan_on_error(p->arg, SCAN_NOT_WELL_FORMED);
			return;
		}
		attrs[n].value = jd_cstr(atts[1]);
	}
	scan_on_start(p->arg, el, attrs, n);
}

static void XMLCALL on_end(void *data, const XML_Char *name)
{
	(void)name;
	scan_on_end(((struct parser *)data)->arg);
}

static void XMLCALL on_text(void *data, const XML_Char *s, int len)
{
	scan_on_text(((struct parser *)data)->arg, (struct jd_str){s, (size_t)len});
}

static void XMLCALL on_ns(void *data, const XML_Char *prefix, const XML_Char *uri)
{
	scan_on_ns(((struct parser *)data)->arg, jd_cstr(prefix), jd_cstr(uri ? uri : ""));
}

static void XMLCALL on_doctype(void *data, const XML_Char *name, const XML_Char *sys,
			       const XML_Char *pub, int internal)
{
	(void)name, (void)sys, (void)pub, (void)internal;
	scan_on_error(((struct parser *)data)->arg, SCAN_RESTRICTED_XML);
}

static void XMLCALL on_comment(void *data, const XML_Char *text)
{
	(void)text;
	scan_on_error(((struct parser *)data)->arg, SCAN_RESTRICTED_XML);
}

static void XMLCALL on_pi(void *data, const XML_Char *target, const XML_Char *text)
{
	(void)target, (void)text;
	scan_on_error(((struct parser *)data)->arg, SCAN_RESTRICTED_XML);
}

static void XMLCALL on_skipped(void *data, const XML_Char *name, int is_parameter)
{
	(void)name, (void)is_parameter;
	scan_on_error(((struct parser *)data)->arg, SCAN_NOT_WELL_FORMED);
}

static void XMLCALL on_decl(void *data, const XML_Char *version, const XML_Char *encoding,
			    int standalone)
{
	struct parser *p = data;

	(void)standalone;
	if (version && strcmp(version, "1.0") != 0) /* XML 1.1 allows more than we do */
		scan_on_error(p->arg, SCAN_NOT_WELL_FORMED);
	else if (encoding && strcasecmp(encoding, "UTF-8") != 0)
		scan_on_error(p->arg, SCAN_UNSUPPORTED_ENCODING);
	else
		scan_on_mark(p->arg);
}

static void XMLCALL on_cdata(void *data)
{
	scan_on_mark(((struct parser *)data)->arg);
}

/* -- parsers ------------------------------------------------------------------------- */

static void prepare(struct parser *p)
{
	XML_SetHashSalt(p->xp, salt);
	if (set_deferral)
		set_deferral(p->xp, XML_FALSE);
	XML_SetUserData(p->xp, p);
}

size_t parser_size(void)
{
	return sizeof(struct parser);
}

struct parser *parser_new(struct slab *slab, struct scan_mem *mem)
{
	static const XML_Memory_Handling_Suite suite = {on_malloc, on_realloc, on_free};
	static const XML_Char separator[] = {SEPARATOR, '\0'};
	struct parser *p = slab_get(slab);
	struct scan_heap *outer;

	pthread_once(&once, init_once);
	memset(p, 0, sizeof(*p));
	scan_heap_init(&p->heap, mem, MEMORY_CAP);
	outer = enter(p);
	p->xp = XML_ParserCreate_MM("UTF-8", &suite, separator);
	heap_now = outer;
	if (!p->xp) {
		parser_free(p);
		return NULL;
	}
	prepare(p);
	return p;
}

/* The heap goes as a whole: no need to let expat free piece by piece. */
void parser_free(struct parser *p)
{
	if (!p)
		return;
	scan_heap_fini(&p->heap);
	slab_put(p);
}

bool parser_reset(struct parser *p)
{
	struct scan_heap *outer = enter(p);
	bool done = XML_ParserReset(p->xp, "UTF-8") == XML_TRUE;

	heap_now = outer;
	p->arg = NULL;
	if (done)
		prepare(p);
	return done;
}

enum parser_result parser_feed(struct parser *p, const char *bytes, size_t n)
{
	struct scan_heap *outer = enter(p);
	enum XML_Status st = XML_Parse(p->xp, bytes, (int)n, XML_FALSE);

	heap_now = outer;
	if (st == XML_STATUS_OK)
		return PARSER_MORE;
	return st == XML_STATUS_SUSPENDED ? PARSER_STOPPED : PARSER_FAILED;
}

enum parser_result parser_resume(struct parser *p)
{
	struct scan_heap *outer = enter(p);
	enum XML_Status st = XML_ResumeParser(p->xp);

	heap_now = outer;
	if (st == XML_STATUS_OK)
		return PARSER_MORE;
	return st == XML_STATUS_SUSPENDED ? PARSER_STOPPED : PARSER_FAILED;
}

bool parser_prime(struct parser *p, struct jd_str head)
{
	return parser_feed(p, head.p, head.len) == PARSER_MORE;
}

void parser_listen(struct parser *p, void *arg)
{
	p->arg = arg;
	XML_SetElementHandler(p->xp, on_start, on_end);
	XML_SetCharacterDataHandler(p->xp, on_text);
	XML_SetStartNamespaceDeclHandler(p->xp, on_ns);
	XML_SetStartDoctypeDeclHandler(p->xp, on_doctype);
	XML_SetCommentHandler(p->xp, on_comment);
	XML_SetProcessingInstructionHandler(p->xp, on_pi);
	XML_SetSkippedEntityHandler(p->xp, on_skipped);
	XML_SetXmlDeclHandler(p->xp, on_decl);
	XML_SetCdataSectionHandler(p->xp, on_cdata, on_cdata);
}

void parser_quiet_ns(struct parser *p)
{
	XML_SetStartNamespaceDeclHandler(p->xp, NULL);
}

void parser_stop(struct parser *p, bool resumable)
{
	XML_StopParser(p->xp, resumable ? XML_TRUE : XML_FALSE);
}

void parser_at(struct parser *p, size_t *ret_start, size_t *ret_end)
{
	*ret_start = (size_t)XML_GetCurrentByteIndex(p->xp);
	*ret_end = *ret_start + (size_t)XML_GetCurrentByteCount(p->xp);
}

enum scan_error parser_error(struct parser *p)
{
	if (XML_GetErrorCode(p->xp) == XML_ERROR_NO_MEMORY)
		return SCAN_RESOURCE_CONSTRAINT;
	return SCAN_NOT_WELL_FORMED;
}

size_t parser_memory(const struct parser *p)
{
	return sizeof(*p) + p->heap.used;
}
