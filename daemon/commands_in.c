/* SPDX-License-Identifier: MIT
 *
 * What the control socket asks for: scale, drain, restart, reload, stop. Control thread. */
#include <stdlib.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "daemon/engine.h"

#define WORKERS_MAX 512 /* of one pool by `drover scale` */

struct waiting_reload {
    struct list node;
    uint64_t reference;
    struct admin_request *request;
};

/* Who waits for the end of the rollouts of one pool, or ("") of all. */
struct waiting_rollout {
    struct list node;
    char pool[64];
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
    } else if (part->config->is_background && min != max) {
        reply(request, false,
              "%s: expected a count, got '%s': no requests come that tell how many are needed", pool, size);
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
        reply(request, true, "%s drains; another takes its place%s", worker,
              fleet_is_single(part->fleet) ? " when it has ended" : " first");
    mem_free(pool);
}

static void on_restart(void *owner, struct admin_request *request, const char *pool, bool surge)
{
    struct part *part = parts_find(owner, pool);

    if (!part || !part->config) {
        reply(request, false, "no pool is named '%s'", pool);
    } else if (!part->fleet) {
        reply(request, false, "%s: its servers are not ours: only a pool with a command can be restarted",
              pool);
    } else {
        fleet_restart(part->fleet, surge);
        reply(request, true, "%s: its workers are replaced one by one, %s", pool,
              surge && !fleet_is_single(part->fleet) ? "the new one first" : "the old one first");
    }
}

/* Is it over, and what came of it? */
static bool tell_rollout(struct part *part, struct buffer *page, bool *is_good)
{
    const char *text;

    switch (part->fleet ? fleet_rollout(part->fleet, &text) : ROLLOUT_NONE) {
    case ROLLOUT_NONE: return true;
    case ROLLOUT_GOING: return false;
    case ROLLOUT_FROZEN: *is_good = false; break;
    case ROLLOUT_DONE: break;
    }
    buffer_print(page, "%s%s: %s", buffer_size(page) > 0 ? "\n" : "", part->name, text);
    return true;
}

static bool is_in_file(struct engine *engine, const char *pool)
{
    const struct part *part = parts_find(engine, pool);

    return part && part->config;
}

/* False: it is not over. */
static bool answer_waiting(struct engine *engine, struct waiting_rollout *waiting)
{
    struct buffer page = {0};
    bool is_over = true, is_good = true;

    if (waiting->pool[0] && !is_in_file(engine, waiting->pool)) {
        buffer_print(&page, "%s: it left the file: its workers end", waiting->pool);
        is_good = false;
    }
    for (unsigned i = 0; i < engine->part_count && is_over; i++) {
        struct part *part = engine->parts[i];
        if (!waiting->pool[0] || strcmp(part->name, waiting->pool) == 0)
            is_over = tell_rollout(part, &page, &is_good);
    }
    if (is_over) {
        char *text = buffer_size(&page) > 0 ? slice_dup(buffer_slice(&page)) : NULL;
        admin_reply(waiting->request, is_good, text);
        mem_free(text);
        list_remove(&waiting->node);
        mem_free(waiting);
    }
    buffer_release(&page);
    return is_over;
}

static void on_wait(void *owner, struct admin_request *request, const char *pool)
{
    struct engine *engine = owner;

    if (pool && !is_in_file(engine, pool)) {
        reply(request, false, "no pool is named '%s'", pool);
        return;
    }
    struct waiting_rollout *waiting = mem_zero(sizeof *waiting);
    waiting->request = request;
    str_format(waiting->pool, sizeof waiting->pool, "%s", pool ? pool : "");
    list_push_back(&engine->rollout_waiting, &waiting->node);
    (void)answer_waiting(engine, waiting);
}

void commands_tick(struct engine *engine)
{
    list_each_safe (node, next, &engine->rollout_waiting)
        (void)answer_waiting(engine, list_entry(node, struct waiting_rollout, node));
}

/* Their connections are gone already. */
void commands_close(struct engine *engine)
{
    list_each_safe (node, next, &engine->rollout_waiting) {
        struct waiting_rollout *waiting = list_entry(node, struct waiting_rollout, node);
        list_remove(node);
        admin_reply(waiting->request, false, NULL);
        mem_free(waiting);
    }
    list_each_safe (node, next, &engine->reload_waiting) {
        struct waiting_reload *waiting = list_entry(node, struct waiting_reload, node);
        list_remove(node);
        admin_reply(waiting->request, false, NULL);
        mem_free(waiting);
    }
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
    .on_restart = on_restart,
    .on_wait = on_wait,
    .on_reload = on_reload,
    .on_stop = on_stop,
};
