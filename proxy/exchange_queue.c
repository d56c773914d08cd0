/* SPDX-License-Identifier: MIT
 *
 * An exchange in its pool's queue: joining, being granted a place on whichever thread frees it, leaving.
 * Loop thread, but for on_granted_anywhere. */
#include "proxy/exchange.h"

#define EXIT_NOTICE_MS 500
#define EXIT_LOOK_MS   10

/* A place in the queue. It outlives its exchange while a granted place is on its way in the message. */
struct wait {
    struct message message;
    struct waiter waiter;
    struct loop *loop;         /* outlives the proxy: a place may be granted while that ends */
    struct exchange *exchange; /* NULL: gone; the place is passed on */
    struct pool *pool;         /* referenced */
};

void exchange_leave_queue(struct exchange *exchange)
{
    struct wait *wait = exchange->wait;

    if (!wait)
        return;
    exchange->wait = NULL;
    wait->exchange = NULL;
    deadline_stop(&exchange->deadline);
    if (pool_leave(wait->pool, &wait->waiter)) {
        pool_unref(&wait->pool);
        mem_free(wait);
    } /* else the message with the granted place is on its way: on_granted_here passes the place on */
}

static enum failure why_no_place(const struct exchange *exchange)
{
    if (exchange->failure != FAILURE_NONE)
        return exchange
            ->failure; /* what the last try ended with says more than that the queue took too long */
    return exchange->pool->count == 0 ? FAILURE_NO_WORKER : FAILURE_QUEUE_TIMEOUT;
}

/* The worker that the last try was with has exited: another is being started in its place. */
static bool waits_for_replacement(const struct exchange *exchange)
{
    return exchange->failure != FAILURE_NONE && exchange->backend && exchange->backend->closed;
}

void exchange_await_exit(struct exchange *exchange)
{
    exchange->exit_awaited_us = clock_us();
    deadline_start(&exchange->deadline, exchange->proxy->loop, EXIT_LOOK_MS);
}

static void look_for_exit(struct exchange *exchange)
{
    if (exchange->backend->closed)
        exchange_try_again(exchange);
    else if (clock_us() - exchange->exit_awaited_us >= EXIT_NOTICE_MS * UINT64_C(1000))
        exchange_refuse(exchange, exchange->failure);
    else
        deadline_start(&exchange->deadline, exchange->proxy->loop, EXIT_LOOK_MS);
}

static void on_queue_timeout(struct exchange *exchange)
{
    enum failure failure = why_no_place(exchange);
    uint64_t waited_ms = (clock_us() - exchange->wait->waiter.since_us) / 1000;
    unsigned timeout_ms = exchange->pool->config->queue_timeout;

    if (waits_for_replacement(exchange) &&
        waited_ms + 1 < timeout_ms) { /* its exit was noticed meanwhile: it has the whole time */
        deadline_start(&exchange->deadline, exchange->proxy->loop, timeout_ms - (unsigned)waited_ms);
        return;
    }
    if (failure == FAILURE_QUEUE_TIMEOUT)
        count(&exchange->proxy->counters.queue_timeout, 1);
    if (failure == FAILURE_NO_WORKER)
        count(&exchange->proxy->counters.no_worker, 1);
    exchange_refuse(exchange, failure);
}

void exchange_on_wait_due(void *argument)
{
    struct exchange *exchange = argument;

    if (exchange->wait)
        on_queue_timeout(exchange);
    else
        look_for_exit(exchange);
}

/* The message with a granted place has come, on the exchange's loop. */
static void on_granted_here(struct message *message)
{
    struct wait *wait = container_of(message, struct wait, message);
    struct exchange *exchange = wait->exchange;
    struct place place = wait->waiter.place;

    if (exchange) {
        exchange->wait = NULL;
        deadline_stop(&exchange->deadline);
        exchange->waited_us += clock_us() - wait->waiter.since_us;
        exchange_start(exchange, &place);
    } else {
        place_release(&place, clock_us());
    }
    pool_unref(&wait->pool);
    mem_free(wait);
}

static void on_granted_anywhere(struct waiter *waiter)
{
    struct wait *wait = container_of(waiter, struct wait, waiter);

    wait->message.deliver = on_granted_here;
    if (!loop_post(wait->loop, &wait->message)) { /* its loop has ended, the exchange with it */
        place_release(&wait->waiter.place, clock_us());
        pool_unref(&wait->pool);
        mem_free(wait);
    }
}

/* A connection that breaks tells of a worker's death a moment before its exit is noticed: a request that
 * has nobody else to go to waits for that. */
static unsigned first_wait_ms(const struct exchange *exchange)
{
    unsigned timeout_ms = exchange->pool->config->queue_timeout;

    if (exchange->failure == FAILURE_NONE || waits_for_replacement(exchange) || timeout_ms < EXIT_NOTICE_MS)
        return timeout_ms;
    return EXIT_NOTICE_MS;
}

void exchange_join_queue(struct exchange *exchange, const struct pick *pick)
{
    struct wait *wait = mem_zero(sizeof *wait);
    struct place place;

    wait->loop = exchange->proxy->loop;
    wait->exchange = exchange;
    wait->pool = pool_ref(exchange->pool);
    wait->waiter.pick = *pick;
    wait->waiter.on_granted = on_granted_anywhere;
    exchange_enter(exchange, EXCHANGE_WAITING);
    exchange->wait = wait;
    switch (pool_wait(exchange->pool, &wait->waiter)) {
    case WAIT_QUEUED:
        count(&exchange->proxy->counters.queued, 1);
        deadline_start(&exchange->deadline, exchange->proxy->loop, first_wait_ms(exchange));
        return;
    case WAIT_TAKEN:
        place = wait->waiter.place;
        exchange->wait = NULL;
        pool_unref(&wait->pool);
        mem_free(wait);
        exchange_start(exchange, &place);
        return;
    case WAIT_FULL:
        exchange->wait = NULL;
        pool_unref(&wait->pool);
        mem_free(wait);
        count(&exchange->proxy->counters.queue_full, 1);
        exchange_refuse(exchange, FAILURE_QUEUE_FULL);
        return;
    }
    UNREACHABLE();
}
