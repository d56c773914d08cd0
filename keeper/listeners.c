/* SPDX-License-Identifier: MIT
 *
 * Binding. A TCP address gets several sockets with SO_REUSEPORT, so that loops share nothing; such a socket
 * that nobody accepts on strands its share of the connections and closing it resets them, so they stay as
 * long as the address is listened on. */
#include "keeper/listeners.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/cpus.h"
#include "base/mem.h"
#include "base/net.h"

#define BACKLOG         4096 /* who comes while an engine is replaced waits here; somaxconn may say less */
#define CONTROL_BACKLOG 16
#define LAST_MOMENTS_MS 1000      /* of an engine whose keeper was killed */
#define DATAGRAMS_ROOM  (4 << 20) /* what is sent while the engine is busy, or replaced, waits here */

static const char *reason(int error)
{
    switch (error) {
    case -EADDRINUSE: return "address already in use (another drover?)";
    case -EACCES: return "permission denied";
    case -EADDRNOTAVAIL: return "this machine has no such address";
    default: return strerror(-error);
    }
}

unsigned listener_sockets_wanted(const struct config *config)
{
    unsigned count = cpus_usable();

    if (count < config->threads)
        count = config->threads; /* no loop without a socket */
    return count < ORDER_FDS_MAX ? count : ORDER_FDS_MAX;
}

static void remember_file(struct listener *listener)
{
    struct stat status;

    if (lstat(listener->address.local.sun_path, &status) < 0)
        return;
    listener->device = status.st_dev;
    listener->inode = status.st_ino;
}

static bool is_path(const struct address *address)
{
    return address_is_unix(address) && address->local.sun_path[0] != 0;
}

/* 0 or -errno */
static int open_sockets(struct listener *listener, unsigned count)
{
    const struct address *address = &listener->address;

    if (address_is_unix(address)) {
        int fd = net_listen(address, 0, BACKLOG);
        if (fd < 0)
            return fd;
        listener->sockets.fds[listener->sockets.count++] = fd;
        if (is_path(address))
            remember_file(listener);
        return 0;
    }
    /* SO_REUSEPORT alone would let a second drover silently take half of the connections. */
    int test = net_listen(address, NET_REUSEADDR | NET_BIND_ONLY, 0);
    if (test < 0)
        return test;
    net_close(&test);
    for (unsigned i = 0; i < count; i++) {
        int fd =
            net_listen(address, NET_REUSEADDR | NET_DEFER_ACCEPT | (count > 1 ? NET_REUSEPORT : 0), BACKLOG);
        if (fd < 0)
            return fd;
        listener->sockets.fds[listener->sockets.count++] = fd;
    }
    return 0;
}

bool listener_open(struct listener *listener, const struct address *address, unsigned sockets,
                   const char *key, char *error, size_t room)
{
    char text[ADDRESS_TEXT];

    *listener = (struct listener){.address = *address};
    int result = open_sockets(listener, sockets);
    if (result == 0)
        return true;
    address_print(address, text);
    str_format(error, room, "%s: cannot listen on %s: %s%s", key, text, reason(result),
               result == -EACCES && !address_is_unix(address)
                   ? " (ports below 1024 need root or CAP_NET_BIND_SERVICE)"
                   : "");
    listener_close(listener);
    return false;
}

bool listener_open_datagrams(struct listener *listener, const struct address *address, char *error,
                             size_t room)
{
    char text[ADDRESS_TEXT];
    int fd = net_bind_datagrams(address, DATAGRAMS_ROOM);

    *listener = (struct listener){.address = *address};
    if (fd < 0) {
        address_print(address, text);
        str_format(error, room, "statsd: cannot receive on %s: %s", text, reason(fd));
        return false;
    }
    listener->sockets.fds[listener->sockets.count++] = fd;
    return true;
}

void listener_close(struct listener *listener)
{
    struct stat status;

    if (listener->sockets.count > 0 && is_path(&listener->address) && listener->inode != 0 &&
        lstat(listener->address.local.sun_path, &status) == 0 && status.st_dev == listener->device &&
        status.st_ino == listener->inode)
        (void)unlink(listener->address.local.sun_path);
    while (listener->sockets.count > 0)
        net_close(&listener->sockets.fds[--listener->sockets.count]);
}

/* The directory that the control socket lies in: made when it is missing; below /tmp, where anybody may make
 * one, it has to be ours alone. */
static bool control_directory_is_fit(const char *path, char *error, size_t room)
{
    struct slice directory = {path, (size_t)(strrchr(path, '/') - path)};
    struct stat status;

    if (directory.size == 0)
        return true;
    char *name = slice_dup(directory);
    bool is_fit = false;
    if (mkdir(name, 0700) < 0 && errno != EEXIST)
        str_format(error, room, "control: cannot make the directory %s: %s", name, strerror(errno));
    else if (lstat(name, &status) < 0)
        str_format(error, room, "control: %s: %s", name, strerror(errno));
    else if (slice_starts(directory, SLICE("/tmp/")) &&
             (!S_ISDIR(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 077) != 0))
        str_format(
            error, room,
            "control: %s is not a directory that only uid %d may enter: remove it or name another path", name,
            (int)geteuid());
    else
        is_fit = true;
    mem_free(name);
    return is_fit;
}

/* Who answers there may be what is left of a drover that was killed just now: its engine ends a moment after it, and
 * hangs up. A drover that lives keeps the connection. */
static void await_hang_up(const struct address *address)
{
    int fd = net_connect(address);
    struct pollfd end = {.fd = fd, .events = POLLIN};

    if (fd < 0)
        return;
    (void)poll(&end, 1, LAST_MOMENTS_MS);
    net_close(&fd);
}

static int listen_as_owner(const struct address *address)
{
    mode_t mask = umask(0177); /* 0600 from its first moment */
    int fd = net_listen(address, 0, CONTROL_BACKLOG);

    (void)umask(mask);
    return fd;
}

bool listener_open_control(struct listener *listener, const char *path, char *error, size_t room)
{
    *listener = (struct listener){0};
    if (path[0] != '/' || strlen(path) >= sizeof listener->address.local.sun_path) {
        str_format(error, room, "control: expected an absolute path of less than %zu bytes, got '%s'",
                   sizeof listener->address.local.sun_path, path);
        return false;
    }
    if (!control_directory_is_fit(path, error, room))
        return false;
    listener->address.local.sun_family = AF_UNIX;
    memcpy(listener->address.local.sun_path, path, strlen(path) + 1);
    listener->address.size = sizeof listener->address.local;
    int fd = listen_as_owner(&listener->address);
    if (fd == -EADDRINUSE) {
        await_hang_up(&listener->address);
        fd = listen_as_owner(&listener->address);
    }
    if (fd < 0) {
        str_format(error, room, "control: cannot listen on %s: %s", path,
                   fd == -EADDRINUSE ? "another drover answers there, or it is no socket" : strerror(-fd));
        return false;
    }
    listener->sockets.fds[listener->sockets.count++] = fd;
    remember_file(listener);
    return true;
}

static struct listener *find(struct listener *listeners, unsigned count, const struct address *address)
{
    for (unsigned i = 0; i < count; i++)
        if (listeners[i].sockets.count > 0 && address_equal(&listeners[i].address, address))
            return &listeners[i];
    return NULL;
}

struct listener *listeners_for(const struct config *next, struct listener *present, unsigned present_count,
                               char *error, size_t room)
{
    unsigned count = next->listen_count, sockets = listener_sockets_wanted(next);
    struct listener *all = mem_zero((count + 1) * sizeof *all);
    char key[32];

    for (unsigned i = 0; i < count; i++) {
        if (find(present, present_count, &next->listens[i].address))
            continue;
        str_format(key, sizeof key, "listen[%u]", i);
        if (listener_open(&all[i], &next->listens[i].address, sockets, key, error, room))
            continue;
        while (i > 0)
            listener_close(&all[--i]);
        mem_free(all);
        return NULL;
    }
    for (unsigned i = 0; i < count; i++) {
        struct listener *old =
            all[i].sockets.count > 0 ? NULL : find(present, present_count, &next->listens[i].address);
        if (old) {
            all[i] = *old;
            old->sockets.count = 0;
        }
    }
    return all;
}
