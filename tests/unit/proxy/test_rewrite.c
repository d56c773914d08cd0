/* SPDX-License-Identifier: MIT */
#include "proxy/rewrite.h"

#include "tests/unit/http/reading.h"

static struct network trusted[2];
static struct config config;
static struct peer peer;
static char real[46];
static struct buffer out;
static bool is_websocket, drop_expect;
static const char *our_cookie;

static void setup(bool is_trusted, const char *ip)
{
    ck_assert(network_parse(&trusted[0], SLICE("10.0.0.0/8")));
    ck_assert(network_parse(&trusted[1], SLICE("127.0.0.1")));
    config = (struct config){.trusted_count = 2, .trusted = trusted, .via = true};
    peer = (struct peer){.is_trusted = is_trusted, .port_text = "8000"};
    peer.ip_size = (uint8_t)strlen(ip);
    memcpy(peer.ip, ip, peer.ip_size);
    is_websocket = drop_expect = false;
    our_cookie = NULL;
}

/* What the worker gets for this request. */
static const char *written(const char *fields)
{
    char *bytes = mem_print("GET /p?q HTTP/1.1\r\nHost: a.example:8000\r\n%s\r\n", fields);
    size_t size;

    buffer_release(&out);
    ck_assert_int_eq(read_request(slice_of(bytes)), H1_DONE);
    size = rewrite_request(&out, &head, &peer, &config, is_websocket, drop_expect, our_cookie, 1500000, real);
    real[size] = 0;
    rewrite_close_request(&out, head.framing, head.content_length);
    buffer_append(&out, "", 1);
    mem_free(bytes);
    return buffer_bytes(&out);
}

static bool says(const char *text, const char *line)
{
    char *whole = mem_print("\r\n%s\r\n", line);
    bool found = strstr(text, whole) != NULL;

    mem_free(whole);
    return found;
}
#define ck_assert_says(text, line)   ck_assert_msg(says(text, line), "no \"%s\" in:\n%s", line, text)
#define ck_assert_silent(text, part) ck_assert_msg(!strstr(text, part), "\"%s\" in:\n%s", part, text)

START_TEST(a_request_is_written_anew_with_what_drover_knows)
{
    setup(false, "9.9.9.9");
    const char *text = written("Accept: */*\r\n");

    ck_assert_msg(strncmp(text, "GET /p?q HTTP/1.1\r\nHost: a.example:8000\r\nAccept: */*\r\n", 53) == 0,
                  "%s", text);
    ck_assert_says(text, "X-Forwarded-For: 9.9.9.9");
    ck_assert_says(text, "X-Forwarded-Proto: http");
    ck_assert_says(text, "X-Forwarded-Host: a.example:8000");
    ck_assert_says(text, "X-Forwarded-Port: 8000");
    ck_assert_says(text, "X-Real-IP: 9.9.9.9");
    ck_assert_says(text, "X-Request-Start: t=1500000");
    ck_assert_says(text, "Via: 1.1 drover");
    ck_assert_str_eq(text + strlen(text) - 4, "\r\n\r\n");
    ck_assert_str_eq(real, "9.9.9.9");
}
END_TEST

START_TEST(what_an_untrusted_peer_says_of_itself_is_removed)
{
    setup(false, "9.9.9.9");
    const char *text =
        written("X-Forwarded-For: 1.1.1.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: evil\r\n"
                "X-Forwarded-Port: 1\r\nX-Forwarded-Prefix: /evil\r\nForwarded: for=evil\r\n"
                "X-Real-IP: 1.1.1.1\r\nX-Request-Id: evil\r\nX-Request-Start: t=evil\r\n"
                "X-Scheme: evil\r\nX-Original-URL: /evil\r\nX-Rewrite-URL: /evil\r\nProxy: evil\r\n");

    ck_assert_silent(text, "evil");
    ck_assert_silent(text, "1.1.1.1");
    ck_assert_silent(text, "https");
    ck_assert_says(text, "X-Forwarded-For: 9.9.9.9");
    ck_assert_says(text, "X-Real-IP: 9.9.9.9");
    ck_assert_says(text, "X-Forwarded-Port: 8000");
}
END_TEST

START_TEST(what_a_trusted_proxy_says_is_kept_and_added_to)
{
    setup(true, "10.0.0.1");
    const char *text =
        written("X-Forwarded-For: 5.5.5.5\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: www\r\n"
                "X-Forwarded-Port: 443\r\nX-Forwarded-Prefix: /app\r\nForwarded: for=5.5.5.5\r\n"
                "X-Request-Id: Ab-1_2.3\r\nX-Request-Start: t=7\r\n");

    ck_assert_says(text, "X-Forwarded-For: 5.5.5.5, 10.0.0.1");
    ck_assert_says(text, "X-Forwarded-Proto: https");
    ck_assert_says(text, "X-Forwarded-Host: www");
    ck_assert_says(text, "X-Forwarded-Port: 443");
    ck_assert_says(text, "X-Forwarded-Prefix: /app");
    ck_assert_says(text, "Forwarded: for=5.5.5.5");
    ck_assert_says(text, "X-Request-Id: Ab-1_2.3");
    ck_assert_says(text, "X-Request-Start: t=7");
    ck_assert_says(text, "X-Real-IP: 5.5.5.5");
}
END_TEST

START_TEST(the_proxy_field_is_removed_whoever_sends_it)
{
    setup(true, "10.0.0.1");
    ck_assert_silent(written("Proxy: http://evil\r\n"), "evil");
}
END_TEST

START_TEST(the_client_is_the_right_most_that_is_no_trusted_proxy)
{
    setup(true, "127.0.0.1");
    written("X-Forwarded-For: 6.6.6.6, 5.5.5.5, 10.1.2.3\r\n");
    ck_assert_str_eq(real, "5.5.5.5");
    written(
        "X-Forwarded-For: 5.5.5.5\r\nX-Forwarded-For: 10.1.1.1, 10.2.2.2\r\n"); /* two lines are one list */
    ck_assert_str_eq(real, "5.5.5.5");
    written("X-Forwarded-For: 10.1.1.1\r\n"); /* all are trusted: the first of them */
    ck_assert_str_eq(real, "10.1.1.1");
    written(
        "X-Forwarded-For: 5.5.5.5, unknown, 10.1.1.1\r\n"); /* nothing left of what is no address is believed */
    ck_assert_str_eq(real, "10.1.1.1");
    written("X-Forwarded-For: 5.5.5.5:1234\r\n"); /* some proxies add the port */
    ck_assert_str_eq(real, "5.5.5.5");
    written("X-Forwarded-For: [2001:db8::1]:443, 10.1.1.1\r\n");
    ck_assert_str_eq(real, "2001:db8::1");
    written("");
    ck_assert_str_eq(real, "127.0.0.1");
    setup(false, "9.9.9.9");
    written("X-Forwarded-For: 5.5.5.5\r\n");
    ck_assert_str_eq(real, "9.9.9.9");
}
END_TEST

START_TEST(the_forwarded_scheme_is_http_or_https_and_nothing_else)
{
    static const char *const wrong[] = {"HTTPS", "https, http", "ftp", "\"https\"", ""};

    setup(true, "10.0.0.1");
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char *field = mem_print("X-Forwarded-Proto: %s\r\n", wrong[i]);
        ck_assert_says(written(field), "X-Forwarded-Proto: http");
        mem_free(field);
    }
    ck_assert_says(written("X-Forwarded-Proto: https\r\n"), "X-Forwarded-Proto: https");
}
END_TEST

START_TEST(a_forwarded_port_is_digits)
{
    setup(true, "10.0.0.1");
    ck_assert_says(written("X-Forwarded-Port: 8x\r\n"), "X-Forwarded-Port: 8000");
    ck_assert_says(written("X-Forwarded-Port: 123456\r\n"), "X-Forwarded-Port: 8000");
}
END_TEST

START_TEST(a_request_id_that_is_none_is_replaced)
{
    char longest[160] = "X-Request-Id: ";

    setup(true, "10.0.0.1");
    ck_assert_silent(written("X-Request-Id: a b\r\n"), "a b");
    ck_assert_silent(written("X-Request-Id: a,b\r\n"), "a,b");
    memset(longest + 14, 'i', 128);
    strcpy(longest + 14 + 128, "\r\n");
    ck_assert_ptr_nonnull(strstr(written(longest), "iiii"));
    strcpy(longest + 14 + 128, "i\r\n");
    ck_assert_silent(written(longest), "iiii");
}
END_TEST

START_TEST(each_request_gets_an_id_of_its_own)
{
    char first[64];

    setup(false, "9.9.9.9");
    str_format(first, sizeof first, "%.46s", strstr(written(""), "X-Request-Id: "));
    ck_assert_uint_eq(strlen(first), 46); /* 32 hexadecimal digits */
    ck_assert(strncmp(first, strstr(written(""), "X-Request-Id: "), 46) != 0);
}
END_TEST

START_TEST(hop_by_hop_fields_and_those_that_connection_names_are_dropped)
{
    setup(true, "10.0.0.1");
    const char *text =
        written("Connection: close, X-Mine, X-Forwarded-For\r\nX-Mine: gone\r\nKeep-Alive: gone\r\n"
                "Proxy-Connection: gone\r\nTE: gone\r\nUpgrade: gone\r\nHTTP2-Settings: gone\r\n"
                "X-Forwarded-For: 5.5.5.5\r\nX-Kept: yes\r\n");

    ck_assert_silent(text, "gone");
    ck_assert_silent(text, "Connection");
    ck_assert_says(text, "X-Kept: yes");
    ck_assert_says(text, "X-Forwarded-For: 5.5.5.5, 10.0.0.1"); /* ours: nobody can talk it away */
}
END_TEST

START_TEST(an_upgrade_is_passed_on_only_for_a_websocket)
{
    const char *fields = "Connection: Upgrade\r\nUpgrade: websocket\r\n";

    setup(false, "9.9.9.9");
    ck_assert_silent(written(fields), "pgrade");
    is_websocket = true;
    ck_assert_says(written(fields), "Connection: Upgrade");
    ck_assert_says(written(fields), "Upgrade: websocket");
}
END_TEST

START_TEST(an_expectation_is_kept_unless_drover_answers_it_itself)
{
    setup(false, "9.9.9.9");
    ck_assert_says(written("Expect: 100-continue\r\nContent-Length: 1\r\n"), "Expect: 100-continue");
    drop_expect = true;
    ck_assert_silent(written("Expect: 100-continue\r\nContent-Length: 1\r\n"), "Expect");
}
END_TEST

START_TEST(via_is_added_to_what_is_there_and_can_be_turned_off)
{
    setup(false, "9.9.9.9");
    ck_assert_says(written("Via: 1.0 one\r\nVia: 1.1 two\r\n"), "Via: 1.0 one, 1.1 two, 1.1 drover");
    config.via = false;
    ck_assert_says(written("Via: 1.0 one\r\n"), "Via: 1.0 one");
    ck_assert_silent(written(""), "Via");
}
END_TEST

START_TEST(max_forwards_is_one_less)
{
    setup(false, "9.9.9.9");
    ck_assert_says(written("Max-Forwards: 10\r\n"), "Max-Forwards: 9");
}
END_TEST

START_TEST(the_body_is_framed_anew)
{
    setup(false, "9.9.9.9");
    ck_assert_says(written("Content-Length: 7\r\n"), "Content-Length: 7");
    ck_assert_says(written("Transfer-Encoding: chunked\r\n"), "Transfer-Encoding: chunked");
    ck_assert_silent(written(""), "Content-Length");
}
END_TEST

/* --- responses --- */

static const char *answered(const char *bytes, enum method method, struct response_plan plan)
{
    buffer_release(&out);
    ck_assert_msg(read_response(slice_of(bytes), method) == H1_DONE, "%s", error.why);
    rewrite_response(&out, &head, &plan, UINT64_C(784111777) * 1000000);
    buffer_append(&out, "", 1);
    return buffer_bytes(&out);
}

START_TEST(a_response_keeps_its_fields_and_loses_those_of_the_link)
{
    const char *text =
        answered("HTTP/1.1 200 Fine\r\nServer: x\r\nConnection: close, X-Hop\r\nX-Hop: gone\r\n"
                 "Keep-Alive: gone\r\nProxy-Connection: gone\r\nContent-Length: 3\r\nSet-Cookie: a\r\n"
                 "Set-Cookie: b\r\n\r\n",
                 METHOD_GET, (struct response_plan){0});

    ck_assert_str_eq(text, "HTTP/1.1 200 Fine\r\nServer: x\r\nSet-Cookie: a\r\nSet-Cookie: b\r\n"
                           "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 3\r\n\r\n");
}
END_TEST

START_TEST(a_date_is_added_only_when_there_is_none)
{
    const char *text = answered("HTTP/1.1 200 OK\r\nDate: mine\r\nContent-Length: 0\r\n\r\n", METHOD_GET,
                                (struct response_plan){0});

    ck_assert_says(text, "Date: mine");
    ck_assert_silent(text, "1994");
    ck_assert_silent(
        answered("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n", METHOD_GET, (struct response_plan){0}),
        "Date");
}
END_TEST

START_TEST(what_has_no_body_says_no_length_that_would_be_one)
{
    ck_assert_silent(answered("HTTP/1.1 204 No Content\r\n\r\n", METHOD_GET, (struct response_plan){0}),
                     "Content-Length");
    ck_assert_says(answered("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", METHOD_GET,
                            (struct response_plan){0}),
                   "Content-Length: 9");
    ck_assert_says(
        answered("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", METHOD_HEAD, (struct response_plan){0}),
        "Content-Length: 9");
}
END_TEST

START_TEST(the_client_is_told_what_becomes_of_its_connection)
{
    const char *bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

    ck_assert_says(answered(bytes, METHOD_GET, (struct response_plan){.chunked = true}),
                   "Transfer-Encoding: chunked");
    ck_assert_says(answered(bytes, METHOD_GET, (struct response_plan){.closes = true}), "Connection: close");
    ck_assert_says(answered(bytes, METHOD_GET, (struct response_plan){.says_keep_alive = true}),
                   "Connection: keep-alive");
    ck_assert_says(answered("HTTP/1.1 101 Go\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
                            METHOD_GET, (struct response_plan){.is_upgrade = true}),
                   "Upgrade: websocket");
}
END_TEST

START_TEST(trailers_are_written_as_fields)
{
    buffer_release(&out);
    rewrite_trailers(&out, SLICE("X-Sum: 1\r\nContent-Length: 5\r\nX-More:2\r\n"));
    buffer_append(&out, "", 1);
    ck_assert_str_eq(buffer_bytes(&out), "X-Sum: 1\r\nX-More: 2\r\n");
}
END_TEST

START_TEST(our_cookie_is_left_out_and_the_others_stay)
{
    setup(false, "9.9.9.9");
    const char *text = written("Cookie: a=1; worker=secret; b=2\r\n");
    ck_assert_says(text, "Cookie: a=1; worker=secret; b=2");
    our_cookie = "worker";
    text = written("Cookie: a=1;worker=secret;b=2\r\nCookie: worker=secret\r\nCookie: odd\r\n");
    ck_assert_silent(text, "secret");
    ck_assert_says(text, "Cookie: a=1; b=2");
    ck_assert_says(text, "Cookie: odd");
    text = written("Cookie: a=1;b=2; worker2=x\r\n");
    ck_assert_says(text, "Cookie: a=1;b=2; worker2=x");
}
END_TEST

START_TEST(a_head_full_of_cookies_has_room)
{
    char fields[8000] = "Cookie: ";
    size_t size = strlen(fields);

    setup(false, "9.9.9.9");
    our_cookie = "worker";
    while (size < 7000)
        size += str_format(fields + size, sizeof fields - size, "a;");
    str_format(fields + size, sizeof fields - size, "worker=x\r\n");
    ck_assert_silent(written(fields), "worker");
}
END_TEST

static void proto_is(const char *proto)
{
    static char bytes[128]; /* what the head points into */

    str_format(bytes, sizeof bytes, "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: %s\r\n\r\n", proto);
    ck_assert_int_eq(read_request(slice_of(bytes)), H1_DONE);
}

START_TEST(a_request_is_https_by_itself_or_by_a_trusted_proxys_word)
{
    setup(false, "9.9.9.9");
    proto_is("https");
    ck_assert(!rewrite_is_https(&head, &peer));
    peer.is_tls = true;
    ck_assert(rewrite_is_https(&head, &peer));
    setup(true, "127.0.0.1");
    ck_assert(rewrite_is_https(&head, &peer));
    proto_is("wss");
    ck_assert(!rewrite_is_https(&head, &peer));
    peer.is_tls = true;
    proto_is("http");
    ck_assert(!rewrite_is_https(&head, &peer));
}
END_TEST

UNIT_MAIN("proxy/rewrite", a_request_is_written_anew_with_what_drover_knows,
          what_an_untrusted_peer_says_of_itself_is_removed, what_a_trusted_proxy_says_is_kept_and_added_to,
          the_proxy_field_is_removed_whoever_sends_it, the_client_is_the_right_most_that_is_no_trusted_proxy,
          the_forwarded_scheme_is_http_or_https_and_nothing_else, a_forwarded_port_is_digits,
          a_request_id_that_is_none_is_replaced, each_request_gets_an_id_of_its_own,
          hop_by_hop_fields_and_those_that_connection_names_are_dropped,
          an_upgrade_is_passed_on_only_for_a_websocket,
          an_expectation_is_kept_unless_drover_answers_it_itself,
          via_is_added_to_what_is_there_and_can_be_turned_off, max_forwards_is_one_less,
          the_body_is_framed_anew, a_response_keeps_its_fields_and_loses_those_of_the_link,
          a_date_is_added_only_when_there_is_none, what_has_no_body_says_no_length_that_would_be_one,
          the_client_is_told_what_becomes_of_its_connection, trailers_are_written_as_fields,
          our_cookie_is_left_out_and_the_others_stay, a_head_full_of_cookies_has_room,
          a_request_is_https_by_itself_or_by_a_trusted_proxys_word)
