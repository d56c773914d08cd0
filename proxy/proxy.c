/* SPDX-License-Identifier: MIT
 *
 * The door: one proxy per loop. What other threads ask of it comes as a message, so that everything else
 * here runs on the loop's thread. */
#include "proxy/proxy.h"

#include <limits.h>
#include <sys/resource.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/net.h"
#include "proxy/client_h2.h"
#include "proxy/link.h"
#include "proxy/listener.h"
#include "proxy/tunnel.h"

/* When drover stops under load it goes on listening for so long: who has connected and is about to ask would be reset. */
#define LAST_REQUESTS_MS 100

/* --- life --- */

static void on_drain_over(void *argument);
static void on_unlisten(void *argument);

static void open_log(struct proxy *proxy, int fd)
{
    const struct config *config = proxy->snapshot->config;

    proxy->log_is_on = config->access_log != NULL;
    if (!proxy->log_is_on) {
        access_log_free(&proxy->log); /* its lines go out while their descriptor is open */
        return;
    }
    if (fd < 0)
        fd = 1; /* stdout */
    if (proxy->log)
        access_log_move(proxy->log, fd, config->log_format);
    else
        proxy->log = access_log_new(proxy->loop, fd, config->log_format, &proxy->counters.log_lines_dropped);
}

/* Each connection may need a link: those who are in must not lose theirs to those who come. */
static unsigned count_connections_max(const struct proxy_options *options)
{
    rlim_t ours = 64 + 8 * (rlim_t)*options->loop_count;
    struct rlimit files;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0 || files.rlim_cur / 2 >= UINT_MAX)
        return UINT_MAX;
    return files.rlim_cur > ours + 16 ? (unsigned)((files.rlim_cur - ours) / 2) : 8;
}

static void tell_connections_max(const struct proxy *proxy)
{
    unsigned wanted = proxy->snapshot->config->limits.connections;

    if (proxy->options.index == 0 && wanted > proxy->connections_max)
        log_info("limits.connections: %u are more than the limit of open files allows: %u are taken", wanted,
                 proxy->connections_max);
}

struct proxy *proxy_new(struct loop *loop, struct snapshot *snapshot, const struct proxy_options *options)
{
    struct proxy *proxy = mem_zero(sizeof *proxy);

    proxy->loop = loop;
    proxy->snapshot = snapshot_ref(snapshot);
    proxy->options = *options;
    list_init(&proxy->listeners);
    list_init(&proxy->clients);
    list_init(&proxy->handshakes);
    list_init(&proxy->deferred);
    task_init(&proxy->handshake_task, client_tls_on_turn);
    list_init(&proxy->tunnels);
    list_init(&proxy->links);
    list_init(&proxy->pages);
    for (unsigned i = 0; i < SLOTS_MAX; i++)
        list_init(&proxy->idle[i]);
    slab_init(&proxy->client_slab, sizeof(struct client));
    slab_init(&proxy->exchange_slab, sizeof(struct exchange));
    slab_init(&proxy->link_slab, sizeof(struct link));
    slab_init(&proxy->link_stream_slab, link_h2_stream_size());
    slab_init(&proxy->tunnel_slab, tunnel_size());
    slab_init(&proxy->h2_slab, sizeof(struct client_h2));
    slab_init(&proxy->h2_stream_slab, sizeof(struct client_h2_stream));
    deadline_init(&proxy->drain_deadline, on_drain_over, proxy);
    deadline_init(&proxy->unlisten_deadline, on_unlisten, proxy);
    open_log(proxy, options->access_log);
    proxy->connections_max = count_connections_max(options);
    tell_connections_max(proxy);
    return proxy;
}

struct page_node {
    struct list node;
    struct exposed_page *page;
};

static void free_pages(struct proxy *proxy)
{
    list_each_safe (node, next, &proxy->pages) {
        struct page_node *held = list_entry(node, struct page_node, node);
        list_remove(node);
        exposed_page_unref(&held->page);
        mem_free(held);
    }
}

void proxy_free(struct proxy **owner)
{
    struct proxy *proxy = *owner;

    *owner = NULL;
    proxy->on_drained = NULL;
    list_each_safe (node, next, &proxy->clients)
        client_close(list_entry(node, struct client, node));
    list_each_safe (node, next, &proxy->links) {
        struct link *link = list_entry(node, struct link, node);
        link_close(&link);
    }
    list_each_safe (node, next, &proxy->listeners)
        listener_stop(list_entry(node, struct listener, node));
    deadline_stop(&proxy->drain_deadline);
    deadline_stop(&proxy->unlisten_deadline);
    free_pages(proxy);
    access_log_free(&proxy->log);
    net_close(&proxy->options.access_log);
    task_cancel(&proxy->handshake_task);
    loop_settle(proxy->loop); /* what was closed is freed now, not at the end of a turn that will not come */
    slab_fini(&proxy->client_slab);
    slab_fini(&proxy->exchange_slab);
    slab_fini(&proxy->link_slab);
    slab_fini(&proxy->link_stream_slab);
    slab_fini(&proxy->tunnel_slab);
    slab_fini(&proxy->h2_slab);
    slab_fini(&proxy->h2_stream_slab);
    snapshot_unref(&proxy->snapshot);
    mem_free(proxy);
}

const struct proxy_counters *proxy_counters(const struct proxy *proxy)
{
    return &proxy->counters;
}

const struct histogram *proxy_latency(const struct proxy *proxy)
{
    return &proxy->latency;
}

const struct exposed_page *proxy_find_page(const struct proxy *proxy, struct slice path)
{
    list_each_safe (node, next, &proxy->pages) {
        struct page_node *held = list_entry(node, struct page_node, node);
        if (slice_equal(slice_of(held->page->path), path))
            return held->page;
    }
    return NULL;
}

/* --- what other threads ask for --- */

struct request {
    struct message message;
    struct proxy *proxy;
    void (*run)(struct request *request);
    struct snapshot *snapshot;
    struct exposed_page *page;
    struct backend *backend;
    struct address address;
    unsigned number, most;
    int fd;
    void (*on_drained)(void *argument);
    void *argument;
};

static void on_request(struct message *message)
{
    struct request *request = container_of(message, struct request, message);

    request->run(request);
    mem_free(request);
}

static struct request *request_new(struct proxy *proxy, void (*run)(struct request *request))
{
    struct request *request = mem_zero(sizeof *request);

    request->message.deliver = on_request;
    request->proxy = proxy;
    request->run = run;
    request->fd = -1;
    return request;
}

static void send_request(struct request *request)
{
    if (loop_post(request->proxy->loop, &request->message))
        return;
    net_close(&request->fd); /* the loop has ended: nothing of this matters any more */
    snapshot_unref(&request->snapshot);
    exposed_page_unref(&request->page);
    if (request->backend)
        backend_unref(&request->backend);
    mem_free(request);
}

static void do_listen(struct request *request)
{
    struct config *config = request->proxy->snapshot->config;

    if (request->number < config->listen_count && !request->proxy->draining)
        listener_start(request->proxy, &config->listens[request->number], config, request->fd);
    else
        net_close(&request->fd);
}

void proxy_listen(struct proxy *proxy, unsigned listener, int fd)
{
    struct request *request = request_new(proxy, do_listen);

    request->number = listener;
    request->fd = fd;
    send_request(request);
}

static void do_unlisten(struct request *request)
{
    list_each_safe (node, next, &request->proxy->listeners) {
        struct listener *listener = list_entry(node, struct listener, node);
        if (!address_equal(&listener->address, &request->address))
            continue;
        listener_accept_last(listener);
        listener_stop(listener);
    }
}

void proxy_unlisten(struct proxy *proxy, const struct address *address)
{
    struct request *request = request_new(proxy, do_unlisten);

    request->address = *address;
    send_request(request);
}

static void do_adopt(struct request *request)
{
    struct proxy *proxy = request->proxy;
    struct snapshot *previous = proxy->snapshot;
    struct config *config = request->snapshot->config;

    proxy->snapshot = request->snapshot;
    if (previous->config != config) {
        list_each_safe (node, next, &proxy->listeners) {
            struct listener *listener = list_entry(node, struct listener, node);
            for (unsigned i = 0; i < config->listen_count; i++)
                if (address_equal(&listener->address, &config->listens[i].address))
                    listener_adopt(listener, &config->listens[i], config);
        }
    }
    snapshot_unref(&previous);
}

void proxy_adopt(struct proxy *proxy, struct snapshot *snapshot)
{
    struct request *request = request_new(proxy, do_adopt);

    request->snapshot = snapshot_ref(snapshot);
    send_request(request);
}

static void do_expose(struct request *request)
{
    struct proxy *proxy = request->proxy;
    struct page_node *held = NULL;

    list_each_safe (node, next, &proxy->pages) {
        struct page_node *other = list_entry(node, struct page_node, node);
        if (strcmp(other->page->path, request->page->path) == 0)
            held = other;
    }
    if (!held) {
        held = mem_zero(sizeof *held);
        list_push_back(&proxy->pages, &held->node);
    } else {
        exposed_page_unref(&held->page);
    }
    held->page = request->page;
}

void proxy_expose(struct proxy *proxy, struct exposed_page *page)
{
    struct request *request = request_new(proxy, do_expose);

    atomic_fetch_add_explicit(&page->references, 1, memory_order_relaxed);
    request->page = page;
    send_request(request);
}

static void do_forget(struct request *request)
{
    idle_retire_all(request->proxy, request->backend);
    backend_unref(&request->backend);
}

void proxy_forget_backend(struct proxy *proxy, struct backend *backend)
{
    struct request *request = request_new(proxy, do_forget);

    request->backend = backend_ref(backend);
    send_request(request);
}

static void do_close_tunnels(struct request *request)
{
    tunnels_close_spread(request->proxy, request->backend, request->most, request->number);
    backend_unref(&request->backend);
}

void proxy_close_tunnels(struct proxy *proxy, struct backend *backend, unsigned most, unsigned over_ms)
{
    struct request *request = request_new(proxy, do_close_tunnels);

    request->backend = backend_ref(backend);
    request->most = most;
    request->number = over_ms;
    send_request(request);
}

static void do_reopen(struct request *request)
{
    int previous = request->proxy->options.access_log;

    request->proxy->options.access_log = request->fd;
    open_log(request->proxy, request->fd);
    net_close(&previous);
}

void proxy_reopen_log(struct proxy *proxy, int fd)
{
    struct request *request = request_new(proxy, do_reopen);

    request->fd = fd;
    send_request(request);
}

/* --- the end --- */

void proxy_client_closed(struct proxy *proxy)
{
    if (!proxy->draining || proxy->client_count || !list_is_empty(&proxy->listeners) || !proxy->on_drained)
        return;
    deadline_stop(&proxy->drain_deadline);
    proxy->on_drained(proxy->drained_argument);
    proxy->on_drained = NULL;
}

static void on_drain_over(void *argument)
{
    struct proxy *proxy = argument;

    if (proxy->client_count)
        log_warning("%s: %u connections are cut: the stop took too long", loop_name(proxy->loop),
                    proxy->client_count);
    list_each_safe (node, next, &proxy->clients)
        client_close(list_entry(node, struct client, node));
}

static void on_unlisten(void *argument)
{
    struct proxy *proxy = argument;

    list_each_safe (node, next, &proxy->listeners) {
        listener_accept_last(list_entry(node, struct listener, node));
        listener_stop(list_entry(node, struct listener, node));
    }
    proxy_client_closed(proxy);
}

static void do_drain(struct request *request)
{
    struct proxy *proxy = request->proxy;

    proxy->draining = true;
    proxy->on_drained = request->on_drained;
    proxy->drained_argument = request->argument;
    deadline_start(&proxy->drain_deadline, proxy->loop, request->number ? request->number : 1);
    tunnels_close_all(proxy, 1001);
    list_each_safe (client_node, client_next, &proxy->clients)
        client_drain(list_entry(client_node, struct client, node));
    idle_retire_all(proxy, NULL);
    list_each_safe (node, next, &proxy->listeners)
        listener_accept_at_once(list_entry(node, struct listener, node));
    if (proxy->client_count)
        deadline_start(&proxy->unlisten_deadline, proxy->loop, LAST_REQUESTS_MS);
    else
        on_unlisten(proxy);
}

void proxy_drain(struct proxy *proxy, unsigned within_ms, void (*on_drained)(void *argument), void *argument)
{
    struct request *request = request_new(proxy, do_drain);

    request->number = within_ms;
    request->on_drained = on_drained;
    request->argument = argument;
    send_request(request);
}
