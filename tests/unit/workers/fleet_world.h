/* SPDX-License-Identifier: MIT
 *
 * A world for one fleet: a clock that the test turns, a slot table of its own, and a keeper that is the test
 * itself: it reads the orders from the other end of the line. */
#ifndef DROVER_TESTS_FLEET_WORLD_H
#define DROVER_TESTS_FLEET_WORLD_H

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
__attribute__((unused)) static char *command[] = {program, NULL}, *other_command[] = {other_program, NULL};

struct
    file { /* a configuration with one pool; never freed: it starts with more references than anybody takes */
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
    unsigned members_calls, gone_calls, close_calls, close_most, over_ms;
    int last_closed;           /* slot of the last on_close_tunnels */
    bool is_probed[SLOTS_MAX]; /* as on_probe_wanted last said */
} world;

static inline void on_members(struct fleet *fleet, void *owner)
{
    (void)fleet;
    ck_assert_ptr_eq(owner, &world);
    world.members_calls++;
}

static inline void on_probe_wanted(struct fleet *fleet, int slot, uint32_t generation,
                                   const struct address *address, bool wanted, void *owner)
{
    (void)fleet;
    (void)owner;
    ck_assert_uint_eq(generation, atomic_load(&world.slots->slot[slot].generation));
    ck_assert_uint_eq(address_port(address), atomic_load(&world.slots->slot[slot].port));
    world.is_probed[slot] = wanted;
}

static inline void on_close_tunnels(struct fleet *fleet, struct backend *backend, unsigned most,
                                    unsigned over_ms, void *owner)
{
    (void)fleet;
    (void)owner;
    world.close_calls++;
    world.close_most = most;
    world.over_ms = over_ms;
    world.last_closed = backend->slot;
}

static inline void on_backend_gone(struct fleet *fleet, struct backend *backend, void *owner)
{
    (void)fleet;
    (void)owner;
    ck_assert(atomic_load(&backend->closed));
    world.gone_calls++;
}

static const struct fleet_callbacks callbacks = {on_members, on_probe_wanted, on_close_tunnels,
                                                 on_backend_gone};

static inline void write_file(struct file *file, unsigned workers, char **what)
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
static inline void listen_to_orders(void)
{
    int fds[ORDER_FDS_MAX];
    unsigned fd_count;

    world.heard_count = 0;
    while (world.heard_count < HEARD &&
           order_receive(world.keeper, &world.heard[world.heard_count], fds, &fd_count) == 1)
        world.heard_count++;
}

static inline unsigned heard(enum order_kind kind)
{
    unsigned count = 0;

    for (unsigned i = 0; i < world.heard_count; i++)
        count += world.heard[i].kind == kind;
    return count;
}

static inline void start_process(int index)
{
    struct slot *slot = &world.slots->slot[index];

    ck_assert_int_eq(atomic_load(&slot->pid), 0);
    atomic_fetch_add(&slot->generation, 1);
    atomic_store(&slot->port, 20000u + (unsigned)index);
    atomic_store(&slot->started_us, world.now_us + (uint64_t)index);
    atomic_store(&slot->pid, world.next_pid);
    fleet_on_started(world.fleet, index, atomic_load(&slot->generation), world.next_pid++);
}

static inline int slot_started(void)
{
    for (unsigned i = 0; i < world.heard_count; i++)
        if (world.heard[i].kind == ORDER_START)
            return world.heard[i].slot;
    ck_abort_msg("nothing was started");
}

/* Starts all that was ordered to start, until nothing more is. */
static inline void keeper_obeys(void)
{
    listen_to_orders();
    for (unsigned i = 0; i < world.heard_count; i++) {
        if (world.heard[i].kind == ORDER_START)
            start_process(world.heard[i].slot);
    }
}

static inline void pass(uint64_t us)
{
    world.now_us += us;
    clock_pretend(world.now_us);
    fleet_tick(world.fleet, world.now_us);
}

static inline int slot_of(unsigned number)
{
    return slots_find(world.slots, name, number, true);
}

static inline struct slot *web(unsigned number)
{
    int index = slot_of(number);

    ck_assert_int_ge(index, 0);
    return &world.slots->slot[index];
}

static inline void becomes_ready(unsigned number)
{
    fleet_worker_ready(world.fleet, slot_of(number), atomic_load(&web(number)->generation));
}

static inline void ends(unsigned number, int status)
{
    uint32_t generation = atomic_load(&web(number)->generation);

    atomic_store(&web(number)->pid, 0);
    atomic_store(&web(number)->exit_status, status);
    fleet_on_exited(world.fleet, slot_of(number), generation, status);
}

static inline enum worker_state state(unsigned number)
{
    return atomic_load(&web(number)->state);
}

static inline unsigned members(void)
{
    unsigned count;

    fleet_backends(world.fleet, &count);
    return count;
}

static inline bool is_member(unsigned number)
{
    unsigned count;
    struct backend *const *backends = fleet_backends(world.fleet, &count);

    for (unsigned i = 0; i < count; i++)
        if (world.slots->slot[backends[i]->slot].number == number)
            return true;
    return false;
}

static inline void hold(unsigned number, unsigned requests, unsigned tunnels)
{
    atomic_store(&world.slots->counts[slot_of(number)], (uint64_t)requests | (uint64_t)tunnels << 16);
}

static inline void open_fleet(void)
{
    world.fleet = fleet_new(NULL, &world.file.config, &world.file.pool, world.slots, world.engine, 1,
                            &callbacks, &world);
}

static inline void set_up(void)
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

static inline void tear_down(void)
{
    fleet_free(&world.fleet);
    slots_free_all(&world.slots);
    net_close(&world.keeper);
    net_close(&world.engine);
    clock_pretend(0);
}

/* All four are up. */
static inline void set_up_healthy(void)
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
static inline void next_engine(void)
{
    fleet_free(&world.fleet);
    memset(world.is_probed, 0, sizeof world.is_probed);
    listen_to_orders();
    open_fleet();
}

/* Each in a process of its own. */
static inline int run_tests(const char *suite_name, void (*before)(void), const TTest *const *all,
                            size_t count)
{
    Suite *suite = suite_create(suite_name);
    TCase *tests = tcase_create(suite_name);

    tcase_add_checked_fixture(tests, before, tear_down);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(tests, all[i]);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures;
}

#define RUN(suite_name, before, ...)                                                                         \
    run_tests(suite_name, before, (const TTest *const[]){__VA_ARGS__},                                       \
              sizeof(const TTest *[]){__VA_ARGS__} / sizeof(const TTest *))

#endif
