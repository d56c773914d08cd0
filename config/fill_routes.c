/* SPDX-License-Identifier: MIT
 *
 * Readers of `routes`. One thread. */
#include "base/mem.h"
#include "config/fill.h"

void fill_routes(struct filling *filling, const struct option *option, const struct yaml_node *node,
                 void *base)
{
    struct config *config = base;
    char expected[EXPECTED_MAX];

    if (node_is_nothing(node))
        return; /* as not given */
    if (node->kind != YAML_LIST) {
        fill_wrong_kind(filling, node, option_expected(option, expected));
        return;
    }
    config->routes = mem_zero((node->count + 1) * sizeof *config->routes);
    config->route_count = node->count;
    for (unsigned i = 0; i < node->count; i++) {
        const struct yaml_node *item = node->items[i];
        struct route_config *route = &config->routes[i];
        size_t mark = key_push_index(filling, i);
        route->where = mem_print("%s:%u:%u", config->path, item->place.line, item->place.column);
        if (item->kind != YAML_MAP) {
            fill_wrong_kind(filling, item, "a map of host, path and pool");
        } else {
            fill_map(filling, option->section, item, route);
            if (!node_find(item, "pool"))
                findings_error(filling->findings, item->place, filling->key, "expected a 'pool'");
        }
        key_pop(filling, mark);
    }
}

static bool is_host_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_' || c == ':';
}

/* Lower case; an IPv6 address without its brackets or with them, as a Host field has it. */
void fill_host(struct filling *filling, const struct option *option, const struct yaml_node *node, void *base)
{
    struct route_config *route = base;
    char *text = fill_text(filling, option, node);
    struct address address;

    if (!text)
        return;
    for (char *c = text; *c; c++)
        *c = *c >= 'A' && *c <= 'Z' ? *c + ('a' - 'A') : *c;
    size_t size = strlen(text);
    bool is_v6 = size > 2 && text[0] == '[' && text[size - 1] == ']' &&
                 address_from_ip(&address, (struct slice){text + 1, size - 2}, 0);
    const char *name = strncmp(text, "*.", 2) == 0 ? text + 2 : text;
    bool good = is_v6 || (*name && *name != '.' && size <= 253 && !strstr(name, "..") && !strchr(name, ':'));
    for (const char *c = name; !is_v6 && *c; c++)
        good = good && is_host_byte(*c);
    if (!good) {
        fill_wrong(filling, option, node, text);
        mem_free(text);
        return;
    }
    if (text[size - 1] == '.')
        text[size - 1] = 0; /* the root's dot is not compared */
    route->host = text;
}

/* Only paths that a normalised request path can have, and that have one spelling only: others would not
 * match, or not always. */
static bool is_normal_path(const char *path)
{
    if (*path != '/' || strstr(path, "//"))
        return false;
    for (const char *c = path; *c; c++) {
        if (*c <= ' ' || *c > '~' || strchr("%?#", *c))
            return false;
        if (*c == '/' && c[1] == '.' &&
            (c[2] == '/' || c[2] == 0 || (c[2] == '.' && (c[3] == '/' || c[3] == 0))))
            return false;
    }
    return true;
}

void fill_route_path(struct filling *filling, const struct option *option, const struct yaml_node *node,
                     void *base)
{
    struct route_config *route = base;
    char *text = fill_text(filling, option, node);

    if (!text)
        return;
    if (!is_normal_path(text)) {
        fill_wrong(filling, option, node, text);
        mem_free(text);
        return;
    }
    size_t size = strlen(text);
    if (size > 1 && text[size - 1] == '/')
        text[size - 1] = 0; /* by whole segments, "/ws/" is "/ws" */
    route->path = text;
}

void fill_route_pool(struct filling *filling, const struct option *option, const struct yaml_node *node,
                     void *base)
{
    struct route_config *route = base;
    const struct yaml_node *pools = node_find(filling->root, "pools");
    char *text = fill_text(filling, option, node);

    for (unsigned i = 0; text && pools && pools->kind == YAML_MAP && i < pools->count; i++) {
        if (strcmp(pools->keys[i]->text, text) == 0) {
            route->pool = i;
            mem_free(text);
            return;
        }
    }
    if (text)
        fill_wrong(filling, option, node, text);
    mem_free(text);
}
