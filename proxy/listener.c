/* SPDX-License-Identifier: MIT
 *
 * Accepting. Loop thread only. */
#include "proxy/listener.h"

#include <errno.h>

#include "base/log.h"
#include "base/net.h"
#include "proxy/client.h"
#include "proxy/tls.h"

#define LISTENER_TAG   0x4c53544eu
#define ACCEPT_TURN    64   /* connections in one turn: those that are open have their share */
#define ACCEPT_LAST    8192 /* in the backlog when it closes: they are connected, and would be reset */
#define EMFILE_WAIT_MS 100

/* A connection that a unix listener deals to another loop. */
struct dealt {
    struct message message;
    struct proxy *proxy;
    int fd;
    struct address address; /* of the listener there */
};

static struct listener *find_listener(struct proxy *proxy, const struct address *address)
{
    list_each_safe (node, next, &proxy->listeners) {
        struct listener *listener = list_entry(node, struct listener, node);
        if (address_equal(&listener->address, address))
            return listener;
    }
    return NULL;
}

static void on_dealt(struct message *message)
{
    struct dealt *dealt = container_of(message, struct dealt, message);
    struct listener *listener = find_listener(dealt->proxy, &dealt->address);

    if (listener)
        client_open(dealt->proxy, listener, dealt->fd, &dealt->address);
    else
        net_close(&dealt->fd);
    mem_free(dealt);
}

static bool deal_out(struct listener *listener, int fd)
{
    struct proxy *proxy = listener->proxy;
    unsigned index =
        listener->next_loop++ % atomic_load_explicit(proxy->options.loop_count, memory_order_acquire);
    struct dealt *dealt;

    if (!address_is_unix(&listener->address) || index == proxy->options.index || proxy->draining)
        return false;
    dealt = mem_zero(sizeof *dealt);
    dealt->message.deliver = on_dealt;
    dealt->proxy = proxy->options.siblings[index];
    dealt->fd = fd;
    dealt->address = listener->address;
    if (!loop_post(dealt->proxy->loop, &dealt->message)) {
        mem_free(dealt);
        return false;
    }
    return true;
}

static void on_pause_over(void *argument)
{
    struct listener *listener = tagged(argument, LISTENER_TAG);

    if (listener->fd >= 0)
        watch_resume(&listener->watch);
}

static void out_of_descriptors(struct listener *listener)
{
    log_warning("out of file descriptors: nothing is accepted for %d ms (raise the limit, or lower "
                "limits.connections)",
                EMFILE_WAIT_MS);
    watch_pause(&listener->watch);
    deadline_start(&listener->pause, listener->proxy->loop, EMFILE_WAIT_MS);
}

/* False: there is none to be had now. */
static bool accept_one(struct listener *listener)
{
    struct address peer;
    int accepted = net_accept(listener->fd, &peer);

    if (accepted == -EMFILE || accepted == -ENFILE || accepted == -ENOBUFS || accepted == -ENOMEM) {
        out_of_descriptors(listener);
        return false;
    }
    if (accepted == -ECONNABORTED)
        return true;
    if (accepted < 0)
        return false;
    if (!deal_out(listener, accepted))
        client_open(listener->proxy, listener, accepted, &peer);
    return true;
}

static void on_readable(evutil_socket_t fd, short what, void *argument)
{
    struct listener *listener = tagged(argument, LISTENER_TAG);

    (void)fd;
    (void)what;
    for (unsigned i = 0; i < ACCEPT_TURN && accept_one(listener); i++)
        continue;
}

void listener_start(struct proxy *proxy, const struct listen_config *config, struct config *owner, int fd)
{
    struct listener *listener = mem_zero(sizeof *listener);

    listener->tag = LISTENER_TAG;
    listener->references = 1;
    listener->proxy = proxy;
    listener->fd = fd;
    listener->address = config->address;
    if (!address_is_unix(&config->address))
        str_format(listener->port_text, sizeof listener->port_text, "%u", address_port(&config->address));
    deadline_init(&listener->pause, on_pause_over, listener);
    list_push_back(&proxy->listeners, &listener->node);
    listener_adopt(listener, config, owner);
    if (fd >= 0) /* the others of a unix listener only have clients dealt to them */
        watch_open_readable(&listener->watch, proxy->loop, fd, on_readable, listener);
}

void listener_adopt(struct listener *listener, const struct listen_config *config, struct config *owner)
{
    struct config *previous = listener->config;
    struct tls_contexts *previous_tls = listener->tls_contexts;

    listener->config = config_ref(owner);
    listener->expose_count = config->expose_count;
    listener->expose = config->expose;
    listener->proxy_protocol = config->proxy_protocol;
    listener->http2 = config->http2;
    listener->websocket_over_http2 = config->websocket_over_http2;
    listener->redirect = config->redirect;
    listener->acme = owner->acme;
    listener->answers_itself = config->expose_count || config->redirect || owner->acme;
    listener->is_tls = config->tls.pair_count > 0;
    listener->tls_contexts = tls_contexts_ref(listener->proxy->snapshot->tls);
    listener->tls = tls_contexts_of(listener->tls_contexts, &listener->address);
    tls_contexts_unref(&previous_tls);
    if (previous)
        config_unref(&previous);
}

void listener_accept_at_once(struct listener *listener)
{
    if (listener->fd >= 0)
        net_accept_at_once(listener->fd);
}

void listener_accept_last(struct listener *listener)
{
    for (unsigned i = 0; i < ACCEPT_LAST && listener->fd >= 0 && accept_one(listener); i++)
        continue;
}

void listener_stop(struct listener *listener)
{
    deadline_stop(&listener->pause);
    watch_close(&listener->watch);
    net_close(&listener->fd);
    list_remove(&listener->node);
    listener_unref(listener);
}

struct listener *listener_ref(struct listener *listener)
{
    listener->references++;
    return listener;
}

void listener_unref(struct listener *listener)
{
    CHECK(listener->references > 0);
    if (--listener->references)
        return;
    tls_contexts_unref(&listener->tls_contexts);
    config_unref(&listener->config);
    mem_free(listener);
}

bool listener_exposes(const struct listener *listener, struct slice path)
{
    for (unsigned i = 0; i < listener->expose_count; i++)
        if (slice_equal(slice_of(listener->expose[i]), path))
            return true;
    return false;
}
