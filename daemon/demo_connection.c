/* SPDX-License-Identifier: MIT
 *
 * HTTP on one connection of the demo worker: heads and bodies in, answers out, as far as input and output
 * allow. The connection owns its descriptor and buffers; it is freed at the end of the turn in which it was
 * dropped. */
#include <errno.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/net.h"
#include "daemon/demo.h"
#include "http/date.h"

#define TAG       0x64656d6f
#define IN_MOST   (64u << 10) /* read ahead of what was understood; a head fits */
#define READ_ROOM (16u << 10)
#define IDLE_MS   75000
#define LINGER_MS 2000

static const struct h1_limits limits = {
    .head_bytes = 32u << 10, .fields = HEAD_FIELDS_MAX, .keep_underscores = true};

static void on_freeing(struct task *task)
{
    struct demo_connection *connection = container_of(task, struct demo_connection, freeing);

    buffer_release(&connection->in);
    buffer_release(&connection->out);
    h1_body_fini(&connection->body);
    demo_websocket_fini(&connection->websocket);
    mem_free(connection);
}

void demo_connection_drop(struct demo_connection *connection)
{
    if (connection->fd < 0)
        return;
    watch_close(&connection->watch);
    net_close(&connection->fd);
    deadline_stop(&connection->deadline);
    list_remove(&connection->node);
    task_at_end(&connection->freeing, connection->demo->loop);
    demo_count_out(connection->demo);
}

void demo_wait(struct demo_connection *connection, unsigned delay_ms)
{
    connection->state = DEMO_WAITING;
    deadline_start(&connection->deadline, connection->demo->loop, delay_ms);
}

void demo_linger(struct demo_connection *connection)
{
    connection->state = DEMO_LINGERING;
}

/* The answer is given: on to the next request, or to the end. */
static void finish(struct demo_connection *connection)
{
    connection->demo->requests++;
    connection->page = NULL;
    connection->seen = 0;
    connection->state = connection->keep_alive && !connection->demo->is_stopping ? DEMO_HEAD : DEMO_LINGERING;
}

static void put_head(struct demo_connection *connection, unsigned status, const char *type)
{
    struct slice reason = status_reason(status), date = http_date(clock_wall_us());

    connection->keep_alive = connection->keep_alive && !connection->demo->is_stopping;
    buffer_print(
        &connection->out,
        "HTTP/1.1 %u %.*s\r\nDate: %.*s\r\nContent-Type: %s\r\nCache-Control: no-store\r\nX-Worker: %s\r\n%s",
        status, (int)reason.size, reason.at, (int)date.size, date.at, type, connection->demo->name,
        connection->keep_alive ? "" : "Connection: close\r\n");
}

void demo_respond(struct demo_connection *connection, unsigned status, const char *type, struct slice body)
{
    put_head(connection, status, type);
    buffer_print(&connection->out, "Content-Length: %zu\r\n\r\n", body.size);
    if (!connection->is_head_only)
        buffer_append(&connection->out, body.at, body.size);
    finish(connection);
}

void demo_respond_begin(struct demo_connection *connection, const char *type)
{
    if (!connection->is_chunked)
        connection->keep_alive = false; /* HTTP/1.0: the end of the connection is the end of the body */
    put_head(connection, 200, type);
    buffer_print(&connection->out, connection->is_chunked ? "Transfer-Encoding: chunked\r\n\r\n" : "\r\n");
}

void demo_respond_piece(struct demo_connection *connection, struct slice piece)
{
    if (connection->is_head_only || piece.size == 0)
        return;
    if (connection->is_chunked)
        buffer_print(&connection->out, "%zx\r\n", piece.size);
    buffer_append(&connection->out, piece.at, piece.size);
    if (connection->is_chunked)
        buffer_append(&connection->out, "\r\n", 2);
}

void demo_respond_end(struct demo_connection *connection)
{
    if (connection->is_chunked && !connection->is_head_only)
        buffer_append(&connection->out, "0\r\n\r\n", 5);
    finish(connection);
}

static void refuse(struct demo_connection *connection, unsigned status, const char *why)
{
    connection->keep_alive = false;
    demo_respond(connection, status, "text/plain; charset=utf-8", slice_of(why));
}

static void begin_request(struct demo_connection *connection, const struct head *head)
{
    connection->keep_alive = head->keep_alive;
    connection->is_head_only = head->method == METHOD_HEAD;
    connection->is_chunked = head->minor >= 1;
    connection->body_bytes = 0;
    connection->page = demo_page_find(head->path_query);
    demo_page_parameters(connection, head->path_query);
    h1_body_init(&connection->body, head->framing, head->content_length);
    connection->state = DEMO_BODY;
    if (head->expects_continue)
        buffer_print(&connection->out, "HTTP/1.1 100 Continue\r\n\r\n");
    if (connection->page->on_head)
        connection->page->on_head(connection, head,
                                  (struct slice){buffer_bytes(&connection->in), head->size});
}

static bool read_head(struct demo_connection *connection)
{
    struct head *head = &connection->demo->head;
    struct h1_error error = {.status = 400, .why = ""};

    if (buffer_size(&connection->in) == 0)
        return false;
    connection->is_head_only = false;
    switch (h1_read_request(head, buffer_slice(&connection->in), &connection->seen, &limits, &error)) {
    case H1_MORE: return false;
    case H1_BAD: refuse(connection, error.status, error.why); return true;
    case H1_DONE: break;
    }
    begin_request(connection, head);
    buffer_consume(&connection->in, head->size);
    return true;
}

static bool read_body(struct demo_connection *connection)
{
    struct slice in = buffer_slice(&connection->in), data;
    size_t had = in.size;
    enum body_event event = h1_body_next(&connection->body, &in, &data);

    if (event == BODY_DATA) {
        connection->body_bytes += data.size;
        if (connection->page->on_body)
            connection->page->on_body(connection, data);
    }
    buffer_consume(&connection->in, had - in.size);
    if (event == BODY_BAD)
        demo_connection_drop(connection); /* an answer may be half out: the cut tells */
    if (event == BODY_END) {
        h1_body_fini(&connection->body);
        connection->page->on_end(connection);
    }
    return event != BODY_MORE;
}

/* One step with the bytes that are there. False: more have to come, or time has to pass. */
static bool understand(struct demo_connection *connection)
{
    switch (connection->state) {
    case DEMO_HEAD: return read_head(connection);
    case DEMO_BODY: return read_body(connection);
    case DEMO_WAITING: return false;
    case DEMO_WEBSOCKET: return demo_websocket_read(connection);
    case DEMO_LINGERING: buffer_release(&connection->in); return false;
    }
    UNREACHABLE();
}

/* False: the connection is gone. */
static bool flush(struct demo_connection *connection)
{
    while (buffer_size(&connection->out) > 0) {
        ssize_t written =
            net_write(connection->fd, buffer_bytes(&connection->out), buffer_size(&connection->out));
        if (written == -EAGAIN)
            return true;
        if (written < 0) {
            demo_connection_drop(connection);
            return false;
        }
        buffer_consume(&connection->out, (size_t)written);
    }
    return true;
}

static bool read_some(struct demo_connection *connection)
{
    if (!connection->is_readable || connection->is_at_end || buffer_size(&connection->in) >= IN_MOST)
        return false;
    char *room = buffer_reserve(&connection->in, READ_ROOM);
    ssize_t size = net_read(connection->fd, room, READ_ROOM);
    if (size > 0) {
        buffer_commit(&connection->in, (size_t)size);
        return true;
    }
    buffer_settle(&connection->in);
    connection->is_readable = false;
    if (size == -EAGAIN)
        return false;
    connection->is_at_end = true;
    if (size < 0)
        demo_connection_drop(connection);
    return false;
}

/* Nothing more can be done now: what is waited for, and for how long? */
static void settle(struct demo_connection *connection)
{
    bool is_flushed = buffer_size(&connection->out) == 0;
    bool is_waiting_for_client = connection->state != DEMO_WAITING;

    if (connection->is_at_end && is_flushed && is_waiting_for_client) {
        demo_connection_drop(connection);
        return;
    }
    if (connection->state == DEMO_LINGERING && is_flushed)
        net_shutdown_write(connection->fd);
    if (connection->is_last_word_said)
        return; /* what still comes gives no more time */
    if (is_flushed && (connection->state == DEMO_LINGERING || connection->websocket.close_sent)) {
        connection->is_last_word_said = true;
        deadline_start(&connection->deadline, connection->demo->loop, LINGER_MS);
    } else if (is_flushed && connection->state == DEMO_WEBSOCKET) {
        deadline_stop(&connection->deadline);
    } else if (is_waiting_for_client) {
        deadline_start(&connection->deadline, connection->demo->loop, IDLE_MS);
    }
}

static void advance(struct demo_connection *connection)
{
    bool goes_on = true;

    while (goes_on) {
        if (!flush(connection))
            return;
        goes_on = false;
        if (buffer_size(&connection->out) < DEMO_MESSAGE_MAX)
            goes_on = understand(connection) || (connection->fd >= 0 && read_some(connection));
        if (connection->fd < 0)
            return;
    }
    settle(connection);
}

static void on_event(int fd, short what, void *argument)
{
    struct demo_connection *connection = tagged(argument, TAG);
    (void)fd;

    if (what & (EV_READ | EV_CLOSED))
        connection->is_readable = true;
    advance(connection);
}

static void on_due(void *argument)
{
    struct demo_connection *connection = tagged(argument, TAG);

    if (connection->state != DEMO_WAITING) {
        demo_connection_drop(connection);
        return;
    }
    connection->page->on_due(connection);
    advance(connection);
}

void demo_connection_open(struct demo *demo, int fd)
{
    struct demo_connection *connection = mem_zero(sizeof *connection);

    *connection = (struct demo_connection){.tag = TAG, .demo = demo, .fd = fd};
    list_push_back(&demo->connections, &connection->node);
    demo->connection_count++;
    task_init(&connection->freeing, on_freeing);
    deadline_init(&connection->deadline, on_due, connection);
    deadline_start(&connection->deadline, demo->loop, IDLE_MS);
    watch_open(&connection->watch, demo->loop, fd, on_event, connection);
}

void demo_connection_stop(struct demo_connection *connection)
{
    if (connection->state == DEMO_WEBSOCKET)
        demo_websocket_close(connection, 1001);
    else if (connection->state == DEMO_HEAD && buffer_size(&connection->in) == 0)
        connection->state = DEMO_LINGERING;
    else
        return; /* closes after its answer */
    advance(connection);
}
