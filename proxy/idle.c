/* SPDX-License-Identifier: MIT
 *
 * Links that are kept alive between two requests, and those of HTTP/2 while they take streams: a list for each slot, newest first. They are read-armed,
 * so that an end is seen at once, and closed before the worker would: its keep-alive time is learned from
 * the first link that it closed early. */
#include "base/clock.h"
#include "proxy/link.h"

#define IDLE_MS_MAX     60000
#define IDLE_MS_MIN     300
#define IDLE_MS_UNKNOWN 3000 /* below what uvicorn, node (5 s) and others use */

static unsigned idle_ms(const struct backend *backend)
{
    unsigned learned = atomic_load_explicit(&backend->idle_limit_ms, memory_order_relaxed);

    return learned ? learned : IDLE_MS_UNKNOWN;
}

unsigned idle_put(struct link *link)
{
    link->state = LINK_IDLE;
    link->last_used_us = clock_us();
    list_push_front(&link->proxy->idle[link->backend->slot], &link->idle_node);
    return idle_ms(link->backend);
}

struct link *idle_take(struct proxy *proxy, const struct backend *backend, uint64_t used_within_us)
{
    list_each_safe (node, next, &proxy->idle[backend->slot]) {
        struct link *link = list_entry(node, struct link, idle_node);
        if (link->backend != backend || link->h2)
            continue;
        if (clock_us() - link->last_used_us > used_within_us)
            return NULL; /* newest first: the others are older */
        list_remove(&link->idle_node);
        return link;
    }
    return NULL;
}

struct link *idle_share(struct proxy *proxy, const struct backend *backend, uint64_t used_within_us)
{
    list_each_safe (node, next, &proxy->idle[backend->slot]) {
        struct link *link = list_entry(node, struct link, idle_node);
        if (link->backend != backend || !link->h2)
            continue;
        if (link->state != LINK_IDLE || clock_us() - link->last_used_us <= used_within_us)
            return link;
    }
    return NULL;
}

void idle_retire_all(struct proxy *proxy, const struct backend *backend)
{
    unsigned first = backend ? (unsigned)backend->slot : 0, last = backend ? first : SLOTS_MAX - 1;

    for (unsigned slot = first; slot <= last; slot++) {
        list_each_safe (node, next, &proxy->idle[slot]) {
            struct link *link = list_entry(node, struct link, idle_node);
            if (!backend || link->backend == backend)
                link->ops->retire(link);
        }
    }
}

/* The worker closed an idle link after `age`: from now on we close first. */
void idle_ended_early(struct link *link)
{
    uint64_t age_ms = (clock_us() - link->last_used_us) / 1000;
    uint64_t limit = age_ms * 6 / 10;

    if (link->backend->closed)
        return;
    limit = limit < IDLE_MS_MIN ? IDLE_MS_MIN : limit > IDLE_MS_MAX ? IDLE_MS_MAX : limit;
    if (limit < idle_ms(link->backend))
        atomic_store_explicit(&link->backend->idle_limit_ms, (uint32_t)limit, memory_order_relaxed);
}
