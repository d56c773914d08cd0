/* SPDX-License-Identifier: MIT
 *
 * `drover demo-worker`: an app that needs nothing installed, to try drover with and to test it by. It
 * listens where it is told to: at ADDRESS, else by the environment as drover gives it: $SOCKET, a listener
 * on descriptor 3 (LISTEN_FDS=1), or $PORT. TERM: it finishes what it has. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/net.h"
#include "daemon/commands.h"
#include "daemon/demo.h"

#define BACKLOG          4096
#define CONNECTIONS_MOST 20000
#define ACCEPTS_A_TURN   64
#define ACCEPT_AGAIN_MS  100
#define PATIENCE_MS      30000 /* with those who do not leave after TERM */
#define INHERITED_FD     3

static int fail(const char *where, const char *why)
{
    fprintf(stderr, "drover demo-worker: %s: %s\n", where, why);
    return -1;
}

static int listen_on(const char *where)
{
    struct address address;
    char text[ADDRESS_TEXT];

    str_format(text, sizeof text, "%s%s", where[strspn(where, "0123456789")] ? "" : "127.0.0.1:", where);
    if (!address_parse(&address, slice_of(text)))
        return fail(where, "expected PORT, HOST:PORT or unix:/PATH");
    int fd = net_listen(&address, NET_REUSEADDR, BACKLOG);
    return fd < 0 ? fail(where, strerror(-fd)) : fd;
}

static int listen_at_path(const char *path)
{
    char text[ADDRESS_TEXT];

    if (strlen(path) > sizeof text - sizeof "unix:")
        return fail(path, "too long for a socket's path");
    str_format(text, sizeof text, "unix:%s", path);
    return listen_on(text);
}

static int take_inherited(void)
{
    int flags = fcntl(INHERITED_FD, F_GETFL);

    if (flags < 0 || fcntl(INHERITED_FD, F_SETFL, flags | O_NONBLOCK) < 0)
        return fail("descriptor 3", strerror(errno));
    return INHERITED_FD;
}

static bool has_text(const char *text)
{
    return text && *text;
}

static int open_listener(const struct command_line *line)
{
    const char *socket_path = getenv("SOCKET"), *listen_fds = getenv("LISTEN_FDS"), *port = getenv("PORT");

    if (line->argument_count > 0)
        return listen_on(line->arguments[0]);
    if (has_text(socket_path))
        return listen_at_path(socket_path);
    if (listen_fds && strcmp(listen_fds, "1") == 0)
        return take_inherited();
    if (has_text(port))
        return listen_on(port);
    return fail("where to listen",
                "give ADDRESS, $PORT, $SOCKET or a listener on descriptor 3 with LISTEN_FDS=1");
}

/* It goes into HTML, JSON and header fields as it is. */
static void take_name(struct demo *demo)
{
    const char *name = getenv("WORKER");

    if (has_text(name))
        str_format(demo->name, sizeof demo->name, "%s", name);
    else
        str_format(demo->name, sizeof demo->name, "demo-%d", (int)getpid());
    for (char *at = demo->name; *at; at++) {
        if (!isalnum((unsigned char)*at) && !strchr("._-", *at))
            *at = '_';
    }
}

static void on_accept_again(void *argument)
{
    struct demo *demo = argument;

    watch_resume(&demo->listener_watch);
}

static void on_connection(int fd, short what, void *argument)
{
    struct demo *demo = argument;
    (void)what;

    for (unsigned i = 0; i < ACCEPTS_A_TURN; i++) {
        int accepted = demo->connection_count < CONNECTIONS_MOST ? net_accept(fd, NULL) : -EMFILE;
        if (accepted == -EAGAIN)
            return;
        if (accepted < 0) { /* out of descriptors, most likely: some will come back */
            watch_pause(&demo->listener_watch);
            deadline_start(&demo->accept_again, demo->loop, ACCEPT_AGAIN_MS);
            return;
        }
        demo_connection_open(demo, accepted);
    }
}

static void on_patience_over(void *argument)
{
    struct demo *demo = argument;

    loop_stop(demo->loop);
}

void demo_count_out(struct demo *demo)
{
    demo->connection_count--;
    if (demo->is_stopping && demo->connection_count == 0)
        loop_stop(demo->loop);
}

static void stop(struct demo *demo)
{
    demo->is_stopping = true;
    deadline_stop(&demo->accept_again);
    watch_close(&demo->listener_watch);
    net_close(&demo->listener);
    deadline_start(&demo->last, demo->loop, PATIENCE_MS);
    if (demo->connection_count == 0)
        loop_stop(demo->loop);
    list_each_safe (node, after, &demo->connections)
        demo_connection_stop(list_entry(node, struct demo_connection, node));
}

static void on_signal(int fd, short what, void *argument)
{
    struct demo *demo = argument;
    struct signalfd_siginfo info;
    (void)what;

    if (read(fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (demo->is_stopping)
        loop_stop(demo->loop);
    else
        stop(demo);
}

static int open_signals(void)
{
    sigset_t wanted;

    sigemptyset(&wanted);
    sigaddset(&wanted, SIGTERM);
    sigaddset(&wanted, SIGINT);
    sigprocmask(SIG_BLOCK, &wanted, NULL);
    return signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void serve(struct demo *demo)
{
    demo->loop = loop_new("demo");
    list_init(&demo->connections);
    deadline_init(&demo->accept_again, on_accept_again, demo);
    deadline_init(&demo->last, on_patience_over, demo);
    watch_open_readable(&demo->signals_watch, demo->loop, demo->signals, on_signal, demo);
    watch_open_readable(&demo->listener_watch, demo->loop, demo->listener, on_connection, demo);
    loop_run(demo->loop);
    list_each_safe (node, after, &demo->connections)
        demo_connection_drop(list_entry(node, struct demo_connection, node));
    loop_settle(demo->loop);
    deadline_stop(&demo->accept_again);
    deadline_stop(&demo->last);
    watch_close(&demo->listener_watch);
    watch_close(&demo->signals_watch);
    loop_free(&demo->loop);
    blocks_fini();
}

int command_demo_worker(const struct command_line *line)
{
    struct demo *demo = mem_zero(sizeof *demo);
    int status = EXIT_WRONG_USE;

    demo->signals = open_signals();
    demo->listener = open_listener(line);
    if (demo->signals >= 0 && demo->listener >= 0) {
        struct address address;
        char text[ADDRESS_TEXT] = "?";
        take_name(demo);
        if (net_local_address(demo->listener, &address) == 0)
            address_print(&address, text);
        fprintf(stderr, "demo worker %s (pid %d) listens on %s\n", demo->name, (int)getpid(), text);
        serve(demo);
        status = EXIT_GOOD;
    }
    net_close(&demo->listener);
    net_close(&demo->signals);
    mem_free(demo);
    return status;
}
