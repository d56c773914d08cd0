/* SPDX-License-Identifier: MIT
 *
 * Which route is a request's? Pure. */
#ifndef DROVER_PROXY_ROUTE_H
#define DROVER_PROXY_ROUTE_H

#include "config/config.h"

/* `authority` and `path_query` as the request has them. NULL: none matches. */
const struct route_config *route_find(const struct config *config, struct slice authority,
                                      struct slice path_query);
bool route_host_matches(const char *pattern, struct slice host);
bool route_path_matches(const char *prefix, struct slice path);

#endif
