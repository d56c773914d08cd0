/* SPDX-License-Identifier: MIT
 *
 * How drover is: the tree of /health/worker, and the small answers of /health/live and /health/ready. Made
 * anew from the slot table and the fleets at each question; owns nothing. Control thread. */
#include "admin/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"

#define WORKER_PAGE  "/health/worker/"
#define DUMP_AS_TEXT (JSON_INDENT(2) | JSON_REAL_PRECISION(12))

static const char *const health_names[] = {
    [POOL_HEALTHY] = "healthy", [POOL_DEGRADED] = "degraded", [POOL_DOWN] = "down", [POOL_IDLE] = "idle"};

static const struct backend *backend_at(const struct pool *pool, int index)
{
    for (unsigned i = 0; pool && i < pool->count; i++) {
        if (pool->backends[i]->slot == index)
            return pool->backends[i];
    }
    return NULL;
}

static bool is_worker_of(const struct slot *slot, const struct pool_config *config)
{
    return atomic_load_explicit(&slot->claimed, memory_order_acquire) == 2 && slot->is_worker &&
           atomic_load_explicit(&slot->state, memory_order_relaxed) != WORKER_ABSENT &&
           strcmp(slot->pool, config->name) == 0;
}

static int by_number(const void *a, const void *b)
{
    const struct report_slot *left = a, *right = b;

    if (left->slot->number != right->slot->number)
        return left->slot->number < right->slot->number ? -1 : 1;
    return left->index - right->index;
}

unsigned report_collect(const struct admin_source *source, const struct admin_pool *pool,
                        struct report_slot *into)
{
    unsigned count = 0;

    for (unsigned i = 0; !pool->fleet && i < pool->server_count && count < SLOTS_MAX; i++) {
        const struct backend *backend = pool->servers[i];
        into[count++] = (struct report_slot){.index = backend->slot,
                                             .slot = &source->slots->slot[backend->slot],
                                             .backend = backend,
                                             .is_fit = pool->server_is_fit[i]};
    }
    for (int i = 0; pool->fleet && i < SLOTS_MAX; i++) {
        const struct slot *slot = &source->slots->slot[i];
        if (is_worker_of(slot, pool->config))
            into[count++] =
                (struct report_slot){i, slot, backend_at(pool->pool, i), true, pool->config->is_background};
    }
    qsort(into, count, sizeof *into, by_number);
    return count;
}

/* A name that did not resolve yet has no server: it is missing all the same. */
unsigned report_wanted(const struct admin_pool *pool)
{
    if (pool->fleet)
        return fleet_wanted(pool->fleet);
    return pool->server_count > pool->config->server_count ? pool->server_count : pool->config->server_count;
}

unsigned report_ready(const struct admin_pool *pool, const struct report_slot *slots, unsigned count)
{
    unsigned ready = 0;

    for (unsigned i = 0; i < count; i++) {
        uint32_t children = atomic_load_explicit(&slots[i].slot->children, memory_order_relaxed);
        if (strcmp(report_slot_status(&slots[i]), "healthy") == 0)
            ready += pool->config->signal_up > 0 && children > 0 ? children - 1 : 1;
    }
    return ready;
}

/* A consumer that finishes what it is at, before another takes its place, is not down. */
static bool is_handing_over(const struct report_slot *slots, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        uint32_t state = atomic_load_explicit(&slots[i].slot->state, memory_order_relaxed);
        if (slots[i].is_background && (state == WORKER_DRAINING || state == WORKER_STOPPING))
            return true;
    }
    return false;
}

enum pool_health report_judge(const struct admin_pool *pool, const struct report_slot *slots, unsigned count)
{
    unsigned wanted = report_wanted(pool), ready = report_ready(pool, slots, count);

    if (ready == 0 && is_handing_over(slots, count))
        return POOL_DEGRADED;
    if (ready == 0)
        return wanted == 0 || (pool->fleet && fleet_is_resting(pool->fleet)) ? POOL_IDLE : POOL_DOWN;
    return ready < wanted ? POOL_DEGRADED : POOL_HEALTHY;
}

const char *report_health_word(enum pool_health health)
{
    return health_names[health];
}

static enum pool_health pool_health(const struct admin_source *source, const struct admin_pool *pool)
{
    struct report_slot *slots = mem_alloc(SLOTS_MAX * sizeof *slots);
    enum pool_health health = report_judge(pool, slots, report_collect(source, pool, slots));

    mem_free(slots);
    return health;
}

/* Of the fleet, since this engine began. */
static json_t *fleet_counted(const struct fleet *fleet)
{
    const struct fleet_counters *counters = fleet_counters(fleet);
    json_t *decisions = json_object();

    for (unsigned kind = 0; kind < DECISION_KINDS; kind++)
        json_object_set_new(decisions, fleet_decision_kind_word(kind),
                            json_integer((json_int_t)counters->decisions[kind]));
    return json_pack("{s:I, s:I, s:I, s:I, s:o}", "starts", (json_int_t)counters->starts, "failed_starts",
                     (json_int_t)counters->failed_starts, "exits", (json_int_t)counters->exits, "crashes",
                     (json_int_t)counters->crashes, "decisions", decisions);
}

/* The pools that have to be up before this one starts, and are not. */
static json_t *names_of_missing(const struct admin_source *source, const struct admin_pool *pool)
{
    json_t *names = json_array();

    for (unsigned i = 0; i < source->pool_count; i++) {
        const struct admin_pool *before = &source->pools[i];
        if ((pool->config->after >> i & 1) && before->fleet && !fleet_is_up(before->fleet))
            json_array_append_new(names, json_string(before->config->name));
    }
    return names;
}

static json_t *pool_object(const struct admin_source *source, const struct admin_pool *pool,
                           enum report_detail detail, enum pool_health *health)
{
    struct report_slot *slots = mem_alloc(SLOTS_MAX * sizeof *slots);
    unsigned count = report_collect(source, pool, slots), ready = report_ready(pool, slots, count),
             wanted = report_wanted(pool);
    json_t *object = json_object(), *workers = json_array();

    *health = report_judge(pool, slots, count);
    json_object_set_new(object, "status", json_string(health_names[*health]));
    if (pool->config->is_background)
        json_object_set_new(object, "kind", json_string("background"));
    if (pool->fleet && fleet_is_held(pool->fleet))
        json_object_set_new(object, "waits_for", names_of_missing(source, pool));
    json_object_set_new(object, "wanted", json_integer(wanted));
    json_object_set_new(object, "ready", json_integer(ready));
    if (!pool->config->is_background)
        json_object_set_new(object, "queued", json_integer(pool->pool ? pool_queued(pool->pool) : 0));
    if (detail == REPORT_FULL) {
        unsigned min, max;
        if (pool->fleet && fleet_is_sized(pool->fleet, &min, &max)) {
            json_object_set_new(object, "min", json_integer(min));
            json_object_set_new(object, "max", json_integer(max));
        }
        if (pool->fleet)
            json_object_set_new(object, "counted", fleet_counted(pool->fleet));
        char note[512];
        if (pool->fleet && fleet_memory_note(pool->fleet, note, sizeof note))
            json_object_set_new(object, "memory_note", json_string(note));
        json_object_set_new(object, "launched", json_boolean(pool->fleet != NULL));
        json_object_set_new(object, "overridden",
                            json_boolean(pool->fleet && fleet_is_overridden(pool->fleet)));
    }
    for (unsigned i = 0; i < count; i++)
        json_array_append_new(workers, report_slot_object(source, &slots[i], detail));
    json_object_set_new(object, "workers", workers);
    mem_free(slots);
    return object;
}

unsigned report_connections(const struct slots *slots)
{
    unsigned count = 0;

    for (unsigned i = 0; i < ENGINES_MAX; i++)
        count += atomic_load_explicit(&slots->engines[i].connections, memory_order_relaxed);
    return count;
}

json_t *report_tree(const struct admin_source *source, enum report_detail detail, unsigned *http_status)
{
    json_t *tree = json_object(), *pools = json_object();
    enum pool_health worst = POOL_HEALTHY;
    uint64_t now_us = clock_us();

    for (unsigned i = 0; i < source->pool_count; i++) {
        enum pool_health health;
        json_t *object = pool_object(source, &source->pools[i], detail, &health);
        json_object_set_new(pools, source->pools[i].config->name, object);
        if (health != POOL_IDLE && health > worst)
            worst = health;
    }
    json_object_set_new(tree, "status", json_string(health_names[worst]));
    if (detail != REPORT_PUBLIC)
        json_object_set_new(tree, "worker_id", json_integer(getpid()));
    json_object_set_new(
        tree, "uptime",
        json_real(now_us > source->started_us ? (double)((now_us - source->started_us) / 100000) / 10 : 0));
    json_object_set_new(tree, "active_connections", json_integer(report_connections(source->slots)));
    json_object_set_new(tree, "pools", pools);
    *http_status = worst == POOL_DOWN ? 503 : 200;
    return tree;
}

json_t *report_health(const struct admin_source *source, bool is_public, unsigned *http_status)
{
    return report_tree(source, is_public ? REPORT_PUBLIC : REPORT_PLAIN, http_status);
}

/* NULL: no such worker. */
static json_t *worker_page(const struct admin_source *source, const char *name, bool is_public,
                           unsigned *http_status)
{
    struct report_slot *slots = mem_alloc(SLOTS_MAX * sizeof *slots);
    json_t *object = NULL;

    for (unsigned pool = 0; pool < source->pool_count && !object; pool++) {
        unsigned count = report_collect(source, &source->pools[pool], slots);
        for (unsigned i = 0; i < count && !object; i++) {
            if (strcmp(slots[i].slot->name, name) != 0)
                continue;
            object = report_slot_page(source, &slots[i], is_public);
            *http_status = strcmp(report_slot_status(&slots[i]), "healthy") == 0 ? 200 : 503;
        }
    }
    mem_free(slots);
    return object;
}

/* NULL: ready. */
static const char *why_not_ready(const struct admin_source *source)
{
    if (source->is_stopping)
        return "stopping";
    if (!source->is_ready)
        return "starting";
    bool has_proxied = false;
    for (unsigned i = 0; i < source->pool_count; i++)
        has_proxied = has_proxied || !source->pools[i].config->is_background;
    for (unsigned i = 0; i < source->pool_count; i++) {
        const struct admin_pool *pool = &source->pools[i];
        if ((!has_proxied || !pool->config->is_background) && pool_health(source, pool) != POOL_DOWN)
            return NULL; /* some request can be answered; or there are none to answer */
    }
    return "no pool has a healthy worker";
}

bool report_is_ready(const struct admin_source *source)
{
    return !why_not_ready(source);
}

static json_t *ready_page(const struct admin_source *source, unsigned *http_status)
{
    const char *why = why_not_ready(source);

    *http_status = why ? 503 : 200;
    return why ? json_pack("{s:s, s:s}", "status", "not ready", "why", why)
               : json_pack("{s:s}", "status", "ready");
}

static json_t *live_page(unsigned *http_status)
{
    *http_status = 200;
    return json_pack("{s:s}", "status", "alive");
}

char *report_page(const struct admin_source *source, const char *path, bool is_public, unsigned *http_status)
{
    json_t *tree = NULL;

    if (strcmp(path, "/health/worker") == 0)
        tree = report_health(source, is_public, http_status);
    else if (strcmp(path, "/health/live") == 0)
        tree = live_page(http_status);
    else if (strcmp(path, "/health/ready") == 0)
        tree = ready_page(source, http_status);
    else if (strncmp(path, WORKER_PAGE, strlen(WORKER_PAGE)) == 0)
        tree = worker_page(source, path + strlen(WORKER_PAGE), is_public, http_status);
    else if (strcmp(path, "/api/decisions") == 0 && !is_public) {
        *http_status = 200;
        tree = decisions_tree(source);
    } else if (strcmp(path, "/api/status") == 0 && !is_public)
        tree = status_tree(source, http_status);
    if (!tree)
        return NULL;
    char *json = json_dumps(tree, DUMP_AS_TEXT), *text = mem_print("%s\n", json ? json : "{}");
    free(json);
    json_decref(tree);
    return text;
}
