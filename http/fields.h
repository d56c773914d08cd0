/* SPDX-License-Identifier: MIT
 *
 * Field lines and field names, for the readers of http/. Internal. */
#ifndef DROVER_HTTP_FIELDS_H
#define DROVER_HTTP_FIELDS_H

#include "http/message.h"

/* Both are tokens; `lower` is one in lower case. */
static inline bool token_is(struct slice token, const char *lower, size_t size)
{
    if (token.size != size)
        return false;
    for (size_t i = 0; i < size; i++)
        if ((token.at[i] | 0x20) != lower[i])
            return false;
    return true;
}
#define TOKEN_IS(token, literal) token_is((token), (literal), sizeof(literal) - 1)

/* The name of a field; `name` is a token. */
enum field_name field_name_of(struct slice name);
bool slice_is_token(struct slice text);
/* A field line without its CR LF; `value` without the white space around it. False when it is none. */
bool field_line_split(struct slice line, struct slice *name, struct slice *value);

#endif
