/* SPDX-License-Identifier: MIT
 *
 * The streams of a link that speaks HTTP/2. A stream's memory is given back at the end of the turn: callers above may still look at it.
 * Loop thread only. */
#include "base/clock.h"
#include "base/log.h"
#include "proxy/link_h2.h"

#define SEND_AHEAD (32 * 1024) /* of a body: handed over before the worker's window takes it */
#define FIELDS_MAX (HEAD_FIELDS_MAX + 16)

static struct link_h2 *home_of(const struct link_h2_stream *stream)
{
    return stream->stream.link->h2;
}

static struct link_h2_stream *of(struct h2_stream *stream)
{
    return container_of(stream, struct link_h2_stream, h2);
}

/* --- life --- */

size_t link_h2_stream_size(void)
{
    return sizeof(struct link_h2_stream);
}

static void on_free(struct task *task)
{
    struct link_h2_stream *stream = container_of(task, struct link_h2_stream, free_task);

    slab_give(&stream->stream.link->proxy->link_stream_slab, stream);
}

static void on_due(void *argument)
{
    struct link_h2_stream *stream = argument;

    if (stream->stream.exchange)
        link_stream_due(&stream->stream);
    else
        link_h2_drop(&stream->stream);
}

struct link_stream *link_h2_add(struct link *link, struct place *place)
{
    struct link_h2 *h2 = link->h2;
    struct link_h2_stream *stream = slab_take(&link->proxy->link_stream_slab);

    stream->stream.link = link;
    stream->stream.place = *place;
    place->backend = NULL;
    stream->stream.is_reused = h2->is_proven && h2->count == 0; /* among others it cannot be stale */
    stream->begun_at = UINT64_MAX;
    deadline_init(&stream->stream.deadline, on_due, stream);
    task_init(&stream->free_task, on_free);
    list_init(&stream->touched_node);
    list_push_back(&h2->streams, &stream->node);
    h2->count++;
    if (link->state == LINK_IDLE) {
        link->state = LINK_OPEN;
        deadline_stop(&h2->deadline);
    }
    link_h2_offer(h2);
    return &stream->stream;
}

void link_h2_forget(struct link_h2_stream *stream)
{
    struct link_h2 *h2 = home_of(stream);

    CHECK(!stream->stream.exchange && !stream->h2.id);
    link_stream_release(&stream->stream);
    deadline_stop(&stream->stream.deadline);
    list_remove(&stream->node);
    list_remove(&stream->touched_node);
    h2->count--;
    link_h2_offer(h2);
    link_h2_settle_soon(h2);
    task_at_end(&stream->free_task, h2->link->proxy->loop);
}

void link_h2_drop(struct link_stream *base)
{
    struct link_h2_stream *stream = link_h2_stream_of(base);

    h2_reset(home_of(stream)->h2, &stream->h2, H2_CANCEL);
    link_h2_forget(stream);
}

/* A call of gRPC's is cancelled at once, as its workers expect. What else a worker has whole keeps its place until there is an answer:
 * requests that nobody waits for cannot pile up in it. */
void link_h2_cancel(struct link_stream *base)
{
    struct link_h2_stream *stream = link_h2_stream_of(base);
    struct exchange *exchange = base->exchange;

    base->exchange = NULL;
    if (!stream->h2.id || base->head_is_done || exchange->is_grpc || !stream->h2.end_is_sent)
        link_h2_drop(base);
    else
        link_stream_await(base, base->link->proxy->snapshot->config->timeouts.response);
}

/* --- the request --- */

static struct slice take_to(struct slice *rest, const char *mark, size_t mark_size)
{
    const char *end = memmem(rest->at, rest->size, mark, mark_size);
    struct slice taken = *rest;

    CHECK(end);
    taken.size = (size_t)(end - rest->at);
    rest->at = end + mark_size;
    rest->size -= taken.size + mark_size;
    return taken;
}

/* What differs with every request only pushes out of the table what does not. */
static bool is_secret(struct slice name)
{
    return slice_equal_nocase(name, SLICE("authorization")) ||
           slice_equal_nocase(name, SLICE("x-request-id")) ||
           slice_equal_nocase(name, SLICE("x-request-start"));
}

/* Our own writing (rewrite.c), read again: its request line, Host, the other fields. */
static unsigned read_head(struct slice text, struct h2_target *target, struct h2_field *fields)
{
    unsigned count = 0;

    target->method = take_to(&text, " ", 1);
    target->path = take_to(&text, " ", 1);
    (void)take_to(&text, "\r\nHost: ", 8);
    target->authority = take_to(&text, "\r\n", 2);
    while (text.size > 2 && count < FIELDS_MAX) {
        fields[count].name = take_to(&text, ": ", 2);
        fields[count].value = take_to(&text, "\r\n", 2);
        fields[count].is_secret = is_secret(fields[count].name);
        count++;
    }
    return count;
}

void link_h2_begin(struct link_h2_stream *stream)
{
    struct link_h2 *h2 = home_of(stream);
    struct exchange *exchange = stream->stream.exchange;
    struct h2_field fields[FIELDS_MAX];
    struct h2_target target = {.scheme = h2->link->tls ? SLICE("https") : SLICE("http")};
    unsigned count = read_head(buffer_slice(&exchange->head), &target, fields);
    bool has_body =
        !exchange->body_is_whole || exchange->request_trailers || buffer_size(&exchange->body) > 0;

    if (!h2_request(h2->h2, &stream->h2, exchange->method, &target, fields, count, !has_body)) {
        link_stream_fail(&stream->stream, FAILURE_UNPROCESSED);
        return;
    }
    stream->begun_at = h2->delivered;
    link_stream_wrote(&stream->stream, buffer_size(&exchange->head));
    link_h2_pump(stream);
}

/* The worker's next sign of life: that it takes more of the request, or its answer. */
static void await_worker(struct link_h2_stream *stream)
{
    struct exchange *exchange = stream->stream.exchange;
    unsigned send_ms = exchange->snapshot->config->timeouts.send;
    unsigned response_ms = exchange_response_ms(exchange);
    bool is_taking = h2_stream_unsent(&stream->h2) > 0 && send_ms;

    if (!stream->stream.head_is_done)
        link_stream_await(&stream->stream, is_taking && send_ms < response_ms ? send_ms : response_ms);
}

void link_h2_pump(struct link_h2_stream *stream)
{
    struct link_h2 *h2 = home_of(stream);
    struct exchange *exchange = stream->stream.exchange;
    bool moved = false;

    while (h2_stream_unsent(&stream->h2) < SEND_AHEAD) {
        struct iovec parts[3];
        size_t room = SEND_AHEAD - h2_stream_unsent(&stream->h2);
        if (exchange_unsent(exchange, parts) == 0)
            break;
        room = parts[0].iov_len < room ? parts[0].iov_len : room;
        h2_data(h2->h2, &stream->h2, (struct slice){parts[0].iov_base, room});
        link_stream_wrote(&stream->stream, room);
        moved = true;
    }
    if (exchange_request_is_sent(exchange))
        h2_end(h2->h2, &stream->h2, slice_of(exchange->request_trailers));
    link_h2_settle_soon(h2);
    if (!moved)
        return;
    await_worker(stream);
    if (!exchange->body_is_whole && exchange->stream)
        exchange->stream->ops->resume(exchange->stream);
}

void link_h2_send(struct link_stream *base)
{
    struct link_h2_stream *stream = link_h2_stream_of(base);

    if (!base->exchange)
        return;
    if (stream->h2.id)
        link_h2_pump(stream);
    else if (home_of(stream)->is_ready)
        link_h2_begin(stream);
    else
        link_h2_settle_soon(home_of(stream)); /* it connects */
}

void link_h2_resume(struct link_stream *base)
{
    struct link_h2_stream *stream = link_h2_stream_of(base);

    base->paused = false;
    h2_took(home_of(stream)->h2, &stream->h2, stream->h2.untaken);
    link_h2_settle_soon(home_of(stream));
}

/* --- what comes --- */

static void touch(struct link_h2_stream *stream)
{
    if (list_is_empty(&stream->touched_node))
        list_push_back(&home_of(stream)->touched, &stream->touched_node);
}

static void on_response(void *owner, struct h2_stream *h2, const struct head *head)
{
    struct link_h2_stream *stream = of(h2);
    struct exchange *exchange = stream->stream.exchange;

    (void)owner;
    if (!exchange) { /* nobody waits for it: it has kept its place so far */
        link_h2_drop(&stream->stream);
        return;
    }
    stream->stream.has_answered = true;
    touch(stream);
    if (head->status < 200)
        exchange_on_interim(exchange, head);
    else
        (void)link_stream_on_head(&stream->stream, head);
}

static void on_data(void *owner, struct h2_stream *h2, struct slice data)
{
    struct link_h2_stream *stream = of(h2);
    struct exchange *exchange = stream->stream.exchange;

    if (!exchange)
        return;
    touch(stream);
    if (deadline_is_running(&stream->stream.deadline))
        link_stream_await(&stream->stream, stream->stream.timeout_ms);
    if (!exchange_on_data(exchange, data) && stream->stream.exchange)
        stream->stream.paused = true; /* it may send no more than its window now */
    if (stream->stream.exchange && !stream->stream.paused)
        h2_took(((struct link_h2 *)owner)->h2, h2, data.size);
}

static void on_end(void *owner, struct h2_stream *h2, struct slice trailers)
{
    struct link_h2 *home = owner;
    struct link_h2_stream *stream = of(h2);
    struct exchange *exchange = stream->stream.exchange;

    if (!exchange)
        return;
    stream->stream.exchange = NULL;
    if (home->is_proven)
        atomic_store_explicit(&home->link->backend->stale_streak, 0, memory_order_relaxed);
    home->is_proven = true;
    deadline_stop(&stream->stream.deadline);
    /* before the client has its answer: its next request finds the place free */
    link_stream_release(&stream->stream);
    exchange_on_end(exchange, trailers);
    if (!h2->end_is_sent) /* the rest of the request is of no use */
        link_h2_drop(&stream->stream);
}

static void on_sent(void *owner, struct h2_stream *h2, bool is_all)
{
    struct link_h2_stream *stream = of(h2);

    (void)owner;
    (void)is_all;
    if (!stream->stream.exchange)
        return;
    link_h2_pump(stream);
    if (stream->stream.exchange && stream->h2.id)
        await_worker(stream);
}

static enum failure failure_of(const struct link_h2_stream *stream, uint32_t code)
{
    bool goes = home_of(stream)->retires;

    if (stream->stream.head_is_done)
        return FAILURE_BROKEN;
    switch (code) {
    case H2_REFUSED_STREAM: return goes ? FAILURE_UNPROCESSED : FAILURE_REFUSED_STREAM;
    case H2_NO_ERROR:
    case H2_INTERNAL_ERROR:
    case H2_CANCEL:
    case H2_ENHANCE_YOUR_CALM: return stream->stream.has_answered ? FAILURE_UNREADABLE : FAILURE_CLOSED;
    default: return FAILURE_UNREADABLE;
    }
}

static void on_closed(void *owner, struct h2_stream *h2, uint32_t code)
{
    struct link_h2_stream *stream = of(h2);
    struct exchange *exchange = stream->stream.exchange;
    enum failure failure = failure_of(stream, code);

    (void)owner;
    if (!exchange) {
        link_h2_forget(stream);
        return;
    }
    if (code == H2_REFUSED_STREAM && !stream->stream.has_answered)
        link_stream_unwrite(&stream->stream); /* RFC 9113 section 8.7 */
    if (failure == FAILURE_UNREADABLE)
        log_warning("%s: unreadable response: HTTP/2 error %u", stream->stream.link->backend->name, code);
    link_stream_fail(&stream->stream, failure);
}

static void on_goaway(void *owner, uint32_t code)
{
    struct link_h2 *h2 = owner;
    struct link *link = h2->link;

    if (code != H2_NO_ERROR)
        log_warning("%s (%s): it ends the connection: HTTP/2 error %u", link->backend->name,
                    link->backend->authority, code);
    else if (link->state == LINK_IDLE)
        idle_ended_early(link);
    h2->is_left = code == H2_NO_ERROR;
    link_h2_retire(h2);
}

static struct link_h2_stream *first_waiting(struct link_h2 *h2)
{
    list_each_safe (node, next, &h2->streams) {
        struct link_h2_stream *stream = list_entry(node, struct link_h2_stream, node);
        if (!stream->h2.id && stream->stream.exchange)
            return stream;
    }
    return NULL;
}

/* Those that came while it connected; who finds no room goes elsewhere. */
static void on_settings(void *owner)
{
    struct link_h2 *h2 = owner;
    unsigned most = h2_peer_streams(h2->h2);

    h2->most = most < LINK_STREAMS_MAX ? most : LINK_STREAMS_MAX;
    atomic_store_explicit(&h2->link->backend->streams_limit, h2->most, memory_order_relaxed);
    h2->is_ready = true;
    link_h2_offer(h2);
    for (struct link_h2_stream *stream; (stream = first_waiting(h2));)
        link_h2_begin(stream);
}

const struct h2_events link_h2_events = {
    .on_response = on_response,
    .on_data = on_data,
    .on_end = on_end,
    .on_sent = on_sent,
    .on_closed = on_closed,
    .on_goaway = on_goaway,
    .on_settings = on_settings,
};
