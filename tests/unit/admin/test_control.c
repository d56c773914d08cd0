/* SPDX-License-Identifier: MIT
 *
 * The control socket. The client is on the loop's own thread: turns and reads alternate. */
#include "tests/unit/admin/fixture.h"

#include <stdlib.h>
#include <unistd.h>

static struct loop *loop;
static struct admin *admin;
static struct address address;
static char directory[64];

/* What was asked last; `kept` when its answer is for later. */
static struct {
    char words[128];
    struct admin_request *kept;
    bool keeps;
} asked;

static void take(struct admin_request *request, const char *what, const char *first, const char *second)
{
    str_format(asked.words, sizeof asked.words, "%s %s %s", what, first, second);
    if (asked.keeps)
        asked.kept = request;
    else
        admin_reply(request, strcmp(what, "drain") != 0, asked.words);
}
static void on_scale(void *owner, struct admin_request *request, const char *pool, const char *size)
{
    ck_assert_ptr_eq(owner, &asked);
    take(request, "scale", pool, size);
}
static void on_drain(void *owner, struct admin_request *request, const char *worker)
{
    (void)owner;
    take(request, "drain", worker, "");
}
static void on_restart(void *owner, struct admin_request *request, const char *pool, bool surge)
{
    (void)owner;
    take(request, "restart", pool, surge ? "surge" : "tight");
}
static void on_wait(void *owner, struct admin_request *request, const char *pool)
{
    (void)owner;
    take(request, "wait", pool ? pool : "all", "");
}
static void on_reload(void *owner, struct admin_request *request)
{
    (void)owner;
    take(request, "reload", "", "");
}
static void on_stop(void *owner, struct admin_request *request)
{
    (void)owner;
    take(request, "stop", "", "");
}

static void open_control(void)
{
    static const struct admin_callbacks callbacks = {on_scale, on_drain,  on_restart,
                                                     on_wait,  on_reload, on_stop};
    char text[ADDRESS_TEXT];

    drover_init();
    loop = loop_new("control");
    strcpy(directory, "/tmp/drover-control-XXXXXX");
    CHECK(mkdtemp(directory));
    str_format(text, sizeof text, "unix:%s/c.sock", directory);
    CHECK(address_parse(&address, slice_of(text)));
    int listener = net_listen(&address, 0, 64);
    CHECK(listener >= 0);
    admin = admin_open(loop, -1, listener, &drover.source, &callbacks, &asked);
}

static void close_control(void)
{
    admin_close(&admin);
    loop_free(&loop);
    blocks_fini();
    unlink(address.local.sun_path);
    rmdir(directory);
    drover_fini();
}

static int client_says(const char *text)
{
    int fd = net_connect(&address);

    ck_assert_int_ge(fd, 0);
    if (*text)
        ck_assert_int_eq(net_write(fd, text, strlen(text)), (ssize_t)strlen(text));
    turn(loop);
    return fd;
}

static const char *ask(const char *line)
{
    int fd = client_says(line);
    const char *got = hear(loop, fd, NULL);

    net_close(&fd);
    return got;
}

START_TEST(a_command_gets_one_line_back_and_the_end)
{
    open_control();
    ck_assert_str_eq(ask("{\"command\":\"scale\",\"pool\":\"web\",\"size\":\"6\"}\n"),
                     "{\"ok\":true,\"text\":\"scale web 6\"}\n");
    ck_assert_str_eq(asked.words, "scale web 6");
    ck_assert_str_eq(ask("{\"command\":\"drain\",\"worker\":\"web.3\"}\n"),
                     "{\"ok\":false,\"text\":\"drain web.3 \"}\n");
    ask("{\"command\":\"reload\"}\n");
    ck_assert_str_eq(asked.words, "reload  ");
    ask("{\"command\":\"stop\"}\n");
    ck_assert_str_eq(asked.words, "stop  ");
    ask("{\"command\":\"restart\",\"pool\":\"web\"}\n");
    ck_assert_str_eq(asked.words, "restart web surge");
    ask("{\"command\":\"restart\",\"pool\":\"web\",\"surge\":false}\n");
    ck_assert_str_eq(asked.words, "restart web tight");
    ask("{\"command\":\"wait\"}\n");
    ck_assert_str_eq(asked.words, "wait all ");
    close_control();
}
END_TEST

START_TEST(the_status_comes_as_a_tree)
{
    open_control();
    json_t *reply = json_loads(ask("{\"command\":\"status\"}\n"), 0, NULL);
    ck_assert(json_is_true(json_object_get(reply, "ok")));
    ck_assert(json_is_true(json_object_get(reply, "healthy")));
    ck_assert_ptr_nonnull(json_object_get(json_object_get(json_object_get(reply, "status"), "pools"), "web"));
    json_decref(reply);
    drover.server_is_fit[0] = drover.server_is_fit[1] = false;
    reply = json_loads(ask("{\"command\":\"status\"}\n"), 0, NULL);
    ck_assert(json_is_false(json_object_get(reply, "healthy")));
    json_decref(reply);
    close_control();
}
END_TEST

START_TEST(an_answer_may_come_later)
{
    open_control();
    asked.keeps = true;
    int fd = client_says("{\"command\":\"reload\"}\n");
    turn(loop);
    ck_assert_ptr_nonnull(asked.kept);
    char byte;
    ck_assert_int_eq(net_read(fd, &byte, 1), -EAGAIN);
    admin_reply(asked.kept, false, "drover.yaml:1:1: wrong\nand more\n");
    ck_assert_str_eq(hear(loop, fd, NULL),
                     "{\"ok\":false,\"text\":\"drover.yaml:1:1: wrong\\nand more\\n\"}\n");
    net_close(&fd);
    close_control();
}
END_TEST

START_TEST(an_answer_to_a_client_that_left_goes_nowhere)
{
    open_control();
    asked.keeps = true;
    int fd = client_says("{\"command\":\"reload\"}\n");
    turn(loop);
    net_close(&fd);
    turn(loop);
    admin_reply(asked.kept, true, NULL);
    turn(loop);
    close_control();
}
END_TEST

START_TEST(who_waits_and_leaves_makes_room_for_others)
{
    open_control();
    asked.keeps = true;
    for (unsigned i = 0; i < 40; i++) { /* more than may be there at once */
        int fd = client_says("{\"command\":\"wait\",\"pool\":\"web\"}\n");
        turn(loop);
        ck_assert_ptr_nonnull(asked.kept);
        net_close(&fd);
        turn(loop);
        admin_reply(asked.kept, true, NULL);
        asked.kept = NULL;
    }
    int fd = client_says("{\"command\":\"wait\"}\n");
    turn(loop);
    net_shutdown_write(fd); /* as a pipe into the socket does */
    turn(loop);
    admin_reply(asked.kept, true, "over");
    ck_assert_str_eq(hear(loop, fd, NULL), "{\"ok\":true,\"text\":\"over\"}\n");
    net_close(&fd);
    close_control();
}
END_TEST

START_TEST(those_who_wait_leave_room_for_who_only_asks)
{
    struct admin_request *kept[12];
    int many[12];

    open_control();
    asked.keeps = true;
    for (unsigned i = 0; i < 12; i++) {
        many[i] = client_says("{\"command\":\"wait\",\"pool\":\"web\"}\n");
        turn(loop);
        kept[i] = asked.kept;
    }
    ck_assert_ptr_nonnull(strstr(ask("{\"command\":\"wait\"}\n"), "too many commands wait"));
    ck_assert_ptr_nonnull(strstr(ask("{\"command\":\"status\"}\n"), "\"ok\":true"));
    for (unsigned i = 0; i < 12; i++) {
        admin_reply(kept[i], true, "over");
        ck_assert_ptr_nonnull(strstr(hear(loop, many[i], NULL), "over"));
        net_close(&many[i]);
    }
    close_control();
}
END_TEST

START_TEST(an_answer_after_the_close_goes_nowhere)
{
    open_control();
    asked.keeps = true;
    int fd = client_says("{\"command\":\"stop\"}\n");
    turn(loop);
    close_control();
    admin_reply(asked.kept, true, NULL);
    net_close(&fd);
}
END_TEST

START_TEST(a_line_in_pieces_is_put_together)
{
    open_control();
    int fd = client_says("{\"command\":");
    ck_assert_int_eq(net_write(fd, "\"reload\"}\n", 10), 10);
    ck_assert_str_eq(hear(loop, fd, NULL), "{\"ok\":true,\"text\":\"reload  \"}\n");
    net_close(&fd);
    close_control();
}
END_TEST

START_TEST(a_line_may_end_with_the_stream)
{
    open_control();
    int fd = client_says("{\"command\":\"reload\"}");
    net_shutdown_write(fd);
    ck_assert_str_eq(hear(loop, fd, NULL), "{\"ok\":true,\"text\":\"reload  \"}\n");
    net_close(&fd);
    close_control();
}
END_TEST

START_TEST(what_is_not_understood_is_refused)
{
    open_control();
    ck_assert_ptr_nonnull(strstr(ask("hello\n"), "expected one line of JSON"));
    ck_assert_ptr_nonnull(strstr(ask("[]\n"), "expected {"));
    ck_assert_ptr_nonnull(strstr(ask("{\"command\":5}\n"), "expected {"));
    ck_assert_ptr_nonnull(strstr(ask("{\"command\":\"dance\"}\n"), "unknown command"));
    ck_assert_ptr_nonnull(
        strstr(ask("{\"command\":\"scale\",\"pool\":\"web\"}\n"), "\\\"size\\\" is missing"));
    ck_assert_ptr_nonnull(strstr(ask("{\"command\":\"scale\",\"size\":\"6\"}\n"), "\\\"pool\\\" is missing"));
    ck_assert_ptr_nonnull(strstr(ask("{\"command\":\"drain\",\"worker\":\"\"}\n"), "is missing"));
    ck_assert_str_eq(asked.words, "");
    close_control();
}
END_TEST

START_TEST(a_line_without_an_end_is_refused)
{
    static char line[4097];
    open_control();
    memset(line, ' ', sizeof line - 1);
    ck_assert_ptr_nonnull(strstr(ask(line), "too long"));
    close_control();
}
END_TEST

START_TEST(too_many_at_once_are_refused)
{
    int many[16];
    open_control();
    for (unsigned i = 0; i < 16; i++)
        many[i] = client_says("");
    ck_assert_ptr_nonnull(strstr(ask(""), "too many"));
    for (unsigned i = 0; i < 16; i++)
        net_close(&many[i]);
    turn(loop);
    ck_assert_ptr_nonnull(strstr(ask("{\"command\":\"reload\"}\n"), "\"ok\":true"));
    close_control();
}
END_TEST

UNIT_MAIN("admin/control", a_command_gets_one_line_back_and_the_end, the_status_comes_as_a_tree,
          an_answer_may_come_later, an_answer_to_a_client_that_left_goes_nowhere,
          an_answer_after_the_close_goes_nowhere, who_waits_and_leaves_makes_room_for_others,
          those_who_wait_leave_room_for_who_only_asks, a_line_in_pieces_is_put_together,
          a_line_may_end_with_the_stream, what_is_not_understood_is_refused, a_line_without_an_end_is_refused,
          too_many_at_once_are_refused)
