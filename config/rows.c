/* SPDX-License-Identifier: MIT
 *
 * What can be asked of a row of options.c: what it takes, where its field is, which key is near. Pure. */
#include "base/check.h"
#include "config/options.h"
#include "config/values.h"

const struct option *option_find(const struct option_section *section, const char *key)
{
    for (unsigned i = 0; i < section->count; i++) {
        if (strcmp(section->rows[i].key, key) == 0)
            return &section->rows[i];
    }
    return NULL;
}

#define NEAREST_MAX 24 /* no key is longer */

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Letters to insert, drop, change or swap with their neighbour (optimal string alignment). */
static unsigned distance(const char *a, const char *b)
{
    unsigned rows[3][NEAREST_MAX + 1], *before = rows[0], *last = rows[1], *now = rows[2];
    size_t a_size = strlen(a), b_size = strlen(b);

    if (a_size > NEAREST_MAX || b_size > NEAREST_MAX)
        return NEAREST_MAX;
    for (unsigned j = 0; j <= b_size; j++)
        before[j] = last[j] = j;
    for (unsigned i = 1; i <= a_size; i++) {
        now[0] = i;
        for (unsigned j = 1; j <= b_size; j++) {
            now[j] = least(least(last[j], now[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                now[j] = least(now[j], before[j - 2] + 1);
        }
        unsigned *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[b_size];
}

const char *option_nearest(const struct option_section *section, const char *key)
{
    size_t size = strlen(key);
    unsigned best = size < 4 ? 2 : (unsigned)(size / 3) + 2; /* one less is near enough */
    const char *nearest = NULL;

    for (unsigned i = 0; i < section->count; i++) {
        unsigned here = distance(key, section->rows[i].key);
        if (here < best) {
            best = here;
            nearest = section->rows[i].key;
        }
    }
    return nearest;
}

const char *option_word_of(const struct option_word *words, unsigned value)
{
    for (; words->word; words++) {
        if (words->value == value)
            return words->word;
    }
    return NULL;
}

uint64_t option_number(const struct option *option, const void *base)
{
    const char *field = (const char *)base + option->offset;
    uint64_t wide;
    uint32_t number;
    uint8_t byte;

    if (option->width == sizeof wide)
        return memcpy(&wide, field, sizeof wide), wide;
    if (option->width == sizeof number)
        return memcpy(&number, field, sizeof number), number;
    CHECK(option->width == sizeof byte);
    return memcpy(&byte, field, sizeof byte), byte;
}

void option_set_number(const struct option *option, void *base, uint64_t number)
{
    char *field = (char *)base + option->offset;
    uint32_t narrow = (uint32_t)number;
    uint8_t byte = (uint8_t)number;

    if (option->width == sizeof number)
        memcpy(field, &number, sizeof number);
    else if (option->width == sizeof narrow)
        memcpy(field, &narrow, sizeof narrow);
    else
        memcpy(field, &byte, sizeof byte);
}

const char *option_bounds(const struct option *option, char into[EXPECTED_MAX])
{
    char low[VALUE_TEXT], high[VALUE_TEXT];

    *into = 0;
    if (option->kind == OPTION_COUNT || option->kind == OPTION_AUTO || option->kind == OPTION_WORKERS)
        str_format(into, EXPECTED_MAX, "%llu to %llu", (unsigned long long)option->low,
                   (unsigned long long)option->high);
    else if (option->kind == OPTION_PERCENT)
        str_format(into, EXPECTED_MAX, "%s%% to %s%%", value_print_factor(low, option->low),
                   value_print_factor(high, option->high));
    else if (option->kind == OPTION_FACTOR)
        str_format(into, EXPECTED_MAX, "%s to %s", value_print_factor(low, option->low),
                   value_print_factor(high, option->high));
    else if (option->kind == OPTION_DURATION || option->kind == OPTION_AUTO_DURATION)
        str_format(into, EXPECTED_MAX, "%s to %s", value_print_duration(low, option->low),
                   value_print_duration(high, option->high));
    else if (option->kind == OPTION_SIZE)
        str_format(into, EXPECTED_MAX, "%s to %s", value_print_size(low, option->low),
                   value_print_size(high, option->high));
    return into;
}

static const char *expected_words(const struct option_word *words, char into[EXPECTED_MAX])
{
    size_t size = 0;

    for (const struct option_word *word = words; word->word; word++)
        size += str_format(into + size, EXPECTED_MAX - size, "%s%s",
                           word == words ? "" : (word[1].word ? ", " : " or "), word->word);
    return into;
}

const char *option_expected(const struct option *option, char into[EXPECTED_MAX])
{
    static const char *const texts[OPTION_KINDS] = {
        [OPTION_SECTION] = "a map of options",
        [OPTION_COUNT] = "a count",
        [OPTION_AUTO] = "a count or 'auto'",
        [OPTION_WORKERS] = "a count, 'auto' or {min, max}",
        [OPTION_AUTO_DURATION] = "a duration such as 10s or 5m, or 'auto'",
        [OPTION_FACTOR] = "a number such as 2 or 1.5",
        [OPTION_DURATION] = "a duration such as 250ms, 10s, 5m or 1h",
        [OPTION_SIZE] = "a size such as 64k, 10m or 2g",
        [OPTION_SWITCH] = "on or off",
        [OPTION_USER] = "a user of this machine",
        [OPTION_DIRECTORY] = "a directory",
        [OPTION_SIGNAL] = "a signal (TERM, INT, QUIT, HUP, USR1, USR2, WINCH or KILL)",
        [OPTION_SCALE_SIGNAL] = "a signal (TTIN, TTOU, USR1 or USR2)",
        [OPTION_ADDRESS] = "an address: IP:port, [v6]:port or unix:/path",
        [OPTION_ADMIN] = "an address (IP:port, [v6]:port or unix:/path) or off",
        [OPTION_STATSD] = "an address (IP:port or [v6]:port) or off",
        [OPTION_CONTROL] = "a path or 'auto'",
        [OPTION_ACCESS_LOG] = "off, stdout or a path",
        [OPTION_LISTENERS] = "a list of addresses",
        [OPTION_TLS] = "a map of options, or a list of {certificate, key}",
        [OPTION_PAIRS] = "a list of {certificate, key}",
        [OPTION_FILE] = "a file",
        [OPTION_TLS_NAME] = "a host name or an IP",
        [OPTION_OCSP] = "a file",
        [OPTION_TRUSTED] = "a file",
        [OPTION_REDIRECT] = "off, https or https:PORT",
        [OPTION_ACME] = "a directory",
        [OPTION_CIPHERS] = "cipher suites of TLS 1.2 as OpenSSL writes them",
        [OPTION_EXPOSE] = "/health/worker, /health/live or /health/ready",
        [OPTION_NETWORKS] = "an IP address, a network such as 10.0.0.0/8, or unix:",
        [OPTION_ROUTES] = "a list of {host, path, pool}",
        [OPTION_HOST] = "a host name without port, or *.name",
        [OPTION_ROUTE_PATH] = "a path that begins with / (ASCII, no empty or dot segments, no %, ? or #)",
        [OPTION_ROUTE_POOL] = "the name of a pool",
        [OPTION_POOLS] = "a map of pools by name",
        [OPTION_COMMAND] = "a command: a text or a list of words",
        [OPTION_ENVIRONMENT] = "a map of texts by name",
        [OPTION_SERVERS] = "host:port, [v6]:port, unix:/path or https://host:port, then perhaps weight=N",
        [OPTION_HASH_KEY] = "header:NAME, cookie:NAME or client",
        [OPTION_AFFINITY] = "off or {cookie: NAME}",
        [OPTION_COOKIE] = "a cookie's name",
        [OPTION_SECRET] = "a text of 16 characters or more",
        [OPTION_PERCENT] = "off or a share such as 5%",
        [OPTION_PROBE_PATH] = "a path that begins with /",
        [OPTION_AFTER] = "the names of other pools",
    };

    if (option->kind == OPTION_WORD)
        return expected_words(option->words, into);
    CHECK(texts[option->kind]);
    str_format(into, EXPECTED_MAX, "%s", texts[option->kind]);
    return into;
}
