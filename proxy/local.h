/* SPDX-License-Identifier: MIT
 *
 * What the files of this folder share about their loop: one struct proxy, touched by its own thread alone. */
#ifndef DROVER_PROXY_LOCAL_H
#define DROVER_PROXY_LOCAL_H

#include "base/buffer.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "http/h1.h"
#include "proxy/access_log.h"
#include "proxy/proxy.h"

#define READ_HEAD_ROOM (16 * 1024) /* one read while a head is expected */
#define READ_BODY_ROOM (64 * 1024) /* one read while a body is relayed */
#define READ_LARGE_ROOM                                                                                      \
    (256 * 1024) /* the same from a worker that fills READ_BODY_ROOM, while clients keep pace */
#define WATER_HIGH     (64 * 1024)  /* the source is paused above */
#define WATER_LOW      (16 * 1024)  /* and resumed below */
#define TURN_BYTES_MAX (512 * 1024) /* of one connection in one turn; the rest waits for the next */

struct proxy {
    struct loop *loop;
    struct snapshot *snapshot;
    struct proxy_options options;
    struct proxy_counters counters;
    struct histogram latency;

    struct list listeners;
    struct list clients; /* all client connections */
    struct list tunnels;
    unsigned client_count;
    struct list handshakes; /* clients in one, the oldest first */
    unsigned handshake_count;
    struct list deferred; /* those whose next step has to wait, in their order */
    struct task handshake_task;
    unsigned handshakes_this_turn; /* of... */
    uint64_t handshake_turn;
    unsigned connections_max;    /* what the limit of open files allows, of the whole engine */
    struct list idle[SLOTS_MAX]; /* links that take a request, by their backend's slot: idle.c */
    struct list links;           /* all of them */

    struct slab client_slab, exchange_slab, link_slab, link_stream_slab, tunnel_slab, h2_slab, h2_stream_slab;
    struct head request, response; /* scratch: the head that is being read right now */
    struct access_log *log;
    bool log_is_on;
    struct list pages; /* exposed */

    bool draining;
    struct deadline drain_deadline, unlisten_deadline;
    void (*on_drained)(void *argument);
    void *drained_argument;
};

/* Among a crowd of slow peers each piece is small, with its framing no more than a modest block, and the next
 * one is not read before it has gone. */
#define READ_SCARCE_ROOM (BLOCK_MODEST - 64)

static inline size_t body_room(size_t room)
{
    return blocks_are_scarce() ? READ_SCARCE_ROOM : room;
}

static inline size_t water_high(void)
{
    return blocks_are_scarce() ? 1 : WATER_HIGH;
}

static inline size_t water_low(void)
{
    return blocks_are_scarce() ? 1 : WATER_LOW;
}

/* Of a request's body: held in memory, for another try or until it is whole. */
static inline size_t held_most(void)
{
    return blocks_are_scarce() ? BLOCK_MODEST : WATER_HIGH;
}

/* One owner writes, anybody reads: no locked instruction. */
static inline void count(_Atomic uint64_t *counter, uint64_t more)
{
    atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + more,
                          memory_order_relaxed);
}

void proxy_client_closed(struct proxy *proxy); /* one fewer: is the drain over? */
const struct exposed_page *proxy_find_page(const struct proxy *proxy, struct slice path);

#endif
