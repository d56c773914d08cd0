/* SPDX-License-Identifier: MIT
 *
 * Links: connecting and closing, whatever is spoken on them. Loop thread only. The ways of speaking are link_h1*.c; what a stream is to
 * its exchange is link_stream.c. */
#include "proxy/link.h"

#include <errno.h>

#include "base/net.h"

static void on_task(struct task *task)
{
    struct link *link = container_of(task, struct link, task);

    if (link->state != LINK_CLOSED) {
        link->ops->turn(link);
        return;
    }
    if (link->h2)
        link_h2_free(link);
    slab_give(&link->proxy->link_slab, link);
}

/* What an event means to a link with TLS: its handshake, which sending drives, waits for bytes too; and reading may have waited for
 * room. */
static short woken(struct link *link, short what)
{
    bool reads_on = (what & EV_WRITE) && tls_wants_room(link->tls);

    tls_woken(link->tls, what);
    if (link->state == LINK_CONNECTING && !tls_is_open(link->tls))
        what |= EV_WRITE;
    return reads_on ? (short)(what | EV_READ) : what;
}

static void on_event(evutil_socket_t fd, short what, void *argument)
{
    struct link *link = tagged(argument, LINK_TAG);

    (void)fd;
    if (link->tls)
        what = woken(link, what);
    if (what & EV_CLOSED)
        link->peer_closed = true;
    if (what & EV_READ)
        link->readable = true;
    link->ops->event(link, what);
}

static struct link *link_new(struct proxy *proxy, struct place *place, const struct link_ops *ops, int fd)
{
    struct link *link = slab_take(&proxy->link_slab);

    link->tag = LINK_TAG;
    link->state = LINK_CONNECTING;
    link->ops = ops;
    link->proxy = proxy;
    link->fd = fd;
    link->backend = backend_ref(place->backend);
    link->stream.link = link;
    list_init(&link->idle_node);
    list_push_back(&proxy->links, &link->node);
    deadline_init(&link->stream.deadline, link_h1_due, link);
    task_init(&link->task, on_task);
    watch_open_stream(&link->watch, proxy->loop, fd, on_event, link);
    count(&proxy->counters.links_opened, 1);
    return link;
}

enum failure link_connect_failure(int error)
{
    switch (error) {
    case -EMFILE:
    case -ENFILE:
    case -ENOBUFS:
    case -ENOMEM: return FAILURE_NO_DESCRIPTOR;
    case -ETIMEDOUT: return FAILURE_CONNECT_TIMEOUT;
    default: return FAILURE_REFUSED;
    }
}

struct link_stream *link_open(struct proxy *proxy, struct place *place, enum protocol protocol,
                              enum failure *failure)
{
    const struct link_ops *ops = protocol == PROTOCOL_H2 ? &link_h2_ops : &link_h1_ops;
    struct link *link;
    int fd = net_connect(&place->backend->address);

    if (fd < 0) {
        *failure = link_connect_failure(fd);
        return NULL;
    }
    link = link_new(proxy, place, ops, fd);
    if (place->backend->secure)
        link->tls = tls_reach(place->backend->secure, fd);
    if (protocol == PROTOCOL_H2) {
        link_h2_start(link);
        return link_h2_add(link, place);
    }
    link->stream.place = *place;
    place->backend = NULL;
    link_stream_await(&link->stream, proxy->snapshot->config->timeouts.connect);
    return &link->stream;
}

static struct link_stream *share(struct proxy *proxy, struct place *place, uint64_t used_within_us)
{
    struct link *link = idle_share(proxy, place->backend, used_within_us);

    if (!link)
        return NULL;
    count(&proxy->counters.links_reused, 1);
    return link_h2_add(link, place);
}

struct link_stream *link_reuse(struct proxy *proxy, struct place *place, enum protocol protocol,
                               uint64_t used_within_us)
{
    struct link *link;
    struct link_stream *stream;

    if (protocol == PROTOCOL_H2)
        return share(proxy, place, used_within_us);
    link = idle_take(proxy, place->backend, used_within_us);
    if (!link)
        return NULL;
    stream = &link->stream;
    stream->place = *place;
    place->backend = NULL;
    link->state = LINK_OPEN;
    link->taken_turn = loop_turns(proxy->loop);
    link->reads_large = link->keeps_alive = link->broken_for_writing = false;
    link->seen = 0;
    stream->is_reused = true;
    stream->has_answered = stream->head_is_done = stream->paused = false;
    count(&proxy->counters.links_reused, 1);
    return stream;
}

void link_close(struct link **owner)
{
    struct link *link = *owner;
    bool was_idle;

    *owner = NULL;
    CHECK(link->state != LINK_CLOSED);
    was_idle = link->state == LINK_IDLE;
    link->state = LINK_CLOSED;
    if (link->h2)
        link_h2_stop(link);
    deadline_stop(&link->stream.deadline);
    list_remove(&link->idle_node);
    list_remove(&link->node);
    tls_free(&link->tls, was_idle);
    watch_close(&link->watch);
    net_close(&link->fd);
    buffer_release(&link->in);
    h1_body_fini(&link->body);
    link_stream_release(&link->stream);
    backend_unref(&link->backend);
    task_cancel(&link->task);
    task_at_end(&link->task, link->proxy->loop);
}
