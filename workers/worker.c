/* SPDX-License-Identifier: MIT
 *
 * One worker's life, on the control thread:
 *
 *     worker_start       on_ready         worker_retire      nothing is held     on_exited
 *        -----> starting --------> healthy ----------> draining ----------> stopping -----> gone
 *                ^   |                |                                        ^
 *     its time   |   | dies           | dies                                   |
 *                |   v                v                                        |
 *                +-- backoff <--------+        not ready in time: killed ------+ (then backoff)
 *
 * A worker that dies leaves the choice at once and is started again in the same slot. It owns its
 * reference to the backend of its process; the slot is the table's, and the process the keeper's. */
#include <limits.h>

#include "base/backoff.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "workers/endpoint.h"
#include "workers/fleet_internal.h"

#define GOODBYE_MS      2500      /* the closing handshake of a WebSocket */
#define LONG_HEALTHY_US 10000000u /* who was healthy for so long has put its crashes behind it */
/* Between leaving the choice and the first look at what is held: a loop may stand between choosing and
 * counting, and the idle links are closed. */
#define SETTLE_US 100000u

#define TO(state) (1u << (state))
/* What an engine before this one left it in. */
#define AS_ADOPTED (TO(WORKER_HEALTHY) | TO(WORKER_DRAINING) | TO(WORKER_STOPPING) | TO(WORKER_BACKOFF))

static const struct {
    const char *name;
    unsigned next; /* set of TO() */
} states[] = {
    [WORKER_ABSENT] = {"gone", TO(WORKER_STARTING) | AS_ADOPTED},
    [WORKER_STARTING] = {"starting",
                         TO(WORKER_HEALTHY) | TO(WORKER_STOPPING) | TO(WORKER_BACKOFF) | TO(WORKER_ABSENT)},
    [WORKER_HEALTHY] = {"healthy", TO(WORKER_DRAINING) | TO(WORKER_BACKOFF) | TO(WORKER_ABSENT)},
    [WORKER_DRAINING] = {"draining", TO(WORKER_STOPPING) | TO(WORKER_BACKOFF) | TO(WORKER_ABSENT)},
    [WORKER_STOPPING] = {"stopping", TO(WORKER_BACKOFF) | TO(WORKER_ABSENT)},
    [WORKER_BACKOFF] = {"backoff", TO(WORKER_STARTING) | TO(WORKER_ABSENT)},
};

/* The only place that changes a worker's state. */
static void enter(struct worker *worker, enum worker_state next)
{
    CHECK(states[worker->state].next & TO(next));
    log_info("%s: %s -> %s", worker->slot->name, states[worker->state].name, states[next].name);
    worker->state = next;
    worker->since_us = clock_us();
    worker->due_us = 0;
    atomic_store(&worker->slot->state_since_us, worker->since_us);
    atomic_store(&worker->slot->state, (uint32_t)next);
}

void worker_order(const struct worker *worker, enum order_kind kind)
{
    struct order order = {
        .kind = kind,
        .slot = worker->index,
        .generation = worker->generation,
        .pid = worker->pid,
        .number = worker->slot->number,
        .children = worker->started_with,
    };

    str_format(order.pool, sizeof order.pool, "%s", worker->slot->pool);
    (void)order_send(worker->fleet->orders, &order, NULL, 0); /* without a keeper this engine ends anyway */
}

static void due_in(struct worker *worker, unsigned wait_ms)
{
    worker->due_us = clock_us() + (uint64_t)wait_ms * 1000u;
}

struct worker *worker_new(struct fleet *fleet, int index)
{
    struct worker *worker = mem_zero(sizeof *worker);

    worker->fleet = fleet;
    worker->index = index;
    worker->slot = &fleet->slots->slot[index];
    worker->state = WORKER_ABSENT;
    worker->answered_seen = atomic_load(&worker->slot->requests);
    worker->replaces = -1;
    return worker;
}

static void forget_origin(struct worker *worker)
{
    if (worker->made_by)
        config_unref(&worker->made_by);
    worker->made_as = NULL;
}

void worker_set_origin(struct worker *worker)
{
    struct config *config = config_ref(worker->fleet->config);

    forget_origin(worker);
    worker->made_by = config;
    worker->made_as = worker->fleet->pool;
    atomic_store(&worker->slot->is_outdated, 0);
}

void worker_free(struct worker **worker)
{
    struct worker *ending = *worker;

    if (!ending)
        return;
    *worker = NULL;
    if (ending->backend)
        backend_unref(&ending->backend);
    forget_origin(ending);
    mem_free(ending);
}

void worker_set_fate(struct worker *worker, enum fate fate)
{
    worker->fate = fate;
    if (fate != FATE_UNTIL_REPLACED && fate != FATE_UNTIL_RENEWED)
        worker->is_replaced_asked = false;
    if (fate != FATE_REPLACES)
        worker->replaces = -1;
    atomic_store(&worker->slot->retiring, (uint32_t)fate);
}

/* Nothing new goes to this process from now on, whatever set of backends a loop has in its hands. */
static void leave_choice(struct worker *worker)
{
    struct fleet *fleet = worker->fleet;

    if (!worker->backend)
        return;
    backend_close(worker->backend);
    fleet->callbacks.on_backend_gone(fleet, worker->backend, fleet->owner);
}

static void want_probe(struct worker *worker, bool wanted)
{
    struct fleet *fleet = worker->fleet;

    if (worker->is_probed == wanted || !worker->backend)
        return;
    worker->is_probed = wanted;
    fleet->callbacks.on_probe_wanted(fleet, worker->index, worker->generation, &worker->backend->address,
                                     wanted, fleet->owner);
}

void worker_start(struct worker *worker)
{
    CHECK(worker->pid == 0);
    worker_set_origin(worker);
    enter(worker, WORKER_STARTING);
    due_in(worker, worker->fleet->pool->start_timeout);
    worker->started_with = fleet_is_steered(worker->fleet) ? fleet_wanted(worker->fleet) : 0;
    worker_order(worker, ORDER_START);
}

static void stop(struct worker *worker)
{
    enter(worker, WORKER_STOPPING);
    due_in(worker, worker->fleet->pool->stop_timeout);
    if (worker->pid != 0)
        worker_order(worker, ORDER_STOP); /* else it is stopped as soon as the keeper has started it */
}

static void kill_process(struct worker *worker)
{
    worker->was_killed = true;
    worker->due_us = 0;
    worker_order(worker, ORDER_KILL);
}

/* The process is there: what belongs to it is made anew. False when nobody knows where it listens, as it should. */
static bool take_process(struct worker *worker, uint32_t generation, pid_t pid)
{
    struct fleet *fleet = worker->fleet;
    struct address address;

    worker->generation = generation;
    worker->pid = pid;
    worker->was_killed = worker->is_unfit = worker->tunnels_told = worker->is_deaf_told = false;
    worker->steer = (struct steer){0};
    worker->ejections_seen = 0;
    worker->wear = (struct wear){0};
    if (fleet->pool->is_background && atomic_load(&worker->slot->port) == 0)
        return true; /* it listens nowhere */
    if (!endpoint_find(&address, fleet->slots, worker->index, generation, fleet->keeper)) {
        log_error("%s: no address is known for it", worker->slot->name);
        return false;
    }
    worker->backend = backend_new(fleet->slots, worker->index, &address, 1);
    return true;
}

/* Its process runs. In a background pool there is nothing to ask it: it is ready when it has lived for a while. */
static void await_ready(struct worker *worker)
{
    if (worker->backend)
        want_probe(worker, true);
    else
        due_in(worker, worker->fleet->pool->start_settle);
}

void worker_on_started(struct worker *worker, uint32_t generation, pid_t pid)
{
    if (worker->pid != 0 || (worker->state != WORKER_STARTING && worker->state != WORKER_STOPPING))
        return;
    bool has_address = take_process(worker, generation, pid);
    worker->fleet->decisions.counters.starts++;
    atomic_store(&worker->slot->requests_before, atomic_load(&worker->slot->requests));
    if (worker->state == WORKER_STOPPING) { /* retired before it was there */
        worker_order(worker, ORDER_STOP);
        due_in(worker, worker->fleet->pool->stop_timeout);
    } else if (has_address) {
        await_ready(worker);
    } else {
        kill_process(worker);
    }
}

void worker_on_ready(struct worker *worker)
{
    uint64_t now_us = clock_us();

    log_info("%s: ready after %llu ms%s%s (process %d)", worker->slot->name,
             (unsigned long long)(now_us - worker->since_us) / 1000, worker->backend ? " at " : "",
             worker->backend ? worker->backend->authority : "", (int)worker->pid);
    worker->is_probed = false;
    fleet_boot_took(worker->fleet, (unsigned)((now_us - worker->since_us) / 1000));
    enter(worker, WORKER_HEALTHY);
    /* The first ones of a pool have nobody who could carry more meanwhile. */
    if (worker->backend && worker->fleet->member_count > 0)
        atomic_store(&worker->backend->joined_us, now_us);
}

/* It died: started again here, at once after a long time of health, else later and later. */
static void wait_for_restart(struct worker *worker, bool was_long_healthy)
{
    const struct pool_config *pool = worker->fleet->pool;
    uint32_t crashes = was_long_healthy ? 0 : atomic_load(&worker->slot->crashes) + 1;
    unsigned wait_ms = backoff_ms(crashes, pool->start_backoff, pool->start_backoff_max, random_u32());

    atomic_store(&worker->slot->crashes, crashes);
    enter(worker, WORKER_BACKOFF);
    due_in(worker, wait_ms);
    if (wait_ms > 0)
        log_info("%s: crash %u in a row, started again in %u ms", worker->slot->name, crashes, wait_ms);
    else if (room_has_seat(worker->fleet) && room_lets_start(worker->fleet))
        worker_start(worker);
}

/* Its old process has gone as it was told. */
static void start_anew(struct worker *worker)
{
    atomic_store(&worker->slot->crashes, 0);
    enter(worker, WORKER_BACKOFF);
    due_in(worker, 0);
    if (room_lets_start(worker->fleet))
        worker_start(worker);
}

/* Its process is no more. */
static void bury(struct worker *worker, bool was_long_healthy)
{
    if (worker->fate == FATE_REPLACES || (worker->fate == FATE_RENEWS && worker->state == WORKER_STARTING))
        rollout_on_failed(worker, "ended before it was ready");
    if (worker->fate == FATE_UNTIL_REPLACED || worker->fate == FATE_UNTIL_RENEWED)
        rollout_on_gone(worker);
    if (worker->fleet->is_frozen)
        worker_set_fate(worker, FATE_GOES);
    if (worker->fate == FATE_GOES)
        enter(worker, WORKER_ABSENT);
    else if (worker->fate == FATE_RENEWS)
        start_anew(worker);
    else
        wait_for_restart(worker, was_long_healthy);
}

static void tell_end(const struct worker *worker, int status, enum ending ending)
{
    char words[96];

    exit_describe(words, sizeof words, status, ending, atomic_load(&worker->slot->memory));
    if (worker->state == WORKER_STOPPING || worker->fleet->is_frozen) {
        log_info("%s: process %d %s", worker->slot->name, (int)worker->pid, words);
        return;
    }
    log_warning("%s: process %d %s while %s (for %llu ms)", worker->slot->name, (int)worker->pid, words,
                states[worker->state].name, (unsigned long long)(clock_us() - worker->since_us) / 1000);
    output_log_last(worker->slot);
}

static void count_end(const struct worker *worker)
{
    struct fleet_counters *counters = &worker->fleet->decisions.counters;

    counters->exits++;
    counters->crashes += worker->state != WORKER_STOPPING && !worker->fleet->is_frozen;
    counters->failed_starts += worker->state == WORKER_STARTING;
}

void worker_on_exited(struct worker *worker, int status)
{
    bool was_long_healthy =
        worker->state == WORKER_HEALTHY && clock_us() - worker->since_us >= LONG_HEALTHY_US;

    if (worker->backend)
        want_probe(worker, false);
    count_end(worker);
    enum ending ending = room_on_exited(worker, status);
    atomic_store(&worker->slot->exit_memory,
                 ending == ENDING_MEMORY ? atomic_load(&worker->slot->memory) : 0);
    atomic_store(&worker->slot->exit_reason, (uint32_t)ending);
    tell_end(worker, status, ending);
    leave_choice(worker);
    if (worker->backend)
        backend_unref(&worker->backend);
    worker->pid = 0;
    atomic_store(&worker->slot->memory, 0);
    atomic_store(&worker->slot->children, 0);
    worker->children = worker->young = 0;
    worker->is_counted = false;
    bury(worker, was_long_healthy);
}

void worker_on_start_failed(struct worker *worker, int error)
{
    const char *words = strerrordesc_np(error);

    if (worker->pid != 0 || (worker->state != WORKER_STARTING && worker->state != WORKER_STOPPING))
        return;
    log_error("%s: could not be started: %s", worker->slot->name, words ? words : "unknown error");
    worker->fleet->decisions.counters.failed_starts++;
    bury(worker, false);
}

static void let_go(struct worker *worker)
{
    switch (worker->state) {
    case WORKER_HEALTHY:
        leave_choice(worker);
        enter(worker, WORKER_DRAINING);
        break;
    case WORKER_STARTING:
        if (worker->backend)
            want_probe(worker, false);
        leave_choice(worker);
        stop(worker);
        break;
    case WORKER_BACKOFF:
    case WORKER_ABSENT:
    case WORKER_DRAINING:
    case WORKER_STOPPING: break;
    }
}

void worker_retire(struct worker *worker)
{
    worker_set_fate(worker, FATE_GOES);
    let_go(worker);
    if (worker->state == WORKER_BACKOFF)
        enter(worker, WORKER_ABSENT);
}

void worker_renew(struct worker *worker)
{
    worker_set_fate(worker, FATE_RENEWS);
    let_go(worker);
    if (worker->state == WORKER_BACKOFF) {
        atomic_store(&worker->slot->crashes, 0);
        worker->due_us = worker->since_us;
    }
}

static void give_up_start(struct worker *worker)
{
    unsigned timeout_ms = worker->fleet->pool->start_timeout;

    if (worker->pid == 0) {
        log_warning("%s: the keeper has not started it in %u ms", worker->slot->name, timeout_ms);
        due_in(worker, timeout_ms);
        return;
    }
    log_error("%s: not ready after %u ms, killed", worker->slot->name, timeout_ms);
    worker->fleet->decisions.counters.failed_starts++;
    output_log_last(worker->slot);
    if (worker->fate == FATE_REPLACES || worker->fate == FATE_RENEWS)
        rollout_on_failed(worker, "was not ready in time");
    want_probe(worker, false);
    leave_choice(worker);
    enter(worker, WORKER_STOPPING);
    kill_process(worker);
}

static bool is_past(uint64_t elapsed_us, unsigned limit_ms)
{
    return limit_ms != 0 && elapsed_us >= (uint64_t)limit_ms * 1000u;
}

/* Tunnels that are left in the last tenth of their time are closed one after the other, so that their
 * clients do not come back all at once. */
static void end_tunnels(struct worker *worker, uint64_t elapsed_us, unsigned limit_ms)
{
    struct fleet *fleet = worker->fleet;
    uint64_t limit_us = (uint64_t)limit_ms * 1000u;

    if (worker->tunnels_told || !worker->backend || limit_ms == 0 || elapsed_us < limit_us - limit_us / 10)
        return;
    worker->tunnels_told = true;
    uint64_t left_ms = elapsed_us < limit_us ? (limit_us - elapsed_us) / 1000 : 0;
    fleet->callbacks.on_close_tunnels(fleet, worker->backend, UINT_MAX, left_ms ? (unsigned)left_ms : 1,
                                      fleet->owner);
}

/* Those that were told to end at drain_tunnel have a moment to say goodbye; the proxy cuts them after it. */
static unsigned tunnels_end_ms(const struct timeouts_config *timeouts)
{
    return timeouts->drain_tunnel ? timeouts->drain_tunnel + GOODBYE_MS : 0;
}

static void drain(struct worker *worker, uint64_t now_us)
{
    const struct timeouts_config *timeouts = &worker->fleet->config->timeouts;
    uint64_t elapsed_us = now_us - worker->since_us;
    uint64_t word = atomic_load(&worker->fleet->slots->counts[worker->index]);
    unsigned requests = counts_requests(word), tunnels = counts_tunnels(word);

    if (elapsed_us < SETTLE_US)
        return;
    if (tunnels > 0)
        end_tunnels(worker, elapsed_us, timeouts->drain_tunnel);
    if ((requests > 0 && !is_past(elapsed_us, timeouts->drain)) ||
        (tunnels > 0 && !is_past(elapsed_us, tunnels_end_ms(timeouts))))
        return;
    if (word != 0)
        log_warning("%s: stopped with %u requests and %u tunnels that did not end in time",
                    worker->slot->name, requests, tunnels);
    stop(worker);
}

static void live(struct worker *worker, uint64_t now_us)
{
    if (now_us - worker->since_us >= LONG_HEALTHY_US)
        atomic_store(&worker->slot->crashes, 0);
    if (worker->fate == FATE_GOES) /* replaced */
        worker_retire(worker);
}

static void settle(struct worker *worker)
{
    worker_on_ready(worker);
    if (worker->fate == FATE_REPLACES || worker->fate == FATE_RENEWS)
        rollout_on_ready(worker);
}

void worker_tick(struct worker *worker, uint64_t now_us)
{
    bool is_due = worker->due_us != 0 && now_us >= worker->due_us;

    switch (worker->state) {
    case WORKER_STARTING:
        if (worker->fate == FATE_GOES)
            worker_retire(worker);
        else if (is_due && worker->pid != 0 && !worker->backend)
            settle(worker);
        else if (is_due)
            give_up_start(worker);
        else if (worker->pid != 0)
            want_probe(worker, true);
        break;
    case WORKER_HEALTHY: live(worker, now_us); break;
    case WORKER_DRAINING: drain(worker, now_us); break;
    case WORKER_STOPPING:
        if (is_due && worker->pid != 0) {
            log_warning("%s: did not stop in %u ms, killed", worker->slot->name,
                        worker->fleet->pool->stop_timeout);
            kill_process(worker);
        }
        break;
    case WORKER_BACKOFF:
        if (is_due && !worker->fleet->is_frozen && room_lets_start(worker->fleet))
            worker_start(worker);
        break;
    case WORKER_ABSENT: break;
    }
}

/* What the process was in the middle of. Nothing is called back from here: who owns the fleet does not
 * have it yet. */
static void resume(struct worker *worker, enum worker_state state, uint64_t since_us)
{
    switch (state) {
    case WORKER_HEALTHY:
        enter(worker, WORKER_HEALTHY);
        worker->since_us = since_us;
        break;
    case WORKER_DRAINING:
    case WORKER_STOPPING: /* the order to stop may have been lost; a second one does no harm */
        enter(worker,
              worker->fate == FATE_GOES || worker->fate == FATE_RENEWS ? WORKER_DRAINING : WORKER_STOPPING);
        worker->since_us = since_us;
        if (worker->backend)
            backend_close(worker->backend);
        if (worker->state == WORKER_STOPPING)
            kill_process(worker);
        break;
    case WORKER_ABSENT:
    case WORKER_STARTING:
    case WORKER_BACKOFF:
        enter(worker, WORKER_STARTING);
        due_in(worker,
               worker->backend ? worker->fleet->pool->start_timeout : worker->fleet->pool->start_settle);
        break;
    }
}

void worker_adopt(struct worker *worker)
{
    struct slot *slot = worker->slot;
    enum worker_state state = atomic_load(&slot->state);
    uint64_t since_us = atomic_load(&slot->state_since_us);
    uint32_t fate = atomic_load(&slot->retiring);
    pid_t pid = atomic_load(&slot->pid);

    worker->fate = fate <= FATE_RENEWS ? (enum fate)fate : FATE_GOES;
    worker->is_replaced_asked = worker->fate == FATE_UNTIL_REPLACED ||
                                worker->fate == FATE_UNTIL_RENEWED; /* for whatever reason: it goes on */
    if (!worker->is_replaced_asked && !atomic_load(&slot->is_outdated))
        worker_set_origin(worker);
    if (pid != 0) {
        bool has_address = take_process(worker, atomic_load(&slot->generation), pid);
        resume(worker, state, since_us);
        if (!has_address)
            kill_process(worker);
        return;
    }
    if (worker->fate == FATE_GOES)
        return;
    enter(worker, WORKER_BACKOFF);
    due_in(worker, backoff_ms(atomic_load(&slot->crashes), worker->fleet->pool->start_backoff,
                              worker->fleet->pool->start_backoff_max, random_u32()));
}

bool worker_serves(const struct worker *worker)
{
    return worker->state == WORKER_HEALTHY && !worker->is_unfit && worker->fate != FATE_GOES &&
           (worker->backend || worker->fleet->pool->is_background);
}

bool worker_is_member(const struct worker *worker)
{
    return worker_serves(worker) && worker->backend;
}

bool worker_is_over(const struct worker *worker)
{
    return worker->state == WORKER_ABSENT && worker->fate == FATE_GOES &&
           atomic_load(&worker->fleet->slots->counts[worker->index]) == 0;
}

bool worker_counts(const struct worker *worker)
{
    return worker->fate != FATE_GOES && worker->fate != FATE_REPLACES;
}
