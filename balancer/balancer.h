/* SPDX-License-Identifier: MIT
 *
 * The door: who should answer. No sockets, no event loop, no I/O. Every function: any thread.
 *
 *   pool_take ----> PICK_TAKEN: a place is held -> pool_outcome (once: head or failure) -> place_release
 *        \--------> PICK_WAIT:  pool_wait -> waiter.on_granted (on the releasing thread) or pool_leave */
#ifndef DROVER_BALANCER_BALANCER_H
#define DROVER_BALANCER_BALANCER_H

#include "balancer/slots.h"
#include "base/address.h"
#include "base/list.h"
#include "config/config.h"

struct pool_shared;
struct tls_target;

/* A place that answers. Made by the control thread, one for each process of a worker (a replacement is
 * another backend in the same slot) or each address of a server; reference-counted; outlives snapshots. */
struct backend {
    /* constant */
    struct slots *slots;
    int slot;
    uint32_t generation; /* of the slot, for workers */
    unsigned weight;
    bool is_worker;
    char name[SLOT_NAME_MAX];
    uint64_t name_hash;
    char authority[ADDRESS_TEXT]; /* address as text, for logs */
    struct address address;
    struct tls_target *secure; /* it is spoken to by TLS; NULL: plain. Its own reference */
    /* Referenced; set by the first pool_new: a backend belongs to one pool and the sets that follow. */
    struct pool_shared *shared;

    /* Read by every choice, seldom written: a line of their own. Ejection (ejection.c): changed under the
     * pool's mutex. */
    _Alignas(64) _Atomic bool closed;  /* gets nothing new: dead, draining or removed */
    _Atomic uint32_t fails;            /* in the present window */
    _Atomic uint64_t window_us;        /* when it began */
    _Atomic uint64_t ejected_until_us; /* 0: not ejected */
    _Atomic uint32_t trial;            /* 1: the one trial request is under way */
    _Atomic uint32_t ejections;        /* in a row; an unfit probe counts as one more */
    /* local worker: a connect probe has to come before the trial; cleared by backend_probed */
    _Atomic uint32_t needs_probe;
    _Atomic uint32_t ejected_for_ms; /* how long an ejection is, as the pool's fail_timeout said */
    /* for slow_start; 0 = from the start of the engine: no ramp; an ejection's end begins it anew */
    _Atomic uint64_t joined_us;

    /* Written by the loops with every request. */
    _Alignas(64) _Atomic uint32_t references;
    _Atomic uint64_t head_us; /* when it last gave anybody a response head: set by pool_outcome */
    _Atomic uint64_t turn;    /* whose turn it is among equals of unequal weight (least_conn.c) */

    /* What the proxy learns about its keep-alive. */
    _Atomic uint32_t idle_limit_ms; /* idle links are closed after this; 0 = not known */
    /* reused links that closed under a request, in a row; from 3 on: fresh links only, for some time */
    _Atomic uint32_t stale_streak;
    _Atomic uint64_t stale_us;      /* when the last of them did */
    _Atomic uint32_t streams_limit; /* HTTP/2: that it takes at once on a link; 0 = not known */
};

struct backend *backend_new(struct slots *slots, int slot, const struct address *address, unsigned weight);
/* Before anybody else has it: it is spoken to by TLS. Takes a reference of its own. */
void backend_secure(struct backend *backend, struct tls_target *target);
struct backend *backend_ref(struct backend *backend);
void backend_unref(struct backend **backend);
/* Nothing new goes there, at once, whatever snapshot is in use. */
void backend_close(struct backend *backend);
bool backend_is_ejected(const struct backend *backend);
unsigned backend_requests(const struct backend *backend); /* in flight in its slot, all engines */
unsigned backend_tunnels(const struct backend *backend);
/* The connect probe's answer, to be asked for when ejected_until_us has come and needs_probe is set
 * (nothing else is decided by it). Fit: the next request is the trial, those who wait for it are moved by
 * the next pool_tick. Unfit: ejected for as long once more, and one more in a row. One thread calls this:
 * the control thread. */
void backend_probed(struct backend *backend, bool fit, uint64_t now_us);

/* A pool's backends and policy: an immutable set. The next set of the same pool shares `queue`, counters
 * and budget with this one.
 *
 * `concurrency` bounds requests + tunnels x target.concurrency / target.tunnels: a tunnel counts toward it
 * as it does in choosing, and a handshake, too, goes only to a worker that is below it. (With
 * target.tunnels 0 tunnels count for nothing.) A handshake that was answered like a plain request counts
 * whole from then on and may so stand above the bound, by itself, until it ends. */
struct pool {
    _Atomic uint32_t references;
    struct config *config_owner;
    const struct pool_config *config;
    struct slots *slots;
    unsigned engine; /* whose lanes its places are counted in */
    struct pool_shared *shared;
    /* What they add to a worker's load: tunnel_cost / request_cost = target.concurrency / target.tunnels. */
    uint64_t request_cost, tunnel_cost;
    uint64_t bound;                /* a worker whose load is this much is full; 0: never */
    bool has_weights;              /* they differ */
    bool is_even;                  /* they do not, and there is no slow_start */
    bool is_packed;                /* ties go to the lowest slot: the last ones can go idle and be let go */
    uint16_t *slot_numbers;        /* of the backends, packed for the scan */
    struct affinity_token *tokens; /* of the backends, in their order; NULL: without affinity */
    unsigned count;
    struct backend *backends[]; /* by number of their slot */
};

/* `previous` (may be NULL) is the set that this one follows: it must be of the same pool name; without one,
 * this set is published by its making. Takes its own references. A NULL `config`: the caller keeps
 * pool_config alive. */
struct pool *pool_new(struct config *config, const struct pool_config *pool_config, struct slots *slots,
                      unsigned engine, struct pool *previous, struct backend *const *backends,
                      unsigned count);
/* Before anybody else has it: each of its workers has so many of its own, for each of which `concurrency` is. */
void pool_widen(struct pool *pool, unsigned times);
struct pool *pool_ref(struct pool *pool);
void pool_unref(struct pool **pool);
/* This set is the one that freed places are handed out of, from now on; those who wait are served with what
 * it has free. */
void pool_publish(struct pool *pool, uint64_t now_us);
/* Once a second, control thread: the retry budget, and those in the queue whom no release would move: an
 * ejection's time is up, or the other engine freed something. */
void pool_tick(struct pool *pool, uint64_t now_us);

enum place_kind { PLACE_REQUEST, PLACE_TUNNEL };
struct place {
    struct backend *backend;    /* referenced; NULL: no place is held */
    struct pool_shared *shared; /* the backend's: lives as long */
    unsigned engine;
    enum place_kind kind;
    bool is_trial;
};

struct pick {
    enum place_kind kind;
    uint64_t hash;     /* of the client, header or cookie, when the pool's balance is hash */
    uint64_t affinity; /* whom the client's cookie names (affinity_read); 0: nobody */
    uint64_t now_us;
    struct backend *const *tried; /* not these again */
    unsigned tried_count;
};
enum pick_result { PICK_TAKEN, PICK_WAIT };
/* PICK_WAIT: every worker is full, or none is up, or others wait already. Takes from the set that is given,
 * without a lock (who is dead or draining is closed in every set at once); pool_wait and the queue take
 * from the newest published set. */
enum pick_result pool_take(struct pool *pool, const struct pick *pick, struct place *place);
/* The answer was not 101: the place turns from one of a tunnel into one of a request (place->kind). */
void place_becomes_request(struct place *place);
/* Gives the place up (nothing when none is held); hands it to the first in line when somebody waits. A
 * trial without an outcome was undecided. */
void place_release(struct place *place, uint64_t now_us);

/* WAIT_TAKEN: waiter->place is held, on_granted is not called. WAIT_FULL: the waiter was not queued. */
enum wait_result { WAIT_QUEUED, WAIT_TAKEN, WAIT_FULL };
enum waiter_state { WAITER_IDLE, WAITER_WAITING, WAITER_GRANTED };
struct waiter {
    struct list node;
    enum waiter_state state; /* guarded by the queue's mutex */
    struct pick pick;        /* tried must stay valid while waiting */
    struct place place;      /* once granted */
    uint64_t since_us;
    /* on the thread that freed the place, without locks held: post a message */
    void (*on_granted)(struct waiter *waiter);
};
enum wait_result pool_wait(struct pool *pool, struct waiter *waiter);
/* Leaves the queue. False: a place was granted already and its message is on its way; it belongs to who
 * receives that. */
bool pool_leave(struct pool *pool, struct waiter *waiter);
unsigned pool_queued(const struct pool *pool);
/* Whenever somebody joins the queue of this pool, whatever its set, with the queue's mutex held: to post a
 * message. NULL: nobody is told any more when this has returned. */
void pool_on_wait(struct pool *pool, void (*on_wait)(void *owner), void *owner);

enum outcome {
    OUTCOME_ANSWERED, /* one whole response head */
    OUTCOME_FAILED,   /* as behaviour.md section 4 defines a failure */
    OUTCOME_UNDECIDED /* the client went away, or our own doing: decides nothing, the next trial may go */
};
/* Once for each place. Ejects, ends an ejection, lets the next trial go; counts the slot's `requests` and
 * `fails`. */
void pool_outcome(struct pool *pool, struct place *place, enum outcome outcome, uint64_t now_us);
uint64_t pool_ejections(const struct pool *pool); /* ever, a failed trial counts as another */

/* For pools with affinity (affinity.c). A cookie's value says who answered its client; it tells nobody else
 * anything, and nobody else can make one. Who is named so is a worker's affinity number, which its
 * replacement inherits, or a server's address. */
#define AFFINITY_SIZE 22 /* characters of a value */
/* Whom this value names among this set's backends; 0: it is none of ours, or who it names is not there. */
uint64_t affinity_read(const struct pool *pool, struct slice value);
/* The value that names this backend, which may be of another set of the pool. Returns whom it names, 0 when
 * nobody can come back to it. */
uint64_t affinity_write(const struct pool *pool, const struct backend *backend, char value[AFFINITY_SIZE]);

/* The retry budget: a fifth of the last ten seconds' requests, at least 20. */
/* on that loop's thread; loop < LOOPS_MAX */
void pool_count_request(struct pool *pool, unsigned loop);
/* What the sizing of a pool looks at, all loops and sets together, ever: requests that pool_count_request
 * counted, and responses that took longer than target.p95 (counted on that loop's thread). */
uint64_t pool_arrivals(const struct pool *pool);
void pool_count_slow(struct pool *pool, unsigned loop);
uint64_t pool_slow(const struct pool *pool);
bool pool_may_retry(struct pool *pool, uint64_t now_us);

#endif
