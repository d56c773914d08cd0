/* SPDX-License-Identifier: MIT */
#include "config/findings.h"

#include "base/mem.h"
#include "tests/unit/unit.h"

START_TEST(findings_are_told_in_the_order_of_the_file)
{
    struct findings findings = {.file = "f"};
    struct config_report report = {0};

    findings_error(&findings, (struct place){2, 9}, "b", "late %d", 1);
    findings_warning(&findings, (struct place){2, 3}, "a.x", "careful");
    findings_error(&findings, (struct place){2, 9}, NULL, "late too");
    findings_error(&findings, (struct place){0, 0}, "WEB_CONCURRENCY", "of the whole");
    findings_tell(&findings, &report);
    ck_assert_str_eq(report.text,
                     "f: WEB_CONCURRENCY: of the whole\nf:2:3: warning: a.x: careful\nf:2:9: b: late 1\n"
                     "f:2:9: late too\n");
    ck_assert_uint_eq(report.errors, 3);
    ck_assert_uint_eq(report.warnings, 1);
    config_report_fini(&report);
    ck_assert_ptr_null(report.text);
}
END_TEST

START_TEST(a_report_keeps_the_lines_that_it_had)
{
    struct findings findings = {.file = "f"};
    struct config_report report = {0};

    findings_tell(&findings, &report);
    ck_assert_ptr_null(report.text);
    findings_error(&findings, (struct place){1, 1}, NULL, "one");
    findings_tell(&findings, &report);
    findings_error(&findings, (struct place){1, 1}, NULL, "two");
    findings_tell(&findings, &report);
    ck_assert_str_eq(report.text, "f:1:1: one\nf:1:1: two\n");
    ck_assert_uint_eq(report.errors, 2);
    config_report_fini(&report);
}
END_TEST

START_TEST(very_many_errors_are_counted_at_the_end)
{
    struct findings findings = {.file = "f"};
    struct config_report report = {0};

    for (unsigned i = 0; i < 3 * FINDINGS_MAX; i++)
        findings_error(&findings, (struct place){i + 1, 1}, NULL, "x");
    findings_tell(&findings, &report);
    ck_assert_ptr_nonnull(strstr(report.text, "\nf: 2000 more\n"));
    ck_assert_uint_eq(report.errors, 3 * FINDINGS_MAX);
    config_report_fini(&report);
}
END_TEST

START_TEST(quoted_parts_are_short_and_cannot_drive_a_terminal)
{
    char part[QUOTE_MAX];
    const char *wide = "0123456789012345678901234567890123456789012345678901234567\xe2\x82\xac and more";

    ck_assert_str_eq(quote_part(part, SLICE("a \x1b[2J\nb")), "a \\x1b[2J\\x0ab");
    ck_assert_str_eq(quote_part(part, slice_of(wide)),
                     "0123456789012345678901234567890123456789012345678901234567...");
    ck_assert_uint_lt(
        strlen(quote_part(part, SLICE("\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"
                                      "\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1\1"))),
        QUOTE_MAX);
}
END_TEST

UNIT_MAIN("config/findings", findings_are_told_in_the_order_of_the_file, a_report_keeps_the_lines_that_it_had,
          very_many_errors_are_counted_at_the_end, quoted_parts_are_short_and_cannot_drive_a_terminal)
