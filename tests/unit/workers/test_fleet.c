/* SPDX-License-Identifier: MIT
 *
 * The life of workers, with a clock that the test turns, a slot table of its own and a keeper that is the test itself: it reads
 * the orders from the other end of the line. */
#include "workers/fleet.h"

#include <check.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/net.h"
#include "keeper/orders.h"

#define MS    1000u
#define S     1000000u
#define START 1000000000u
#define HEARD 256

static char program[] = "app", other_program[] = "other", name[] = "web", directory[] = "/";
static char *command[] = {program, NULL}, *other_command[] = {other_program, NULL};

struct file { /* a configuration with one pool; never freed: it starts with more references than anybody takes */
    struct config config;
    struct pool_config pool;
};

static struct {
    struct slots *slots;
    struct fleet *fleet;
    int keeper, engine; /* ends of the line */
    uint64_t now_us;
    struct file file, next_file, last_file;
    struct order heard[HEARD];
    unsigned heard_count;
    pid_t next_pid;
    unsigned members_calls, gone_calls, close_calls, over_ms;
    int last_closed;           /* slot of the last on_close_tunnels */
    bool is_probed[SLOTS_MAX]; /* as on_probe_wanted last said */
} world;

static void on_members(struct fleet *fleet, void *owner)
{
    (void)fleet;
    ck_assert_ptr_eq(owner, &world);
    world.members_calls++;
}

static void on_probe_wanted(struct fleet *fleet, int slot, uint32_t generation, const struct address *address, bool wanted,
                            void *owner)
{
    (void)fleet;
    (void)owner;
    ck_assert_uint_eq(generation, atomic_load(&world.slots->slot[slot].generation));
    ck_assert_uint_eq(address_port(address), atomic_load(&world.slots->slot[slot].port));
    world.is_probed[slot] = wanted;
}

static void on_close_tunnels(struct fleet *fleet, struct backend *backend, unsigned over_ms, void *owner)
{
    (void)fleet;
    (void)owner;
    world.close_calls++;
    world.over_ms = over_ms;
    world.last_closed = backend->slot;
}

static void on_backend_gone(struct fleet *fleet, struct backend *backend, void *owner)
{
    (void)fleet;
    (void)owner;
    ck_assert(atomic_load(&backend->closed));
    world.gone_calls++;
}

static const struct fleet_callbacks callbacks = {on_members, on_probe_wanted, on_close_tunnels, on_backend_gone};

static void write_file(struct file *file, unsigned workers, char **what)
{
    memset(file, 0, sizeof *file);
    atomic_store(&file->config.references, 1000000);
    file->pool = (struct pool_config){
        .name = name,
        .is_launched = true,
        .argument_count = 1,
        .command = what,
        .directory = directory,
        .bind = BIND_PORT,
        .workers = workers,
        .start_timeout = 60000,
        .start_backoff = 500,
        .start_backoff_max = 30000,
        .stop_signal = SIGTERM,
        .stop_timeout = 30000,
    };
    file->config.pool_count = 1;
    file->config.pools = &file->pool;
    file->config.timeouts = (struct timeouts_config){.drain = 30000, .drain_tunnel = 300000};
}

/* Reads what was ordered since the last time. */
static void listen_to_orders(void)
{
    int fds[ORDER_FDS_MAX];
    unsigned fd_count;

    world.heard_count = 0;
    while (world.heard_count < HEARD &&
           order_receive(world.keeper, &world.heard[world.heard_count], fds, &fd_count) == 1)
        world.heard_count++;
}

static unsigned heard(enum order_kind kind)
{
    unsigned count = 0;

    for (unsigned i = 0; i < world.heard_count; i++)
        count += world.heard[i].kind == kind;
    return count;
}

static void start_process(int index)
{
    struct slot *slot = &world.slots->slot[index];

    ck_assert_int_eq(atomic_load(&slot->pid), 0);
    atomic_fetch_add(&slot->generation, 1);
    atomic_store(&slot->port, 20000u + (unsigned)index);
    atomic_store(&slot->started_us, world.now_us + (uint64_t)index);
    atomic_store(&slot->pid, world.next_pid);
    fleet_on_started(world.fleet, index, atomic_load(&slot->generation), world.next_pid++);
}

static int slot_started(void)
{
    for (unsigned i = 0; i < world.heard_count; i++)
        if (world.heard[i].kind == ORDER_START)
            return world.heard[i].slot;
    ck_abort_msg("nothing was started");
}

/* Starts all that was ordered to start, until nothing more is. */
static void keeper_obeys(void)
{
    listen_to_orders();
    for (unsigned i = 0; i < world.heard_count; i++) {
        if (world.heard[i].kind == ORDER_START)
            start_process(world.heard[i].slot);
    }
}

static void pass(uint64_t us)
{
    world.now_us += us;
    clock_pretend(world.now_us);
    fleet_tick(world.fleet, world.now_us);
}

static int slot_of(unsigned number)
{
    return slots_find(world.slots, name, number, true);
}

static struct slot *web(unsigned number)
{
    int index = slot_of(number);

    ck_assert_int_ge(index, 0);
    return &world.slots->slot[index];
}

static void becomes_ready(unsigned number)
{
    fleet_worker_ready(world.fleet, slot_of(number), atomic_load(&web(number)->generation));
}

static void ends(unsigned number, int status)
{
    uint32_t generation = atomic_load(&web(number)->generation);

    atomic_store(&web(number)->pid, 0);
    atomic_store(&web(number)->exit_status, status);
    fleet_on_exited(world.fleet, slot_of(number), generation, status);
}

static enum worker_state state(unsigned number)
{
    return atomic_load(&web(number)->state);
}

static unsigned members(void)
{
    unsigned count;

    fleet_backends(world.fleet, &count);
    return count;
}

static bool is_member(unsigned number)
{
    unsigned count;
    struct backend *const *backends = fleet_backends(world.fleet, &count);

    for (unsigned i = 0; i < count; i++)
        if (world.slots->slot[backends[i]->slot].number == number)
            return true;
    return false;
}

static void hold(unsigned number, unsigned requests, unsigned tunnels)
{
    atomic_store(&world.slots->counts[slot_of(number)], (uint64_t)requests | (uint64_t)tunnels << 16);
}

static void open_fleet(void)
{
    world.fleet = fleet_new(NULL, &world.file.config, &world.file.pool, world.slots, world.engine, 1, &callbacks, &world);
}

static void set_up(void)
{
    int ends_of_line[2];

    memset(&world, 0, sizeof world);
    log_set_level(LOG_ERROR + 1);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends_of_line), 0);
    world.keeper = ends_of_line[0];
    world.engine = ends_of_line[1];
    world.slots = slots_new();
    world.next_pid = 100000000; /* nobody's */
    world.now_us = START;
    clock_pretend(START);
    write_file(&world.file, 4, command);
    open_fleet();
}

static void tear_down(void)
{
    fleet_free(&world.fleet);
    slots_free_all(&world.slots);
    net_close(&world.keeper);
    net_close(&world.engine);
    clock_pretend(0);
}

/* All four are up. */
static void set_up_healthy(void)
{
    set_up();
    pass(0);
    keeper_obeys();
    for (unsigned number = 1; number <= 4; number++)
        becomes_ready(number);
    pass(20 * S);
    ck_assert_uint_eq(members(), 4);
}

/* The engine fell; the next one finds the table. */
static void next_engine(void)
{
    fleet_free(&world.fleet);
    memset(world.is_probed, 0, sizeof world.is_probed);
    listen_to_orders();
    open_fleet();
}

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

START_TEST(scaling_up_takes_the_lowest_free_numbers)
{
    fleet_scale(world.fleet, 6);
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
    fleet_scale(world.fleet, 2);
    ck_assert_int_eq(state(2), WORKER_DRAINING);
    ck_assert_int_eq(state(4), WORKER_DRAINING);
    ck_assert_uint_eq(members(), 2);
    ck_assert_uint_eq(world.gone_calls, 2);
}
END_TEST

START_TEST(scaling_down_during_a_start_takes_those_that_start)
{
    fleet_scale(world.fleet, 6);
    keeper_obeys();
    fleet_scale(world.fleet, 4);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_STOP), 2);
    ck_assert_int_eq(state(5), WORKER_STOPPING);
    ck_assert_int_eq(state(6), WORKER_STOPPING);
    ck_assert_uint_eq(members(), 4);
}
END_TEST

START_TEST(one_that_is_retired_before_the_keeper_started_it_is_stopped_then)
{
    fleet_scale(world.fleet, 5);
    fleet_scale(world.fleet, 4);
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
    fleet_scale(world.fleet, 3);
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
    fleet_scale(world.fleet, 3);
    ck_assert_int_eq(state(1), WORKER_DRAINING);
    atomic_store(&world.slots->counts[slot_of(1)], UINT64_C(1) << 48);
    pass(20 * S);
    ck_assert_int_eq(state(1), WORKER_DRAINING);
}
END_TEST

START_TEST(requests_that_do_not_end_in_time_keep_nobody)
{
    fleet_scale(world.fleet, 3);
    hold(1, 1, 0);
    pass(30 * S - 1);
    ck_assert_int_eq(state(1), WORKER_DRAINING);
    pass(1);
    ck_assert_int_eq(state(1), WORKER_STOPPING);
}
END_TEST

START_TEST(a_slot_is_free_only_when_nothing_is_held_there)
{
    fleet_scale(world.fleet, 3);
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
    fleet_scale(world.fleet, 3);
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
    pass(1 * S);
    ck_assert_int_eq(state(1), WORKER_STOPPING);
}
END_TEST

START_TEST(one_that_does_not_stop_is_killed)
{
    fleet_scale(world.fleet, 3);
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
    ck_assert_int_eq(state(3), WORKER_DRAINING);
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
    fleet_worker_ejected_again(world.fleet, slot_of(2), atomic_load(&web(2)->generation));
    fleet_worker_ejected_again(world.fleet, slot_of(4), atomic_load(&web(4)->generation));
    keeper_obeys();
    ck_assert_uint_eq(heard(ORDER_START), 1);
    becomes_ready(5);
    ck_assert_int_eq(state(2), WORKER_DRAINING);
    keeper_obeys();
    ck_assert_uint_eq(heard(ORDER_START), 1);
    becomes_ready(6);
    ck_assert_int_eq(state(4), WORKER_DRAINING);
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
    fleet_scale(world.fleet, 6);
    write_file(&world.next_file, 4, command);
    fleet_adopt(world.fleet, &world.next_file.config, &world.next_file.pool);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 6);
    write_file(&world.file, 3, command);
    fleet_adopt(world.fleet, &world.file.config, &world.file.pool);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 3);
    fleet_scale(world.fleet, 6);
    fleet_scale_clear(world.fleet);
    ck_assert_uint_eq(fleet_wanted(world.fleet), 3);
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

START_TEST(a_new_engine_adopts_the_same_processes)
{
    fleet_scale(world.fleet, 5);
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
    fleet_scale(world.fleet, 6);
    keeper_obeys();
    next_engine();
    ck_assert_uint_eq(fleet_wanted(world.fleet), 6);
    ck_assert(fleet_is_overridden(world.fleet));
    fleet_scale(world.fleet, 3);
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
    fleet_scale(world.fleet, 3);
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

START_TEST(a_frozen_fleet_starts_nothing)
{
    fleet_freeze(world.fleet);
    ends(2, 0);
    pass(60 * S);
    fleet_scale(world.fleet, 9);
    listen_to_orders();
    ck_assert_uint_eq(heard(ORDER_START), 0);
    ck_assert_uint_eq(members(), 3);
}
END_TEST

static void add_first_tests(TCase *tests)
{
    tcase_add_test(tests, a_fleet_starts_as_many_workers_as_the_file_says);
    tcase_add_test(tests, a_worker_is_a_member_when_it_is_ready_and_not_before);
    tcase_add_test(tests, one_that_is_not_ready_in_time_is_killed_and_started_again_later);
    tcase_add_test(tests, one_that_cannot_be_started_is_tried_again_later);
}

static void add_life_tests(TCase *tests)
{
    tcase_add_test(tests, a_dead_worker_leaves_the_choice_at_once);
    tcase_add_test(tests, one_that_was_healthy_for_long_is_started_again_at_once);
    tcase_add_test(tests, crashes_in_a_row_wait_longer_and_longer);
    tcase_add_test(tests, ten_healthy_seconds_put_the_crashes_behind_it);
    tcase_add_test(tests, news_of_a_process_that_is_no_more_changes_nothing);
    tcase_add_test(tests, a_probe_takes_a_worker_out_of_the_choice_and_back);
    tcase_add_test(tests, a_frozen_fleet_starts_nothing);
}

static void add_size_tests(TCase *tests)
{
    tcase_add_test(tests, scaling_up_takes_the_lowest_free_numbers);
    tcase_add_test(tests, scaling_down_retires_the_ones_with_the_fewest_tunnels);
    tcase_add_test(tests, scaling_down_during_a_start_takes_those_that_start);
    tcase_add_test(tests, one_that_is_retired_before_the_keeper_started_it_is_stopped_then);
    tcase_add_test(tests, a_retired_worker_is_stopped_only_when_it_holds_nothing);
    tcase_add_test(tests, what_another_engine_holds_counts_too);
    tcase_add_test(tests, requests_that_do_not_end_in_time_keep_nobody);
    tcase_add_test(tests, a_slot_is_free_only_when_nothing_is_held_there);
    tcase_add_test(tests, tunnels_are_closed_spread_over_the_last_tenth_of_their_time);
    tcase_add_test(tests, one_that_does_not_stop_is_killed);
    tcase_add_test(tests, another_count_in_the_file_resizes);
    tcase_add_test(tests, scaling_by_hand_lasts_until_the_count_changes_in_the_file);
    tcase_add_test(tests, a_pool_that_left_the_file_drains_and_tells_when_it_is_empty);
}

static void add_rollout_tests(TCase *tests)
{
    tcase_add_test(tests, a_drained_worker_leaves_when_another_is_ready_in_its_place);
    tcase_add_test(tests, draining_a_worker_that_is_not_there_is_refused);
    tcase_add_test(tests, when_the_replacement_fails_the_old_one_goes_on);
    tcase_add_test(tests, when_the_old_one_dies_its_replacement_takes_its_place);
    tcase_add_test(tests, one_that_was_ejected_twice_is_replaced);
    tcase_add_test(tests, an_unchanged_command_keeps_the_processes);
    tcase_add_test(tests, a_changed_command_replaces_one_by_one);
    tcase_add_test(tests, a_rollout_whose_replacement_is_not_ready_stops_and_the_old_ones_go_on);
    tcase_add_test(tests, going_back_to_the_old_command_in_the_middle_keeps_the_old_processes);
    tcase_add_test(tests, a_rollout_waits_while_twice_the_wanted_are_there);
    tcase_add_test(tests, a_mended_command_ends_the_waiting_after_crashes);
}

static void add_adoption_tests(TCase *tests)
{
    tcase_add_test(tests, a_new_engine_adopts_the_same_processes);
    tcase_add_test(tests, a_new_engine_wants_as_many_as_are_there);
    tcase_add_test(tests, a_worker_that_waits_for_its_next_start_is_one_of_those_that_are_there);
    tcase_add_test(tests, a_worker_that_died_while_no_engine_was_there_is_started_again);
    tcase_add_test(tests, a_new_engine_goes_on_with_draining);
    tcase_add_test(tests, a_new_engine_goes_on_with_a_replacement);
    tcase_add_test(tests, a_new_engine_goes_on_with_a_rollout);
}

int main(void)
{
    Suite *suite = suite_create("fleet");
    TCase *first = tcase_create("first starts"), *healthy = tcase_create("four healthy workers");

    tcase_add_checked_fixture(first, set_up, tear_down);
    add_first_tests(first);
    suite_add_tcase(suite, first);
    tcase_add_checked_fixture(healthy, set_up_healthy, tear_down);
    add_life_tests(healthy);
    add_size_tests(healthy);
    add_rollout_tests(healthy);
    add_adoption_tests(healthy);
    suite_add_tcase(suite, healthy);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
