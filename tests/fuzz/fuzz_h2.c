/* SPDX-License-Identifier: MIT
 *
 * Fuzzes a whole HTTP/2 connection, in either role: frames come in pieces, streams are answered, kept, reset, what is unsent is taken in part.
 * Whatever request comes out of it is one that HTTP/1's reader takes and understands in the same way when it is written down, and every stream
 * ends once. The first byte chooses role and pace; the preface and, for an asking one, a request are there already. */
#include "base/mem.h"
#include "http/fields.h"
#include "http/h2.h"
#include "tests/fuzz/fuzz.h"

#define STREAMS_MOST 8

struct half {
    struct h2_stream h2;
    bool has_ended;
};

static struct {
    struct h2 *h2;
    struct half *streams[STREAMS_MOST];
    unsigned count, events;
    uint8_t choice;
    struct head scratch;
} side;

static void forget(struct half *half)
{
    for (unsigned i = 0; i < side.count; i++)
        if (side.streams[i] == half) {
            side.streams[i] = side.streams[--side.count];
            free(half);
            return;
        }
    CHECK(!"a stream that is told twice");
}

static struct half *remember(void)
{
    struct half *half = calloc(1, sizeof *half);

    CHECK(half && side.count < STREAMS_MOST);
    side.streams[side.count++] = half;
    return half;
}

/* Changes with everything that happens, and is the same every time. */
static unsigned choose(unsigned of)
{
    return (unsigned)(side.choice + side.events++ * 7) % of;
}

/* As proxy/rewrite.c does, in short. */
static void check_in_http1(const struct head *head)
{
    static struct head again;
    struct h1_limits limits = {1 << 20, HEAD_FIELDS_MAX, true};
    struct h1_error error;
    struct buffer text = {0};
    size_t seen = 0;

    buffer_append(&text, head->method_text.at, head->method_text.size);
    buffer_append(&text, " ", 1);
    buffer_append(&text, head->path_query.at, head->path_query.size);
    buffer_print(&text, " HTTP/1.1\r\nHost: %.*s\r\n", (int)head->host.size, head->host.at);
    for (unsigned i = 0; i < head->field_count; i++) {
        const struct field *field = &head->fields[i];
        CHECK(slice_is_token(field->name));
        if (field->known == FIELD_HOST || field_is_hop_by_hop(field))
            continue;
        buffer_print(&text, "%.*s: ", (int)field->name.size, field->name.at);
        buffer_append(&text, field->value.at, field->value.size);
        buffer_append(&text, "\r\n", 2);
    }
    buffer_append(&text, "\r\n", 2);
    CHECK(h1_read_request(&again, buffer_slice(&text), &seen, &limits, &error) == H1_DONE);
    CHECK(again.size == buffer_size(&text) && slice_equal(again.path_query, head->path_query) &&
          slice_equal(again.host, head->host) && again.method == head->method &&
          again.content_length == head->content_length);
    buffer_release(&text);
}

static void answer(struct half *half)
{
    static const struct h2_field fields[] = {{.name = {"Content-Type", 12}, .value = {"text/plain", 10}}};
    static const char body[9000];

    switch (choose(6)) {
    case 0: h2_respond(side.h2, &half->h2, 204, NULL, 0, true); return;
    case 1:
        h2_interim(side.h2, &half->h2, 103, fields, 1);
        h2_respond(side.h2, &half->h2, 200, fields, 1, false);
        h2_data(side.h2, &half->h2, (struct slice){body, choose(sizeof body)});
        h2_end(side.h2, &half->h2, choose(2) ? SLICE("x-sum: 1\r\n") : SLICE(""));
        return;
    case 2:
        h2_reset(side.h2, &half->h2, H2_CANCEL);
        forget(half);
        return;
    case 3: h2_respond(side.h2, &half->h2, 200, fields, 1, false); return;
    default: return; /* later */
    }
}

static void on_request(void *owner, const struct head *head, const struct h1_error *error)
{
    struct half *half;

    (void)owner;
    CHECK(head == &side.scratch);
    if (error)
        CHECK(error->status >= 400 && error->status <= 501 && error->why);
    else
        check_in_http1(head);
    if (side.count == STREAMS_MOST)
        return;
    half = remember();
    h2_accept(side.h2, &half->h2);
    answer(half);
}

static void on_response(void *owner, struct h2_stream *stream, const struct head *head)
{
    (void)owner;
    (void)stream;
    CHECK(head->status >= 100 && head->status <= 999 && head->status != 101);
}

static void on_data(void *owner, struct h2_stream *stream, struct slice data)
{
    struct half *half = (struct half *)(void *)stream;

    (void)owner;
    CHECK(!half->has_ended && stream->untaken >= data.size);
    if (choose(3))
        h2_took(side.h2, stream, stream->untaken);
    else if (choose(5) == 0)
        h2_data(side.h2, stream, data);
}

static void on_end(void *owner, struct h2_stream *stream, struct slice trailers)
{
    struct half *half = (struct half *)(void *)stream;
    struct slice name, value;

    (void)owner;
    CHECK(!half->has_ended);
    half->has_ended = true;
    while (h1_trailer_next(&trailers, &name, &value))
        CHECK(slice_is_token(name));
    h2_end(side.h2, stream, SLICE(""));
}

static void on_sent(void *owner, struct h2_stream *stream, bool is_all)
{
    (void)owner;
    (void)is_all;
    if (choose(11) == 0) {
        h2_reset(side.h2, stream, H2_NO_ERROR);
        forget((struct half *)(void *)stream);
    }
}

static void on_closed(void *owner, struct h2_stream *stream, uint32_t code)
{
    (void)owner;
    (void)code;
    forget((struct half *)(void *)stream);
}

static const struct h2_events events = {
    .on_request = on_request,
    .on_response = on_response,
    .on_data = on_data,
    .on_end = on_end,
    .on_sent = on_sent,
    .on_closed = on_closed,
};

static void send_some(bool all)
{
    struct iovec parts[H2_PARTS];
    unsigned count, turns = 0;

    while ((count = h2_unsent(side.h2, parts, H2_PARTS)) > 0 && turns++ < 64) {
        size_t size = 0;
        for (unsigned i = 0; i < count; i++)
            size += parts[i].iov_len;
        h2_sent(side.h2, all ? size : choose((unsigned)size + 1));
        if (!all)
            return;
    }
}

static void ask(void)
{
    static const struct h2_target target = {.method = {"POST", 4},
                                            .scheme = {"http", 4},
                                            .authority = {"a", 1},
                                            .path = {"/", 1},
                                            .protocol = {"", 0}};
    struct half *half = remember();

    CHECK(h2_request(side.h2, &half->h2, METHOD_POST, &target, NULL, 0, false));
    h2_data(side.h2, &half->h2, SLICE("some"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct h2_options options = {
        .role = H2_ANSWERS,
        .streams = STREAMS_MOST + 2,
        .stream_window = 65536,
        .connection_window = 1 << 20,
        .limits = {4096, 50, false},
        .serves_connect = true,
        .scratch = &side.scratch,
    };

    if (size < 2)
        return 0;
    side.choice = data[0];
    side.events = 0;
    options.role = data[0] & 0x80 ? H2_ASKS : H2_ANSWERS;
    side.h2 = h2_new(&options, &events, &side);
    if (options.role == H2_ASKS)
        ask();
    else
        CHECK(h2_receive(side.h2, SLICE(H2_PREFACE), 0));
    send_some(true);
    for (size_t at = 1, step = data[0] & 0x40 ? 1 : size; at < size; at += step) {
        size_t left = size - at < step ? size - at : step;
        char *copy = exact_copy((struct slice){(const char *)data + at, left});
        bool good = h2_receive(side.h2, (struct slice){copy, left}, at);
        free(copy);
        send_some(data[0] & 0x20);
        if (!good || h2_is_over(side.h2))
            break;
    }
    if (data[0] & 0x10)
        h2_announce_end(side.h2);
    send_some(true);
    h2_free(&side.h2);
    while (side.count) {
        buffer_release(&side.streams[0]->h2.out);
        mem_free(side.streams[0]->h2.trailers);
        forget(side.streams[0]);
    }
    return 0;
}
