/* SPDX-License-Identifier: MIT
 *
 * Where the worker in a slot listens. */
#ifndef DROVER_WORKERS_ENDPOINT_H
#define DROVER_WORKERS_ENDPOINT_H

#include "balancer/slots.h"
#include "base/address.h"

/* False when the path of its socket is too long. */
bool endpoint_find(struct address *address, const struct slots *slots, int slot, uint32_t generation,
                   pid_t keeper);

#endif
