/* SPDX-License-Identifier: MIT */
#include "proxy/failure.h"

#include <string.h>

#include "tests/unit/unit.h"

START_TEST(every_failure_has_a_word_of_its_own)
{
    for (int i = 0; i < FAILURES; i++) {
        ck_assert_ptr_nonnull(failures[i].word);
        for (int k = 0; k < i; k++)
            ck_assert_str_ne(failures[i].word, failures[k].word);
    }
}
END_TEST

START_TEST(the_client_is_told_whose_fault_it_is)
{
    ck_assert_uint_eq(failures[FAILURE_BAD_REQUEST].status, 400);
    ck_assert_uint_eq(failures[FAILURE_BODY_TOO_LARGE].status, 413);
    ck_assert_uint_eq(failures[FAILURE_CLIENT_TIMEOUT].status, 408);
    ck_assert_uint_eq(failures[FAILURE_UNREADABLE].status, 502);
    ck_assert_uint_eq(failures[FAILURE_CLOSED].status, 502);
    ck_assert_uint_eq(failures[FAILURE_NO_WORKER].status, 503);
    ck_assert_uint_eq(failures[FAILURE_QUEUE_FULL].status, 503);
    ck_assert_uint_eq(failures[FAILURE_QUEUE_TIMEOUT].status, 503);
    ck_assert_uint_eq(failures[FAILURE_RESPONSE_TIMEOUT].status, 504);
    ck_assert_uint_eq(failures[FAILURE_CONNECT_TIMEOUT].status, 504);
    ck_assert_uint_eq(failures[FAILURE_DISK].status, 507);
}
END_TEST

START_TEST(what_happens_after_the_head_cannot_be_told_any_more)
{
    ck_assert_uint_eq(failures[FAILURE_BROKEN].status, 0);
    ck_assert_uint_eq(failures[FAILURE_STALLED].status, 0);
    ck_assert_uint_eq(failures[FAILURE_SLOW_CLIENT].status, 0);
}
END_TEST

/* behaviour.md section 4: what counts towards max_fails, and nothing else. */
START_TEST(only_what_a_backend_did_is_held_against_it)
{
    static const enum failure its_own[] = {FAILURE_REFUSED,          FAILURE_CONNECT_TIMEOUT,
                                           FAILURE_CLOSED,           FAILURE_UNREADABLE,
                                           FAILURE_RESPONSE_TIMEOUT, FAILURE_REFUSED_STREAM};
    unsigned blamed = 0;

    for (unsigned i = 0; i < sizeof its_own / sizeof *its_own; i++)
        ck_assert_msg(failures[its_own[i]].blames_backend, "%s", failures[its_own[i]].word);
    for (int i = 0; i < FAILURES; i++)
        blamed += failures[i].blames_backend;
    ck_assert_uint_eq(blamed, sizeof its_own / sizeof *its_own);
}
END_TEST

START_TEST(another_backend_is_asked_only_when_this_one_gave_no_byte)
{
    for (int i = 0; i < FAILURES; i++)
        ck_assert_msg(failures[i].try_another == (i == FAILURE_REFUSED || i == FAILURE_CONNECT_TIMEOUT ||
                                                  i == FAILURE_STALE || i == FAILURE_CLOSED ||
                                                  i == FAILURE_UNPROCESSED || i == FAILURE_REFUSED_STREAM),
                      "%s", failures[i].word);
}
END_TEST

UNIT_MAIN("proxy/failure", every_failure_has_a_word_of_its_own, the_client_is_told_whose_fault_it_is,
          what_happens_after_the_head_cannot_be_told_any_more, only_what_a_backend_did_is_held_against_it,
          another_backend_is_asked_only_when_this_one_gave_no_byte)
