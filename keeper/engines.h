/* SPDX-License-Identifier: MIT
 *
 * The engines: forks of the keeper that do the work. One in normal times; a second column is there for the
 * time when one drains while another serves. One that dies or hangs is replaced at once. */
#ifndef DROVER_KEEPER_ENGINES_H
#define DROVER_KEEPER_ENGINES_H

#include "balancer/slots.h"
#include "keeper/orders.h"

#define ENGINE_BEATS (LOOPS_MAX + 1)

struct keeper;
struct poll_set;

struct engine {
    struct keeper *keeper;
    unsigned column; /* also its place in engines.all */
    pid_t pid;       /* 0: none */
    int orders;      /* the keeper's end; -1: none */
    uint64_t started_ms;
    bool was_serving; /* it has said ORDER_SERVING */
    bool is_drained;  /* it has said ORDER_DRAINED */
    /* Heartbeats: what was seen, and for how many seconds in a row it stood still. */
    uint64_t seen[ENGINE_BEATS];
    unsigned still[ENGINE_BEATS];
};

struct engines {
    struct engine all[ENGINES_MAX];
    unsigned quick_deaths; /* in a row: each within seconds of its start */
    uint64_t start_at_ms;  /* the next one is started then; UINT64_MAX: one is there */
    bool ever_served;      /* one of them came as far as serving */
};

void engines_init(struct keeper *keeper);
bool engines_start(struct keeper *keeper, bool is_replacement); /* one more, in a free column */
void engines_step(struct keeper *keeper, uint64_t now_ms);      /* starts the one that is due */
void engines_tick(struct keeper *keeper);                       /* once a second: heartbeats */
struct engine *engines_find(struct keeper *keeper, pid_t pid);
struct engine *engines_serving(struct keeper *keeper); /* the one that decides; NULL: none lives */
unsigned engines_alive(const struct keeper *keeper);
void engines_add_to_poll(struct keeper *keeper, struct poll_set *set);

/* It ended and is about to be reaped. */
void engine_ended(struct keeper *keeper, struct engine *engine, int status);
void engine_kill(struct engine *engine);
/* An engine that does not take what it is told is killed. */
bool engine_tell(struct engine *engine, const struct order *news, const int *fds, unsigned fd_count);
void engines_tell(struct keeper *keeper, const struct order *news);
bool engines_are_drained(const struct keeper *keeper); /* all that live */

#endif
