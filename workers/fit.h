/* SPDX-License-Identifier: MIT
 *
 * How many workers fit into the memory that there is. Pure: no clock, no I/O. Sizes are bytes. */
#ifndef DROVER_WORKERS_FIT_H
#define DROVER_WORKERS_FIT_H

#include <stdbool.h>
#include <stdint.h>

#define FIT_HOLD_US UINT64_C(600000000) /* what was learned holds so long */

/* Of all pools together. */
struct fit_world {
    uint64_t limit; /* of the place with the least left; UINT64_MAX: none is known */
    uint64_t left;  /* there, now */
};

/* One pool. A worker that starts has not taken yet what it will. */
struct fit_pool {
    uint64_t bound;   /* memory.pool; 0: none */
    uint64_t each;    /* what one of its workers is taken to need */
    unsigned running; /* processes that are there or ordered, also those that leave */
    uint64_t held;    /* by them, as measured; those that start too */
    uint64_t growing; /* that those that start have still to take */
    unsigned lacking; /* of its least size */
};

/* Kept free, so that the last start does not take the last byte: a twentieth of the limit, 256m at most. */
uint64_t fit_kept_free(uint64_t limit);
/* For another worker of pools[at]. One that has its least size leaves room for what others lack of theirs. */
uint64_t fit_room(const struct fit_world *world, const struct fit_pool *pools, unsigned count, unsigned at);
/* May one be started? A pool without any always may: better one that is tried than none. */
bool fit_another(const struct fit_world *world, const struct fit_pool *pools, unsigned count, unsigned at);
/* (Limit less what is not workers of this pool) / what one needs, if one needed `percent` of `each`; at least 1. */
unsigned fit_allows(const struct fit_world *world, const struct fit_pool *pools, unsigned count, unsigned at,
                    unsigned percent);

/* What a worker needs: the largest that was seen in the last ten minutes, or is there now. */
struct fit_size {
    uint64_t bytes; /* 0: none was seen yet */
    uint64_t seen_us;
};
void fit_learn(struct fit_size *size, uint64_t largest_now, uint64_t now_us);

/* `max: auto` over time: down when memory has allowed fewer for half a minute, up when it would allow more even if workers
 * were a tenth larger; at once when the first worker was measured. */
struct fit_most {
    unsigned most;
    bool is_begun, is_measured;
    uint64_t lower_since_us; /* 0: it is not */
};
/* True when it is another than before. */
bool fit_follow(struct fit_most *most, unsigned allows, unsigned allows_larger, bool is_measured,
                uint64_t now_us);

/* After a kill for want of memory: at most as many as were left, for ten minutes after the last kill, then one more every
 * ten minutes until it bounds nothing. */
struct fit_ceiling {
    unsigned most; /* 0: there is none */
    uint64_t until_us;
};
void fit_lower(struct fit_ceiling *ceiling, unsigned others, uint64_t now_us);
/* `wanted`: the most that would be started without it. True when it changed. */
bool fit_lift(struct fit_ceiling *ceiling, unsigned wanted, uint64_t now_us);

#endif
