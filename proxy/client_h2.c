/* SPDX-License-Identifier: MIT
 *
 * An HTTP/2 connection of a client: its bytes in and out, its time-outs, its end. Loop thread only. */
#include "proxy/client_h2.h"

#include <errno.h>

#include "base/log.h"
#include "proxy/held.h"
#include "proxy/listener.h"

#define STREAM_WINDOW (64 * 1024)

bool client_h2_is_preface(struct slice bytes)
{
    size_t size = bytes.size < H2_PREFACE_SIZE ? bytes.size : H2_PREFACE_SIZE;

    return memcmp(bytes.at, H2_PREFACE, size) == 0;
}

/* --- time-outs --- */

/* The socket's has precedence: while it is full, `deadline` is that of timeouts.send. */
static void start_waiting(struct client_h2 *connection)
{
    struct client *client = connection->client;
    const struct timeouts_config *timeouts = &client->proxy->snapshot->config->timeouts;

    if (client->blocked)
        return;
    deadline_start(&client->deadline, client->proxy->loop,
                   connection->waits == H2_WAIT_IDLE      ? timeouts->keep_alive
                   : connection->waits == H2_WAIT_NOTHING ? 0
                                                          : timeouts->header);
}

void client_h2_settle(struct client_h2 *connection)
{
    enum client_h2_wait waits = h2_is_inside_head(connection->h2) ? H2_WAIT_HEAD
                                : connection->stream_count        ? H2_WAIT_NOTHING
                                                                  : H2_WAIT_IDLE;

    if (connection->waits == waits || connection->is_closed)
        return;
    if (connection->waits == H2_WAIT_FIRST && connection->client->exchanges == 0)
        return;
    connection->waits = waits;
    start_waiting(connection);
}

/* --- out --- */

void client_h2_write_soon(struct client_h2 *connection)
{
    if (!connection->client->blocked && !connection->is_closed)
        task_at_end(&connection->write_task, connection->client->proxy->loop);
}

/* All is said: the client can still read it. */
static void leave(struct client_h2 *connection)
{
    struct client *client = connection->client;

    client_h2_close(client);
    client_unblocked(client);
    client_linger(client);
}

static bool is_over(const struct client_h2 *connection)
{
    if (h2_has_unsent(connection->h2))
        return false;
    return h2_is_over(connection->h2) || (connection->is_leaving && connection->stream_count == 0 &&
                                          !deadline_is_running(&connection->end_at));
}

/* False: the client is gone, or takes no more for now. */
static bool push(struct client_h2 *connection)
{
    struct client *client = connection->client;
    struct iovec parts[H2_PARTS];
    size_t turn = 0;

    while (turn < TURN_BYTES_MAX) {
        unsigned count = h2_unsent(connection->h2, parts, H2_PARTS);
        ssize_t wrote;
        if (count == 0) {
            if (client->blocked) {
                client_unblocked(client);
                start_waiting(connection);
            }
            return true;
        }
        wrote = count == 1 ? client_write(client, parts[0].iov_base, parts[0].iov_len)
                           : client_writev(client, parts, (int)count);
        connection->is_busy = true;
        h2_sent(connection->h2, wrote > 0 ? (size_t)wrote : 0);
        connection->is_busy = false;
        if (connection->is_closed)
            return false;
        if (wrote == -EAGAIN) {
            client_blocked(client);
            return false;
        }
        if (wrote < 0) {
            client_close(client);
            return false;
        }
        if (client->blocked)
            client_made_progress(client);
        turn += (size_t)wrote;
    }
    task_soon(&connection->write_task, client->proxy->loop); /* others first */
    return false;
}

bool client_h2_may_write(const struct client_h2 *connection)
{
    return !connection->is_busy && !connection->is_closed && !connection->client->blocked;
}

void client_h2_write(struct client_h2 *connection)
{
    (void)push(connection);
}

static void write_all(struct client_h2 *connection)
{
    if (!push(connection))
        return;
    if (is_over(connection))
        leave(connection);
}

static void on_write(struct task *task)
{
    write_all(container_of(task, struct client_h2, write_task));
}

/* --- in --- */

static void send_fresh(struct client_h2 *connection)
{
    while (!list_is_empty(&connection->fresh)) {
        struct client_h2_stream *stream =
            list_entry(connection->fresh.next, struct client_h2_stream, fresh_node);
        list_remove(&stream->fresh_node);
        if (stream->stream.exchange && (!stream->says_empty || stream->body_is_done))
            exchange_go(stream->stream.exchange);
    }
}

/* False: the connection has ended. */
static bool take(struct client_h2 *connection, struct slice bytes)
{
    struct client *client = connection->client;
    bool good;

    connection->is_busy = true;
    good = h2_receive(connection->h2, bytes, clock_us());
    connection->is_busy = false;
    send_fresh(connection);
    if (connection->is_closed)
        return false;
    client_h2_write_soon(connection);
    if (good)
        return true;
    log_debug("%.*s: HTTP/2: %s", client->peer.ip_size, client->peer.ip, h2_problem(connection->h2));
    count(&client->proxy->counters.h2_broken, 1);
    (void)push(connection);
    if (!connection->is_closed)
        leave(connection);
    return false;
}

static void read_all(struct client_h2 *connection)
{
    struct client *client = connection->client;
    size_t room = READ_HEAD_ROOM, turn = 0;
    uint32_t capacity;
    char *block = NULL;

    while (client->readable && !connection->is_closed) {
        ssize_t got;
        if (turn >= TURN_BYTES_MAX) {
            task_soon(&client->task, client->proxy->loop);
            break;
        }
        if (!block)
            block = block_take(room, &capacity);
        got = client_read(client, block, room);
        if (got == -EAGAIN) {
            client->readable = false;
            break;
        }
        if (got <= 0) { /* HTTP/2 has no half-closed connection: who is gone takes no answer */
            client->readable = false;
            client->at_end = true;
            client_close(client);
            break;
        }
        client->readable = client_has_more(client, (size_t)got, room);
        turn += (size_t)got;
        if (!take(connection, (struct slice){block, (size_t)got}))
            break;
        if ((size_t)got == room && room < READ_BODY_ROOM) {
            block_give(block, capacity);
            block = NULL;
            room = READ_BODY_ROOM;
        }
    }
    if (block)
        block_give(block, capacity);
}

void client_h2_advance(struct client *client)
{
    struct client_h2 *connection = client->h2;

    if (client->advancing)
        return;
    client->advancing = true;
    read_all(connection);
    client->advancing = false;
    if (client->state == CLIENT_LINGERING)
        client_h1_advance(client);
    else if (!connection->is_closed)
        client_h2_settle(connection);
}

void client_h2_event(struct client *client, short what)
{
    if ((what & EV_WRITE) && client->blocked)
        write_all(client->h2);
    if (client->state == CLIENT_H2 && client->readable)
        client_h2_advance(client);
}

/* --- life --- */

static void on_end_due(void *argument)
{
    struct client_h2 *connection = argument;

    h2_goaway(connection->h2, H2_NO_ERROR);
    client_h2_write_soon(connection);
}

void client_h2_open(struct client *client)
{
    struct proxy *proxy = client->proxy;
    const struct config *config = proxy->snapshot->config;
    struct client_h2 *connection = slab_take(&proxy->h2_slab);
    struct h2_options options = {
        .role = H2_ANSWERS,
        .streams = config->limits.streams,
        .stream_window = STREAM_WINDOW,
        .connection_window = (config->limits.streams + 1) * STREAM_WINDOW, /* none holds up another */
        .limits = {config->limits.header, config->limits.headers, config->keep_underscores},
        .serves_connect = client->listener->websocket_over_http2,
        .scratch = &proxy->request,
    };

    client->state = CLIENT_H2;
    client->h2 = connection;
    connection->client = client;
    connection->held = held_new();
    list_init(&connection->streams);
    list_init(&connection->fresh);
    task_init(&connection->write_task, on_write);
    deadline_init(&connection->end_at, on_end_due, connection);
    connection->h2 = h2_new(&options, &client_h2_events, connection);
    count(&proxy->counters.h2_connections, 1);
    if (proxy->draining)
        client_h2_drain(client);
    if (buffer_size(&client->in)) {
        struct buffer first = client->in;
        client->in = (struct buffer){0};
        take(connection, buffer_slice(&first));
        buffer_release(&first);
    }
    if (connection->is_closed)
        return;
    client_h2_write_soon(connection);
    if (client->advancing) /* in the middle of reading HTTP/1 */
        task_soon(&client->task, proxy->loop);
    else
        client_h2_advance(client);
}

void client_h2_drain(struct client *client)
{
    struct client_h2 *connection = client->h2;

    if (connection->is_leaving)
        return;
    connection->is_leaving = true;
    h2_announce_end(connection->h2);
    deadline_start(&connection->end_at, client->proxy->loop, CLIENT_DRAIN_IDLE_MS);
    client_h2_write_soon(connection);
}

void client_h2_due(struct client *client)
{
    struct client_h2 *connection = client->h2;

    if (client->blocked) {
        if (!client_is_stuck(client))
            return;
        list_each_safe (node, next, &connection->streams) {
            struct client_h2_stream *stream = list_entry(node, struct client_h2_stream, node);
            if (stream->stream.exchange)
                stream->stream.exchange->failure = FAILURE_SLOW_CLIENT;
        }
        client_close(client);
        return;
    }
    /* A head that does not come to its end holds up every other stream. */
    connection->is_leaving = true;
    deadline_stop(&connection->end_at);
    h2_goaway(connection->h2, h2_is_inside_head(connection->h2) ? H2_PROTOCOL_ERROR : H2_NO_ERROR);
    write_all(connection);
}

bool client_h2_is_finished(const struct client *client)
{
    return client->h2->is_closed || (client->h2->stream_count == 0 && !h2_has_unsent(client->h2->h2));
}

void client_h2_close(struct client *client)
{
    struct client_h2 *connection = client->h2;

    if (connection->is_closed)
        return;
    connection->is_closed = true;
    task_cancel(&connection->write_task);
    deadline_stop(&connection->end_at);
    list_each_safe (node, next, &connection->streams)
        client_h2_stream_lose(list_entry(node, struct client_h2_stream, node));
}

void client_h2_free(struct client *client)
{
    struct client_h2 *connection = client->h2;

    client->h2 = NULL;
    if (!connection)
        return;
    h2_free(&connection->h2); /* before its streams, which it knows */
    list_each_safe (node, next, &connection->streams)
        client_h2_stream_free(list_entry(node, struct client_h2_stream, node));
    held_unref(&connection->held);
    slab_give(&client->proxy->h2_slab, connection);
}
