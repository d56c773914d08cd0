/* SPDX-License-Identifier: MIT
 *
 * How much memory this process and its children may really use, and how much of it is left: by the machine, and by the
 * limits of our cgroup (v1 and v2) and of all above it that can be seen.
 *
 * In use is what dropping caches would not give back: a cgroup's usage less its page cache that nobody has mapped (and
 * the slabs that can be reclaimed); of the machine MemTotal less MemAvailable. A cgroup of version 2 is limited by memory.high
 * too: beyond it its processes are made to wait. Swap is no memory: a pool that fits only with it is slow. */
#ifndef DROVER_BASE_MEMORY_LIMIT_H
#define DROVER_BASE_MEMORY_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

struct memory_place {
    uint64_t limit, used; /* bytes; limit UINT64_MAX: there is none */
    char from[256];       /* the file that says so */
};

struct memory_state {
    struct memory_place least; /* with the least limit */
    struct memory_place tight; /* with the least left: what counts for another process */
};

void memory_read(struct memory_state *state);
uint64_t memory_left(const struct memory_state *state);
uint64_t memory_limit(void); /* bytes; UINT64_MAX when nothing tells */

/* "512m": for people, rounded. */
#define MEMORY_TEXT 24
void memory_text(char into[MEMORY_TEXT], uint64_t bytes);

/* How many processes of our cgroup (and those below it, with version 2) the kernel has ended for want of memory so far;
 * of the whole machine where the cgroup does not tell. False: nobody tells. */
bool memory_kills(uint64_t *count);

/* The same below `root` instead of "": <root>/proc/meminfo, <root>/proc/self/cgroup and mountinfo, and the mounts (for
 * tests). */
void memory_read_below(struct memory_state *state, const char *root);
bool memory_kills_below(const char *root, uint64_t *count);

#endif
