/* SPDX-License-Identifier: MIT
 *
 * The arithmetic of `drover check`. Pure. */
#include "daemon/arithmetic.h"

/* An idle connection of ours, as measured (740 bytes), rounded up; the kernel's socket comes on top, and OpenSSL's
 * part with TLS. */
#define CONNECTION_BYTES 1024u
/* Of a request in flight: 64 KiB read ahead in each direction at most. */
#define REQUEST_BYTES (2u * 64u * 1024u)

void arithmetic_machine(struct buffer *page, const struct arithmetic *at)
{
    const struct cpus *cpus = &at->cpus;
    char limit[MEMORY_TEXT], left[MEMORY_TEXT], own[MEMORY_TEXT];
    unsigned connections = at->config->limits.connections;

    buffer_print(page, "  CPUs: %u (affinity %u, ", cpus->usable, cpus->affinity);
    if (cpus->quota > 0)
        buffer_print(page, "quota %u by %s)\n", cpus->quota, cpus->quota_from);
    else
        buffer_print(page, "no quota)\n");
    memory_text(limit, at->memory.least.limit);
    memory_text(left, memory_left(&at->memory));
    memory_text(own, (uint64_t)connections * CONNECTION_BYTES);
    buffer_print(page, "  memory: %s by %s, %s of it left now; limits.connections %u x 1k = %s\n", limit,
                 at->memory.least.from, left, connections, own);
}

static unsigned count_launched(const struct config *config)
{
    unsigned count = 0;

    for (unsigned i = 0; i < config->pool_count; i++)
        count += config->pools[i].is_launched;
    return count;
}

static uint64_t for_workers(const struct arithmetic *at)
{
    return config_memory_for_workers(at->memory.least.limit);
}

/* What memory is likely to allow this pool alone. */
static uint64_t allowed(const struct arithmetic *at, const struct pool_config *pool)
{
    uint64_t bytes = for_workers(at);

    bytes = pool->memory_pool && pool->memory_pool < bytes ? pool->memory_pool : bytes;
    return bytes < WORKER_MEMORY ? 1 : bytes / WORKER_MEMORY;
}

static void print_size(struct buffer *page, const struct arithmetic *at, const struct pool_config *pool)
{
    unsigned by_cpus = 2 * at->cpus.usable + 1;

    if (pool->is_sized)
        buffer_print(page, "    workers: %u to %u, as the demand needs", pool->workers_min, pool->workers);
    else
        buffer_print(page, "    workers: %u", pool->workers);
    if (pool->is_auto && pool->is_sized)
        buffer_print(page, " (max auto: 2 x %u CPUs + 1 = %u; fewer while memory allows fewer)",
                     at->cpus.usable, by_cpus);
    else if (pool->is_auto)
        buffer_print(page, " (auto: the smaller of 2 x %u CPUs + 1 = %u and what memory allows)",
                     at->cpus.usable, by_cpus);
    buffer_print(page, "\n");
}

static void print_memory(struct buffer *page, const struct arithmetic *at, const struct pool_config *pool)
{
    unsigned launched = count_launched(at->config);
    uint64_t limit = at->memory.least.limit, some = for_workers(at);
    char all[MEMORY_TEXT], rest[MEMORY_TEXT], bound[MEMORY_TEXT];

    memory_text(all, limit);
    memory_text(rest, limit - some);
    memory_text(bound, pool->memory_pool);
    buffer_print(page, "    memory allows: %s - %s for the rest", all, rest);
    if (pool->memory_pool > 0)
        buffer_print(page, ", memory.pool %s", bound);
    buffer_print(page, ": %llu of 150m each, until one is measured", (unsigned long long)allowed(at, pool));
    if (launched > 1)
        buffer_print(page, " (shared by %u pools)", launched);
    buffer_print(page, "%s\n", allowed(at, pool) < pool->workers ? "; what does not fit is not started" : "");
}

static void print_requests(struct buffer *page, const struct arithmetic *at, const struct pool_config *pool)
{
    uint64_t members = pool->is_launched ? pool->workers : pool->server_count;
    uint64_t at_once = members * pool->concurrency, most = at->config->limits.connections;
    char workers[MEMORY_TEXT], each[MEMORY_TEXT], own[MEMORY_TEXT];

    if (pool->concurrency > 0)
        buffer_print(page, "    requests at once: %llu x %u (concurrency) = %llu, %u more may wait\n",
                     (unsigned long long)members, pool->concurrency, (unsigned long long)at_once,
                     pool->queue_length);
    else
        buffer_print(page, "    requests at once: no bound (concurrency 0) but limits.connections\n");
    if (pool->concurrency > 0 && at_once + pool->queue_length < most)
        most = at_once + pool->queue_length;
    memory_text(own, most * REQUEST_BYTES);
    memory_text(workers, members * WORKER_MEMORY);
    memory_text(each, pool->concurrency ? WORKER_MEMORY / pool->concurrency : 0);
    buffer_print(page, "    memory at that: ");
    if (pool->is_launched)
        buffer_print(page, "%llu x 150m = %s of workers", (unsigned long long)members, workers);
    if (pool->is_launched && pool->concurrency > 0)
        buffer_print(page, " (%s a request)", each);
    buffer_print(page, "%sdrover's own up to %llu x 128k = %s\n", pool->is_launched ? ", " : "",
                 (unsigned long long)most, own);
}

static void print_after(struct buffer *page, const struct config *config, const struct pool_config *pool)
{
    const char *before = ", after ";

    for (unsigned i = 0; i < config->pool_count; i++) {
        if (!(pool->after >> i & 1))
            continue;
        buffer_print(page, "%s%s", before, config->pools[i].name);
        before = " and ";
    }
    buffer_print(page, "\n");
}

void arithmetic_pool(struct buffer *page, const struct arithmetic *at, const struct pool_config *pool)
{
    if (pool->is_launched) {
        buffer_print(page, "  pool %s: %s%s", pool->name, pool->is_background ? "background, " : "",
                     pool->command[0]);
        print_after(page, at->config, pool);
        print_size(page, at, pool);
        print_memory(page, at, pool);
    } else {
        buffer_print(page, "  pool %s: %u server%s\n", pool->name, pool->server_count,
                     pool->server_count == 1 ? "" : "s");
    }
    if (!pool->is_background)
        print_requests(page, at, pool);
}
