/* SPDX-License-Identifier: MIT
 *
 * One thread's event loop over one libevent event_base (without locks: only its own thread touches it).
 * A turn: epoll_wait, clock_update, the callbacks, then tasks, then what was to be freed.
 * Only loop_post, loop_stop and loop_is_mine may be called from other threads. */
#ifndef DROVER_BASE_LOOP_H
#define DROVER_BASE_LOOP_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct loop;

struct loop *loop_new(const char *name); /* on any thread, before it runs */
void loop_free(struct loop **loop);
void loop_run(struct loop *loop);  /* until loop_stop; the calling thread becomes the loop's */
void loop_stop(struct loop *loop); /* any thread */
bool loop_is_mine(const struct loop *loop);
const char *loop_name(const struct loop *loop);
uint64_t loop_turns(const struct loop *loop);

/* A descriptor, registered once, edge-triggered, for read, write and end of stream, until watch_close.
 * `what` is EV_READ | EV_WRITE | EV_CLOSED. Registering makes one first EV_WRITE event. */
struct watch {
    struct event event;
    bool open;
    bool writes; /* watch_writes was called: before the opening, too */
};
void watch_open(struct watch *watch, struct loop *loop, int fd, event_callback_fn callback, void *argument);
/* The same without EV_WRITE, and so without the first event: most streams never have to wait for room. Once
 * one has, watch_writes adds EV_WRITE for good; an event follows when there is room, at once if there is. */
void watch_open_stream(struct watch *watch, struct loop *loop, int fd, event_callback_fn callback,
                       void *argument);
void watch_writes(struct watch *watch);
/* Level-triggered, for read only: for listeners, eventfds and other things that are not streams. */
void watch_open_readable(struct watch *watch, struct loop *loop, int fd, event_callback_fn callback,
                         void *argument);
/* Before the descriptor is closed: the number may be another thread's the moment after. Harmless when not
 * open. */
void watch_close(struct watch *watch);
void watch_pause(struct watch *watch); /* only for _readable ones: accept nothing for a while */
void watch_resume(struct watch *watch);

/* Deadlines: one list a duration, each with one timer; starting, restarting and stopping are a few pointer
 * writes. */
struct deadline {
    struct list node;
    struct deadline_list *list;
    uint64_t due_us;
    void (*on_due)(void *argument);
    void *argument;
};
void deadline_init(struct deadline *deadline, void (*on_due)(void *argument), void *argument);
/* Restarts a running one; a duration of 0 is never: it only stops. */
void deadline_start(struct deadline *deadline, struct loop *loop, unsigned duration_ms);
void deadline_stop(struct deadline *deadline);
static inline bool deadline_is_running(const struct deadline *deadline)
{
    return deadline->list != 0;
}

/* Work for the end of this turn (soon: in the next turn, after other connections had theirs). A task may be
 * queued again from its own function. task_cancel is harmless when it is not queued. */
struct task {
    struct list node;
    void (*run)(struct task *task);
};
void task_init(struct task *task, void (*run)(struct task *task));
void task_soon(struct task *task, struct loop *loop);
/* After this turn's callbacks: for frees and batched writes. */
void task_at_end(struct task *task, struct loop *loop);
void task_cancel(struct task *task);
/* Runs what waits for the end of the turn now: for the owner, when it takes things down after loop_run has
 * returned. */
void loop_settle(struct loop *loop);

/* Messages from any thread, in order per sender. The message is the receiver's once posted; its function
 * frees it, always on the loop's thread: what is still there at loop_stop is delivered as loop_run's last
 * act. False when the loop has ended (the message stays the sender's). Only a loop that never ran can have
 * undelivered ones: loop_free counts them in the log. */
struct message {
    struct message *next;
    void (*deliver)(struct message *message);
};
bool loop_post(struct loop *loop, struct message *message);

/* A timer that goes on until stopped (periodic work of the control thread; not for connections). */
struct ticker {
    struct event event;
    void (*tick)(void *argument);
    void *argument;
    bool running;
};
void ticker_start(struct ticker *ticker, struct loop *loop, unsigned every_ms, void (*tick)(void *argument),
                  void *argument);
void ticker_stop(struct ticker *ticker);

struct event_base *loop_base(struct loop *loop);

#endif
