/* SPDX-License-Identifier: MIT
 *
 * How long to wait after failures, and the dice for it. Any thread; the generator is the thread's own. */
#include "base/backoff.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/random.h>
#include <time.h>

unsigned backoff_ms(unsigned failures, unsigned first_ms, unsigned max_ms, uint32_t random)
{
    uint64_t wait = first_ms;

    if (failures == 0)
        return 0;
    for (unsigned i = 1; i < failures && wait < max_ms; i++)
        wait *= 2;
    if (wait > max_ms)
        wait = max_ms;
    return (unsigned)(wait - wait * random / 2 / UINT32_MAX);
}

static _Thread_local struct {
    bool seeded;
    uint64_t state;
} dice;

static pthread_once_t once = PTHREAD_ONCE_INIT;

/* A child starts with its parent's state and would throw what the parent throws. */
static void forget_seed(void)
{
    dice.seeded = false;
}

static void watch_forks(void)
{
    pthread_atfork(NULL, NULL, forget_seed);
}

static void seed(void)
{
    struct timespec now;

    pthread_once(&once, watch_forks);
    if (getrandom(&dice.state, sizeof dice.state, GRND_NONBLOCK) != (ssize_t)sizeof dice.state) {
        clock_gettime(CLOCK_MONOTONIC, &now); /* early boot: dice need no secrecy */
        dice.state = (uint64_t)now.tv_nsec * 0x9e3779b97f4a7c15u ^ (uint64_t)(uintptr_t)&dice;
    }
    dice.seeded = true;
}

/* splitmix64 */
uint32_t random_u32(void)
{
    if (!dice.seeded)
        seed();
    uint64_t mixed = dice.state += 0x9e3779b97f4a7c15u;
    mixed = (mixed ^ mixed >> 30) * 0xbf58476d1ce4e5b9u;
    mixed = (mixed ^ mixed >> 27) * 0x94d049bb133111ebu;
    return (uint32_t)((mixed ^ mixed >> 31) >> 32);
}
