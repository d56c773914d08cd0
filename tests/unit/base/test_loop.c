/* SPDX-License-Identifier: MIT */
#include "base/loop.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/net.h"
#include "tests/unit/unit.h"

static struct loop *loop;
static char diary[256]; /* what happened, one letter each */

static void note(char what)
{
    size_t size = strlen(diary);
    ck_assert_uint_lt(size, sizeof diary - 1);
    diary[size] = what;
}

static void on_due(void *argument)
{
    note(*(const char *)argument);
    if (*(const char *)argument == '.')
        loop_stop(loop);
}

static void open_loop(void)
{
    loop = loop_new("test");
}

START_TEST(deadlines_fall_due_in_order_of_their_time)
{
    struct deadline a, b, c, end;

    open_loop();
    deadline_init(&a, on_due, "a");
    deadline_init(&b, on_due, "b");
    deadline_init(&c, on_due, "c");
    deadline_init(&end, on_due, ".");
    deadline_start(&end, loop, 60);
    deadline_start(&a, loop, 40);
    deadline_start(&b, loop, 20);
    deadline_start(&c, loop, 40);
    ck_assert(deadline_is_running(&a));
    uint64_t before = clock_precise_us();
    loop_run(loop);
    ck_assert_uint_ge(clock_precise_us() - before, 59000);
    ck_assert_str_eq(diary, "bac.");
    ck_assert(!deadline_is_running(&a));
    loop_free(&loop);
    ck_assert_ptr_null(loop);
}
END_TEST

START_TEST(a_stopped_deadline_never_falls_due_and_zero_stops)
{
    struct deadline a, b, end;

    open_loop();
    deadline_init(&a, on_due, "a");
    deadline_init(&b, on_due, "b");
    deadline_init(&end, on_due, ".");
    deadline_start(&a, loop, 10);
    deadline_start(&b, loop, 10);
    deadline_start(&end, loop, 30);
    deadline_stop(&a);
    deadline_stop(&a);
    deadline_start(&b, loop, 0);
    ck_assert(!deadline_is_running(&b));
    loop_run(loop);
    ck_assert_str_eq(diary, ".");
    loop_free(&loop);
}
END_TEST

static struct deadline moved, mover;
static unsigned moves;

static void on_move(void *argument)
{
    (void)argument;
    deadline_start(&moved, loop, 50);
    if (++moves < 5)
        deadline_start(&mover, loop, 20);
}

START_TEST(a_restarted_deadline_counts_from_its_last_start)
{
    open_loop();
    deadline_init(&moved, on_due, ".");
    deadline_init(&mover, on_move, NULL);
    deadline_start(&moved, loop, 50);
    deadline_start(&mover, loop, 20);
    uint64_t before = clock_precise_us();
    loop_run(loop);
    ck_assert_uint_ge(clock_precise_us() - before, 149000);
    ck_assert_uint_eq(moves, 5);
    loop_free(&loop);
}
END_TEST

START_TEST(many_durations_that_come_once_keep_no_lists)
{
    struct deadline one, end;

    open_loop();
    deadline_init(&one, on_due, "x");
    for (unsigned i = 1; i < 20000; i++)
        deadline_start(&one, loop, 100000 + i);
    deadline_stop(&one);
    ck_assert_int_lt(event_base_get_num_events(loop_base(loop), EVENT_BASE_COUNT_ADDED), 200);
    deadline_init(&end, on_due, ".");
    deadline_start(&end, loop, 5);
    loop_run(loop);
    ck_assert_str_eq(diary, ".");
    loop_free(&loop);
}
END_TEST

START_TEST(a_loop_that_goes_takes_its_deadlines_with_it)
{
    struct deadline a;

    open_loop();
    deadline_init(&a, on_due, "a");
    deadline_start(&a, loop, 10);
    loop_free(&loop);
    ck_assert(!deadline_is_running(&a));
    deadline_stop(&a);
}
END_TEST

static struct task soon_task, end_task;
static unsigned runs;

static void run_end(struct task *task)
{
    (void)task;
    note('e');
}

static void run_soon(struct task *task)
{
    note('s');
    task_at_end(&end_task, loop);
    if (++runs < 3)
        task_soon(task, loop);
    else
        loop_stop(loop);
}

START_TEST(a_task_may_queue_itself_and_runs_once_a_turn)
{
    open_loop();
    task_init(&soon_task, run_soon);
    task_init(&end_task, run_end);
    task_soon(&soon_task, loop);
    task_soon(&soon_task, loop);
    uint64_t before = loop_turns(loop);
    loop_run(loop);
    ck_assert_str_eq(diary, "sesese");
    ck_assert_uint_ge(loop_turns(loop) - before, 3);
    loop_free(&loop);
}
END_TEST

START_TEST(a_cancelled_task_does_not_run)
{
    struct deadline end;

    open_loop();
    task_init(&soon_task, run_soon);
    task_init(&end_task, run_end);
    task_soon(&soon_task, loop);
    task_at_end(&end_task, loop);
    task_cancel(&soon_task);
    task_cancel(&end_task);
    task_cancel(&end_task);
    deadline_init(&end, on_due, ".");
    deadline_start(&end, loop, 1);
    loop_run(loop);
    ck_assert_str_eq(diary, ".");
    task_at_end(&end_task, loop);
    loop_settle(loop);
    ck_assert_str_eq(diary, ".e");
    loop_free(&loop);
}
END_TEST

struct letter {
    struct message message;
    unsigned sender, number;
};

static unsigned seen[4], delivered;

static void deliver(struct message *message)
{
    struct letter *letter = (struct letter *)message;

    ck_assert(loop_is_mine(loop));
    ck_assert_uint_eq(letter->number, seen[letter->sender]);
    seen[letter->sender]++;
    if (++delivered == 40000)
        loop_stop(loop);
    mem_free(letter);
}

static void *send_letters(void *argument)
{
    for (unsigned i = 0; i < 10000; i++) {
        struct letter *letter = mem_zero(sizeof *letter);
        letter->message.deliver = deliver;
        letter->sender = (unsigned)(uintptr_t)argument;
        letter->number = i;
        ck_assert(loop_post(loop, &letter->message));
    }
    return NULL;
}

START_TEST(messages_of_four_threads_all_come_and_each_ones_in_order)
{
    pthread_t senders[4];

    open_loop();
    ck_assert(!loop_is_mine(loop));
    for (unsigned i = 0; i < 4; i++)
        ck_assert_int_eq(pthread_create(&senders[i], NULL, send_letters, (void *)(uintptr_t)i), 0);
    loop_run(loop);
    for (unsigned i = 0; i < 4; i++)
        pthread_join(senders[i], NULL);
    ck_assert_uint_eq(delivered, 40000);
    loop_free(&loop);
}
END_TEST

static void deliver_note(struct message *message)
{
    ck_assert(loop_is_mine(loop));
    note('m');
    mem_free(message);
}

static void on_stop_then_post(void *argument)
{
    struct message *message = mem_zero(sizeof *message);
    (void)argument;

    loop_stop(loop);
    message->deliver = deliver_note;
    ck_assert(loop_post(loop, message));
}

START_TEST(what_was_posted_before_the_end_is_delivered_and_later_posts_are_refused)
{
    struct deadline end;
    struct message *late = mem_zero(sizeof *late);

    open_loop();
    deadline_init(&end, on_stop_then_post, NULL);
    deadline_start(&end, loop, 1);
    loop_run(loop);
    ck_assert_str_eq(diary, "m");
    late->deliver = deliver_note;
    ck_assert(!loop_post(loop, late));
    mem_free(late);
    loop_free(&loop);
}
END_TEST

static void *run_loop(void *argument)
{
    loop_run(argument);
    blocks_fini();
    return NULL;
}

START_TEST(another_thread_may_stop_a_loop_even_before_it_runs)
{
    pthread_t thread;

    open_loop();
    loop_stop(loop);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_loop, loop), 0);
    pthread_join(thread, NULL);
    ck_assert_int_eq(pthread_create(&thread, NULL, run_loop, loop), 0);
    loop_stop(loop);
    pthread_join(thread, NULL);
    ck_assert_str_eq(loop_name(loop), "test");
    loop_free(&loop);
}
END_TEST

static struct watch watch;
static int pair[2];

static void on_ready(int fd, short what, void *argument)
{
    char bytes[16];
    (void)argument;

    if (what & EV_WRITE)
        note('w');
    if (what & EV_READ) {
        note('r');
        if (net_read(fd, bytes, sizeof bytes) == 2) /* short: no second edge is due */
            net_close(&pair[1]);
    }
    if (what & EV_CLOSED) {
        note('c');
        watch_close(&watch);
        watch_close(&watch);
        loop_stop(loop);
    }
}

START_TEST(a_stream_is_told_of_room_bytes_and_end_once_each)
{
    open_loop();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    watch_open(&watch, loop, pair[0], on_ready, NULL);
    ck_assert_int_eq(net_write(pair[1], "hi", 2), 2);
    loop_run(loop);
    ck_assert_ptr_nonnull(strchr(diary, 'w'));
    ck_assert_ptr_nonnull(strchr(diary, 'r'));
    ck_assert_ptr_nonnull(strchr(diary, 'c'));
    ck_assert_uint_le(strlen(diary), 6);
    net_close(&pair[0]);
    loop_free(&loop);
}
END_TEST

static void on_stream(int fd, short what, void *argument)
{
    char bytes[16];
    (void)argument;

    if (what & EV_WRITE) {
        note('w');
        loop_stop(loop);
    }
    if (what & EV_READ) {
        note('r');
        ck_assert_int_eq(net_read(fd, bytes, sizeof bytes), 2);
        watch_writes(&watch);
        watch_writes(&watch);
    }
}

START_TEST(a_stream_is_told_of_room_only_once_it_asked)
{
    open_loop();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    watch_open_stream(&watch, loop, pair[0], on_stream, NULL);
    ck_assert_int_eq(net_write(pair[1], "hi", 2), 2);
    loop_run(loop);
    ck_assert_str_eq(diary, "rw");
    watch_close(&watch);
    net_close(&pair[0]);
    net_close(&pair[1]);
    loop_free(&loop);
}
END_TEST

static void on_readable(int fd, short what, void *argument)
{
    struct deadline *resume = argument;
    char byte;
    (void)what;

    note('r');
    watch_pause(&watch);
    deadline_start(resume, loop, 10);
    if (strlen(diary) == 3) {
        ck_assert_int_eq(net_read(fd, &byte, 1), 1);
        loop_stop(loop);
    }
}

static void on_resume(void *argument)
{
    (void)argument;
    watch_resume(&watch);
}

START_TEST(a_paused_watch_is_silent_until_resumed)
{
    struct deadline resume;

    open_loop();
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    deadline_init(&resume, on_resume, NULL);
    watch_open_readable(&watch, loop, pair[0], on_readable, &resume);
    ck_assert_int_eq(net_write(pair[1], "x", 1), 1);
    uint64_t before = clock_precise_us();
    loop_run(loop);
    ck_assert_str_eq(diary, "rrr");
    ck_assert_uint_ge(clock_precise_us() - before, 19000);
    watch_close(&watch);
    watch_resume(&watch); /* closed: stays closed */
    net_close(&pair[0]);
    net_close(&pair[1]);
    loop_free(&loop);
}
END_TEST

static struct ticker ticker;

static void tick(void *argument)
{
    (void)argument;
    note('t');
    if (strlen(diary) == 4) {
        ticker_stop(&ticker);
        loop_stop(loop);
    }
}

START_TEST(a_ticker_goes_on_until_stopped)
{
    open_loop();
    ticker_start(&ticker, loop, 1000, tick, NULL);
    ticker_start(&ticker, loop, 5, tick, NULL);
    loop_run(loop);
    ck_assert_str_eq(diary, "tttt");
    ck_assert(!ticker.running);
    loop_free(&loop);
}
END_TEST

static uint64_t first_us;

static void look_at_clock(struct task *task)
{
    (void)task;
    if (first_us == 0) {
        first_us = clock_us();
        usleep(20000);
        ck_assert_uint_eq(clock_us(), first_us);
        task_soon(&soon_task, loop);
        return;
    }
    ck_assert_uint_ge(clock_us() - first_us, 20000);
    loop_stop(loop);
}

START_TEST(time_stands_still_within_a_turn_and_is_fresh_in_the_next)
{
    open_loop();
    task_init(&soon_task, look_at_clock);
    task_soon(&soon_task, loop);
    loop_run(loop);
    loop_free(&loop);
}
END_TEST

UNIT_MAIN("base/loop", deadlines_fall_due_in_order_of_their_time,
          a_stopped_deadline_never_falls_due_and_zero_stops, a_restarted_deadline_counts_from_its_last_start,
          many_durations_that_come_once_keep_no_lists, a_loop_that_goes_takes_its_deadlines_with_it,
          a_task_may_queue_itself_and_runs_once_a_turn, a_cancelled_task_does_not_run,
          messages_of_four_threads_all_come_and_each_ones_in_order,
          what_was_posted_before_the_end_is_delivered_and_later_posts_are_refused,
          another_thread_may_stop_a_loop_even_before_it_runs,
          a_stream_is_told_of_room_bytes_and_end_once_each, a_stream_is_told_of_room_only_once_it_asked,
          a_paused_watch_is_silent_until_resumed, a_ticker_goes_on_until_stopped,
          time_stands_still_within_a_turn_and_is_fresh_in_the_next)
