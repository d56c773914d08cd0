/* SPDX-License-Identifier: MIT */
#include "tests/unit/http/reading.h"

START_TEST(safe_methods_are_those_of_rfc_9110)
{
    ck_assert(method_is_safe(METHOD_GET) && method_is_safe(METHOD_HEAD));
    ck_assert(method_is_safe(METHOD_OPTIONS) && method_is_safe(METHOD_TRACE));
    ck_assert(!method_is_safe(METHOD_PUT) && !method_is_safe(METHOD_POST) && !method_is_safe(METHOD_OTHER));
}
END_TEST

START_TEST(put_and_delete_are_idempotent_but_post_patch_and_unknown_ones_are_not)
{
    ck_assert(method_is_idempotent(METHOD_GET) && method_is_idempotent(METHOD_PUT));
    ck_assert(method_is_idempotent(METHOD_DELETE));
    ck_assert(!method_is_idempotent(METHOD_POST) && !method_is_idempotent(METHOD_PATCH));
    ck_assert(!method_is_idempotent(METHOD_OTHER) && !method_is_idempotent(METHOD_CONNECT));
}
END_TEST

START_TEST(the_first_field_of_a_name_is_found)
{
    ck_assert_request("GET / HTTP/1.1\r\nHost: a\r\nCookie: 1\r\nCookie: 2\r\nX-A: b\r\nx-a: c\r\n\r\n");
    ck_assert_slice(head_find(&head, FIELD_COOKIE)->value, "1");
    ck_assert_ptr_null(head_find(&head, FIELD_VIA));
    ck_assert_slice(head_find_other(&head, SLICE("X-a"))->value, "b");
    ck_assert_ptr_null(head_find_other(&head, SLICE("X-b")));
}
END_TEST

UNIT_MAIN("http/message", safe_methods_are_those_of_rfc_9110,
          put_and_delete_are_idempotent_but_post_patch_and_unknown_ones_are_not,
          the_first_field_of_a_name_is_found)
