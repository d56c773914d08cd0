/* SPDX-License-Identifier: MIT
 *
 * The clocks, each read at most once a loop turn and only when somebody asks. All state is the thread's
 * own. */
#include "base/clock.h"

#include <stdbool.h>
#include <time.h>

static _Thread_local struct {
    bool in_turns;         /* a loop says when time moves; else it is read at every question */
    uint64_t now_us;       /* 0: not read in this turn */
    uint64_t wall_us;      /* the same */
    uint64_t pretended_us; /* 0: the real time */
} ours;

static uint64_t read_us(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

void clock_update(void)
{
    ours.in_turns = true;
    ours.now_us = 0;
    ours.wall_us = 0;
}

void clock_uncached(void)
{
    ours.in_turns = false;
}

uint64_t clock_us(void)
{
    if (__builtin_expect(ours.pretended_us != 0, 0))
        return ours.pretended_us;
    if (!ours.in_turns || ours.now_us == 0)
        ours.now_us = read_us(CLOCK_MONOTONIC);
    return ours.now_us;
}

uint64_t clock_ms(void)
{
    return clock_us() / 1000u;
}

uint64_t clock_wall_us(void)
{
    if (__builtin_expect(ours.pretended_us != 0, 0))
        return ours.pretended_us;
    if (!ours.in_turns || ours.wall_us == 0)
        ours.wall_us = read_us(CLOCK_REALTIME);
    return ours.wall_us;
}

uint64_t clock_precise_us(void)
{
    return ours.pretended_us != 0 ? ours.pretended_us : read_us(CLOCK_MONOTONIC);
}

void clock_pretend(uint64_t now_us)
{
    ours.pretended_us = now_us;
}
