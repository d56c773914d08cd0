/* SPDX-License-Identifier: MIT
 *
 * What a stream of a link is to its exchange, whatever is spoken on it: attached, failed, let go of; who is to blame. Loop thread only. */
#include "base/clock.h"
#include "base/log.h"
#include "proxy/held.h"
#include "proxy/link.h"

void link_stream_attach(struct link_stream *stream, struct exchange *exchange)
{
    stream->exchange = exchange;
    exchange->link_stream = stream;
    if (stream->link->state == LINK_OPEN)
        link_stream_await(stream, exchange_response_ms(exchange));
}

void link_stream_await(struct link_stream *stream, unsigned timeout_ms)
{
    stream->timeout_ms = timeout_ms;
    deadline_start(&stream->deadline, stream->link->proxy->loop, timeout_ms);
}

void link_stream_bound(struct link_stream *stream, unsigned timeout_ms)
{
    if (stream->head_is_done && !deadline_is_running(&stream->deadline))
        link_stream_await(stream, timeout_ms);
}

/* --- ends --- */

/* Told to the pool and, unless nobody is left to tell, to the exchange; the stream is dropped first, so that its place is free. */
static void fail(struct link_stream *stream, enum failure failure, bool blames)
{
    struct exchange *exchange = stream->exchange;

    if (exchange && stream->place.backend)
        pool_outcome(exchange->pool, &stream->place, blames ? OUTCOME_FAILED : OUTCOME_UNDECIDED, clock_us());
    stream->exchange = NULL;
    stream->link->ops->drop(stream);
    if (exchange)
        exchange_on_failure(exchange, failure);
}

void link_stream_fail(struct link_stream *stream, enum failure failure)
{
    fail(stream, failure, failures[failure].blames_backend);
}

static void count_stale(struct link *link)
{
    count(&link->proxy->counters.links_stale, 1);
    atomic_store_explicit(&link->backend->stale_us, clock_us(), memory_order_relaxed);
    atomic_fetch_add_explicit(&link->backend->stale_streak, 1, memory_order_relaxed);
}

void link_stream_fail_among(struct link_stream *stream, enum failure failure, bool is_first)
{
    if (failure == FAILURE_STALE && is_first)
        count_stale(stream->link);
    fail(stream, failure, failures[failure].blames_backend && (is_first || stream->place.is_trial));
}

/* A reused link that closed before it gave a byte was stale: the worker closed it as we wrote. After the first byte nobody else is
 * asked. */
enum failure link_stream_failure_of_end(const struct link_stream *stream)
{
    if (stream->head_is_done)
        return FAILURE_BROKEN;
    if (stream->has_answered)
        return FAILURE_UNREADABLE;
    return stream->is_reused ? FAILURE_STALE : FAILURE_CLOSED;
}

void link_stream_fail_stale(struct link_stream *stream)
{
    link_stream_fail_among(stream, FAILURE_STALE, true);
}

void link_stream_fail_end(struct link_stream *stream)
{
    link_stream_fail_among(stream, link_stream_failure_of_end(stream), true);
}

void link_stream_unwrite(struct link_stream *stream)
{
    if (stream->exchange->body_is_held)
        stream->exchange->wrote = false;
}

void link_stream_release(struct link_stream *stream)
{
    if (stream->place.backend)
        place_release(&stream->place, clock_us());
    held_give(&stream->held);
}

void link_stream_cancel(struct link_stream *stream)
{
    struct exchange *exchange = stream->exchange;

    if (stream->place.backend)
        pool_outcome(exchange->pool, &stream->place, OUTCOME_UNDECIDED, clock_us());
    exchange->link_stream = NULL;
    stream->held = held_take(exchange->stream->held);
    stream->link->ops->cancel(stream);
}

/* --- what the worker does in time, or not --- */

/* The response time-out blames the worker only when it had all of it and gave no head to anybody meanwhile: one slow query is not a
 * sick worker. */
static void on_response_timeout(struct link_stream *stream)
{
    struct link *link = stream->link;
    struct exchange *exchange = stream->exchange;
    bool answers_others =
        atomic_load_explicit(&link->backend->head_us, memory_order_relaxed) > stream->sent_us;
    bool had_it_all = stream->timeout_ms >= link->proxy->snapshot->config->timeouts.response ||
                      (exchange && !exchange_request_is_sent(exchange));

    /* The client has a time-out of its own: body. */
    if (exchange && exchange_awaits_client(exchange))
        link_stream_await(stream, stream->timeout_ms);
    else
        fail(stream, FAILURE_RESPONSE_TIMEOUT, (!answers_others && had_it_all) || !exchange);
}

void link_stream_due(struct link_stream *stream)
{
    if (!stream->head_is_done)
        on_response_timeout(stream);
    else if (stream->paused) /* the client is slow, and has a time-out of its own: send */
        link_stream_await(stream, stream->timeout_ms);
    else
        link_stream_fail(stream, FAILURE_STALLED);
}

/* --- the request goes out, the head comes in --- */

void link_stream_wrote(struct link_stream *stream, size_t size)
{
    struct link *link = stream->link;
    struct exchange *exchange = stream->exchange;

    exchange_sent(exchange, size);
    if (link->state == LINK_CONNECTING) {
        link->state = LINK_OPEN;
        link_stream_await(stream, exchange_response_ms(exchange));
    } else if (!stream->head_is_done &&
               deadline_is_running(&stream->deadline)) { /* an upload that goes on is no slow answer */
        link_stream_await(stream, exchange_response_ms(exchange));
    }
    if (exchange->state == EXCHANGE_CONNECTING)
        exchange_enter(exchange, EXCHANGE_SENDING);
    stream->sent_us = clock_us();
}

static bool is_event_stream(const struct head *head)
{
    const struct field *type = head_find(head, FIELD_CONTENT_TYPE);

    return type && type->value.size >= 17 &&
           slice_equal_nocase((struct slice){type->value.at, 17}, SLICE("text/event-stream"));
}

bool link_stream_on_head(struct link_stream *stream, const struct head *head)
{
    struct exchange *exchange = stream->exchange;

    stream->head_is_done = true;
    if (!exchange_on_head(exchange, head)) {
        log_warning("%s: a 101 that nobody asked for, or with a wrong Sec-WebSocket-Accept",
                    stream->link->backend->name);
        link_stream_fail(stream, FAILURE_UNREADABLE);
        return false;
    }
    if (stream->exchange != exchange)
        return true;
    if ((exchange->is_grpc || is_event_stream(head)) && !exchange->client_half_closed)
        deadline_stop(&stream->deadline);
    else if (head->framing != FRAMING_NONE)
        link_stream_await(stream, stream->link->proxy->snapshot->config->timeouts.stall);
    return true;
}
