/* SPDX-License-Identifier: MIT
 *
 * The end of drover, in stages: engines drain, workers are stopped, what is left is killed, engines end.
 * Background workers are stopped at once, and those of a pool only when all that come after it (`after`) have ended, or
 * half of the workers' time is over. `timeouts.shutdown` bounds it all. Keeper's thread. */
#include <signal.h>

#include "base/clock.h"
#include "base/log.h"
#include "keeper/parent.h"

#define WORKERS_SHARE   4                   /* the workers' share of the time is one part in so many, ... */
#define WORKERS_MOST_MS 5000                /* ... and no more than this */
#define MARGIN_MS       250                 /* between the last KILL and the end */
#define ENGINES_MS      500                 /* an engine that was told to end at once has this long */
#define OVER_MS         900                 /* after the time-out nothing is waited for any more */
#define NO_BOUND_MS     (24u * 3600 * 1000) /* `shutdown: 0` */

static void enter(struct keeper *keeper, enum stage next)
{
    static const char *const names[] = {"running", "draining", "ending the workers", "ending the engines",
                                        "done"};

    log_debug("stopping: %s -> %s", names[keeper->stage], names[next]);
    keeper->stage = next;
}

static void close_listeners(struct keeper *keeper)
{
    for (unsigned i = 0; i < keeper->listener_count; i++)
        listener_close(&keeper->listeners[i]);
}

static void end_engines(struct keeper *keeper, uint64_t now_ms)
{
    struct order news = {.kind = NEWS_STOP_NOW, .slot = -1};

    enter(keeper, STAGE_ENDING_ENGINES);
    keeper->stopping.engines_by_ms = now_ms + ENGINES_MS;
    engines_tell(keeper, &news);
}

/* Pools, by their index in the configuration, that have a process. */
static uint64_t pools_alive(const struct keeper *keeper)
{
    const struct config *config = keeper->config;
    uint64_t alive = 0;

    for (int i = 0; i < SLOTS_MAX; i++) {
        const struct seat *seat = keeper->seats[i];
        for (unsigned k = 0; seat && seat->pid > 0 && k < config->pool_count; k++)
            if (strcmp(config->pools[k].name, seat->pool->name) == 0)
                alive |= UINT64_C(1) << k;
    }
    return alive;
}

/* Those that come after it have ended, and what answers requests has no more of them. A pool that is no longer in the
 * file waits for nobody. */
static bool may_end(const struct keeper *keeper, const struct seat *seat, uint64_t alive, uint64_t now_ms)
{
    const struct config *config = keeper->config;
    const struct pool_config *pool = config_find_pool(config, seat->pool->name);

    if (!seat->pool->is_background && keeper->stage == STAGE_DRAINING)
        return false;
    if (!pool || now_ms >= keeper->stopping.ordered_by_ms)
        return true;
    for (unsigned i = 0; i < config->pool_count; i++)
        if ((alive >> i & 1) && (config->pools[i].after_all >> (pool - config->pools) & 1))
            return false;
    return true;
}

static void end_worker(struct keeper *keeper, struct seat *seat, uint64_t now_ms)
{
    seat->is_ending = true;
    seat->kill_by_ms = now_ms + seat->pool->stop_timeout;
    if (seat->kill_by_ms > keeper->stopping.killed_by_ms)
        seat->kill_by_ms = keeper->stopping.killed_by_ms;
    seat_signal(seat, seat->pool->stop_signal);
}

static void end_workers(struct keeper *keeper, uint64_t now_ms)
{
    uint64_t alive = pools_alive(keeper);

    for (int i = 0; i < SLOTS_MAX; i++) {
        struct seat *seat = keeper->seats[i];
        if (seat && seat->pid > 0 && !seat->is_ending && may_end(keeper, seat, alive, now_ms))
            end_worker(keeper, seat, now_ms);
    }
}

static void kill_all(struct keeper *keeper, uint64_t now_ms)
{
    keeper->stopping.was_cut = !engines_are_drained(keeper);
    keeper->stopping.over_by_ms = now_ms + ENGINES_MS + OVER_MS;
    for (int i = 0; i < SLOTS_MAX; i++)
        if (keeper->seats[i])
            seat_kill(keeper->seats[i]);
    end_engines(keeper, now_ms);
}

void stopping_begin(struct keeper *keeper)
{
    struct stopping *stopping = &keeper->stopping;
    struct order news = {.kind = NEWS_STOP, .slot = -1};
    uint64_t now_ms = clock_ms(), bound = keeper->config->timeouts.shutdown;

    if (keeper->stage != STAGE_RUNNING) {
        if (keeper->stage < STAGE_ENDING_ENGINES) {
            log_warning("told to stop a second time: ending at once");
            kill_all(keeper, now_ms);
        }
        return;
    }
    log_info("stopping: %u workers", seats_alive(keeper));
    if (bound == 0)
        bound = NO_BOUND_MS;
    uint64_t share = bound / WORKERS_SHARE < WORKERS_MOST_MS ? bound / WORKERS_SHARE : WORKERS_MOST_MS;
    stopping->drained_by_ms = now_ms + bound - share;
    stopping->ordered_by_ms = now_ms + bound - share / 2;
    stopping->killed_by_ms = now_ms + bound - (bound > 2 * MARGIN_MS ? MARGIN_MS : 0);
    stopping->over_by_ms = now_ms + bound + OVER_MS;
    enter(keeper, STAGE_DRAINING);
    engines_tell(keeper, &news);
    /* As long as we hold them too, connections would go on coming in to a backlog that nobody serves. */
    close_listeners(keeper);
}

static void kill_late_workers(struct keeper *keeper, uint64_t now_ms)
{
    for (int i = 0; i < SLOTS_MAX; i++) {
        struct seat *seat = keeper->seats[i];
        if (!seat || seat->pid == 0 || seat->kill_by_ms == 0 || now_ms < seat->kill_by_ms)
            continue;
        log_warning("%s: process %d has not ended in time: killing its group", seat->name, (int)seat->pid);
        seat_kill(seat);
        seat->kill_by_ms = 0;
    }
}

static void kill_late_engines(struct keeper *keeper, uint64_t now_ms)
{
    if (now_ms < keeper->stopping.engines_by_ms)
        return;
    for (unsigned i = 0; i < ENGINES_MAX; i++)
        engine_kill(&keeper->engines.all[i]);
    keeper->stopping.engines_by_ms = UINT64_MAX; /* once is enough */
}

void stopping_step(struct keeper *keeper, uint64_t now_ms)
{
    struct stopping *stopping = &keeper->stopping;

    if (keeper->stage == STAGE_RUNNING)
        return;
    if (keeper->stage == STAGE_DRAINING && (engines_are_drained(keeper) || now_ms >= stopping->drained_by_ms))
        enter(keeper, STAGE_ENDING_WORKERS);
    if (keeper->stage <= STAGE_ENDING_WORKERS) {
        end_workers(keeper, now_ms);
        kill_late_workers(keeper, now_ms);
    }
    if (keeper->stage == STAGE_ENDING_WORKERS) {
        /* Clients may still be reading the last answers. */
        if (seats_alive(keeper) == 0 && (engines_are_drained(keeper) || now_ms >= stopping->killed_by_ms))
            end_engines(keeper, now_ms);
    }
    if (keeper->stage == STAGE_ENDING_ENGINES) {
        kill_late_engines(keeper, now_ms);
        if (engines_alive(keeper) == 0 && seats_alive(keeper) == 0)
            enter(keeper, STAGE_DONE);
    }
    if (keeper->stage != STAGE_DONE && now_ms >= stopping->over_by_ms) {
        log_error("%u workers do not end even when killed: leaving them", seats_alive(keeper));
        enter(keeper, STAGE_DONE);
    }
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t stopping_next_ms(const struct keeper *keeper)
{
    const struct stopping *stopping = &keeper->stopping;
    uint64_t next = UINT64_MAX;

    if (keeper->stage == STAGE_RUNNING)
        return next;
    next = stopping->over_by_ms;
    if (keeper->stage == STAGE_DRAINING)
        next = earlier(next, stopping->drained_by_ms);
    if (keeper->stage == STAGE_ENDING_WORKERS && seats_alive(keeper) == 0)
        next = earlier(next, stopping->killed_by_ms);
    if (keeper->stage == STAGE_ENDING_ENGINES)
        next = earlier(next, stopping->engines_by_ms);
    for (int i = 0; i < SLOTS_MAX; i++) {
        const struct seat *seat = keeper->seats[i];
        if (!seat || seat->pid == 0)
            continue;
        if (seat->kill_by_ms > 0)
            next = earlier(next, seat->kill_by_ms);
        if (keeper->stage == STAGE_ENDING_WORKERS && !seat->is_ending)
            next = earlier(next, stopping->ordered_by_ms);
    }
    return next;
}
