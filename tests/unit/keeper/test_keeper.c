/* SPDX-License-Identifier: MIT */
#include "keeper/keeper.h"

#include "tests/unit/keeper/fake_engine.h"

START_TEST(it_starts_an_engine_and_workers_and_ends_them)
{
    struct bench *bench = bench_new("", SLEEPING);
    char line[512], *log;
    int slot;

    bench_start(bench);
    expect(bench, "engine ", line);
    ck_assert_str_eq(strrchr(line, ' '), " 1"); /* listeners */
    pid_t worker = start_worker(bench, "web", 1, &slot);
    int watched = watch_process(worker);
    tell(bench, "port 0");
    expect(bench, "port ", line);
    ck_assert_int_gt(atoi(line + 5), 0);
    ck_assert_int_eq(bench_stop(bench, &log), 0);
    expect(bench, "stop", NULL);
    expect(bench, "exited 0 1 15", NULL); /* by TERM */
    expect(bench, "stop now", NULL);
    await_end(watched);
    ck_assert_ptr_nonnull(strstr(log, "listening on 127.0.0.1:"));
    ck_assert_ptr_nonnull(strstr(log, "web.1: started, process "));
    mem_free(log);
    bench_free(bench);
}
END_TEST

START_TEST(an_exit_is_told_with_its_status_and_last_words)
{
    struct bench *bench = bench_new(
        "", "pools: {web: {command: [sh, -c, 'echo famous; echo last words >&2; exit 7'], bind: port}}");
    char line[512];
    int slot;

    bench_start(bench);
    expect_engine(bench);
    start_worker(bench, "web", 1, &slot);
    expect(bench, "exited ", line);
    ck_assert_str_eq(line, "exited 0 1 1792"); /* 7 << 8 */
    tell(bench, "output 0");
    expect(bench, "output ", line);
    ck_assert_str_eq(line, "output famous|last words|");
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(a_slot_has_one_process_at_a_time_and_each_a_generation)
{
    struct bench *bench = bench_new("", SLEEPING);
    char line[512];
    int slot;

    bench_start(bench);
    expect_engine(bench);
    start_worker(bench, "web", 1, &slot);
    tell(bench, "start web 1");
    expect(bench, "failed 0 16", NULL); /* EBUSY */
    tell(bench, "kill 0 9");            /* another generation: not meant */
    tell(bench, "stop 0 1");
    expect(bench, "exited 0 1 15", NULL);
    tell(bench, "start web 1");
    expect(bench, "started 0 2 ", line);
    tell(bench, "kill 0 2");
    expect(bench, "exited 0 2 9", NULL);
    tell(bench, "retire 0");
    do {
        tell(bench, "port 0");
        expect(bench, "port ", line);
    } while (strcmp(line, "port 0") != 0); /* until the keeper has done it */
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(orders_that_the_file_does_not_say_are_refused)
{
    static const char *const forged[] = {"forge 0 nowhere 1", "forge 0 web 2",         "forge -1 web 1",
                                         "forge 1023 web 1",  "forge 1024 web 1",      "forge 0 web 0",
                                         "forge 0 fixed 1",   "forge 0 web 4000000000"};
    struct bench *bench =
        bench_new("", "pools: {web: {command: sleep 1000, bind: port}, fixed: {servers: ['127.0.0.1:9']}}");
    char line[512], wanted[32];
    int slot;

    bench_start(bench);
    expect_engine(bench);
    start_worker(bench, "web", 1, &slot);
    tell(bench, "kill 0 1");
    expect(bench, "exited", NULL);
    for (size_t i = 0; i < sizeof forged / sizeof forged[0]; i++) {
        tell(bench, forged[i]);
        expect(bench, "failed ", line);
        (void)snprintf(wanted, sizeof wanted, "failed %d %d", atoi(forged[i] + 6), EINVAL);
        ck_assert_str_eq(line, wanted);
    }
    tell(bench, "kill 99999 1");
    tell(bench, "retire -5");
    tell(bench, "stop 7 1");
    tell(bench, "start web 1"); /* it lives on */
    expect(bench, "started 0 2 ", NULL);
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(signals_go_only_to_whom_the_file_says)
{
    struct bench *bench = bench_new("", "pools: {web: {command: [sh, -c, \"trap 'echo more' USR1; trap 'echo "
                                        "fewer' USR2; echo up; while :; do "
                                        "sleep 0.01; done\"], bind: port, signals: {up: USR1, down: USR2}}, "
                                        "plain: {command: sleep 1000, bind: port}}");
    char line[512] = "";
    int slot, other;

    bench_start(bench);
    expect_engine(bench);
    start_worker(bench, "web", 1, &slot);
    start_worker(bench, "plain", 1, &other);
    while (!strstr(line, "up")) {
        tell(bench, "output 0");
        expect(bench, "output ", line);
    }
    tell(bench, "more 0 7 web 1"); /* another process's */
    tell(bench, "more 0 1 plain 1");
    tell(bench, "more 1 1 plain 1"); /* which would end by it */
    tell(bench, "fewer 1 1 web 1");
    tell(bench, "more 5 1 web 1");
    tell(bench, "fewer 0 1 web 1");
    while (!strstr(line, "fewer")) {
        tell(bench, "output 0");
        expect(bench, "output ", line);
    }
    ck_assert_ptr_null(strstr(line, "more"));
    tell(bench, "more 0 1 web 1");
    while (!strstr(line, "more")) {
        tell(bench, "output 0");
        expect(bench, "output ", line);
    }
    tell(bench, "kill 1 1"); /* it lived until now */
    expect(bench, "exited", line);
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(a_command_that_went_away_is_told_and_the_rest_goes_on)
{
    struct bench *bench = bench_new(
        "", "pools: {web: {command: ./script, bind: port}, other: {command: sleep 1000, bind: fd}}");
    char *script = mem_print("%s/script", bench->directory), line[512], *log;
    int slot;

    FILE *file = fopen(script, "we");
    ck_assert_ptr_nonnull(file);
    fputs("#!/bin/sh\nexec sleep 1000\n", file);
    fclose(file);
    ck_assert_int_eq(chmod(script, 0755), 0);
    bench_start(bench);
    expect_engine(bench);
    ck_assert_int_eq(unlink(script), 0);
    tell(bench, "start web 1");
    expect(bench, "failed 0 2", NULL);
    tell(bench, "output 0");
    expect(bench, "output ", line);
    ck_assert_str_eq(line, "output cannot start: command ./script: No such file or directory|");
    start_worker(bench, "other", 1, &slot);
    ck_assert_int_eq(bench_stop(bench, &log), 0);
    ck_assert_ptr_nonnull(strstr(log, "web.1: cannot start: command ./script: No such file or directory"));
    mem_free(log);
    mem_free(script);
    bench_free(bench);
}
END_TEST

START_TEST(what_a_worker_leaves_in_its_group_ends_with_it)
{
    struct bench *bench =
        bench_new("", "pools: {web: {command: [sh, -c, 'sleep 1000 & echo child $$!; wait'], bind: port}}");
    char line[512];
    int slot, child = 0;

    bench_start(bench);
    expect_engine(bench);
    pid_t worker = start_worker(bench, "web", 1, &slot);
    while (child == 0) { /* its output comes when it comes */
        tell(bench, "output 0");
        expect(bench, "output ", line);
        if (sscanf(line, "output child %d", &child) != 1)
            poll(NULL, 0, 10);
    }
    int watched = watch_process(child);
    ck_assert_int_eq(kill(worker, SIGKILL), 0);
    expect(bench, "exited 0 1 9", NULL);
    await_end(watched);
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(orphans_of_workers_are_reaped)
{
    /* The grandchild leaves the group, so that it outlives its parent for a moment and comes to the keeper.
     */
    struct bench *bench = bench_new("", "pools: {web: {command: [sh, -c, 'setsid sh -c \"sleep 0.2; exit 3\" "
                                        "& echo child $$!'], bind: port}}");
    char line[512];
    int slot, child = 0;

    bench_start(bench);
    expect_engine(bench);
    start_worker(bench, "web", 1, &slot);
    expect(bench, "exited 0 1 0", NULL);
    tell(bench, "output 0");
    expect(bench, "output ", line);
    ck_assert_int_eq(sscanf(line, "output child %d", &child), 1);
    int fd = pidfd_open(child, 0);
    if (fd >= 0)
        await_end(fd);
    for (unsigned i = 0; kill(child, 0) == 0; i++) { /* a zombie would stay */
        ck_assert_uint_lt(i, 500);
        poll(NULL, 0, 10);
    }
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(nothing_is_left_when_the_keeper_is_killed)
{
    struct bench *bench = bench_new("", SLEEPING);
    int slot, status;

    bench_start(bench);
    int engine = watch_process(expect_engine(bench));
    int worker = watch_process(start_worker(bench, "web", 1, &slot));
    ck_assert_int_eq(kill(bench->keeper, SIGKILL), 0);
    await_end(engine);
    await_end(worker);
    mem_free(read_to_end(bench->errors)); /* the guard has ended too */
    ck_assert_int_eq(waitpid(bench->keeper, &status, 0), bench->keeper);
    bench->keeper = 0;
    net_close(&bench->errors);
    ck_assert_int_eq(unlink(bench->control), 0);
    bench_free(bench);
}
END_TEST

START_TEST(a_guard_that_died_is_replaced_and_knows_everything)
{
    struct bench *bench =
        bench_new("", "pools: {web: {command: [sh, -c, 'sleep 1000 & echo child $$!; wait'], bind: port}}");
    char line[512], path[64], *children;
    int slot, child = 0, status, pid, found = 0;

    bench_start(bench);
    expect_engine(bench);
    start_worker(bench, "web", 1, &slot);
    while (child == 0) {
        tell(bench, "output 0");
        expect(bench, "output ", line);
        if (sscanf(line, "output child %d", &child) != 1)
            poll(NULL, 0, 10);
    }
    (void)snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)bench->keeper, (int)bench->keeper);
    for (unsigned round = 0; round < 2;
         round++) { /* the first guard is killed, the second one is only awaited */
        for (unsigned i = 0; i < 1000 && found == 0; i++) {
            int fd = open(path, O_RDONLY | O_CLOEXEC);
            children = read_to_end(fd);
            net_close(&fd);
            for (char *at = children; sscanf(at, "%d", &pid) == 1 && found == 0; at = strchr(at, ' ') + 1) {
                char name[64] = "", name_path[64];
                (void)snprintf(name_path, sizeof name_path, "/proc/%d/comm", pid);
                int named = open(name_path, O_RDONLY | O_CLOEXEC);
                if (named >= 0 && read(named, name, sizeof name - 1) > 0 &&
                    strcmp(name, "drover-guard\n") == 0)
                    found = pid;
                net_close(&named);
            }
            mem_free(children);
            if (found == 0)
                poll(NULL, 0, 10);
        }
        ck_assert_int_ne(found, 0);
        if (round == 0) {
            int guard = watch_process(found);
            ck_assert_int_eq(kill(found, SIGKILL), 0);
            await_end(guard);
            while (kill(found, 0) == 0) /* until it is reaped */
                poll(NULL, 0, 5);
            found = 0;
        }
    }
    int watched = watch_process(child); /* no leader: nobody but the guard ends it */
    ck_assert_int_eq(kill(bench->keeper, SIGKILL), 0);
    await_end(watched);
    mem_free(read_to_end(bench->errors));
    ck_assert_int_eq(waitpid(bench->keeper, &status, 0), bench->keeper);
    bench->keeper = 0;
    net_close(&bench->errors);
    ck_assert_int_eq(unlink(bench->control), 0);
    bench_free(bench);
}
END_TEST

START_TEST(a_second_drover_on_the_same_control_socket_is_refused)
{
    struct bench *bench = bench_new("", SLEEPING);
    struct bench second;
    char *log;

    bench_start(bench);
    expect_engine(bench);
    second = *bench;
    bench_start(&second);
    ck_assert_int_eq(bench_wait(&second, &log), 2);
    ck_assert_ptr_nonnull(strstr(log, "drover.yaml: control: cannot listen on "));
    ck_assert_ptr_nonnull(strstr(log, "another drover answers there"));
    mem_free(log);
    tell(bench, "places"); /* the first is as it was */
    expect(bench, "places 0", NULL);
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(a_port_in_use_ends_the_start_with_one_line)
{
    struct bench *bench = bench_new("", SLEEPING);
    struct address address;
    char *log, wanted[256];

    ck_assert(address_from_ip(&address, SLICE("127.0.0.1"), bench->port));
    int stranger = net_listen(&address, 0, 1);
    ck_assert_int_ge(stranger, 0);
    bench_start(bench);
    ck_assert_int_eq(bench_wait(bench, &log), 2);
    (void)snprintf(wanted, sizeof wanted,
                   "%s: listen[0]: cannot listen on 127.0.0.1:%u: address already in use (another drover?)\n",
                   bench->file, bench->port);
    ck_assert_str_eq(log, wanted);
    mem_free(log);
    net_close(&stranger);
    bench_free(bench);
}
END_TEST

START_TEST(logs_are_opened_anew_on_request)
{
    struct bench *bench = bench_new("", SLEEPING);
    char more[128];

    /* The first access_log is taken back by writing the file again. */
    FILE *file = fopen(bench->file, "we");
    ck_assert_ptr_nonnull(file);
    (void)snprintf(more, sizeof more, "%s/access.log", bench->directory);
    fprintf(file, "listen: ['127.0.0.1:%u']\ncontrol: %s\nadmin: off\naccess_log: %s\n%s\n", bench->port,
            bench->control, more, SLEEPING);
    fclose(file);
    bench_start(bench);
    expect_engine(bench);
    ck_assert_int_eq(unlink(more), 0);
    ck_assert_int_eq(kill(bench->keeper, SIGUSR1), 0);
    expect(bench, "reopen 1", NULL);
    ck_assert_int_eq(unlink(more), 0);
    ck_assert_int_eq(kill(bench->keeper, SIGUSR2), 0); /* no harm */
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(it_starts_with_its_standard_descriptors_closed)
{
    struct bench *bench = bench_new("", SLEEPING);
    int slot, status;

    bench->keeper = fork();
    if (bench->keeper == 0) {
        (void)close_range(0, 2, 0);
        bench_keeper_main(bench);
    }
    expect_engine(bench);
    start_worker(bench, "web", 1, &slot);
    ck_assert_int_eq(kill(bench->keeper, SIGTERM), 0);
    ck_assert_int_eq(waitpid(bench->keeper, &status, 0), bench->keeper);
    ck_assert_int_eq(status, 0);
    bench->keeper = 0;
    bench_free(bench);
}
END_TEST

UNIT_MAIN("keeper/keeper", it_starts_an_engine_and_workers_and_ends_them,
          an_exit_is_told_with_its_status_and_last_words,
          a_slot_has_one_process_at_a_time_and_each_a_generation,
          orders_that_the_file_does_not_say_are_refused, signals_go_only_to_whom_the_file_says,
          a_command_that_went_away_is_told_and_the_rest_goes_on,
          what_a_worker_leaves_in_its_group_ends_with_it, orphans_of_workers_are_reaped,
          nothing_is_left_when_the_keeper_is_killed, a_guard_that_died_is_replaced_and_knows_everything,
          a_second_drover_on_the_same_control_socket_is_refused, a_port_in_use_ends_the_start_with_one_line,
          logs_are_opened_anew_on_request, it_starts_with_its_standard_descriptors_closed)
