/* SPDX-License-Identifier: MIT */
#include "workers/endpoint.h"

#include <check.h>
#include <stdlib.h>

#include "keeper/orders.h"

START_TEST(a_slot_with_a_port_is_reached_there)
{
    struct slots *slots = slots_new();
    struct address address;
    char text[ADDRESS_TEXT];

    atomic_store(&slots->slot[3].port, 8003);
    ck_assert(endpoint_find(&address, slots, 3, 1, 4711));
    address_print(&address, text);
    ck_assert_str_eq(text, "127.0.0.1:8003");
    slots_free_all(&slots);
}
END_TEST

START_TEST(a_slot_without_one_has_a_socket_for_each_process)
{
    struct slots *slots = slots_new();
    struct address address;
    char path[108];

    worker_socket_path(path, 4711, 3, 9);
    ck_assert(endpoint_find(&address, slots, 3, 9, 4711));
    ck_assert(address_is_unix(&address));
    ck_assert_str_eq(address.local.sun_path, path);
    slots_free_all(&slots);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("endpoint");
    TCase *tests = tcase_create("endpoint");

    tcase_add_test(tests, a_slot_with_a_port_is_reached_there);
    tcase_add_test(tests, a_slot_without_one_has_a_socket_for_each_process);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
