/* SPDX-License-Identifier: MIT
 *
 * The better of two random backends: nearly as even as the least of all, at a price that does not grow with
 * their number. When neither of them can be used the whole set is scanned, so that a free place is never
 * missed. */
#include "balancer/policy.h"
#include "base/clock.h"

/* xorshift64*, one state for each thread: choosing needs spread, not secrecy. */
static uint32_t draw(void)
{
    static _Thread_local uint64_t state;
    if (state == 0)
        state = (clock_precise_us() ^ (uint64_t)(uintptr_t)&state) * UINT64_C(0x9e3779b97f4a7c15) | 1;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return (uint32_t)(state * UINT64_C(0x2545f4914f6cdd1d) >> 32);
}

static unsigned draw_below(uint64_t bound)
{
    return (unsigned)(draw() * bound >> 32);
}

/* Whether `a` carries less for its weight than `b`; equals by chance, as their weights say. */
static bool is_better(const struct pool *pool, const struct pick *pick, const struct choice *a,
                      const struct choice *b)
{
    uint64_t weight_a = pool_weight(pool, a->index, pick->now_us);
    uint64_t weight_b = pool_weight(pool, b->index, pick->now_us);
    if (pick->kind == PLACE_TUNNEL) {
        uint64_t tunnels_a = counts_tunnels(a->word) * weight_b,
                 tunnels_b = counts_tunnels(b->word) * weight_a;
        if (tunnels_a != tunnels_b)
            return tunnels_a < tunnels_b;
    }
    uint64_t load_a = word_load(pool, a->word) * weight_b, load_b = word_load(pool, b->word) * weight_a;
    if (load_a != load_b)
        return load_a < load_b;
    return draw_below(weight_a + weight_b) < weight_a;
}

bool random_two_choose(const struct pool *pool, const struct pick *pick, struct choice *choice)
{
    if (pool->count < 2)
        return least_conn_scan(pool, pick, choice);
    struct choice a = {.index = draw_below(pool->count)}, b = {.index = draw_below(pool->count - 1)};
    b.index += b.index >= a.index; /* never the same twice */
    a.word = pool_word(pool, a.index);
    b.word = pool_word(pool, b.index);
    bool a_may = pool_may_give(pool, pick, a.index, a.word, &a.is_trial);
    bool b_may = pool_may_give(pool, pick, b.index, b.word, &b.is_trial);
    if (!a_may && !b_may)
        return least_conn_scan(pool, pick, choice);
    *choice = a_may && (!b_may || is_better(pool, pick, &a, &b)) ? a : b;
    return true;
}
