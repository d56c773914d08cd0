/* SPDX-License-Identifier: MIT
 *
 * What all sets of one pool share, from one configuration to the next: the queue, the rotation, the budget.
 * Counted: a reference each for its sets and its backends, which places hold. Only for the files of
 * balancer/. */
#ifndef DROVER_BALANCER_SHARED_H
#define DROVER_BALANCER_SHARED_H

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "balancer/balancer.h"
#include "base/check.h"

#define BUDGET_SECONDS 10

struct budget_loop {
    _Alignas(64) _Atomic uint64_t requests; /* ever; written by its loop only, as is the next */
    _Atomic uint64_t slow;                  /* responses that took longer than target.p95, ever */
};

struct budget {
    struct budget_loop loops[LOOPS_MAX];

    /* Written when a retry is drawn, which is seldom. */
    _Alignas(64) _Atomic uint64_t retries; /* drawn, ever */
    _Atomic uint64_t limit;                /* `retries` may go up to here */
    _Atomic uint64_t rolled_us;            /* when the present second began; 0: not begun */

    /* Guarded by the pool's mutex: the sums at the start of each of the last seconds. */
    unsigned at;
    uint64_t requests_then[BUDGET_SECONDS], retries_then[BUDGET_SECONDS];
};

struct pool_shared {
    /* Read with every take and release, written only while somebody waits (under the mutex). */
    _Alignas(64) _Atomic uint32_t waiting; /* how many are in `queue` */

    /* Written with every take. */
    _Alignas(64) _Atomic uint32_t references;
    _Atomic uint32_t next; /* where the next choice among equals begins */
    _Atomic uint64_t turn; /* the same for unequal weights (least_conn.c) */

    /* Slow path: the queue, ejections, the budget's seconds. */
    _Alignas(64) pthread_mutex_t mutex;
    struct pool *current;    /* the newest published set; not referenced: its last unref clears this */
    struct list queue;       /* struct waiter, oldest first */
    uint64_t above_since_us; /* since when it stands above the target; 0: it does not */
    bool newest_first;
    void (*on_wait)(void *owner); /* somebody joined the queue; with the mutex held */
    void *on_wait_owner;
    _Atomic uint64_t ejected; /* backends, ever */

    struct budget budget;
};

/* Zeroed and aligned to cache lines, as structs with aligned groups need it. The caller frees it with
 * free(). */
static inline void *lines_alloc(size_t size)
{
    size = (size + 63) / 64 * 64;
    void *memory = aligned_alloc(64, size);
    CHECK(memory);
    return memset(memory, 0, size);
}

static inline struct pool_shared *shared_ref(struct pool_shared *shared)
{
    atomic_fetch_add_explicit(&shared->references, 1, memory_order_relaxed);
    return shared;
}

void shared_unref(struct pool_shared **shared);

/* waiting.c. queue_serve gives what is free in the published set to those in line who can use it and
 * collects them in `granted`; under the mutex. queue_deliver tells them; without it. queue_kick does both
 * when somebody waits. */
void queue_serve(struct pool_shared *shared, uint64_t now_us, struct list *granted);
void queue_deliver(struct list *granted);
void queue_kick(struct pool_shared *shared, uint64_t now_us);

/* budget.c. budget_roll begins the next second when this one is over; without the mutex. */
void budget_init(struct budget *budget);
void budget_roll(struct pool_shared *shared, uint64_t now_us);

#endif
