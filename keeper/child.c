/* SPDX-License-Identifier: MIT
 *
 * Starting processes. The keeper is single-threaded and small, so fork is cheap and anything may be called
 * after it. Between fork and exec the child speaks on a line (a socket pair): it waits there until the guard
 * knows its group, and says there what failed; exec closes it. */
#include "keeper/child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/net.h"
#include "base/str.h"

#define START_TIMEOUT_MS 5000 /* a directory on a dead network mount must not hold the keeper for ever */
#define SPARE_FD         10   /* above every number that a child's own descriptors get */
#define OOM_SCORE_ADJ    "/proc/self/oom_score_adj"
#define OOM_SCORE_MOST   1000

static const char *const steps[] = {
    [CHILD_FORK] = "fork",    [CHILD_DESCRIPTORS] = "descriptors", [CHILD_LIMITS] = "limits",
    [CHILD_USER] = "user",    [CHILD_DIRECTORY] = "directory",     [CHILD_PARENT] = "the keeper",
    [CHILD_EXEC] = "command", [CHILD_HANGS] = "the start",
};

const char *child_step_name(int step)
{
    return step >= 0 && step < (int)(sizeof steps / sizeof steps[0]) ? steps[step] : "?";
}

size_t child_status_print(int status, char *into, size_t room)
{
    if (WIFEXITED(status))
        return str_format(into, room, "exited with status %d", WEXITSTATUS(status));
    const char *name = sigabbrev_np(WTERMSIG(status));
    return str_format(into, room, "killed by %s%s%s", name ? "SIG" : "signal", name ? name : "",
                      WCOREDUMP(status) ? " (core dumped)" : "");
}

pid_t child_fork(struct guard *guard, int *line)
{
    char go = 0;
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    pid_t pid = fork();
    if (pid < 0) {
        int error = errno;
        net_close(&ends[0]);
        net_close(&ends[1]);
        return -error;
    }
    if (pid == 0) {
        net_close(&ends[0]);
        (void)setsid(); /* a group of its own, and away from the terminal: ^C is for the keeper */
        if (net_read(ends[1], &go, sizeof go) != (ssize_t)sizeof go)
            _exit(1); /* the keeper died */
        *line = ends[1];
        return 0;
    }
    net_close(&ends[1]);
    guard_add(guard, pid);
    (void)net_write(ends[0], &go, sizeof go);
    *line = ends[0];
    return pid;
}

bool child_follow_parent(pid_t keeper)
{
    return prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == keeper;
}

/* Dispositions and mask as a program expects them, whatever drover was started with and uses itself. */
static void reset_signals(void)
{
    struct sigaction usual = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        (void)sigaction(number, &usual, NULL);
    sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* 0 to 2, or 3 with a listener, and nothing else. The sources go out of the way first: one may have a number
 * that another gets. */
static bool arrange_descriptors(const struct child_plan *plan, int *line)
{
    int sources[] = {open("/dev/null", O_RDONLY | O_CLOEXEC), plan->output, plan->errors, plan->listener};
    unsigned count = plan->listener < 0 ? CHILD_LISTENER_FD : CHILD_LISTENER_FD + 1;

    *line = fcntl(*line, F_DUPFD_CLOEXEC, SPARE_FD);
    if (*line < 0)
        return false;
    for (unsigned i = 0; i < count; i++) {
        sources[i] = fcntl(sources[i], F_DUPFD_CLOEXEC, SPARE_FD);
        if (sources[i] < 0)
            return false;
    }
    for (unsigned i = 0; i < count; i++)
        if (dup2(sources[i], (int)i) < 0)
            return false;
    if (count > CHILD_LISTENER_FD) {
        /* Programs that are handed a socket expect it to block, as systemd gives it; those that do not,
         * change it. */
        int flags = fcntl(CHILD_LISTENER_FD, F_GETFL);
        if (flags < 0 || fcntl(CHILD_LISTENER_FD, F_SETFL, flags & ~O_NONBLOCK) < 0)
            return false;
    }
    return close_range(count, ~0U, CLOSE_RANGE_CLOEXEC) == 0;
}

static void fill_listen_pid(char **environment)
{
    for (; *environment; environment++)
        if (strncmp(*environment, CHILD_LISTEN_PID, sizeof CHILD_LISTEN_PID - 1) == 0)
            (void)snprintf(*environment, sizeof CHILD_LISTEN_PID_ROOM, CHILD_LISTEN_PID "%d", (int)getpid());
}

/* While we are who drover is: raising needs no privilege. A /proc that is not there or not to be written must not keep
 * a worker from starting. */
static void raise_oom_score(int more)
{
    char text[16] = "";
    int fd = more > 0 ? open(OOM_SCORE_ADJ, O_RDWR | O_CLOEXEC) : -1;

    if (fd >= 0 && read(fd, text, sizeof text - 1) > 0) {
        int score = atoi(text) + more;
        size_t size = str_format(text, sizeof text, "%d", score < OOM_SCORE_MOST ? score : OOM_SCORE_MOST);
        (void)!pwrite(fd, text, size, 0);
    }
    net_close(&fd);
}

/* Does not return when all goes well. */
static enum child_step become(const struct child_plan *plan, pid_t keeper, int *line)
{
    if (!arrange_descriptors(plan, line))
        return CHILD_DESCRIPTORS;
    if (setrlimit(RLIMIT_NOFILE, &plan->files) < 0)
        return CHILD_LIMITS;
    raise_oom_score(plan->oom_score_more);
    if (plan->identity) {
        int error = identity_assume(plan->identity);
        if (error < 0) {
            errno = -error;
            return CHILD_USER;
        }
    }
    if (chdir(plan->directory) < 0) /* as the user: what root may enter says nothing */
        return CHILD_DIRECTORY;
    if (!child_follow_parent(keeper)) {
        errno = ESRCH;
        return CHILD_PARENT;
    }
    reset_signals();
    fill_listen_pid(plan->environment);
    environ = plan->environment; /* its PATH is the one that finds the command */
    (void)execvp(plan->command[0], plan->command);
    return CHILD_EXEC;
}

/* True when the line was closed by exec. */
static bool wait_for_exec(int line, struct child_failure *failure)
{
    struct pollfd ready = {.fd = line, .events = POLLIN};
    int count;

    do {
        count = poll(&ready, 1, START_TIMEOUT_MS);
    } while (count < 0 && errno == EINTR);
    if (count <= 0) {
        *failure = (struct child_failure){CHILD_HANGS, ETIMEDOUT};
        return false;
    }
    return net_read(line, failure, sizeof *failure) != (ssize_t)sizeof *failure;
}

pid_t child_start(const struct child_plan *plan, struct guard *guard, struct child_failure *failure)
{
    pid_t keeper = getpid();
    int line = -1;
    pid_t pid = child_fork(guard, &line);

    if (pid == 0) {
        struct child_failure told = {.step = become(plan, keeper, &line)};
        told.error = errno;
        (void)net_write(line, &told, sizeof told);
        _exit(127);
    }
    if (pid < 0) {
        *failure = (struct child_failure){CHILD_FORK, -pid};
        return -1;
    }
    bool runs = wait_for_exec(line, failure);
    net_close(&line);
    if (runs)
        return pid;
    (void)kill(-pid, SIGKILL);
    guard_remove(guard, pid);
    if (failure->step == CHILD_HANGS)
        return -1; /* perhaps for long: it is reaped as any orphan is */
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
    return -1;
}
