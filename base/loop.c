/* SPDX-License-Identifier: MIT
 *
 * The event loop's turns, and what hangs on one: watches, tasks, tickers. Everything here belongs to the
 * thread in loop_run, but for loop_stop. The loop owns its event_base and mailbox; watches, deadlines,
 * tasks and tickers are embedded in what uses them. */
#include "base/loop.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/loop_internal.h"
#include "base/mem.h"
#include "base/str.h"

#define SETTLE_PASSES                                                                                        \
    16 /* tasks for the end of a turn that queue others: so deep in one turn, the rest in the next */

static _Thread_local const struct loop *running; /* on this thread */

static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();

    CHECK(config);
    event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK);
    event_config_set_flag(config, EVENT_BASE_FLAG_IGNORE_ENV);
    event_config_require_features(config, EV_FEATURE_ET | EV_FEATURE_EARLY_CLOSE);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    CHECK(base);
    return base;
}

struct loop *loop_new(const char *name)
{
    struct loop *loop = mem_zero(sizeof *loop);

    str_format(loop->name, sizeof loop->name, "%s", name);
    list_init(&loop->soon);
    list_init(&loop->at_end);
    loop->base = new_base();
    mailbox_init(loop);
    return loop;
}

static void forget_tasks(struct list *tasks)
{
    while (!list_is_empty(tasks))
        list_remove(tasks->next);
}

void loop_free(struct loop **loop)
{
    struct loop *ending = *loop;

    if (!ending)
        return;
    *loop = NULL;
    CHECK(running != ending);
    forget_tasks(&ending->soon);
    forget_tasks(&ending->at_end);
    deadlines_fini(ending);
    mailbox_fini(ending);
    event_base_free(ending->base);
    mem_free(ending);
}

static void move_all(struct list *from, struct list *to)
{
    list_init(to);
    if (list_is_empty(from))
        return;
    *to = *from;
    to->next->previous = to->previous->next = to;
    list_init(from);
}

static void run_all(struct list *tasks)
{
    while (!list_is_empty(tasks)) {
        struct task *task = list_entry(tasks->next, struct task, node);
        list_remove(&task->node);
        task->run(task); /* may free it, and cancel any other */
    }
}

void loop_settle(struct loop *loop)
{
    for (unsigned pass = 0; pass < SETTLE_PASSES && !list_is_empty(&loop->at_end); pass++) {
        struct list due;
        move_all(&loop->at_end, &due);
        run_all(&due);
    }
}

static void turn(struct loop *loop)
{
    bool is_idle = list_is_empty(&loop->soon) && list_is_empty(&loop->at_end);
    struct list due;

    move_all(&loop->soon, &due); /* what is queued from now on is for the next turn */
    clock_update(); /* nobody asks before epoll_wait is back, so the first question reads fresh time */
    CHECK(event_base_loop(loop->base, EVLOOP_ONCE | (is_idle ? 0 : EVLOOP_NONBLOCK)) >= 0);
    run_all(&due);
    loop_settle(loop);
    atomic_fetch_add_explicit(&loop->turns, 1, memory_order_relaxed);
}

void loop_run(struct loop *loop)
{
    const struct loop *before = running;

    CHECK(!before);
    running = loop;
    mailbox_open(loop);
    while (!atomic_load_explicit(&loop->stopping, memory_order_acquire))
        turn(loop);
    mailbox_close(loop);
    loop_settle(loop);
    atomic_store_explicit(&loop->stopping, false, memory_order_relaxed);
    clock_uncached();
    running = NULL;
}

void loop_stop(struct loop *loop)
{
    atomic_store_explicit(&loop->stopping, true, memory_order_release);
    mailbox_wake(loop);
}

bool loop_is_mine(const struct loop *loop)
{
    return running == loop;
}

const char *loop_name(const struct loop *loop)
{
    return loop->name;
}

uint64_t loop_turns(const struct loop *loop)
{
    return atomic_load_explicit(&loop->turns, memory_order_relaxed);
}

struct event_base *loop_base(struct loop *loop)
{
    return loop->base;
}

static void open_watch(struct watch *watch, struct loop *loop, int fd, short what, event_callback_fn callback,
                       void *argument)
{
    CHECK(event_assign(&watch->event, loop->base, fd, what, callback, argument) == 0);
    CHECK(event_add(&watch->event, NULL) == 0);
    watch->open = true;
}

void watch_open(struct watch *watch, struct loop *loop, int fd, event_callback_fn callback, void *argument)
{
    open_watch(watch, loop, fd, EV_READ | EV_WRITE | EV_CLOSED | EV_ET | EV_PERSIST, callback, argument);
}

void watch_open_stream(struct watch *watch, struct loop *loop, int fd, event_callback_fn callback,
                       void *argument)
{
    open_watch(watch, loop, fd, EV_READ | EV_CLOSED | EV_ET | EV_PERSIST | (watch->writes ? EV_WRITE : 0),
               callback, argument);
}

void watch_writes(struct watch *watch)
{
    struct event *event = &watch->event;

    if (watch->writes)
        return;
    watch->writes = true;
    if (!watch->open)
        return;
    event_del(event);
    CHECK(event_assign(event, event_get_base(event), event_get_fd(event),
                       (short)(event_get_events(event) | EV_WRITE), event_get_callback(event),
                       event_get_callback_arg(event)) == 0);
    CHECK(event_add(event, NULL) == 0);
}

void watch_open_readable(struct watch *watch, struct loop *loop, int fd, event_callback_fn callback,
                         void *argument)
{
    open_watch(watch, loop, fd, EV_READ | EV_PERSIST, callback, argument);
}

void watch_close(struct watch *watch)
{
    if (!watch->open)
        return;
    event_del(&watch->event);
    watch->open = watch->writes = false;
}

void watch_pause(struct watch *watch)
{
    if (watch->open)
        event_del(&watch->event);
}

void watch_resume(struct watch *watch)
{
    if (watch->open)
        CHECK(event_add(&watch->event, NULL) == 0);
}

void task_init(struct task *task, void (*run)(struct task *task))
{
    list_init(&task->node);
    task->run = run;
}

void task_soon(struct task *task, struct loop *loop)
{
    if (list_is_empty(&task->node))
        list_push_back(&loop->soon, &task->node);
}

void task_at_end(struct task *task, struct loop *loop)
{
    list_remove(&task->node); /* the end of this turn comes before the next one */
    list_push_back(&loop->at_end, &task->node);
}

void task_cancel(struct task *task)
{
    list_remove(&task->node);
}

static void on_tick(int fd, short what, void *argument)
{
    struct ticker *ticker = argument;
    (void)fd;
    (void)what;

    ticker->tick(ticker->argument);
}

void ticker_start(struct ticker *ticker, struct loop *loop, unsigned every_ms, void (*tick)(void *argument),
                  void *argument)
{
    struct timeval every = {.tv_sec = (time_t)(every_ms / 1000),
                            .tv_usec = (suseconds_t)(every_ms % 1000) * 1000};

    CHECK(every_ms > 0);
    ticker_stop(ticker);
    ticker->tick = tick;
    ticker->argument = argument;
    CHECK(event_assign(&ticker->event, loop->base, -1, EV_PERSIST, on_tick, ticker) == 0);
    CHECK(event_add(&ticker->event, &every) == 0);
    ticker->running = true;
}

void ticker_stop(struct ticker *ticker)
{
    if (!ticker->running)
        return;
    event_del(&ticker->event);
    ticker->running = false;
}
