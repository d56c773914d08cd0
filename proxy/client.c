/* SPDX-License-Identifier: MIT
 *
 * A client's connection from accept to close, whichever HTTP it speaks. Loop thread only. */
#include "proxy/client.h"

#include <errno.h>
#include <fcntl.h>

#include "base/clock.h"
#include "base/net.h"
#include "proxy/listener.h"
#include "proxy/tunnel.h"

#define CLIENT_TAG 0x434c4e54u
#define LINGER_MS  2000

/* Who asks once and wants the connection closed then has nothing more to say: when the answer is there
 * within this time, the connection was never registered at all. */
#define UNWATCHED_MS 20
#define SEND_LOOKS   4 /* within timeouts.send */

static void on_task(struct task *task)
{
    struct client *client = container_of(task, struct client, task);

    if (client->state == CLIENT_CLOSED) {
        client_h2_free(client);
        slab_give(&client->proxy->client_slab, client);
    } else if (client->state == CLIENT_H2) {
        client_h2_advance(client);
    } else if (client->state != CLIENT_TUNNEL) {
        client_h1_advance(client);
    }
}

static void on_event(evutil_socket_t fd, short what, void *argument)
{
    struct client *client = tagged(argument, CLIENT_TAG);

    (void)fd;
    if (client->tls)
        what = client_tls_woken(client, what);
    if (what & EV_CLOSED)
        client->peer_closed = true;
    if (what & (EV_READ | EV_CLOSED))
        client->readable = true;
    switch (client->state) {
    case CLIENT_ARRIVING: client_arrive(client); return;
    case CLIENT_HANDSHAKE: client_tls_advance(client); return;
    case CLIENT_TUNNEL: tunnel_on_client(client->tunnel.tunnel, what); return;
    case CLIENT_H2: client_h2_event(client, what); return;
    default: client_h1_event(client, what); return;
    }
}

static void on_due(void *argument)
{
    struct client *client = tagged(argument, CLIENT_TAG);

    if (client->state == CLIENT_H2)
        client_h2_due(client);
    else
        client_h1_due(client);
}

static const char too_many[] =
    "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nContent-Length: 32\r\n"
    "Retry-After: 1\r\nConnection: close\r\n\r\n{\"error\":\"too_many_connections\"}";

/* Over a limit of connections: told so at once, and no worker is touched. The answer has to survive what the
 * client has sent already, so what is there is read first; there is no lingering, which would hold the very
 * thing that is short. Before a handshake nothing can be told. */
void client_turn_away(struct proxy *proxy, const struct listener *listener, int fd)
{
    char bytes[4096];

    count(&proxy->counters.connections_refused, 1);
    if (listener->is_tls)
        return;
    (void)net_read(fd, bytes, sizeof bytes);
    (void)net_write(fd, too_many, sizeof too_many - 1);
    net_shutdown_write(fd);
}

void client_open(struct proxy *proxy, struct listener *listener, int fd, const struct address *address)
{
    const struct config *config = proxy->snapshot->config;
    _Atomic uint32_t *connections = &proxy->options.slots->engines[proxy->options.column].connections;
    uint32_t others = atomic_fetch_add(connections, 1);
    struct client *client;

    if (others >= config->limits.connections || others >= proxy->connections_max) {
        atomic_fetch_sub(connections, 1);
        client_turn_away(proxy, listener, fd);
        net_close(&fd);
        return;
    }
    client = slab_take(&proxy->client_slab);
    client->tag = CLIENT_TAG;
    client->state = CLIENT_ARRIVING;
    client->proxy = proxy;
    client->fd = fd;
    client->stream.ops = &client_h1_ops;
    client->listener = listener_ref(listener);
    client->readable = true;
    client_know_peer(client, address);
    deadline_init(&client->deadline, on_due, client);
    task_init(&client->task, on_task);
    list_push_back(&proxy->clients, &client->node);
    proxy->client_count++;
    count(&proxy->counters.connections_accepted, 1);
    deadline_start(&client->deadline, proxy->loop,
                   proxy->draining ? CLIENT_DRAIN_IDLE_MS : config->timeouts.header);
    client_arrive(client); /* its first bytes are often there already: read before anything is registered */
    if (client->state == CLIENT_EXCHANGE && client->closes && client->body_is_done && !client->blocked)
        deadline_start(&client->deadline, proxy->loop, UNWATCHED_MS);
    else if (client->state != CLIENT_CLOSED)
        client_watch(client);
}

void client_watch(struct client *client)
{
    if (!client->watch.open)
        watch_open_stream(&client->watch, client->proxy->loop, client->fd, on_event, client);
}

/* All that was to be said was said: TLS tells that from a connection that breaks off. */
static bool is_finished(const struct client *client)
{
    if (client->h2)
        return client_h2_is_finished(client);
    return client->state != CLIENT_TUNNEL && !client->stream.exchange && buffer_size(&client->out) == 0;
}

void client_close(struct client *client)
{
    struct proxy *proxy = client->proxy;

    if (client->state == CLIENT_CLOSED)
        return;
    if (client->tls_contexts)
        client_tls_close(client, is_finished(client));
    if (client->is_counted)
        per_ip_release(&client->key);
    client->state = CLIENT_CLOSED;
    if (client->stream.exchange)
        exchange_client_gone(client->stream.exchange);
    if (client->tunnel.tunnel)
        tunnel_client_closed(client->tunnel.tunnel);
    if (client->h2)
        client_h2_close(client);
    deadline_stop(&client->deadline);
    watch_close(&client->watch);
    net_close(&client->fd);
    buffer_release(&client->in);
    buffer_release(&client->out);
    h1_body_fini(&client->body);
    list_remove(&client->node);
    listener_unref(client->listener);
    atomic_fetch_sub(&proxy->options.slots->engines[proxy->options.column].connections, 1);
    task_cancel(&client->task);
    task_at_end(&client->task, proxy->loop);
    proxy->client_count--;
    proxy_client_closed(proxy);
}

void client_linger(struct client *client)
{
    if (client->at_end) {
        client_close(client);
        return;
    }
    client->state = CLIENT_LINGERING;
    client_watch(client);
    client_shutdown_write(client);
    buffer_release(&client->in);
    deadline_start(&client->deadline, client->proxy->loop, LINGER_MS);
    client->readable = true;
    if (!client->advancing)
        client_h1_advance(client);
}

void client_drain(struct client *client)
{
    if (client->state == CLIENT_H2) {
        client_h2_drain(client);
        return;
    }
    client->closes = true;
    if (client->state <= CLIENT_WAITING) /* a request may be on its way: it gets its answer */
        deadline_start(&client->deadline, client->proxy->loop, CLIENT_DRAIN_IDLE_MS);
}

/* --- a full socket --- */

/* What the client takes out of the kernel's buffer is progress too, and there may be megabytes in it before
 * we are told of room: so we look. */
static void await_client(struct client *client)
{
    unsigned timeout_ms = client->proxy->snapshot->config->timeouts.send;

    deadline_start(&client->deadline, client->proxy->loop, timeout_ms ? timeout_ms / SEND_LOOKS + 1 : 0);
}

void client_made_progress(struct client *client)
{
    client->kernel_holds = SIZE_MAX;
    client->looks_in_vain = 1; /* the first one has nothing to compare with */
    await_client(client);
}

bool client_is_stuck(struct client *client)
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

void client_blocked(struct client *client)
{
    if (client->blocked)
        return;
    client->blocked = true;
    watch_writes(&client->watch);
    client_watch(client);
    client_made_progress(client);
}

void client_unblocked(struct client *client)
{
    if (!client->blocked)
        return;
    client->blocked = false;
    deadline_stop(&client->deadline);
}
