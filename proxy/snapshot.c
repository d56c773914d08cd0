/* SPDX-License-Identifier: MIT
 *
 * Snapshots and exposed pages: immutable, counted, freed by whoever lets go last. */
#include "base/check.h"
#include "base/mem.h"
#include "proxy/proxy.h"

struct snapshot *snapshot_new(struct config *config, struct pool *const *pools)
{
    struct snapshot *snapshot = mem_zero(sizeof *snapshot + config->pool_count * sizeof *pools);

    atomic_init(&snapshot->references, 1);
    snapshot->config = config_ref(config);
    snapshot->pool_count = config->pool_count;
    for (unsigned i = 0; i < config->pool_count; i++)
        snapshot->pools[i] = pool_ref(pools[i]);
    return snapshot;
}

void snapshot_serve_tls(struct snapshot *snapshot, struct tls_contexts *contexts)
{
    snapshot->tls = tls_contexts_ref(contexts);
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    atomic_fetch_add_explicit(&snapshot->references, 1, memory_order_relaxed);
    return snapshot;
}

void snapshot_unref(struct snapshot **owner)
{
    struct snapshot *snapshot = *owner;

    *owner = NULL;
    if (!snapshot || atomic_fetch_sub_explicit(&snapshot->references, 1, memory_order_acq_rel) > 1)
        return;
    for (unsigned i = 0; i < snapshot->pool_count; i++)
        pool_unref(&snapshot->pools[i]);
    tls_contexts_unref(&snapshot->tls);
    config_unref(&snapshot->config);
    mem_free(snapshot);
}

struct exposed_page *exposed_page_new(const char *path, unsigned status, struct slice body)
{
    struct exposed_page *page = mem_zero(sizeof *page + body.size + 1);

    atomic_init(&page->references, 1);
    str_format(page->path, sizeof page->path, "%s", path);
    page->status = status;
    page->size = body.size;
    memcpy(page->body, body.at, body.size);
    return page;
}

void exposed_page_unref(struct exposed_page **owner)
{
    struct exposed_page *page = *owner;

    *owner = NULL;
    if (page && atomic_fetch_sub_explicit(&page->references, 1, memory_order_acq_rel) == 1)
        mem_free(page);
}
