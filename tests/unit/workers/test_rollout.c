/* SPDX-License-Identifier: MIT
 *
 * Replacements: one by one, the new one ready first. */
#include "tests/unit/workers/fleet_world.h"

START_TEST(a_drained_worker_leaves_when_another_is_ready_in_its_place)
{
    ck_assert(fleet_drain(world.fleet, 3));
    keeper_obeys();
    ck_assert_uint_eq(heard(ORDER_START), 1);
    ck_assert(is_member(3));
    ck_assert_int_eq(state(5), WORKER_STARTING);
    becomes_ready(5);
    ck_assert(is_member(5));
    ck_assert(!is_member(3));
    /* it takes what comes until the new set is published */
    ck_assert_int_eq(state(3), WORKER_HEALTHY);
    ck_assert_uint_eq(world.gone_calls, 0);
    pass(100 * MS);
    ck_assert_int_eq(state(3), WORKER_DRAINING);
    ck_assert_uint_eq(world.gone_calls, 1);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 4);
    pass(1 * S);
    ends(3, 0);
    pass(1 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 0);
    ck_assert_uint_eq(members(), 4);
}
END_TEST

START_TEST(draining_a_worker_that_is_not_there_is_refused)
{
    ck_assert(!fleet_drain(world.fleet, 7));
}
END_TEST

START_TEST(when_the_replacement_fails_the_old_one_goes_on)
{
    fleet_drain(world.fleet, 3);
    keeper_obeys();
    ends(5, 1 << 8);
    ck_assert(is_member(3));
    ck_assert_int_eq(slot_of(5), -1);
    pass(100 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 0);
    ck_assert_uint_eq(members(), 4);
}
END_TEST

START_TEST(when_the_old_one_dies_its_replacement_takes_its_place)
{
    fleet_drain(world.fleet, 3);
    keeper_obeys();
    ends(3, SIGSEGV);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 0);
    becomes_ready(5);
    ck_assert_uint_eq(members(), 4);
    ck_assert_int_eq(slot_of(3), -1);
}
END_TEST

START_TEST(one_that_was_ejected_twice_is_replaced)
{
    fleet_worker_ejected(world.fleet, slot_of(2), atomic_load(&web(2)->generation), 2);
    fleet_worker_ejected(world.fleet, slot_of(4), atomic_load(&web(4)->generation), 2);
    keeper_obeys();
    ck_assert_uint_eq(heard(ORDER_START), 1);
    becomes_ready(5);
    keeper_obeys();
    ck_assert_uint_eq(heard(ORDER_START), 1);
    pass(0);
    ck_assert_int_eq(state(2), WORKER_DRAINING);
    becomes_ready(6);
    pass(0);
    ck_assert_int_eq(state(4), WORKER_DRAINING);
}
END_TEST

START_TEST(replacements_that_fail_again_and_again_wait_longer_and_longer)
{
    unsigned starts = 0;

    for (unsigned i = 0; i < 600; i++) { /* a minute, and it is ejected all the time */
        fleet_worker_ejected(world.fleet, slot_of(2), atomic_load(&web(2)->generation), 2);
        keeper_obeys();
        if (heard(ORDER_START) > 0) {
            starts++;
            ends(5, 1 << 8);
        }
        pass(100 * MS);
    }
    ck_assert_uint_ge(starts, 6);
    ck_assert_uint_le(starts, 12);
    ck_assert(is_member(2));
}
END_TEST

START_TEST(an_unchanged_command_keeps_the_processes)
{
    write_file(&world.next_file, 4, command);
    world.next_file.pool.max_fails = 7;
    fleet_adopt(world.fleet, &world.next_file.config, &world.next_file.pool);
    pass(10 * S);
    listen_to_orders();
    ck_assert_uint_eq(world.heard_count, 0);
    ck_assert_uint_eq(members(), 4);
    ck_assert_ptr_eq(fleet_config(world.fleet), &world.next_file.pool);
    /* the old configuration has no users left */
    ck_assert_uint_eq(atomic_load(&world.file.config.references), 1000000);
}
END_TEST

START_TEST(a_changed_command_replaces_one_by_one)
{
    write_file(&world.next_file, 4, other_command);
    fleet_adopt(world.fleet, &world.next_file.config, &world.next_file.pool);
    for (unsigned old = 1; old <= 4; old++) {
        keeper_obeys();
        ck_assert_uint_eq(heard(ORDER_START), 1);
        ck_assert_uint_eq(members(), 4);
        int slot = slot_started();
        fleet_worker_ready(world.fleet, slot, atomic_load(&world.slots->slot[slot].generation));
        ck_assert_uint_eq(members(), 4);
        pass(0);
        ck_assert_int_eq(state(old), WORKER_DRAINING);
        pass(1 * S);
        ends(old, 0);
    }
    pass(1 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 0);
    ck_assert_uint_eq(members(), 4);
}
END_TEST

START_TEST(a_rollout_whose_replacement_is_not_ready_stops_and_the_old_ones_go_on)
{
    write_file(&world.next_file, 4, other_command);
    fleet_adopt(world.fleet, &world.next_file.config, &world.next_file.pool);
    keeper_obeys();
    becomes_ready(5);
    keeper_obeys();
    ends(6, 1 << 8);
    ck_assert_uint_eq(members(), 4);
    pass(200 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 0);
    ck_assert(is_member(2) && is_member(3) && is_member(4) && is_member(5));
    /* the next reload tries again, with those that are left */
    write_file(&world.last_file, 4, other_command);
    fleet_adopt(world.fleet, &world.last_file.config, &world.last_file.pool);
    keeper_obeys();
    ck_assert_uint_eq(heard(ORDER_START), 1);
}
END_TEST

START_TEST(the_next_engine_knows_who_was_left_as_an_older_file_says)
{
    write_file(&world.next_file, 4, other_command);
    fleet_adopt(world.fleet, &world.next_file.config, &world.next_file.pool);
    keeper_obeys();
    becomes_ready(5);
    keeper_obeys();
    ends(6, 1 << 8); /* 2, 3 and 4 go on as they are */
    write_file(&world.file, 4, other_command);
    next_engine();
    pass(100 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 0);
    ck_assert_uint_eq(members(), 4);
    write_file(&world.last_file, 4, other_command);
    fleet_adopt(world.fleet, &world.last_file.config, &world.last_file.pool);
    for (unsigned i = 0; i < 3; i++) {
        keeper_obeys();
        ck_assert_uint_eq(heard(ORDER_START), 1);
        int slot = slot_started();
        fleet_worker_ready(world.fleet, slot, atomic_load(&world.slots->slot[slot].generation));
        pass(0);
        pass(1 * S);
        ends(i + 2, 0);
    }
    ck_assert(is_member(5));
    keeper_obeys();
    ck_assert_uint_eq(heard(ORDER_START), 0);
}
END_TEST

START_TEST(processes_that_come_and_go_at_once_are_not_heaped_up)
{
    for (unsigned number = 1; number <= 4; number++)
        ends(number, SIGKILL);
    for (int i = 0; i < 5; i++) {
        pass(1 * S);
        keeper_obeys();
    }
    for (unsigned i = 0; i < 20; i++) { /* none of those that are told to stop does */
        fleet_restart(world.fleet, true);
        keeper_obeys();
        pass(200 * MS);
    }
    unsigned processes = 0;
    for (int i = 0; i < SLOTS_MAX; i++)
        processes += atomic_load(&world.slots->slot[i].claimed) == 2;
    ck_assert_uint_le(processes, 8);
}
END_TEST

START_TEST(going_back_to_the_old_command_in_the_middle_keeps_the_old_processes)
{
    write_file(&world.next_file, 4, other_command);
    fleet_adopt(world.fleet, &world.next_file.config, &world.next_file.pool);
    keeper_obeys();
    write_file(&world.file, 4, command);
    fleet_adopt(world.fleet, &world.file.config, &world.file.pool);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_STOP), 1);
    ck_assert_uint_eq(heard(ORDER_START), 0);
    ck_assert_int_eq(state(5), WORKER_STOPPING);
    ck_assert(is_member(1) && is_member(2) && is_member(3) && is_member(4));
}
END_TEST

START_TEST(a_rollout_waits_while_twice_the_wanted_are_there)
{
    write_file(&world.next_file, 4, other_command);
    fleet_adopt(world.fleet, &world.next_file.config, &world.next_file.pool);
    for (unsigned number = 1; number <= 4; number++)
        hold(number, 0, 1);
    for (unsigned number = 5; number <= 8; number++) {
        keeper_obeys();
        becomes_ready(number);
    }
    write_file(&world.file, 4, command);
    fleet_adopt(world.fleet, &world.file.config, &world.file.pool);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 0);
    hold(1, 0, 0);
    pass(0);
    pass(1 * S);
    ends(1, 0);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 1);
}
END_TEST

START_TEST(a_mended_command_ends_the_waiting_after_crashes)
{
    ends(2, 1 << 8);
    for (unsigned i = 0; i < 6; i++) {
        keeper_obeys();
        ends(2, 1 << 8);
        if (i < 5)
            pass(30 * S);
    }
    ck_assert_int_eq(state(2), WORKER_BACKOFF);
    write_file(&world.next_file, 4, other_command);
    fleet_adopt(world.fleet, &world.next_file.config, &world.next_file.pool);
    pass(1);
    ck_assert_int_eq(state(2), WORKER_STARTING);
}
END_TEST

int main(void)
{
    int failures = 0;

    failures += RUN(
        "a rollout", set_up_healthy, a_drained_worker_leaves_when_another_is_ready_in_its_place,
        draining_a_worker_that_is_not_there_is_refused, when_the_replacement_fails_the_old_one_goes_on,
        when_the_old_one_dies_its_replacement_takes_its_place, one_that_was_ejected_twice_is_replaced,
        replacements_that_fail_again_and_again_wait_longer_and_longer,
        an_unchanged_command_keeps_the_processes, a_changed_command_replaces_one_by_one,
        a_rollout_whose_replacement_is_not_ready_stops_and_the_old_ones_go_on,
        the_next_engine_knows_who_was_left_as_an_older_file_says,
        processes_that_come_and_go_at_once_are_not_heaped_up,
        going_back_to_the_old_command_in_the_middle_keeps_the_old_processes,
        a_rollout_waits_while_twice_the_wanted_are_there, a_mended_command_ends_the_waiting_after_crashes);
    return failures != 0;
}
