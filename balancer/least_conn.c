/* SPDX-License-Identifier: MIT
 *
 * Least connections: the smallest load / weight. Exact: a choice is taken only from the counts that it saw.
 *
 * A request compares requests + tunnels x tunnel_cost / request_cost, a handshake tunnels first, then
 * requests. Equals go round-robin: with equal weights from the one after the last that was taken; with
 * unequal ones (or while one starts slowly) to the one whose turn comes first, each being moved back by 1 /
 * weight when it is taken (start-time fair queueing, so that idle equals share as their weights say). Two
 * loops that move a turn at once may lose one of the moves: that shifts who is next, never the counts. */
#include "balancer/policy.h"

#define TURN_STEP (UINT64_C(1) << 32)

struct key {
    uint64_t first, second; /* both by weight */
    uint64_t weight;
    uint64_t turn;
};

static inline uint64_t even_key(const struct pool *pool, enum place_kind kind, uint64_t word)
{
    if (kind == PLACE_REQUEST)
        return word_load(pool, word);
    return (uint64_t)counts_tunnels(word) << 32 | counts_requests(word);
}

static bool scan_even(const struct pool *pool, const struct pick *pick, struct choice *choice)
{
    unsigned index = pool->is_packed ? 0 : atomic_load_explicit(&pool->shared->next, memory_order_relaxed);
    uint64_t least = UINT64_MAX;
    bool is_trial;
    for (unsigned left = pool->count; left > 0; left--, index++) {
        if (index >= pool->count)
            index = 0;
        uint64_t word = pool_word(pool, index);
        uint64_t key = even_key(pool, pick->kind, word);
        if (key < least && pool_may_give(pool, pick, index, word, &is_trial)) {
            least = key;
            *choice = (struct choice){index, word, is_trial};
            if (key == 0)
                break;
        }
    }
    return least != UINT64_MAX;
}

static inline uint64_t turn_start(const struct pool *pool, unsigned index)
{
    uint64_t turn = atomic_load_explicit(&pool->backends[index]->turn, memory_order_relaxed);
    uint64_t floor = atomic_load_explicit(&pool->shared->turn, memory_order_relaxed);
    return turn > floor ? turn : floor;
}

/* Cross-multiplied. Loads stay below 2^38 (pool_new sees to the costs), weights below 2^20. */
static bool key_is_less(const struct key *a, const struct key *b)
{
    if (a->first * b->weight != b->first * a->weight)
        return a->first * b->weight < b->first * a->weight;
    if (a->second * b->weight != b->second * a->weight)
        return a->second * b->weight < b->second * a->weight;
    return a->turn < b->turn;
}

static bool scan_weighted(const struct pool *pool, const struct pick *pick, struct choice *choice)
{
    struct key least = {0};
    bool is_trial, is_found = false;
    for (unsigned index = 0; index < pool->count; index++) {
        uint64_t word = pool_word(pool, index);
        if (!pool_may_give(pool, pick, index, word, &is_trial))
            continue;
        bool by_tunnels = pick->kind == PLACE_TUNNEL;
        struct key key = {
            .first = by_tunnels ? counts_tunnels(word) : word_load(pool, word),
            .second = by_tunnels ? counts_requests(word) : 0,
            .weight = pool_weight(pool, index, pick->now_us),
            .turn = turn_start(pool, index),
        };
        if (!is_found || key_is_less(&key, &least)) {
            is_found = true;
            least = key;
            *choice = (struct choice){index, word, is_trial};
        }
    }
    return is_found;
}

bool least_conn_scan(const struct pool *pool, const struct pick *pick, struct choice *choice)
{
    return pool->is_even ? scan_even(pool, pick, choice) : scan_weighted(pool, pick, choice);
}

bool least_conn_choose(const struct pool *pool, const struct pick *pick, struct choice *choice)
{
    if (pool->count > SCAN_MAX)
        return random_two_choose(pool, pick, choice);
    return least_conn_scan(pool, pick, choice);
}

void least_conn_taken(const struct pool *pool, unsigned index, uint64_t now_us)
{
    if (pool->is_even) {
        if (!pool->is_packed)
            atomic_store_explicit(&pool->shared->next, index + 1, memory_order_relaxed);
        return;
    }
    uint64_t start = turn_start(pool, index);
    atomic_store_explicit(&pool->shared->turn, start, memory_order_relaxed);
    atomic_store_explicit(&pool->backends[index]->turn, start + TURN_STEP / pool_weight(pool, index, now_us),
                          memory_order_relaxed);
}
