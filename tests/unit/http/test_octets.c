/* SPDX-License-Identifier: MIT */
#include <stdbool.h>
#include <string.h>

#include "http/octets.h"
#include "tests/unit/unit.h"

#define ALPHA_DIGIT "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

static bool is_in(int byte, const char *set)
{
    return byte != 0 && strchr(set, byte) != NULL;
}

START_TEST(every_octet_is_classed_as_the_grammars_say)
{
    for (int byte = 0; byte < 256; byte++) {
        unsigned wanted = 0;
        bool token = is_in(byte, ALPHA_DIGIT "!#$%&'*+-.^_`|~");
        wanted |= (byte < 0x20 && byte != '\t') || byte == 0x7f ? OCTET_CONTROL : 0;
        wanted |= token ? OCTET_TOKEN : 0;
        wanted |= token && byte != '_' ? OCTET_NAME : 0;
        wanted |= is_in(byte, ALPHA_DIGIT "-._~!$&'()*+,;=") ? OCTET_HOST : 0;
        wanted |= is_in(byte, ALPHA_DIGIT "-._~") ? OCTET_UNRESERVED : 0;
        wanted |= is_in(byte, "0123456789abcdefABCDEF") ? OCTET_HEX : 0;
        ck_assert_msg(octets[byte] == wanted, "0x%02x is 0x%02x, not 0x%02x", byte, octets[byte], wanted);
    }
}
END_TEST

START_TEST(hexadecimal_digits_have_their_values)
{
    for (unsigned i = 0; i < 16; i++) {
        ck_assert_uint_eq(hex_value("0123456789abcdef"[i]), i);
        ck_assert_uint_eq(hex_value("0123456789ABCDEF"[i]), i);
    }
}
END_TEST

UNIT_MAIN("http/octets", every_octet_is_classed_as_the_grammars_say, hexadecimal_digits_have_their_values)
