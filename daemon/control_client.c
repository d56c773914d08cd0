/* SPDX-License-Identifier: MIT
 *
 * The commands' end of the control socket. One thread, no loop: it waits with poll, each wait within one
 * deadline. */
#include "daemon/control_client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/net.h"

#define REPLY_MOST (16u << 20)
#define READ_ROOM  (16u << 10)
#define AGAIN_MS   50 /* between two looks at a thing that gives no event */

#define AWAIT_TRIES  100 /* so many engines may end meanwhile */
#define AWAIT_ASK_MS 10000

static int say(int status, const char *path, const char *what)
{
    fprintf(stderr, "drover: %s: %s\n", path, what);
    return status;
}

/* Waits for `events` until due_ms (UINT64_MAX: for ever). False: the time is over. */
static bool wait_for(int fd, short events, uint64_t due_ms)
{
    struct pollfd one = {.fd = fd, .events = events};

    for (;;) {
        uint64_t now_ms = clock_ms(), left = due_ms > now_ms ? due_ms - now_ms : 0;
        int ready = poll(&one, 1, due_ms == UINT64_MAX ? -1 : left > INT32_MAX ? INT32_MAX : (int)left);
        if (ready > 0)
            return true;
        if (ready == 0 || errno != EINTR)
            return false;
    }
}

static int tell_connect_error(const char *path, int error)
{
    if (error == -ENOENT || error == -ECONNREFUSED || error == -ENOTDIR) {
        fprintf(stderr, "drover: no running drover answered at %s\n", path);
        return EXIT_NOT_RUNNING;
    }
    return say(error == -EACCES || error == -EPERM ? EXIT_WRONG_USE : EXIT_FAILED, path, strerror(-error));
}

/* A full backlog refuses with EAGAIN on unix sockets: drover is there and busy. */
static int connect_within(const char *path, uint64_t due_ms)
{
    struct address address;
    char text[ADDRESS_TEXT];

    str_format(text, sizeof text, "unix:%s", path);
    if (!address_parse(&address, slice_of(text)))
        return -ENAMETOOLONG;
    for (;;) {
        int fd = net_connect(&address);
        if (fd != -EAGAIN || clock_ms() >= due_ms)
            return fd;
        poll(NULL, 0, AGAIN_MS);
    }
}

static bool send_line(int fd, json_t *request, uint64_t due_ms)
{
    struct buffer out = {0};
    char *text = json_dumps(request, JSON_COMPACT);
    bool good = text != NULL;

    if (good)
        buffer_print(&out, "%s\n", text);
    mem_free(text); /* jansson's allocator is malloc's, as ours */
    while (good && buffer_size(&out) > 0) {
        ssize_t written = net_write(fd, buffer_bytes(&out), buffer_size(&out));
        if (written == -EAGAIN)
            good = wait_for(fd, POLLOUT, due_ms);
        else if (written < 0)
            good = false;
        else
            buffer_consume(&out, (size_t)written);
    }
    buffer_release(&out);
    return good;
}

/* The answer's line. NULL: it did not come, *why tells. */
static json_t *receive_line(int fd, uint64_t due_ms, const char **why)
{
    struct buffer in = {0};
    json_t *reply = NULL;
    ssize_t size = -EAGAIN;

    *why = "the answer took too long";
    while (buffer_size(&in) < REPLY_MOST && wait_for(fd, POLLIN, due_ms)) {
        size = net_read(fd, buffer_reserve(&in, READ_ROOM), READ_ROOM);
        if (size == -EAGAIN)
            continue;
        if (size <= 0)
            break;
        buffer_commit(&in, (size_t)size);
        if (buffer_bytes(&in)[buffer_size(&in) - 1] == '\n')
            break;
    }
    if (size <= 0 && size != -EAGAIN)
        *why = "drover closed the connection without an answer";
    if (buffer_size(&in) > 0) {
        *why = "the answer is not understood";
        reply = json_loadb(buffer_bytes(&in), buffer_size(&in), 0, NULL);
    }
    buffer_release(&in);
    return reply;
}

/* The other end's credentials are those of who called listen: the keeper. Process 0 is one outside of our
 * process namespace. */
static int open_keeper(int fd)
{
    struct ucred peer;
    socklen_t size = sizeof peer;

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || peer.pid <= 0)
        return -1;
    return (int)syscall(SYS_pidfd_open, peer.pid, 0);
}

int control_ask(const char *path, json_t *request, unsigned timeout_ms, json_t **reply, int *keeper)
{
    uint64_t due_ms = clock_ms() + timeout_ms;
    const char *why = "the request could not be sent";
    int fd = connect_within(path, due_ms);

    *reply = NULL;
    if (keeper)
        *keeper = -1;
    if (fd < 0)
        return tell_connect_error(path, fd);
    if (keeper)
        *keeper = open_keeper(fd);
    if (send_line(fd, request, due_ms))
        *reply = receive_line(fd, due_ms, &why);
    net_close(&fd);
    return *reply ? EXIT_GOOD : say(EXIT_FAILED, path, why);
}

static void print_text(FILE *into, const char *text)
{
    fprintf(into, "%s%s", text, *text && text[strlen(text) - 1] == '\n' ? "" : "\n");
}

static int show(json_t *reply, const char *done)
{
    bool good = json_is_true(json_object_get(reply, "ok"));
    const char *text = json_string_value(json_object_get(reply, "text"));

    if (!good)
        print_text(stderr, text ? text : "refused");
    else if (text && !done)
        print_text(stdout, text);
    else if (text && strcmp(text, done) != 0)
        print_text(stderr, text); /* done, but with a warning */
    if (good && done)
        print_text(stdout, done);
    return good ? EXIT_GOOD : EXIT_FAILED;
}

int control_tell(const char *path, json_t *request, unsigned timeout_ms, const char *done)
{
    json_t *reply;
    int status = control_ask(path, request, timeout_ms, &reply, NULL);

    if (status == EXIT_GOOD)
        status = show(reply, done);
    json_decref(reply);
    return status;
}

int control_await(const char *path, json_t *request)
{
    const char *why = "";

    for (unsigned i = 0; i < AWAIT_TRIES; i++) {
        uint64_t due_ms = clock_ms() + AWAIT_ASK_MS;
        int fd = connect_within(path, due_ms);
        if (fd < 0)
            return tell_connect_error(path, fd);
        json_t *reply = send_line(fd, request, due_ms) ? receive_line(fd, UINT64_MAX, &why) : NULL;
        net_close(&fd);
        if (reply) {
            int status = show(reply, NULL);
            json_decref(reply);
            return status;
        }
        poll(NULL, 0, AGAIN_MS); /* the keeper starts another engine */
    }
    return say(EXIT_FAILED, path, why);
}

int control_command(const struct command_line *line, json_t *request, unsigned timeout_ms, const char *done)
{
    struct control_target target;
    int status = EXIT_WRONG_USE;

    if (control_target_find(&target, line))
        status = control_tell(target.path, request, timeout_ms, done);
    json_decref(request);
    control_target_fini(&target);
    return status;
}

bool control_wait_gone(const char *path, int keeper, unsigned timeout_ms)
{
    uint64_t due_ms = clock_ms() + timeout_ms;

    if (keeper >= 0)
        return wait_for(keeper, POLLIN, due_ms);
    while (clock_ms() < due_ms) {
        int fd = connect_within(path, 0);
        if (fd == -ENOENT || fd == -ECONNREFUSED)
            return true;
        net_close(&fd);
        poll(NULL, 0, AGAIN_MS);
    }
    return false;
}
