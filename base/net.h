/* SPDX-License-Identifier: MIT
 *
 * The only raw socket calls. All descriptors are non-blocking and close-on-exec. */
#ifndef DROVER_BASE_NET_H
#define DROVER_BASE_NET_H

#include <sys/types.h>
#include <sys/uio.h>

#include "base/address.h"

#define NET_FDS_MAX 128 /* descriptors in one datagram */

enum net_listen_flags {
    NET_REUSEPORT = 1,
    NET_REUSEADDR = 2,
    NET_BIND_ONLY = 4,
    NET_DEFER_ACCEPT =
        8, /* TCP: accept finds a connection once its first bytes are there, or after about a second */
};

/* A bound (and, unless NET_BIND_ONLY, listening) socket, or -errno. A unix path that nobody listens on is
 * unlinked first; one that is alive, or is no socket, gives -EADDRINUSE. [::] is IPv6 only, so that it
 * stands beside 0.0.0.0. TCP_NODELAY and a bound on what waits in the kernel to be sent
 * are inherited by what it accepts. */
int net_listen(const struct address *address, int flags, int backlog);
/* A UDP socket bound there, with room for so many bytes that wait (the system may give less), or -errno. net_read takes
 * one datagram: 0 is an empty one. */
int net_bind_datagrams(const struct address *address, int room);
int net_accept(int listener, struct address *peer); /* descriptor or -errno */
void net_accept_at_once(int listener);              /* NET_DEFER_ACCEPT no more */
int net_connect(const struct address *address);    /* descriptor (the connect may be in progress) or -errno */
int net_connect_result(int fd);                    /* 0 or -errno of a finished connect */
ssize_t net_read(int fd, void *into, size_t room); /* > 0; 0 at the end; -errno (EINTR is retried here) */
ssize_t net_peek(int fd, void *into, size_t room); /* the same, and what was read is still there */
ssize_t net_write(int fd, const void *bytes, size_t size); /* > 0 or -errno; never SIGPIPE */
ssize_t net_writev(int fd, const struct iovec *parts, int count);
size_t net_unsent(int fd); /* bytes written that the peer has not taken yet */
void net_shutdown_write(int fd);
void net_close(int *fd); /* closes if >= 0, sets -1 */
void net_reset(int *fd); /* closes with RST */
int net_local_address(int fd, struct address *address);
/* One datagram (SOCK_SEQPACKET) with up to `*fd_count` descriptors (at most NET_FDS_MAX). Size, 0 at the
 * end, or -errno: -EMSGSIZE when it did not fit, bytes or descriptors, which are closed then. Received
 * descriptors are close-on-exec and owned by the caller. */
ssize_t net_send_with_fds(int fd, const void *bytes, size_t size, const int *fds, unsigned fd_count);
ssize_t net_receive_with_fds(int fd, void *into, size_t room, int *fds, unsigned *fd_count);

#endif
