/* SPDX-License-Identifier: MIT
 *
 * How a client is answered in HTTP/1: heads rewritten, bodies framed anew, our own short answers. Written
 * first, waited for only when the socket is full. Loop thread only. */
#include <errno.h>

#include "base/clock.h"
#include "base/net.h"
#include "http/date.h"
#include "proxy/client.h"
#include "proxy/own_answer.h"
#include "proxy/rewrite.h"

#define WRITE_THROUGH_MIN                                                                                    \
    (16 * 1024) /* pieces from here on are written from where they lie; smaller ones are collected */

static struct client *client_of(const struct client_stream *stream)
{
    return (struct client *)(void *)((char *)(uintptr_t)stream - offsetof(struct client, stream));
}

/* --- bytes out --- */

static void unblocked(struct client *client)
{
    if (!client->blocked)
        return;
    client_unblocked(client);
    if (client->state == CLIENT_EXCHANGE && !client->body_is_done)
        deadline_start(&client->deadline, client->proxy->loop,
                       client->proxy->snapshot->config->timeouts.body);
}

static void delivered(struct client *client)
{
    struct exchange *exchange = client->stream.exchange;

    client->response_is_whole = false;
    if (exchange)
        exchange_delivered(exchange);
    client_h1_next(client);
}

/* False: the client is gone. */
static bool push(struct client *client)
{
    while (buffer_size(&client->out)) {
        ssize_t wrote = client_write(client, buffer_bytes(&client->out), buffer_size(&client->out));
        if (wrote == -EAGAIN) {
            client_blocked(client);
            return true;
        }
        if (wrote < 0) {
            client_close(client);
            return false;
        }
        buffer_consume(&client->out, (size_t)wrote);
        if (client->blocked)
            client_made_progress(client);
    }
    unblocked(client);
    return true;
}

void client_h1_write(struct client *client)
{
    size_t before = buffer_size(&client->out);

    if (!push(client))
        return;
    if (client->response_is_whole && buffer_size(&client->out) == 0)
        delivered(client);
    else if (client->stream.exchange && buffer_size(&client->out) < water_low() && before)
        exchange_client_drained(client->stream.exchange);
}

static void flush(struct client_stream *stream)
{
    struct client *client = client_of(stream);

    if (!client->blocked && client->state == CLIENT_EXCHANGE)
        push(client);
}

/* The whole response is in `out` or sent. */
static void whole(struct client *client)
{
    client->response_is_whole = true;
    if (!client->blocked && !push(client))
        return;
    if (client->response_is_whole && buffer_size(&client->out) == 0)
        delivered(client);
}

/* --- what a worker answered --- */

static void send_interim(struct client_stream *stream, const struct head *head)
{
    struct client *client = client_of(stream);
    struct response_plan plan = {0};

    if (head)
        rewrite_response(&client->out, head, &plan, 0);
    else
        buffer_append(&client->out, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    flush(stream);
}

static void send_head(struct client_stream *stream, const struct head *head)
{
    struct client *client = client_of(stream);
    bool has_body = head->framing != FRAMING_NONE;
    bool sized = head->framing == FRAMING_LENGTH;
    struct response_plan plan = {.is_upgrade = head->status == 101};

    if (!client->body_is_done)
        client->closes = true; /* we would have to read the rest first: RFC 9112 section 9.3 */
    /* To a HEAD, and with 204 and 304, it would say something else (RFC 9110 section 8.6). */
    plan.is_empty =
        !has_body && !head->has_content_length && !client->response_has_no_body && head->status != 304;
    client->response_has_no_body = !has_body;
    client->is_chunked = plan.chunked = has_body && !sized && !client->is_http10;
    if (has_body && !sized && client->is_http10)
        client->closes = true;
    plan.closes = client->closes && !plan.is_upgrade;
    plan.says_keep_alive = client->is_http10 && !client->closes;
    rewrite_response(&client->out, head, &plan, clock_wall_us());
}

/* What is collected and a large piece in one call; what the socket does not take is kept. */
static void write_through(struct client *client, struct slice data)
{
    char chunk[H1_CHUNK_HEAD_MAX];
    char *chunk_end = h1_put(h1_put_hex(chunk, data.size), SLICE("\r\n"));
    size_t collected = buffer_size(&client->out);
    struct iovec parts[4];
    int part_count = 0;
    ssize_t wrote;

    if (collected)
        parts[part_count++] = (struct iovec){buffer_bytes(&client->out), collected};
    if (client->is_chunked)
        parts[part_count++] = (struct iovec){chunk, (size_t)(chunk_end - chunk)};
    parts[part_count++] = (struct iovec){(void *)(uintptr_t)data.at, data.size};
    if (client->is_chunked)
        parts[part_count++] = (struct iovec){(void *)(uintptr_t) "\r\n", 2};
    wrote = client_writev(client, parts, part_count);
    if (wrote < 0 && wrote != -EAGAIN) {
        client_close(client);
        return;
    }
    for (int i = 0; i < part_count; i++) {
        size_t done = wrote > 0 ? ((size_t)wrote < parts[i].iov_len ? (size_t)wrote : parts[i].iov_len) : 0;
        wrote -= wrote > 0 ? (ssize_t)done : 0;
        if (i == 0 && collected)
            buffer_consume(&client->out, done);
        else if (done < parts[i].iov_len)
            buffer_append(&client->out, (char *)parts[i].iov_base + done, parts[i].iov_len - done);
    }
    if (buffer_size(&client->out))
        client_blocked(client);
}

static void send_data(struct client_stream *stream, struct slice data)
{
    struct client *client = client_of(stream);

    if (client->response_has_no_body)
        return;
    if (data.size >= WRITE_THROUGH_MIN && !client->blocked)
        write_through(client, data);
    else if (client->is_chunked)
        h1_append_chunk(&client->out, data);
    else
        buffer_append(&client->out, data.at, data.size);
}

static void send_end(struct client_stream *stream, struct slice trailers)
{
    struct client *client = client_of(stream);

    if (client->is_chunked) {
        buffer_append(&client->out, "0\r\n", 3);
        rewrite_trailers(&client->out, trailers);
        buffer_append(&client->out, "\r\n", 2);
    }
    whole(client);
}

/* Without a last chunk, short of its length, or, where the end of the connection would look like the end of
 * the body, by a reset. */
static void cut(struct client_stream *stream)
{
    struct client *client = client_of(stream);

    if (!client->blocked && !push(client))
        return;
    if (client->is_http10 && !client->is_chunked)
        net_reset(&client->fd);
    client_close(client);
}

static size_t unsent(const struct client_stream *stream)
{
    return buffer_size(&client_of(stream)->out);
}

static void resume(struct client_stream *stream)
{
    struct client *client = client_of(stream);

    if (client->state == CLIENT_EXCHANGE && !client->body_is_done && !client->advancing &&
        (client->readable || client->peer_closed || buffer_size(&client->in)))
        task_soon(&client->task, client->proxy->loop);
}

static struct client *client_of_tunnel(const struct tunnel_client *tunnel)
{
    return (struct client *)(void *)((char *)(uintptr_t)tunnel - offsetof(struct client, tunnel));
}

static ssize_t tunnel_read(struct tunnel_client *tunnel, void *into, size_t room)
{
    return client_read(client_of_tunnel(tunnel), into, room);
}

static bool tunnel_has_more(const struct tunnel_client *tunnel, size_t got, size_t room)
{
    return client_has_more(client_of_tunnel(tunnel), got, room);
}

static ssize_t tunnel_write(struct tunnel_client *tunnel, const void *bytes, size_t size)
{
    return client_write(client_of_tunnel(tunnel), bytes, size);
}

static void tunnel_await_room(struct tunnel_client *tunnel)
{
    watch_writes(&client_of_tunnel(tunnel)->watch);
}

static void tunnel_shutdown_write(struct tunnel_client *tunnel)
{
    client_shutdown_write(client_of_tunnel(tunnel));
}

static void tunnel_close(struct tunnel_client *tunnel)
{
    client_close(client_of_tunnel(tunnel));
}

static const struct tunnel_client_ops tunnel_ops = {
    .read = tunnel_read,
    .has_more = tunnel_has_more,
    .write = tunnel_write,
    .await_room = tunnel_await_room,
    .shutdown_write = tunnel_shutdown_write,
    .close = tunnel_close,
};

/* --- a tunnel: all that is left of the connection --- */

static struct tunnel_client *give_up(struct client_stream *stream, struct buffer *in, struct buffer *out)
{
    struct client *client = client_of(stream);

    client->state = CLIENT_TUNNEL;
    client_watch(client);
    deadline_stop(&client->deadline);
    task_cancel(&client->task);
    h1_body_fini(&client->body);
    client->tunnel.ops = &tunnel_ops;
    *in = client->in;
    *out = client->out;
    client->in = client->out = (struct buffer){0};
    return &client->tunnel;
}

/* --- our own answers --- */

static void put_own_head(struct client *client, unsigned status, const char *type, size_t size,
                         const char *more)
{
    struct slice reason = status_reason(status), date = http_date(clock_wall_us());

    buffer_print(&client->out, "HTTP/1.1 %u %.*s\r\nDate: %.*s\r\n%s", status, (int)reason.size, reason.at,
                 (int)date.size, date.at, more);
    if (type)
        buffer_print(&client->out, "Content-Type: %s\r\n", type);
    buffer_print(&client->out, "Content-Length: %zu\r\n", size);
    if (client->closes)
        buffer_print(&client->out, "Connection: close\r\n");
    else if (client->is_http10)
        buffer_print(&client->out, "Connection: keep-alive\r\n");
    buffer_append(&client->out, "\r\n", 2);
}

static void put_error(struct client *client, unsigned status, const char *word, bool json, bool head_only)
{
    char body[OWN_ERROR_MAX];
    struct reply error;

    own_error(&error, body, status, word, json);
    put_own_head(client, status, error.type, error.body.size, error.more);
    if (!head_only)
        buffer_append(&client->out, error.body.at, error.body.size);
}

static void answer(struct client_stream *stream, unsigned status, const char *word)
{
    struct client *client = client_of(stream);

    if (!client->body_is_done || status == 408 || status == 413 || status == 400)
        client->closes = true;
    client->is_chunked = false;
    put_error(client, status, word, stream->exchange->wants_json, stream->exchange->method == METHOD_HEAD);
    whole(client);
}

void client_h1_refuse_head(struct client *client, unsigned status, const char *why)
{
    client->state = CLIENT_EXCHANGE;
    client->closes = client->readable =
        true; /* whatever else it sends is read and thrown away: it can read the answer */
    client->is_http10 = client->is_chunked = false;
    client->body_is_done = true;
    buffer_release(&client->in);
    put_error(client, status, why, true, false);
    own_log(client, NULL, status, 0, status == 408 ? "client_timeout" : "bad_request");
    whole(client);
}

static void reply(struct client_stream *stream, const struct head *head, const struct reply *own)
{
    struct client *client = client_of(stream);

    if (!client->body_is_done)
        client->closes = true;
    put_own_head(client, own->status, own->type, own->body.size, own->more);
    if (!client->response_has_no_body)
        buffer_append(&client->out, own->body.at, own->body.size);
    own_log(client, head, own->status, client->response_has_no_body ? 0 : own->body.size, "-");
    whole(client);
}

const struct client_ops client_h1_ops = {
    .interim = send_interim,
    .head = send_head,
    .data = send_data,
    .flush = flush,
    .end = send_end,
    .answer = answer,
    .reply = reply,
    .cut = cut,
    .resume = resume,
    .unsent = unsent,
    .give_up = give_up,
};
