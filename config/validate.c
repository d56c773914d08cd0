/* SPDX-License-Identifier: MIT
 *
 * Third step of loading: rules across values. What was wrong by itself is zero or NULL and is passed over.
 * One thread. */
#include "config/validate.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

#define SLOTS_AT_MOST 1024 /* of the slot table: each worker beside its replacement, and every server */

static bool host_covers(const char *wide, const char *narrow)
{
    if (!wide)
        return true;
    if (!narrow)
        return false;
    if (strncmp(wide, "*.", 2) != 0)
        return strcmp(wide, narrow) == 0;
    size_t tail = strlen(wide + 1), size = strlen(narrow);
    return size > tail && strcmp(narrow + size - tail, wide + 1) == 0;
}

static bool path_covers(const char *wide, const char *narrow)
{
    size_t size = strlen(wide);

    return size == 1 || (strncmp(wide, narrow, size) == 0 && (narrow[size] == 0 || narrow[size] == '/'));
}

/* A pool that speaks HTTP/2 is never buffered, whatever a route says. */
static void check_route_buffering(struct filling *filling, unsigned index, const struct yaml_node *item)
{
    const struct config *config = filling->config;
    const struct route_config *route = &config->routes[index];
    const struct yaml_node *node = node_find(item, "buffering");
    char key[KEY_PATH_MAX];

    if (!node || route->buffering != BUFFERING_ON || route->pool >= config->pool_count ||
        config->pools[route->pool].protocol != PROTOCOL_H2)
        return;
    str_format(key, sizeof key, "routes[%u].buffering", index);
    findings_error(filling->findings, node->place, key,
                   "expected auto or off, as pool '%s' has 'protocol: h2', got 'on'",
                   config->pools[route->pool].name);
}

static void check_routes(struct filling *filling)
{
    const struct config *config = filling->config;
    const struct yaml_node *list = node_find(filling->root, "routes");
    char key[KEY_PATH_MAX];

    for (unsigned i = 0; i < config->route_count; i++) {
        const struct route_config *route = &config->routes[i];
        const struct yaml_node *item = node_item(list, i);
        if (item)
            check_route_buffering(filling, i, item);
        const struct pool_config *pool =
            route->pool < config->pool_count ? &config->pools[route->pool] : NULL;
        str_format(key, sizeof key, "routes[%u]", i);
        if (pool && pool->is_background)
            findings_error(filling->findings, item ? item->place : (struct place){0, 0}, key,
                           "expected a pool that takes requests, '%s' is 'kind: background'", pool->name);
        for (unsigned j = 0; j < i && route->path && item; j++) {
            const struct route_config *before = &config->routes[j];
            if (!before->path || !path_covers(before->path, route->path) ||
                !host_covers(before->host, route->host))
                continue;
            findings_warning(filling->findings, item->place, key,
                             "never used: routes[%u] takes all of it before", j);
            break;
        }
    }
}

static void check_pools_used(struct filling *filling)
{
    const struct config *config = filling->config;
    char key[KEY_PATH_MAX];

    for (unsigned i = 0; i < config->pool_count; i++) {
        bool used = config->pools[i].is_background ||
                    config->pools[i].measure == MEASURE_STATSD; /* its traffic goes another way */
        for (unsigned j = 0; !used && j < config->route_count; j++)
            used = config->routes[j].pool == i;
        if (used)
            continue;
        str_format(key, sizeof key, "pools.%s", config->pools[i].name);
        findings_warning(
            filling->findings,
            place_of_key(filling->root, (const char *const[]){"pools", config->pools[i].name, NULL}), key,
            "no route leads here");
    }
}

static void check_pools(struct filling *filling)
{
    const struct config *config = filling->config;
    struct place place = place_of_key(filling->root, (const char *const[]){"pools", NULL});
    const struct yaml_node *pools = node_find(filling->root, "pools");
    unsigned slots = 0;

    if (config->pool_count == 0 &&
        (!pools || node_is_nothing(pools) || (pools->kind == YAML_MAP && pools->count == 0)))
        findings_error(filling->findings, place, "pools",
                       "expected at least one pool with a 'command' or 'servers', got none");
    for (unsigned i = 0; i < config->pool_count; i++) {
        validate_pool(filling, &config->pools[i]);
        slots += config->pools[i].is_launched ? 2 * config_processes(&config->pools[i])
                                              : config->pools[i].server_count;
    }
    if (slots > SLOTS_AT_MOST)
        findings_error(filling->findings, place, "pools",
                       "expected at most %d places in all pools (2 a worker, 1 a server), got %u",
                       SLOTS_AT_MOST, slots);
}

/* A top-level `user` is the engine's alone: who names one may well believe that the workers have it too. */
static void check_users_as_root(struct filling *filling)
{
    const struct config *config = filling->config;
    char key[KEY_PATH_MAX];

    if (!config->user)
        findings_warning(filling->findings, (struct place){0, 0}, "user",
                         "not set: what carries the traffic runs as root");
    for (unsigned i = 0; config->user && strcmp(config->user, "root") != 0 && i < config->pool_count; i++) {
        const char *const keys[] = {"pools", config->pools[i].name, NULL};
        if (config->pools[i].user || !config->pools[i].is_launched)
            continue;
        str_format(key, sizeof key, "pools.%s.user", config->pools[i].name);
        findings_warning(filling->findings, place_of_key(filling->root, keys), key,
                         "not set: these workers run as root (the top-level 'user' is not theirs)");
    }
}

static void check_users(struct filling *filling)
{
    const struct config *config = filling->config;
    struct place place = place_of_key(filling->root, (const char *const[]){"user", NULL});
    char key[KEY_PATH_MAX];

    if (geteuid() == 0) {
        check_users_as_root(filling);
        return;
    }
    if (config->user)
        findings_warning(filling->findings, place, "user", "changes nothing: drover was not started as root");
    for (unsigned i = 0; i < config->pool_count; i++) {
        const char *const keys[] = {"pools", config->pools[i].name, "user", NULL};
        if (!config->pools[i].user)
            continue;
        str_format(key, sizeof key, "pools.%s.user", config->pools[i].name);
        findings_warning(filling->findings, place_of_key(filling->root, keys), key,
                         "needs drover to be started as root, unless it is this user already");
    }
}

static void check_access_log(struct filling *filling)
{
    const char *log = filling->config->access_log;
    struct stat found;

    if (!log || *log != '/')
        return;
    char *directory = mem_dup(log), *slash = strrchr(directory, '/');
    slash[slash == directory] = 0;
    if (stat(directory, &found) != 0 && errno != EACCES)
        findings_error(filling->findings,
                       place_of_key(filling->root, (const char *const[]){"access_log", NULL}), "access_log",
                       "expected a file in a directory that exists, '%s': %s", directory, strerror(errno));
    mem_free(directory);
}

static void check_control(struct filling *filling)
{
    size_t most = sizeof((struct sockaddr_un *)0)->sun_path - 1;

    if (filling->config->control && strlen(filling->config->control) > most)
        findings_error(filling->findings, place_of_key(filling->root, (const char *const[]){"control", NULL}),
                       "control", "expected a path of at most %zu bytes, got '%s'", most,
                       filling->config->control);
}

void validate(struct filling *filling)
{
    bool readable = filling->findings->errors == 0;

    check_pools(filling);
    validate_addresses(filling);
    validate_background(filling);
    validate_measure(filling);
    check_access_log(filling);
    check_control(filling);
    check_users(filling);
    if (readable) { /* else a route that could not be read would look like another */
        check_routes(filling);
        check_pools_used(filling);
    }
}
