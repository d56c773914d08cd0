/* SPDX-License-Identifier: MIT
 *
 * The keeper's news, each to whom it concerns. Control thread. */
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "base/net.h"
#include "daemon/engine.h"

bool orders_out(struct engine *engine, const struct order *order, const int *fds, unsigned fd_count)
{
    return order_send(engine->start->orders, order, fds, fd_count);
}

static void on_reloaded(struct engine *engine, const struct order *news, int fd)
{
    uint64_t size = 0;
    char *report = fd >= 0 ? order_memfd_read(fd, &size) : NULL;

    if (!news->accepted)
        config_unref(&engine->next_config);
    commands_reloaded(engine, news->reference, news->accepted, report);
    mem_free(report);
}

static void on_reopen(struct engine *engine, int fd)
{
    for (unsigned i = 0; i < engine->carrier_count; i++)
        proxy_reopen_log(engine->proxies[i], fd >= 0 ? dup(fd) : -1);
}

static void on_worker_news(struct engine *engine, const struct order *news)
{
    struct part *part = parts_of_slot(engine, news->slot);

    if (!part || !part->fleet)
        return;
    if (news->kind == NEWS_STARTED)
        fleet_on_started(part->fleet, news->slot, news->generation, news->pid);
    else if (news->kind == NEWS_START_FAILED)
        fleet_on_start_failed(part->fleet, news->slot, news->error);
    else
        fleet_on_exited(part->fleet, news->slot, news->generation, news->status);
}

static void on_news(struct engine *engine, const struct order *news, const int *fds, unsigned fd_count)
{
    int first = fd_count ? fds[0] : -1;

    switch ((enum news_kind)news->kind) {
    case NEWS_STARTED:
    case NEWS_START_FAILED:
    case NEWS_EXITED: on_worker_news(engine, news); return;
    case NEWS_VALIDATE: reload_validate(engine, first); return;
    case NEWS_FILES: reload_files(engine, first); return;
    case NEWS_LISTENER: reload_listener(engine, news->index, fds, fd_count); return;
    case NEWS_ADOPT: reload_adopt(engine); return;
    case NEWS_RELOADED: on_reloaded(engine, news, first); return;
    case NEWS_STOP: engine_drain(engine); return;
    case NEWS_STOP_NOW: loop_stop(engine->loop); return;
    case NEWS_REOPEN: on_reopen(engine, first); return;
    }
    log_warning("the keeper said something unknown (%u)", news->kind);
}

void orders_in_event(evutil_socket_t fd, short what, void *argument)
{
    struct engine *engine = argument;
    struct order news;
    int fds[ORDER_FDS_MAX];

    (void)what;
    for (;;) {
        unsigned fd_count = ORDER_FDS_MAX;
        int got = order_receive(fd, &news, fds, &fd_count);
        if (got == 0)
            return;
        if (got < 0) {
            log_error("the keeper is gone: ending");
            _exit(1); /* nobody holds the listeners and the workers any more: the guard is ending those */
        }
        on_news(engine, &news, fds, fd_count);
        if (news.kind != NEWS_LISTENER) /* those have a new owner */
            for (unsigned i = 0; i < fd_count; i++)
                net_close(&fds[i]);
    }
}
