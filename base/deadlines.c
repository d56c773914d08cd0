/* SPDX-License-Identifier: MIT
 *
 * Deadlines: per loop and duration one list, in the order they were started, which is the order they fall
 * due. Its timer stands for the head of some time ago: when it fires too early for the present head it is
 * set again, so starting and stopping never touch libevent in steady state. The loop's thread only.
 *
 * A list lives while its timer is pending; one that is empty when the timer fires goes. */
#include "base/check.h"
#include "base/clock.h"
#include "base/loop_internal.h"
#include "base/mem.h"

/* With more lists than this, an empty one goes at once: somebody uses durations that never come again. */
#define LISTS_TO_KEEP 64

struct deadline_list {
    struct list deadlines; /* the head falls due first */
    struct event timer;    /* pending, except while `firing` */
    struct loop *loop;
    struct deadline_list *next; /* in the bucket */
    unsigned duration_ms;
    bool firing; /* the timer's callback holds a pointer to the list */
};

static struct deadline_list **bucket_of(struct loop *loop, unsigned duration_ms)
{
    return &loop->deadlines[(duration_ms * 2654435761u) >> 26];
}

_Static_assert(DEADLINE_BUCKETS == 1 << (32 - 26), "the hash gives a bucket");

static void set_timer(struct deadline_list *list, uint64_t wait_us)
{
    struct timeval wait = {.tv_sec = (time_t)(wait_us / 1000000u),
                           .tv_usec = (suseconds_t)(wait_us % 1000000u)};

    CHECK(event_add(&list->timer, &wait) == 0);
}

static void list_free(struct deadline_list *list)
{
    struct deadline_list **at = bucket_of(list->loop, list->duration_ms);

    while (*at != list)
        at = &(*at)->next;
    *at = list->next;
    list->loop->deadline_lists--;
    event_del(&list->timer);
    mem_free(list);
}

static void on_timer(int fd, short what, void *argument)
{
    struct deadline_list *list = argument;
    uint64_t now_us = clock_us();
    (void)fd;
    (void)what;

    list->firing = true;
    while (!list_is_empty(&list->deadlines)) {
        struct deadline *head = list_entry(list->deadlines.next, struct deadline, node);
        if (head->due_us > now_us)
            break;
        deadline_stop(head);
        head->on_due(head->argument); /* may free it, and start and stop any other */
    }
    list->firing = false;
    if (list_is_empty(&list->deadlines))
        list_free(list);
    else
        set_timer(list, list_entry(list->deadlines.next, struct deadline, node)->due_us - now_us);
}

static struct deadline_list *list_for(struct loop *loop, unsigned duration_ms)
{
    struct deadline_list **bucket = bucket_of(loop, duration_ms);

    for (struct deadline_list *list = *bucket; list; list = list->next) {
        if (list->duration_ms == duration_ms)
            return list;
    }
    struct deadline_list *list = mem_zero(sizeof *list);
    list_init(&list->deadlines);
    list->loop = loop;
    list->duration_ms = duration_ms;
    list->next = *bucket;
    *bucket = list;
    loop->deadline_lists++;
    CHECK(event_assign(&list->timer, loop->base, -1, 0, on_timer, list) == 0);
    set_timer(list, (uint64_t)duration_ms * 1000u);
    return list;
}

void deadline_init(struct deadline *deadline, void (*on_due)(void *argument), void *argument)
{
    *deadline = (struct deadline){.on_due = on_due, .argument = argument};
    list_init(&deadline->node);
}

void deadline_start(struct deadline *deadline, struct loop *loop, unsigned duration_ms)
{
    struct deadline_list *list = deadline->list;

    if (!list || list->duration_ms != duration_ms || list->loop != loop) {
        deadline_stop(deadline);
        if (duration_ms == 0)
            return;
        list = deadline->list = list_for(loop, duration_ms);
    }
    deadline->due_us = clock_us() + (uint64_t)duration_ms * 1000u;
    list_remove(&deadline->node);
    list_push_back(&list->deadlines, &deadline->node);
}

void deadline_stop(struct deadline *deadline)
{
    struct deadline_list *list = deadline->list;

    if (!list)
        return;
    list_remove(&deadline->node);
    deadline->list = NULL;
    if (list->loop->deadline_lists > LISTS_TO_KEEP && !list->firing && list_is_empty(&list->deadlines))
        list_free(list);
}

void deadlines_fini(struct loop *loop)
{
    for (unsigned i = 0; i < DEADLINE_BUCKETS; i++) {
        while (loop->deadlines[i]) {
            struct deadline_list *list = loop->deadlines[i];
            list_each_safe (node, after, &list->deadlines) {
                list_entry(node, struct deadline, node)->list = NULL;
                list_remove(node);
            }
            list_free(list);
        }
    }
}
