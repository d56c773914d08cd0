/* SPDX-License-Identifier: MIT
 *
 * Addresses and networks to and from text: pure, any thread. */
#include "base/address.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>

#include "base/check.h"

static const struct slice unix_prefix = {"unix:", 5};

static bool parse_unix(struct address *address, struct slice path)
{
    if (path.size == 0 || path.size >= sizeof address->local.sun_path || memchr(path.at, 0, path.size))
        return false;
    memset(address, 0, sizeof *address);
    address->local.sun_family = AF_UNIX;
    memcpy(address->local.sun_path, path.at, path.size);
    address->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.size + 1);
    return true;
}

bool address_split(struct slice text, struct slice *host, unsigned *port)
{
    const char *colon = text.size > 0 ? memrchr(text.at, ':', text.size) : NULL;
    uint64_t number;

    if (!colon)
        return false;
    struct slice digits = {colon + 1, text.size - (size_t)(colon + 1 - text.at)};
    struct slice name = {text.at, (size_t)(colon - text.at)};
    if (!slice_to_u64(digits, &number) || number < 1 || number > 65535)
        return false;
    if (name.size >= 2 && name.at[0] == '[' && name.at[name.size - 1] == ']') {
        name.at++;
        name.size -= 2;
    } else if (name.size > 0 && memchr(name.at, ':', name.size)) {
        return false; /* ::1:80 could be read two ways */
    }
    if (name.size == 0)
        return false;
    *host = name;
    *port = (unsigned)number;
    return true;
}

bool address_from_ip(struct address *address, struct slice ip, unsigned port)
{
    char text[INET6_ADDRSTRLEN];

    if (ip.size == 0 || ip.size >= sizeof text || memchr(ip.at, 0, ip.size))
        return false;
    memcpy(text, ip.at, ip.size);
    text[ip.size] = 0;
    memset(address, 0, sizeof *address);
    if (inet_pton(AF_INET, text, &address->v4.sin_addr) == 1) {
        address->v4.sin_family = AF_INET;
        address->v4.sin_port = htons((uint16_t)port);
        address->size = sizeof address->v4;
        return true;
    }
    if (inet_pton(AF_INET6, text, &address->v6.sin6_addr) == 1) {
        address->v6.sin6_family = AF_INET6;
        address->v6.sin6_port = htons((uint16_t)port);
        address->size = sizeof address->v6;
        return true;
    }
    return false;
}

bool address_parse(struct address *address, struct slice text)
{
    struct slice host;
    unsigned port;

    if (slice_starts(text, unix_prefix))
        return parse_unix(address, (struct slice){text.at + unix_prefix.size, text.size - unix_prefix.size});
    if (!address_split(text, &host, &port) || !address_from_ip(address, host, port))
        return false;
    return (text.at[0] == '[') == (address->any.sa_family == AF_INET6);
}

/* IPv4 in IPv6 clothes, as a dual-stack socket of somebody else hands it on, is IPv4 to people and to
 * networks. */
static const struct in_addr *as_v4(const struct address *address)
{
    if (address->any.sa_family == AF_INET)
        return &address->v4.sin_addr;
    if (address->any.sa_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&address->v6.sin6_addr))
        return (const struct in_addr *)(const void *)&address->v6.sin6_addr.s6_addr[12];
    return NULL;
}

/* Every accepted connection's address is printed: inet_ntop goes by way of sprintf. */
static size_t print_v4(const struct in_addr *v4, char *into)
{
    const uint8_t *bytes = (const uint8_t *)v4;
    char *at = into;

    for (unsigned i = 0; i < 4; i++) {
        unsigned byte = bytes[i];
        if (byte >= 100)
            *at++ = (char)('0' + byte / 100);
        if (byte >= 10)
            *at++ = (char)('0' + byte / 10 % 10);
        *at++ = (char)('0' + byte % 10);
        *at++ = '.';
    }
    *--at = '\0';
    return (size_t)(at - into);
}

size_t address_print_ip(const struct address *address, char into[ADDRESS_TEXT])
{
    const struct in_addr *v4 = as_v4(address);
    const char *text;

    if (v4)
        return print_v4(v4, into);
    if (address->any.sa_family == AF_INET6)
        text = inet_ntop(AF_INET6, &address->v6.sin6_addr, into, ADDRESS_TEXT);
    else
        text = memcpy(into, "unix", 5);
    CHECK(text);
    return strlen(into);
}

size_t address_print(const struct address *address, char into[ADDRESS_TEXT])
{
    if (address_is_unix(address)) {
        size_t head = offsetof(struct sockaddr_un, sun_path);
        size_t most =
            address->size > head ? address->size - head : 0; /* an unnamed peer has no path at all */
        size_t size = strnlen(address->local.sun_path, most);
        return str_format(into, ADDRESS_TEXT, "unix:%.*s", (int)size, address->local.sun_path);
    }
    char ip[ADDRESS_TEXT];
    address_print_ip(address, ip);
    return str_format(into, ADDRESS_TEXT, as_v4(address) ? "%s:%u" : "[%s]:%u", ip, address_port(address));
}

unsigned address_port(const struct address *address)
{
    if (address->any.sa_family == AF_INET)
        return ntohs(address->v4.sin_port);
    return address->any.sa_family == AF_INET6 ? ntohs(address->v6.sin6_port) : 0;
}

bool address_is_unix(const struct address *address)
{
    return address->any.sa_family == AF_UNIX;
}

bool address_equal(const struct address *a, const struct address *b)
{
    if (a->any.sa_family != b->any.sa_family)
        return false;
    if (a->any.sa_family == AF_INET)
        return a->v4.sin_port == b->v4.sin_port && a->v4.sin_addr.s_addr == b->v4.sin_addr.s_addr;
    if (a->any.sa_family == AF_INET6)
        return a->v6.sin6_port == b->v6.sin6_port && a->v6.sin6_scope_id == b->v6.sin6_scope_id &&
               memcmp(&a->v6.sin6_addr, &b->v6.sin6_addr, sizeof a->v6.sin6_addr) == 0;
    return a->size == b->size && memcmp(&a->local, &b->local, a->size) == 0;
}

bool network_parse(struct network *network, struct slice text)
{
    const char *slash = text.size > 0 ? memchr(text.at, '/', text.size) : NULL;
    struct slice ip = {text.at, slash ? (size_t)(slash - text.at) : text.size};
    uint64_t bits;

    memset(network, 0, sizeof *network);
    if (slice_equal(text, unix_prefix)) {
        network->base.any.sa_family = AF_UNIX;
        return true;
    }
    if (!address_from_ip(&network->base, ip, 0))
        return false;
    unsigned most = network->base.any.sa_family == AF_INET ? 32 : 128;
    if (!slash)
        bits = most;
    else if (!slice_to_u64((struct slice){slash + 1, text.size - ip.size - 1}, &bits) || bits > most)
        return false;
    if (most == 128 && bits >= 96 && IN6_IS_ADDR_V4MAPPED(&network->base.v6.sin6_addr)) {
        struct in_addr v4 = *as_v4(&network->base);
        memset(&network->base, 0, sizeof network->base);
        network->base.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = v4};
        network->base.size = sizeof network->base.v4;
        bits -= 96;
    }
    network->bits = (unsigned)bits;
    return true;
}

static bool bits_equal(const void *a, const void *b, unsigned bits)
{
    const unsigned char *left = a, *right = b;
    unsigned whole = bits / 8, rest = bits % 8;

    if (memcmp(left, right, whole) != 0)
        return false;
    return rest == 0 || ((left[whole] ^ right[whole]) & (0xff00u >> rest & 0xffu)) == 0;
}

bool network_contains(const struct network *network, const struct address *address)
{
    const struct in_addr *v4 = as_v4(address);

    if (network->base.any.sa_family == AF_UNIX)
        return address_is_unix(address);
    if (network->base.any.sa_family == AF_INET)
        return v4 && bits_equal(&network->base.v4.sin_addr, v4, network->bits);
    return !v4 && address->any.sa_family == AF_INET6 &&
           bits_equal(&network->base.v6.sin6_addr, &address->v6.sin6_addr, network->bits);
}
