/* SPDX-License-Identifier: MIT
 *
 * How a client is answered in HTTP/1: heads rewritten, bodies framed anew, our own short answers. Written
 * first, waited for only when the socket is full. Loop thread only. */
#include <errno.h>

#include "base/clock.h"
#include "base/net.h"
#include "http/date.h"
#include "proxy/client.h"
#include "proxy/rewrite.h"

#define SEND_LOOKS 4 /* within timeouts.send */
#define WRITE_THROUGH_MIN                                                                                    \
    (16 * 1024) /* pieces from here on are written from where they lie; smaller ones are collected */

static struct client *client_of(const struct client_stream *stream)
{
    return (struct client *)(void *)((char *)(uintptr_t)stream - offsetof(struct client, stream));
}

/* --- bytes out --- */

/* What the client takes out of the kernel's buffer is progress too, and there may be megabytes in it before
 * we are told of room: so we look. */
static void await_client(struct client *client)
{
    unsigned timeout_ms = client->proxy->snapshot->config->timeouts.send;

    deadline_start(&client->deadline, client->proxy->loop, timeout_ms ? timeout_ms / SEND_LOOKS + 1 : 0);
}

static void made_progress(struct client *client)
{
    client->kernel_holds = SIZE_MAX;
    client->looks_in_vain = 1; /* the first one has nothing to compare with */
    await_client(client);
}

bool client_h1_is_stuck(struct client *client)
{
    size_t holds = net_unsent(client->fd);

    if (holds < client->kernel_holds && client->kernel_holds != SIZE_MAX)
        client->looks_in_vain = 0;
    else if (client->kernel_holds != SIZE_MAX)
        client->looks_in_vain++;
    client->kernel_holds = holds;
    if (client->looks_in_vain >= SEND_LOOKS)
        return true;
    await_client(client);
    return false;
}

static void blocked(struct client *client)
{
    if (client->blocked)
        return;
    client->blocked = true;
    watch_writes(&client->watch);
    client_watch(client);
    made_progress(client);
}

static void unblocked(struct client *client)
{
    if (!client->blocked)
        return;
    client->blocked = false;
    deadline_stop(&client->deadline);
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
            blocked(client);
            return true;
        }
        if (wrote < 0) {
            client_close(client);
            return false;
        }
        buffer_consume(&client->out, (size_t)wrote);
        if (client->blocked)
            made_progress(client);
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
        blocked(client);
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

static struct client *give_up(struct client_stream *stream)
{
    struct client *client = client_of(stream);

    client->state = CLIENT_TUNNEL;
    client_watch(client);
    deadline_stop(&client->deadline);
    task_cancel(&client->task);
    h1_body_fini(&client->body);
    return client;
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
    struct slice reason = status_reason(status);
    const char *more = status == 503   ? "Retry-After: 1\r\n"
                       : status == 405 ? "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n"
                                       : "";
    char body[256];
    size_t size = json
                      ? str_format(body, sizeof body, "{\"status\":%u,\"error\":\"%s\"}\n", status, word)
                      : str_format(body, sizeof body,
                                   "<!doctype html><title>%u %.*s</title><h1>%u %.*s</h1><p>%s</p>\n", status,
                                   (int)reason.size, reason.at, status, (int)reason.size, reason.at, word);

    put_own_head(client, status, json ? "application/json" : "text/html; charset=utf-8", size, more);
    if (!head_only)
        buffer_append(&client->out, body, size);
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

/* What is answered without an exchange has its line in the log, too. `head`: NULL when it could not be
 * read; of it only the line is taken, nothing else has been checked for the log. */
static void log_own(struct client *client, const struct head *head, unsigned status, size_t size,
                    const char *word)
{
    struct proxy *proxy = client->proxy;
    struct access_record record = {.wall_us = clock_wall_us(),
                                   .client = {client->peer.ip, client->peer.ip_size},
                                   .head = {"", 0},
                                   .minor = head ? head->minor : 1,
                                   .status = status,
                                   .bytes_sent = size,
                                   .word = word};

    count(&proxy->counters.requests, 1);
    count(status < 400   ? &proxy->counters.responses_2xx
          : status < 500 ? &proxy->counters.responses_4xx
                         : &proxy->counters.responses_5xx,
          1);
    if (!proxy->log_is_on)
        return;
    if (head) {
        const char *end = head->target.at + head->target.size;
        record.head = (struct slice){head->method_text.at, (size_t)(end - head->method_text.at)};
    }
    access_log_write(proxy->log, &record);
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
    log_own(client, NULL, status, 0, status == 408 ? "client_timeout" : "bad_request");
    whole(client);
}

void client_h1_answer(struct client *client, const struct head *head, unsigned status, const char *type,
                      struct slice body, const char *more)
{
    if (!client->body_is_done)
        client->closes = true;
    put_own_head(client, status, type, body.size, more);
    if (!client->response_has_no_body)
        buffer_append(&client->out, body.at, body.size);
    log_own(client, head, status, client->response_has_no_body ? 0 : body.size, "-");
    whole(client);
}

void client_h1_options(struct client *client, const struct head *head)
{
    if (!client->body_is_done)
        client->closes = true;
    put_own_head(client, 200, NULL, 0, "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n");
    log_own(client, head, 200, 0, "-");
    whole(client);
}

const struct client_ops client_h1_ops = {
    .interim = send_interim,
    .head = send_head,
    .data = send_data,
    .flush = flush,
    .end = send_end,
    .answer = answer,
    .cut = cut,
    .resume = resume,
    .unsent = unsent,
    .give_up = give_up,
};
