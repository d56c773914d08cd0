/* SPDX-License-Identifier: MIT */
#include "http/cookie.h"

#include "tests/unit/http/reading.h"

#define REQUEST(fields) "GET / HTTP/1.1\r\nHost: a\r\n" fields "\r\n"

static struct slice found(const char *name)
{
    struct slice value = {0};

    return cookie_find(&head, slice_of(name), &value) ? value : SLICE("(none)");
}

START_TEST(a_cookie_is_found_by_its_whole_name)
{
    ck_assert_request(REQUEST("Cookie: ab=1; a=2;b=3 ; empty=; a=4\r\n"));
    ck_assert_slice(found("a"), "2");
    ck_assert_slice(found("ab"), "1");
    ck_assert_slice(found("b"), "3");
    ck_assert_slice(found("empty"), "");
    ck_assert_slice(found("A"), "(none)");
    ck_assert_slice(found("c"), "(none)");
}
END_TEST

START_TEST(a_cookie_is_found_in_any_of_the_fields)
{
    ck_assert_request(REQUEST("Cookie: x=1\r\nCookie: y=a=b\r\n"));
    ck_assert_slice(found("y"), "a=b");
    ck_assert_request(REQUEST("X-Cookie: y=1\r\n"));
    ck_assert_slice(found("y"), "(none)");
}
END_TEST

START_TEST(what_is_no_pair_is_passed_over)
{
    ck_assert_request(REQUEST("Cookie: ;; odd ;=x;a\r\nCookie: ; a=1 ;;\r\n"));
    ck_assert_slice(found("a"), "1");
    ck_assert_slice(found("odd"), "(none)");
}
END_TEST

static const char *put(const char *value, const char *without)
{
    static char out[256];
    struct field field = {.name = SLICE("Cookie"), .value = slice_of(value)};

    *cookie_put_without(out, &field, slice_of(without)) = 0;
    return out;
}

START_TEST(one_name_is_left_out_wherever_it_stands)
{
    ck_assert_str_eq(put("a=1; b=2; c=3", "a"), "Cookie: b=2; c=3\r\n");
    ck_assert_str_eq(put("a=1; b=2; c=3", "b"), "Cookie: a=1; c=3\r\n");
    ck_assert_str_eq(put("a=1;b=2;c=3", "c"), "Cookie: a=1; b=2\r\n");
    ck_assert_str_eq(put("b=1; a=0; b=2", "b"), "Cookie: a=0\r\n");
}
END_TEST

START_TEST(a_field_without_it_is_written_as_it_came)
{
    ck_assert_str_eq(put("a=1;;b=2; ", "c"), "Cookie: a=1;;b=2; \r\n");
    ck_assert_str_eq(put("bb=1", "b"), "Cookie: bb=1\r\n");
    ck_assert_str_eq(put("", "b"), "Cookie: \r\n");
}
END_TEST

START_TEST(a_field_of_nothing_else_is_not_written)
{
    ck_assert_str_eq(put("b=1", "b"), "");
    ck_assert_str_eq(put("b=1; b=2;", "b"), "");
}
END_TEST

UNIT_MAIN("http/cookie", a_cookie_is_found_by_its_whole_name, a_cookie_is_found_in_any_of_the_fields,
          what_is_no_pair_is_passed_over, one_name_is_left_out_wherever_it_stands,
          a_field_without_it_is_written_as_it_came, a_field_of_nothing_else_is_not_written)
