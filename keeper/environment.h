/* SPDX-License-Identifier: MIT
 *
 * The environment of a child while it is put together: owned copies of "NAME=value", each name once. */
#ifndef DROVER_KEEPER_ENVIRONMENT_H
#define DROVER_KEEPER_ENVIRONMENT_H

#include <stddef.h>

struct environment {
    char **entries; /* ends with NULL */
    size_t count, room;
};

void environment_init(struct environment *environment, char *const *from);
void environment_fini(struct environment *environment);
void environment_put(struct environment *environment, const char *entry); /* "NAME=value", copied */
/* A NULL value: as unset. */
void environment_set(struct environment *environment, const char *name, const char *value);
void environment_unset(struct environment *environment, const char *name);
const char *environment_get(const struct environment *environment, const char *name);

#endif
