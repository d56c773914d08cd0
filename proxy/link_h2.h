/* SPDX-License-Identifier: MIT
 *
 * What the files of HTTP/2 toward workers share: link_h2.c keeps the connection, link_h2_stream.c its streams. Internal to them. */
#ifndef DROVER_PROXY_LINK_H2_H
#define DROVER_PROXY_LINK_H2_H

#include "http/h2.h"
#include "proxy/link.h"

#define LINK_STREAMS_MAX 100 /* on one link; a worker may allow fewer */

struct link_h2 {
    struct link *link;
    struct h2 *h2;
    struct deadline deadline; /* connect or idle: by the link's state */
    struct task settle; /* at the end of the turn: writes what is to be said, then perhaps rests or ends */
    struct list streams, touched;
    unsigned count;     /* of streams, with those whose exchange is gone */
    unsigned most;      /* that it takes at once */
    uint64_t delivered; /* bytes that the kernel took */
    bool is_ready;      /* the worker's settings came: streams may begin */
    bool is_proven;     /* a response has ended */
    bool is_left;       /* the worker has said that it ends the connection, and that all is well */
    bool retires;       /* takes no more streams: closed when the last has ended */
    bool blocked;       /* the socket takes nothing now */
};

struct link_h2_stream {
    struct link_stream stream;
    struct h2_stream h2;
    struct list node;
    struct list touched_node; /* its client is to be flushed */
    struct task free_task;
    uint64_t begun_at; /* `delivered`, when its head was handed over */
};

static inline struct link_h2_stream *link_h2_stream_of(struct link_stream *stream)
{
    return container_of(stream, struct link_h2_stream, stream);
}

/* link_h2.c */
void link_h2_settle_soon(struct link_h2 *link);
void link_h2_offer(struct link_h2 *link); /* among those that take streams, if it does */
void link_h2_retire(struct link_h2 *link);

/* link_h2_stream.c */
extern const struct h2_events link_h2_events;
void link_h2_begin(struct link_h2_stream *stream);
void link_h2_pump(struct link_h2_stream *stream);   /* more of the request's body to the link */
void link_h2_forget(struct link_h2_stream *stream); /* it is over: place and memory are given back */
/* link_ops */
void link_h2_send(struct link_stream *stream);
void link_h2_resume(struct link_stream *stream);
void link_h2_cancel(struct link_stream *stream);
void link_h2_drop(struct link_stream *stream);

#endif
