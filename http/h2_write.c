/* SPDX-License-Identifier: MIT
 *
 * What goes out on an HTTP/2 connection. Frames are gathered until there are some 256 KiB of them and go out in one write: small payload is
 * copied between the frames, large payload is sent from the stream's buffer, where it lies. What a write did not take is kept. One thread. */
#include "base/check.h"
#include "base/mem.h"
#include "http/h2_connection.h"

#define GATHER_MAX    (256 * 1024)
#define GATHER_SCARCE (16 * 1024) /* what a write does not take is kept: of each of a crowd, little */
#define UPDATE_WORTH  2048 /* bytes for which a peer may say that it took them, of its stream or of all */
#define COPY_MAX      2048 /* payload up to this is copied: cheaper than a part of its own */
#define FRAME_HEAD    9
#define FIELDS_MAX    (HEAD_FIELDS_MAX + 16)

/* --- heads --- */

struct field_list {
    nghttp2_nv fields[FIELDS_MAX];
    size_t count;
};

static void put_field(struct field_list *list, struct slice name, struct slice value, bool is_secret)
{
    if (list->count == FIELDS_MAX)
        return;
    list->fields[list->count++] = (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)name.at,
        .value = (uint8_t *)(uintptr_t)value.at,
        .namelen = name.size,
        .valuelen = value.size,
        .flags = is_secret ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE,
    };
}

static void put_fields(struct field_list *list, const struct h2_field *fields, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        put_field(list, fields[i].name, fields[i].value, fields[i].is_secret);
}

static void put_status(struct field_list *list, unsigned status, char text[4])
{
    text[0] = (char)('0' + status / 100 % 10);
    text[1] = (char)('0' + status / 10 % 10);
    text[2] = (char)('0' + status % 10);
    put_field(list, SLICE(":status"), (struct slice){text, 3}, false);
}

void h2_interim(struct h2 *h2, struct h2_stream *stream, unsigned status, const struct h2_field *fields,
                unsigned count)
{
    struct field_list list = {.count = 0};
    char text[4];

    if (!stream->id)
        return;
    put_status(&list, status, text);
    put_fields(&list, fields, count);
    for (size_t i = 0; i < list.count; i++)
        stream->interims += list.fields[i].namelen + list.fields[i].valuelen + sizeof list.fields[i];
    (void)nghttp2_submit_headers(h2->session, NGHTTP2_FLAG_NONE, stream->id, NULL, list.fields, list.count,
                                 NULL);
}

void h2_respond(struct h2 *h2, struct h2_stream *stream, unsigned status, const struct h2_field *fields,
                unsigned count, bool ends)
{
    nghttp2_data_provider body = {.source = {.ptr = NULL}, .read_callback = h2_on_read_data};
    struct field_list list;
    char text[4];

    if (!stream->id)
        return;
    list.count = 0;
    put_status(&list, status, text);
    put_fields(&list, fields, count);
    stream->may_send = !ends;
    (void)nghttp2_submit_response(h2->session, stream->id, list.fields, list.count, ends ? NULL : &body);
}

bool h2_may_open(const struct h2 *h2)
{
    return !h2->is_broken && !h2->end_is_said && nghttp2_session_check_request_allowed(h2->session) &&
           h2->streams < h2_peer_streams(h2);
}

unsigned h2_peer_streams(const struct h2 *h2)
{
    return nghttp2_session_get_remote_settings(h2->session, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

bool h2_peer_serves_connect(const struct h2 *h2)
{
    return h2->peer_serves_connect;
}

bool h2_request(struct h2 *h2, struct h2_stream *stream, enum method method, const struct h2_target *target,
                const struct h2_field *fields, unsigned count, bool ends)
{
    nghttp2_data_provider body = {.source = {.ptr = NULL}, .read_callback = h2_on_read_data};
    struct field_list list;
    int32_t id;

    list.count = 0;
    put_field(&list, SLICE(":method"), target->method, false);
    if (target->protocol.size)
        put_field(&list, SLICE(":protocol"), target->protocol, false);
    put_field(&list, SLICE(":scheme"), target->scheme, false);
    put_field(&list, SLICE(":authority"), target->authority, false);
    put_field(&list, SLICE(":path"), target->path, false);
    put_fields(&list, fields, count);
    if (!h2_may_open(h2))
        return false;
    id = nghttp2_submit_request(h2->session, NULL, list.fields, list.count, ends ? NULL : &body, stream);
    if (id < 0)
        return false;
    h2->streams++;
    stream->id = id;
    stream->method = method;
    stream->may_send = !ends;
    return true;
}

/* --- bodies --- */

/* There is something to send again. */
static void resume(struct h2 *h2, struct h2_stream *stream)
{
    if (!stream->is_deferred)
        return;
    stream->is_deferred = false;
    (void)nghttp2_session_resume_data(h2->session, stream->id);
}

void h2_data(struct h2 *h2, struct h2_stream *stream, struct slice data)
{
    if (!stream->id || !stream->may_send || stream->ends || data.size == 0)
        return;
    buffer_append(&stream->out, data.at, data.size);
    resume(h2, stream);
}

void h2_lend(struct h2 *h2, struct h2_stream *stream, struct slice data)
{
    CHECK(stream->lent.size == 0);
    if (!stream->id || !stream->may_send || stream->ends || data.size == 0)
        return;
    stream->lent = data;
    resume(h2, stream);
}

void h2_keep(struct h2_stream *stream)
{
    CHECK(stream->in_flight == 0);
    if (stream->lent.size)
        buffer_append(&stream->out, stream->lent.at, stream->lent.size);
    stream->lent = (struct slice){NULL, 0};
}

void h2_end(struct h2 *h2, struct h2_stream *stream, struct slice trailers)
{
    if (!stream->id || !stream->may_send || stream->ends)
        return;
    stream->ends = true;
    stream->trailers = trailers.size ? slice_dup(trailers) : NULL;
    resume(h2, stream);
}

void h2_cut(struct h2 *h2, struct h2_stream *stream)
{
    if (!stream->id || !stream->may_send || stream->ends)
        return;
    stream->is_cut = true;
    resume(h2, stream);
}

bool h2_has_window(const struct h2 *h2)
{
    return nghttp2_session_get_remote_window_size(h2->session) > 0;
}

bool h2_stream_has_window(const struct h2 *h2, const struct h2_stream *stream)
{
    return nghttp2_session_get_stream_remote_window_size(h2->session, stream->id) > 0;
}

/* False: none of them may trail. */
static bool submit_trailers(struct h2 *h2, struct h2_stream *stream)
{
    struct slice rest = slice_of(stream->trailers), name, value;
    struct field_list list;

    list.count = 0;
    while (h1_trailer_next(&rest, &name, &value))
        put_field(&list, name, value, false);
    return list.count > 0 && nghttp2_submit_trailer(h2->session, stream->id, list.fields, list.count) == 0;
}

ssize_t h2_on_read_data(nghttp2_session *session, int32_t id, uint8_t *into, size_t room, uint32_t *flags,
                        nghttp2_data_source *source, void *argument)
{
    struct h2 *h2 = argument;
    struct h2_stream *stream = nghttp2_session_get_stream_user_data(session, id);
    size_t left, size, in_out;

    (void)into;
    (void)source;
    if (!stream)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* reset: its RST_STREAM is on its way */
    left = h2_stream_unsent(stream);
    if (left == 0 && stream->is_cut)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE; /* nghttp2 resets it, with INTERNAL_ERROR */
    if (left == 0 && !stream->ends) {
        stream->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    size = left < room ? left : room;
    in_out = buffer_size(&stream->out);
    if (in_out > stream->in_flight && size > in_out - stream->in_flight)
        size = in_out - stream->in_flight;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (size == left && stream->ends) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (stream->trailers && submit_trailers(h2, stream))
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    }
    return (ssize_t)size;
}

/* --- gathering --- */

static void close_frames_part(struct h2 *h2)
{
    size_t size = buffer_size(&h2->frames) - h2->frames_in_parts;

    if (size == 0)
        return;
    CHECK(h2->part_count < H2_PARTS);
    h2->parts[h2->part_count++] = (struct h2_part){NULL, size};
    h2->frames_in_parts += size;
}

static void gather_bytes(struct h2 *h2, const void *bytes, size_t size)
{
    buffer_append(&h2->frames, bytes, size);
    h2->gathered += size;
}

static void gather_payload(struct h2 *h2, struct h2_stream *stream, size_t size)
{
    size_t in_out = buffer_size(&stream->out);
    const char *at = stream->in_flight < in_out ? buffer_bytes(&stream->out) + stream->in_flight
                                                : stream->lent.at + (stream->in_flight - in_out);

    stream->in_flight += (uint32_t)size;
    if (size <= COPY_MAX) {
        gather_bytes(h2, at, size);
        return;
    }
    close_frames_part(h2);
    CHECK(h2->part_count < H2_PARTS);
    h2->parts[h2->part_count++] = (struct h2_part){at, size};
    h2->gathered += size;
}

/* A DATA frame makes up to two parts, and what follows it is a third. */
static bool is_full(const struct h2 *h2)
{
    return h2->gathered >= h2->gather_most || h2->part_count + 3 > h2->parts_most;
}

int h2_on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *frame_head, size_t size,
                    nghttp2_data_source *source, void *argument)
{
    struct h2 *h2 = argument;
    struct h2_stream *stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    (void)source;
    if (!stream)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    gather_bytes(h2, frame_head, FRAME_HEAD);
    if (size) {
        gather_payload(h2, stream, size);
        h2_note(h2, stream);
    }
    if (size >= 1024 || h2_stream_unsent(stream) == 0 || (frame->hd.flags & NGHTTP2_FLAG_END_STREAM)) {
        h2_budget_refund(&h2->cheap, 2);
        h2->updates += 2 + size / UPDATE_WORTH; /* who takes bytes says so */
    }
    return is_full(h2) ? NGHTTP2_ERR_PAUSE
                       : 0; /* nghttp2 would go on with the next frame of payload by itself */
}

int h2_on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *argument)
{
    struct h2 *h2 = argument;
    struct h2_stream *stream;
    bool is_head = frame->hd.type == NGHTTP2_HEADERS, ends = frame->hd.flags & NGHTTP2_FLAG_END_STREAM;

    if (frame->hd.type == NGHTTP2_RST_STREAM) {
        uint32_t code = frame->rst_stream.error_code;
        bool is_ours = code == NGHTTP2_NO_ERROR || code == NGHTTP2_CANCEL || code == NGHTTP2_INTERNAL_ERROR;
        if (!is_ours && !h2_budget_take(&h2->resets)) {
            h2->problem = "streams that have to be reset, one after the other";
            h2->ends_with = H2_ENHANCE_YOUR_CALM;
            (void)nghttp2_session_terminate_session(session, NGHTTP2_ENHANCE_YOUR_CALM);
        }
        return 0;
    }
    if (!is_head && (frame->hd.type != NGHTTP2_DATA || !ends))
        return 0;
    if (is_head && ends)
        h2_budget_refund(&h2->cheap, 2);
    stream = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (stream && is_head)
        stream->interims = 0;
    if (stream && ends) {
        stream->end_is_sent = true;
        h2_note(h2, stream);
    }
    return 0;
}

static void gather(struct h2 *h2)
{
    const uint8_t *bytes;
    ssize_t size = 0;

    h2->gathers = true;
    while (!is_full(h2)) {
        size = nghttp2_session_mem_send(h2->session, &bytes);
        if (size <= 0)
            break;
        gather_bytes(h2, bytes, (size_t)size);
    }
    h2->gathers = false;
    close_frames_part(h2);
    if (size < 0) { /* out of memory, or a fault of ours */
        h2->is_broken = true;
        h2->problem = nghttp2_strerror((int)size);
    }
}

unsigned h2_unsent(struct h2 *h2, struct iovec *parts, unsigned most)
{
    char *frames;

    CHECK(most >= 4 && !h2->gathers);
    if (buffer_size(&h2->rest)) {
        parts[0] = (struct iovec){buffer_bytes(&h2->rest), buffer_size(&h2->rest)};
        return 1;
    }
    if (h2->is_broken)
        return 0;
    h2->parts_most = most < H2_PARTS ? most : H2_PARTS;
    h2->gather_most = blocks_are_scarce() ? GATHER_SCARCE : GATHER_MAX;
    gather(h2);
    frames = h2->frames.block ? buffer_bytes(&h2->frames) : NULL;
    for (unsigned i = 0; i < h2->part_count; i++) {
        const struct h2_part *part = &h2->parts[i];
        parts[i] = (struct iovec){part->at ? (void *)(uintptr_t)part->at : frames, part->size};
        if (!part->at)
            frames += part->size;
    }
    return h2->part_count;
}

/* What of the parts was not taken, all but the first `size` bytes. */
static void keep_rest(struct h2 *h2, size_t size)
{
    const char *frames = h2->frames.block ? buffer_bytes(&h2->frames) : NULL;

    for (unsigned i = 0; i < h2->part_count; i++) {
        const struct h2_part *part = &h2->parts[i];
        const char *at = part->at ? part->at : frames;
        size_t skip = size < part->size ? size : part->size;
        buffer_append(&h2->rest, at + skip, part->size - skip);
        size -= skip;
        if (!part->at)
            frames += part->size;
    }
    CHECK(size == 0);
}

static void consume(struct h2_stream *stream)
{
    size_t in_out = buffer_size(&stream->out);
    size_t of_out = stream->in_flight < in_out ? stream->in_flight : in_out;
    size_t of_lent = stream->in_flight - of_out;

    buffer_consume(&stream->out, of_out);
    if (of_lent)
        stream->lent = (struct slice){stream->lent.at + of_lent, stream->lent.size - of_lent};
}

static void tell_noted(struct h2 *h2, struct h2_stream *stream)
{
    bool moved = stream->in_flight > 0, is_all = stream->end_is_sent && !stream->end_is_told;

    list_remove(&stream->node);
    stream->is_noted = false;
    if (moved)
        consume(stream);
    stream->in_flight = 0;
    stream->end_is_told = stream->end_is_sent;
    h2->telling = stream;
    if (moved || is_all)
        h2->events->on_sent(h2->owner, stream, is_all);
    if (h2->telling && stream->is_closed)
        h2_tell_closed(h2, stream, stream->close_code);
    h2->telling = NULL;
}

void h2_sent(struct h2 *h2, size_t size)
{
    if (buffer_size(&h2->rest)) {
        buffer_consume(&h2->rest, size);
        return;
    }
    if (size < h2->gathered)
        keep_rest(h2, size);
    buffer_release(&h2->frames);
    h2->part_count = 0;
    h2->gathered = h2->frames_in_parts = 0;
    while (!list_is_empty(&h2->noted))
        tell_noted(h2, list_entry(h2->noted.next, struct h2_stream, node));
}

bool h2_has_unsent(const struct h2 *h2)
{
    return buffer_size(&h2->rest) > 0 || (!h2->is_broken && nghttp2_session_want_write(h2->session));
}

void h2_reset(struct h2 *h2, struct h2_stream *stream, enum h2_code code)
{
    int32_t id = stream->id;

    if (!id)
        return;
    CHECK(!h2->gathers);
    if (h2->telling == stream)
        h2->telling = NULL;
    if (stream->untaken)
        (void)nghttp2_session_consume_connection(h2->session, stream->untaken);
    stream->untaken = 0;
    if (!stream->is_closed) {
        (void)nghttp2_session_set_stream_user_data(h2->session, id, NULL);
        (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, id, code);
    }
    h2_stream_release(stream);
}

/* RFC 9113 section 6.8. */
void h2_put_last_goaway(struct h2 *h2, enum h2_code code)
{
    uint32_t last = (uint32_t)nghttp2_session_get_last_proc_stream_id(h2->session);
    const char frame[] = {0,
                          0,
                          8,
                          NGHTTP2_GOAWAY,
                          0,
                          0,
                          0,
                          0,
                          0,
                          (char)(last >> 24),
                          (char)(last >> 16),
                          (char)(last >> 8),
                          (char)last,
                          0,
                          0,
                          0,
                          (char)code};

    buffer_append(&h2->rest, frame, sizeof frame);
}
