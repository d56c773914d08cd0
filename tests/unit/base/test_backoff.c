/* SPDX-License-Identifier: MIT */
#include "base/backoff.h"

#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/unit.h"

START_TEST(no_failure_means_no_wait)
{
    ck_assert_uint_eq(backoff_ms(0, 500, 30000, UINT32_MAX), 0);
}
END_TEST

START_TEST(the_wait_doubles_up_to_its_bound)
{
    ck_assert_uint_eq(backoff_ms(1, 500, 30000, 0), 500);
    ck_assert_uint_eq(backoff_ms(2, 500, 30000, 0), 1000);
    ck_assert_uint_eq(backoff_ms(6, 500, 30000, 0), 16000);
    ck_assert_uint_eq(backoff_ms(7, 500, 30000, 0), 30000);
    ck_assert_uint_eq(backoff_ms(4000000000u, 500, 30000, 0), 30000);
    ck_assert_uint_eq(backoff_ms(1, 500, 100, 0), 100);
}
END_TEST

START_TEST(jitter_takes_away_at_most_half)
{
    ck_assert_uint_eq(backoff_ms(2, 500, 30000, UINT32_MAX), 500);
    for (unsigned i = 0; i < 1000; i++) {
        unsigned wait = backoff_ms(2, 500, 30000, random_u32());
        ck_assert_uint_ge(wait, 500);
        ck_assert_uint_le(wait, 1000);
    }
    ck_assert_uint_gt(backoff_ms(9, 500, UINT32_MAX, UINT32_MAX), 0);
}
END_TEST

START_TEST(a_child_throws_other_dice_than_its_parent)
{
    uint32_t theirs[2] = {0}, ours[2];
    int pipes[2], status;

    random_u32();
    ck_assert_int_eq(pipe(pipes), 0);
    pid_t child = fork();
    if (child == 0) {
        uint32_t thrown[2] = {random_u32(), random_u32()};
        _exit(write(pipes[1], thrown, sizeof thrown) == sizeof thrown ? 0 : 1);
    }
    ours[0] = random_u32();
    ours[1] = random_u32();
    ck_assert_int_eq(waitpid(child, &status, 0), child);
    ck_assert_int_eq(read(pipes[0], theirs, sizeof theirs), (int)sizeof theirs);
    ck_assert(ours[0] != theirs[0] || ours[1] != theirs[1]);
    ck_assert(ours[0] != ours[1]);
}
END_TEST

UNIT_MAIN("base/backoff", no_failure_means_no_wait, the_wait_doubles_up_to_its_bound,
          jitter_takes_away_at_most_half, a_child_throws_other_dice_than_its_parent)
