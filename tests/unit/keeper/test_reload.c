/* SPDX-License-Identifier: MIT */
#include "keeper/reload.h"

#include "tests/unit/certificates.h"
#include "tests/unit/keeper/fake_engine.h"

static bool listens(unsigned port)
{
    struct address address;

    ck_assert(address_from_ip(&address, SLICE("127.0.0.1"), port));
    int fd = net_connect(&address);
    ck_assert_int_ge(fd, 0);
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    ck_assert_int_eq(poll(&ready, 1, PATIENCE_MS), 1);
    bool connected = net_connect_result(fd) == 0;
    net_close(&fd);
    return connected;
}

static void hang_up(struct bench *bench)
{
    ck_assert_int_eq(kill(bench->keeper, SIGHUP), 0);
}

static void write_listens(struct bench *bench, unsigned one, unsigned two)
{
    FILE *file = fopen(bench->file, "we");

    ck_assert_ptr_nonnull(file);
    fprintf(file,
            "listen: ['127.0.0.1:%u', '127.0.0.1:%u']\ncontrol: %s\nadmin: off\naccess_log: off\nthreads: "
            "1\n%s\n",
            one, two, bench->control, SLEEPING);
    ck_assert_int_eq(fclose(file), 0);
}

START_TEST(a_good_file_is_validated_twice_and_adopted)
{
    struct bench *bench = bench_new("", SLEEPING);
    int slot;

    bench_start(bench);
    expect_engine(bench);
    pid_t worker = start_worker(bench, "web", 1, &slot);
    bench_write(bench, bench->port, "",
                "pools: {web: {command: sleep 1000, bind: port}, other: {command: sleep 999, bind: fd}}");
    hang_up(bench);
    expect(bench, "validate good", NULL);
    expect(bench, "listener 0 1", NULL);
    expect(bench, "adopt", NULL);
    expect(bench, "reopen 0", NULL);
    expect(bench, "reloaded 0 1", NULL);
    ck_assert_int_eq(kill(worker, 0), 0);
    start_worker(bench, "other", 1, &slot); /* the keeper knows the new pool */
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(a_wrong_file_changes_nothing_and_says_why)
{
    struct bench *bench = bench_new("", SLEEPING);
    char line[512], *log;
    int slot;

    bench_start(bench);
    expect_engine(bench);
    bench_write(bench, bench->port, "", "pools: {web: {command: sleep 1000, bind: port, workers: four}}");
    tell(bench, "reload 77");
    expect(bench, "validate bad", NULL);
    expect(bench, "reloaded 77 0", line);
    ck_assert_ptr_nonnull(strstr(line, "pools.web.workers: expected"));
    ck_assert_ptr_nonnull(strstr(line, "got 'four'"));
    start_worker(bench, "web", 1, &slot);
    ck_assert_int_eq(bench_stop(bench, &log), 0);
    ck_assert_ptr_nonnull(strstr(log, "got 'four'"));
    ck_assert_ptr_nonnull(strstr(log, "reload refused"));
    mem_free(log);
    bench_free(bench);
}
END_TEST

START_TEST(listeners_come_and_go)
{
    struct bench *bench = bench_new("", SLEEPING);
    unsigned second = free_port(), third = free_port();

    bench_start(bench);
    expect_engine(bench);
    ck_assert(listens(bench->port));
    write_listens(bench, bench->port, second);
    hang_up(bench);
    expect(bench, "listener 0 1", NULL);
    expect(bench, "listener 1 1", NULL);
    expect(bench, "reloaded 0 1", NULL);
    ck_assert(listens(bench->port));
    ck_assert(listens(second));
    write_listens(bench, third, second);
    hang_up(bench);
    expect(bench, "reloaded 0 1", NULL);
    ck_assert(listens(third));
    tell(bench,
         "crash"); /* the fake engine kept what it was forked with: its successor has what is in force */
    expect_engine(bench);
    ck_assert(!listens(bench->port));
    ck_assert(listens(second));
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(an_address_in_use_refuses_the_reload)
{
    struct bench *bench = bench_new("", SLEEPING);
    struct address address;
    char line[512];
    unsigned fresh = free_port();

    ck_assert(address_from_ip(&address, SLICE("127.0.0.1"), 0));
    int stranger = net_listen(&address, 0, 1);
    ck_assert_int_eq(net_local_address(stranger, &address), 0);
    bench_start(bench);
    expect_engine(bench);
    write_listens(bench, fresh, address_port(&address));
    tell(bench, "reload 5");
    expect(bench, "reloaded 5 0", line);
    ck_assert_ptr_nonnull(strstr(line, "listen[1]: cannot listen on 127.0.0.1:"));
    ck_assert(listens(bench->port));
    ck_assert(!listens(fresh));
    net_close(&stranger);
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(what_needs_a_restart_is_refused)
{
    struct bench *bench = bench_new("", SLEEPING);
    char line[512], *control = bench->control;

    bench_start(bench);
    expect_engine(bench);
    bench->control = "/tmp/another-control.sock";
    bench_write(bench, bench->port, "", SLEEPING);
    bench->control = control;
    tell(bench, "reload 5");
    expect(bench, "reloaded 5 0", line);
    ck_assert_ptr_nonnull(strstr(line, "control"));
    ck_assert_ptr_nonnull(strstr(line, "restart"));
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(a_file_that_went_away_refuses_the_reload)
{
    struct bench *bench = bench_new("", SLEEPING);
    char line[512];

    bench_start(bench);
    expect_engine(bench);
    ck_assert_int_eq(unlink(bench->file), 0);
    tell(bench, "reload 5");
    expect(bench, "reloaded 5 0", line);
    ck_assert_ptr_nonnull(strstr(line, "drover.yaml"));
    bench_write(bench, bench->port, "", SLEEPING);
    tell(bench, "reload 6");
    expect(bench, "reloaded 6 1", NULL);
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(an_engine_that_dies_in_the_middle_ends_that_reload_only)
{
    struct bench *bench = bench_new("", SLEEPING);
    char *log;

    bench_start(bench);
    expect_engine(bench);
    bench_write(bench, bench->port, "# die-while-reading", SLEEPING);
    hang_up(bench);
    expect(bench, "validate good", NULL);
    expect_engine(bench);
    bench_write(bench, bench->port, "", SLEEPING);
    tell(bench, "reload 9");
    expect(bench, "reloaded 9 1", NULL);
    ck_assert_int_eq(bench_stop(bench, &log), 0);
    ck_assert_ptr_nonnull(strstr(log, "the engine ended while it read the configuration"));
    mem_free(log);
    bench_free(bench);
}
END_TEST

START_TEST(many_requests_at_once_are_all_answered)
{
    struct bench *bench = bench_new("", SLEEPING);
    char words[32];

    bench_start(bench);
    expect_engine(bench);
    for (unsigned i = 1; i <= 5; i++) {
        (void)snprintf(words, sizeof words, "reload %u", i);
        tell(bench, words);
        hang_up(bench);
    }
    for (unsigned i = 1; i <= 5; i++) {
        (void)snprintf(words, sizeof words, "reloaded %u 1", i);
        expect(bench, words, NULL);
    }
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(a_slot_keeps_its_worker_and_the_next_one_has_the_new_command)
{
    struct bench *bench = bench_new("", SLEEPING);
    int slot;

    bench_start(bench);
    expect_engine(bench);
    start_worker(bench, "web", 1, &slot);
    bench_write(bench, bench->port, "",
                "pools: {web: {command: [sh, -c, exit 3], bind: port, stop: {signal: INT}}}");
    hang_up(bench);
    expect(bench, "reloaded 0 1", NULL);
    tell(bench, "stop 0 1");
    expect(bench, "exited 0 1 15", NULL); /* with the signal that it was started for */
    start_worker(bench, "web", 1, &slot);
    expect(bench, "exited 0 2 768", NULL);
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(certificates_are_handed_over_and_read_anew_when_they_change)
{
    struct made_pair one = pair_make("one", NULL, 30, NULL), other = pair_make("other", NULL, 30, NULL);
    char certificate[96], key[96], tls[256];

    str_format(certificate, sizeof certificate, "/tmp/drover-keeper-%d.pem", (int)getpid());
    str_format(key, sizeof key, "/tmp/drover-keeper-%d.key", (int)getpid());
    str_format(tls, sizeof tls, "{certificate: %s, key: %s}", certificate, key);
    file_write(certificate, one.certificate);
    file_write(key, one.key);
    fake_tls = tls;
    struct bench *bench = bench_new("", SLEEPING);
    bench_start(bench);
    expect_engine(bench);
    hang_up(bench);
    expect(bench, "files 1", NULL);
    expect(bench, "reloaded 0 1", NULL);
    file_write(key, other.key); /* half of a new pair */
    expect(bench, "reloaded 0 0", NULL);
    file_write(certificate, other.certificate);
    expect(bench, "files 1", NULL);
    expect(bench, "adopt", NULL);
    expect(bench, "reloaded 0 1", NULL);
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    bench_free(bench);
    ck_assert_int_eq(unlink(certificate), 0);
    ck_assert_int_eq(unlink(key), 0);
    pair_free(&one);
    pair_free(&other);
}
END_TEST

UNIT_MAIN("keeper/reload", a_good_file_is_validated_twice_and_adopted,
          a_wrong_file_changes_nothing_and_says_why, listeners_come_and_go,
          an_address_in_use_refuses_the_reload, what_needs_a_restart_is_refused,
          a_file_that_went_away_refuses_the_reload, an_engine_that_dies_in_the_middle_ends_that_reload_only,
          many_requests_at_once_are_all_answered,
          a_slot_keeps_its_worker_and_the_next_one_has_the_new_command,
          certificates_are_handed_over_and_read_anew_when_they_change)
