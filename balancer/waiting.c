/* SPDX-License-Identifier: MIT
 *
 * The pool's queue. Any thread; the mutex is touched only while somebody waits.
 *
 * Nobody is forgotten: who waits counts himself in `waiting`, then looks at the counts; who releases lowers
 * the counts, then looks at `waiting`. All four are sequentially consistent, so one of the two sees the
 * other. (By themselves rather than with fences: the thread sanitizer does not know fences, and on x86 the
 * two additions are full fences anyway.) */
#include "balancer/policy.h"

#define TARGETS_UNTIL_NEWEST_FIRST 10

static struct waiter *waiter_of(struct list *node)
{
    return list_entry(node, struct waiter, node);
}

/* The queue's delay is the age of the oldest. Above the target for ten times the target, those who come now
 * have a chance only when they are served first; the old ones would mostly be served too late. */
static void decide_order(struct pool_shared *shared, uint64_t now_us)
{
    uint64_t target_us = shared->current->config->queue_target * UINT64_C(1000);
    uint64_t since_us = list_is_empty(&shared->queue) ? now_us : waiter_of(shared->queue.next)->since_us;
    if (target_us == 0 || now_us <= since_us + target_us) {
        shared->above_since_us = 0;
        shared->newest_first = false;
        return;
    }
    if (shared->above_since_us == 0)
        shared->above_since_us = since_us + target_us;
    if (now_us >= shared->above_since_us + TARGETS_UNTIL_NEWEST_FIRST * target_us)
        shared->newest_first = true;
}

static void take_out(struct pool_shared *shared, struct waiter *waiter)
{
    list_remove(&waiter->node);
    atomic_fetch_sub(&shared->waiting, 1);
}

void queue_serve(struct pool_shared *shared, uint64_t now_us, struct list *granted)
{
    if (!shared->current)
        return;
    decide_order(shared, now_us);
    bool newest_first = shared->newest_first;
    struct list *node = newest_first ? shared->queue.previous : shared->queue.next;
    while (node != &shared->queue) {
        struct waiter *waiter = waiter_of(node);
        node = newest_first ? node->previous : node->next;
        waiter->pick.now_us = now_us;
        if (pool_take_any(shared->current, &waiter->pick, &waiter->place)) {
            take_out(shared, waiter);
            waiter->state = WAITER_GRANTED;
            list_push_back(granted, &waiter->node);
        } else if (!pool_has_room(shared->current, now_us)) {
            return; /* else it is this one who cannot use what is there: the next may */
        }
    }
}

/* A waiter may be gone as soon as it was told. */
void queue_deliver(struct list *granted)
{
    while (!list_is_empty(granted)) {
        struct waiter *waiter = waiter_of(granted->next);
        list_remove(&waiter->node);
        waiter->on_granted(waiter);
    }
}

void queue_kick(struct pool_shared *shared, uint64_t now_us)
{
    if (atomic_load(&shared->waiting) == 0)
        return;
    struct list granted;
    list_init(&granted);
    pthread_mutex_lock(&shared->mutex);
    queue_serve(shared, now_us, &granted);
    pthread_mutex_unlock(&shared->mutex);
    queue_deliver(&granted);
}

enum wait_result pool_wait(struct pool *pool, struct waiter *waiter)
{
    struct pool_shared *shared = pool->shared;
    struct list granted;
    list_init(&granted);
    enum wait_result result = WAIT_QUEUED;

    pthread_mutex_lock(&shared->mutex);
    CHECK(waiter->state != WAITER_WAITING);
    waiter->state = WAITER_WAITING;
    waiter->since_us = waiter->pick.now_us;
    list_push_back(&shared->queue, &waiter->node);
    atomic_fetch_add(&shared->waiting, 1);
    queue_serve(shared, waiter->pick.now_us, &granted);
    if (waiter->state == WAITER_GRANTED) {
        list_remove(&waiter->node);
        result = WAIT_TAKEN;
    } else if (atomic_load(&shared->waiting) > pool->config->queue_length) {
        take_out(shared, waiter);
        waiter->state = WAITER_IDLE;
        result = WAIT_FULL;
    }
    if (result != WAIT_TAKEN && shared->on_wait)
        shared->on_wait(shared->on_wait_owner);
    pthread_mutex_unlock(&shared->mutex);

    queue_deliver(&granted);
    return result;
}

bool pool_leave(struct pool *pool, struct waiter *waiter)
{
    struct pool_shared *shared = pool->shared;
    pthread_mutex_lock(&shared->mutex);
    bool is_granted = waiter->state == WAITER_GRANTED;
    if (waiter->state == WAITER_WAITING) {
        take_out(shared, waiter);
        waiter->state = WAITER_IDLE;
    }
    pthread_mutex_unlock(&shared->mutex);
    return !is_granted;
}

void pool_on_wait(struct pool *pool, void (*on_wait)(void *owner), void *owner)
{
    struct pool_shared *shared = pool->shared;
    pthread_mutex_lock(&shared->mutex);
    shared->on_wait = on_wait;
    shared->on_wait_owner = owner;
    pthread_mutex_unlock(&shared->mutex);
}

unsigned pool_queued(const struct pool *pool)
{
    return atomic_load(&pool->shared->waiting);
}
