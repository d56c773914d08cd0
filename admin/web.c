/* SPDX-License-Identifier: MIT
 *
 * The admin address. A few connections at a time, each with one deadline; when all places are taken the one
 * that idled longest makes room. A connection is freed at the end of the turn in which it was closed.
 * Strict reading: http/h1.h, as for everybody. */
#include "admin/web.h"

#include <errno.h>

#include "admin/metrics.h"
#include "base/buffer.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/net.h"
#include "http/date.h"
#include "http/h1.h"
#include "http/target.h"

#define TAG              0x77656220
#define CONNECTIONS_MOST 64
#define HEAD_MOST        (8u << 10)
#define FIELDS_MOST      64
#define PATH_MOST        256
#define OUT_MOST         (256u << 10) /* no further request is read while so much waits for a slow client */
#define PATIENCE_MS      10000        /* for a head, and for an answer to be taken */
#define LINGER_MS        1000
#define ACCEPT_AGAIN_MS  200
#define JSON             "application/json"

struct web {
    struct loop *loop;
    const struct admin_source *source;
    int listener;
    struct watch watch;
    struct deadline accept_again; /* after the descriptors ran out */
    struct list connections;      /* the longest idle first */
    unsigned connection_count;
    struct head head; /* of the request that is being read */
};

struct web_connection {
    uint32_t tag;
    struct web *web;
    struct list node;
    int fd;
    struct watch watch;
    struct deadline deadline;
    struct task freeing;
    struct buffer in, out;
    size_t seen;
    bool is_readable, is_at_end;
    bool is_lingering; /* all is said: what still comes is thrown away */
};

static const struct h1_limits limits = {.head_bytes = HEAD_MOST, .fields = FIELDS_MOST};

static void on_freeing(struct task *task)
{
    struct web_connection *connection = container_of(task, struct web_connection, freeing);

    buffer_release(&connection->in);
    buffer_release(&connection->out);
    mem_free(connection);
}

static void drop(struct web_connection *connection)
{
    struct web *web = connection->web;

    if (connection->fd < 0)
        return;
    watch_close(&connection->watch);
    net_close(&connection->fd);
    deadline_stop(&connection->deadline);
    list_remove(&connection->node);
    web->connection_count--;
    task_at_end(&connection->freeing, web->loop);
}

static bool is_ip(struct slice host)
{
    struct address ignored;

    if (host.size > 2 && host.at[0] == '[')
        host = (struct slice){host.at + 1, host.size - 2};
    return address_from_ip(&ignored, host, 1);
}

static bool is_loopback(const struct address *address)
{
    return address->any.sa_family == AF_INET ? ntohl(address->v4.sin_addr.s_addr) >> 24 == 127
                                             : IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
}

bool web_host_is_ours(struct slice host, const struct address *admin)
{
    struct slice name = authority_host(host);
    char ours[ADDRESS_TEXT];

    if (host.size == 0 || address_is_unix(admin)) /* no browser sends none, or reaches a unix socket */
        return true;
    if (is_ip(name) || slice_equal_nocase(name, SLICE("localhost")))
        return true;
    /* The name of a container or a neighbour, as monitors there use it: no page of the internet is called so, and
     * whoever is near enough to make the name up reaches this address anyway. */
    if (!memchr(name.at, '.', name.size) && !is_loopback(admin))
        return true;
    address_print_ip(admin, ours);
    return slice_equal_nocase(name, slice_of(ours));
}

static void respond(struct web_connection *connection, const struct head *head, unsigned status,
                    const char *type, const char *body)
{
    struct slice reason = status_reason(status), date = http_date(clock_wall_us());
    bool goes_on = head && head->keep_alive && head->framing == FRAMING_NONE;

    buffer_print(&connection->out,
                 "HTTP/1.1 %u %.*s\r\nDate: %.*s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                 "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n%s%s\r\n",
                 status, (int)reason.size, reason.at, (int)date.size, date.at, type, strlen(body),
                 status == 405 ? "Allow: GET, HEAD\r\n" : "", goes_on ? "" : "Connection: close\r\n");
    if (!head || head->method != METHOD_HEAD)
        buffer_append(&connection->out, body, strlen(body));
    connection->is_lingering = !goes_on;
}

static void respond_error(struct web_connection *connection, const struct head *head, unsigned status,
                          const char *why)
{
    char *body = mem_print("{\"error\": \"%s\"}\n", why);

    respond(connection, head, status, JSON, body);
    mem_free(body);
}

static void respond_metrics(struct web_connection *connection, const struct head *head)
{
    const struct field *accept = head_find(head, FIELD_ACCEPT);
    enum metrics_format format = metrics_format_of(accept ? accept->value : SLICE(""));
    char *body = metrics_page(connection->web->source, format);

    respond(connection, head, 200, metrics_content_type(format), body);
    mem_free(body);
}

static void respond_page(struct web_connection *connection, const struct head *head)
{
    const char *question = memchr(head->path_query.at, '?', head->path_query.size);
    struct slice path = {head->path_query.at,
                         question ? (size_t)(question - head->path_query.at) : head->path_query.size};
    char text[PATH_MOST], *body = NULL;
    unsigned status = 404;

    if (slice_equal(path, SLICE("/metrics"))) {
        respond_metrics(connection, head);
        return;
    }
    if (path.size < sizeof text) {
        str_format(text, sizeof text, "%.*s", (int)path.size, path.at);
        body = report_page(connection->web->source, text, false, &status);
    }
    if (body)
        respond(connection, head, status, JSON, body);
    else
        respond_error(connection, head, 404,
                      "no such page; there are /health/worker, /health/worker/NAME, /health/live, "
                      "/health/ready, /metrics and /api/status");
    mem_free(body);
}

static void answer(struct web_connection *connection, const struct head *head)
{
    if (head->has_host && !web_host_is_ours(head->host, &connection->web->source->config->admin))
        respond_error(connection, head, 421, "this Host is not drover's: ask by its address or as localhost");
    else if (head->method != METHOD_GET && head->method != METHOD_HEAD)
        respond_error(connection, head, 405, "read-only: GET and HEAD");
    else
        respond_page(connection, head);
}

/* One request of those that were read. False: there is none. */
static bool take_request(struct web_connection *connection)
{
    struct head *head = &connection->web->head;
    struct h1_error error;

    if (connection->is_lingering) {
        buffer_release(&connection->in);
        return false;
    }
    if (buffer_size(&connection->in) == 0 || buffer_size(&connection->out) >= OUT_MOST)
        return false;
    switch (h1_read_request(head, buffer_slice(&connection->in), &connection->seen, &limits, &error)) {
    case H1_MORE: return false;
    case H1_BAD: respond_error(connection, NULL, error.status, error.why); return true;
    case H1_DONE: break;
    }
    answer(connection, head);
    buffer_consume(&connection->in, head->size);
    connection->seen = 0;
    return true;
}

/* False: the connection is gone. */
static bool flush(struct web_connection *connection)
{
    while (buffer_size(&connection->out) > 0) {
        ssize_t written =
            net_write(connection->fd, buffer_bytes(&connection->out), buffer_size(&connection->out));
        if (written == -EAGAIN)
            return true;
        if (written < 0) {
            drop(connection);
            return false;
        }
        buffer_consume(&connection->out, (size_t)written);
    }
    return true;
}

static bool read_some(struct web_connection *connection)
{
    if (!connection->is_readable || connection->is_at_end || buffer_size(&connection->in) > HEAD_MOST)
        return false;
    char *room = buffer_reserve(&connection->in, HEAD_MOST);
    ssize_t size = net_read(connection->fd, room, HEAD_MOST);
    if (size > 0) {
        buffer_commit(&connection->in, (size_t)size);
        return true;
    }
    buffer_settle(&connection->in);
    connection->is_readable = false;
    if (size != -EAGAIN)
        connection->is_at_end = true;
    return false;
}

/* Nothing more can be done now. Only an answer begins the time anew: a head that comes byte by byte does
 * not. */
static void settle(struct web_connection *connection, bool did_answer)
{
    bool is_flushed = buffer_size(&connection->out) == 0;

    if (is_flushed && connection->is_at_end) {
        drop(connection);
        return;
    }
    if (is_flushed && connection->is_lingering)
        net_shutdown_write(connection->fd);
    if (!did_answer)
        return;
    list_remove(&connection->node);
    list_push_back(&connection->web->connections, &connection->node);
    deadline_start(&connection->deadline, connection->web->loop,
                   connection->is_lingering ? LINGER_MS : PATIENCE_MS);
}

static void advance(struct web_connection *connection)
{
    bool did_answer = false;

    for (;;) {
        if (!flush(connection))
            return;
        if (take_request(connection))
            did_answer = true;
        else if (!read_some(connection))
            break;
    }
    settle(connection, did_answer);
}

static void on_event(int fd, short what, void *argument)
{
    struct web_connection *connection = tagged(argument, TAG);
    (void)fd;

    if (what & (EV_READ | EV_CLOSED))
        connection->is_readable = true;
    advance(connection);
}

static void on_due(void *argument)
{
    drop(tagged((struct web_connection *)argument, TAG));
}

static void make_room(struct web *web)
{
    if (web->connection_count >= CONNECTIONS_MOST)
        drop(list_entry(web->connections.next, struct web_connection, node));
}

static void open_connection(struct web *web, int fd)
{
    struct web_connection *connection = mem_zero(sizeof *connection);

    make_room(web);
    *connection = (struct web_connection){.tag = TAG, .web = web, .fd = fd};
    list_push_back(&web->connections, &connection->node);
    web->connection_count++;
    task_init(&connection->freeing, on_freeing);
    deadline_init(&connection->deadline, on_due, connection);
    deadline_start(&connection->deadline, web->loop, PATIENCE_MS);
    watch_open(&connection->watch, web->loop, fd, on_event, connection);
}

static void on_connection(int fd, short what, void *argument)
{
    struct web *web = argument;
    (void)what;

    for (unsigned i = 0; i < CONNECTIONS_MOST; i++) {
        int accepted = net_accept(fd, NULL);
        if (accepted == -EAGAIN)
            return;
        if (accepted < 0) {
            log_warning("admin: accept: %s", strerror(-accepted));
            watch_pause(&web->watch);
            deadline_start(&web->accept_again, web->loop, ACCEPT_AGAIN_MS);
            return;
        }
        open_connection(web, accepted);
    }
}

static void on_accept_again(void *argument)
{
    struct web *web = argument;

    watch_resume(&web->watch);
}

struct web *web_open(struct loop *loop, int listener, const struct admin_source *source)
{
    struct web *web = mem_zero(sizeof *web);

    web->loop = loop;
    web->source = source;
    web->listener = listener;
    list_init(&web->connections);
    deadline_init(&web->accept_again, on_accept_again, web);
    if (listener >= 0)
        watch_open_readable(&web->watch, loop, listener, on_connection, web);
    return web;
}

void web_close(struct web **web)
{
    struct web *closing = *web;

    if (!closing)
        return;
    *web = NULL;
    deadline_stop(&closing->accept_again);
    watch_close(&closing->watch);
    net_close(&closing->listener);
    list_each_safe (node, after, &closing->connections)
        drop(list_entry(node, struct web_connection, node));
    if (!loop_is_mine(closing->loop))
        loop_settle(closing->loop); /* there is no turn at whose end they would go */
    mem_free(closing);
}
