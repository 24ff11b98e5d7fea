/* SPDX-License-Identifier: MIT
 *
 * libpq, as the server sees it: a table of functions in a shared object of its
 * own (shim.c), which alone is linked with libpq and is loaded when a
 * configuration asks for PostgreSQL.  So a server with SQLite never maps libpq
 * with its Kerberos and LDAP, and the driver is ordinary code of the server, which
 * need not export anything for it.
 */
#pragma once

#include <libpq-fe.h>

#include <jackdaw/types.h>

/* Changes with the list below. */
#define PQ_TABLE_VERSION 1

#define PQ_FUNCTIONS(X)                                                                            \
	X(PQbackendPID)                                                                            \
	X(PQclear)                                                                                 \
	X(PQcmdTuples)                                                                             \
	X(PQconnectdbParams)                                                                       \
	X(PQconnectPoll)                                                                           \
	X(PQconnectStartParams)                                                                    \
	X(PQconninfoFree)                                                                          \
	X(PQconninfoParse)                                                                         \
	X(PQconsumeInput)                                                                          \
	X(PQdb)                                                                                    \
	X(PQenterPipelineMode)                                                                     \
	X(PQerrorMessage)                                                                          \
	X(PQexec)                                                                                  \
	X(PQexecParams)                                                                            \
	X(PQfinish)                                                                                \
	X(PQflush)                                                                                 \
	X(PQfreemem)                                                                               \
	X(PQftype)                                                                                 \
	X(PQgetResult)                                                                             \
	X(PQgetisnull)                                                                             \
	X(PQgetlength)                                                                             \
	X(PQgetvalue)                                                                              \
	X(PQisBusy)                                                                                \
	X(PQnfields)                                                                               \
	X(PQntuples)                                                                               \
	X(PQparameterStatus)                                                                       \
	X(PQpipelineSync)                                                                          \
	X(PQresultErrorField)                                                                      \
	X(PQresultStatus)                                                                          \
	X(PQsendPrepare)                                                                           \
	X(PQsendQuery)                                                                             \
	X(PQsendQueryParams)                                                                       \
	X(PQsendQueryPrepared)                                                                     \
	X(PQserverVersion)                                                                         \
	X(PQsetNoticeReceiver)                                                                     \
	X(PQsetSingleRowMode)                                                                      \
	X(PQsetnonblocking)                                                                        \
	X(PQsocket)                                                                                \
	X(PQstatus)                                                                                \
	X(PQtransactionStatus)                                                                     \
	X(PQuser)

struct pq {
	unsigned version;
#define X(name) __typeof__(name) *name;
	PQ_FUNCTIONS(X)
#undef X
};

/* What the shared object exports. */
#define PQ_TABLE_SYMBOL "jd_db_pgsql"
