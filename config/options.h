/* SPDX-License-Identifier: MIT
 *
 * One row per option. What reads the file, checks it, prints it and writes the manual goes by these rows.
 * Private to config/. */
#ifndef DROVER_CONFIG_OPTIONS_H
#define DROVER_CONFIG_OPTIONS_H

#include "config/config.h"

#define EXPECTED_MAX 256
#define BIND_AUTO    (BIND_NONE + 1) /* while loading; decided before anybody sees it */

enum option_kind {
    OPTION_SECTION, /* a map of further rows; fills the same struct */
    OPTION_COUNT,
    OPTION_AUTO,          /* a count or `auto`, which is 0 until it is decided */
    OPTION_WORKERS,       /* a count, `auto`, or a map of a range */
    OPTION_DURATION,      /* into milliseconds */
    OPTION_AUTO_DURATION, /* or `auto`, which is 0 */
    OPTION_FACTOR,        /* into thousandths */
    OPTION_SIZE,
    OPTION_SWITCH,
    OPTION_WORD, /* one of `words` */
    OPTION_USER,
    OPTION_DIRECTORY,
    OPTION_SIGNAL,
    OPTION_SCALE_SIGNAL,
    OPTION_ADDRESS,
    OPTION_ADMIN,
    OPTION_STATSD,
    OPTION_CONTROL,
    OPTION_ACCESS_LOG,
    OPTION_LISTENERS,
    OPTION_TLS,
    OPTION_PAIRS,
    OPTION_FILE,
    OPTION_CIPHERS,
    OPTION_OCSP,
    OPTION_TLS_NAME,
    OPTION_TRUSTED,
    OPTION_REDIRECT,
    OPTION_ACME,
    OPTION_EXPOSE,
    OPTION_NETWORKS,
    OPTION_ROUTES,
    OPTION_HOST,
    OPTION_ROUTE_PATH,
    OPTION_ROUTE_POOL,
    OPTION_POOLS,
    OPTION_COMMAND,
    OPTION_ENVIRONMENT,
    OPTION_SERVERS,
    OPTION_HASH_KEY,
    OPTION_AFFINITY, /* off, or a map of further rows */
    OPTION_COOKIE,
    OPTION_SECRET,
    OPTION_PERCENT, /* into thousandths; off is 0 */
    OPTION_PROBE_PATH,
    OPTION_AFTER,
    OPTION_KINDS
};

enum option_only { FOR_ANY_POOL, FOR_LAUNCHED, FOR_SERVERS };
/* What most options of a pool say is about requests. */
enum option_background { NOT_BACKGROUND, ALSO_BACKGROUND, ONLY_BACKGROUND };

struct option_word {
    const char *word;
    unsigned value;
};

struct option {
    const char *key;
    enum option_kind kind;
    unsigned short offset, width; /* of the field, in the struct that the rows fill */
    uint64_t low, high;           /* OPTION_COUNT, AUTO, DURATION, SIZE */
    const char *preset; /* what counts when the key is not there, as one would write it; NULL: nothing */
    const struct option_word *words;      /* OPTION_WORD; ends with a NULL word */
    const struct option_section *section; /* OPTION_SECTION, LISTENERS, ROUTES, POOLS */
    enum option_only only;                /* rows of a pool */
    enum option_background background; /* rows of a pool, and of its sections that are not NOT_BACKGROUND */
    const char *help;
    const char *example;
};

struct option_section {
    const struct option *rows;
    unsigned count;
    const char *short_form; /* the key that a bare value stands for; NULL: a map is needed */
};

extern const struct option_section options_top, options_listen, options_tls, options_pair, options_route,
    options_pool;

/* What a row takes, for "expected ...": "a count from 1 to 64 or 'auto'". Returns `into`. */
const char *option_expected(const struct option *option, char into[EXPECTED_MAX]);
/* The bounds alone, "1 to 64"; "" when the kind has none. */
const char *option_bounds(const struct option *option, char into[EXPECTED_MAX]);
const struct option *option_find(const struct option_section *section, const char *key);
/* The known key that `key` was probably meant to be, NULL when none is near. */
const char *option_nearest(const struct option_section *section, const char *key);

/* The word of a value; NULL when none has it. */
const char *option_word_of(const struct option_word *words, unsigned value);

/* Fields by width, for the kinds whose field is a number. */
uint64_t option_number(const struct option *option, const void *base);
void option_set_number(const struct option *option, void *base, uint64_t number);

#endif
