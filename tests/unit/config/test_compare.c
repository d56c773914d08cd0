/* SPDX-License-Identifier: MIT */
#include "tests/unit/config/fixture.h"

#define LAUNCHED(...) "pools: {a: {command: sh $SOCKET" __VA_ARGS__ "}}"

static bool same(const char *a, const char *b)
{
    struct config *first = load(a), *second = load(b);
    bool result = config_same_worker(&first->pools[0], &second->pools[0]);

    config_unref(&first);
    config_unref(&second);
    return result;
}

START_TEST(a_worker_is_another_when_what_it_runs_changes)
{
    quiet_environment();
    ck_assert(
        same(LAUNCHED(), LAUNCHED(", workers: 5, retries: 0, queue: {length: 1}, stop: {timeout: 1s}")));
    ck_assert(same(LAUNCHED(", environment: {A: 1, B: 2}"), LAUNCHED(", environment: {B: 2, A: 1}")));
    ck_assert(same("pools: {a: {command: sh $SOCKET}}", "pools: {a: {command: [sh, '${SOCKET}']}}"));
    ck_assert(!same(LAUNCHED(), "pools: {a: {command: sh -x $SOCKET}}"));
    ck_assert(!same(LAUNCHED(), LAUNCHED(", environment: {A: 1}")));
    ck_assert(!same(LAUNCHED(", environment: {A: 2}"), LAUNCHED(", environment: {A: 1}")));
    ck_assert(!same(LAUNCHED(), LAUNCHED(", directory: /tmp")));
    ck_assert(!same(LAUNCHED(), LAUNCHED(", user: root")));
    ck_assert(!same("pools: {a: {command: sh, bind: fd}}", "pools: {a: {command: sh, bind: unix}}"));
    ck_assert(!same("pools: {a: {command: sh $PORT}}", "pools: {a: {command: sh $PORT, port: 9000}}"));
    ck_assert(!same(LAUNCHED(), LAUNCHED(", signals: {up: TTIN, down: TTOU}")));
    ck_assert(!same(LAUNCHED(), "pools: {a: {servers: [x:1]}}"));
}
END_TEST

static char *fixed(const char *a, const char *b, unsigned errors)
{
    struct config *running = load(a), *next = load(b);
    struct config_report report = {0};

    config_compare_fixed(running, next, &report);
    ck_assert_uint_eq(report.errors, errors);
    char *text = mem_dup(report.text ? report.text : "");
    config_report_fini(&report);
    config_unref(&running);
    config_unref(&next);
    return text;
}

START_TEST(what_needs_a_restart_says_so)
{
    quiet_environment();
    char *text = fixed("control: /a/c\n" LAUNCHED(),
                       "user: root\nadmin: off\ncontrol: /a/d\nstatsd: 127.0.0.1:9125\n" LAUNCHED(), 4);
    ck_assert_str_eq(
        text,
        "t.yaml: user: expected 'none', with which drover runs, got 'root' (needs a restart)\n"
        "t.yaml: admin: expected '127.0.0.1:9900', with which drover runs, got 'off' (needs a restart)\n"
        "t.yaml: statsd: expected 'off', with which drover runs, got '127.0.0.1:9125' (needs a restart)\n"
        "t.yaml: control: expected '/a/c', with which drover runs, got '/a/d' (needs a restart)\n");
    mem_free(text);
    text = fixed("admin: localhost:9900\n" LAUNCHED(),
                 "threads: 2\nlisten: 127.0.0.1:80\n" LAUNCHED(", workers: 3"), 0);
    ck_assert_str_eq(text, "");
    mem_free(text);
}
END_TEST

UNIT_MAIN("config/compare", a_worker_is_another_when_what_it_runs_changes, what_needs_a_restart_says_so)
