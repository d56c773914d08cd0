/* SPDX-License-Identifier: MIT */
#include "keeper/seats.h"

#include "tests/unit/keeper/fixture.h"

static char *inherited[] = {
    "PATH=/usr/bin:/bin", "HOME=/root",           "PORT=8000",   "WEB_CONCURRENCY=4", "LISTEN_FDS=2",
    "LISTEN_PID=1",       "NOTIFY_SOCKET=/run/x", "SECRET=kept", "SOCKET=/old",       NULL};

static struct environment made(const struct pool_config *pool, const struct endpoint *endpoint,
                               const struct identity *user)
{
    struct environment environment;

    worker_environment(&environment, inherited, pool, "web.3", endpoint, user);
    return environment;
}

START_TEST(a_worker_on_a_port_finds_it_in_its_environment)
{
    struct pool_config pool = {0};
    struct endpoint endpoint = {.is_set = true, .kind = BIND_PORT, .port = 9123};
    struct environment environment = made(&pool, &endpoint, NULL);

    ck_assert_str_eq(environment_get(&environment, "PORT"), "9123");
    ck_assert_str_eq(environment_get(&environment, "WORKER"), "web.3");
    ck_assert_str_eq(environment_get(&environment, "SECRET"), "kept");
    ck_assert_str_eq(environment_get(&environment, "HOME"), "/root");
    ck_assert_ptr_null(environment_get(&environment, "SOCKET"));
    environment_fini(&environment);
}
END_TEST

START_TEST(what_is_drovers_own_does_not_reach_a_worker)
{
    struct pool_config pool = {0};
    struct endpoint endpoint = {.is_set = true, .kind = BIND_UNIX, .path = "/run/drover-1/2/3.sock"};
    struct environment environment = made(&pool, &endpoint, NULL);

    ck_assert_ptr_null(environment_get(&environment, "PORT")); /* the listener's, not the worker's */
    ck_assert_ptr_null(environment_get(&environment, "WEB_CONCURRENCY"));
    ck_assert_ptr_null(environment_get(&environment, "LISTEN_FDS"));
    ck_assert_ptr_null(environment_get(&environment, "LISTEN_PID"));
    ck_assert_ptr_null(environment_get(&environment, "NOTIFY_SOCKET"));
    ck_assert_str_eq(environment_get(&environment, "SOCKET"), "/run/drover-1/2/3.sock");
    environment_fini(&environment);
}
END_TEST

START_TEST(the_pools_environment_wins_and_may_name_the_workers_words)
{
    char *entries[] = {"WEB_CONCURRENCY=2", "URL=http://127.0.0.1:$PORT/${WORKER}", "SECRET=other"};
    struct pool_config pool = {.environment_count = 3, .environment = entries};
    struct endpoint endpoint = {.is_set = true, .kind = BIND_PORT, .port = 9123};
    struct environment environment = made(&pool, &endpoint, NULL);

    ck_assert_str_eq(environment_get(&environment, "WEB_CONCURRENCY"), "2");
    ck_assert_str_eq(environment_get(&environment, "URL"), "http://127.0.0.1:9123/web.3");
    ck_assert_str_eq(environment_get(&environment, "SECRET"), "other");
    environment_fini(&environment);
}
END_TEST

START_TEST(an_inherited_listener_is_announced_as_systemd_does)
{
    struct pool_config pool = {0};
    struct endpoint endpoint = {.is_set = true, .kind = BIND_FD, .port = 9123};
    struct environment environment = made(&pool, &endpoint, NULL);

    ck_assert_str_eq(environment_get(&environment, "LISTEN_FDS"), "1");
    ck_assert_ptr_nonnull(environment_get(&environment, "LISTEN_PID"));
    ck_assert_ptr_null(environment_get(&environment, "PORT"));
    environment_fini(&environment);
}
END_TEST

START_TEST(a_command_that_names_its_descriptor_is_not_told_twice)
{
    char *words[] = {"gunicorn", "--bind", "fd://3"};
    struct pool_config pool = {.argument_count = 3, .command = words};
    struct endpoint endpoint = {.is_set = true, .kind = BIND_FD, .port = 9123};
    struct environment environment = made(&pool, &endpoint, NULL);

    ck_assert_str_eq(environment_get(&environment, "LISTEN_FDS"), "1");
    ck_assert_ptr_null(environment_get(&environment, "LISTEN_PID"));
    environment_fini(&environment);
}
END_TEST

START_TEST(another_user_finds_its_own_home)
{
    struct identity user = {.name = "app", .home = "/home/app"};
    struct pool_config pool = {0};
    struct endpoint endpoint = {.is_set = true, .kind = BIND_PORT, .port = 1};
    struct environment environment = made(&pool, &endpoint, &user);

    ck_assert_str_eq(environment_get(&environment, "HOME"), "/home/app");
    ck_assert_str_eq(environment_get(&environment, "USER"), "app");
    environment_fini(&environment);
}
END_TEST

START_TEST(one_with_workers_of_its_own_is_told_how_many_unless_the_file_says)
{
    char *entries[] = {"WEB_CONCURRENCY=2"};
    struct pool_config pool = {0}, told = {.environment_count = 1, .environment = entries};
    struct endpoint endpoint = {.is_set = true, .kind = BIND_PORT, .port = 9123};
    struct environment environment = made(&pool, &endpoint, NULL);

    worker_children(&environment, 0);
    ck_assert_ptr_null(environment_get(&environment, "WEB_CONCURRENCY"));
    worker_children(&environment, 6);
    ck_assert_str_eq(environment_get(&environment, "WEB_CONCURRENCY"), "6");
    environment_fini(&environment);
    environment = made(&told, &endpoint, NULL);
    worker_children(&environment, 6);
    ck_assert_str_eq(environment_get(&environment, "WEB_CONCURRENCY"), "2");
    environment_fini(&environment);
}
END_TEST

START_TEST(the_words_of_a_command_are_filled_in)
{
    char *words[] = {"server", "--port", "$PORT", "--name=${WORKER}"};
    struct pool_config pool = {.argument_count = 4, .command = words};
    struct endpoint endpoint = {.is_set = true, .kind = BIND_PORT, .port = 9123};
    char **command = worker_command(&pool, "web.3", &endpoint);

    ck_assert_str_eq(command[0], "server");
    ck_assert_str_eq(command[2], "9123");
    ck_assert_str_eq(command[3], "--name=web.3");
    ck_assert_ptr_null(command[4]);
    worker_command_free(command);
}
END_TEST

UNIT_MAIN("keeper/worker_plan", a_worker_on_a_port_finds_it_in_its_environment,
          what_is_drovers_own_does_not_reach_a_worker,
          the_pools_environment_wins_and_may_name_the_workers_words,
          an_inherited_listener_is_announced_as_systemd_does,
          a_command_that_names_its_descriptor_is_not_told_twice, another_user_finds_its_own_home,
          one_with_workers_of_its_own_is_told_how_many_unless_the_file_says,
          the_words_of_a_command_are_filled_in)
