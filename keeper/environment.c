/* SPDX-License-Identifier: MIT
 *
 * Environments as lists. Pure. */
#include "keeper/environment.h"

#include <string.h>

#include "base/mem.h"

/* Where `name` of that length stands; `count` when it does not. */
static size_t find(const struct environment *environment, const char *name, size_t length)
{
    size_t i;

    for (i = 0; i < environment->count; i++)
        if (strncmp(environment->entries[i], name, length) == 0 && environment->entries[i][length] == '=')
            break;
    return i;
}

static void append(struct environment *environment, char *owned)
{
    if (environment->count + 2 > environment->room) {
        environment->room = environment->room ? environment->room * 2 : 64;
        environment->entries =
            mem_resize(environment->entries, environment->room * sizeof *environment->entries);
    }
    environment->entries[environment->count++] = owned;
    environment->entries[environment->count] = NULL;
}

void environment_init(struct environment *environment, char *const *from)
{
    *environment = (struct environment){0};
    append(environment, NULL);
    environment->count = 0;
    for (; from && *from; from++)
        environment_put(environment, *from);
}

void environment_fini(struct environment *environment)
{
    for (size_t i = 0; i < environment->count; i++)
        mem_free(environment->entries[i]);
    mem_free(environment->entries);
    *environment = (struct environment){0};
}

static void put_owned(struct environment *environment, char *owned)
{
    size_t at = find(environment, owned, strcspn(owned, "="));

    if (at == environment->count) {
        append(environment, owned);
        return;
    }
    mem_free(environment->entries[at]);
    environment->entries[at] = owned;
}

void environment_put(struct environment *environment, const char *entry)
{
    if (strchr(entry, '='))
        put_owned(environment, mem_dup(entry));
}

void environment_set(struct environment *environment, const char *name, const char *value)
{
    if (value)
        put_owned(environment, mem_print("%s=%s", name, value));
    else
        environment_unset(environment, name);
}

void environment_unset(struct environment *environment, const char *name)
{
    size_t at = find(environment, name, strlen(name));

    if (at == environment->count)
        return;
    mem_free(environment->entries[at]);
    environment->entries[at] = environment->entries[--environment->count];
    environment->entries[environment->count] = NULL;
}

const char *environment_get(const struct environment *environment, const char *name)
{
    size_t length = strlen(name), at = find(environment, name, length);

    return at == environment->count ? NULL : environment->entries[at] + length + 1;
}
