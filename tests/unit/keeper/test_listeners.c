/* SPDX-License-Identifier: MIT */
#include "keeper/listeners.h"

#include "base/net.h"
#include "tests/unit/keeper/fixture.h"

static struct address free_address(void)
{
    struct address address;

    ck_assert(address_from_ip(&address, SLICE("127.0.0.1"), 0));
    int fd = net_listen(&address, 0, 1);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(net_local_address(fd, &address), 0);
    net_close(&fd);
    return address;
}

START_TEST(an_address_gets_as_many_sockets_as_are_asked_for)
{
    struct address address = free_address();
    struct listener listener;
    char error[256];

    ck_assert_msg(listener_open(&listener, &address, 3, "listen[0]", error, sizeof error), "%s", error);
    ck_assert_uint_eq(listener.sockets.count, 3);
    int client = net_connect(&address);
    ck_assert_int_ge(client, 0);
    net_close(&client);
    listener_close(&listener);
    ck_assert_uint_eq(listener.sockets.count, 0);
    listener_close(&listener);
}
END_TEST

START_TEST(a_second_one_does_not_silently_take_half)
{
    struct address address = free_address();
    struct listener first, second;
    char error[256], wanted[256], text[ADDRESS_TEXT];

    ck_assert(listener_open(&first, &address, 2, "listen[0]", error, sizeof error));
    ck_assert(!listener_open(&second, &address, 2, "listen[1]", error, sizeof error));
    address_print(&address, text);
    (void)snprintf(wanted, sizeof wanted,
                   "listen[1]: cannot listen on %s: address already in use (another drover?)", text);
    ck_assert_str_eq(error, wanted);
    listener_close(&first);
    ck_assert(listener_open(&second, &address, 2, "listen[1]", error, sizeof error));
    listener_close(&second);
}
END_TEST

START_TEST(a_unix_listener_is_one_socket_whose_file_goes_with_it)
{
    char *directory = directory_new(), *text = mem_print("unix:%s/web.sock", directory), error[256];
    struct address address;
    struct listener listener;

    ck_assert(address_parse(&address, slice_of(text)));
    ck_assert(listener_open(&listener, &address, 4, "listen[0]", error, sizeof error));
    ck_assert_uint_eq(listener.sockets.count, 1);
    ck_assert_int_eq(access(text + 5, F_OK), 0);
    listener_close(&listener);
    ck_assert_int_ne(access(text + 5, F_OK), 0);
    mem_free(text);
    directory_free(directory);
}
END_TEST

START_TEST(a_socket_file_of_another_drover_is_left_alone)
{
    char *directory = directory_new(), *path = mem_print("%s/control.sock", directory), error[256];
    struct listener ours, theirs;

    ck_assert(listener_open_control(&ours, path, error, sizeof error));
    ck_assert_int_eq(unlink(path), 0);
    ck_assert(listener_open_control(&theirs, path, error, sizeof error));
    listener_close(&ours);
    ck_assert_int_eq(access(path, F_OK), 0);
    listener_close(&theirs);
    mem_free(path);
    directory_free(directory);
}
END_TEST

START_TEST(the_control_socket_is_for_its_owner_alone)
{
    char *directory = directory_new(), *path = mem_print("%s/control.sock", directory), error[256];
    struct listener listener, second;
    struct stat status;

    ck_assert_msg(listener_open_control(&listener, path, error, sizeof error), "%s", error);
    ck_assert_int_eq(lstat(path, &status), 0);
    ck_assert_uint_eq(status.st_mode & 0777, 0600);
    ck_assert(!listener_open_control(&second, path, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "another drover"));
    ck_assert_int_eq(strncmp(error, "control: ", 9), 0);
    listener_close(&listener);
    mem_free(path);
    directory_free(directory);
}
END_TEST

/* The engine of a keeper that was killed holds the socket a moment longer. */
START_TEST(what_is_left_of_a_killed_drover_is_waited_for)
{
    char *directory = directory_new(), *path = mem_print("%s/control.sock", directory), error[256];
    struct listener left, ours;

    ck_assert_msg(listener_open_control(&left, path, error, sizeof error), "%s", error);
    pid_t ending = fork();
    if (ending == 0) {
        usleep(100 * 1000);
        _exit(0);
    }
    while (left.sockets.count > 0)
        net_close(&left.sockets.fds[--left.sockets.count]);
    ck_assert_msg(listener_open_control(&ours, path, error, sizeof error), "%s", error);
    listener_close(&ours);
    ck_assert_int_eq(waitpid(ending, NULL, 0), ending);
    mem_free(path);
    directory_free(directory);
}
END_TEST

START_TEST(a_directory_below_tmp_that_others_may_enter_is_refused)
{
    char *directory = directory_new(), *path = mem_print("%s/control.sock", directory), error[256];
    struct listener listener;

    ck_assert_int_eq(chmod(directory, 0755), 0);
    ck_assert(!listener_open_control(&listener, path, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "is not a directory that only uid"));
    ck_assert_int_eq(chmod(directory, 0700), 0);
    mem_free(path);
    path = mem_print("%s/below/control.sock", directory);
    ck_assert_msg(listener_open_control(&listener, path, error, sizeof error), "%s", error); /* made, 0700 */
    listener_close(&listener);
    *strrchr(path, '/') = 0;
    ck_assert_int_eq(rmdir(path), 0);
    mem_free(path);
    directory_free(directory);
}
END_TEST

START_TEST(a_link_is_no_directory_for_the_control_socket)
{
    char *directory = directory_new(), *link = mem_print("%s/link", directory),
         *path = mem_print("%s/control.sock", link);
    struct listener listener;
    char error[256];

    ck_assert_int_eq(symlink("/root", link), 0);
    ck_assert(!listener_open_control(&listener, path, error, sizeof error));
    ck_assert_int_eq(unlink(link), 0);
    mem_free(path);
    mem_free(link);
    directory_free(directory);
}
END_TEST

START_TEST(a_path_that_does_not_fit_is_told)
{
    char path[200], error[512];
    struct listener listener;

    memset(path, 'x', sizeof path - 1);
    path[0] = '/';
    path[sizeof path - 1] = 0;
    ck_assert(!listener_open_control(&listener, path, error, sizeof error));
    ck_assert_ptr_nonnull(strstr(error, "control: expected an absolute path"));
}
END_TEST

START_TEST(a_reload_keeps_the_sockets_of_an_address_that_stays)
{
    struct listen_config before[] = {{.address = free_address()}, {.address = free_address()}};
    struct config config = {.threads = 2, .listen_count = 2, .listens = before};
    char error[256];

    struct listener *old = listeners_for(&config, NULL, 0, error, sizeof error);
    ck_assert_msg(old, "%s", error);
    ck_assert_uint_ge(old[0].sockets.count, 2); /* no thread without one */
    int kept = old[1].sockets.fds[0];
    struct listen_config after[] = {{.address = before[1].address}, {.address = free_address()}};
    struct config next = {.threads = 2, .listen_count = 2, .listens = after};
    struct listener *now = listeners_for(&next, old, 2, error, sizeof error);
    ck_assert_msg(now, "%s", error);
    ck_assert_int_eq(now[0].sockets.fds[0], kept);
    ck_assert_uint_eq(old[1].sockets.count, 0);
    ck_assert_uint_ne(old[0].sockets.count, 0); /* no longer in the file: the caller closes it */
    ck_assert_uint_ne(now[1].sockets.count, 0);
    for (unsigned i = 0; i < 2; i++) {
        listener_close(&old[i]);
        listener_close(&now[i]);
    }
    mem_free(old);
    mem_free(now);
}
END_TEST

START_TEST(a_reload_that_cannot_listen_changes_nothing)
{
    struct listen_config before[] = {{.address = free_address()}};
    struct config config = {.threads = 1, .listen_count = 1, .listens = before};
    char error[256];

    struct listener *old = listeners_for(&config, NULL, 0, error, sizeof error);
    ck_assert_msg(old, "%s", error);
    struct address taken = free_address(), fresh = free_address();
    int stranger = net_listen(&taken, 0, 1);
    ck_assert_int_ge(stranger, 0);
    struct listen_config after[] = {{.address = before[0].address}, {.address = fresh}, {.address = taken}};
    struct config next = {.threads = 1, .listen_count = 3, .listens = after};
    ck_assert_ptr_null(listeners_for(&next, old, 1, error, sizeof error));
    ck_assert_int_eq(strncmp(error, "listen[2]: cannot listen on ", 28), 0);
    ck_assert_uint_ne(old[0].sockets.count, 0);
    int again = net_listen(&fresh, 0, 1); /* nothing was left open */
    ck_assert_int_ge(again, 0);
    net_close(&again);
    net_close(&stranger);
    listener_close(&old[0]);
    mem_free(old);
}
END_TEST

UNIT_MAIN("keeper/listeners", an_address_gets_as_many_sockets_as_are_asked_for,
          a_second_one_does_not_silently_take_half, a_unix_listener_is_one_socket_whose_file_goes_with_it,
          a_socket_file_of_another_drover_is_left_alone, the_control_socket_is_for_its_owner_alone,
          what_is_left_of_a_killed_drover_is_waited_for,
          a_directory_below_tmp_that_others_may_enter_is_refused,
          a_link_is_no_directory_for_the_control_socket, a_path_that_does_not_fit_is_told,
          a_reload_keeps_the_sockets_of_an_address_that_stays, a_reload_that_cannot_listen_changes_nothing)
