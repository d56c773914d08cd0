/* SPDX-License-Identifier: MIT
 *
 * Socket addresses: IPv4, IPv6 and unix, and networks (for trusted_proxies). */
#ifndef DROVER_BASE_ADDRESS_H
#define DROVER_BASE_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/str.h"

struct address {
    socklen_t size;
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
        struct sockaddr_un local;
    };
};

#define ADDRESS_TEXT 128 /* room for any address as text, NUL included (unix paths are at most 107 bytes) */

/* "1.2.3.4:80", "[::1]:80", "unix:/path". Names are not resolved here. False when it is none of these. */
bool address_parse(struct address *address, struct slice text);
/* "example.org:80" apart: host without brackets. False without a valid port (1 to 65535). */
bool address_split(struct slice text, struct slice *host, unsigned *port);
bool address_from_ip(struct address *address, struct slice ip, unsigned port); /* a bare IPv4 or IPv6 text */
/* With the port; returns the text's length. _ip: without the port, "unix" for a unix peer. */
size_t address_print(const struct address *address, char into[ADDRESS_TEXT]);
size_t address_print_ip(const struct address *address, char into[ADDRESS_TEXT]);
unsigned address_port(const struct address *address);
bool address_equal(const struct address *a, const struct address *b);
bool address_is_unix(const struct address *address);

struct network {
    struct address base;
    unsigned bits;
};
/* "10.0.0.0/8", "::1", "unix:" (every unix peer) */
bool network_parse(struct network *network, struct slice text);
/* An IPv4 address mapped into IPv6 counts as IPv4. */
bool network_contains(const struct network *network, const struct address *address);

#endif
