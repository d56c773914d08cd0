/* SPDX-License-Identifier: MIT
 *
 * HTTP/1 as it is said to a worker: the request, with its body as it comes. Written first, waited for only when the socket is full. */
#include <errno.h>

#include "base/log.h"
#include "base/net.h"
#include "proxy/link.h"

static void on_write_error(struct link *link, ssize_t error)
{
    if (link->state == LINK_CONNECTING) {
        if (link->tls && error == -EPROTO)
            log_warning("%s (%s): TLS: %s", link->backend->name, link->backend->authority,
                        tls_problem(link->tls));
        link_stream_fail(&link->stream, link_connect_failure((int)error));
        return;
    }
    if (!link->stream.exchange->wrote &&
        link->stream.is_reused) { /* whatever it said is no answer to this request */
        link_stream_fail_stale(&link->stream);
        return;
    }
    /* The worker may have answered before it closed: what it said is read first. */
    link->broken_for_writing = true;
    link->readable = link->peer_closed = true;
    link_h1_read(link);
}

/* The worker takes nothing at present: timeouts.send, from the last byte that it took. */
static void await_room(struct link *link)
{
    unsigned send_ms = link->proxy->snapshot->config->timeouts.send;

    if (link->state != LINK_OPEN || link->stream.head_is_done)
        return;
    link->kernel_holds = net_unsent(link->fd);
    if (send_ms && (!deadline_is_running(&link->stream.deadline) || send_ms < link->stream.timeout_ms))
        link_stream_await(&link->stream, send_ms);
}

void link_h1_send(struct link_stream *stream)
{
    struct link *link = stream->link;
    struct exchange *exchange = stream->exchange;
    struct iovec parts[3];
    bool was_waiting = false;

    if (!exchange || link->broken_for_writing)
        return;
    for (;;) {
        unsigned part_count = exchange_unsent(exchange, parts);
        ssize_t done;
        if (part_count == 0)
            break;
        done = link_deliver(link, parts, part_count);
        if (done == -EAGAIN || done == -ENOTCONN) {
            await_room(link);
            watch_writes(&link->watch);
            return;
        }
        if (done < 0) {
            on_write_error(link, done);
            return;
        }
        link_stream_wrote(stream, (size_t)done);
        was_waiting = true;
    }
    if (was_waiting && !exchange->body_is_whole && exchange->stream)
        exchange->stream->ops->resume(exchange->stream);
}

ssize_t link_h1_write(struct link_stream *stream, struct slice data)
{
    struct link *link = stream->link;
    ssize_t done;

    if (link->state != LINK_OPEN || link->broken_for_writing)
        return -EAGAIN;
    done = link_deliver(link, &(struct iovec){(void *)(uintptr_t)data.at, data.size}, 1);
    if (done > 0 && !stream->head_is_done)
        link_stream_await(stream, stream->timeout_ms);
    return done; /* an error shows again at the next write or read, which deals with it */
}
