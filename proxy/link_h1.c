/* SPDX-License-Identifier: MIT
 *
 * HTTP/1 as a worker speaks it: heads, bodies, and when the link can be used again. link_h1_write.c has the other direction. */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/net.h"
#include "proxy/link.h"
#include "proxy/tunnel.h"

static struct h1_limits limits_of(const struct link *link)
{
    const struct limits_config *limits = &link->proxy->snapshot->config->limits;

    return (struct h1_limits){
        .head_bytes = limits->header, .fields = HEAD_FIELDS_MAX, .keep_underscores = true};
}

/* The last read was filled to its end: what may lie behind it makes no event any more, and would be read as
 * the answer to the next request. */
static bool is_silent(struct link *link)
{
    char byte;

    if (link->readable)
        link->readable = link_receive(link, &byte, 1) != -EAGAIN;
    return !link->readable;
}

/* The response is whole. The client was served first; now the link is kept, or not. */
static void finish(struct link *link)
{
    bool reusable = link->keeps_alive && !link->peer_closed && !link->broken_for_writing &&
                    buffer_size(&link->in) == 0 && !link->proxy->draining && !link->backend->closed &&
                    is_silent(link);

    h1_body_fini(&link->body);
    if (reusable)
        link_stream_await(&link->stream, idle_put(link));
    else
        link_close(&link);
}

static void end(struct link *link)
{
    struct link_stream *stream = &link->stream;
    struct exchange *exchange = stream->exchange;

    if (!exchange_request_is_sent(exchange) || exchange->client_half_closed)
        link->keeps_alive = false;
    stream->exchange = NULL;
    if (stream->is_reused)
        atomic_store_explicit(&link->backend->stale_streak, 0, memory_order_relaxed);
    /* before the client has its answer: its next request finds the place free */
    link_stream_release(stream);
    exchange_on_end(exchange, h1_body_trailers(&link->body));
    finish(link);
}

/* False: wait for more, or the link is not ours any more. */
static bool take_body(struct link *link)
{
    struct exchange *exchange = link->stream.exchange;
    struct slice in = buffer_slice(&link->in), data;
    size_t given = in.size;

    for (;;) {
        enum body_event event = h1_body_next(&link->body, &in, &data);
        bool goes_on = true;
        switch (event) {
        case BODY_DATA:
            goes_on = exchange_on_data(exchange, data);
            if (link->stream.exchange != exchange)
                return false;
            break;
        case BODY_MORE:
            buffer_consume(&link->in, given - in.size);
            exchange->stream->ops->flush(exchange->stream);
            return link->stream.exchange == exchange && !link->stream.paused;
        case BODY_END:
            buffer_consume(&link->in, given - in.size);
            end(link);
            return false;
        case BODY_BAD:
            log_warning("%s: %s: the response's body is broken", link->backend->name, link->body.why);
            link_stream_fail(&link->stream, FAILURE_BROKEN);
            return false;
        }
        if (!goes_on)
            link->stream.paused = true; /* what was read is taken all the same; no more is read */
    }
}

static bool on_final_head(struct link *link, const struct head *head)
{
    struct exchange *exchange = link->stream.exchange;

    link->keeps_alive = head->keep_alive && head->framing != FRAMING_UNTIL_CLOSE;
    if (!link_stream_on_head(&link->stream, head) || link->stream.exchange != exchange)
        return false;
    h1_body_init(&link->body, head->framing, head->content_length);
    return true;
}

/* False: not whole yet, or the link has ended. */
static bool take_head(struct link *link)
{
    struct head *head = &link->proxy->response;
    struct h1_limits limits = limits_of(link);
    struct h1_error error;
    struct exchange *exchange = link->stream.exchange;

    switch (h1_read_response(head, buffer_slice(&link->in), &link->seen, &limits, exchange->method, &error)) {
    case H1_MORE: return false;
    case H1_BAD:
        log_warning("%s: unreadable response: %s", link->backend->name, error.why);
        link_stream_fail(&link->stream, FAILURE_UNREADABLE);
        return false;
    case H1_DONE: break;
    }
    link->seen = 0;
    if (head->status < 200 && head->status != 101) {
        exchange_on_interim(exchange, head);
        if (link->stream.exchange != exchange)
            return false;
        buffer_consume(&link->in, head->size);
        return true;
    }
    if (head->status ==
        101) { /* what follows belongs to the tunnel; the slices must stay valid until it has been written */
        struct buffer bytes = link->in;
        link->in = (struct buffer){0};
        buffer_append(&link->in, buffer_bytes(&bytes) + head->size, buffer_size(&bytes) - head->size);
        bool good = on_final_head(link, head);
        buffer_release(&bytes);
        return good;
    }
    if (!on_final_head(link, head))
        return false;
    buffer_consume(&link->in, head->size);
    return true;
}

static bool take(struct link *link)
{
    while (!link->stream.head_is_done) {
        if (!take_head(link))
            return false;
        if (buffer_size(&link->in) == 0 && !link->stream.head_is_done)
            return false; /* an interim response alone */
    }
    return take_body(link);
}

static void on_end_of_stream(struct link *link, ssize_t got)
{
    struct exchange *exchange = link->stream.exchange;

    if (got == 0 && link->stream.head_is_done && h1_body_finish(&link->body) == BODY_END) {
        end(link);
        return;
    }
    if (link->stream.head_is_done && exchange)
        exchange->stream->ops->flush(exchange->stream);
    if (link->stream.exchange)
        link_stream_fail_end(&link->stream);
}

static size_t room_for(const struct link *link)
{
    if (!link->stream.head_is_done)
        return READ_HEAD_ROOM;
    return body_room(link->reads_large ? READ_LARGE_ROOM : READ_BODY_ROOM);
}

/* Reads until there is nothing, or it is another's turn, or the client is slow. */
void link_h1_read(struct link *link)
{
    size_t turn = 0;

    while (link->stream.exchange && !link->stream.paused && (link->readable || link->peer_closed)) {
        size_t room = room_for(link);
        struct exchange *exchange = link->stream.exchange;
        ssize_t got;
        if (turn >= TURN_BYTES_MAX) {
            task_soon(&link->task, link->proxy->loop);
            return;
        }
        got = link_receive(link, buffer_reserve(&link->in, room), room);
        if (got == -EAGAIN) {
            link->readable = link->peer_closed = false;
            break;
        }
        if (got <= 0) {
            on_end_of_stream(link, got);
            return;
        }
        buffer_commit(&link->in, (size_t)got);
        link->stream.has_answered = true;
        link->readable = link_has_more(link, (size_t)got, room);
        link->reads_large = link->reads_large || got == READ_BODY_ROOM;
        turn += (size_t)got;
        if (link->stream.head_is_done && deadline_is_running(&link->stream.deadline))
            link_stream_await(&link->stream, link->stream.timeout_ms);
        take(link);
        if (link->stream.exchange != exchange)
            return; /* the link is idle, closed or another's */
    }
    buffer_settle(&link->in);
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

/* A ticket, say, is no answer. */
static bool is_without_data(struct link *link)
{
    char byte;

    return link->tls && link_receive(link, &byte, 1) == -EAGAIN;
}

static void on_event(struct link *link, short what)
{
    if ((what & EV_CLOSED) && link->state == LINK_OPEN && link->stream.is_reused &&
        link->taken_turn == loop_turns(link->proxy->loop)) {
        /* Closed before this turn's request was written: what it said at last is no answer to that. */
        link_stream_fail_stale(&link->stream);
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
        link_h1_send(&link->stream);
    if (link->state == LINK_OPEN && !link->stream.paused && (link->readable || link->peer_closed))
        link_h1_read(link);
}

/* What it takes out of the kernel's buffer is progress, and there may be megabytes in it before we are told of room. */
static bool takes_the_request(struct link *link)
{
    size_t holds = net_unsent(link->fd);
    bool is_less = holds < link->kernel_holds;

    link->kernel_holds = holds;
    return is_less && link->stream.exchange && !exchange_request_is_sent(link->stream.exchange);
}

static void on_turn(struct link *link)
{
    if (link->state == LINK_OPEN && !link->stream.paused)
        link_h1_read(link);
}

void link_h1_due(void *argument)
{
    struct link *link = tagged(argument, LINK_TAG);

    switch (link->state) {
    case LINK_CONNECTING: link_stream_fail(&link->stream, FAILURE_CONNECT_TIMEOUT); return;
    case LINK_OPEN:
        if (!link->stream.head_is_done && takes_the_request(link))
            link_stream_await(&link->stream, link->stream.timeout_ms);
        else
            link_stream_due(&link->stream);
        return;
    case LINK_IDLE:
    case LINK_CANCELLED: link_close(&link); return;
    case LINK_TUNNEL:
    case LINK_CLOSED: UNREACHABLE();
    }
}

/* --- one stream at a time --- */

static void resume(struct link_stream *stream)
{
    stream->paused = false;
    if (stream->link->state == LINK_OPEN)
        task_soon(&stream->link->task, stream->link->proxy->loop);
}

static void drop(struct link_stream *stream)
{
    struct link *link = stream->link;

    link_close(&link);
}

static void cancel(struct link_stream *stream)
{
    struct link *link = stream->link;
    struct exchange *exchange = stream->exchange;

    stream->exchange = NULL;
    if (!exchange->wrote || stream->head_is_done || buffer_size(&link->in) || link->peer_closed ||
        link->state != LINK_OPEN) {
        link_close(&link);
        return;
    }
    if (!exchange_request_is_sent(exchange))
        link_shutdown_write(link); /* the worker sees that the request is cut */
    link->state = LINK_CANCELLED;
    buffer_release(&link->in);
    task_cancel(&link->task);
    link_stream_await(stream, link->proxy->snapshot->config->timeouts.response);
}

static void retire(struct link *link)
{
    link_close(&link);
}

const struct link_ops link_h1_ops = {
    .send = link_h1_send,
    .write = link_h1_write,
    .resume = resume,
    .cancel = cancel,
    .drop = drop,
    .event = on_event,
    .turn = on_turn,
    .retire = retire,
};
