/* SPDX-License-Identifier: MIT
 *
 * What the control socket asks for: scale, drain, reload, stop. Control thread. */
#include <stdlib.h>

#include "base/mem.h"
#include "daemon/engine.h"

#define WORKERS_MAX 512 /* of one pool by `drover scale` */

struct waiting_reload {
    struct list node;
    uint64_t reference;
    struct admin_request *request;
};

__attribute__((format(printf, 3, 4))) static void reply(struct admin_request *request, bool ok,
                                                        const char *format, ...)
{
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    admin_reply(request, ok, text);
}

/* "4", or "2-8"; a single worker at least can come. */
static bool take_range(const char *size, uint64_t *min, uint64_t *max)
{
    const char *dash = strchr(size, '-');
    struct slice low = dash ? (struct slice){size, (size_t)(dash - size)} : slice_of(size);

    if (!slice_to_u64(low, min) || !slice_to_u64(dash ? slice_of(dash + 1) : low, max))
        return false;
    return *min <= *max && *max >= 1 && *max <= WORKERS_MAX;
}

static void on_scale(void *owner, struct admin_request *request, const char *pool, const char *size)
{
    struct part *part = parts_find(owner, pool);
    uint64_t min, max;

    if (!part || !part->config) {
        reply(request, false, "no pool is named '%s'", pool);
    } else if (!part->fleet) {
        reply(request, false, "%s: its servers are fixed: only a pool with a command can be scaled", pool);
    } else if (strcmp(size, "file") == 0) {
        fleet_scale_clear(part->fleet);
        reply(request, true, "%s: %u workers, as the file says", pool, fleet_wanted(part->fleet));
    } else if (!take_range(size, &min, &max)) {
        reply(request, false, "%s: expected a count from 1 to %d, MIN-MAX or 'file', got '%s'", pool,
              WORKERS_MAX, size);
    } else {
        unsigned before = fleet_wanted(part->fleet);
        fleet_scale(part->fleet, (unsigned)min, (unsigned)max);
        reply(request, true,
              "%s: %u -> %s workers, until `drover scale %s file` or a change of `workers` in the file", pool,
              before, size, pool);
    }
}

static void on_drain(void *owner, struct admin_request *request, const char *worker)
{
    const char *dot = strrchr(worker, '.');
    char *pool = dot ? slice_dup((struct slice){worker, (size_t)(dot - worker)}) : NULL;
    struct part *part = pool ? parts_find(owner, pool) : NULL;
    uint64_t number = 0;

    if (!part || !part->fleet || !slice_to_u64(slice_of(dot + 1), &number) ||
        !fleet_drain(part->fleet, (unsigned)number))
        reply(request, false, "no worker is named '%s'", worker);
    else
        reply(request, true, "%s drains; another takes its place first", worker);
    mem_free(pool);
}

static void on_reload(void *owner, struct admin_request *request)
{
    struct engine *engine = owner;
    struct waiting_reload *waiting = mem_zero(sizeof *waiting);
    struct order order = {.kind = ORDER_RELOAD, .slot = -1, .reference = ++engine->next_reference};

    waiting->reference = order.reference;
    waiting->request = request;
    list_push_back(&engine->reload_waiting, &waiting->node);
    if (!orders_out(engine, &order, NULL, 0))
        commands_reloaded(engine, order.reference, false, "the keeper does not answer");
}

void commands_reloaded(struct engine *engine, uint64_t reference, bool accepted, const char *report)
{
    list_each_safe (node, next, &engine->reload_waiting) {
        struct waiting_reload *waiting = list_entry(node, struct waiting_reload, node);
        if (waiting->reference != reference)
            continue;
        list_remove(node);
        admin_reply(waiting->request, accepted, report ? report : accepted ? "reloaded" : "refused");
        mem_free(waiting);
    }
}

static void on_stop(void *owner, struct admin_request *request)
{
    struct order order = {.kind = ORDER_SHUTDOWN, .slot = -1};
    bool sent = orders_out(owner, &order, NULL, 0);

    admin_reply(request, sent, sent ? "stopping" : "the keeper does not answer");
}

const struct admin_callbacks commands_in = {
    .on_scale = on_scale,
    .on_drain = on_drain,
    .on_reload = on_reload,
    .on_stop = on_stop,
};
