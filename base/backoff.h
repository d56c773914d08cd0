/* SPDX-License-Identifier: MIT
 *
 * Exponential backoff with jitter: pure. */
#ifndef DROVER_BASE_BACKOFF_H
#define DROVER_BASE_BACKOFF_H

#include <stdint.h>

/* Milliseconds to wait before attempt `failures` + 1: first_ms doubled per failure, at most max_ms, times
 * 0.5 to 1.0 by `random` (any 32 bits). 0 failures: 0. */
unsigned backoff_ms(unsigned failures, unsigned first_ms, unsigned max_ms, uint32_t random);
uint32_t random_u32(void); /* per-thread generator, seeded from the kernel; not for secrets */

#endif
