/* SPDX-License-Identifier: MIT
 *
 * XEP-0082 stamps by plain arithmetic: strptime() and timegm() know locales,
 * leap seconds and forgiveness, none of which is wanted here.
 */
#include "xmpp/delay.h"

#include <jackdaw/time.h>

#define DAY 86400

static const unsigned char month_days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

static bool is_leap(unsigned y)
{
	return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

static unsigned days_in(unsigned year, unsigned month)
{
	return month_days[month - 1] + (month == 2 && is_leap(year) ? 1u : 0u);
}

/* Leap years in 1..year. */
static unsigned leaps(unsigned year)
{
	return year / 4 - year / 100 + year / 400;
}

/* Days from 1970-01-01 to the first of January of year. */
static unsigned year_start(unsigned year)
{
	return (year - 1970) * 365 + leaps(year - 1) - leaps(1969);
}

static void put(char *out, unsigned digits, unsigned value)
{
	while (digits--) {
		out[digits] = (char)('0' + value % 10);
		value /= 10;
	}
}

struct jd_str delay_format(jd_usec at, char out[DELAY_STAMP_LEN])
{
	static const jd_usec last = 253402300799999999ULL; /* 9999-12-31T23:59:59.999999Z */
	unsigned ms, sec, days, year, month = 1;

	if (at > last)
		at = last;
	ms = (unsigned)(at / JD_USEC_PER_MSEC % 1000);
	sec = (unsigned)(at / JD_USEC_PER_SEC % DAY);
	days = (unsigned)(at / JD_USEC_PER_SEC / DAY);
	year = 1970 + days / 366; /* never too late, at most 22 years early */
	while (days >= year_start(year + 1))
		year++;
	days -= year_start(year);
	while (days >= days_in(year, month))
		days -= days_in(year, month++);
	memcpy(out, "0000-00-00T00:00:00.000Z", DELAY_STAMP_LEN);
	put(out, 4, year);
	put(out + 5, 2, month);
	put(out + 8, 2, days + 1);
	put(out + 11, 2, sec / 3600);
	put(out + 14, 2, sec / 60 % 60);
	put(out + 17, 2, sec % 60);
	put(out + 20, 3, ms);
	return (struct jd_str){out, DELAY_STAMP_LEN};
}

/* -- parsing ----------------------------------------------------------------------- */

/* Takes exactly `digits` digits in lo..hi from the front. */
static bool take(struct jd_str *s, unsigned digits, unsigned lo, unsigned hi, unsigned *ret)
{
	unsigned value = 0;

	if (s->len < digits)
		return false;
	for (unsigned i = 0; i < digits; i++) {
		if (s->p[i] < '0' || s->p[i] > '9')
			return false;
		value = value * 10 + (unsigned)(s->p[i] - '0');
	}
	s->p += digits;
	s->len -= digits;
	*ret = value;
	return value >= lo && value <= hi;
}

static bool take_char(struct jd_str *s, char c)
{
	if (s->len == 0 || *s->p != c)
		return false;
	s->p++;
	s->len--;
	return true;
}

/* What is behind the seconds; none is fine, a point without digits is not. */
static bool take_fraction(struct jd_str *s, unsigned *ret_usec)
{
	unsigned unit = 100000, value = 0, digit;

	*ret_usec = 0;
	if (!take_char(s, '.'))
		return true;
	if (!take(s, 1, 0, 9, &digit))
		return false;
	do {
		value += digit * unit;
		unit /= 10;
	} while (s->len && *s->p >= '0' && *s->p <= '9' && take(s, 1, 0, 9, &digit));
	*ret_usec = value;
	return true;
}

/* Z or +hh:mm, in seconds. */
static bool take_zone(struct jd_str *s, int *ret_offset)
{
	unsigned h, m;
	int sign;

	*ret_offset = 0;
	if (take_char(s, 'Z'))
		return true;
	if (take_char(s, '+'))
		sign = 1;
	else if (take_char(s, '-'))
		sign = -1;
	else
		return false;
	if (!take(s, 2, 0, 14, &h) || !take_char(s, ':') || !take(s, 2, 0, 59, &m))
		return false;
	*ret_offset = sign * (int)(h * 3600 + m * 60);
	return true;
}

static bool take_date(struct jd_str *s, unsigned *ret_days)
{
	unsigned y, m, d, days;

	if (!take(s, 4, 1970, 9999, &y) || !take_char(s, '-') || !take(s, 2, 1, 12, &m) ||
	    !take_char(s, '-') || !take(s, 2, 1, days_in(y, m), &d))
		return false;
	days = year_start(y) + d - 1;
	for (unsigned i = 1; i < m; i++)
		days += days_in(y, i);
	*ret_days = days;
	return true;
}

static bool take_time(struct jd_str *s, unsigned *ret_sec)
{
	unsigned h, m, sec;

	if (!take(s, 2, 0, 23, &h) || !take_char(s, ':') || !take(s, 2, 0, 59, &m) ||
	    !take_char(s, ':') || !take(s, 2, 0, 59, &sec))
		return false;
	*ret_sec = h * 3600 + m * 60 + sec;
	return true;
}

int delay_parse(struct jd_str in, jd_usec *ret_at)
{
	unsigned days, sec, usec;
	int offset;
	int64_t t;

	if (!take_date(&in, &days) || !take_char(&in, 'T') || !take_time(&in, &sec) ||
	    !take_fraction(&in, &usec) || !take_zone(&in, &offset) || in.len)
		return -JD_EINVAL;
	t = (int64_t)days * DAY + sec - offset;
	if (t < 0)
		return -JD_EINVAL;
	*ret_at = (jd_usec)t * JD_USEC_PER_SEC + usec;
	return 0;
}

void delay_write(struct jd_xml *x, struct jd_jid from, jd_usec at)
{
	char stamp[DELAY_STAMP_LEN];

	jd_xml_start(x, JD_NS_DELAY, "delay");
	jd_xml_attr(x, "from", jd_jid_str(from));
	jd_xml_attr(x, "stamp", delay_format(at, stamp));
	jd_xml_end(x);
}

/* -- for modules ------------------------------------------------------------------- */

int jd_time_parse(struct jd_str in, jd_usec *ret_at)
{
	return delay_parse(in, ret_at);
}

void jd_delay_write(struct jd_xml *x, struct jd_jid from, jd_usec at)
{
	delay_write(x, from, at);
}
