/* SPDX-License-Identifier: MIT
 *
 * Inside the scanner pool: parsers and builders are lent to scanners, a parser
 * while bytes come, a builder for the time of one stanza.
 */
#pragma once

#include "xml/parser.h"
#include "xml/wire_build.h"

/* NULL: memory was refused. */
struct parser *scan_pool_parser(struct scan_pool *pool);
void scan_pool_give_parser(struct scan_pool *pool, struct parser *p);
/* For one that has failed. */
void scan_pool_drop_parser(struct scan_pool *pool, struct parser *p);

/* Zeroed. */
struct scan_work *scan_pool_work(struct scan_pool *pool);

struct wire_builder *scan_pool_builder(struct scan_pool *pool, const struct wire_limits *limits);
void scan_pool_give_builder(struct scan_pool *pool, struct wire_builder *b);
