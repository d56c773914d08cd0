/* SPDX-License-Identifier: MIT
 *
 * A connection to a backend. In HTTP/1 it carries one stream at a time; idle.c keeps it alive between two.
 * A link whose request was cancelled keeps its place until the worker has answered or closed, and is closed
 * then.
 *
 *     connecting -> open -> idle -> open ...    any -> closed
 *                   open -> cancelled -> closed */
#ifndef DROVER_PROXY_LINK_H
#define DROVER_PROXY_LINK_H

#include "base/net.h"
#include "base/tls.h"
#include "proxy/exchange.h"

enum link_state { LINK_CONNECTING, LINK_OPEN, LINK_IDLE, LINK_CANCELLED, LINK_TUNNEL, LINK_CLOSED };

struct tunnel;

struct link {
    uint32_t tag;
    enum link_state state;
    struct proxy *proxy;
    struct list node; /* of all links */
    struct list idle_node;
    struct watch watch;
    int fd;
    struct tls_stream *tls;  /* NULL: plain; its handshake is part of connecting */
    struct backend *backend; /* referenced */
    struct place place;      /* held while a request is on it */
    struct exchange *exchange;
    struct tunnel *tunnel;
    struct buffer in;
    size_t seen;
    struct h1_body body;
    struct deadline deadline; /* connect, response, stall or idle: by state */
    struct task task;         /* goes on reading in the next turn; frees at the end of one */
    uint64_t last_used_us;
    uint64_t taken_turn; /* of the loop, when a request came to it again */
    uint64_t sent_us;    /* when the request had been written: is the backend dead or one query slow? */
    unsigned timeout_ms; /* of `deadline` */
    size_t kernel_holds; /* of what we wrote, at the last look: while there is no room for more */
    bool has_answered;   /* the present request, a byte */
    bool is_reused, readable, peer_closed, paused, head_is_done, keeps_alive, reads_large, broken_for_writing;
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

/* Both take the place over. NULL: no link, *failure says why, and the place is the caller's still. */
struct link *link_open(struct proxy *proxy, struct place *place, enum failure *failure);
/* NULL: there is no idle one */
struct link *link_reuse(struct proxy *proxy, struct place *place, uint64_t used_within_us);
void link_attach(struct link *link, struct exchange *exchange);
/* writes what the exchange has unsent; may end it by exchange_on_failure */
void link_send(struct link *link);
/* straight through, when nothing is unsent: > 0 or -errno */
ssize_t link_write(struct link *link, struct slice data);
void link_resume(struct link *link); /* the client takes more */
void link_cancel(struct link *link); /* the exchange is gone: hold the place until the worker has answered */
void link_close(struct link **link); /* releases the place; freed at the end of the turn */
void link_await(struct link *link, unsigned timeout_ms); /* the next byte has to come within */

void link_fail_end(struct link *link); /* the worker closed or reset it: stale, closed or broken */
void link_fail(struct link *link, enum failure failure);

/* link_h1.c */
void link_h1_read(struct link *link);

/* idle.c */
void idle_put(struct link *link);
struct link *idle_take(struct proxy *proxy, const struct backend *backend, uint64_t used_within_us);
void idle_close_all(struct proxy *proxy, const struct backend *backend); /* NULL: of every backend */
void idle_ended_early(struct link *link); /* the worker closed it: learn its keep-alive time */

#endif
