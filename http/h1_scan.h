/* SPDX-License-Identifier: MIT
 *
 * Where in a head the bytes are that decide something. The bytes are classified 64 at a time into bit
 * masks, with AVX2 or SSE4.2 where the CPU has them, and the reader steps from bit to bit. A window is
 * marked ahead, never a whole buffer: what follows the head is mostly body. Pure; lives on the reader's
 * stack. Internal to http/. */
#ifndef DROVER_HTTP_H1_SCAN_H
#define DROVER_HTTP_H1_SCAN_H

#include "base/str.h"

#define H1_SCAN_WORDS 4 /* 256 bytes ahead: most of a browser's request in one or two steps */

struct h1_scan {
    const char *text;
    size_t size;
    size_t base, end;                /* the window; base is a multiple of 64, end may lie after size */
    uint64_t control[H1_SCAN_WORDS]; /* no part of any line: 0x00-0x1f but HTAB, and 0x7f */
    uint64_t other
        [H1_SCAN_WORDS]; /* no token byte (RFC 9110 section 5.6.2), and '_', which the reader wants to see */
};

/* Marks ceil(size / 64) words; the bits after the last byte are set in both. */
typedef void h1_scan_marker(const char *text, size_t size, uint64_t *control, uint64_t *other);
h1_scan_marker h1_scan_mark; /* by the best of the following that this CPU has */
h1_scan_marker h1_scan_mark_plain;
#if defined(__x86_64__)
h1_scan_marker h1_scan_mark_sse42; /* only where __builtin_cpu_supports says so, as the next one */
h1_scan_marker h1_scan_mark_avx2;
#endif

void h1_scan_ahead(struct h1_scan *scan, size_t from); /* moves the window to where `from` is */

static inline void h1_scan_init(struct h1_scan *scan, struct slice bytes)
{
    scan->text = bytes.at;
    scan->size = bytes.size;
    scan->base = scan->end = 0;
}

/* The first such byte at or after `from`, or size. Callers go forward only: the window does not move back. */
static inline size_t h1_scan_next(struct h1_scan *scan, const uint64_t *marks, size_t from)
{
    for (;;) {
        if (from >= scan->size)
            return scan->size;
        if (from >= scan->end)
            h1_scan_ahead(scan, from);
        size_t offset = from - scan->base;
        uint64_t word = marks[offset / 64] >> (offset % 64);
        if (word != 0) {
            from += (size_t)__builtin_ctzll(word);
            return from < scan->size ? from : scan->size;
        }
        from = (from | 63) + 1;
    }
}

static inline size_t h1_scan_control(struct h1_scan *scan, size_t from)
{
    return h1_scan_next(scan, scan->control, from);
}

static inline size_t h1_scan_other(struct h1_scan *scan, size_t from)
{
    return h1_scan_next(scan, scan->other, from);
}

#endif
