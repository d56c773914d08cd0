/* SPDX-License-Identifier: MIT
 *
 * What is wrong with a file: collected while it is read, told in the order of its lines. The one place that
 * knows how an error reads. Private to config/. */
#ifndef DROVER_CONFIG_FINDINGS_H
#define DROVER_CONFIG_FINDINGS_H

#include "config/config.h"

#define FINDINGS_MAX 1000 /* told one by one; further errors are only counted */
#define QUOTE_MAX    100  /* room for a piece of the file inside a message */

struct place { /* both from 1; line 0: the file as a whole */
    unsigned line, column;
};

struct finding {
    struct place place;
    unsigned order; /* of appearance, among equal places */
    char *text;
};

struct findings {
    const char *file; /* as the user named it; lives longer */
    struct finding *all;
    unsigned count, room, errors, warnings;
};

/* `key` is the path "pools.web.workers", NULL or "" when there is none. */
void findings_error(struct findings *findings, struct place place, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void findings_warning(struct findings *findings, struct place place, const char *key, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Moves all into the report, which may hold lines already, and leaves the findings empty. */
void findings_tell(struct findings *findings, struct config_report *report);

/* `text` for the inside of a message: control bytes as \xNN, cut with "..." when long. Returns `into`. */
const char *quote_part(char into[QUOTE_MAX], struct slice text);

#endif
