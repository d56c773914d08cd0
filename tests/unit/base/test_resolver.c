/* SPDX-License-Identifier: MIT
 *
 * The name server is a socket on the same loop that knows a few names. */
#include "base/resolver.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/net.h"
#include "tests/unit/unit.h"

static struct loop *loop;
static struct resolver *resolver;
static struct watch server_watch;
static int server;
static unsigned answers, last_count, last_ttl;
static char last_text[256], last_why[64];

static size_t put_record(unsigned char *at, unsigned char ttl, const char *ip)
{
    static const unsigned char head[] = {0xc0, 0x0c, 0, 1, 0, 1, 0, 0, 0};

    memcpy(at, head, sizeof head);
    at[9] = ttl;
    at[10] = 0;
    at[11] = 4;
    ck_assert_int_eq(inet_pton(AF_INET, ip, at + 12), 1);
    return 16;
}

/* "api.test" has three A records, one of them twice; "silent.test" gets no answer; others do not exist. */
static void on_question(int fd, short what, void *argument)
{
    unsigned char message[512];
    struct sockaddr_in from;
    socklen_t size = sizeof from;
    ssize_t length = recvfrom(fd, message, sizeof message - 80, 0, (struct sockaddr *)&from, &size);
    (void)what;
    (void)argument;

    ck_assert_int_gt(length, 16);
    char *name = (char *)message + 12;
    size_t end = 12 + strlen(name) + 5;
    if (strcmp(name, "\6silent\4test") == 0)
        return;
    bool is_known = strcmp(name, "\3api\4test") == 0, is_a = message[end - 3] == 1;
    message[2] = 0x81;
    message[3] = is_known ? 0x80 : 0x83;
    memset(message + 6, 0, 6);
    if (is_known && is_a) {
        message[7] = 4;
        end += put_record(message + end, 7, "127.0.0.9");
        end += put_record(message + end, 5, "127.0.0.2");
        end += put_record(message + end, 9, "127.0.0.10");
        end += put_record(message + end, 9, "127.0.0.2");
    }
    ck_assert_int_gt(sendto(fd, message, end, 0, (struct sockaddr *)&from, size), 0);
}

static void begin(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct address address;
    char text[ADDRESS_TEXT];

    loop = loop_new("test");
    server = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(bind(server, (struct sockaddr *)&at, sizeof at), 0);
    ck_assert_int_eq(net_local_address(server, &address), 0);
    address_print(&address, text);
    watch_open_readable(&server_watch, loop, server, on_question, NULL);
    resolver = resolver_new(loop);
    resolver_use_server(resolver, text);
}

static void end(void)
{
    resolver_free(&resolver);
    ck_assert_ptr_null(resolver);
    watch_close(&server_watch);
    net_close(&server);
    loop_free(&loop);
}

static void on_answer(void *argument, const struct address *addresses, unsigned count, unsigned ttl_s,
                      const char *why)
{
    size_t size = 0;

    ck_assert_ptr_eq(argument, &answers);
    answers++;
    last_count = count;
    last_ttl = ttl_s;
    last_text[0] = 0;
    for (unsigned i = 0; i < count; i++) {
        char text[ADDRESS_TEXT];
        address_print(&addresses[i], text);
        size += str_format(last_text + size, sizeof last_text - size, "%s ", text);
    }
    str_format(last_why, sizeof last_why, "%s", why ? why : "");
    loop_stop(loop);
}

static void ask(const char *name)
{
    unsigned before = answers;

    resolver_ask(resolver, name, 8000, on_answer, &answers);
    ck_assert_uint_eq(answers, before);
    loop_run(loop);
    ck_assert_uint_eq(answers, before + 1);
}

START_TEST(a_name_has_its_addresses_sorted_once_with_the_least_ttl)
{
    begin();
    ask("api.test");
    ck_assert_str_eq(last_text, "127.0.0.2:8000 127.0.0.9:8000 127.0.0.10:8000 ");
    ck_assert_uint_eq(last_ttl, 5);
    ck_assert_str_eq(last_why, "");
    ask("api.test");
    ck_assert_uint_eq(last_count, 3);
    end();
}
END_TEST

START_TEST(an_unknown_name_tells_why)
{
    begin();
    ask("nobody.test");
    ck_assert_uint_eq(last_count, 0);
    ck_assert_str_ne(last_why, "");
    end();
}
END_TEST

START_TEST(silence_ends_in_time)
{
    begin();
    ask("silent.test");
    ck_assert_uint_eq(last_count, 0);
    ck_assert_ptr_nonnull(strcasestr(last_why, "time"));
    end();
}
END_TEST

START_TEST(numbers_and_the_hosts_file_are_answered_too_but_never_at_once)
{
    begin();
    ask("127.0.0.3");
    ck_assert_str_eq(last_text, "127.0.0.3:8000 ");
    if (access("/etc/hosts", R_OK) == 0) { /* a bare chroot has none */
        ask("localhost");
        ck_assert_ptr_nonnull(strstr(last_text, "127.0.0.1:8000"));
    }
    end();
}
END_TEST

static void never(void *argument, const struct address *addresses, unsigned count, unsigned ttl_s,
                  const char *why)
{
    (void)argument;
    (void)addresses;
    (void)count;
    (void)ttl_s;
    (void)why;
    ck_abort_msg("a cancelled question was answered");
}

START_TEST(a_cancelled_question_is_not_answered)
{
    begin();
    struct resolver_question *asked = resolver_ask(resolver, "api.test", 1, never, NULL),
                             *answered = resolver_ask(resolver, "127.0.0.1", 1, never, NULL);
    resolver_cancel(&asked);
    resolver_cancel(&answered);
    resolver_cancel(&answered);
    ask("api.test");
    end();
}
END_TEST

START_TEST(a_resolver_that_goes_answers_nobody)
{
    begin();
    resolver_ask(resolver, "silent.test", 1, never, NULL);
    resolver_ask(resolver, "api.test", 1, never, NULL);
    resolver_ask(resolver, "127.0.0.1", 1, never, NULL);
    end();
}
END_TEST

START_TEST(many_questions_at_once_are_all_answered)
{
    begin();
    for (unsigned i = 0; i < 50; i++)
        resolver_ask(resolver, i % 2 ? "api.test" : "nobody.test", 1, on_answer, &answers);
    while (answers < 50)
        loop_run(loop);
    end();
}
END_TEST

UNIT_MAIN("base/resolver", a_name_has_its_addresses_sorted_once_with_the_least_ttl, an_unknown_name_tells_why,
          silence_ends_in_time, numbers_and_the_hosts_file_are_answered_too_but_never_at_once,
          a_cancelled_question_is_not_answered, a_resolver_that_goes_answers_nobody,
          many_questions_at_once_are_all_answered)
