/* SPDX-License-Identifier: MIT
 *
 * The access log of one loop: lines are collected and written together, at the end of a turn when there are
 * many, else every 250 ms. A pipe that nobody reads never blocks the loop: what cannot be written is
 * dropped and counted. */
#ifndef DROVER_PROXY_ACCESS_LOG_H
#define DROVER_PROXY_ACCESS_LOG_H

#include "base/loop.h"
#include "base/str.h"
#include "config/config.h"

struct access_record {
    uint64_t wall_us;     /* when the request's head was whole */
    uint64_t duration_us; /* from there to the last byte sent, or to the end of the tunnel */
    uint64_t wait_us;     /* of it, in the queue */
    struct slice client;  /* address, no port */
    struct slice
        head; /* the head as it was sent to the worker ("GET /x HTTP/1.1\r\nHost: ...\r\n..."): method, target and
                                  fields are taken from here; empty when the request could not be read */
    unsigned minor; /* the client's HTTP/1 version: 0 or 1 */
    bool is_h2;
    unsigned status;     /* 499: the client went away before there was an answer; 101: a tunnel */
    uint64_t bytes_sent; /* of the body (tunnel: to the client) */
    uint64_t bytes_received;
    const char *pool;    /* NULL: none */
    const char *backend; /* the last one asked; NULL: none */
    unsigned tries;
    const char *word; /* "-" or the failure's word */
};

struct access_log;
/* fd: -1 with to_stdout false: off. fd is shared by the loops and not owned. */
struct access_log *access_log_new(struct loop *loop, int fd, enum log_format format,
                                  _Atomic uint64_t *dropped);
void access_log_free(struct access_log **log); /* writes what is left */
void access_log_write(struct access_log *log, const struct access_record *record);
/* flushes to the old one first */
void access_log_move(struct access_log *log, int fd, enum log_format format);

#endif
