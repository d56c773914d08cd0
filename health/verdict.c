/* SPDX-License-Identifier: MIT
 *
 * Rise and fall, as HAProxy counts them. Pure. */
#include "health/verdict.h"

void verdict_init(struct verdict *verdict, unsigned rise, unsigned fall, bool is_fit, bool is_open)
{
    *verdict = (struct verdict){
        .rise = rise ? rise : 1,
        .fall = fall ? fall : 1,
        .is_fit = is_fit,
        .is_open = is_open,
    };
}

bool verdict_add(struct verdict *verdict, bool was_good)
{
    if (verdict->is_open) {
        verdict->is_open = false;
        verdict->is_fit = was_good;
        return true;
    }
    if (was_good == verdict->is_fit) {
        verdict->against = 0;
        return false;
    }
    if (++verdict->against < (was_good ? verdict->rise : verdict->fall))
        return false;
    verdict->against = 0;
    verdict->is_fit = was_good;
    return true;
}
