/* SPDX-License-Identifier: MIT
 *
 * The small values of the file: pure functions. Every form that is read is exact: what would be rounded or
 * overflow is refused. */
#include "config/values.h"

#include <signal.h>

bool value_count(struct slice text, uint64_t *count)
{
    return slice_to_u64(text, count);
}

static size_t digits(struct slice text)
{
    size_t size = 0;

    while (size < text.size && text.at[size] >= '0' && text.at[size] <= '9')
        size++;
    return size;
}

static void skip(struct slice *text, size_t size)
{
    text->at += size;
    text->size -= size;
}

static bool take_unit(struct slice *text, uint64_t *unit)
{
    static const struct {
        struct slice name;
        uint64_t milliseconds;
    } units[] = {{{"ms", 2}, 1}, {{"s", 1}, 1000}, {{"m", 1}, 60000}, {{"h", 1}, 3600000}};

    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (slice_starts(*text, units[i].name)) {
            *unit = units[i].milliseconds;
            skip(text, units[i].name.size);
            return true;
        }
    }
    return false;
}

/* One number with its unit, "1.5h"; a fraction must come out as whole milliseconds. */
static bool take_part(struct slice *text, bool alone, uint64_t *milliseconds, uint64_t *unit)
{
    struct slice whole = {text->at, digits(*text)}, fraction = {NULL, 0};
    uint64_t number, part = 0, scale = 1;

    skip(text, whole.size);
    if (text->size > 1 && text->at[0] == '.') {
        skip(text, 1);
        fraction = (struct slice){text->at, digits(*text)};
        skip(text, fraction.size);
        if (fraction.size == 0 || fraction.size > 9 || !slice_to_u64(fraction, &part))
            return false;
    }
    if (!slice_to_u64(whole, &number))
        return false;
    *unit = 1000;
    if (!take_unit(text, unit) && !(alone && text->size == 0))
        return false;
    for (size_t i = 0; i < fraction.size; i++)
        scale *= 10;
    if (part * *unit % scale != 0)
        return false;
    return !__builtin_mul_overflow(number, *unit, milliseconds) &&
           !__builtin_add_overflow(*milliseconds, part * *unit / scale, milliseconds);
}

bool value_duration(struct slice text, uint64_t *milliseconds)
{
    uint64_t sum = 0, last = UINT64_MAX;
    bool alone = true;

    do {
        uint64_t part, unit;
        if (!take_part(&text, alone, &part, &unit) || unit >= last || __builtin_add_overflow(sum, part, &sum))
            return false;
        last = unit; /* "1m30s", not "30s1m" */
        alone = false;
    } while (text.size > 0);
    *milliseconds = sum;
    return true;
}

bool value_factor(struct slice text, uint64_t *thousandths)
{
    struct slice whole = {text.at, digits(text)};
    uint64_t number, part = 0;

    skip(&text, whole.size);
    if (!slice_to_u64(whole, &number) || __builtin_mul_overflow(number, 1000, thousandths))
        return false;
    if (text.size == 0)
        return true;
    if (text.at[0] != '.')
        return false;
    skip(&text, 1);
    if (text.size == 0 || text.size > 3 || digits(text) != text.size || !slice_to_u64(text, &part))
        return false;
    for (size_t i = text.size; i < 3; i++)
        part *= 10;
    return !__builtin_add_overflow(*thousandths, part, thousandths);
}

const char *value_print_factor(char into[VALUE_TEXT], uint64_t thousandths)
{
    unsigned part = (unsigned)(thousandths % 1000);
    int decimals = 3;

    for (; decimals > 0 && part % 10 == 0; decimals--)
        part /= 10;
    if (decimals == 0)
        str_format(into, VALUE_TEXT, "%llu", (unsigned long long)(thousandths / 1000));
    else
        str_format(into, VALUE_TEXT, "%llu.%0*u", (unsigned long long)(thousandths / 1000), decimals, part);
    return into;
}

bool value_size(struct slice text, uint64_t *bytes)
{
    unsigned shift = 0;

    if (text.size > 1) {
        char unit = text.at[text.size - 1] | 0x20;
        shift = unit == 'k' ? 10 : unit == 'm' ? 20 : unit == 'g' ? 30 : 0;
        text.size -= shift > 0;
    }
    return slice_to_u64(text, bytes) && !__builtin_mul_overflow(*bytes, (uint64_t)1 << shift, bytes);
}

bool value_switch(struct slice text, bool *on)
{
    static const struct {
        struct slice word;
        bool on;
    } words[] = {{{"on", 2}, true},  {{"off", 3}, false}, {{"yes", 3}, true},
                 {{"no", 2}, false}, {{"true", 4}, true}, {{"false", 5}, false}};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (slice_equal_nocase(text, words[i].word)) {
            *on = words[i].on;
            return true;
        }
    }
    return false;
}

/* Those that ask a server to end; HUP and USR1 reload some, which is why they are not all that one might send. And those
 * that servers with workers of their own take for one more and one fewer. */
static const struct {
    const char *name;
    int number;
    bool ends, scales;
} signals[] = {{"TERM", SIGTERM, true, false},   {"INT", SIGINT, true, false},
               {"QUIT", SIGQUIT, true, false},   {"HUP", SIGHUP, true, false},
               {"USR1", SIGUSR1, true, true},    {"USR2", SIGUSR2, true, true},
               {"WINCH", SIGWINCH, true, false}, {"KILL", SIGKILL, true, false},
               {"TTIN", SIGTTIN, false, true},   {"TTOU", SIGTTOU, false, true}};

static int find_signal(struct slice text)
{
    if (slice_starts(text, SLICE("SIG")))
        skip(&text, 3);
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++)
        if (slice_equal(text, slice_of(signals[i].name)))
            return (int)i;
    return -1;
}

bool value_signal(struct slice text, int *signal)
{
    int i = find_signal(text);

    if (i < 0 || !signals[i].ends)
        return false;
    *signal = signals[i].number;
    return true;
}

bool value_scale_signal(struct slice text, int *signal)
{
    int i = find_signal(text);

    if (i < 0 || !signals[i].scales)
        return false;
    *signal = signals[i].number;
    return true;
}

const char *value_print_signal(int signal)
{
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        if (signals[i].number == signal)
            return signals[i].name;
    }
    return "TERM";
}

const char *value_print_duration(char into[VALUE_TEXT], uint64_t milliseconds)
{
    static const struct {
        const char *name;
        uint64_t milliseconds;
    } units[] = {{"h", 3600000}, {"m", 60000}, {"s", 1000}, {"ms", 1}};
    size_t i = milliseconds == 0 ? 2 : 0;

    while (milliseconds % units[i].milliseconds != 0)
        i++;
    str_format(into, VALUE_TEXT, "%llu%s", (unsigned long long)(milliseconds / units[i].milliseconds),
               units[i].name);
    return into;
}

const char *value_print_size(char into[VALUE_TEXT], uint64_t bytes)
{
    static const char *const units[] = {"", "k", "m", "g"};
    unsigned i = 0;

    while (i < 3 && bytes > 0 && bytes % 1024 == 0) {
        bytes /= 1024;
        i++;
    }
    str_format(into, VALUE_TEXT, "%llu%s", (unsigned long long)bytes, units[i]);
    return into;
}
