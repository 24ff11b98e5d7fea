/* SPDX-License-Identifier: MIT
 *
 * The core as a whole: its pools and lists, made before anything else of it is
 * used and freed when nothing of it is left.
 */
#include "core/conf.h"
#include "core/erase.h"
#include "core/sm.h"
#include "util/clock.h"

struct server server;

#define TRIM_EVERY (60 * JD_USEC_PER_SEC)

static struct timer trim_timer;

/* Memory that a burst left behind goes back to the system. */
static void on_trim(struct timer *t)
{
	stanza_pool_trim(server.stanzas);
	wire_pool_trim(server.wires);
	slab_trim(server.posts);
	slab_trim(server.receipts);
	loop_timer(server.loop, t, TRIM_EVERY, on_trim);
}

int core_init(void)
{
	server.stanzas = stanza_pool_new();
	stanza_pool_use(server.stanzas);
	server.wires = wire_pool_new();
	server.scans = scan_pool_new(server.wires);
	server.posts = slab_new("post", POST_SIZE, 64 << 10);
	server.receipts = slab_new("receipt", sizeof(struct jd_receipt), 64 << 10);
	list_init(&server.hosts);
	list_init(&server.globals);
	list_init(&server.sessions);
	list_init(&server.clients);
	list_init(&server.waits);
	list_init(&server.asyncs);
	hash_init(&server.host_names);
	server.others = share_new();
	server.started = clock_real();
	mailboxes_start();
	loop_timer(server.loop, &trim_timer, TRIM_EVERY, on_trim);
	return 0;
}

struct jd_host *host_add(const char *name, const struct conf_host *conf)
{
	struct jd_host *host = mem_new(struct jd_host);

	host->name = jd_strdup(jd_cstr(name));
	host->conf = conf;
	host->component = conf && conf->component;
	host->jid = (struct jd_jid){host->name, 0, (uint16_t)strlen(host->name), 0};
	hash_init(&host->accounts);
	hash_init(&host->iqs);
	list_init(&host->instances);
	list_init(&host->services);
	list_init(&host->disco);
	list_init(&host->disco_nodes);
	list_init(&host->stream_features);
	list_init(&host->bind_features);
	host_mailbox(host);
	if (conf && conf->secret)
		component_add(host);
	list_append(&server.hosts, &host->node);
	hash_insert(&server.host_names, &host->by_name, hash_str(jd_jid_str(host->jid)));
	iq_builtin(host);
	return host;
}

void core_say_farewell(void)
{
	for (struct list *n = server.hosts.next; n != &server.hosts; n = n->next)
		hook_notify_host(JD_HOOK_host_stopping, container_of(n, struct jd_host, node));
}

void core_shutdown_sessions(void)
{
	server.stopping = true;
	while (!list_empty(&server.sessions))
		session_end(container_of(server.sessions.next, struct jd_session, all),
			    STREAM_SYSTEM_SHUTDOWN, NULL);
	for (struct list *n = server.clients.next; n != &server.clients; n = n->next) {
		struct client *c = container_of(n, struct client, node);

		if (!c->closed)
			c2s_end(c->link, STREAM_SYSTEM_SHUTDOWN, NULL);
	}
}

void core_unload(void)
{
	calls_abandon(NULL);
	iqs_abandon(NULL);
	ask_fini();
	rooms_fini();
	erase_fini();
	for (struct list *n = server.hosts.next; n != &server.hosts; n = n->next) {
		struct jd_host *host = container_of(n, struct jd_host, node);

		mailbox_fini(&host->mailbox);
		accounts_free_all(host);
	}
}

static void host_free(struct jd_host *host)
{
	component_free(host);
	list_remove(&host->node);
	hash_remove(&server.host_names, &host->by_name);
	server.last_host = NULL;
	hash_fini(&host->accounts);
	iq_host_fini(host);
	for (unsigned i = 0; i < JD_HOOK_COUNT; i++)
		mem_free(host->chains[i].items);
	mem_free(host->name);
	mem_free(host);
}

void core_fini(void)
{
	JD_ASSERT(list_empty(&server.sessions));
	auth_fini();
	sm_fini();
	pack_fini();
	while (!list_empty(&server.hosts))
		host_free(container_of(server.hosts.next, struct jd_host, node));
	hash_fini(&server.host_names);
	loop_timer_cancel(server.loop, &trim_timer);
	loop_remove_source(&server.run_source);
	share_unref(server.others);
	slab_free(server.posts);
	slab_free(server.receipts);
	scan_pool_free(server.scans);
	wire_pool_free(server.wires);
	stanza_pool_free(server.stanzas);
}
