/* SPDX-License-Identifier: MIT
 *
 * What a message costs from bytes to wire block: nanoseconds per message for the
 * whole scanner, and for expat alone with empty handlers on the same bytes.
 * Prints, judges nothing.
 */
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "util/mem.h"
#include "xml/scan.h"

static const char header[] =
	"<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
	"to='example.org' version='1.0'>";

static const char message[] =
	"<message to='romeo@montague.example/orchard' id='d27b5a4c-0f0e-4f5e-9b0c-6b4a4d3c2b1a' "
	"type='chat'><body>Neither, fair saint, if either thee dislike. Call me but love, and "
	"I'll be new baptized; henceforth I never will be Romeo, said he.</body>"
	"<active xmlns='http://jabber.org/protocol/chatstates'/>"
	"<request xmlns='urn:xmpp:receipts'/>"
	"<origin-id xmlns='urn:xmpp:sid:0' id='d27b5a4c-0f0e-4f5e-9b0c-6b4a4d3c2b1a'/></message>";

static void on_open(void *arg, const struct scan_open *open)
{
	(void)arg, (void)open;
}

static void on_element(void *arg, struct wire_builder *b)
{
	struct jd_wire *w;

	if (wire_finish(b, NULL, &w) == 0) {
		wire_unref(w);
		++*(unsigned *)arg;
	}
}

static void on_close(void *arg)
{
	(void)arg;
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec * 1e9 + (double)ts.tv_nsec;
}

static double scanner(unsigned rounds)
{
	static const struct scan_events events = {on_open, on_element, on_close};
	struct wire_pool *wires = wire_pool_new();
	struct scan_pool *pool = scan_pool_new(wires);
	unsigned got = 0;
	struct scan *s = scan_new(pool, SCAN_STREAM, JD_NS_STANZA, &events, &got);
	double t;

	scan_limits(s, &scan_limits_after);
	scan_feed(s, header, sizeof(header) - 1);
	t = now();
	for (unsigned i = 0; i < rounds; i++) {
		if (scan_feed(s, message, sizeof(message) - 1) != SCAN_OK)
			abort();
	}
	t = (now() - t) / rounds;
	if (got != rounds)
		abort();
	scan_free(s);
	scan_pool_free(pool);
	wire_pool_free(wires);
	return t;
}

static void XMLCALL ex_start(void *data, const XML_Char *name, const XML_Char **atts)
{
	(void)data, (void)name, (void)atts;
}

static void XMLCALL ex_end(void *data, const XML_Char *name)
{
	(void)data, (void)name;
}

static void XMLCALL ex_text(void *data, const XML_Char *s, int len)
{
	(void)data, (void)s, (void)len;
}

static double bare(unsigned rounds)
{
	XML_Parser p = XML_ParserCreateNS("UTF-8", '\xFF');
	double t;

	XML_SetElementHandler(p, ex_start, ex_end);
	XML_SetCharacterDataHandler(p, ex_text);
	XML_Parse(p, header, sizeof(header) - 1, 0);
	t = now();
	for (unsigned i = 0; i < rounds; i++)
		XML_Parse(p, message, sizeof(message) - 1, 0);
	t = (now() - t) / rounds;
	XML_ParserFree(p);
	return t;
}

int main(int argc, char **argv)
{
	unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 200000;

	printf("message of %zu bytes, %u rounds\n", sizeof(message) - 1, rounds);
	for (int i = 0; i < 3; i++) {
		double e = bare(rounds), s = scanner(rounds);

		printf("expat %.0f ns, scanner %.0f ns, builder and block %.0f ns\n", e, s, s - e);
	}
	return 0;
}
