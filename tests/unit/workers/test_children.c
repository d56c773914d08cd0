/* SPDX-License-Identifier: MIT
 *
 * Counting the children of a process that really has some: this one. */
#include "workers/children.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static pid_t fork_one(void)
{
    pid_t pid = fork();

    if (pid == 0) {
        pause();
        _exit(0);
    }
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

static struct children count(unsigned young_ms)
{
    struct children children;

    ck_assert(children_count("/proc", getpid(), young_ms, &children));
    return children;
}

START_TEST(those_that_were_forked_and_live_are_counted)
{
    ck_assert_uint_eq(count(0).count, 0);
    pid_t first = fork_one(), second = fork_one();
    ck_assert_uint_eq(count(0).count, 2);
    ck_assert_uint_eq(count(0).young, 0);
    ck_assert_uint_eq(count(60000).young, 2);
    end(first);
    ck_assert_uint_eq(count(0).count, 1);
    end(second);
    ck_assert_uint_eq(count(0).count, 0);
}
END_TEST

START_TEST(who_has_ended_and_is_not_reaped_is_not_counted)
{
    siginfo_t ended;
    pid_t pid = fork_one();

    kill(pid, SIGKILL);
    waitid(P_PID, (id_t)pid, &ended, WEXITED | WNOWAIT);
    ck_assert_uint_eq(count(0).count, 0);
    waitpid(pid, NULL, 0);
}
END_TEST

START_TEST(what_runs_another_program_is_not_counted)
{
    int line[2];
    char byte;
    pid_t pid;

    ck_assert_int_eq(pipe2(line, O_CLOEXEC), 0);
    pid = fork();
    if (pid == 0) {
        execl("/bin/sleep", "sleep", "60", (char *)NULL);
        _exit(1);
    }
    close(line[1]);
    ck_assert_int_eq(read(line[0], &byte, 1), 0); /* it has become the other program */
    ck_assert_uint_eq(count(0).count, 0);
    close(line[0]);
    end(pid);
}
END_TEST

START_TEST(the_arbiter_of_long_work_is_known_by_its_title)
{
    pid_t pid = fork_one();
    struct children children;
    char directory[] = "/tmp/test-children-XXXXXX", command[512];

    ck_assert_ptr_nonnull(mkdtemp(directory));
    snprintf(command, sizeof command,
             "cd %s && mkdir -p %d/task/%d %d && cp /proc/%d/task/%d/children %d/task/%d/ && cp "
             "/proc/%d/stat %d/ && "
             "printf 'gunicorn: dirty-arbiter' >%d/cmdline",
             directory, getpid(), getpid(), pid, getpid(), getpid(), getpid(), getpid(), pid, pid, pid);
    ck_assert_int_eq(system(command), 0);
    ck_assert_uint_eq(count(0).count, 1);
    ck_assert(children_count(directory, getpid(), 0, &children));
    ck_assert_uint_eq(children.count, 0);
    snprintf(command, sizeof command, "rm -r %s", directory);
    ck_assert_int_eq(system(command), 0);
    end(pid);
}
END_TEST

START_TEST(of_a_process_that_is_not_there_nothing_can_be_told)
{
    struct children children;
    pid_t pid = fork_one();

    end(pid);
    ck_assert(!children_count("/proc", pid, 0, &children));
    ck_assert(!children_signal_is_caught("/proc", pid, SIGTTIN));
}
END_TEST

static void on_signal(int number)
{
    (void)number;
}

START_TEST(a_signal_that_would_stop_the_process_is_known)
{
    ck_assert(!children_signal_is_caught("/proc", getpid(), SIGTTIN));
    signal(SIGTTIN, on_signal);
    ck_assert(children_signal_is_caught("/proc", getpid(), SIGTTIN));
    ck_assert(!children_signal_is_caught("/proc", getpid(), SIGTTOU));
    signal(SIGTTIN, SIG_IGN);
    ck_assert(!children_signal_is_caught("/proc", getpid(), SIGTTIN));
}
END_TEST

UNIT_MAIN("workers/children", those_that_were_forked_and_live_are_counted,
          who_has_ended_and_is_not_reaped_is_not_counted, what_runs_another_program_is_not_counted,
          the_arbiter_of_long_work_is_known_by_its_title, of_a_process_that_is_not_there_nothing_can_be_told,
          a_signal_that_would_stop_the_process_is_known)
