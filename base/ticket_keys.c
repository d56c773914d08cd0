/* SPDX-License-Identifier: MIT
 *
 * A ring of four keys: the newest seals, it and the one before open, and the next is written where nobody looks. The keeper writes;
 * any thread of any engine reads. */
#include "base/ticket_keys.h"

#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "base/check.h"
#include "base/clock.h"

#define RING    4
#define OPENING 2 /* keys that open tickets */

struct ticket_keys {
    _Atomic uint64_t newest; /* its number, from 1; released when the key is whole */
    uint64_t turned_ms;      /* keeper's */
    struct ticket_key ring[RING];
};

struct ticket_keys *ticket_keys_new(void)
{
    struct ticket_keys *keys =
        mmap(NULL, sizeof *keys, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

    CHECK(keys != MAP_FAILED);
    (void)madvise(keys, sizeof *keys, MADV_DONTDUMP);
    ticket_keys_turn(keys);
    return keys;
}

void ticket_keys_free(struct ticket_keys **keys)
{
    if (*keys)
        (void)munmap(*keys, sizeof **keys);
    *keys = NULL;
}

void ticket_keys_turn(struct ticket_keys *keys)
{
    uint64_t number = atomic_load_explicit(&keys->newest, memory_order_relaxed) + 1;
    struct ticket_key *key = &keys->ring[number % RING];

    CHECK(getrandom(key, sizeof *key, 0) == (ssize_t)sizeof *key);
    /* What opened the oldest tickets is no use to who finds it in memory later. */
    if (number > OPENING)
        explicit_bzero(&keys->ring[(number - OPENING) % RING], sizeof *key);
    atomic_store_explicit(&keys->newest, number, memory_order_release);
    keys->turned_ms = clock_ms();
}

void ticket_keys_tick(struct ticket_keys *keys, uint64_t now_ms)
{
    if (now_ms - keys->turned_ms >= TICKET_KEY_SECONDS * 1000ull)
        ticket_keys_turn(keys);
}

void ticket_keys_newest(const struct ticket_keys *keys, struct ticket_key *into)
{
    *into = keys->ring[atomic_load_explicit(&keys->newest, memory_order_acquire) % RING];
}

bool ticket_keys_find(const struct ticket_keys *keys, const unsigned char name[16], struct ticket_key *into,
                      bool *is_newest)
{
    uint64_t newest = atomic_load_explicit(&keys->newest, memory_order_acquire);

    for (uint64_t number = newest; number > 0 && number + OPENING > newest; number--) {
        *into = keys->ring[number % RING];
        *is_newest = number == newest;
        if (memcmp(into->name, name, sizeof into->name) == 0)
            return true;
    }
    return false;
}
