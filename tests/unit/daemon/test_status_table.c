/* SPDX-License-Identifier: MIT */
#include "daemon/status_table.h"

#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/unit.h"

static char *table_of(const char *json)
{
    json_error_t error;
    json_t *status = json_loads(json, 0, &error);

    ck_assert_msg(status != NULL, "%s", error.text);
    char *text = status_table(status);
    json_decref(status);
    return text;
}

START_TEST(columns_are_as_wide_as_their_widest_cell)
{
    char *text = table_of(
        "{\"version\": \"0.1.0\", \"status\": \"healthy\", \"uptime\": 86.2, \"active_connections\": 12, "
        "\"config\": \"d.yaml\","
        " \"pools\": {\"web\": {\"status\": \"healthy\", \"wanted\": 2, \"ready\": 2, \"queued\": 0, "
        "\"overridden\": true, \"workers\": ["
        "  {\"name\": \"web.1\", \"worker_id\": 4711, \"address\": \"127.0.0.1:8001\", \"status\": "
        "\"healthy\", \"uptime\": 85.9,"
        "   \"requests\": 10234, \"fails\": 0, \"memory\": 52428800, \"requests_in_flight\": 3, \"tunnels\": "
        "1},"
        "  {\"name\": \"web.2\", \"worker_id\": null, \"address\": null, \"status\": \"backoff\", "
        "\"uptime\": 0,"
        "   \"requests\": 7, \"fails\": 0, \"memory\": 0, \"requests_in_flight\": 0, \"tunnels\": 0}]}}}");

    ck_assert_str_eq(
        text, "drover 0.1.0 is healthy, up 1m26s, 12 connections, d.yaml\n"
              "\n"
              "POOL  STATE    READY  WANTED  QUEUED  SIZE BY\n"
              "web   healthy      2       2       0  drover scale\n"
              "\n"
              "WORKER  STATE     PID  ADDRESS         UPTIME  ACTIVE  TUNNELS  REQUESTS  FAILS  MEMORY\n"
              "web.1   healthy  4711  127.0.0.1:8001   1m25s       3        1     10234      0   50.0M\n"
              "web.2   backoff     -  -                   0s       0        0         7      0       0\n");
    mem_free(text);
}
END_TEST

START_TEST(a_pool_that_waits_for_others_says_so)
{
    char *text = table_of(
        "{\"pools\": {\"jobs\": {\"status\": \"down\", \"wanted\": 1, \"ready\": 0, \"waits_for\": [\"web\", "
        "\"a\\u001b[2J\"], \"workers\": []}}}");

    ck_assert_ptr_nonnull(
        strstr(text, "jobs  down, waits for web and a\\x1b[2J      0       1       -  file\n"));
    mem_free(text);
}
END_TEST

START_TEST(the_last_words_of_a_failing_worker_stand_below)
{
    char *text = table_of(
        "{\"pools\": {\"web\": {\"workers\": [{\"name\": \"web.1\", \"status\": \"backoff\","
        " \"last_exit\": \"exited with status 3\", \"output\": [\"Traceback\", \"ImportError: app\"]}]}}}");

    ck_assert_ptr_nonnull(
        strstr(text, "\nweb.1: exited with status 3\n  | Traceback\n  | ImportError: app\n"));
    mem_free(text);
}
END_TEST

START_TEST(what_memory_keeps_a_pool_from_stands_below_the_pools)
{
    char *text = table_of(
        "{\"pools\": {\"web\": {\"wanted\": 4, \"ready\": 2, \"memory_note\": \"no \\u001b room\"}}}");

    ck_assert_ptr_nonnull(strstr(text, "\nweb: no \\x1b room\n\nWORKER"));
    mem_free(text);
}
END_TEST

START_TEST(a_worker_cannot_drive_the_terminal)
{
    char *text = table_of("{\"pools\": {\"web\": {\"workers\": [{\"name\": \"web.1\", \"output\": "
                          "[\"\\u001b[2J\\u0007\"]}]}}}");

    ck_assert_ptr_null(strchr(text, '\033'));
    ck_assert_ptr_null(strchr(text, '\a'));
    mem_free(text);
}
END_TEST

START_TEST(what_is_missing_or_of_another_kind_shows_as_a_dash)
{
    char *text =
        table_of("{\"version\": 5, \"pools\": {\"web\": {\"ready\": \"many\", \"workers\": [{}, 3]}}}");

    ck_assert_ptr_nonnull(strstr(text, "drover - is -, up -, - connections, -\n"));
    mem_free(text);
    mem_free(table_of("{}"));
    mem_free(table_of("[]"));
}
END_TEST

START_TEST(durations_have_two_units)
{
    char text[32];

    status_duration(text, 0.9);
    ck_assert_str_eq(text, "0s");
    status_duration(text, 59.9);
    ck_assert_str_eq(text, "59s");
    status_duration(text, 190);
    ck_assert_str_eq(text, "3m10s");
    status_duration(text, 7500);
    ck_assert_str_eq(text, "2h05m");
    status_duration(text, 4 * 86400 + 3 * 3600);
    ck_assert_str_eq(text, "4d03h");
    status_duration(text, -1);
    ck_assert_str_eq(text, "0s");
}
END_TEST

START_TEST(sizes_have_one_digit_behind_the_point)
{
    char text[32];

    status_size(text, 0);
    ck_assert_str_eq(text, "0");
    status_size(text, 1536);
    ck_assert_str_eq(text, "1.5K");
    status_size(text, 52428800);
    ck_assert_str_eq(text, "50.0M");
    status_size(text, 3.0 * (1 << 30));
    ck_assert_str_eq(text, "3.0G");
}
END_TEST

UNIT_MAIN("daemon/status_table", columns_are_as_wide_as_their_widest_cell,
          a_pool_that_waits_for_others_says_so, the_last_words_of_a_failing_worker_stand_below,
          what_memory_keeps_a_pool_from_stands_below_the_pools, a_worker_cannot_drive_the_terminal,
          what_is_missing_or_of_another_kind_shows_as_a_dash, durations_have_two_units,
          sizes_have_one_digit_behind_the_point)
