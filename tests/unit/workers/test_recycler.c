/* SPDX-License-Identifier: MIT
 *
 * Recycling in a fleet: who, when, one at a time. */
#include "tests/unit/workers/fleet_world.h"
#include "workers/fleet_internal.h"

static unsigned recycles(enum recycle_cause cause)
{
    const char *const words[] = {"", "requests", "age", "memory"};
    const struct fleet_tally *tally;

    for (unsigned i = 0; (tally = fleet_tally_at(world.fleet, i)); i++)
        if (tally->kind == DECISION_RECYCLE && strcmp(tally->why, words[cause]) == 0)
            return (unsigned)tally->count;
    return 0;
}

static void measured(unsigned number, uint64_t bytes)
{
    atomic_store(&web(number)->memory, bytes);
    recycler_measured(fleet_worker_at(world.fleet, slot_of(number)), bytes);
}

/* Measured again and again for so long. */
static void holds_for(unsigned number, uint64_t bytes, unsigned seconds)
{
    for (unsigned i = 0; i < seconds; i++) {
        measured(number, bytes);
        pass(1 * S);
    }
}

/* The one that came is ready, and the old one ends. */
static void is_replaced(unsigned old)
{
    keeper_obeys();
    ck_assert_uint_eq(heard(ORDER_START), 1);
    int slot = slot_started();
    fleet_worker_ready(world.fleet, slot, atomic_load(&world.slots->slot[slot].generation));
    ck_assert_uint_eq(members(), 4);
    pass(0);
    ck_assert_int_eq(state(old), WORKER_DRAINING);
    pass(1 * S);
    ends(old, 0);
}

START_TEST(requests_are_counted_for_each_process_not_for_its_slot)
{
    world.file.pool.recycle_requests = 1000;
    atomic_store(&web(2)->requests, 900);
    pass(1 * S);
    ends(2, SIGSEGV); /* the next one begins at nothing */
    keeper_obeys();
    becomes_ready(2);
    atomic_store(&web(2)->requests, 1899);
    pass(1 * S);
    ck_assert_uint_eq(recycles(RECYCLE_REQUESTS), 0);
    next_engine(); /* goes on counting */
    atomic_store(&web(2)->requests, 1900);
    pass(1 * S);
    ck_assert_uint_eq(recycles(RECYCLE_REQUESTS), 1);
    is_replaced(2);
    pass(10 * S);
    ck_assert_uint_eq(recycles(RECYCLE_REQUESTS), 1);
}
END_TEST

START_TEST(those_that_are_due_together_go_one_after_the_other)
{
    world.file.pool.recycle_requests = 10;
    for (unsigned number = 1; number <= 4; number++)
        atomic_store(&web(number)->requests, 50);
    for (unsigned number = 1; number <= 4; number++) {
        pass(1 * S);
        ck_assert_uint_eq(recycles(RECYCLE_REQUESTS), number);
        is_replaced(number);
    }
    pass(10 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 0);
}
END_TEST

START_TEST(the_next_one_waits_until_the_one_before_has_gone)
{
    world.file.pool.recycle_requests = 10;
    for (unsigned number = 1; number <= 4; number++)
        atomic_store(&web(number)->requests, 50);
    hold(1, 0, 1); /* a WebSocket */
    pass(0);
    keeper_obeys();
    becomes_ready(5);
    pass(100 * S);
    ck_assert_int_eq(state(1), WORKER_DRAINING);
    ck_assert_uint_eq(recycles(RECYCLE_REQUESTS), 1);
    hold(1, 0, 0);
    pass(1 * S);
    ends(1, 0);
    pass(1 * S);
    ck_assert_uint_eq(recycles(RECYCLE_REQUESTS), 2);
}
END_TEST

START_TEST(age_recycles_and_the_new_one_is_young)
{
    world.file.pool.recycle_age = 60000;
    pass(39 * S); /* 59 s */
    ck_assert_uint_eq(recycles(RECYCLE_AGE), 0);
    pass(7 * S); /* a tenth more, and all are due */
    for (unsigned i = 1; i <= 4; i++) {
        ck_assert_uint_eq(recycles(RECYCLE_AGE), i);
        keeper_obeys();
        int slot = slot_started();
        fleet_worker_ready(world.fleet, slot, atomic_load(&world.slots->slot[slot].generation));
        pass(1 * S);
        pass(1 * S);
        for (unsigned number = 1; number <= 5; number++) {
            if (slot_of(number) >= 0 && state(number) == WORKER_STOPPING)
                ends(number, 0);
        }
        pass(1 * S);
    }
    ck_assert_uint_eq(recycles(RECYCLE_AGE), 4);
    ck_assert_uint_eq(members(), 4);
}
END_TEST

START_TEST(one_that_leaks_is_recycled_and_a_spike_is_not)
{
    world.file.pool.memory_worker = 1000;
    pass(40 * S);
    measured(1, 900);
    measured(3, 900);
    pass(1 * S);
    holds_for(3, 5000, 2);
    holds_for(3, 900, 1);
    holds_for(3, 5000, 2);
    holds_for(3, 900, 1);
    ck_assert_uint_eq(recycles(RECYCLE_MEMORY), 0);
    measured(1, 1001);
    pass(10 * S); /* a single measure, however long ago, is one */
    ck_assert_uint_eq(recycles(RECYCLE_MEMORY), 0);
    measured(1, 1001);
    pass(1 * S);
    ck_assert_uint_eq(recycles(RECYCLE_MEMORY), 1);
    is_replaced(1);
}
END_TEST

START_TEST(a_bound_that_is_too_small_makes_no_storm)
{
    world.file.pool.memory_worker = 1000;
    for (unsigned i = 0; i < 600; i++) { /* ten minutes */
        for (unsigned number = 1; number <= 6; number++)
            if (slot_of(number) >= 0)
                measured(number, 5000);
        pass(1 * S);
        keeper_obeys();
        for (unsigned number = 1; number <= 6; number++) {
            if (slot_of(number) >= 0 && state(number) == WORKER_STARTING)
                becomes_ready(number);
            else if (slot_of(number) >= 0 && state(number) == WORKER_STOPPING)
                ends(number, 0);
        }
        ck_assert_uint_ge(members(), 4);
    }
    ck_assert_uint_ge(recycles(RECYCLE_MEMORY), 5);
    ck_assert_uint_le(recycles(RECYCLE_MEMORY), 8);
}
END_TEST

START_TEST(a_replacement_that_does_not_come_up_keeps_the_old_one_and_is_tried_later_and_later)
{
    unsigned starts = 0;

    world.file.pool.recycle_requests = 10;
    atomic_store(&web(2)->requests, 50);
    for (unsigned i = 0; i < 600; i++) { /* a minute */
        pass(100 * MS);
        keeper_obeys();
        if (heard(ORDER_START) > 0) {
            starts++;
            ends(5, 1 << 8);
        }
        ck_assert(is_member(2));
    }
    ck_assert_uint_ge(starts, 6);
    ck_assert_uint_le(starts, 12);
}
END_TEST

START_TEST(nobody_is_recycled_during_a_restart)
{
    world.file.pool.recycle_requests = 10;
    fleet_restart(world.fleet, true);
    for (unsigned number = 1; number <= 4; number++)
        atomic_store(&web(number)->requests, 50);
    for (unsigned old = 1; old <= 4; old++)
        is_replaced(old);
    pass(10 * S);
    ck_assert_uint_eq(recycles(RECYCLE_REQUESTS), 0);
}
END_TEST

START_TEST(a_pool_that_shrinks_lets_go_who_is_due)
{
    world.file.pool.recycle_requests = 10;
    for (unsigned number = 1; number <= 4; number++)
        hold(number, 1, number);
    atomic_store(&web(4)->requests, 50);
    pass(1 * S);
    fleet_scale(world.fleet, 3, 3);
    ck_assert_int_eq(state(4), WORKER_DRAINING);
    ck_assert_uint_eq(members(), 3);
}
END_TEST

int main(void)
{
    return RUN("workers/recycler", set_up_healthy, requests_are_counted_for_each_process_not_for_its_slot,
               those_that_are_due_together_go_one_after_the_other,
               the_next_one_waits_until_the_one_before_has_gone, age_recycles_and_the_new_one_is_young,
               one_that_leaks_is_recycled_and_a_spike_is_not, a_bound_that_is_too_small_makes_no_storm,
               a_replacement_that_does_not_come_up_keeps_the_old_one_and_is_tried_later_and_later,
               nobody_is_recycled_during_a_restart, a_pool_that_shrinks_lets_go_who_is_due) != 0;
}
