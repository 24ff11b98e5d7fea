/* SPDX-License-Identifier: MIT
 *
 * The load generator: XMPP clients by the thousand on one thread and one epoll.
 *
 * A client connects, logs in, binds, sends presence, and is ready when the answer to
 * an IQ behind that has come; the same steps on any server.  Then each complete
 * element from the server is handed to on_stanza(), and bench_send() queues bytes
 * that leave at the end of the event, so that answers to what came in one read go
 * out in one write.
 *
 * RAW clients speak no XMPP: they are ready once connected (RAW_TLS: once the
 * handshake is over), for the relays of relay.c.
 *
 * Whatever goes wrong with a client (refused, closed, nonsense) is counted in
 * loop->failed, remembered as a sentence, and the client is over; nothing is hidden.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scram.h"

struct bench_client;

enum bench_transport {
	BENCH_TCP,
	BENCH_TLS,
	BENCH_STARTTLS,
	BENCH_WS,
	BENCH_WSS,
	BENCH_RAW,
	BENCH_RAW_TLS,
};

enum bench_mechanism { BENCH_PLAIN, BENCH_SCRAM_SHA_1, BENCH_SCRAM_SHA_256 };

enum bench_state {
	BENCH_OFF,      /* not connected, or over */
	BENCH_CONNECT,  /* the TCP connection is being made */
	BENCH_SHAKE,    /* TLS */
	BENCH_UPGRADE,  /* HTTP, until the WebSocket stands */
	BENCH_STARTING, /* until <proceed/> of STARTTLS */
	BENCH_AUTH,     /* until <success/> */
	BENCH_BIND,     /* until the answer to bind */
	BENCH_ENABLE,   /* until <enabled/> of XEP-0198, if that is wanted */
	BENCH_ROSTER,   /* until the roster, if it is asked for */
	BENCH_PRESENCE,
	BENCH_READY,
};

/* One thread's worth of clients. */
struct bench_loop {
	int epoll;
	void *tls, *tls_ws; /* SSL_CTX; they differ in what ALPN offers */
	char *scratch;
	unsigned ready;  /* clients that are READY */
	unsigned failed; /* clients that ended before bench_close() */
	char trouble[160];
	uint64_t bytes_in, bytes_out;
	struct scram_key key; /* the last one: accounts may share a salt */
};

struct bench_target {
	const char *host; /* the domain; also for SNI */
	const char *address;
	int port;
	enum bench_transport transport;
	enum bench_mechanism mechanism;
	const char *path; /* of the WebSocket */
	bool roster;      /* ask for the roster before presence */
	bool sm;          /* switch XEP-0198 on behind bind */
};

struct bench_client {
	struct bench_loop *loop;
	const struct bench_target *target;
	char user[32];
	char password[32];
	int fd;
	void *ssl;
	uint8_t state;
	bool want_write;
	bool in_event; /* flush() follows */
	bool framed;   /* WebSocket frames instead of a stream */
	/* What has come but is not a whole element yet, and what could not be sent yet. */
	char *in, *out;
	size_t in_len, in_size, out_len, out_size;
	struct scram *scram; /* while it logs in */
	/* XEP-0198: stanzas that came, that left, and how many of these the server has. */
	bool counting;
	uint32_t sm_in, sm_out, sm_acked;
	struct scram_key key; /* for the next time */
	void (*on_ready)(struct bench_client *c);
	/* p stands until the call returns; NULL: nobody cares. Messages may come before the client
	 * is ready: what waited for it. */
	void (*on_stanza)(struct bench_client *c, const char *p, size_t n);
	void *arg;
};

void bench_loop_init(struct bench_loop *loop);
void bench_loop_fini(struct bench_loop *loop);
/* Handles what there is, waiting for at most so long. */
void bench_loop_turn(struct bench_loop *loop, int milliseconds);

void bench_client_init(struct bench_client *c, struct bench_loop *loop,
		       const struct bench_target *target, const char *user, const char *password);
/* Starts; on_ready() comes later. False when it failed at once. */
bool bench_connect(struct bench_client *c);
/* One whole stanza, terminated by 0 (a WebSocket carries it in a frame of its own). */
void bench_send(struct bench_client *c, const char *p, size_t n);
/* Asks how much the server has handled (XEP-0198) and says what this client has: then nothing is
 * owed when it goes. */
void bench_ask(struct bench_client *c);
/* Sends what is queued now, rather than with the next event. */
void bench_flush(struct bench_client *c);
/* Without a word of farewell; frees what the client holds. */
void bench_close(struct bench_client *c);
/* It ends because something is wrong with it. */
void bench_client_over(struct bench_client *c, const char *why);

/* Connects all of them, at most `at_once` under way; false when one failed or none came
 * forward for half a minute. */
bool bench_login_all(struct bench_loop *loop, struct bench_client *clients, unsigned n,
		     unsigned at_once);

uint64_t bench_now(void); /* nanoseconds, monotonic */
void *bench_grow(void *p, size_t size);
_Noreturn void bench_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
