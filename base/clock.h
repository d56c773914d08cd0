/* SPDX-License-Identifier: MIT
 *
 * Time, read once per loop turn and cached per thread. Monotonic for everything that measures; the wall clock only
 * for what people and headers read. Tests replace it by clock_pretend. */
#ifndef DROVER_BASE_CLOCK_H
#define DROVER_BASE_CLOCK_H

#include <stdint.h>

void clock_update(void);        /* called by the loop at the start of each turn */
uint64_t clock_us(void);        /* monotonic microseconds */
uint64_t clock_ms(void);        /* monotonic milliseconds */
uint64_t clock_wall_us(void);   /* microseconds since the epoch */
uint64_t clock_precise_us(void); /* monotonic, not cached */
void clock_pretend(uint64_t now_us); /* tests: this thread's clock stands at now_us until 0 is given */

#endif
