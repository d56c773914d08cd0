/* SPDX-License-Identifier: MIT */
#include "base/net.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/unit/unit.h"

static char directory[64];

static struct address unix_address(const char *name)
{
    struct address address;
    char text[ADDRESS_TEXT];

    if (!directory[0]) {
        strcpy(directory, "/tmp/drover-net-XXXXXX");
        ck_assert_ptr_nonnull(mkdtemp(directory));
    }
    str_format(text, sizeof text, "unix:%s/%s", directory, name);
    ck_assert(address_parse(&address, slice_of(text)));
    return address;
}

static void clean(const struct address *address)
{
    unlink(address->local.sun_path);
    rmdir(directory);
}

static struct address any_port(void)
{
    struct address address;
    ck_assert(address_from_ip(&address, SLICE("127.0.0.1"), 0));
    return address;
}

static int option(int fd, int level, int name)
{
    int value = -1;
    socklen_t size = sizeof value;
    ck_assert_int_eq(getsockopt(fd, level, name, &value, &size), 0);
    return value;
}

static void wait_for(int fd, short events)
{
    struct pollfd ready = {.fd = fd, .events = events};
    ck_assert_int_eq(poll(&ready, 1, 5000), 1);
}

START_TEST(bytes_go_through_a_tcp_connection_both_ways)
{
    struct address address = any_port(), peer, end;
    char bytes[16];
    int listener = net_listen(&address, NET_REUSEADDR, 8);

    ck_assert_int_ge(listener, 0);
    ck_assert_int_eq(net_accept(listener, NULL), -EAGAIN);
    ck_assert_int_eq(net_local_address(listener, &address), 0);
    ck_assert_uint_ne(address_port(&address), 0);
    int near = net_connect(&address);
    ck_assert_int_ge(near, 0);
    wait_for(near, POLLOUT);
    ck_assert_int_eq(net_connect_result(near), 0);
    wait_for(listener, POLLIN);
    int far = net_accept(listener, &peer);
    ck_assert_int_ge(far, 0);
    ck_assert_int_eq(net_local_address(near, &end), 0);
    ck_assert(address_equal(&peer, &end));
    ck_assert_int_eq(option(far, IPPROTO_TCP, TCP_NODELAY), 1);
    ck_assert_int_eq(fcntl(far, F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(fcntl(far, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    ck_assert_int_eq(net_read(far, bytes, sizeof bytes), -EAGAIN);
    struct iovec parts[2] = {{"hel", 3}, {"lo", 2}};
    ck_assert_int_eq(net_writev(near, parts, 2), 5);
    net_shutdown_write(near);
    wait_for(far, POLLIN);
    ck_assert_int_eq(net_read(far, bytes, sizeof bytes), 5);
    ck_assert_int_eq(net_read(far, bytes, sizeof bytes), 0);
    ck_assert_int_eq(net_write(far, "yes", 3), 3);
    wait_for(near, POLLIN);
    ck_assert_int_eq(net_read(near, bytes, sizeof bytes), 3);
    net_reset(&far);
    ck_assert_int_eq(far, -1);
    wait_for(near, POLLIN);
    ck_assert_int_eq(net_read(near, bytes, sizeof bytes), -ECONNRESET);
    ck_assert_int_eq(net_write(near, "x", 1), -EPIPE); /* and no signal */
    net_close(&near);
    net_close(&near);
    net_close(&listener);
}
END_TEST

START_TEST(a_bound_port_that_does_not_listen_refuses)
{
    struct address address = any_port();
    int bound = net_listen(&address, NET_REUSEADDR | NET_BIND_ONLY, 0);

    ck_assert_int_ge(bound, 0);
    ck_assert_int_eq(net_local_address(bound, &address), 0);
    int fd = net_connect(&address);
    if (fd >= 0) {
        wait_for(fd, POLLOUT);
        ck_assert_int_eq(net_connect_result(fd), -ECONNREFUSED);
        net_close(&fd);
    } else {
        ck_assert_int_eq(fd, -ECONNREFUSED);
    }
    net_close(&bound);
}
END_TEST

START_TEST(a_taken_port_is_told_and_reuseport_shares_it)
{
    struct address address = any_port();
    int first = net_listen(&address, NET_REUSEPORT, 8);

    ck_assert_int_ge(first, 0);
    ck_assert_int_eq(net_local_address(first, &address), 0);
    ck_assert_int_eq(net_listen(&address, 0, 8), -EADDRINUSE);
    int second = net_listen(&address, NET_REUSEPORT, 8);
    ck_assert_int_ge(second, 0);
    net_close(&first);
    net_close(&second);
}
END_TEST

START_TEST(both_families_may_have_the_same_port)
{
    struct address v6, v4 = any_port();

    ck_assert(address_from_ip(&v6, SLICE("::"), 0));
    int first = net_listen(&v6, 0, 8);
    if (first == -EAFNOSUPPORT)
        return; /* a machine without IPv6 */
    ck_assert_int_ge(first, 0);
    ck_assert_int_eq(net_local_address(first, &v6), 0);
    v4.v4.sin_port = v6.v6.sin6_port;
    v4.v4.sin_addr.s_addr = 0;
    int second = net_listen(&v4, 0, 8);
    ck_assert_int_ge(second, 0);
    net_close(&first);
    net_close(&second);
}
END_TEST

START_TEST(a_dead_unix_socket_is_replaced_and_a_living_one_is_not)
{
    struct address address = unix_address("a.sock"), peer;
    int first = net_listen(&address, 0, 8);

    ck_assert_int_ge(first, 0);
    ck_assert_int_eq(net_listen(&address, 0, 8), -EADDRINUSE);
    net_close(&first); /* the file stays */
    first = net_listen(&address, 0, 8);
    ck_assert_int_ge(first, 0);
    int near = net_connect(&address);
    ck_assert_int_ge(near, 0);
    int far = net_accept(first, &peer);
    ck_assert_int_ge(far, 0);
    ck_assert(address_is_unix(&peer));
    net_close(&near);
    net_close(&far);
    net_close(&first);
    clean(&address);
}
END_TEST

START_TEST(a_path_that_is_a_file_is_never_unlinked)
{
    struct address address = unix_address("file");
    FILE *file = fopen(address.local.sun_path, "w");

    ck_assert_ptr_nonnull(file);
    fclose(file);
    ck_assert_int_eq(net_listen(&address, 0, 8), -EADDRINUSE);
    ck_assert_int_eq(access(address.local.sun_path, F_OK), 0);
    clean(&address);
    ck_assert_int_eq(net_connect(&address), -ENOENT);
}
END_TEST

START_TEST(descriptors_travel_with_a_datagram_and_come_close_on_exec)
{
    int pair[2], pipes[2], received[4];
    unsigned count = 4;
    char bytes[16];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    ck_assert_int_eq(pipe(pipes), 0);
    ck_assert_int_eq(net_send_with_fds(pair[0], "hi", 2, pipes, 2), 2);
    ck_assert_int_eq(net_receive_with_fds(pair[1], bytes, sizeof bytes, received, &count), 2);
    ck_assert_uint_eq(count, 2);
    ck_assert_int_eq(fcntl(received[0], F_GETFD), FD_CLOEXEC);
    ck_assert_int_eq(write(received[1], "x", 1), 1);
    ck_assert_int_eq(read(pipes[0], bytes, 1), 1);
    count = 4;
    ck_assert_int_eq(net_receive_with_fds(pair[1], bytes, sizeof bytes, received, &count), -EAGAIN);
    ck_assert_uint_eq(count, 0);
    ck_assert_int_eq(net_send_with_fds(pair[0], "plain", 5, NULL, 0), 5);
    count = 4;
    ck_assert_int_eq(net_receive_with_fds(pair[1], bytes, sizeof bytes, received, &count), 5);
    ck_assert_uint_eq(count, 0);
    net_close(&pair[0]);
    ck_assert_int_eq(net_receive_with_fds(pair[1], bytes, sizeof bytes, received, &count), 0);
    close(pair[1]);
}
END_TEST

static unsigned open_descriptors(void)
{
    unsigned count = 0;
    for (int fd = 0; fd < 256; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

START_TEST(a_datagram_that_does_not_fit_leaves_no_descriptor_behind)
{
    int pair[2], many[5], received[5];
    unsigned count = 3;
    char bytes[16];

    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair), 0);
    for (unsigned i = 0; i < 5; i++)
        many[i] = dup(pair[0]);
    unsigned before = open_descriptors();
    ck_assert_int_eq(net_send_with_fds(pair[0], "hi", 2, many, 5), 2);
    ck_assert_int_eq(net_receive_with_fds(pair[1], bytes, sizeof bytes, received, &count), -EMSGSIZE);
    ck_assert_uint_eq(count, 0);
    count = 5;
    ck_assert_int_eq(net_send_with_fds(pair[0], "hello", 5, many, 5), 5);
    ck_assert_int_eq(net_receive_with_fds(pair[1], bytes, 2, received, &count), -EMSGSIZE);
    ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

START_TEST(what_the_peer_has_not_taken_is_known)
{
    struct address address = any_port();
    char bytes[65536] = {0};
    int listener = net_listen(&address, NET_REUSEADDR, 8);

    ck_assert_int_eq(net_local_address(listener, &address), 0);
    int near = net_connect(&address);
    wait_for(listener, POLLIN);
    int far = net_accept(listener, NULL);
    ck_assert_uint_eq(net_unsent(near), 0);
    while (net_write(near, bytes, sizeof bytes) > 0)
        continue;
    size_t before = net_unsent(near);
    ck_assert_uint_gt(before, 0);
    for (int i = 0; i < 5000 && net_unsent(near); i++) {
        while (net_read(far, bytes, sizeof bytes) > 0)
            continue;
        poll(NULL, 0, 1);
    }
    ck_assert_uint_eq(net_unsent(near), 0);
    net_close(&near);
    net_close(&far);
    net_close(&listener);
}
END_TEST

START_TEST(a_datagram_is_read_whole_and_an_empty_one_is_nothing)
{
    struct address address;
    char bytes[256];

    address_from_ip(&address, SLICE("127.0.0.1"), 0);
    int receiver = net_bind_datagrams(&address, 1 << 20), sender;
    ck_assert_int_ge(receiver, 0);
    ck_assert_int_eq(net_local_address(receiver, &address), 0);
    ck_assert_int_eq(net_bind_datagrams(&address, 1 << 20), -EADDRINUSE);
    sender = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ck_assert_int_eq(net_read(receiver, bytes, sizeof bytes), -EAGAIN);
    ck_assert_int_eq(sendto(sender, "", 0, 0, &address.any, address.size), 0);
    ck_assert_int_eq(sendto(sender, "one\ntwo", 7, 0, &address.any, address.size), 7);
    ck_assert_int_eq(net_read(receiver, bytes, sizeof bytes), 0);
    ck_assert_int_eq(net_read(receiver, bytes, sizeof bytes), 7);
    net_close(&sender);
    net_close(&receiver);
}
END_TEST

UNIT_MAIN("base/net", bytes_go_through_a_tcp_connection_both_ways, a_bound_port_that_does_not_listen_refuses,
          a_taken_port_is_told_and_reuseport_shares_it, both_families_may_have_the_same_port,
          a_dead_unix_socket_is_replaced_and_a_living_one_is_not, a_path_that_is_a_file_is_never_unlinked,
          descriptors_travel_with_a_datagram_and_come_close_on_exec,
          a_datagram_that_does_not_fit_leaves_no_descriptor_behind, what_the_peer_has_not_taken_is_known,
          a_datagram_is_read_whole_and_an_empty_one_is_nothing)
