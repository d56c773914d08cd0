/* SPDX-License-Identifier: MIT
 *
 * Rules of what is measured by others (`statsd`, `measure`). Pure; one thread. */
#include "config/validate.h"

static struct place place_of(const struct filling *filling, const struct pool_config *pool,
                             const char *option)
{
    return place_of_key(filling->root, (const char *const[]){"pools", pool->name, option, NULL});
}

static bool is_loopback(const struct address *address)
{
    return address->any.sa_family == AF_INET ? ntohl(address->v4.sin_addr.s_addr) >> 24 == 127
                                             : IN6_IS_ADDR_LOOPBACK(&address->v6.sin6_addr);
}

void validate_measure(struct filling *filling)
{
    const struct config *config = filling->config;
    struct place place = place_of_key(filling->root, (const char *const[]){"statsd", NULL});
    const struct yaml_node *node = node_find(filling->root, "statsd");
    bool is_used = false;
    char key[KEY_PATH_MAX];

    for (unsigned i = 0; i < config->pool_count; i++) {
        const struct pool_config *pool = &config->pools[i];
        is_used |= pool->measure == MEASURE_STATSD;
        str_format(key, sizeof key, "pools.%s.measure", pool->name);
        if (pool->measure == MEASURE_STATSD && config->statsd.size == 0 && (!node || node_is_nothing(node)))
            findings_error(
                filling->findings, place_of(filling, pool, "measure"), key,
                "expected proxy, as there is no 'statsd' that says where reports come in, got 'statsd'");
        str_format(key, sizeof key, "pools.%s.workers", pool->name);
        if (pool->measure == MEASURE_STATSD && pool->is_sized && pool->workers_min == 0)
            findings_error(filling->findings, place_of(filling, pool, "workers"), key,
                           "expected min to be at least 1, as nobody reports a request that finds no worker ("
                           "'measure: statsd'), got 0");
    }
    if (config->statsd.size == 0)
        return;
    if (!is_loopback(&config->statsd))
        findings_warning(filling->findings, place, "statsd",
                         "not on this machine alone: whoever reaches it can make pools larger or smaller");
    if (!is_used)
        findings_warning(filling->findings, place, "statsd",
                         "changes nothing: no pool has 'measure: statsd'");
}
