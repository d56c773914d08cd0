/* SPDX-License-Identifier: MIT
 *
 * What the parts of the parent process share: one struct, owned by keeper_run, one thread. Private to this
 * folder. */
#ifndef DROVER_KEEPER_PARENT_H
#define DROVER_KEEPER_PARENT_H

#include <poll.h>
#include <signal.h>
#include <sys/resource.h>

#include "keeper/engines.h"
#include "keeper/guard.h"
#include "keeper/keeper.h"
#include "keeper/listeners.h"
#include "keeper/reload.h"
#include "keeper/seats.h"

enum stage {
    STAGE_RUNNING,
    STAGE_DRAINING,       /* the engines finish what they hold */
    STAGE_ENDING_WORKERS, /* TERM was sent to each worker's leader */
    STAGE_ENDING_ENGINES, /* no worker is left; the engines go */
    STAGE_DONE,
};

struct stopping {
    uint64_t drained_by_ms; /* workers are stopped then at the latest */
    uint64_t ordered_by_ms; /* until then a pool waits for those that come after it */
    uint64_t killed_by_ms;  /* what is left of the workers is killed then at the latest */
    uint64_t over_by_ms;    /* the keeper ends then whatever is left */
    uint64_t engines_by_ms; /* engines that were told to end are killed then */
    bool was_cut;           /* a second signal came while an engine still held something */
};

struct keeper {
    const struct keeper_options *options;
    struct config *config; /* in force */
    struct slots *slots;
    struct ticket_keys *tickets;
    uint64_t started_us;
    pid_t pid;
    struct rlimit files; /* as drover was started; drover itself may open all that the hard limit allows */
    int signals;         /* signalfd */
    enum stage stage;
    struct stopping stopping;

    unsigned listener_count; /* as config->listen_count */
    struct listener *listeners;
    struct listener admin, control, statsd;
    int access_log; /* -1: off or stdout */

    struct guard guard;
    struct engines engines;
    struct seat *seats[SLOTS_MAX]; /* NULL: no process was ever asked for there */
    struct reload reload;
    bool failed;        /* what ends it is a failure: status 1 */
    uint64_t ticked_ms; /* when the once-a-second work was last done */
};

/* obey.c: one order of an engine; descriptors that came with it are closed here. */
void keeper_obey(struct keeper *keeper, struct engine *engine, const struct order *order, const int *fds,
                 unsigned fd_count);

/* stopping.c */
void stopping_begin(struct keeper *keeper); /* as TERM; the second time: now */
void stopping_step(struct keeper *keeper, uint64_t now_ms);
/* when step has to be called; UINT64_MAX: an event will tell */
uint64_t stopping_next_ms(const struct keeper *keeper);

/* The set that the turn's poll waits for. */
struct poll_set;
void poll_set_add(struct poll_set *set, int fd, void (*on_readable)(void *argument), void *argument);

#endif
