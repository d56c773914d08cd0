/* SPDX-License-Identifier: MIT
 *
 * A DNS server for tests, on the test's own loop: one name "api" (whatever domain is appended), the A and
 * AAAA records that the test says, or silence. UDP on 127.0.0.1. */
#ifndef DROVER_TESTS_DNS_SERVER_H
#define DROVER_TESTS_DNS_SERVER_H

#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/loop.h"

#define DNS_RECORDS 8

struct dns_server {
    int fd;
    struct watch watch;
    char text[64];                                 /* "127.0.0.1:PORT" */
    const char *v4[DNS_RECORDS], *v6[DNS_RECORDS]; /* ended by NULL */
    unsigned ttl_s;
    bool is_silent, is_missing; /* missing: NXDOMAIN */
    unsigned asked;
};

static inline size_t dns_put(unsigned char *at, uint64_t number, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (unsigned char)(number >> 8 * (bytes - 1 - i));
    return bytes;
}

static inline size_t dns_put_record(unsigned char *at, unsigned type, unsigned ttl_s, const char *ip)
{
    size_t size = 0;

    size += dns_put(at + size, 0xc00c, 2); /* the question's name */
    size += dns_put(at + size, type, 2);
    size += dns_put(at + size, 1, 2);
    size += dns_put(at + size, ttl_s, 4);
    size += dns_put(at + size, type == 1 ? 4 : 16, 2);
    ck_assert_int_eq(inet_pton(type == 1 ? AF_INET : AF_INET6, ip, at + size), 1);
    return size + (type == 1 ? 4 : 16);
}

static inline void dns_on_question(int fd, short what, void *argument)
{
    struct dns_server *server = argument;
    unsigned char packet[1024];
    struct sockaddr_storage peer;
    socklen_t peer_size = sizeof peer;
    (void)what;

    ssize_t size = recvfrom(fd, packet, 512, 0, (struct sockaddr *)&peer, &peer_size);
    if (size < 17)
        return;
    server->asked++;
    if (server->is_silent)
        return;
    size_t end = 12;
    while (packet[end] != 0)
        end += packet[end] + 1u;
    bool is_ours = packet[12] == 3 && memcmp(packet + 13, "api", 3) == 0 && !server->is_missing;
    unsigned type = (unsigned)packet[end + 1] << 8 | packet[end + 2], count = 0;
    const char *const *records = type == 1 ? server->v4 : server->v6;
    end += 5;
    for (; is_ours && (type == 1 || type == 28) && records[count]; count++)
        end += dns_put_record(packet + end, type, server->ttl_s, records[count]);
    dns_put(packet + 2, is_ours ? 0x8180 : 0x8183, 2);
    dns_put(packet + 6, count, 2);
    dns_put(packet + 8, 0, 4); /* no authority, and not the question's EDNS record */
    ck_assert_int_eq(sendto(fd, packet, end, 0, (struct sockaddr *)&peer, peer_size), (ssize_t)end);
}

static inline void dns_open(struct dns_server *server, struct loop *loop)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;

    memset(server, 0, sizeof *server);
    server->ttl_s = 1;
    server->fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    ck_assert_int_ge(server->fd, 0);
    ck_assert_int_eq(bind(server->fd, (struct sockaddr *)&address, sizeof address), 0);
    ck_assert_int_eq(getsockname(server->fd, (struct sockaddr *)&address, &size), 0);
    snprintf(server->text, sizeof server->text, "127.0.0.1:%u", ntohs(address.sin_port));
    watch_open_readable(&server->watch, loop, server->fd, dns_on_question, server);
}

static inline void dns_close(struct dns_server *server)
{
    watch_close(&server->watch);
    close(server->fd);
}

#endif
