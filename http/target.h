/* SPDX-License-Identifier: MIT
 *
 * Request-targets and authorities: pure. */
#ifndef DROVER_HTTP_TARGET_H
#define DROVER_HTTP_TARGET_H

#include "base/str.h"

/* What may stand in a request-target: 0x21 to 0x7e without '#'. Not only what RFC 3986 allows: browsers send
 * `|` and `"` too, and a worker may want them. */
bool target_bytes_are_valid(struct slice target);
/* host [":" port] with a reg-name, IPv4 or [IPv6] as RFC 3986 section 3.2.2 spells them, or empty; no
 * userinfo. The port, when there are digits, is at most 65535. */
bool authority_is_valid(struct slice authority);
/* Do both name the same place? The case of the host does not matter, a missing port is `default_port`. Both
 * are valid. */
bool authority_is_same(struct slice one, struct slice other, unsigned default_port);
/* Without the port and the trailing dot; still in its own case. */
struct slice authority_host(struct slice authority);
/* Writes the path of `path_query` for matching: percent-decoded where that gives an unreserved byte, dot
 * segments removed, double slashes merged, the query cut off (RFC 3986 section 6.2.2). Never sent anywhere.
 * Returns its size; `room` of at least path_query.size + 1 always suffices. */
size_t target_normalise(char *into, size_t room, struct slice path_query);

#endif
