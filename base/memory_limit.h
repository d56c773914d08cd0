/* SPDX-License-Identifier: MIT
 *
 * How much memory this process and its children may really use: the smaller of the machine's and the cgroup's
 * limit (v1 and v2), along the whole chain of cgroups. */
#ifndef DROVER_BASE_MEMORY_LIMIT_H
#define DROVER_BASE_MEMORY_LIMIT_H

#include <stdint.h>

uint64_t memory_limit(void); /* bytes; UINT64_MAX when nothing tells */
/* The same below `root` instead of "": <root>/proc/meminfo, <root>/proc/self/cgroup, <root>/sys/fs/cgroup
 * (for tests). */
uint64_t memory_limit_under(const char *root);

#endif
