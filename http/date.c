/* SPDX-License-Identifier: MIT
 *
 * IMF-fixdate, made once a second by each thread that asks. The calendar is computed here: gmtime_r and
 * strftime take locks and look at the locale. */
#include "http/date.h"

static char *put_two(char *at, unsigned number)
{
    at[0] = (char)('0' + number / 10 % 10);
    at[1] = (char)('0' + number % 10);
    return at + 2;
}

static char *put_word(char *at, const char *words, unsigned which)
{
    memcpy(at, words + which * 3, 3);
    at[3] = ' ';
    return at + 4;
}

/* Days since the epoch to a date: years begin in March, so that a leap day is the last of its year, and eras
 * are of 400 years, after which the calendar repeats. */
static void civil(uint64_t days, unsigned *year, unsigned *month, unsigned *day)
{
    uint64_t since = days + 719468; /* from 0000-03-01 */
    uint64_t era = since / 146097, of_era = since % 146097;
    uint64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    unsigned of_year = (unsigned)(of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100));
    unsigned shifted = (5 * of_year + 2) / 153;

    *day = of_year - (153 * shifted + 2) / 5 + 1;
    *month = shifted < 10 ? shifted + 3 : shifted - 9;
    *year = (unsigned)(era * 400 + year_of_era) + (*month <= 2 ? 1 : 0);
}

struct slice http_date(uint64_t wall_us)
{
    static _Thread_local char text[HTTP_DATE_SIZE];
    static _Thread_local uint64_t made_for = UINT64_MAX;
    uint64_t seconds = wall_us / 1000000;

    if (seconds != made_for) {
        unsigned year, month, day, of_day = (unsigned)(seconds % 86400);
        char *at = text;
        civil(seconds / 86400, &year, &month, &day);
        at = put_word(at, "ThuFriSatSunMonTueWed", (unsigned)(seconds / 86400 % 7));
        at[-1] = ',';
        *at++ = ' ';
        at = put_two(at, day);
        *at++ = ' ';
        at = put_word(at, "JanFebMarAprMayJunJulAugSepOctNovDec", month - 1);
        at = put_two(put_two(at, year / 100), year % 100);
        *at++ = ' ';
        at = put_two(at, of_day / 3600);
        *at++ = ':';
        at = put_two(at, of_day / 60 % 60);
        *at++ = ':';
        at = put_two(at, of_day % 60);
        memcpy(at, " GMT", 4);
        made_for = seconds;
    }
    return (struct slice){text, sizeof(text)};
}
