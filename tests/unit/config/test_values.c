/* SPDX-License-Identifier: MIT */
#include "config/values.h"

#include <signal.h>

#include "tests/unit/unit.h"

static const uint64_t wrong = UINT64_MAX;

static uint64_t duration(const char *text)
{
    uint64_t milliseconds = 0;

    return value_duration(slice_of(text), &milliseconds) ? milliseconds : wrong;
}

static uint64_t size(const char *text)
{
    uint64_t bytes = 0;

    return value_size(slice_of(text), &bytes) ? bytes : wrong;
}

START_TEST(durations_have_units_and_bare_numbers_are_seconds)
{
    ck_assert_uint_eq(duration("250ms"), 250);
    ck_assert_uint_eq(duration("10s"), 10000);
    ck_assert_uint_eq(duration("5m"), 300000);
    ck_assert_uint_eq(duration("1h"), 3600000);
    ck_assert_uint_eq(duration("30"), 30000);
    ck_assert_uint_eq(duration("0"), 0);
    ck_assert_uint_eq(duration("0.5"), 500);
    ck_assert_uint_eq(duration("1.5h"), 5400000);
    ck_assert_uint_eq(duration("1m30s"), 90000);
    ck_assert_uint_eq(duration("1h0m0.250s"), 3600250);
}
END_TEST

START_TEST(other_durations_are_refused)
{
    const char *const texts[] = {"",
                                 "s",
                                 "10x",
                                 "-1s",
                                 "+1s",
                                 " 1s",
                                 "1 s",
                                 "1s ",
                                 "0x10",
                                 "1e3",
                                 ".5",
                                 "5.",
                                 "1.s",
                                 "1..5s",
                                 "1s1m",
                                 "1s1s",
                                 "1m30",
                                 "0.5ms",
                                 "0.0001",
                                 "1d",
                                 "1S",
                                 "1M",
                                 "inf",
                                 "1,5s",
                                 "1ms1",
                                 "1.1.1s",
                                 "ms",
                                 "1.5m.5s",
                                 "0.0000000001h",
                                 "18446744073709551616",
                                 "18446744073709551615h",
                                 "5124095576031h5124095576031m"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_msg(duration(texts[i]) == wrong, "'%s' is read", texts[i]);
}
END_TEST

START_TEST(sizes_are_powers_of_1024)
{
    ck_assert_uint_eq(size("0"), 0);
    ck_assert_uint_eq(size("512"), 512);
    ck_assert_uint_eq(size("64k"), 65536);
    ck_assert_uint_eq(size("10M"), 10485760);
    ck_assert_uint_eq(size("2g"), 2147483648u);
    const char *const texts[] = {
        "", "k", "1kb", "1.5m", "-1", "1 k", "1t", "0x1", "18446744073709551616", "17179869184g"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        ck_assert_msg(size(texts[i]) == wrong, "'%s' is read", texts[i]);
}
END_TEST

START_TEST(switches_are_what_yaml_calls_booleans)
{
    const char *const on[] = {"on", "yes", "true", "True", "ON"}, *const off[] = {"off", "no", "false", "Off",
                                                                                  "NO"};
    bool value;

    for (size_t i = 0; i < 5; i++) {
        value = false;
        ck_assert(value_switch(slice_of(on[i]), &value) && value);
        ck_assert(value_switch(slice_of(off[i]), &value) && !value);
    }
    ck_assert(!value_switch(SLICE("1"), &value));
    ck_assert(!value_switch(SLICE("y"), &value));
    ck_assert(!value_switch(SLICE(""), &value));
}
END_TEST

START_TEST(signals_have_their_names_with_or_without_sig)
{
    int number = 0;

    ck_assert(value_signal(SLICE("TERM"), &number) && number == SIGTERM);
    ck_assert(value_signal(SLICE("SIGQUIT"), &number) && number == SIGQUIT);
    ck_assert(!value_signal(SLICE("term"), &number));
    ck_assert(!value_signal(SLICE("SIG"), &number));
    ck_assert(!value_signal(SLICE("15"), &number));
    ck_assert_str_eq(value_print_signal(SIGWINCH), "WINCH");
}
END_TEST

START_TEST(what_is_printed_reads_as_the_same)
{
    const uint64_t numbers[] = {0, 1, 250, 1000, 1500, 60000, 90000, 3600000, 86400000, 4294967295u};
    char text[VALUE_TEXT];

    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        ck_assert_uint_eq(duration(value_print_duration(text, numbers[i])), numbers[i]);
        ck_assert_uint_eq(size(value_print_size(text, numbers[i])), numbers[i]);
    }
    ck_assert_str_eq(value_print_duration(text, 90000), "90s");
    ck_assert_str_eq(value_print_duration(text, 0), "0s");
    ck_assert_str_eq(value_print_size(text, 1048576), "1m");
    ck_assert_str_eq(value_print_size(text, 0), "0");
}
END_TEST

START_TEST(factors_have_up_to_three_decimals)
{
    static const struct {
        const char *text;
        uint64_t thousandths;
    } good[] = {{"2", 2000}, {"2.0", 2000}, {"1.5", 1500}, {"0.125", 125}, {"100", 100000}};
    static const char *const bad[] = {"",   ".",   "1.",  ".5", "1.2345",
                                      "-1", "1,5", "1.x", "2 ", "18446744073709551615"};
    char text[VALUE_TEXT];
    uint64_t number;

    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ck_assert(value_factor(slice_of(good[i].text), &number));
        ck_assert_uint_eq(number, good[i].thousandths);
        ck_assert(value_factor(slice_of(value_print_factor(text, number)), &number));
        ck_assert_uint_eq(number, good[i].thousandths);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        ck_assert_msg(!value_factor(slice_of(bad[i]), &number), "%s", bad[i]);
    ck_assert_str_eq(value_print_factor(text, 1250), "1.25");
}
END_TEST

UNIT_MAIN("config/values", durations_have_units_and_bare_numbers_are_seconds, other_durations_are_refused,
          sizes_are_powers_of_1024, switches_are_what_yaml_calls_booleans,
          signals_have_their_names_with_or_without_sig, what_is_printed_reads_as_the_same,
          factors_have_up_to_three_decimals)
