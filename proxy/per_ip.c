/* SPDX-License-Identifier: MIT
 *
 * A hash table in shards, each with a mutex that is held for a few instructions; asked once when a connection opens and once when it
 * closes, and only where limits.connections_per_ip is set. An address is in it for as long as it has connections. */
#include "proxy/per_ip.h"

#include <pthread.h>

#include "base/check.h"
#include "base/mem.h"

#define SHARDS  64
#define BUCKETS 128 /* of a shard */

struct holder {
    struct holder *next;
    struct per_ip_key key;
    unsigned count;
};

/* What follows is guarded by it. */
static struct shard {
    _Alignas(64) pthread_mutex_t mutex;
    struct holder *buckets[BUCKETS];
} shards[SHARDS] = {[0 ... SHARDS - 1] = {.mutex = PTHREAD_MUTEX_INITIALIZER}};

bool per_ip_key_of(const struct address *address, struct per_ip_key *key)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    const uint8_t *bytes = address->v6.sin6_addr.s6_addr;
    uint32_t v4 = 0;

    *key = (struct per_ip_key){0};
    if (address->any.sa_family == AF_INET) {
        v4 = address->v4.sin_addr.s_addr;
    } else if (address->any.sa_family != AF_INET6) {
        return false;
    } else if (memcmp(bytes, mapped, sizeof mapped) == 0) {
        memcpy(&v4, bytes + 12, sizeof v4);
    } else {
        memcpy(&key->parts[0], bytes, 8);
        key->parts[1] = 1;
        return true;
    }
    key->parts[0] = v4;
    return true;
}

static struct shard *shard_lock(const struct per_ip_key *key, struct holder ***bucket)
{
    uint64_t hash = slice_hash((struct slice){(const char *)key, sizeof *key});
    struct shard *shard = &shards[hash % SHARDS];

    CHECK(pthread_mutex_lock(&shard->mutex) == 0);
    *bucket = &shard->buckets[hash / SHARDS % BUCKETS];
    while (**bucket && memcmp(&(**bucket)->key, key, sizeof *key) != 0)
        *bucket = &(**bucket)->next;
    return shard;
}

static void shard_unlock(struct shard *shard)
{
    CHECK(pthread_mutex_unlock(&shard->mutex) == 0);
}

bool per_ip_take(const struct per_ip_key *key, unsigned most)
{
    struct holder **at;
    struct shard *shard = shard_lock(key, &at);
    bool is_free = !*at || (*at)->count < most;

    if (is_free && !*at) {
        *at = mem_zero(sizeof **at);
        (*at)->key = *key;
    }
    if (is_free)
        (*at)->count++;
    shard_unlock(shard);
    return is_free;
}

void per_ip_release(const struct per_ip_key *key)
{
    struct holder **at;
    struct shard *shard = shard_lock(key, &at);
    struct holder *holder = *at;

    CHECK(holder && holder->count > 0);
    if (--holder->count == 0) {
        *at = holder->next;
        mem_free(holder);
    }
    shard_unlock(shard);
}

unsigned per_ip_count(const struct per_ip_key *key)
{
    struct holder **at;
    struct shard *shard = shard_lock(key, &at);
    unsigned count = *at ? (*at)->count : 0;

    shard_unlock(shard);
    return count;
}
