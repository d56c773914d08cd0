/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <time.h>

#include "tests/unit/balancer/fixture.h"

/* Who was handed a place, in the order of the calls. */
static struct waiter *order[16];
static unsigned order_count;

static void on_granted(struct waiter *waiter)
{
    order[order_count++] = waiter;
}

static enum wait_result queue_up(struct fixture *fixture, struct waiter *waiter, uint64_t now_us)
{
    *waiter = (struct waiter){.on_granted = on_granted, .pick = {.kind = PLACE_REQUEST, .now_us = now_us}};
    return pool_wait(fixture->pool, waiter);
}

/* `count` workers of one place each, and all of them taken. */
static void full_fixture(struct fixture *fixture, unsigned count, struct place *places)
{
    order_count = 0;
    fixture_init(fixture);
    fixture->config.concurrency = 1;
    fixture_start(fixture, count);
    for (unsigned i = 0; i < count; i++)
        CHECK(take(fixture, PLACE_REQUEST, &places[i]));
}

START_TEST(a_freed_place_is_handed_to_the_first_in_line)
{
    struct fixture fixture;
    struct place place;
    struct waiter waiters[3];
    full_fixture(&fixture, 1, &place);
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(queue_up(&fixture, &waiters[i], T0), WAIT_QUEUED);
    ck_assert_uint_eq(pool_queued(fixture.pool), 3);
    release(&place);
    ck_assert_uint_eq(order_count, 1);
    ck_assert_ptr_eq(order[0], &waiters[0]);
    ck_assert_int_eq(waiters[0].state, WAITER_GRANTED);
    ck_assert_ptr_eq(waiters[0].place.backend, fixture.backends[0]);
    ck_assert_uint_eq(backend_requests(fixture.backends[0]), 1);
    for (unsigned i = 0; i < 3; i++)
        release(&waiters[i].place);
    ck_assert_uint_eq(order_count, 3);
    ck_assert_ptr_eq(order[1], &waiters[1]);
    ck_assert_ptr_eq(order[2], &waiters[2]);
    ck_assert_uint_eq(backend_requests(fixture.backends[0]), 0);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(newcomers_queue_while_others_wait)
{
    struct fixture fixture;
    struct place places[2], more;
    struct waiter waiter;
    full_fixture(&fixture, 2, places);
    struct backend *tried[1] = {places[0].backend};
    waiter = (struct waiter){.on_granted = on_granted,
                             .pick = {.kind = PLACE_REQUEST, .now_us = T0, .tried = tried, .tried_count = 1}};
    ck_assert_int_eq(pool_wait(fixture.pool, &waiter), WAIT_QUEUED);
    release(&places[0]); /* it cannot use that one */
    ck_assert_uint_eq(order_count, 0);
    ck_assert(!take(&fixture, PLACE_REQUEST, &more)); /* there is room, but not past the line */
    struct waiter newcomer;
    ck_assert_int_eq(queue_up(&fixture, &newcomer, T0),
                     WAIT_TAKEN); /* in line the first who can use it has it */
    ck_assert_ptr_eq(newcomer.place.backend, tried[0]);
    ck_assert_uint_eq(pool_queued(fixture.pool), 1);
    ck_assert(pool_leave(fixture.pool, &waiter));
    release(&newcomer.place);
    release(&places[1]);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(who_cannot_use_a_place_does_not_block_those_behind)
{
    struct fixture fixture;
    struct place places[2];
    struct waiter first, second;
    full_fixture(&fixture, 2, places);
    struct backend *tried[1] = {places[0].backend};
    first = (struct waiter){.on_granted = on_granted,
                            .pick = {.kind = PLACE_REQUEST, .now_us = T0, .tried = tried, .tried_count = 1}};
    ck_assert_int_eq(pool_wait(fixture.pool, &first), WAIT_QUEUED);
    ck_assert_int_eq(queue_up(&fixture, &second, T0), WAIT_QUEUED);
    release(&places[0]);
    ck_assert_uint_eq(order_count, 1);
    ck_assert_ptr_eq(order[0], &second);
    release(&places[1]);
    ck_assert_uint_eq(order_count, 2);
    ck_assert_ptr_eq(order[1], &first);
    release(&first.place);
    release(&second.place);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_full_queue_refuses_at_once)
{
    struct fixture fixture;
    struct place place;
    struct waiter waiters[3];
    full_fixture(&fixture, 1, &place);
    fixture.config.queue_length = 2;
    ck_assert_int_eq(queue_up(&fixture, &waiters[0], T0), WAIT_QUEUED);
    ck_assert_int_eq(queue_up(&fixture, &waiters[1], T0), WAIT_QUEUED);
    ck_assert_int_eq(queue_up(&fixture, &waiters[2], T0), WAIT_FULL);
    ck_assert_uint_eq(pool_queued(fixture.pool), 2);
    ck_assert(pool_leave(fixture.pool, &waiters[0]));
    ck_assert_int_eq(queue_up(&fixture, &waiters[2], T0), WAIT_QUEUED);
    release(&place);
    ck_assert_ptr_eq(order[0], &waiters[1]);
    release(&waiters[1].place);
    release(&waiters[2].place);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(without_a_queue_nobody_waits_but_a_free_place_is_taken)
{
    struct fixture fixture;
    struct place place;
    struct waiter waiter;
    full_fixture(&fixture, 1, &place);
    fixture.config.queue_length = 0;
    ck_assert_int_eq(queue_up(&fixture, &waiter, T0), WAIT_FULL);
    release(&place);
    ck_assert_int_eq(queue_up(&fixture, &waiter, T0), WAIT_TAKEN);
    ck_assert_uint_eq(order_count, 0);
    release(&waiter.place);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(who_left_is_forgotten_and_who_was_granted_cannot_leave)
{
    struct fixture fixture;
    struct place place;
    struct waiter waiters[2];
    full_fixture(&fixture, 1, &place);
    queue_up(&fixture, &waiters[0], T0);
    queue_up(&fixture, &waiters[1], T0);
    ck_assert(pool_leave(fixture.pool, &waiters[0]));
    ck_assert(pool_leave(fixture.pool, &waiters[0])); /* harmless */
    release(&place);
    ck_assert_uint_eq(order_count, 1);
    ck_assert_ptr_eq(order[0], &waiters[1]);
    ck_assert(!pool_leave(fixture.pool, &waiters[1]));
    release(&waiters[1].place); /* as the receiver of its message does, who has nobody left to serve */
    ck_assert_uint_eq(backend_requests(fixture.backends[0]), 0);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_queue_that_stood_too_long_serves_the_newest_first_until_it_is_below)
{
    struct fixture fixture;
    struct place place;
    struct waiter waiters[4];
    full_fixture(&fixture, 1, &place);
    for (unsigned i = 0; i < 4; i++)
        queue_up(&fixture, &waiters[i], T0 + i * 100 * MS);
    place_release(&place, T0 + 2749 * MS); /* above 250 ms since T0 + 250 ms: not yet ten times as long */
    ck_assert_ptr_eq(order[0], &waiters[0]);
    place_release(&waiters[0].place, T0 + 2750 * MS);
    ck_assert_ptr_eq(order[1], &waiters[3]);
    place_release(&waiters[3].place, T0 + 2751 * MS);
    ck_assert_ptr_eq(order[2], &waiters[2]);
    ck_assert(pool_leave(fixture.pool, &waiters[1]));

    queue_up(&fixture, &waiters[0], T0 + 3000 * MS);
    queue_up(&fixture, &waiters[1], T0 + 3001 * MS);
    place_release(&waiters[2].place, T0 + 3100 * MS); /* the oldest waits for 100 ms: below */
    ck_assert_ptr_eq(order[3], &waiters[0]);
    place_release(&waiters[0].place, T0 + 3100 * MS);
    place_release(&waiters[1].place, T0 + 3100 * MS);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(a_new_set_serves_those_who_wait)
{
    struct fixture fixture;
    struct place place;
    struct waiter waiters[2];
    full_fixture(&fixture, 1, &place);
    queue_up(&fixture, &waiters[0], T0);
    queue_up(&fixture, &waiters[1], T0);
    fixture.backends[1] = fixture_backend(&fixture, 2, 1, false);
    fixture.count = 2;
    struct pool *next = pool_new(NULL, &fixture.config, fixture.slots, 0, fixture.pool, fixture.backends, 2);
    ck_assert_uint_eq(order_count, 0);
    pool_publish(next, T0);
    ck_assert_uint_eq(order_count, 1);
    ck_assert_ptr_eq(waiters[0].place.backend, fixture.backends[1]);
    pool_unref(&fixture.pool); /* the old set goes; the place of the new one still finds who waits */
    fixture.pool = next;
    release(&waiters[0].place);
    ck_assert_uint_eq(order_count, 2);
    release(&waiters[1].place);
    release(&place);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(an_old_set_waits_for_what_the_newest_has)
{
    struct fixture fixture;
    struct place place;
    struct waiter waiter;
    full_fixture(&fixture, 1, &place);
    fixture.backends[1] = fixture_backend(&fixture, 2, 1, false);
    fixture.count = 2;
    struct pool *next = pool_new(NULL, &fixture.config, fixture.slots, 0, fixture.pool, fixture.backends, 2);
    pool_publish(next, T0);
    ck_assert(!take(&fixture, PLACE_REQUEST, &(struct place){0}));
    ck_assert_int_eq(queue_up(&fixture, &waiter, T0), WAIT_TAKEN);
    ck_assert_ptr_eq(waiter.place.backend, fixture.backends[1]);
    release(&waiter.place);
    release(&place);
    pool_unref(&next);
    fixture_fini(&fixture);
}
END_TEST

START_TEST(the_end_of_an_ejection_and_the_tick_serve_those_who_wait)
{
    struct fixture fixture;
    struct place place;
    struct waiter waiters[3];
    uint64_t due_us = T0 + 10 * SECOND;
    order_count = 0;
    fixture_init(&fixture);
    fixture.config.queue_target = 0; /* the oldest first, however old */
    fixture_start(&fixture, 2);
    fail_times(&fixture, 1, 3, T0);
    backend_close(fixture.backends[1]);
    ck_assert(!take(&fixture, PLACE_REQUEST, &place));
    for (unsigned i = 0; i < 3; i++)
        ck_assert_int_eq(queue_up(&fixture, &waiters[i], T0), WAIT_QUEUED);
    pool_tick(fixture.pool, due_us - 1);
    ck_assert_uint_eq(order_count, 0);
    pool_tick(fixture.pool, due_us);
    ck_assert_uint_eq(order_count, 1);
    ck_assert(waiters[0].place.is_trial);
    pool_outcome(fixture.pool, &waiters[0].place, OUTCOME_UNDECIDED, due_us); /* the next may try */
    ck_assert_uint_eq(order_count, 2);
    ck_assert(waiters[1].place.is_trial || waiters[2].place.is_trial);
    pool_outcome(fixture.pool, &order[1]->place, OUTCOME_ANSWERED, due_us);
    ck_assert_uint_eq(order_count, 3);
    for (unsigned i = 0; i < 3; i++)
        release(&waiters[i].place);
    fixture_fini(&fixture);
}
END_TEST

/* Ten thousand over eight threads, each with an inbox like a loop's. */

#define THREADS     8
#define EACH        1250
#define OUTSTANDING 40
#define WORKERS     4
#define PLACES      2 /* of each worker */

struct crowd {
    struct fixture fixture;
    _Atomic unsigned served, left, refused;
};

struct inbox {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct list arrived;
};

struct visitor {
    struct waiter waiter;
    struct inbox *inbox;
    struct list node;
    unsigned grants; /* guarded by the inbox's mutex */
    bool is_gone;    /* wanted to leave */
};

static void on_visitor_granted(struct waiter *waiter)
{
    struct visitor *visitor = container_of(waiter, struct visitor, waiter);
    struct inbox *inbox = visitor->inbox;
    pthread_mutex_lock(&inbox->mutex);
    visitor->grants++;
    list_push_back(&inbox->arrived, &visitor->node);
    pthread_cond_signal(&inbox->changed);
    pthread_mutex_unlock(&inbox->mutex);
}

/* Moves one that was granted into `held`. Waiting for it, if asked to; then it has to come. */
static bool receive(struct inbox *inbox, struct list *held, bool wait)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 30;
    pthread_mutex_lock(&inbox->mutex);
    while (wait && list_is_empty(&inbox->arrived))
        CHECK(pthread_cond_timedwait(&inbox->changed, &inbox->mutex, &until) == 0);
    bool is_received = !list_is_empty(&inbox->arrived);
    if (is_received) {
        struct visitor *visitor = list_entry(inbox->arrived.next, struct visitor, node);
        CHECK(visitor->grants == 1);
        list_remove(&visitor->node);
        list_push_back(held, &visitor->node);
    }
    pthread_mutex_unlock(&inbox->mutex);
    return is_received;
}

static void serve_oldest(struct crowd *crowd, struct list *held, unsigned *outstanding)
{
    struct visitor *visitor = list_entry(held->next, struct visitor, node);
    CHECK(visitor->waiter.place.backend);
    CHECK(backend_requests(visitor->waiter.place.backend) <= PLACES);
    list_remove(&visitor->node);
    place_release(&visitor->waiter.place, T0);
    atomic_fetch_add(visitor->is_gone ? &crowd->left : &crowd->served, 1);
    --*outstanding;
}

static void arrive(struct crowd *crowd, struct visitor *visitor, unsigned number, struct list *held,
                   unsigned *outstanding)
{
    struct pool *pool = crowd->fixture.pool;
    visitor->waiter.pick = (struct pick){.kind = PLACE_REQUEST, .now_us = T0};
    visitor->waiter.on_granted = on_visitor_granted;
    ++*outstanding;
    if (pool_take(pool, &visitor->waiter.pick, &visitor->waiter.place) == PICK_TAKEN) {
        list_push_back(held, &visitor->node);
        return;
    }
    enum wait_result result = pool_wait(pool, &visitor->waiter);
    if (result == WAIT_TAKEN) {
        list_push_back(held, &visitor->node);
    } else if (result == WAIT_FULL) {
        atomic_fetch_add(&crowd->refused, 1);
        --*outstanding;
    } else if (number % 7 == 0) {
        visitor->is_gone = true;
        if (pool_leave(pool, &visitor->waiter)) { /* else its message comes */
            atomic_fetch_add(&crowd->left, 1);
            --*outstanding;
        }
    }
}

static void *visit(void *argument)
{
    struct crowd *crowd = argument;
    struct inbox inbox;
    struct list held;
    unsigned outstanding = 0;
    struct visitor *visitors = calloc(EACH, sizeof *visitors);
    CHECK(visitors);
    pthread_mutex_init(&inbox.mutex, NULL);
    pthread_cond_init(&inbox.changed, NULL);
    list_init(&inbox.arrived);
    list_init(&held);
    for (unsigned i = 0; i < EACH || outstanding > 0;) {
        while (receive(&inbox, &held, false))
            ;
        if (i < EACH && outstanding < OUTSTANDING) {
            visitors[i].inbox = &inbox;
            arrive(crowd, &visitors[i], i, &held, &outstanding);
            i++;
        } else if (!list_is_empty(&held) || receive(&inbox, &held, true)) {
            serve_oldest(crowd, &held, &outstanding);
        }
    }
    CHECK(list_is_empty(&inbox.arrived));
    pthread_mutex_destroy(&inbox.mutex);
    pthread_cond_destroy(&inbox.changed);
    free(visitors);
    return NULL;
}

static void crowd_is_served(unsigned queue_length)
{
    struct crowd crowd = {.served = 0};
    fixture_init(&crowd.fixture);
    crowd.fixture.config.concurrency = PLACES;
    crowd.fixture.config.queue_length = queue_length;
    fixture_start(&crowd.fixture, WORKERS);
    run_threads(THREADS, visit, &crowd);
    ck_assert_uint_eq(crowd.served + crowd.left + crowd.refused, THREADS * EACH);
    ck_assert_uint_gt(crowd.served, 0);
    ck_assert(queue_length < 1024 || crowd.refused == 0);
    ck_assert_uint_eq(pool_queued(crowd.fixture.pool), 0);
    for (unsigned i = 0; i < WORKERS; i++)
        ck_assert_uint_eq(atomic_load(&crowd.fixture.slots->counts[crowd.fixture.backends[i]->slot]), 0);
    fixture_fini(&crowd.fixture);
}

START_TEST(of_ten_thousand_over_eight_threads_none_is_lost_or_served_twice)
{
    crowd_is_served(1024);
    crowd_is_served(50);
}
END_TEST

static void count_wait(void *owner)
{
    ++*(unsigned *)owner;
}

START_TEST(whoever_asked_is_told_of_each_who_joins_the_queue)
{
    struct fixture fixture;
    struct place place;
    struct waiter waiters[3];
    unsigned told = 0;
    full_fixture(&fixture, 1, &place);
    pool_on_wait(fixture.pool, count_wait, &told);
    queue_up(&fixture, &waiters[0], T0);
    queue_up(&fixture, &waiters[1], T0);
    ck_assert_uint_eq(told, 2);
    pool_on_wait(fixture.pool, NULL, NULL);
    queue_up(&fixture, &waiters[2], T0);
    ck_assert_uint_eq(told, 2);
    for (unsigned i = 0; i < 3; i++)
        ck_assert(pool_leave(fixture.pool, &waiters[i]));
    release(&place);
    fixture_fini(&fixture);
}
END_TEST

UNIT_MAIN("balancer/waiting", whoever_asked_is_told_of_each_who_joins_the_queue,
          a_freed_place_is_handed_to_the_first_in_line, newcomers_queue_while_others_wait,
          who_cannot_use_a_place_does_not_block_those_behind, a_full_queue_refuses_at_once,
          without_a_queue_nobody_waits_but_a_free_place_is_taken,
          who_left_is_forgotten_and_who_was_granted_cannot_leave,
          a_queue_that_stood_too_long_serves_the_newest_first_until_it_is_below,
          a_new_set_serves_those_who_wait, an_old_set_waits_for_what_the_newest_has,
          the_end_of_an_ejection_and_the_tick_serve_those_who_wait,
          of_ten_thousand_over_eight_threads_none_is_lost_or_served_twice)
