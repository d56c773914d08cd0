/* SPDX-License-Identifier: MIT
 *
 * The orders of an engine, checked one by one: an engine that was taken over can start, stop and kill what
 * the file says, and nothing else. Keeper's thread. */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/net.h"
#include "keeper/parent.h"

/* The pool that may have a process in that slot for that order, or NULL. The slot is memory that engines
 * write: it is only compared. */
static const struct pool_config *pool_for(const struct keeper *keeper, const struct order *order)
{
    if (order->slot < 0 || order->slot >= SLOTS_MAX || order->number < 1 || order->number > SLOTS_MAX)
        return NULL;
    const struct slot *slot = &keeper->slots->slot[order->slot];
    const struct pool_config *pool = config_find_pool(keeper->config, order->pool);
    bool fits = pool && pool->is_launched && atomic_load(&slot->claimed) == 2 && slot->is_worker &&
                slot->number == order->number && strncmp(slot->pool, order->pool, sizeof slot->pool) == 0;
    return fits ? pool : NULL;
}

static int start(struct keeper *keeper, const struct order *order)
{
    const struct pool_config *pool = pool_for(keeper, order);

    if (keeper->stage != STAGE_RUNNING)
        return -ESHUTDOWN;
    if (!pool) {
        log_warning(
            "an engine ordered the start of %.63s.%u in slot %d, which the configuration does not say",
            order->pool, order->number, order->slot);
        return -EINVAL;
    }
    if (keeper->seats[order->slot] && keeper->seats[order->slot]->pid > 0)
        return -EBUSY;
    return seat_start(keeper, order->slot, pool, order->number, order->children);
}

static void on_start(struct keeper *keeper, struct engine *engine, const struct order *order)
{
    int result = start(keeper, order);
    struct order news = {.kind = NEWS_STARTED, .slot = order->slot, .number = order->number};

    memcpy(news.pool, order->pool, sizeof news.pool);
    if (result < 0) {
        news.kind = NEWS_START_FAILED;
        news.error = -result;
        if (result == -EINVAL)
            (void)engine_tell(engine, &news, NULL, 0); /* nothing to the others: the slot may be no slot */
        else
            engines_tell(keeper, &news);
        return;
    }
    news.pid = keeper->seats[order->slot]->pid;
    news.generation = atomic_load(&keeper->slots->slot[order->slot].generation);
    engines_tell(keeper, &news);
}

/* The seat whose present process the order means; NULL when that one has ended. */
static struct seat *seat_meant(struct keeper *keeper, const struct order *order)
{
    if (order->slot < 0 || order->slot >= SLOTS_MAX || !keeper->seats[order->slot])
        return NULL;
    struct seat *seat = keeper->seats[order->slot];
    return seat->pid > 0 && atomic_load(&keeper->slots->slot[order->slot].generation) == order->generation
               ? seat
               : NULL;
}

/* Only to a process that was started from a configuration with these signals: any other would be stopped by them. */
static void on_scale(struct keeper *keeper, const struct order *order)
{
    const struct pool_config *pool = pool_for(keeper, order);
    const struct seat *seat = seat_meant(keeper, order);

    if (keeper->stage != STAGE_RUNNING || !seat)
        return;
    if (!pool || pool->signal_up == 0 || seat->pool->signal_up == 0) {
        log_warning("an engine ordered a signal to %.63s.%u, which the configuration does not say",
                    order->pool, order->number);
        return;
    }
    seat_signal(seat, order->kind == ORDER_MORE ? seat->pool->signal_up : seat->pool->signal_down);
}

void keeper_obey(struct keeper *keeper, struct engine *engine, const struct order *order, const int *fds,
                 unsigned fd_count)
{
    struct seat *seat;

    switch (order->kind) {
    case ORDER_START: on_start(keeper, engine, order); break;
    case ORDER_STOP:
        if ((seat = seat_meant(keeper, order)))
            seat_signal(seat, seat->pool->stop_signal);
        break;
    case ORDER_KILL:
        if ((seat = seat_meant(keeper, order)))
            seat_kill(seat);
        break;
    case ORDER_MORE:
    case ORDER_FEWER: on_scale(keeper, order); break;
    case ORDER_RETIRE:
        if (order->slot >= 0 && order->slot < SLOTS_MAX)
            seat_give_back(keeper, order->slot);
        break;
    case ORDER_RELOAD: reload_ask(keeper, order->reference); break;
    case ORDER_VALIDATED:
        reload_validated(keeper, engine, order->accepted != 0, fd_count > 0 ? fds[0] : -1);
        break;
    case ORDER_SHUTDOWN:
        log_info("asked to stop by the control socket");
        stopping_begin(keeper);
        break;
    case ORDER_SERVING:
        engine->was_serving = true;
        keeper->engines.ever_served = true;
        log_info("engine %d serves", (int)engine->pid);
        break;
    case ORDER_DRAINED: engine->is_drained = true; break;
    default: log_warning("an engine gave an order that is not known: %u", order->kind); break;
    }
    for (unsigned i = 0; i < fd_count; i++) {
        int fd = fds[i];
        net_close(&fd);
    }
}
