/* SPDX-License-Identifier: MIT
 *
 * Messages from any thread to a loop: a queue under a mutex and an eventfd that is written only when the
 * queue was empty. The loop takes the whole queue at once and delivers it outside the lock. */
#include <errno.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/check.h"
#include "base/log.h"
#include "base/loop_internal.h"
#include "base/net.h"

void mailbox_wake(struct loop *loop)
{
    uint64_t one = 1;

    while (write(loop->mailbox.eventfd, &one, sizeof one) < 0 && errno == EINTR)
        continue;
}

bool loop_post(struct loop *loop, struct message *message)
{
    struct mailbox *box = &loop->mailbox;

    message->next = NULL;
    pthread_mutex_lock(&box->lock);
    bool taken = !box->closed;
    if (taken) {
        bool was_empty = !box->first;
        *box->last = message;
        box->last = &message->next;
        if (was_empty)
            mailbox_wake(loop); /* under the lock: after it the loop may end and be freed */
    }
    pthread_mutex_unlock(&box->lock);
    return taken;
}

static struct message *take_all(struct mailbox *box, bool close_it)
{
    pthread_mutex_lock(&box->lock);
    struct message *first = box->first;
    box->first = NULL;
    box->last = &box->first;
    box->closed |= close_it;
    pthread_mutex_unlock(&box->lock);
    return first;
}

static void deliver_all(struct message *message)
{
    while (message) {
        struct message *next = message->next; /* deliver frees the message */
        message->deliver(message);
        message = next;
    }
}

/* The eventfd is read before the queue is taken: what is posted in between is taken, and at worst wakes us
 * for nothing. */
static void on_mail(int fd, short what, void *argument)
{
    struct loop *loop = argument;
    uint64_t count;
    (void)what;

    while (read(fd, &count, sizeof count) < 0 && errno == EINTR)
        continue;
    deliver_all(take_all(&loop->mailbox, false));
}

void mailbox_init(struct loop *loop)
{
    struct mailbox *box = &loop->mailbox;

    CHECK(pthread_mutex_init(&box->lock, NULL) == 0);
    box->last = &box->first;
    box->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    CHECK(box->eventfd >= 0);
    watch_open_readable(&box->watch, loop, box->eventfd, on_mail, loop);
}

void mailbox_open(struct loop *loop)
{
    pthread_mutex_lock(&loop->mailbox.lock);
    loop->mailbox.closed = false;
    pthread_mutex_unlock(&loop->mailbox.lock);
}

void mailbox_close(struct loop *loop)
{
    deliver_all(take_all(&loop->mailbox, true));
}

void mailbox_fini(struct loop *loop)
{
    struct mailbox *box = &loop->mailbox;
    unsigned left = 0;

    for (struct message *message = take_all(box, true); message; message = message->next)
        left++; /* theirs is a thread that never was: no other may run their functions */
    if (left > 0)
        log_warning("loop %s ended before it ran: %u messages were lost", loop->name, left);
    watch_close(&box->watch);
    net_close(&box->eventfd);
    pthread_mutex_destroy(&box->lock);
}
