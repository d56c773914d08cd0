/* SPDX-License-Identifier: MIT
 *
 * The streams of an HTTP/2 client: requests come in, each with an exchange of its own; who is slow, who is gone. Loop thread only. */
#include "base/backoff.h"
#include "base/clock.h"
#include "http/websocket.h"
#include "proxy/client_h2.h"
#include "proxy/held.h"
#include "proxy/own_answer.h"
#include "proxy/tunnel.h"

#define KEY_SIZE 24 /* of 16 random bytes in base64 */

static struct client_h2_stream *stream_of(struct h2_stream *h2)
{
    return container_of(h2, struct client_h2_stream, h2);
}

/* --- life --- */

void client_h2_stream_free(struct client_h2_stream *stream)
{
    buffer_release(&stream->in);
    buffer_release(&stream->h2.out);
    mem_free(stream->h2.trailers);
    slab_give(&stream->connection->client->proxy->h2_stream_slab, stream);
}

static void on_free(struct task *task)
{
    client_h2_stream_free(container_of(task, struct client_h2_stream, free_task));
}

void client_h2_stream_lose(struct client_h2_stream *stream)
{
    deadline_stop(&stream->deadline);
    list_remove(&stream->fresh_node);
    if (stream->stream.exchange)
        exchange_client_gone(stream->stream.exchange);
    if (stream->tunnel.tunnel)
        tunnel_client_closed(stream->tunnel.tunnel);
}

/* It has left the connection. */
static void leave(struct client_h2_stream *stream)
{
    struct client_h2 *connection = stream->connection;

    client_h2_stream_lose(stream);
    if (connection->is_closed) /* freed with it */
        return;
    list_remove(&stream->node);
    connection->stream_count--;
    task_at_end(&stream->free_task, connection->client->proxy->loop);
    client_h2_settle(connection);
    client_h2_write_soon(connection);
}

void client_h2_stream_end(struct client_h2_stream *stream, enum h2_code code)
{
    h2_reset(stream->connection->h2, &stream->h2, code);
    leave(stream);
}

/* --- in time --- */

/* A client of gRPC may be silent within its call as long as it likes. */
static void await_body(struct client_h2_stream *stream)
{
    struct proxy *proxy = stream->connection->client->proxy;
    bool is_call = stream->stream.exchange && stream->stream.exchange->is_grpc;
    bool is_awaited = (stream->has_body || stream->says_empty) && !stream->body_is_done && !is_call;

    if (stream->awaits_send)
        return;
    deadline_start(&stream->deadline, proxy->loop, is_awaited ? proxy->snapshot->config->timeouts.body : 0);
}

static void await_send(struct client_h2_stream *stream)
{
    struct proxy *proxy = stream->connection->client->proxy;

    stream->awaits_send = true;
    deadline_start(&stream->deadline, proxy->loop, proxy->snapshot->config->timeouts.send);
}

void client_h2_stream_has_unsent(struct client_h2_stream *stream)
{
    if (!stream->awaits_send)
        await_send(stream);
}

/* Not this stream is held back: others go before it. Whether the client takes any of it at all is seen by the connection. */
static bool waits_for_its_turn(const struct client_h2_stream *stream)
{
    const struct client_h2 *connection = stream->connection;
    unsigned send_ms = connection->client->proxy->snapshot->config->timeouts.send;

    return h2_stream_has_window(connection->h2, &stream->h2) &&
           (h2_has_window(connection->h2) || clock_us() - connection->moved_us < (uint64_t)send_ms * 1000);
}

static void on_due(void *argument)
{
    struct client_h2_stream *stream = argument;
    struct exchange *exchange = stream->stream.exchange;

    if (stream->awaits_send && waits_for_its_turn(stream)) {
        await_send(stream);
    } else if (stream->awaits_send) {
        if (exchange)
            exchange->failure = FAILURE_SLOW_CLIENT;
        client_h2_stream_end(stream, H2_CANCEL);
    } else if (exchange &&
               !exchange_wants_body(exchange)) { /* not the client is slow, but who is to take it */
        await_body(stream);
    } else if (exchange) {
        exchange_body_failed(exchange, FAILURE_CLIENT_TIMEOUT);
    }
}

/* --- requests --- */

static void put_key(char key[KEY_SIZE])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (unsigned i = 0; i < KEY_SIZE - 2; i++)
        key[i] = digits[random_u32() & (i == KEY_SIZE - 3 ? 0x30 : 0x3f)];
    key[KEY_SIZE - 2] = key[KEY_SIZE - 1] = '=';
}

/* RFC 8441 section 5: there is no Sec-WebSocket-Key in HTTP/2; a worker is shown one of ours. False: it is no handshake. */
static bool begin_handshake(struct head *head, char key[KEY_SIZE])
{
    unsigned kept = 0;

    for (unsigned i = 0; i < head->field_count; i++)
        if (head->fields[i].known != FIELD_SEC_WEBSOCKET_KEY)
            head->fields[kept++] = head->fields[i];
    head->field_count = kept;
    if (kept == HEAD_FIELDS_MAX)
        return false;
    put_key(key);
    head->fields[head->field_count++] = (struct field){
        .name = SLICE("Sec-WebSocket-Key"), .value = {key, KEY_SIZE}, .known = FIELD_SEC_WEBSOCKET_KEY};
    head->size += KEY_SIZE + sizeof "Sec-WebSocket-Key: \r\n";
    return websocket_handshake_is_valid(head);
}

static void begin(struct client_h2_stream *stream, struct head *head)
{
    struct client *client = stream->connection->client;
    char key[KEY_SIZE];

    stream->has_no_body = head->method == METHOD_HEAD;
    stream->has_body = head_has_body(head);
    stream->says_empty = head->has_content_length && head->content_length == 0;
    stream->left = head->has_content_length ? head->content_length : 0;
    if (head->is_extended_connect && !begin_handshake(head, key)) {
        client_h2_refuse(stream, 400, "a WebSocket handshake that is none");
        return;
    }
    stream->is_websocket = head->is_extended_connect;
    await_body(stream);
    if (!own_answer(client, &stream->stream, head) &&
        exchange_open(client->proxy, &stream->stream, &client->peer, head))
        await_body(stream);
}

static struct client_h2_stream *stream_new(struct client_h2 *connection)
{
    struct client_h2_stream *stream = slab_take(&connection->client->proxy->h2_stream_slab);

    stream->stream.ops = &client_h2_ops;
    stream->stream.held = connection->held;
    stream->connection = connection;
    stream->tunnel.ops = &client_h2_tunnel_ops;
    stream->stream.waits_for_go = true;
    list_push_back(&connection->fresh, &stream->fresh_node);
    list_push_back(&connection->streams, &stream->node);
    connection->stream_count++;
    deadline_init(&stream->deadline, on_due, stream);
    task_init(&stream->free_task, on_free);
    h2_accept(connection->h2, &stream->h2);
    return stream;
}

static void on_request(void *owner, const struct head *head, const struct h1_error *error)
{
    struct client_h2 *connection = owner;
    struct client *client = connection->client;
    struct client_h2_stream *stream;

    if (connection->is_closed)
        return;
    if (connection->stream_count + held_count(connection->held) >=
        client->proxy->snapshot->config->limits.streams) {
        count(&client->proxy->counters.h2_refused, 1);
        return;
    }
    client->exchanges++;
    stream = stream_new(connection);
    client_h2_settle(connection);
    if (error)
        client_h2_refuse(stream, error->status, error->why);
    else
        begin(stream, &client->proxy->request); /* which is what `head` points to */
    (void)head;
}

/* The end of a length stays here until it is the end (RFC 9113 section 8.1.1). */
static struct slice keep_last(struct client_h2_stream *stream, struct slice data)
{
    if (stream->left == 0 || data.size == 0)
        return data; /* no length was said */
    stream->left -= data.size < stream->left ? data.size : stream->left;
    if (stream->left == 0) {
        stream->last = data.at[--data.size];
        stream->keeps_last = true;
    }
    return data;
}

static void on_data(void *owner, struct h2_stream *h2, struct slice data)
{
    struct client_h2 *connection = owner;
    struct client_h2_stream *stream = stream_of(h2);
    struct exchange *exchange = stream->stream.exchange;
    bool goes_on = true;

    if (connection->is_closed)
        return;
    if (stream->is_websocket && (exchange || stream->tunnel.tunnel)) {
        client_h2_tunnel_data(stream, data);
        return;
    }
    data = keep_last(stream, data);
    if (exchange && data.size)
        goes_on = exchange_body(exchange, data);
    if (connection->is_closed || !h2->id)
        return;
    if (goes_on || !stream->stream.exchange)
        h2_took(connection->h2, h2, h2->untaken);
    await_body(stream);
}

static void end_body(struct client_h2_stream *stream, struct slice trailers)
{
    if (stream->keeps_last)
        (void)exchange_body(stream->stream.exchange, (struct slice){&stream->last, 1});
    if (stream->stream.exchange)
        exchange_body_end(stream->stream.exchange, trailers);
}

static void on_end(void *owner, struct h2_stream *h2, struct slice trailers)
{
    struct client_h2 *connection = owner;
    struct client_h2_stream *stream = stream_of(h2);

    if (connection->is_closed)
        return;
    stream->body_is_done = true;
    await_body(stream);
    if (stream->is_websocket)
        client_h2_tunnel_ended(stream);
    else if (stream->stream.exchange && stream->has_body)
        end_body(stream, trailers);
    else if (stream->stream.exchange && stream->says_empty && list_is_empty(&stream->fresh_node))
        exchange_go(stream->stream.exchange);
}

/* --- what has gone out --- */

/* The client has it all. What it still sends is not waited for (RFC 9113 section 8.1). */
static void delivered(struct client_h2_stream *stream)
{
    if (stream->stream.exchange && stream->stream.exchange->state == EXCHANGE_DELIVERING)
        exchange_delivered(stream->stream.exchange);
    if (!stream->body_is_done && !stream->tunnel.tunnel)
        client_h2_stream_end(stream, H2_NO_ERROR);
}

static void on_sent(void *owner, struct h2_stream *h2, bool is_all)
{
    struct client_h2 *connection = owner;
    struct client_h2_stream *stream = stream_of(h2);
    size_t unsent = h2_stream_unsent(h2);

    if (connection->is_closed)
        return;
    connection->moved_us = clock_us();
    if (h2_stream_is_held(h2)) {
        await_send(stream);
    } else if (stream->awaits_send) {
        stream->awaits_send = false;
        await_body(stream);
    }
    if (is_all)
        delivered(stream);
    else if (stream->tunnel.tunnel)
        client_h2_tunnel_has_room(stream);
    else if (stream->stream.exchange && unsent < water_low() && !stream->lends)
        exchange_client_drained(stream->stream.exchange);
}

static void on_closed(void *owner, struct h2_stream *h2, uint32_t code)
{
    struct client_h2 *connection = owner;

    if (connection->is_closed)
        return;
    if (code != H2_NO_ERROR && !h2->is_cut)
        count(&connection->client->proxy->counters.h2_resets, 1);
    leave(stream_of(h2));
}

const struct h2_events client_h2_events = {
    .on_request = on_request,
    .on_data = on_data,
    .on_end = on_end,
    .on_sent = on_sent,
    .on_closed = on_closed,
};
