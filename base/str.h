/* SPDX-License-Identifier: MIT
 *
 * Slices: bytes that somebody else owns. Not terminated by NUL. */
#ifndef DROVER_BASE_STR_H
#define DROVER_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *at;
    size_t size;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.at, b.at, a.size) == 0);
}

bool slice_equal_nocase(struct slice a, struct slice b); /* ASCII only */
bool slice_starts(struct slice text, struct slice prefix);
struct slice slice_trim(struct slice text);             /* without SP and HTAB at both ends */
bool slice_to_u64(struct slice text, uint64_t *number); /* 1*DIGIT that fits, nothing else */
char *slice_dup(struct slice text);                     /* NUL-terminated copy, caller frees with mem_free */
uint64_t slice_hash(struct slice text);                 /* well mixed, the same in every process */

/* snprintf that never overruns and returns the bytes that were really written (without the NUL). */
size_t str_format(char *into, size_t room, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Writes `text` into `into`, control bytes, DEL, backslash and double quote as \xNN (for logs: nothing that
 * a client or a worker says can end a line or drive a terminal). Returns bytes written without the NUL;
 * cuts at `room`. */
size_t str_escape(char *into, size_t room, struct slice text);

/* The same, but backslash and quote stay: for whole lines that people read. */
size_t str_escape_controls(char *into, size_t room, struct slice text);

/* The same for the inside of a JSON string: \n, \t, \", \\, \u00XX; bytes that are no valid UTF-8 become
 * U+FFFD. */
size_t str_escape_json(char *into, size_t room, struct slice text);

#endif
