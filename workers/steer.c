/* SPDX-License-Identifier: MIT
 *
 * The rule of steering by signals. Pure. */
#include "workers/steer.h"

#include <stddef.h>

#define BEGIN_US  1000000u /* without a change: it has started all that it was told to at its start */
#define COME_US   2000000u /* a fork takes milliseconds; a busy machine some more */
#define LOST_MOST 5u       /* 2 s doubled so often: a minute */
#define QUIET_US  5000000u /* that a moment with nothing in flight is waited for */
#define MS        1000u

static bool has_settled(struct steer *steer, const struct steer_look *look, bool *was_lost)
{
    uint64_t still_us = look->now_us - steer->changed_us;
    uint64_t come_us = (uint64_t)COME_US << steer->lost;

    if (look->count == steer->believed) {
        steer->lost = 0;
        return true;
    }
    if (still_us < (look->count < steer->believed ? come_us : (uint64_t)look->leave_ms * MS))
        return false;
    if (look->count < steer->believed) {
        *was_lost = true;
        steer->lost += steer->lost < LOST_MOST;
    }
    steer->believed = look->count;
    return true;
}

static enum steer_signal send(struct steer *steer, const struct steer_look *look, enum steer_signal signal)
{
    steer->believed += signal == STEER_MORE ? 1 : -1u;
    steer->changed_us = look->now_us;
    return signal;
}

/* Who leaves is the worker's choice (gunicorn: the oldest, whatever it holds): so the moment is chosen. */
static bool is_moment(struct steer *steer, const struct steer_look *look)
{
    if (steer->fewer_us == 0)
        steer->fewer_us = look->now_us;
    return look->in_flight == 0 || look->now_us - steer->fewer_us >= QUIET_US;
}

enum steer_signal steer_step(struct steer *steer, const struct steer_look *look, bool *was_lost)
{
    *was_lost = false;
    if (steer->changed_us == 0 || look->count != steer->count)
        steer->changed_us = look->now_us;
    steer->count = look->count;
    if (!steer->is_begun) {
        steer->is_begun = look->now_us - steer->changed_us >= BEGIN_US;
        steer->believed = look->count;
        return STEER_NONE;
    }
    bool settled = has_settled(steer, look, was_lost);
    if (look->wanted >= steer->believed)
        steer->fewer_us = 0;
    /* While one is leaving another may be wanted again: that needs no waiting. */
    if (look->wanted > steer->believed && (settled || look->count > steer->believed))
        return send(steer, look, STEER_MORE);
    if (look->wanted < steer->believed && settled && steer->believed > 1 && is_moment(steer, look))
        return send(steer, look, STEER_FEWER);
    return STEER_NONE;
}
