/* SPDX-License-Identifier: MIT
 *
 * Rendezvous hashing: each backend draws a number from the key and its own name, the highest wins. When a
 * backend comes or goes, only the keys that it wins or won move; one that is ejected, full or tried already
 * is passed over for the next highest.
 *
 * With weights the draw u of (0, 1) becomes weight / -log(u), which wins in proportion to the weight. In
 * integers, so that every engine and every build decides alike. slow_start is left out: it would move keys
 * to and fro. */
#include "balancer/policy.h"

#define LOG_BITS 26 /* of the fraction */

static uint64_t mix(uint64_t value) /* the finaliser of splitmix64 */
{
    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

/* -log2(draw / 2^64) in units of 2^-LOG_BITS, at least 1. The fraction by squaring: a bit for each time that
 * the square is 2 or more. */
static uint64_t negative_log2(uint64_t draw)
{
    draw |= 1;
    unsigned zeros = (unsigned)__builtin_clzll(draw);
    uint64_t mantissa = draw << zeros >> 32; /* 1 to 2, as 31 bits of fraction */
    uint64_t log = 63 - zeros;
    for (unsigned i = 0; i < LOG_BITS; i++) {
        mantissa = mantissa * mantissa >> 31;
        log = log << 1 | mantissa >> 32;
        mantissa >>= mantissa >> 32;
    }
    return (UINT64_C(64) << LOG_BITS) - log;
}

/* Lower is better: -log(u) / weight, compared by cross-multiplication; with equal weights only the order of
 * the draws counts. */
bool hash_choose(const struct pool *pool, const struct pick *pick, struct choice *choice)
{
    uint64_t key = mix(pick->hash), best = 0, best_weight = 0;
    bool is_trial;
    for (unsigned index = 0; index < pool->count; index++) {
        const struct backend *backend = pool->backends[index];
        uint64_t word = pool_word(pool, index);
        if (!pool_may_give(pool, pick, index, word, &is_trial))
            continue;
        uint64_t score = mix(key ^ backend->name_hash);
        score = pool->has_weights ? negative_log2(score) : ~score;
        bool is_best = best_weight == 0;
        if (!is_best)
            is_best = pool->has_weights ? score * best_weight < best * backend->weight : score < best;
        if (is_best) {
            best = score;
            best_weight = backend->weight;
            *choice = (struct choice){index, word, is_trial};
        }
    }
    return best_weight != 0;
}
