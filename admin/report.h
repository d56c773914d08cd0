/* SPDX-License-Identifier: MIT
 *
 * The tree of pools and workers, in the shapes that the pages need. Control thread. */
#ifndef DROVER_ADMIN_REPORT_H
#define DROVER_ADMIN_REPORT_H

#include "admin/admin.h"

enum report_detail {
    REPORT_PUBLIC, /* without process ids, addresses and output: for anybody */
    REPORT_PLAIN,  /* /health/worker */
    REPORT_FULL,   /* /api/status: what an operator wants beside that */
};
json_t *report_tree(const struct admin_source *source, enum report_detail detail, unsigned *http_status);

/* status.c: report_tree with the configuration's places and the counters of all loops. */
json_t *status_tree(const struct admin_source *source, unsigned *http_status);

/* decisions.c: what was decided on the pools and their workers. The text: of one pool or (NULL) all, the newest last; NULL when
 * no launched pool has that name; the caller frees it (mem_free). */
json_t *decisions_tree(const struct admin_source *source);
char *decisions_text(const struct admin_source *source, const char *pool);

/* report.c: the slots of a pool by number, what of them serves, and what that makes the pool. */
struct report_slot {
    int index;
    const struct slot *slot;
    const struct backend *backend; /* NULL: not in the choice */
    bool is_fit;                   /* in the choice, as far as probes go */
    bool is_background;            /* there is no choice to be in */
};
enum pool_health { POOL_HEALTHY, POOL_DEGRADED, POOL_DOWN, POOL_IDLE, POOL_HEALTHS };
/* `into` has room for SLOTS_MAX. */
unsigned report_collect(const struct admin_source *source, const struct admin_pool *pool,
                        struct report_slot *into);
/* In a pool with `signals` those are ready that its one process has; before they were counted it stands for one. */
unsigned report_ready(const struct admin_pool *pool, const struct report_slot *slots, unsigned count);
unsigned report_wanted(const struct admin_pool *pool);
enum pool_health report_judge(const struct admin_pool *pool, const struct report_slot *slots, unsigned count);
const char *report_health_word(enum pool_health health);
unsigned report_connections(const struct slots *slots);  /* of clients, all engines */
bool report_is_ready(const struct admin_source *source); /* /health/ready says 200 */

/* worker.c: a JSON object for one slot, for the control thread that owns its state. */
const char *report_slot_status(const struct report_slot *at);
json_t *report_slot_object(const struct admin_source *source, const struct report_slot *at,
                           enum report_detail detail);
json_t *report_slot_page(const struct admin_source *source, const struct report_slot *at, bool is_public);
json_t *report_text(struct slice text); /* a JSON string whatever bytes `text` holds */

#endif
