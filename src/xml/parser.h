/* SPDX-License-Identifier: MIT
 *
 * What stands between the scanner and the XML parser behind it, so that another
 * parser can be put there.  Names come with their namespaces resolved and split,
 * text as valid UTF-8; what is not allowed on a stream has been refused.
 *
 * One thread.
 */
#pragma once

#include "xml/scan.h"
#include "xml/scan_mem.h"

#define PARSER_ATTRS 128 /* more on one element are refused */

struct parser;

struct parser_name {
	struct jd_str ns; /* empty: none; p is never NULL */
	struct jd_str local;
};

struct parser_attr {
	struct parser_name name;
	struct jd_str value;
};

/* The scanner's side; arg as given to parser_listen(). Offsets as of parser_at(). */
void scan_on_start(void *arg, struct parser_name name, const struct parser_attr *attrs,
		   unsigned n_attrs);
void scan_on_end(void *arg);
void scan_on_text(void *arg, struct jd_str text);
/* A namespace declaration of the start tag that follows; only until parser_quiet_ns(). */
void scan_on_ns(void *arg, struct jd_str prefix, struct jd_str ns); /* p NULL: the default */
void scan_on_mark(void *arg); /* something passed that brings no event */
void scan_on_error(void *arg, enum scan_error error);

/* slab: of parser_size() bytes. Parsers come and go by the thousand: between what stays, they
 * would leave holes. */
struct slab;
size_t parser_size(void);
struct parser *parser_new(struct slab *slab, struct scan_mem *mem);
void parser_free(struct parser *p);
/* Ready for another document. False: it is used up and must be freed. */
bool parser_reset(struct parser *p);

/* Feeds what shall bring no events: the start of a document whose root is known. */
bool parser_prime(struct parser *p, struct jd_str head);
void parser_listen(struct parser *p, void *arg);
void parser_quiet_ns(struct parser *p);

enum parser_result { PARSER_MORE, PARSER_STOPPED, PARSER_FAILED };
enum parser_result parser_feed(struct parser *p, const char *bytes, size_t n);
enum parser_result parser_resume(struct parser *p); /* behind what stopped it */

/* Inside an event: nothing more is parsed. resumable: until parser_resume(). */
void parser_stop(struct parser *p, bool resumable);

/* Inside an event: the bytes of the document that it stands for. */
void parser_at(struct parser *p, size_t *ret_start, size_t *ret_end);

enum scan_error parser_error(struct parser *p); /* after PARSER_FAILED */
size_t parser_memory(const struct parser *p);
