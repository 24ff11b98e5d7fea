/* SPDX-License-Identifier: MIT
 *
 * Every answer says its length, its date, and that its type is not to be
 * guessed.  Names of days and months are spelled out here: those of the C
 * library follow the locale.
 */
#include "net/http_reply.h"

#include <stdio.h>
#include <time.h>

void http_date(jd_usec real, char out[HTTP_DATE_LEN + 1])
{
	static const char days[] = "SunMonTueWedThuFriSat";
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	time_t seconds = (time_t)(real / JD_USEC_PER_SEC);
	struct tm tm;

	(void)gmtime_r(&seconds, &tm);
	(void)snprintf(out, HTTP_DATE_LEN + 1, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT",
		       days + 3 * tm.tm_wday, (unsigned)tm.tm_mday % 100, months + 3 * tm.tm_mon,
		       (unsigned)(tm.tm_year + 1900) % 10000, (unsigned)tm.tm_hour % 100,
		       (unsigned)tm.tm_min % 100, (unsigned)tm.tm_sec % 100);
}

const char *http_reason(unsigned status)
{
	static const struct {
		unsigned status;
		const char *reason;
	} reasons[] = {
		{101, "Switching Protocols"},
		{200, "OK"},
		{201, "Created"},
		{202, "Accepted"},
		{204, "No Content"},
		{206, "Partial Content"},
		{301, "Moved Permanently"},
		{302, "Found"},
		{303, "See Other"},
		{304, "Not Modified"},
		{307, "Temporary Redirect"},
		{308, "Permanent Redirect"},
		{400, "Bad Request"},
		{401, "Unauthorized"},
		{403, "Forbidden"},
		{404, "Not Found"},
		{405, "Method Not Allowed"},
		{408, "Request Timeout"},
		{409, "Conflict"},
		{413, "Content Too Large"},
		{414, "URI Too Long"},
		{415, "Unsupported Media Type"},
		{416, "Range Not Satisfiable"},
		{417, "Expectation Failed"},
		{426, "Upgrade Required"},
		{429, "Too Many Requests"},
		{431, "Request Header Fields Too Large"},
		{500, "Internal Server Error"},
		{501, "Not Implemented"},
		{503, "Service Unavailable"},
		{505, "HTTP Version Not Supported"},
	};

	for (size_t i = 0; i < JD_ARRAY_SIZE(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Other";
}

static const char *connection_line(unsigned flags)
{
	switch (flags & (HTTP_OUT_CLOSE | HTTP_OUT_KEEP | HTTP_OUT_UPGRADE)) {
	case 0:
		return "";
	case HTTP_OUT_KEEP:
		return "Connection: keep-alive\r\n";
	case HTTP_OUT_UPGRADE:
	case HTTP_OUT_UPGRADE | HTTP_OUT_KEEP:
		return "Connection: Upgrade\r\n";
	case HTTP_OUT_UPGRADE | HTTP_OUT_CLOSE:
		return "Connection: Upgrade, close\r\n";
	default:
		return "Connection: close\r\n";
	}
}

/* Answers that never have a body must not announce a length either. */
static bool has_length(unsigned status)
{
	return status >= 200 && status != 204 && status != 304;
}

int http_reply_head(struct buf *out, const struct http_reply *reply, unsigned flags, jd_usec real)
{
	char date[HTTP_DATE_LEN + 1];
	int r;

	http_date(real, date);
	r = buf_printf(out, "HTTP/1.1 %u %s\r\nDate: %s\r\n", reply->status,
		       http_reason(reply->status), date);
	if (r == 0 && has_length(reply->status))
		r = buf_printf(out, "Content-Length: %zu\r\nX-Content-Type-Options: nosniff\r\n",
			       reply->body.len);
	if (r == 0 && reply->type)
		r = buf_printf(out, "Content-Type: %s\r\n", reply->type);
	if (r == 0 && (flags & HTTP_OUT_CORS))
		r = buf_printf(out, "Access-Control-Allow-Origin: *\r\n");
	if (r < 0)
		return r;
	return buf_printf(out, "%s%s\r\n", connection_line(flags),
			  reply->extra_headers ? reply->extra_headers : "");
}
