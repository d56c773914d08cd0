/* SPDX-License-Identifier: MIT */
#include "base/list.h"

#include "tests/unit/unit.h"

struct item {
    char name;
    struct list node;
};

static const char *spell(const struct list *head)
{
    static char word[16];
    size_t size = 0;

    for (const struct list *node = head->next; node != head; node = node->next)
        word[size++] = list_entry(node, const struct item, node)->name;
    word[size] = 0;
    return word;
}

START_TEST(items_stand_in_the_order_they_were_pushed)
{
    struct list head;
    struct item a = {.name = 'a'}, b = {.name = 'b'}, c = {.name = 'c'};

    list_init(&head);
    ck_assert(list_is_empty(&head));
    list_push_back(&head, &b.node);
    list_push_back(&head, &c.node);
    list_push_front(&head, &a.node);
    ck_assert_str_eq(spell(&head), "abc");
    list_remove(&b.node);
    list_remove(&b.node);
    ck_assert_str_eq(spell(&head), "ac");
    ck_assert(list_is_empty(&b.node));
}
END_TEST

START_TEST(a_walk_may_remove_what_it_stands_on)
{
    struct list head;
    struct item items[3] = {{.name = 'a'}, {.name = 'b'}, {.name = 'c'}};

    list_init(&head);
    for (unsigned i = 0; i < 3; i++)
        list_push_back(&head, &items[i].node);
    list_each_safe (node, after, &head) {
        if (list_entry(node, struct item, node)->name != 'b')
            list_remove(node);
    }
    ck_assert_str_eq(spell(&head), "b");
}
END_TEST

UNIT_MAIN("base/list", items_stand_in_the_order_they_were_pushed, a_walk_may_remove_what_it_stands_on)
