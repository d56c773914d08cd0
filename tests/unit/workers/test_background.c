/* SPDX-License-Identifier: MIT
 *
 * A fleet that nobody asks anything: ready by having lived, and a single one never twice. */
#include "tests/unit/workers/fleet_world.h"

static void as_background(struct file *file, unsigned workers)
{
    file->pool.is_background = true;
    file->pool.bind = BIND_NONE;
    file->pool.workers = file->pool.workers_min = workers;
    file->pool.start_settle = 1000;
}

static void make_fleet(unsigned workers)
{
    fleet_free(&world.fleet);
    as_background(&world.file, workers);
    open_fleet();
    pass(0);
}

/* As start_process, but there is no port. */
static void obey(void)
{
    listen_to_orders();
    for (unsigned i = 0; i < world.heard_count; i++) {
        struct slot *slot = &world.slots->slot[world.heard[i].slot];
        if (world.heard[i].kind != ORDER_START)
            continue;
        ck_assert_int_eq(atomic_load(&slot->pid), 0);
        atomic_fetch_add(&slot->generation, 1);
        atomic_store(&slot->pid, world.next_pid);
        fleet_on_started(world.fleet, world.heard[i].slot, atomic_load(&slot->generation), world.next_pid++);
    }
}

static unsigned alive(void)
{
    unsigned count = 0;

    for (int i = 0; i < SLOTS_MAX; i++)
        count += atomic_load(&world.slots->slot[i].pid) != 0;
    return count;
}

/* One that serves for long. */
static void make_single(void)
{
    make_fleet(1);
    obey();
    pass(1 * S);
    pass(20 * S);
    ck_assert_int_eq(state(1), WORKER_HEALTHY);
}

/* What it was told to end does; nothing else was started before. */
static void ends_as_told(unsigned number)
{
    pass(1 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_STOP), 1);
    ck_assert_uint_eq(heard(ORDER_START), 0);
    pass(5 * S); /* it takes its time */
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 0);
    ends(number, 0);
}

START_TEST(who_has_lived_for_a_while_is_ready_and_nobody_is_asked)
{
    make_fleet(2);
    obey();
    pass(1 * S - 1);
    ck_assert_int_eq(state(1), WORKER_STARTING);
    ck_assert(!fleet_is_up(world.fleet));
    pass(1);
    ck_assert_int_eq(state(1), WORKER_HEALTHY);
    ck_assert_int_eq(state(2), WORKER_HEALTHY);
    ck_assert(fleet_is_up(world.fleet));
    ck_assert_uint_eq(members(), 0);
    ck_assert(!world.is_probed[slot_of(1)] && !world.is_probed[slot_of(2)]);
}
END_TEST

START_TEST(one_that_ends_is_started_again_later_and_later)
{
    make_fleet(1);
    obey();
    for (unsigned i = 1; i <= 3; i++) {
        ends(1, 0);
        ck_assert_int_eq(state(1), WORKER_BACKOFF);
        ck_assert_uint_eq(atomic_load(&web(1)->crashes), i);
        pass(30 * S);
        obey();
        ck_assert_int_eq(state(1), WORKER_STARTING);
    }
}
END_TEST

START_TEST(one_that_leaves_is_stopped_and_killed_when_it_does_not_go)
{
    make_fleet(2);
    obey();
    pass(20 * S);
    fleet_scale(world.fleet, 1, 1);
    pass(1 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_STOP), 1);
    pass(30 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_KILL), 1);
}
END_TEST

START_TEST(a_single_one_is_replaced_when_it_has_ended_for_a_restart)
{
    make_single();
    ck_assert(fleet_is_single(world.fleet));
    fleet_restart(world.fleet, true);
    ends_as_told(1);
    ck_assert_uint_eq(alive(), 0);
    obey();
    ck_assert_uint_eq(heard(ORDER_START), 1);
    ck_assert_int_eq(state(1), WORKER_STARTING);
    pass(1 * S);
    ck_assert_int_eq(state(1), WORKER_HEALTHY);
    const char *text;
    ck_assert_int_eq(fleet_rollout(world.fleet, &text), ROLLOUT_DONE);
}
END_TEST

START_TEST(a_single_one_is_replaced_when_it_has_ended_for_another_command)
{
    make_single();
    write_file(&world.next_file, 1, other_command);
    as_background(&world.next_file, 1);
    fleet_adopt(world.fleet, &world.next_file.config, &world.next_file.pool);
    ends_as_told(1);
    obey();
    ck_assert_uint_eq(heard(ORDER_START), 1);
    ck_assert_uint_eq(alive(), 1);
}
END_TEST

START_TEST(a_single_one_is_replaced_when_it_has_ended_for_a_drain)
{
    make_single();
    ck_assert(fleet_drain(world.fleet, 1));
    ends_as_told(1);
    obey();
    ck_assert_uint_eq(alive(), 1);
}
END_TEST

START_TEST(a_single_one_is_replaced_when_it_has_ended_for_its_age)
{
    make_single();
    world.file.pool.recycle_age = 25000;
    pass(10 * S);
    ends_as_told(1);
    obey();
    ck_assert_uint_eq(alive(), 1);
}
END_TEST

START_TEST(a_single_one_that_starts_is_awaited_too)
{
    make_fleet(1);
    obey();
    ck_assert(fleet_drain(world.fleet, 1)); /* serves nobody: it goes at once */
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_STOP), 1);
    ck_assert_uint_eq(heard(ORDER_START), 0);
    ends(1, 0);
    obey();
    ck_assert_uint_eq(heard(ORDER_START), 1);
    ck_assert_uint_eq(alive(), 1);
}
END_TEST

START_TEST(of_several_the_new_one_comes_first)
{
    make_fleet(2);
    obey();
    pass(20 * S);
    fleet_restart(world.fleet, true);
    obey();
    ck_assert_uint_eq(alive(), 3);
    for (unsigned i = 0; i < 3; i++)
        pass(1 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_STOP), 1);
}
END_TEST

START_TEST(whoever_comes_after_others_starts_when_it_is_let)
{
    fleet_free(&world.fleet);
    as_background(&world.file, 2);
    world.file.pool.after = world.file.pool.after_all = 2;
    open_fleet();
    pass(60 * S);
    listen_to_orders();
    ck_assert_uint_eq(world.heard_count, 0);
    ck_assert(fleet_is_held(world.fleet) && !fleet_is_up(world.fleet));
    fleet_scale(world.fleet, 3, 3);
    fleet_restart(world.fleet, true); /* over at once: there is nobody yet */
    listen_to_orders();
    ck_assert_uint_eq(world.heard_count, 0);
    const char *text;
    ck_assert_int_eq(fleet_rollout(world.fleet, &text), ROLLOUT_DONE);
    fleet_begin(world.fleet);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 3);
}
END_TEST

START_TEST(the_next_engine_waits_for_nobody_when_it_runs)
{
    fleet_free(&world.fleet);
    as_background(&world.file, 1);
    world.file.pool.after = world.file.pool.after_all = 2;
    open_fleet();
    fleet_begin(world.fleet);
    obey();
    next_engine();
    ck_assert(!fleet_is_held(world.fleet));
    ck_assert_int_eq(state(1), WORKER_STARTING);
    pass(1 * S);
    ck_assert_int_eq(state(1), WORKER_HEALTHY);
    next_engine();
    pass(0);
    ck_assert(fleet_is_up(world.fleet));
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 0);
}
END_TEST

START_TEST(a_pool_that_becomes_background_keeps_its_worker_until_it_is_replaced)
{
    pass(0);
    keeper_obeys();
    for (unsigned number = 1; number <= 4; number++)
        becomes_ready(number);
    pass(20 * S);
    write_file(&world.next_file, 4, command);
    as_background(&world.next_file, 4);
    fleet_adopt(world.fleet, &world.next_file.config, &world.next_file.pool);
    obey();
    ck_assert_uint_eq(alive(), 5);
    pass(1 * S);
    pass(1 * S);
    ck_assert_int_eq(state(5), WORKER_HEALTHY);
    ck_assert_uint_eq(members(), 3);
}
END_TEST

int main(void)
{
    return RUN("workers/background", set_up, who_has_lived_for_a_while_is_ready_and_nobody_is_asked,
               one_that_ends_is_started_again_later_and_later,
               one_that_leaves_is_stopped_and_killed_when_it_does_not_go,
               a_single_one_is_replaced_when_it_has_ended_for_a_restart,
               a_single_one_is_replaced_when_it_has_ended_for_another_command,
               a_single_one_is_replaced_when_it_has_ended_for_a_drain,
               a_single_one_is_replaced_when_it_has_ended_for_its_age,
               a_single_one_that_starts_is_awaited_too, of_several_the_new_one_comes_first,
               whoever_comes_after_others_starts_when_it_is_let,
               the_next_engine_waits_for_nobody_when_it_runs,
               a_pool_that_becomes_background_keeps_its_worker_until_it_is_replaced) != 0;
}
