/* SPDX-License-Identifier: MIT
 *
 * ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?message}, ${NAME?message} and $$, as Docker Compose has
 * them (compose-spec, interpolation). A value that was put in is never read again for dollars. Reads the
 * environment; one thread. */
#include "config/expand.h"

#include <stdlib.h>

#include "base/mem.h"
#include "config/findings.h"

static bool starts_name(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

static size_t name_size(struct slice text)
{
    size_t size = 0;

    if (text.size == 0 || !starts_name(text.at[0]))
        return 0;
    while (size < text.size && (starts_name(text.at[size]) || (text.at[size] >= '0' && text.at[size] <= '9')))
        size++;
    return size;
}

static void skip(struct slice *text, size_t size)
{
    text->at += size;
    text->size -= size;
}

static bool is_workers_own(struct slice name)
{
    return slice_equal(name, SLICE("PORT")) || slice_equal(name, SLICE("SOCKET")) ||
           slice_equal(name, SLICE("WORKER"));
}

void expand_protect(struct slice text, struct buffer *into)
{
    for (size_t i = 0; i < text.size; i++) {
        bool is_dollar = text.at[i] == '$';
        buffer_append(into, is_dollar ? "$$" : text.at + i, is_dollar ? 2 : 1);
    }
}

static void append_value(struct slice value, enum expand_for who, struct buffer *into)
{
    if (who == EXPAND_FOR_WORKER)
        expand_protect(value, into);
    else
        buffer_append(into, value.at, value.size);
}

/* The bytes up to the brace that closes, `$${` and inner ${...} passed over. False when none does. */
static bool find_close(struct slice text, size_t *size)
{
    unsigned depth = 1;

    for (size_t i = 0; i < text.size; i++) {
        if (text.at[i] == '$' && i + 1 < text.size) {
            depth += text.at[i + 1] == '{';
            i++;
        } else if (text.at[i] == '}' && --depth == 0) {
            *size = i;
            return true;
        }
    }
    return false;
}

static char *expand_nested(struct slice text, enum expand_for who, struct buffer *into, unsigned depth);

static char *missing(struct slice name, struct slice whole, struct slice message)
{
    char part[QUOTE_MAX], why[QUOTE_MAX];

    if (message.size > 0)
        return mem_print("expected %.*s in the environment (%s), got '%s'", (int)name.size, name.at,
                         quote_part(why, message), quote_part(part, whole));
    return mem_print("expected %.*s in the environment, or a default as in ${%.*s:-default}, got '%s'",
                     (int)name.size, name.at, (int)name.size, name.at, quote_part(part, whole));
}

static char *wrong_form(struct slice whole)
{
    char part[QUOTE_MAX];

    return mem_print(
        "expected ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?message} or ${NAME?message}, got '%s'",
        quote_part(part, whole));
}

/* What stands between the braces. */
static char *expand_braces(struct slice inside, struct slice whole, enum expand_for who, struct buffer *into,
                           unsigned depth)
{
    struct slice name = {inside.at, name_size(inside)}, rest = inside;
    char part[QUOTE_MAX];

    skip(&rest, name.size);
    if (name.size == 0 || name.size > 255)
        return wrong_form(whole);
    if (who == EXPAND_FOR_WORKER && is_workers_own(name)) {
        if (rest.size > 0)
            return mem_print("expected ${%.*s} alone (each worker has its own), got '%s'", (int)name.size,
                             name.at, quote_part(part, whole));
        buffer_append(into, whole.at, whole.size);
        return NULL;
    }
    bool empty_is_missing = rest.size > 0 && rest.at[0] == ':';
    skip(&rest, empty_is_missing);
    char form = rest.size > 0 ? rest.at[0] : 0;
    if ((form != '-' && form != '?' && form != 0) || (form == 0 && empty_is_missing))
        return wrong_form(whole);
    skip(&rest, form != 0);

    char *copy = slice_dup(name);
    const char *value = getenv(copy);
    mem_free(copy);
    if (value && !(empty_is_missing && *value == 0)) {
        append_value(slice_of(value), who, into);
        return NULL;
    }
    if (form == '-')
        return expand_nested(rest, who, into, depth + 1);
    return missing(name, whole, rest);
}

static char *expand_one(struct slice *text, enum expand_for who, struct buffer *into, unsigned depth)
{
    struct slice after = {text->at + 1, text->size - 1};
    size_t size = name_size(after);
    char part[QUOTE_MAX];

    if (after.size > 0 && after.at[0] == '$') {
        buffer_append(into, "$$", who == EXPAND_FOR_WORKER ? 2 : 1);
        skip(text, 2);
        return NULL;
    }
    if (after.size > 0 && after.at[0] == '{') {
        skip(&after, 1);
        if (!find_close(after, &size))
            return mem_print("expected a '}' that closes '%s'", quote_part(part, *text));
        struct slice whole = {text->at, size + 3};
        skip(text, whole.size);
        if (depth >= EXPAND_DEPTH_MAX)
            return mem_print("expected no more than %d defaults inside each other, got '%s'",
                             EXPAND_DEPTH_MAX, quote_part(part, whole));
        return expand_braces((struct slice){after.at, size}, whole, who, into, depth);
    }
    struct slice name = {after.at, size};
    if (size == 0) {
        const char *quoted = quote_part(part, *text);
        skip(text, 1);
        return mem_print("expected ${NAME} (or $$ for a dollar), got '%s'", quoted);
    }
    skip(text, 1 + size);
    if (who == EXPAND_FOR_WORKER && is_workers_own(name)) {
        buffer_print(into, "${%.*s}", (int)size, name.at);
        return NULL;
    }
    return mem_print("expected ${%.*s} (or $$ for a dollar), got '$%s'", (int)(size < 60 ? size : 60),
                     name.at, quote_part(part, name));
}

char *expand_reference(struct slice *text, enum expand_for who, struct buffer *into)
{
    return expand_one(text, who, into, 0);
}

static char *expand_nested(struct slice text, enum expand_for who, struct buffer *into, unsigned depth)
{
    while (text.size > 0) {
        const char *dollar = memchr(text.at, '$', text.size);
        size_t plain = dollar ? (size_t)(dollar - text.at) : text.size;
        buffer_append(into, text.at, plain);
        skip(&text, plain);
        char *problem = text.size > 0 ? expand_one(&text, who, into, depth) : NULL;
        if (!problem && buffer_size(into) > EXPAND_SIZE_MAX)
            problem = mem_print("expected a text of at most 1m after its ${...} are filled in");
        if (problem)
            return problem;
    }
    return NULL;
}

char *expand_text(struct slice text, enum expand_for who, struct buffer *into)
{
    return expand_nested(text, who, into, 0);
}

/* `text` begins with a `$` of a text for a worker: the name it stands for, or nothing. Cuts it off. */
static struct slice worker_name(struct slice *text)
{
    struct slice after = {text->at + 1, text->size - 1};
    bool braced = after.size > 0 && after.at[0] == '{';

    skip(&after, braced);
    struct slice name = {after.at, name_size(after)};
    skip(&after, name.size);
    if (!is_workers_own(name) || (braced && (after.size == 0 || after.at[0] != '}')))
        return (struct slice){NULL, 0};
    skip(&after, braced);
    *text = after;
    return name;
}

bool expand_names(const char *worker_text, const char *name)
{
    struct slice text = slice_of(worker_text);

    while (text.size > 0) {
        if (text.at[0] != '$') {
            skip(&text, 1);
        } else if (text.size > 1 && text.at[1] == '$') {
            skip(&text, 2);
        } else {
            struct slice found = worker_name(&text);
            if (slice_equal(found, slice_of(name)))
                return true;
            skip(&text, found.size == 0);
        }
    }
    return false;
}

char *config_worker_text(const char *text, const char *port, const char *socket, const char *worker)
{
    struct slice rest = slice_of(text);
    struct buffer into = {0};

    while (rest.size > 0) {
        struct slice name = {NULL, 0};
        if (rest.at[0] == '$')
            name = worker_name(&rest);
        if (name.size > 0) {
            const char *value = *name.at == 'P' ? port : *name.at == 'S' ? socket : worker;
            buffer_append(&into, value ? value : "", value ? strlen(value) : 0);
            continue;
        }
        buffer_append(&into, rest.at, 1);
        skip(&rest, rest.size > 1 && rest.at[0] == '$' && rest.at[1] == '$' ? 2 : 1);
    }
    char *filled = slice_dup(buffer_slice(&into));
    buffer_release(&into);
    return filled;
}
