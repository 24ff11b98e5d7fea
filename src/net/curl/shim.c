/* SPDX-License-Identifier: MIT
 *
 * http_curl.so: nothing but the table of table.h, filled by the linker.
 */
#include "net/curl/table.h"

JD_EXPORT extern const struct curl_table jd_http_curl;

const struct curl_table jd_http_curl = {.version = CURL_TABLE_VERSION,
#define X(name) .name = name,
					CURL_FUNCTIONS(X)
#undef X
};
