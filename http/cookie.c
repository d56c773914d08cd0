/* SPDX-License-Identifier: MIT
 *
 * Cookies of a request: finding one, and leaving one out. Pure, any thread. */
#include "http/cookie.h"

#include "http/h1.h"

bool cookie_next(struct slice *rest, struct slice *pair)
{
    while (rest->size) {
        const char *end = memchr(rest->at, ';', rest->size);
        size_t size = end ? (size_t)(end - rest->at) : rest->size, step = end ? size + 1 : size;
        *pair = slice_trim((struct slice){rest->at, size});
        *rest = (struct slice){rest->at + step, rest->size - step};
        if (pair->size)
            return true;
    }
    return false;
}

bool cookie_is(struct slice pair, struct slice name)
{
    return slice_starts(pair, name) && pair.size > name.size && pair.at[name.size] == '=';
}

bool cookie_find(const struct head *head, struct slice name, struct slice *value)
{
    struct slice rest, pair;

    for (unsigned i = 0; i < head->field_count; i++) {
        if (head->fields[i].known != FIELD_COOKIE)
            continue;
        rest = head->fields[i].value;
        while (cookie_next(&rest, &pair)) {
            if (!cookie_is(pair, name))
                continue;
            *value = (struct slice){pair.at + name.size + 1, pair.size - name.size - 1};
            return true;
        }
    }
    return false;
}

char *cookie_put_without(char *at, const struct field *field, struct slice name)
{
    struct slice rest = field->value, pair;
    char *start = at;
    unsigned kept = 0, left_out = 0;

    at = h1_put(at, field->name);
    at = h1_put(at, SLICE(": "));
    while (cookie_next(&rest, &pair)) {
        if (cookie_is(pair, name)) {
            left_out++;
            continue;
        }
        at = kept++ ? h1_put(at, SLICE("; ")) : at;
        at = h1_put(at, pair);
    }
    if (!left_out)
        return h1_put_field(start, field->name, field->value);
    return kept ? h1_put(at, SLICE("\r\n")) : start;
}
