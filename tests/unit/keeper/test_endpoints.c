/* SPDX-License-Identifier: MIT */
#include "keeper/endpoints.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/net.h"
#include "keeper/orders.h"
#include "tests/unit/keeper/fixture.h"

static struct address local(unsigned port)
{
    struct address address;

    ck_assert(address_from_ip(&address, SLICE("127.0.0.1"), port));
    return address;
}

static bool answers(unsigned port)
{
    struct address address = local(port);
    int fd = net_connect(&address);

    ck_assert_int_ge(fd, 0);
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    ck_assert_int_eq(poll(&ready, 1, PATIENCE_MS), 1);
    bool connected = net_connect_result(fd) == 0;
    net_close(&fd);
    return connected;
}

START_TEST(a_port_is_kept_for_its_slot_and_a_worker_can_listen_on_it)
{
    struct pool_config pool = {.bind = BIND_PORT};
    struct endpoint endpoint = {0};

    ck_assert_int_eq(endpoint_prepare(&endpoint, &pool, 1, 0, 1, NULL), 0);
    unsigned port = endpoint.port;
    struct address address = local(port);
    ck_assert_uint_ne(port, 0);
    ck_assert_int_eq(net_listen(&address, 0, 1), -EADDRINUSE); /* nobody else's by chance */
    ck_assert(!answers(port));
    int worker = net_listen(&address, NET_REUSEADDR, 1); /* as every server does */
    ck_assert_int_ge(worker, 0);
    ck_assert(answers(port));
    net_close(&worker);
    endpoint_process_ended(&endpoint);
    ck_assert_int_eq(endpoint_prepare(&endpoint, &pool, 1, 0, 2, NULL), 0);
    ck_assert_uint_eq(endpoint.port, port);
    endpoint_give_back(&endpoint);
    int other = net_listen(&address, 0, 1);
    ck_assert_int_ge(other, 0);
    net_close(&other);
}
END_TEST

/* The first of three ports in a row that were free a moment ago. */
static unsigned free_range(void)
{
    for (unsigned i = 0; i < 100; i++) {
        struct address address = local(0);
        int first = net_listen(&address, 0, 1), next[2];
        ck_assert_int_eq(net_local_address(first, &address), 0);
        unsigned port = address_port(&address);
        for (unsigned j = 0; j < 2; j++) {
            address = local(port + 1 + j > 65535 ? 1 : port + 1 + j);
            next[j] = net_listen(&address, 0, 1);
        }
        bool all = next[0] >= 0 && next[1] >= 0;
        net_close(&first);
        net_close(&next[0]);
        net_close(&next[1]);
        if (all)
            return port;
    }
    ck_abort_msg("no three free ports in a row");
}

START_TEST(slot_n_of_a_fixed_range_has_the_nth_port)
{
    struct pool_config pool = {.bind = BIND_PORT, .first_port = free_range()};
    struct endpoint endpoint = {0};

    ck_assert_int_eq(endpoint_prepare(&endpoint, &pool, 3, 9, 1, NULL), 0);
    ck_assert_uint_eq(endpoint.port, pool.first_port + 2);
    endpoint_give_back(&endpoint);
    ck_assert_uint_eq(endpoint.port, 0);
}
END_TEST

START_TEST(a_strangers_port_is_refused)
{
    struct address address = local(0);
    int stranger = net_listen(&address, NET_REUSEADDR, 1);
    struct endpoint endpoint = {0};

    ck_assert_int_eq(net_local_address(stranger, &address), 0);
    struct pool_config pool = {.bind = BIND_PORT, .first_port = address_port(&address)};
    ck_assert_int_eq(endpoint_prepare(&endpoint, &pool, 1, 0, 1, NULL), -EADDRINUSE);
    net_close(&stranger);
    ck_assert_int_eq(endpoint_prepare(&endpoint, &pool, 1, 0, 1, NULL), 0);
    endpoint_give_back(&endpoint);
}
END_TEST

START_TEST(a_range_does_not_run_over_the_last_port)
{
    struct pool_config pool = {.bind = BIND_PORT, .first_port = 65535};
    struct endpoint endpoint = {0};

    ck_assert_int_eq(endpoint_prepare(&endpoint, &pool, 2, 0, 1, NULL), -ERANGE);
    endpoint_give_back(&endpoint);
}
END_TEST

START_TEST(what_waits_in_an_inherited_listener_dies_with_its_process)
{
    struct pool_config pool = {.bind = BIND_FD};
    struct endpoint endpoint = {0};

    ck_assert_int_eq(endpoint_prepare(&endpoint, &pool, 1, 0, 1, NULL), 0);
    ck_assert(answers(endpoint.port)); /* the kernel does: nobody accepts */
    struct address address = local(endpoint.port);
    int client = net_connect(&address), inherited = dup(endpoint.listener);
    ck_assert_int_ge(client, 0);
    unsigned port = endpoint.port;
    endpoint_process_ended(&endpoint);
    ck_assert_uint_eq(endpoint.port, 0);
    ck_assert(!answers(port)); /* although somebody still has a descriptor of it */
    ck_assert(readable_in_time(client));
    char byte;
    ck_assert_int_le(net_read(client, &byte, 1), 0);
    net_close(&client);
    net_close(&inherited);
    ck_assert_int_eq(endpoint_prepare(&endpoint, &pool, 1, 0, 2, NULL), 0);
    ck_assert(answers(endpoint.port));
    endpoint_give_back(&endpoint);
}
END_TEST

START_TEST(sockets_lie_in_a_directory_that_is_ours_alone)
{
    struct pool_config pool = {.bind = BIND_UNIX};
    struct endpoint endpoint = {0};
    struct address address;
    struct stat status;
    char error[256], path[108], text[128], *slash;

    ck_assert_msg(endpoints_directory_make(getpid(), NULL, error, sizeof error), "%s", error);
    ck_assert_int_eq(endpoint_prepare(&endpoint, &pool, 1, 12, 3, NULL), 0);
    worker_socket_path(path, getpid(), 12, 3);
    ck_assert_str_eq(endpoint.path, path);
    (void)snprintf(text, sizeof text, "unix:%s", path);
    ck_assert(address_parse(&address, slice_of(text)));
    int worker = net_listen(&address, 0, 1);
    ck_assert_int_ge(worker, 0);
    *(slash = strrchr(path, '/')) = 0;
    ck_assert_int_eq(lstat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 07777, geteuid() == 0 ? 0710 : 0700);
    *slash = '/';
    endpoint_process_ended(&endpoint);
    ck_assert_int_ne(lstat(path, &status), 0);
    net_close(&worker);
    endpoint_give_back(&endpoint);
    endpoints_directory_remove();
    *strrchr(path, '/') = 0;
    *strrchr(path, '/') = 0;
    ck_assert_int_ne(lstat(path, &status), 0);
}
END_TEST

START_TEST(the_slot_directory_is_the_workers_and_the_engines_group)
{
    struct pool_config pool = {.bind = BIND_UNIX};
    struct identity engine = {.uid = 12345, .gid = 23456}, worker = {.uid = 34567, .gid = 34567};
    struct endpoint endpoint = {0};
    struct stat status;
    char error[256], path[108];

    if (geteuid() != 0)
        return; /* nobody else can give files away */
    ck_assert_msg(endpoints_directory_make(getpid(), &engine, error, sizeof error), "%s", error);
    ck_assert_int_eq(endpoint_prepare(&endpoint, &pool, 1, 5, 1, &worker), 0);
    worker_socket_path(path, getpid(), 5, 1);
    *strrchr(path, '/') = 0;
    ck_assert_int_eq(lstat(path, &status), 0);
    ck_assert_uint_eq(status.st_uid, 34567);
    ck_assert_uint_eq(status.st_gid, 23456);
    endpoint_give_back(&endpoint);
    endpoints_directory_remove();
}
END_TEST

START_TEST(a_workers_socket_is_opened_to_another_user_and_nothing_else_is)
{
    struct pool_config pool = {.bind = BIND_UNIX};
    struct identity engine = {.uid = 12345, .gid = 23456};
    struct endpoint endpoint = {0};
    struct address address;
    struct stat status;
    char error[256], text[128];

    if (geteuid() != 0)
        return; /* engine and keeper are one user then */
    ck_assert_msg(endpoints_directory_make(getpid(), &engine, error, sizeof error), "%s", error);
    ck_assert_int_eq(endpoint_prepare(&endpoint, &pool, 1, 5, 1, NULL), 0);
    ck_assert(!endpoint_is_open(&endpoint, 0)); /* it is not there yet */
    (void)snprintf(text, sizeof text, "unix:%s", endpoint.path);
    ck_assert(address_parse(&address, slice_of(text)));
    int worker = net_listen(&address, 0, 1);
    ck_assert_int_ge(worker, 0);
    ck_assert(endpoint_is_open(&endpoint, 0));
    ck_assert_int_eq(lstat(endpoint.path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0666);
    net_close(&worker);
    ck_assert_int_eq(unlink(endpoint.path), 0);

    int fd = open(text + 5, O_CREAT | O_WRONLY | O_CLOEXEC, 0600); /* what is no socket is left alone */
    net_close(&fd);
    ck_assert(endpoint_is_open(&endpoint, 0));
    ck_assert_int_eq(lstat(endpoint.path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
    endpoint_give_back(&endpoint);
    endpoints_directory_remove();
}
END_TEST

START_TEST(a_link_in_the_directory_is_removed_and_not_followed)
{
    char error[256], path[108], *other = directory_new(), *file = mem_print("%s/precious", other);
    struct pool_config pool = {.bind = BIND_UNIX};
    struct endpoint endpoint = {0};
    struct stat status;

    int fd = open(file, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    ck_assert_int_ge(fd, 0);
    net_close(&fd);
    ck_assert(endpoints_directory_make(getpid(), NULL, error, sizeof error));
    ck_assert_int_eq(endpoint_prepare(&endpoint, &pool, 1, 0, 1, NULL), 0);
    worker_socket_path(path, getpid(), 0, 1);
    ck_assert_int_eq(symlink(other, path), 0);
    endpoint.path[0] = 0; /* as when the keeper was killed */
    endpoint_give_back(&endpoint);
    endpoints_directory_remove();
    ck_assert_int_ne(lstat(path, &status), 0);
    ck_assert_int_eq(lstat(file, &status), 0);
    ck_assert_int_eq(unlink(file), 0);
    mem_free(file);
    directory_free(other);
}
END_TEST

START_TEST(another_way_to_bind_takes_the_old_endpoint_away)
{
    struct pool_config pool = {.bind = BIND_PORT};
    struct endpoint endpoint = {0};

    ck_assert_int_eq(endpoint_prepare(&endpoint, &pool, 1, 0, 1, NULL), 0);
    pool.bind = BIND_FD;
    ck_assert_int_eq(endpoint_prepare(&endpoint, &pool, 1, 0, 2, NULL), 0);
    ck_assert_int_eq(endpoint.reserved, -1);
    ck_assert_int_ge(endpoint.listener, 0);
    endpoint_give_back(&endpoint);
}
END_TEST

UNIT_MAIN("keeper/endpoints", a_port_is_kept_for_its_slot_and_a_worker_can_listen_on_it,
          slot_n_of_a_fixed_range_has_the_nth_port, a_strangers_port_is_refused,
          a_range_does_not_run_over_the_last_port, what_waits_in_an_inherited_listener_dies_with_its_process,
          sockets_lie_in_a_directory_that_is_ours_alone,
          the_slot_directory_is_the_workers_and_the_engines_group,
          a_workers_socket_is_opened_to_another_user_and_nothing_else_is,
          a_link_in_the_directory_is_removed_and_not_followed,
          another_way_to_bind_takes_the_old_endpoint_away)
