/* SPDX-License-Identifier: MIT
 *
 * Ejection: max_fails failures within fail_timeout take a backend out for fail_timeout; then one request is
 * its trial. Every thread.
 *
 *     in use --max_fails--> ejected --time is up (worker: and probed fit)--> trial --answered--> in use
 *                             ^ ^------------- unfit probe ------'             |
 *                             '------------------------------------ failed ----'
 *
 * A trial that was undecided leaves it ejected with its time up: the next may go. Whoever changes a backend's
 * state of ejection holds its pool's mutex, so that two threads cannot eject the last two at once; choosing
 * reads it without. The probe's answer (backend_probed) comes without a pool and only while no trial can
 * begin: needs_probe stands. */
#include "balancer/policy.h"

#include "base/log.h"

bool backend_is_ejected(const struct backend *backend)
{
    return atomic_load(&backend->ejected_until_us) != 0;
}

bool trial_begin(struct backend *backend, uint64_t now_us)
{
    uint32_t none = 0;
    if (!atomic_compare_exchange_strong(&backend->trial, &none, 1))
        return false;
    if (backend_is_ejected(backend) && trial_is_due(backend, now_us))
        return true;
    trial_end(backend); /* the one before decided in between */
    return false;
}

void trial_end(struct backend *backend)
{
    atomic_store(&backend->trial, 0);
}

void backend_probed(struct backend *backend, bool fit, uint64_t now_us)
{
    if (!backend_is_ejected(backend) || !atomic_load(&backend->needs_probe))
        return;
    if (fit) {
        atomic_store(&backend->needs_probe, 0);
        return;
    }
    atomic_fetch_add(&backend->ejections, 1);
    atomic_store(&backend->ejected_until_us, now_us + atomic_load(&backend->ejected_for_ms) * UINT64_C(1000));
}

static void eject(const struct pool *pool, struct backend *backend, uint64_t now_us)
{
    atomic_store(&backend->fails, 0);
    atomic_fetch_add(&backend->ejections, 1);
    atomic_fetch_add(&pool->shared->ejected, 1);
    atomic_store(&backend->needs_probe, backend->is_worker);
    atomic_store(&backend->ejected_for_ms, pool->config->fail_timeout);
    atomic_store(&backend->ejected_until_us, now_us + pool->config->fail_timeout * UINT64_C(1000));
}

static bool is_last(const struct pool *pool, const struct backend *backend)
{
    const struct pool *newest = pool->shared->current ? pool->shared->current : pool;
    for (unsigned i = 0; i < newest->count; i++) {
        const struct backend *other = newest->backends[i];
        if (other != backend && !atomic_load(&other->closed) && !backend_is_ejected(other))
            return false;
    }
    return true;
}

static void on_failure(const struct pool *pool, struct backend *backend, uint64_t now_us)
{
    if (pool->config->max_fails == 0 || backend_is_ejected(backend))
        return;
    uint64_t window_us = atomic_load(&backend->window_us);
    uint32_t fails = atomic_load(&backend->fails);
    if (fails == 0 || now_us > window_us + pool->config->fail_timeout * UINT64_C(1000)) {
        atomic_store(&backend->window_us, now_us);
        fails = 0;
    }
    if (fails < pool->config->max_fails)
        atomic_store(&backend->fails, ++fails);
    if (fails >= pool->config->max_fails && !is_last(pool, backend)) {
        eject(pool, backend, now_us);
        log_warning("%s (%s): ejected (failures: %u within %u ms), tried again every %u ms", backend->name,
                    backend->authority, fails, pool->config->fail_timeout, pool->config->fail_timeout);
    }
}

static void on_trial(const struct pool *pool, struct backend *backend, enum outcome outcome, uint64_t now_us)
{
    if (outcome == OUTCOME_FAILED) {
        eject(pool, backend, now_us);
    } else if (outcome == OUTCOME_ANSWERED) {
        atomic_store(&backend->fails, 0);
        atomic_store(&backend->ejections, 0);
        if (pool->config->slow_start > 0)
            atomic_store(&backend->joined_us, now_us);
        atomic_store(&backend->ejected_until_us, 0);
        log_info("%s (%s): answered its trial: no longer ejected", backend->name, backend->authority);
    }
    trial_end(backend);
}

uint64_t pool_ejections(const struct pool *pool)
{
    return atomic_load(&pool->shared->ejected);
}

void pool_outcome(struct pool *pool, struct place *place, enum outcome outcome, uint64_t now_us)
{
    struct backend *backend = place->backend;
    CHECK(backend);
    struct slot *slot = &backend->slots->slot[backend->slot];
    if (outcome == OUTCOME_ANSWERED) {
        atomic_fetch_add_explicit(&slot->requests, 1, memory_order_relaxed);
        atomic_store_explicit(&backend->head_us, now_us, memory_order_relaxed);
    } else if (outcome == OUTCOME_FAILED) {
        atomic_fetch_add_explicit(&slot->fails, 1, memory_order_relaxed);
    }
    if (!place->is_trial && outcome != OUTCOME_FAILED)
        return;

    pthread_mutex_lock(&pool->shared->mutex);
    if (place->is_trial)
        on_trial(pool, backend, outcome, now_us);
    else
        on_failure(pool, backend, now_us);
    pthread_mutex_unlock(&pool->shared->mutex);

    if (place->is_trial && outcome != OUTCOME_FAILED)
        queue_kick(pool->shared, now_us);
    place->is_trial = false;
}
