/* SPDX-License-Identifier: MIT */
#include "keeper/guard.h"

#include <sys/prctl.h>

#include "base/net.h"
#include "keeper/descriptors.h"
#include "tests/unit/keeper/fixture.h"

/* A group of two processes that ignores what can be ignored. Its numbers go to `numbers`. */
static pid_t stubborn_group(int numbers[2])
{
    int ends[2];

    ck_assert_int_eq(pipe(ends), 0);
    pid_t leader = fork();
    if (leader == 0) {
        descriptors_keep(&ends[1], 1); /* the pipe to the guard is no child's, as exec sees to otherwise */
        (void)setsid();
        (void)signal(SIGTERM, SIG_IGN);
        (void)signal(SIGHUP, SIG_IGN);
        int pids[2] = {getpid(), fork()};
        if (pids[1] != 0 && write(ends[1], pids, sizeof pids) != (ssize_t)sizeof pids)
            _exit(1);
        net_close(&ends[1]);
        for (;;)
            pause();
    }
    ck_assert(readable_in_time(ends[0]));
    ck_assert_int_eq(read(ends[0], numbers, 2 * sizeof *numbers), (int)(2 * sizeof *numbers));
    net_close(&ends[0]);
    net_close(&ends[1]);
    return leader;
}

START_TEST(groups_that_a_killed_keeper_leaves_are_killed)
{
    int ends[2], numbers[2];

    ck_assert_int_eq(pipe(ends), 0);
    pid_t keeper = fork();
    if (keeper == 0) {
        struct guard guard;
        int group[2];
        if (!guard_start(&guard))
            _exit(1);
        guard_add(&guard, stubborn_group(group));
        if (write(ends[1], group, sizeof group) != (ssize_t)sizeof group)
            _exit(1);
        for (;;)
            pause();
    }
    ck_assert(readable_in_time(ends[0]));
    ck_assert_int_eq(read(ends[0], numbers, sizeof numbers), (int)sizeof numbers);
    int leader = watch_process(numbers[0]), member = watch_process(numbers[1]);
    ck_assert_int_eq(kill(keeper, SIGKILL), 0);
    await_end(leader);
    await_end(member);
    ck_assert_int_eq(waitpid(keeper, NULL, 0), keeper);
    net_close(&ends[0]);
    net_close(&ends[1]);
}
END_TEST

START_TEST(a_group_that_has_gone_is_not_killed_and_one_that_came_is)
{
    struct guard guard;
    int one[2], two[2];

    ck_assert(guard_start(&guard));
    int watched = watch_process(guard.pid);
    pid_t first = stubborn_group(one), second = stubborn_group(two);
    guard_add(&guard, first);
    guard_add(&guard, second);
    guard_remove(&guard, first);
    net_close(&guard.pipe); /* as when the keeper dies */
    await_end(watched);
    int status;
    ck_assert_int_eq(waitpid(second, &status, 0), second);
    ck_assert(WIFSIGNALED(status));
    ck_assert_int_eq(waitpid(first, &status, WNOHANG), 0); /* lives */
    ck_assert_int_eq(kill(-first, SIGKILL), 0);
    ck_assert_int_eq(waitpid(first, NULL, 0), first);
    ck_assert_int_eq(waitpid(guard.pid, NULL, 0), guard.pid);
}
END_TEST

START_TEST(the_guard_outlives_the_signals_of_an_operator)
{
    static const int polite[] = {SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGPIPE, SIGALRM};
    struct guard guard;
    sigset_t blocked;
    int numbers[2];

    sigfillset(
        &blocked); /* as in the keeper, so that none comes between the fork and the first line of the guard */
    ck_assert_int_eq(sigprocmask(SIG_SETMASK, &blocked, NULL), 0);
    ck_assert(guard_start(&guard));
    pid_t group = stubborn_group(numbers);
    guard_add(&guard, group);
    for (size_t i = 0; i < sizeof polite / sizeof polite[0]; i++)
        ck_assert_int_eq(kill(guard.pid, polite[i]), 0);
    int watched = watch_process(guard.pid);
    net_close(&guard.pipe);
    await_end(watched);
    ck_assert_int_eq(waitpid(group, NULL, 0), group);
    int status;
    ck_assert_int_eq(waitpid(guard.pid, &status, 0), guard.pid);
    ck_assert_int_eq(status, 0);
}
END_TEST

START_TEST(a_guard_that_died_is_no_trouble_to_tell)
{
    struct guard guard;

    (void)signal(SIGPIPE, SIG_IGN);
    ck_assert(guard_start(&guard));
    ck_assert_int_eq(kill(guard.pid, SIGKILL), 0);
    ck_assert_int_eq(waitpid(guard.pid, NULL, 0), guard.pid);
    guard.pid = 0;
    guard_add(&guard, 1999999);
    ck_assert_int_eq(guard.pipe, -1);
    guard_add(&guard, 1999999);
    guard_died(&guard);
}
END_TEST

START_TEST(the_end_of_a_keeper_that_leaves_nothing_ends_the_guard)
{
    struct guard guard;

    ck_assert(guard_start(&guard));
    int watched = watch_process(guard.pid);
    guard_end(&guard);
    await_end(watched);
    ck_assert_int_eq(guard.pid, 0);
}
END_TEST

UNIT_MAIN("keeper/guard", groups_that_a_killed_keeper_leaves_are_killed,
          a_group_that_has_gone_is_not_killed_and_one_that_came_is,
          the_guard_outlives_the_signals_of_an_operator, a_guard_that_died_is_no_trouble_to_tell,
          the_end_of_a_keeper_that_leaves_nothing_ends_the_guard)
