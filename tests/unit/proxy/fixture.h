/* SPDX-License-Identifier: MIT
 *
 * A proxy on a loop of its own thread, for the tests of proxy/: the test plays the client and the servers behind it,
 * with blocking sockets that give up after some seconds. Each program uses part of it, hence the attribute. */
#ifndef DROVER_TESTS_UNIT_PROXY_FIXTURE_H
#define DROVER_TESTS_UNIT_PROXY_FIXTURE_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/net.h"
#include "proxy/proxy.h"
#include "tests/unit/unit.h"

#define MAYBE        __attribute__((unused))
#define PATIENCE_MS  10000
#define SERVERS_MAX  2
#define MESSAGE_MAX  65536
#define HEADER_CLOSE "Connection: close\r\n"

struct stage {
    struct config *config;
    struct slots *slots;
    struct pool *pool;
    struct backend *backends[SERVERS_MAX];
    int servers[SERVERS_MAX]; /* listening: what stands behind the backends */
    unsigned server_count;
    struct loop *loop;
    struct proxy *proxy;
    struct proxy *siblings[1];
    _Atomic unsigned loop_count;
    pthread_t thread;
    unsigned port;
    int log_file; /* -1, or where access-log lines go; read with stage_log */
    _Atomic bool is_drained;
};

/* --- sockets that wait --- */

static MAYBE int blocking(int fd)
{
    struct timeval patience = {.tv_sec = PATIENCE_MS / 1000};

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    ck_assert_int_eq(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience), 0);
    return fd;
}

static MAYBE bool is_readable_within(int fd, int ms)
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};

    return poll(&ready, 1, ms) == 1;
}

static MAYBE void pause_ms(int ms)
{
    poll(NULL, 0, ms);
}

static MAYBE void say_bytes(int fd, const char *bytes, size_t size)
{
    for (size_t done = 0; done < size;) {
        ssize_t wrote = send(fd, bytes + done, size - done, MSG_NOSIGNAL);
        ck_assert_msg(wrote > 0, "the other side takes nothing");
        done += (size_t)wrote;
    }
}

static MAYBE void say(int fd, const char *text)
{
    say_bytes(fd, text, strlen(text));
}

/* As many bytes as the text has, and they are these. */
static MAYBE void hear(int fd, const char *text)
{
    size_t size = strlen(text), got = 0;
    char *heard = mem_zero(size + 1);

    while (got < size) {
        ssize_t more = recv(fd, heard + got, size - got, 0);
        ck_assert_msg(more > 0, "heard \"%s\" and no more, instead of \"%s\"", heard, text);
        got += (size_t)more;
    }
    ck_assert_str_eq(heard, text);
    mem_free(heard);
}

/* A whole head, and no byte of what follows. */
static MAYBE const char *hear_head(int fd)
{
    static char heads[4][MESSAGE_MAX];
    static unsigned next;
    char *head = heads[next++ % 4];
    size_t size = 0;

    while (size < 4 || memcmp(head + size - 4, "\r\n\r\n", 4) != 0) {
        ck_assert_uint_lt(size, MESSAGE_MAX - 1);
        ssize_t got = recv(fd, head + size, 1, 0);
        head[size + (got > 0 ? 1 : 0)] = 0;
        ck_assert_msg(got > 0, "no whole head: \"%s\"", head);
        size++;
    }
    return head;
}

static MAYBE size_t hear_to_the_end(int fd)
{
    static char bytes[MESSAGE_MAX];
    size_t size = 0;

    for (;;) {
        ssize_t got = recv(fd, bytes, sizeof bytes, 0);
        if (got <= 0)
            return size;
        size += (size_t)got;
    }
}

static MAYBE bool has(const char *head, const char *text)
{
    return strstr(head, text) != NULL;
}

static MAYBE bool is_status(const char *head, unsigned status)
{
    return strncmp(head, "HTTP/1.1 ", 9) == 0 && strtoul(head + 9, NULL, 10) == status;
}

static MAYBE bool is_ended(int fd)
{
    char byte;

    return recv(fd, &byte, 1, 0) <= 0;
}

#define ck_assert_has(head, text)   ck_assert_msg(has(head, text), "no \"%s\" in:\n%s", text, head)
#define ck_assert_hasnt(head, text) ck_assert_msg(!has(head, text), "\"%s\" in:\n%s", text, head)
#define ck_assert_status(head, status)                                                                       \
    ck_assert_msg(is_status(head, status), "not %u:\n%s", (unsigned)(status), head)

/* --- the stage --- */

static MAYBE int listen_anywhere(unsigned *port, int flags)
{
    struct address address;
    int fd;

    ck_assert(address_from_ip(&address, SLICE("127.0.0.1"), 0));
    fd = net_listen(&address, NET_REUSEADDR | flags, 64);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(net_local_address(fd, &address), 0);
    *port = address_port(&address);
    return fd;
}

static MAYBE void *stage_run(void *argument)
{
    struct stage *stage = argument;

    loop_run(stage->loop);
    proxy_free(&stage->proxy);
    blocks_fini();
    return NULL;
}

static MAYBE void stage_backends(struct stage *stage, const unsigned *ports)
{
    for (unsigned i = 0; i < stage->server_count; i++) {
        struct address address;
        ck_assert(address_from_ip(&address, SLICE("127.0.0.1"), ports[i]));
        stage->backends[i] =
            backend_new(stage->slots, slots_claim(stage->slots, "web", i + 1, false), &address, 1);
    }
    stage->pool = pool_new(stage->config, &stage->config->pools[0], stage->slots, 0, NULL, stage->backends,
                           stage->server_count);
}

static MAYBE struct config *stage_config(const struct stage *stage, const char *top, const char *pool,
                                         const unsigned *ports)
{
    struct config_report report = {0};
    struct config *config;
    char second[40] = "", *text;

    if (stage->server_count == 2)
        str_format(second, sizeof second, ", '127.0.0.1:%u'", ports[1]);
    text = mem_print("listen: [{address: '127.0.0.1:%u', expose: [/health/live]}]\nadmin: off\n%s\n"
                     "pools:\n  web: {servers: ['127.0.0.1:%u'%s]%s%s}\n",
                     stage->port, top, ports[0], second, pool[0] ? ", " : "", pool);
    config = config_load("t.yaml", text, strlen(text), &report);
    ck_assert_msg(config != NULL, "%s\n%s", report.text, text);
    config_report_fini(&report);
    mem_free(text);
    return config;
}

/* `top` and `pool` are YAML: lines, and what stands between braces. */
static MAYBE void stage_open(struct stage *stage, unsigned server_count, const char *top, const char *pool)
{
    unsigned ports[SERVERS_MAX];
    int listener;
    struct snapshot *snapshot;

    log_set_level(LOG_ERROR); /* what is provoked here is warned of */
    *stage = (struct stage){.server_count = server_count, .slots = slots_new(), .log_file = -1};
    for (unsigned i = 0; i < server_count; i++)
        stage->servers[i] = listen_anywhere(&ports[i], 0);
    listener = listen_anywhere(&stage->port, NET_DEFER_ACCEPT); /* as the keeper does */
    stage->config = stage_config(stage, top, pool, ports);
    stage_backends(stage, ports);
    if (stage->config->access_log) {
        char path[] = "/tmp/drover-log-XXXXXX";
        stage->log_file = mkostemp(path, O_APPEND);
        ck_assert_int_ge(stage->log_file, 0);
        unlink(path);
    }
    spools_start(NULL, 1);
    stage->loop = loop_new("loop-0");
    stage->loop_count = 1;
    struct proxy_options options = {.loop_count = &stage->loop_count,
                                    .slots = stage->slots,
                                    .access_log = stage->log_file < 0 ? -1 : dup(stage->log_file),
                                    .siblings = stage->siblings};
    snapshot = snapshot_new(stage->config, &stage->pool);
    stage->proxy = stage->siblings[0] = proxy_new(stage->loop, snapshot, &options);
    snapshot_unref(&snapshot);
    ck_assert_int_eq(pthread_create(&stage->thread, NULL, stage_run, stage), 0);
    proxy_listen(stage->proxy, 0, listener);
}

/* Places that are held now. */
static MAYBE unsigned stage_requests(const struct stage *stage)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < stage->server_count; i++)
        sum += backend_requests(stage->backends[i]);
    return sum;
}

static MAYBE unsigned stage_tunnels(const struct stage *stage)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < stage->server_count; i++)
        sum += backend_tunnels(stage->backends[i]);
    return sum;
}

#define until(condition)                                                                                     \
    do {                                                                                                     \
        for (int tries = 0; tries < PATIENCE_MS && !(condition); tries++)                                    \
            pause_ms(1);                                                                                     \
        ck_assert_msg(condition, "never: %s", #condition);                                                   \
    } while (0)

/* Whatever happened, nothing is held any more; and the sanitizers find nothing left. */
static MAYBE void stage_close(struct stage *stage)
{
    loop_stop(stage->loop);
    pthread_join(stage->thread, NULL);
    spools_stop();
    loop_free(&stage->loop);
    ck_assert_uint_eq(stage_requests(stage) + stage_tunnels(stage), 0);
    ck_assert_uint_eq(stage->slots->engines[0].connections, 0);
    pool_unref(&stage->pool);
    for (unsigned i = 0; i < stage->server_count; i++) {
        backend_unref(&stage->backends[i]);
        net_close(&stage->servers[i]);
    }
    config_unref(&stage->config);
    slots_free_all(&stage->slots);
    net_close(&stage->log_file);
}

static MAYBE int client(const struct stage *stage)
{
    struct address address;

    ck_assert(address_from_ip(&address, SLICE("127.0.0.1"), stage->port));
    return blocking(net_connect(&address));
}

/* The next connection that drover makes to that server. */
static MAYBE int link_to(const struct stage *stage, unsigned server)
{
    ck_assert_msg(is_readable_within(stage->servers[server], PATIENCE_MS), "no connection comes");
    return blocking(net_accept(stage->servers[server], NULL));
}

static MAYBE bool has_link(const struct stage *stage, unsigned server, int within_ms)
{
    return is_readable_within(stage->servers[server], within_ms);
}

/* All that was logged so far. */
static MAYBE const char *stage_log(const struct stage *stage)
{
    static char lines[16384];
    ssize_t size = pread(stage->log_file, lines, sizeof lines - 1, 0);

    lines[size > 0 ? size : 0] = 0;
    return lines;
}

#define OK "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

/* One request that is answered well, on a link that is there or comes now; the link. */
static MAYBE int serve_one(struct stage *stage, int asker, int link)
{
    say(asker, "GET /first HTTP/1.1\r\nHost: a\r\n\r\n");
    if (link < 0)
        link = link_to(stage, 0);
    ck_assert_has(hear_head(link), "GET /first HTTP/1.1\r\n");
    say(link, OK);
    ck_assert_status(hear_head(asker), 200);
    hear(asker, "ok");
    until(stage_requests(stage) == 0);
    return link;
}

#endif
