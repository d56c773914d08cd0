/* SPDX-License-Identifier: MIT
 *
 * Two connections that talk to each other in memory: one asks, one answers. */
#include "http/h2.h"

#include "base/mem.h"
#include "tests/unit/unit.h"

#define WINDOW 65535

struct end {
    struct h2 *h2;
    struct head scratch;
    struct h2_stream stream;
    struct buffer heard; /* what was told, in words */
    struct buffer body;
    bool keeps; /* data is not taken */
    bool accepts;
    unsigned accepted;
    uint64_t took;
};

static void say_head(struct end *end, const struct head *head)
{
    if (head->status)
        buffer_print(&end->heard, "%u", head->status);
    else
        buffer_print(&end->heard, "%.*s %.*s host=%.*s", (int)head->method_text.size, head->method_text.at,
                     (int)head->path_query.size, head->path_query.at, (int)head->host.size, head->host.at);
    if (head->framing == FRAMING_LENGTH)
        buffer_print(&end->heard, " length=%llu", (unsigned long long)head->content_length);
    else if (head->framing != FRAMING_NONE)
        buffer_print(&end->heard, " body");
    for (unsigned i = 0; i < head->field_count; i++)
        buffer_print(&end->heard, " %.*s=%.*s", (int)head->fields[i].name.size, head->fields[i].name.at,
                     (int)head->fields[i].value.size, head->fields[i].value.at);
    buffer_print(&end->heard, "; ");
}

static void on_request(void *owner, const struct head *head, const struct h1_error *error)
{
    struct end *end = owner;

    if (error)
        buffer_print(&end->heard, "bad %u; ", error->status);
    else
        say_head(end, head);
    if (!end->accepts || end->stream.id)
        return;
    end->stream = (struct h2_stream){.id = 0};
    h2_accept(end->h2, &end->stream);
    end->accepted++;
}

static void on_response(void *owner, struct h2_stream *stream, const struct head *head)
{
    (void)stream;
    say_head(owner, head);
}

static void on_data(void *owner, struct h2_stream *stream, struct slice data)
{
    struct end *end = owner;

    buffer_append(&end->body, data.at, data.size);
    if (!end->keeps)
        h2_took(end->h2, stream, data.size);
}

static void on_end(void *owner, struct h2_stream *stream, struct slice trailers)
{
    struct end *end = owner;

    (void)stream;
    buffer_print(&end->heard, "end%.*s; ", (int)trailers.size, trailers.at);
}

static void on_sent(void *owner, struct h2_stream *stream, bool is_all)
{
    struct end *end = owner;

    (void)stream;
    if (is_all)
        buffer_print(&end->heard, "all sent; ");
}

static void on_closed(void *owner, struct h2_stream *stream, uint32_t code)
{
    struct end *end = owner;

    ck_assert(stream == &end->stream);
    ck_assert_int_eq(stream->id, 0);
    buffer_print(&end->heard, "closed %u; ", code);
}

static void on_goaway(void *owner, uint32_t code)
{
    struct end *end = owner;

    buffer_print(&end->heard, "goaway %u; ", code);
}

static const struct h2_events events = {
    .on_request = on_request,
    .on_response = on_response,
    .on_data = on_data,
    .on_end = on_end,
    .on_sent = on_sent,
    .on_closed = on_closed,
    .on_goaway = on_goaway,
};

static struct end asking, answering;

static void end_init(struct end *end, enum h2_role role)
{
    struct h2_options options = {
        .role = role,
        .streams = 4,
        .stream_window = WINDOW,
        .connection_window = 1 << 20,
        .limits = {.head_bytes = 8192, .fields = 100},
        .serves_connect = true,
        .scratch = &end->scratch,
    };

    memset(end, 0, sizeof *end);
    end->accepts = true;
    end->h2 = h2_new(&options, &events, end);
}

static void setup(void)
{
    end_init(&asking, H2_ASKS);
    end_init(&answering, H2_ANSWERS);
}

static void end_fini(struct end *end)
{
    h2_free(&end->h2);
    buffer_release(&end->stream.out);
    mem_free(end->stream.trailers);
    buffer_release(&end->heard);
    buffer_release(&end->body);
}

static void teardown(void)
{
    end_fini(&asking);
    end_fini(&answering);
    blocks_fini();
}

/* One side's bytes to the other, at most `most` at a time. Returns how many that were. */
static size_t pass(struct end *from, struct end *to, size_t most)
{
    struct iovec parts[H2_PARTS];
    unsigned count = h2_unsent(from->h2, parts, H2_PARTS);
    struct buffer bytes = {0};
    size_t size;

    for (unsigned i = 0; i < count; i++)
        buffer_append(&bytes, parts[i].iov_base, parts[i].iov_len);
    size = buffer_size(&bytes) < most ? buffer_size(&bytes) : most;
    h2_sent(from->h2, size);
    if (size)
        (void)h2_receive(to->h2, (struct slice){buffer_bytes(&bytes), size}, 0);
    buffer_release(&bytes);
    return size;
}

static void talk_by(size_t most)
{
    while (pass(&asking, &answering, most) + pass(&answering, &asking, most))
        continue;
}

static void talk(void)
{
    talk_by(SIZE_MAX);
}

static const struct h2_target get = {.method = {"GET", 3},
                                     .scheme = {"http", 4},
                                     .authority = {"a.org", 5},
                                     .path = {"/x?y", 4},
                                     .protocol = {"", 0}};
static const struct h2_target post = {.method = {"POST", 4},
                                      .scheme = {"http", 4},
                                      .authority = {"a.org", 5},
                                      .path = {"/", 1},
                                      .protocol = {"", 0}};

#define FIELD(n, v)                                                                                          \
    {                                                                                                        \
        .name = SLICE(n), .value = SLICE(v)                                                                  \
    }

static void ask(const struct h2_target *target, const struct h2_field *fields, unsigned count, bool ends)
{
    ck_assert(h2_request(asking.h2, &asking.stream, method_of(target->method), target, fields, count, ends));
}

static void assert_text(const struct buffer *text, const char *expected)
{
    struct slice slice = buffer_slice(text);
    char *copy = slice_dup(slice);

    ck_assert_str_eq(copy, expected);
    mem_free(copy);
}

static void assert_heard(struct end *end, const char *expected)
{
    assert_text(&end->heard, expected);
    buffer_release(&end->heard);
}

START_TEST(a_request_and_its_answer_pass)
{
    struct h2_field fields[] = {FIELD("Accept", "*/*"), FIELD("x-a", "1")};
    struct h2_field answer[] = {FIELD("Content-Type", "text/plain"), FIELD("content-length", "5")};

    setup();
    ask(&get, fields, 2, true);
    talk();
    assert_heard(&answering, "GET /x?y host=a.org accept=*/* x-a=1; end; ");
    h2_respond(answering.h2, &answering.stream, 200, answer, 2, false);
    h2_data(answering.h2, &answering.stream, SLICE("hello"));
    h2_end(answering.h2, &answering.stream, SLICE(""));
    talk();
    assert_heard(&answering, "all sent; closed 0; ");
    assert_heard(&asking, "all sent; 200 length=5 content-type=text/plain content-length=5; end; closed 0; ");
    assert_text(&asking.body, "hello");
    teardown();
}
END_TEST

START_TEST(bytes_may_come_and_go_one_at_a_time)
{
    struct h2_field fields[] = {FIELD("x-a", "1")};

    setup();
    ask(&get, fields, 1, true);
    talk_by(1);
    h2_respond(answering.h2, &answering.stream, 404, NULL, 0, true);
    talk_by(1);
    assert_heard(&answering, "GET /x?y host=a.org x-a=1; end; all sent; closed 0; ");
    assert_heard(&asking, "all sent; 404; end; closed 0; ");
    teardown();
}
END_TEST

START_TEST(trailers_pass_both_ways)
{
    setup();
    ask(&post, NULL, 0, false);
    h2_data(asking.h2, &asking.stream, SLICE("abc"));
    h2_end(asking.h2, &asking.stream, SLICE("X-Sum: 1\r\nContent-Length: 3\r\n"));
    talk();
    assert_heard(&answering, "POST / host=a.org body; endx-sum: 1\r\n; ");
    h2_respond(answering.h2, &answering.stream, 200, NULL, 0, false);
    h2_end(answering.h2, &answering.stream, SLICE("grpc-status: 0\r\n"));
    talk();
    assert_heard(&asking, "all sent; 200 body; endgrpc-status: 0\r\n; closed 0; ");
    teardown();
}
END_TEST

START_TEST(interim_heads_come_before_the_final_one)
{
    struct h2_field hint[] = {FIELD("link", "</a>")};

    setup();
    ask(&get, NULL, 0, true);
    talk();
    h2_interim(answering.h2, &answering.stream, 103, hint, 1);
    h2_interim(answering.h2, &answering.stream, 103, NULL, 0);
    h2_respond(answering.h2, &answering.stream, 204, NULL, 0, true);
    talk();
    assert_heard(&asking, "all sent; 103 link=</a>; 103; 204; end; closed 0; ");
    teardown();
}
END_TEST

START_TEST(what_is_not_taken_holds_the_peer_back)
{
    struct buffer large = {0};

    setup();
    memset(buffer_reserve(&large, 300000), 'x', 300000);
    buffer_commit(&large, 300000);
    answering.keeps = true;
    ask(&post, NULL, 0, false);
    h2_data(asking.h2, &asking.stream, buffer_slice(&large));
    h2_end(asking.h2, &asking.stream, SLICE(""));
    talk();
    ck_assert_uint_eq(buffer_size(&answering.body), WINDOW);
    ck_assert_uint_eq(h2_stream_unsent(&asking.stream), 300000 - WINDOW);
    answering.keeps = false;
    h2_took(answering.h2, &answering.stream, WINDOW);
    talk();
    ck_assert_uint_eq(buffer_size(&answering.body), 300000);
    ck_assert_uint_eq(h2_stream_unsent(&asking.stream), 0);
    buffer_release(&large);
    teardown();
}
END_TEST

START_TEST(a_reset_is_the_last_word)
{
    setup();
    ask(&post, NULL, 0, false);
    talk();
    h2_reset(asking.h2, &asking.stream, H2_CANCEL);
    ck_assert_int_eq(asking.stream.id, 0);
    talk();
    assert_heard(&answering, "POST / host=a.org body; closed 8; ");
    assert_heard(&asking, "");
    ck_assert_uint_eq(h2_streams(answering.h2), 0);
    ck_assert_uint_eq(h2_streams(asking.h2), 0);
    teardown();
}
END_TEST

START_TEST(what_is_cut_is_reset_when_all_of_it_has_been_sent)
{
    struct buffer large = {0};

    setup();
    memset(buffer_reserve(&large, 100000), 'x', 100000);
    buffer_commit(&large, 100000);
    asking.keeps = true;
    ask(&get, NULL, 0, true);
    talk();
    assert_heard(&answering, "GET /x?y host=a.org; end; ");
    h2_respond(answering.h2, &answering.stream, 200, NULL, 0, false);
    h2_data(answering.h2, &answering.stream, buffer_slice(&large));
    h2_cut(answering.h2, &answering.stream);
    talk();
    assert_heard(&asking, "all sent; 200 body; ");
    ck_assert(!h2_stream_has_window(answering.h2, &answering.stream));
    asking.keeps = false;
    h2_took(asking.h2, &asking.stream, WINDOW);
    talk();
    ck_assert_uint_eq(buffer_size(&asking.body), 100000);
    assert_heard(&asking, "closed 2; ");
    assert_heard(&answering, "closed 2; ");
    ck_assert(h2_has_window(answering.h2));
    buffer_release(&large);
    teardown();
}
END_TEST

START_TEST(a_stream_that_nobody_accepts_is_refused)
{
    setup();
    answering.accepts = false;
    ask(&get, NULL, 0, true);
    talk();
    assert_heard(&asking, "all sent; closed 7; ");
    teardown();
}
END_TEST

START_TEST(data_of_a_stream_that_was_reset_gives_its_window_back)
{
    struct buffer large = {0};

    setup();
    memset(buffer_reserve(&large, WINDOW), 'x', WINDOW);
    buffer_commit(&large, WINDOW);
    answering.keeps = true;
    for (unsigned i = 0; i < 40; i++) { /* more than the connection's window in all */
        asking.stream = answering.stream = (struct h2_stream){.id = 0};
        ask(&post, NULL, 0, false);
        h2_data(asking.h2, &asking.stream, buffer_slice(&large));
        talk();
        ck_assert_uint_eq(h2_stream_unsent(&asking.stream), 0);
        h2_reset(i % 2 ? asking.h2 : answering.h2, i % 2 ? &asking.stream : &answering.stream, H2_CANCEL);
        talk();
    }
    buffer_release(&large);
    teardown();
}
END_TEST

START_TEST(the_end_comes_in_two_steps)
{
    setup();
    ask(&get, NULL, 0, true);
    talk();
    h2_announce_end(answering.h2);
    talk();
    assert_heard(&asking, "all sent; goaway 0; ");
    ck_assert(!h2_may_open(asking.h2));
    h2_goaway(answering.h2, H2_NO_ERROR);
    talk();
    h2_respond(answering.h2, &answering.stream, 200, NULL, 0, true);
    talk();
    assert_heard(&asking, "goaway 0; 200; end; closed 0; ");
    ck_assert(h2_is_over(answering.h2));
    ck_assert(h2_is_over(asking.h2));
    teardown();
}
END_TEST

START_TEST(a_request_that_waited_as_a_goaway_came_was_not_looked_at)
{
    setup();
    talk();
    ask(&get, NULL, 0, true);
    h2_goaway(answering.h2, H2_NO_ERROR);
    (void)pass(&answering, &asking, SIZE_MAX);
    talk();
    assert_heard(&asking, "goaway 0; closed 7; ");
    assert_heard(&answering, "");
    teardown();
}
END_TEST

START_TEST(extended_connect_comes_as_a_handshake)
{
    struct h2_target target = {.method = SLICE("CONNECT"),
                               .scheme = SLICE("https"),
                               .authority = SLICE("a.org"),
                               .path = SLICE("/ws"),
                               .protocol = SLICE("websocket")};

    setup();
    talk(); /* the settings have to be known */
    ck_assert(h2_peer_serves_connect(asking.h2));
    ask(&target, NULL, 0, false);
    talk();
    assert_heard(&answering, "GET /ws host=a.org; ");
    ck_assert(answering.scratch.is_extended_connect && answering.scratch.upgrades_to_websocket);
    h2_respond(answering.h2, &answering.stream, 200, NULL, 0, false);
    h2_data(answering.h2, &answering.stream, SLICE("there"));
    h2_data(asking.h2, &asking.stream, SLICE("here"));
    talk();
    assert_text(&asking.body, "there");
    assert_text(&answering.body, "here");
    teardown();
}
END_TEST

START_TEST(what_is_lent_goes_out_from_where_it_lies_and_the_rest_is_kept)
{
    static char large[100000];
    struct iovec parts[H2_PARTS];
    unsigned count, inside = 0;

    setup();
    memset(large, 'x', sizeof large);
    ask(&post, NULL, 0, false);
    h2_data(asking.h2, &asking.stream, SLICE("first "));
    h2_lend(asking.h2, &asking.stream, (struct slice){large, sizeof large});
    ck_assert_uint_eq(h2_stream_unsent(&asking.stream), sizeof large + 6);
    count = h2_unsent(asking.h2, parts, H2_PARTS);
    for (unsigned i = 0; i < count; i++)
        inside += (char *)parts[i].iov_base >= large && (char *)parts[i].iov_base < large + sizeof large;
    ck_assert_uint_ge(inside, 3);
    h2_sent(asking.h2, 0);
    h2_keep(&asking.stream);
    memset(large, 'y', sizeof large);
    h2_end(asking.h2, &asking.stream, SLICE(""));
    talk();
    ck_assert_uint_eq(buffer_size(&answering.body), sizeof large + 6);
    ck_assert_mem_eq(buffer_bytes(&answering.body), "first x", 7);
    ck_assert(!memchr(buffer_bytes(&answering.body), 'y', sizeof large));
    teardown();
}
END_TEST

/* A frame of that type, empty, `times` times. */
static bool flood(unsigned char type, unsigned char flags, unsigned times)
{
    const char one[] = {0, 0, 8, (char)type, (char)flags, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
    bool good = true;

    for (unsigned i = 0; i < times && good; i++)
        good = h2_receive(answering.h2, (struct slice){one, sizeof one}, 0);
    return good;
}

START_TEST(frames_that_do_nothing_have_a_budget_that_time_refills)
{
    setup();
    talk();
    ck_assert(flood(0xbb, 0, 480));
    ck_assert(!flood(0xbb, 0, 40));
    ck_assert_str_eq(h2_problem(answering.h2), "too many frames that do nothing");
    teardown();
    setup();
    talk();
    ck_assert(flood(0xbb, 0, 480));
    ck_assert(h2_receive(answering.h2, SLICE(""), 10000000));
    ck_assert(flood(0xbb, 0, 480));
    teardown();
}
END_TEST

START_TEST(heads_are_refused_as_http_1_refuses_them)
{
    static const struct {
        struct h2_target target;
        const char *heard;
    } heads[] = {
        {{{"TRACE", 5}, {"http", 4}, {"a", 1}, {"/", 1}, {"", 0}}, "bad 405; end; "},
        {{{"GET", 3}, {"ftp", 3}, {"a", 1}, {"/", 1}, {"", 0}}, "bad 400; end; "},
        {{{"GET", 3}, {"http", 4}, {"a", 1}, {"/#", 2}, {"", 0}}, "bad 400; end; "},
        {{{"GET", 3}, {"http", 4}, {"a:99999", 7}, {"/", 1}, {"", 0}}, "bad 400; end; "},
        {{{"GET", 3}, {"http", 4}, {"b@a", 3}, {"/", 1}, {"", 0}}, "bad 400; end; "},
        {{{"OPTIONS", 7}, {"http", 4}, {"a", 1}, {"*", 1}, {"", 0}}, "OPTIONS * host=a; end; "},
    };

    for (unsigned i = 0; i < sizeof heads / sizeof *heads; i++) {
        setup();
        ask(&heads[i].target, NULL, 0, true);
        talk();
        assert_heard(&answering, heads[i].heard);
        teardown();
    }
}
END_TEST

START_TEST(cookies_in_crumbs_are_one_field_and_underscores_are_left_out)
{
    struct h2_field fields[] = {FIELD("cookie", "a=1"), FIELD("x_y", "1"), FIELD("cookie", "b=2"),
                                FIELD("expect", "100-continue"), FIELD("cookie", "c=3")};

    setup();
    ask(&post, fields, 5, false);
    talk();
    assert_heard(&answering, "POST / host=a.org body cookie=a=1; b=2; c=3 expect=100-continue; ");
    ck_assert(answering.scratch.expects_continue);
    teardown();
}
END_TEST

START_TEST(garbage_breaks_the_connection)
{
    setup();
    ck_assert(!h2_receive(answering.h2, SLICE("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), 0));
    ck_assert(h2_has_unsent(answering.h2));
    teardown();
}
END_TEST

UNIT_MAIN("http/h2", a_request_and_its_answer_pass, bytes_may_come_and_go_one_at_a_time,
          trailers_pass_both_ways, interim_heads_come_before_the_final_one,
          what_is_not_taken_holds_the_peer_back, a_reset_is_the_last_word,
          what_is_cut_is_reset_when_all_of_it_has_been_sent, a_stream_that_nobody_accepts_is_refused,
          data_of_a_stream_that_was_reset_gives_its_window_back, the_end_comes_in_two_steps,
          a_request_that_waited_as_a_goaway_came_was_not_looked_at, extended_connect_comes_as_a_handshake,
          what_is_lent_goes_out_from_where_it_lies_and_the_rest_is_kept,
          frames_that_do_nothing_have_a_budget_that_time_refills, heads_are_refused_as_http_1_refuses_them,
          cookies_in_crumbs_are_one_field_and_underscores_are_left_out, garbage_breaks_the_connection)
