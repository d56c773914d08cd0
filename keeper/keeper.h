/* SPDX-License-Identifier: MIT
 *
 * The door of the parent process: it holds every listening socket and every child, and decides nothing about
 * traffic. Single-threaded, poll(2), no libevent: small and dull, so that it does not crash. */
#ifndef DROVER_KEEPER_KEEPER_H
#define DROVER_KEEPER_KEEPER_H

#include "balancer/slots.h"
#include "base/ticket_keys.h"
#include "config/config.h"
#include "keeper/orders.h"

/* The sockets of one `listen:` entry: one per usable CPU (SO_REUSEPORT), never closed while the address is
 * listened on; one for unix. */
struct listener_sockets {
    unsigned count;
    int fds[ORDER_FDS_MAX];
};

/* All that an engine starts with. It is a fork of the keeper, so this is plain memory; the engine owns the
 * descriptors. */
struct engine_start {
    struct config *config;
    struct slots *slots;
    unsigned column;         /* its lanes and engine_column */
    int orders;              /* its end of the pair */
    unsigned listener_count; /* as config->listen_count */
    struct listener_sockets *listeners;
    int control;    /* listening unix socket */
    int admin;      /* listening socket, -1 when off */
    int statsd;     /* bound UDP socket, -1 when off */
    int access_log; /* open for append, -1: off or stdout */
    const struct ticket_keys *tickets;
    pid_t keeper;
    uint64_t started_us; /* of the keeper */
    bool is_replacement; /* an engine crashed or hung before: adopt, wanted = present */
};

struct keeper_options {
    struct config *config; /* loaded already */
    const char *path;      /* as given by -c or found; NULL: the configuration is from the command line */
    const char *bytes;     /* what `config` was loaded from */
    size_t size;
    int (*engine_run)(const struct engine_start *start); /* in the child; returns the exit status */
};

/* Until the end. Returns drover's exit status: 0 good; 1 failed, or a second TERM or INT cut an engine that
 * had not drained; 2 a listener, directory or permission is wrong (said on stderr, one clear line that names
 * the key and the cause). */
int keeper_run(const struct keeper_options *options);

#endif
