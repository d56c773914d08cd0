/* SPDX-License-Identifier: MIT
 *
 * The commands' end of the control socket, against a drover of one answer on a thread. */
#include "daemon/control_client.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/net.h"
#include "tests/unit/unit.h"

static char directory[64], path[96];
static int listener = -1;
static char heard[256];
static json_t *reply;
static int keeper = -1;

static void make_path(void)
{
    strcpy(directory, "/tmp/drover-client-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(directory));
    str_format(path, sizeof path, "%s/c.sock", directory);
}

static void listen_at_path(void)
{
    struct address address;
    char text[ADDRESS_TEXT];

    make_path();
    str_format(text, sizeof text, "unix:%s", path);
    ck_assert(address_parse(&address, slice_of(text)));
    listener = net_listen(&address, 0, 16);
    ck_assert_int_ge(listener, 0);
}

static void clean(void)
{
    net_close(&listener);
    net_close(&keeper);
    json_decref(reply);
    unlink(path);
    rmdir(directory);
}

static void wait_readable(int fd)
{
    struct pollfd one = {.fd = fd, .events = POLLIN};

    poll(&one, 1, 20000);
}

/* Takes one line, gives the answer in two pieces. */
static void *answer_once(void *answer)
{
    struct slice text = slice_of(answer);

    wait_readable(listener);
    int fd = net_accept(listener, NULL);
    wait_readable(fd);
    ssize_t size = net_read(fd, heard, sizeof heard - 1);
    heard[size > 0 ? size : 0] = 0;
    net_write(fd, text.at, text.size / 2);
    net_write(fd, text.at + text.size / 2, text.size - text.size / 2);
    net_close(&fd);
    return NULL;
}

static int ask_with_answer(char *answer)
{
    pthread_t thread;
    json_t *request = json_pack("{s:s}", "command", "status");

    listen_at_path();
    ck_assert_int_eq(pthread_create(&thread, NULL, answer_once, answer), 0);
    int status = control_ask(path, request, 20000, &reply, &keeper);
    pthread_join(thread, NULL);
    json_decref(request);
    return status;
}

static int ask_quickly(void)
{
    json_t *request = json_pack("{s:s}", "command", "status");
    int status = control_ask(path, request, 100, &reply, NULL);

    json_decref(request);
    return status;
}

START_TEST(one_line_there_and_one_back)
{
    ck_assert_int_eq(ask_with_answer("{\"ok\":true,\"text\":\"good\"}\n"), EXIT_GOOD);
    ck_assert_str_eq(heard, "{\"command\":\"status\"}\n");
    ck_assert_str_eq(json_string_value(json_object_get(reply, "text")), "good");
    ck_assert_int_ge(keeper, 0); /* who listens is this very process */
    clean();
}
END_TEST

START_TEST(without_a_socket_nothing_runs)
{
    make_path();
    ck_assert_int_eq(ask_quickly(), EXIT_NOT_RUNNING);
    ck_assert_ptr_null(reply);
    clean();
}
END_TEST

START_TEST(a_socket_that_was_left_behind_is_no_drover)
{
    listen_at_path();
    net_close(&listener);
    ck_assert_int_eq(ask_quickly(), EXIT_NOT_RUNNING);
    clean();
}
END_TEST

START_TEST(a_drover_that_does_not_answer_in_time_has_failed)
{
    listen_at_path();
    ck_assert_int_eq(ask_quickly(), EXIT_FAILED);
    clean();
}
END_TEST

START_TEST(an_answer_that_is_no_json_has_failed)
{
    ck_assert_int_eq(ask_with_answer("hello\n"), EXIT_FAILED);
    ck_assert_ptr_null(reply);
    clean();
}
END_TEST

START_TEST(an_end_without_an_answer_has_failed)
{
    ck_assert_int_eq(ask_with_answer(""), EXIT_FAILED);
    clean();
}
END_TEST

/* The first engine ends without an answer, the second gives it. */
static void *answer_at_the_second_time(void *answer)
{
    static char nothing[] = "";

    answer_once(nothing);
    return answer_once(answer);
}

START_TEST(who_awaits_asks_again_when_the_engine_ended)
{
    static char answer[] = "{\"ok\":false,\"text\":\"web: stopped\"}\n";
    json_t *request = json_pack("{s:s}", "command", "wait");
    pthread_t thread;

    listen_at_path();
    ck_assert_int_eq(pthread_create(&thread, NULL, answer_at_the_second_time, answer), 0);
    ck_assert_int_eq(control_await(path, request), EXIT_FAILED);
    pthread_join(thread, NULL);
    ck_assert_str_eq(heard, "{\"command\":\"wait\"}\n");
    net_close(&listener);
    ck_assert_int_eq(control_await(path, request), EXIT_NOT_RUNNING);
    json_decref(request);
    clean();
}
END_TEST

START_TEST(waiting_ends_when_nobody_listens_any_more)
{
    listen_at_path();
    ck_assert(!control_wait_gone(path, -1, 100));
    net_close(&listener);
    ck_assert(control_wait_gone(path, -1, 20000));
    clean();
}
END_TEST

UNIT_MAIN("daemon/control_client", one_line_there_and_one_back, without_a_socket_nothing_runs,
          a_socket_that_was_left_behind_is_no_drover, a_drover_that_does_not_answer_in_time_has_failed,
          an_answer_that_is_no_json_has_failed, an_end_without_an_answer_has_failed,
          who_awaits_asks_again_when_the_engine_ended, waiting_ends_when_nobody_listens_any_more)
