/* SPDX-License-Identifier: MIT
 *
 * Log-linear histogram of microseconds: 8 steps per power of two, so at most 12.5% off. One writer thread;
 * readers on other threads merge it (relaxed atomics). */
#ifndef DROVER_BASE_HISTOGRAM_H
#define DROVER_BASE_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#define HISTOGRAM_STEPS 8
#define HISTOGRAM_CELLS (40 * HISTOGRAM_STEPS)

struct histogram {
    _Atomic uint64_t count, sum;
    _Atomic uint64_t cells[HISTOGRAM_CELLS];
};
void histogram_add(struct histogram *histogram, uint64_t value);
void histogram_merge(struct histogram *into, const struct histogram *from);
/* The upper edge of the cell where the quantile lies; 0 when empty. */
uint64_t histogram_quantile(const struct histogram *histogram, double quantile);
/* How many values are at most `value`; of those in the same cell as it, the share that an even spread has. */
uint64_t histogram_up_to(const struct histogram *histogram, uint64_t value);
uint64_t histogram_all(const struct histogram *histogram); /* how many there are in all cells */

#endif
