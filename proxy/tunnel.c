/* SPDX-License-Identifier: MIT
 *
 * Tunnels: two directions, each read only when what it read before has been written, so that memory is
 * bounded by one read. Loop thread only. */
#include "proxy/tunnel.h"

#include <errno.h>

#include "base/clock.h"
#include "base/net.h"
#include "http/websocket.h"

#define TUNNEL_TAG  0x54554e4cu
#define TUNNEL_ROOM (16 * 1024)
#define CLOSING_MS  2000 /* how long the peers may take to answer a close frame of ours */

struct direction {
    struct buffer pending;
    struct websocket_frames frames;
    bool at_end;  /* its source has sent its last byte */
    bool is_shut; /* and the other side was told */
    bool readable, writable;
};

struct tunnel {
    uint32_t tag;
    struct proxy *proxy;
    struct list node;
    struct tunnel_client *client;
    struct link *link;
    struct direction to_link, to_client;
    struct deadline deadline; /* idle, or the end after a close frame of ours */
    struct task task;
    unsigned idle_ms;
    unsigned close_code;   /* 0: none of ours */
    bool close_is_said[2]; /* to the link, to the client */
    bool is_over;
    struct deadline close_at; /* when its turn comes to be closed */

    /* for the log line at the end */
    struct buffer log_head;
    uint64_t opened_us, wall_us, waited_us, received, sent;
    struct pool *pool; /* referenced: its name is in the log */
    char real[46];
    uint8_t real_size;
    bool is_h2;
    enum failure failure;
};

static void log_end(struct tunnel *tunnel)
{
    struct proxy *proxy = tunnel->proxy;
    struct access_record record;

    count(&proxy->counters.tunnels_closed, 1);
    if (!proxy->log_is_on || buffer_size(&tunnel->log_head) == 0)
        return;
    record = (struct access_record){
        .wall_us = tunnel->wall_us,
        .duration_us = clock_us() - tunnel->opened_us,
        .wait_us = tunnel->waited_us,
        .client = {tunnel->real, tunnel->real_size},
        .head = buffer_slice(&tunnel->log_head),
        .minor = 1,
        .is_h2 = tunnel->is_h2,
        .status = 101,
        .bytes_sent = tunnel->sent,
        .bytes_received = tunnel->received,
        .pool = tunnel->pool->config->name,
        .backend = tunnel->link->backend->name,
        .tries = 1,
        .word = failures[tunnel->failure].word,
    };
    access_log_write(proxy->log, &record);
}

static void on_free(struct task *task)
{
    struct tunnel *tunnel = container_of(task, struct tunnel, task);

    slab_give(&tunnel->proxy->tunnel_slab, tunnel);
}

/* Ends it: both connections are closed, the place is released. */
static void finish(struct tunnel *tunnel)
{
    struct tunnel_client *client = tunnel->client;

    if (tunnel->is_over)
        return;
    tunnel->is_over = true;
    log_end(tunnel);
    client->tunnel = NULL;
    tunnel->link->tunnel = NULL;
    link_close(&tunnel->link);
    deadline_stop(&tunnel->deadline);
    deadline_stop(&tunnel->close_at);
    buffer_release(&tunnel->to_link.pending);
    buffer_release(&tunnel->to_client.pending);
    buffer_release(&tunnel->log_head);
    pool_unref(&tunnel->pool);
    list_remove(&tunnel->node);
    task_cancel(&tunnel->task);
    task_init(&tunnel->task, on_free);
    task_at_end(&tunnel->task, tunnel->proxy->loop);
    client->ops->close(client);
}

void tunnel_client_closed(struct tunnel *tunnel)
{
    finish(tunnel);
}

struct backend *tunnel_backend(const struct tunnel *tunnel)
{
    return tunnel->link->backend;
}

/* --- moving bytes --- */

static void fail(struct tunnel *tunnel, enum failure failure)
{
    tunnel->failure = failure;
    finish(tunnel);
}

static bool is_to_client(const struct tunnel *tunnel, const struct direction *direction)
{
    return direction == &tunnel->to_client;
}

/* The two ends of a direction. */
static ssize_t read_source(struct tunnel *tunnel, const struct direction *direction, void *into, size_t room)
{
    return is_to_client(tunnel, direction) ? link_receive(tunnel->link, into, room)
                                           : tunnel->client->ops->read(tunnel->client, into, room);
}

static ssize_t write_target(struct tunnel *tunnel, const struct direction *direction, const void *bytes,
                            size_t size)
{
    return is_to_client(tunnel, direction)
               ? tunnel->client->ops->write(tunnel->client, bytes, size)
               : link_deliver(tunnel->link, &(struct iovec){(void *)(uintptr_t)bytes, size}, 1);
}

static bool source_has_more(const struct tunnel *tunnel, const struct direction *direction, size_t got)
{
    return is_to_client(tunnel, direction)
               ? link_has_more(tunnel->link, got, TUNNEL_ROOM) || tunnel->link->peer_closed
               : tunnel->client->ops->has_more(tunnel->client, got, TUNNEL_ROOM);
}

static void wait_for_room(struct tunnel *tunnel, struct direction *direction)
{
    direction->writable = false;
    if (is_to_client(tunnel, direction))
        tunnel->client->ops->await_room(tunnel->client);
    else
        watch_writes(&tunnel->link->watch);
}

/* Writes what is pending. False: the tunnel has ended. */
static bool push(struct tunnel *tunnel, struct direction *direction)
{
    while (buffer_size(&direction->pending) && direction->writable) {
        ssize_t wrote = write_target(tunnel, direction, buffer_bytes(&direction->pending),
                                     buffer_size(&direction->pending));
        if (wrote == -EAGAIN) {
            wait_for_room(tunnel, direction);
            break;
        }
        if (wrote < 0) {
            fail(tunnel, direction == &tunnel->to_client ? FAILURE_CLIENT_GONE : FAILURE_BROKEN);
            return false;
        }
        buffer_consume(&direction->pending, (size_t)wrote);
    }
    return true;
}

/* Our close frame goes in at the first boundary; what the source sends after it is thrown away. */
static void say_close(struct tunnel *tunnel, struct direction *direction)
{
    bool to_client = is_to_client(tunnel, direction);
    char frame[WEBSOCKET_CLOSE_MAX];

    if (!tunnel->close_code || tunnel->close_is_said[to_client] ||
        !websocket_frames_at_boundary(&direction->frames))
        return;
    tunnel->close_is_said[to_client] = true;
    if (direction->frames.close_seen)
        return; /* the source has said it itself */
    buffer_append(&direction->pending, frame, websocket_close_frame(frame, tunnel->close_code, !to_client));
}

/* Passes on what was read: straight to the socket when nothing is before it. False: ended. */
static bool pass(struct tunnel *tunnel, struct direction *direction, char *bytes, size_t size)
{
    struct slice data = {bytes, size};
    ssize_t wrote = 0;

    if (tunnel->close_is_said[is_to_client(tunnel, direction)])
        return true; /* nothing follows a close frame */
    if (tunnel->close_code)
        data.size = websocket_frames_until_boundary(&direction->frames, data);
    websocket_frames_follow(&direction->frames, data);
    if (is_to_client(tunnel, direction))
        tunnel->sent += data.size;
    else
        tunnel->received += data.size;
    if (buffer_size(&direction->pending) == 0 && direction->writable && data.size) {
        wrote = write_target(tunnel, direction, data.at, data.size);
        if (wrote < 0 && wrote != -EAGAIN) {
            fail(tunnel, is_to_client(tunnel, direction) ? FAILURE_CLIENT_GONE : FAILURE_BROKEN);
            return false;
        }
        if (wrote < 0)
            wait_for_room(tunnel, direction);
        wrote = wrote < 0 ? 0 : wrote;
    }
    if ((size_t)wrote < data.size)
        buffer_append(&direction->pending, data.at + wrote, data.size - (size_t)wrote);
    say_close(tunnel, direction);
    return push(tunnel, direction);
}

/* Reads once more when the source has something and the last piece is written. False: nothing moved, or
 * ended. */
static bool move_once(struct tunnel *tunnel, struct direction *direction, size_t *turn)
{
    uint32_t capacity;
    char *block;
    ssize_t got;
    bool goes_on;

    if (!direction->readable || direction->at_end || buffer_size(&direction->pending))
        return false;
    block = block_take(TUNNEL_ROOM, &capacity);
    got = read_source(tunnel, direction, block, TUNNEL_ROOM);
    if (got <= 0) {
        block_give(block, capacity);
        direction->readable = false;
        if (got == -EAGAIN)
            return false;
        if (got < 0) {
            fail(tunnel, is_to_client(tunnel, direction) ? FAILURE_BROKEN : FAILURE_CLIENT_GONE);
            return false;
        }
        direction->at_end = true;
        return true;
    }
    *turn += (size_t)got;
    direction->readable = source_has_more(tunnel, direction, (size_t)got);
    goes_on = pass(tunnel, direction, block, (size_t)got);
    block_give(block, capacity);
    return goes_on;
}

static void shut_when_done(struct tunnel *tunnel, struct direction *direction)
{
    if (direction->at_end && !direction->is_shut && buffer_size(&direction->pending) == 0) {
        direction->is_shut = true;
        if (is_to_client(tunnel, direction))
            tunnel->client->ops->shutdown_write(tunnel->client);
        else
            link_shutdown_write(tunnel->link);
    }
}

/* Both sides have ended; or both have said close and one has ended, whatever the other does with its
 * connection (RFC 6455 section 7.1.1). */
static bool is_finished(const struct tunnel *tunnel)
{
    const struct direction *to_link = &tunnel->to_link, *to_client = &tunnel->to_client;

    if (to_link->is_shut && to_client->is_shut)
        return true;
    return (to_link->is_shut || to_client->is_shut) && to_link->frames.close_seen &&
           to_client->frames.close_seen && buffer_size(&to_link->pending) == 0 &&
           buffer_size(&to_client->pending) == 0;
}

static void move(struct tunnel *tunnel, struct direction *direction)
{
    size_t turn = 0;

    if (!push(tunnel, direction))
        return;
    while (move_once(tunnel, direction, &turn)) {
        if (turn >= TURN_BYTES_MAX) {
            task_soon(&tunnel->task, tunnel->proxy->loop);
            break;
        }
    }
    if (tunnel->is_over)
        return;
    if (turn &&
        !(tunnel->close_is_said[0] && tunnel->close_is_said[1])) /* what follows it gives no more time */
        deadline_start(&tunnel->deadline, tunnel->proxy->loop,
                       tunnel->close_code ? CLOSING_MS : tunnel->idle_ms);
    shut_when_done(tunnel, direction);
    if (is_finished(tunnel))
        finish(tunnel);
}

static void move_both(struct tunnel *tunnel)
{
    move(tunnel, &tunnel->to_link);
    if (!tunnel->is_over)
        move(tunnel, &tunnel->to_client);
}

static void on_task(struct task *task)
{
    struct tunnel *tunnel = container_of(task, struct tunnel, task);

    if (!tunnel->is_over)
        move_both(tunnel);
}

static void on_event(struct direction *from_here, struct direction *to_here, short what)
{
    if (what & (EV_READ | EV_CLOSED))
        from_here->readable = true;
    if (what & EV_WRITE)
        to_here->writable = true;
}

void tunnel_on_client(struct tunnel *tunnel, short what)
{
    on_event(&tunnel->to_link, &tunnel->to_client, what);
    if (buffer_size(&tunnel->to_client.pending))
        move_both(tunnel);
    else
        move(tunnel, &tunnel->to_link);
}

void tunnel_on_link(struct tunnel *tunnel, short what)
{
    on_event(&tunnel->to_client, &tunnel->to_link, what);
    if (buffer_size(&tunnel->to_link.pending))
        move_both(tunnel);
    else
        move(tunnel, &tunnel->to_client);
}

/* --- ends --- */

static void on_due(void *argument)
{
    struct tunnel *tunnel = tagged(argument, TUNNEL_TAG);

    if (tunnel->close_code) {
        finish(tunnel);
        return;
    }
    tunnel->failure = FAILURE_STALLED;
    tunnel_say_close(tunnel, 1001); /* idle for too long */
}

void tunnel_say_close(struct tunnel *tunnel, unsigned code)
{
    if (tunnel->close_code || tunnel->is_over)
        return;
    tunnel->close_code = code;
    if (tunnel->failure == FAILURE_NONE)
        tunnel->failure = FAILURE_STOPPING;
    say_close(tunnel, &tunnel->to_client);
    say_close(tunnel, &tunnel->to_link);
    deadline_start(&tunnel->deadline, tunnel->proxy->loop, CLOSING_MS);
    move_both(tunnel);
}

static void on_close_at(void *argument)
{
    tunnel_say_close(tagged(argument, TUNNEL_TAG), 1012);
}

/* Neither closing nor about to. */
static bool is_on(const struct tunnel *tunnel, const struct backend *backend)
{
    return tunnel->link->backend == backend && !tunnel->close_code && !deadline_is_running(&tunnel->close_at);
}

void tunnels_close_spread(struct proxy *proxy, const struct backend *backend, unsigned most, unsigned over_ms)
{
    unsigned count = 0, index = 0;

    list_each_safe (node, next, &proxy->tunnels) /* in the order in which they were opened */
        count += is_on(list_entry(node, struct tunnel, node), backend);
    count = count < most ? count : most;
    list_each_safe (node, next, &proxy->tunnels) {
        struct tunnel *tunnel = list_entry(node, struct tunnel, node);
        unsigned step_ms;
        if (index == count)
            return;
        if (!is_on(tunnel, backend))
            continue;
        step_ms = (unsigned)((uint64_t)over_ms * index++ / count) / 100 *
                  100; /* few different durations: each has a list */
        deadline_start(&tunnel->close_at, proxy->loop, step_ms ? step_ms : 1);
    }
}

void tunnels_close_all(struct proxy *proxy, unsigned code)
{
    list_each_safe (node, next, &proxy->tunnels)
        tunnel_say_close(list_entry(node, struct tunnel, node), code);
}

/* --- opening --- */

static struct tunnel *tunnel_new(struct exchange *exchange, struct tunnel_client *client, struct link *link)
{
    struct proxy *proxy = exchange->proxy;
    struct tunnel *tunnel = slab_take(&proxy->tunnel_slab);

    tunnel->tag = TUNNEL_TAG;
    tunnel->proxy = proxy;
    tunnel->client = client;
    tunnel->link = link;
    tunnel->idle_ms = exchange->snapshot->config->timeouts.tunnel;
    tunnel->opened_us = exchange->opened_us;
    tunnel->wall_us = exchange->wall_us;
    tunnel->waited_us = exchange->waited_us;
    tunnel->pool = pool_ref(exchange->pool);
    memcpy(tunnel->real, exchange->real, exchange->real_size);
    tunnel->real_size = exchange->real_size;
    tunnel->is_h2 = exchange->is_h2;
    deadline_init(&tunnel->deadline, on_due, tunnel);
    deadline_init(&tunnel->close_at, on_close_at, tunnel);
    task_init(&tunnel->task, on_task);
    list_push_back(&proxy->tunnels, &tunnel->node);
    if (proxy->log_is_on) {
        struct slice head = buffer_slice(&exchange->head);
        buffer_append(&tunnel->log_head, head.at, head.size);
    }
    return tunnel;
}

void tunnel_open(struct exchange *exchange, struct tunnel_client *client, struct link *link,
                 struct buffer *in, struct buffer *out)
{
    struct tunnel *tunnel = tunnel_new(exchange, client, link);

    count(&tunnel->proxy->counters.tunnels_opened, 1);
    link->stream.exchange = NULL;
    exchange->link_stream = NULL;
    link->state = LINK_TUNNEL;
    link->tunnel = tunnel;
    client->tunnel = tunnel;
    deadline_stop(&link->stream.deadline);
    task_cancel(&link->task);
    exchange_becomes_tunnel(exchange);
    deadline_start(&tunnel->deadline, tunnel->proxy->loop, tunnel->idle_ms);
    tunnel->to_link = (struct direction){.readable = true, .writable = true};
    tunnel->to_client = (struct direction){.pending = *out, .readable = true, .writable = true};
    /* What either side has said already comes first. */
    struct buffer early_client = *in, early_link = link->in;
    link->in = (struct buffer){0};
    if (push(tunnel, &tunnel->to_client) &&
        pass(tunnel, &tunnel->to_client, buffer_bytes(&early_link), buffer_size(&early_link)) &&
        pass(tunnel, &tunnel->to_link, buffer_bytes(&early_client), buffer_size(&early_client)))
        task_soon(&tunnel->task, tunnel->proxy->loop);
    buffer_release(&early_client);
    buffer_release(&early_link);
    if (tunnel->proxy->draining)
        tunnel_say_close(tunnel, 1001);
}

size_t tunnel_size(void)
{
    return sizeof(struct tunnel);
}
