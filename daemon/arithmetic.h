/* SPDX-License-Identifier: MIT
 *
 * What `drover check` says of sizes: how many workers, why, and what that may need. Pure. */
#ifndef DROVER_DAEMON_ARITHMETIC_H
#define DROVER_DAEMON_ARITHMETIC_H

#include "base/buffer.h"
#include "base/cpus.h"
#include "base/memory_limit.h"
#include "config/config.h"

struct arithmetic {
    const struct config *config;
    struct cpus cpus;
    struct memory_state memory;
};

/* The machine's part, then a block for each pool; lines. */
void arithmetic_machine(struct buffer *page, const struct arithmetic *at);
void arithmetic_pool(struct buffer *page, const struct arithmetic *at, const struct pool_config *pool);

#endif
