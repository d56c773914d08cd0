/* SPDX-License-Identifier: MIT
 *
 * Request-targets and authorities (RFC 3986, RFC 9112 section 3.2). Pure, any thread; never changes what is
 * sent on. */
#include "http/target.h"

#include <arpa/inet.h>

#include "http/fields.h"
#include "http/octets.h"

#define EACH(byte) (0x0101010101010101u * (uint64_t)(byte))

/* Non-zero when one of the eight bytes is outside 0x21-0x7e or is '#'. The classic tests for a byte below n
 * and for a zero byte: exact in the lowest byte they mark, which is all that "none at all" needs. */
static uint64_t odd_bytes(uint64_t word)
{
    uint64_t hash = word ^ EACH('#'), del = word ^ EACH(0x7f);
    uint64_t below = (word - EACH(0x21)) & ~word;
    uint64_t equal = ((hash - EACH(1)) & ~hash) | ((del - EACH(1)) & ~del);
    return (below | equal | word) & EACH(0x80);
}

bool target_bytes_are_valid(struct slice target)
{
    const char *at = target.at;
    size_t left = target.size;
    uint64_t word, odd = 0;

    for (; left >= sizeof(word); at += sizeof(word), left -= sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        odd |= odd_bytes(word);
    }
    word = EACH('/');
    memcpy(&word, at, left);
    return (odd | odd_bytes(word)) == 0;
}

/* Splits off ":port". `port` has no colon; both are empty-sized slices when they are not there. */
static void authority_split(struct slice authority, struct slice *host, struct slice *port)
{
    size_t size = authority.size;

    while (size > 0 && authority.at[size - 1] >= '0' && authority.at[size - 1] <= '9')
        size--;
    if (size == 0 || authority.at[size - 1] != ':') {
        *host = authority;
        *port = (struct slice){"", 0};
        return;
    }
    *port = (struct slice){authority.at + size, authority.size - size};
    *host = (struct slice){authority.at, size - 1};
}

static bool name_is_valid(struct slice name)
{
    for (size_t i = 0; i < name.size; i++) {
        if (octets[(uint8_t)name.at[i]] & OCTET_HOST)
            continue;
        if (name.at[i] != '%' || name.size - i < 3 || !(octets[(uint8_t)name.at[i + 1]] & OCTET_HEX) ||
            !(octets[(uint8_t)name.at[i + 2]] & OCTET_HEX))
            return false;
        i += 2;
    }
    return true;
}

/* "[" IPv6address "]"; no zone, and no IPvFuture, of which there are none. */
static bool literal_is_valid(struct slice literal)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char address[16];

    if (literal.size < 4 || literal.size - 2 >= sizeof(text) || literal.at[literal.size - 1] != ']')
        return false;
    memcpy(text, literal.at + 1, literal.size - 2);
    text[literal.size - 2] = '\0';
    return strlen(text) == literal.size - 2 && inet_pton(AF_INET6, text, address) == 1;
}

bool authority_is_valid(struct slice authority)
{
    struct slice host, port;
    uint64_t number = 0;

    if (authority.size == 0)
        return true;
    authority_split(authority, &host, &port);
    if (port.size > 0 && (!slice_to_u64(port, &number) || number > UINT16_MAX))
        return false;
    if (host.size == 0)
        return false;
    return host.at[0] == '[' ? literal_is_valid(host) : name_is_valid(host);
}

bool authority_is_same(struct slice one, struct slice other, unsigned default_port)
{
    struct slice hosts[2], ports[2];
    uint64_t numbers[2] = {default_port, default_port};

    authority_split(one, &hosts[0], &ports[0]);
    authority_split(other, &hosts[1], &ports[1]);
    for (unsigned i = 0; i < 2; i++)
        if (ports[i].size > 0 && !slice_to_u64(ports[i], &numbers[i]))
            return false;
    return numbers[0] == numbers[1] && slice_equal_nocase(hosts[0], hosts[1]);
}

struct slice authority_host(struct slice authority)
{
    struct slice host, port;

    authority_split(authority, &host, &port);
    if (host.size > 0 && host.at[host.size - 1] == '.')
        host.size--;
    return host;
}

/* The byte at path.at[*i], decoded when it is a percent-encoded unreserved one; *i steps over what was read.
 *  */
static char next_byte(struct slice path, size_t *i)
{
    char byte = path.at[(*i)++];

    if (byte != '%' || path.size - *i < 2 || !(octets[(uint8_t)path.at[*i]] & OCTET_HEX) ||
        !(octets[(uint8_t)path.at[*i + 1]] & OCTET_HEX))
        return byte;
    unsigned decoded = hex_value(path.at[*i]) << 4 | hex_value(path.at[*i + 1]);
    if (!(octets[decoded] & OCTET_UNRESERVED))
        return byte;
    *i += 2;
    return (char)decoded;
}

/* `into` holds `size` bytes and ends where a segment ends: takes a last segment of "." or ".." away, the
 * latter with the one before it. What is left ends with a slash then. */
static size_t drop_dots(const char *into, size_t size)
{
    if (size >= 2 && memcmp(into + size - 2, "/.", 2) == 0)
        return size - 1;
    if (size < 3 || memcmp(into + size - 3, "/..", 3) != 0)
        return size;
    size -= 3;
    while (size > 0 && into[size - 1] != '/')
        size--;
    return size > 0 ? size : 1;
}

size_t target_normalise(char *into, size_t room, struct slice path_query)
{
    const char *query = path_query.size > 0 ? memchr(path_query.at, '?', path_query.size) : NULL;
    struct slice path = {path_query.at, query ? (size_t)(query - path_query.at) : path_query.size};
    size_t size = 0;

    for (size_t i = 0; i < path.size && size < room;) {
        char byte = next_byte(path, &i);
        if (byte == '/') {
            size = drop_dots(into, size);
            if (size > 0 && into[size - 1] == '/')
                continue;
        }
        into[size++] = byte;
    }
    return drop_dots(into, size);
}
