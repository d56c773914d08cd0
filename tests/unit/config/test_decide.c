/* SPDX-License-Identifier: MIT */
#include "config/decide.h"

#include <unistd.h>

#include "base/cpus.h"
#include "tests/unit/config/fixture.h"

START_TEST(memory_bounds_the_workers_of_auto)
{
    ck_assert_uint_eq(workers_auto(4, 1000), 9);
    ck_assert_uint_eq(workers_auto(1, 1000), 3);
    ck_assert_uint_eq(workers_auto(4, 5), 5);
    ck_assert_uint_eq(workers_auto(4, 0), 1);
    ck_assert_uint_eq(workers_auto(100000, 100000), 512);
    ck_assert_uint_eq(workers_auto(4294967295u, 4294967295u), 512);

    ck_assert_uint_eq(workers_that_fit(0), 0);
    ck_assert_uint_eq(workers_that_fit(64ull << 20), 0);
    ck_assert_uint_eq(workers_that_fit(512ull << 20), 2);     /* 512 - 64 */
    ck_assert_uint_eq(workers_that_fit(2048ull << 20), 11);   /* 2048 - 256 */
    ck_assert_uint_eq(workers_that_fit(65536ull << 20), 430); /* 65536 - 1024 */
    ck_assert_uint_gt(workers_that_fit(UINT64_MAX), 512);
}
END_TEST

START_TEST(auto_is_a_number_that_stays)
{
    quiet_environment();
    struct config *config = load("threads: auto\n" POOL("workers: auto")),
                  *again = load("threads: auto\n" POOL("workers: auto"));

    ck_assert_uint_ge(config->pools[0].workers, 1);
    ck_assert_uint_le(config->pools[0].workers, 2 * cpus_usable() + 1);
    ck_assert_uint_eq(config->pools[0].workers, again->pools[0].workers);
    ck_assert_uint_ge(config->threads, 1);
    config_unref(&config);
    config_unref(&again);
}
END_TEST

START_TEST(web_concurrency_replaces_the_workers_of_the_first_launched_pool)
{
    quiet_environment();
    setenv("WEB_CONCURRENCY", "7", 1);
    struct config *config = load("pools: {s: {servers: [x:1]}, a: {command: sh $SOCKET, workers: 2}, b: "
                                 "{command: sh $SOCKET, workers: 2}}");
    ck_assert_uint_eq(config->pools[1].workers, 7);
    ck_assert_uint_eq(config->pools[2].workers, 2);
    config_unref(&config);

    setenv("WEB_CONCURRENCY", "", 1);
    config = load(POOL("workers: 2"));
    ck_assert_uint_eq(config->pools[0].workers, 2);
    config_unref(&config);

    setenv("WEB_CONCURRENCY", "auto", 1);
    config = load(POOL("workers: 400"));
    ck_assert_uint_lt(config->pools[0].workers, 400);
    config_unref(&config);
}
END_TEST

START_TEST(port_replaces_the_port_of_the_first_listener)
{
    char text[ADDRESS_TEXT];

    quiet_environment();
    setenv("PORT", "5000", 1);
    struct config *config = load("listen: ['[::1]:8000', 127.0.0.1:8001]\n" POOL_A);
    address_print(&config->listens[0].address, text);
    ck_assert_str_eq(text, "[::1]:5000");
    ck_assert_str_eq(config->listens[0].text, "[::1]:5000");
    ck_assert_uint_eq(address_port(&config->listens[1].address), 8001);
    config_unref(&config);

    config = load(POOL_A);
    ck_assert_uint_eq(address_port(&config->listens[0].address), 5000);
    config_unref(&config);

    char *said = warnings_of("listen: unix:/a/b\n" POOL_A);
    ck_assert_ptr_nonnull(strstr(said, "t.yaml: warning: PORT: the first listener is a unix socket"));
    mem_free(said);
    must_say("listen: [0.0.0.0:1, 0.0.0.0:5000]\n" POOL_A,
             "t.yaml:1:21: listen[1]: expected an address of its own, '0.0.0.0:5000' is taken by listen[0] "
             "('0.0.0.0:5000')\n");
}
END_TEST

START_TEST(bind_follows_what_the_command_names)
{
    static const struct {
        const char *yaml;
        enum bind_kind bind;
    } rows[] = {{"command: sh --uds $SOCKET", BIND_UNIX},
                {"command: 'sh --port ${PORT}'", BIND_PORT},
                {"command: [sh, --fd, '3']", BIND_FD},
                {"command: sh --fd=3", BIND_FD},
                {"command: sh --bind fd://3", BIND_FD},
                {"command: sh, environment: {ADDRESS: $SOCKET}", BIND_UNIX},
                {"command: sh, environment: {P: $PORT}", BIND_PORT},
                {"command: sh $$SOCKET --fd 3", BIND_FD},
                {"command: sh, port: 9000", BIND_PORT},
                {"command: sh", BIND_PORT},
                {"command: sh --fd 4", BIND_PORT},
                {"command: sh, bind: fd", BIND_FD},
                {"command: sh, bind: unix", BIND_UNIX},
                {"command: sh $SOCKET $PORT, bind: unix", BIND_UNIX}};

    quiet_environment();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *yaml = mem_print("pools: {a: {%s}}", rows[i].yaml);
        struct config *config = load(yaml);
        ck_assert_msg(config->pools[0].bind == rows[i].bind, "%s", yaml);
        config_unref(&config);
        mem_free(yaml);
    }
}
END_TEST

START_TEST(the_control_socket_is_where_the_user_may_write)
{
    quiet_environment();
    if (geteuid() == 0)
        ck_assert_int_eq(seteuid(65534), 0);
    setenv("XDG_RUNTIME_DIR", "/run/user/5", 1);
    struct config *config = load(POOL_A);
    ck_assert_str_eq(config->control, "/run/user/5/drover.sock");
    config_unref(&config);

    setenv("XDG_RUNTIME_DIR", "relative", 1);
    config = load(POOL_A);
    char *wanted = mem_print("/tmp/drover-%u/control.sock", (unsigned)geteuid());
    ck_assert_str_eq(config->control, wanted);
    mem_free(wanted);
    config_unref(&config);

    if (getuid() == 0) {
        ck_assert_int_eq(seteuid(0), 0);
        config = load(POOL_A);
        ck_assert_str_eq(config->control, "/run/drover/control.sock");
        config_unref(&config);
    }
}
END_TEST

START_TEST(a_range_keeps_its_bounds_and_the_environment_does_not_replace_it)
{
    quiet_environment();
    setenv("WEB_CONCURRENCY", "7", 1);
    struct config *config = load("pools: {a: {command: sh $SOCKET, workers: {min: 2, max: 5, spare: 1}}, b: "
                                 "{command: sh $SOCKET, workers: 3}}");
    const struct pool_config *a = &config->pools[0], *b = &config->pools[1];
    ck_assert(a->is_sized && a->workers_min == 2 && a->workers == 5 && a->spare == 1);
    ck_assert(!b->is_sized && b->workers_min == 7 && b->workers == 7);
    ck_assert_uint_eq(a->scale_window, 60000);
    ck_assert_uint_eq(a->scale_burst, 2000);
    ck_assert_uint_eq(a->scale_idle, 0);
    config_unref(&config);

    quiet_environment();
    config = load(POOL("workers: {min: 0}"));
    ck_assert_uint_eq(config->pools[0].workers_min, 0);
    ck_assert_uint_ge(config->pools[0].workers, 1);
    config_unref(&config);
    config = load(POOL("workers: {min: 300, max: auto}"));
    ck_assert_uint_eq(config->pools[0].workers, 300);
    config_unref(&config);
}
END_TEST

START_TEST(auto_is_known_as_that_and_a_range_leaves_memory_to_the_fleet)
{
    quiet_environment();
    struct config *config =
        load("pools: {a: {command: sh $SOCKET, workers: {min: 1, max: auto}}, b: {command: sh $SOCKET, "
             "workers: auto, "
             "memory: {pool: 1m}}, c: {command: sh $SOCKET, workers: 2, memory: {pool: 900m}}}");
    ck_assert(config->pools[0].is_auto && config->pools[1].is_auto && !config->pools[2].is_auto);
    ck_assert_uint_eq(config->pools[0].workers, 2 * cpus_usable() + 1);
    ck_assert_uint_eq(config->pools[1].workers, 1);
    ck_assert_uint_eq(config->pools[2].memory_pool, 900u << 20);
    config_unref(&config);
}
END_TEST

START_TEST(numbers_that_may_not_fit_are_warned_of)
{
    quiet_environment();
    char *said = warnings_of(
        "pools: {a: {command: sh $SOCKET, workers: 4, memory: {pool: 500m}}, b: {command: sh $SOCKET, "
        "memory: {pool: 500m}}}");
    ck_assert_ptr_nonnull(
        strstr(said, "pools.a.workers: 4 workers may not fit: at 150m each, memory.pool (500m) allows 3"));
    ck_assert_ptr_null(strstr(said, "pools.b.workers"));
    mem_free(said);
}
END_TEST

UNIT_MAIN("config/decide", auto_is_known_as_that_and_a_range_leaves_memory_to_the_fleet,
          numbers_that_may_not_fit_are_warned_of, memory_bounds_the_workers_of_auto,
          a_range_keeps_its_bounds_and_the_environment_does_not_replace_it, auto_is_a_number_that_stays,
          web_concurrency_replaces_the_workers_of_the_first_launched_pool,
          port_replaces_the_port_of_the_first_listener, bind_follows_what_the_command_names,
          the_control_socket_is_where_the_user_may_write)
