/* SPDX-License-Identifier: MIT */
#include "tests/unit/config/fixture.h"

static char *printed(const struct config *config)
{
    struct config_report report = {0};

    config_print(config, &report);
    ck_assert_uint_eq(report.errors, 0);
    char *text = mem_dup(report.text);
    config_report_fini(&report);
    return text;
}

START_TEST(what_is_printed_loads_as_the_same)
{
    const char *const files[] = {
        POOL_A,
        POOL("workers: auto, environment: {A: 'x $$y: $WORKER', B: \"\\n\\\"\", C: ''}, stop: {signal: INT}, "
             "probe: {path: '/h?a=$$b'}"),
        "threads: 2\nuser: root\nlisten: [{address: 127.0.0.1:1, expose: [/health/live]}, unix:a b, "
        "'[::1]:2']\n"
        "trusted_proxies: [10.0.0.0/8, '::1', 'unix:']\nadmin: off\ncontrol: a#b\naccess_log: "
        "off\nlog_format: json\nvia: off\n"
        "underscores: pass\ntimeouts: {header: 1.5, tunnel: 90m}\nlimits: {body: 0}\n"
        "routes: [{host: a.org, path: /x, pool: b, buffering: off}, {pool: a}]\n"
        "pools:\n  a: {command: [sh, '$$PORT', '${PORT}', 'a \"b', ''], workers: 2, port: 9100}\n"
        "  b: {servers: ['x:1 weight=5', '[::1]:3', unix:/a/b], balance: hash, key: header:X, buffering: "
        "{mode: on, response_max: 1k}, affinity: {cookie: w, same_site: none}}\n",
        POOL("tunnels: {rebalance: 2.5%}"),
        "pools: {a: {command: sh --fd 3, concurrency: 8}, off: {command: sh $PORT, user: root}}\n",
        "pools: {jobs: {kind: background, command: sh x, workers: 3, after: [clock, cake], start: {settle: "
        "0}}, clock: {kind: "
        "background, command: sh}, cake: {kind: background, command: sh, after: clock}}\n",
        "listen: []\npools: {web: {command: sh $PORT}, jobs: {kind: background, command: sh, after: web}}\n"};

    quiet_environment();
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct config *config = load(files[i]);
        char *text = printed(config);
        struct config *again = load(text);
        char *text_again = printed(again);
        ck_assert_str_eq(text, text_again);
        for (unsigned j = 0; j < config->pool_count; j++)
            ck_assert(config_same_worker(&config->pools[j], &again->pools[j]));
        ck_assert_uint_eq(config->listen_count, again->listen_count);
        ck_assert_uint_eq(config->route_count, again->route_count);
        config_unref(&config);
        config_unref(&again);
        mem_free(text);
        mem_free(text_again);
    }
}
END_TEST

START_TEST(every_option_is_shown_as_it_was_decided)
{
    quiet_environment();
    struct config *config =
        load("listen: 81\ncontrol: /a/c\nthreads: 1\npools:\n  web: {servers: [api:80]}\n");
    char *text = printed(config);

    ck_assert_str_eq(
        text,
        "threads: 1\nlisten:\n  - address: 0.0.0.0:81\n    proxy_protocol: off\n    http2: on\n    "
        "websocket_over_http2: on\ntrusted_proxies: []\nadmin: "
        "127.0.0.1:9900\n"
        "control: /a/c\nstatsd: off\naccess_log: stdout\nlog_format: text\nvia: on\nunderscores: drop\n"
        "timeouts:\n  header: 10s\n  body: 30s\n  keep_alive: 75s\n  send: 30s\n  connect: 2s\n"
        "  response: 1m\n  stall: 1m\n  tunnel: 1h\n  drain: 30s\n  drain_tunnel: 5m\n  shutdown: 25s\n"
        "limits:\n  header: 32k\n  headers: 100\n  body: 10m\n  connections: 16384\n  connections_per_ip: 0\n"
        "  streams: 100\n"
        "routes:\n  - path: /\n    pool: web\n"
        "pools:\n  web:\n    kind: proxied\n    servers: [\"api:80 weight=1\"]\n    protocol: h1\n    "
        "concurrency: 0\n"
        "    queue:\n      length: 1024\n      timeout: 10s\n      target: 250ms\n"
        "    target:\n      concurrency: 10\n      tunnels: 100\n    balance: least_conn\n    affinity: off\n"
        "    max_fails: 3\n    fail_timeout: 10s\n    slow_start: 0s\n    retries: 2\n"
        "    probe:\n      interval: 5s\n      timeout: 2s\n      rise: 2\n      fall: 3\n"
        "    buffering:\n      mode: auto\n      response_max: 1g\n");
    mem_free(text);
    config_unref(&config);
}
END_TEST

UNIT_MAIN("config/print", what_is_printed_loads_as_the_same, every_option_is_shown_as_it_was_decided)
