/* SPDX-License-Identifier: MIT */
#include "http/proxy_protocol.h"

#include "tests/unit/unit.h"

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static void is_read(struct slice bytes, size_t wanted_size, const char *wanted)
{
    char text[ADDRESS_TEXT] = "";
    struct address client;
    size_t size;

    /* Byte by byte it is not whole before its end, and never more than that. */
    for (size_t i = 0; i < wanted_size; i++)
        ck_assert_int_eq(proxy_header_read((struct slice){bytes.at, i}, &size, &client), PROXY_MORE);
    ck_assert_int_eq(proxy_header_read(bytes, &size, &client), PROXY_DONE);
    ck_assert_uint_eq(size, wanted_size);
    if (client.size)
        address_print(&client, text);
    ck_assert_str_eq(text, wanted);
}

static void is_bad(struct slice bytes)
{
    struct address client;
    size_t size;

    ck_assert_msg(proxy_header_read(bytes, &size, &client) == PROXY_BAD, "%.*s", (int)bytes.size, bytes.at);
}

START_TEST(version_1_names_the_client)
{
    is_read(SLICE("PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\r\nGET / HTTP/1.1\r\n"), 43,
            "203.0.113.7:56324");
    is_read(SLICE("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n"), 44, "[2001:db8::1]:1");
    is_read(SLICE("PROXY UNKNOWN\r\nrest"), 15, "");
    is_read(SLICE("PROXY UNKNOWN ffff:: ffff:: 65535 65535\r\n"), 41, "");
}
END_TEST

START_TEST(version_1_is_exact)
{
    static const char *const wrong[] = {
        "GET / HTTP/1.1\r\n",
        "PROXY TCP4 203.0.113.7 10.0.0.1 56324 443\n",
        "PROXY  TCP4 1.2.3.4 1.2.3.4 1 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 1\r\n",
        "PROXY TCP4 ::1 ::1 1 1\r\n",
        "PROXY TCP6 1.2.3.4 1.2.3.4 1 1\r\n",
        "PROXY TCP4 1.2.3.256 1.2.3.4 1 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 65536 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 01 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 -1 1\r\n",
        "PROXY UDP4 1.2.3.4 1.2.3.4 1 1\r\n",
        "PROXY TCP4\r\n",
        "PROXY \r\n",
        "proxy TCP4 1.2.3.4 1.2.3.4 1 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 1 \r\n",
    };
    char long_line[200] = "PROXY UNKNOWN ";

    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        is_bad(slice_of(wrong[i]));
    memset(long_line + 14, 'x', sizeof long_line - 14);
    is_bad((struct slice){long_line, 107}); /* no end where the longest line ends */
    long_line[150] = '\r';
    long_line[151] = '\n';
    is_bad((struct slice){long_line, sizeof long_line});
}
END_TEST

START_TEST(version_2_names_the_client)
{
    is_read(SLICE(SIGNATURE "\x21\x11\x00\x0c\xcb\x00\x71\x07\x0a\x00\x00\x01\xdc\x04\x01\xbbGET"), 28,
            "203.0.113.7:56324");
    is_read(SLICE(SIGNATURE "\x21\x21\x00\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0"
                            "\0\0\0\0\0\0\0\0\x02\x00\x05\x00\x06"),
            52, "[2001:db8::1]:5");
    /* with more behind the addresses */
    is_read(SLICE(SIGNATURE "\x21\x11\x00\x0f\xcb\x00\x71\x07\x0a\x00\x00\x01\xdc\x04\x01\xbb\x04\x00\x00"),
            31, "203.0.113.7:56324");
    is_read(SLICE(SIGNATURE "\x20\x00\x00\x00rest"), 16, "");     /* LOCAL */
    is_read(SLICE(SIGNATURE "\x21\x00\x00\x00"), 16, "");         /* UNSPEC */
    is_read(SLICE(SIGNATURE "\x21\x31\x00\x02\x00\x00"), 18, ""); /* unix */
}
END_TEST

START_TEST(version_2_is_exact)
{
    is_bad(SLICE(SIGNATURE
                 "\x11\x11\x00\x0c\xcb\x00\x71\x07\x0a\x00\x00\x01\xdc\x04\x01\xbb")); /* version 1 in it */
    is_bad(SLICE(SIGNATURE
                 "\x22\x11\x00\x0c\xcb\x00\x71\x07\x0a\x00\x00\x01\xdc\x04\x01\xbb")); /* no such command */
    is_bad(
        SLICE(SIGNATURE
              "\x21\x11\x00\x0b\xcb\x00\x71\x07\x0a\x00\x00\x01\xdc\x04\x01")); /* too short for addresses */
    is_bad(SLICE(SIGNATURE "\x21\x21\x00\x0c\xcb\x00\x71\x07\x0a\x00\x00\x01\xdc\x04\x01\xbb"));
    is_bad(SLICE(SIGNATURE "\x21\x11\xff\xff")); /* larger than anybody needs */
    is_bad(SLICE("\r\n\r\n\0\r\nQUIX"));
    is_bad(SLICE("\r\n\r\nG"));
}
END_TEST

UNIT_MAIN("http/proxy_protocol", version_1_names_the_client, version_1_is_exact, version_2_names_the_client,
          version_2_is_exact)
