/* SPDX-License-Identifier: MIT
 *
 * The way of a request to its worker: its body is taken as it comes, or collected whole first; what has
 * been sent is kept while it is small, so that the request can be sent again. */
#include "base/log.h"
#include "proxy/exchange.h"
#include "proxy/link.h"
#include "proxy/rewrite.h"

static void on_spool_progress(void *argument)
{
    struct exchange *exchange = argument;

    if (spool_error(exchange->spool)) {
        log_error("a request's temporary file: %s", strerror(-spool_error(exchange->spool)));
        exchange_refuse(exchange, FAILURE_DISK);
        return;
    }
    if (exchange->state == EXCHANGE_COLLECTING) {
        if (!spool_is_congested(exchange->spool))
            exchange->stream->ops->resume(exchange->stream);
    } else if (exchange->link_stream) {
        link_stream_send(exchange->link_stream);
    }
}

/* --- what a link has to write --- */

unsigned exchange_unsent(struct exchange *exchange, struct iovec parts[3])
{
    unsigned count = 0;
    size_t head_left = buffer_size(&exchange->head) - exchange->head_at;
    size_t body_left = buffer_size(&exchange->body) - exchange->body_at;

    if (head_left)
        parts[count++] = (struct iovec){buffer_bytes(&exchange->head) + exchange->head_at, head_left};
    if (body_left)
        parts[count++] = (struct iovec){buffer_bytes(&exchange->body) + exchange->body_at, body_left};
    if (exchange->spool) {
        struct slice spooled = spool_peek(exchange->spool);
        if (spooled.size)
            parts[count++] = (struct iovec){(void *)(uintptr_t)spooled.at, spooled.size};
    }
    return count;
}

void exchange_sent(struct exchange *exchange, size_t size)
{
    size_t head_part = buffer_size(&exchange->head) - exchange->head_at;
    size_t body_part = buffer_size(&exchange->body) - exchange->body_at;

    exchange->wrote = true;
    head_part = head_part < size ? head_part : size;
    exchange->head_at += (uint32_t)head_part;
    size -= head_part;
    body_part = body_part < size ? body_part : size;
    exchange->body_at += (uint32_t)body_part;
    size -= body_part;
    if (size)
        spool_consume(exchange->spool, size);
    if (!exchange->body_is_held && exchange->body_at) {
        buffer_consume(&exchange->body, exchange->body_at);
        exchange->body_at = 0;
    }
}

static size_t unsent_body(const struct exchange *exchange)
{
    return buffer_size(&exchange->body) - exchange->body_at;
}

static bool has_unsent(const struct exchange *exchange)
{
    return exchange->head_at < buffer_size(&exchange->head) || unsent_body(exchange) > 0;
}

bool exchange_request_is_sent(const struct exchange *exchange)
{
    return exchange->body_is_whole && !has_unsent(exchange) &&
           (!exchange->spool || spool_unread(exchange->spool) == 0);
}

bool exchange_awaits_client(const struct exchange *exchange)
{
    return !exchange->body_is_whole && !has_unsent(exchange);
}

/* --- the body comes in --- */

static bool is_over_limit(const struct exchange *exchange)
{
    uint64_t most = exchange->snapshot->config->limits.body;

    return most && exchange->received > most;
}

bool exchange_wants_body(const struct exchange *exchange)
{
    if (exchange->collects && exchange->state == EXCHANGE_COLLECTING)
        return !exchange->spool || !spool_is_congested(exchange->spool);
    return unsent_body(exchange) < water_high();
}

static bool collect(struct exchange *exchange, struct slice data)
{
    int error;

    if (!exchange->spool && buffer_size(&exchange->body) + data.size <= held_most()) {
        buffer_append(&exchange->body, data.at, data.size);
        return true;
    }
    if (!exchange->spool)
        exchange->spool = spool_new(exchange->proxy->loop, UINT64_MAX, on_spool_progress, exchange);
    error = spool_append(exchange->spool, data);
    if (error) {
        log_error("a request's temporary file: %s", strerror(-error));
        exchange_refuse(exchange, FAILURE_DISK);
        return false;
    }
    return !spool_is_congested(exchange->spool);
}

/* What goes on being held for another try has its bound; beyond it, what was sent is dropped. */
static void bound_held_body(struct exchange *exchange, size_t more)
{
    if (!exchange->body_is_held || !exchange->wrote || buffer_size(&exchange->body) + more <= held_most())
        return;
    exchange->body_is_held = false;
    buffer_consume(&exchange->body, exchange->body_at);
    exchange->body_at = 0;
}

/* Passes large pieces of a body that nobody holds on without copying them. */
static struct slice write_through(struct exchange *exchange, struct slice data)
{
    ssize_t wrote;

    if (exchange->body_is_held || !exchange->link_stream || exchange->state < EXCHANGE_SENDING ||
        has_unsent(exchange))
        return data;
    wrote = link_stream_write(exchange->link_stream, data);
    if (wrote <= 0)
        return data;
    return (struct slice){data.at + wrote, data.size - (size_t)wrote};
}

bool exchange_body(struct exchange *exchange, struct slice data)
{
    exchange->received += data.size;
    count(&exchange->proxy->counters.bytes_from_clients, data.size);
    if (exchange->state >= EXCHANGE_DELIVERING)
        return true; /* answered already: what still comes is thrown away */
    if (is_over_limit(exchange)) {
        exchange_refuse(exchange, FAILURE_BODY_TOO_LARGE);
        return false;
    }
    if (exchange->collects)
        return collect(exchange, data);
    bound_held_body(exchange, data.size);
    if (exchange->framing == FRAMING_CHUNKED && !exchange->to_h2) {
        h1_append_chunk(&exchange->body, data);
    } else {
        data = write_through(exchange, data);
        if (data.size)
            buffer_append(&exchange->body, data.at, data.size);
    }
    if (exchange->link_stream && has_unsent(exchange))
        link_stream_send(exchange->link_stream);
    return exchange->state != EXCHANGE_DONE && unsent_body(exchange) < water_high();
}

void exchange_body_end(struct exchange *exchange, struct slice trailers)
{
    exchange->body_is_whole = true;
    if (exchange->state >= EXCHANGE_DELIVERING)
        return;
    if (exchange->collects) {
        exchange->framing = FRAMING_LENGTH;
        exchange->content_length = exchange->received;
        exchange_dispatch(exchange);
        return;
    }
    if (exchange->to_h2) {
        exchange->request_trailers = trailers.size ? slice_dup(trailers) : NULL;
    } else if (exchange->framing == FRAMING_CHUNKED) {
        buffer_append(&exchange->body, "0\r\n", 3);
        rewrite_trailers(&exchange->body, trailers);
        buffer_append(&exchange->body, "\r\n", 2);
    }
    if (exchange->link_stream)
        link_stream_send(exchange->link_stream);
}

void exchange_body_failed(struct exchange *exchange, enum failure failure)
{
    exchange_refuse(exchange, failure);
}
