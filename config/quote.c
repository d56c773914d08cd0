/* SPDX-License-Identifier: MIT
 *
 * Text into YAML scalars: pure. */
#include "config/quote.h"

#include "config/expand.h"

static bool is_plain(struct slice text)
{
    static const char safe[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./-";

    if (text.size == 0 || text.at[0] == '-' || slice_equal_nocase(text, SLICE("null")))
        return false;
    for (size_t i = 0; i < text.size; i++) {
        bool inside = text.at[i] == ':' && i > 0 && i + 1 < text.size;
        if (!inside && !memchr(safe, text.at[i], sizeof safe - 1))
            return false;
    }
    return !slice_starts(text, SLICE("...")) && !slice_starts(text, SLICE("---"));
}

/* Characters that YAML 1.1 folds, ends lines at or does not allow as they are; all of their UTF-8 forms begin
 * with C2, E2 or EF. */
static size_t escape_wide(struct buffer *into, struct slice rest)
{
    const unsigned char *at = (const unsigned char *)rest.at;

    if (rest.size >= 2 && at[0] == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0) {
        buffer_print(into, "\\x%02X", at[1]);
        return 2;
    }
    if (rest.size < 3 || (at[1] & 0xc0) != 0x80 || (at[2] & 0xc0) != 0x80)
        return 0;
    unsigned code = (unsigned)(at[0] & 0x0f) << 12 | (unsigned)(at[1] & 0x3f) << 6 | (unsigned)(at[2] & 0x3f);
    if ((at[0] != 0xe2 && at[0] != 0xef) ||
        (code != 0x2028 && code != 0x2029 && code != 0xfeff && code != 0xfffe && code != 0xffff))
        return 0;
    buffer_print(into, "\\u%04X", code);
    return 3;
}

void quote_yaml(struct buffer *into, struct slice text)
{
    if (is_plain(text)) {
        buffer_append(into, text.at, text.size);
        return;
    }
    buffer_append(into, "\"", 1);
    while (text.size > 0) {
        unsigned char c = (unsigned char)*text.at;
        size_t size = escape_wide(into, text);
        if (size == 0) {
            size = 1;
            if (c < 0x20 || c == 0x7f)
                buffer_print(into, "\\x%02X", c);
            else if (c == '"' || c == '\\')
                buffer_print(into, "\\%c", c);
            else
                buffer_append(into, text.at, 1);
        }
        text.at += size;
        text.size -= size;
    }
    buffer_append(into, "\"", 1);
}

void quote_yaml_literal(struct buffer *into, struct slice text)
{
    struct buffer protected = {0};

    expand_protect(text, &protected);
    quote_yaml(into, buffer_slice(&protected));
    buffer_release(&protected);
}
