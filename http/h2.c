/* SPDX-License-Identifier: MIT
 *
 * The life of an HTTP/2 connection and what comes in. nghttp2 keeps the protocol's state; here are the events. One thread. */
#include "http/h2.h"

#include "base/check.h"
#include "base/mem.h"
#include "http/h2_connection.h"

#define CONTINUATIONS_MIN 8
#define FRAME_MAX         16384
#define ACKS_MAX          100 /* waiting to be sent */
#define BLOCK_TIMES       4   /* a head so many times over its limit is not even answered */
#define FIELD_OVERHEAD    32  /* of a field in SETTINGS_MAX_HEADER_LIST_SIZE: RFC 9113 section 6.5.2 */

/* --- streams --- */

void h2_stream_release(struct h2_stream *stream)
{
    buffer_release(&stream->out);
    mem_free(stream->trailers);
    stream->trailers = NULL;
    stream->lent = (struct slice){NULL, 0};
    stream->in_flight = 0;
    if (stream->is_noted)
        list_remove(&stream->node);
    stream->is_noted = false;
    stream->id = 0;
}

void h2_note(struct h2 *h2, struct h2_stream *stream)
{
    if (stream->is_noted)
        return;
    stream->is_noted = true;
    list_push_back(&h2->noted, &stream->node);
}

void h2_tell_closed(struct h2 *h2, struct h2_stream *stream, uint32_t code)
{
    if (stream->untaken)
        (void)nghttp2_session_consume_connection(h2->session, stream->untaken);
    h2_stream_release(stream);
    h2->events->on_closed(h2->owner, stream, code);
}

/* During a gathering the bytes of it may still be needed, and its owner is not to be told yet. */
static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *argument)
{
    struct h2 *h2 = argument;
    struct h2_stream *stream = nghttp2_session_get_stream_user_data(session, id);

    h2->streams -= h2->streams > 0;
    if (!stream)
        return 0;
    if (stream->is_unsent)
        code = H2_REFUSED_STREAM;
    stream->is_closed = true;
    stream->close_code = code;
    if (h2->gathers)
        h2_note(h2, stream);
    else
        h2_tell_closed(h2, stream, code);
    return 0;
}

/* What nghttp2 ends the connection for by itself comes with nothing else that says why. */
static int on_error(nghttp2_session *session, int code, const char *text, size_t size, void *argument)
{
    struct h2 *h2 = argument;

    (void)session;
    (void)text;
    (void)size;
    h2->problem = nghttp2_strerror(code);
    return 0;
}

/* nghttp2 passes over frames that nobody knows without a word, unless they are asked for. */
static int on_unknown_frame(nghttp2_session *session, void **payload, const nghttp2_frame_hd *head,
                            void *argument)
{
    (void)session;
    (void)head;
    (void)argument;
    *payload = NULL;
    return NGHTTP2_ERR_CANCEL;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int code, void *argument)
{
    struct h2 *h2 = argument;

    (void)session;
    (void)code;
    if (frame->hd.type == NGHTTP2_HEADERS)
        h2_block_end(&h2->block);
    return 0;
}

/* --- heads --- */

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *argument)
{
    struct h2 *h2 = argument;
    struct h2_stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    bool is_trailer = frame->headers.cat == NGHTTP2_HCAT_HEADERS;

    if (frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        h2->streams++;
    if (h2->options.role == H2_ASKS)
        is_trailer = stream && stream->has_head;
    h2_block_begin(&h2->block, is_trailer);
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags, void *argument)
{
    struct h2 *h2 = argument;

    (void)session;
    (void)frame;
    (void)flags;
    h2_block_add(&h2->block, &h2->options.limits, (struct slice){(const char *)name, name_size},
                 (struct slice){(const char *)value, value_size});
    if (h2->block.size > BLOCK_TIMES * (h2->options.limits.head_bytes + FRAME_MAX) ||
        h2->block.lines > BLOCK_TIMES * HEAD_FIELDS_MAX)
        return h2_have_enough(h2, "a head far over every limit");
    return 0;
}

/* Without this, a field that is none would be left out, and the request go on without it. */
static int on_invalid_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                             size_t name_size, const uint8_t *value, size_t value_size, uint8_t flags,
                             void *argument)
{
    (void)session;
    (void)frame;
    (void)name;
    (void)name_size;
    (void)value;
    (void)value_size;
    (void)flags;
    (void)argument;
    return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
}

/* A request that waited to be sent while the peer's GOAWAY came: it has not left us. */
static int on_frame_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int code, void *argument)
{
    struct h2_stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    (void)argument;
    if (stream && frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        stream->is_unsent = code == NGHTTP2_ERR_START_STREAM_NOT_ALLOWED;
    return 0;
}

static void refuse_stream(struct h2 *h2, int32_t id, enum h2_code code)
{
    (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, id, code);
}

static void on_request_head(struct h2 *h2, const nghttp2_frame *frame, bool ends)
{
    struct h1_error error = {0, NULL};
    enum h1_verdict verdict =
        h2_read_request(h2->options.scratch, &h2->block, &h2->options.limits, ends, &error);

    if (verdict == H1_BAD && error.status == 0) {
        refuse_stream(h2, frame->hd.stream_id, H2_PROTOCOL_ERROR);
        return;
    }
    h2->arriving = frame->hd.stream_id;
    h2->events->on_request(h2->owner, h2->options.scratch, verdict == H1_BAD ? &error : NULL);
    if (h2->arriving)
        refuse_stream(h2, frame->hd.stream_id, H2_REFUSED_STREAM);
    h2->arriving = 0;
}

/* Streams take turns, whatever the client would like (RFC 9218 section 10): else the oldest ones have the connection to themselves for as long as
 * there is more of them, and others starve. */
void h2_accept(struct h2 *h2, struct h2_stream *stream)
{
    static const nghttp2_extpri equal = {.urgency = NGHTTP2_EXTPRI_DEFAULT_URGENCY, .inc = 1};

    CHECK(h2->arriving && stream->id == 0);
    stream->id = h2->arriving;
    stream->method = h2->options.scratch->method;
    h2->arriving = 0;
    CHECK(nghttp2_session_set_stream_user_data(h2->session, stream->id, stream) == 0);
    CHECK(nghttp2_session_change_extpri_stream_priority(h2->session, stream->id, &equal, 1) == 0);
}

static void on_response_head(struct h2 *h2, struct h2_stream *stream, bool ends)
{
    struct h1_error error;
    struct head *head = h2->options.scratch;

    if (h2_read_response(head, &h2->block, stream->method, ends, &error) == H1_BAD) {
        refuse_stream(h2, stream->id, H2_PROTOCOL_ERROR);
        return;
    }
    stream->has_head = head->status >= 200;
    h2->events->on_response(h2->owner, stream, head);
}

static void on_head(struct h2 *h2, const nghttp2_frame *frame)
{
    int32_t id = frame->hd.stream_id;
    bool ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;
    struct h2_stream *stream = h2_find(h2, id);
    struct slice trailers = {"", 0};

    if (h2->block.is_trailer && h2->block.is_too_large) {
        refuse_stream(h2, id, H2_PROTOCOL_ERROR);
    } else if (h2->block.is_trailer) {
        trailers = buffer_slice(&h2->block.text);
    } else if (h2->options.role == H2_ANSWERS) {
        on_request_head(h2, frame, ends);
        stream = h2_find(h2, id);
    } else if (stream) {
        on_response_head(h2, stream, ends);
        stream = h2_find(h2, id);
    }
    if (ends && stream && !(h2->block.is_trailer && h2->block.is_too_large))
        h2->events->on_end(h2->owner, stream, trailers);
    h2_block_end(&h2->block);
}

/* --- what else comes --- */

static int on_data_chunk(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes,
                         size_t size, void *argument)
{
    struct h2 *h2 = argument;
    struct h2_stream *stream = nghttp2_session_get_stream_user_data(session, id);

    (void)flags;
    h2->data_was_empty = h2->data_was_empty && size == 0;
    if (!stream) {
        (void)nghttp2_session_consume(session, id, size);
        return 0;
    }
    stream->untaken += size;
    h2->events->on_data(h2->owner, stream, (struct slice){(const char *)bytes, size});
    return 0;
}

static int on_data_frame(struct h2 *h2, const nghttp2_frame *frame)
{
    struct h2_stream *stream;

    if (!(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return h2->data_was_empty && !h2_budget_take(&h2->cheap)
                   ? h2_have_enough(h2, "too many empty DATA frames")
                   : 0;
    stream = h2_find(h2, frame->hd.stream_id);
    if (stream)
        h2->events->on_end(h2->owner, stream, (struct slice){"", 0});
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *argument)
{
    struct h2 *h2 = argument;

    switch (frame->hd.type) {
    case NGHTTP2_HEADERS: on_head(h2, frame); return 0;
    case NGHTTP2_DATA: return on_data_frame(h2, frame);
    case NGHTTP2_GOAWAY:
        if (h2->events->on_goaway)
            h2->events->on_goaway(h2->owner, frame->goaway.error_code);
        return 0;
    case NGHTTP2_SETTINGS:
        h2->peer_serves_connect =
            nghttp2_session_get_remote_settings(session, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
        if (!(frame->hd.flags & NGHTTP2_FLAG_ACK) && h2->events->on_settings)
            h2->events->on_settings(h2->owner);
        return 0;
    default: return 0;
    }
}

bool h2_receive(struct h2 *h2, struct slice bytes, uint64_t now_us)
{
    ssize_t taken;

    if (h2->is_broken)
        return false;
    h2_bounds_refill(h2, now_us);
    taken = nghttp2_session_mem_recv(h2->session, (const uint8_t *)bytes.at, bytes.size);
    if (taken >= 0 && !h2_bounds_hold(h2, bytes))
        taken = NGHTTP2_ERR_CALLBACK_FAILURE;
    if (taken >= 0)
        return true;
    h2->is_broken = true;
    if (taken != NGHTTP2_ERR_CALLBACK_FAILURE) {
        h2->problem = nghttp2_strerror((int)taken);
        h2->ends_with = taken == NGHTTP2_ERR_FLOODED ? H2_ENHANCE_YOUR_CALM : H2_PROTOCOL_ERROR;
    }
    h2_block_end(&h2->block);
    h2_put_last_goaway(h2, h2->ends_with);
    return false;
}

void h2_took(struct h2 *h2, struct h2_stream *stream, size_t size)
{
    if (!stream->id || size == 0)
        return;
    CHECK(size <= stream->untaken);
    stream->untaken -= size;
    (void)nghttp2_session_consume(h2->session, stream->id, size);
}

/* --- life --- */

static nghttp2_session_callbacks *make_callbacks(void)
{
    nghttp2_session_callbacks *callbacks;

    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_begin_frame_callback(callbacks, h2_on_begin_frame);
    nghttp2_session_callbacks_set_unpack_extension_callback(callbacks, on_unknown_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_invalid_header_callback(callbacks, on_invalid_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data_chunk);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, h2_on_frame_sent);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, h2_on_send_data);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_frame_not_sent);
    nghttp2_session_callbacks_set_error_callback2(callbacks, on_error);
    return callbacks;
}

static void make_session(struct h2 *h2)
{
    nghttp2_session_callbacks *callbacks = make_callbacks();
    size_t continuations = h2->options.limits.head_bytes / FRAME_MAX + 2;
    nghttp2_option *option;
    int made;

    CHECK(nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    nghttp2_option_set_max_outbound_ack(option, ACKS_MAX);
    nghttp2_option_set_max_continuations(option, continuations > CONTINUATIONS_MIN ? continuations
                                                                                   : CONTINUATIONS_MIN);
    for (unsigned type = NGHTTP2_CONTINUATION + 1; type <= UINT8_MAX; type++)
        nghttp2_option_set_user_recv_extension_type(option, (uint8_t)type);
    if (h2->options.role == H2_ANSWERS)
        made = nghttp2_session_server_new2(&h2->session, callbacks, h2, option);
    else
        made = nghttp2_session_client_new2(&h2->session, callbacks, h2, option);
    CHECK(made == 0);
    nghttp2_option_del(option);
    nghttp2_session_callbacks_del(callbacks);
}

static void say_settings(struct h2 *h2)
{
    const struct h2_options *options = &h2->options;
    nghttp2_settings_entry entries[6];
    size_t count = 0;

    entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, options->stream_window};
    entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE,
                                                (uint32_t)options->limits.head_bytes +
                                                    FIELD_OVERHEAD * options->limits.fields};
    if (options->role == H2_ASKS) {
        entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_PUSH, 0};
    } else {
        entries[count++] =
            (nghttp2_settings_entry){NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options->streams};
        entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_NO_RFC7540_PRIORITIES, 1};
        if (options->serves_connect)
            entries[count++] = (nghttp2_settings_entry){NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1};
    }
    CHECK(nghttp2_submit_settings(h2->session, NGHTTP2_FLAG_NONE, entries, count) == 0);
    CHECK(nghttp2_session_set_local_window_size(h2->session, NGHTTP2_FLAG_NONE, 0,
                                                (int32_t)options->connection_window) == 0);
}

struct h2 *h2_new(const struct h2_options *options, const struct h2_events *events, void *owner)
{
    struct h2 *h2 = mem_zero(sizeof *h2);

    h2->options = *options;
    h2->events = events;
    h2->owner = owner;
    list_init(&h2->noted);
    h2_bounds_init(h2);
    make_session(h2);
    say_settings(h2);
    return h2;
}

void h2_free(struct h2 **owner)
{
    struct h2 *h2 = *owner;

    *owner = NULL;
    if (!h2)
        return;
    while (!list_is_empty(&h2->noted))
        h2_stream_release(list_entry(h2->noted.next, struct h2_stream, node));
    nghttp2_session_del(h2->session);
    buffer_release(&h2->block.text);
    buffer_release(&h2->rest);
    buffer_release(&h2->frames);
    mem_free(h2);
}

const char *h2_problem(const struct h2 *h2)
{
    return h2->problem ? h2->problem : "-";
}

bool h2_is_inside_head(const struct h2 *h2)
{
    return h2->block.is_open;
}

unsigned h2_streams(const struct h2 *h2)
{
    return h2->streams;
}

bool h2_is_over(const struct h2 *h2)
{
    if (buffer_size(&h2->rest))
        return false;
    return h2->is_broken ||
           (!nghttp2_session_want_read(h2->session) && !nghttp2_session_want_write(h2->session));
}

/* --- its end --- */

void h2_announce_end(struct h2 *h2)
{
    if (h2->end_announced || h2->end_is_said)
        return;
    h2->end_announced = true;
    (void)nghttp2_submit_shutdown_notice(h2->session);
}

void h2_goaway(struct h2 *h2, enum h2_code code)
{
    if (code != H2_NO_ERROR) {
        (void)nghttp2_session_terminate_session(h2->session, code);
        return;
    }
    if (h2->end_is_said)
        return;
    h2->end_is_said = true;
    (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                                nghttp2_session_get_last_proc_stream_id(h2->session), code, NULL, 0);
}
