/* SPDX-License-Identifier: MIT
 *
 * Socket calls, each with its flags and its one error form. Any thread; a descriptor belongs to the caller. */
#include "base/net.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"

#define SOCKET_FLAGS (SOCK_NONBLOCK | SOCK_CLOEXEC)

static void set_option(int fd, int level, int option, int value)
{
    /* An option that a socket of this family does not have is no loss. */
    (void)setsockopt(fd, level, option, &value, sizeof value);
}

static bool is_tcp(const struct address *address)
{
    return address->any.sa_family == AF_INET || address->any.sa_family == AF_INET6;
}

/* 0 when the path is free for bind, else -errno. A socket file outlives its process; only asking tells. */
static int clear_path(const struct address *address)
{
    struct stat status;

    if (address->local.sun_path[0] == 0)
        return 0;
    if (lstat(address->local.sun_path, &status) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(status.st_mode))
        return -EADDRINUSE;
    int fd = net_connect(address);
    if (fd == -EACCES || fd == -EPERM)
        return fd;
    net_close(&fd);
    if (fd != -ECONNREFUSED)
        return -EADDRINUSE; /* -EAGAIN too: a full backlog is somebody's */
    return unlink(address->local.sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

/* The system lets a socket hold megabytes that its peer does not take: of some hundred such peers, all the memory
 * that it has for TCP. What is on its way is not bounded by this, so that it slows nobody. */
#define UNSENT_MOST (256 * 1024)

int net_listen(const struct address *address, int flags, int backlog)
{
    int error = address_is_unix(address) ? clear_path(address) : 0;
    if (error < 0)
        return error;
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCKET_FLAGS, 0);
    if (fd < 0)
        return -errno;
    if (is_tcp(address)) {
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
        set_option(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, UNSENT_MOST);
        if (flags & NET_REUSEADDR)
            set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
        if (flags & NET_REUSEPORT)
            set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1);
        if (flags & NET_DEFER_ACCEPT)
            set_option(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 1);
    }
    if (address->any.sa_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (bind(fd, &address->any, address->size) < 0 || (!(flags & NET_BIND_ONLY) && listen(fd, backlog) < 0)) {
        error = -errno;
        net_close(&fd);
        return error;
    }
    return fd;
}

int net_bind_datagrams(const struct address *address, int room)
{
    int fd = socket(address->any.sa_family, SOCK_DGRAM | SOCKET_FLAGS, 0);

    if (fd < 0)
        return -errno;
    if (address->any.sa_family == AF_INET6)
        set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    set_option(fd, SOL_SOCKET, SO_RCVBUF, room);
    set_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, room); /* beyond the system's bound, for who may */
    if (bind(fd, &address->any, address->size) == 0)
        return fd;
    int error = -errno;
    net_close(&fd);
    return error;
}

int net_accept(int listener, struct address *peer)
{
    struct address ignored, *into = peer ? peer : &ignored;

    for (;;) {
        into->size = sizeof *into - offsetof(struct address, any);
        int fd = accept4(listener, &into->any, &into->size, SOCKET_FLAGS);
        if (fd >= 0) {
            if (into->size < sizeof into->any.sa_family)
                into->any.sa_family = AF_UNIX; /* an unnamed peer */
            return fd;
        }
        if (errno != EINTR && errno != ECONNABORTED)
            return -errno;
    }
}

void net_accept_at_once(int listener)
{
    set_option(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, 0);
}

int net_connect(const struct address *address)
{
    int fd = socket(address->any.sa_family, SOCK_STREAM | SOCKET_FLAGS, 0);

    if (fd < 0)
        return -errno;
    if (is_tcp(address))
        set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (connect(fd, &address->any, address->size) < 0 && errno != EINPROGRESS && errno != EINTR) {
        int error = -errno;
        net_close(&fd);
        return error;
    }
    return fd;
}

int net_connect_result(int fd)
{
    int error = 0;
    socklen_t size = sizeof error;

    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &size) < 0)
        return -errno;
    return -error;
}

/* glibc's recv, send and sendmsg are points where a thread may be cancelled: in a process with threads each call says
 * so and takes it back, which is a thirtieth of what a small request costs in all. Nobody is cancelled here. The
 * sanitizers are left the calls that they know. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define socket_recv(fd, into, room)  recv(fd, into, room, 0)
#define socket_send(fd, bytes, size) send(fd, bytes, size, MSG_NOSIGNAL)
#define socket_sendmsg(fd, message)  sendmsg(fd, message, MSG_NOSIGNAL)
#else
#define socket_recv(fd, into, room)  syscall(SYS_recvfrom, fd, into, room, 0, NULL, NULL)
#define socket_send(fd, bytes, size) syscall(SYS_sendto, fd, bytes, size, MSG_NOSIGNAL, NULL, 0)
#define socket_sendmsg(fd, message)  syscall(SYS_sendmsg, fd, message, MSG_NOSIGNAL)
#endif

ssize_t net_read(int fd, void *into, size_t room)
{
    ssize_t size;

    do {
        size = socket_recv(fd, into, room);
    } while (size < 0 && errno == EINTR);
    return size < 0 ? -errno : size;
}

ssize_t net_peek(int fd, void *into, size_t room)
{
    ssize_t size;

    do {
        size = recv(fd, into, room, MSG_PEEK);
    } while (size < 0 && errno == EINTR);
    return size < 0 ? -errno : size;
}

ssize_t net_write(int fd, const void *bytes, size_t size)
{
    ssize_t written;

    do {
        written = socket_send(fd, bytes, size);
    } while (written < 0 && errno == EINTR);
    return written < 0 ? -errno : written;
}

ssize_t net_writev(int fd, const struct iovec *parts, int count)
{
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)count};
    ssize_t written;

    do {
        written = socket_sendmsg(fd, &message);
    } while (written < 0 && errno == EINTR);
    return written < 0 ? -errno : written;
}

size_t net_unsent(int fd)
{
    int size = 0;

    return ioctl(fd, SIOCOUTQ, &size) == 0 && size > 0 ? (size_t)size : 0;
}

void net_shutdown_write(int fd)
{
    (void)shutdown(fd, SHUT_WR); /* a peer that is gone already needs no word */
}

void net_close(int *fd)
{
    if (*fd < 0)
        return;
    (void)close(*fd); /* on Linux the descriptor is gone whatever it says */
    *fd = -1;
}

void net_reset(int *fd)
{
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};

    if (*fd < 0)
        return;
    (void)setsockopt(*fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    net_close(fd);
}

int net_local_address(int fd, struct address *address)
{
    memset(address, 0, sizeof *address);
    address->size = sizeof *address - offsetof(struct address, any);
    return getsockname(fd, &address->any, &address->size) < 0 ? -errno : 0;
}

union fd_control {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(int) * NET_FDS_MAX)];
};

ssize_t net_send_with_fds(int fd, const void *bytes, size_t size, const int *fds, unsigned fd_count)
{
    struct iovec part = {(void *)(uintptr_t)bytes, size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    union fd_control control;
    ssize_t sent;

    CHECK(fd_count <= NET_FDS_MAX);
    if (fd_count > 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * fd_count);
    }
    do {
        sent = sendmsg(fd, &message, MSG_NOSIGNAL);
    } while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : sent;
}

/* Moves the message's descriptors to `fds`; those beyond `room` are closed and make the answer false. */
static bool collect_fds(struct msghdr *message, int *fds, unsigned room, unsigned *count)
{
    bool all = true;

    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS)
            continue;
        size_t present = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < present; i++) {
            int one;
            memcpy(&one, CMSG_DATA(header) + i * sizeof one, sizeof one);
            if (*count < room) {
                fds[(*count)++] = one;
            } else {
                net_close(&one);
                all = false;
            }
        }
    }
    return all;
}

ssize_t net_receive_with_fds(int fd, void *into, size_t room, int *fds, unsigned *fd_count)
{
    struct iovec part = {into, room};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    union fd_control control;
    unsigned fd_room = *fd_count < NET_FDS_MAX ? *fd_count : NET_FDS_MAX;
    ssize_t size;

    *fd_count = 0;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    do {
        size = recvmsg(fd, &message, MSG_CMSG_CLOEXEC);
    } while (size < 0 && errno == EINTR);
    if (size < 0)
        return -errno;
    bool all = collect_fds(&message, fds, fd_room, fd_count);
    if (all && !(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        return size;
    while (*fd_count > 0) /* half a message is none */
        net_close(&fds[--*fd_count]);
    return -EMSGSIZE;
}
