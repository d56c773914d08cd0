/* SPDX-License-Identifier: MIT
 *
 * The Cookie field of a request (RFC 6265 section 5.4): pairs NAME=VALUE between semicolons. Lenient, as
 * servers are: what is no pair is passed over. */
#ifndef DROVER_HTTP_COOKIE_H
#define DROVER_HTTP_COOKIE_H

#include "http/message.h"

/* Takes the next pair off `rest`, without white space around it; false at the end. */
bool cookie_next(struct slice *rest, struct slice *pair);
bool cookie_is(struct slice pair, struct slice name);
/* The value of the first cookie of that name. False: there is none. */
bool cookie_find(const struct head *head, struct slice name, struct slice *value);
/* Writes a Cookie field without the cookies of that name, nothing when none is left. `at` has room for the
 * field as it came and two bytes more for each pair; the end is returned. */
char *cookie_put_without(char *at, const struct field *field, struct slice name);

#endif
