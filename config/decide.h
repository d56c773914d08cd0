/* SPDX-License-Identifier: MIT
 *
 * What `auto` comes out as: the pure parts of decide.c. Private to config/. */
#ifndef DROVER_CONFIG_DECIDE_H
#define DROVER_CONFIG_DECIDE_H

#include "config/config.h"

/* How many workers fit beside what is not workers (config_memory_for_workers). */
unsigned workers_that_fit(uint64_t limit_bytes);
/* min(2 x CPUs + 1, room), at least 1. */
unsigned workers_auto(unsigned cpus, unsigned room);
/* How a pool's command and environment want to listen. */
enum bind_hint { HINT_NONE, HINT_PORT, HINT_SOCKET, HINT_DESCRIPTOR, HINT_BOTH };
enum bind_hint bind_hint(const struct pool_config *pool);

#endif
