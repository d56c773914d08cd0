/* SPDX-License-Identifier: MIT
 *
 * The parent process: start, the loop over poll, signals, reaping, the end. One thread.
 *
 *   signals (signalfd) ---+                       +--> seats.c, child.c, output.c: workers
 *   orders of engines ----+--> one turn of poll --+--> engines.c: the engine and its replacement
 *   output of workers ----+                       +--> reload.c, stopping.c: steps with their own clock
 */
#include "keeper/keeper.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/net.h"
#include "keeper/descriptors.h"
#include "keeper/parent.h"

#define TICK_MS       1000
#define SOCKET_MS     50 /* between two looks for the socket of a worker that starts */
#define REAPED_A_TURN 4096
#define SET_FIRST     64

static const int watched[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2};

struct poll_set {
    struct pollfd *fds;
    struct {
        void (*on_readable)(void *argument);
        void *argument;
    } * owners;
    unsigned count, room;
};

void poll_set_add(struct poll_set *set, int fd, void (*on_readable)(void *argument), void *argument)
{
    if (set->count == set->room) {
        set->room = set->room ? set->room * 2 : SET_FIRST;
        set->fds = mem_resize(set->fds, set->room * sizeof *set->fds);
        set->owners = mem_resize(set->owners, set->room * sizeof *set->owners);
    }
    set->fds[set->count] = (struct pollfd){.fd = fd, .events = POLLIN};
    set->owners[set->count].on_readable = on_readable;
    set->owners[set->count++].argument = argument;
}

/* A child that ended and is not reaped yet: nobody else can have its number. */
static void on_ended(struct keeper *keeper, pid_t pid)
{
    struct seat *seat = seats_find(keeper, pid);
    struct engine *engine = engines_find(keeper, pid);
    int status = 0;

    if (seat || engine) {
        (void)kill(-pid, SIGKILL); /* what it left in its group goes with it */
        guard_remove(&keeper->guard, pid);
    }
    if (waitpid(pid, &status, WNOHANG) != pid)
        return;
    struct order news = {.kind = NEWS_EXITED, .pid = pid, .status = status};
    if (seat) {
        seat_ended(keeper, seat, status);
        news.slot = seat->slot;
        news.number = seat->number;
        news.generation = atomic_load(&keeper->slots->slot[seat->slot].generation);
        str_format(news.pool, sizeof news.pool, "%s", seat->pool->name);
        engines_tell(keeper, &news);
    } else if (engine) {
        engine_ended(keeper, engine, status);
    } else if (pid == keeper->guard.pid) {
        guard_died(&keeper->guard);
    }
    /* else an orphan: a child of a worker that came to us when its parent died */
}

static void reap(struct keeper *keeper)
{
    for (unsigned i = 0; i < REAPED_A_TURN; i++) {
        siginfo_t ended = {0};
        if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) < 0 || ended.si_pid == 0)
            return;
        on_ended(keeper, ended.si_pid);
    }
}

static void on_signal(void *argument)
{
    struct keeper *keeper = argument;
    struct signalfd_siginfo info;

    while (read(keeper->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        switch (info.ssi_signo) {
        case SIGCHLD: break; /* below, once */
        case SIGTERM:
        case SIGINT: stopping_begin(keeper); break;
        case SIGHUP: reload_ask(keeper, 0); break;
        case SIGUSR1: access_log_reopen(keeper); break;
        case SIGUSR2:
            log_warning("USR2: the binary cannot be replaced while it runs: restart drover instead");
            break;
        default: break;
        }
    }
    reap(keeper);
}

/* The guard is there, and knows every group. */
static bool have_guard(struct keeper *keeper)
{
    if (keeper->guard.pid > 0)
        return true;
    if (!guard_start(&keeper->guard))
        return false;
    for (int i = 0; i < SLOTS_MAX; i++)
        if (keeper->seats[i] && keeper->seats[i]->pid > 0)
            guard_add(&keeper->guard, keeper->seats[i]->pid);
    for (unsigned i = 0; i < ENGINES_MAX; i++)
        if (keeper->engines.all[i].pid > 0)
            guard_add(&keeper->guard, keeper->engines.all[i].pid);
    return true;
}

static void tick(struct keeper *keeper, uint64_t now_ms)
{
    if (now_ms - keeper->ticked_ms < TICK_MS)
        return;
    keeper->ticked_ms = now_ms;
    engines_tick(keeper);
    seats_tick(keeper, now_ms);
    ticket_keys_tick(keeper->tickets, now_ms);
    reload_look_at_files(keeper);
    if (!have_guard(keeper))
        log_error("cannot start the guard: %s", strerror(errno));
}

static int time_to_wait(struct keeper *keeper, uint64_t now_ms)
{
    uint64_t next = keeper->ticked_ms + TICK_MS, stopping = stopping_next_ms(keeper);

    if (next > stopping)
        next = stopping;
    if (keeper->stage == STAGE_RUNNING && next > keeper->engines.start_at_ms)
        next = keeper->engines.start_at_ms;
    if (!seats_open_sockets(keeper) && next > now_ms + SOCKET_MS)
        next = now_ms + SOCKET_MS;
    return next <= now_ms ? 0 : (int)(next - now_ms);
}

/* The output of a worker comes before its end, and its end before orders that may free its seat: their owners
 * stay valid for the turn. */
static void turn(struct keeper *keeper, struct poll_set *set)
{
    set->count = 0;
    seats_add_to_poll(keeper, set, clock_ms());
    poll_set_add(set, keeper->signals, on_signal, keeper);
    engines_add_to_poll(keeper, set);
    if (poll(set->fds, set->count, time_to_wait(keeper, clock_ms())) > 0)
        for (unsigned i = 0; i < set->count; i++)
            if (set->fds[i].revents != 0)
                set->owners[i].on_readable(set->owners[i].argument);
    uint64_t now_ms = clock_ms();
    stopping_step(keeper, now_ms);
    reload_step(keeper, now_ms);
    engines_step(keeper, now_ms);
    tick(keeper, now_ms);
}

static bool take_signals(struct keeper *keeper)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++) {
        (void)signal(watched[i], SIG_DFL); /* one that was ignored (nohup) would not reach the descriptor */
        sigaddset(&set, watched[i]);
    }
    (void)signal(SIGPIPE, SIG_IGN);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    keeper->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return keeper->signals >= 0;
}

static void raise_limit(struct keeper *keeper)
{
    if (getrlimit(RLIMIT_NOFILE, &keeper->files) < 0)
        return;
    struct rlimit most = {keeper->files.rlim_max, keeper->files.rlim_max};
    if (setrlimit(RLIMIT_NOFILE, &most) < 0)
        log_warning("cannot raise the limit of open files: %s", strerror(errno));
}

/* Everything that the user can have got wrong. False with one line that begins with the key. */
static bool open_all(struct keeper *keeper, char *error, size_t room)
{
    const struct config *config = keeper->config;
    struct identity identity;
    const struct identity *engine = NULL;

    if (config->user && geteuid() == 0) {
        int result = identity_find(&identity, config->user);
        if (result < 0) {
            str_format(error, room, "user: cannot find '%s': %s", config->user,
                       result == -ENOENT ? "no such user" : strerror(-result));
            return false;
        }
        engine = &identity;
    }
    /* The control socket first: of two drovers with one file only one comes further. */
    if (!listener_open_control(&keeper->control, config->control, error, room))
        return false;
    keeper->listeners = listeners_for(config, NULL, 0, error, room);
    if (!keeper->listeners)
        return false;
    keeper->listener_count = config->listen_count;
    if (config->admin_is_on && !listener_open(&keeper->admin, &config->admin, 1, "admin", error, room))
        return false;
    if (config->statsd.size > 0 && !listener_open_datagrams(&keeper->statsd, &config->statsd, error, room))
        return false;
    keeper->access_log = access_log_open(config);
    if (keeper->access_log < -1) {
        str_format(error, room, "access_log: cannot open %s: %s", config->access_log,
                   strerror(-(keeper->access_log + 1)));
        keeper->access_log = -1;
        return false;
    }
    return endpoints_directory_make(keeper->pid, engine, error, room);
}

static void say_listening(const struct keeper *keeper)
{
    char text[ADDRESS_TEXT];

    for (unsigned i = 0; i < keeper->listener_count; i++) {
        address_print(&keeper->listeners[i].address, text);
        log_info("listening on %s", text);
    }
    if (keeper->admin.sockets.count > 0) {
        address_print(&keeper->admin.address, text);
        log_info("admin on %s", text);
    }
    if (keeper->statsd.sockets.count > 0) {
        address_print(&keeper->statsd.address, text);
        log_info("StatsD on %s", text);
    }
}

/* Those that left their group are our children when their parents are gone (we are the subreaper): nothing
 * stays behind. */
static void kill_orphans(const struct keeper *keeper)
{
    char path[64];

    str_format(path, sizeof path, "/proc/self/task/%d/children", (int)keeper->pid);
    FILE *children = fopen(path, "re");
    int pid;
    if (!children)
        return; /* a kernel without this file */
    while (fscanf(children, "%d", &pid) == 1)
        if (pid != keeper->guard.pid)
            (void)kill(pid, SIGKILL);
    (void)fclose(children);
}

static void close_all(struct keeper *keeper)
{
    for (unsigned i = 0; i < keeper->listener_count; i++)
        listener_close(&keeper->listeners[i]);
    mem_free(keeper->listeners);
    listener_close(&keeper->admin);
    listener_close(&keeper->control);
    listener_close(&keeper->statsd);
    net_close(&keeper->access_log);
    seats_free(keeper);
    endpoints_directory_remove();
    reload_free(keeper);
    net_close(&keeper->signals);
    config_unref(&keeper->config);
    ticket_keys_free(&keeper->tickets);
    slots_free_all(&keeper->slots);
}

static int run(struct keeper *keeper)
{
    struct poll_set set = {0};

    say_listening(keeper);
    if (!have_guard(keeper) || !engines_start(keeper, false)) {
        log_error("cannot start: %s", strerror(errno));
        guard_end(&keeper->guard);
        return EXIT_FAILURE;
    }
    keeper->ticked_ms = clock_ms();
    while (keeper->stage != STAGE_DONE)
        turn(keeper, &set);
    mem_free(set.fds);
    mem_free(set.owners);
    kill_orphans(keeper);
    guard_end(&keeper->guard);
    log_info("stopped");
    return keeper->failed || keeper->stopping.was_cut ? EXIT_FAILURE : EXIT_SUCCESS;
}

int keeper_run(const struct keeper_options *options)
{
    char error[512];
    int status = 2;

    if (!descriptors_open_standard())
        return EXIT_FAILURE;
    struct keeper *keeper = mem_zero(sizeof *keeper);
    *keeper = (struct keeper){.options = options,
                              .config = config_ref(options->config),
                              .pid = getpid(),
                              .signals = -1,
                              .access_log = -1};
    keeper->started_us = clock_us();
    keeper->guard.pipe = -1;
    log_init("keeper");
    engines_init(keeper);
    raise_limit(keeper);
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    keeper->slots = slots_new();
    keeper->tickets = ticket_keys_new();
    if (!take_signals(keeper))
        status = EXIT_FAILURE;
    else if (!open_all(keeper, error, sizeof error))
        (void)fprintf(stderr, "%s: %s\n", keeper->config->path, error);
    else
        status = run(keeper);
    close_all(keeper);
    mem_free(keeper);
    return status;
}
