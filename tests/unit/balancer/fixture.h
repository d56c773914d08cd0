/* SPDX-License-Identifier: MIT
 *
 * A pool for the tests of balancer/: `count` backends web.1 ... in a table of their own, and what a test
 * does with it in a word. Each program uses part of it, hence the attribute. */
#ifndef DROVER_TESTS_UNIT_BALANCER_FIXTURE_H
#define DROVER_TESTS_UNIT_BALANCER_FIXTURE_H

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "balancer/balancer.h"
#include "base/check.h"
#include "tests/unit/unit.h"

#define FIXTURE_MAX 128
#define T0          UINT64_C(1000000000) /* a test's first moment */
#define MS          UINT64_C(1000)
#define SECOND      UINT64_C(1000000)
#define MAYBE       __attribute__((unused))

struct fixture {
    struct slots *slots;
    struct pool_config config;
    struct pool *pool;
    struct backend *backends[FIXTURE_MAX];
    unsigned count;
};

static MAYBE struct backend *fixture_backend(struct fixture *fixture, unsigned number, unsigned weight,
                                             bool is_worker)
{
    struct address address;
    CHECK(address_parse(&address, SLICE("127.0.0.1:8001")));
    return backend_new(fixture->slots, slots_claim(fixture->slots, fixture->config.name, number, is_worker),
                       &address, weight);
}

/* Before fixture_start a test sets what it needs in fixture->config. */
static MAYBE void fixture_init(struct fixture *fixture)
{
    static char name[] = "web";
    *fixture = (struct fixture){.slots = slots_new()};
    fixture->config = (struct pool_config){
        .name = name,
        .queue_length = 1024,
        .queue_target = 250,
        .queue_timeout = 10000,
        .target_concurrency = 10,
        .target_tunnels = 100,
        .max_fails = 3,
        .fail_timeout = 10000,
    };
}

static MAYBE void fixture_start_weighted(struct fixture *fixture, unsigned count, const unsigned *weights,
                                         bool are_workers)
{
    fixture->count = count;
    for (unsigned i = 0; i < count; i++)
        fixture->backends[i] = fixture_backend(fixture, i + 1, weights ? weights[i] : 1, are_workers);
    fixture->pool = pool_new(NULL, &fixture->config, fixture->slots, 0, NULL, fixture->backends, count);
}

static MAYBE void fixture_start(struct fixture *fixture, unsigned count)
{
    fixture_start_weighted(fixture, count, NULL, false);
}

static MAYBE void fixture_fini(struct fixture *fixture)
{
    pool_unref(&fixture->pool);
    for (unsigned i = 0; i < fixture->count; i++)
        backend_unref(&fixture->backends[i]);
    slots_free_all(&fixture->slots);
}

static MAYBE bool take_at(struct fixture *fixture, enum place_kind kind, uint64_t now_us, struct place *place)
{
    struct pick pick = {.kind = kind, .now_us = now_us};
    *place = (struct place){0};
    return pool_take(fixture->pool, &pick, place) == PICK_TAKEN;
}

/* Takes a place for a request or a handshake; the number of its backend, 0 when there is none. */
static MAYBE unsigned take(struct fixture *fixture, enum place_kind kind, struct place *place)
{
    if (!take_at(fixture, kind, T0, place))
        return 0;
    return fixture->slots->slot[place->backend->slot].number;
}

static MAYBE void release(struct place *place)
{
    place_release(place, T0);
}

/* A place at that backend, taken past the policy. */
static MAYBE struct place take_from(struct fixture *fixture, unsigned number, enum place_kind kind,
                                    uint64_t now_us)
{
    struct backend *others[FIXTURE_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < fixture->count; i++)
        if (i + 1 != number)
            others[count++] = fixture->backends[i];
    struct pick pick = {.kind = kind, .now_us = now_us, .tried = others, .tried_count = count};
    struct place place = {0};
    CHECK(pool_take(fixture->pool, &pick, &place) == PICK_TAKEN);
    return place;
}

/* A request at that backend that ends so. */
static MAYBE void end_one(struct fixture *fixture, unsigned number, enum outcome outcome, uint64_t now_us)
{
    struct place place = take_from(fixture, number, PLACE_REQUEST, now_us);
    pool_outcome(fixture->pool, &place, outcome, now_us);
    place_release(&place, now_us);
}

static MAYBE void fail_times(struct fixture *fixture, unsigned number, unsigned times, uint64_t now_us)
{
    for (unsigned i = 0; i < times; i++)
        end_one(fixture, number, OUTCOME_FAILED, now_us);
}

/* Lets `count` threads go on together, at once where they have a CPU each. Zeroed before the first use. */
struct meeting {
    _Atomic unsigned arrived;
};

static MAYBE void meet(struct meeting *meeting, unsigned count)
{
    unsigned round = atomic_fetch_add(&meeting->arrived, 1) / count;
    for (unsigned spins = 0; atomic_load(&meeting->arrived) / count == round; spins++)
        if (spins % 1000 == 999)
            sched_yield();
}

static MAYBE void run_threads(unsigned count, void *(*body)(void *), void *argument)
{
    pthread_t threads[64];
    CHECK(count <= 64);
    for (unsigned i = 0; i < count; i++)
        CHECK(pthread_create(&threads[i], NULL, body, argument) == 0);
    for (unsigned i = 0; i < count; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
}

#endif
