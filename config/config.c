/* SPDX-License-Identifier: MIT
 *
 * The door: bytes in, an immutable tree out, shared by reference counts. Loading is one thread's; reading is
 * anybody's. */
#include "config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/mem.h"
#include "config/files.h"
#include "config/fill.h"

void config_report_fini(struct config_report *report)
{
    mem_free(report->text);
    *report = (struct config_report){0};
}

/* The directory of `path`, absolute; NULL when the working directory cannot be told. */
static char *directory_of(const char *path)
{
    const char *slash = strcmp(path, COMMAND_LINE) == 0 ? NULL : strrchr(path, '/');
    size_t size = slash == path ? 1 : slash ? (size_t)(slash - path) : 0;

    if (size > 0 && *path == '/')
        return slice_dup((struct slice){path, size});
    char *here = getcwd(NULL, 0), *directory = NULL;
    if (here && size > 0)
        directory = mem_print("%s/%.*s", strcmp(here, "/") == 0 ? "" : here, (int)size, path);
    else if (here)
        directory = mem_dup(here);
    free(here);
    return directory;
}

static struct config *load(const char *path, const char *bytes, size_t size, bool reads_files,
                           struct config_report *report)
{
    struct findings findings = {.file = path};
    struct config *config = mem_zero(sizeof *config);

    atomic_init(&config->references, 1);
    config->path = mem_dup(path);
    config->directory = directory_of(path);
    struct yaml_tree *tree = document_read(bytes, size, &findings);
    if (!config->directory) {
        findings_error(&findings, (struct place){0, 0}, NULL, "the working directory cannot be told: %s",
                       strerror(errno));
    } else if (findings.errors == 0 || tree->root) {
        struct filling filling = {
            .findings = &findings, .config = config, .root = tree->root, .reads_files = reads_files};
        if (fill_config(&filling)) {
            decide(&filling);
            validate(&filling);
        }
    }
    document_free(&tree);
    bool good = findings.errors == 0;
    findings_tell(&findings, report);
    if (!good)
        config_unref(&config);
    return config;
}

struct config *config_load(const char *path, const char *bytes, size_t size, struct config_report *report)
{
    return load(path, bytes, size, true, report);
}

struct config *config_load_unread(const char *path, const char *bytes, size_t size,
                                  struct config_report *report)
{
    return load(path, bytes, size, false, report);
}

struct config *config_ref(struct config *config)
{
    atomic_fetch_add_explicit(&config->references, 1, memory_order_relaxed);
    return config;
}

static void texts_free(char **texts, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        mem_free(texts[i]);
    mem_free(texts);
}

static void pool_fini(struct pool_config *pool)
{
    for (unsigned i = 0; i < pool->server_count; i++) {
        mem_free(pool->servers[i].host);
        mem_free(pool->servers[i].unix_path);
        mem_free(pool->servers[i].text);
    }
    mem_free(pool->servers);
    texts_free(pool->command, pool->argument_count);
    texts_free(pool->environment, pool->environment_count);
    mem_free(pool->name);
    mem_free(pool->directory);
    mem_free(pool->user);
    mem_free(pool->hash_name);
    mem_free(pool->tls_name);
    mem_free(pool->affinity.cookie);
    if (pool->affinity.secret)
        explicit_bzero(pool->affinity.secret, strlen(pool->affinity.secret));
    mem_free(pool->affinity.secret);
    mem_free(pool->probe_path);
}

static void listen_fini(struct listen_config *listen)
{
    mem_free(listen->text);
    mem_free(listen->tls.pairs);
    mem_free(listen->tls.ciphers);
    texts_free(listen->expose, listen->expose_count);
}

static void config_free(struct config *config)
{
    files_fini(config);
    for (unsigned i = 0; i < config->listen_count; i++)
        listen_fini(&config->listens[i]);
    for (unsigned i = 0; i < config->route_count; i++) {
        mem_free(config->routes[i].host);
        mem_free(config->routes[i].path);
        mem_free(config->routes[i].where);
    }
    for (unsigned i = 0; i < config->pool_count; i++)
        pool_fini(&config->pools[i]);
    mem_free(config->listens);
    mem_free(config->routes);
    mem_free(config->pools);
    mem_free(config->trusted);
    mem_free(config->path);
    mem_free(config->directory);
    mem_free(config->user);
    mem_free(config->control);
    mem_free(config->acme);
    mem_free(config->access_log);
    mem_free(config);
}

void config_unref(struct config **config)
{
    struct config *last = *config;

    *config = NULL;
    if (!last)
        return;
    unsigned before = atomic_fetch_sub_explicit(&last->references, 1, memory_order_acq_rel);
    CHECK(before > 0);
    if (before == 1)
        config_free(last);
}

const struct pool_config *config_find_pool(const struct config *config, const char *name)
{
    for (unsigned i = 0; i < config->pool_count; i++) {
        if (strcmp(config->pools[i].name, name) == 0)
            return &config->pools[i];
    }
    return NULL;
}

bool config_find(const char *path, char **found, char **bytes, size_t *size, struct config_report *report)
{
    static const char *const places[] = {"drover.yaml", "/etc/drover/drover.yaml"};
    struct findings findings = {.file = path};

    for (size_t i = 0; i < (path ? 1 : sizeof places / sizeof *places); i++) {
        const char *candidate = path ? path : places[i];
        if (file_read(candidate, YAML_BYTES_MAX + 1, bytes, size)) {
            *found = mem_dup(candidate);
            return true;
        }
        if (path || (errno != ENOENT && errno != ENOTDIR)) {
            findings.file = candidate;
            findings_error(&findings, (struct place){0, 0}, NULL, "cannot be read: %s", strerror(errno));
            break;
        }
    }
    if (findings.errors == 0) {
        findings.file = places[0];
        findings_error(&findings, (struct place){0, 0}, NULL,
                       "not found, nor %s (try 'drover init', '-c FILE' or 'drover -- COMMAND')", places[1]);
    }
    findings_tell(&findings, report);
    return false;
}
