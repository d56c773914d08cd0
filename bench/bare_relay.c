/* SPDX-License-Identifier: MIT
 *
 * The floor of the measurements: bytes from one socket to the other and back, nothing read in them. One thread, epoll,
 * edge-triggered; each client connection has one backend connection of its own. What a proxy spends above this is its own.
 *
 *   bare_relay TARGET_PORT [TARGET_PORT...]   prints a port of its own for each target; ends when standard input does */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH        256
#define BUFFER_BYTES 65536
#define TARGETS_MAX  4

struct side {
    int fd; /* -1: closed */
    struct side *other;
    unsigned char *left_over; /* what could not be written to this side yet */
    size_t left_size;
    bool is_ended; /* this side said end of file */
};

struct target {
    int listener;
    unsigned port;
};

static int poller;
static struct target targets[TARGETS_MAX];
static unsigned char bytes[BUFFER_BYTES]; /* one turn's reading: nothing is kept unless a write falls short */
static struct side *graves[2 * BATCH];    /* freed at the end of the turn */
static unsigned grave_count;

static struct sockaddr_in loopback(unsigned port)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
}

static void watch(int fd, void *owner, uint32_t what)
{
    struct epoll_event event = {.events = what, .data.ptr = owner};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) {
        perror("bare_relay: epoll_ctl");
        exit(1);
    }
}

static void close_pair(struct side *side)
{
    if (side->fd < 0)
        return;
    struct side *both[2] = {side, side->other};
    for (unsigned i = 0; i < 2; i++) {
        close(both[i]->fd);
        both[i]->fd = -1;
        graves[grave_count++] = both[i];
    }
}

static bool write_to(struct side *to, const unsigned char *from, size_t size)
{
    ssize_t sent = send(to->fd, from, size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN)
        return false;
    size_t done = sent < 0 ? 0 : (size_t)sent;
    if (done == size)
        return true;
    to->left_size = size - done;
    to->left_over = malloc(to->left_size);
    if (!to->left_over)
        exit(1);
    memcpy(to->left_over, from + done, to->left_size);
    return true;
}

static bool flush(struct side *to)
{
    unsigned char *held = to->left_over;
    size_t size = to->left_size;
    to->left_over = NULL;
    to->left_size = 0;
    bool is_good = !held || write_to(to, held, size);
    free(held);
    return is_good;
}

/* Everything that `from` has, as long as the other side takes it. */
static void relay(struct side *from)
{
    while (from->fd >= 0 && !from->other->left_over) {
        ssize_t got = recv(from->fd, bytes, sizeof(bytes), 0);
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            close_pair(from);
            return;
        }
        if (!write_to(from->other, bytes, (size_t)got)) {
            close_pair(from);
            return;
        }
        if ((size_t)got < sizeof(bytes) && !from->is_ended)
            return;
    }
}

static void on_side(struct side *side, uint32_t what)
{
    if (side->fd < 0)
        return;
    if (what & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        side->is_ended = true;
    if (what & EPOLLOUT && side->left_over) {
        if (!flush(side)) {
            close_pair(side);
            return;
        }
        if (!side->left_over)
            relay(side->other);
    }
    if (side->fd >= 0 && what & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        relay(side);
}

static struct side *open_side(int fd)
{
    int on = 1;
    struct side *side = calloc(1, sizeof(*side));
    if (!side)
        exit(1);
    side->fd = fd;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    return side;
}

static void on_listener(struct target *target)
{
    for (unsigned i = 0; i < BATCH; i++) {
        int fd = accept4(target->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        struct sockaddr_in name = loopback(target->port);
        int other = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (other < 0 ||
            (connect(other, (struct sockaddr *)&name, sizeof(name)) < 0 && errno != EINPROGRESS)) {
            close(fd);
            if (other >= 0)
                close(other);
            continue;
        }
        struct side *client = open_side(fd), *backend = open_side(other);
        client->other = backend;
        backend->other = client;
        watch(fd, client, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
        watch(other, backend, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    }
}

static void open_target(struct target *target, unsigned port)
{
    struct sockaddr_in name = loopback(0);
    socklen_t size = sizeof(name);
    target->port = port;
    target->listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (target->listener < 0 || bind(target->listener, (struct sockaddr *)&name, sizeof(name)) < 0 ||
        listen(target->listener, 4096) < 0 ||
        getsockname(target->listener, (struct sockaddr *)&name, &size) < 0) {
        perror("bare_relay: listen");
        exit(1);
    }
    watch(target->listener, target, EPOLLIN);
    printf("%u\n", ntohs(name.sin_port));
}

static void bury(void)
{
    while (grave_count > 0) {
        struct side *side = graves[--grave_count];
        free(side->left_over);
        free(side);
    }
}

int main(int argc, char **argv)
{
    static int input_mark;
    poller = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 1; i < argc && i <= TARGETS_MAX; i++)
        open_target(&targets[i - 1], (unsigned)atoi(argv[i]));
    watch(STDIN_FILENO, &input_mark, EPOLLIN);
    fflush(stdout);
    for (;;) {
        struct epoll_event events[BATCH];
        int count = epoll_wait(poller, events, BATCH, -1);
        for (int i = 0; i < count; i++) {
            void *owner = events[i].data.ptr;
            if (owner == &input_mark)
                return 0;
            if (owner >= (void *)targets && owner < (void *)(targets + TARGETS_MAX))
                on_listener(owner);
            else
                on_side(owner, events[i].events);
        }
        bury();
    }
}
