/* SPDX-License-Identifier: MIT
 *
 * Rules across the options of one pool; looks for the program that its command names. One thread. */
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "config/decide.h"
#include "config/validate.h"

#define RECYCLE_AGE_LEAST 1000u /* ms */

struct checking {
    struct filling *filling;
    const struct pool_config *pool;
    const struct yaml_node *node; /* of the pool */
    char key[KEY_PATH_MAX];
};

/* Where an option of the pool stands, and its key path. */
static struct place at(struct checking *checking, const char *option)
{
    const struct yaml_node *value = node_find(checking->node, option);

    if (value && value->kind == YAML_SCALAR) {
        str_format(checking->key, sizeof checking->key, "pools.%s.%s", checking->pool->name, option);
        return value->place;
    }
    const char *const keys[] = {"pools", checking->pool->name, option, NULL};
    str_format(checking->key, sizeof checking->key, value ? "pools.%s.%s" : "pools.%s", checking->pool->name,
               option);
    return place_of_key(checking->filling->root, keys);
}

static void check_kind(struct checking *checking)
{
    struct findings *findings = checking->filling->findings;
    const struct pool_config *pool = checking->pool;
    bool has_servers = node_find(checking->node, "servers") != NULL;

    if (!pool->is_launched && !has_servers) {
        struct place place = at(checking, "command");
        findings_error(findings, place, checking->key,
                       pool->is_background ? "expected a 'command', got none"
                                           : "expected a 'command' or 'servers', got neither");
        return;
    }
    if (pool->is_background && !pool->is_launched) {
        struct place place = at(checking, "servers");
        findings_error(findings, place, checking->key,
                       "expected a 'command', as the pool is 'kind: background'");
        return;
    }
    if (pool->is_launched && has_servers) {
        struct place place = at(checking, "servers");
        findings_error(findings, place, checking->key, "expected either 'command' or 'servers', got both");
        return;
    }
    for (unsigned i = 0; i < options_pool.count; i++) {
        const struct option *option = &options_pool.rows[i];
        const struct yaml_node *key = node_find_key(checking->node, option->key);
        if (!key || option->only == FOR_ANY_POOL || (option->only == FOR_LAUNCHED) == pool->is_launched ||
            option->kind == OPTION_SERVERS)
            continue;
        at(checking, option->key);
        findings_error(findings, key->place, checking->key, "is only for pools with %s",
                       pool->is_launched ? "'servers'; this one has a 'command'"
                                         : "a 'command'; this one has 'servers'");
    }
}

static void check_bind(struct checking *checking)
{
    static const char *const words[] = {[BIND_PORT] = "port", [BIND_UNIX] = "unix", [BIND_FD] = "fd"};
    struct findings *findings = checking->filling->findings;
    const struct pool_config *pool = checking->pool;
    enum bind_hint hint = bind_hint(pool);

    if (node_find(checking->node, "bind")) {
        struct place place = at(checking, "bind");
        if (hint == HINT_SOCKET && pool->bind != BIND_UNIX)
            findings_error(findings, place, checking->key, "expected unix, as $SOCKET is named, got '%s'",
                           words[pool->bind]);
        if (hint == HINT_PORT && pool->bind != BIND_PORT)
            findings_error(findings, place, checking->key, "expected port, as $PORT is named, got '%s'",
                           words[pool->bind]);
    }
    if (pool->first_port > 0 && pool->bind != BIND_PORT) {
        struct place place = at(checking, "port");
        findings_error(findings, place, checking->key,
                       "expected none, as workers with 'bind: %s' have no ports, got '%u'", words[pool->bind],
                       pool->first_port);
    }
}

static void check_signals(struct checking *checking)
{
    struct findings *findings = checking->filling->findings;
    const struct pool_config *pool = checking->pool;
    const struct yaml_node *node = node_find(checking->node, "signals");

    if (!node || node->kind != YAML_MAP)
        return;
    struct place place = at(checking, "signals");
    if (!node_find(node, "up") || !node_find(node, "down"))
        findings_error(findings, place, checking->key, "expected both 'up' and 'down'");
    else if (pool->signal_up > 0 && pool->signal_up == pool->signal_down)
        findings_error(findings, place, checking->key,
                       "expected two signals, got the same for 'up' and 'down'");
}

static void check_rest(struct checking *checking)
{
    struct findings *findings = checking->filling->findings;
    const struct pool_config *pool = checking->pool;

    if (node_find(checking->node, "key") && pool->balance != BALANCE_HASH) {
        struct place place = at(checking, "key");
        findings_error(findings, place, checking->key, "is only for 'balance: hash'");
    }
    if (pool->protocol == PROTOCOL_H2 && pool->buffering == BUFFERING_ON) {
        struct place place = at(checking, "buffering");
        findings_error(findings, place, checking->key,
                       "expected auto or off, as 'protocol: h2' is never buffered, got 'on'");
    }
    if (pool->rebalance > 0 && (pool->affinity.cookie || pool->balance == BALANCE_HASH)) {
        struct place place = at(checking, "tunnels");
        findings_error(findings, place, checking->key,
                       "rebalance moves nobody with '%s': clients come back to their worker",
                       pool->affinity.cookie ? "affinity" : "balance: hash");
    }
    if (pool->is_sized && pool->workers_min > pool->workers && pool->workers > 0) {
        struct place place = at(checking, "workers");
        findings_error(findings, place, checking->key, "expected min to be at most max, got %u and %u",
                       pool->workers_min, pool->workers);
    }
    if (pool->scale_window > 0 && pool->scale_burst_window > pool->scale_window) {
        struct place place = at(checking, "scale");
        findings_error(findings, place, checking->key, "expected burst_window to be at most window");
    }
    if (pool->recycle_jitter > 0 && pool->recycle_requests == 0) {
        struct place place = at(checking, "recycle");
        findings_error(findings, place, checking->key, "expected jitter only beside requests");
    }
    if (pool->recycle_age > 0 && pool->recycle_age < RECYCLE_AGE_LEAST) {
        struct place place = at(checking, "recycle");
        findings_error(findings, place, checking->key, "expected an age of at least 1s, or 0, got '%ums'",
                       pool->recycle_age);
    }
    if (pool->start_backoff > 0 && pool->start_backoff_max > 0 &&
        pool->start_backoff_max < pool->start_backoff) {
        struct place place = at(checking, "start");
        findings_error(findings, place, checking->key, "expected backoff_max to be at least backoff");
    }
}

/* 0, or why it is no program. What may not be looked at may still be right for another user. */
static int program_status(const char *path)
{
    struct stat found;

    if (stat(path, &found) != 0)
        return errno == EACCES ? 0 : errno;
    if (!S_ISREG(found.st_mode))
        return EISDIR;
    return found.st_mode & 0111 ? 0 : EACCES;
}

static const char *worker_path(const struct pool_config *pool)
{
    for (unsigned i = 0; i < pool->environment_count; i++) {
        if (strncmp(pool->environment[i], "PATH=", 5) == 0)
            return pool->environment[i] + 5;
    }
    const char *path = getenv("PATH");
    return path ? path : "/usr/local/bin:/usr/bin:/bin"; /* what execvp falls back to */
}

static bool is_on_path(const struct pool_config *pool, const char *program)
{
    char *copy = mem_dup(worker_path(pool)), *rest = copy, *directory;
    bool found = false;

    while (!found && (directory = strsep(&rest, ":"))) {
        const char *base = *directory == '/' ? "" : pool->directory;
        char *path = mem_print("%s%s%s/%s", base, *base ? "/" : "", directory, program);
        found = program_status(path) == 0;
        mem_free(path);
    }
    mem_free(copy);
    return found;
}

static void check_program(struct checking *checking)
{
    struct findings *findings = checking->filling->findings;
    const struct pool_config *pool = checking->pool;
    char part[QUOTE_MAX];

    if (!pool->command || !pool->directory || strchr(pool->command[0], '$'))
        return;
    const char *program = pool->command[0], *slash = strchr(program, '/'), *equals = strchr(program, '=');
    struct place place = at(checking, "command");
    quote_part(part, slice_of(program));
    if (equals && (!slash || equals < slash)) {
        findings_error(findings, place, checking->key,
                       "expected a program first, got '%s' (variables belong under 'environment')", part);
    } else if (!slash) {
        if (!is_on_path(pool, program))
            findings_error(findings, place, checking->key,
                           "expected a program, '%s' is in no directory of PATH", part);
    } else {
        char *path = *program == '/' ? mem_dup(program) : mem_print("%s/%s", pool->directory, program);
        int status = program_status(path);
        if (status != 0)
            findings_error(findings, place, checking->key, "expected a program, got '%s' (%s)", part,
                           strerror(status));
        mem_free(path);
    }
}

void validate_pool(struct filling *filling, const struct pool_config *pool)
{
    struct checking checking = {.filling = filling, .pool = pool};

    checking.node = node_find(node_find(filling->root, "pools"), pool->name);
    if (!checking.node || (checking.node->kind != YAML_MAP && !node_is_nothing(checking.node)))
        return;
    check_kind(&checking);
    check_rest(&checking);
    check_signals(&checking);
    if (!pool->is_launched)
        return;
    if (pool->command && !pool->is_background)
        check_bind(&checking);
    check_program(&checking);
}
