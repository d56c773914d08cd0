/* SPDX-License-Identifier: MIT
 *
 * The demo worker, run as a process of its own behind a listener that it inherits, and asked over real sockets. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/net.h"
#include "daemon/commands.h"
#include "tests/unit/unit.h"

#define WAIT_MS 20000
#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
#define UPGRADE "Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" KEY "\r\n"

static pid_t worker;
static struct address address;
static char got[4 << 20]; /* what the last exchange received, NUL at its end */
static size_t got_size;

static void end_worker(void)
{
    if (worker > 0)
        kill(worker, SIGKILL);
}

/* In the child: as drover starts a worker with `bind: fd`. */
static void become_worker(int listener)
{
    struct command_line line = {.command = "demo-worker"};

    unsetenv("SOCKET");
    unsetenv("PORT");
    setenv("LISTEN_FDS", "1", 1);
    setenv("WORKER", "web.1", 1);
    if (dup2(listener, 3) != 3)
        _exit(99);
    _exit(command_demo_worker(&line));
}

static void start_worker(void)
{
    ck_assert(address_from_ip(&address, SLICE("127.0.0.1"), 0));
    int listener = net_listen(&address, 0, 64);
    ck_assert_int_ge(listener, 0);
    ck_assert_int_eq(net_local_address(listener, &address), 0);
    worker = fork();
    ck_assert_int_ge(worker, 0);
    if (worker == 0)
        become_worker(listener);
    atexit(end_worker);
    net_close(&listener);
}

static bool wait_for(int fd, short events)
{
    struct pollfd one = {.fd = fd, .events = events};

    return poll(&one, 1, WAIT_MS) == 1;
}

static int open_client(void)
{
    int fd = net_connect(&address);

    ck_assert_int_ge(fd, 0);
    ck_assert(wait_for(fd, POLLOUT));
    ck_assert_int_eq(net_connect_result(fd), 0);
    got_size = 0;
    got[0] = 0;
    return fd;
}

static void say(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;

    while (size > 0) {
        ck_assert(wait_for(fd, POLLOUT));
        ssize_t written = net_write(fd, at, size);
        ck_assert_int_gt(written, 0);
        at += written;
        size -= (size_t)written;
    }
}

static void say_text(int fd, const char *text)
{
    say(fd, text, strlen(text));
}

static bool read_more(int fd)
{
    ck_assert_msg(wait_for(fd, POLLIN), "nothing came");
    ssize_t size = net_read(fd, got + got_size, sizeof got - 1 - got_size);
    if (size <= 0)
        return false;
    got_size += (size_t)size;
    got[got_size] = 0;
    return true;
}

static void read_until(int fd, const char *text)
{
    while (!strstr(got, text))
        ck_assert_msg(read_more(fd), "the end came before '%s': %s", text, got);
}

static void read_size(int fd, size_t size)
{
    while (got_size < size)
        ck_assert(read_more(fd));
}

static void read_to_end(int fd)
{
    while (read_more(fd))
        ;
}

/* One request on a connection of its own. */
static const char *ask(const char *request)
{
    int fd = open_client();

    say_text(fd, request);
    read_to_end(fd);
    net_close(&fd);
    return got;
}

static int wait_for_worker(void)
{
    int status = -1;

    ck_assert_int_eq(waitpid(worker, &status, 0), worker);
    worker = 0;
    return status;
}

/* A masked frame of a client; the mask is all zeros, so the payload stays as it is. */
static void say_frame(int fd, unsigned first, const char *payload, size_t size)
{
    uint8_t header[14] = {(uint8_t)first, 0x80};
    size_t at = 2;

    if (size < 126) {
        header[1] |= (uint8_t)size;
    } else {
        header[1] |= 127;
        for (unsigned i = 0; i < 8; i++)
            header[at++] = (uint8_t)((uint64_t)size >> (56 - 8 * i));
    }
    say(fd, header, at + 4);
    say(fd, payload, size);
}

static int open_websocket(void)
{
    int fd = open_client();

    say_text(fd, "GET /ws HTTP/1.1\r\n" UPGRADE);
    read_until(fd, "\r\n\r\n");
    ck_assert_msg(strncmp(got, "HTTP/1.1 101 ", 13) == 0, "%s", got);
    ck_assert_ptr_nonnull(
        strstr(got, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")); /* RFC 6455 */
    got_size = 0;
    got[0] = 0;
    return fd;
}

static void expect_bytes(int fd, const char *bytes, size_t size)
{
    read_size(fd, size);
    ck_assert_mem_eq(got, bytes, size);
    memmove(got, got + size, got_size - size);
    got_size -= size;
}

START_TEST(the_page_says_which_worker_answered)
{
    start_worker();
    ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(got, "Content-Type: text/html"));
    ck_assert_ptr_nonnull(strstr(got, "worker <b id=\"name\">web.1</b>"));
    ck_assert_ptr_nonnull(strstr(got, "</html>"));
    ask("GET /who HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(got, "X-Worker: web.1\r\n"));
    ck_assert_ptr_nonnull(strstr(got, "\"requests\": 2}"));
}
END_TEST

START_TEST(requests_in_one_packet_are_answered_in_order)
{
    start_worker();
    ask("GET /who HTTP/1.1\r\nHost: a\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n"
        "HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /slow?ms=20 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    char *missing = strstr(got, "HTTP/1.1 404 "), *slow = strstr(got, "web.1 took 20 ms");
    ck_assert_ptr_nonnull(missing);
    ck_assert_ptr_nonnull(slow);
    ck_assert(missing < slow);
    ck_assert_ptr_null(strstr(got, "<html")); /* the answer to HEAD */
}
END_TEST

START_TEST(echo_gives_back_the_head_and_a_chunked_body)
{
    start_worker();
    ask("POST /echo HTTP/1.1\r\nHost: a\r\nX-Mine: yes\r\nTransfer-Encoding: chunked\r\nConnection: "
        "close\r\n\r\n"
        "5\r\nhello\r\n0\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(got, "POST /echo HTTP/1.1\r\nHost: a\r\nX-Mine: yes\r\n"));
    ck_assert_ptr_nonnull(strstr(got, "5\r\nhello\r\n"));
    ck_assert_str_eq(got + got_size - 5, "0\r\n\r\n");
}
END_TEST

START_TEST(a_body_is_asked_for_when_the_client_waits_for_that)
{
    start_worker();
    int fd = open_client();
    say_text(fd, "POST /upload HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n");
    read_until(fd, "HTTP/1.1 100 Continue\r\n\r\n");
    say_text(fd, "abc");
    read_until(fd, "\"bytes\": 3}");
    net_close(&fd);
}
END_TEST

START_TEST(events_come_one_after_the_other)
{
    start_worker();
    ask("GET /stream?ticks=3&ms=1 HTTP/1.0\r\n\r\n");
    ck_assert_ptr_nonnull(strstr(got, "Content-Type: text/event-stream"));
    ck_assert_ptr_nonnull(strstr(got, "\"tick\": 3}\n\n"));
    ck_assert_ptr_null(strstr(got, "\"tick\": 4}"));
}
END_TEST

START_TEST(rubbish_gets_400_and_the_end)
{
    start_worker();
    ck_assert_int_eq(strncmp(ask("GET / HTTP/1.1\nHost: a\n\n"), "HTTP/1.1 400 ", 13), 0);
}
END_TEST

START_TEST(a_websocket_echoes_whole_messages)
{
    start_worker();
    int fd = open_websocket();
    say_frame(fd, 0x81, "hi", 2);
    expect_bytes(fd, "\x81\x02hi", 4);
    say_frame(fd, 0x02, "frag", 4); /* binary, not the last fragment */
    say_frame(fd, 0x89, "now", 3);  /* a ping between fragments */
    say_frame(fd, 0x80, "ment", 4);
    expect_bytes(fd, "\x8a\x03now", 5);
    expect_bytes(fd,
                 "\x82\x08"
                 "fragment",
                 10);
    net_close(&fd);
}
END_TEST

START_TEST(a_large_message_comes_back)
{
    static char large[1 << 20], expected[10] = {(char)0x82, 127, 0, 0, 0, 0, 0, 0x10, 0, 0};
    start_worker();
    int fd = open_websocket();
    memset(large, 'x', sizeof large);
    say_frame(fd, 0x82, large, sizeof large);
    read_size(fd, sizeof expected + sizeof large);
    ck_assert_mem_eq(got, expected, sizeof expected);
    ck_assert_mem_eq(got + sizeof expected, large, sizeof large);
    net_close(&fd);
}
END_TEST

/* What the frame that was sent is answered with: the close code. */
static unsigned close_code_after(unsigned first, const char *payload, size_t size)
{
    int fd = open_websocket();

    say_frame(fd, first, payload, size);
    read_to_end(fd);
    net_close(&fd);
    ck_assert_uint_ge(got_size, 4);
    ck_assert_uint_eq((uint8_t)got[0], 0x88);
    return (unsigned)(uint8_t)got[2] << 8 | (uint8_t)got[3];
}

START_TEST(broken_frames_end_the_websocket_with_their_code)
{
    static char large[(1 << 20) + 1];
    start_worker();
    ck_assert_uint_eq(close_code_after(0x88, "\x03\xe8", 2), 1000);
    ck_assert_uint_eq(close_code_after(0x88, "\x0f\xa0", 2), 4000);
    ck_assert_uint_eq(close_code_after(0x88, "\x03", 1), 1002);
    ck_assert_uint_eq(close_code_after(0x88, "\x03\xed", 2), 1002); /* 1005 is never sent */
    ck_assert_uint_eq(close_code_after(0x80, "x", 1), 1002);        /* goes on with nothing */
    ck_assert_uint_eq(close_code_after(0x83, "x", 1), 1002);        /* no such frame */
    ck_assert_uint_eq(close_code_after(0x09, "x", 1), 1002);        /* a ping in fragments */
    ck_assert_uint_eq(close_code_after(0xc1, "x", 1), 1002);        /* a reserved bit */
    ck_assert_uint_eq(close_code_after(0x81, "\xc0\xaf", 2), 1007);
    ck_assert_uint_eq(close_code_after(0x81, "\xed\xa0\x80", 3), 1007);
    ck_assert_uint_eq(close_code_after(0x82, large, sizeof large), 1009);
}
END_TEST

START_TEST(a_plain_get_of_the_websocket_path_is_told_to_upgrade)
{
    start_worker();
    ck_assert_int_eq(strncmp(ask("GET /ws HTTP/1.0\r\n\r\n"), "HTTP/1.1 426 ", 13), 0);
}
END_TEST

START_TEST(term_lets_what_is_under_way_finish)
{
    start_worker();
    int idle = open_client(), websocket = open_websocket(), stream = open_client();
    say_text(stream,
             "GET /stream?ticks=5&ms=50 HTTP/1.1\r\nHost: a\r\n\r\nGET /who HTTP/1.1\r\nHost: a\r\n\r\n");
    read_until(stream, "\"tick\": 1}");
    kill(worker, SIGTERM);
    read_to_end(stream);
    ck_assert_ptr_nonnull(strstr(got, "\"tick\": 5}"));
    ck_assert_str_eq(got + got_size - 5, "0\r\n\r\n"); /* and nothing to the second request */
    got_size = 0;
    read_size(websocket, 4);
    ck_assert_mem_eq(got, "\x88\x02\x03\xe9", 4); /* 1001: going away */
    got_size = 0;
    ck_assert(!read_more(idle));
    net_close(&idle);
    net_close(&stream);
    net_close(&websocket);
    int status = wait_for_worker();
    ck_assert(WIFEXITED(status));
    ck_assert_int_eq(WEXITSTATUS(status), 0);
}
END_TEST

START_TEST(without_a_place_to_listen_it_says_so)
{
    struct command_line line = {.command = "demo-worker"};

    unsetenv("SOCKET");
    unsetenv("PORT");
    unsetenv("LISTEN_FDS");
    ck_assert_int_eq(command_demo_worker(&line), EXIT_WRONG_USE);
    char *words[] = {"nonsense"};
    line.arguments = words;
    line.argument_count = 1;
    ck_assert_int_eq(command_demo_worker(&line), EXIT_WRONG_USE);
}
END_TEST

UNIT_MAIN("daemon/demo_worker", the_page_says_which_worker_answered,
          requests_in_one_packet_are_answered_in_order, echo_gives_back_the_head_and_a_chunked_body,
          a_body_is_asked_for_when_the_client_waits_for_that, events_come_one_after_the_other,
          rubbish_gets_400_and_the_end, a_websocket_echoes_whole_messages, a_large_message_comes_back,
          broken_frames_end_the_websocket_with_their_code,
          a_plain_get_of_the_websocket_path_is_told_to_upgrade, term_lets_what_is_under_way_finish,
          without_a_place_to_listen_it_says_so)
