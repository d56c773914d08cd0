/* SPDX-License-Identifier: MIT */
#include "proxy/spool.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "proxy/proxy.h"
#include "tests/unit/unit.h"

#define PIECE 65536

static struct loop *loop;
static struct spool *spool;
static struct deadline patience;
static uint64_t appended, consumed, wanted, wrong;
static unsigned rewinds_left;
static bool gave_up;

static void on_no_patience(void *argument)
{
    (void)argument;
    gave_up = true;
    loop_stop(loop);
}

static void begin(void (*on_progress)(void *argument), uint64_t max_bytes)
{
    spools_start(NULL, 2);
    loop = loop_new("test");
    deadline_init(&patience, on_no_patience, NULL);
    deadline_start(&patience, loop, 20000);
    spool = spool_new(loop, max_bytes, on_progress, NULL);
    appended = consumed = 0;
}

static void end(void)
{
    deadline_stop(&patience);
    spool_free(&spool);
    spools_stop();
    loop_stop(loop); /* what comes back from the threads is delivered */
    loop_run(loop);
    loop_free(&loop);
    blocks_fini();
    ck_assert(!gave_up);
}

/* Byte n of what the tests write. */
static char byte_at(uint64_t n)
{
    return (char)(n * 31 + n / 65536);
}

static void append_some(void)
{
    char piece[PIECE];

    while (appended < wanted && !spool_is_congested(spool)) {
        for (unsigned i = 0; i < PIECE; i++)
            piece[i] = byte_at(appended + i);
        ck_assert_int_eq(spool_append(spool, (struct slice){piece, PIECE}), 0);
        appended += PIECE;
    }
}

static void consume_some(void)
{
    for (struct slice ready = spool_peek(spool); ready.size; ready = spool_peek(spool)) {
        size_t size = ready.size < 10000 ? ready.size : 10000;
        for (size_t i = 0; i < size; i++)
            wrong += ready.at[i] != byte_at(consumed + i);
        ck_assert_uint_eq(wrong, 0);
        spool_consume(spool, size);
        consumed += size;
    }
}

static void write_then_read(void *argument)
{
    (void)argument;
    append_some();
    if (appended == wanted)
        consume_some();
    if (consumed < wanted)
        return;
    ck_assert_uint_eq(spool_unread(spool), 0);
    if (rewinds_left == 0) {
        loop_stop(loop);
        return;
    }
    rewinds_left--;
    consumed = 0;
    spool_rewind(spool);
    ck_assert_uint_eq(spool_unread(spool), wanted);
    consume_some();
}

START_TEST(what_goes_in_comes_out_in_order_however_much_it_is)
{
    wanted = 20 * 1024 * 1024;
    begin(write_then_read, UINT64_MAX);
    append_some();
    ck_assert_uint_lt(appended, wanted); /* the disk is given time */
    loop_run(loop);
    ck_assert_uint_eq(consumed, wanted);
    ck_assert_uint_eq(spool_size(spool), wanted);
    end();
}
END_TEST

START_TEST(what_was_read_can_be_read_again)
{
    wanted = 2 * 1024 * 1024;
    rewinds_left = 2;
    begin(write_then_read, UINT64_MAX);
    append_some();
    loop_run(loop);
    ck_assert_uint_eq(rewinds_left, 0);
    ck_assert_uint_eq(consumed, wanted);
    end();
}
END_TEST

static void read_while_writing(void *argument)
{
    (void)argument;
    append_some();
    consume_some();
    if (consumed == wanted)
        loop_stop(loop);
}

START_TEST(a_reader_may_follow_the_writer)
{
    wanted = 8 * 1024 * 1024;
    begin(read_while_writing, UINT64_MAX);
    append_some();
    loop_run(loop);
    ck_assert_uint_eq(consumed, wanted);
    end();
}
END_TEST

static void rewind_while_reading(void *argument)
{
    append_some();
    if (appended == wanted && rewinds_left && spool_peek(spool).size) {
        spool_consume(spool, 1); /* another read is under way by now */
        rewinds_left--;
        consumed = 0;
        spool_rewind(spool);
        return;
    }
    if (!rewinds_left)
        write_then_read(argument);
}

START_TEST(a_read_that_was_under_way_when_it_was_rewound_does_no_harm)
{
    wanted = 4 * 1024 * 1024;
    rewinds_left = 5;
    begin(rewind_while_reading, UINT64_MAX);
    append_some();
    loop_run(loop);
    ck_assert_uint_eq(consumed, wanted);
    end();
}
END_TEST

static void never(void *argument)
{
    (void)argument;
    ck_abort_msg("called");
}

START_TEST(more_than_it_may_hold_is_refused_whole)
{
    char piece[100] = {0};

    begin(never, 150);
    ck_assert_int_eq(spool_append(spool, (struct slice){piece, 100}), 0);
    ck_assert_int_eq(spool_append(spool, (struct slice){piece, 51}), -EFBIG);
    ck_assert_uint_eq(spool_size(spool), 100);
    ck_assert_int_eq(spool_append(spool, (struct slice){piece, 50}), 0);
    end();
}
END_TEST

static void on_error(void *argument)
{
    (void)argument;
    if (spool_error(spool))
        loop_stop(loop);
    else
        append_some();
}

START_TEST(a_full_disk_is_an_error_and_no_stall)
{
    struct rlimit limit = {1024 * 1024, 1024 * 1024};

    signal(SIGXFSZ, SIG_IGN);
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    wanted = 4 * 1024 * 1024;
    begin(on_error, UINT64_MAX);
    append_some();
    loop_run(loop);
    ck_assert_int_eq(spool_error(spool), -EFBIG);
    ck_assert_int_eq(spool_append(spool, SLICE("x")), -EFBIG);
    end();
}
END_TEST

START_TEST(a_directory_that_is_not_there_is_an_error_at_once)
{
    spools_start("/nonexistent/drover", 1);
    loop = loop_new("test");
    spool = spool_new(loop, UINT64_MAX, never, NULL);
    ck_assert_int_eq(spool_error(spool), -ENOENT);
    ck_assert_int_eq(spool_append(spool, SLICE("x")), -ENOENT);
    end();
}
END_TEST

START_TEST(the_file_has_no_name)
{
    char directory[] = "/tmp/drover-spool-XXXXXX";
    struct stat status;

    ck_assert_ptr_nonnull(mkdtemp(directory));
    spools_start(directory, 1);
    loop = loop_new("test");
    spool = spool_new(loop, UINT64_MAX, never, NULL);
    ck_assert_int_eq(stat(directory, &status), 0);
    ck_assert_int_eq(rmdir(directory), 0); /* it is empty */
    end();
}
END_TEST

static void stop_soon(void *argument)
{
    (void)argument;
    loop_stop(loop);
}

START_TEST(one_that_is_freed_while_the_disk_works_calls_nobody)
{
    struct deadline soon;

    wanted = 1024 * 1024;
    begin(never, UINT64_MAX);
    append_some();
    spool_free(&spool);
    ck_assert_ptr_null(spool);
    deadline_init(&soon, stop_soon, NULL);
    deadline_start(&soon, loop, 50);
    loop_run(loop);
    end();
}
END_TEST

/* drover stops: the sanitizers find what is left. */
START_TEST(one_whose_loop_has_ended_before_the_disk_is_freed_at_the_end)
{
    wanted = 1024 * 1024;
    begin(never, UINT64_MAX);
    loop_stop(loop);
    loop_run(loop); /* takes no message from here on */
    append_some();
    end();
}
END_TEST

UNIT_MAIN("proxy/spool", what_goes_in_comes_out_in_order_however_much_it_is, what_was_read_can_be_read_again,
          a_reader_may_follow_the_writer, a_read_that_was_under_way_when_it_was_rewound_does_no_harm,
          more_than_it_may_hold_is_refused_whole, a_full_disk_is_an_error_and_no_stall,
          a_directory_that_is_not_there_is_an_error_at_once, the_file_has_no_name,
          one_that_is_freed_while_the_disk_works_calls_nobody,
          one_whose_loop_has_ended_before_the_disk_is_freed_at_the_end)
