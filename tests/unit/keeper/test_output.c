/* SPDX-License-Identifier: MIT */
#include "keeper/output.h"

#include "base/net.h"
#include "tests/unit/keeper/fixture.h"

struct bench {
    struct slot slot;
    struct output output;
    int writers[2];
    int log; /* read end of what is our stderr now */
    int stderr_before;
};

static struct bench *bench_new(void)
{
    struct bench *bench = mem_zero(sizeof *bench);
    int ends[2];

    output_init(&bench->output, &bench->slot, "web.1");
    ck_assert(output_open(&bench->output, bench->writers));
    ck_assert_int_eq(pipe(ends), 0);
    bench->stderr_before = dup(STDERR_FILENO);
    ck_assert_int_ge(dup2(ends[1], STDERR_FILENO), 0);
    net_close(&ends[1]);
    bench->log = ends[0];
    return bench;
}

/* What was logged; the bench is gone. */
static char *bench_free(struct bench *bench)
{
    output_finish(&bench->output, 1);
    net_close(&bench->writers[0]);
    net_close(&bench->writers[1]);
    (void)dup2(bench->stderr_before, STDERR_FILENO);
    net_close(&bench->stderr_before);
    char *text = read_to_end(bench->log);
    net_close(&bench->log);
    mem_free(bench);
    return text;
}

static void say(struct bench *bench, unsigned stream, const char *text)
{
    ck_assert_int_eq(write(bench->writers[stream], text, strlen(text)), (int)strlen(text));
    output_read(&bench->output, &bench->output.streams[stream], 1);
}

static void expect_tail(const struct bench *bench, const char *wanted)
{
    uint32_t size = atomic_load(&bench->slot.output_size);

    ck_assert_uint_eq(size, strlen(wanted));
    ck_assert_mem_eq(bench->slot.output, wanted, size);
}

static unsigned count_of(const char *text, const char *part)
{
    unsigned count = 0;

    for (const char *at = text; (at = strstr(at, part)); at += strlen(part))
        count++;
    return count;
}

START_TEST(a_line_that_comes_in_parts_is_one_line)
{
    struct bench *bench = bench_new();

    say(bench, 0, "one ");
    expect_tail(bench, "");
    say(bench, 0, "line\nand another\nand half");
    expect_tail(bench, "one line\nand another\n");
    char *log = bench_free(bench);
    ck_assert_ptr_nonnull(strstr(log, "web.1 | one line\n"));
    ck_assert_ptr_nonnull(strstr(log, "web.1 | and another\n"));
    ck_assert_ptr_nonnull(strstr(log, "web.1 | and half\n")); /* at the end of the process */
    mem_free(log);
}
END_TEST

START_TEST(lines_of_the_two_streams_do_not_mix)
{
    struct bench *bench = bench_new();

    say(bench, 0, "begin of out ");
    say(bench, 1, "an error\n");
    say(bench, 0, "end of out\n");
    expect_tail(bench, "an error\nbegin of out end of out\n");
    mem_free(bench_free(bench));
}
END_TEST

START_TEST(a_line_without_end_is_cut)
{
    struct bench *bench = bench_new();
    char many[3 * OUTPUT_LINE_MAX + 1];

    memset(many, 'x', sizeof many - 1);
    many[sizeof many - 1] = 0;
    say(bench, 0, many);
    say(bench, 0, many);
    say(bench, 0, "\nnext\n");
    char *log = bench_free(bench);
    ck_assert_ptr_nonnull(strstr(log, "xxx...\n"));
    ck_assert_uint_lt(strlen(log), 2 * OUTPUT_LINE_MAX);
    ck_assert_ptr_nonnull(strstr(log, "web.1 | next\n"));
    mem_free(log);
}
END_TEST

START_TEST(the_last_twenty_lines_are_kept)
{
    struct bench *bench = bench_new();
    char text[64], wanted[1024] = "";

    for (unsigned i = 1; i <= 50; i++) {
        (void)snprintf(text, sizeof text, "line %u\n", i);
        say(bench, 0, text);
        if (i > 30)
            strcat(wanted, text);
    }
    expect_tail(bench, wanted);
    mem_free(bench_free(bench));
}
END_TEST

START_TEST(only_whole_lines_are_kept_of_what_does_not_fit)
{
    struct bench *bench = bench_new();
    char text[602];

    memset(text, 'y', sizeof text - 2);
    memcpy(text + sizeof text - 2, "\n", 2);
    for (unsigned i = 0; i < 30; i++)
        say(bench, 0, text);
    ck_assert_uint_eq(atomic_load(&bench->slot.output_size),
                      SLOT_OUTPUT_MAX / OUTPUT_TAIL_LINE_MAX * OUTPUT_TAIL_LINE_MAX);
    ck_assert_int_eq(bench->slot.output[OUTPUT_TAIL_LINE_MAX - 1], '\n');
    mem_free(bench_free(bench));
}
END_TEST

START_TEST(controls_do_not_reach_a_terminal)
{
    struct bench *bench = bench_new();

    say(bench, 0, "a\x1b[31mred\tb\r\n");
    expect_tail(bench, "a?[31mred\tb\n");
    char *log = bench_free(bench);
    ck_assert_ptr_null(strchr(log, '\x1b'));
    mem_free(log);
}
END_TEST

START_TEST(a_flood_is_counted_instead_of_logged)
{
    struct bench *bench = bench_new();
    char lines[4001];

    for (unsigned i = 0; i < 4000; i += 2)
        memcpy(lines + i, "y\n", 2);
    lines[4000] = 0;
    say(bench, 0, lines);
    ck_assert_uint_eq(bench->output.dropped, 2000 - OUTPUT_LINES_PER_SECOND);
    output_tick(&bench->output, 500); /* the same second */
    ck_assert_uint_eq(bench->output.dropped, 2000 - OUTPUT_LINES_PER_SECOND);
    ck_assert_int_eq(bench->slot.output[0], 'y'); /* the last lines are there all the same */
    (void)readable_in_time(bench->log);
    char taken[65536];
    ck_assert_int_gt(read(bench->log, taken, sizeof taken - 1), 0);
    output_tick(&bench->output, 1500);
    ck_assert_uint_eq(bench->output.dropped, 0);
    say(bench, 0, "heard again\n");
    char *log = bench_free(bench);
    ck_assert_ptr_nonnull(strstr(log, "1000 lines of its output are not in the log"));
    ck_assert_uint_eq(count_of(log, "heard again"), 1);
    mem_free(log);
}
END_TEST

START_TEST(too_many_bytes_in_a_second_slow_the_worker_down)
{
    struct bench *bench = bench_new();

    output_tick(&bench->output, 5000);
    ck_assert(output_wants_read(&bench->output, 5000));
    bench->output.bytes = OUTPUT_BYTES_PER_SECOND;
    ck_assert(!output_wants_read(&bench->output, 5999));
    ck_assert(output_wants_read(&bench->output, 6000));
    mem_free(bench_free(bench));
}
END_TEST

START_TEST(a_closed_stream_is_closed_here_too)
{
    struct bench *bench = bench_new();

    net_close(&bench->writers[0]);
    output_read(&bench->output, &bench->output.streams[0], 1);
    ck_assert_int_eq(bench->output.streams[0].fd, -1);
    say(bench, 1, "the other goes on\n");
    expect_tail(bench, "the other goes on\n");
    mem_free(bench_free(bench));
}
END_TEST

START_TEST(a_note_of_ours_stands_among_the_last_lines)
{
    struct bench *bench = bench_new();

    say(bench, 0, "its line\n");
    output_note(&bench->output, "cannot start: command nowhere: No such file or directory");
    expect_tail(bench, "its line\ncannot start: command nowhere: No such file or directory\n");
    mem_free(bench_free(bench));
}
END_TEST

UNIT_MAIN("keeper/output", a_line_that_comes_in_parts_is_one_line, lines_of_the_two_streams_do_not_mix,
          a_line_without_end_is_cut, the_last_twenty_lines_are_kept,
          only_whole_lines_are_kept_of_what_does_not_fit, controls_do_not_reach_a_terminal,
          a_flood_is_counted_instead_of_logged, too_many_bytes_in_a_second_slow_the_worker_down,
          a_closed_stream_is_closed_here_too, a_note_of_ours_stands_among_the_last_lines)
