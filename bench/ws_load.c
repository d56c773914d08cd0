/* SPDX-License-Identifier: MIT
 *
 * The load of the measurements that wrk cannot make. One thread, epoll.
 *
 *   ws_load echo  PORT SOCKETS SECONDS BYTES   each WebSocket sends a message, waits for its echo, sends the next
 *   ws_load idle  PORT CONNECTIONS             each connection makes one GET, then stays; until standard input ends
 *   ws_load idle-ws PORT SOCKETS               each WebSocket echoes one message, then stays
 *
 * `echo` prints one JSON object at the end; the idle ones print `open N` when all are there. Every echo is compared with what was
 * sent. Exits 1 when a connection failed. */
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
#include <time.h>
#include <unistd.h>

#define BATCH        256
#define BUFFER_BYTES 4096
#define SAMPLES_MAX  (1u << 22)

enum state { OPENING, ECHOING, STAYING };

struct peer {
    int fd;
    enum state state;
    uint64_t sent_ns;
    size_t used;
    unsigned char bytes[BUFFER_BYTES];
};

static struct {
    int poller;
    bool is_websocket, is_idle;
    size_t size;                       /* of a message */
    unsigned char frame[BUFFER_BYTES]; /* masked, as sent */
    size_t frame_size;
    unsigned char echo[BUFFER_BYTES]; /* unmasked, as it must come back */
    size_t echo_size;
    unsigned opened;
    uint64_t started_ns, messages, failures;
    uint32_t *samples; /* microseconds */
    size_t sample_count;
} load;

static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void make_frames(size_t size)
{
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    size_t head = size < 126 ? 2 : 4;
    unsigned char *echo = load.echo;
    echo[0] = 0x82;
    echo[1] = (unsigned char)(size < 126 ? size : 126);
    if (head == 4) {
        echo[2] = (unsigned char)(size >> 8);
        echo[3] = (unsigned char)size;
    }
    memcpy(load.frame, echo, head);
    load.frame[1] |= 0x80;
    memcpy(load.frame + head, mask, 4);
    for (size_t i = 0; i < size; i++) {
        echo[head + i] = (unsigned char)(i * 31 + 7);
        load.frame[head + 4 + i] = echo[head + i] ^ mask[i & 3];
    }
    load.size = size;
    load.echo_size = head + size;
    load.frame_size = head + 4 + size;
}

static void write_all(struct peer *peer, const void *bytes, size_t size)
{
    if (send(peer->fd, bytes, size, MSG_NOSIGNAL) != (ssize_t)size)
        fail("ws_load: send");
}

/* Blocking connect: over loopback it is the proxy's backlog that answers. */
static void open_peer(struct peer *peer, unsigned port)
{
    static const char handshake[] =
        "GET /ws HTTP/1.1\r\nHost: bench.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    static const char get[] = "GET / HTTP/1.1\r\nHost: bench.test\r\n\r\n";
    struct sockaddr_in name = {
        .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons((uint16_t)port)};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = peer};
    int on = 1;
    peer->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (peer->fd < 0 || connect(peer->fd, (struct sockaddr *)&name, sizeof(name)) < 0)
        fail("ws_load: connect");
    setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (load.is_websocket)
        write_all(peer, handshake, sizeof(handshake) - 1);
    else
        write_all(peer, get, sizeof(get) - 1);
    if (epoll_ctl(load.poller, EPOLL_CTL_ADD, peer->fd, &event) < 0)
        fail("ws_load: epoll_ctl");
}

static void send_message(struct peer *peer)
{
    peer->sent_ns = now_ns();
    write_all(peer, load.frame, load.frame_size);
}

static void refuse(struct peer *peer, const char *why)
{
    if (load.failures == 0) /* the others say the same */
        fprintf(stderr, "ws_load: %s: %.*s\n", why, (int)(peer->used < 60 ? peer->used : 60), peer->bytes);
    load.failures++;
    peer->state = STAYING;
    peer->used = 0;
    epoll_ctl(load.poller, EPOLL_CTL_DEL, peer->fd, NULL);
}

static void on_head(struct peer *peer)
{
    unsigned char *end = memmem(peer->bytes, peer->used, "\r\n\r\n", 4);
    if (!end)
        return;
    const char *wanted = load.is_websocket ? "HTTP/1.1 101" : "HTTP/1.1 200";
    if (memcmp(peer->bytes, wanted, 12) != 0) {
        refuse(peer, "not the answer that was hoped for");
        return;
    }
    load.opened++;
    peer->used = 0;
    if (load.is_websocket) {
        peer->state = ECHOING;
        send_message(peer);
    } else {
        peer->state = STAYING;
    }
}

static void on_echo(struct peer *peer)
{
    if (peer->used < load.echo_size)
        return;
    if (peer->used != load.echo_size || memcmp(peer->bytes, load.echo, load.echo_size) != 0) {
        refuse(peer, "an echo that differs");
        return;
    }
    peer->used = 0;
    load.messages++;
    if (load.sample_count < SAMPLES_MAX)
        load.samples[load.sample_count++] = (uint32_t)((now_ns() - peer->sent_ns) / 1000);
    if (load.is_idle)
        peer->state = STAYING;
    else
        send_message(peer);
}

static void on_readable(struct peer *peer)
{
    ssize_t got = recv(peer->fd, peer->bytes + peer->used, sizeof(peer->bytes) - peer->used, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        refuse(peer, "closed");
        return;
    }
    peer->used += (size_t)got;
    if (peer->state == OPENING)
        on_head(peer);
    else if (peer->state == ECHOING)
        on_echo(peer);
    else
        peer->used = 0;
}

/* One turn; false when nothing came in that time. */
static bool turn(int wait_ms)
{
    struct epoll_event events[BATCH];
    int count = epoll_wait(load.poller, events, BATCH, wait_ms);
    for (int i = 0; i < count; i++)
        on_readable(events[i].data.ptr);
    return count > 0;
}

static int by_value(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static uint32_t percentile(double share)
{
    if (load.sample_count == 0)
        return 0;
    size_t index = (size_t)(share * (double)load.sample_count);
    return load.samples[index < load.sample_count ? index : load.sample_count - 1];
}

static void run_echo(double seconds)
{
    uint64_t end = load.started_ns + (uint64_t)(seconds * 1e9);
    while (now_ns() < end)
        turn(100);
    double took = (double)(now_ns() - load.started_ns) / 1e9;
    qsort(load.samples, load.sample_count, sizeof(load.samples[0]), by_value);
    printf("{\"requests\": %llu, \"seconds\": %.3f, \"p50_us\": %u, \"p99_us\": %u, \"errors\": %llu}\n",
           (unsigned long long)load.messages, took, percentile(0.5), percentile(0.99),
           (unsigned long long)load.failures);
}

static void open_all(struct peer *peers, unsigned count, unsigned port)
{
    for (unsigned i = 0; i < count; i++) {
        open_peer(&peers[i], port);
        if (i % 32 == 31) /* the backlog is never asked for more than this at once */
            while (load.opened + load.failures < i - 30 && turn(2000))
                ;
    }
}

static bool has_settled(const struct peer *peers, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (peers[i].state != STAYING)
            return false;
    return true;
}

static void run_idle(const struct peer *peers, unsigned count)
{
    while (!has_settled(peers, count) && turn(5000))
        ;
    printf("open %u\n", load.opened);
    fflush(stdout);
    char byte;
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(
            stderr,
            "use: ws_load echo PORT SOCKETS SECONDS BYTES | idle PORT CONNECTIONS | idle-ws PORT SOCKETS\n");
        return 2;
    }
    bool is_echo = strcmp(argv[1], "echo") == 0;
    unsigned port = (unsigned)atoi(argv[2]), count = (unsigned)atoi(argv[3]);
    double seconds = argc > 4 ? atof(argv[4]) : 1;
    size_t size = argc > 5 ? (size_t)atoi(argv[5]) : 128;
    load.is_idle = !is_echo;
    load.is_websocket = strcmp(argv[1], "idle") != 0;
    load.samples = malloc(SAMPLES_MAX * sizeof(load.samples[0]));
    struct peer *peers = calloc(count ? count : 1, sizeof(*peers));
    if (!load.samples || !peers || size > BUFFER_BYTES - 8)
        return 2;
    load.poller = epoll_create1(EPOLL_CLOEXEC);
    make_frames(size);
    load.started_ns = now_ns();
    open_all(peers, count, port);
    if (is_echo)
        run_echo(seconds);
    else
        run_idle(peers, count);
    return load.failures > 0 || load.opened < count;
}
