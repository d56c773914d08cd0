/* SPDX-License-Identifier: MIT
 *
 * The loop's parts, for the files that make it up: loop.c (turns, watches, tasks, tickers), deadlines.c,
 * mailbox.c. */
#ifndef DROVER_BASE_LOOP_INTERNAL_H
#define DROVER_BASE_LOOP_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/loop.h"

#define DEADLINE_BUCKETS 64

struct mailbox {
    pthread_mutex_t lock; /* guards the queue and `closed` */
    struct message *first, **last;
    bool closed;
    int eventfd; /* readable while the queue may have something, or the loop shall look at `stopping` */
    struct watch watch;
};

struct loop {
    struct event_base *base;
    char name[16];
    _Atomic uint64_t turns; /* written by the loop's thread */
    _Atomic bool stopping;
    struct list soon, at_end;                          /* tasks */
    struct deadline_list *deadlines[DEADLINE_BUCKETS]; /* by duration, chained */
    unsigned deadline_lists;
    struct mailbox mailbox;
};

void deadlines_fini(struct loop *loop); /* what still runs is stopped without a call */

void mailbox_init(struct loop *loop);
void mailbox_open(struct loop *loop);  /* takes messages (again) */
void mailbox_close(struct loop *loop); /* takes no more, delivers what is there: on the loop's thread */
void mailbox_wake(struct loop *loop);  /* any thread */
void mailbox_fini(struct loop *loop);

#endif
