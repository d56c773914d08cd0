/* SPDX-License-Identifier: MIT
 *
 * The fleet's parts, for the files that make it up: fleet.c (present and wanted), follow.c and by_hand.c (how
 * many), replace.c (who is to be replaced), rollout.c (how), decisions.c (what is kept of it), worker.c (one
 * life). */
#ifndef DROVER_WORKERS_FLEET_INTERNAL_H
#define DROVER_WORKERS_FLEET_INTERNAL_H

#include "keeper/orders.h"
#include "workers/decisions.h"
#include "workers/fleet.h"
#include "workers/rebalance.h"
#include "workers/recycler.h"
#include "workers/room.h"
#include "workers/sizer.h"
#include "workers/steer.h"

/* What is to become of a worker. Kept in slot->retiring, so that an engine that comes after a crash goes
 * on with it. */
enum fate {
    FATE_STAYS = 0,
    FATE_GOES = 1,           /* leaves the choice, drains, is stopped, and its slot is free */
    FATE_UNTIL_REPLACED = 2, /* goes when another one is ready in its place */
    FATE_REPLACES = 3,       /* came for one of those; counts as one of the pool from when it is ready */
    FATE_UNTIL_RENEWED = 4,  /* when it is its turn: drained and stopped, and another starts in its slot */
    FATE_RENEWS = 5,         /* it is its turn: until the next process in the slot is ready */
};

/* One slot of the pool that is in use, and the process in it. Owned by the fleet. */
struct worker {
    struct fleet *fleet;
    int index; /* of the slot */
    struct slot *slot;
    enum worker_state state; /* assigned by enter() in worker.c only */
    enum fate fate;          /* by worker_set_fate only */
    uint64_t since_us;       /* in this state */
    uint64_t due_us;         /* starting: given up; backoff: started again; stopping: killed. 0: never */
    uint32_t generation;
    pid_t pid;               /* 0: none; else the keeper said that there is one: the generation is its own */
    struct backend *backend; /* of this process, NULL when there is none */
    bool is_probed;          /* its owner was asked to find out when it is ready */
    bool is_unfit;           /* by a live probe */
    bool is_replaced_asked;  /* not for the configuration: by `drover drain`, or ejected twice */
    bool was_killed;         /* by us */
    bool tunnels_told;       /* their end was ordered */
    unsigned ejections_seen; /* in a row */
    struct wear wear;        /* of its process */
    uint64_t answered_seen;  /* of slot->requests */
    int replaces;            /* FATE_REPLACES: the slot of the one it came for */
    /* In a pool with `signals`: */
    unsigned started_with;    /* workers of its own that it was told to start */
    unsigned children, young; /* what is counted; of them those that have not booted yet */
    bool is_counted, is_deaf_told;
    struct steer steer;
    /* What its process was started from; NULL: an older configuration, nobody knows which. */
    struct config *made_by;
    const struct pool_config *made_as;
};

/* The last round through all of the pool. */
struct rollout {
    enum fleet_rollout phase;
    uint64_t since_us;
    unsigned done;
    char text[300]; /* what came of it */
};

struct fleet {
    uint32_t tag;
    struct config *config;
    const struct pool_config *pool;
    struct slots *slots;
    int orders;
    pid_t keeper;
    struct fleet_callbacks callbacks;
    void *owner;

    const char *proc;  /* "/proc" */
    struct loop *loop; /* NULL in tests */
    struct deadline look_again;
    unsigned breadth; /* as on_members was last told */
    bool is_uncounted_told;

    bool is_overridden;
    unsigned override_min, override; /* from, to */
    struct sizer *sizer;             /* NULL: it never followed the demand */
    unsigned boot_ms;                /* measured; 0: not yet */
    struct decisions decisions;
    struct fleet_room room;
    struct rebalance_memory rebalance;
    bool is_frozen, is_abandoned;
    bool is_held;        /* until those that its pool comes after are up */
    bool is_announced;   /* on_members was called for the first time */
    bool was_empty_told; /* on_members for the last time */
    bool table_full_told;
    unsigned failed_replacements; /* in a row */
    uint64_t replace_after_us;    /* no other is tried before */
    struct rollout rollout;
    struct recycler recycler;

    struct worker **workers; /* by slot number */
    unsigned count;
    struct backend **members; /* what on_members was last called for */
    unsigned member_count;
    uint64_t measured_us;     /* when the last process was measured */
    uint64_t measure_cost_us; /* what that took */
    unsigned measured;        /* which one */
};

/* worker.c */
struct worker *worker_new(struct fleet *fleet, int index);
void worker_free(struct worker **worker);      /* leaves the process alone */
void worker_set_origin(struct worker *worker); /* its process is as the present configuration says */
void worker_set_fate(struct worker *worker, enum fate fate);
void worker_start(struct worker *worker);                             /* orders a process */
void worker_order(const struct worker *worker, enum order_kind kind); /* about its process */
/* A process that an engine before this one started, or what is left of it. Calls nothing back: the next
 * tick does. */
void worker_adopt(struct worker *worker);
void worker_on_started(struct worker *worker, uint32_t generation, pid_t pid);
void worker_on_start_failed(struct worker *worker, int error);
void worker_on_ready(struct worker *worker);
void worker_on_exited(struct worker *worker, int status);
void worker_retire(struct worker *worker); /* out of the choice, drained, stopped */
void worker_renew(
    struct worker *worker); /* the same, then another process in its slot, proven (FATE_RENEWS) */
void worker_tick(struct worker *worker, uint64_t now_us);
bool worker_serves(const struct worker *worker);    /* ready, and none of those that go */
bool worker_is_member(const struct worker *worker); /* requests may go there */
bool worker_is_over(const struct worker *worker);   /* gone, and nothing is held in its slot */
bool worker_counts(const struct worker *worker);    /* as one of the wanted */

/* replace.c: who is to be replaced. */
void replace_later(struct worker *worker);  /* for another reason than the configuration */
void replace_outdated(struct fleet *fleet); /* the configuration is another */

/* rollout.c: one is replaced at a time. */
bool rollout_is_quiet(const struct fleet *fleet);         /* nobody is to be replaced */
bool rollout_is_crowded(const struct fleet *fleet);       /* too many processes for another beside them */
void rollout_begin(struct fleet *fleet, const char *why); /* a round through all that are marked */
void rollout_resume(struct fleet *fleet);                 /* what an engine before this one began */
void rollout_forget(struct fleet *fleet);                 /* what came of the last one, unless it goes on */
void rollout_step(struct fleet *fleet);                   /* the next one when it is time */
void rollout_on_ready(struct worker *worker);             /* one that replaces or renews */
/* One of those did not become ready: nobody is replaced any more; the old ones go on. */
void rollout_on_failed(struct worker *worker, const char *why);
/* One that was to be replaced died: who came for it takes its place. */
void rollout_on_gone(struct worker *worker);
void rollout_cancel(struct worker *worker); /* nobody needs to come for it any more */

/* recycler.c: whose time is over. */
void recycler_measured(struct worker *worker, uint64_t bytes);
void recycler_step(struct fleet *fleet, uint64_t now_us);
/* measure.c: the memory of processes */
void measure_worker(struct worker *worker);
void measure_step(struct fleet *fleet, uint64_t now_us); /* the next one's, when it is time */

/* affinity.c: by which number clients that stay know a worker. A replacement inherits it; any other worker
 * gets the lowest that is free once it is ready, and keeps it through its crashes. */
void affinity_inherit(struct worker *replacement, const struct worker *old);
void affinity_settle(struct fleet *fleet); /* each member has one */

/* rebalance.c: tunnels of those who hold too many. */
void rebalance_tick(struct fleet *fleet, uint64_t now_us);

/* follow.c: how many the demand wants. */
void fleet_boot_took(struct fleet *fleet, unsigned took_ms);
unsigned fleet_most(const struct fleet *fleet); /* that may be wanted, whatever comes */
void follow_begin(struct fleet *fleet, unsigned present);

/* by_hand.c */
void by_hand_resume(struct fleet *fleet); /* what an engine before this one was told */
void by_hand_compare(struct fleet *fleet, const struct pool_config *next);
void by_hand_end(struct fleet *fleet);

/* signals.c */
bool fleet_is_steered(
    const struct fleet *fleet); /* one process with workers of its own, which are what is counted */
unsigned fleet_processes(const struct fleet *fleet); /* wanted */
void signals_count(struct fleet *fleet);
void signals_tick(struct fleet *fleet, uint64_t now_us);
void signals_look_again(void *fleet);
/* Those that have booted; *young: those that are about to. */
unsigned signals_present(const struct fleet *fleet, unsigned *young);

/* fleet.c */
void fleet_settle(struct fleet *fleet); /* the last act of whatever happened: present follows wanted */
struct worker *fleet_worker_at(const struct fleet *fleet, int index);
/* The worker whose present process is that one: what comes late about another is nobody's. */
struct worker *fleet_worker_of(const struct fleet *fleet, int index, uint32_t generation);
struct worker *fleet_worker_numbered(const struct fleet *fleet, unsigned number);
/* In the lowest free number; NULL when the table is full. */
struct worker *fleet_add_worker(struct fleet *fleet);

#endif
