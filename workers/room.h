/* SPDX-License-Identifier: MIT
 *
 * The memory that all fleets of an engine share. Private to workers/. */
#ifndef DROVER_WORKERS_ROOM_H
#define DROVER_WORKERS_ROOM_H

#include "workers/fit.h"
#include "workers/last_words.h"

struct fleet;
struct worker;

/* A fleet's part in it. */
struct fleet_room {
    struct room *room; /* NULL: memory bounds nothing */
    struct fit_size size;
    struct fit_most most;
    struct fit_ceiling ceiling;
    bool is_short;       /* another worker was wanted and did not fit; said once */
    uint64_t short_us;   /* since when, or since somebody last left */
    uint64_t stepped_us; /* when what is above was last looked at */
};

/* May another worker be started? What does not fit is logged and recorded, once until one fits again. */
bool room_lets_start(struct fleet *fleet);
/* Nothing has fitted for ten seconds, and nobody who leaves will make room. */
bool room_is_short_for_long(const struct fleet *fleet);
/* Does what a kill has taught leave a place for one more? */
bool room_has_seat(const struct fleet *fleet);
/* Not more than memory allows (`max: auto`) and than a kill has taught. */
unsigned room_bound(const struct fleet *fleet, unsigned most);
/* Its process is no more: why, as far as memory has to do with it. What is learned bounds the fleet from now on. */
enum ending room_on_exited(struct worker *worker, int status);
/* Nothing that was learned of a size counts any more: somebody set another. */
void room_forget(struct fleet *fleet);
void room_step(struct fleet *fleet, uint64_t now_us); /* at each tick */
void room_leave(struct fleet *fleet);

#endif
