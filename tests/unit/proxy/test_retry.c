/* SPDX-License-Identifier: MIT */
#include "proxy/retry.h"

#include "tests/unit/unit.h"

/* A GET that was written, on its first try. */
static struct retry_question question(enum failure failure)
{
    return (struct retry_question){.failure = failure,
                                   .method = METHOD_GET,
                                   .wrote = true,
                                   .body_is_held = true,
                                   .retries_max = 2,
                                   .tries = 1,
                                   .age_max_ms = 60000};
}

static enum retry_answer ask(enum failure failure, enum method method, bool wrote, bool body_is_held)
{
    struct retry_question asked = question(failure);

    asked.method = method;
    asked.wrote = wrote;
    asked.body_is_held = body_is_held;
    return retry_decide(&asked);
}

START_TEST(what_was_never_written_may_go_elsewhere_whatever_the_method)
{
    static const enum method methods[] = {METHOD_GET,  METHOD_HEAD,   METHOD_OPTIONS, METHOD_PUT,
                                          METHOD_POST, METHOD_DELETE, METHOD_PATCH,   METHOD_OTHER};

    for (unsigned i = 0; i < sizeof methods / sizeof *methods; i++) {
        ck_assert_int_eq(ask(FAILURE_REFUSED, methods[i], false, true), RETRY_COUNTED);
        ck_assert_int_eq(ask(FAILURE_CONNECT_TIMEOUT, methods[i], false, false), RETRY_COUNTED);
        ck_assert_int_eq(ask(FAILURE_STALE, methods[i], false, false), RETRY_FREE);
    }
}
END_TEST

START_TEST(a_stale_link_is_tried_again_for_nothing_when_the_method_is_idempotent)
{
    ck_assert_int_eq(ask(FAILURE_STALE, METHOD_GET, true, true), RETRY_FREE);
    ck_assert_int_eq(ask(FAILURE_STALE, METHOD_HEAD, true, true), RETRY_FREE);
    ck_assert_int_eq(ask(FAILURE_STALE, METHOD_PUT, true, true), RETRY_FREE);
    ck_assert_int_eq(ask(FAILURE_STALE, METHOD_DELETE, true, true), RETRY_FREE);
    ck_assert_int_eq(ask(FAILURE_STALE, METHOD_POST, true, true), RETRY_NO);
    ck_assert_int_eq(ask(FAILURE_STALE, METHOD_PATCH, true, true), RETRY_NO);
    ck_assert_int_eq(ask(FAILURE_STALE, METHOD_OTHER, true, true), RETRY_NO);
}
END_TEST

START_TEST(what_a_worker_has_not_looked_at_may_be_sent_again_whatever_the_method)
{
    ck_assert_int_eq(ask(FAILURE_UNPROCESSED, METHOD_POST, false, true), RETRY_FREE);
    ck_assert_int_eq(ask(FAILURE_REFUSED_STREAM, METHOD_POST, false, true), RETRY_COUNTED);
    ck_assert_int_eq(ask(FAILURE_UNPROCESSED, METHOD_POST, true, false),
                     RETRY_NO); /* it is not held any more */
}
END_TEST

START_TEST(a_body_that_is_no_longer_held_is_not_sent_again)
{
    ck_assert_int_eq(ask(FAILURE_STALE, METHOD_PUT, true, false), RETRY_NO);
    ck_assert_int_eq(ask(FAILURE_CLOSED, METHOD_PUT, true, false), RETRY_NO);
}
END_TEST

START_TEST(a_fresh_connection_that_was_closed_counts)
{
    ck_assert_int_eq(ask(FAILURE_CLOSED, METHOD_GET, true, true), RETRY_COUNTED);
    ck_assert_int_eq(ask(FAILURE_CLOSED, METHOD_PUT, true, true), RETRY_COUNTED);
    ck_assert_int_eq(ask(FAILURE_CLOSED, METHOD_POST, true, true), RETRY_NO);
}
END_TEST

START_TEST(an_answer_that_is_broken_or_late_is_not_asked_for_again)
{
    ck_assert_int_eq(ask(FAILURE_UNREADABLE, METHOD_GET, true, true), RETRY_NO);
    ck_assert_int_eq(ask(FAILURE_RESPONSE_TIMEOUT, METHOD_GET, true, true), RETRY_NO);
    ck_assert_int_eq(ask(FAILURE_BROKEN, METHOD_GET, true, true), RETRY_NO);
    ck_assert_int_eq(ask(FAILURE_STALLED, METHOD_GET, true, true), RETRY_NO);
    ck_assert_int_eq(ask(FAILURE_NO_DESCRIPTOR, METHOD_GET, false, true), RETRY_NO);
}
END_TEST

START_TEST(nothing_is_tried_again_once_the_client_was_sent_a_byte)
{
    struct retry_question asked = question(FAILURE_STALE);

    asked.client_was_told = true;
    ck_assert_int_eq(retry_decide(&asked), RETRY_NO);
    asked.failure = FAILURE_REFUSED;
    asked.wrote = false;
    ck_assert_int_eq(retry_decide(&asked), RETRY_NO);
}
END_TEST

START_TEST(no_more_than_the_pool_allows_are_counted_and_stale_links_are_not)
{
    struct retry_question asked = question(FAILURE_CLOSED);

    asked.retries = 1;
    ck_assert_int_eq(retry_decide(&asked), RETRY_COUNTED);
    asked.retries = 2;
    ck_assert_int_eq(retry_decide(&asked), RETRY_NO);
    asked.failure = FAILURE_STALE;
    ck_assert_int_eq(retry_decide(&asked), RETRY_FREE);
    asked.retries = asked.retries_max = 0;
    asked.failure = FAILURE_CLOSED;
    ck_assert_int_eq(retry_decide(&asked), RETRY_NO);
}
END_TEST

START_TEST(stale_links_do_not_go_on_for_ever)
{
    struct retry_question asked = question(FAILURE_STALE);

    asked.tries = 16;
    ck_assert_int_eq(retry_decide(&asked), RETRY_NO);
}
END_TEST

START_TEST(a_request_whose_worker_has_exited_is_tried_once_more_without_the_budget)
{
    struct retry_question asked = question(FAILURE_CLOSED);

    asked.worker_exited = true;
    ck_assert_int_eq(retry_decide(&asked), RETRY_ONCE);
    asked.method = METHOD_POST;
    ck_assert_int_eq(retry_decide(&asked), RETRY_NO);
    asked.wrote = false; /* it cannot be what killed it */
    ck_assert_int_eq(retry_decide(&asked), RETRY_COUNTED);
}
END_TEST

START_TEST(nothing_is_tried_again_past_the_response_timeout)
{
    struct retry_question asked = question(FAILURE_STALE);

    asked.age_ms = 59999;
    ck_assert_int_eq(retry_decide(&asked), RETRY_FREE);
    asked.age_ms = 60000;
    ck_assert_int_eq(retry_decide(&asked), RETRY_NO);
    asked.age_max_ms = 0; /* no bound */
    ck_assert_int_eq(retry_decide(&asked), RETRY_FREE);
}
END_TEST

UNIT_MAIN("proxy/retry", what_was_never_written_may_go_elsewhere_whatever_the_method,
          a_stale_link_is_tried_again_for_nothing_when_the_method_is_idempotent,
          what_a_worker_has_not_looked_at_may_be_sent_again_whatever_the_method,
          a_body_that_is_no_longer_held_is_not_sent_again, a_fresh_connection_that_was_closed_counts,
          an_answer_that_is_broken_or_late_is_not_asked_for_again,
          nothing_is_tried_again_once_the_client_was_sent_a_byte,
          no_more_than_the_pool_allows_are_counted_and_stale_links_are_not, stale_links_do_not_go_on_for_ever,
          a_request_whose_worker_has_exited_is_tried_once_more_without_the_budget,
          nothing_is_tried_again_past_the_response_timeout)
