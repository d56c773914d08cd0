/* SPDX-License-Identifier: MIT
 *
 * Fleets that share the memory of a made-up machine. */
#include "tests/unit/workers/fleet_world.h"

#include <stdio.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "base/str.h"

#define MIB (UINT64_C(1) << 20)

static char root[64];
static struct room *room;
static struct fleet *neighbour;
static struct file neighbour_file;
static char neighbour_name[] = "jobs";

static void put(const char *path, const char *text)
{
    char *full = mem_print("%s%s", root, path);

    for (char *slash = strchr(full + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    mem_free(full);
}

static void machine_has(uint64_t limit, uint64_t left)
{
    char *text = mem_print("MemTotal: %llu kB\nMemAvailable: %llu kB\n", (unsigned long long)limit / 1024,
                           (unsigned long long)left / 1024);
    put("/proc/meminfo", text);
    mem_free(text);
}

static void kernel_has_killed(unsigned count)
{
    char *text = mem_print("nr_free_pages 9\noom_kill %u\n", count);

    put("/proc/vmstat", text);
    mem_free(text);
}

/* The pool of four in a machine of 1000 MiB with 50 of them kept free; nothing is started yet. */
static void set_up_room(void)
{
    set_up();
    str_format(root, sizeof root, "/tmp/drover-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    machine_has(1000 * MIB, 900 * MIB);
    kernel_has_killed(7);
    room = room_new(root);
    fleet_share_room(world.fleet, room);
}

static void tear_down_room(void)
{
    char *remove_all = mem_print("rm -r %s", root);

    ck_assert_int_eq(system(remove_all), 0);
    mem_free(remove_all);
    fleet_free(&world.fleet);
    fleet_free(&neighbour);
    room_free(&room);
    tear_down();
}

static void holds(unsigned number, uint64_t bytes)
{
    atomic_store(&web(number)->memory, bytes);
}

/* All four are up and hold so much each. */
static void all_are_up(uint64_t bytes)
{
    machine_has(10000 * MIB, 9000 * MIB);
    pass(1 * S);
    keeper_obeys();
    for (unsigned number = 1; number <= 4; number++) {
        becomes_ready(number);
        holds(number, bytes);
    }
    pass(20 * S);
    ck_assert_uint_eq(members(), 4);
}

/* The last one on memory, and how many there were. */
static const struct fleet_decision *last_decision(void)
{
    const struct fleet_decision *last = NULL, *next;

    for (unsigned i = 0; (next = fleet_decision_at(world.fleet, i)); i++)
        last = next->kind == DECISION_MEMORY ? next : last;
    return last;
}

static unsigned decisions(void)
{
    const struct fleet_decision *next;
    unsigned count = 0;

    for (unsigned i = 0; (next = fleet_decision_at(world.fleet, i)); i++)
        count += next->kind == DECISION_MEMORY;
    return count;
}

static bool is_noted(const char *words)
{
    char note[512];

    return fleet_memory_note(world.fleet, note, sizeof note) && strstr(note, words);
}

START_TEST(what_fits_is_started_and_what_does_not_is_told_once)
{
    machine_has(1000 * MIB, 400 * MIB); /* 350 for workers of 150, as none was seen yet */
    pass(1 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 2);
    ck_assert_uint_eq(decisions(), 1);
    ck_assert_str_eq(last_decision()->why, "no room");
    ck_assert_ptr_nonnull(
        strstr(last_decision()->text, "2 of 4 run: another one (150m until one is measured) does not fit"));
    ck_assert(is_noted("does not fit"));
    for (int i = 0; i < 100; i++)
        pass(200 * MS);
    ck_assert_uint_eq(decisions(), 1);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 0);
}
END_TEST

START_TEST(once_they_are_measured_the_rest_follows)
{
    machine_has(1000 * MIB, 400 * MIB);
    pass(1 * S);
    keeper_obeys();
    for (unsigned number = 1; number <= 2; number++) {
        becomes_ready(number);
        holds(number, 60 * MIB);
    }
    machine_has(1000 * MIB, 280 * MIB); /* 230: room for three of 60 */
    pass(2 * S);
    keeper_obeys();
    ck_assert_uint_eq(heard(ORDER_START), 2);
    ck_assert(!is_noted(""));
}
END_TEST

START_TEST(a_pool_without_workers_starts_one_whatever_there_is)
{
    machine_has(1000 * MIB, 1 * MIB);
    pass(1 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 1);
}
END_TEST

START_TEST(one_that_died_is_started_again_only_when_it_fits)
{
    all_are_up(100 * MIB);
    machine_has(1000 * MIB, 120 * MIB);
    pass(2 * S);
    listen_to_orders();
    ends(2, 3 << 8);
    for (int i = 0; i < 50; i++)
        pass(1 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 0);
    ck_assert_uint_eq(decisions(), 1);
    machine_has(1000 * MIB, 220 * MIB);
    pass(2 * S);
    pass(200 * MS);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 1);
}
END_TEST

START_TEST(a_replacement_that_does_not_fit_waits)
{
    all_are_up(100 * MIB);
    machine_has(1000 * MIB, 120 * MIB);
    pass(2 * S);
    listen_to_orders();
    ck_assert(fleet_drain(world.fleet, 2));
    pass(2 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 0);
    ck_assert_ptr_nonnull(strstr(last_decision()->text, "a replacement waits"));
    ck_assert_uint_eq(members(), 4);
    machine_has(1000 * MIB, 200 * MIB);
    pass(2 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 1);
}
END_TEST

static const char *how_it_goes(enum fleet_rollout wanted)
{
    const char *text;

    ck_assert_int_eq(fleet_rollout(world.fleet, &text), wanted);
    return text;
}

/* Else one that leaks would wait for room until the kernel ends it. */
START_TEST(who_is_to_be_replaced_goes_first_when_there_is_no_room_for_ten_seconds)
{
    all_are_up(100 * MIB);
    machine_has(1000 * MIB, 120 * MIB);
    pass(2 * S);
    ck_assert(fleet_drain(world.fleet, 2));
    for (int i = 0; i < 9; i++)
        pass(1 * S);
    ck_assert_uint_eq(members(), 4);
    for (int i = 0; i < 3; i++)
        pass(1 * S);
    listen_to_orders();
    ck_assert_str_eq(last_decision()->why, "goes first");
    ck_assert_uint_eq(heard(ORDER_STOP), 1);
    machine_has(1000 * MIB, 220 * MIB);
    ends(2, 0);
    pass(2 * S);
    pass(200 * MS);
    keeper_obeys();
    ck_assert_uint_eq(heard(ORDER_START), 1);
    becomes_ready(2);
    ck_assert_uint_eq(members(), 4);
}
END_TEST

START_TEST(one_that_went_first_and_finds_no_room_any_more_holds_up_nobody)
{
    all_are_up(100 * MIB);
    machine_has(1000 * MIB, 120 * MIB);
    pass(2 * S);
    listen_to_orders();
    fleet_restart(world.fleet, false);
    pass(1 * S);
    pass(1 * S);
    listen_to_orders();
    ends(world.slots->slot[world.heard[0].slot].number, 0); /* somebody else took what it held */
    for (int i = 0; i < 9; i++)
        pass(1 * S);
    how_it_goes(ROLLOUT_GOING);
    for (int i = 0; i < 3; i++)
        pass(1 * S);
    ck_assert_ptr_nonnull(strstr(how_it_goes(ROLLOUT_FROZEN), "no room in memory"));
    ck_assert_uint_eq(members(), 3);
    fleet_restart(world.fleet, false); /* nobody else can be spared */
    for (int i = 0; i < 12; i++)
        pass(1 * S);
    how_it_goes(ROLLOUT_FROZEN);
    ck_assert_uint_eq(members(), 3);
    machine_has(1000 * MIB, 300 * MIB);
    pass(2 * S);
    pass(200 * MS);
    keeper_obeys();
    ck_assert_uint_eq(heard(ORDER_START), 1);
}
END_TEST

START_TEST(a_restart_without_room_for_a_second_one_says_so_and_how_it_would_go)
{
    all_are_up(100 * MIB);
    machine_has(1000 * MIB, 120 * MIB);
    pass(2 * S);
    fleet_restart(world.fleet, true);
    for (int i = 0; i < 40; i++)
        pass(200 * MS);
    how_it_goes(ROLLOUT_GOING);
    for (int i = 0; i < 20; i++)
        pass(200 * MS);
    ck_assert_ptr_nonnull(strstr(how_it_goes(ROLLOUT_FROZEN), "--no-surge"));
    ck_assert_uint_eq(members(), 4);
}
END_TEST

START_TEST(a_restart_that_lets_the_old_one_go_first_needs_no_room_beside_it)
{
    all_are_up(100 * MIB);
    machine_has(1000 * MIB, 120 * MIB);
    pass(2 * S);
    listen_to_orders();
    fleet_restart(world.fleet, false);
    pass(1 * S);
    pass(1 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_STOP), 1);
    machine_has(1000 * MIB, 220 * MIB);
    ends(world.slots->slot[world.heard[0].slot].number, 0);
    pass(1 * S);
    pass(200 * MS);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 1);
}
END_TEST

START_TEST(the_pools_own_bound_holds_whatever_the_machine_has)
{
    world.file.pool.memory_pool = 400 * MIB;
    machine_has(10000 * MIB, 9000 * MIB);
    pass(1 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 2);
    ck_assert(is_noted("memory.pool 400m"));
}
END_TEST

START_TEST(pools_share_what_there_is)
{
    write_file(&neighbour_file, 4, command);
    neighbour_file.pool.name = neighbour_name;
    neighbour = fleet_new(NULL, &neighbour_file.config, &neighbour_file.pool, world.slots, world.engine, 1,
                          &callbacks, &world);
    fleet_share_room(neighbour, room);
    pass(1 * S); /* 900 - 50: five of 150 */
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 4);
    fleet_tick(neighbour, world.now_us);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 1);
}
END_TEST

START_TEST(a_kill_for_memory_is_named_and_leaves_fewer_for_ten_minutes)
{
    all_are_up(512 * MIB);
    kernel_has_killed(8);
    ends(2, SIGKILL);
    ck_assert_uint_eq(atomic_load(&web(1)->exit_reason), ENDING_PLAIN);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 3);
    ck_assert_str_eq(last_decision()->why, "killed");
    ck_assert_ptr_nonnull(strstr(last_decision()->text, "killed for memory at 512m"));
    ck_assert_str_eq(last_decision()->worker, "web.2");
    ck_assert_ptr_nonnull(strstr(last_decision()->text, "at most 3 workers instead of 4"));
    ck_assert(is_noted("killed for memory"));
    listen_to_orders();
    pass(590 * S);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 0);
    pass(11 * S);
    pass(200 * MS);
    keeper_obeys();
    ck_assert_uint_eq(heard(ORDER_START), 1);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 4);
    ck_assert_str_eq(last_decision()->why, "lifted");
}
END_TEST

START_TEST(the_slot_tells_how_the_last_one_ended)
{
    world.file.pool.workers = 1;
    pass(1 * S);
    keeper_obeys();
    becomes_ready(1);
    ends(1, SIGKILL);
    ck_assert_uint_eq(atomic_load(&web(1)->exit_reason), ENDING_OUTSIDE);
    pass(5 * S);
    keeper_obeys();
    becomes_ready(1);
    holds(1, 300 * MIB);
    kernel_has_killed(8);
    ends(1, SIGKILL);
    ck_assert_uint_eq(atomic_load(&web(1)->exit_reason), ENDING_MEMORY);
    ck_assert_uint_eq(atomic_load(&web(1)->exit_memory), 300 * MIB);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 1); /* the only one is tried again */
}
END_TEST

START_TEST(a_kill_from_outside_teaches_nothing)
{
    all_are_up(512 * MIB);
    ends(2, SIGKILL);
    ck_assert_uint_eq(atomic_load(&web(2)->exit_reason), ENDING_OUTSIDE);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 4);
    ck_assert_uint_eq(decisions(), 0);
}
END_TEST

START_TEST(a_kill_of_something_else_is_not_taken_for_a_workers_later)
{
    all_are_up(512 * MIB);
    kernel_has_killed(8);
    for (int i = 0; i < 15; i++)
        pass(1 * S);
    ends(2, SIGKILL);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 4);
}
END_TEST

START_TEST(each_of_the_kernels_kills_is_one_workers)
{
    all_are_up(512 * MIB);
    kernel_has_killed(8);
    ends(2, SIGKILL);
    ends(3, SIGKILL);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 3);
    kernel_has_killed(9);
    ends(1, SIGKILL);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 2); /* 4, and 3 that starts again */
}
END_TEST

START_TEST(who_sets_another_size_knows_better)
{
    all_are_up(512 * MIB);
    kernel_has_killed(8);
    ends(2, SIGKILL);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 3);
    fleet_scale(world.fleet, 6, 6);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 6);
}
END_TEST

static void follow_the_demand(void)
{
    struct pool_config *pool = &world.file.pool;

    fleet_free(&world.fleet);
    *pool = (struct pool_config){.name = name,
                                 .is_launched = true,
                                 .argument_count = 1,
                                 .command = command,
                                 .directory = directory,
                                 .bind = BIND_PORT,
                                 .is_sized = true,
                                 .is_auto = true,
                                 .workers_min = 1,
                                 .workers = 9,
                                 .target_concurrency = 10,
                                 .target_tunnels = 100,
                                 .scale_window = 60000,
                                 .scale_burst_window = 6000,
                                 .scale_burst = 2000,
                                 .scale_headroom = 2000,
                                 .start_timeout = 60000,
                                 .start_backoff = 500,
                                 .start_backoff_max = 30000,
                                 .stop_signal = SIGTERM,
                                 .stop_timeout = 30000};
    open_fleet();
    fleet_share_room(world.fleet, room);
}

static unsigned most(void)
{
    unsigned min, max;

    ck_assert(fleet_is_sized(world.fleet, &min, &max));
    return max;
}

START_TEST(max_auto_follows_what_workers_are_seen_to_need)
{
    follow_the_demand();
    pass(1 * S);
    ck_assert_uint_eq(most(), 5); /* (900 - 50) / 150 */
    keeper_obeys();
    becomes_ready(1);
    holds(1, 40 * MIB);
    pass(2 * S);
    ck_assert_uint_eq(most(), 9); /* by CPUs: memory would allow more */
    machine_has(1000 * MIB, 140 * MIB);
    pass(2 * S);
    ck_assert_uint_eq(most(), 9); /* not at once */
    pass(31 * S);
    ck_assert_uint_eq(most(), 3); /* (140 - 50 + 40) / 40 */
}
END_TEST

START_TEST(a_max_that_is_named_stays_and_what_does_not_fit_is_not_started)
{
    follow_the_demand();
    world.file.pool.is_auto = false;
    machine_has(1000 * MIB, 100 * MIB);
    pass(2 * S);
    ck_assert_uint_eq(most(), 9);
}
END_TEST

static int run_room(void)
{
    const TTest *const tests[] = {
        what_fits_is_started_and_what_does_not_is_told_once,
        once_they_are_measured_the_rest_follows,
        a_pool_without_workers_starts_one_whatever_there_is,
        one_that_died_is_started_again_only_when_it_fits,
        a_replacement_that_does_not_fit_waits,
        who_is_to_be_replaced_goes_first_when_there_is_no_room_for_ten_seconds,
        one_that_went_first_and_finds_no_room_any_more_holds_up_nobody,
        a_restart_without_room_for_a_second_one_says_so_and_how_it_would_go,
        a_restart_that_lets_the_old_one_go_first_needs_no_room_beside_it,
        the_pools_own_bound_holds_whatever_the_machine_has,
        pools_share_what_there_is,
        a_kill_for_memory_is_named_and_leaves_fewer_for_ten_minutes,
        the_slot_tells_how_the_last_one_ended,
        a_kill_from_outside_teaches_nothing,
        a_kill_of_something_else_is_not_taken_for_a_workers_later,
        each_of_the_kernels_kills_is_one_workers,
        who_sets_another_size_knows_better,
        max_auto_follows_what_workers_are_seen_to_need,
        a_max_that_is_named_stays_and_what_does_not_fit_is_not_started,
    };
    Suite *suite = suite_create("workers/room");
    TCase *all = tcase_create("room");

    tcase_add_checked_fixture(all, set_up_room, tear_down_room);
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        tcase_add_test(all, tests[i]);
    suite_add_tcase(suite, all);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures;
}

int main(void)
{
    return run_room() != 0;
}
