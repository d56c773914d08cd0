/* SPDX-License-Identifier: MIT
 *
 * A client that talks HTTP/2: one connection, many streams, each with its exchange. Loop thread only. client_h2.c has the connection, client_h2_stream.c
 * what comes in on its streams, client_h2_write.c how they are answered, client_h2_tunnel.c WebSockets on them.
 *
 * Nothing is written while something is read or answered: what is to be sent is gathered and goes out at the end of the turn, in one write for
 * all streams. */
#ifndef DROVER_PROXY_CLIENT_H2_H
#define DROVER_PROXY_CLIENT_H2_H

#include "http/h2.h"
#include "proxy/client.h"

/* What the connection waits for, as far as that is bounded. */
enum client_h2_wait {
    H2_WAIT_FIRST, /* for the first request: since the accept */
    H2_WAIT_NOTHING,
    H2_WAIT_HEAD, /* for the rest of a head */
    H2_WAIT_IDLE, /* for another request */
};

struct client_h2 {
    struct client *client;
    struct h2 *h2;
    struct list streams; /* client_h2_stream */
    unsigned stream_count;
    /* Whose requests came with what is being read: one that is reset by it as well never reaches a worker (CVE-2023-44487). */
    struct list fresh;
    struct held *held;      /* what requests that were cancelled still hold */
    struct task write_task; /* at the end of the turn */
    struct deadline end_at; /* the second GOAWAY */
    enum client_h2_wait waits;
    uint64_t moved_us; /* when the client took bytes of any stream */
    bool is_busy;      /* in the middle of h2_receive or h2_sent */
    bool is_closed;    /* the client is: nothing is told any more */
    bool is_leaving;   /* no new requests; ends with the last stream */
};

struct client_h2_stream {
    struct client_stream stream;
    struct h2_stream h2;
    struct client_h2 *connection;
    struct list node;         /* of the connection's streams */
    struct list fresh_node;   /* of its fresh ones */
    struct deadline deadline; /* send, else body */
    struct task free_task;
    bool body_is_done; /* the client has sent its end */
    bool has_body;     /* the request */
    bool
        says_empty; /* its Content-Length is 0: it is whole for a worker once it has been sent, so its end is awaited first */
    bool
        keeps_last; /* likewise the last byte of a length, `last`: no request reaches a worker whole whose client sends more than it said */
    char last;
    uint64_t left;     /* bytes of a length that have not come */
    bool has_no_body;  /* the response */
    bool lends;        /* its caller looks at what is unsent itself */
    bool awaits_send;  /* `deadline` is that of timeouts.send */
    bool is_websocket; /* an extended CONNECT */
    struct tunnel_client tunnel;
    struct buffer in; /* of a WebSocket: what the tunnel has not read yet */
    bool awaits_room; /* the tunnel */
};

static inline struct client_h2_stream *client_h2_stream_of(const struct client_stream *stream)
{
    return (struct client_h2_stream *)(void *)((char *)(uintptr_t)stream -
                                               offsetof(struct client_h2_stream, stream));
}

/* client_h2.c */
void client_h2_write_soon(struct client_h2 *connection);
bool client_h2_may_write(const struct client_h2 *connection); /* at once, by: */
void client_h2_write(struct client_h2 *connection);           /* it may be closed after this */
void client_h2_settle(
    struct client_h2 *connection); /* streams have come or gone: what does it wait for now? */

/* client_h2_stream.c */
extern const struct h2_events client_h2_events;
void client_h2_stream_free(struct client_h2_stream *stream); /* at once: nobody looks at it any more */
void client_h2_stream_end(struct client_h2_stream *stream,
                          enum h2_code code);                /* resets it; its exchange loses its client */
void client_h2_stream_lose(struct client_h2_stream *stream); /* its exchange or tunnel loses its client */
void client_h2_stream_has_unsent(struct client_h2_stream *stream); /* the client has to take it in time */

/* client_h2_write.c */
extern const struct client_ops client_h2_ops;
void client_h2_refuse(struct client_h2_stream *stream, unsigned status, const char *why);

/* client_h2_tunnel.c */
extern const struct tunnel_client_ops client_h2_tunnel_ops;
void client_h2_tunnel_data(struct client_h2_stream *stream, struct slice data);
void client_h2_tunnel_ended(struct client_h2_stream *stream); /* the client has sent its end */
void client_h2_tunnel_has_room(struct client_h2_stream *stream);

#endif
