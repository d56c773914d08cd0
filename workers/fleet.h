/* SPDX-License-Identifier: MIT
 *
 * The door: the fleet of a launched pool. It compares the workers that are wanted with those that are
 * present, orders a start or a stop from the keeper, and says by callback what changed. Control thread
 * only. It knows no sockets and no probes: who owns it asks whether a worker is ready (on_probe_wanted)
 * and tells (fleet_worker_ready). */
#ifndef DROVER_WORKERS_FLEET_H
#define DROVER_WORKERS_FLEET_H

#include "balancer/balancer.h"
#include "base/loop.h"
#include "config/config.h"

#define FLEET_DECISIONS     200 /* that are kept */
#define FLEET_DECISION_TEXT 512 /* room for one in words */

struct fleet;
struct room; /* the memory that fleets share */

/* What a pool is asked, as its balancer counts it. */
struct fleet_load {
    uint64_t arrivals, slow; /* ever */
    unsigned waiting;
    /* Or as its app reports it (`measure: statsd`), and what the slots hold says nothing: */
    bool is_reported;
    uint64_t ended, held_us; /* ever: requests, and the time that they took */
    bool is_live;            /* some are likely under way */
};

/* What was decided. */
enum fleet_decision_kind {
    DECISION_SIZE,      /* how many are wanted */
    DECISION_RETIRE,    /* who goes when there are too many */
    DECISION_RECYCLE,   /* whose time is over: requests, age, memory */
    DECISION_EJECTION,  /* who failed too often and is out of the choice for a while */
    DECISION_REPLACE,   /* who is to be replaced: ejected twice in a row, drained by hand */
    DECISION_ROLLOUT,   /* all of the pool: begun, done, frozen */
    DECISION_MEMORY,    /* what does not fit is not started; what a kill for memory has taught */
    DECISION_REBALANCE, /* whose tunnels are moved to others */
    DECISION_KINDS
};
const char *fleet_decision_kind_word(enum fleet_decision_kind kind);

/* A decision and the numbers that made it. */
struct fleet_decision {
    uint64_t wall_us;
    enum fleet_decision_kind kind;
    const char *why;            /* a constant word */
    char worker[SLOT_NAME_MAX]; /* whom it is about; empty: the pool */
    char text[400];             /* its numbers in words; DECISION_SIZE: empty, they are below */
    unsigned before, wanted;
    bool is_measured; /* else by hand, and the rest is 0 */
    bool is_dry;      /* not acted on */
    double rate, service, load, places, draining;
    unsigned waiting, tunnels, concurrency, span_ms, needed, ready, starting, boot_ms, idle_ms, min, max;
};

/* Ever, of this engine. */
struct fleet_counters {
    uint64_t starts; /* processes */
    uint64_t
        failed_starts; /* could not be started, ended before they were ready, or were not ready in time */
    uint64_t exits, crashes; /* all ends, and those that nobody had ordered */
    uint64_t decisions[DECISION_KINDS];
};

/* How often this was decided, ever, of this engine. */
struct fleet_tally {
    enum fleet_decision_kind kind;
    const char *why;
    uint64_t count;
};

struct fleet_callbacks {
    /* The set of healthy workers changed: make the next pool of fleet_backends and publish it. Always the
     * last call of whatever happened: an empty fleet may be freed here. */
    void (*on_members)(struct fleet *fleet, void *owner);
    /* A process was started (or adopted while starting): probe it until it answers, then call
     * fleet_worker_ready with this slot and generation. Again with wanted = false when that has become
     * pointless. */
    void (*on_probe_wanted)(struct fleet *fleet, int slot, uint32_t generation, const struct address *address,
                            bool wanted, void *owner);
    /* Close the tunnels of this backend, the oldest first and at most so many, with close code 1012, spread
     * over `over_ms`: its drain_tunnel is over or nearly, or it holds more than its share. */
    void (*on_close_tunnels)(struct fleet *fleet, struct backend *backend, unsigned most, unsigned over_ms,
                             void *owner);
    /* Idle links to it are to be closed: it leaves or is dead. */
    void (*on_backend_gone)(struct fleet *fleet, struct backend *backend, void *owner);
};

/* Adopts whatever processes the slot table shows for this pool (an engine before this one started them):
 * the healthy ones are fleet_backends at once, and how many there are counts as scaled by hand when the
 * file says another number. Takes a reference to config. Nothing is called back and nothing is started
 * before the first fleet_tick, which calls on_members in any case. `orders` is the descriptor of orders.h.
 * A worker and its replacement are in different slots: with four wanted, the replacement of web.2 is web.5
 * (the lowest free number). */
struct fleet *fleet_new(struct loop *loop, struct config *config, const struct pool_config *pool,
                        struct slots *slots, int orders, pid_t keeper,
                        const struct fleet_callbacks *callbacks, void *owner);
/* A background pool of one worker, a scheduler say: never are there two processes at a time, so that the old one goes
 * first when it is replaced. */
bool fleet_is_single(const struct fleet *fleet);
/* A pool that comes after others (pool->after) and of which nothing runs yet starts nothing before fleet_begin. */
bool fleet_is_held(const struct fleet *fleet);
void fleet_begin(struct fleet *fleet);
/* Whoever comes after it may start: it has a ready worker, or is at zero on purpose. */
bool fleet_is_up(const struct fleet *fleet);
void fleet_free(struct fleet **fleet); /* stops nothing: the workers are the keeper's */
/* The pool in a newly adopted configuration; workers whose command etc. changed are replaced one by one,
 * new one ready first. When a replacement does not become ready, no other is replaced until the next
 * fleet_adopt. An abandoned fleet whose pool is in the file again goes on. */
void fleet_adopt(struct fleet *fleet, struct config *config, const struct pool_config *pool);
/* No longer in the file: drains and stops all, then calls on_members for the last time with none left:
 * fleet_is_empty. */
void fleet_abandon(struct fleet *fleet);
bool fleet_is_empty(const struct fleet *fleet);

const char *fleet_name(const struct fleet *fleet);
const struct pool_config *fleet_config(const struct fleet *fleet);
unsigned fleet_wanted(const struct fleet *fleet);
bool fleet_is_overridden(const struct fleet *fleet); /* by `drover scale` */
/* Until fleet_scale_clear, or until `workers` of the pool changes in the file. Between two numbers the pool follows
 * the demand. */
void fleet_scale(struct fleet *fleet, unsigned min, unsigned max);
void fleet_scale_clear(struct fleet *fleet);
/* Replaces all of the pool's processes, one by one; what is under way begins anew. `surge`: the new one is ready before
 * the old one leaves; else the old one goes first and the pool is never more than one short. When a new one does not
 * become ready, no other is replaced and the old ones go on. */
void fleet_restart(struct fleet *fleet, bool surge);
/* What became of the last round through the pool, by fleet_restart or fleet_adopt (NONE when that had nobody to
 * replace). *text says it when it is over: borrowed until the next call. */
enum fleet_rollout { ROLLOUT_NONE, ROLLOUT_GOING, ROLLOUT_DONE, ROLLOUT_FROZEN };
enum fleet_rollout fleet_rollout(const struct fleet *fleet, const char **text);
/* Starts another worker in its place, then retires this one. False: no such worker. */
bool fleet_drain(struct fleet *fleet, unsigned number);
/* The healthy ones, by slot number: borrowed until the next change. */
struct backend *const *fleet_backends(const struct fleet *fleet, unsigned *count);

/* A pool with `signals`: how many workers of their own its members have ready at least, for each of which `concurrency` is
 * (pool_widen). Others: 1. When it changes on_members is called. */
unsigned fleet_breadth(const struct fleet *fleet);

/* Does it follow the demand, and between which numbers? */
bool fleet_is_sized(const struct fleet *fleet, unsigned *min, unsigned *max);
/* At zero on purpose, or the first worker is on its way because somebody came. */
bool fleet_is_resting(const struct fleet *fleet);
/* Before each fleet_tick, and when somebody has to wait. Nothing happens when the pool does not follow the demand. */
void fleet_observe(struct fleet *fleet, const struct fleet_load *load, uint64_t now_us);
/* The kept decisions, oldest first: NULL when there is no such one. */
const struct fleet_decision *fleet_decision_at(const struct fleet *fleet, unsigned index);
void fleet_decision_text(const struct fleet_decision *decision, const char *pool, char *into, size_t size);
const struct fleet_counters *fleet_counters(const struct fleet *fleet);
/* The decisions by kind and reason: NULL when there is no such row. */
const struct fleet_tally *fleet_tally_at(const struct fleet *fleet, unsigned index);

/* --- memory --- */

/* One for all fleets of an engine; outlives them. `root` goes before /proc and the cgroups' mounts: "" but in tests. */
struct room *room_new(const char *root);
void room_free(struct room **room);
/* From now on no worker is started that would not fit beside those of the others. Before the first fleet_tick. */
void fleet_share_room(struct fleet *fleet, struct room *room);
/* What memory keeps the fleet from, now; false: nothing. */
bool fleet_memory_note(const struct fleet *fleet, char *into, size_t size);

/* What the world tells it. */
void fleet_worker_ready(struct fleet *fleet, int slot, uint32_t generation);
/* A live probe's verdict: out of the choice, and back. */
void fleet_worker_unfit(struct fleet *fleet, int slot, uint32_t generation, const char *why);
void fleet_worker_fit(struct fleet *fleet, int slot, uint32_t generation);
bool fleet_worker_is_unfit(const struct fleet *fleet, int slot); /* healthy by its state all the same */
/* How often in a row it was ejected by now; 0: it is not. May be said again and again. Twice: true, it is replaced,
 * the new one first. */
bool fleet_worker_ejected(struct fleet *fleet, int slot, uint32_t generation, unsigned in_a_row);
void fleet_on_started(struct fleet *fleet, int slot, uint32_t generation, pid_t pid);
void fleet_on_start_failed(struct fleet *fleet, int slot, int error);
void fleet_on_exited(struct fleet *fleet, int slot, uint32_t generation, int status);
/* Periodic: several times a second. Ends of drains, time-outs, backoffs. */
void fleet_tick(struct fleet *fleet, uint64_t now_us);
/* For a stop of drover: nothing is started any more. */
void fleet_freeze(struct fleet *fleet);

#endif
