/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "http/h1_scan.h"
#include "http/octets.h"
#include "tests/unit/unit.h"

#define SIZE_MOST 300
#define WORDS     ((SIZE_MOST + 63) / 64)

static uint64_t seed = 42;

static uint64_t random_next(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* Bytes of which most are text, in a block of just that size: a marker that reads on is seen by the
 * sanitizer. */
static char *random_text(size_t size)
{
    char *text = malloc(size + (size == 0));
    for (size_t i = 0; i < size; i++)
        text[i] = random_next() % 4 == 0 ? (char)random_next() : (char)('a' + random_next() % 26);
    return text;
}

static void check_marks(h1_scan_marker *marker, const char *text, size_t size)
{
    uint64_t control[WORDS] = {0}, other[WORDS] = {0};

    marker(text, size, control, other);
    for (size_t i = 0; i < (size + 63) / 64 * 64; i++) {
        bool past = i >= size;
        uint8_t octet = past ? 0 : octets[(uint8_t)text[i]];
        ck_assert_int_eq(control[i / 64] >> i % 64 & 1, past || (octet & OCTET_CONTROL));
        ck_assert_int_eq(other[i / 64] >> i % 64 & 1, past || !(octet & OCTET_NAME));
    }
}

static void check_marker(h1_scan_marker *marker)
{
    char all[256];

    for (unsigned i = 0; i < sizeof(all); i++)
        all[i] = (char)i;
    check_marks(marker, all, sizeof(all));
    for (size_t size = 0; size <= SIZE_MOST; size++) {
        char *text = random_text(size);
        check_marks(marker, text, size);
        free(text);
    }
}

START_TEST(the_plain_marker_marks_what_the_octets_say)
{
    check_marker(h1_scan_mark_plain);
}
END_TEST

START_TEST(the_sse_marker_marks_the_same)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        check_marker(h1_scan_mark_sse42);
#endif
}
END_TEST

START_TEST(the_avx_marker_marks_the_same)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx2"))
        check_marker(h1_scan_mark_avx2);
#endif
}
END_TEST

START_TEST(the_chosen_marker_marks_the_same)
{
    check_marker(h1_scan_mark);
}
END_TEST

START_TEST(the_next_mark_is_found_over_windows)
{
    for (size_t size = 0; size < 2000; size += 37) {
        char *text = random_text(size);
        struct h1_scan controls, others;
        h1_scan_init(&controls, (struct slice){text, size});
        h1_scan_init(&others, (struct slice){text, size});
        for (size_t from = 0; from <= size; from++) {
            size_t control = from, other = from;
            while (control < size && !(octets[(uint8_t)text[control]] & OCTET_CONTROL))
                control++;
            while (other < size && (octets[(uint8_t)text[other]] & OCTET_NAME))
                other++;
            ck_assert_uint_eq(h1_scan_control(&controls, from), control);
            ck_assert_uint_eq(h1_scan_other(&others, from), other);
            if (control > from + 1)
                from = control - 1;
        }
        free(text);
    }
}
END_TEST

UNIT_MAIN("http/h1_scan", the_plain_marker_marks_what_the_octets_say, the_sse_marker_marks_the_same,
          the_avx_marker_marks_the_same, the_chosen_marker_marks_the_same,
          the_next_mark_is_found_over_windows)
