/* SPDX-License-Identifier: MIT
 *
 * The way of a response to its client: as it comes, never held back; ahead of a slow client up to
 * WATER_HIGH in memory, then, where the pool is buffered, in a temporary file, then the worker has to wait. */
#include "base/log.h"
#include "http/websocket.h"
#include "proxy/client.h"
#include "proxy/exchange.h"
#include "proxy/link.h"
#include "proxy/tunnel.h"

void exchange_on_interim(struct exchange *exchange, const struct head *head)
{
    bool is_continue = head->status == 100;

    if (exchange->minor == 0 || (is_continue && !exchange->expects_continue))
        return; /* RFC 9110 section 15.2: none to a 1.0 client; a 100 that only our own way of asking caused */
    if (exchange->stream->ops->unsent(exchange->stream) >= held_most())
        return; /* more of them than the client reads */
    exchange->status = head->status;
    exchange->stream->ops->interim(exchange->stream, head);
}

static bool is_right_upgrade(const struct exchange *exchange, const struct head *head)
{
    const struct field *accept = head_find(head, FIELD_SEC_WEBSOCKET_ACCEPT);
    const struct field *upgrade = head_find(head, FIELD_UPGRADE),
                       *connection = head_find(head, FIELD_CONNECTION);

    return exchange->is_websocket && accept && upgrade && connection &&
           field_list_has(upgrade->value, SLICE("websocket")) &&
           field_list_has(connection->value, SLICE("upgrade")) &&
           slice_equal(accept->value, (struct slice){exchange->websocket_accept, WEBSOCKET_ACCEPT_SIZE});
}

static void open_tunnel(struct exchange *exchange, const struct head *head)
{
    struct link *link = exchange->link_stream->link;
    struct buffer in, out;
    struct tunnel_client *client;

    exchange->status = 101;
    exchange_give_head(exchange, head);
    client = exchange->stream->ops->give_up(exchange->stream, &in, &out);
    tunnel_open(exchange, client, link, &in, &out);
}

bool exchange_on_head(struct exchange *exchange, const struct head *head)
{
    if (head->status == 101) {
        if (!is_right_upgrade(exchange, head))
            return false;
        pool_outcome(exchange->pool, &exchange->link_stream->place, OUTCOME_ANSWERED, clock_us());
        open_tunnel(exchange, head);
        return true;
    }
    pool_outcome(exchange->pool, &exchange->link_stream->place, OUTCOME_ANSWERED, clock_us());
    if (exchange->is_websocket && exchange->is_h2 && head->status < 300) {
        exchange_refuse(exchange, FAILURE_NO_WEBSOCKET);
        return true;
    }
    if (exchange->is_websocket)
        place_becomes_request(&exchange->link_stream->place);
    exchange->status = head->status;
    exchange_enter(exchange, EXCHANGE_RELAYING);
    exchange_give_head(exchange, head);
    return true;
}

/* --- the body, ahead of a slow client --- */

static void give_up_on_disk(struct exchange *exchange, int error)
{
    log_error("a response's temporary file: %s", strerror(-error));
    exchange_refuse(exchange, FAILURE_DISK);
}

static void on_spool_progress(void *argument)
{
    struct exchange *exchange = argument;

    if (spool_error(exchange->response_spool)) {
        give_up_on_disk(exchange, spool_error(exchange->response_spool));
        return;
    }
    exchange_pump(exchange);
}

static bool may_append(const struct exchange *exchange)
{
    return !spool_is_congested(exchange->response_spool) &&
           spool_size(exchange->response_spool) + READ_BODY_ROOM < exchange->pool->config->response_max;
}

static bool to_spool(struct exchange *exchange, struct slice data)
{
    int error = spool_append(exchange->response_spool, data);

    if (error) {
        give_up_on_disk(exchange, error);
        return false;
    }
    exchange_pump(exchange);
    if (exchange->state == EXCHANGE_DONE || !exchange->response_spool)
        return exchange->state != EXCHANGE_DONE;
    return may_append(exchange);
}

/* Without a file the worker waits for the client. */
static bool open_spool(struct exchange *exchange)
{
    int error;

    exchange->response_spool = spool_new(exchange->proxy->loop, UINT64_MAX, on_spool_progress, exchange);
    error = spool_error(exchange->response_spool);
    if (!error)
        return true;
    log_error("a response's temporary file: %s", strerror(-error));
    spool_free(&exchange->response_spool);
    return false;
}

bool exchange_on_data(struct exchange *exchange, struct slice data)
{
    const struct client_ops *ops = exchange->stream->ops;

    exchange->sent += data.size;
    count(&exchange->proxy->counters.bytes_to_clients, data.size);
    if (exchange->response_spool)
        return to_spool(exchange, data);
    ops->data(exchange->stream, data);
    if (exchange->state == EXCHANGE_DONE)
        return false;
    if (ops->unsent(exchange->stream) < water_high())
        return true;
    ops->flush(exchange->stream);
    if (exchange->state == EXCHANGE_DONE)
        return false;
    if (ops->unsent(exchange->stream) < water_high())
        return true;
    if (blocks_are_scarce())
        buffer_fit(&exchange->head); /* it stays for as long as this client takes */
    return exchange->is_buffered && open_spool(exchange);
}

static void end_response(struct exchange *exchange, struct slice trailers)
{
    exchange->stream->ops->end(exchange->stream, trailers);
}

/* Moves what is spooled on to the client, as much as it takes now. */
void exchange_pump(struct exchange *exchange)
{
    const struct client_ops *ops = exchange->stream->ops;
    struct spool *spool = exchange->response_spool;

    while (ops->unsent(exchange->stream) < water_high()) {
        struct slice ready = spool_peek(spool);
        if (ready.size == 0)
            break;
        size_t piece = body_room(READ_BODY_ROOM);
        ready.size = ready.size < piece ? ready.size : piece;
        ops->data(exchange->stream, ready);
        if (exchange->state == EXCHANGE_DONE)
            return;
        spool_consume(spool, ready.size);
    }
    ops->flush(exchange->stream);
    if (exchange->state == EXCHANGE_DONE)
        return;
    if (spool_unread(spool)) {
        if (exchange->link_stream && may_append(exchange))
            link_stream_resume(exchange->link_stream);
        return;
    }
    if (exchange->state == EXCHANGE_DELIVERING && !exchange->ended) {
        exchange->ended = true;
        end_response(exchange, slice_of(exchange->late_trailers));
    } else if (exchange->state == EXCHANGE_RELAYING) { /* the client has caught up: no detour any more */
        spool_free(&exchange->response_spool);
        if (exchange->link_stream)
            link_stream_resume(exchange->link_stream);
    }
}

void exchange_client_drained(struct exchange *exchange)
{
    if (exchange->response_spool)
        exchange_pump(exchange);
    else if (exchange->link_stream)
        link_stream_resume(exchange->link_stream);
}

void exchange_on_end(struct exchange *exchange, struct slice trailers)
{
    exchange->link_stream = NULL;
    exchange_enter(exchange, EXCHANGE_DELIVERING);
    if (exchange->response_spool && spool_unread(exchange->response_spool)) {
        exchange->late_trailers = trailers.size ? slice_dup(trailers) : NULL;
        exchange_pump(exchange);
        return;
    }
    exchange->ended = true;
    end_response(exchange, trailers);
}

void exchange_delivered(struct exchange *exchange)
{
    exchange_finish(exchange);
}
