/* SPDX-License-Identifier: MIT
 *
 * The few types that everything else is written in: strings that are not
 * terminated, results, and small macros.
 *
 * Results.  A function that can fail returns int: 0 is good, a negative
 * -JD_E* is a failure to be passed on or handled, a positive value is a named
 * outcome of that function which its caller must handle.  Outputs come last,
 * are called ret_*, and are untouched on failure.  What went wrong on the XMPP
 * level is data (struct jd_error in stanza.h), never one of these numbers.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define JD_MUST_USE          __attribute__((warn_unused_result))
#define JD_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define JD_EXPORT            __attribute__((visibility("default")))
#define JD_ARRAY_SIZE(a)     (sizeof(a) / sizeof((a)[0]))

/* Program errors; jd_strerror() has a sentence for each. */
enum jd_errno {
	JD_EINVAL = 1, /* an argument or an input that breaks the rules of its format */
	JD_ELIMIT,     /* a bound was reached: size, count, depth, queue */
	JD_ENOMEM,     /* memory that a peer could size was refused */
	JD_ENOENT,     /* no such thing */
	JD_EEXIST,     /* it exists already */
	JD_EAGAIN,     /* not now: try again after the event that the function names */
	JD_EBUSY,      /* in use */
	JD_ECLOSED,    /* the peer or the resource has gone */
	JD_EIO,        /* the operating system or a library failed */
	JD_EDB,        /* the database failed */
	JD_EABI,       /* a module was built for another Jackdaw */
	JD_ECONF,      /* the configuration is wrong; the reason has been reported */
	JD_EACCESS,    /* not allowed */
};

/* A sentence without full stop for -JD_E* (or JD_E*); never NULL. Any thread. */
JD_EXPORT const char *jd_strerror(int err);

/*
 * A slice of bytes owned by somebody else.  Not terminated.  p may be NULL when
 * len is 0; "absent" and "empty" are told apart by p == NULL where a function
 * says so.
 */
struct jd_str {
	const char *p;
	size_t len;
};

#define JD_STR(literal) ((struct jd_str){(literal), sizeof(literal) - 1})
#define JD_STR_NULL     ((struct jd_str){NULL, 0})
/* For printf: printf("%.*s", JD_FMT(s)). */
#define JD_FMT(s) (int)(s).len, (s).p

static inline struct jd_str jd_cstr(const char *s)
{
	return (struct jd_str){s, s ? strlen(s) : 0};
}

static inline bool jd_str_eq(struct jd_str a, struct jd_str b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

/* s compared with a C string; the length folds away for literals. */
static inline bool jd_str_is(struct jd_str s, const char *c)
{
	size_t n = strlen(c);

	return s.len == n && (n == 0 || memcmp(s.p, c, n) == 0);
}

/* Microseconds. Points in time are since the Unix epoch unless a name says mono. */
typedef uint64_t jd_usec;

#define JD_USEC_PER_SEC  1000000ULL
#define JD_USEC_PER_MSEC 1000ULL
