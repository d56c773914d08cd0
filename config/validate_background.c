/* SPDX-License-Identifier: MIT
 *
 * Rules of pools that take no requests, and of the order in which pools start and end. One thread. */
#include <stdarg.h>
#include <stdio.h>

#include "config/decide.h"
#include "config/validate.h"

struct checking {
    struct filling *filling;
    const struct pool_config *pool;
    const struct yaml_node *node; /* of the pool */
};

__attribute__((format(printf, 4, 5))) static void wrong(const struct checking *checking, struct place place,
                                                        const char *option, const char *format, ...)
{
    char key[KEY_PATH_MAX], text[KEY_PATH_MAX];
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    str_format(key, sizeof key, "pools.%s.%s", checking->pool->name, option);
    findings_error(checking->filling->findings, place, key, "%s", text);
}

static void check_options(const struct checking *checking, const struct option_section *section,
                          const struct yaml_node *map, const char *above)
{
    bool is_background = checking->pool->is_background;
    char name[KEY_PATH_MAX];

    for (unsigned i = 0; map && map->kind == YAML_MAP && i < section->count; i++) {
        const struct option *option = &section->rows[i];
        const struct yaml_node *key = node_find_key(map, option->key);
        if (!key || option->kind == OPTION_SERVERS)
            continue;
        str_format(name, sizeof name, "%s%s%s", above, *above ? "." : "", option->key);
        if (is_background && option->background == NOT_BACKGROUND)
            wrong(checking, key->place, name,
                  "is only for pools that take requests; this one is 'kind: background'");
        else if (!is_background && option->background == ONLY_BACKGROUND)
            wrong(checking, key->place, name, "is only for pools with 'kind: background'");
        else if (option->kind == OPTION_SECTION && option->background == ALSO_BACKGROUND)
            check_options(checking, option->section, node_find(map, option->key), name);
    }
}

/* A count: there are no requests that say how many are needed. */
static void check_workers(const struct checking *checking)
{
    const struct yaml_node *workers = node_find(checking->node, "workers");
    bool is_auto = workers && workers->kind == YAML_SCALAR && strcmp(workers->text, "auto") == 0;

    if (checking->pool->is_sized || is_auto)
        wrong(checking, workers->place, "workers",
              "expected a count, as no requests come that tell how many are needed, got %s",
              is_auto ? "'auto'" : "a range");
}

static void check_words(const struct checking *checking)
{
    enum bind_hint hint = bind_hint(checking->pool);
    const struct yaml_node *key = node_find_key(checking->node, "command");

    if (key && (hint == HINT_PORT || hint == HINT_SOCKET || hint == HINT_BOTH))
        wrong(checking, key->place, "command",
              "expected no %s: the workers of a background pool have none to listen on",
              hint == HINT_SOCKET ? "$SOCKET" : "$PORT");
}

static void check_circle(const struct checking *checking, unsigned index)
{
    const struct config *config = checking->filling->config;
    const struct pool_config *pool = checking->pool;
    const struct yaml_node *key = node_find_key(checking->node, "after");

    if (!key || !(pool->after_all >> index & 1))
        return;
    for (unsigned i = 0; i < config->pool_count; i++)
        if ((pool->after >> i & 1) && (config->pools[i].after_all >> index & 1)) {
            wrong(checking, key->place, "after", "expected no circle: '%s' comes after '%s' itself",
                  config->pools[i].name, pool->name);
            return;
        }
}

static void check_listeners(struct filling *filling)
{
    const struct config *config = filling->config;
    const struct yaml_node *listen = node_find(filling->root, "listen");

    for (unsigned i = 0; i < config->listen_count && config->route_count == 0 && config->pool_count > 0; i++)
        if (config->listens[i].expose_count == 0)
            findings_warning(filling->findings, listen ? listen->place : (struct place){0, 0}, "listen",
                             "no pool answers at '%s': all are 'kind: background'", config->listens[i].text);
}

void validate_background(struct filling *filling)
{
    for (unsigned i = 0; i < filling->config->pool_count; i++) {
        struct checking checking = {.filling = filling, .pool = &filling->config->pools[i]};
        checking.node = node_find(node_find(filling->root, "pools"), checking.pool->name);
        if (!checking.node || checking.node->kind != YAML_MAP)
            continue;
        check_options(&checking, &options_pool, checking.node, "");
        check_circle(&checking, i);
        if (!checking.pool->is_background)
            continue;
        check_workers(&checking);
        check_words(&checking);
    }
    check_listeners(filling);
}
