/* SPDX-License-Identifier: MIT
 *
 * How soon a worker that starts is asked again. Pure. */
#include "health/health.h"

#define AWAITED_SHARE 50 /* of the time that it has had */
#define SHARE         20

/* Few, as a loop keeps a list for each duration. */
static const unsigned awaited[] = {250, 100, 50, 20}, unawaited[] = {500, 250, 100, 50};

unsigned health_pace_ms(uint64_t since_ms, bool is_awaited)
{
    const unsigned *pace = is_awaited ? awaited : unawaited;
    uint64_t most = since_ms / (is_awaited ? AWAITED_SHARE : SHARE);
    unsigned i = 0;

    while (i < 3 && pace[i] > most)
        i++;
    return pace[i];
}
