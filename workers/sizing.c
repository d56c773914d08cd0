/* SPDX-License-Identifier: MIT
 *
 * The sizing rule. Pure: a policy, a history of samples, what is there now, and what the decision before
 * this one left to remember.
 *
 *   samples --> demand_read: rate, service time, load        (calm: from burst_window up to window;
 *                    |                                        a burst, or somebody waits: from the last moment)
 *                    |
 *        places = load + headroom x sqrt(load)               what carries it without waiting
 *                    |
 *        workers = places / target.concurrency + tunnels / target.tunnels     at least rate / target.rps
 *                    |
 *        + what drains those who wait, by the time that a new worker is there
 *        + a quarter, when it is too slow and busy (target.p95)
 *        + spare, then min to max
 *                    |
 *      more than now? ----> at once (not while workers fail to start)
 *      fewer?         ----> to the most that was needed in all of `idle`; what came for those who waited
 *                           goes as soon as nobody has waited for a boot's time
 *
 * Starting workers are present: what is compared is the count that was wanted before. */
#include "workers/sizing.h"

#include <math.h>

#define BOOT_UNKNOWN_MS 2000u
#define IDLE_BOOTS      5u
#define IDLE_LEAST_MS   10000u
#define IDLE_MOST_MS    120000u
#define PATIENCE_MOST   8u
#define CALM_US         UINT64_C(3600000000)
#define MOMENT_MS       250u /* the shortest span that says anything of a rate */
#define DRAIN_LEAST_MS  2000u
#define LINGER_LEAST_MS 2000u
#define SECOND_US       1e6
#define SLOW_SHARE      0.05 /* what a 95th percentile leaves */
#define BUSY            0.5  /* of its places: high latency at a lower load is not the pool's size */
/* Standard errors by which a shorter span has to differ from a longer one to be believed: of the decisions of an
 * hour, next to none should be noise. */
#define DOUBT 3.0
/* And by which the load may be larger than measured, when a worker is let go. */
#define DOUBT_LET_GO 2.0

static unsigned boot_of(const struct sizing_world *world)
{
    return world->boot_ms ? world->boot_ms : BOOT_UNKNOWN_MS;
}

static unsigned between(unsigned value, unsigned least, unsigned most)
{
    return value < least ? least : value > most ? most : value;
}

static unsigned idle_of(const struct sizing_policy *policy, const struct sizing_world *world,
                        unsigned patience)
{
    unsigned idle_ms = policy->idle_ms;

    if (idle_ms == 0)
        idle_ms = between(IDLE_BOOTS * boot_of(world), IDLE_LEAST_MS, IDLE_MOST_MS);
    return idle_ms * (patience ? patience : 1);
}

static double places_for(const struct sizing_policy *policy, double load)
{
    return load + policy->headroom * sqrt(load);
}

static double workers_for(const struct sizing_policy *policy, double places, const struct demand *demand)
{
    double workers = places / policy->target_concurrency;

    if (policy->target_tunnels > 0)
        workers += (double)demand->tunnels / policy->target_tunnels;
    if (policy->target_rps > 0)
        workers = fmax(workers, demand->rate / policy->target_rps);
    return workers;
}

static unsigned bounded(const struct sizing_policy *policy, double workers)
{
    double count = ceil(workers - 1e-6) + policy->spare;

    if (count >= policy->max)
        return policy->max;
    return between((unsigned)count, policy->min, policy->max);
}

static unsigned peak(const struct sizing_peaks *peaks, uint64_t now_us)
{
    unsigned most = 0;

    for (unsigned i = 0; i < SIZING_BUCKETS; i++) {
        if (peaks->until_us[i] > now_us && peaks->most[i] > most)
            most = peaks->most[i];
    }
    return most;
}

/* Kept for `keep_us` from now, and up to a bucket's width longer. */
static void peak_add(struct sizing_peaks *peaks, unsigned needed, uint64_t now_us, uint64_t keep_us)
{
    uint64_t width_us = keep_us / (SIZING_BUCKETS - 2) + 1;
    unsigned at = (unsigned)(now_us / width_us % SIZING_BUCKETS);
    uint64_t until_us = (now_us / width_us + 1) * width_us + keep_us;

    /* Another one's that is still good moves over: an `idle` that changes must not forget. */
    if (peaks->until_us[at] <= now_us || peaks->most[at] <= needed)
        peaks->most[at] = needed;
    if (peaks->until_us[at] < until_us)
        peaks->until_us[at] = until_us;
}

/* The load that this decision goes by. While nothing has ended, a request is taken to last as long as they last
 * did. */
static struct demand read_demand(const struct sizing_policy *policy, const struct demand_history *history,
                                 const struct sizing_world *world, struct sizing_memory *memory,
                                 bool *is_burst)
{
    unsigned present = world->ready + world->starting > 0 ? world->ready + world->starting : 1;
    struct demand_windows windows = {policy->burst_window_ms, policy->window_ms, DOUBT, memory->service};
    struct demand calm = demand_read(history, &windows);

    windows.shortest_ms = MOMENT_MS;
    struct demand quick = demand_read(history, &windows);
    *is_burst = quick.load > calm.load &&
                places_for(policy, quick.load) >= policy->burst * present * policy->target_concurrency;
    if (calm.ended > 0)
        memory->service = calm.service;
    return quick.waiting > 0 || *is_burst ? quick : calm;
}

/* How many will wait when a worker that is started now is there: those that start already come first. */
static double waiting_then(const struct demand *demand, const struct sizing_policy *policy,
                           const struct sizing_world *world, const struct sizing_memory *memory)
{
    double boot = boot_of(world) / 1000.0, life = fmax(demand->service, 0.001);
    double since = (double)(world->now_us - memory->grown_us) / SECOND_US, rest = boot;

    if (world->starting > 0)
        rest = fmax(boot - since, 0);
    double more_now = demand->rate - world->ready * policy->target_concurrency / life;
    double more_later = demand->rate - (world->ready + world->starting) * policy->target_concurrency / life;
    return fmax(demand->waiting + fmax(more_now, 0) * rest + more_later * (boot - rest), 0);
}

/* Places that serve those in half the time that the worker takes to be there. None when nobody will wait any more by
 * then: a start would come too late. */
static double draining_for(const struct demand *demand, const struct sizing_policy *policy,
                           const struct sizing_world *world, const struct sizing_memory *memory)
{
    double within_ms = fmax(boot_of(world) / 2.0, DRAIN_LEAST_MS);

    if (demand->waiting == 0)
        return 0;
    return waiting_then(demand, policy, world, memory) * demand->service * 1000 / within_ms;
}

/* Nothing came in the last moments, and nothing is held: what a longer span still knows of is over. */
static bool is_quiet(const struct demand *demand)
{
    return demand->came == 0 && demand->in_flight == 0 && demand->waiting == 0 && demand->tunnels == 0;
}

/* So little was seen yet that one good second would look like the load. */
static bool is_young(const struct demand *demand, const struct sizing_policy *policy)
{
    return demand->seen_ms < policy->burst_window_ms;
}

/* Too slow, and busy: a quarter more, and no more before those are there and were looked at. */
static bool is_slow(const struct sizing_policy *policy, const struct sizing_world *world,
                    const struct sizing_memory *memory, const struct demand *demand)
{
    bool is_busy = demand->waiting > 0 ||
                   demand->load >= BUSY * policy->target_concurrency * (world->ready ? world->ready : 1);

    return policy->target_p95_ms > 0 && world->slow > SLOW_SHARE && is_busy && world->starting == 0 &&
           world->now_us >= memory->slow_us + (uint64_t)policy->burst_window_ms * 1000u;
}

static enum sizing_reason why_more(const struct sizing_decision *decision, const struct sizing_policy *policy,
                                   bool is_burst, unsigned without_waiting)
{
    const struct demand *demand = &decision->demand;

    if (decision->before == 0 && demand->waiting > 0)
        return SIZING_WAKE;
    if (decision->needed > without_waiting)
        return SIZING_WAITING;
    if (is_burst)
        return SIZING_BURST;
    if (policy->target_rps > 0 &&
        demand->rate / policy->target_rps > decision->places / policy->target_concurrency)
        return SIZING_RATE;
    if (policy->target_tunnels > 0 &&
        (double)demand->tunnels / policy->target_tunnels > decision->places / policy->target_concurrency)
        return SIZING_TUNNELS;
    return SIZING_LOAD;
}

/* A size that had to be taken back within the time that it was waited for: next time twice as long is waited.
 * After ten times that time without such a thing half as long again. */
static void learn_patience(struct sizing_memory *memory, bool has_grown, uint64_t now_us, uint64_t idle_us)
{
    if (has_grown && memory->shrunk_us > 0 && now_us < memory->shrunk_us + idle_us) {
        memory->patience = memory->patience < PATIENCE_MOST ? 2 * memory->patience : PATIENCE_MOST;
        memory->shrunk_us = 0;
        memory->calmed_us = now_us;
    } else if (now_us >= memory->calmed_us + CALM_US) {
        memory->patience = memory->patience > 1 ? memory->patience / 2 : 1;
        memory->calmed_us = now_us;
    }
}

static void begin(struct sizing_memory *memory, const struct sizing_policy *policy,
                  const struct sizing_world *world)
{
    memory->is_begun = true;
    memory->wanted = between(world->ready + world->starting, policy->min, policy->max);
    memory->patience = 1;
    memory->calmed_us = world->now_us;
    peak_add(&memory->needed, memory->wanted, world->now_us, (uint64_t)idle_of(policy, world, 1) * 1000u);
}

/* What the load needs, what those who wait ask for beside it, and why. */
static void weigh(struct sizing_decision *decision, const struct sizing_policy *policy,
                  const struct sizing_world *world, unsigned by_load, bool is_burst)
{
    const struct demand *demand = &decision->demand;
    struct sizing_memory *memory = &decision->memory;
    double places = decision->places + decision->draining;

    decision->needed = by_load;
    if (demand->waiting > 0) {
        decision->needed = bounded(policy, workers_for(policy, places, demand));
        if (decision->needed == 0)
            decision->needed = policy->max > 0;
    }
    decision->reason = why_more(decision, policy, is_burst, by_load);
    if (is_slow(policy, world, memory, demand)) {
        unsigned more = decision->before + (decision->before > 4 ? decision->before / 4 : 1);
        more = more < policy->max ? more : policy->max;
        if (more > decision->needed) {
            decision->needed = more;
            decision->reason = SIZING_LATENCY;
            memory->slow_us = world->now_us;
        }
    }
}

/* What of the present size is still kept: all that the load needed within `idle`, and what those who waited asked
 * for within a boot's time. */
static unsigned keep(struct sizing_decision *decision, const struct sizing_policy *policy,
                     const struct sizing_world *world, unsigned by_load, unsigned by_most)
{
    struct sizing_memory *memory = &decision->memory;
    unsigned boot_ms = boot_of(world), linger_ms = boot_ms > LINGER_LEAST_MS ? boot_ms : LINGER_LEAST_MS;
    uint64_t now_us = world->now_us;

    /* One that the load may still need, by the error of its measure, is not let go. */
    unsigned stays = by_most < decision->before ? by_most : decision->before;
    if (stays < by_load || decision->demand.waiting > 0)
        stays = by_load;
    if (decision->reason == SIZING_LATENCY)
        stays = decision->needed;
    peak_add(&memory->needed, stays, now_us, (uint64_t)decision->idle_ms * 1000u);
    peak_add(&memory->asked, decision->needed, now_us, (uint64_t)linger_ms * 1000u);

    unsigned kept = peak(&memory->needed, now_us), asked = peak(&memory->asked, now_us);
    decision->reason = memory->is_draining ? SIZING_DRAINED : SIZING_IDLE; /* should it be fewer */
    memory->is_draining = asked > kept;
    kept = between(kept > asked ? kept : asked, policy->min, policy->max);
    return kept < decision->before ? kept : between(decision->before, policy->min, policy->max);
}

/* The count, the reason why it is another, and what is to be remembered of it. */
static void settle(struct sizing_decision *decision, const struct sizing_policy *policy,
                   const struct sizing_world *world, enum sizing_reason why_more, unsigned kept)
{
    struct sizing_memory *memory = &decision->memory;
    unsigned before = decision->before, wanted = decision->needed > kept ? decision->needed : kept;

    if (wanted > before) {
        decision->reason = before < policy->min ? SIZING_BOUNDS : why_more;
        if (world->is_backing_off) { /* what fails to start is not started more often */
            wanted = before;
            decision->reason = SIZING_BACKOFF;
        } else if (world->starting == 0) {
            memory->grown_us = world->now_us;
        }
    } else if (wanted == before) {
        decision->reason = SIZING_STEADY;
    } else if (before > policy->max) {
        decision->reason = SIZING_BOUNDS;
    }
    learn_patience(memory, wanted > before, world->now_us, (uint64_t)decision->idle_ms * 1000u);
    if (wanted < before)
        memory->shrunk_us = world->now_us;
    decision->wanted = memory->wanted = wanted;
}

struct sizing_decision sizing_decide(const struct sizing_policy *policy, const struct demand_history *history,
                                     const struct sizing_world *world, const struct sizing_memory *memory)
{
    struct sizing_decision decision = {.memory = *memory};
    struct sizing_memory *next = &decision.memory;
    struct demand *demand = &decision.demand;
    bool is_burst;

    if (!next->is_begun)
        begin(next, policy, world);
    decision.before = next->wanted;
    decision.idle_ms = idle_of(policy, world, next->patience);
    *demand = read_demand(policy, history, world, next, &is_burst);
    decision.places = places_for(policy, demand->load);
    decision.draining = draining_for(demand, policy, world, next);

    double most = demand->load + DOUBT_LET_GO * demand->error;
    unsigned by_load = bounded(policy, workers_for(policy, decision.places, demand));
    unsigned by_most = bounded(policy, workers_for(policy, places_for(policy, most), demand));
    if (is_quiet(demand))
        by_load = by_most = bounded(policy, 0);
    else if (is_young(demand, policy) && demand->waiting == 0 && !is_burst && by_load > decision.before)
        by_load = between(decision.before, policy->min, policy->max);
    weigh(&decision, policy, world, by_load, is_burst);
    enum sizing_reason why_more = decision.reason;
    unsigned kept = keep(&decision, policy, world, by_load, by_most);
    settle(&decision, policy, world, why_more, kept);
    return decision;
}

const char *sizing_reason_word(enum sizing_reason reason)
{
    static const char *const words[] = {
        [SIZING_STEADY] = "steady",   [SIZING_LOAD] = "load",       [SIZING_BURST] = "burst",
        [SIZING_WAITING] = "waiting", [SIZING_LATENCY] = "latency", [SIZING_TUNNELS] = "tunnels",
        [SIZING_RATE] = "rate",       [SIZING_WAKE] = "wake",       [SIZING_IDLE] = "idle",
        [SIZING_DRAINED] = "drained", [SIZING_BOUNDS] = "bounds",   [SIZING_BACKOFF] = "backoff",
    };

    return words[reason];
}
