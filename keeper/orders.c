/* SPDX-License-Identifier: MIT
 *
 * Both ends of the line between an engine and the keeper: whole messages of one size, descriptors beside
 * them, memfds for what is long. Single-threaded in the keeper, the control thread in an engine. */
#include "keeper/orders.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/net.h"
#include "base/str.h"

#define SEND_WAIT_MS 1000
#define MEMFD_MAX    (64u << 20) /* nobody writes a configuration or a report that long */
#define SEALS        (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static char sockets_directory[81];

bool order_send(int fd, const struct order *order, const int *fds, unsigned fd_count)
{
    for (unsigned attempt = 0; attempt < 2; attempt++) {
        ssize_t size = net_send_with_fds(fd, order, sizeof *order, fds, fd_count);
        if (size == (ssize_t)sizeof *order)
            return true;
        if (size != -EAGAIN && size != -ENOBUFS)
            return false;
        struct pollfd writable = {.fd = fd, .events = POLLOUT};
        if (poll(&writable, 1, SEND_WAIT_MS) < 0 && errno != EINTR)
            return false;
    }
    return false; /* it has read nothing for a second: as good as gone */
}

int order_receive(int fd, struct order *order, int *fds, unsigned *fd_count)
{
    *fd_count = ORDER_FDS_MAX;
    ssize_t size = net_receive_with_fds(fd, order, sizeof *order, fds, fd_count);

    if (size == (ssize_t)sizeof *order) {
        order->pool[sizeof order->pool - 1] = 0;
        return 1;
    }
    if (size == -EAGAIN) {
        *fd_count = 0;
        return 0;
    }
    while (size >= 0 && *fd_count > 0) /* a message of another size: whoever sends that is not one of us */
        net_close(&fds[--*fd_count]);
    *fd_count = 0;
    return -1;
}

static bool write_all(int fd, const char *bytes, uint64_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        bytes += written;
        size -= (uint64_t)written;
    }
    return true;
}

int order_memfd(const void *bytes, uint64_t size)
{
    int fd = memfd_create("drover", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    if (fd < 0)
        return -errno;
    if (write_all(fd, bytes, size) && fcntl(fd, F_ADD_SEALS, SEALS) == 0)
        return fd;
    int error = errno;
    net_close(&fd);
    return -error;
}

char *order_memfd_read(int fd, uint64_t *size)
{
    struct stat status;

    /* Sealed, so that its sender cannot change it between two looks. */
    if (fcntl(fd, F_GET_SEALS) != SEALS || fstat(fd, &status) < 0 || status.st_size > (off_t)MEMFD_MAX)
        return NULL;
    *size = (uint64_t)status.st_size;
    char *bytes = mem_alloc(*size + 1);
    for (uint64_t done = 0; done < *size;) {
        ssize_t part = pread(fd, bytes + done, *size - done, (off_t)done);
        if (part < 0 && errno == EINTR)
            continue;
        if (part <= 0) {
            mem_free(bytes);
            return NULL;
        }
        done += (uint64_t)part;
    }
    bytes[*size] = 0;
    return bytes;
}

void worker_sockets_in(const char *directory)
{
    str_format(sockets_directory, sizeof sockets_directory, "%s", directory);
}

void worker_socket_path(char into[108], pid_t keeper, int slot, uint32_t generation)
{
    if (sockets_directory[0])
        str_format(into, 108, "%s/%d/%u.sock", sockets_directory, slot, generation);
    else
        str_format(into, 108, "/run/drover-%d/%d/%u.sock", (int)keeper, slot, generation);
}
