/* SPDX-License-Identifier: MIT */
#include "keeper/environment.h"

#include "tests/unit/keeper/fixture.h"

START_TEST(a_name_stands_there_once)
{
    char *from[] = {"A=1", "B=2", NULL};
    struct environment environment;

    environment_init(&environment, from);
    environment_put(&environment, "A=3");
    environment_set(&environment, "C", "4");
    environment_put(&environment, "no name");
    ck_assert_uint_eq(environment.count, 3);
    ck_assert_str_eq(environment_get(&environment, "A"), "3");
    ck_assert_str_eq(environment_get(&environment, "B"), "2");
    ck_assert_str_eq(environment_get(&environment, "C"), "4");
    ck_assert_ptr_null(environment.entries[environment.count]);
    environment_fini(&environment);
}
END_TEST

START_TEST(a_name_that_begins_like_another_is_another)
{
    struct environment environment;

    environment_init(&environment, NULL);
    environment_set(&environment, "PORT_BASE", "1");
    ck_assert_ptr_null(environment_get(&environment, "PORT"));
    environment_set(&environment, "PORT", "2");
    environment_unset(&environment, "PORT");
    environment_unset(&environment, "NOTHING");
    ck_assert_uint_eq(environment.count, 1);
    ck_assert_str_eq(environment_get(&environment, "PORT_BASE"), "1");
    environment_set(&environment, "PORT_BASE", NULL);
    ck_assert_ptr_null(environment.entries[0]);
    environment_fini(&environment);
}
END_TEST

START_TEST(many_names_fit)
{
    struct environment environment;
    char name[32];

    environment_init(&environment, NULL);
    for (unsigned i = 0; i < 1000; i++) {
        (void)snprintf(name, sizeof name, "N%u", i);
        environment_set(&environment, name, name);
    }
    ck_assert_uint_eq(environment.count, 1000);
    ck_assert_str_eq(environment_get(&environment, "N999"), "N999");
    ck_assert_ptr_null(environment.entries[1000]);
    environment_fini(&environment);
}
END_TEST

UNIT_MAIN("keeper/environment", a_name_stands_there_once, a_name_that_begins_like_another_is_another,
          many_names_fit)
