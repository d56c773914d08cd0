/* SPDX-License-Identifier: MIT */
#include "proxy/held.h"

#include "base/check.h"
#include "base/mem.h"

struct held {
    unsigned references, count;
};

struct held *held_new(void)
{
    struct held *held = mem_zero(sizeof *held);

    held->references = 1;
    return held;
}

struct held *held_ref(struct held *held)
{
    held->references++;
    return held;
}

void held_unref(struct held **owner)
{
    struct held *held = *owner;

    *owner = NULL;
    if (!held)
        return;
    CHECK(held->references > 0);
    if (--held->references == 0)
        mem_free(held);
}

unsigned held_count(const struct held *held)
{
    return held->count;
}

struct held *held_take(struct held *held)
{
    if (!held)
        return NULL;
    held->count++;
    return held_ref(held);
}

void held_give(struct held **owner)
{
    if (!*owner)
        return;
    (*owner)->count--;
    held_unref(owner);
}
