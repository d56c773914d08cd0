/* SPDX-License-Identifier: MIT
 *
 * The admin address over real sockets. The client is on the loop's own thread: turns and reads alternate. */
#include "tests/unit/admin/fixture.h"

#include "admin/web.h"

#define REQUEST(path) "GET " path " HTTP/1.1\r\nHost: 127.0.0.1:9900\r\n\r\n"

static struct loop *loop;
static struct admin *admin;
static struct address address;

static void open_admin(void)
{
    static const struct admin_callbacks none;

    drover_init();
    loop = loop_new("control");
    CHECK(address_from_ip(&address, SLICE("127.0.0.1"), 0));
    int listener = net_listen(&address, 0, 128);
    CHECK(listener >= 0 && net_local_address(listener, &address) == 0);
    admin = admin_open(loop, listener, -1, &drover.source, &none, NULL);
}

static void close_admin(void)
{
    admin_close(&admin);
    loop_free(&loop);
    blocks_fini();
    drover_fini();
}

static int client(void)
{
    int fd = net_connect(&address);

    ck_assert_int_ge(fd, 0);
    turn(loop);
    return fd;
}

static void say(int fd, const char *text)
{
    ck_assert_int_eq(net_write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

/* The whole answer to one request, on a connection of its own that is closed by us once it is there. */
static const char *ask_until(const char *request, const char *enough)
{
    int fd = client();

    say(fd, request);
    const char *got = hear(loop, fd, enough);
    net_close(&fd);
    turn(loop);
    return got;
}

static void expect(const char *request, const char *first_line)
{
    const char *got = ask_until(request, "}\n");

    ck_assert_msg(strncmp(got, first_line, strlen(first_line)) == 0, "%s", got);
}

START_TEST(pages_are_json_and_never_kept_by_caches)
{
    open_admin();
    const char *got = ask_until(REQUEST("/health/worker"), "\n}\n");
    ck_assert_int_eq(strncmp(got, "HTTP/1.1 200 OK\r\n", 17), 0);
    ck_assert_ptr_nonnull(strstr(got, "Content-Type: application/json\r\n"));
    ck_assert_ptr_nonnull(strstr(got, "Cache-Control: no-store\r\n"));
    ck_assert_ptr_nonnull(strstr(got, "\"web.1\""));
    expect(REQUEST("/health/live"), "HTTP/1.1 200 ");
    expect(REQUEST("/health/ready?x=1"), "HTTP/1.1 200 ");
    expect(REQUEST("/api/status"), "HTTP/1.1 200 ");
    expect(REQUEST("/health/worker/web.2"), "HTTP/1.1 200 ");
    close_admin();
}
END_TEST

START_TEST(metrics_come_in_the_format_that_is_asked_for)
{
    open_admin();
    const char *got = ask_until(REQUEST("/metrics"), "process_max_fds ");
    ck_assert_int_eq(strncmp(got, "HTTP/1.1 200 OK\r\n", 17), 0);
    ck_assert_ptr_nonnull(strstr(got, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    ck_assert_ptr_nonnull(strstr(got, "\ndrover_worker_up{pool=\"web\",worker=\"web.1\"} 1\n"));
    got =
        ask_until("GET /metrics HTTP/1.1\r\nHost: localhost\r\nAccept: application/openmetrics-text\r\n\r\n",
                  "# EOF\n");
    ck_assert_ptr_nonnull(
        strstr(got, "Content-Type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n"));
    close_admin();
}
END_TEST

START_TEST(the_status_of_the_pool_is_the_status_of_the_answer)
{
    open_admin();
    drover.server_is_fit[0] = drover.server_is_fit[1] = false;
    expect(REQUEST("/health/worker"), "HTTP/1.1 503 ");
    close_admin();
}
END_TEST

START_TEST(a_connection_is_kept_and_takes_several_at_once)
{
    open_admin();
    int fd = client();
    say(fd, REQUEST("/health/live") REQUEST(
                "/nowhere") "GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    const char *got = hear(loop, fd, NULL);
    const char *missing = strstr(got, "HTTP/1.1 404 ");
    ck_assert_ptr_nonnull(missing);
    ck_assert_ptr_nonnull(strstr(missing, "HTTP/1.1 200 OK"));
    ck_assert_ptr_nonnull(strstr(missing, "Connection: close\r\n"));
    net_close(&fd);
    close_admin();
}
END_TEST

START_TEST(head_has_no_body)
{
    open_admin();
    const char *got =
        ask_until("HEAD /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", NULL);
    ck_assert_int_eq(strncmp(got, "HTTP/1.1 200 OK\r\n", 17), 0);
    ck_assert_str_eq(strstr(got, "\r\n\r\n"), "\r\n\r\n");
    close_admin();
}
END_TEST

START_TEST(only_get_and_head)
{
    open_admin();
    const char *got =
        ask_until("POST /health/worker HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n", NULL);
    ck_assert_int_eq(strncmp(got, "HTTP/1.1 405 ", 13), 0);
    ck_assert_ptr_nonnull(strstr(got, "Allow: GET, HEAD\r\n"));
    expect("DELETE /health/worker HTTP/1.1\r\nHost: localhost\r\n\r\n", "HTTP/1.1 405 ");
    close_admin();
}
END_TEST

START_TEST(a_foreign_host_reads_nothing)
{
    open_admin();
    const char *got = ask_until("GET /health/worker HTTP/1.1\r\nHost: evil.example:9900\r\n\r\n", "}\n");
    ck_assert_int_eq(strncmp(got, "HTTP/1.1 421 ", 13), 0);
    ck_assert_ptr_null(strstr(got, "web.1"));
    expect("GET http://evil.example/health/worker HTTP/1.1\r\nHost: evil.example\r\n\r\n", "HTTP/1.1 421 ");
    close_admin();
}
END_TEST

START_TEST(hosts_of_ours_are_literals_localhost_and_none)
{
    struct address local;
    CHECK(address_parse(&local, SLICE("unix:/tmp/x")));
    CHECK(address_from_ip(&address, SLICE("127.0.0.1"), 9900));

    ck_assert(web_host_is_ours(SLICE("127.0.0.1:9900"), &address));
    ck_assert(web_host_is_ours(SLICE("10.1.2.3"), &address));
    ck_assert(web_host_is_ours(SLICE("[::1]:9900"), &address));
    ck_assert(web_host_is_ours(SLICE("LocalHost:1"), &address));
    ck_assert(web_host_is_ours(SLICE("localhost."), &address));
    ck_assert(web_host_is_ours(SLICE(""), &address));
    ck_assert(!web_host_is_ours(SLICE("localhost.evil.example"), &address));
    ck_assert(!web_host_is_ours(SLICE("127.0.0.1.evil.example"), &address));
    ck_assert(!web_host_is_ours(SLICE("drover"), &address));
    ck_assert(web_host_is_ours(SLICE("drover"), &local));
}
END_TEST

START_TEST(on_an_address_that_others_reach_a_name_of_the_neighbourhood_is_ours_too)
{
    CHECK(address_from_ip(&address, SLICE("0.0.0.0"), 9900));
    ck_assert(web_host_is_ours(SLICE("drover:9900"), &address));
    ck_assert(!web_host_is_ours(SLICE("drover.evil.example:9900"), &address));
    CHECK(address_from_ip(&address, SLICE("::1"), 9900));
    ck_assert(!web_host_is_ours(SLICE("drover:9900"), &address));
    CHECK(address_from_ip(&address, SLICE("::"), 9900));
    ck_assert(web_host_is_ours(SLICE("drover"), &address));
}
END_TEST

START_TEST(rubbish_is_told_off_and_cut)
{
    open_admin();
    ck_assert_int_eq(strncmp(ask_until("GET / HTTP/1.1\nHost: a\n\n", NULL), "HTTP/1.1 400 ", 13), 0);
    ck_assert_int_eq(strncmp(ask_until("GET /health/live HTTP/1.1\r\n\r\n", NULL), "HTTP/1.1 400 ", 13), 0);
    close_admin();
}
END_TEST

START_TEST(a_head_without_an_end_is_refused)
{
    static char line[1024];
    open_admin();
    int fd = client();
    say(fd, "GET /health/live HTTP/1.1\r\nHost: localhost\r\n");
    memset(line, 'x', sizeof line - 3);
    memcpy(line, "X: ", 3);
    memcpy(line + sizeof line - 3, "\r\n", 3);
    for (unsigned i = 0; i < 16; i++)
        say(fd, line);
    ck_assert_int_eq(strncmp(hear(loop, fd, "}\n"), "HTTP/1.1 431 ", 13), 0);
    net_close(&fd);
    close_admin();
}
END_TEST

START_TEST(a_client_that_leaves_in_the_middle_is_forgotten)
{
    open_admin();
    int fd = client();
    say(fd, "GET /health/wor");
    turn(loop);
    net_reset(&fd);
    turn(loop);
    expect(REQUEST("/health/live"), "HTTP/1.1 200 ");
    close_admin();
}
END_TEST

START_TEST(the_longest_idle_connection_makes_room)
{
    int many[80];
    open_admin();
    for (unsigned i = 0; i < 80; i++)
        many[i] = client();
    turn(loop);
    expect(REQUEST("/health/live"), "HTTP/1.1 200 ");
    ck_assert_str_eq(hear(loop, many[0], NULL), ""); /* closed */
    say(many[79], REQUEST("/health/live"));
    ck_assert_int_eq(strncmp(hear(loop, many[79], "}\n"), "HTTP/1.1 200 ", 13), 0);
    for (unsigned i = 0; i < 80; i++)
        net_close(&many[i]);
    close_admin();
}
END_TEST

START_TEST(closing_with_open_connections_leaves_nothing)
{
    open_admin();
    int fd = client();
    say(fd, "GET /health/wor");
    turn(loop);
    close_admin();
    net_close(&fd);
}
END_TEST

UNIT_MAIN("admin/web", pages_are_json_and_never_kept_by_caches, metrics_come_in_the_format_that_is_asked_for,
          the_status_of_the_pool_is_the_status_of_the_answer, a_connection_is_kept_and_takes_several_at_once,
          head_has_no_body, only_get_and_head, a_foreign_host_reads_nothing,
          hosts_of_ours_are_literals_localhost_and_none,
          on_an_address_that_others_reach_a_name_of_the_neighbourhood_is_ours_too,
          rubbish_is_told_off_and_cut, a_head_without_an_end_is_refused,
          a_client_that_leaves_in_the_middle_is_forgotten, the_longest_idle_connection_makes_room,
          closing_with_open_connections_leaves_nothing)
