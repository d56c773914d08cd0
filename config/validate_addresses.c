/* SPDX-License-Identifier: MIT
 *
 * No two things want one address: listeners, admin, control, ranges of ports for workers, servers that would
 * be drover itself. Pure; one thread. */
#include "config/validate.h"

static bool is_any(const struct address *address)
{
    return address->any.sa_family == AF_INET6 ? IN6_IS_ADDR_UNSPECIFIED(&address->v6.sin6_addr)
                                              : address->v4.sin_addr.s_addr == 0;
}

bool addresses_overlap(const struct address *a, const struct address *b)
{
    if (a->any.sa_family != b->any.sa_family || address_is_unix(a))
        return address_equal(a, b);
    return address_port(a) == address_port(b) && (is_any(a) || is_any(b) || address_equal(a, b));
}

static struct place place_of_listener(const struct filling *filling, unsigned index)
{
    const struct yaml_node *list = node_find(filling->root, "listen"), *item = node_item(list, index);
    const struct yaml_node *address = node_find(item, "address");

    if (address)
        return address->place;
    return item ? item->place : list ? list->place : (struct place){0, 0};
}

static struct place place_of_top(const struct filling *filling, const char *key)
{
    const struct yaml_node *node = node_find(filling->root, key);

    return node ? node->place : (struct place){0, 0};
}

static void check_listeners(struct filling *filling)
{
    const struct config *config = filling->config;
    char key[KEY_PATH_MAX];

    for (unsigned i = 0; i < config->listen_count; i++) {
        const struct address *address = &config->listens[i].address;
        if (address->size == 0)
            continue;
        str_format(key, sizeof key, "listen[%u]", i);
        for (unsigned j = 0; j < i; j++) {
            if (config->listens[j].address.size > 0 &&
                addresses_overlap(address, &config->listens[j].address))
                findings_error(filling->findings, place_of_listener(filling, i), key,
                               "expected an address of its own, '%s' is taken by listen[%u] ('%s')",
                               config->listens[i].text, j, config->listens[j].text);
        }
        if (config->listens[i].proxy_protocol && config->trusted_count == 0)
            findings_warning(
                filling->findings, place_of_listener(filling, i), key,
                "proxy_protocol changes nothing: 'trusted_proxies' names nobody who may speak it");
        if (config->listens[i].redirect && config->listens[i].tls.pair_count)
            findings_error(filling->findings, place_of_listener(filling, i), key,
                           "expected 'tls' or 'redirect', got both: what comes here is https already");
        if (config->admin_is_on && addresses_overlap(address, &config->admin))
            findings_error(filling->findings, place_of_listener(filling, i), key,
                           "expected an address of its own, '%s' is taken by 'admin'",
                           config->listens[i].text);
        if (address_is_unix(address) && config->control &&
            strcmp(address->local.sun_path, config->control) == 0)
            findings_error(filling->findings, place_of_listener(filling, i), key,
                           "expected an address of its own, '%s' is taken by 'control'",
                           config->listens[i].text);
    }
    if (config->admin_is_on && address_is_unix(&config->admin) && config->control &&
        strcmp(config->admin.local.sun_path, config->control) == 0)
        findings_error(filling->findings, place_of_top(filling, "admin"), "admin",
                       "expected an address of its own, '%s' is taken by 'control'", config->control);
}

static unsigned range_end(const struct pool_config *pool)
{
    return pool->first_port + 2 * config_processes(pool) - 1;
}

static bool has_range(const struct pool_config *pool)
{
    return pool->is_launched && pool->first_port > 0 && pool->workers > 0 && pool->bind == BIND_PORT;
}

/* Is it what a worker on 127.0.0.1 would want, at a port of the pool's range? */
static bool is_in_range(const struct address *address, const struct pool_config *pool)
{
    struct address worker;

    if (address->size == 0 || address_is_unix(address))
        return false;
    address_from_ip(&worker, SLICE("127.0.0.1"), address_port(address));
    return addresses_overlap(address, &worker) && address_port(address) >= pool->first_port &&
           address_port(address) <= range_end(pool);
}

static void check_range(struct filling *filling, unsigned index)
{
    const struct config *config = filling->config;
    const struct pool_config *pool = &config->pools[index];
    struct place place =
        place_of_key(filling->root, (const char *const[]){"pools", pool->name, "port", NULL});
    char key[KEY_PATH_MAX];

    str_format(key, sizeof key, "pools.%s.port", pool->name);
    if (range_end(pool) > 65535)
        findings_error(filling->findings, place, key,
                       "expected room for %u ports (2 x workers, for replacements), got %u to 65535",
                       2 * config_processes(pool), pool->first_port);
    for (unsigned i = 0; i < index; i++) {
        const struct pool_config *other = &config->pools[i];
        if (has_range(other) && other->first_port <= range_end(pool) && pool->first_port <= range_end(other))
            findings_error(filling->findings, place, key,
                           "expected ports of its own, %u to %u (2 x workers) overlap %u to %u of pool '%s'",
                           pool->first_port, range_end(pool), other->first_port, range_end(other),
                           other->name);
    }
    for (unsigned i = 0; i < config->listen_count; i++) {
        if (is_in_range(&config->listens[i].address, pool))
            findings_error(filling->findings, place, key,
                           "expected ports of its own, %u to %u (2 x workers) hold listen[%u] ('%s')",
                           pool->first_port, range_end(pool), i, config->listens[i].text);
    }
    if (config->admin_is_on && is_in_range(&config->admin, pool))
        findings_error(filling->findings, place, key,
                       "expected ports of its own, %u to %u (2 x workers) hold 'admin'", pool->first_port,
                       range_end(pool));
}

/* Does whoever connects to `server` reach `listener`? */
static bool leads_to(const struct address *server, const struct address *listener)
{
    bool is_loopback = server->any.sa_family == AF_INET    ? ntohl(server->v4.sin_addr.s_addr) >> 24 == 127
                       : server->any.sa_family == AF_INET6 ? IN6_IS_ADDR_LOOPBACK(&server->v6.sin6_addr)
                                                           : false;

    if (!addresses_overlap(server, listener))
        return false;
    return address_equal(server, listener) || is_loopback;
}

static bool server_address(const struct server_config *server, struct address *address)
{
    if (server->unix_path)
        return address_parse(address, slice_of(server->text));
    if (!server->host)
        return false;
    const char *host = strcmp(server->host, "localhost") == 0 ? "127.0.0.1" : server->host;
    return address_from_ip(address, slice_of(host), server->port);
}

/* Twice the same, or drover itself, which would ask itself until nothing is left. */
static void check_servers(struct filling *filling, const struct pool_config *pool)
{
    const struct config *config = filling->config;
    const struct yaml_node *pools = node_find(filling->root, "pools");
    const struct yaml_node *list = node_find(node_find(pools, pool->name), "servers");
    char key[KEY_PATH_MAX];

    for (unsigned i = 0; i < pool->server_count; i++) {
        const struct server_config *server = &pool->servers[i];
        struct place place = list ? fill_list_item(list, i)->place : (struct place){0, 0};
        struct address address;
        str_format(key, sizeof key, "pools.%s.servers[%u]", pool->name, i);
        for (unsigned j = 0; server->text && j < i; j++) {
            if (pool->servers[j].text && strcmp(server->text, pool->servers[j].text) == 0)
                findings_error(filling->findings, place, key,
                               "expected each server once (weight=N gives one more), got '%s'", server->text);
        }
        for (unsigned j = 0; j < config->listen_count && server_address(server, &address); j++) {
            if (config->listens[j].address.size > 0 && leads_to(&address, &config->listens[j].address))
                findings_error(filling->findings, place, key,
                               "expected another server, '%s' is listen[%u] of drover itself", server->text,
                               j);
        }
    }
}

void validate_addresses(struct filling *filling)
{
    check_listeners(filling);
    for (unsigned i = 0; i < filling->config->pool_count; i++) {
        if (has_range(&filling->config->pools[i]))
            check_range(filling, i);
        check_servers(filling, &filling->config->pools[i]);
    }
}
