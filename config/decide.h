/* SPDX-License-Identifier: MIT
 *
 * What `auto` comes out as: the pure parts of decide.c. Private to config/. */
#ifndef DROVER_CONFIG_DECIDE_H
#define DROVER_CONFIG_DECIDE_H

#include "config/config.h"

#define WORKER_MEMORY (150ull << 20) /* before any was seen */

/* How many workers fit beside what is not workers, for which an eighth of the limit is kept, 64m at least and
 * 1g at most: what is really in use cannot be asked here, because at a reload it holds the workers
 * themselves, and `auto` must not move by itself. */
unsigned workers_that_fit(uint64_t limit_bytes);
/* min(2 x CPUs + 1, room), at least 1. */
unsigned workers_auto(unsigned cpus, unsigned room);
/* How a pool's command and environment want to listen. */
enum bind_hint { HINT_NONE, HINT_PORT, HINT_SOCKET, HINT_DESCRIPTOR, HINT_BOTH };
enum bind_hint bind_hint(const struct pool_config *pool);

#endif
