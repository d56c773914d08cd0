/* SPDX-License-Identifier: MIT
 *
 * The histogram's cells: values under 8 have one each, then 8 per power of two. One thread writes; what
 * readers see while it does may miss the newest values, never more. */
#include "base/histogram.h"

#define EXACT_BITS 3 /* log2 of HISTOGRAM_STEPS */

_Static_assert(1 << EXACT_BITS == HISTOGRAM_STEPS, "the steps are a power of two");

static unsigned cell_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS)
        return (unsigned)value;
    unsigned power = 63u - (unsigned)__builtin_clzll(value);
    unsigned cell = (power - EXACT_BITS + 1) * HISTOGRAM_STEPS +
                    (unsigned)(value >> (power - EXACT_BITS) & (HISTOGRAM_STEPS - 1));
    return cell < HISTOGRAM_CELLS ? cell : HISTOGRAM_CELLS - 1;
}

static uint64_t upper_edge(unsigned cell)
{
    if (cell < HISTOGRAM_STEPS)
        return cell;
    unsigned shift = cell / HISTOGRAM_STEPS - 1;
    return ((uint64_t)(HISTOGRAM_STEPS + cell % HISTOGRAM_STEPS + 1) << shift) - 1;
}

/* A plain load and store: the only writer needs no locked instruction. */
static void raise(_Atomic uint64_t *count, uint64_t by)
{
    uint64_t now = atomic_load_explicit(count, memory_order_relaxed);
    atomic_store_explicit(count, now + by, memory_order_relaxed);
}

void histogram_add(struct histogram *histogram, uint64_t value)
{
    raise(&histogram->count, 1);
    raise(&histogram->sum, value);
    raise(&histogram->cells[cell_of(value)], 1);
}

void histogram_merge(struct histogram *into, const struct histogram *from)
{
    raise(&into->count, atomic_load_explicit(&from->count, memory_order_relaxed));
    raise(&into->sum, atomic_load_explicit(&from->sum, memory_order_relaxed));
    for (unsigned i = 0; i < HISTOGRAM_CELLS; i++)
        raise(&into->cells[i], atomic_load_explicit(&from->cells[i], memory_order_relaxed));
}

uint64_t histogram_quantile(const struct histogram *histogram, double quantile)
{
    uint64_t total = histogram_all(histogram), seen = 0;

    if (total == 0)
        return 0;
    uint64_t wanted = (uint64_t)(quantile * (double)total + 0.999999);
    if (wanted < 1)
        wanted = 1;
    if (wanted > total)
        wanted = total;
    for (unsigned i = 0; i < HISTOGRAM_CELLS; i++) {
        seen += atomic_load_explicit(&histogram->cells[i], memory_order_relaxed);
        if (seen >= wanted)
            return upper_edge(i);
    }
    return upper_edge(HISTOGRAM_CELLS - 1);
}

uint64_t histogram_all(const struct histogram *histogram)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < HISTOGRAM_CELLS; i++)
        all += atomic_load_explicit(&histogram->cells[i], memory_order_relaxed);
    return all;
}

uint64_t histogram_up_to(const struct histogram *histogram, uint64_t value)
{
    unsigned last = cell_of(value);
    uint64_t below = last > 0 ? upper_edge(last - 1) : 0, width = upper_edge(last) - below, sum = 0;

    for (unsigned i = 0; i < last; i++)
        sum += atomic_load_explicit(&histogram->cells[i], memory_order_relaxed);
    uint64_t here = atomic_load_explicit(&histogram->cells[last], memory_order_relaxed);
    if (width <= 1 || value >= upper_edge(last))
        return sum + here;
    return sum + (uint64_t)((double)here * (double)(value - below) / (double)width);
}
