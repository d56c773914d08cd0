/* SPDX-License-Identifier: MIT
 *
 * One worker's life: starts, deaths, the waiting after crashes, verdicts. */
#include "tests/unit/workers/fleet_world.h"

START_TEST(a_fleet_starts_as_many_workers_as_the_file_says)
{
    pass(0);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 4);
    ck_assert_uint_eq(world.heard_count, 4);
    ck_assert_str_eq(world.heard[0].pool, "web");
    ck_assert_uint_eq(world.heard[3].number, 4);
    ck_assert_int_eq(state(4), WORKER_STARTING);
}
END_TEST

START_TEST(a_worker_is_a_member_when_it_is_ready_and_not_before)
{
    pass(0);
    keeper_obeys();
    ck_assert(world.is_probed[slot_of(2)]);
    ck_assert_uint_eq(members(), 0);
    unsigned calls = world.members_calls;
    becomes_ready(2);
    ck_assert_uint_eq(members(), 1);
    ck_assert(is_member(2));
    ck_assert_uint_eq(world.members_calls, calls + 1);
    ck_assert_int_eq(state(2), WORKER_HEALTHY);
}
END_TEST

START_TEST(one_that_is_not_ready_in_time_is_killed_and_started_again_later)
{
    pass(0);
    keeper_obeys();
    pass(59 * S);
    listen_to_orders();
    ck_assert_uint_eq(world.heard_count, 0);
    pass(1 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_KILL), 4);
    ck_assert(!world.is_probed[slot_of(1)]);
    ends(1, SIGKILL);
    ck_assert_int_eq(state(1), WORKER_BACKOFF);
    pass(249 * MS);
    ck_assert_int_eq(state(1), WORKER_BACKOFF);
    pass(251 * MS);
    ck_assert_int_eq(state(1), WORKER_STARTING);
}
END_TEST

START_TEST(one_that_cannot_be_started_is_tried_again_later)
{
    pass(0);
    listen_to_orders();
    fleet_on_start_failed(world.fleet, slot_of(1), ENOENT);
    ck_assert_int_eq(state(1), WORKER_BACKOFF);
    pass(500 * MS);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 1);
}
END_TEST

START_TEST(a_dead_worker_leaves_the_choice_at_once)
{
    struct backend *backend = fleet_backends(world.fleet, &(unsigned){0})[1];

    backend_ref(backend);
    ends(2, SIGSEGV);
    ck_assert_uint_eq(members(), 3);
    ck_assert(!is_member(2));
    ck_assert(atomic_load(&backend->closed));
    ck_assert_uint_eq(world.gone_calls, 1);
    backend_unref(&backend);
}
END_TEST

START_TEST(one_that_was_healthy_for_long_is_started_again_at_once)
{
    ends(2, SIGSEGV);
    ck_assert_int_eq(state(2), WORKER_STARTING);
    keeper_obeys();
    ck_assert_uint_eq(heard(ORDER_START), 1);
    becomes_ready(2);
    ck_assert_uint_eq(members(), 4);
}
END_TEST

START_TEST(crashes_in_a_row_wait_longer_and_longer)
{
    static const unsigned longest_ms[] = {500, 1000, 2000, 4000, 8000, 16000, 30000, 30000};

    ends(2, 1 << 8);
    for (unsigned i = 0; i < sizeof longest_ms / sizeof longest_ms[0]; i++) {
        keeper_obeys();
        ends(2, 1 << 8);
        ck_assert_uint_eq(atomic_load(&web(2)->crashes), i + 1);
        pass(longest_ms[i] * MS / 2 - 1);
        ck_assert_int_eq(state(2), WORKER_BACKOFF);
        pass(longest_ms[i] * MS / 2 + 1);
        ck_assert_int_eq(state(2), WORKER_STARTING);
    }
}
END_TEST

START_TEST(ten_healthy_seconds_put_the_crashes_behind_it)
{
    ends(2, 1 << 8);
    keeper_obeys();
    ends(2, 1 << 8);
    pass(1 * S);
    keeper_obeys();
    becomes_ready(2);
    ck_assert_uint_eq(atomic_load(&web(2)->crashes), 1);
    pass(9 * S);
    ck_assert_uint_eq(atomic_load(&web(2)->crashes), 1);
    pass(1 * S);
    ck_assert_uint_eq(atomic_load(&web(2)->crashes), 0);
}
END_TEST

START_TEST(news_of_a_process_that_is_no_more_changes_nothing)
{
    int slot = slot_of(2);
    uint32_t old = atomic_load(&web(2)->generation);

    ends(2, 0);
    keeper_obeys();
    fleet_worker_ready(world.fleet, slot, old);
    fleet_on_exited(world.fleet, slot, old, 0);
    ck_assert_int_eq(state(2), WORKER_STARTING);
    ck_assert_uint_eq(members(), 3);
}
END_TEST

START_TEST(a_probe_takes_a_worker_out_of_the_choice_and_back)
{
    uint32_t generation = atomic_load(&web(2)->generation);

    fleet_worker_unfit(world.fleet, slot_of(2), generation, "status 500");
    ck_assert_uint_eq(members(), 3);
    ck_assert(fleet_worker_is_unfit(world.fleet, slot_of(2)));
    ck_assert_int_eq(state(2), WORKER_HEALTHY);
    fleet_worker_fit(world.fleet, slot_of(2), generation);
    ck_assert_uint_eq(members(), 4);
}
END_TEST

START_TEST(a_frozen_fleet_starts_nothing)
{
    fleet_freeze(world.fleet);
    ends(2, 0);
    pass(60 * S);
    fleet_scale(world.fleet, 9, 9);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 0);
    ck_assert_uint_eq(members(), 3);
}
END_TEST

int main(void)
{
    int failures = 0;

    failures += RUN("a worker that starts", set_up, a_fleet_starts_as_many_workers_as_the_file_says,
                    a_worker_is_a_member_when_it_is_ready_and_not_before,
                    one_that_is_not_ready_in_time_is_killed_and_started_again_later,
                    one_that_cannot_be_started_is_tried_again_later);
    failures +=
        RUN("a healthy worker", set_up_healthy, a_dead_worker_leaves_the_choice_at_once,
            one_that_was_healthy_for_long_is_started_again_at_once, crashes_in_a_row_wait_longer_and_longer,
            ten_healthy_seconds_put_the_crashes_behind_it, news_of_a_process_that_is_no_more_changes_nothing,
            a_probe_takes_a_worker_out_of_the_choice_and_back, a_frozen_fleet_starts_nothing);
    return failures != 0;
}
