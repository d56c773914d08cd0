/* SPDX-License-Identifier: MIT
 *
 * Affinity numbers: in the slots, so that an engine that comes after a crash finds them. Who is leaving for
 * good (FATE_GOES) keeps its number, for the cookies of its last answers, but holds it no longer: one that
 * was replaced has given it to its successor, and that of one too many is free for the next. Control thread. */
#include "workers/fleet_internal.h"

void affinity_inherit(struct worker *replacement, const struct worker *old)
{
    atomic_store(&replacement->slot->affinity, atomic_load(&old->slot->affinity));
}

static bool is_held(const struct fleet *fleet, uint32_t number)
{
    for (unsigned i = 0; i < fleet->count; i++) {
        if (fleet->workers[i]->fate != FATE_GOES && atomic_load(&fleet->workers[i]->slot->affinity) == number)
            return true;
    }
    return false;
}

void affinity_settle(struct fleet *fleet)
{
    for (unsigned i = 0; i < fleet->count; i++) {
        struct worker *worker = fleet->workers[i];
        if (!worker_is_member(worker) || atomic_load(&worker->slot->affinity) != 0)
            continue;
        uint32_t number = 1;
        while (is_held(fleet, number))
            number++;
        atomic_store(&worker->slot->affinity, number);
    }
}
