/* SPDX-License-Identifier: MIT
 *
 * Links: connecting, writing, cancelling, closing. Loop thread only. The way HTTP/1 is read from one is
 * link_h1.c. */
#include "proxy/link.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/net.h"
#include "proxy/tunnel.h"

#define LINK_TAG 0x4c494e4bu

static void on_task(struct task *task)
{
    struct link *link = container_of(task, struct link, task);

    if (link->state == LINK_CLOSED)
        slab_give(&link->proxy->link_slab, link);
    else if (link->state == LINK_OPEN && !link->paused)
        link_h1_read(link);
}

static void on_connected(struct link *link)
{
    link->state = LINK_OPEN;
    link_await(link, exchange_response_ms(link->exchange));
}

/* Told to the pool and, unless nobody is left to tell, to the exchange; the link is closed first, so that
 * its place is free. */
static void fail(struct link *link, enum failure failure)
{
    struct exchange *exchange = link->exchange;

    if (exchange && link->place.backend)
        pool_outcome(exchange->pool, &link->place,
                     failures[failure].blames_backend ? OUTCOME_FAILED : OUTCOME_UNDECIDED, clock_us());
    link->exchange = NULL;
    link_close(&link);
    if (exchange)
        exchange_on_failure(exchange, failure);
}

/* A reused link that closed before it gave a byte was stale: the worker closed it as we wrote. After the
 * first byte nobody else is asked. */
static enum failure failure_of_end(const struct link *link)
{
    if (link->head_is_done)
        return FAILURE_BROKEN;
    if (link->has_answered)
        return FAILURE_UNREADABLE;
    return link->is_reused ? FAILURE_STALE : FAILURE_CLOSED;
}

static void count_stale(struct link *link)
{
    count(&link->proxy->counters.links_stale, 1);
    atomic_store_explicit(&link->backend->stale_us, clock_us(), memory_order_relaxed);
    atomic_fetch_add_explicit(&link->backend->stale_streak, 1, memory_order_relaxed);
}

/* What it takes out of the kernel's buffer is progress, and there may be megabytes in it before we are told of room. */
static bool takes_the_request(struct link *link)
{
    size_t holds = net_unsent(link->fd);
    bool is_less = holds < link->kernel_holds;

    link->kernel_holds = holds;
    return is_less && !exchange_request_is_sent(link->exchange);
}

/* The response time-out blames the worker only when it had all of it and gave no head to anybody meanwhile:
 * one slow query is not a sick worker. */
static void on_response_timeout(struct link *link)
{
    bool answers_others = atomic_load_explicit(&link->backend->head_us, memory_order_relaxed) > link->sent_us;
    bool had_it_all = link->timeout_ms >= link->proxy->snapshot->config->timeouts.response ||
                      (link->exchange && !exchange_request_is_sent(link->exchange));
    struct exchange *exchange = link->exchange;

    /* The client has a time-out of its own: body. */
    if (exchange && (exchange_awaits_client(exchange) || takes_the_request(link))) {
        link_await(link, link->timeout_ms);
        return;
    }
    if ((!answers_others && had_it_all) || !exchange) {
        fail(link, FAILURE_RESPONSE_TIMEOUT);
        return;
    }
    pool_outcome(exchange->pool, &link->place, OUTCOME_UNDECIDED, clock_us());
    link->exchange = NULL;
    link_close(&link);
    exchange_on_failure(exchange, FAILURE_RESPONSE_TIMEOUT);
}

static void on_due(void *argument)
{
    struct link *link = tagged(argument, LINK_TAG);

    switch (link->state) {
    case LINK_CONNECTING: fail(link, FAILURE_CONNECT_TIMEOUT); return;
    case LINK_OPEN:
        if (!link->head_is_done)
            on_response_timeout(link);
        else if (link->paused) /* the client is slow, and has a time-out of its own: send */
            link_await(link, link->timeout_ms);
        else
            fail(link, FAILURE_STALLED);
        return;
    case LINK_IDLE:
    case LINK_CANCELLED: link_close(&link); return;
    case LINK_TUNNEL:
    case LINK_CLOSED: UNREACHABLE();
    }
}

void link_await(struct link *link, unsigned timeout_ms)
{
    link->timeout_ms = timeout_ms;
    deadline_start(&link->deadline, link->proxy->loop, timeout_ms);
}

/* --- events --- */

static void on_idle_event(struct link *link, short what)
{
    char byte;
    ssize_t got;

    if (!(what & (EV_READ | EV_CLOSED)))
        return; /* the first EV_WRITE of a new registration, or room that nobody waits for */
    got = link_receive(link, &byte, 1);
    if (got == -EAGAIN)
        return;
    if (got == 0)
        idle_ended_early(link);
    link_close(&link); /* a byte nobody asked for is never given to another request */
}

static void fail_stale(struct link *link)
{
    count_stale(link);
    fail(link, FAILURE_STALE);
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

/* A ticket, say, is no answer. */
static bool is_without_data(struct link *link)
{
    char byte;

    return link->tls && link_receive(link, &byte, 1) == -EAGAIN;
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
    if ((what & EV_CLOSED) && link->state == LINK_OPEN && link->is_reused &&
        link->taken_turn == loop_turns(link->proxy->loop)) {
        /* Closed before this turn's request was written: what it said at last is no answer to that. */
        fail_stale(link);
        return;
    }
    switch (link->state) {
    case LINK_TUNNEL: tunnel_on_link(link->tunnel, what); return;
    case LINK_IDLE: on_idle_event(link, what); return;
    case LINK_CANCELLED:
        if ((what & (EV_READ | EV_CLOSED)) && !is_without_data(link)) /* it has answered, or closed */
            link_close(&link);
        return;
    case LINK_CONNECTING:
    case LINK_OPEN: break;
    case LINK_CLOSED: return;
    }
    if (what & EV_WRITE)
        link_send(link);
    if (link->state == LINK_OPEN && !link->paused && (link->readable || link->peer_closed))
        link_h1_read(link);
}

/* --- life --- */

static struct link *link_new(struct proxy *proxy, struct place *place, int fd)
{
    struct link *link = slab_take(&proxy->link_slab);

    link->tag = LINK_TAG;
    link->state = LINK_CONNECTING;
    link->proxy = proxy;
    link->fd = fd;
    link->backend = backend_ref(place->backend);
    list_init(&link->idle_node);
    list_push_back(&proxy->links, &link->node);
    deadline_init(&link->deadline, on_due, link);
    task_init(&link->task, on_task);
    watch_open_stream(&link->watch, proxy->loop, fd, on_event, link);
    count(&proxy->counters.links_opened, 1);
    return link;
}

static enum failure failure_of_error(int error)
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

struct link *link_open(struct proxy *proxy, struct place *place, enum failure *failure)
{
    struct link *link;
    int fd = net_connect(&place->backend->address);

    if (fd < 0) {
        *failure = failure_of_error(fd);
        return NULL;
    }
    link = link_new(proxy, place, fd);
    link->place = *place;
    if (place->backend->secure)
        link->tls = tls_reach(place->backend->secure, fd);
    place->backend = NULL;
    link_await(link, proxy->snapshot->config->timeouts.connect);
    return link;
}

struct link *link_reuse(struct proxy *proxy, struct place *place, uint64_t used_within_us)
{
    struct link *link = idle_take(proxy, place->backend, used_within_us);

    if (!link)
        return NULL;
    link->place = *place;
    place->backend = NULL;
    link->state = LINK_OPEN;
    link->is_reused = true;
    link->taken_turn = loop_turns(proxy->loop);
    link->has_answered = link->reads_large = link->head_is_done = link->paused = link->keeps_alive =
        link->broken_for_writing = false;
    link->seen = 0;
    count(&proxy->counters.links_reused, 1);
    return link;
}

void link_attach(struct link *link, struct exchange *exchange)
{
    link->exchange = exchange;
    exchange->link = link;
    if (link->state == LINK_OPEN)
        link_await(link, exchange_response_ms(exchange));
}

/* --- writing --- */

static void on_write_error(struct link *link, ssize_t error)
{
    if (link->state == LINK_CONNECTING) {
        if (link->tls && error == -EPROTO)
            log_warning("%s (%s): TLS: %s", link->backend->name, link->backend->authority,
                        tls_problem(link->tls));
        fail(link, failure_of_error((int)error));
        return;
    }
    if (!link->exchange->wrote && link->is_reused) { /* whatever it said is no answer to this request */
        fail_stale(link);
        return;
    }
    /* The worker may have answered before it closed: what it said is read first. */
    link->broken_for_writing = true;
    link->readable = link->peer_closed = true;
    link_h1_read(link);
}

static void wrote(struct link *link, size_t size)
{
    struct exchange *exchange = link->exchange;

    exchange_sent(exchange, size);
    if (link->state == LINK_CONNECTING)
        on_connected(link);
    else if (!link->head_is_done && link->deadline.list) /* an upload that goes on is no slow answer */
        link_await(link, exchange_response_ms(exchange));
    if (exchange->state == EXCHANGE_CONNECTING)
        exchange_enter(exchange, EXCHANGE_SENDING);
    link->sent_us = clock_us();
}

/* The worker takes nothing at present: timeouts.send, from the last byte that it took. */
static void await_room(struct link *link)
{
    unsigned send_ms = link->proxy->snapshot->config->timeouts.send;

    if (link->state != LINK_OPEN || link->head_is_done)
        return;
    link->kernel_holds = net_unsent(link->fd);
    if (send_ms && (!deadline_is_running(&link->deadline) || send_ms < link->timeout_ms))
        link_await(link, send_ms);
}

void link_send(struct link *link)
{
    struct exchange *exchange = link->exchange;
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
        wrote(link, (size_t)done);
        was_waiting = true;
    }
    if (was_waiting && !exchange->body_is_whole && exchange->stream)
        exchange->stream->ops->resume(exchange->stream);
}

ssize_t link_write(struct link *link, struct slice data)
{
    ssize_t done;

    if (link->state != LINK_OPEN || link->broken_for_writing)
        return -EAGAIN;
    done = link_deliver(link, &(struct iovec){(void *)(uintptr_t)data.at, data.size}, 1);
    if (done > 0 && !link->head_is_done)
        link_await(link, link->timeout_ms);
    return done; /* an error shows again at the next write or read, which deals with it */
}

void link_resume(struct link *link)
{
    if (!link->paused)
        return;
    link->paused = false;
    if (link->state == LINK_OPEN)
        task_soon(&link->task, link->proxy->loop);
}

/* --- ends --- */

void link_fail_end(struct link *link)
{
    enum failure failure = failure_of_end(link);

    if (failure == FAILURE_STALE)
        count_stale(link);
    fail(link, failure);
}

void link_fail(struct link *link, enum failure failure)
{
    fail(link, failure);
}

void link_cancel(struct link *link)
{
    struct exchange *exchange = link->exchange;
    bool sent = exchange_request_is_sent(exchange);

    exchange->link = NULL;
    link->exchange = NULL;
    if (link->place.backend)
        pool_outcome(exchange->pool, &link->place, OUTCOME_UNDECIDED, clock_us());
    if (!exchange->wrote || link->head_is_done || buffer_size(&link->in) || link->peer_closed ||
        link->state != LINK_OPEN) {
        link_close(&link);
        return;
    }
    if (!sent)
        link_shutdown_write(link); /* the worker sees that the request is cut */
    link->state = LINK_CANCELLED;
    buffer_release(&link->in);
    task_cancel(&link->task);
    link_await(link, link->proxy->snapshot->config->timeouts.response);
}

void link_close(struct link **owner)
{
    struct link *link = *owner;
    bool was_idle;

    *owner = NULL;
    CHECK(link->state != LINK_CLOSED);
    was_idle = link->state == LINK_IDLE;
    link->state = LINK_CLOSED;
    deadline_stop(&link->deadline);
    list_remove(&link->idle_node);
    list_remove(&link->node);
    tls_free(&link->tls, was_idle);
    watch_close(&link->watch);
    net_close(&link->fd);
    buffer_release(&link->in);
    h1_body_fini(&link->body);
    if (link->place.backend)
        place_release(&link->place, clock_us());
    backend_unref(&link->backend);
    task_cancel(&link->task);
    task_at_end(&link->task, link->proxy->loop);
}
