/* SPDX-License-Identifier: MIT
 *
 * The slot table: mapping, claiming, releasing. Any process and any thread that has the mapping.
 *
 * One claim or release at a time: `claiming` is a lock that holds when it was taken and by whom. A claim
 * takes microseconds, so a lock older than CLAIM_MAX_US belongs to a process that died in it and is taken
 * over; a slot it left half written is claimed = 1 and counts as free. (No process-shared mutex: it would
 * put pointers, which the kernel and the keeper follow, in memory that an engine can write.) Finding takes
 * no lock. */
#include "balancer/slots.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

#define CLAIM_MAX_US 100000u
#define OWNER_BITS   16

enum { SLOT_FREE, SLOT_BEING_CLAIMED, SLOT_IN_USE };

struct slots *slots_new(void)
{
    void *memory =
        mmap(NULL, sizeof(struct slots), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    struct slots *slots = memory;
    CHECK(getrandom(slots->affinity_key, sizeof slots->affinity_key, 0) ==
          (ssize_t)sizeof slots->affinity_key);
    return slots;
}

void slots_free_all(struct slots **slots)
{
    if (*slots)
        munmap(*slots, sizeof **slots);
    *slots = NULL;
}

static uint64_t lock(struct slots *slots)
{
    for (;;) {
        uint64_t now_us = clock_precise_us();
        uint64_t mine = now_us << OWNER_BITS | ((uint64_t)gettid() & ((1u << OWNER_BITS) - 1));
        uint64_t seen = atomic_load(&slots->claiming);
        uint64_t since_us = seen >> OWNER_BITS;
        bool is_abandoned = since_us > now_us + CLAIM_MAX_US || since_us + CLAIM_MAX_US < now_us;
        if ((seen == 0 || is_abandoned) && atomic_compare_exchange_strong(&slots->claiming, &seen, mine))
            return mine;
        sched_yield();
    }
}

static void unlock(struct slots *slots, uint64_t mine)
{
    atomic_compare_exchange_strong(&slots->claiming, &mine, 0); /* unless it was taken over */
}

/* Names are copied byte by byte with atomics: slots_find may read a slot while it changes hands. */
static void text_store(char *into, const char *text)
{
    do
        __atomic_store_n(into++, *text, __ATOMIC_RELAXED);
    while (*text++);
}

static bool text_is(const char *stored, const char *text)
{
    do {
        if (__atomic_load_n(stored++, __ATOMIC_RELAXED) != *text)
            return false;
    } while (*text++);
    return true;
}

static bool slot_is(const struct slot *slot, const char *pool, unsigned number, bool is_worker)
{
    return atomic_load_explicit(&slot->claimed, memory_order_acquire) == SLOT_IN_USE &&
           __atomic_load_n(&slot->number, __ATOMIC_RELAXED) == number &&
           __atomic_load_n(&slot->is_worker, __ATOMIC_RELAXED) == is_worker && text_is(slot->pool, pool) &&
           atomic_load(&slot->claimed) == SLOT_IN_USE;
}

int slots_find(const struct slots *slots, const char *pool, unsigned number, bool is_worker)
{
    if (strlen(pool) >= sizeof slots->slot[0].pool)
        return -1;
    for (int i = 0; i < SLOTS_MAX; i++)
        if (slot_is(&slots->slot[i], pool, number, is_worker))
            return i;
    return -1;
}

static void slot_clear(struct slot *slot)
{
    atomic_store(&slot->pid, 0);
    atomic_store(&slot->started_us, 0);
    atomic_store(&slot->port, 0);
    atomic_store(&slot->exit_status, 0);
    atomic_store(&slot->state, WORKER_ABSENT);
    atomic_store(&slot->state_since_us, 0);
    atomic_store(&slot->crashes, 0);
    atomic_store(&slot->retiring, 0);
    atomic_store(&slot->is_outdated, 0);
    atomic_store(&slot->children, 0);
    atomic_store(&slot->memory, 0);
    atomic_store(&slot->requests_before, 0);
    atomic_store(&slot->exit_reason, 0);
    atomic_store(&slot->exit_memory, 0);
    atomic_store(&slot->affinity, 0);
    atomic_store(&slot->requests, 0);
    atomic_store(&slot->fails, 0);
    atomic_store(&slot->output_size, 0);
}

static int claim_locked(struct slots *slots, const char *pool, unsigned number, bool is_worker)
{
    int index = slots_find(slots, pool, number, is_worker);
    for (int i = 0; index < 0 && i < SLOTS_MAX; i++) {
        struct slot *slot = &slots->slot[i];
        if (atomic_load(&slot->claimed) == SLOT_IN_USE)
            continue;
        index = i;
        char name[SLOT_NAME_MAX];
        snprintf(name, sizeof name, "%s.%u", pool, number);
        atomic_store(&slot->claimed, SLOT_BEING_CLAIMED);
        slot_clear(slot);
        __atomic_store_n(&slot->is_worker, is_worker, __ATOMIC_RELAXED);
        __atomic_store_n(&slot->number, number, __ATOMIC_RELAXED);
        text_store(slot->pool, pool);
        text_store(slot->name, name);
        atomic_store_explicit(&slot->claimed, SLOT_IN_USE, memory_order_release);
    }
    return index;
}

int slots_claim(struct slots *slots, const char *pool, unsigned number, bool is_worker)
{
    if (strlen(pool) >= sizeof slots->slot[0].pool)
        return -1;
    uint64_t mine = lock(slots);
    int index = claim_locked(slots, pool, number, is_worker);
    unlock(slots, mine);
    return index;
}

void slots_release(struct slots *slots, int index)
{
    CHECK(index >= 0 && index < SLOTS_MAX);
    uint64_t mine = lock(slots);
    atomic_store(&slots->slot[index].claimed, SLOT_FREE);
    unlock(slots, mine);
}

static struct slot_override *override_locked(struct slots *slots, const char *pool, bool claims)
{
    struct slot_override *free_one = NULL;

    for (int i = 0; i < OVERRIDES_MAX; i++) {
        struct slot_override *one = &slots->overrides[i];
        bool is_used = atomic_load(&one->claimed) == SLOT_IN_USE;
        if (is_used && text_is(one->pool, pool))
            return one;
        if (!is_used && !free_one)
            free_one = one;
    }
    if (!claims || !free_one)
        return NULL;
    text_store(free_one->pool, pool);
    atomic_store(&free_one->min, 0);
    atomic_store(&free_one->max, 0);
    atomic_store(&free_one->claimed, SLOT_IN_USE);
    return free_one;
}

struct slot_override *slots_override(struct slots *slots, const char *pool, bool claims)
{
    if (strlen(pool) >= sizeof slots->overrides[0].pool)
        return NULL;
    uint64_t mine = lock(slots);
    struct slot_override *found = override_locked(slots, pool, claims);
    unlock(slots, mine);
    return found;
}

void slots_override_release(struct slots *slots, const char *pool)
{
    struct slot_override *found = slots_override(slots, pool, false);

    if (found)
        atomic_store(&found->claimed, SLOT_FREE);
}

void slots_zero_column(struct slots *slots, unsigned engine)
{
    CHECK(engine < ENGINES_MAX);
    uint64_t others = ~(UINT64_C(0xffffffff) << engine * 32);
    for (int i = 0; i < SLOTS_MAX; i++)
        atomic_fetch_and(&slots->counts[i], others);
    atomic_store(&slots->engines[engine].connections, 0);
    atomic_store(&slots->engines[engine].serving, 0);
}
