/* SPDX-License-Identifier: MIT
 *
 * A place that answers: its identity and reference count. Its counts live in its slot. Any thread. */
#include <stdlib.h>

#include "balancer/shared.h"
#include "base/tls.h"

#define WEIGHT_MAX 1000

struct backend *backend_new(struct slots *slots, int slot, const struct address *address, unsigned weight)
{
    CHECK(slot >= 0 && slot < SLOTS_MAX);
    CHECK(weight >= 1 && weight <= WEIGHT_MAX);
    struct backend *backend = lines_alloc(sizeof *backend);
    const struct slot *seat = &slots->slot[slot];
    backend->slots = slots;
    backend->slot = slot;
    backend->generation = atomic_load(&seat->generation);
    backend->weight = weight;
    backend->is_worker = seat->is_worker;
    str_format(backend->name, sizeof backend->name, "%s", seat->name);
    backend->name_hash = slice_hash(slice_of(backend->name));
    backend->address = *address;
    address_print(address, backend->authority);
    atomic_store(&backend->references, 1);
    return backend;
}

void backend_secure(struct backend *backend, struct tls_target *target)
{
    backend->secure = tls_target_ref(target);
}

struct backend *backend_ref(struct backend *backend)
{
    atomic_fetch_add_explicit(&backend->references, 1, memory_order_relaxed);
    return backend;
}

void backend_unref(struct backend **backend)
{
    struct backend *mine = *backend;
    *backend = NULL;
    if (!mine || atomic_fetch_sub_explicit(&mine->references, 1, memory_order_acq_rel) != 1)
        return;
    tls_target_unref(&mine->secure);
    shared_unref(&mine->shared);
    free(mine);
}

void backend_close(struct backend *backend)
{
    atomic_store(&backend->closed, true);
}

unsigned backend_requests(const struct backend *backend)
{
    return counts_requests(atomic_load(&backend->slots->counts[backend->slot]));
}

unsigned backend_tunnels(const struct backend *backend)
{
    return counts_tunnels(atomic_load(&backend->slots->counts[backend->slot]));
}
