/* SPDX-License-Identifier: MIT
 *
 * The WebSocket backend of the measurements: takes any handshake and sends every message back. One thread, epoll, a buffer a
 * connection; it knows just enough of RFC 6455 for ws_load.c. Prints its port, ends when its standard input does. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUFFER_BYTES 8192
#define BATCH        256

struct connection {
    int fd;
    bool is_open; /* the handshake is done */
    size_t used;
    unsigned char bytes[BUFFER_BYTES];
};

static int poller;

static int listen_anywhere(unsigned *port)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof(name);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&name, &size) < 0) {
        perror("ws_echo: listen");
        exit(1);
    }
    *port = ntohs(name.sin_port);
    return fd;
}

static void watch(int fd, void *owner)
{
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = owner};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &event) < 0) {
        perror("ws_echo: epoll_ctl");
        exit(1);
    }
}

static void accept_all(int listener)
{
    for (unsigned i = 0; i < BATCH; i++) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        struct connection *connection = malloc(sizeof(*connection));
        if (!connection)
            exit(1);
        connection->fd = fd;
        connection->is_open = false;
        connection->used = 0;
        watch(fd, connection);
    }
}

static void drop(struct connection *connection)
{
    close(connection->fd);
    free(connection);
}

static bool send_all(int fd, const void *bytes, size_t size)
{
    ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
    return sent ==
           (ssize_t)size; /* small answers to a reader that keeps up: a short write is a failure here */
}

/* The answer to the handshake, once its head is whole. False: no handshake. */
static bool open_tunnel(struct connection *connection)
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    connection->bytes[connection->used] = '\0';
    char *text = (char *)connection->bytes;
    char *end = strstr(text, "\r\n\r\n");
    if (!end)
        return connection->used < BUFFER_BYTES - 1;
    char *key = strcasestr(text, "sec-websocket-key:");
    if (!key || key > end)
        return false;
    key += strlen("sec-websocket-key:");
    key += strspn(key, " ");

    char joined[128], answer[256];
    unsigned char digest[EVP_MAX_MD_SIZE], accept[64];
    int size = snprintf(joined, sizeof(joined), "%.*s%s", (int)strcspn(key, "\r "), key, guid);
    EVP_Digest(joined, (size_t)size, digest, NULL, EVP_sha1(), NULL);
    EVP_EncodeBlock(accept, digest, 20);
    size = snprintf(answer, sizeof(answer),
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    "Sec-WebSocket-Accept: %s\r\n\r\n",
                    accept);
    size_t head = (size_t)(end + 4 - text);
    memmove(connection->bytes, connection->bytes + head, connection->used - head);
    connection->used -= head;
    connection->is_open = true;
    return send_all(connection->fd, answer, (size_t)size);
}

/* Sends back one masked frame at `at`; 0: not whole yet; -1: close. */
static ssize_t echo_frame(struct connection *connection, size_t at)
{
    unsigned char *frame = connection->bytes + at;
    size_t have = connection->used - at, head = 6;
    if (have < head)
        return 0;
    size_t length = frame[1] & 0x7f;
    if (length == 126) {
        head = 8;
        length = (size_t)frame[2] << 8 | frame[3];
    }
    if (length == 127 || !(frame[1] & 0x80) || head + length > BUFFER_BYTES - 1)
        return -1;
    if (have < head + length)
        return 0;
    unsigned char mask[4];
    memcpy(mask, frame + head - 4, 4);
    for (size_t i = 0; i < length; i++)
        frame[head + i] ^= mask[i & 3];
    /* The answer is the same frame without its mask: its first bytes move up to the payload. */
    unsigned char first = frame[0], *answer = frame + 4;
    unsigned opcode = first & 0x0f;
    memmove(answer, frame, head - 4);
    answer[0] = opcode == 9 ? (unsigned char)(first + 1) : first;
    answer[1] &= 0x7f;
    if (!send_all(connection->fd, answer, head - 4 + length) || opcode == 8)
        return -1;
    return (ssize_t)(head + length);
}

static bool serve(struct connection *connection)
{
    ssize_t got =
        recv(connection->fd, connection->bytes + connection->used, BUFFER_BYTES - 1 - connection->used, 0);
    if (got <= 0)
        return got < 0 && errno == EAGAIN;
    connection->used += (size_t)got;
    if (!connection->is_open) {
        if (!open_tunnel(connection))
            return false;
        if (!connection->is_open)
            return true;
    }
    size_t at = 0;
    for (;;) {
        ssize_t taken = echo_frame(connection, at);
        if (taken < 0)
            return false;
        if (taken == 0)
            break;
        at += (size_t)taken;
    }
    memmove(connection->bytes, connection->bytes + at, connection->used - at);
    connection->used -= at;
    return true;
}

int main(void)
{
    static int listener_mark, input_mark;
    unsigned port;
    int listener = listen_anywhere(&port);
    poller = epoll_create1(EPOLL_CLOEXEC);
    watch(listener, &listener_mark);
    watch(STDIN_FILENO, &input_mark);
    printf("%u\n", port);
    fflush(stdout);
    for (;;) {
        struct epoll_event events[BATCH];
        int count = epoll_wait(poller, events, BATCH, -1);
        for (int i = 0; i < count; i++) {
            void *owner = events[i].data.ptr;
            if (owner == &listener_mark)
                accept_all(listener);
            else if (owner == &input_mark)
                return 0;
            else if (!serve(owner))
                drop(owner);
        }
    }
}
