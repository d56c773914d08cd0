/* SPDX-License-Identifier: MIT
 *
 * A command line apart into words, as a shell would; no shell is run. Private to config/. */
#ifndef DROVER_CONFIG_WORDS_H
#define DROVER_CONFIG_WORDS_H

#include "config/expand.h"

#define WORDS_MAX 1024

struct words {
    char **all; /* each owned, ready for struct pool_config.command: worker texts */
    unsigned count, room;
};

void words_add(struct words *words, struct slice word);
void words_free(struct words *words);
/* NULL, or what is wrong (the caller frees; the words so far stay). */
char *words_split(struct words *words, struct slice text);

#endif
