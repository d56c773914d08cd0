/* SPDX-License-Identifier: MIT
 *
 * A fleet whose one worker has workers of its own. Its /proc is a directory of the test's. */
#include "tests/unit/workers/fleet_world.h"

#include <stdio.h>
#include <sys/stat.h>

#include "workers/fleet_internal.h"

#define CHILD 200000000

static char proc[] = "/tmp/test-signals-XXXXXX";
static struct fleet_load load;

static void write_text(const char *path, const char *text)
{
    char name_of[256];

    snprintf(name_of, sizeof name_of, "%s/%s", proc, path);
    FILE *file = fopen(name_of, "w");
    ck_assert_ptr_nonnull(file);
    fputs(text, file);
    fclose(file);
}

static void make_directory(const char *format, int pid)
{
    char path[256];
    int size = snprintf(path, sizeof path, "%s/", proc);

    snprintf(path + size, sizeof path - (size_t)size, format, pid, pid);
    (void)mkdir(path, 0700);
}

/* So many children, of the master in web.NUMBER, that were forked long ago. */
static void have_children(unsigned number, unsigned count)
{
    int pid = atomic_load(&web(number)->pid);
    char path[128], text[4096] = "";

    make_directory("%d", pid);
    make_directory("%d/task", pid);
    make_directory("%d/task/%d", pid);
    for (unsigned i = 0; i < count; i++) {
        char stat[128];
        int child = CHILD + (int)(number * 1000 + i);
        size_t size = strlen(text);
        snprintf(text + size, sizeof text - size, "%d ", child);
        make_directory("%d", child);
        snprintf(path, sizeof path, "%d/stat", child);
        snprintf(stat, sizeof stat, "%d (gunicorn) x)) S %d 1 1 0 -1 4194368 1 2 3 4 5 6 7 8 20 0 1 0 1 99\n",
                 child, pid);
        write_text(path, stat);
    }
    snprintf(path, sizeof path, "%d/task/%d/children", pid, pid);
    write_text(path, text);
    snprintf(path, sizeof path, "%d/status", pid);
    write_text(path, "Name:\tgunicorn\nSigCgt:\t0000000000300000\n"); /* TTIN and TTOU */
}

static void steered(struct file *file, unsigned min, unsigned max)
{
    file->pool.is_sized = min != max;
    file->pool.workers_min = min;
    file->pool.workers = max;
    file->pool.signal_up = SIGTTIN;
    file->pool.signal_down = SIGTTOU;
    file->pool.concurrency = 10;
    file->pool.target_concurrency = 10;
    file->pool.target_tunnels = 100;
    file->pool.scale_window = 60000;
    file->pool.scale_burst_window = 6000;
    file->pool.scale_burst = 2000;
    file->pool.scale_headroom = 2000;
}

static void open_steered(unsigned min, unsigned max)
{
    fleet_free(&world.fleet);
    steered(&world.file, min, max);
    open_fleet();
    world.fleet->proc = proc;
}

static void set_up_proc(void)
{
    strcpy(proc, "/tmp/test-signals-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(proc));
    set_up();
}

static void remove_proc(void)
{
    char command_line[128];

    snprintf(command_line, sizeof command_line, "rm -r %s", proc);
    ck_assert_int_eq(system(command_line), 0);
}

static void fifth(unsigned arrivals)
{
    load.arrivals += arrivals;
    fleet_observe(world.fleet, &load, world.now_us + 200 * MS);
    pass(200 * MS);
}

static unsigned orders_while(uint64_t for_us, enum order_kind kind)
{
    unsigned count = 0;

    for (uint64_t end_us = world.now_us + for_us; world.now_us < end_us;) {
        fifth(0);
        listen_to_orders();
        count += heard(kind);
    }
    return count;
}

/* web.1 is up with so many. */
static void run_with(unsigned children)
{
    fifth(0);
    keeper_obeys();
    have_children(1, children);
    becomes_ready(1);
}

START_TEST(one_process_is_started_and_told_how_many_to_begin_with)
{
    open_steered(2, 6);
    fifth(0);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 1);
    ck_assert_uint_eq(world.heard[0].children, 2);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 2);
    remove_proc();
}
END_TEST

START_TEST(it_is_asked_for_more_one_at_a_time_and_each_is_seen_first)
{
    open_steered(1, 6);
    run_with(1);
    ck_assert_uint_eq(orders_while(3 * S, ORDER_MORE), 0);
    fleet_scale(world.fleet, 3, 3);
    ck_assert_uint_eq(orders_while(1 * S, ORDER_MORE), 1);
    have_children(1, 2);
    ck_assert_uint_eq(orders_while(1 * S, ORDER_MORE), 1);
    have_children(1, 3);
    ck_assert_uint_eq(orders_while(100 * S, ORDER_MORE), 0);
    ck_assert_uint_eq(atomic_load(&web(1)->children), 4); /* and 1 */
    remove_proc();
}
END_TEST

START_TEST(requests_that_wait_make_it_grow_and_idleness_makes_it_shrink)
{
    open_steered(1, 4);
    run_with(1);
    orders_while(3 * S, ORDER_MORE);
    load.waiting = 90;
    hold(1, 10, 0);
    for (unsigned children = 1; children < 4; children++) {
        unsigned asked = 0;
        for (int i = 0; i < 20 && asked == 0; i++) {
            fifth(20);
            listen_to_orders();
            asked = heard(ORDER_MORE);
        }
        ck_assert_uint_eq(asked, 1);
        have_children(1, children + 1);
    }
    ck_assert_uint_eq(fleet_wanted(world.fleet), 4);
    load.waiting = 0;
    hold(1, 0, 0);
    for (unsigned children = 4; children > 1; children--) {
        ck_assert_uint_ge(orders_while(children == 4 ? 200 * S : 1 * S, ORDER_FEWER), 1);
        have_children(1, children - 1);
    }
    ck_assert_uint_eq(fleet_wanted(world.fleet), 1);
    remove_proc();
}
END_TEST

START_TEST(the_bound_of_the_pool_grows_with_its_workers)
{
    open_steered(1, 6);
    run_with(1);
    fifth(0);
    ck_assert_uint_eq(fleet_breadth(world.fleet), 1);
    unsigned told = world.members_calls;
    have_children(1, 3);
    fifth(0);
    ck_assert_uint_eq(fleet_breadth(world.fleet), 3);
    ck_assert_uint_eq(world.members_calls, told + 1);
    fleet_scale(world.fleet, 3, 3);
    orders_while(2 * S, ORDER_MORE);
    ck_assert_uint_eq(fleet_breadth(world.fleet), 3);
    fleet_scale(world.fleet, 2, 2);
    ck_assert_uint_eq(orders_while(200 * MS, ORDER_FEWER), 1);
    ck_assert_uint_eq(fleet_breadth(world.fleet), 2); /* one of the three is leaving */
    remove_proc();
}
END_TEST

START_TEST(a_master_that_dies_is_started_with_what_was_wanted)
{
    open_steered(1, 6);
    run_with(1);
    fleet_scale(world.fleet, 4, 4);
    have_children(1, 4);
    orders_while(15 * S, ORDER_MORE);
    ends(1, SIGKILL);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 1);
    ck_assert_uint_eq(world.heard[0].children, 4);
    ck_assert_uint_eq(atomic_load(&web(1)->children), 0);
    remove_proc();
}
END_TEST

START_TEST(the_next_engine_counts_what_is_there)
{
    open_steered(1, 6);
    run_with(5);
    fifth(0);
    fleet_free(&world.fleet);
    listen_to_orders();
    /* What an engine does at its start, with our directory for /proc. */
    open_fleet();
    world.fleet->proc = proc;
    signals_count(world.fleet);
    fifth(0);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 5);
    remove_proc();
}
END_TEST

START_TEST(what_has_no_handler_is_never_signalled)
{
    char path[64];

    open_steered(3, 3);
    run_with(1);
    snprintf(path, sizeof path, "%d/status", atomic_load(&web(1)->pid));
    write_text(path, "Name:\tsh\nSigCgt:\t0000000000010002\n");
    ck_assert_uint_eq(orders_while(60 * S, ORDER_MORE), 0);
    remove_proc();
}
END_TEST

START_TEST(what_cannot_be_counted_is_left_alone)
{
    open_steered(3, 3);
    fifth(0);
    keeper_obeys();
    becomes_ready(1);
    ck_assert_uint_eq(orders_while(60 * S, ORDER_MORE), 0);
    ck_assert_uint_eq(members(), 1);
    remove_proc();
}
END_TEST

START_TEST(another_command_is_rolled_out_beside_the_old_one)
{
    open_steered(1, 6);
    run_with(1);
    fleet_scale(world.fleet, 3, 3);
    have_children(1, 3);
    orders_while(2 * S, ORDER_MORE);
    world.next_file = world.file;
    world.next_file.pool.command = other_command;
    world.next_file.config.pools = &world.next_file.pool;
    fleet_adopt(world.fleet, &world.next_file.config, &world.next_file.pool);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 1);
    ck_assert_uint_eq(world.heard[0].children, 3);
    start_process(slot_started());
    have_children(2, 3);
    becomes_ready(2);
    fifth(0);
    ck_assert(!is_member(1) && is_member(2));
    ck_assert_uint_eq(orders_while(10 * S, ORDER_MORE), 0);
    remove_proc();
}
END_TEST

START_TEST(the_memory_bound_is_of_each_of_its_workers)
{
    open_steered(3, 3);
    world.file.pool.memory_worker = 100 << 20;
    run_with(3);
    fifth(0);
    for (int i = 0; i < 50; i++) {
        recycler_measured(world.fleet->workers[0], 290 << 20);
        fifth(0);
    }
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 0);
    for (int i = 0; i < 50; i++) {
        recycler_measured(world.fleet->workers[0], 310 << 20);
        fifth(0);
    }
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 1); /* another master */
    remove_proc();
}
END_TEST

START_TEST(a_dry_run_keeps_the_most)
{
    open_steered(1, 3);
    world.file.pool.dry_run = true;
    run_with(3);
    ck_assert_uint_eq(orders_while(300 * S, ORDER_FEWER), 0);
    load.waiting = 90;
    hold(1, 10, 0);
    for (int i = 0; i < 10; i++)
        fifth(20);
    const struct fleet_decision *decision = fleet_decision_at(world.fleet, 0);
    ck_assert_ptr_nonnull(decision);
    ck_assert(decision->is_dry && decision->wanted > 1);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_MORE), 0);
    remove_proc();
}
END_TEST

int main(void)
{
    return RUN("workers/signals", set_up_proc, one_process_is_started_and_told_how_many_to_begin_with,
               it_is_asked_for_more_one_at_a_time_and_each_is_seen_first,
               requests_that_wait_make_it_grow_and_idleness_makes_it_shrink,
               the_bound_of_the_pool_grows_with_its_workers,
               a_master_that_dies_is_started_with_what_was_wanted, the_next_engine_counts_what_is_there,
               what_has_no_handler_is_never_signalled, what_cannot_be_counted_is_left_alone,
               another_command_is_rolled_out_beside_the_old_one, the_memory_bound_is_of_each_of_its_workers,
               a_dry_run_keeps_the_most) != 0;
}
