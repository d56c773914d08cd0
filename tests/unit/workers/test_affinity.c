/* SPDX-License-Identifier: MIT
 *
 * Affinity numbers: kept through crashes, inherited by replacements, free again when a worker is one too many. */
#include "tests/unit/workers/fleet_world.h"

static unsigned number_of(unsigned number)
{
    return atomic_load(&web(number)->affinity);
}

START_TEST(every_worker_has_a_number_of_its_own)
{
    for (unsigned i = 1; i <= 4; i++)
        ck_assert_uint_eq(number_of(i), i);
}
END_TEST

START_TEST(a_crash_keeps_the_number)
{
    ends(2, SIGKILL);
    keeper_obeys();
    ck_assert_uint_eq(number_of(2), 2);
    pass(1 * S);
    keeper_obeys();
    becomes_ready(2);
    ck_assert_uint_eq(number_of(2), 2);
}
END_TEST

START_TEST(a_replacement_inherits_when_it_is_ready_and_not_before)
{
    ck_assert(fleet_drain(world.fleet, 3));
    keeper_obeys();
    ck_assert_uint_eq(number_of(5), 0);
    becomes_ready(5);
    ck_assert_uint_eq(number_of(5), 3);
    pass(200 * MS);
    ck_assert_int_eq(state(3), WORKER_DRAINING);
    ck_assert_uint_eq(number_of(3), 3); /* its last answers name its successor */
}
END_TEST

START_TEST(a_replacement_that_fails_leaves_the_number_where_it_was)
{
    fleet_drain(world.fleet, 3);
    keeper_obeys();
    ends(5, 1 << 8);
    ck_assert_uint_eq(number_of(3), 3);
}
END_TEST

START_TEST(a_replacement_inherits_from_one_that_died)
{
    fleet_drain(world.fleet, 3);
    keeper_obeys();
    ends(3, SIGSEGV);
    becomes_ready(5);
    ck_assert_uint_eq(number_of(5), 3);
}
END_TEST

START_TEST(a_whole_rollout_hands_each_number_on)
{
    bool seen[9] = {false};

    write_file(&world.next_file, 4, other_command);
    fleet_adopt(world.fleet, &world.next_file.config, &world.next_file.pool);
    for (unsigned round = 0; round < 40; round++) {
        keeper_obeys();
        for (unsigned i = 1; i <= 8; i++) {
            if (slot_of(i) < 0)
                continue;
            if (state(i) == WORKER_STARTING && atomic_load(&web(i)->pid))
                becomes_ready(i);
            else if (state(i) == WORKER_STOPPING && atomic_load(&web(i)->pid))
                ends(i, 0);
        }
        pass(200 * MS);
    }
    ck_assert_uint_eq(members(), 4);
    for (unsigned i = 1; i <= 8; i++) {
        if (slot_of(i) < 0)
            continue;
        ck_assert_uint_ge(number_of(i), 1);
        ck_assert_uint_le(number_of(i), 4);
        ck_assert(!seen[number_of(i)]);
        seen[number_of(i)] = true;
    }
}
END_TEST

START_TEST(the_number_of_one_too_many_is_free_for_the_next)
{
    fleet_scale(world.fleet, 3, 3);
    unsigned gone = 0;
    for (unsigned i = 1; i <= 4; i++)
        gone = state(i) == WORKER_DRAINING ? i : gone;
    ck_assert_uint_ne(gone, 0);
    fleet_scale(world.fleet, 4, 4);
    keeper_obeys();
    becomes_ready(5);
    ck_assert_uint_eq(number_of(5), gone);
}
END_TEST

START_TEST(another_engine_finds_the_numbers)
{
    fleet_drain(world.fleet, 3);
    keeper_obeys();
    becomes_ready(5);
    next_engine();
    ck_assert_uint_eq(number_of(5), 3);
    ck_assert_uint_eq(number_of(1), 1);
}
END_TEST

int main(void)
{
    int failures = 0;

    failures += RUN("affinity", set_up_healthy, every_worker_has_a_number_of_its_own,
                    a_crash_keeps_the_number, a_replacement_inherits_when_it_is_ready_and_not_before,
                    a_replacement_that_fails_leaves_the_number_where_it_was,
                    a_replacement_inherits_from_one_that_died, a_whole_rollout_hands_each_number_on,
                    the_number_of_one_too_many_is_free_for_the_next, another_engine_finds_the_numbers);
    return failures != 0;
}
