/* SPDX-License-Identifier: MIT
 *
 * The slot table: one MAP_SHARED anonymous mapping that the keeper makes before its first fork; the keeper
 * and every engine see the same memory. A slot is a worker's (or a fixed server's) numbered place in its
 * pool: web.3. Its counts, name and port outlive the process in it, and an engine that crashes. Nothing in
 * here is a pointer.
 *
 * The places that are taken at a slot are one 64-bit word with a lane for each engine and kind, so that
 * choosing and taking is one compare-and-swap that is exact across all loops and both engines, and an
 * engine's lanes can be zeroed when it dies:
 *
 *     63      48 47      32 31      16 15       0
 *     | tunnels 1 | requests 1 | tunnels 0 | requests 0 |        (engine 1)          (engine 0) */
#ifndef DROVER_BALANCER_SLOTS_H
#define DROVER_BALANCER_SLOTS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SLOTS_MAX       1024
#define ENGINES_MAX     2
#define LOOPS_MAX       64
#define OVERRIDES_MAX   64 /* as many as there may be pools */
#define LANE_MAX        65535u
#define SLOT_NAME_MAX   80
#define SLOT_OUTPUT_MAX 4096

/* behaviour.md section 7; `ejected` is the balancer's word, not a state of the process. */
enum worker_state {
    WORKER_ABSENT, /* nobody sits in the slot */
    WORKER_STARTING,
    WORKER_HEALTHY,
    WORKER_DRAINING, /* gets nothing new, finishes what it has */
    WORKER_STOPPING, /* was sent the stop signal */
    WORKER_BACKOFF,  /* died; the next start waits */
};

/* Who sent a SIGKILL. */
enum ending {
    ENDING_PLAIN,   /* nobody did, or we */
    ENDING_UNKNOWN, /* somebody; the kernel does not say whether it was for memory */
    ENDING_OUTSIDE, /* somebody, and not for memory */
    ENDING_MEMORY,  /* the kernel, for want of memory */
};

struct slot {
    /* Written once by who claims it (slots_claim), before `claimed` is 2; constant until slots_release. */
    _Atomic uint32_t claimed; /* 0 free, 1 being claimed, 2 in use */
    bool is_worker;           /* else a fixed server */
    unsigned number;          /* 1 ... ; servers: 1 ... in order of appearance */
    char pool[64];
    char name[SLOT_NAME_MAX]; /* "web.3" */

    /* Written by the keeper. */
    _Alignas(64) _Atomic int32_t pid; /* 0: no process */
    _Atomic uint32_t generation;      /* counts the processes that sat here */
    _Atomic uint64_t started_us;      /* monotonic */
    _Atomic uint32_t port;            /* reserved for this slot; 0 = none */
    _Atomic int32_t exit_status;      /* of the last process, as waitpid gives it */

    /* Written by the control thread of the engine that decides. */
    _Alignas(64) _Atomic uint32_t state; /* enum worker_state */
    _Atomic uint64_t state_since_us;
    _Atomic uint32_t crashes;     /* in a row, for the backoff */
    _Atomic uint32_t retiring;    /* enum fate of the fleet: what is to become of it */
    _Atomic uint32_t is_outdated; /* its process was started from an older file's command, environment ... */
    _Atomic uint32_t children;    /* workers of its own, and 1; 0 = not counted */
    _Atomic uint64_t memory;      /* proportional set size, bytes; 0 = not measured */
    _Atomic uint64_t requests_before; /* of `requests`: answered by the processes before this one */
    _Atomic uint32_t exit_reason;     /* of the last process: enum ending */
    _Atomic uint64_t exit_memory;     /* what it held when it was killed for memory */
    _Atomic uint32_t affinity; /* by which clients that stay know it; a replacement inherits it; 0: none */

    /* Written by the loops. */
    _Alignas(64) _Atomic uint64_t requests; /* heads that were answered, ever */
    _Atomic uint64_t fails;                 /* failures as section 4 defines them, ever */

    /* Written by the keeper: the last lines of output, oldest first, each ended by \n; begins at a line's
     * start. */
    _Alignas(64) _Atomic uint32_t output_size;
    char output[SLOT_OUTPUT_MAX];
};

/* A pool that was scaled by hand, and what the file said then. Written by the control thread of the engine that
 * decides. */
struct slot_override {
    _Atomic uint32_t claimed; /* as slot.claimed */
    char pool[64];
    _Atomic uint32_t min, max; /* max 0: nothing */
    _Atomic uint32_t file_min, file_max, file_is_sized;
};

struct engine_column {
    _Alignas(64) _Atomic int32_t pid; /* 0: free */
    _Atomic uint32_t connections;     /* client connections open, all loops */
    _Atomic uint32_t serving;         /* 1: accepts */
    _Atomic uint32_t loops;           /* how many beats below count: loops + the control thread (beat 0) */
    _Atomic uint64_t beats[LOOPS_MAX + 1]; /* monotonic ms of each thread's last sign of life */
};

struct slots {
    struct engine_column engines[ENGINES_MAX];
    _Alignas(64) unsigned char affinity_key[32]; /* random, made with the mapping; constant */
    _Alignas(64) _Atomic uint32_t engine_starts; /* ever; written by the keeper */
    /* 0: nobody claims; else since when and who (slots.c) */
    _Alignas(64) _Atomic uint64_t claiming;
    _Alignas(64) _Atomic uint64_t counts[SLOTS_MAX];
    struct slot slot[SLOTS_MAX];
    struct slot_override overrides[OVERRIDES_MAX];
};

struct slots *slots_new(void); /* the mapping, zeroed */
void slots_free_all(struct slots **slots);

/* The slot of that pool and number, claimed now when it is free so far; -1 when the table is full or the
 * pool's name is 64 bytes or longer. Any process, any thread. `generation` goes on from whoever was in the
 * slot before; all else begins at 0. */
int slots_claim(struct slots *slots, const char *pool, unsigned number, bool is_worker);
int slots_find(const struct slots *slots, const char *pool, unsigned number, bool is_worker);
/* nobody sits in it and nothing is held there */
void slots_release(struct slots *slots, int index);
/* What was kept of that pool's scaling by hand; NULL: nothing, or (`claims`) the table is full. */
struct slot_override *slots_override(struct slots *slots, const char *pool, bool claims);
void slots_override_release(struct slots *slots, const char *pool);
/* An engine died: what it held is free, its `connections` and `serving` are 0. `pid` is left to who watches
 * the engines. */
void slots_zero_column(struct slots *slots, unsigned engine);

static inline unsigned counts_requests(uint64_t word)
{
    return (unsigned)(word & 0xffff) + (unsigned)(word >> 32 & 0xffff);
}
static inline unsigned counts_tunnels(uint64_t word)
{
    return (unsigned)(word >> 16 & 0xffff) + (unsigned)(word >> 48);
}

#endif
