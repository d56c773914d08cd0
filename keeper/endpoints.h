/* SPDX-License-Identifier: MIT
 *
 * Where a worker listens: a port of 127.0.0.1 that is kept for its slot, a unix socket in a directory of
 * ours, or a listener that it inherits. */
#ifndef DROVER_KEEPER_ENDPOINTS_H
#define DROVER_KEEPER_ENDPOINTS_H

#include "config/config.h"
#include "keeper/identity.h"

struct endpoint {
    bool is_set;
    enum bind_kind kind;
    unsigned first_port; /* of the pool when this was made: 0 = any */
    unsigned port;       /* port, fd */
    int reserved; /* port: bound, not listening, so that nobody else gets the number between a process and the
                     next; -1: none */
    int listener; /* fd: of the present process; -1: none */
    char path[108]; /* unix: of the present process */
};

/* The directory of the workers' unix sockets, made before the first fork; `engine` (NULL: as we are) may
 * reach into it. On failure a line without "drover.yaml: " into `error`. */
bool endpoints_directory_make(pid_t keeper, const struct identity *engine, char *error, size_t room);
void endpoints_directory_remove(void); /* with what lies in it; harmless when there is none */

/* Ready for a new process of that slot. `user` (NULL: as we are) is the worker's. 0 or -errno. */
int endpoint_prepare(struct endpoint *endpoint, const struct pool_config *pool, unsigned number, int slot,
                     uint32_t generation, const struct identity *user);
/* Whether the engine's user may connect to the socket of a worker that runs as `worker`: its mode is the
 * worker's umask's, so it is widened as soon as it is there (only who may enter its directory is concerned).
 * False: it is not there yet. */
bool endpoint_is_open(const struct endpoint *endpoint, uid_t worker);
/* The listener is shut and the socket's file goes; the port stays ours. */
void endpoint_process_ended(struct endpoint *endpoint);
void endpoint_give_back(struct endpoint *endpoint); /* all of it */

#endif
