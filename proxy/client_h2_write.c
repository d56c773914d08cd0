/* SPDX-License-Identifier: MIT
 *
 * How a stream of an HTTP/2 client is answered: what workers say, and our own short answers. Nothing is written here: it goes out at the end of the
 * turn. Loop thread only. */
#include "base/clock.h"
#include "http/date.h"
#include "http/fields.h"
#include "proxy/client_h2.h"
#include "proxy/grpc.h"
#include "proxy/own_answer.h"
#include "proxy/rewrite.h"

#define OWN_FIELDS_MAX    8
#define FRAME_WORTH       (16 * 1024)
#define WRITE_THROUGH_MIN (3 * FRAME_WORTH) /* pieces from here on are written at once */

static void send_fields(struct client_h2_stream *stream, unsigned status, const struct h2_field *fields,
                        unsigned count, bool ends)
{
    h2_respond(stream->connection->h2, &stream->h2, status, fields, count, ends);
    client_h2_write_soon(stream->connection);
}

/* From where they lie; what does not go out now is kept. A last frame's worth is kept in any case: it may be the one that ends the stream,
 * and nghttp2 sends no frame, not even an empty one, when the window is used up. */
static void write_through(struct client_h2_stream *stream, struct slice bytes)
{
    struct client_h2 *connection = stream->connection;
    size_t now = bytes.size - FRAME_WORTH;

    h2_lend(connection->h2, &stream->h2, (struct slice){bytes.at, now});
    stream->lends = true;
    client_h2_write(connection);
    stream->lends = false;
    if (connection->is_closed || !stream->h2.id)
        return;
    h2_keep(&stream->h2);
    h2_data(connection->h2, &stream->h2, (struct slice){bytes.at + now, FRAME_WORTH});
    client_h2_stream_has_unsent(stream);
    client_h2_write_soon(connection);
}

static void send_bytes(struct client_h2_stream *stream, struct slice bytes)
{
    if (bytes.size >= WRITE_THROUGH_MIN && client_h2_may_write(stream->connection)) {
        write_through(stream, bytes);
        return;
    }
    h2_data(stream->connection->h2, &stream->h2, bytes);
    client_h2_stream_has_unsent(stream);
    client_h2_write_soon(stream->connection);
}

static void send_end_of(struct client_h2_stream *stream, struct slice trailers)
{
    h2_end(stream->connection->h2, &stream->h2, trailers);
    client_h2_stream_has_unsent(stream);
    client_h2_write_soon(stream->connection);
}

/* --- our own answers --- */

/* Lines of HTTP/1 of our own making. */
static unsigned take_lines(struct h2_field *into, unsigned count, const char *lines)
{
    while (*lines && count < OWN_FIELDS_MAX) {
        const char *colon = strstr(lines, ": "), *end = strstr(lines, "\r\n");
        into[count++] = (struct h2_field){.name = {lines, (size_t)(colon - lines)},
                                          .value = {colon + 2, (size_t)(end - colon - 2)}};
        lines = end + 2;
    }
    return count;
}

static void send_reply(struct client_h2_stream *stream, const struct reply *reply)
{
    struct h2_field fields[OWN_FIELDS_MAX];
    char length[H2_LENGTH_MAX];
    bool ends = stream->has_no_body || reply->body.size == 0;
    unsigned count = 0;

    fields[count++] = (struct h2_field){.name = SLICE("date"), .value = http_date(clock_wall_us())};
    if (reply->type)
        fields[count++] = (struct h2_field){.name = SLICE("content-type"), .value = slice_of(reply->type)};
    fields[count++] =
        (struct h2_field){.name = SLICE("content-length"),
                          .value = {length, (size_t)(h1_put_number(length, reply->body.size) - length)}};
    count = take_lines(fields, count, reply->more);
    send_fields(stream, reply->status, fields, count, ends);
    if (ends)
        return;
    send_bytes(stream, reply->body);
    send_end_of(stream, SLICE(""));
}

/* To a call of gRPC's: all in the head ("trailers-only"). The log and the metrics have the status of HTTP. */
static void answer_grpc(struct client_h2_stream *stream, unsigned status, const char *word)
{
    char code[4];
    struct h2_field fields[] = {
        {.name = SLICE("date"), .value = http_date(clock_wall_us())},
        {.name = SLICE("content-type"), .value = SLICE("application/grpc")},
        {.name = SLICE("grpc-status")},
        {.name = SLICE("grpc-message"), .value = slice_of(word)},
    };

    fields[2].value = (struct slice){
        code, (size_t)(h1_put_number(code, grpc_status(stream->stream.exchange->failure, status)) - code)};
    send_fields(stream, 200, fields, 4, true);
}

static void answer(struct client_stream *base, unsigned status, const char *word)
{
    struct client_h2_stream *stream = client_h2_stream_of(base);
    char body[OWN_ERROR_MAX];
    struct reply error;

    if (base->exchange->is_grpc) {
        answer_grpc(stream, status, word);
        return;
    }
    stream->has_no_body = base->exchange->method == METHOD_HEAD;
    own_error(&error, body, status, word, base->exchange->wants_json);
    send_reply(stream, &error);
}

static void reply(struct client_stream *base, const struct head *head, const struct reply *own)
{
    struct client_h2_stream *stream = client_h2_stream_of(base);

    send_reply(stream, own);
    own_log(stream->connection->client, head, own->status, stream->has_no_body ? 0 : own->body.size, "-");
}

void client_h2_refuse(struct client_h2_stream *stream, unsigned status, const char *why)
{
    char body[OWN_ERROR_MAX];
    struct reply error;

    own_error(&error, body, status, why, true);
    send_reply(stream, &error);
    own_log(stream->connection->client, NULL, status, 0, "bad_request");
}

/* --- what a worker answered --- */

static void send_interim(struct client_stream *base, const struct head *head)
{
    struct client_h2_stream *stream = client_h2_stream_of(base);
    struct h2_field fields[HEAD_FIELDS_MAX + 2];
    char length[H2_LENGTH_MAX];
    unsigned count = head ? rewrite_response_fields(fields, length, head, 0) : 0;

    h2_interim(stream->connection->h2, &stream->h2, head ? head->status : 100, fields, count);
    client_h2_write_soon(stream->connection);
}

static void send_head(struct client_stream *base, const struct head *head)
{
    struct client_h2_stream *stream = client_h2_stream_of(base);
    struct h2_field fields[HEAD_FIELDS_MAX + 2];
    char length[H2_LENGTH_MAX];
    bool is_tunnel = head->status == 101;
    unsigned count, kept = 0;

    stream->has_no_body = head->framing == FRAMING_NONE && !is_tunnel;
    count = rewrite_response_fields(fields, length, head, clock_wall_us());
    for (unsigned i = 0; i < count; i++)
        if (!is_tunnel || field_name_of(fields[i].name) != FIELD_SEC_WEBSOCKET_ACCEPT)
            fields[kept++] = fields[i];
    send_fields(stream, is_tunnel ? 200 : head->status, fields, kept, stream->has_no_body);
}

static void send_data(struct client_stream *base, struct slice data)
{
    struct client_h2_stream *stream = client_h2_stream_of(base);

    if (!stream->has_no_body)
        send_bytes(stream, data);
}

static void flush(struct client_stream *base)
{
    client_h2_write_soon(client_h2_stream_of(base)->connection);
}

static void send_end(struct client_stream *base, struct slice trailers)
{
    struct client_h2_stream *stream = client_h2_stream_of(base);

    if (!stream->has_no_body)
        send_end_of(stream, trailers);
    else if (stream->h2.end_is_told) /* it was all sent before the worker had come to its end */
        exchange_delivered(base->exchange);
}

/* What is here goes out first. */
static void cut(struct client_stream *base)
{
    struct client_h2_stream *stream = client_h2_stream_of(base);
    const struct exchange *exchange = base->exchange;
    struct client_h2 *connection = stream->connection;

    if (exchange->is_grpc) {
        char trailers[96];
        str_format(trailers, sizeof trailers, "grpc-status: %u\r\ngrpc-message: %s\r\n",
                   grpc_status(exchange->failure, failures[exchange->failure].status),
                   failures[exchange->failure].word);
        h2_end(connection->h2, &stream->h2, slice_of(trailers));
    }
    exchange_client_gone(base->exchange);
    if (connection->is_closed)
        return;
    h2_cut(connection->h2, &stream->h2);
    client_h2_stream_has_unsent(stream);
    client_h2_write_soon(connection);
}

static void resume(struct client_stream *base)
{
    struct client_h2_stream *stream = client_h2_stream_of(base);

    if (stream->is_websocket || stream->h2.untaken == 0)
        return;
    h2_took(stream->connection->h2, &stream->h2, stream->h2.untaken);
    client_h2_write_soon(stream->connection);
}

static size_t unsent(const struct client_stream *base)
{
    const struct h2_stream *stream = &client_h2_stream_of(base)->h2;

    return h2_stream_unsent(stream) + stream->interims;
}

static struct tunnel_client *give_up(struct client_stream *base, struct buffer *in, struct buffer *out)
{
    *in = *out = (struct buffer){0}; /* both are the stream's */
    return &client_h2_stream_of(base)->tunnel;
}

const struct client_ops client_h2_ops = {
    .interim = send_interim,
    .head = send_head,
    .data = send_data,
    .flush = flush,
    .end = send_end,
    .answer = answer,
    .reply = reply,
    .cut = cut,
    .resume = resume,
    .unsent = unsent,
    .give_up = give_up,
};
