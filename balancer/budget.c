/* SPDX-License-Identifier: MIT
 *
 * The retry budget: in a pool's last ten seconds no more retries than a fifth of its requests, or 20.
 * Requests are counted by each loop on a line of its own; once a second they are summed and what may be
 * drawn is written down as one number, so that drawing is one comparison. */
#include "balancer/shared.h"

#define SECOND_US     UINT64_C(1000000)
#define RETRIES_LEAST 20
#define RETRIES_SHARE 5 /* one in so many requests */

void budget_init(struct budget *budget)
{
    atomic_store(&budget->limit, RETRIES_LEAST);
}

void pool_count_request(struct pool *pool, unsigned loop)
{
    CHECK(loop < LOOPS_MAX);
    _Atomic uint64_t *requests = &pool->shared->budget.loops[loop].requests;
    atomic_store_explicit(requests, atomic_load_explicit(requests, memory_order_relaxed) + 1,
                          memory_order_relaxed);
}

void pool_count_slow(struct pool *pool, unsigned loop)
{
    CHECK(loop < LOOPS_MAX);
    _Atomic uint64_t *slow = &pool->shared->budget.loops[loop].slow;
    atomic_store_explicit(slow, atomic_load_explicit(slow, memory_order_relaxed) + 1, memory_order_relaxed);
}

static uint64_t requests_ever(const struct budget *budget)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < LOOPS_MAX; i++)
        sum += atomic_load_explicit(&budget->loops[i].requests, memory_order_relaxed);
    return sum;
}

uint64_t pool_arrivals(const struct pool *pool)
{
    return requests_ever(&pool->shared->budget);
}

uint64_t pool_slow(const struct pool *pool)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < LOOPS_MAX; i++)
        sum += atomic_load_explicit(&pool->shared->budget.loops[i].slow, memory_order_relaxed);
    return sum;
}

static void roll_locked(struct budget *budget, uint64_t now_us)
{
    uint64_t rolled_us = atomic_load(&budget->rolled_us);
    if (rolled_us == 0) {
        atomic_store(&budget->rolled_us, now_us);
        return;
    }
    if (now_us < rolled_us + SECOND_US)
        return;
    uint64_t seconds = (now_us - rolled_us) / SECOND_US;
    uint64_t requests = requests_ever(budget), retries = atomic_load(&budget->retries);
    uint64_t requests_then = 0, retries_then = 0;
    /* Once around and one more: after a longer pause nothing from before it counts. */
    for (uint64_t i = 0; i < seconds && i <= BUDGET_SECONDS; i++) {
        requests_then = budget->requests_then[budget->at];
        retries_then = budget->retries_then[budget->at];
        budget->requests_then[budget->at] = requests;
        budget->retries_then[budget->at] = retries;
        budget->at = (budget->at + 1) % BUDGET_SECONDS;
    }
    uint64_t share = (requests - requests_then) / RETRIES_SHARE;
    atomic_store(&budget->limit, retries_then + (share > RETRIES_LEAST ? share : RETRIES_LEAST));
    atomic_store(&budget->rolled_us, rolled_us + seconds * SECOND_US);
}

void budget_roll(struct pool_shared *shared, uint64_t now_us)
{
    uint64_t rolled_us = atomic_load(&shared->budget.rolled_us);
    if (rolled_us != 0 && now_us < rolled_us + SECOND_US)
        return;
    pthread_mutex_lock(&shared->mutex);
    roll_locked(&shared->budget, now_us);
    pthread_mutex_unlock(&shared->mutex);
}

bool pool_may_retry(struct pool *pool, uint64_t now_us)
{
    struct budget *budget = &pool->shared->budget;
    budget_roll(pool->shared, now_us); /* also when no tick comes */
    uint64_t retries = atomic_load(&budget->retries);
    do {
        if (retries >= atomic_load(&budget->limit))
            return false;
    } while (!atomic_compare_exchange_weak(&budget->retries, &retries, retries + 1));
    return true;
}
