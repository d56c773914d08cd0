/* SPDX-License-Identifier: MIT */
#include "keeper/engines.h"

#include "base/cpus.h"
#include "tests/unit/keeper/fake_engine.h"

START_TEST(an_engine_that_crashes_is_replaced_and_the_workers_live_on)
{
    struct bench *bench = bench_new("", SLEEPING);
    char line[512];
    int slot;

    bench_start(bench);
    pid_t first = expect_engine(bench);
    pid_t worker = start_worker(bench, "web", 1, &slot);
    tell(bench, "hold a place");
    uint64_t before = clock_precise_us();
    tell(bench, "crash");
    expect(bench, "engine ", line);
    int second = 0, is_replacement = 0;
    ck_assert_int_eq(sscanf(line, "engine %d %d", &second, &is_replacement), 2);
    ck_assert_int_ne(second, first);
    ck_assert_int_eq(is_replacement, 1);
    ck_assert_uint_lt(clock_precise_us() - before, 5000000); /* milliseconds where nothing else runs */
    tell(bench, "places");                                   /* what the dead one held is free */
    expect(bench, "places 0", NULL);
    tell(bench, "stop 0 1"); /* the second one orders the workers of the first */
    expect(bench, "exited 0 1 15", NULL);
    ck_assert_int_eq(kill(worker, 0), -1);
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(connections_that_come_while_there_is_no_engine_are_not_refused)
{
    struct bench *bench = bench_new("", SLEEPING);
    struct address address;

    ck_assert(address_from_ip(&address, SLICE("127.0.0.1"), bench->port));
    bench_start(bench);
    pid_t engine = expect_engine(bench);
    ck_assert_int_eq(kill(engine, SIGSEGV), 0);
    for (unsigned i = 0; i < 200; i++) {
        int fd = net_connect(&address);
        ck_assert_int_ge(fd, 0);
        struct pollfd ready = {.fd = fd, .events = POLLOUT};
        ck_assert_int_eq(poll(&ready, 1, PATIENCE_MS), 1);
        ck_assert_int_eq(net_connect_result(fd), 0);
        net_close(&fd);
    }
    expect_engine(bench);
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(an_engine_that_hangs_is_killed_and_replaced)
{
    struct bench *bench = bench_new("", SLEEPING);
    char *log;

    bench_start(bench);
    pid_t first = expect_engine(bench);
    tell(bench, "hang");
    struct pollfd ready = {.fd = bench->events, .events = POLLIN};
    (void)poll(&ready, 1, 20000); /* 10 s are given to it */
    ck_assert_int_ne(expect_engine(bench), first);
    ck_assert_int_eq(bench_stop(bench, &log), 0);
    ck_assert_ptr_nonnull(strstr(log, "gave no sign of life for 10 s"));
    mem_free(log);
    bench_free(bench);
}
END_TEST

START_TEST(engines_that_die_again_and_again_wait_longer_and_longer)
{
    struct bench *bench = bench_new("", SLEEPING);
    uint64_t spent_ms[7];

    bench_start(bench);
    expect_engine(bench);
    for (unsigned i = 0; i < 7; i++) {
        uint64_t before_ms = clock_ms();
        tell(bench, "crash");
        expect_engine(bench);
        spent_ms[i] = clock_ms() - before_ms;
    }
    ck_assert_uint_ge(spent_ms[6], 400); /* the fourth that waits: 800 ms times 0.5 to 1 */
    ck_assert_uint_ge(spent_ms[3], 50);
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

START_TEST(a_drover_whose_engine_never_comes_up_gives_up)
{
    struct bench *bench = bench_new("", SLEEPING);
    char *log;

    fake_crashes_at_start = true;
    bench_start(bench);
    ck_assert_int_eq(bench_wait(bench, &log), 1);
    ck_assert_ptr_nonnull(strstr(log, "exited with status 3: starting another"));
    ck_assert_ptr_nonnull(strstr(log, "no engine comes up: giving up"));
    mem_free(log);
    bench_free(bench);
}
END_TEST

/* The value of a field of /proc/PID/status. */
static void status_field(pid_t pid, const char *name, char value[128])
{
    char path[64], line[256];

    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    ck_assert_ptr_nonnull(file);
    value[0] = 0;
    while (fgets(line, sizeof line, file))
        if (strncmp(line, name, strlen(name)) == 0)
            (void)snprintf(value, 128, "%s", line + strlen(name) + 2);
    (void)fclose(file);
    value[strcspn(value, "\n")] = 0;
}

START_TEST(an_engine_has_the_rights_of_its_user_and_can_get_no_others)
{
    char value[128], events[128];

    if (geteuid() != 0)
        return; /* only root can give rights away */
    struct bench *bench = bench_new("user: nobody", SLEEPING);
    (void)snprintf(events, sizeof events, "%s/events", bench->directory);
    ck_assert_int_eq(chmod(bench->directory, 0711), 0); /* nobody may reach the fifo */
    ck_assert_int_eq(chmod(events, 0666), 0);
    char *own = mem_print("%s/control", bench->directory);
    mem_free(bench->control);
    ck_assert_int_eq(mkdir(own, 0700), 0);
    bench->control = mem_print("%s/control.sock", own);
    bench_write(bench, bench->port, "user: nobody", SLEEPING);
    bench_start(bench);
    pid_t engine = expect_engine(bench);
    status_field(engine, "Uid", value);
    ck_assert_msg(value[0] != '0' && value[0] != 0, "it runs as %s", value);
    status_field(engine, "NoNewPrivs", value);
    ck_assert_str_eq(value, "1");
    status_field(engine, "CapEff", value);
    ck_assert_str_eq(value, "0000000000000000");
    status_field(engine, "Groups", value);
    ck_assert_int_ne(value[0], '0');
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    ck_assert_int_eq(rmdir(own), 0);
    mem_free(own);
    bench_free(bench);
}
END_TEST

static unsigned count_of(const char *text, const char *part)
{
    unsigned count = 0;

    for (; (text = strstr(text, part)); text += strlen(part))
        count++;
    return count;
}

START_TEST(an_engine_has_no_descriptor_of_the_keepers_own)
{
    struct bench *bench = bench_new("", "pools: {web: {command: sleep 1000, bind: fd}}");
    char path[64], *text;
    int slot, ends[2];

    bench_start(bench);
    expect_engine(bench);
    start_worker(bench, "web", 1, &slot);
    tell(bench,
         "crash"); /* the next one is forked while there are pipes, a guard and a listener of a worker */
    pid_t engine = expect_engine(bench);
    ck_assert_int_eq(pipe(ends), 0);
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)engine);
    pid_t lister = fork();
    if (lister == 0) {
        (void)dup2(ends[1], STDOUT_FILENO);
        execlp("ls", "ls", "-l", path, (char *)NULL);
        _exit(127);
    }
    net_close(&ends[1]);
    text = read_to_end(ends[0]);
    net_close(&ends[0]);
    ck_assert_int_eq(waitpid(lister, NULL, 0), lister);
    ck_assert_msg(count_of(text, "pipe:[") == 1, "stderr is the only pipe:\n%s", text);
    /* The line to the keeper, the control socket, the listener's. */
    ck_assert_msg(count_of(text, "socket:[") == 2 + cpus_usable(), "%s", text);
    ck_assert_msg(count_of(text, "signalfd") == 0, "%s", text);
    mem_free(text);
    ck_assert_int_eq(bench_stop(bench, NULL), 0);
    bench_free(bench);
}
END_TEST

UNIT_MAIN("keeper/engines", an_engine_that_crashes_is_replaced_and_the_workers_live_on,
          connections_that_come_while_there_is_no_engine_are_not_refused,
          an_engine_that_hangs_is_killed_and_replaced,
          engines_that_die_again_and_again_wait_longer_and_longer,
          a_drover_whose_engine_never_comes_up_gives_up,
          an_engine_has_the_rights_of_its_user_and_can_get_no_others,
          an_engine_has_no_descriptor_of_the_keepers_own)
