/* SPDX-License-Identifier: MIT */
#include "proxy/grpc.h"

#include "tests/unit/unit.h"

static bool is_call(const char *type)
{
    struct head head;

    head.field_count = 1;
    head.fields[0] =
        (struct field){.name = SLICE("content-type"), .value = slice_of(type), .known = FIELD_CONTENT_TYPE};
    return grpc_is_call(&head);
}

START_TEST(a_call_is_known_by_its_content_type)
{
    struct head none;

    none.field_count = 0;
    ck_assert(!grpc_is_call(&none));
    ck_assert(is_call("application/grpc"));
    ck_assert(is_call("application/grpc+proto"));
    ck_assert(is_call("Application/gRPC; charset=utf-8"));
    ck_assert(is_call("application/grpc ;a=b"));
    ck_assert(!is_call("application/grpc-web"));
    ck_assert(!is_call("application/grpc-web+proto"));
    ck_assert(!is_call("application/grp"));
    ck_assert(!is_call("application/json"));
    ck_assert(!is_call(""));
}
END_TEST

/* As its clients would understand the HTTP status, or better. */
START_TEST(each_failure_has_a_status_that_clients_of_grpc_act_upon)
{
    ck_assert_uint_eq(grpc_status(FAILURE_QUEUE_FULL, 503), 14);
    ck_assert_uint_eq(grpc_status(FAILURE_REFUSED, 502), 14);
    ck_assert_uint_eq(grpc_status(FAILURE_CONNECT_TIMEOUT, 504), 14);
    ck_assert_uint_eq(grpc_status(FAILURE_RESPONSE_TIMEOUT, 504), 4);
    ck_assert_uint_eq(grpc_status(FAILURE_CLIENT_TIMEOUT, 408), 4);
    ck_assert_uint_eq(grpc_status(FAILURE_BODY_TOO_LARGE, 413), 8);
    ck_assert_uint_eq(grpc_status(FAILURE_BAD_REQUEST, 400), 13);
    ck_assert_uint_eq(grpc_status(FAILURE_BROKEN, 0), 14);
    ck_assert_uint_eq(grpc_status(FAILURE_NONE, 404), 12);
    ck_assert_uint_eq(grpc_status(FAILURE_NONE, 418), 2);
    for (enum failure failure = FAILURE_NONE; failure < FAILURES; failure++)
        if (failures[failure].status >= 400 && failures[failure].status != 499)
            ck_assert_msg(grpc_status(failure, failures[failure].status) != 2, "%s", failures[failure].word);
}
END_TEST

UNIT_MAIN("proxy/grpc", a_call_is_known_by_its_content_type,
          each_failure_has_a_status_that_clients_of_grpc_act_upon)
