/* SPDX-License-Identifier: MIT
 *
 * The processes of workers, one for each slot at most. Keeper's thread. */
#include "keeper/seats.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/net.h"
#include "keeper/parent.h"

#define CHILDREN_MAX 512 /* as `workers` may say */
/* Half of the scale: a drover that holds half of the memory that there is is still not the one to go. */
#define WORKER_OOM_SCORE_MORE 500

static struct slot *slot_of(struct keeper *keeper, const struct seat *seat)
{
    return &keeper->slots->slot[seat->slot];
}

static struct seat *seat_at(struct keeper *keeper, int slot, const struct pool_config *pool, unsigned number)
{
    char name[SLOT_NAME_MAX];

    str_format(name, sizeof name, "%s.%u", pool->name, number);
    if (keeper->seats[slot] && strcmp(keeper->seats[slot]->name, name) != 0)
        seat_give_back(keeper, slot); /* another worker's, which is gone */
    if (!keeper->seats[slot]) {
        struct seat *seat = mem_zero(sizeof *seat);
        seat->slot = slot;
        memcpy(seat->name, name, sizeof name);
        output_init(&seat->output, &keeper->slots->slot[slot], name);
        keeper->seats[slot] = seat;
    }
    struct seat *seat = keeper->seats[slot];
    config_unref(&seat->config);
    seat->config = config_ref(keeper->config);
    seat->pool = pool;
    seat->number = number;
    return seat;
}

/* 0 or -errno, with what failed in *step. */
static int launch(struct keeper *keeper, struct seat *seat, const struct identity *user, const char **step)
{
    struct environment environment;
    struct child_failure failure = {0, 0};
    int writers[2];

    *step = "descriptors";
    if (!output_open(&seat->output, writers))
        return -EMFILE;
    worker_environment(&environment, environ, seat->pool, seat->name, &seat->endpoint, user);
    worker_children(&environment, seat->children);
    struct child_plan plan = {
        .command = worker_command(seat->pool, seat->name, &seat->endpoint),
        .environment = environment.entries,
        .directory = seat->pool->directory,
        .identity = user,
        .output = writers[0],
        .errors = writers[1],
        .listener = seat->endpoint.kind == BIND_FD ? seat->endpoint.listener : -1,
        .files = keeper->files,
        .oom_score_more = WORKER_OOM_SCORE_MORE,
    };
    pid_t pid = child_start(&plan, &keeper->guard, &failure);
    net_close(&writers[0]);
    net_close(&writers[1]);
    worker_command_free(plan.command);
    environment_fini(&environment);
    *step = child_step_name(failure.step);
    if (pid < 0) {
        output_finish(&seat->output, clock_ms());
        return failure.error != 0 ? -failure.error : -ECHILD;
    }
    seat->pid = pid;
    return 0;
}

static int start_failed(struct keeper *keeper, struct seat *seat, const char *step, int error)
{
    char text[256];

    str_format(text, sizeof text, "cannot start: %s %s%s%s", step,
               strcmp(step, "command") == 0     ? seat->pool->command[0]
               : strcmp(step, "directory") == 0 ? seat->pool->directory
                                                : "",
               strcmp(step, "command") == 0 || strcmp(step, "directory") == 0 ? ": " : "", strerror(-error));
    log_error("%s: %s", seat->name, text);
    output_note(&seat->output, text);
    endpoint_process_ended(&seat->endpoint);
    atomic_store(&slot_of(keeper, seat)->port, seat->endpoint.port);
    return error;
}

int seat_start(struct keeper *keeper, int slot, const struct pool_config *pool, unsigned number,
               unsigned children)
{
    struct seat *seat = seat_at(keeper, slot, pool, number);
    struct slot *shown = slot_of(keeper, seat);
    struct identity identity;
    const struct identity *user = NULL;
    uint32_t generation = atomic_load(&shown->generation) + 1;
    const char *step = "user";

    seat->children = pool->signal_up == 0 ? 0 : children < CHILDREN_MAX ? children : CHILDREN_MAX;
    if (pool->user) {
        int error = identity_find(&identity, pool->user);
        if (error < 0)
            return start_failed(keeper, seat, step, error);
        user = &identity;
    }
    int error = endpoint_prepare(&seat->endpoint, pool, number, slot, generation, user);
    if (error < 0) {
        char where[32];
        str_format(where, sizeof where, "port %u:", pool->first_port + number - 1);
        return start_failed(keeper, seat,
                            pool->bind == BIND_PORT && pool->first_port > 0 ? where : "its socket:", error);
    }
    error = launch(keeper, seat, user, &step);
    if (error < 0)
        return start_failed(keeper, seat, step, error);
    seat->kill_by_ms = 0;
    seat->is_ending = false;
    seat->uid = user ? user->uid : geteuid();
    seat->awaits_socket = pool->bind == BIND_UNIX;
    atomic_store(&shown->port, seat->endpoint.port);
    atomic_store(&shown->started_us, clock_precise_us());
    atomic_store(&shown->generation, generation);
    atomic_store(&shown->pid, seat->pid);
    log_info("%s: started, process %d", seat->name, (int)seat->pid);
    return 0;
}

void seat_signal(const struct seat *seat, int number)
{
    if (seat->pid > 0)
        (void)kill(seat->pid, number); /* ours and not reaped: the number cannot be another's */
}

void seat_kill(const struct seat *seat)
{
    if (seat->pid > 0)
        (void)kill(-seat->pid, SIGKILL);
}

void seat_ended(struct keeper *keeper, struct seat *seat, int status)
{
    struct slot *shown = slot_of(keeper, seat);
    char how[64];

    seat_kill(seat); /* what it left in its group goes with it */
    child_status_print(status, how, sizeof how);
    log_info("%s: process %d %s", seat->name, (int)seat->pid, how);
    output_finish(&seat->output, clock_ms());
    endpoint_process_ended(&seat->endpoint);
    seat->pid = 0;
    atomic_store(&shown->exit_status, status);
    atomic_store(&shown->pid, 0);
    atomic_store(&shown->port, seat->endpoint.port);
}

void seat_give_back(struct keeper *keeper, int slot)
{
    struct seat *seat = keeper->seats[slot];

    if (!seat || seat->pid > 0)
        return;
    endpoint_give_back(&seat->endpoint);
    atomic_store(&keeper->slots->slot[slot].port, 0);
    config_unref(&seat->config);
    mem_free(seat);
    keeper->seats[slot] = NULL;
}

struct seat *seats_find(struct keeper *keeper, pid_t pid)
{
    for (int i = 0; i < SLOTS_MAX; i++)
        if (keeper->seats[i] && keeper->seats[i]->pid == pid)
            return keeper->seats[i];
    return NULL;
}

unsigned seats_alive(const struct keeper *keeper)
{
    unsigned count = 0;

    for (int i = 0; i < SLOTS_MAX; i++)
        count += keeper->seats[i] && keeper->seats[i]->pid > 0;
    return count;
}

static void on_output(void *argument)
{
    struct output *output = argument;

    output_read(output, &output->streams[0], clock_ms());
}

static void on_errors(void *argument)
{
    struct output *output = argument;

    output_read(output, &output->streams[1], clock_ms());
}

void seats_add_to_poll(struct keeper *keeper, struct poll_set *set, uint64_t now_ms)
{
    for (int i = 0; i < SLOTS_MAX; i++) {
        struct output *output = keeper->seats[i] ? &keeper->seats[i]->output : NULL;
        if (!output || !output_wants_read(output, now_ms))
            continue;
        if (output->streams[0].fd >= 0)
            poll_set_add(set, output->streams[0].fd, on_output, output);
        if (output->streams[1].fd >= 0)
            poll_set_add(set, output->streams[1].fd, on_errors, output);
    }
}

bool seats_open_sockets(struct keeper *keeper)
{
    bool all = true;

    for (int i = 0; i < SLOTS_MAX; i++) {
        struct seat *seat = keeper->seats[i];
        if (!seat || seat->pid == 0 || !seat->awaits_socket)
            continue;
        seat->awaits_socket = !endpoint_is_open(&seat->endpoint, seat->uid);
        all = all && !seat->awaits_socket;
    }
    return all;
}

void seats_tick(struct keeper *keeper, uint64_t now_ms)
{
    for (int i = 0; i < SLOTS_MAX; i++)
        if (keeper->seats[i])
            output_tick(&keeper->seats[i]->output, now_ms);
}

void seats_free(struct keeper *keeper)
{
    for (int i = 0; i < SLOTS_MAX; i++)
        seat_give_back(keeper, i);
}
