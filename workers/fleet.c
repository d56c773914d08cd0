/* SPDX-License-Identifier: MIT
 *
 * The fleet of one pool: compares the workers that are wanted with those that are present. Control thread.
 *
 *     the file, `drover scale`                 the slot table, news of the keeper, probes
 *               |                                               |
 *            wanted                                          present
 *               |                                               |
 *               +---------------------> fleet_settle <----------------+
 *                                         |
 *        too few:  the lowest free numbers, worker_start     (ORDER_START ... fleet_worker_ready: a member)
 *        too many: retire_choose, worker_retire              (out of the choice, drained, ORDER_STOP, gone)
 *        to be replaced: rollout_step                        (another is ready, then the old one is retired)
 *                                         |
 *                  the set of members changed: on_members, as the last act
 *
 * It owns its workers (which own their backends) and keeps nothing that an engine after a crash could not
 * find in the slot table. */
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "workers/fleet_internal.h"
#include "workers/retire.h"

#define FLEET_TAG 0x464c4545u

struct worker *fleet_worker_at(const struct fleet *fleet, int index)
{
    for (unsigned i = 0; i < fleet->count; i++) {
        if (fleet->workers[i]->index == index)
            return fleet->workers[i];
    }
    return NULL;
}

struct worker *fleet_worker_of(const struct fleet *fleet, int index, uint32_t generation)
{
    struct worker *worker = fleet_worker_at(fleet, index);

    return worker && worker->pid != 0 && worker->generation == generation ? worker : NULL;
}

struct worker *fleet_worker_numbered(const struct fleet *fleet, unsigned number)
{
    for (unsigned i = 0; i < fleet->count; i++) {
        if (fleet->workers[i]->slot->number == number)
            return fleet->workers[i];
    }
    return NULL;
}

static unsigned count_staying(const struct fleet *fleet)
{
    unsigned staying = 0;

    for (unsigned i = 0; i < fleet->count; i++)
        staying += worker_counts(fleet->workers[i]);
    return staying;
}

/* As the pool's size counts. */
static unsigned count_present(const struct fleet *fleet)
{
    unsigned young;

    return fleet_is_steered(fleet) ? signals_present(fleet, &young) + young : count_staying(fleet);
}

static struct worker *insert(struct fleet *fleet, int index)
{
    struct worker *worker = worker_new(fleet, index);
    unsigned at = fleet->count++;

    fleet->workers = mem_resize(fleet->workers, fleet->count * sizeof *fleet->workers);
    for (; at > 0 && fleet->workers[at - 1]->slot->number > worker->slot->number; at--)
        fleet->workers[at] = fleet->workers[at - 1];
    fleet->workers[at] = worker;
    return worker;
}

struct worker *fleet_add_worker(struct fleet *fleet)
{
    unsigned number = 1;

    while (fleet_worker_numbered(fleet, number))
        number++;
    int index = slots_claim(fleet->slots, fleet->pool->name, number, true);
    if (index < 0) {
        if (!fleet->table_full_told)
            log_error("%s: no slot is free for another worker (all pools together have at most %d)",
                      fleet->pool->name, SLOTS_MAX);
        fleet->table_full_told = true;
        return NULL;
    }
    fleet->table_full_told = false;
    return insert(fleet, index);
}

/* Those whose process is gone and whose places are free again. */
static void remove_over(struct fleet *fleet)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < fleet->count; i++) {
        struct worker *worker = fleet->workers[i];
        if (!worker_is_over(worker)) {
            fleet->workers[kept++] = worker;
            continue;
        }
        struct order order = {.kind = ORDER_RETIRE, .slot = worker->index, .number = worker->slot->number};
        str_format(order.pool, sizeof order.pool, "%s", worker->slot->pool);
        (void)order_send(fleet->orders, &order, NULL, 0);
        slots_release(fleet->slots, worker->index);
        worker_free(&worker);
    }
    fleet->count = kept;
}

/* Its going saves a start, or frees a port that the file may mean for another pool by now (a fixed range
 * has room for twice the wanted). */
static bool goes_anyway(const struct worker *worker)
{
    const struct fleet *fleet = worker->fleet;

    return worker->fate == FATE_UNTIL_REPLACED || worker->fate == FATE_UNTIL_RENEWED ||
           (fleet->pool->first_port > 0 &&
            worker->slot->number > 2 * (fleet_is_steered(fleet) ? 1 : fleet_most(fleet)));
}

static void note_retirement(const struct worker *worker, const struct candidate *candidate, unsigned count)
{
    uint64_t age_s = (clock_us() - candidate->started_us) / 1000000u;

    fleet_decide(worker->fleet, DECISION_RETIRE, worker->slot->name, "too many",
                 "%u are there, %u wanted; it holds %u requests and %u tunnels, %llu MB, started %llu s ago",
                 count, fleet_wanted(worker->fleet), candidate->requests, candidate->tunnels,
                 (unsigned long long)atomic_load(&worker->slot->memory) / 1000000,
                 (unsigned long long)(candidate->started_us ? age_s : 0));
}

static bool retire_one(struct fleet *fleet)
{
    struct candidate candidates[SLOTS_MAX];
    struct worker *workers[SLOTS_MAX];
    unsigned count = 0;

    for (unsigned i = 0; i < fleet->count; i++) {
        struct worker *worker = fleet->workers[i];
        if (!worker_counts(worker))
            continue;
        uint64_t word = atomic_load(&fleet->slots->counts[worker->index]);
        workers[count] = worker;
        candidates[count++] = (struct candidate){
            .is_serving = worker->state == WORKER_HEALTHY,
            .goes_anyway = goes_anyway(worker),
            .tunnels = counts_tunnels(word),
            .requests = counts_requests(word),
            .started_us = atomic_load(&worker->slot->started_us),
        };
    }
    int first = retire_choose(candidates, count);
    if (first < 0)
        return false;
    note_retirement(workers[first], &candidates[first], count);
    rollout_cancel(workers[first]);
    worker_retire(workers[first]);
    return true;
}

static bool is_change(const struct fleet *fleet, struct backend *const *members, unsigned count)
{
    return count != fleet->member_count ||
           (count > 0 && memcmp(members, fleet->members, count * sizeof *members) != 0);
}

static void forget_members(struct fleet *fleet)
{
    for (unsigned i = 0; i < fleet->member_count; i++)
        backend_unref(&fleet->members[i]);
    mem_free(fleet->members);
    fleet->members = NULL;
    fleet->member_count = 0;
}

/* True when the set is another than before. */
static bool collect_members(struct fleet *fleet)
{
    struct backend *members[SLOTS_MAX];
    unsigned count = 0;

    for (unsigned i = 0; i < fleet->count; i++) {
        if (worker_is_member(fleet->workers[i]))
            members[count++] = fleet->workers[i]->backend;
    }
    if (!is_change(fleet, members, count))
        return false;
    for (unsigned i = 0; i < count; i++)
        backend_ref(members[i]); /* before the old set's references go */
    forget_members(fleet);
    fleet->member_count = count;
    fleet->members = mem_alloc(count * sizeof *members);
    memcpy(fleet->members, members, count * sizeof *members);
    return true;
}

static void publish(struct fleet *fleet)
{
    affinity_settle(fleet);

    unsigned breadth = fleet_breadth(fleet);
    bool is_changed = collect_members(fleet) || !fleet->is_announced || breadth != fleet->breadth;

    if (fleet->is_abandoned && fleet->count == 0 && !fleet->was_empty_told)
        is_changed = fleet->was_empty_told = true;
    fleet->is_announced = true;
    fleet->breadth = breadth;
    if (is_changed)
        fleet->callbacks.on_members(fleet, fleet->owner);
}

static void match_wanted(struct fleet *fleet)
{
    unsigned wanted = fleet_processes(fleet), staying = count_staying(fleet);
    struct worker *added;

    /* Of a single one the last process has ended before the next is started, whatever happened. */
    if (fleet_is_single(fleet) && staying < fleet->count)
        wanted = staying;
    for (; staying < wanted && room_lets_start(fleet) && (added = fleet_add_worker(fleet)); staying++)
        worker_start(added);
    while (staying > wanted && retire_one(fleet))
        staying--;
}

/* The last act of whatever happened: present follows wanted. The owner may free an empty fleet from
 * on_members. */
void fleet_settle(struct fleet *fleet)
{
    remove_over(fleet);
    if (!fleet->is_frozen) {
        if (!fleet->is_held)
            match_wanted(fleet);
        rollout_step(fleet);
        remove_over(fleet); /* one that waited for its next start is gone at once */
    }
    publish(fleet);
}

/* Who came for whom, and what the engine before this one could not finish saying of those that died or became
 * ready. */
static void settle_fates(struct fleet *fleet)
{
    struct worker *old = NULL, *replacement = NULL;

    for (unsigned i = 0; i < fleet->count; i++) {
        if (!old && fleet->workers[i]->fate == FATE_UNTIL_REPLACED)
            old = fleet->workers[i];
        if (!replacement && fleet->workers[i]->fate == FATE_REPLACES)
            replacement = fleet->workers[i];
        else if (fleet->workers[i]->fate == FATE_REPLACES)
            worker_set_fate(fleet->workers[i], FATE_STAYS);
    }
    if (replacement && old)
        replacement->replaces = old->index;
    else if (replacement)
        worker_set_fate(replacement, FATE_STAYS);
    for (unsigned i = 0; i < fleet->count; i++) {
        struct worker *worker = fleet->workers[i];
        enum fate fate = worker->fate;
        if ((fate == FATE_UNTIL_REPLACED || fate == FATE_UNTIL_RENEWED) && worker->pid == 0)
            rollout_on_gone(worker);
        else if ((fate == FATE_REPLACES || fate == FATE_RENEWS) && worker->state == WORKER_HEALTHY)
            rollout_on_ready(worker);
    }
}

static void adopt_workers(struct fleet *fleet)
{
    const struct pool_config *pool = fleet->pool;

    for (int i = 0; i < SLOTS_MAX; i++) {
        const struct slot *slot = &fleet->slots->slot[i];
        if (atomic_load(&slot->claimed) == 2 && slot->is_worker && strcmp(slot->pool, pool->name) == 0)
            worker_adopt(insert(fleet, i));
    }
    settle_fates(fleet);
    rollout_resume(fleet);
    signals_count(fleet);
    unsigned present = count_present(fleet);
    by_hand_resume(fleet);
    if (present > 0)
        log_info("%s: adopts %u workers, the file says %u%s", pool->name, present, pool->workers,
                 fleet->is_overridden ? ", and it was scaled by hand" : "");
    if (pool->is_sized || fleet->is_overridden)
        follow_begin(fleet, present);
}

struct fleet *fleet_new(struct loop *loop, struct config *config, const struct pool_config *pool,
                        struct slots *slots, int orders, pid_t keeper,
                        const struct fleet_callbacks *callbacks, void *owner)
{
    struct fleet *fleet = mem_zero(sizeof *fleet);

    fleet->tag = FLEET_TAG;
    fleet->loop = loop;
    fleet->proc = "/proc";
    fleet->breadth = 1;
    deadline_init(&fleet->look_again, signals_look_again, fleet);
    fleet->config = config_ref(config);
    fleet->pool = pool;
    fleet->slots = slots;
    fleet->orders = orders;
    fleet->keeper = keeper;
    fleet->callbacks = *callbacks;
    fleet->owner = owner;
    adopt_workers(fleet);
    affinity_settle(fleet);
    fleet->is_held = pool->after != 0 && fleet->count == 0;
    collect_members(fleet);
    return fleet;
}

void fleet_free(struct fleet **fleet)
{
    struct fleet *ending = *fleet;

    if (!ending)
        return;
    *fleet = NULL;
    CHECK(ending->tag == FLEET_TAG);
    deadline_stop(&ending->look_again);
    room_leave(ending);
    forget_members(ending);
    for (unsigned i = 0; i < ending->count; i++)
        worker_free(&ending->workers[i]);
    mem_free(ending->workers);
    mem_free(ending->sizer);
    decisions_free(&ending->decisions);
    config_unref(&ending->config);
    ending->tag = 0;
    mem_free(ending);
}

void fleet_adopt(struct fleet *fleet, struct config *config, const struct pool_config *pool)
{
    struct config *old = fleet->config;

    bool is_other = pool->workers != fleet->pool->workers || pool->workers_min != fleet->pool->workers_min ||
                    pool->is_sized != fleet->pool->is_sized;

    by_hand_compare(fleet, pool);
    if (is_other || pool->memory_pool != fleet->pool->memory_pool)
        room_forget(fleet);
    if (fleet->sizer && pool->measure != fleet->pool->measure)
        sizer_forget(fleet->sizer);
    if (pool->is_sized && !fleet->sizer)
        follow_begin(fleet, count_present(fleet));
    fleet->config = config_ref(config);
    fleet->pool = pool;
    fleet->is_abandoned = fleet->was_empty_told = false;
    replace_outdated(fleet);
    config_unref(&old);
    fleet_settle(fleet);
}

void fleet_abandon(struct fleet *fleet)
{
    fleet->is_abandoned = true;
    by_hand_end(fleet);
    for (unsigned i = 0; i < fleet->count; i++)
        worker_retire(fleet->workers[i]);
    fleet_settle(fleet);
}

bool fleet_is_single(const struct fleet *fleet)
{
    return fleet->pool->is_background && fleet_most(fleet) == 1;
}

bool fleet_is_held(const struct fleet *fleet)
{
    return fleet->is_held;
}

void fleet_begin(struct fleet *fleet)
{
    fleet->is_held = false;
    fleet_settle(fleet);
}

bool fleet_is_up(const struct fleet *fleet)
{
    for (unsigned i = 0; i < fleet->count; i++)
        if (worker_serves(fleet->workers[i]))
            return true;
    return !fleet->is_held && fleet_is_resting(fleet);
}

bool fleet_is_empty(const struct fleet *fleet)
{
    return fleet->count == 0;
}

const char *fleet_name(const struct fleet *fleet)
{
    return fleet->pool->name;
}

const struct pool_config *fleet_config(const struct fleet *fleet)
{
    return fleet->pool;
}

struct backend *const *fleet_backends(const struct fleet *fleet, unsigned *count)
{
    *count = fleet->member_count;
    return fleet->members;
}

bool fleet_worker_is_unfit(const struct fleet *fleet, int slot)
{
    const struct worker *worker = fleet_worker_at(fleet, slot);

    return worker && worker->state == WORKER_HEALTHY && worker->is_unfit;
}

void fleet_worker_ready(struct fleet *fleet, int slot, uint32_t generation)
{
    struct worker *worker = fleet_worker_of(fleet, slot, generation);

    if (!worker || worker->state != WORKER_STARTING)
        return;
    worker_on_ready(worker);
    measure_worker(worker);
    if (worker->fate == FATE_REPLACES || worker->fate == FATE_RENEWS)
        rollout_on_ready(worker);
    fleet_settle(fleet);
}

static void set_fitness(struct fleet *fleet, int slot, uint32_t generation, bool is_unfit, const char *why)
{
    struct worker *worker = fleet_worker_of(fleet, slot, generation);

    if (!worker || worker->state != WORKER_HEALTHY || worker->is_unfit == is_unfit)
        return;
    worker->is_unfit = is_unfit;
    if (is_unfit)
        log_warning("%s: its probe says that it is not fit: %s", worker->slot->name, why);
    else
        log_info("%s: its probe says that it is fit again", worker->slot->name);
    fleet_settle(fleet);
}

void fleet_worker_unfit(struct fleet *fleet, int slot, uint32_t generation, const char *why)
{
    set_fitness(fleet, slot, generation, true, why);
}

void fleet_worker_fit(struct fleet *fleet, int slot, uint32_t generation)
{
    set_fitness(fleet, slot, generation, false, NULL);
}

void fleet_on_started(struct fleet *fleet, int slot, uint32_t generation, pid_t pid)
{
    struct worker *worker = fleet_worker_at(fleet, slot);

    if (!worker)
        return; /* its slot is released once the keeper has said that it is gone */
    worker_on_started(worker, generation, pid);
    fleet_settle(fleet);
}

void fleet_on_start_failed(struct fleet *fleet, int slot, int error)
{
    struct worker *worker = fleet_worker_at(fleet, slot);

    if (!worker)
        return;
    worker_on_start_failed(worker, error);
    fleet_settle(fleet);
}

void fleet_on_exited(struct fleet *fleet, int slot, uint32_t generation, int status)
{
    struct worker *worker = fleet_worker_of(fleet, slot, generation);

    if (!worker)
        return;
    worker_on_exited(worker, status);
    fleet_settle(fleet);
}

void fleet_tick(struct fleet *fleet, uint64_t now_us)
{
    CHECK(fleet->tag == FLEET_TAG);
    for (unsigned i = 0; i < fleet->count; i++)
        worker_tick(fleet->workers[i], now_us);
    signals_tick(fleet, now_us);
    measure_step(fleet, now_us);
    room_step(fleet, now_us);
    recycler_step(fleet, now_us);
    rebalance_tick(fleet, now_us);
    fleet_settle(fleet);
}

void fleet_freeze(struct fleet *fleet)
{
    fleet->is_frozen = true;
}
