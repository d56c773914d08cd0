/* SPDX-License-Identifier: MIT
 *
 * The memory of a fleet's workers, one after the other, into their slots. Control thread.
 *
 * Of a large process the kernel walks long tables: the more a measure costs the later the next one is. */
#include "base/clock.h"
#include "workers/fleet_internal.h"
#include "workers/memory.h"

#define ROUND_US     2000000u /* all of a small pool within this */
#define EVERY_MOST   500000u
#define SHARE_OF_CPU 100 /* one part in so many */

void measure_worker(struct worker *worker)
{
    uint64_t begun_us = clock_precise_us();
    uint64_t bytes = worker->pid != 0 ? memory_of_process(worker->pid) : 0;

    worker->fleet->measure_cost_us = clock_precise_us() - begun_us;
    if (bytes == 0)
        return; /* it is about to be told gone */
    atomic_store(&worker->slot->memory, bytes);
    recycler_measured(worker, bytes);
}

void measure_step(struct fleet *fleet, uint64_t now_us)
{
    uint64_t wait_us = fleet->count ? ROUND_US / fleet->count : 0,
             rest_us = SHARE_OF_CPU * fleet->measure_cost_us;

    wait_us = wait_us < EVERY_MOST ? wait_us : EVERY_MOST;
    if (fleet->count == 0 || now_us - fleet->measured_us < (wait_us > rest_us ? wait_us : rest_us))
        return;
    fleet->measured_us = now_us;
    measure_worker(fleet->workers[++fleet->measured % fleet->count]);
}
