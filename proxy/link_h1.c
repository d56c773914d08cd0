/* SPDX-License-Identifier: MIT
 *
 * HTTP/1 as a worker speaks it: heads, bodies, and when the link can be used again. */
#include <errno.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/net.h"
#include "proxy/link.h"

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
        idle_put(link);
    else
        link_close(&link);
}

static void end(struct link *link)
{
    struct exchange *exchange = link->exchange;

    if (!exchange_request_is_sent(exchange) || exchange->client_half_closed)
        link->keeps_alive = false;
    link->exchange = NULL;
    if (link->is_reused)
        atomic_store_explicit(&link->backend->stale_streak, 0, memory_order_relaxed);
    /* before the client has its answer: its next request finds the place free */
    place_release(&link->place, clock_us());
    exchange_on_end(exchange, h1_body_trailers(&link->body));
    finish(link);
}

/* False: wait for more, or the link is not ours any more. */
static bool take_body(struct link *link)
{
    struct exchange *exchange = link->exchange;
    struct slice in = buffer_slice(&link->in), data;
    size_t given = in.size;

    for (;;) {
        enum body_event event = h1_body_next(&link->body, &in, &data);
        bool goes_on = true;
        switch (event) {
        case BODY_DATA:
            goes_on = exchange_on_data(exchange, data);
            if (link->exchange != exchange)
                return false;
            break;
        case BODY_MORE:
            buffer_consume(&link->in, given - in.size);
            exchange->stream->ops->flush(exchange->stream);
            return link->exchange == exchange && !link->paused;
        case BODY_END:
            buffer_consume(&link->in, given - in.size);
            end(link);
            return false;
        case BODY_BAD:
            log_warning("%s: %s: the response's body is broken", link->backend->name, link->body.why);
            link_fail(link, FAILURE_BROKEN);
            return false;
        }
        if (!goes_on)
            link->paused = true; /* what was read is taken all the same; no more is read */
    }
}

static bool is_event_stream(const struct head *head)
{
    const struct field *type = head_find(head, FIELD_CONTENT_TYPE);

    return type && type->value.size >= 17 &&
           slice_equal_nocase((struct slice){type->value.at, 17}, SLICE("text/event-stream"));
}

static bool on_final_head(struct link *link, const struct head *head)
{
    struct exchange *exchange = link->exchange;

    link->head_is_done = true;
    link->keeps_alive = head->keep_alive && head->framing != FRAMING_UNTIL_CLOSE;
    if (head->status != 101)
        buffer_consume(&link->in, 0);
    if (!exchange_on_head(exchange, head)) {
        log_warning("%s: a 101 that nobody asked for, or with a wrong Sec-WebSocket-Accept",
                    link->backend->name);
        link_fail(link, FAILURE_UNREADABLE);
        return false;
    }
    if (link->exchange != exchange)
        return false;
    h1_body_init(&link->body, head->framing, head->content_length);
    if (is_event_stream(head) && !exchange->client_half_closed)
        deadline_stop(&link->deadline);
    else if (head->framing != FRAMING_NONE)
        link_await(link, link->proxy->snapshot->config->timeouts.stall);
    return true;
}

/* False: not whole yet, or the link has ended. */
static bool take_head(struct link *link)
{
    struct head *head = &link->proxy->response;
    struct h1_limits limits = limits_of(link);
    struct h1_error error;
    struct exchange *exchange = link->exchange;

    switch (h1_read_response(head, buffer_slice(&link->in), &link->seen, &limits, exchange->method, &error)) {
    case H1_MORE: return false;
    case H1_BAD:
        log_warning("%s: unreadable response: %s", link->backend->name, error.why);
        link_fail(link, FAILURE_UNREADABLE);
        return false;
    case H1_DONE: break;
    }
    link->seen = 0;
    if (head->status < 200 && head->status != 101) {
        exchange_on_interim(exchange, head);
        if (link->exchange != exchange)
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
    while (!link->head_is_done) {
        if (!take_head(link))
            return false;
        if (buffer_size(&link->in) == 0 && !link->head_is_done)
            return false; /* an interim response alone */
    }
    return take_body(link);
}

static void on_end_of_stream(struct link *link, ssize_t got)
{
    struct exchange *exchange = link->exchange;

    if (got == 0 && link->head_is_done && h1_body_finish(&link->body) == BODY_END) {
        end(link);
        return;
    }
    if (link->head_is_done && exchange)
        exchange->stream->ops->flush(exchange->stream);
    if (link->exchange)
        link_fail_end(link);
}

static size_t room_for(const struct link *link)
{
    if (!link->head_is_done)
        return READ_HEAD_ROOM;
    return link->reads_large && link->proxy->blocked_count < SLOW_CLIENTS ? READ_LARGE_ROOM : READ_BODY_ROOM;
}

/* Reads until there is nothing, or it is another's turn, or the client is slow. */
void link_h1_read(struct link *link)
{
    size_t turn = 0;

    while (link->exchange && !link->paused && (link->readable || link->peer_closed)) {
        size_t room = room_for(link);
        struct exchange *exchange = link->exchange;
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
        link->has_answered = true;
        link->readable = link_has_more(link, (size_t)got, room);
        link->reads_large = link->reads_large || got == READ_BODY_ROOM;
        turn += (size_t)got;
        if (link->head_is_done && link->deadline.list)
            link_await(link, link->timeout_ms);
        take(link);
        if (link->exchange != exchange)
            return; /* the link is idle, closed or another's */
    }
    buffer_settle(&link->in);
}
