/* SPDX-License-Identifier: MIT
 *
 * A connection to a backend, and its streams: a stream is one exchange's half of it. In HTTP/1 a link carries one stream at a time,
 * which is part of it; idle.c keeps it alive between two. A stream whose exchange is gone keeps its place until the worker has answered
 * or closed; in HTTP/1 the link is closed then.
 *
 *     connecting -> open -> idle -> open ...    any -> closed
 *                   open -> cancelled -> closed
 *                   open -> tunnel -> closed */
#ifndef DROVER_PROXY_LINK_H
#define DROVER_PROXY_LINK_H

#include "base/net.h"
#include "base/tls.h"
#include "proxy/exchange.h"

#define LINK_TAG 0x4c494e4bu

enum link_state { LINK_CONNECTING, LINK_OPEN, LINK_IDLE, LINK_CANCELLED, LINK_TUNNEL, LINK_CLOSED };

struct link;
struct link_h2;
struct tunnel;

/* The ways a worker is talked to. */
struct link_stream;
struct link_ops {
    /* writes what the exchange has unsent; may end it by exchange_on_failure */
    void (*send)(struct link_stream *stream);
    /* straight through, when nothing is unsent: > 0 or -errno */
    ssize_t (*write)(struct link_stream *stream, struct slice data);
    void (*resume)(struct link_stream *stream); /* the client takes more */
    void (*cancel)(struct link_stream *stream); /* the exchange has let go of it: link_stream_cancel */
    /* it has failed, and nobody is told by this: the place is released, the stream is gone */
    void (*drop)(struct link_stream *stream);
    void (*event)(struct link *link, short what); /* peer_closed and readable are set */
    void (*turn)(struct link *link);              /* its task */
    void (*retire)(struct link *link);            /* nothing new: it is closed, now or with its last stream */
};

/* One exchange's half of a link. */
struct link_stream {
    struct link *link;
    struct exchange *exchange; /* NULL: none, or gone before the worker has answered */
    struct place place;        /* held until the worker has answered or closed */
    struct held *held; /* who is told that it is held still, though its exchange is gone; NULL: nobody */
    struct deadline deadline; /* response or stall; in HTTP/1 the link's too: connect, idle */
    uint64_t sent_us;         /* when the request had been written: is the backend dead or one query slow? */
    unsigned timeout_ms;      /* of `deadline` */
    bool is_reused;           /* the link had carried others before */
    bool has_answered;        /* a byte */
    bool head_is_done, paused;
};

struct link {
    uint32_t tag;
    enum link_state state;
    const struct link_ops *ops;
    struct proxy *proxy;
    struct list node; /* of all links */
    struct list idle_node;
    struct watch watch;
    int fd;
    struct tls_stream *tls;  /* NULL: plain; its handshake is part of connecting */
    struct backend *backend; /* referenced */
    struct buffer in;
    struct task task; /* goes on reading in the next turn; frees at the end of one */
    uint64_t last_used_us;
    bool readable, peer_closed;

    /* HTTP/1 */
    struct link_stream stream;
    struct tunnel *tunnel;
    size_t seen;
    struct h1_body body;
    uint64_t taken_turn; /* of the loop, when a request came to it again */
    size_t kernel_holds; /* of what we wrote, at the last look: while there is no room for more */
    bool keeps_alive, reads_large, broken_for_writing;

    struct link_h2 *h2; /* HTTP/2; owned */
};

/* Its bytes, sealed or not; as net_read and its kin answer. */
static inline ssize_t link_receive(struct link *link, void *into, size_t room)
{
    return link->tls ? tls_read(link->tls, into, room) : net_read(link->fd, into, room);
}

static inline ssize_t link_deliver(struct link *link, const struct iovec *parts, unsigned count)
{
    if (link->tls)
        return tls_writev(link->tls, parts, (int)count);
    return count == 1 ? net_write(link->fd, parts[0].iov_base, parts[0].iov_len)
                      : net_writev(link->fd, parts, (int)count);
}

/* After a read that gave `got` of `room` bytes: may there be more before the next event? */
static inline bool link_has_more(const struct link *link, size_t got, size_t room)
{
    return link->tls ? tls_has_more(link->tls) : got == room;
}

static inline void link_shutdown_write(struct link *link)
{
    if (link->tls)
        tls_shutdown_write(link->tls);
    net_shutdown_write(link->fd);
}

/* Both take the place over, and give a stream for link_stream_attach. NULL: no link, *failure says why, and the place is the caller's
 * still. */
struct link_stream *link_open(struct proxy *proxy, struct place *place, enum protocol protocol,
                              enum failure *failure);
/* NULL: there is none that is idle, or takes one stream more */
struct link_stream *link_reuse(struct proxy *proxy, struct place *place, enum protocol protocol,
                               uint64_t used_within_us);
void link_close(struct link **link); /* releases the place; freed at the end of the turn */
enum failure link_connect_failure(int error);

/* link_stream.c */
void link_stream_attach(struct link_stream *stream, struct exchange *exchange);
void link_stream_cancel(struct link_stream *stream); /* the exchange lets go of it */
void link_stream_await(struct link_stream *stream,
                       unsigned timeout_ms); /* the next byte has to come within */
/* The exchange waits for the worker's next byte no longer than that, if it waits without an end now. */
void link_stream_bound(struct link_stream *stream, unsigned timeout_ms);
void link_stream_fail(struct link_stream *stream, enum failure failure);
void link_stream_release(struct link_stream *stream); /* the worker is done with it: its place is free */
void link_stream_fail_end(
    struct link_stream *stream); /* the worker closed or reset it: stale, closed or broken */
void link_stream_fail_stale(struct link_stream *stream);
void link_stream_unwrite(
    struct link_stream *stream); /* nobody has looked at what was written: it may be said again */
enum failure link_stream_failure_of_end(const struct link_stream *stream);
/* One of several streams that fail with their link: what counts once, counts with the first. */
void link_stream_fail_among(struct link_stream *stream, enum failure failure, bool is_first);
void link_stream_wrote(struct link_stream *stream, size_t size); /* of what exchange_unsent gave */
void link_stream_due(struct link_stream *stream); /* the response, or more of it, has not come in time */
/* The head is there; false: it cannot be relayed, and the stream has failed. The stream may have ended. */
bool link_stream_on_head(struct link_stream *stream, const struct head *head);

static inline void link_stream_send(struct link_stream *stream)
{
    stream->link->ops->send(stream);
}

static inline ssize_t link_stream_write(struct link_stream *stream, struct slice data)
{
    return stream->link->ops->write(stream, data);
}

static inline void link_stream_resume(struct link_stream *stream)
{
    if (stream->paused)
        stream->link->ops->resume(stream);
}

/* link_h1.c */
extern const struct link_ops link_h1_ops;
void link_h1_read(struct link *link);
void link_h1_due(void *argument);

/* link_h1_write.c */
void link_h1_send(struct link_stream *stream);
ssize_t link_h1_write(struct link_stream *stream, struct slice data);

/* link_h2.c, link_h2_stream.c */
extern const struct link_ops link_h2_ops;
void link_h2_start(struct link *link);
void link_h2_stop(
    struct link *link); /* its streams are gone after this; its memory goes later, by link_h2_free */
void link_h2_free(struct link *link);
struct link_stream *link_h2_add(struct link *link, struct place *place); /* takes the place over */
size_t link_h2_stream_size(void);                                        /* for the slab */

/* idle.c */
unsigned idle_put(struct link *link); /* how long it may be kept, in milliseconds */
struct link *idle_take(struct proxy *proxy, const struct backend *backend, uint64_t used_within_us);
/* One that speaks HTTP/2 and takes one stream more; it stays where it is. */
struct link *idle_share(struct proxy *proxy, const struct backend *backend, uint64_t used_within_us);
void idle_retire_all(struct proxy *proxy, const struct backend *backend); /* NULL: of every backend */
void idle_ended_early(struct link *link); /* the worker closed it: learn its keep-alive time */

#endif
