/* SPDX-License-Identifier: MIT
 *
 * The guard, both sides: what the keeper tells (keeper's process), and the loop of the guard's own process,
 * which does nothing but read a pipe and so outlives everything that makes the keeper fall. */
#include "keeper/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "base/net.h"
#include "keeper/descriptors.h"
#include "keeper/endpoints.h"

struct word {
    int32_t group;
    int32_t is_alive;
};

struct known {
    unsigned count;
    pid_t groups[GUARD_GROUPS_MAX];
};

static void note(struct known *known, const struct word *word)
{
    for (unsigned i = 0; i < known->count; i++) {
        if (known->groups[i] != word->group)
            continue;
        if (!word->is_alive)
            known->groups[i] = known->groups[--known->count];
        return;
    }
    if (word->is_alive && known->count < GUARD_GROUPS_MAX)
        known->groups[known->count++] = word->group;
}

static void watch_until_end(int pipe, struct known *known)
{
    struct word word;
    ssize_t size;

    /* Words are far smaller than PIPE_BUF: they come whole. */
    while ((size = read(pipe, &word, sizeof word)) != 0) {
        if (size == (ssize_t)sizeof word)
            note(known, &word);
        else if (size > 0 || errno != EINTR)
            return;
    }
}

_Noreturn static void guard_main(int pipe)
{
    static struct known known; /* this process has it alone */

    (void)setsid(); /* what a terminal sends to our group does not reach it */
    for (int number = 1; number < NSIG; number++)
        (void)signal(number, SIG_IGN); /* KILL and STOP cannot be, and need not */
    (void)prctl(PR_SET_NAME, "drover-guard");
    descriptors_keep(&pipe, 1);
    log_init("guard");
    watch_until_end(pipe, &known);
    for (unsigned i = 0; i < known.count; i++) {
        (void)kill(-known.groups[i], SIGKILL);
        (void)kill(known.groups[i], SIGKILL);
    }
    if (known.count > 0)
        log_error("the keeper is gone: ended the %u process groups that it left", known.count);
    endpoints_directory_remove();
    _exit(0);
}

bool guard_start(struct guard *guard)
{
    int ends[2];

    *guard = (struct guard){.pipe = -1};
    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    pid_t pid = fork();
    if (pid == 0)
        guard_main(ends[0]);
    net_close(&ends[0]);
    if (pid < 0) {
        net_close(&ends[1]);
        return false;
    }
    (void)fcntl(ends[1], F_SETFL, O_NONBLOCK); /* this end only: the two have no description in common */
    guard->pid = pid;
    guard->pipe = ends[1];
    return true;
}

static void tell(struct guard *guard, pid_t group, bool is_alive)
{
    struct word word = {.group = group, .is_alive = is_alive};

    if (guard->pipe < 0 || write(guard->pipe, &word, sizeof word) == (ssize_t)sizeof word)
        return;
    /* It has died (its end will be reaped and another started) or hangs: its pipe is full of words. */
    log_warning("the guard does not listen: replacing it");
    net_close(&guard->pipe);
    if (guard->pid > 0)
        (void)kill(guard->pid, SIGKILL);
}

void guard_add(struct guard *guard, pid_t group)
{
    tell(guard, group, true);
}

void guard_remove(struct guard *guard, pid_t group)
{
    tell(guard, group, false);
}

void guard_end(struct guard *guard)
{
    net_close(&guard->pipe);
    if (guard->pid > 0) {
        (void)kill(guard->pid, SIGKILL); /* nothing is left for it to do: it need not be waited for long */
        while (waitpid(guard->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    guard->pid = 0;
}

void guard_died(struct guard *guard)
{
    net_close(&guard->pipe);
    guard->pid = 0;
}
