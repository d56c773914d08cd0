/* SPDX-License-Identifier: MIT
 *
 * Second step of loading: `auto` becomes numbers, WEB_CONCURRENCY and PORT replace what the file says. Reads
 * the environment, CPUs and memory; one thread. */
#include "config/decide.h"

#include <stdlib.h>
#include <unistd.h>

#include "base/cpus.h"
#include "base/mem.h"
#include "base/memory_limit.h"
#include "config/expand.h"
#include "config/fill.h"
#include "config/values.h"

uint64_t config_memory_for_workers(uint64_t limit)
{
    uint64_t others = limit / 8;

    others = others < (64ull << 20) ? 64ull << 20 : others > (1ull << 30) ? 1ull << 30 : others;
    return limit > others ? limit - others : 0;
}

unsigned workers_that_fit(uint64_t limit_bytes)
{
    uint64_t fit = config_memory_for_workers(limit_bytes) / WORKER_MEMORY;

    return fit < UINT32_MAX ? (unsigned)fit : UINT32_MAX;
}

unsigned workers_auto(unsigned cpus, unsigned room)
{
    unsigned most = option_find(&options_pool, "workers")->high, wanted = 2 * (cpus < most ? cpus : most) + 1;

    wanted = wanted < room ? wanted : room;
    wanted = wanted < most ? wanted : most;
    return wanted > 0 ? wanted : 1;
}

static bool has_value(const char *name, const char **value)
{
    *value = getenv(name);
    return *value && **value; /* Compose hands on what is unset as an empty text */
}

static bool is_from_command_line(const struct filling *filling, const char *const *keys)
{
    const struct yaml_node *node = filling->root;

    if (strcmp(filling->config->path, COMMAND_LINE) != 0)
        return false;
    while (*keys && node)
        node = node_find(node, *keys++);
    return node != NULL;
}

/* -w and -l are nearer to the user than the environment. */
static void take_web_concurrency(struct filling *filling)
{
    const struct option *option = option_find(&options_pool, "workers");
    struct pool_config *pool = NULL;
    const char *value;
    char part[QUOTE_MAX];
    uint64_t count = 0;

    for (unsigned i = 0; !pool && i < filling->config->pool_count; i++) {
        struct pool_config *candidate = &filling->config->pools[i];
        if (candidate->is_launched && !candidate->is_background && !candidate->is_sized)
            pool = candidate;
    }
    if (!pool || !has_value("WEB_CONCURRENCY", &value) ||
        is_from_command_line(filling, (const char *const[]){"pools", pool->name, "workers", NULL}))
        return;
    bool is_auto = strcmp(value, "auto") == 0;
    if (!is_auto && (!value_count(slice_of(value), &count) || count < option->low || count > option->high))
        findings_error(filling->findings, (struct place){0, 0}, "WEB_CONCURRENCY",
                       "expected %llu to %llu or 'auto' in the environment, got '%s'",
                       (unsigned long long)option->low, (unsigned long long)option->high,
                       quote_part(part, slice_of(value)));
    else
        pool->workers = (unsigned)count;
}

static void take_port(struct filling *filling)
{
    struct listen_config *listen = filling->config->listens;
    const char *value;
    char part[QUOTE_MAX], text[ADDRESS_TEXT];
    uint64_t port;

    if (filling->config->listen_count == 0 || !has_value("PORT", &value) ||
        is_from_command_line(filling, (const char *const[]){"listen", NULL}))
        return;
    if (!value_count(slice_of(value), &port) || port < 1 || port > 65535) {
        findings_error(filling->findings, (struct place){0, 0}, "PORT",
                       "expected a port from 1 to 65535 in the environment, got '%s'",
                       quote_part(part, slice_of(value)));
        return;
    }
    if (listen->address.size == 0)
        return; /* was wrong */
    if (address_is_unix(&listen->address)) {
        findings_warning(filling->findings, (struct place){0, 0}, "PORT",
                         "the first listener is a unix socket: PORT in the environment changes nothing");
        return;
    }
    if (listen->address.any.sa_family == AF_INET)
        listen->address.v4.sin_port = htons((uint16_t)port);
    else
        listen->address.v6.sin6_port = htons((uint16_t)port);
    address_print(&listen->address, text);
    mem_free(listen->text);
    listen->text = mem_dup(text);
}

static void decide_least(struct pool_config *pool)
{
    if (!pool->is_sized)
        pool->workers_min = pool->workers;
    else if (pool->is_auto && pool->workers < pool->workers_min)
        pool->workers = pool->workers_min;
}

/* A number of `auto` stays as it is; where the pool follows the demand the fleet asks memory again and again. */
static void decide_auto(struct pool_config *pool, unsigned cpus, unsigned fit)
{
    unsigned own = pool->memory_pool ? (unsigned)(pool->memory_pool / WORKER_MEMORY) : UINT32_MAX;

    pool->is_auto = true;
    pool->workers = workers_auto(cpus, pool->is_sized ? UINT32_MAX : fit < own ? fit : own);
}

/* The numbers that the file names may be more than memory is likely to have room for. */
static void warn_of_memory(const struct filling *filling, const struct memory_state *memory, unsigned named)
{
    const struct config *config = filling->config;
    unsigned fit = workers_that_fit(memory->least.limit);
    char key[KEY_PATH_MAX], limit[MEMORY_TEXT];

    memory_text(limit, memory->least.limit);
    if (named > fit)
        findings_warning(filling->findings, place_of_key(filling->root, (const char *const[]){"pools", NULL}),
                         "pools", "%u workers may not fit: at 150m each, memory (%s by %s) allows %u", named,
                         limit, memory->least.from, fit);
    for (unsigned i = 0; i < config->pool_count; i++) {
        const struct pool_config *pool = &config->pools[i];
        unsigned own = pool->memory_pool / WORKER_MEMORY < UINT32_MAX
                           ? (unsigned)(pool->memory_pool / WORKER_MEMORY)
                           : UINT32_MAX;
        if (!pool->is_launched || pool->memory_pool == 0 || pool->is_auto || pool->workers <= own)
            continue;
        memory_text(limit, pool->memory_pool);
        str_format(key, sizeof key, "pools.%s.workers", pool->name);
        findings_warning(
            filling->findings,
            place_of_key(filling->root, (const char *const[]){"pools", pool->name, "workers", NULL}), key,
            "%u workers may not fit: at 150m each, memory.pool (%s) allows %u", pool->workers, limit,
            own ? own : 1);
    }
}

/* What memory allows is shared: first the pools with a number, then those with `auto` in equal parts. */
static void decide_workers(struct filling *filling)
{
    struct config *config = filling->config;
    struct memory_state memory;
    unsigned named = 0, autos = 0, cpus = cpus_usable();

    memory_read(&memory);
    unsigned fit = workers_that_fit(memory.least.limit);
    for (unsigned i = 0; i < config->pool_count; i++) {
        const struct pool_config *pool = &config->pools[i];
        named += pool->is_launched ? pool->workers : 0;
        autos += pool->is_launched && pool->workers == 0;
    }
    for (unsigned i = 0; autos > 0 && i < config->pool_count; i++) {
        struct pool_config *pool = &config->pools[i];
        if (pool->is_launched && pool->workers == 0)
            decide_auto(pool, cpus, fit > named ? (fit - named) / autos : 0);
    }
    for (unsigned i = 0; i < config->pool_count; i++)
        decide_least(&config->pools[i]);
    warn_of_memory(filling, &memory, named);
}

static bool names(const struct pool_config *pool, const char *name)
{
    bool found = false;

    for (unsigned i = 0; !found && i < pool->argument_count; i++)
        found = expand_names(pool->command[i], name);
    for (unsigned i = 0; !found && i < pool->environment_count; i++)
        found = expand_names(pool->environment[i], name);
    return found;
}

static bool names_descriptor(const struct pool_config *pool)
{
    for (unsigned i = 0; i < pool->argument_count; i++) {
        const char *word = pool->command[i], *next = i + 1 < pool->argument_count ? pool->command[i + 1] : "";
        const char *url = strstr(word, "fd://3");
        if (strcmp(word, "--fd=3") == 0 || (strcmp(word, "--fd") == 0 && strcmp(next, "3") == 0) ||
            (url && !url[6]))
            return true;
    }
    return false;
}

enum bind_hint bind_hint(const struct pool_config *pool)
{
    bool socket = names(pool, "SOCKET"), port = names(pool, "PORT");

    if (socket && port)
        return HINT_BOTH;
    if (socket || port)
        return socket ? HINT_SOCKET : HINT_PORT;
    return names_descriptor(pool) ? HINT_DESCRIPTOR : HINT_NONE;
}

static void decide_bind(struct filling *filling, struct pool_config *pool)
{
    static const enum bind_kind binds[] = {[HINT_NONE] = BIND_PORT,
                                           [HINT_PORT] = BIND_PORT,
                                           [HINT_SOCKET] = BIND_UNIX,
                                           [HINT_DESCRIPTOR] = BIND_FD,
                                           [HINT_BOTH] = BIND_PORT};
    const char *const keys[] = {"pools", pool->name, "command", NULL};
    struct place place = place_of_key(filling->root, keys);
    char key[KEY_PATH_MAX];

    if (pool->is_background)
        pool->bind = BIND_NONE;
    if ((unsigned)pool->bind != BIND_AUTO)
        return;
    enum bind_hint hint = pool->command ? bind_hint(pool) : HINT_PORT; /* else an error already, or servers */
    pool->bind = binds[hint];
    str_format(key, sizeof key, "pools.%s.command", pool->name);
    if (hint == HINT_BOTH)
        findings_error(filling->findings, place, key,
                       "expected $SOCKET or $PORT, got both: say which with 'bind'");
    else if (hint == HINT_NONE && pool->first_port == 0)
        findings_warning(
            filling->findings, place, key,
            "names neither $PORT nor $SOCKET nor '--fd 3': the app must listen on the port that PORT in its "
            "environment tells ('bind: port' says that it does)");
}

static void decide_control(struct config *config)
{
    const char *runtime;

    if (config->control)
        return;
    if (geteuid() == 0)
        config->control = mem_dup("/run/drover/control.sock");
    else if (has_value("XDG_RUNTIME_DIR", &runtime) && *runtime == '/')
        config->control = mem_print("%s/drover.sock", runtime);
    else
        config->control = mem_print("/tmp/drover-%u/control.sock", (unsigned)geteuid());
}

/* Its index, pool_count when all are background. */
static unsigned first_proxied(const struct config *config)
{
    unsigned first = 0;

    while (first < config->pool_count && config->pools[first].is_background)
        first++;
    return first;
}

/* Nobody answers, so that nothing has to be listened on, unless the file says so. */
static void decide_listeners(struct filling *filling)
{
    struct config *config = filling->config;

    if (config->pool_count == 0 || first_proxied(config) < config->pool_count ||
        node_find(filling->root, "listen"))
        return;
    for (unsigned i = 0; i < config->listen_count; i++)
        mem_free(config->listens[i].text);
    config->listen_count = 0;
}

/* None in the file: everything goes to the first pool that answers. */
static void decide_routes(struct config *config)
{
    unsigned first = first_proxied(config);

    if (config->route_count > 0 || (config->pool_count > 0 && first == config->pool_count))
        return;
    mem_free(config->routes);
    config->routes = mem_zero(sizeof *config->routes);
    config->routes->path = mem_dup("/");
    config->routes->where = mem_dup(config->path);
    config->routes->pool = first;
    config->route_count = 1;
}

/* What comes after one that comes after another comes after that one too. */
static void decide_order(struct config *config)
{
    for (unsigned i = 0; i < config->pool_count; i++)
        config->pools[i].after_all = config->pools[i].after;
    for (unsigned via = 0; via < config->pool_count; via++)
        for (unsigned i = 0; i < config->pool_count; i++)
            if (config->pools[i].after_all >> via & 1)
                config->pools[i].after_all |= config->pools[via].after_all;
}

/* To the first listener that speaks TLS; where another process does, to the usual port. */
static void decide_redirects(struct config *config)
{
    unsigned port = 443;

    for (unsigned i = config->listen_count; i-- > 0;)
        if (config->listens[i].tls.pair_count > 0 && address_port(&config->listens[i].address) > 0)
            port = address_port(&config->listens[i].address);
    for (unsigned i = 0; i < config->listen_count; i++)
        if (config->listens[i].redirect == REDIRECT_DECIDED_LATER)
            config->listens[i].redirect = port;
}

void decide(struct filling *filling)
{
    struct config *config = filling->config;

    take_web_concurrency(filling);
    decide_listeners(filling);
    take_port(filling);
    if (config->threads == 0)
        config->threads = cpus_usable();
    unsigned most = option_find(&options_top, "threads")->high;
    config->threads = config->threads < most ? config->threads : most;
    decide_workers(filling);
    for (unsigned i = 0; i < config->pool_count; i++) {
        struct pool_config *pool = &config->pools[i];
        if (pool->is_launched)
            decide_bind(filling, pool);
        else
            pool->bind = BIND_PORT;
        if (pool->target_concurrency == 0)
            pool->target_concurrency = pool->concurrency > 0 ? pool->concurrency : 10;
    }
    decide_order(config);
    decide_redirects(config);
    decide_control(config);
    decide_routes(config);
}
