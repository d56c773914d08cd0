/* SPDX-License-Identifier: MIT
 *
 * ${NAME} from the environment, by Compose's rules. Private to config/. */
#ifndef DROVER_CONFIG_EXPAND_H
#define DROVER_CONFIG_EXPAND_H

#include "base/buffer.h"

#define EXPAND_DEPTH_MAX 8       /* of ${A:-${B:-...}} */
#define EXPAND_SIZE_MAX  1048576 /* bytes one text may become */

/* What a `$` is in: texts for drover itself; texts for a worker (command, environment), in which PORT, SOCKET
 * and WORKER stay as ${NAME} and every other dollar of the result is doubled, to be undone by
 * config_worker_text. */
enum expand_for { EXPAND_FOR_DROVER, EXPAND_FOR_WORKER };

/* `text` begins with a `$`: appends what it stands for and cuts it off `text`. NULL, or what is wrong (the
 * caller frees). */
char *expand_reference(struct slice *text, enum expand_for who, struct buffer *into);
/* A whole text. NULL, or what is wrong. */
char *expand_text(struct slice text, enum expand_for who, struct buffer *into);
/* Appends `text` so that a later expansion gives it back as it is. */
void expand_protect(struct slice text, struct buffer *into);
/* Does a text for a worker name `name` (one of PORT, SOCKET, WORKER)? */
bool expand_names(const char *worker_text, const char *name);

#endif
