/* SPDX-License-Identifier: MIT
 *
 * A real keeper in a process of its own, with an engine that does what a test says: the test writes words to
 * the control socket, the engine does them and tells all that it hears on a fifo, a line each. Also without
 * tests: whatever the engine hears is a line. */
#ifndef DROVER_TESTS_KEEPER_FAKE_ENGINE_H
#define DROVER_TESTS_KEEPER_FAKE_ENGINE_H

#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/net.h"
#include "keeper/keeper.h"
#include "tests/unit/keeper/fixture.h"

static char fake_directory[64];    /* set before the keeper is forked */
static bool fake_crashes_at_start; /* every engine does */
static const char *fake_tls;       /* NULL: the listener is plain; else its `tls:` */

/* In the engine. */

static struct {
    const struct engine_start *start;
    struct config *candidate;
    bool drains;
    int events;
} fake;

__attribute__((format(printf, 1, 2))) static void fake_say(const char *format, ...)
{
    char line[512];
    va_list arguments;

    va_start(arguments, format);
    int size = vsnprintf(line, sizeof line - 1, format, arguments);
    va_end(arguments);
    if (size > (int)sizeof line - 2)
        size = sizeof line - 2;
    for (int i = 0; i < size; i++)
        if (line[i] == '\n')
            line[i] = '|';
    line[size++] = '\n';
    if (write(fake.events, line, (size_t)size) != size)
        _exit(9);
}

static void fake_order(struct order order, const int *fds, unsigned count)
{
    if (!order_send(fake.start->orders, &order, fds, count))
        _exit(8);
}

static void fake_validate(int fd)
{
    struct config_report report = {0};
    uint64_t size = 0;
    char *bytes = order_memfd_read(fd, &size);

    config_unref(&fake.candidate);
    fake.candidate = bytes ? config_load_unread(fake.start->config->path, bytes, size, &report) : NULL;
    fake_say("validate %s", fake.candidate ? "good" : "bad");
    if (bytes && strstr(bytes, "die-while-reading"))
        raise(SIGKILL);
    int text = report.text ? order_memfd(report.text, strlen(report.text)) : -1;
    fake_order((struct order){.kind = ORDER_VALIDATED, .accepted = fake.candidate != NULL}, &text, text >= 0);
    net_close(&text);
    config_report_fini(&report);
    mem_free(bytes);
}

static void fake_hear(const struct order *news, const int *fds, unsigned count)
{
    uint64_t size = 0;
    char *text = NULL;

    switch (news->kind) {
    case NEWS_STARTED: fake_say("started %d %u %d", news->slot, news->generation, news->pid); break;
    case NEWS_START_FAILED: fake_say("failed %d %d", news->slot, news->error); break;
    case NEWS_EXITED: fake_say("exited %d %u %d", news->slot, news->generation, news->status); break;
    case NEWS_VALIDATE: fake_validate(fds[0]); break;
    case NEWS_FILES:
        text = order_memfd_read(fds[0], &size);
        fake_say("files %d", fake.candidate && config_unpack_files(fake.candidate, text, size));
        mem_free(text);
        break;
    case NEWS_LISTENER: fake_say("listener %u %d", news->index, count > 0); break;
    case NEWS_ADOPT: fake_say("adopt"); break;
    case NEWS_RELOADED:
        text = count > 0 ? order_memfd_read(fds[0], &size) : NULL;
        fake_say("reloaded %llu %u %s", (unsigned long long)news->reference, news->accepted,
                 text ? text : "");
        mem_free(text);
        break;
    case NEWS_STOP:
        fake_say("stop");
        if (fake.drains)
            fake_order((struct order){.kind = ORDER_DRAINED}, NULL, 0);
        break;
    case NEWS_STOP_NOW: fake_say("stop now"); break;
    case NEWS_REOPEN: fake_say("reopen %u", count); break;
    default: fake_say("strange %u", news->kind); break;
    }
}

static void fake_obey(const char *words)
{
    struct order order = {.slot = -1};
    char pool[64] = "";
    unsigned number = 0;
    int slot = -1;

    if (sscanf(words, "start %63s %u", pool, &number) == 2) {
        order.kind = ORDER_START;
        order.slot = slots_claim(fake.start->slots, pool, number, true);
    } else if (sscanf(words, "forge %d %63s %u", &slot, pool, &number) == 3) {
        order.kind = ORDER_START;
        order.slot = slot;
    } else if (sscanf(words, "stop %d %u", &order.slot, &order.generation) == 2) {
        order.kind = ORDER_STOP;
    } else if (sscanf(words, "kill %d %u", &order.slot, &order.generation) == 2) {
        order.kind = ORDER_KILL;
    } else if (sscanf(words, "more %d %u %63s %u", &order.slot, &order.generation, pool, &number) == 4) {
        order.kind = ORDER_MORE;
    } else if (sscanf(words, "fewer %d %u %63s %u", &order.slot, &order.generation, pool, &number) == 4) {
        order.kind = ORDER_FEWER;
    } else if (sscanf(words, "retire %d", &order.slot) == 1) {
        order.kind = ORDER_RETIRE;
    } else if (sscanf(words, "reload %u", &number) == 1) {
        order.kind = ORDER_RELOAD;
        order.reference = number;
    } else if (strcmp(words, "shutdown") == 0) {
        order.kind = ORDER_SHUTDOWN;
    } else if (strcmp(words, "keep busy") == 0) {
        fake.drains = false;
    } else if (strcmp(words, "drained") == 0) {
        order.kind = ORDER_DRAINED;
    } else if (strcmp(words, "crash") == 0) {
        raise(SIGKILL);
    } else if (strcmp(words, "hang") == 0) {
        for (;;)
            pause();
    } else if (sscanf(words, "port %d", &slot) == 1) {
        fake_say("port %u", atomic_load(&fake.start->slots->slot[slot].port));
    } else if (sscanf(words, "output %d", &slot) == 1) {
        struct slot *shown = &fake.start->slots->slot[slot];
        fake_say("output %.*s", (int)atomic_load(&shown->output_size), shown->output);
    } else if (strcmp(words, "hold a place") == 0) {
        atomic_store(&fake.start->slots->counts[0], 1ull << (fake.start->column * 32));
    } else if (strcmp(words, "places") == 0) {
        fake_say("places %u", counts_requests(atomic_load(&fake.start->slots->counts[0])));
    }
    order.number = number;
    memcpy(order.pool, pool, sizeof order.pool);
    if (order.kind != 0)
        fake_order(order, NULL, 0);
    fake_say("did %s", words);
}

static void fake_take_words(void)
{
    char words[128] = "";
    int fd = net_accept(fake.start->control, NULL);

    if (fd < 0)
        return;
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    ssize_t size = poll(&ready, 1, 1000) == 1 ? net_read(fd, words, sizeof words - 1) : 0;
    net_close(&fd);
    if (size > 0)
        fake_obey(words);
}

/* False when the engine is to end. */
static bool fake_take_news(void)
{
    int fds[ORDER_FDS_MAX], result;
    struct order news;
    unsigned count;

    while ((result = order_receive(fake.start->orders, &news, fds, &count)) == 1) {
        fake_hear(&news, fds, count);
        for (unsigned i = 0; i < count; i++)
            net_close(&fds[i]);
        if (news.kind == NEWS_STOP_NOW)
            return false;
    }
    return result == 0;
}

static int fake_engine_run(const struct engine_start *start)
{
    struct engine_column *column = &start->slots->engines[start->column];
    char path[128];

    if (fake_crashes_at_start)
        return 3;
    (void)snprintf(path, sizeof path, "%s/events", fake_directory);
    fake.start = start;
    fake.drains = true;
    fake.events = open(path, O_WRONLY | O_CLOEXEC);
    atomic_store(&column->loops, 1);
    fake_say("engine %d %d %u", (int)getpid(), start->is_replacement, start->listener_count);
    fake_order((struct order){.kind = ORDER_SERVING}, NULL, 0);
    for (;;) {
        struct pollfd ready[] = {{.fd = start->orders, .events = POLLIN},
                                 {.fd = start->control, .events = POLLIN}};
        atomic_store(&column->beats[0], clock_ms());
        if (poll(ready, 2, 100) < 0 && errno != EINTR)
            return 7;
        if (ready[0].revents && !fake_take_news())
            break;
        if (ready[1].revents)
            fake_take_words();
    }
    config_unref(&fake.candidate);
    return 0;
}

/* In the test. */

struct bench {
    char *directory, *control, *file;
    unsigned port; /* of listen[0] */
    int events;
    int errors; /* what the keeper says on stderr */
    pid_t keeper;
};

static unsigned free_port(void)
{
    struct address address;

    ck_assert(address_from_ip(&address, SLICE("127.0.0.1"), 0));
    int fd = net_listen(&address, 0, 1);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(net_local_address(fd, &address), 0);
    net_close(&fd);
    return address_port(&address);
}

/* `pools` is YAML from "pools:" on, `more` further lines at the top level. */
static void bench_write(struct bench *bench, unsigned port, const char *more, const char *pools)
{
    FILE *file = fopen(bench->file, "we");

    ck_assert_ptr_nonnull(file);
    fprintf(file, "listen: [{address: '127.0.0.1:%u'%s%s}]\n", port, fake_tls ? ", tls: " : "",
            fake_tls ? fake_tls : "");
    fprintf(file, "control: %s\nadmin: off\naccess_log: off\nthreads: 1\n%s\n%s\n", bench->control, more,
            pools);
    ck_assert_int_eq(fclose(file), 0);
}

static struct bench *bench_new(const char *more, const char *pools)
{
    struct bench *bench = mem_zero(sizeof *bench);
    char path[128];

    (void)signal(SIGPIPE, SIG_IGN);
    bench->directory = directory_new();
    bench->control = mem_print("%s/control.sock", bench->directory);
    bench->file = mem_print("%s/drover.yaml", bench->directory);
    bench->port = free_port();
    (void)snprintf(fake_directory, sizeof fake_directory, "%s", bench->directory);
    (void)snprintf(path, sizeof path, "%s/events", bench->directory);
    ck_assert_int_eq(mkfifo(path, 0666), 0);
    bench->events = open(path, O_RDWR | O_CLOEXEC);
    ck_assert_int_ge(bench->events, 0);
    bench_write(bench, bench->port, more, pools);
    return bench;
}

_Noreturn static void bench_keeper_main(const struct bench *bench)
{
    struct config_report report = {0};
    struct keeper_options options = {.engine_run = fake_engine_run};
    char *found = NULL, *bytes = NULL;
    int status = 99;

    if (config_find(bench->file, &found, &bytes, &options.size, &report)) {
        options.path = found;
        options.bytes = bytes;
        options.config = config_load(found, bytes, options.size, &report);
    }
    if (options.config)
        status = keeper_run(&options);
    else if (report.text)
        fputs(report.text, stderr);
    config_unref(&options.config);
    config_report_fini(&report);
    mem_free(found);
    mem_free(bytes);
    exit(status);
}

static void bench_start(struct bench *bench)
{
    int ends[2];

    ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
    bench->keeper = fork();
    if (bench->keeper == 0) {
        int nothing = open("/dev/null", O_RDWR);
        (void)dup2(nothing, STDOUT_FILENO);
        (void)dup2(ends[1], STDERR_FILENO);
        net_close(&nothing);
        bench_keeper_main(bench);
    }
    net_close(&ends[1]);
    bench->errors = ends[0];
}

/* The next line of an engine that begins so. */
static void expect(struct bench *bench, const char *begin, char line[512])
{
    char own[512], *into = line ? line : own;

    do {
        read_line(bench->events, into, 512);
    } while (strncmp(into, begin, strlen(begin)) != 0);
}

static void tell(struct bench *bench, const char *words)
{
    struct address address = {.size = sizeof address.local, .local = {.sun_family = AF_UNIX}};

    memcpy(address.local.sun_path, bench->control, strlen(bench->control) + 1);
    int fd = net_connect(&address);
    ck_assert_msg(fd >= 0, "no engine takes words: %s", strerror(-fd));
    ck_assert_int_eq(net_write(fd, words, strlen(words)), (int)strlen(words));
    net_close(&fd);
}

/* The keeper's exit status; its log was `*log` (the caller frees) or is thrown away. */
static int bench_wait(struct bench *bench, char **log)
{
    char *text = read_to_end(bench->errors);
    int status;

    net_close(&bench->errors);
    ck_assert_int_eq(waitpid(bench->keeper, &status, 0), bench->keeper);
    bench->keeper = 0;
    ck_assert_msg(WIFEXITED(status), "the keeper was killed by %d:\n%s", WTERMSIG(status), text);
    if (getenv("KEEPER_LOG"))
        fputs(text, stderr);
    if (log)
        *log = text;
    else
        mem_free(text);
    return WEXITSTATUS(status);
}

static int bench_stop(struct bench *bench, char **log)
{
    ck_assert_int_eq(kill(bench->keeper, SIGTERM), 0);
    return bench_wait(bench, log);
}

static void bench_free(struct bench *bench)
{
    char path[128];

    ck_assert_int_eq(bench->keeper, 0);
    ck_assert_int_ne(access(bench->control, F_OK), 0);
    (void)snprintf(path, sizeof path, "%s/events", bench->directory);
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(unlink(bench->file), 0);
    net_close(&bench->events);
    directory_free(bench->directory);
    mem_free(bench->control);
    mem_free(bench->file);
    mem_free(bench);
}

/* Starts the worker; its process id and slot. */
static pid_t start_worker(struct bench *bench, const char *pool, unsigned number, int *slot)
{
    char words[64], line[512];
    int pid = 0;
    unsigned generation;

    (void)snprintf(words, sizeof words, "start %s %u", pool, number);
    tell(bench, words);
    expect(bench, "started ", line);
    ck_assert_int_eq(sscanf(line, "started %d %u %d", slot, &generation, &pid), 3);
    return pid;
}

/* The process id of the engine that says that it is there. */
static pid_t expect_engine(struct bench *bench)
{
    char line[512];
    int pid = 0;

    expect(bench, "engine ", line);
    ck_assert_int_eq(sscanf(line, "engine %d", &pid), 1);
    return pid;
}

#define SLEEPING "pools: {web: {command: 'sleep 1000', bind: port}}"

#endif
