/* SPDX-License-Identifier: MIT
 *
 * What choosing, taking and releasing a place costs: nanoseconds for each pair of take and release, alone and
 * with two threads, over 4 and 64 backends that are idle or hold three requests each. The best of five
 * rounds, since other work on the machine only ever adds. */
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "balancer/balancer.h"
#include "base/check.h"

#define BACKENDS_MAX 64
#define BUSY         3
#define ROUNDS       5
#define PAIRS        1000000
#define THREADS      2

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void *take_and_release(void *argument)
{
    struct pool *pool = argument;
    for (unsigned i = 0; i < PAIRS; i++) {
        struct pick pick = {.kind = PLACE_REQUEST, .hash = i, .now_us = i + 1};
        struct place place;
        CHECK(pool_take(pool, &pick, &place) == PICK_TAKEN);
        place_release(&place, i + 1);
    }
    return NULL;
}

static double round_ns(struct pool *pool, unsigned threads)
{
    pthread_t thread[THREADS];
    uint64_t began_ns = now_ns();
    for (unsigned i = 1; i < threads; i++)
        CHECK(pthread_create(&thread[i], NULL, take_and_release, pool) == 0);
    take_and_release(pool);
    for (unsigned i = 1; i < threads; i++)
        pthread_join(thread[i], NULL);
    return (double)(now_ns() - began_ns) / PAIRS;
}

static void measure(struct slots *slots, enum balance balance, const char *name, unsigned count,
                    unsigned threads, bool busy)
{
    static struct place held[BUSY * BACKENDS_MAX];
    struct pool_config config = {.name = (char *)(uintptr_t) "web",
                                 .balance = balance,
                                 .target_concurrency = 10,
                                 .target_tunnels = 100};
    struct backend *backends[BACKENDS_MAX];
    struct address address;
    CHECK(address_parse(&address, SLICE("127.0.0.1:1")));
    for (unsigned i = 0; i < count; i++)
        backends[i] = backend_new(slots, slots_claim(slots, config.name, i + 1, true), &address, 1);
    struct pool *pool = pool_new(NULL, &config, slots, 0, NULL, backends, count);
    struct pick pick = {.kind = PLACE_REQUEST, .now_us = 1};
    for (unsigned i = 0; busy && i < BUSY * count; i++) {
        pick.hash = i;
        CHECK(pool_take(pool, &pick, &held[i]) == PICK_TAKEN);
    }
    double best = round_ns(pool, threads);
    for (unsigned i = 1; i < ROUNDS; i++) {
        double ns = round_ns(pool, threads);
        best = ns < best ? ns : best;
    }
    printf("%-10s  %2u backends, %s  %u thread%s  %6.1f ns\n", name, count, busy ? "busy" : "idle", threads,
           threads > 1 ? "s" : " ", best);
    for (unsigned i = 0; busy && i < BUSY * count; i++)
        place_release(&held[i], 1);
    pool_unref(&pool);
    for (unsigned i = 0; i < count; i++)
        backend_unref(&backends[i]);
}

int main(void)
{
    struct slots *slots = slots_new();
    for (unsigned threads = 1; threads <= THREADS; threads++) {
        for (unsigned count = 4; count <= BACKENDS_MAX; count *= 16) {
            measure(slots, BALANCE_LEAST_CONN, "least_conn", count, threads, false);
            measure(slots, BALANCE_LEAST_CONN, "least_conn", count, threads, true);
            measure(slots, BALANCE_RANDOM_TWO, "random_two", count, threads, true);
            measure(slots, BALANCE_HASH, "hash", count, threads, true);
        }
    }
    slots_free_all(&slots);
    return 0;
}
