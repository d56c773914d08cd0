/* SPDX-License-Identifier: MIT
 *
 * Time, read once per loop turn and cached per thread. Monotonic for everything that measures; the wall
 * clock only for what people and headers read. Tests replace it by clock_pretend. */
#ifndef DROVER_BASE_CLOCK_H
#define DROVER_BASE_CLOCK_H

#include <stdint.h>

/* By the loop before each turn: the turn's first question reads the time, the others repeat the answer. */
void clock_update(void);
/* By the loop when it ends: every question reads the time, as on threads without a loop. */
void clock_uncached(void);
uint64_t clock_us(void);             /* monotonic microseconds */
uint64_t clock_ms(void);             /* monotonic milliseconds */
uint64_t clock_wall_us(void);        /* microseconds since the epoch */
uint64_t clock_precise_us(void);     /* monotonic, not cached */
void clock_pretend(uint64_t now_us); /* tests: all clocks of this thread stand at now_us until 0 is given */

#endif
