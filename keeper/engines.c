/* SPDX-License-Identifier: MIT
 *
 * Starting, watching and replacing engines. An engine is a fork without exec: it finds everything in its
 * memory and needs milliseconds to start, while new connections wait in the backlog of the sockets that the
 * keeper holds. Keeper's thread. */
#include "keeper/engines.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/backoff.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/net.h"
#include "keeper/descriptors.h"
#include "keeper/parent.h"

#define QUICK_MS       10000 /* a death this soon after the start counts as quick */
#define QUICK_FREE     3     /* so many quick deaths in a row are answered without waiting */
#define BACKOFF_MS     100
#define BACKOFF_MAX_MS 5000
#define HOPELESS       6  /* quick deaths after which a drover that never served gives up */
#define STILL_MAX      10 /* seconds without a sign of life */
#define ORDERS_A_TURN  64
#define OTHER_FDS      5 /* beside the listeners: control, admin, statsd, access log, orders */

void engines_init(struct keeper *keeper)
{
    keeper->engines = (struct engines){.start_at_ms = UINT64_MAX};
    for (unsigned i = 0; i < ENGINES_MAX; i++)
        keeper->engines.all[i] = (struct engine){.keeper = keeper, .column = i, .orders = -1};
}

/* What the engine's process keeps open; the keeper's pipes, sockets of workers and line to the guard are not
 * for it. */
static void keep_only(const struct engine_start *start)
{
    int *kept = mem_alloc((start->listener_count * ORDER_FDS_MAX + OTHER_FDS) * sizeof *kept);
    unsigned count = 0;

    kept[count++] = start->orders;
    kept[count++] = start->control;
    kept[count++] = start->admin;
    kept[count++] = start->statsd;
    kept[count++] = start->access_log;
    for (unsigned i = 0; i < start->listener_count; i++)
        for (unsigned j = 0; j < start->listeners[i].count; j++)
            kept[count++] = start->listeners[i].fds[j];
    descriptors_keep(kept, count);
    mem_free(kept);
}

static bool drop_rights(const struct keeper *keeper)
{
    struct identity identity;

    if (keeper->config->user && geteuid() == 0) {
        int error = identity_find(&identity, keeper->config->user);
        if (error == 0)
            error = identity_assume(&identity);
        if (error < 0) {
            log_error("cannot become the user %s: %s", keeper->config->user, strerror(-error));
            return false;
        }
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return false;
#if !defined(__SANITIZE_ADDRESS__) /* its search for leaks reads the process from outside */
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return false;
#endif
    return child_follow_parent(keeper->pid); /* last: a change of user clears it */
}

/* Terminal and operator signals are for the keeper; it tells the engine what they mean. */
static void set_signals(void)
{
    static const int ignored[] = {SIGPIPE, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
    sigset_t none;

    for (size_t i = 0; i < sizeof ignored / sizeof ignored[0]; i++)
        (void)signal(ignored[i], SIG_IGN);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

_Noreturn static void engine_main(struct keeper *keeper, unsigned column, int orders, bool is_replacement)
{
    struct engine_start start = {
        .config = keeper->config,
        .slots = keeper->slots,
        .column = column,
        .orders = orders,
        .listener_count = keeper->listener_count,
        .listeners = mem_zero((keeper->listener_count + 1) * sizeof *start.listeners),
        .control = keeper->control.sockets.count > 0 ? keeper->control.sockets.fds[0] : -1,
        .admin = keeper->admin.sockets.count > 0 ? keeper->admin.sockets.fds[0] : -1,
        .statsd = keeper->statsd.sockets.count > 0 ? keeper->statsd.sockets.fds[0] : -1,
        .access_log = keeper->access_log,
        .tickets = keeper->tickets,
        .keeper = keeper->pid,
        .started_us = keeper->started_us,
        .is_replacement = is_replacement,
    };
    for (unsigned i = 0; i < keeper->listener_count; i++)
        start.listeners[i] = keeper->listeners[i].sockets;
    keep_only(&start);
    set_signals();
    (void)prctl(PR_SET_NAME, "drover-engine");
    log_init("engine");
    int status = drop_rights(keeper) ? keeper->options->engine_run(&start) : EXIT_FAILURE;
    mem_free(start.listeners);
    exit(status);
}

static struct engine *free_column(struct keeper *keeper)
{
    for (unsigned i = 0; i < ENGINES_MAX; i++)
        if (keeper->engines.all[i].pid == 0)
            return &keeper->engines.all[i];
    return NULL;
}

bool engines_start(struct keeper *keeper, bool is_replacement)
{
    struct engine *engine = free_column(keeper);
    int ends[2], line = -1;

    if (!engine || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        return false;
    pid_t pid = child_fork(&keeper->guard, &line);
    if (pid == 0)
        engine_main(keeper, engine->column, ends[1], is_replacement);
    net_close(&ends[1]);
    if (pid < 0) {
        net_close(&ends[0]);
        log_error("cannot start an engine: %s", strerror(-pid));
        return false;
    }
    net_close(&line);
    *engine = (struct engine){
        .keeper = keeper, .column = engine->column, .pid = pid, .orders = ends[0], .started_ms = clock_ms()};
    atomic_store(&keeper->slots->engines[engine->column].pid, pid);
    atomic_fetch_add(&keeper->slots->engine_starts, 1);
    log_info("engine started, process %d", (int)pid);
    return true;
}

static void plan_start(struct keeper *keeper, uint64_t at_ms)
{
    if (keeper->stage == STAGE_RUNNING && keeper->engines.start_at_ms > at_ms)
        keeper->engines.start_at_ms = at_ms;
}

void engines_step(struct keeper *keeper, uint64_t now_ms)
{
    if (keeper->stage != STAGE_RUNNING || keeper->engines.start_at_ms > now_ms)
        return;
    keeper->engines.start_at_ms = UINT64_MAX;
    if (!engines_start(keeper, true))
        plan_start(keeper, now_ms + BACKOFF_MAX_MS);
}

static bool is_hung(struct engine *engine, const struct engine_column *column)
{
    unsigned count = atomic_load(&column->loops);

    if (count < 1)
        count = 1; /* it has not come far: its control thread has to beat at least */
    for (unsigned i = 0; i < count && i < ENGINE_BEATS; i++) {
        uint64_t beat = atomic_load(&column->beats[i]);
        engine->still[i] = beat == engine->seen[i] ? engine->still[i] + 1 : 0;
        engine->seen[i] = beat;
        if (engine->still[i] >= STILL_MAX)
            return true;
    }
    return false;
}

void engines_tick(struct keeper *keeper)
{
    /* Our own seconds are counted, not the clock's: after the whole machine stood still nobody is late. */
    for (unsigned i = 0; i < ENGINES_MAX; i++) {
        struct engine *engine = &keeper->engines.all[i];
        if (engine->pid == 0 || !is_hung(engine, &keeper->slots->engines[i]))
            continue;
        log_error("engine %d gave no sign of life for %d s: killing it", (int)engine->pid, STILL_MAX);
        engine_kill(engine);
    }
}

struct engine *engines_find(struct keeper *keeper, pid_t pid)
{
    for (unsigned i = 0; i < ENGINES_MAX; i++)
        if (keeper->engines.all[i].pid == pid)
            return &keeper->engines.all[i];
    return NULL;
}

struct engine *engines_serving(struct keeper *keeper)
{
    struct engine *newest = NULL;

    for (unsigned i = 0; i < ENGINES_MAX; i++) {
        struct engine *engine = &keeper->engines.all[i];
        if (engine->pid > 0 && engine->orders >= 0 && (!newest || engine->started_ms > newest->started_ms))
            newest = engine;
    }
    return newest;
}

unsigned engines_alive(const struct keeper *keeper)
{
    unsigned count = 0;

    for (unsigned i = 0; i < ENGINES_MAX; i++)
        count += keeper->engines.all[i].pid > 0;
    return count;
}

bool engines_are_drained(const struct keeper *keeper)
{
    for (unsigned i = 0; i < ENGINES_MAX; i++)
        if (keeper->engines.all[i].pid > 0 && !keeper->engines.all[i].is_drained)
            return false;
    return true;
}

void engine_kill(struct engine *engine)
{
    if (engine->pid > 0)
        (void)kill(-engine->pid, SIGKILL);
}

/* False when its end is closed. */
static bool take_orders(struct engine *engine, unsigned most)
{
    struct order order;
    int fds[ORDER_FDS_MAX];
    unsigned fd_count;

    for (unsigned i = 0; i < most; i++) {
        int result = order_receive(engine->orders, &order, fds, &fd_count);
        if (result <= 0)
            return result == 0;
        keeper_obey(engine->keeper, engine, &order, fds, fd_count);
        if (engine->orders < 0)
            return true; /* what it ordered made us give it up */
    }
    return true;
}

static void on_orders(void *argument)
{
    struct engine *engine = argument;

    if (engine->orders < 0 || take_orders(engine, ORDERS_A_TURN))
        return;
    /* An engine has no reason to live without its keeper's ear; mostly it is dying. */
    net_close(&engine->orders);
    engine_kill(engine);
}

void engines_add_to_poll(struct keeper *keeper, struct poll_set *set)
{
    for (unsigned i = 0; i < ENGINES_MAX; i++)
        if (keeper->engines.all[i].orders >= 0)
            poll_set_add(set, keeper->engines.all[i].orders, on_orders, &keeper->engines.all[i]);
}

static void clear_column(struct keeper *keeper, unsigned number)
{
    struct engine_column *column = &keeper->slots->engines[number];

    slots_zero_column(keeper->slots, number);
    atomic_store(&column->connections, 0);
    atomic_store(&column->serving, 0);
    atomic_store(&column->loops, 0);
    for (unsigned i = 0; i < ENGINE_BEATS; i++)
        atomic_store(&column->beats[i], 0);
    atomic_store(&column->pid, 0);
}

static void replace(struct keeper *keeper, uint64_t lived_ms)
{
    struct engines *engines = &keeper->engines;
    uint64_t now_ms = clock_ms();

    engines->quick_deaths = lived_ms < QUICK_MS ? engines->quick_deaths + 1 : 0;
    if (engines->quick_deaths >= HOPELESS && !engines->ever_served) {
        log_error("no engine comes up: giving up");
        keeper->failed = true;
        stopping_begin(keeper);
        return;
    }
    unsigned failures = engines->quick_deaths > QUICK_FREE ? engines->quick_deaths - QUICK_FREE : 0;
    plan_start(keeper, now_ms + backoff_ms(failures, BACKOFF_MS, BACKOFF_MAX_MS, random_u32()));
}

void engine_ended(struct keeper *keeper, struct engine *engine, int status)
{
    uint64_t lived_ms = clock_ms() - engine->started_ms;
    pid_t pid = engine->pid;
    char how[64];

    engine->pid = 0;
    /* What it ordered before it fell is done: the next one finds it in the slot table. */
    if (engine->orders >= 0)
        (void)take_orders(engine, ORDERS_A_TURN * ORDER_FDS_MAX);
    net_close(&engine->orders);
    child_status_print(status, how, sizeof how);
    if (keeper->stage == STAGE_RUNNING)
        log_error("engine %d %s: starting another", (int)pid, how);
    else
        log_info("engine %d %s", (int)pid, how);
    clear_column(keeper, engine->column);
    reload_engine_ended(keeper, engine);
    if (keeper->stage == STAGE_RUNNING)
        replace(keeper, lived_ms);
}

bool engine_tell(struct engine *engine, const struct order *news, const int *fds, unsigned fd_count)
{
    if (engine->pid == 0 || engine->orders < 0)
        return false;
    if (order_send(engine->orders, news, fds, fd_count))
        return true;
    log_error("engine %d does not listen: killing it", (int)engine->pid);
    net_close(&engine->orders);
    engine_kill(engine);
    return false;
}

void engines_tell(struct keeper *keeper, const struct order *news)
{
    for (unsigned i = 0; i < ENGINES_MAX; i++)
        (void)engine_tell(&keeper->engines.all[i], news, NULL, 0);
}
