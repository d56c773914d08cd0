/* SPDX-License-Identifier: MIT
 *
 * How many: resizing, draining, adoption by the next engine. */
#include "tests/unit/workers/fleet_world.h"

START_TEST(scaling_up_takes_the_lowest_free_numbers)
{
    fleet_scale(world.fleet, 6, 6);
    keeper_obeys();
    ck_assert_uint_eq(heard(ORDER_START), 2);
    ck_assert_int_eq(state(5), WORKER_STARTING);
    ck_assert_int_eq(state(6), WORKER_STARTING);
    becomes_ready(5);
    becomes_ready(6);
    ck_assert_uint_eq(members(), 6);
    ck_assert(fleet_is_overridden(world.fleet));
}
END_TEST

START_TEST(scaling_down_retires_the_ones_with_the_fewest_tunnels)
{
    hold(1, 0, 7);
    hold(2, 3, 1);
    hold(3, 0, 5);
    hold(4, 0, 2);
    fleet_scale(world.fleet, 2, 2);
    ck_assert_int_eq(state(2), WORKER_DRAINING);
    ck_assert_int_eq(state(4), WORKER_DRAINING);
    ck_assert_uint_eq(members(), 2);
    ck_assert_uint_eq(world.gone_calls, 2);
}
END_TEST

START_TEST(in_a_fixed_range_those_beyond_it_go_first)
{
    world.file.pool.first_port = 8000;
    fleet_scale(world.fleet, 9, 9);
    keeper_obeys();
    for (unsigned number = 5; number <= 9; number++)
        becomes_ready(number);
    hold(9, 0, 50);
    fleet_scale(world.fleet, 4, 4);
    ck_assert_int_eq(state(9), WORKER_DRAINING);
    ck_assert_int_eq(state(8), WORKER_HEALTHY);
}
END_TEST

START_TEST(scaling_down_during_a_start_takes_those_that_start)
{
    fleet_scale(world.fleet, 6, 6);
    keeper_obeys();
    fleet_scale(world.fleet, 4, 4);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_STOP), 2);
    ck_assert_int_eq(state(5), WORKER_STOPPING);
    ck_assert_int_eq(state(6), WORKER_STOPPING);
    ck_assert_uint_eq(members(), 4);
}
END_TEST

START_TEST(one_that_is_retired_before_the_keeper_started_it_is_stopped_then)
{
    fleet_scale(world.fleet, 5, 5);
    fleet_scale(world.fleet, 4, 4);
    keeper_obeys();
    ck_assert_uint_eq(heard(ORDER_START), 1);
    ck_assert_uint_eq(heard(ORDER_STOP), 0);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_STOP), 1);
}
END_TEST

START_TEST(a_retired_worker_is_stopped_only_when_it_holds_nothing)
{
    for (unsigned number = 1; number <= 3; number++)
        hold(number, 9, 9);
    hold(4, 1, 1);
    fleet_scale(world.fleet, 3, 3);
    pass(20 * S);
    listen_to_orders();
    ck_assert_uint_eq(world.heard_count, 0);
    hold(4, 0, 1);
    pass(1 * S);
    listen_to_orders();
    ck_assert_uint_eq(world.heard_count, 0);
    hold(4, 0, 0);
    pass(1 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_STOP), 1);
    ends(4, 0);
    ck_assert_int_eq(slot_of(4), -1);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_RETIRE), 1);
}
END_TEST

START_TEST(what_another_engine_holds_counts_too)
{
    fleet_scale(world.fleet, 3, 3);
    ck_assert_int_eq(state(1), WORKER_DRAINING);
    atomic_store(&world.slots->counts[slot_of(1)], UINT64_C(1) << 48);
    pass(20 * S);
    ck_assert_int_eq(state(1), WORKER_DRAINING);
}
END_TEST

START_TEST(requests_that_do_not_end_in_time_keep_nobody)
{
    fleet_scale(world.fleet, 3, 3);
    hold(1, 1, 0);
    pass(30 * S - 1);
    ck_assert_int_eq(state(1), WORKER_DRAINING);
    pass(1);
    ck_assert_int_eq(state(1), WORKER_STOPPING);
}
END_TEST

START_TEST(a_slot_is_free_only_when_nothing_is_held_there)
{
    fleet_scale(world.fleet, 3, 3);
    hold(1, 1, 0);
    pass(30 * S);
    ends(1, SIGTERM);
    ck_assert_int_ge(slot_of(1), 0);
    hold(1, 0, 0);
    pass(100 * MS);
    ck_assert_int_eq(slot_of(1), -1);
}
END_TEST

START_TEST(tunnels_are_closed_spread_over_the_last_tenth_of_their_time)
{
    fleet_scale(world.fleet, 3, 3);
    hold(1, 0, 10);
    pass(269 * S);
    ck_assert_uint_eq(world.close_calls, 0);
    pass(1 * S);
    ck_assert_uint_eq(world.close_calls, 1);
    ck_assert_uint_eq(world.over_ms, 30000);
    ck_assert_int_eq(world.last_closed, slot_of(1));
    pass(29 * S);
    ck_assert_uint_eq(world.close_calls, 1);
    ck_assert_int_eq(state(1), WORKER_DRAINING);
    pass(3 * S); /* and have a moment to say goodbye */
    ck_assert_int_eq(state(1), WORKER_DRAINING);
    pass(1 * S);
    ck_assert_int_eq(state(1), WORKER_STOPPING);
}
END_TEST

START_TEST(one_that_does_not_stop_is_killed)
{
    fleet_scale(world.fleet, 3, 3);
    pass(1 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_STOP), 1);
    pass(30 * S - 1);
    listen_to_orders();
    ck_assert_uint_eq(world.heard_count, 0);
    pass(1);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_KILL), 1);
    pass(60 * S);
    listen_to_orders();
    ck_assert_uint_eq(world.heard_count, 0);
}
END_TEST

START_TEST(another_count_in_the_file_resizes)
{
    write_file(&world.next_file, 6, command);
    fleet_adopt(world.fleet, &world.next_file.config, &world.next_file.pool);
    keeper_obeys();
    ck_assert_uint_eq(heard(ORDER_START), 2);
}
END_TEST

START_TEST(scaling_by_hand_lasts_until_the_count_changes_in_the_file)
{
    fleet_scale(world.fleet, 6, 6);
    write_file(&world.next_file, 4, command);
    fleet_adopt(world.fleet, &world.next_file.config, &world.next_file.pool);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 6);
    write_file(&world.file, 3, command);
    fleet_adopt(world.fleet, &world.file.config, &world.file.pool);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 3);
    fleet_scale(world.fleet, 6, 6);
    fleet_scale_clear(world.fleet);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 3);
}
END_TEST

START_TEST(a_pool_that_left_the_file_drains_and_tells_when_it_is_empty)
{
    hold(2, 0, 1);
    fleet_abandon(world.fleet);
    ck_assert_uint_eq(members(), 0);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 0);
    pass(1 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_STOP), 3);
    hold(2, 0, 0);
    pass(1 * S);
    for (unsigned number = 1; number <= 4; number++) {
        ck_assert(!fleet_is_empty(world.fleet));
        unsigned calls = world.members_calls;
        ends(number, 0);
        ck_assert_uint_eq(world.members_calls, calls + (number == 4));
    }
    ck_assert(fleet_is_empty(world.fleet));
}
END_TEST

START_TEST(a_new_engine_adopts_the_same_processes)
{
    fleet_scale(world.fleet, 5, 5);
    keeper_obeys();
    pid_t pid = atomic_load(&web(1)->pid);
    next_engine();
    ck_assert_uint_eq(members(), 4);
    ck_assert_int_eq(atomic_load(&web(1)->pid), pid);
    ck_assert(!world.is_probed[slot_of(5)]);
    pass(0);
    ck_assert(world.is_probed[slot_of(5)]);
    ck_assert(!world.is_probed[slot_of(1)]);
    listen_to_orders();
    ck_assert_uint_eq(world.heard_count, 0);
    becomes_ready(5);
    ck_assert_uint_eq(members(), 5);
}
END_TEST

START_TEST(a_new_engine_wants_as_many_as_are_there)
{
    fleet_scale(world.fleet, 6, 6);
    keeper_obeys();
    next_engine();
    ck_assert_uint_eq(fleet_wanted(world.fleet), 6);
    ck_assert(fleet_is_overridden(world.fleet));
    fleet_scale(world.fleet, 3, 3);
    next_engine();
    ck_assert_uint_eq(fleet_wanted(world.fleet), 3);
}
END_TEST

START_TEST(a_worker_that_waits_for_its_next_start_is_one_of_those_that_are_there)
{
    ends(2, 1 << 8);
    keeper_obeys();
    ends(2, 1 << 8);
    next_engine();
    ck_assert_uint_eq(fleet_wanted(world.fleet), 4);
    ck_assert(!fleet_is_overridden(world.fleet));
    pass(500 * MS);
    ck_assert_int_eq(state(2), WORKER_STARTING);
}
END_TEST

START_TEST(a_worker_that_died_while_no_engine_was_there_is_started_again)
{
    atomic_store(&web(2)->pid, 0);
    next_engine();
    ck_assert_uint_eq(members(), 3);
    pass(1);
    ck_assert_int_eq(state(2), WORKER_STARTING);
}
END_TEST

START_TEST(a_new_engine_goes_on_with_draining)
{
    fleet_scale(world.fleet, 3, 3);
    hold(1, 0, 1);
    pass(100 * S);
    next_engine();
    ck_assert_uint_eq(members(), 3);
    pass(170 * S); /* 270 s since it began */
    ck_assert_uint_eq(world.close_calls, 1);
    hold(1, 0, 0);
    pass(1 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_STOP), 1);
}
END_TEST

START_TEST(a_new_engine_goes_on_with_a_replacement)
{
    fleet_drain(world.fleet, 3);
    keeper_obeys();
    next_engine();
    ck_assert_uint_eq(fleet_wanted(world.fleet), 4);
    ck_assert(!fleet_is_overridden(world.fleet));
    pass(0);
    ck_assert(is_member(3));
    becomes_ready(5);
    pass(0);
    ck_assert_int_eq(state(3), WORKER_DRAINING);
    ck_assert_uint_eq(members(), 4);
}
END_TEST

START_TEST(a_new_engine_goes_on_with_a_rollout)
{
    write_file(&world.next_file, 4, other_command);
    fleet_adopt(world.fleet, &world.next_file.config, &world.next_file.pool);
    keeper_obeys();
    world.file = world.next_file;
    next_engine();
    pass(0);
    becomes_ready(5);
    keeper_obeys();
    ck_assert_uint_eq(heard(ORDER_START), 1);
    ck_assert_int_eq(state(6), WORKER_STARTING);
}
END_TEST

int main(void)
{
    int failures = 0;

    failures +=
        RUN("the size of a fleet", set_up_healthy, scaling_up_takes_the_lowest_free_numbers,
            scaling_down_retires_the_ones_with_the_fewest_tunnels, in_a_fixed_range_those_beyond_it_go_first,
            scaling_down_during_a_start_takes_those_that_start,
            one_that_is_retired_before_the_keeper_started_it_is_stopped_then,
            a_retired_worker_is_stopped_only_when_it_holds_nothing, what_another_engine_holds_counts_too,
            requests_that_do_not_end_in_time_keep_nobody, a_slot_is_free_only_when_nothing_is_held_there,
            tunnels_are_closed_spread_over_the_last_tenth_of_their_time, one_that_does_not_stop_is_killed,
            another_count_in_the_file_resizes, scaling_by_hand_lasts_until_the_count_changes_in_the_file,
            a_pool_that_left_the_file_drains_and_tells_when_it_is_empty);
    failures +=
        RUN("a fleet and the next engine", set_up_healthy, a_new_engine_adopts_the_same_processes,
            a_new_engine_wants_as_many_as_are_there,
            a_worker_that_waits_for_its_next_start_is_one_of_those_that_are_there,
            a_worker_that_died_while_no_engine_was_there_is_started_again, a_new_engine_goes_on_with_draining,
            a_new_engine_goes_on_with_a_replacement, a_new_engine_goes_on_with_a_rollout);
    return failures != 0;
}
