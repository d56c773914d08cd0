/* SPDX-License-Identifier: MIT
 *
 * What the demo worker's paths answer. */
#include <unistd.h>

#include "base/mem.h"
#include "daemon/demo.h"

#define DELAY_MOST_MS 60000
#define TICKS_MOST    1000
#define TEXT          "text/plain; charset=utf-8"
#define JSON          "application/json"

static void respond_text(struct demo_connection *connection, unsigned status, const char *type, char *text)
{
    demo_respond(connection, status, type, slice_of(text));
    mem_free(text);
}

static void home_on_end(struct demo_connection *connection)
{
    respond_text(connection, 200, "text/html; charset=utf-8", demo_page_html(connection->demo));
}

static void who_on_end(struct demo_connection *connection)
{
    const struct demo *demo = connection->demo;

    respond_text(connection, 200, JSON,
                 mem_print("{\"worker\": \"%s\", \"pid\": %d, \"requests\": %llu}\n", demo->name,
                           (int)getpid(), (unsigned long long)demo->requests + 1));
}

static void slow_on_end(struct demo_connection *connection)
{
    demo_wait(connection, connection->delay_ms);
}

static void slow_on_due(struct demo_connection *connection)
{
    respond_text(connection, 200, TEXT,
                 mem_print("%s took %u ms over this\n", connection->demo->name, connection->delay_ms));
}

/* The request as it arrived here: shows what a proxy added and took away. */
static void echo_on_head(struct demo_connection *connection, const struct head *head, struct slice bytes)
{
    (void)head;
    demo_respond_begin(connection, TEXT);
    demo_respond_piece(connection, bytes);
}

static void echo_on_end(struct demo_connection *connection)
{
    demo_respond_end(connection);
}

static void upload_on_end(struct demo_connection *connection)
{
    respond_text(connection, 200, JSON,
                 mem_print("{\"worker\": \"%s\", \"bytes\": %llu}\n", connection->demo->name,
                           (unsigned long long)connection->body_bytes));
}

static void stream_on_due(struct demo_connection *connection)
{
    char event[160];
    unsigned tick = connection->ticks - --connection->ticks_left;
    size_t size = str_format(event, sizeof event, "data: {\"worker\": \"%s\", \"tick\": %u}\n\n",
                             connection->demo->name, tick);

    demo_respond_piece(connection, (struct slice){event, size});
    if (connection->ticks_left > 0)
        demo_wait(connection, connection->delay_ms);
    else
        demo_respond_end(connection);
}

static void stream_on_end(struct demo_connection *connection)
{
    demo_respond_begin(connection, "text/event-stream");
    connection->ticks_left = connection->ticks;
    stream_on_due(connection);
}

static void websocket_on_head(struct demo_connection *connection, const struct head *head, struct slice bytes)
{
    (void)bytes;
    demo_websocket_open(connection, head);
}

static void websocket_on_end(struct demo_connection *connection)
{
    demo_respond(connection, 426, TEXT, SLICE("This path speaks WebSocket.\n"));
}

static void missing_on_end(struct demo_connection *connection)
{
    demo_respond(connection, 404, TEXT,
                 SLICE("No such page. There are / /who /slow?ms=500 /stream?ticks=5&ms=500 /echo /upload "
                       "and, by WebSocket, /ws\n"));
}

static const struct demo_page pages[] = {
    {.path = "/", .on_end = home_on_end},
    {.path = "/who", .on_end = who_on_end},
    {.path = "/slow", .on_end = slow_on_end, .on_due = slow_on_due},
    {.path = "/stream", .on_end = stream_on_end, .on_due = stream_on_due},
    {.path = "/echo", .on_head = echo_on_head, .on_body = demo_respond_piece, .on_end = echo_on_end},
    {.path = "/upload", .on_end = upload_on_end},
    {.path = "/ws", .on_head = websocket_on_head, .on_end = websocket_on_end},
};
static const struct demo_page missing = {.path = "", .on_end = missing_on_end};

static struct slice cut(struct slice *rest, char separator)
{
    const char *end = memchr(rest->at, separator, rest->size);
    struct slice first = {rest->at, end ? (size_t)(end - rest->at) : rest->size};
    size_t taken = first.size + (end != NULL);

    rest->at += taken;
    rest->size -= taken;
    return first;
}

const struct demo_page *demo_page_find(struct slice path_query)
{
    struct slice path = cut(&path_query, '?');

    for (size_t i = 0; i < sizeof pages / sizeof pages[0]; i++) {
        if (slice_equal(path, slice_of(pages[i].path)))
            return &pages[i];
    }
    return &missing;
}

static void take_number(struct slice value, unsigned least, unsigned most, unsigned *into)
{
    uint64_t number;

    if (slice_to_u64(value, &number))
        *into = number < least ? least : number > most ? most : (unsigned)number;
}

void demo_page_parameters(struct demo_connection *connection, struct slice path_query)
{
    connection->delay_ms = 500;
    connection->ticks = 5;
    cut(&path_query, '?');
    while (path_query.size > 0) {
        struct slice value = cut(&path_query, '&'), name = cut(&value, '=');
        if (slice_equal(name, SLICE("ms")))
            take_number(value, 1, DELAY_MOST_MS, &connection->delay_ms);
        else if (slice_equal(name, SLICE("ticks")))
            take_number(value, 1, TICKS_MOST, &connection->ticks);
    }
}
