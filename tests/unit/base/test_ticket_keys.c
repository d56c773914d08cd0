/* SPDX-License-Identifier: MIT */
#include "base/ticket_keys.h"

#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "tests/unit/unit.h"

START_TEST(the_newest_key_opens_what_it_sealed)
{
    struct ticket_keys *keys = ticket_keys_new();
    struct ticket_key sealed, opened;
    bool is_newest = false;

    ticket_keys_newest(keys, &sealed);
    ck_assert(ticket_keys_find(keys, sealed.name, &opened, &is_newest));
    ck_assert(is_newest);
    ck_assert_mem_eq(&sealed, &opened, sizeof sealed);
    ticket_keys_free(&keys);
    ck_assert_ptr_null(keys);
}
END_TEST

START_TEST(the_one_before_opens_still_and_asks_for_a_new_ticket)
{
    struct ticket_keys *keys = ticket_keys_new();
    struct ticket_key sealed, opened, next;
    bool is_newest = true;

    for (unsigned i = 0; i < 9; i++) { /* more often than the ring is long */
        ticket_keys_newest(keys, &sealed);
        ticket_keys_turn(keys);
        ticket_keys_newest(keys, &next);
        ck_assert(memcmp(&sealed, &next, sizeof sealed) != 0);
        ck_assert(ticket_keys_find(keys, sealed.name, &opened, &is_newest));
        ck_assert(!is_newest);
        ck_assert_mem_eq(&sealed, &opened, sizeof sealed);
    }
    ticket_keys_free(&keys);
}
END_TEST

START_TEST(after_two_turns_a_key_is_forgotten)
{
    struct ticket_keys *keys = ticket_keys_new();
    struct ticket_key sealed, opened;
    bool is_newest;

    ticket_keys_newest(keys, &sealed);
    ticket_keys_turn(keys);
    ticket_keys_turn(keys);
    ck_assert(!ticket_keys_find(keys, sealed.name, &opened, &is_newest));
    ck_assert(!ticket_keys_find(keys, (const unsigned char[16]){0}, &opened, &is_newest));
    ticket_keys_free(&keys);
}
END_TEST

START_TEST(a_key_is_turned_when_its_time_is_over)
{
    struct ticket_keys *keys = ticket_keys_new();
    struct ticket_key first, now;
    uint64_t now_ms = clock_ms();

    ticket_keys_newest(keys, &first);
    ticket_keys_tick(keys, now_ms + 1000);
    ticket_keys_newest(keys, &now);
    ck_assert_mem_eq(&first, &now, sizeof now);
    ticket_keys_tick(keys, now_ms + TICKET_KEY_SECONDS * 1000ull + 1000);
    ticket_keys_newest(keys, &now);
    ck_assert(memcmp(&first, &now, sizeof now) != 0);
    ticket_keys_free(&keys);
}
END_TEST

START_TEST(a_child_sees_the_keys_that_its_parent_makes_later)
{
    struct ticket_keys *keys = ticket_keys_new();
    struct ticket_key parents, childs;
    int line[2], status;

    ck_assert_int_eq(pipe(line), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char byte;
        (void)!read(line[0], &byte, 1);
        ticket_keys_newest(keys, &childs);
        _exit(write(line[1], &childs, sizeof childs) == (ssize_t)sizeof childs ? 0 : 1);
    }
    ticket_keys_turn(keys);
    ticket_keys_newest(keys, &parents);
    ck_assert_int_eq(write(line[1], "x", 1), 1);
    ck_assert_int_eq(waitpid(pid, &status, 0), pid);
    ck_assert_int_eq(status, 0);
    ck_assert_int_eq(read(line[0], &childs, sizeof childs), (int)sizeof childs);
    ck_assert_mem_eq(&parents, &childs, sizeof parents);
    ticket_keys_free(&keys);
}
END_TEST

UNIT_MAIN("base/ticket_keys", the_newest_key_opens_what_it_sealed,
          the_one_before_opens_still_and_asks_for_a_new_ticket, after_two_turns_a_key_is_forgotten,
          a_key_is_turned_when_its_time_is_over, a_child_sees_the_keys_that_its_parent_makes_later)
