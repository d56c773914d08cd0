/* SPDX-License-Identifier: MIT */
#include "proxy/route.h"

#include "base/mem.h"
#include "http/target.h"

bool route_host_matches(const char *pattern, struct slice host)
{
    struct slice wanted = slice_of(pattern);

    if (!pattern)
        return true;
    if (wanted.size > 1 && wanted.at[0] == '*') { /* "*.example.org": any deeper name */
        struct slice tail = {wanted.at + 1, wanted.size - 1};
        return host.size > tail.size &&
               slice_equal_nocase((struct slice){host.at + host.size - tail.size, tail.size}, tail);
    }
    return slice_equal_nocase(wanted, host);
}

bool route_path_matches(const char *prefix, struct slice path)
{
    struct slice wanted = slice_of(prefix);

    if (wanted.size && wanted.at[wanted.size - 1] == '/')
        wanted.size--; /* "/ws/" is "/ws": whole segments */
    return slice_starts(path, wanted) && (path.size == wanted.size || path.at[wanted.size] == '/');
}

static bool takes_all(const struct route_config *route)
{
    return !route->host && (!route->path || (route->path[0] == '/' && route->path[1] == '\0'));
}

const struct route_config *route_find(const struct config *config, struct slice authority,
                                      struct slice path_query)
{
    const struct route_config *found = NULL;
    struct slice host = authority_host(authority), path;
    char short_path[1024], *normal = short_path;

    if (config->route_count == 0)
        return NULL; /* all pools are background */
    if (takes_all(&config->routes[0]))
        return &config->routes[0];
    if (path_query.size + 1 > sizeof short_path)
        normal = mem_alloc(path_query.size + 1);
    path = (struct slice){normal, target_normalise(normal, path_query.size + 1, path_query)};
    for (unsigned i = 0; i < config->route_count && !found; i++) {
        const struct route_config *route = &config->routes[i];
        if (takes_all(route) ||
            (route_host_matches(route->host, host) && route_path_matches(route->path, path)))
            found = route;
    }
    if (normal != short_path)
        mem_free(normal);
    return found;
}
