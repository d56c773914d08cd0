/* SPDX-License-Identifier: MIT
 *
 * By what a request is bound to a worker: the hash of its key (`balance: hash`) and the cookie of `affinity`,
 * which is read here, kept from the worker (rewrite.c) and set anew when somebody else answers. Loop thread
 * only. */
#include "http/cookie.h"
#include "proxy/exchange.h"
#include "proxy/rewrite.h"

static uint64_t hash_of(const struct pool_config *pool, const struct head *head, struct slice client)
{
    const struct field *field;
    struct slice value;
    uint64_t hash = 0;

    if (pool->hash_key == HASH_COOKIE && cookie_find(head, slice_of(pool->hash_name), &value))
        hash = slice_hash(value);
    if (pool->hash_key == HASH_HEADER) {
        field = head_find_other(head, slice_of(pool->hash_name));
        hash = field ? slice_hash(field->value) : 0;
    }
    return hash ? hash : slice_hash(client); /* who has no such header or cookie is known by its address */
}

void exchange_bind(struct exchange *exchange, const struct head *head)
{
    const struct pool_config *pool = exchange->pool->config;
    struct slice value;

    if (pool->balance == BALANCE_HASH)
        exchange->hash = hash_of(pool, head, (struct slice){exchange->real, exchange->real_size});
    if (!pool->affinity.cookie)
        return;
    exchange->is_https = rewrite_is_https(head, exchange->peer);
    exchange->had_cookie = cookie_find(head, slice_of(pool->affinity.cookie), &value);
    if (exchange->had_cookie)
        exchange->affinity = affinity_read(exchange->pool, value);
}

#define COOKIE_MAX 192 /* the value of Set-Cookie */

static void add_field(struct head *head, struct slice name, struct slice value)
{
    head->fields[head->field_count++] = (struct field){.name = name, .value = value};
}

/* The two fields are in the head only while it is written: it belongs to who read it. */
static void give_with_cookie(struct exchange *exchange, const struct head *read,
                             const char who[AFFINITY_SIZE])
{
    struct head *head = (struct head *)(uintptr_t)read;
    unsigned field_count = head->field_count;
    static const char *const sites[] = {
        [SAME_SITE_LAX] = "Lax", [SAME_SITE_STRICT] = "Strict", [SAME_SITE_NONE] = "None"};
    const struct affinity_config *affinity = &exchange->pool->config->affinity;
    bool is_secure = exchange->is_https || affinity->same_site == SAME_SITE_NONE;
    char value[COOKIE_MAX];
    size_t size =
        str_format(value, sizeof value, "%s=%.*s; Path=/; HttpOnly; SameSite=%s%s", affinity->cookie,
                   AFFINITY_SIZE, who, sites[affinity->same_site], is_secure ? "; Secure" : "");

    add_field(head, SLICE("Set-Cookie"), (struct slice){value, size});
    add_field(head, SLICE("Cache-Control"), SLICE("private")); /* else a cache gives it to everybody */
    count(&exchange->proxy->counters.affinity_set, 1);
    if (exchange->had_cookie)
        count(&exchange->proxy->counters.affinity_moved, 1);
    exchange->stream->ops->head(exchange->stream, head);
    head->field_count = field_count;
}

static void give_bound(struct exchange *exchange, const struct head *head)
{
    char who[AFFINITY_SIZE];
    uint64_t name = affinity_write(exchange->pool, exchange->backend, who);

    if (name != 0 && name != exchange->affinity && head->field_count + 2 <= HEAD_FIELDS_MAX)
        give_with_cookie(exchange, head, who);
    else
        exchange->stream->ops->head(exchange->stream, head);
}

void exchange_give_head(struct exchange *exchange, const struct head *head)
{
    if (exchange->pool->config->affinity.cookie)
        give_bound(exchange, head);
    else
        exchange->stream->ops->head(exchange->stream, head);
}
