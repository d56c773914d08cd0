/* SPDX-License-Identifier: MIT
 *
 * When a worker that has workers of its own (gunicorn) is told to have one more or one fewer. Pure.
 *
 * A signal says nothing back, two of a kind that are pending are one, and gunicorn drops some: so one is sent at a time, and the next
 * when its effect was seen, by counting. What the worker aims at is not known, only believed: the count that it was
 * last seen at, and each signal since. When the count stays another one for long enough (a signal was lost, HUP made it
 * forget, it was told by hand), that count is believed. */
#ifndef DROVER_WORKERS_STEER_H
#define DROVER_WORKERS_STEER_H

#include <stdbool.h>
#include <stdint.h>

enum steer_signal { STEER_NONE, STEER_MORE, STEER_FEWER };

struct steer { /* a plain value, all zero at first */
    bool is_begun;
    unsigned believed;
    unsigned count;      /* at the last look */
    unsigned lost;       /* times in a row that more was asked for and did not come */
    uint64_t changed_us; /* when the count, or what is believed, last changed */
    uint64_t fewer_us;   /* since when fewer are wanted; 0: not */
};

struct steer_look {
    uint64_t now_us;
    unsigned count, wanted;
    unsigned in_flight; /* requests, as far as known */
    unsigned leave_ms;  /* how long one that was told to go may take */
};

/* What is to be sent now. *was_lost: more were asked for and did not come; it is tried again, later and later. */
enum steer_signal steer_step(struct steer *steer, const struct steer_look *look, bool *was_lost);

#endif
