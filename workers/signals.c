/* SPDX-License-Identifier: MIT
 *
 * A pool with `signals`: one process, a gunicorn master, whose own workers are what the pool's size counts. They are
 * counted in /proc at each tick (children.c), and one signal at a time brings them to the number that is wanted (steer.c).
 * The keeper sends it: it knows from the file which signal that is. Control thread. */
#include "base/clock.h"
#include "base/log.h"
#include "workers/children.h"
#include "workers/fleet_internal.h"

#define LOOK_AGAIN_MS   25u /* after a signal: its effect is most often there by then */
#define BOOT_UNKNOWN_MS 2000u

bool fleet_is_steered(const struct fleet *fleet)
{
    return fleet->pool->signal_up > 0;
}

unsigned fleet_processes(const struct fleet *fleet)
{
    unsigned wanted = fleet_wanted(fleet);

    return fleet_is_steered(fleet) && wanted > 1 ? 1 : wanted;
}

/* As what its process was started; where nobody knows that any more (an engine fell in between) the keeper does. */
static const struct pool_config *origin_of(const struct worker *worker)
{
    return worker->made_as ? worker->made_as : worker->fleet->pool;
}

static void count(struct worker *worker)
{
    struct fleet *fleet = worker->fleet;
    unsigned young_ms = fleet->boot_ms ? fleet->boot_ms : BOOT_UNKNOWN_MS;
    struct children children = {0, 0};

    worker->is_counted = worker->pid != 0 && origin_of(worker)->signal_up > 0 &&
                         children_count(fleet->proc, worker->pid, young_ms, &children);
    worker->children = children.count;
    worker->young = children.young;
    atomic_store(&worker->slot->children, worker->is_counted ? children.count + 1 : 0);
    if (!worker->is_counted && worker->pid != 0 && !fleet->is_uncounted_told) {
        fleet->is_uncounted_told = true;
        log_warning("%s: its children cannot be counted (/proc/%d/task/%d/children): it keeps its size",
                    worker->slot->name, (int)worker->pid, (int)worker->pid);
    }
}

void signals_count(struct fleet *fleet)
{
    for (unsigned i = 0; fleet_is_steered(fleet) && i < fleet->count; i++)
        count(fleet->workers[i]);
}

/* TTIN and TTOU stop a process that has no handler for them: a shell around gunicorn, for one. */
static void signal_worker(struct worker *worker, enum steer_signal signal)
{
    const struct pool_config *made_as = origin_of(worker);
    int number = signal == STEER_MORE ? made_as->signal_up : made_as->signal_down;

    if (!children_signal_is_caught(worker->fleet->proc, worker->pid, number)) {
        if (!worker->is_deaf_told)
            log_warning("%s: process %d has no handler for SIG%s: is its command gunicorn itself?",
                        worker->slot->name, (int)worker->pid, sigabbrev_np(number));
        worker->is_deaf_told = true;
        return;
    }
    log_info("%s: has %u workers, is asked for %u (SIG%s)", worker->slot->name, worker->children,
             worker->steer.believed, sigabbrev_np(number));
    worker_order(worker, signal == STEER_MORE ? ORDER_MORE : ORDER_FEWER);
}

/* True when a signal was sent. */
static bool steer(struct worker *worker, uint64_t now_us)
{
    struct fleet *fleet = worker->fleet;
    struct steer_look look = {
        .now_us = now_us,
        .count = worker->children,
        .wanted = fleet_wanted(fleet),
        .in_flight = counts_requests(atomic_load(&fleet->slots->counts[worker->index])),
        .leave_ms = fleet->pool->stop_timeout,
    };
    unsigned expected = worker->steer.believed;
    bool was_lost;

    if (worker->state != WORKER_HEALTHY || !worker_counts(worker) || !worker->is_counted || look.wanted == 0)
        return false;
    enum steer_signal signal = steer_step(&worker->steer, &look, &was_lost);
    if (was_lost)
        log_warning("%s: has %u workers where %u were expected", worker->slot->name, look.count, expected);
    if (signal != STEER_NONE)
        signal_worker(worker, signal);
    return signal != STEER_NONE;
}

void signals_tick(struct fleet *fleet, uint64_t now_us)
{
    bool is_sent = false;

    if (!fleet_is_steered(fleet) || fleet->is_frozen)
        return;
    signals_count(fleet);
    for (unsigned i = 0; i < fleet->count; i++)
        is_sent |= steer(fleet->workers[i], now_us);
    if (is_sent && fleet->loop)
        deadline_start(&fleet->look_again, fleet->loop, LOOK_AGAIN_MS);
}

void signals_look_again(void *argument)
{
    struct fleet *fleet = argument;

    signals_tick(fleet, clock_us());
    fleet_settle(fleet);
}

unsigned signals_present(const struct fleet *fleet, unsigned *young)
{
    unsigned all = 0;

    *young = 0;
    for (unsigned i = 0; i < fleet->count; i++) {
        const struct worker *worker = fleet->workers[i];
        bool is_there = worker_counts(worker) && worker->is_counted && worker->children > 0;
        if (worker_counts(worker) && worker->state == WORKER_STARTING)
            *young += worker->started_with ? worker->started_with : 1;
        else if (is_there && worker->state == WORKER_HEALTHY)
            *young += worker->young;
        all += is_there && worker->state == WORKER_HEALTHY ? worker->children - worker->young : 0;
    }
    return all;
}

/* Those that can take something now: not those that still boot, and not one that was asked to leave. */
static unsigned breadth_of(const struct worker *worker)
{
    unsigned places = worker->children - worker->young;

    return worker->steer.is_begun && worker->steer.believed < places ? worker->steer.believed : places;
}

unsigned fleet_breadth(const struct fleet *fleet)
{
    unsigned least = 0;

    for (unsigned i = 0; fleet_is_steered(fleet) && i < fleet->count; i++) {
        unsigned breadth = breadth_of(fleet->workers[i]);
        if (worker_is_member(fleet->workers[i]) && breadth > 0 && (least == 0 || breadth < least))
            least = breadth;
    }
    return least > 0 ? least : 1;
}
