/* SPDX-License-Identifier: MIT
 *
 * PROXY headers: a line of text, or 16 bytes and what they announce. Pure, any thread. */
#include "http/proxy_protocol.h"

#define LINE_MAX_1  107 /* with its end, section 2.1 */
#define START_1     SLICE("PROXY ")
#define SIGNATURE_2 SLICE("\r\n\r\n\0\r\nQUIT\n")
#define FIXED_2     16

static bool may_become(struct slice bytes, struct slice start)
{
    size_t size = bytes.size < start.size ? bytes.size : start.size;

    return memcmp(bytes.at, start.at, size) == 0;
}

static struct slice next_word(struct slice *line)
{
    const char *space = memchr(line->at, ' ', line->size);
    struct slice word = {line->at, space ? (size_t)(space - line->at) : line->size};

    line->at += word.size + (space != NULL);
    line->size -= word.size + (space != NULL);
    return word;
}

static bool read_port(struct slice text, unsigned *port)
{
    uint64_t number;

    if (text.size < 1 || text.size > 5 || (text.size > 1 && text.at[0] == '0') ||
        !slice_to_u64(text, &number) || number > 65535)
        return false;
    *port = (unsigned)number;
    return true;
}

/* After "PROXY ": TCP4 SOURCE DESTINATION PORT PORT. */
static bool read_line(struct slice line, struct address *client)
{
    struct slice family = next_word(&line), source, destination;
    struct address ignored;
    unsigned port, other;

    if (slice_equal(family, SLICE("UNKNOWN")))
        return true; /* whatever follows */
    bool is_v6 = slice_equal(family, SLICE("TCP6"));
    if (!is_v6 && !slice_equal(family, SLICE("TCP4")))
        return false;
    source = next_word(&line);
    destination = next_word(&line);
    struct slice source_port = next_word(&line), destination_port = line;
    if (!read_port(source_port, &port) || !read_port(destination_port, &other) ||
        !address_from_ip(client, source, port) || !address_from_ip(&ignored, destination, other) ||
        (client->any.sa_family == AF_INET6) != is_v6 || (ignored.any.sa_family == AF_INET6) != is_v6) {
        *client = (struct address){0};
        return false;
    }
    return true;
}

static enum proxy_header read_version_1(struct slice bytes, size_t *size, struct address *client)
{
    size_t most = bytes.size < LINE_MAX_1 ? bytes.size : LINE_MAX_1;
    const char *end = memchr(bytes.at, '\n', most);

    if (!end)
        return bytes.size >= LINE_MAX_1 ? PROXY_BAD : PROXY_MORE;
    if (end[-1] != '\r')
        return PROXY_BAD;
    *size = (size_t)(end - bytes.at) + 1;
    return read_line((struct slice){bytes.at + START_1.size, *size - START_1.size - 2}, client) ? PROXY_DONE
                                                                                                : PROXY_BAD;
}

static enum proxy_header read_version_2(struct slice bytes, size_t *size, struct address *client)
{
    const uint8_t *at = (const uint8_t *)bytes.at;

    if (bytes.size < FIXED_2)
        return PROXY_MORE;
    size_t announced = (size_t)at[14] << 8 | at[15];
    unsigned command = at[12] & 15, family = at[13];
    if (at[12] >> 4 != 2 || command > 1 || FIXED_2 + announced > PROXY_HEADER_MAX)
        return PROXY_BAD;
    if (bytes.size < FIXED_2 + announced)
        return PROXY_MORE;
    *size = FIXED_2 + announced;
    if (command == 0) /* LOCAL: the proxy speaks for itself */
        return PROXY_DONE;
    if (family == 0x11) { /* TCP over IPv4 */
        if (announced < 12)
            return PROXY_BAD;
        client->v4.sin_family = AF_INET;
        memcpy(&client->v4.sin_addr, at + FIXED_2, 4);
        memcpy(&client->v4.sin_port, at + FIXED_2 + 8, 2);
        client->size = sizeof client->v4;
    } else if (family == 0x21) { /* TCP over IPv6 */
        if (announced < 36)
            return PROXY_BAD;
        client->v6.sin6_family = AF_INET6;
        memcpy(&client->v6.sin6_addr, at + FIXED_2, 16);
        memcpy(&client->v6.sin6_port, at + FIXED_2 + 32, 2);
        client->size = sizeof client->v6;
    }
    return PROXY_DONE;
}

enum proxy_header proxy_header_read(struct slice bytes, size_t *size, struct address *client)
{
    *client = (struct address){0};
    *size = 0;
    if (bytes.size == 0)
        return PROXY_MORE;
    if (may_become(bytes, SIGNATURE_2))
        return bytes.size < SIGNATURE_2.size ? PROXY_MORE : read_version_2(bytes, size, client);
    if (may_become(bytes, START_1))
        return bytes.size < START_1.size ? PROXY_MORE : read_version_1(bytes, size, client);
    return PROXY_BAD;
}
