/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include "http/date.h"
#include "tests/unit/http/reading.h"

START_TEST(the_date_is_that_of_the_rfcs_example)
{
    ck_assert_slice(http_date(784111777000000), "Sun, 06 Nov 1994 08:49:37 GMT");
    ck_assert_slice(http_date(784111777999999), "Sun, 06 Nov 1994 08:49:37 GMT");
    ck_assert_slice(http_date(784111778000000), "Sun, 06 Nov 1994 08:49:38 GMT");
    ck_assert_slice(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}
END_TEST

START_TEST(dates_are_those_of_the_c_library_for_centuries)
{
    for (uint64_t seconds = 0; seconds < 8000000000; seconds += 86400 * 3 + 12347) {
        char wanted[64];
        time_t at = (time_t)seconds;
        struct tm parts;
        gmtime_r(&at, &parts);
        strftime(wanted, sizeof(wanted), "%a, %d %b %Y %H:%M:%S GMT", &parts);
        ck_assert_slice(http_date(seconds * 1000000), wanted);
    }
}
END_TEST

static void *ask_for_another(void *wanted)
{
    struct slice date = http_date(784111777000000);
    return slice_equal(date, slice_of(wanted)) ? wanted : NULL;
}

START_TEST(each_thread_has_its_own)
{
    char other[] = "Sun, 06 Nov 1994 08:49:37 GMT";
    pthread_t thread;
    void *same;
    struct slice mine = http_date(0);

    ck_assert_int_eq(pthread_create(&thread, NULL, ask_for_another, other), 0);
    ck_assert_int_eq(pthread_join(thread, &same), 0);
    ck_assert_ptr_nonnull(same);
    ck_assert_slice(mine, "Thu, 01 Jan 1970 00:00:00 GMT");
}
END_TEST

UNIT_MAIN("http/date", the_date_is_that_of_the_rfcs_example, dates_are_those_of_the_c_library_for_centuries,
          each_thread_has_its_own)
