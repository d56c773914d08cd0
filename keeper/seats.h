/* SPDX-License-Identifier: MIT
 *
 * What the keeper holds for a slot: its process, its endpoint, its output. One process at a time. */
#ifndef DROVER_KEEPER_SEATS_H
#define DROVER_KEEPER_SEATS_H

#include "config/config.h"
#include "keeper/child.h"
#include "keeper/endpoints.h"
#include "keeper/environment.h"
#include "keeper/output.h"

struct keeper;
struct poll_set;

struct seat {
    int slot;
    unsigned number;
    unsigned children; /* that it was started with; 0: its own business */
    pid_t pid;         /* 0: no process */
    char name[SLOT_NAME_MAX];
    struct config *config;          /* that `pool` is in; the seat's own reference */
    const struct pool_config *pool; /* as its process was started */
    struct endpoint endpoint;
    struct output output;
    uid_t uid;           /* as whom its process runs */
    bool awaits_socket;  /* its unix socket has not been seen and opened to the engine */
    bool is_ending;      /* while drover stops: it was sent the stop signal */
    uint64_t kill_by_ms; /* and the group is killed then */
};

/* Starts the worker of that pool and number in a free slot: slot's fields are written, its guard knows it. 0
 * or -errno, logged. `children`: how many workers of its own it begins with, in a pool with `signals`. */
int seat_start(struct keeper *keeper, int slot, const struct pool_config *pool, unsigned number,
               unsigned children);
void seat_signal(const struct seat *seat, int number); /* to the leader */
void seat_kill(const struct seat *seat);               /* KILL to the group */
/* Its leader ended (and is not reaped yet); `status` as waitpid gives it. */
void seat_ended(struct keeper *keeper, struct seat *seat, int status);
/* no process is there: its endpoint and all that is kept for it goes */
void seat_give_back(struct keeper *keeper, int slot);

struct seat *seats_find(struct keeper *keeper, pid_t pid);
unsigned seats_alive(const struct keeper *keeper);
void seats_add_to_poll(struct keeper *keeper, struct poll_set *set, uint64_t now_ms);
bool seats_open_sockets(struct keeper *keeper);          /* false: some are not there yet */
void seats_tick(struct keeper *keeper, uint64_t now_ms); /* once a second */
void seats_free(struct keeper *keeper);

/* The environment of a worker: drover's less what is drover's own, then the user's, PORT, SOCKET, WORKER or
 * LISTEN_FDS, then the pool's. Pure. */
void worker_environment(struct environment *environment, char *const *inherited,
                        const struct pool_config *pool, const char *name, const struct endpoint *endpoint,
                        const struct identity *user);
/* And for one with workers of its own how many it begins with, unless the pool's environment says. */
void worker_children(struct environment *environment, unsigned children);
/* worker_command_free */
char **worker_command(const struct pool_config *pool, const char *name, const struct endpoint *endpoint);
void worker_command_free(char **command);

#endif
