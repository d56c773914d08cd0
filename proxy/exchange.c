/* SPDX-License-Identifier: MIT
 *
 * The heart: the state machine of one request and its response. Loop thread only. An exchange is owned by its
 * client's stream; a link points to it while it works for it. This file has its life, exchange_queue.c the
 * queue, exchange_request.c the way to the worker, exchange_response.c the way back, exchange_bind.c whom it
 * is bound to.
 *
 *   exchange_open ---------> COLLECTING --exchange_body_end--+   (buffering: the whole request first)
 *        |                                                   |
 *        +--------------------> exchange_dispatch <----------+<------------------------- retry_decide --+
 *                                 |          | pool_take: PICK_WAIT                                      |
 *                                 |          +--> WAITING --exchange_on_wait_due--> exchange_refuse      |
 *                                 | PICK_TAKEN       | a place is granted                                |
 *                                 +--> exchange_start <-+                                                |
 *                                        | link_reuse, else link_open                                    |
 *                                        +--> CONNECTING --link_stream_send--> SENDING ----- exchange_on_failure
 *                                                                          | exchange_on_head       |
 *                                              tunnel_open <-- 101 --------+--> RELAYING            +--> exchange_refuse
 *                                                                                  | exchange_on_end
 *                                                                                  +--> DELIVERING --exchange_delivered--> DONE
 */
#include "proxy/exchange.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/websocket.h"
#include "proxy/client.h"
#include "proxy/grpc.h"
#include "proxy/link.h"
#include "proxy/retry.h"
#include "proxy/rewrite.h"
#include "proxy/route.h"

#define EXCHANGE_TAG 0x58434847u

#define TO(state) (1u << (state))
static const struct {
    const char *name;
    unsigned next;
} states[] = {
    [EXCHANGE_COLLECTING] = {"collecting", TO(EXCHANGE_WAITING) | TO(EXCHANGE_CONNECTING) |
                                               TO(EXCHANGE_DELIVERING) | TO(EXCHANGE_DONE)},
    [EXCHANGE_WAITING] = {"waiting", TO(EXCHANGE_CONNECTING) | TO(EXCHANGE_DELIVERING) | TO(EXCHANGE_DONE)},
    [EXCHANGE_CONNECTING] = {"connecting", TO(EXCHANGE_SENDING) | TO(EXCHANGE_WAITING) |
                                               TO(EXCHANGE_CONNECTING) | TO(EXCHANGE_DELIVERING) |
                                               TO(EXCHANGE_DONE)},
    [EXCHANGE_SENDING] = {"sending", TO(EXCHANGE_RELAYING) | TO(EXCHANGE_WAITING) | TO(EXCHANGE_CONNECTING) |
                                         TO(EXCHANGE_DELIVERING) | TO(EXCHANGE_DONE)},
    [EXCHANGE_RELAYING] = {"relaying", TO(EXCHANGE_DELIVERING) | TO(EXCHANGE_DONE)},
    [EXCHANGE_DELIVERING] = {"delivering", TO(EXCHANGE_DONE)},
    [EXCHANGE_DONE] = {"done", 0},
};

/* The only place that changes an exchange's state. */
void exchange_enter(struct exchange *exchange, enum exchange_state next)
{
    CHECK(states[exchange->state].next & TO(next));
    exchange->state = next;
}

static void on_free(struct task *task)
{
    struct exchange *exchange = container_of(task, struct exchange, free_task);
    struct proxy *proxy = exchange->proxy;

    slab_give(&proxy->exchange_slab, exchange);
}

static void forget_tried(struct exchange *exchange)
{
    for (unsigned i = 0; i < exchange->tried_count; i++)
        backend_unref(&exchange->tried[i]);
    exchange->tried_count = 0;
}

/* The end of every exchange; the memory goes at the end of the turn, since callers above may still look at
 * it. */
void exchange_finish(struct exchange *exchange)
{
    struct proxy *proxy = exchange->proxy;

    exchange_enter(exchange, EXCHANGE_DONE);
    exchange_leave_queue(exchange);
    deadline_stop(&exchange->deadline);
    if (exchange->stream)
        exchange->stream->exchange = NULL;
    exchange->stream = NULL;
    exchange_log(exchange);
    forget_tried(exchange);
    if (exchange->backend)
        backend_unref(&exchange->backend);
    if (exchange->suspect)
        backend_unref(&exchange->suspect);
    buffer_release(&exchange->head);
    buffer_release(&exchange->body);
    spool_free(&exchange->spool);
    spool_free(&exchange->response_spool);
    mem_free(exchange->late_trailers);
    mem_free(exchange->request_trailers);
    snapshot_unref(&exchange->snapshot);
    task_at_end(&exchange->free_task, proxy->loop);
}

void exchange_becomes_tunnel(struct exchange *exchange)
{
    exchange->is_tunnel = true;
    exchange_finish(exchange);
}

/* Our own answer instead of a worker's; what was begun is given up. */
void exchange_refuse(struct exchange *exchange, enum failure failure)
{
    struct client_stream *stream = exchange->stream;

    exchange->failure = failure;
    exchange_leave_queue(exchange);
    deadline_stop(&exchange->deadline);
    if (exchange->link_stream)
        link_stream_cancel(exchange->link_stream);
    if (exchange->state >= EXCHANGE_RELAYING || failures[failure].status == 0) {
        stream->ops->cut(stream);
        return;
    }
    exchange->status = failures[failure].status;
    exchange_enter(exchange, EXCHANGE_DELIVERING);
    stream->ops->answer(stream, exchange->status, failures[failure].word);
}

/* --- a place, a link --- */

#define UNSAFE_REUSE_US                                                                                      \
    200000 /* a request that is never sent twice travels on a link used within this, or on a fresh one */
#define STALE_STREAK 3
#define STALE_REST_US                                                                                        \
    5000000 /* a worker whose links were stale gets fresh ones only for so long; then one is tried */

/* Until it was sent, or dropped because it is large, any body may turn out not to be held to its end. */
static bool may_be_sent_twice(const struct exchange *exchange)
{
    return method_is_idempotent(exchange->method) && exchange->body_is_held &&
           (exchange->body_is_whole ||
            (exchange->framing == FRAMING_LENGTH && exchange->content_length <= held_most()));
}

static bool may_use_idle_link(const struct exchange *exchange, const struct backend *backend)
{
    if (exchange->is_websocket || exchange->failure == FAILURE_STALE)
        return false;
    if (atomic_load_explicit(&backend->stale_streak, memory_order_relaxed) < STALE_STREAK)
        return true;
    return (may_be_sent_twice(exchange) ||
            exchange->to_h2) && /* calls of gRPC are all POST, and its links busy */
           clock_us() - atomic_load_explicit(&backend->stale_us, memory_order_relaxed) > STALE_REST_US;
}

void exchange_start(struct exchange *exchange, struct place *place)
{
    struct proxy *proxy = exchange->proxy;
    struct link_stream *link_stream = NULL;
    enum protocol protocol = exchange->pool->config->protocol;
    enum failure failure = FAILURE_NONE;

    exchange_enter(exchange, EXCHANGE_CONNECTING);
    if (exchange->backend)
        backend_unref(&exchange->backend);
    exchange->backend = backend_ref(place->backend);
    if (exchange->tries++ == 0)
        exchange->first_us = clock_us();
    exchange->wrote = false;
    if (may_use_idle_link(exchange, place->backend))
        link_stream =
            link_reuse(proxy, place, protocol, may_be_sent_twice(exchange) ? UINT64_MAX : UNSAFE_REUSE_US);
    if (!link_stream)
        link_stream = link_open(proxy, place, protocol, &failure);
    if (!link_stream) {
        pool_outcome(exchange->pool, place,
                     failures[failure].blames_backend ? OUTCOME_FAILED : OUTCOME_UNDECIDED, clock_us());
        place_release(place, clock_us());
        exchange_on_failure(exchange, failure);
        return;
    }
    exchange->failure = FAILURE_NONE;
    link_stream_attach(link_stream, exchange);
    link_stream_send(link_stream);
}

void exchange_dispatch(struct exchange *exchange)
{
    struct place place;
    struct pick pick = {
        .kind = exchange->is_websocket ? PLACE_TUNNEL : PLACE_REQUEST,
        .hash = exchange->hash,
        .affinity = exchange->affinity,
        .now_us = clock_us(),
        .tried = exchange->tried,
        .tried_count = exchange->tried_count,
    };

    if (!exchange->head_is_closed) {
        bool is_bare = exchange->to_h2 && exchange->framing == FRAMING_CHUNKED;
        rewrite_close_request(&exchange->head, is_bare ? FRAMING_NONE : exchange->framing,
                              exchange->content_length);
        exchange->head_is_closed = true;
    }
    if (pool_take(exchange->pool, &pick, &place) == PICK_TAKEN)
        exchange_start(exchange, &place);
    else
        exchange_join_queue(exchange, &pick);
}

/* --- failures and retries --- */

/* Somebody who may still answer: one not asked yet, or a worker that will replace the one that died. */
static bool another_may_come(const struct exchange *exchange)
{
    const struct pool *pool = exchange->pool;

    for (unsigned i = 0; i < pool->count; i++) {
        bool asked = atomic_load_explicit(&pool->backends[i]->closed, memory_order_relaxed);
        for (unsigned k = 0; k < exchange->tried_count && !asked; k++)
            asked = exchange->tried[k] == pool->backends[i];
        if (!asked)
            return true;
    }
    return pool->config->is_launched &&
           (exchange->failure == FAILURE_REFUSED || exchange->failure == FAILURE_CLOSED);
}

static enum retry_answer decide_retry(const struct exchange *exchange, enum failure failure)
{
    struct retry_question question = {
        .failure = failure,
        .method = exchange->method,
        .wrote = exchange->wrote,
        .body_is_held = exchange->body_is_held,
        .client_was_told = exchange->status != 0,
        .worker_exited = exchange->backend && exchange->backend->is_worker && exchange->backend->closed,
        .retries = exchange->retries,
        .retries_max = exchange->pool->config->retries,
        .tries = exchange->tries,
        .age_ms = (clock_us() - exchange->first_us) / 1000,
        .age_max_ms = exchange->snapshot->config->timeouts.response,
    };

    return exchange->proxy->draining && failure != FAILURE_STALE && exchange->wrote ? RETRY_NO
                                                                                    : retry_decide(&question);
}

/* Who ends the connection under a request has perhaps died of it. Two are enough: true when this is the
 * second (RFC 9110 section 9.2.2 leaves it to us how often). A stale link counts only when its worker has
 * exited; a worker that dies may end two of its links under the same request. */
static bool ends_connections(struct exchange *exchange, enum failure failure)
{
    bool is_another = exchange->suspect && exchange->suspect != exchange->backend;
    bool first_is_proven = is_another && (exchange->suspect_broke || exchange->suspect->closed);
    bool broke = failure == FAILURE_CLOSED;

    if (!exchange->wrote || (!broke && failure != FAILURE_STALE))
        return false;
    if (first_is_proven && broke)
        return true;
    if (!exchange->suspect || broke) {
        if (exchange->suspect)
            backend_unref(&exchange->suspect);
        exchange->suspect = backend_ref(exchange->backend);
        exchange->suspect_broke = broke;
    }
    return false;
}

static void rewind_request(struct exchange *exchange)
{
    exchange->head_at = exchange->body_at = 0;
    if (exchange->spool)
        spool_rewind(exchange->spool);
}

static void remember_tried(struct exchange *exchange)
{
    if (exchange->backend && exchange->tried_count < TRIED_MAX)
        exchange->tried[exchange->tried_count++] = backend_ref(exchange->backend);
}

unsigned exchange_response_ms(const struct exchange *exchange)
{
    unsigned whole_ms = exchange->snapshot->config->timeouts.response;
    unsigned step_ms = whole_ms / 16 + 1; /* few different durations: each has a list */
    uint64_t age_ms = exchange->tries > 1 ? (clock_us() - exchange->first_us) / 1000 : 0;
    uint64_t steps = age_ms / step_ms;

    if (steps == 0)
        return whole_ms;
    return steps * step_ms < whole_ms ? whole_ms - (unsigned)(steps * step_ms) : 1;
}

/* Draws on the budget, unless the worker has exited. False: not, or not yet: a link tells of a worker's
 * death a moment before its exit is noticed. */
static bool draw_retry(struct exchange *exchange)
{
    if (exchange->backend->is_worker && exchange->backend->closed)
        return true;
    if (pool_may_retry(exchange->pool, clock_us()))
        return true;
    if (exchange->backend->is_worker)
        exchange_await_exit(exchange);
    else
        exchange_refuse(exchange, exchange->failure);
    return false;
}

/* The link has ended and its place is released; no byte of a final response has come. */
void exchange_on_failure(struct exchange *exchange, enum failure failure)
{
    exchange->link_stream = NULL;
    exchange->failure = failure;
    if (exchange->state >= EXCHANGE_RELAYING) {
        exchange_refuse(exchange, failure);
        return;
    }
    if (ends_connections(exchange, failure))
        exchange_refuse(exchange, failure);
    else
        exchange_try_again(exchange);
}

void exchange_try_again(struct exchange *exchange)
{
    switch (decide_retry(exchange, exchange->failure)) {
    case RETRY_NO: exchange_refuse(exchange, exchange->failure); return;
    case RETRY_FREE: break;
    case RETRY_COUNTED:
        if (!draw_retry(exchange))
            return;
        exchange->retries++;
        remember_tried(exchange);
        break;
    case RETRY_ONCE:
        exchange->retries = (uint8_t)exchange->pool->config->retries;
        remember_tried(exchange);
        break;
    }
    if (exchange->tried_count && !another_may_come(exchange)) {
        exchange_refuse(exchange, exchange->failure);
        return;
    }
    count(&exchange->proxy->counters.retries, 1);
    rewind_request(exchange);
    exchange_dispatch(exchange);
}

void exchange_client_gone(struct exchange *exchange)
{
    if (exchange->state < EXCHANGE_RELAYING ||
        exchange->failure == FAILURE_NONE) { /* else we gave it up ourselves */
        exchange->failure = FAILURE_CLIENT_GONE;
        count(&exchange->proxy->counters.client_gone, 1);
    }
    if (exchange->status < 200)
        exchange->status = failures[FAILURE_CLIENT_GONE].status;
    if (exchange->link_stream)
        link_stream_cancel(exchange->link_stream);
    exchange_finish(exchange);
}

/* The client has closed its sending side: perhaps it has left, perhaps it waits for the answer. Who waits
 * in the queue is forgotten; a request that a worker has is answered, and that link is not used again. */
void exchange_client_half_closed(struct exchange *exchange)
{
    exchange->client_half_closed = true;
    if (exchange->link_stream) /* silent for ever, with nobody there? */
        link_stream_bound(exchange->link_stream, exchange->snapshot->config->timeouts.stall);
}

/* --- opening --- */

static bool wants_json(const struct head *head)
{
    const struct field *accept = head_find(head, FIELD_ACCEPT);

    return !accept || !memmem(accept->value.at, accept->value.size, "text/html", 9);
}

static bool is_buffered(const struct route_config *route, const struct pool_config *pool)
{
    enum buffering buffering = route->buffering != BUFFERING_INHERIT ? route->buffering : pool->buffering;

    if (pool->protocol == PROTOCOL_H2)
        return false;
    if (buffering == BUFFERING_AUTO)
        return pool->concurrency > 0;
    return buffering == BUFFERING_ON;
}

static struct exchange *exchange_new(struct proxy *proxy, struct client_stream *stream,
                                     const struct peer *peer, const struct head *head)
{
    struct exchange *exchange = slab_take(&proxy->exchange_slab);

    exchange->tag = EXCHANGE_TAG;
    exchange->state = EXCHANGE_COLLECTING;
    exchange->proxy = proxy;
    exchange->snapshot = snapshot_ref(proxy->snapshot);
    exchange->stream = stream;
    exchange->peer = peer;
    exchange->method = head->method;
    exchange->minor = head->minor ? 1 : 0;
    exchange->is_h2 = head->is_h2;
    exchange->framing = head->framing;
    exchange->content_length = head->content_length;
    exchange->body_is_held = true;
    exchange->body_is_whole = !head_has_body(head);
    exchange->opened_us = clock_us();
    exchange->wall_us = clock_wall_us();
    deadline_init(&exchange->deadline, exchange_on_wait_due, exchange);
    task_init(&exchange->free_task, on_free);
    return exchange;
}

static void take_websocket(struct exchange *exchange, const struct head *head)
{
    const struct field *key = head_find(head, FIELD_SEC_WEBSOCKET_KEY);

    exchange->is_websocket = head->upgrades_to_websocket && websocket_handshake_is_valid(head);
    if (exchange->is_websocket)
        websocket_accept(key->value, exchange->websocket_accept);
}

/* What only matters to a pool that speaks HTTP/2. False: it cannot be asked this. */
static bool prepare_for_h2(struct exchange *exchange, const struct head *head)
{
    exchange->to_h2 = exchange->pool->config->protocol == PROTOCOL_H2;
    if (!exchange->to_h2)
        return true;
    exchange->is_grpc = grpc_is_call(head);
    if (head->has_trailer_te) /* RFC 9113 section 8.2.2: the one kind of TE there is; gRPC insists on it */
        buffer_append(&exchange->head, "TE: trailers\r\n", 14);
    return !exchange->is_websocket;
}

struct exchange *exchange_open(struct proxy *proxy, struct client_stream *stream, const struct peer *peer,
                               const struct head *head)
{
    const struct config *config = proxy->snapshot->config;
    const struct route_config *route = route_find(config, head->host, head->path_query);
    struct exchange *exchange = exchange_new(proxy, stream, peer, head);

    stream->exchange = exchange;
    count(&proxy->counters.requests, 1);
    exchange->wants_json = wants_json(head);
    if (!route) {
        exchange->status = 404;
        exchange_enter(exchange, EXCHANGE_DELIVERING);
        stream->ops->answer(stream, 404, "no_route");
        return NULL;
    }
    exchange->pool = exchange->snapshot->pools[route->pool];
    pool_count_request(exchange->pool, proxy->options.index);
    exchange->is_buffered = is_buffered(route, exchange->pool->config);
    exchange->collects = exchange->is_buffered && head_has_body(head);
    take_websocket(exchange, head);
    exchange->real_size = (uint8_t)rewrite_request(
        &exchange->head, head, peer, config, exchange->is_websocket, exchange->collects,
        exchange->pool->config->affinity.cookie, exchange->wall_us, exchange->real);
    exchange_bind(exchange, head);
    exchange->expects_continue = head->expects_continue;
    if (!prepare_for_h2(exchange, head)) {
        exchange_refuse(exchange, FAILURE_WEBSOCKET_TO_H2);
        return NULL;
    }
    if (config->limits.body && head->framing == FRAMING_LENGTH &&
        head->content_length > config->limits.body) {
        exchange_refuse(exchange, FAILURE_BODY_TOO_LARGE);
        return NULL;
    }
    if (!exchange->collects && !stream->waits_for_go)
        exchange_dispatch(exchange);
    else if (exchange->collects && exchange->expects_continue)
        stream->ops->interim(stream, NULL);
    return stream->exchange;
}

void exchange_go(struct exchange *exchange)
{
    if (exchange->state == EXCHANGE_COLLECTING && !exchange->collects)
        exchange_dispatch(exchange);
}

/* --- the log --- */

static void count_status(struct proxy *proxy, unsigned status)
{
    struct proxy_counters *counters = &proxy->counters;
    _Atomic uint64_t *by_class[] = {NULL,
                                    &counters->responses_1xx,
                                    &counters->responses_2xx,
                                    &counters->responses_3xx,
                                    &counters->responses_4xx,
                                    &counters->responses_5xx};

    if (status >= 100 && status < 600)
        count(by_class[status / 100], 1);
}

void exchange_log(struct exchange *exchange)
{
    struct proxy *proxy = exchange->proxy;
    uint64_t took_us = clock_us() - exchange->opened_us;
    struct access_record record;

    count_status(proxy, exchange->status);
    if (exchange->is_tunnel)
        return;
    histogram_add(&proxy->latency, took_us);
    if (exchange->pool && exchange->pool->config->target_p95 > 0 &&
        took_us > exchange->pool->config->target_p95 * UINT64_C(1000))
        pool_count_slow(exchange->pool, proxy->options.index);
    if (!proxy->log_is_on)
        return;
    record = (struct access_record){
        .wall_us = exchange->wall_us,
        .duration_us = took_us,
        .wait_us = exchange->waited_us,
        .client = exchange->real_size ? (struct slice){exchange->real, exchange->real_size}
                                      : (struct slice){exchange->peer->ip, exchange->peer->ip_size},
        .head = buffer_slice(&exchange->head),
        .minor = exchange->minor,
        .is_h2 = exchange->is_h2,
        .status = exchange->status,
        .bytes_sent =
            exchange->sent - (exchange->response_spool ? spool_unread(exchange->response_spool) : 0),
        .bytes_received = exchange->received,
        .pool = exchange->pool ? exchange->pool->config->name : NULL,
        .backend = exchange->backend ? exchange->backend->name : NULL,
        .tries = exchange->tries,
        .word = failures[exchange->failure].word,
    };
    access_log_write(proxy->log, &record);
}
