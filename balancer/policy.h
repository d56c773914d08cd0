/* SPDX-License-Identifier: MIT
 *
 * What a policy is: it looks at a set's counts and names the backend to take, together with the counts that
 * it saw there; pool.c takes by compare-and-swap from those, else asks again. Adding first and looking then
 * would let two loops pile onto one worker. A choice has no side effects. Only for the files of balancer/. */
#ifndef DROVER_BALANCER_POLICY_H
#define DROVER_BALANCER_POLICY_H

#include "balancer/shared.h"

#define SCAN_MAX   64   /* more backends than this are not scanned: the better of two random ones */
#define RAMP_FULL  1000 /* thousandths of its weight that a backend has after slow_start */
#define RAMP_LEAST 100

struct choice {
    unsigned index;
    uint64_t word; /* its counts when they were looked at */
    bool is_trial; /* it is ejected, its time is up */
};

/* False: nobody has room for this pick. */
bool least_conn_choose(const struct pool *pool, const struct pick *pick, struct choice *choice);
bool random_two_choose(const struct pool *pool, const struct pick *pick, struct choice *choice);
bool hash_choose(const struct pool *pool, const struct pick *pick, struct choice *choice);

/* affinity.c. Whom the pick is bound to comes before any policy: to be taken; not there, not usable or
 * tried already: the policy decides; there and full: it waits for that one alone. */
enum affinity_choice { AFFINITY_FREE, AFFINITY_TAKE, AFFINITY_WAIT };
enum affinity_choice affinity_choose(const struct pool *pool, const struct pick *pick, struct choice *choice);
void affinity_init(struct pool *pool); /* when its backends are in it */

/* The whole set, however large it is. */
bool least_conn_scan(const struct pool *pool, const struct pick *pick, struct choice *choice);
/* The choice was taken: the next among equals is another one. */
void least_conn_taken(const struct pool *pool, unsigned index, uint64_t now_us);

/* pool.c: chooses and takes, whoever waits. */
bool pool_take_any(struct pool *pool, const struct pick *pick, struct place *place);
/* Somebody could take something: a request or a handshake that has not tried anybody yet. */
bool pool_has_room(const struct pool *pool, uint64_t now_us);

/* ejection.c: the right to the one trial. False: somebody else has it, or it is not due any more. */
bool trial_begin(struct backend *backend, uint64_t now_us);
void trial_end(struct backend *backend);

static inline unsigned lane_shift(unsigned engine, enum place_kind kind)
{
    return engine * 32 + (kind == PLACE_TUNNEL ? 16 : 0);
}

static inline unsigned lane_of(uint64_t word, unsigned engine, enum place_kind kind)
{
    return (unsigned)(word >> lane_shift(engine, kind) & LANE_MAX);
}

/* The loads of counts are sequentially consistent: they pair with those of `waiting` (waiting.c). On x86
 * they cost nothing. */
static inline uint64_t pool_word(const struct pool *pool, unsigned index)
{
    return atomic_load(&pool->slots->counts[pool->slot_numbers[index]]);
}

static inline uint64_t word_load(const struct pool *pool, uint64_t word)
{
    return counts_requests(word) * pool->request_cost + counts_tunnels(word) * pool->tunnel_cost;
}

static inline bool word_has_room(const struct pool *pool, enum place_kind kind, uint64_t word)
{
    return lane_of(word, pool->engine, kind) < LANE_MAX &&
           (pool->bound == 0 || word_load(pool, word) < pool->bound);
}

static inline bool trial_is_due(const struct backend *backend, uint64_t now_us)
{
    return atomic_load_explicit(&backend->ejected_until_us, memory_order_acquire) <= now_us &&
           !atomic_load_explicit(&backend->needs_probe, memory_order_acquire);
}

/* Alive and not ejected, or due for its trial. */
static inline bool backend_is_usable(const struct backend *backend, uint64_t now_us, bool *is_trial)
{
    if (atomic_load_explicit(&backend->closed, memory_order_relaxed))
        return false;
    *is_trial = atomic_load_explicit(&backend->ejected_until_us, memory_order_relaxed) != 0;
    return !*is_trial ||
           (trial_is_due(backend, now_us) && !atomic_load_explicit(&backend->trial, memory_order_relaxed));
}

/* Whether backend `index` can be given to this pick, if it has room. */
static inline bool pool_may_ask(const struct pool *pool, const struct pick *pick, unsigned index,
                                bool *is_trial)
{
    const struct backend *backend = pool->backends[index];
    if (!backend_is_usable(backend, pick->now_us, is_trial))
        return false;
    for (unsigned i = 0; i < pick->tried_count; i++)
        if (pick->tried[i] == backend)
            return false;
    return true;
}

/* The same; `word` are its counts. */
static inline bool pool_may_give(const struct pool *pool, const struct pick *pick, unsigned index,
                                 uint64_t word, bool *is_trial)
{
    return word_has_room(pool, pick->kind, word) && pool_may_ask(pool, pick, index, is_trial);
}

/* Weight x slow-start ramp: 100 to 1000 thousandths of the weight. */
static inline uint64_t pool_weight(const struct pool *pool, unsigned index, uint64_t now_us)
{
    const struct backend *backend = pool->backends[index];
    uint64_t slow_us = pool->config->slow_start * UINT64_C(1000), ramp = RAMP_FULL;
    uint64_t joined_us = slow_us ? atomic_load_explicit(&backend->joined_us, memory_order_relaxed) : 0;
    if (joined_us > 0 && now_us < joined_us + slow_us)
        ramp = now_us < joined_us ? RAMP_LEAST
                                  : RAMP_LEAST + (RAMP_FULL - RAMP_LEAST) * (now_us - joined_us) / slow_us;
    return backend->weight * ramp;
}

#endif
