/* SPDX-License-Identifier: MIT
 *
 * Text into YAML, so that reading it gives the same text again. Private to config/. */
#ifndef DROVER_CONFIG_QUOTE_H
#define DROVER_CONFIG_QUOTE_H

#include "base/buffer.h"

/* As it is when that is unmistakable, else in double quotes. Dollars are left alone. */
void quote_yaml(struct buffer *into, struct slice text);
/* The same, with dollars doubled: the loader gives `text` again, not what its ${NAME} stand for. */
void quote_yaml_literal(struct buffer *into, struct slice text);

#endif
