/* SPDX-License-Identifier: MIT
 *
 * Probes against a small listener on the same loop that answers as each test says. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/loop.h"
#include "base/mem.h"
#include "base/net.h"
#include "health/health.h"

#define PEERS 16

static struct {
    struct loop *loop;
    struct address address;
    int listener;
    struct watch watch;
    /* what the listener does */
    const char *answer; /* written as soon as it accepted; NULL: nothing */
    size_t answer_size;
    unsigned repeat; /* the answer so many times */
    bool hangs_up, resets;
    enum protocol protocol; /* that it is asked in */
    int peers[PEERS];
    unsigned peer_count;
    /* what came of it */
    unsigned results;
    enum probe_result result;
    char why[128];
    struct ticker limit;
} world;

static void on_accept(int fd, short what, void *argument)
{
    (void)what;
    (void)argument;
    int peer = net_accept(fd, NULL);
    ck_assert_int_ge(peer, 0);
    for (unsigned i = 0; world.answer && i < world.repeat; i++)
        if (net_write(peer, world.answer, world.answer_size) < 0)
            break;
    if (world.resets)
        net_reset(&peer);
    if (world.hangs_up && peer >= 0)
        net_shutdown_write(peer);
    if (peer >= 0) {
        ck_assert_uint_lt(world.peer_count, PEERS);
        world.peers[world.peer_count++] = peer;
    }
}

static void on_limit(void *argument)
{
    (void)argument;
    ck_abort_msg("the probe did not end");
}

static void set_up(void)
{
    memset(&world, 0, sizeof world);
    world.repeat = 1;
    world.loop = loop_new("test");
    ck_assert(address_from_ip(&world.address, SLICE("127.0.0.1"), 0));
    world.listener = net_listen(&world.address, 0, 16);
    ck_assert_int_ge(world.listener, 0);
    ck_assert_int_eq(net_local_address(world.listener, &world.address), 0);
    watch_open_readable(&world.watch, world.loop, world.listener, on_accept, NULL);
    ticker_start(&world.limit, world.loop, 10000, on_limit, NULL);
}

static void tear_down(void)
{
    ticker_stop(&world.limit);
    watch_close(&world.watch);
    net_close(&world.listener);
    for (unsigned i = 0; i < world.peer_count; i++)
        net_close(&world.peers[i]);
    loop_free(&world.loop);
    blocks_fini();
}

static void on_result(void *argument, enum probe_result result, const char *why)
{
    ck_assert_ptr_eq(argument, &world);
    world.results++;
    world.result = result;
    snprintf(world.why, sizeof world.why, "%s", why);
    loop_stop(world.loop);
}

static void answers(const char *text)
{
    world.answer = text;
    world.answer_size = strlen(text);
}

static void ask(const char *path, bool connect_only)
{
    struct probe_question question = {.address = world.address,
                                      .path = path,
                                      .host = "app",
                                      .timeout_ms = 300,
                                      .connect_only = connect_only,
                                      .protocol = world.protocol};

    ck_assert_ptr_nonnull(probe_start(world.loop, &question, on_result, &world));
    ck_assert_uint_eq(world.results, 0);
    loop_run(world.loop);
    ck_assert_uint_eq(world.results, 1);
}

static void is_fit(const char *path)
{
    ask(path, false);
    ck_assert_msg(world.result == PROBE_FIT, "unfit: %s", world.why);
}

static void is_unfit(const char *path, const char *why)
{
    ask(path, false);
    ck_assert_int_eq(world.result, PROBE_UNFIT);
    ck_assert_str_eq(world.why, why);
}

START_TEST(any_whole_head_is_good_enough_without_a_path)
{
    answers("HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\n");
    is_fit(NULL);
}
END_TEST

START_TEST(without_a_path_it_asks_for_the_head_of_the_root)
{
    char request[512] = "";

    answers("HTTP/1.0 500 Oh\r\n\r\n");
    is_fit("");
    ck_assert_int_gt(read(world.peers[0], request, sizeof request - 1), 0);
    ck_assert_ptr_nonnull(strstr(request, "HEAD / HTTP/1.1\r\nHost: app\r\n"));
}
END_TEST

START_TEST(at_a_path_a_redirect_is_good)
{
    char request[512] = "";

    answers("HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n");
    is_fit("/health?deep=1");
    ck_assert_int_gt(read(world.peers[0], request, sizeof request - 1), 0);
    ck_assert_ptr_nonnull(strstr(request, "GET /health?deep=1 HTTP/1.1\r\n"));
}
END_TEST

START_TEST(at_a_path_a_server_error_is_not)
{
    answers("HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n");
    is_unfit("/health", "status 500");
}
END_TEST

START_TEST(at_a_path_not_found_is_not)
{
    answers("HTTP/1.1 404 Oh\r\nContent-Length: 0\r\n\r\n");
    is_unfit("/health", "status 404");
}
END_TEST

START_TEST(interim_heads_are_passed_over)
{
    answers("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    is_fit("/");
}
END_TEST

START_TEST(an_unasked_for_change_of_protocols_is_no_answer)
{
    answers("HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n");
    is_unfit("", "status 101");
}
END_TEST

START_TEST(that_it_accepts_proves_nothing)
{
    is_unfit("", "no answer in 300 ms");
}
END_TEST

START_TEST(half_a_head_is_no_answer)
{
    answers("HTTP/1.1 200 OK\r\nContent-Le");
    is_unfit("", "no answer in 300 ms");
}
END_TEST

START_TEST(one_that_hangs_up_in_the_head_is_unfit)
{
    answers("HTTP/1.1 200 OK\r\n");
    world.hangs_up = true;
    is_unfit("", "closed without an answer");
}
END_TEST

START_TEST(one_that_resets_is_unfit)
{
    world.resets = true;
    is_unfit("", "reset");
}
END_TEST

START_TEST(rubbish_is_unfit)
{
    answers("220 mail.example.org ESMTP\r\n\r\n");
    ask("", false);
    ck_assert_int_eq(world.result, PROBE_UNFIT);
    ck_assert_ptr_nonnull(strstr(world.why, "unreadable answer: "));
}
END_TEST

START_TEST(a_head_without_an_end_is_cut_off)
{
    static char line[1200];

    memset(line, 'a', sizeof line);
    memcpy(line, "HTTP/1.1 200 OK\r\nX: ", 20);
    world.answer = line;
    world.answer_size = sizeof line;
    world.repeat = 60;
    ask("", false);
    ck_assert_int_eq(world.result, PROBE_UNFIT);
}
END_TEST

START_TEST(interim_heads_without_an_end_are_cut_off)
{
    answers("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    world.repeat = 10000;
    ask("", false);
    ck_assert_int_eq(world.result, PROBE_UNFIT);
}
END_TEST

START_TEST(a_port_without_a_listener_is_refused)
{
    watch_close(&world.watch);
    net_close(&world.listener);
    is_unfit("", "refused");
}
END_TEST

START_TEST(a_unix_socket_that_is_not_there_is_told)
{
    ck_assert(address_parse(&world.address, SLICE("unix:/nonexistent/socket")));
    is_unfit("", "no socket there");
}
END_TEST

START_TEST(to_connect_is_enough_when_only_that_is_asked)
{
    ask("", true);
    ck_assert_int_eq(world.result, PROBE_FIT);
}
END_TEST

START_TEST(a_cancelled_probe_says_nothing)
{
    struct probe_question question = {.address = world.address, .timeout_ms = 50};
    struct probe *probe = probe_start(world.loop, &question, on_result, &world);

    probe_cancel(&probe);
    ck_assert_ptr_null(probe);
    ck_assert(address_parse(&world.address, SLICE("unix:/nonexistent/socket")));
    question.address = world.address;
    probe = probe_start(world.loop, &question, on_result, &world);
    probe_cancel(&probe);
    probe_cancel(&probe);
    ticker_start(&world.limit, world.loop, 100, (void (*)(void *))loop_stop, world.loop);
    loop_run(world.loop);
    ck_assert_uint_eq(world.results, 0);
}
END_TEST

/* As bytes: SETTINGS, and what follows on the first stream. */
#define H2_SETTINGS     "\0\0\0\x04\0\0\0\0\0"
#define H2_HEAD(status) "\0\0\x01\x01\x05\0\0\0\x01" status
#define H2_204          "\x89"
#define H2_404          "\x8d"
#define H2_RESET(code)  "\0\0\x04\x03\0\0\0\0\x01\0\0\0" code

static void answers_in_h2(const char *bytes, size_t size)
{
    world.protocol = PROTOCOL_H2;
    world.answer = bytes;
    world.answer_size = size;
}

#define ANSWERS_IN_H2(bytes) answers_in_h2(bytes, sizeof(bytes) - 1)

START_TEST(http2_is_asked_in_http2)
{
    char request[512] = "";

    ANSWERS_IN_H2(H2_SETTINGS H2_HEAD(H2_204));
    is_fit("/health");
    ck_assert_int_gt(read(world.peers[0], request, sizeof request - 1), 24);
    ck_assert_int_eq(memcmp(request, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24), 0);
}
END_TEST

START_TEST(a_status_in_http2_is_good_or_not_as_in_http1)
{
    ANSWERS_IN_H2(H2_SETTINGS H2_HEAD(H2_404));
    is_unfit("/health", "status 404");
}
END_TEST

START_TEST(any_head_in_http2_is_good_enough_without_a_path)
{
    ANSWERS_IN_H2(H2_SETTINGS H2_HEAD(H2_404));
    is_fit(NULL);
}
END_TEST

START_TEST(a_reset_stream_is_an_answer_where_any_will_do)
{
    ANSWERS_IN_H2(H2_SETTINGS H2_RESET("\x01"));
    is_fit(NULL);
}
END_TEST

START_TEST(a_reset_stream_is_no_good_answer)
{
    ANSWERS_IN_H2(H2_SETTINGS H2_RESET("\x02"));
    is_unfit("/health", "closed without an answer: HTTP/2 error 2");
}
END_TEST

START_TEST(a_refused_stream_is_no_answer)
{
    ANSWERS_IN_H2(H2_SETTINGS H2_RESET("\x07"));
    is_unfit(NULL, "closed without an answer: HTTP/2 error 7");
}
END_TEST

START_TEST(settings_alone_are_no_answer)
{
    ANSWERS_IN_H2(H2_SETTINGS);
    is_unfit(NULL, "no answer in 300 ms");
}
END_TEST

START_TEST(who_answers_http1_to_http2_is_unfit)
{
    world.protocol = PROTOCOL_H2;
    answers("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    ask(NULL, false);
    ck_assert_int_eq(world.result, PROBE_UNFIT);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("probe");
    TCase *tests = tcase_create("probe");

    tcase_add_checked_fixture(tests, set_up, tear_down);
    tcase_add_test(tests, any_whole_head_is_good_enough_without_a_path);
    tcase_add_test(tests, without_a_path_it_asks_for_the_head_of_the_root);
    tcase_add_test(tests, at_a_path_a_redirect_is_good);
    tcase_add_test(tests, at_a_path_a_server_error_is_not);
    tcase_add_test(tests, at_a_path_not_found_is_not);
    tcase_add_test(tests, interim_heads_are_passed_over);
    tcase_add_test(tests, an_unasked_for_change_of_protocols_is_no_answer);
    tcase_add_test(tests, that_it_accepts_proves_nothing);
    tcase_add_test(tests, half_a_head_is_no_answer);
    tcase_add_test(tests, one_that_hangs_up_in_the_head_is_unfit);
    tcase_add_test(tests, one_that_resets_is_unfit);
    tcase_add_test(tests, rubbish_is_unfit);
    tcase_add_test(tests, a_head_without_an_end_is_cut_off);
    tcase_add_test(tests, interim_heads_without_an_end_are_cut_off);
    tcase_add_test(tests, a_port_without_a_listener_is_refused);
    tcase_add_test(tests, a_unix_socket_that_is_not_there_is_told);
    tcase_add_test(tests, to_connect_is_enough_when_only_that_is_asked);
    tcase_add_test(tests, a_cancelled_probe_says_nothing);
    tcase_add_test(tests, http2_is_asked_in_http2);
    tcase_add_test(tests, a_status_in_http2_is_good_or_not_as_in_http1);
    tcase_add_test(tests, any_head_in_http2_is_good_enough_without_a_path);
    tcase_add_test(tests, a_reset_stream_is_an_answer_where_any_will_do);
    tcase_add_test(tests, a_reset_stream_is_no_good_answer);
    tcase_add_test(tests, a_refused_stream_is_no_answer);
    tcase_add_test(tests, settings_alone_are_no_answer);
    tcase_add_test(tests, who_answers_http1_to_http2_is_unfit);
    suite_add_tcase(suite, tests);
    SRunner *runner = srunner_create(suite);
    srunner_run_all(runner, CK_ENV);
    int failures = srunner_ntests_failed(runner);
    srunner_free(runner);
    return failures != 0;
}
