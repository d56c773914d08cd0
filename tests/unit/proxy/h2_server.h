/* SPDX-License-Identifier: MIT
 *
 * A server that speaks HTTP/2, for the tests of proxy/: the test hears requests and answers them when and in which order it likes. */
#ifndef DROVER_TESTS_UNIT_PROXY_H2_SERVER_H
#define DROVER_TESTS_UNIT_PROXY_H2_SERVER_H

#include "http/h2.h"
#include "tests/unit/proxy/fixture.h"

#define ASKED_MAX 128

/* One request, as far as it has come. */
struct asked {
    struct h2_stream stream;
    char path[64], te[16];
    char *fields; /* as lines */
    size_t size;  /* of its body */
    char *trailers;
    bool is_whole, is_over;
    uint32_t code; /* it ended with, when it is over */
};

struct h2_server {
    int fd;
    struct h2 *h2;
    struct head scratch;
    struct asked *asked[ASKED_MAX];
    unsigned count;
    bool takes_nothing; /* of bodies: its windows run dry */
    bool is_ended, got_goaway;
};

static MAYBE void server_on_request(void *owner, const struct head *head, const struct h1_error *error)
{
    struct h2_server *server = owner;
    struct asked *asked = mem_zero(sizeof *asked);
    struct buffer fields = {0};

    ck_assert_ptr_null(error);
    ck_assert_uint_lt(server->count, ASKED_MAX);
    server->asked[server->count++] = asked;
    str_format(asked->path, sizeof asked->path, "%.*s", (int)head->path_query.size, head->path_query.at);
    for (unsigned i = 0; i < head->field_count; i++)
        buffer_print(&fields, "%.*s: %.*s\n", (int)head->fields[i].name.size, head->fields[i].name.at,
                     (int)head->fields[i].value.size, head->fields[i].value.at);
    asked->fields = slice_dup(buffer_slice(&fields));
    buffer_release(&fields);
    h2_accept(server->h2, &asked->stream);
}

static MAYBE struct asked *server_asked_of(struct h2_stream *stream)
{
    return (struct asked *)(void *)((char *)stream - offsetof(struct asked, stream));
}

static MAYBE void server_on_data(void *owner, struct h2_stream *stream, struct slice data)
{
    struct h2_server *server = owner;

    server_asked_of(stream)->size += data.size;
    if (!server->takes_nothing)
        h2_took(server->h2, stream, data.size);
}

static MAYBE void server_on_end(void *owner, struct h2_stream *stream, struct slice trailers)
{
    (void)owner;
    server_asked_of(stream)->is_whole = true;
    server_asked_of(stream)->trailers = slice_dup(trailers);
}

static MAYBE void server_on_sent(void *owner, struct h2_stream *stream, bool is_all)
{
    (void)owner;
    (void)stream;
    (void)is_all;
}

static MAYBE void server_on_closed(void *owner, struct h2_stream *stream, uint32_t code)
{
    (void)owner;
    server_asked_of(stream)->is_over = true;
    server_asked_of(stream)->code = code;
}

static const struct h2_events server_events = {
    .on_request = server_on_request,
    .on_data = server_on_data,
    .on_end = server_on_end,
    .on_sent = server_on_sent,
    .on_closed = server_on_closed,
};

static MAYBE void server_say(struct h2_server *server)
{
    struct iovec parts[4];
    unsigned count;

    while ((count = h2_unsent(server->h2, parts, 4)) > 0) {
        size_t size = 0;
        for (unsigned i = 0; i < count; i++) {
            say_bytes(server->fd, parts[i].iov_base, parts[i].iov_len);
            size += parts[i].iov_len;
        }
        h2_sent(server->h2, size);
    }
}

/* The next connection that drover makes. `streams`: that it takes at once. */
static MAYBE void server_meet(struct h2_server *server, const struct stage *stage, unsigned index,
                              unsigned streams)
{
    struct h2_options options = {.role = H2_ANSWERS,
                                 .streams = streams,
                                 .stream_window = 65535,
                                 .connection_window = 1 << 20,
                                 .limits = {65536, HEAD_FIELDS_MAX, true}};

    *server = (struct h2_server){.fd = link_to(stage, index)};
    options.scratch = &server->scratch;
    server->h2 = h2_new(&options, &server_events, server);
    server_say(server);
}

/* What has come within that time. False: nothing. */
static MAYBE bool server_hear(struct h2_server *server, int within_ms)
{
    char bytes[16384];
    ssize_t got;

    if (server->is_ended || !is_readable_within(server->fd, within_ms))
        return false;
    got = recv(server->fd, bytes, sizeof bytes, 0);
    server->is_ended = got <= 0;
    if (got <= 0)
        return false;
    (void)h2_receive(server->h2, (struct slice){bytes, (size_t)got}, clock_precise_us());
    server_say(server);
    return true;
}

#define server_until(server, condition)                                                                      \
    do {                                                                                                     \
        uint64_t since_us = clock_precise_us();                                                              \
        while (!(condition) && clock_precise_us() - since_us < PATIENCE_MS * UINT64_C(1000))                 \
            (void)server_hear(server, 5);                                                                    \
        ck_assert_msg(condition, "never: %s", #condition);                                                   \
    } while (0)

/* The request for that path, once its head is there. */
static MAYBE struct asked *server_find(struct h2_server *server, const char *path)
{
    for (unsigned i = 0; i < server->count; i++)
        if (strcmp(server->asked[i]->path, path) == 0)
            return server->asked[i];
    return NULL;
}

static MAYBE struct asked *server_await(struct h2_server *server, const char *path)
{
    server_until(server, server_find(server, path));
    return server_find(server, path);
}

static MAYBE void server_answer(struct h2_server *server, struct asked *asked, unsigned status,
                                const char *body)
{
    h2_respond(server->h2, &asked->stream, status, NULL, 0, false);
    h2_data(server->h2, &asked->stream, slice_of(body));
    h2_end(server->h2, &asked->stream, SLICE(""));
    server_say(server);
}

/* As a frame of its own: streams above `last` were not looked at. */
static MAYBE void server_goaway(struct h2_server *server, uint32_t last)
{
    const char frame[] = {0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, (char)last, 0, 0, 0, 0};

    say_bytes(server->fd, frame, sizeof frame);
}

static MAYBE void server_leave(struct h2_server *server)
{
    h2_free(&server->h2);
    net_close(&server->fd);
    for (unsigned i = 0; i < server->count; i++) {
        mem_free(server->asked[i]->fields);
        mem_free(server->asked[i]->trailers);
        mem_free(server->asked[i]);
    }
}

#endif
