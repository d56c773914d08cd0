/* SPDX-License-Identifier: MIT */
#include "base/str.h"

#include "base/mem.h"
#include "tests/unit/unit.h"

START_TEST(ascii_case_is_ignored_and_nothing_else)
{
    ck_assert(slice_equal_nocase(SLICE("Content-Length"), SLICE("cONTENT-lENGTH")));
    ck_assert(!slice_equal_nocase(SLICE("a["), SLICE("a{")));
    ck_assert(!slice_equal_nocase(SLICE("ab"), SLICE("abc")));
    ck_assert(slice_equal((struct slice){NULL, 0}, SLICE("")));
}
END_TEST

START_TEST(a_prefix_is_found_only_at_the_start)
{
    ck_assert(slice_starts(SLICE("unix:/x"), SLICE("unix:")));
    ck_assert(slice_starts(SLICE("x"), SLICE("")));
    ck_assert(!slice_starts(SLICE("uni"), SLICE("unix:")));
    ck_assert(!slice_starts(SLICE(" unix:"), SLICE("unix:")));
}
END_TEST

START_TEST(spaces_and_tabs_are_trimmed_and_other_controls_stay)
{
    ck_assert(slice_equal(slice_trim(SLICE(" \t a b\t ")), SLICE("a b")));
    ck_assert(slice_equal(slice_trim(SLICE("\r\n")), SLICE("\r\n")));
    ck_assert_uint_eq(slice_trim(SLICE("  \t")).size, 0);
}
END_TEST

START_TEST(a_number_is_digits_that_fit_and_nothing_else)
{
    uint64_t number = 7;

    ck_assert(slice_to_u64(SLICE("0"), &number) && number == 0);
    ck_assert(slice_to_u64(SLICE("18446744073709551615"), &number) && number == UINT64_MAX);
    ck_assert(slice_to_u64(SLICE("00012"), &number) && number == 12);
    number = 7;
    ck_assert(!slice_to_u64(SLICE("18446744073709551616"), &number));
    ck_assert(!slice_to_u64(SLICE("99999999999999999999"), &number));
    ck_assert(!slice_to_u64(SLICE(""), &number));
    ck_assert(!slice_to_u64(SLICE("+1"), &number));
    ck_assert(!slice_to_u64(SLICE("1 "), &number));
    ck_assert(!slice_to_u64(SLICE("0x1"), &number));
    ck_assert_uint_eq(number, 7);
}
END_TEST

START_TEST(a_copy_ends_with_nul)
{
    char *copy = slice_dup((struct slice){"abcdef", 3});
    ck_assert_str_eq(copy, "abc");
    mem_free(copy);
    copy = slice_dup((struct slice){NULL, 0});
    ck_assert_str_eq(copy, "");
    mem_free(copy);
}
END_TEST

START_TEST(hashes_of_near_texts_differ_in_their_high_bits_too)
{
    unsigned high = 0;
    char text[8];

    for (unsigned i = 0; i < 256; i++) {
        size_t size = str_format(text, sizeof text, "%u", i);
        high |= 1u << (slice_hash((struct slice){text, size}) >> 59);
    }
    ck_assert_uint_eq(high, 0xffffffffu);
    ck_assert_uint_eq(slice_hash(SLICE("drover")), slice_hash(SLICE("drover")));
}
END_TEST

START_TEST(formatting_never_overruns_and_tells_what_it_wrote)
{
    char into[5] = "....";

    ck_assert_uint_eq(str_format(into, sizeof into, "%s", "abcdefgh"), 4);
    ck_assert_str_eq(into, "abcd");
    ck_assert_uint_eq(str_format(into, sizeof into, "%d", 12), 2);
    ck_assert_uint_eq(str_format(into, 0, "x"), 0);
    ck_assert_str_eq(into, "12");
}
END_TEST

START_TEST(nothing_escaped_can_end_a_line_or_drive_a_terminal)
{
    char into[128];

    str_escape(into, sizeof into, SLICE("a\r\n\x1b[0m\x7f\"\\\xc3\xa9"));
    ck_assert_str_eq(into, "a\\x0d\\x0a\\x1b[0m\\x7f\\x22\\x5c\xc3\xa9");
    str_escape(into, sizeof into,
               SLICE("\xc2\x9b"
                     "2J\x9b\xff"));
    ck_assert_str_eq(into, "\\xc2\\x9b2J\\x9b\\xff");
    str_escape_controls(into, sizeof into, SLICE("\"GET /\\\"\n\0"));
    ck_assert_str_eq(into, "\"GET /\\\"\\x0a\\x00");
}
END_TEST

START_TEST(escaping_cuts_at_whole_characters)
{
    char into[8];

    ck_assert_uint_eq(str_escape(into, 8, SLICE("abc\n\n")), 7);
    ck_assert_str_eq(into, "abc\\x0a");
    ck_assert_uint_eq(str_escape(into, 7, SLICE("abc\n")), 3);
    ck_assert_uint_eq(str_escape(into, 2, SLICE("\xc3\xa9")), 0);
    ck_assert_uint_eq(str_escape(into, 0, SLICE("x")), 0);
    ck_assert_uint_eq(str_escape_json(into, 3, SLICE("a\"")), 1);
}
END_TEST

START_TEST(json_strings_are_valid_whatever_the_bytes)
{
    char into[128];

    str_escape_json(into, sizeof into, SLICE("\"\\\n\t\x01/\xe2\x82\xac"));
    ck_assert_str_eq(into, "\\\"\\\\\\n\\t\\u0001/\xe2\x82\xac");
    /* overlong, a surrogate, cut short, above U+10FFFF, a C1 control */
    str_escape_json(into, sizeof into, SLICE("\xc0\xaf"));
    ck_assert_str_eq(into, "\xef\xbf\xbd\xef\xbf\xbd");
    str_escape_json(into, sizeof into, SLICE("\xed\xa0\x80"));
    ck_assert_str_eq(into, "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd");
    str_escape_json(into, sizeof into, SLICE("\xe2\x82"));
    ck_assert_str_eq(into, "\xef\xbf\xbd\xef\xbf\xbd");
    str_escape_json(into, sizeof into, SLICE("\xf4\x90\x80\x80"));
    ck_assert_uint_eq(strlen(into), 12);
    str_escape_json(into, sizeof into, SLICE("\xc2\x9b"));
    ck_assert_str_eq(into, "\\u009b");
    str_escape_json(into, sizeof into, SLICE("\xf0\x9f\x90\x91"));
    ck_assert_str_eq(into, "\xf0\x9f\x90\x91");
}
END_TEST

UNIT_MAIN("base/str", ascii_case_is_ignored_and_nothing_else, a_prefix_is_found_only_at_the_start,
          spaces_and_tabs_are_trimmed_and_other_controls_stay, a_number_is_digits_that_fit_and_nothing_else,
          a_copy_ends_with_nul, hashes_of_near_texts_differ_in_their_high_bits_too,
          formatting_never_overruns_and_tells_what_it_wrote,
          nothing_escaped_can_end_a_line_or_drive_a_terminal, escaping_cuts_at_whole_characters,
          json_strings_are_valid_whatever_the_bytes)
