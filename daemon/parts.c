/* SPDX-License-Identifier: MIT
 *
 * The pools of the configuration and who fills them. When a fleet or the servers say that their members
 * changed, the next set and the next snapshot are made at the end of the turn and posted to every loop.
 * Control thread. */
#include <limits.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "daemon/engine.h"

#define FORMER_STOP_MS 10000 /* `stop.timeout` where it is no longer known; most of it has passed */

/* --- what fleets and servers say --- */

void parts_changed(struct part *part)
{
    part->is_dirty = true;
    task_at_end(&part->engine->publish, part->engine->loop);
}

static void on_fleet_members(struct fleet *fleet, void *owner)
{
    (void)fleet;
    parts_changed(owner);
}

static void on_probe_wanted(struct fleet *fleet, int slot, uint32_t generation, const struct address *address,
                            bool wanted, void *owner)
{
    (void)fleet;
    readiness_wanted(owner, slot, generation, address, wanted);
}

/* Of a number each loop closes its part; what does not divide is another loop's each time. */
static void on_close_tunnels(struct fleet *fleet, struct backend *backend, unsigned most, unsigned over_ms,
                             void *owner)
{
    struct part *part = owner;
    struct engine *engine = part->engine;
    unsigned loops = engine->carrier_count;

    (void)fleet;
    for (unsigned i = 0; i < loops; i++) {
        unsigned share = most / loops + (i < most % loops);
        struct proxy *proxy = engine->proxies[(part->close_turn + i) % loops];
        if (share > 0)
            proxy_close_tunnels(proxy, backend, most == UINT_MAX ? most : share, over_ms);
    }
    part->close_turn = (part->close_turn + most % loops) % loops;
}

static void forget(struct part *part, struct backend *backend)
{
    struct engine *engine = part->engine;

    for (unsigned i = 0; i < engine->carrier_count; i++)
        proxy_forget_backend(engine->proxies[i], backend);
}

static void on_fleet_backend_gone(struct fleet *fleet, struct backend *backend, void *owner)
{
    (void)fleet;
    readiness_gone(owner, backend);
    forget(owner, backend);
}

static const struct fleet_callbacks fleet_callbacks = {
    .on_members = on_fleet_members,
    .on_probe_wanted = on_probe_wanted,
    .on_close_tunnels = on_close_tunnels,
    .on_backend_gone = on_fleet_backend_gone,
};

static void on_servers_members(struct servers *servers, void *owner)
{
    (void)servers;
    parts_changed(owner);
}

static void on_servers_backend_gone(struct servers *servers, struct backend *backend, void *owner)
{
    (void)servers;
    forget(owner, backend);
}

static const struct servers_callbacks servers_callbacks = {
    .on_members = on_servers_members,
    .on_backend_gone = on_servers_backend_gone,
};

/* --- the demand --- */

struct news_of_waiting {
    struct message message;
    struct engine *engine;
    char pool[64];
};

/* What gunicorn says of itself: only what has ended, so what came is what ended, and nobody waits. */
static struct fleet_load load_reported(const struct statsd_totals *reported, uint64_t now_us)
{
    return (struct fleet_load){.arrivals = (uint64_t)statsd_ended(reported),
                               .slow = (uint64_t)reported->slow,
                               .is_reported = true,
                               .ended = (uint64_t)statsd_ended(reported),
                               .held_us = (uint64_t)(reported->seconds * 1e6),
                               .is_live = statsd_is_live(reported, now_us)};
}

static void observe(struct part *part, uint64_t now_us)
{
    struct fleet_load load = {.arrivals = pool_arrivals(part->pool),
                              .slow = pool_slow(part->pool),
                              .waiting = pool_queued(part->pool)};

    if (fleet_config(part->fleet)->measure == MEASURE_STATSD)
        load = load_reported(&part->reported, now_us);
    fleet_observe(part->fleet, &load, now_us);
}

/* Somebody has to wait: the pool may need another worker now, not at the next tick. */
static void on_waiting_here(struct message *message)
{
    struct news_of_waiting *news = container_of(message, struct news_of_waiting, message);
    struct part *part = parts_find(news->engine, news->pool);
    uint64_t now_us = clock_us();

    if (part && part->fleet && part->pool) {
        observe(part, now_us);
        fleet_tick(part->fleet, now_us);
        readiness_awaited(part);
    }
    mem_free(news);
}

/* On the loop of whoever waits. Once until the next tick. */
static void on_waiting_anywhere(void *owner)
{
    struct part *part = owner;

    if (atomic_exchange(&part->is_waiting_told, true))
        return;
    struct news_of_waiting *news = mem_zero(sizeof *news);
    news->message.deliver = on_waiting_here;
    news->engine = part->engine;
    str_format(news->pool, sizeof news->pool, "%s", part->name);
    if (!loop_post(part->engine->loop, &news->message))
        mem_free(news);
}

/* --- life of a part --- */

static struct part *part_new(struct engine *engine, struct config *config, const struct pool_config *pool)
{
    struct part *part = mem_zero(sizeof *part);

    part->engine = engine;
    part->config = pool;
    str_format(part->name, sizeof part->name, "%s", pool->name);
    part->is_dirty = true;
    list_init(&part->node);
    if (pool->is_launched)
        part->fleet = fleet_new(engine->loop, config, pool, engine->slots, engine->start->orders,
                                engine->start->keeper, &fleet_callbacks, part);
    else
        part->servers = servers_new(engine->loop, engine->resolver, config, pool, engine->slots,
                                    &servers_callbacks, part);
    if (part->fleet)
        fleet_share_room(part->fleet, engine->room);
    return part;
}

static void part_free(struct part *part)
{
    list_remove(&part->node);
    if (part->pool)
        pool_on_wait(part->pool, NULL, NULL);
    fleet_free(&part->fleet);
    servers_free(&part->servers);
    pool_unref(&part->pool);
    if (part->former)
        mem_free(part->former->name);
    mem_free(part->former);
    mem_free(part);
}

static void adopt(struct part *part, struct config *config, const struct pool_config *pool)
{
    part->config = pool;
    part->is_dirty = true;
    if (part->fleet)
        fleet_adopt(part->fleet, config, pool);
    if (part->fleet)
        readiness_adopt(part);
    else
        servers_adopt(part->servers, config, pool);
}

/* Its pool is no longer in the file: its workers drain and stop, its servers get nothing new. */
static void leave(struct part *part)
{
    struct engine *engine = part->engine;

    part->config = NULL;
    list_push_back(&engine->leaving, &part->node);
    if (part->fleet)
        fleet_abandon(part->fleet);
    else
        servers_abandon(part->servers);
}

static bool is_same(const struct part *part, const struct pool_config *pool)
{
    return strcmp(part->name, pool->name) == 0 && (part->fleet != NULL) == pool->is_launched;
}

/* Who fills that pool already; also one that was leaving: it was put back into the file before it had
 * drained. */
static struct part *take_old(struct engine *engine, struct part **old, unsigned count,
                             const struct pool_config *pool)
{
    for (unsigned i = 0; i < count; i++) {
        struct part *part = old[i];
        if (!part || !is_same(part, pool))
            continue;
        old[i] = NULL;
        return part;
    }
    list_each_safe (node, next, &engine->leaving) {
        struct part *part = list_entry(node, struct part, node);
        if (!is_same(part, pool))
            continue;
        list_remove(node);
        return part;
    }
    return NULL;
}

/* Those that were leaving when the engine before this one fell: of their pool nothing but the name is known, and no
 * request comes. */
static void take_in_former(struct engine *engine, const struct slot *slot)
{
    struct pool_config *former = mem_zero(sizeof *former);
    struct part *part;

    *former = (struct pool_config){.name = mem_dup(slot->pool),
                                   .is_launched = true,
                                   .is_background = true,
                                   .stop_timeout = FORMER_STOP_MS};
    part = part_new(engine, engine->config, former);
    part->former = former;
    leave(part);
}

static void open_former(struct engine *engine)
{
    for (int i = 0; i < SLOTS_MAX; i++) {
        const struct slot *slot = &engine->slots->slot[i];
        if (atomic_load(&slot->claimed) == 2 && slot->is_worker && !parts_of_slot(engine, i))
            take_in_former(engine, slot);
    }
}

static void on_publish(struct task *task)
{
    parts_publish(container_of(task, struct engine, publish));
}

void parts_open(struct engine *engine)
{
    const struct config *config = engine->config;

    task_init(&engine->publish, on_publish);
    engine->part_count = config->pool_count;
    engine->parts = mem_zero((config->pool_count + 1) * sizeof(struct part *));
    for (unsigned i = 0; i < config->pool_count; i++)
        engine->parts[i] = part_new(engine, engine->config, &config->pools[i]);
    open_former(engine);
    parts_publish(engine);
}

void parts_adopt(struct engine *engine, struct config *config)
{
    struct part **old = engine->parts;
    unsigned old_count = engine->part_count;

    engine->parts = mem_zero((config->pool_count + 1) * sizeof(struct part *));
    engine->part_count = config->pool_count;
    for (unsigned i = 0; i < config->pool_count; i++) {
        struct part *part = take_old(engine, old, old_count, &config->pools[i]);
        if (part)
            adopt(part, config, &config->pools[i]);
        engine->parts[i] = part ? part : part_new(engine, config, &config->pools[i]);
    }
    for (unsigned i = 0; i < old_count; i++)
        if (old[i])
            leave(old[i]);
    mem_free(old);
    task_at_end(&engine->publish, engine->loop);
}

void parts_close(struct engine *engine)
{
    task_cancel(&engine->publish);
    for (unsigned i = 0; i < engine->part_count; i++)
        part_free(engine->parts[i]);
    list_each_safe (node, next, &engine->leaving)
        part_free(list_entry(node, struct part, node));
    mem_free(engine->parts);
}

/* A pool's workers may still leave while servers fill the pool of that name, or the other way round. */
static struct part *find(const struct engine *engine, const char *pool, bool only_fleets)
{
    for (unsigned i = 0; i < engine->part_count; i++)
        if (strcmp(engine->parts[i]->name, pool) == 0 && (engine->parts[i]->fleet || !only_fleets))
            return engine->parts[i];
    list_each_safe (node, next, &engine->leaving) {
        struct part *part = list_entry(node, struct part, node);
        if (strcmp(part->name, pool) == 0 && (part->fleet || !only_fleets))
            return part;
    }
    return NULL;
}

struct part *parts_find(struct engine *engine, const char *pool)
{
    return find(engine, pool, false);
}

struct part *parts_of_slot(struct engine *engine, int slot)
{
    return slot >= 0 && slot < SLOTS_MAX ? find(engine, engine->slots->slot[slot].pool, true) : NULL;
}

/* --- the next snapshot --- */

static void make_set(struct part *part)
{
    struct engine *engine = part->engine;
    struct pool *previous = part->pool;
    struct backend *const *backends;
    unsigned count;

    backends = part->fleet ? fleet_backends(part->fleet, &count) : servers_backends(part->servers, &count);
    part->pool = pool_new(engine->config, part->config, engine->slots, engine->start->column, previous,
                          backends, count);
    if (part->fleet)
        pool_widen(part->pool, fleet_breadth(part->fleet));
    if (previous)
        pool_unref(&previous);
    part->is_dirty = false;
    if (part->fleet) {
        pool_on_wait(part->pool, on_waiting_anywhere, part);
        readiness_members(part);
    }
}

static void lend_to_admin(struct engine *engine)
{
    mem_free(engine->source_pools);
    engine->source_pools = mem_zero((engine->part_count + 1) * sizeof *engine->source_pools);
    for (unsigned i = 0; i < engine->part_count; i++) {
        struct part *part = engine->parts[i];
        struct admin_pool *pool = &engine->source_pools[i];
        *pool = (struct admin_pool){.config = part->config, .fleet = part->fleet, .pool = part->pool};
        if (part->servers)
            pool->servers = servers_all(part->servers, &pool->server_count, &pool->server_is_fit);
    }
    engine->source.config = engine->config;
    engine->source.pools = engine->source_pools;
    engine->source.pool_count = engine->part_count;
}

void parts_publish(struct engine *engine)
{
    struct pool **pools = mem_zero((engine->part_count + 1) * sizeof *pools);
    struct snapshot *previous = engine->snapshot;

    for (unsigned i = 0; i < engine->part_count; i++) {
        struct part *part = engine->parts[i];
        if (part->is_dirty)
            make_set(part);
        pools[i] = part->pool;
    }
    engine->snapshot = snapshot_new(engine->config, pools);
    snapshot_serve_tls(engine->snapshot, engine->tls);
    for (unsigned i = 0; i < engine->carrier_count; i++)
        proxy_adopt(engine->proxies[i], engine->snapshot);
    for (unsigned i = 0; i < engine->part_count; i++)
        pool_publish(pools[i], clock_us());
    snapshot_unref(&previous);
    mem_free(pools);
    lend_to_admin(engine);
    pages_publish(engine);
}

/* Are all up that it comes after? */
static bool may_begin(const struct part *part)
{
    const struct engine *engine = part->engine;

    for (unsigned i = 0; i < engine->part_count; i++)
        if ((part->config->after >> i & 1) && !fleet_is_up(engine->parts[i]->fleet))
            return false;
    return true;
}

static void tick(struct part *part, uint64_t now_us)
{
    atomic_store(&part->is_waiting_told, false);
    if (fleet_is_held(part->fleet) && may_begin(part)) {
        log_info("%s: those that it comes after are up: it starts", part->name);
        fleet_begin(part->fleet);
    }
    if (part->pool)
        observe(part, now_us);
    fleet_tick(part->fleet, now_us);
}

void parts_tick(struct engine *engine)
{
    uint64_t now_us = clock_us();

    for (unsigned i = 0; i < engine->part_count; i++)
        if (engine->parts[i]->fleet)
            tick(engine->parts[i], now_us);
    list_each_safe (node, next, &engine->leaving) {
        struct part *part = list_entry(node, struct part, node);
        if (part->fleet)
            fleet_tick(part->fleet, now_us);
        if (part->fleet ? fleet_is_empty(part->fleet) : servers_is_empty(part->servers))
            part_free(part);
    }
}

/* --- pages for `expose:` --- */

static void publish_page(struct engine *engine, const char *path)
{
    unsigned status = 200;
    char *text = report_page(&engine->source, path, true, &status);
    struct exposed_page *page;

    if (!text)
        return;
    page = exposed_page_new(path, status, slice_of(text));
    for (unsigned i = 0; i < engine->carrier_count; i++)
        proxy_expose(engine->proxies[i], page);
    exposed_page_unref(&page);
    mem_free(text);
}

void pages_publish(struct engine *engine)
{
    const struct config *config = engine->config;

    for (unsigned i = 0; i < config->listen_count; i++)
        for (unsigned k = 0; k < config->listens[i].expose_count; k++)
            publish_page(engine, config->listens[i].expose[k]);
}
