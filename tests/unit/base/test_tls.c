/* SPDX-License-Identifier: MIT
 *
 * Two streams of ours over a socket pair, and what a wire can do to them. */
#include "base/tls.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/certificate.h"
#include "base/net.h"
#include "tests/unit/certificates.h"

static struct {
    struct made_pair pair;
    SSL_CTX *server_context, *client_context;
    int fds[2];
    struct tls_stream *server, *client;
} world;

static void open_world(const char *name)
{
    bool blames_key;

    world.pair = pair_make("a.test", "DNS:a.test,IP:127.0.0.1", 30, NULL);
    world.server_context = SSL_CTX_new(TLS_server_method());
    world.client_context = SSL_CTX_new(TLS_client_method());
    ck_assert_ptr_null(certificate_use(world.server_context, slice_of(world.pair.certificate),
                                       slice_of(world.pair.key), &blames_key));
    ck_assert_uint_eq(certificates_trust(world.client_context, slice_of(world.pair.certificate), false), 1);
    SSL_CTX_set_verify(world.client_context, SSL_VERIFY_PEER, NULL);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, world.fds), 0);
    world.server = tls_accept(world.server_context, world.fds[0]);
    world.client = tls_connect(world.client_context, world.fds[1], name);
}

static void close_world(void)
{
    tls_free(&world.server, false);
    tls_free(&world.client, false);
    SSL_CTX_free(world.server_context);
    SSL_CTX_free(world.client_context);
    net_close(&world.fds[0]);
    net_close(&world.fds[1]);
    pair_free(&world.pair);
}

/* What an event loop would tell. */
static void wake(void)
{
    tls_woken(world.server, EV_READ | EV_WRITE);
    tls_woken(world.client, EV_READ | EV_WRITE);
}

static int shake(int *server)
{
    int client = -EAGAIN;

    *server = -EAGAIN;
    for (unsigned i = 0; i < 20 && (client == -EAGAIN || *server == -EAGAIN); i++) {
        wake();
        client = client == -EAGAIN ? tls_handshake(world.client) : client;
        *server = *server == -EAGAIN ? tls_handshake(world.server) : *server;
    }
    return client;
}

static void shake_well(void)
{
    int server;

    ck_assert_int_eq(shake(&server), 0);
    ck_assert_int_eq(server, 0);
    ck_assert(tls_is_open(world.server) && tls_is_open(world.client));
}

START_TEST(what_is_written_is_read)
{
    char bytes[64];

    open_world("a.test");
    shake_well();
    ck_assert_int_eq(tls_write(world.client, "hello", 5), 5);
    wake();
    ck_assert_int_eq(tls_read(world.server, bytes, sizeof bytes), 5);
    ck_assert_mem_eq(bytes, "hello", 5);
    ck_assert_int_eq(tls_read(world.server, bytes, sizeof bytes), -EAGAIN);
    close_world();
}
END_TEST

START_TEST(a_read_that_took_all_says_that_there_is_no_more)
{
    char bytes[64];

    open_world("a.test");
    shake_well();
    ck_assert_int_eq(tls_write(world.client, "hello", 5), 5);
    wake();
    ck_assert_int_eq(tls_read(world.server, bytes, 2), 2);
    ck_assert(tls_has_more(world.server));
    ck_assert_int_eq(tls_read(world.server, bytes, sizeof bytes), 3);
    ck_assert(!tls_has_more(world.server));
    ck_assert_int_eq(tls_write(world.client, "again", 5), 5);
    ck_assert_int_eq(tls_read(world.server, bytes, sizeof bytes), -EAGAIN); /* no event was told */
    wake();
    ck_assert_int_eq(tls_read(world.server, bytes, sizeof bytes), 5);
    close_world();
}
END_TEST

/* The socket takes a part of it; it goes on where it stopped, from wherever the bytes are by then. */
START_TEST(a_large_write_goes_on_when_there_is_room)
{
    size_t size = 3000000, sent = 0, got = 0;
    char *bytes = mem_alloc(size), *moved = mem_alloc(size), *into = mem_alloc(size);
    unsigned waits = 0;

    open_world("a.test");
    shake_well();
    for (size_t i = 0; i < size; i++)
        moved[i] = bytes[i] = (char)(i * 7 + i / 251);
    while (got < size) {
        ssize_t wrote =
            sent < size ? tls_write(world.server, (waits & 1 ? moved : bytes) + sent, size - sent) : 0;
        if (wrote == -EAGAIN) {
            ck_assert(tls_wants_room(world.server));
            waits++;
        }
        sent += wrote > 0 ? (size_t)wrote : 0;
        wake();
        ssize_t read = tls_read(world.client, into + got, size - got);
        ck_assert(read > 0 || read == -EAGAIN);
        got += read > 0 ? (size_t)read : 0;
    }
    ck_assert_uint_gt(waits, 2);
    ck_assert_mem_eq(bytes, into, size);
    mem_free(bytes);
    mem_free(moved);
    mem_free(into);
    close_world();
}
END_TEST

START_TEST(small_parts_travel_in_one_record)
{
    char large[40000], into[70000];
    struct iovec parts[] = {{"HTTP/1.1 200 OK\r\n\r\n", 19}, {"", 0}, {large, sizeof large}, {"\r\n", 2}};
    size_t got = 0;

    memset(large, 'x', sizeof large);
    open_world("a.test");
    shake_well();
    ck_assert_int_eq(tls_writev(world.server, parts, 4), 40021);
    wake();
    ssize_t first = tls_read(world.client, into, sizeof into);
    ck_assert_int_gt(first, 19); /* not the head alone */
    for (got = (size_t)first; got < 40021; got += (size_t)first) {
        wake();
        first = tls_read(world.client, into + got, sizeof into - got);
        ck_assert_int_gt(first, 0);
    }
    ck_assert_mem_eq(into, "HTTP/1.1 200 OK\r\n\r\nxxxx", 23);
    ck_assert_mem_eq(into + 40018, "x\r\n", 3);
    close_world();
}
END_TEST

START_TEST(a_goodbye_is_told_from_a_cut)
{
    char byte;

    open_world("a.test");
    shake_well();
    tls_free(&world.client, true);
    net_close(&world.fds[1]);
    tls_woken(world.server, EV_READ | EV_CLOSED);
    ck_assert_int_eq(tls_read(world.server, &byte, 1), 0);
    close_world();

    open_world("a.test");
    shake_well();
    tls_free(&world.client, false);
    net_close(&world.fds[1]);
    tls_woken(world.server, EV_READ | EV_CLOSED);
    ck_assert_int_eq(tls_read(world.server, &byte, 1), -ECONNRESET);
    ck_assert_int_eq(tls_read(world.server, &byte, 1), -ECONNRESET);
    ck_assert_int_eq(tls_write(world.server, "x", 1), -ECONNRESET);
    close_world();
}
END_TEST

START_TEST(after_our_goodbye_the_peer_may_still_speak)
{
    char byte;

    open_world("a.test");
    shake_well();
    tls_shutdown_write(world.server);
    tls_shutdown_write(world.server); /* once is enough */
    ck_assert_int_eq(tls_write(world.client, "x", 1), 1);
    wake();
    ck_assert_int_eq(tls_read(world.server, &byte, 1), 1);
    ck_assert_int_eq(tls_read(world.client, &byte, 1), 0);
    close_world();
}
END_TEST

START_TEST(a_certificate_for_another_name_is_refused_by_its_reason)
{
    int server;

    open_world("b.test");
    ck_assert_int_eq(shake(&server), -EPROTO);
    ck_assert_ptr_nonnull(strstr(tls_problem(world.client), "ostname mismatch"));
    ck_assert_int_eq(tls_write(world.client, "x", 1), -ECONNRESET);
    close_world();

    open_world("127.0.0.1");
    shake_well();
    close_world();

    open_world("127.0.0.2");
    ck_assert_int_eq(shake(&server), -EPROTO);
    close_world();
}
END_TEST

START_TEST(plain_http_is_recognised)
{
    open_world("a.test");
    ck_assert_int_eq(net_write(world.fds[1], "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27), 27);
    wake();
    ck_assert_int_eq(tls_handshake(world.server), -EPROTOTYPE);
    ck_assert_int_eq(tls_handshake(world.server), -EPROTO);
    close_world();
}
END_TEST

START_TEST(rubbish_fails_the_handshake)
{
    open_world("a.test");
    ck_assert_int_eq(net_write(world.fds[1], "\x16\x03\x01\x00\x05rubbish and more of it", 28), 28);
    wake();
    ck_assert_int_eq(tls_handshake(world.server), -EPROTO);
    ck_assert_str_ne(tls_problem(world.server), "");
    close_world();
}
END_TEST

START_TEST(writing_shakes_hands_first)
{
    char bytes[8];
    ssize_t wrote = -EAGAIN, got = -EAGAIN;

    open_world("a.test");
    for (unsigned i = 0; i < 20 && (wrote == -EAGAIN || got == -EAGAIN); i++) {
        wake();
        wrote = wrote == -EAGAIN ? tls_write(world.client, "hello", 5) : wrote;
        got = tls_read(world.server, bytes, sizeof bytes);
    }
    ck_assert_int_eq(wrote, 5);
    ck_assert_int_eq(got, 5);
    close_world();
}
END_TEST

START_TEST(a_target_is_reached_by_its_name)
{
    struct made_pair pair = pair_make("a.test", "DNS:a.test", 30, NULL);
    SSL_CTX *context = tls_client_context(slice_of(pair.certificate), true, false);
    struct tls_target *target = tls_target_new(context, "a.test"), *second = tls_target_ref(target);
    int fds[2];

    SSL_CTX_free(context);
    tls_target_unref(&target);
    ck_assert_ptr_null(target);
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    struct tls_stream *stream = tls_reach(second, fds[0]);
    tls_target_unref(&second); /* the stream has what it needs */
    ck_assert_int_eq(tls_handshake(stream), -EAGAIN);
    ck_assert_str_eq(SSL_get_servername(tls_ssl(stream), TLSEXT_NAMETYPE_host_name), "a.test");
    tls_free(&stream, true);
    ck_assert_ptr_null(tls_client_context(SLICE("no certificate"), true, false));
    ck_assert_ptr_null(tls_target_ref(NULL));
    net_close(&fds[0]);
    net_close(&fds[1]);
    pair_free(&pair);
}
END_TEST

static bool comes_back_shortly(struct tls_target *target, SSL_CTX *server_context)
{
    char byte;
    bool is_reused;

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, world.fds), 0);
    world.server = tls_accept(server_context, world.fds[0]);
    world.client = tls_reach(target, world.fds[1]);
    shake_well();
    ck_assert_int_eq(tls_write(world.server, "x", 1), 1);
    wake();
    ck_assert_int_eq(tls_read(world.client, &byte, 1), 1); /* and the tickets before it */
    is_reused = SSL_session_reused(tls_ssl(world.client));
    tls_free(&world.server, false);
    tls_free(&world.client, false);
    net_close(&world.fds[0]);
    net_close(&world.fds[1]);
    return is_reused;
}

START_TEST(who_was_reached_before_is_reached_with_a_shorter_handshake)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct made_pair pair = pair_make("a.test", "DNS:a.test", 30, NULL);
    SSL_CTX *context = tls_client_context(slice_of(pair.certificate), true, false),
            *server_context = SSL_CTX_new(TLS_server_method());
    bool blames_key;

    ck_assert_ptr_null(
        certificate_use(server_context, slice_of(pair.certificate), slice_of(pair.key), &blames_key));
    for (unsigned i = 0; i < 2; i++) {
        struct tls_target *target = tls_target_new(context, "a.test"),
                          *other = tls_target_new(context, "a.test");
        SSL_CTX_set_max_proto_version(server_context, versions[i]);
        ck_assert(!comes_back_shortly(target, server_context));
        for (unsigned k = 0; k < 12; k++)
            ck_assert_msg(comes_back_shortly(target, server_context), "version %u, time %u", i, k);
        ck_assert_msg(!comes_back_shortly(other, server_context), "what one target remembers is no other's");
        tls_target_forget(target);
        ck_assert(!comes_back_shortly(target, server_context));
        tls_target_unref(&target);
        tls_target_unref(&other);
    }
    SSL_CTX_free(context);
    SSL_CTX_free(server_context);
    pair_free(&pair);
}
END_TEST

START_TEST(a_handshake_that_failed_forgets_what_was_remembered)
{
    struct made_pair pair = pair_make("a.test", "DNS:a.test", 30, NULL);
    SSL_CTX *context = tls_client_context(slice_of(pair.certificate), true, false),
            *server_context = SSL_CTX_new(TLS_server_method());
    struct tls_target *target = tls_target_new(context, "a.test");
    bool blames_key;

    ck_assert_ptr_null(
        certificate_use(server_context, slice_of(pair.certificate), slice_of(pair.key), &blames_key));
    ck_assert(!comes_back_shortly(target, server_context));
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, world.fds), 0);
    struct tls_stream *stream = tls_reach(target, world.fds[1]);
    ck_assert_int_eq(tls_handshake(stream), -EAGAIN);
    net_close(&world.fds[0]);
    tls_woken(stream, EV_READ | EV_CLOSED);
    ck_assert_int_lt(tls_handshake(stream), 0);
    tls_free(&stream, false);
    net_close(&world.fds[1]);
    ck_assert(!comes_back_shortly(target, server_context));
    tls_target_unref(&target);
    SSL_CTX_free(context);
    SSL_CTX_free(server_context);
    pair_free(&pair);
}
END_TEST

UNIT_MAIN("base/tls", who_was_reached_before_is_reached_with_a_shorter_handshake,
          a_handshake_that_failed_forgets_what_was_remembered, a_target_is_reached_by_its_name,
          what_is_written_is_read, a_read_that_took_all_says_that_there_is_no_more,
          a_large_write_goes_on_when_there_is_room, small_parts_travel_in_one_record,
          a_goodbye_is_told_from_a_cut, after_our_goodbye_the_peer_may_still_speak,
          a_certificate_for_another_name_is_refused_by_its_reason, plain_http_is_recognised,
          rubbish_fails_the_handshake, writing_shakes_hands_first)
