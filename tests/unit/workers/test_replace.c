/* SPDX-License-Identifier: MIT
 *
 * Rounds through all of a pool: `drover restart`, and what a reload makes of one. */
#include "tests/unit/workers/fleet_world.h"
#include "workers/fleet_internal.h"

/* What fleet_rollout says. */
static enum fleet_rollout phase(void)
{
    const char *text;

    return fleet_rollout(world.fleet, &text);
}

static const char *outcome(void)
{
    const char *text;

    (void)fleet_rollout(world.fleet, &text);
    return text;
}

/* The next one that was ordered to start is ready; the one that leaves ends. */
static void one_is_replaced(unsigned old)
{
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

START_TEST(a_restart_replaces_all_one_by_one)
{
    ck_assert_int_eq(phase(), ROLLOUT_NONE);
    fleet_restart(world.fleet, true);
    for (unsigned old = 1; old <= 4; old++) {
        ck_assert_int_eq(phase(), ROLLOUT_GOING);
        one_is_replaced(old);
    }
    ck_assert_int_eq(phase(), ROLLOUT_DONE);
    ck_assert_str_eq(outcome(), "4 workers were replaced in 3.0 s");
    pass(10 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 0);
    ck_assert_uint_eq(fleet_counters(world.fleet)->decisions[DECISION_ROLLOUT], 2);
}
END_TEST

START_TEST(a_restart_whose_new_worker_fails_is_frozen_and_says_why)
{
    fleet_restart(world.fleet, true);
    one_is_replaced(1);
    keeper_obeys();
    struct slot *broken = &world.slots->slot[slot_started()];
    strcpy(broken->output, "Traceback\nImportError: no app\n");
    atomic_store(&broken->output_size, (uint32_t)strlen(broken->output));
    ends(broken->number, 1 << 8);
    ck_assert_int_eq(phase(), ROLLOUT_FROZEN);
    ck_assert_str_eq(outcome(),
                     "stopped after 1: web.6 ended before it was ready (its last line: ImportError: no "
                     "app); 3 go on as they are");
    pass(100 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 0);
    ck_assert_uint_eq(members(), 4);
    fleet_restart(world.fleet, true); /* mended */
    ck_assert_int_eq(phase(), ROLLOUT_GOING);
    keeper_obeys();
    ck_assert_uint_eq(heard(ORDER_START), 1);
}
END_TEST

START_TEST(a_second_restart_begins_anew)
{
    fleet_restart(world.fleet, true);
    one_is_replaced(1); /* by web.5 */
    keeper_obeys();
    ck_assert_int_eq(state(6), WORKER_STARTING); /* for web.2 */
    fleet_restart(world.fleet, true);
    ck_assert_int_eq(state(6), WORKER_STOPPING);
    ends(6, 0);
    for (unsigned old = 2; old <= 5; old++)
        one_is_replaced(old);
    ck_assert_int_eq(phase(), ROLLOUT_DONE);
}
END_TEST

START_TEST(without_surge_the_old_one_goes_first_and_one_is_missing_at_most)
{
    fleet_restart(world.fleet, false);
    for (unsigned number = 1; number <= 4; number++) {
        ck_assert_int_eq(phase(), ROLLOUT_GOING);
        ck_assert_int_eq(state(number), WORKER_DRAINING);
        ck_assert_uint_eq(members(), 3);
        pass(1 * S);
        ck_assert_int_eq(state(number), WORKER_STOPPING);
        listen_to_orders();
        ck_assert_uint_eq(heard(ORDER_START), 0);
        ends(number, 0);
        ck_assert_int_eq(state(number), WORKER_STARTING);
        keeper_obeys();
        pass(1 * S);
        ck_assert_uint_eq(members(), 3);
        becomes_ready(number);
    }
    ck_assert_uint_eq(members(), 4);
    ck_assert_int_eq(phase(), ROLLOUT_DONE);
    ck_assert_str_eq(outcome(), "4 workers were replaced in 8.0 s");
}
END_TEST

START_TEST(without_surge_a_new_one_that_fails_stops_it_and_the_rest_serve)
{
    fleet_restart(world.fleet, false);
    pass(1 * S);
    ends(1, 0);
    keeper_obeys();
    ends(1, 1 << 8);
    ck_assert_int_eq(phase(), ROLLOUT_FROZEN);
    ck_assert_int_eq(state(1), WORKER_BACKOFF);
    for (unsigned i = 0; i < 20; i++) {
        pass(5 * S);
        keeper_obeys();
        if (state(1) == WORKER_STARTING)
            ends(1, 1 << 8);
        ck_assert_uint_eq(members(), 3);
    }
    ck_assert(is_member(2) && is_member(3) && is_member(4));
}
END_TEST

START_TEST(without_surge_one_that_hangs_stops_it_too)
{
    fleet_restart(world.fleet, false);
    pass(1 * S);
    ends(1, 0);
    keeper_obeys();
    pass(60 * S);
    ck_assert_int_eq(phase(), ROLLOUT_FROZEN);
    ck_assert_uint_eq(members(), 3);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_KILL), 1);
}
END_TEST

START_TEST(without_surge_nobody_goes_while_another_is_away)
{
    ends(3, SIGSEGV);
    keeper_obeys();
    fleet_restart(world.fleet, false); /* who starts is started anew: it may have read the old code */
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_STOP), 1);
    ends(3, 0);
    keeper_obeys();
    pass(1 * S);
    ck_assert_uint_eq(members(), 3);
    becomes_ready(3);
    ck_assert_uint_eq(members(), 3);
    ck_assert_int_eq(state(1), WORKER_DRAINING);
}
END_TEST

START_TEST(the_next_engine_goes_on_without_surge_where_the_old_one_was)
{
    fleet_restart(world.fleet, false);
    pass(1 * S);
    ends(1, 0);
    keeper_obeys();
    next_engine();
    ck_assert_int_eq(phase(), ROLLOUT_GOING);
    pass(0);
    becomes_ready(1);
    ck_assert_int_eq(state(2), WORKER_DRAINING);
    next_engine();
    ck_assert_int_eq(state(2), WORKER_DRAINING);
    ck_assert_uint_eq(members(), 3);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 4);
    pass(1 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 0);
    ck_assert_uint_eq(heard(ORDER_STOP), 1);
    ends(2, 0);
    keeper_obeys();
    becomes_ready(2);
    ck_assert_int_eq(state(3), WORKER_DRAINING);
}
END_TEST

/* The engine falls between the two: nobody would say it again. */
START_TEST(the_next_engine_finds_one_ready_that_nobody_was_told_of)
{
    fleet_restart(world.fleet, true);
    keeper_obeys();
    atomic_store(&web(5)->state, WORKER_HEALTHY);
    next_engine();
    pass(1 * S);
    ck_assert_int_eq(state(1), WORKER_DRAINING);
    ck_assert_int_eq(state(5), WORKER_HEALTHY);
    keeper_obeys();
    ck_assert_uint_eq(heard(ORDER_START), 1); /* for web.2 */

    fleet_restart(world.fleet, false);
    atomic_store(&web(3)->retiring, FATE_RENEWS);
    next_engine();
    pass(1 * S);
    ck_assert_uint_eq(atomic_load(&web(3)->retiring), FATE_STAYS);
}
END_TEST

START_TEST(a_pool_that_shrinks_without_surge_loses_the_one_that_is_away)
{
    fleet_restart(world.fleet, false);
    fleet_scale(world.fleet, 3, 3);
    ck_assert_int_eq(state(2), WORKER_DRAINING); /* it is the next one's turn */
    ck_assert_uint_eq(members(), 2);
    pass(1 * S);
    ends(1, 0);
    ck_assert_int_eq(slot_of(1), -1);
    ck_assert_int_eq(state(3), WORKER_HEALTHY);
}
END_TEST

START_TEST(a_pool_that_grows_during_a_restart_ends_with_as_many)
{
    fleet_restart(world.fleet, true);
    keeper_obeys();
    fleet_scale(world.fleet, 6, 6);
    keeper_obeys();
    ck_assert_uint_eq(heard(ORDER_START), 2);
    for (unsigned number = 5; number <= 7; number++)
        becomes_ready(number);
    ck_assert_uint_eq(members(), 6);
    ck_assert_int_eq(phase(), ROLLOUT_GOING);
}
END_TEST

START_TEST(one_that_dies_before_its_turn_is_proven_as_well)
{
    fleet_restart(world.fleet, true);
    keeper_obeys();
    ends(3, SIGSEGV);
    keeper_obeys();
    ck_assert_int_eq(state(3), WORKER_STARTING);
    ends(3, 1 << 8);
    ck_assert_int_eq(phase(), ROLLOUT_FROZEN);
}
END_TEST

START_TEST(a_restart_of_workers_that_cannot_start_tells_whether_it_helped)
{
    for (unsigned number = 1; number <= 4; number++)
        ends(number, 1 << 8);
    for (unsigned i = 0; i < 4; i++) {
        keeper_obeys();
        for (unsigned number = 1; number <= 4; number++)
            if (state(number) == WORKER_STARTING)
                ends(number, 1 << 8);
    }
    fleet_restart(world.fleet, true);
    ck_assert_int_eq(phase(), ROLLOUT_GOING);
    pass(1);
    keeper_obeys();
    for (unsigned number = 1; number <= 4; number++)
        becomes_ready(number);
    ck_assert_int_eq(phase(), ROLLOUT_DONE);
    ck_assert_uint_eq(members(), 4);
}
END_TEST

START_TEST(a_restart_of_an_empty_pool_is_over_at_once)
{
    fleet_abandon(world.fleet);
    pass(1 * S);
    for (unsigned number = 1; number <= 4; number++)
        ends(number, 0);
    fleet_restart(world.fleet, true);
    ck_assert_int_eq(phase(), ROLLOUT_DONE);
    ck_assert_str_eq(outcome(), "no worker had to be replaced");
}
END_TEST

START_TEST(a_full_table_freezes_it)
{
    for (unsigned number = 1; slots_claim(world.slots, "other", number, true) >= 0; number++)
        ;
    fleet_restart(world.fleet, true);
    ck_assert_int_eq(phase(), ROLLOUT_FROZEN);
    ck_assert_str_eq(outcome(),
                     "stopped after 0: web.1 has no slot for another beside it; 4 go on as they are");
    fleet_restart(world.fleet, false); /* needs none */
    ck_assert_int_eq(state(1), WORKER_DRAINING);
}
END_TEST

START_TEST(a_reload_forgets_what_became_of_a_restart_before)
{
    fleet_restart(world.fleet, true);
    keeper_obeys();
    ends(5, 1 << 8);
    ck_assert_int_eq(phase(), ROLLOUT_FROZEN);
    write_file(&world.next_file, 4, command);
    fleet_adopt(world.fleet, &world.next_file.config, &world.next_file.pool);
    ck_assert_int_eq(phase(), ROLLOUT_NONE);

    fleet_restart(world.fleet, true);
    keeper_obeys();
    ends((unsigned)world.slots->slot[slot_started()].number, 1 << 8);
    pass(60 * S);
    ck_assert(fleet_drain(world.fleet, 2)); /* is no round through all */
    ck_assert_int_eq(phase(), ROLLOUT_FROZEN);
    write_file(&world.last_file, 4, command);
    fleet_adopt(world.fleet, &world.last_file.config, &world.last_file.pool);
    ck_assert_int_eq(phase(), ROLLOUT_NONE);
}
END_TEST

START_TEST(a_reload_during_a_restart_lets_it_go_on)
{
    fleet_restart(world.fleet, false);
    write_file(&world.next_file, 4, command);
    fleet_adopt(world.fleet, &world.next_file.config, &world.next_file.pool);
    ck_assert_int_eq(phase(), ROLLOUT_GOING);
    pass(1 * S);
    ends(1, 0);
    keeper_obeys();
    becomes_ready(1);
    ck_assert_int_eq(state(2), WORKER_DRAINING);
    write_file(&world.last_file, 4, other_command); /* now also another command: still without surge */
    fleet_adopt(world.fleet, &world.last_file.config, &world.last_file.pool);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 0);
    static const unsigned turns[] = {2, 1, 3, 4};
    for (unsigned i = 0; i < 4; i++) {
        ck_assert_int_eq(state(turns[i]), WORKER_DRAINING);
        pass(1 * S);
        ends(turns[i], 0);
        keeper_obeys();
        becomes_ready(turns[i]);
    }
    ck_assert_int_eq(phase(), ROLLOUT_DONE);
}
END_TEST

int main(void)
{
    int failures = 0;

    failures += RUN(
        "a restart", set_up_healthy, a_restart_replaces_all_one_by_one,
        a_restart_whose_new_worker_fails_is_frozen_and_says_why, a_second_restart_begins_anew,
        without_surge_the_old_one_goes_first_and_one_is_missing_at_most,
        without_surge_a_new_one_that_fails_stops_it_and_the_rest_serve,
        without_surge_one_that_hangs_stops_it_too, without_surge_nobody_goes_while_another_is_away,
        the_next_engine_goes_on_without_surge_where_the_old_one_was,
        the_next_engine_finds_one_ready_that_nobody_was_told_of,
        a_pool_that_shrinks_without_surge_loses_the_one_that_is_away,
        a_pool_that_grows_during_a_restart_ends_with_as_many, one_that_dies_before_its_turn_is_proven_as_well,
        a_restart_of_workers_that_cannot_start_tells_whether_it_helped,
        a_restart_of_an_empty_pool_is_over_at_once, a_full_table_freezes_it,
        a_reload_forgets_what_became_of_a_restart_before, a_reload_during_a_restart_lets_it_go_on);
    return failures != 0;
}
