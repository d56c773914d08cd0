/* SPDX-License-Identifier: MIT
 *
 * The rules of room.c. Pure.
 *
 *     limit  = what is not workers + held by workers + left          (as the kernel counts it, now)
 *     room   = left - kept free - what starting workers have still to take [- what other pools lack of their least]
 *     allows = (left - kept free + held here - growing and lacking elsewhere) / each                            */
#include "workers/fit.h"

#define KEPT_SHARE    20
#define KEPT_MOST     (UINT64_C(256) << 20)
#define LOWER_WAIT_US UINT64_C(30000000)

static uint64_t without(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0;
}

static uint64_t least(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

uint64_t fit_kept_free(uint64_t limit)
{
    return limit == UINT64_MAX ? 0 : least(limit / KEPT_SHARE, KEPT_MOST);
}

static uint64_t to_be_had(const struct fit_world *world)
{
    return without(world->left, fit_kept_free(world->limit));
}

static uint64_t lacking(const struct fit_pool *pool)
{
    return pool->lacking * pool->each;
}

uint64_t fit_room(const struct fit_world *world, const struct fit_pool *pools, unsigned count, unsigned at)
{
    const struct fit_pool *pool = &pools[at];
    uint64_t room = to_be_had(world);

    for (unsigned i = 0; i < count; i++) {
        room = without(room, pools[i].growing);
        if (i != at && pool->lacking == 0)
            room = without(room, lacking(&pools[i]));
    }
    return pool->bound ? least(room, without(pool->bound, pool->held + pool->growing)) : room;
}

bool fit_another(const struct fit_world *world, const struct fit_pool *pools, unsigned count, unsigned at)
{
    return pools[at].running == 0 || fit_room(world, pools, count, at) >= pools[at].each;
}

unsigned fit_allows(const struct fit_world *world, const struct fit_pool *pools, unsigned count, unsigned at,
                    unsigned percent)
{
    const struct fit_pool *pool = &pools[at];
    uint64_t each = pool->each / 100 * percent, room = to_be_had(world);

    if (room > UINT64_MAX / 2) /* no limit is known */
        room = UINT64_MAX / 2;
    room += pool->held;
    for (unsigned i = 0; i < count; i++) {
        if (i != at)
            room = without(room, pools[i].growing + lacking(&pools[i]));
    }
    room = pool->bound ? least(room, pool->bound) : room;
    uint64_t allows = each ? room / each : room;
    return allows < 1 ? 1 : (unsigned)least(allows, UINT32_MAX);
}

void fit_learn(struct fit_size *size, uint64_t largest_now, uint64_t now_us)
{
    if (largest_now == 0 || (largest_now < size->bytes && now_us < size->seen_us + FIT_HOLD_US))
        return;
    size->bytes = largest_now;
    size->seen_us = now_us;
}

bool fit_follow(struct fit_most *most, unsigned allows, unsigned allows_larger, bool is_measured,
                uint64_t now_us)
{
    unsigned before = most->most;
    bool is_first = !most->is_begun || (is_measured && !most->is_measured);

    most->is_begun = true;
    most->is_measured = is_measured;
    if (allows >= most->most || is_first)
        most->lower_since_us = 0;
    else if (most->lower_since_us == 0)
        most->lower_since_us = now_us;
    if (is_first)
        most->most = allows;
    else if (allows_larger > most->most)
        most->most = allows_larger;
    else if (most->lower_since_us != 0 && now_us >= most->lower_since_us + LOWER_WAIT_US) {
        most->most = allows;
        most->lower_since_us = 0;
    }
    return most->most != before;
}

void fit_lower(struct fit_ceiling *ceiling, unsigned others, uint64_t now_us)
{
    others = others > 0 ? others : 1;
    if (ceiling->most == 0 || others < ceiling->most)
        ceiling->most = others;
    ceiling->until_us = now_us + FIT_HOLD_US;
}

bool fit_lift(struct fit_ceiling *ceiling, unsigned wanted, uint64_t now_us)
{
    if (ceiling->most == 0 || now_us < ceiling->until_us)
        return false;
    ceiling->until_us = now_us + FIT_HOLD_US;
    if (++ceiling->most >= wanted)
        *ceiling = (struct fit_ceiling){0, 0};
    return true;
}
