/* SPDX-License-Identifier: MIT
 *
 * Everything that can go wrong with an exchange: one row each decides the word in the log, what the client
 * is told, whether the backend is to blame and whether another may be asked. */
#ifndef DROVER_PROXY_FAILURE_H
#define DROVER_PROXY_FAILURE_H

#include <stdbool.h>

enum failure {
    FAILURE_NONE,
    FAILURE_BAD_REQUEST, /* the client's body has no valid framing; heads carry their own status */
    FAILURE_BODY_TOO_LARGE,
    FAILURE_CLIENT_TIMEOUT, /* head or body not in time */
    FAILURE_CLIENT_GONE,
    FAILURE_QUEUE_FULL,
    FAILURE_QUEUE_TIMEOUT,
    FAILURE_NO_WORKER,
    FAILURE_REFUSED, /* connect refused */
    FAILURE_CONNECT_TIMEOUT,
    FAILURE_STALE,          /* a link that had carried others closed under the request */
    FAILURE_CLOSED,         /* closed or reset before a whole head, on a fresh link */
    FAILURE_UNPROCESSED,    /* HTTP/2: the worker has not looked at it, since it ends the connection */
    FAILURE_REFUSED_STREAM, /* HTTP/2: the worker has not looked at it, and says so */
    FAILURE_UNREADABLE,
    FAILURE_NO_WEBSOCKET, /* answered 2xx to a handshake that came over HTTP/2, where that means a tunnel (RFC 8441 section 5) */
    FAILURE_RESPONSE_TIMEOUT,
    FAILURE_BROKEN,          /* broke off in the body */
    FAILURE_STALLED,         /* no byte of the body for timeouts.stall */
    FAILURE_SLOW_CLIENT,     /* took no byte for timeouts.send */
    FAILURE_NO_DESCRIPTOR,   /* we have no file descriptor left */
    FAILURE_WEBSOCKET_TO_H2, /* the pool speaks HTTP/2 */
    FAILURE_DISK,            /* the temporary file could not be written */
    FAILURE_STOPPING,
    FAILURES
};

struct failure_row {
    const char *word;
    unsigned status; /* 0: nothing can be told any more */
    bool blames_backend;
    bool try_another; /* as far as the failure itself is concerned: exchange.c knows the rest */
};
extern const struct failure_row failures[FAILURES];

#endif
