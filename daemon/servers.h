/* SPDX-License-Identifier: MIT
 *
 * The backends of a pool of fixed `servers:`. Names are resolved off the loops, again every TTL; each
 * address is a backend with a slot of its own; with `probe: path` each is under watch. Control thread
 * only. */
#ifndef DROVER_DAEMON_SERVERS_H
#define DROVER_DAEMON_SERVERS_H

#include "balancer/balancer.h"
#include "base/loop.h"
#include "base/resolver.h"
#include "config/config.h"

struct servers;

struct servers_callbacks {
    /* The backends or their fitness changed: at the end of a turn. */
    void (*on_members)(struct servers *servers, void *owner);
    /* Idle links to it are to be closed: its address is gone. */
    void (*on_backend_gone)(struct servers *servers, struct backend *backend, void *owner);
};

/* Literal addresses are there at once, names as soon as they are resolved. Takes a reference to config;
 * `resolver` must live longer. */
struct servers *servers_new(struct loop *loop, struct resolver *resolver, struct config *config,
                            const struct pool_config *pool, struct slots *slots,
                            const struct servers_callbacks *callbacks, void *owner);
void servers_free(struct servers **servers); /* leaves the slots: another engine may use them */
/* The pool in a newly adopted configuration; addresses that are still in it keep their slots, counts and
 * verdicts. */
void servers_adopt(struct servers *servers, struct config *config, const struct pool_config *pool);
/* No longer in the file: nothing new goes there; servers_is_empty when nothing is held and the slots are
 * free. servers_adopt takes it back. */
void servers_abandon(struct servers *servers);
bool servers_is_empty(const struct servers *servers);

/* The fit ones; and all, with their fitness. In order of their slots' numbers; borrowed until the next
 * on_members. */
struct backend *const *servers_backends(const struct servers *servers, unsigned *count);
struct backend **servers_all(const struct servers *servers, unsigned *count, const bool **is_fit);

#endif
