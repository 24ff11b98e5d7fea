/* SPDX-License-Identifier: MIT
 *
 * libcurl, as the server sees it: a table of functions in a shared object of its
 * own (shim.c), which alone is linked with libcurl and is loaded when a module
 * wants to send HTTP requests.
 */
#pragma once

/* Its checks of types are for calls by name, and these are calls through the table. */
#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include <jackdaw/types.h>

/* Changes with the list below. */
#define CURL_TABLE_VERSION 1

#define CURL_FUNCTIONS(X)                                                                          \
	X(curl_easy_cleanup)                                                                       \
	X(curl_easy_getinfo)                                                                       \
	X(curl_easy_init)                                                                          \
	X(curl_easy_setopt)                                                                        \
	X(curl_easy_strerror)                                                                      \
	X(curl_global_init)                                                                        \
	X(curl_multi_add_handle)                                                                   \
	X(curl_multi_cleanup)                                                                      \
	X(curl_multi_info_read)                                                                    \
	X(curl_multi_init)                                                                         \
	X(curl_multi_perform)                                                                      \
	X(curl_multi_poll)                                                                         \
	X(curl_multi_remove_handle)                                                                \
	X(curl_multi_setopt)                                                                       \
	X(curl_multi_wakeup)                                                                       \
	X(curl_slist_append)                                                                       \
	X(curl_slist_free_all)

struct curl_table {
	unsigned version;
#define X(name) __typeof__(name) *name;
	CURL_FUNCTIONS(X)
#undef X
};

/* What the shared object exports. */
#define CURL_TABLE_SYMBOL "jd_http_curl"
