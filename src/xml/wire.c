/* SPDX-License-Identifier: MIT
 *
 * Blocks: where their memory comes from and how the builder's scratch becomes
 * one.  Everything about a stanza lies in one allocation in this order, the
 * alignment falling:
 *
 *   struct jd_wire | namespaces | elements | attributes | bytes | extra | meta
 *
 * Three quarters of all stanzas fit 1 or 2 KiB.  The last reference may be
 * dropped on any thread: a slab finds its way home by itself, a block from
 * malloc needs none.
 */
#include "xml/wire_build.h"

#include "util/mem.h"
#include "util/slab.h"

static const struct {
	size_t size, chunk;
} classes[] = {
	{256, 16384}, {512, 32768}, {1024, 65536}, {2048, 65536}, {4096, 131072}, {16384, 262144},
};
#define CLASSES JD_ARRAY_SIZE(classes)

struct wire_pool {
	struct slab *slabs[CLASSES];
};

struct wire_pool *wire_pool_new(void)
{
	struct wire_pool *pool = mem_new(struct wire_pool);

	for (size_t i = 0; i < CLASSES; i++)
		pool->slabs[i] = slab_new("wire", classes[i].size, classes[i].chunk);
	return pool;
}

void wire_pool_free(struct wire_pool *pool)
{
	if (!pool)
		return;
	for (size_t i = 0; i < CLASSES; i++)
		slab_free(pool->slabs[i]);
	mem_free(pool);
}

void wire_pool_stats(struct wire_pool *pool, struct slab_stats *sum)
{
	for (size_t i = 0; i < CLASSES; i++)
		slab_stats_add(pool->slabs[i], sum);
}

void wire_pool_trim(struct wire_pool *pool)
{
	for (size_t i = 0; i < CLASSES; i++)
		slab_trim(pool->slabs[i]);
}

static void release_slab(struct shared *self)
{
	slab_put(container_of(self, struct jd_wire, shared));
}

static void release_heap(struct shared *self)
{
	mem_free(container_of(self, struct jd_wire, shared));
}

struct jd_wire *wire_block(const struct wire_builder *b, size_t size)
{
	struct jd_wire *w = NULL;
	void (*release)(struct shared *) = release_slab;
	size_t i = 0;

	while (i < CLASSES && classes[i].size < size)
		i++;
	if (i < CLASSES) {
		w = slab_get(b->pool->slabs[i]);
	} else {
		w = wire_realloc(b, NULL, size);
		release = release_heap;
	}
	if (!w)
		return NULL;
	memset(w, 0, sizeof(*w));
	shared_init(&w->shared, release);
	return w;
}

/* -- from scratch to block ------------------------------------------------------- */

struct jd_el wire_peek(struct wire_builder *b)
{
	if (b->error || b->depth || !b->n_els)
		return JD_EL_NONE;
	if (b->cap_view < b->n_nss) {
		b->view = mem_realloc(b->view, b->cap_nss * sizeof(b->view[0]));
		b->cap_view = b->cap_nss;
	}
	for (uint32_t i = 0; i < b->n_nss; i++)
		b->view[i] = wire_ns_str(b, (uint16_t)i);
	b->peek = (struct jd_wire){
		.bytes = b->bytes,
		.bytes_len = b->len,
		.n_els = b->n_els,
		.n_attrs = b->n_attrs,
		.n_nss = b->n_nss,
		.els = b->els,
		.attrs = b->attrs,
		.nss = b->view,
		.extra = b->extra,
	};
	return wire_root(&b->peek);
}

static size_t jid_len(struct jd_jid j)
{
	return jd_jid_ok(j) ? jd_jid_str(j).len : 0;
}

static char *append(char *at, const void *data, size_t n)
{
	if (n)
		memcpy(at, data, n);
	return at + n;
}

/* Copies s to *at and returns the copy; absent stays absent. */
static struct jd_str keep(char **at, struct jd_str s)
{
	struct jd_str copy = {s.p ? *at : NULL, s.len};

	*at = append(*at, s.p, s.len);
	return copy;
}

static struct jd_jid keep_jid(char **at, struct jd_jid j)
{
	if (jd_jid_ok(j))
		j.p = keep(at, jd_jid_str(j)).p;
	return j;
}

static void fill_nss(const struct wire_builder *b, struct jd_wire *w, struct jd_str *nss,
		     const char *bytes, const char *extra)
{
	for (uint32_t i = 0; i < b->n_nss; i++) {
		const struct wire_ns *e = &b->nss[i];
		const char *p = e->fixed;

		if (e->place == WIRE_NS_BYTES)
			p = bytes + e->off;
		else if (e->place == WIRE_NS_EXTRA)
			p = extra + e->off;
		nss[i] = (struct jd_str){p, e->len};
	}
	w->nss = nss;
	w->n_nss = b->n_nss;
}

static void fill(const struct wire_builder *b, const struct wire_meta *meta, struct jd_wire *w)
{
	struct jd_str *nss = (struct jd_str *)(w + 1);
	char *at = (char *)(nss + b->n_nss);

	w->els = (const struct wire_el *)at;
	w->n_els = b->n_els;
	at = append(at, b->els, b->n_els * sizeof(b->els[0]));
	w->attrs = (const struct wire_attr *)at;
	w->n_attrs = b->n_attrs;
	at = append(at, b->attrs, b->n_attrs * sizeof(b->attrs[0]));
	w->bytes = at;
	w->bytes_len = b->len;
	at = append(at, b->bytes, b->len);
	w->extra = at;
	at = append(at, b->extra, b->extra_len);
	fill_nss(b, w, nss, w->bytes, w->extra);
	w->meta = *meta;
	w->meta.from = keep_jid(&at, meta->from);
	w->meta.to = keep_jid(&at, meta->to);
	w->meta.id = keep(&at, meta->id);
	w->meta.lang = keep(&at, meta->lang);
}

int wire_finish(struct wire_builder *b, const struct wire_meta *meta, struct jd_wire **ret_wire)
{
	static const struct wire_meta none = {0};
	const struct wire_meta *m = meta ? meta : &none;
	struct jd_wire *w;
	int err = b->error;

	if (!err && (b->depth || !b->n_els))
		err = -JD_EINVAL;
	if (!err) {
		w = wire_block(b, sizeof(*w) + b->n_nss * sizeof(struct jd_str) +
					  b->n_els * sizeof(b->els[0]) +
					  b->n_attrs * sizeof(b->attrs[0]) + b->len + b->extra_len +
					  jid_len(m->from) + jid_len(m->to) + m->id.len +
					  m->lang.len);
		if (w) {
			fill(b, m, w);
			*ret_wire = w;
		} else {
			err = -JD_ENOMEM;
		}
	}
	wire_reset(b);
	return err;
}
