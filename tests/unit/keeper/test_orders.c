/* SPDX-License-Identifier: MIT */
#include "keeper/orders.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/socket.h>

#include "base/net.h"
#include "tests/unit/keeper/fixture.h"

static void open_line(int ends[2])
{
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
}

static void close_line(int ends[2])
{
    net_close(&ends[0]);
    net_close(&ends[1]);
}

START_TEST(an_order_arrives_as_it_was_sent)
{
    struct order sent = {.kind = ORDER_START, .slot = 7, .number = 3, .reference = 1ull << 60, .pool = "web"},
                 received;
    int ends[2], fds[ORDER_FDS_MAX];
    unsigned count;

    open_line(ends);
    ck_assert(order_send(ends[0], &sent, NULL, 0));
    ck_assert_int_eq(order_receive(ends[1], &received, fds, &count), 1);
    ck_assert_uint_eq(count, 0);
    ck_assert_mem_eq(&sent, &received, sizeof sent);
    ck_assert_int_eq(order_receive(ends[1], &received, fds, &count), 0);
    close_line(ends);
}
END_TEST

START_TEST(as_many_descriptors_as_a_message_may_carry_arrive)
{
    struct order order = {.kind = NEWS_LISTENER};
    int ends[2], sent[ORDER_FDS_MAX], fds[ORDER_FDS_MAX];
    unsigned count;

    open_line(ends);
    for (unsigned i = 0; i < ORDER_FDS_MAX; i++)
        sent[i] = ends[0];
    ck_assert(order_send(ends[0], &order, sent, ORDER_FDS_MAX));
    ck_assert_int_eq(order_receive(ends[1], &order, fds, &count), 1);
    ck_assert_uint_eq(count, ORDER_FDS_MAX);
    for (unsigned i = 0; i < count; i++) {
        ck_assert_int_ne(fcntl(fds[i], F_GETFD) & FD_CLOEXEC, 0);
        net_close(&fds[i]);
    }
    close_line(ends);
}
END_TEST

START_TEST(the_end_of_the_other_side_is_told)
{
    struct order order = {.kind = ORDER_DRAINED};
    int ends[2], fds[ORDER_FDS_MAX];
    unsigned count;

    open_line(ends);
    ck_assert(order_send(ends[0], &order, NULL, 0));
    net_close(&ends[0]);
    ck_assert_int_eq(order_receive(ends[1], &order, fds, &count), 1); /* what it said before is not lost */
    ck_assert_int_eq(order_receive(ends[1], &order, fds, &count), -1);
    ck_assert(!order_send(ends[1], &order, NULL, 0));
    close_line(ends);
}
END_TEST

START_TEST(a_message_of_another_size_ends_the_line)
{
    struct order order;
    int ends[2], fds[ORDER_FDS_MAX];
    unsigned count;

    open_line(ends);
    ck_assert_int_eq(net_send_with_fds(ends[0], "short", 5, &ends[0], 1), 5);
    ck_assert_int_eq(order_receive(ends[1], &order, fds, &count), -1);
    ck_assert_uint_eq(count, 0);
    close_line(ends);
}
END_TEST

START_TEST(a_pool_without_an_end_gets_one)
{
    struct order order = {.kind = ORDER_START};
    int ends[2], fds[ORDER_FDS_MAX];
    unsigned count;

    open_line(ends);
    memset(order.pool, 'x', sizeof order.pool);
    ck_assert(order_send(ends[0], &order, NULL, 0));
    ck_assert_int_eq(order_receive(ends[1], &order, fds, &count), 1);
    ck_assert_uint_eq(strlen(order.pool), sizeof order.pool - 1);
    close_line(ends);
}
END_TEST

START_TEST(a_receiver_that_reads_nothing_does_not_hold_the_sender_for_ever)
{
    struct order order = {.kind = ORDER_START};
    unsigned sent = 0;
    int ends[2];

    open_line(ends);
    while (sent < 1000000 && order_send(ends[0], &order, NULL, 0))
        sent++;
    ck_assert_uint_ge(sent, 100); /* hundreds fit */
    ck_assert_uint_lt(sent, 1000000);
    close_line(ends);
}
END_TEST

START_TEST(a_memfd_gives_back_its_bytes)
{
    uint64_t size = 0;
    int fd = order_memfd("a\0b\n", 4);

    ck_assert_int_ge(fd, 0);
    char *bytes = order_memfd_read(fd, &size);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(size, 4);
    ck_assert_mem_eq(bytes, "a\0b\n", 5);
    mem_free(bytes);
    ck_assert_int_lt(write(fd, "x", 1), 0); /* sealed */
    net_close(&fd);
    fd = order_memfd("", 0);
    bytes = order_memfd_read(fd, &size);
    ck_assert_ptr_nonnull(bytes);
    ck_assert_uint_eq(size, 0);
    mem_free(bytes);
    net_close(&fd);
}
END_TEST

START_TEST(a_memfd_that_can_still_change_is_refused)
{
    uint64_t size = 0;
    int fd = memfd_create("loose", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    ck_assert_int_eq(write(fd, "x", 1), 1);
    ck_assert_ptr_null(order_memfd_read(fd, &size));
    net_close(&fd);
    fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    ck_assert_ptr_null(order_memfd_read(fd, &size));
    net_close(&fd);
}
END_TEST

START_TEST(each_process_of_a_slot_has_a_path_of_its_own)
{
    char first[108], second[108];

    worker_sockets_in("");
    worker_socket_path(first, 4711, 3, 1);
    ck_assert_str_eq(first, "/run/drover-4711/3/1.sock");
    worker_sockets_in("/tmp/somewhere");
    worker_socket_path(first, 4711, 3, 1);
    worker_socket_path(second, 4711, 3, 2);
    ck_assert_str_eq(first, "/tmp/somewhere/3/1.sock");
    ck_assert_str_eq(second, "/tmp/somewhere/3/2.sock");
    worker_sockets_in("");
}
END_TEST

UNIT_MAIN("keeper/orders", an_order_arrives_as_it_was_sent, as_many_descriptors_as_a_message_may_carry_arrive,
          the_end_of_the_other_side_is_told, a_message_of_another_size_ends_the_line,
          a_pool_without_an_end_gets_one, a_receiver_that_reads_nothing_does_not_hold_the_sender_for_ever,
          a_memfd_gives_back_its_bytes, a_memfd_that_can_still_change_is_refused,
          each_process_of_a_slot_has_a_path_of_its_own)
