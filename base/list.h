/* SPDX-License-Identifier: MIT
 *
 * Doubly linked, circular, embedded lists. A node that is in no list points to itself. */
#ifndef DROVER_BASE_LIST_H
#define DROVER_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
    struct list *next, *previous;
};

static inline void list_init(struct list *node)
{
    node->next = node->previous = node;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->next == list;
}

static inline void list_insert_between(struct list *node, struct list *previous, struct list *next)
{
    node->previous = previous;
    node->next = next;
    previous->next = node;
    next->previous = node;
}

static inline void list_push_back(struct list *list, struct list *node)
{
    list_insert_between(node, list->previous, list);
}

static inline void list_push_front(struct list *list, struct list *node)
{
    list_insert_between(node, list, list->next);
}

/* Takes `node` out of whatever list it is in; harmless when it is in none. */
static inline void list_remove(struct list *node)
{
    node->previous->next = node->next;
    node->next->previous = node->previous;
    list_init(node);
}

#define list_entry(node, type, member) ((type *)(void *)((char *)(node)-offsetof(type, member)))

/* `next` lets the body remove the node it stands on. */
#define list_each_safe(node, after, head)                                                                    \
    for (struct list *node = (head)->next, *after = node->next; node != (head);                              \
         node = after, after = node->next)

#endif
