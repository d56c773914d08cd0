/* SPDX-License-Identifier: MIT */
#include <stdio.h>

#include "base/mem.h"
#include "tests/unit/http/reading.h"

START_TEST(numbers_are_written_as_printf_does)
{
    static const uint64_t numbers[] = {0,   1,   9,    10,    15,      16,        99,        100,
                                       255, 256, 4096, 65535, 1000000, INT64_MAX, UINT64_MAX};
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        char text[32], wanted[32];
        *h1_put_number(text, numbers[i]) = '\0';
        snprintf(wanted, sizeof(wanted), "%llu", (unsigned long long)numbers[i]);
        ck_assert_str_eq(text, wanted);
        *h1_put_hex(text, numbers[i]) = '\0';
        snprintf(wanted, sizeof(wanted), "%llx", (unsigned long long)numbers[i]);
        ck_assert_str_eq(text, wanted);
    }
}
END_TEST

START_TEST(a_field_is_written_with_colon_space_and_crlf)
{
    char text[32];
    char *end = h1_put_field(text, SLICE("X-A"), SLICE("b c"));

    ck_assert_slice(((struct slice){text, (size_t)(end - text)}), "X-A: b c\r\n");
}
END_TEST

START_TEST(a_chunk_stands_behind_what_is_there_with_its_size_in_hex)
{
    struct buffer buffer = {0};

    buffer_append(&buffer, "head", 4);
    h1_append_chunk(&buffer, SLICE("0123456789abcdef!"));
    ck_assert_slice(buffer_slice(&buffer), "head11\r\n0123456789abcdef!\r\n");
    buffer_release(&buffer);
    blocks_fini();
}
END_TEST

START_TEST(statuses_have_reasons_and_unheard_ones_are_unknown)
{
    ck_assert_slice(status_reason(200), "OK");
    ck_assert_slice(status_reason(404), "Not Found");
    ck_assert_slice(status_reason(502), "Bad Gateway");
    ck_assert_slice(status_reason(299), "Unknown");
    ck_assert_slice(status_reason(0), "Unknown");
}
END_TEST

START_TEST(every_status_drover_answers_with_has_a_reason)
{
    static const unsigned ours[] = {100, 400, 404, 405, 408, 413, 414, 417,
                                    431, 500, 501, 502, 503, 504, 505, 507};
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        ck_assert(!slice_equal(status_reason(ours[i]), SLICE("Unknown")));
}
END_TEST

UNIT_MAIN("http/h1_write", numbers_are_written_as_printf_does, a_field_is_written_with_colon_space_and_crlf,
          a_chunk_stands_behind_what_is_there_with_its_size_in_hex,
          statuses_have_reasons_and_unheard_ones_are_unknown, every_status_drover_answers_with_has_a_reason)
