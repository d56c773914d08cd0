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

/* worker.c: a JSON object for one slot, for the control thread that owns its state. */
struct report_slot {
    int index;
    const struct slot *slot;
    const struct backend *backend; /* NULL: not in the choice */
    bool is_fit;                   /* in the choice, as far as probes go */
};
const char *report_slot_status(const struct report_slot *at);
json_t *report_slot_object(const struct admin_source *source, const struct report_slot *at,
                           enum report_detail detail);
json_t *report_slot_page(const struct admin_source *source, const struct report_slot *at, bool is_public);
json_t *report_text(struct slice text); /* a JSON string whatever bytes `text` holds */

#endif
