/* SPDX-License-Identifier: MIT
 *
 * Slices and bounded text: pure functions, any thread. */
#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool slice_equal_nocase(struct slice a, struct slice b)
{
    if (a.size != b.size)
        return false;
    for (size_t i = 0; i < a.size; i++) {
        if (lower(a.at[i]) != lower(b.at[i]))
            return false;
    }
    return true;
}

bool slice_starts(struct slice text, struct slice prefix)
{
    return text.size >= prefix.size && (prefix.size == 0 || memcmp(text.at, prefix.at, prefix.size) == 0);
}

struct slice slice_trim(struct slice text)
{
    while (text.size > 0 && (text.at[0] == ' ' || text.at[0] == '\t'))
        text.at++, text.size--;
    while (text.size > 0 && (text.at[text.size - 1] == ' ' || text.at[text.size - 1] == '\t'))
        text.size--;
    return text;
}

bool slice_to_u64(struct slice text, uint64_t *number)
{
    uint64_t sum = 0;

    if (text.size == 0)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        unsigned digit = (unsigned)(text.at[i] - '0');
        if (digit > 9 || __builtin_mul_overflow(sum, 10u, &sum) || __builtin_add_overflow(sum, digit, &sum))
            return false;
    }
    *number = sum;
    return true;
}

char *slice_dup(struct slice text)
{
    char *copy = mem_alloc(text.size + 1);
    if (text.size > 0)
        memcpy(copy, text.at, text.size);
    copy[text.size] = 0;
    return copy;
}

/* FNV-1a, then the finaliser of MurmurHash3: FNV alone leaves the high bits of short texts nearly alike. */
uint64_t slice_hash(struct slice text)
{
    uint64_t hash = 14695981039346656037u;

    for (size_t i = 0; i < text.size; i++)
        hash = (hash ^ (unsigned char)text.at[i]) * 1099511628211u;
    hash ^= hash >> 33;
    hash *= 0xff51afd7ed558ccdu;
    hash ^= hash >> 33;
    hash *= 0xc4ceb9fe1a85ec53u;
    return hash ^ hash >> 33;
}

size_t str_format(char *into, size_t room, const char *format, ...)
{
    va_list arguments;

    if (room == 0)
        return 0;
    va_start(arguments, format);
    int size = vsnprintf(into, room, format, arguments);
    va_end(arguments);
    CHECK(size >= 0);
    return (size_t)size < room ? (size_t)size : room - 1;
}

static bool is_tail(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Bytes of the UTF-8 character at `at`, 0 when it is none (RFC 3629 section 4: no overlong forms, no
 * surrogates). */
static size_t utf8_size(const unsigned char *at, size_t left)
{
    unsigned char first = at[0];

    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf)
        return left >= 2 && is_tail(at[1]) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        if (left < 3 || !is_tail(at[1]) || !is_tail(at[2]))
            return 0;
        return (first == 0xe0 && at[1] < 0xa0) || (first == 0xed && at[1] > 0x9f) ? 0 : 3;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        if (left < 4 || !is_tail(at[1]) || !is_tail(at[2]) || !is_tail(at[3]))
            return 0;
        return (first == 0xf0 && at[1] < 0x90) || (first == 0xf4 && at[1] > 0x8f) ? 0 : 4;
    }
    return 0;
}

/* The plain character at `at` that may stand in a log as it is; 0 for control bytes, the C1 controls that
 * terminals obey (U+0080 to U+009F) and bytes that are no UTF-8. */
static size_t printable_size(const unsigned char *at, size_t left)
{
    if (at[0] < 0x20 || at[0] == 0x7f)
        return 0;
    size_t size = utf8_size(at, left);
    return size == 2 && at[0] == 0xc2 && at[1] < 0xa0 ? 0 : size;
}

static size_t escape_for_log(char *into, size_t room, struct slice text, const char *also)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *at = (const unsigned char *)text.at;
    size_t out = 0;

    if (room == 0)
        return 0;
    for (size_t i = 0; i < text.size;) {
        size_t size = printable_size(at + i, text.size - i);
        if (size == 1 && (at[i] == (unsigned char)also[0] || at[i] == (unsigned char)also[1]))
            size = 0;
        if (out + (size ? size : 4) >= room)
            break;
        if (size) {
            memcpy(into + out, at + i, size);
            out += size;
            i += size;
        } else {
            into[out++] = '\\';
            into[out++] = 'x';
            into[out++] = digits[at[i] >> 4];
            into[out++] = digits[at[i] & 15];
            i++;
        }
    }
    into[out] = 0;
    return out;
}

size_t str_escape(char *into, size_t room, struct slice text)
{
    return escape_for_log(into, room, text, "\\\"");
}

size_t str_escape_controls(char *into, size_t room, struct slice text)
{
    return escape_for_log(into, room, text, "\0");
}

/* The escape for one character of a JSON string, or its own bytes. Returns its size; *used tells what it
 * stands for. */
static size_t json_character(char into[8], const unsigned char *at, size_t left, size_t *used)
{
    static const char digits[] = "0123456789abcdef";
    size_t size = utf8_size(at, left);

    *used = size ? size : 1;
    if (size == 0) {
        memcpy(into, "\xef\xbf\xbd", 3); /* U+FFFD */
        return 3;
    }
    if (at[0] == '"' || at[0] == '\\' || at[0] == '\n' || at[0] == '\t') {
        into[0] = '\\';
        into[1] = at[0] == '\n' ? 'n' : at[0] == '\t' ? 't' : (char)at[0];
        return 2;
    }
    if (at[0] < 0x20 || at[0] == 0x7f || (size == 2 && at[0] == 0xc2 && at[1] < 0xa0)) {
        unsigned char code =
            size == 2 ? at[1] : at[0]; /* U+0080 to U+009F have their code in the second byte */
        memcpy(into, "\\u00", 4);
        into[4] = digits[code >> 4];
        into[5] = digits[code & 15];
        return 6;
    }
    memcpy(into, at, size);
    return size;
}

size_t str_escape_json(char *into, size_t room, struct slice text)
{
    const unsigned char *at = (const unsigned char *)text.at;
    size_t out = 0;

    if (room == 0)
        return 0;
    for (size_t i = 0, used; i < text.size; i += used) {
        char character[8];
        size_t size = json_character(character, at + i, text.size - i, &used);
        if (out + size >= room)
            break;
        memcpy(into + out, character, size);
        out += size;
    }
    into[out] = 0;
    return out;
}
