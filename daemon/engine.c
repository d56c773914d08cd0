/* SPDX-License-Identifier: MIT
 *
 * The engine: the child that carries the traffic and decides. This is its control thread: it starts and
 * stops the loops and wires fleets, probes, snapshots, admin and the keeper together. It owns all of them. */
#include "daemon/engine.h"

#include <errno.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/net.h"

#define BEAT_MS       500
#define TICK_MS       200
#define SPOOL_THREADS 2
#define LARGE_BLOCK   (64 * 1024)
#define TRIM_SECONDS  10
#define TRIM_BYTES    (8 * 1024 * 1024) /* free and not given back */

/* --- loops --- */

static void on_carrier_beat(void *argument)
{
    struct carrier *carrier = argument;
    struct engine *engine = carrier->engine;

    atomic_store_explicit(&engine->slots->engines[engine->start->column].beats[carrier->index + 1],
                          clock_ms(), memory_order_relaxed);
}

static void *carrier_main(void *argument)
{
    struct carrier *carrier = argument;

    (void)prctl(PR_SET_NAME, loop_name(carrier->loop));
    loop_run(carrier->loop);
    proxy_free(&carrier->proxy);
    blocks_fini();
    return NULL;
}

static void carrier_open(struct engine *engine, unsigned index)
{
    const struct engine_start *start = engine->start;
    struct carrier *carrier = &engine->carriers[index];
    struct proxy_options options = {
        .index = index,
        .loop_count = &engine->active_count,
        .column = start->column,
        .slots = engine->slots,
        .access_log = start->access_log >= 0 ? dup(start->access_log) : -1,
        .siblings = engine->proxies,
    };
    char name[16];

    str_format(name, sizeof name, "loop-%u", index);
    carrier->engine = engine;
    carrier->index = index;
    carrier->loop = loop_new(name);
    carrier->proxy = engine->proxies[index] = proxy_new(carrier->loop, engine->snapshot, &options);
    ticker_start(&carrier->beat, carrier->loop, BEAT_MS, on_carrier_beat, carrier);
    CHECK(pthread_create(&carrier->thread, NULL, carrier_main, carrier) == 0);
    engine->carrier_count = index + 1;
    engine->source.proxy_count = engine->carrier_count;
    atomic_store(&engine->slots->engines[start->column].loops, engine->carrier_count + 1);
}

bool engine_adopt_threads(struct engine *engine)
{
    unsigned wanted = engine->config->threads < LOOPS_MAX ? engine->config->threads : LOOPS_MAX;
    bool changes = wanted != atomic_load(&engine->active_count);

    for (unsigned i = engine->carrier_count; i < wanted; i++)
        carrier_open(engine, i);
    atomic_store(&engine->active_count, wanted);
    return changes;
}

static void carriers_open(struct engine *engine)
{
    engine->carriers = mem_zero(LOOPS_MAX * sizeof *engine->carriers);
    engine->proxies = mem_zero(LOOPS_MAX * sizeof(struct proxy *));
    engine->source.proxies = engine->proxies;
    engine_adopt_threads(engine);
}

static void carriers_close(struct engine *engine)
{
    for (unsigned i = 0; i < engine->carrier_count; i++)
        loop_stop(engine->carriers[i].loop);
    for (unsigned i = 0; i < engine->carrier_count; i++) {
        pthread_join(engine->carriers[i].thread, NULL);
        ticker_stop(&engine->carriers[i].beat);
    }
    spools_stop(); /* its threads post to the loops as long as they work */
    for (unsigned i = 0; i < engine->carrier_count; i++)
        loop_free(&engine->carriers[i].loop);
    mem_free(engine->carriers);
    mem_free(engine->proxies);
}

/* Socket i of an address goes to loop i mod N; a loop beyond the sockets shares one. A unix socket is
 * accepted by the first loop, which deals out. */
void engine_listen(struct engine *engine, unsigned index, const struct listener_sockets *sockets)
{
    bool is_unix = address_is_unix(&engine->config->listens[index].address);
    unsigned loops = atomic_load(&engine->active_count);
    unsigned rounds = sockets->count > loops ? sockets->count : loops;

    if (is_unix) {
        for (unsigned i = 0; i < loops; i++)
            proxy_listen(engine->proxies[i], index, i == 0 ? sockets->fds[0] : -1);
        return;
    }
    for (unsigned i = 0; i < rounds; i++) {
        int fd = i < sockets->count ? sockets->fds[i] : dup(sockets->fds[i % sockets->count]);
        proxy_listen(engine->proxies[i % loops], index, fd);
    }
}

/* --- the end --- */

struct drained {
    struct message message;
    struct engine *engine;
};

static void on_one_drained(struct message *message)
{
    struct drained *drained = container_of(message, struct drained, message);
    struct engine *engine = drained->engine;
    struct order order = {.kind = ORDER_DRAINED, .slot = -1};

    mem_free(drained);
    if (--engine->still_draining == 0)
        orders_out(engine, &order, NULL, 0);
}

static void on_proxy_drained(void *argument) /* on its loop's thread */
{
    struct carrier *carrier = argument;
    struct drained *drained = mem_zero(sizeof *drained);

    drained->message.deliver = on_one_drained;
    drained->engine = carrier->engine;
    if (!loop_post(carrier->engine->loop, &drained->message))
        mem_free(drained);
}

/* What is left a tenth of the time before its end is cut, so that the workers have the rest for theirs. */
void engine_drain(struct engine *engine)
{
    unsigned within_ms = engine->config->timeouts.shutdown;

    if (engine->is_stopping)
        return;
    engine->is_stopping = engine->source.is_stopping = true;
    within_ms -= within_ms / 4 < 5000 ? within_ms / 4 : 5000;
    for (unsigned i = 0; i < engine->part_count; i++)
        if (engine->parts[i]->fleet)
            fleet_freeze(engine->parts[i]->fleet);
    pages_publish(engine);
    engine->still_draining = engine->carrier_count;
    for (unsigned i = 0; i < engine->carrier_count; i++)
        proxy_drain(engine->carriers[i].proxy, within_ms, on_proxy_drained, &engine->carriers[i]);
}

/* --- life --- */

static void on_beat(void *argument)
{
    struct engine *engine = argument;

    atomic_store_explicit(&engine->slots->engines[engine->start->column].beats[0], clock_ms(),
                          memory_order_relaxed);
}

static void on_tick(void *argument)
{
    parts_tick(argument);
    readiness_tick(argument);
    commands_tick(argument);
}

/* What a crowd of slow clients needed goes back to the system once it has gone: the allocator alone gives back only
 * what lies at its end. */
static void give_memory_back(struct engine *engine)
{
    if (++engine->seconds % TRIM_SECONDS == 0 && mallinfo2().fordblks > TRIM_BYTES)
        (void)malloc_trim(TRIM_BYTES / 4);
}

static void on_second(void *argument)
{
    struct engine *engine = argument;

    for (unsigned i = 0; i < engine->part_count; i++)
        pool_tick(engine->parts[i]->pool, clock_us());
    pages_publish(engine);
    give_memory_back(engine);
}

static void begin_serving(struct engine *engine)
{
    const struct engine_start *start = engine->start;
    struct order order = {.kind = ORDER_SERVING, .slot = -1};

    engine->listener_count = engine->config->listen_count;
    engine->listening = mem_zero((engine->listener_count + 1) * sizeof *engine->listening);
    for (unsigned i = 0; i < engine->listener_count; i++) {
        engine->listening[i] = engine->config->listens[i].address;
        engine_listen(engine, i, &start->listeners[i]);
    }
    atomic_store(&engine->slots->engines[start->column].serving, 1);
    engine->source.is_ready = true;
    orders_out(engine, &order, NULL, 0);
}

static void engine_init(struct engine *engine, const struct engine_start *start)
{
    *engine = (struct engine){.start = start, .slots = start->slots, .config = config_ref(start->config)};
    list_init(&engine->leaving);
    list_init(&engine->checks);
    list_init(&engine->reload_waiting);
    list_init(&engine->rollout_waiting);
    engine->loop = loop_new("control");
    engine->resolver = resolver_new(engine->loop);
    engine->source = (struct admin_source){
        .slots = engine->slots, .started_us = start->started_us, .version = DROVER_VERSION};
    on_beat(engine);
}

static void engine_fini(struct engine *engine)
{
    admin_close(&engine->admin);
    commands_close(engine);
    ticker_stop(&engine->beat);
    ticker_stop(&engine->tick);
    ticker_stop(&engine->second);
    watch_close(&engine->orders);
    statsd_close(engine);
    carriers_close(engine);
    readiness_close(engine);
    parts_close(engine);
    room_free(&engine->room);
    resolver_free(&engine->resolver);
    loop_settle(engine->loop);
    loop_free(&engine->loop);
    snapshot_unref(&engine->snapshot);
    tls_contexts_unref(&engine->tls);
    config_unref(&engine->config);
    config_unref(&engine->next_config);
    mem_free(engine->listening);
    mem_free(engine->incoming);
    mem_free(engine->source_pools);
    blocks_fini();
}

int engine_run(const struct engine_start *start)
{
    struct engine engine;

    engine_init(&engine, start);
    /* Else the memory that a crowd of slow clients needed is never given back. */
    (void)mallopt(M_MMAP_THRESHOLD, LARGE_BLOCK);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file over the limit is an error like any other */
    spools_start(NULL, SPOOL_THREADS);
    engine.tls = tls_contexts_new(engine.config, start->tickets);
    engine.room = room_new("");
    parts_open(&engine);
    carriers_open(&engine);
    parts_publish(&engine);
    engine.admin =
        admin_open(engine.loop, start->admin, start->control, &engine.source, &commands_in, &engine);
    watch_open_readable(&engine.orders, engine.loop, start->orders, orders_in_event, &engine);
    statsd_open(&engine);
    ticker_start(&engine.beat, engine.loop, BEAT_MS, on_beat, &engine);
    ticker_start(&engine.tick, engine.loop, TICK_MS, on_tick, &engine);
    ticker_start(&engine.second, engine.loop, 1000, on_second, &engine);
    begin_serving(&engine);
    on_tick(&engine); /* the workers are started now, not a tick later */
    loop_run(engine.loop);
    engine_fini(&engine);
    return 0;
}
