/* SPDX-License-Identifier: MIT
 *
 * The door: looking at drover and telling it things. Runs on the control thread. Read-only over HTTP; the
 * control socket (mode 0600) takes commands. */
#ifndef DROVER_ADMIN_ADMIN_H
#define DROVER_ADMIN_ADMIN_H

#include <jansson.h>

#include "balancer/balancer.h"
#include "base/loop.h"
#include "config/config.h"
#include "proxy/proxy.h"
#include "workers/fleet.h"

/* What the pages are made from; the engine keeps it up to date and lends it. */
struct admin_pool {
    const struct pool_config *config;
    struct fleet *fleet;   /* NULL: fixed servers */
    struct pool *pool;     /* the newest set */
    unsigned server_count; /* fixed servers: every backend, fit or not */
    struct backend **servers;
    const bool *server_is_fit;
};
struct admin_statsd { /* what came in at `statsd`, ever */
    bool is_on;
    uint64_t packets, lines, unreadable, nobodys;
};
struct admin_source {
    const struct config *config;
    struct slots *slots;
    uint64_t started_us; /* of drover (the keeper) */
    bool is_stopping;
    bool is_ready; /* listeners are open */
    unsigned pool_count;
    struct admin_pool *pools;
    unsigned proxy_count;
    struct proxy **proxies;
    struct admin_statsd statsd;
    const char *version; /* of drover; NULL: not shown */
};

/* Commands of the control socket that change something; each gives its answer at once or later by
 * admin_reply. */
struct admin_request; /* one command that waits for its answer; owned by admin until replied */
struct admin_callbacks {
    /* size: "6" or "file" */
    void (*on_scale)(void *owner, struct admin_request *request, const char *pool, const char *size);
    void (*on_drain)(void *owner, struct admin_request *request, const char *worker);
    /* Answered at once: it goes on by itself. */
    void (*on_restart)(void *owner, struct admin_request *request, const char *pool, bool surge);
    /* Answered when the rollouts of that pool (NULL: of all) are over. */
    void (*on_wait)(void *owner, struct admin_request *request, const char *pool);
    void (*on_reload)(void *owner, struct admin_request *request);
    void (*on_stop)(void *owner, struct admin_request *request);
};
/* Sends the answer and frees the request. `text` (may be NULL) is shown to the user; ok decides the
 * command's exit status. */
void admin_reply(struct admin_request *request, bool ok, const char *text);

struct admin;
/* `listener` may be -1 (off). Both descriptors are owned by admin from now on. `source` must stay valid. */
struct admin *admin_open(struct loop *loop, int listener, int control, const struct admin_source *source,
                         const struct admin_callbacks *callbacks, void *owner);
/* Requests without an answer stay valid: each still wants its admin_reply, which then goes nowhere. */
void admin_close(struct admin **admin);

/* report.c: the tree that /health/worker shows; `is_public` leaves out process ids, addresses and output. */
json_t *report_health(const struct admin_source *source, bool is_public, unsigned *http_status);
/* One page as text for `expose:` and the admin address: "/health/worker", "/health/live", "/health/ready",
 * "/health/worker/web.1". NULL when there is no such page. Caller frees (mem_free). */
char *report_page(const struct admin_source *source, const char *path, bool is_public, unsigned *http_status);

#endif
