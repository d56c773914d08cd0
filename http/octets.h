/* SPDX-License-Identifier: MIT
 *
 * What a byte may be part of, as one table for all of http/. Internal. */
#ifndef DROVER_HTTP_OCTETS_H
#define DROVER_HTTP_OCTETS_H

#include <stdint.h>

enum {
    OCTET_CONTROL = 0x01, /* 0x00-0x1f but HTAB, and 0x7f: never inside a line */
    OCTET_TOKEN = 0x02,   /* RFC 9110 section 5.6.2 */
    OCTET_NAME = 0x04,    /* a token's bytes but '_' */
    OCTET_HOST =
        0x10, /* unreserved and sub-delims of RFC 3986: a registered name, without the percent sign */
    OCTET_UNRESERVED = 0x20, /* RFC 3986 section 2.3 */
    OCTET_HEX = 0x40,
};

extern const uint8_t octets[256];

/* Of a byte that is OCTET_HEX. */
static inline unsigned hex_value(char digit)
{
    return digit <= '9' ? (unsigned)(digit - '0') : (unsigned)((digit | 0x20) - 'a' + 10);
}

#endif
