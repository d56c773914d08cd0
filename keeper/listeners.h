/* SPDX-License-Identifier: MIT
 *
 * Listening sockets: made and kept by the keeper, served by engines. */
#ifndef DROVER_KEEPER_LISTENERS_H
#define DROVER_KEEPER_LISTENERS_H

#include <sys/stat.h>

#include "config/config.h"
#include "keeper/keeper.h"

struct listener {
    struct address address;
    struct listener_sockets sockets;
    dev_t device; /* unix: which file it is, so that another drover's is never removed */
    ino_t inode;
};

/* Each opens and returns true, or closes all that it opened and says why: one line "KEY: what and why" into
 * `error`. */
bool listener_open(struct listener *listener, const struct address *address, unsigned sockets,
                   const char *key, char *error, size_t room);
bool listener_open_control(struct listener *listener, const char *path, char *error, size_t room);
bool listener_open_datagrams(struct listener *listener, const struct address *address, char *error,
                             size_t room); /* `statsd` */
/* Closes the keeper's descriptors; a unix socket's file goes too. Harmless when not open. */
void listener_close(struct listener *listener);

/* A listener for each `listen:` of `next`: those of `present` whose address is the same are moved over and
 * stand in `present` with no sockets, the rest is new. False: nothing was moved and nothing is left open. The
 * result is the caller's (mem_free). */
struct listener *listeners_for(const struct config *next, struct listener *present, unsigned present_count,
                               char *error, size_t room);
unsigned listener_sockets_wanted(const struct config *config); /* a listener's count of sockets */

#endif
