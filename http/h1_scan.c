/* SPDX-License-Identifier: MIT
 *
 * The markers behind h1_scan.h: one in plain C, and the same with 16 and 32 bytes at a time. Any thread;
 * owns nothing. */
#include "http/h1_scan.h"

#include "http/octets.h"

/* Fewer than 64 bytes: the marker must not read beyond them, so they are copied and filled up with NUL, which
 * is in both classes. */
static void mark_tail(h1_scan_marker *marker, const char *text, size_t size, uint64_t *control,
                      uint64_t *other)
{
    char block[64] = {0};

    memcpy(block, text, size);
    marker(block, sizeof(block), control, other);
}

void h1_scan_mark_plain(const char *text, size_t size, uint64_t *control, uint64_t *other)
{
    for (; size >= 64; text += 64, size -= 64) {
        uint64_t controls = 0, others = 0;
        for (unsigned i = 0; i < 64; i++) {
            uint8_t octet = octets[(uint8_t)text[i]];
            controls |= (uint64_t)(octet & OCTET_CONTROL ? 1 : 0) << i;
            others |= (uint64_t)(octet & OCTET_NAME ? 0 : 1) << i;
        }
        *control++ = controls;
        *other++ = others;
    }
    if (size > 0)
        mark_tail(h1_scan_mark_plain, text, size, control, other);
}

#if defined(__x86_64__)
#include <immintrin.h>

/* Token bytes by their two halves: bit h of entry l is set when the byte with high half h and low half l is
 * one (without '_'). Bytes from 0x80 have no bit: the shuffle gives 0 for them. */
#define NAME_LOW                                                                                             \
    (char)0xe8, (char)0xfc, (char)0xf8, (char)0xfc, (char)0xfc, (char)0xfc, (char)0xfc, (char)0xfc,          \
        (char)0xf8, (char)0xf8, (char)0xf4, (char)0x54, (char)0xd0, (char)0x54, (char)0xf4, (char)0x50
#define NAME_HIGH 1, 2, 4, 8, 16, 32, 64, (char)128, 0, 0, 0, 0, 0, 0, 0, 0

__attribute__((target("sse4.2"))) static inline void mark_16(const char *text, uint64_t *control,
                                                             uint64_t *other, unsigned shift)
{
    const __m128i low = _mm_setr_epi8(NAME_LOW), high = _mm_setr_epi8(NAME_HIGH);
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)text);
    __m128i controls = _mm_cmpeq_epi8(_mm_min_epu8(bytes, _mm_set1_epi8(0x1f)), bytes);
    controls = _mm_andnot_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('\t')), controls);
    controls = _mm_or_si128(controls, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f)));
    __m128i half = _mm_and_si128(_mm_srli_epi16(bytes, 4), _mm_set1_epi8(0x0f));
    __m128i names = _mm_and_si128(_mm_shuffle_epi8(low, bytes), _mm_shuffle_epi8(high, half));
    __m128i others = _mm_cmpeq_epi8(names, _mm_setzero_si128());
    *control |= (uint64_t)(uint32_t)_mm_movemask_epi8(controls) << shift;
    *other |= (uint64_t)(uint32_t)_mm_movemask_epi8(others) << shift;
}

__attribute__((target("sse4.2"))) void h1_scan_mark_sse42(const char *text, size_t size, uint64_t *control,
                                                          uint64_t *other)
{
    for (; size >= 64; text += 64, size -= 64, control++, other++) {
        *control = *other = 0;
        for (unsigned i = 0; i < 64; i += 16)
            mark_16(text + i, control, other, i);
    }
    if (size > 0)
        mark_tail(h1_scan_mark_sse42, text, size, control, other);
}

__attribute__((target("avx2"))) static inline void mark_32(const char *text, uint64_t *control,
                                                           uint64_t *other, unsigned shift)
{
    const __m256i low = _mm256_setr_epi8(NAME_LOW, NAME_LOW), high = _mm256_setr_epi8(NAME_HIGH, NAME_HIGH);
    __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)text);
    __m256i controls = _mm256_cmpeq_epi8(_mm256_min_epu8(bytes, _mm256_set1_epi8(0x1f)), bytes);
    controls = _mm256_andnot_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('\t')), controls);
    controls = _mm256_or_si256(controls, _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(0x7f)));
    __m256i half = _mm256_and_si256(_mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(0x0f));
    __m256i names = _mm256_and_si256(_mm256_shuffle_epi8(low, bytes), _mm256_shuffle_epi8(high, half));
    __m256i others = _mm256_cmpeq_epi8(names, _mm256_setzero_si256());
    *control |= (uint64_t)(uint32_t)_mm256_movemask_epi8(controls) << shift;
    *other |= (uint64_t)(uint32_t)_mm256_movemask_epi8(others) << shift;
}

__attribute__((target("avx2"))) void h1_scan_mark_avx2(const char *text, size_t size, uint64_t *control,
                                                       uint64_t *other)
{
    for (; size >= 64; text += 64, size -= 64, control++, other++) {
        *control = *other = 0;
        mark_32(text, control, other, 0);
        mark_32(text + 32, control, other, 32);
    }
    if (size > 0)
        mark_tail(h1_scan_mark_avx2, text, size, control, other);
}
#endif

void h1_scan_mark(const char *text, size_t size, uint64_t *control, uint64_t *other)
{
#if defined(__x86_64__)
    /* A load and a branch that always goes the same way: cheaper than a call by pointer. */
    if (__builtin_cpu_supports("avx2")) {
        h1_scan_mark_avx2(text, size, control, other);
        return;
    }
    if (__builtin_cpu_supports("sse4.2")) {
        h1_scan_mark_sse42(text, size, control, other);
        return;
    }
#endif
    h1_scan_mark_plain(text, size, control, other);
}

void h1_scan_ahead(struct h1_scan *scan, size_t from)
{
    size_t base = from & ~(size_t)63;
    size_t room = scan->size - base;
    size_t size = room < H1_SCAN_WORDS * 64 ? room : H1_SCAN_WORDS * 64;

    h1_scan_mark(scan->text + base, size, scan->control, scan->other);
    scan->base = base;
    scan->end = base + (size + 63) / 64 * 64;
}
