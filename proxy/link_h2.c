/* SPDX-License-Identifier: MIT
 *
 * A link that speaks HTTP/2: by prior knowledge, or as ALPN has agreed on. Many streams share it; a further link is opened when it takes
 * no more. While it takes streams it is in the proxy's list of its backend, from its first moment on, so that many requests at once open
 * few links. Streams begin when the worker's settings have come. What is to be said is written once a turn. Loop thread only. */
#include "proxy/link_h2.h"

#include <errno.h>

#include "base/clock.h"
#include "base/log.h"

static struct list *takers_of(const struct link *link)
{
    return &link->proxy->idle[link->backend->slot];
}

void link_h2_settle_soon(struct link_h2 *h2)
{
    task_at_end(&h2->settle, h2->link->proxy->loop);
}

static bool has_room(const struct link_h2 *h2)
{
    return !h2->retires && h2->count < h2->most && (!h2->is_ready || h2_may_open(h2->h2));
}

void link_h2_offer(struct link_h2 *h2)
{
    struct link *link = h2->link;

    if (!has_room(h2))
        list_remove(&link->idle_node);
    else if (list_is_empty(&link->idle_node))
        list_push_front(takers_of(link), &link->idle_node);
}

void link_h2_retire(struct link_h2 *h2)
{
    h2->retires = true;
    link_h2_offer(h2);
    link_h2_settle_soon(h2);
}

/* --- its end --- */

static enum failure failure_of(const struct link_h2_stream *stream, enum failure failure)
{
    if (failure == FAILURE_CLOSED)
        return link_stream_failure_of_end(&stream->stream);
    return stream->stream.head_is_done ? FAILURE_BROKEN : failure;
}

/* Every stream fails, for one reason; the first one, or the trial, is enough to blame the worker. */
static void fail_all(struct link_h2 *h2, enum failure failure)
{
    bool is_first = true;

    link_h2_retire(h2); /* nobody who tries again comes back here */
    while (!list_is_empty(&h2->streams)) {
        struct link_h2_stream *stream = list_entry(h2->streams.next, struct link_h2_stream, node);
        struct exchange *exchange = stream->stream.exchange;
        enum failure word;
        if (!exchange) {
            link_h2_drop(&stream->stream);
            continue;
        }
        stream->stream.is_reused =
            stream->stream.is_reused || h2->is_left; /* as an idle one that it closes: no failure */
        if (stream->begun_at == h2->delivered)
            link_stream_unwrite(&stream->stream); /* nothing of it has left us */
        word = failure_of(stream, failure);
        link_stream_fail_among(&stream->stream, word, is_first);
        is_first = is_first && !failures[word].blames_backend && word != FAILURE_STALE;
    }
}

static void end(struct link *link, enum failure failure)
{
    fail_all(link->h2, failure);
    link_close(&link);
}

static void end_unreadable(struct link *link)
{
    log_warning("%s (%s): unreadable: %s", link->backend->name, link->backend->authority,
                h2_problem(link->h2->h2));
    end(link, FAILURE_UNREADABLE);
}

/* Nobody needs it any more: with a last word, if it can be said at once. */
static void say_goodbye(struct link *link)
{
    struct iovec parts[H2_PARTS];
    unsigned count;

    if (link->h2->is_ready && !link->h2->blocked) {
        h2_goaway(link->h2->h2, H2_NO_ERROR);
        count = h2_unsent(link->h2->h2, parts, H2_PARTS);
        if (count) {
            (void)link_deliver(link, parts, count);
            h2_sent(link->h2->h2, 0);
        }
    }
    link_close(&link);
}

/* --- writing --- */

static void connected(struct link *link)
{
    link->state = LINK_OPEN;
    deadline_stop(&link->h2->deadline);
    list_each_safe (node, next, &link->h2->streams) {
        struct link_h2_stream *stream = list_entry(node, struct link_h2_stream, node);
        link_stream_await(&stream->stream, exchange_response_ms(stream->stream.exchange));
    }
}

/* 0, or as net_write answers. Before a word is said, both know that it is HTTP/2. */
static int agree(struct link *link)
{
    int result;

    if (!link->tls || tls_is_open(link->tls))
        return 0;
    result = tls_handshake(link->tls);
    if (result == 0 && !tls_agreed_on(link->tls, "h2")) {
        log_warning("%s (%s): TLS: it does not speak HTTP/2 (ALPN)", link->backend->name,
                    link->backend->authority);
        return -ECONNREFUSED;
    }
    if (result == -EPROTO || result == -EPROTOTYPE)
        log_warning("%s (%s): TLS: %s", link->backend->name, link->backend->authority,
                    tls_problem(link->tls));
    return result;
}

static void read_link(struct link *link);

static void on_write_error(struct link *link, ssize_t error)
{
    if (link->state == LINK_CONNECTING) {
        end(link, link_connect_failure((int)error));
        return;
    }
    /* The worker may have answered, or said goodbye, before it closed: what it said is read first. */
    link->h2->blocked = true;
    link->readable = link->peer_closed = true;
    read_link(link);
    if (link->state != LINK_CLOSED)
        end(link, FAILURE_CLOSED);
}

/* One write, of all there is. False: not now, or the link has ended. */
static bool write_once(struct link *link)
{
    struct link_h2 *h2 = link->h2;
    struct iovec parts[H2_PARTS];
    unsigned count;
    ssize_t done = agree(link);

    if (done == 0) {
        count = h2_unsent(h2->h2, parts, H2_PARTS);
        if (count == 0) {
            h2_sent(h2->h2, 0); /* what was not to be sent has its events, too */
            return false;
        }
        done = link_deliver(link, parts, count);
        h2->delivered += done > 0 ? (uint64_t)done : 0;
        h2_sent(h2->h2, done > 0 ? (size_t)done : 0);
    }
    if (done == -EAGAIN || done == -ENOTCONN) {
        h2->blocked = true;
        watch_writes(&link->watch);
    } else if (done < 0) {
        on_write_error(link, done);
    } else if (link->state == LINK_CONNECTING) {
        connected(link);
    }
    return done > 0;
}

/* --- rest --- */

static void rest(struct link *link)
{
    struct link_h2 *h2 = link->h2;

    if (!h2->is_ready || h2->retires || link->proxy->draining || link->backend->closed ||
        h2_is_over(h2->h2)) {
        say_goodbye(link);
        return;
    }
    list_remove(&link->idle_node);
    deadline_start(&h2->deadline, link->proxy->loop, idle_put(link));
}

static void on_settle(struct task *task)
{
    struct link *link = container_of(task, struct link_h2, settle)->link;

    while (link->state != LINK_CLOSED && !link->h2->blocked && write_once(link))
        ;
    if (link->state == LINK_CLOSED)
        return;
    if (link->h2->count && h2_is_over(link->h2->h2))
        end_unreadable(link);
    else if (link->state == LINK_IDLE && (link->h2->retires || h2_is_over(link->h2->h2)))
        say_goodbye(link);
    else if (link->state != LINK_IDLE && link->h2->count == 0)
        rest(link);
}

static void on_due(void *argument)
{
    struct link *link = ((struct link_h2 *)argument)->link;

    if (link->state == LINK_CONNECTING)
        end(link, FAILURE_CONNECT_TIMEOUT);
    else
        say_goodbye(link);
}

/* --- reading --- */

/* Those who were given something have it on its way before the next read. */
static void flush_touched(struct link_h2 *h2)
{
    while (!list_is_empty(&h2->touched)) {
        struct link_h2_stream *stream = list_entry(h2->touched.next, struct link_h2_stream, touched_node);
        struct exchange *exchange = stream->stream.exchange;
        list_remove(&stream->touched_node);
        if (exchange)
            exchange->stream->ops->flush(exchange->stream);
    }
}

static void on_end_of_stream(struct link *link, ssize_t got)
{
    if (link->state == LINK_IDLE && got == 0)
        idle_ended_early(link);
    end(link, FAILURE_CLOSED);
}

static void take(struct link *link, struct slice bytes)
{
    bool good = h2_receive(link->h2->h2, bytes, clock_us());

    flush_touched(link->h2);
    link_h2_settle_soon(link->h2);
    if (good)
        return;
    while (!link->h2->blocked && write_once(link)) /* a GOAWAY that says what is wrong */
        ;
    if (link->state != LINK_CLOSED)
        end_unreadable(link);
}

static void read_link(struct link *link)
{
    size_t turn = 0;

    while (link->state != LINK_CLOSED && (link->readable || link->peer_closed)) {
        struct buffer in = {0};
        ssize_t got;
        if (turn >= TURN_BYTES_MAX) {
            task_soon(&link->task, link->proxy->loop);
            return;
        }
        got = link_receive(link, buffer_reserve(&in, READ_BODY_ROOM), READ_BODY_ROOM);
        if (got == -EAGAIN) {
            link->readable = link->peer_closed = false;
        } else if (got <= 0) {
            on_end_of_stream(link, got);
        } else {
            buffer_commit(&in, (size_t)got);
            link->readable = link_has_more(link, (size_t)got, READ_BODY_ROOM);
            link->last_used_us = clock_us();
            turn += (size_t)got;
            take(link, buffer_slice(&in));
        }
        buffer_release(&in);
    }
}

static void on_event(struct link *link, short what)
{
    if (link->state == LINK_CLOSED)
        return;
    if (what & EV_WRITE) {
        link->h2->blocked = false;
        link_h2_settle_soon(link->h2);
    }
    if (link->state != LINK_CONNECTING)
        read_link(link);
}

static void on_turn(struct link *link)
{
    read_link(link);
}

/* --- life --- */

void link_h2_start(struct link *link)
{
    struct proxy *proxy = link->proxy;
    struct link_h2 *h2 = mem_zero(sizeof *h2);
    unsigned learned = atomic_load_explicit(&link->backend->streams_limit, memory_order_relaxed);
    struct h2_options options = {
        .role = H2_ASKS,
        .stream_window = WATER_HIGH,
        .connection_window = (LINK_STREAMS_MAX + 1) * WATER_HIGH, /* who does not read holds up nobody else */
        .limits = {proxy->snapshot->config->limits.header, HEAD_FIELDS_MAX, true},
        .scratch = &proxy->response,
    };

    link->h2 = h2;
    h2->link = link;
    h2->h2 = h2_new(&options, &link_h2_events, h2);
    h2->most = learned ? learned : LINK_STREAMS_MAX;
    list_init(&h2->streams);
    list_init(&h2->touched);
    deadline_init(&h2->deadline, on_due, h2);
    task_init(&h2->settle, on_settle);
    deadline_start(&h2->deadline, proxy->loop, proxy->snapshot->config->timeouts.connect);
    link_h2_offer(h2);
}

void link_h2_stop(struct link *link)
{
    struct link_h2 *h2 = link->h2;

    h2->retires = true;
    while (!list_is_empty(&h2->streams))
        link_h2_drop(&list_entry(h2->streams.next, struct link_h2_stream, node)->stream);
    deadline_stop(&h2->deadline);
    task_cancel(&h2->settle);
}

void link_h2_free(struct link *link)
{
    h2_free(&link->h2->h2);
    mem_free(link->h2);
    link->h2 = NULL;
}

static ssize_t write_through(struct link_stream *stream, struct slice data)
{
    (void)stream;
    (void)data;
    return -EAGAIN; /* every byte goes through its stream's window */
}

static void retire(struct link *link)
{
    link_h2_retire(link->h2);
}

const struct link_ops link_h2_ops = {
    .send = link_h2_send,
    .write = write_through,
    .resume = link_h2_resume,
    .cancel = link_h2_cancel,
    .drop = link_h2_drop,
    .event = on_event,
    .turn = on_turn,
    .retire = retire,
};
