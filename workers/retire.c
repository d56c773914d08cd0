/* SPDX-License-Identifier: MIT
 *
 * The order in which workers of a shrinking pool go. Pure. */
#include "workers/retire.h"

/* Does `a` go before `b`? Of two that are equal the earlier in the row goes. */
static bool goes_before(const struct candidate *a, const struct candidate *b)
{
    if (a->is_serving != b->is_serving)
        return !a->is_serving;
    if (!a->is_serving)
        return a->started_us > b->started_us;
    if (a->goes_anyway != b->goes_anyway)
        return a->goes_anyway;
    if (a->tunnels != b->tunnels)
        return a->tunnels < b->tunnels;
    if (a->requests != b->requests)
        return a->requests < b->requests;
    return a->started_us < b->started_us;
}

int retire_choose(const struct candidate *candidates, unsigned count)
{
    int first = -1;

    for (unsigned i = 0; i < count; i++) {
        if (first < 0 || goes_before(&candidates[i], &candidates[first]))
            first = (int)i;
    }
    return first;
}
