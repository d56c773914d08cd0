/* SPDX-License-Identifier: MIT
 *
 * Probes for workers: is a new one ready, is a running one still fit (where probe.path is set), may an
 * ejected one have its trial? The answers go to the fleet and the balancer; neither knows how they were
 * found. Control thread. */
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/engine.h"

enum check_kind { CHECK_READY, CHECK_LIVE, CHECK_EJECTED };

struct check {
    struct list node;
    enum check_kind kind;
    struct part *part;
    int slot;
    uint32_t generation;
    struct address address;
    uint64_t since_us; /* it is made */
    struct probe *probe;
    struct deadline again;
    unsigned pace_ms;           /* of `again` */
    struct health_watch *watch; /* CHECK_LIVE */
    struct backend *backend;    /* CHECK_EJECTED; referenced */
};

static struct probe_question question_of(const struct check *check)
{
    const struct pool_config *config = fleet_config(check->part->fleet);

    return (struct probe_question){.address = check->address,
                                   .path = config->probe_path,
                                   .host = "localhost",
                                   .timeout_ms = config->probe_timeout,
                                   .connect_only = check->kind == CHECK_EJECTED,
                                   .protocol = config->protocol};
}

static void check_free(struct check *check)
{
    list_remove(&check->node);
    if (check->probe)
        probe_cancel(&check->probe);
    if (check->watch)
        health_watch_stop(&check->watch);
    deadline_stop(&check->again);
    if (check->backend)
        backend_unref(&check->backend);
    mem_free(check);
}

static void on_again(void *argument);

static bool is_for(const struct check *check, const struct part *part, int slot, uint32_t generation)
{
    return check->part == part && check->slot == slot && check->generation == generation;
}

static struct check *check_new(struct part *part, enum check_kind kind, int slot, uint32_t generation,
                               const struct address *address)
{
    struct check *check = mem_zero(sizeof *check);

    check->kind = kind;
    check->part = part;
    check->slot = slot;
    check->generation = generation;
    check->address = *address;
    check->since_us = clock_us();
    deadline_init(&check->again, on_again, check);
    list_push_back(&part->engine->checks, &check->node);
    return check;
}

/* --- alive --- */

static void on_verdict(void *argument, bool fit, const char *why)
{
    struct check *check = argument;
    struct fleet *fleet = check->part->fleet;

    if (fit)
        fleet_worker_fit(fleet, check->slot, check->generation);
    else
        fleet_worker_unfit(fleet, check->slot, check->generation, why);
}

static void watch_on(struct check *check, bool is_fit)
{
    const struct pool_config *config = fleet_config(check->part->fleet);
    struct probe_question question = question_of(check);

    check->watch =
        health_watch_start(check->part->engine->loop, &question, config, is_fit, on_verdict, check);
}

static bool is_probed(const struct part *part)
{
    const char *path = fleet_config(part->fleet)->probe_path;

    return path && path[0];
}

static struct check *find_live(const struct part *part, const struct backend *backend)
{
    list_each_safe (node, next, &part->engine->checks) {
        struct check *check = list_entry(node, struct check, node);
        if (check->kind == CHECK_LIVE && is_for(check, part, backend->slot, backend->generation))
            return check;
    }
    return NULL;
}

/* Those that have just become ready, and those that an engine before this one has left healthy. */
void readiness_members(struct part *part)
{
    struct backend *const *backends;
    unsigned count;

    backends = fleet_backends(part->fleet, &count);
    for (unsigned i = 0; i < count && is_probed(part); i++) {
        const struct backend *backend = backends[i];
        if (!find_live(part, backend))
            watch_on(check_new(part, CHECK_LIVE, backend->slot, backend->generation, &backend->address),
                     true);
    }
}

/* Watches go on with the question, interval and verdict's numbers of the new file; without a path nobody is
 * unfit any more. */
void readiness_adopt(struct part *part)
{
    list_each_safe (node, next, &part->engine->checks) {
        struct check *check = list_entry(node, struct check, node);
        bool is_fit;
        if (check->part != part || check->kind != CHECK_LIVE)
            continue;
        is_fit = !fleet_worker_is_unfit(part->fleet, check->slot);
        health_watch_stop(&check->watch);
        if (is_probed(part)) {
            watch_on(check, is_fit);
            continue;
        }
        if (!is_fit)
            fleet_worker_fit(part->fleet, check->slot, check->generation);
        check_free(check);
    }
}

/* --- ready --- */

static unsigned pace_of(const struct check *check)
{
    const struct part *part = check->part;
    bool is_awaited = part->pool && pool_queued(part->pool) > 0;

    return health_pace_ms((clock_us() - check->since_us) / 1000, is_awaited);
}

static void ask_later(struct check *check)
{
    check->pace_ms = pace_of(check);
    deadline_start(&check->again, check->part->engine->loop, check->pace_ms);
}

/* Somebody waits now: nobody is asked as late as was meant. */
void readiness_awaited(struct part *part)
{
    list_each_safe (node, next, &part->engine->checks) {
        struct check *check = list_entry(node, struct check, node);
        if (check->part == part && check->kind == CHECK_READY && !check->probe &&
            pace_of(check) < check->pace_ms)
            ask_later(check);
    }
}

static void on_ready_result(void *argument, enum probe_result result, const char *why)
{
    struct check *check = argument;
    struct part *part = check->part;
    int slot = check->slot;
    uint32_t generation = check->generation;

    (void)why;
    check->probe = NULL;
    if (result == PROBE_UNFIT) {
        ask_later(check);
        return;
    }
    check_free(check);
    fleet_worker_ready(part->fleet, slot, generation);
}

static void on_again(void *argument)
{
    struct check *check = argument;
    struct probe_question question = question_of(check);

    check->probe = probe_start(check->part->engine->loop, &question, on_ready_result, check);
}

static void drop(struct part *part, int slot, uint32_t generation)
{
    list_each_safe (node, next, &part->engine->checks) {
        struct check *check = list_entry(node, struct check, node);
        if (is_for(check, part, slot, generation))
            check_free(check);
    }
}

void readiness_wanted(struct part *part, int slot, uint32_t generation, const struct address *address,
                      bool wanted)
{
    drop(part, slot, generation);
    if (wanted)
        ask_later(check_new(part, CHECK_READY, slot, generation, address));
}

void readiness_gone(struct part *part, struct backend *backend)
{
    drop(part, backend->slot, backend->generation);
}

/* --- ejected --- */

static void on_ejected_result(void *argument, enum probe_result result, const char *why)
{
    struct check *check = argument;
    struct backend *backend = check->backend;

    (void)why;
    check->probe = NULL;
    backend_probed(backend, result == PROBE_FIT, clock_us());
    check_free(check);
}

static bool has_check(struct engine *engine, const struct backend *backend)
{
    list_each_safe (node, next, &engine->checks)
        if (list_entry(node, struct check, node)->backend == backend)
            return true;
    return false;
}

static void look_at(struct part *part, struct backend *backend, uint64_t now_us)
{
    uint64_t until_us = atomic_load(&backend->ejected_until_us);
    struct probe_question question;
    struct check *check;

    if (backend->closed)
        return;
    unsigned in_a_row = until_us ? atomic_load(&backend->ejections) : 0;
    bool is_given_up = fleet_worker_ejected(part->fleet, backend->slot, backend->generation, in_a_row);
    if (in_a_row == 0 || is_given_up)
        return; /* and perhaps it is freed */
    if (until_us > now_us || !atomic_load(&backend->needs_probe) || has_check(part->engine, backend))
        return;
    check = check_new(part, CHECK_EJECTED, backend->slot, backend->generation, &backend->address);
    check->backend = backend_ref(backend);
    question = question_of(check);
    check->probe = probe_start(part->engine->loop, &question, on_ejected_result, check);
}

void readiness_tick(struct engine *engine)
{
    uint64_t now_us = clock_us();

    for (unsigned i = 0; i < engine->part_count; i++) {
        struct part *part = engine->parts[i];
        struct backend *const *backends;
        unsigned count;
        if (!part->fleet)
            continue;
        /* looking at one may change the set */
        for (unsigned k = 0; backends = fleet_backends(part->fleet, &count), k < count; k++)
            look_at(part, backends[k], now_us);
    }
}

void readiness_close(struct engine *engine)
{
    list_each_safe (node, next, &engine->checks)
        check_free(list_entry(node, struct check, node));
}
