/* SPDX-License-Identifier: MIT
 *
 * How a client talks HTTP/1: reads heads and bodies for an exchange, one at a time, pipelined ones in
 * order. Loop thread only. client_h1_write.c has the other direction. */
#include <errno.h>

#include "base/clock.h"
#include "base/net.h"
#include "http/h2.h"
#include "proxy/client.h"
#include "proxy/listener.h"
#include "proxy/own_answer.h"
#include "proxy/tunnel.h"

#define PIPELINE_MAX     (16 * 1024) /* read ahead of the present exchange */
#define LINGER_BYTES_MAX (256 * 1024)

/* More bytes into `in`. False: there are none now, or the client has ended. */
static bool fill(struct client *client, size_t room)
{
    ssize_t got;

    if (!client->readable)
        return false;
    got = client_read(client, buffer_reserve(&client->in, room), room);
    if (got > 0) {
        buffer_commit(&client->in, (size_t)got);
        client->readable = client_has_more(client, (size_t)got, room);
        return true;
    }
    client->readable = false;
    if (got == -EAGAIN)
        return false;
    client->at_end = true;
    if (got < 0)
        client_close(client); /* reset */
    return false;
}

/* --- heads --- */

static void begin(struct client *client, const struct head *head)
{
    struct proxy *proxy = client->proxy;

    client->state = CLIENT_EXCHANGE;
    client->exchanges++;
    client->is_http10 = head->minor == 0;
    client->closes = client->closes || !head->keep_alive || proxy->draining;
    client->is_chunked = client->response_is_whole = false;
    client->response_has_no_body = head->method == METHOD_HEAD;
    client->body_is_done = !head_has_body(head);
    h1_body_init(&client->body, head->framing, head->content_length);
    if (client->body_is_done)
        deadline_stop(&client->deadline);
    else
        deadline_start(&client->deadline, proxy->loop, proxy->snapshot->config->timeouts.body);
    if (!own_answer(client, &client->stream, head))
        exchange_open(proxy, &client->stream, &client->peer, head);
}

/* RFC 9113 section 3.3: who begins with the preface knows that HTTP/2 is spoken here. True: there is no HTTP/1 head to read, or not yet. */
static bool speaks_h2(struct client *client)
{
    struct slice bytes = buffer_slice(&client->in);

    if (bytes.at[0] != 'P' || client->tls || !client->listener->http2 || !client_h2_is_preface(bytes))
        return false;
    if (bytes.size >= H2_PREFACE_SIZE)
        client_h2_open(client);
    return true;
}

/* False: the head is not whole, or the connection is not for heads any more. */
static bool take_head(struct client *client)
{
    struct proxy *proxy = client->proxy;
    const struct config *config = proxy->snapshot->config;
    struct h1_limits limits = {config->limits.header, config->limits.headers, config->keep_underscores};
    struct h1_error error;
    struct head *head = &proxy->request;
    size_t size;

    if (buffer_size(&client->in) == 0)
        return false;
    if (client->state == CLIENT_WAITING) {
        client->state = CLIENT_READING;
        if (client->exchanges > 0) /* the first one has had its time since the accept */
            deadline_start(&client->deadline, proxy->loop, config->timeouts.header);
    }
    if (client->exchanges == 0 && speaks_h2(client))
        return false;
    switch (h1_read_request(head, buffer_slice(&client->in), &client->seen, &limits, &error)) {
    case H1_MORE: return false;
    case H1_BAD: client_h1_refuse_head(client, error.status, error.why); return false;
    case H1_DONE: break;
    }
    client->seen = 0;
    size = head->size;
    begin(client, head);
    if (client->state == CLIENT_CLOSED)
        return false;
    if (client->state != CLIENT_LINGERING)
        buffer_consume(&client->in, size);
    return true;
}

/* A head that will not become whole. */
static void head_ended(struct client *client)
{
    if (client->state == CLIENT_CLOSED)
        return;
    if (buffer_size(&client->in) == 0)
        client_close(client);
    else
        client_h1_refuse_head(client, 400, "the head breaks off");
}

static void read_heads(struct client *client)
{
    size_t turn = 0;

    while (client->state == CLIENT_WAITING || client->state == CLIENT_READING) {
        if (take_head(client))
            continue;
        if (client->state != CLIENT_WAITING && client->state != CLIENT_READING)
            return;
        if (turn > TURN_BYTES_MAX) { /* many requests that are all answered at once */
            task_soon(&client->task, client->proxy->loop);
            return;
        }
        if (!fill(client, READ_HEAD_ROOM)) {
            if (client->at_end)
                head_ended(client);
            return;
        }
        turn += buffer_size(&client->in);
    }
}

/* --- bodies --- */

static void body_ended_early(struct client *client)
{
    if (client->state != CLIENT_EXCHANGE)
        return;
    client->closes = true;
    client->body_is_done = true;
    if (client->stream.exchange)
        client_close(client); /* cut by the client itself: nobody is there to be told */
}

/* False: enough for now. */
static bool take_body(struct client *client)
{
    struct slice in = buffer_slice(&client->in), data;
    size_t given = in.size;
    bool goes_on = true;

    while (goes_on ||
           in.size == 0) { /* that this was all is told by the next call, and nothing else will come */
        struct exchange *exchange = client->stream.exchange;
        enum body_event event = h1_body_next(&client->body, &in, &data);
        switch (event) {
        case BODY_DATA:
            if (exchange)
                goes_on = exchange_body(exchange, data);
            if (client->state != CLIENT_EXCHANGE)
                return false;
            break;
        case BODY_MORE: buffer_consume(&client->in, given - in.size); return goes_on;
        case BODY_END:
            buffer_consume(&client->in, given - in.size);
            client->body_is_done = true;
            deadline_stop(&client->deadline);
            if (exchange)
                exchange_body_end(exchange, h1_body_trailers(&client->body));
            return false;
        case BODY_BAD:
            client->closes = client->readable = true;
            client->body_is_done = true;
            if (exchange)
                exchange_body_failed(exchange, FAILURE_BAD_REQUEST);
            return false;
        }
    }
    buffer_consume(&client->in, given - in.size);
    return false;
}

static void read_body(struct client *client)
{
    size_t turn = 0;

    while (client->state == CLIENT_EXCHANGE && !client->body_is_done) {
        struct exchange *exchange = client->stream.exchange;
        if (exchange && !exchange_wants_body(exchange))
            return;
        if (buffer_size(&client->in)) {
            if (!take_body(client))
                continue;
        }
        if (turn > TURN_BYTES_MAX) {
            task_soon(&client->task, client->proxy->loop);
            return;
        }
        if (!fill(client, body_room(READ_BODY_ROOM))) {
            if (client->at_end)
                body_ended_early(client);
            return;
        }
        turn += buffer_size(&client->in);
        if (deadline_is_running(&client->deadline) && !client->blocked)
            deadline_start(&client->deadline, client->proxy->loop,
                           client->proxy->snapshot->config->timeouts.body);
    }
}

/* While an exchange goes on and its body is in: pipelined requests wait, and an end of the stream is
 * noticed. */
static void look_for_end(struct client *client)
{
    while (client->state == CLIENT_EXCHANGE && client->readable && !client->at_end &&
           buffer_size(&client->in) < (blocks_are_scarce() ? BLOCK_MODEST / 2 : PIPELINE_MAX)) {
        if (!fill(client, 4096) && !client->at_end)
            break;
    }
    if (client->state != CLIENT_EXCHANGE || !client->at_end)
        return;
    client->closes = true;
    if (!client->stream.exchange)
        return;
    if (client->stream.exchange->state == EXCHANGE_WAITING) /* who leaves the queue never reaches a worker */
        client_close(client);
    else
        exchange_client_half_closed(client->stream.exchange);
}

static void throw_away(struct client *client)
{
    size_t thrown = 0;

    while (client->state == CLIENT_LINGERING && fill(client, READ_HEAD_ROOM)) {
        thrown += buffer_size(&client->in);
        buffer_release(&client->in);
        if (thrown > LINGER_BYTES_MAX) {
            task_soon(&client->task, client->proxy->loop);
            return;
        }
    }
    if (client->state == CLIENT_LINGERING && client->at_end)
        client_close(client);
}

/* --- the driver --- */

void client_h1_advance(struct client *client)
{
    if (client->advancing)
        return;
    client->advancing = true;
    read_heads(client);
    while (client->state == CLIENT_EXCHANGE && !client->body_is_done) {
        read_body(client);
        if (client->state == CLIENT_WAITING || client->state == CLIENT_READING)
            read_heads(client);
        else
            break;
    }
    if (client->state == CLIENT_EXCHANGE && client->body_is_done && client->readable)
        look_for_end(client);
    if (client->state == CLIENT_LINGERING)
        throw_away(client);
    client->advancing = false;
    if (client->state != CLIENT_CLOSED)
        buffer_settle(&client->in);
}

void client_h1_next(struct client *client)
{
    struct proxy *proxy = client->proxy;

    h1_body_fini(&client->body);
    if (client->closes || !client->body_is_done || proxy->draining) {
        if (client->body_is_done && !client->readable && buffer_size(&client->in) == 0)
            client_close(client); /* it has sent nothing that we have not read: its answer is safe */
        else
            client_linger(client);
        return;
    }
    client->state = CLIENT_WAITING;
    deadline_start(&client->deadline, proxy->loop, proxy->snapshot->config->timeouts.keep_alive);
    if (!client->advancing && (buffer_size(&client->in) || client->readable || client->peer_closed))
        task_soon(&client->task, proxy->loop);
}

void client_h1_event(struct client *client, short what)
{
    if ((what & EV_WRITE) && client->blocked)
        client_h1_write(client);
    if (client->readable && client->state != CLIENT_CLOSED)
        client_h1_advance(client);
}

void client_h1_due(struct client *client)
{
    switch (client->state) {
    case CLIENT_ARRIVING:
    case CLIENT_HANDSHAKE:
    case CLIENT_WAITING: client_close(client); return; /* idle for too long, or not a byte since the accept */
    case CLIENT_READING: client_h1_refuse_head(client, 408, "the head did not come in time"); return;
    case CLIENT_LINGERING: client_close(client); return;
    case CLIENT_EXCHANGE:
        if (!client->watch.open) { /* it takes longer: its leaving is to be noticed */
            client_watch(client);
            return;
        }
        if (client->blocked) {
            if (!client_is_stuck(client))
                return;
            if (client->stream.exchange)
                client->stream.exchange->failure = FAILURE_SLOW_CLIENT;
            client_close(client);
        } else if (client->stream.exchange && !exchange_wants_body(client->stream.exchange)) {
            /* not the client is slow, but who is to take it */
            deadline_start(&client->deadline, client->proxy->loop,
                           client->proxy->snapshot->config->timeouts.body);
        } else if (client->stream.exchange) {
            client->closes = true;
            exchange_body_failed(client->stream.exchange, FAILURE_CLIENT_TIMEOUT);
        }
        return;
    case CLIENT_TUNNEL:
    case CLIENT_H2:
    case CLIENT_CLOSED: UNREACHABLE();
    }
}
