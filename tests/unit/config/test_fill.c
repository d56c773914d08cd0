/* SPDX-License-Identifier: MIT
 *
 * What a good file becomes: every option in its field, and the presets. */
#include <arpa/inet.h>
#include <signal.h>
#include <unistd.h>

#include "tests/unit/config/fixture.h"

static void address_is(const struct address *address, const char *wanted)
{
    char text[ADDRESS_TEXT];

    address_print(address, text);
    ck_assert_str_eq(text, wanted);
}

START_TEST(presets_are_those_of_the_contract)
{
    quiet_environment();
    struct config *config = load("pools: {web: {servers: [api:8000]}}\n");
    const struct pool_config *pool = &config->pools[0];
    const struct timeouts_config *t = &config->timeouts;

    ck_assert_uint_eq(config->listen_count, 1);
    address_is(&config->listens[0].address, "0.0.0.0:8000");
    ck_assert(config->admin_is_on);
    address_is(&config->admin, "127.0.0.1:9900");
    ck_assert_str_eq(config->access_log, "stdout");
    ck_assert(config->log_format == LOG_FORMAT_TEXT && config->via && !config->keep_underscores);
    ck_assert_ptr_null(config->user);
    ck_assert_uint_eq(config->trusted_count, 0);
    ck_assert_uint_ge(config->threads, 1);
    ck_assert(t->header == 10000 && t->body == 30000 && t->keep_alive == 75000 && t->send == 30000 &&
              t->connect == 2000 && t->response == 60000 && t->stall == 60000 && t->tunnel == 3600000 &&
              t->drain == 30000 && t->drain_tunnel == 300000 && t->shutdown == 25000);
    ck_assert(config->limits.header == 32768 && config->limits.headers == 100 &&
              config->limits.body == 10485760 && config->limits.connections == 16384);
    ck_assert(pool->concurrency == 0 && pool->queue_length == 1024 && pool->queue_timeout == 10000 &&
              pool->queue_target == 250);
    ck_assert(pool->target_concurrency == 10 && pool->target_tunnels == 100 &&
              pool->balance == BALANCE_LEAST_CONN);
    ck_assert(pool->max_fails == 3 && pool->fail_timeout == 10000 && pool->slow_start == 0 &&
              pool->retries == 2);
    ck_assert_ptr_null(pool->probe_path);
    ck_assert(pool->probe_interval == 5000 && pool->probe_timeout == 2000 && pool->probe_rise == 2 &&
              pool->probe_fall == 3);
    ck_assert(pool->buffering == BUFFERING_AUTO && pool->response_max == 1u << 30);
    ck_assert(pool->protocol == PROTOCOL_H1);
    ck_assert(!pool->is_launched && pool->server_count == 1);
    ck_assert_uint_eq(config->route_count, 1);
    ck_assert_str_eq(config->routes[0].path, "/");
    ck_assert_uint_eq(config->routes[0].pool, 0);
    config_unref(&config);
}
END_TEST

START_TEST(presets_of_launched_pools)
{
    quiet_environment();
    struct config *config = load(POOL_A);
    const struct pool_config *pool = &config->pools[0];

    ck_assert(pool->is_launched && pool->workers == 1 && pool->first_port == 0 && pool->bind == BIND_UNIX);
    ck_assert(pool->start_timeout == 60000 && pool->start_backoff == 500 && pool->start_backoff_max == 30000);
    ck_assert(pool->stop_signal == SIGTERM && pool->stop_timeout == 30000);
    ck_assert_str_eq(pool->directory, config->directory);
    ck_assert_ptr_null(pool->user);
    config_unref(&config);
}
END_TEST

START_TEST(the_top_of_the_file_is_read)
{
    quiet_environment();
    struct config *config =
        load("threads: 3\nuser: root\nlisten:\n  - 127.0.0.1:8000\n  - address: '[::1]:8001'\n"
             "    expose: [/health/worker, /health/live]\n  - unix:run/a.sock\n  - 8002\n  - ':8003'\n"
             "  - localhost:8004\n"
             "trusted_proxies: [10.0.0.0/8, 'fd00::/8', 'unix:']\nadmin: off\ncontrol: run/c.sock\n"
             "access_log: access.log\nlog_format: json\nvia: no\nunderscores: pass\n"
             "timeouts: {header: 1, send: 0, drain_tunnel: 1m30s}\nlimits: {header: 64k, body: 2g}\n" POOL_A);

    ck_assert_uint_eq(config->threads, 3);
    ck_assert_str_eq(config->user, "root");
    ck_assert_uint_eq(config->listen_count, 6);
    address_is(&config->listens[1].address, "[::1]:8001");
    ck_assert_uint_eq(config->listens[1].expose_count, 2);
    ck_assert_str_eq(config->listens[1].expose[1], "/health/live");
    ck_assert_str_eq(config->listens[2].text, "unix:run/a.sock");
    char *path = mem_print("unix:%s/run/a.sock", config->directory);
    address_is(&config->listens[2].address, path);
    mem_free(path);
    address_is(&config->listens[3].address, "0.0.0.0:8002");
    address_is(&config->listens[4].address, "0.0.0.0:8003");
    address_is(&config->listens[5].address, "127.0.0.1:8004");
    ck_assert_uint_eq(config->trusted_count, 3);
    ck_assert_uint_eq(config->trusted[0].bits, 8);
    ck_assert(!config->admin_is_on && config->log_format == LOG_FORMAT_JSON && !config->via &&
              config->keep_underscores);
    ck_assert_str_eq(config->control + strlen(config->directory), "/run/c.sock");
    ck_assert_str_eq(config->access_log + strlen(config->directory), "/access.log");
    ck_assert(config->timeouts.header == 1000 && config->timeouts.send == 0 &&
              config->timeouts.drain_tunnel == 90000);
    ck_assert(config->timeouts.body == 30000);
    ck_assert(config->limits.header == 65536 && config->limits.body == 2147483648u &&
              config->limits.headers == 100);
    config_unref(&config);
}
END_TEST

START_TEST(a_pool_is_read)
{
    quiet_environment();
    setenv("LEVEL", "in$fo", 1);
    struct config *config = load(
        "pools:\n  web:\n    command: sh app:app --port $PORT\n    directory: /tmp\n"
        "    environment: {Z: 1, LOG: \"${LEVEL}\", ADDR: \"127.0.0.1:$PORT\", EMPTY: \"\"}\n    user: root\n"
        "    bind: port\n    port: 9000\n    workers: 4\n    concurrency: 8\n    queue: {length: 0, timeout: "
        "1s, target: 50ms}\n"
        "    target: {tunnels: 50}\n    balance: hash\n    key: cookie:sid\n    max_fails: 0\n    "
        "fail_timeout: 5s\n"
        "    slow_start: 30s\n    retries: 0\n    probe: {path: /healthz, interval: 1s, timeout: 500ms, "
        "rise: 1, fall: 5}\n"
        "    start: {timeout: 5s, backoff: 100ms, backoff_max: 1s}\n    stop: {signal: SIGQUIT, timeout: "
        "5s}\n"
        "    buffering: off\n    protocol: h2\n");
    const struct pool_config *pool = config_find_pool(config, "web");

    ck_assert_uint_eq(pool->argument_count, 4);
    ck_assert_str_eq(pool->command[3], "${PORT}");
    ck_assert_str_eq(pool->directory, "/tmp");
    ck_assert_uint_eq(pool->environment_count, 4);
    ck_assert_str_eq(pool->environment[0], "ADDR=127.0.0.1:${PORT}");
    ck_assert_str_eq(pool->environment[1], "EMPTY=");
    ck_assert_str_eq(pool->environment[2], "LOG=in$$fo");
    ck_assert_str_eq(pool->environment[3], "Z=1");
    ck_assert_str_eq(pool->user, "root");
    ck_assert(pool->bind == BIND_PORT && pool->first_port == 9000 && pool->workers == 4);
    ck_assert(pool->concurrency == 8 && pool->target_concurrency == 8 && pool->target_tunnels == 50);
    ck_assert(pool->queue_length == 0 && pool->queue_timeout == 1000 && pool->queue_target == 50);
    ck_assert(pool->balance == BALANCE_HASH && pool->hash_key == HASH_COOKIE);
    ck_assert_str_eq(pool->hash_name, "sid");
    ck_assert(pool->max_fails == 0 && pool->fail_timeout == 5000 && pool->slow_start == 30000 &&
              pool->retries == 0);
    ck_assert_str_eq(pool->probe_path, "/healthz");
    ck_assert(pool->probe_interval == 1000 && pool->probe_timeout == 500 && pool->probe_rise == 1 &&
              pool->probe_fall == 5);
    ck_assert(pool->start_timeout == 5000 && pool->start_backoff == 100 && pool->start_backoff_max == 1000);
    ck_assert(pool->stop_signal == SIGQUIT && pool->stop_timeout == 5000 && pool->buffering == BUFFERING_OFF);
    ck_assert(pool->protocol == PROTOCOL_H2);
    ck_assert_ptr_null(config_find_pool(config, "nope"));
    config_unref(&config);
}
END_TEST

START_TEST(servers_have_hosts_ports_paths_and_weights)
{
    quiet_environment();
    struct config *config = load(
        "pools: {a: {servers: [api:8000, \"10.0.0.6:8000   weight=2\", '[::1]:81', unix:/run/x, unix:y]}}");
    const struct server_config *servers = config->pools[0].servers;

    ck_assert_str_eq(servers[0].host, "api");
    ck_assert(servers[0].port == 8000 && servers[0].weight == 1);
    ck_assert_str_eq(servers[1].text, "10.0.0.6:8000");
    ck_assert_uint_eq(servers[1].weight, 2);
    ck_assert_str_eq(servers[2].host, "::1");
    ck_assert_uint_eq(servers[2].port, 81);
    ck_assert_ptr_null(servers[3].host);
    ck_assert_str_eq(servers[3].unix_path, "/run/x");
    ck_assert_str_eq(servers[4].unix_path + strlen(config->directory), "/y");
    config_unref(&config);
}
END_TEST

START_TEST(routes_are_in_the_order_of_the_file)
{
    quiet_environment();
    struct config *config = load("routes:\n  - {host: API.example.org., path: /ws/, pool: b}\n  - {host: "
                                 "'*.x.org', pool: a, buffering: on}\n"
                                 "  - {pool: a}\npools: {a: {servers: [x:1]}, b: {servers: [y:1]}}\n");

    ck_assert_uint_eq(config->route_count, 3);
    ck_assert_str_eq(config->routes[0].host, "api.example.org");
    ck_assert_str_eq(config->routes[0].path, "/ws");
    ck_assert_uint_eq(config->routes[0].pool, 1);
    ck_assert(config->routes[0].buffering == BUFFERING_INHERIT &&
              config->routes[1].buffering == BUFFERING_ON);
    ck_assert_str_eq(config->routes[0].where, "t.yaml:2:5");
    ck_assert_str_eq(config->routes[1].host, "*.x.org");
    ck_assert_str_eq(config->routes[2].path, "/");
    ck_assert_ptr_null(config->routes[2].host);
    config_unref(&config);
}
END_TEST

START_TEST(sections_may_stand_empty_and_pools_may_share_what_they_have)
{
    quiet_environment();
    struct config *config =
        load("timeouts:\nroutes:\npools:\n  a: &a\n    command: [sh, $SOCKET]\n    environment:\n    queue:\n"
             "    buffering: {mode: on, response_max: 2m}\n  b: {<<: *a, workers: 2}\n");

    ck_assert_uint_eq(config->timeouts.header, 10000);
    ck_assert_uint_eq(config->pools[0].queue_length, 1024);
    ck_assert_uint_eq(config->pools[1].workers, 2);
    ck_assert_str_eq(config->pools[1].command[1], "${SOCKET}");
    ck_assert(config->pools[1].buffering == BUFFERING_ON && config->pools[1].response_max == 2097152);
    config_unref(&config);
}
END_TEST

UNIT_MAIN("config/fill", presets_are_those_of_the_contract, presets_of_launched_pools,
          the_top_of_the_file_is_read, a_pool_is_read, servers_have_hosts_ports_paths_and_weights,
          routes_are_in_the_order_of_the_file, sections_may_stand_empty_and_pools_may_share_what_they_have)
