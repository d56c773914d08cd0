/* SPDX-License-Identifier: MIT */
#include "base/address.h"

#include "tests/unit/unit.h"

static struct address parse(const char *text)
{
    struct address address;
    ck_assert_msg(address_parse(&address, slice_of(text)), "%s", text);
    return address;
}

START_TEST(addresses_print_as_they_are_written)
{
    static const char *const texts[] = {"1.2.3.4:80", "[::1]:8000", "[2001:db8::7]:65535",
                                        "unix:/run/x.sock"};

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct address address = parse(texts[i]);
        char text[ADDRESS_TEXT];
        ck_assert_uint_eq(address_print(&address, text), strlen(texts[i]));
        ck_assert_str_eq(text, texts[i]);
    }
}
END_TEST

START_TEST(what_is_no_address_is_refused)
{
    static const char *const texts[] = {
        "",      "1.2.3.4",      "1.2.3.4:0",  "1.2.3.4:65536",  "1.2.3.4:x",  "::1:80",
        "[::1]", "[1.2.3.4]:80", "unix:",      "example.org:80", ":80",        "1.2.3:80",
        "[]:80", "1.2.3.4:-1",   "1.2.3.4:+8", "[::1]x:80",      "1.2.3.4: 80"};
    struct address address;
    char long_path[200] = "unix:/";

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        ck_assert_msg(!address_parse(&address, slice_of(texts[i])), "%s", texts[i]);
    memset(long_path + 6, 'x', 120);
    ck_assert(!address_parse(&address, slice_of(long_path)));
    long_path[5 + 107] = 0; /* the longest path there is */
    ck_assert(address_parse(&address, slice_of(long_path)));
}
END_TEST

START_TEST(a_name_and_its_port_come_apart)
{
    struct slice host;
    unsigned port;

    ck_assert(address_split(SLICE("example.org:80"), &host, &port));
    ck_assert(slice_equal(host, SLICE("example.org")) && port == 80);
    ck_assert(address_split(SLICE("[fe80::1]:443"), &host, &port));
    ck_assert(slice_equal(host, SLICE("fe80::1")) && port == 443);
    ck_assert(!address_split(SLICE("example.org"), &host, &port));
    ck_assert(!address_split(SLICE("example.org:99999"), &host, &port));
    ck_assert(!address_split(SLICE("a:b:80"), &host, &port));
}
END_TEST

START_TEST(the_ip_alone_has_no_port_and_mapped_ones_are_v4)
{
    struct address mapped = parse("[::ffff:10.1.2.3]:80"), local = parse("unix:/x");
    char text[ADDRESS_TEXT];

    address_print_ip(&mapped, text);
    ck_assert_str_eq(text, "10.1.2.3");
    address_print(&mapped, text);
    ck_assert_str_eq(text, "10.1.2.3:80");
    address_print_ip(&local, text);
    ck_assert_str_eq(text, "unix");
    ck_assert(address_is_unix(&local));
    ck_assert_uint_eq(address_port(&local), 0);
    ck_assert_uint_eq(address_port(&mapped), 80);
}
END_TEST

START_TEST(an_unnamed_unix_peer_prints_without_a_path)
{
    struct address peer = {.size = sizeof(sa_family_t)};
    char text[ADDRESS_TEXT];

    peer.any.sa_family = AF_UNIX;
    address_print(&peer, text);
    ck_assert_str_eq(text, "unix:");
}
END_TEST

START_TEST(equal_addresses_agree_in_family_ip_and_port)
{
    struct address a = parse("1.2.3.4:80"), b = parse("1.2.3.4:81"), c = parse("[::1]:80"),
                   d = parse("unix:/a"), e = parse("unix:/ab"), again = parse("1.2.3.4:80");

    ck_assert(address_equal(&a, &again));
    ck_assert(!address_equal(&a, &b));
    ck_assert(!address_equal(&a, &c));
    ck_assert(!address_equal(&d, &e));
    ck_assert(address_equal(&e, &e));
}
END_TEST

static bool contains(const char *network, const char *ip)
{
    struct network parsed;
    struct address address;

    ck_assert_msg(network_parse(&parsed, slice_of(network)), "%s", network);
    ck_assert(address_from_ip(&address, slice_of(ip), 1));
    return network_contains(&parsed, &address);
}

START_TEST(a_network_holds_what_shares_its_bits)
{
    ck_assert(contains("10.0.0.0/8", "10.255.1.2"));
    ck_assert(!contains("10.0.0.0/8", "11.0.0.0"));
    ck_assert(contains("192.168.4.0/22", "192.168.7.255"));
    ck_assert(!contains("192.168.4.0/22", "192.168.8.0"));
    ck_assert(contains("0.0.0.0/0", "8.8.8.8"));
    ck_assert(!contains("0.0.0.0/0", "::1"));
    ck_assert(contains("::/0", "2001:db8::1"));
    ck_assert(contains("2001:db8::/33", "2001:db8:7fff::1"));
    ck_assert(!contains("2001:db8::/33", "2001:db8:8000::1"));
    ck_assert(contains("::1", "::1"));
    ck_assert(!contains("::1", "::2"));
    ck_assert(contains("127.0.0.1", "127.0.0.1"));
}
END_TEST

START_TEST(mapped_v4_counts_as_v4_on_both_sides)
{
    ck_assert(contains("10.0.0.0/8", "::ffff:10.1.1.1"));
    ck_assert(contains("::ffff:10.0.0.0/104", "10.1.1.1"));
    ck_assert(!contains("::/0", "::ffff:10.1.1.1"));
}
END_TEST

START_TEST(every_unix_peer_is_in_the_unix_network_and_no_other)
{
    struct network network;
    struct address local = parse("unix:/x"), other = parse("1.2.3.4:5");

    ck_assert(network_parse(&network, SLICE("unix:")));
    ck_assert(network_contains(&network, &local));
    ck_assert(!network_contains(&network, &other));
    ck_assert(network_parse(&network, SLICE("0.0.0.0/0")));
    ck_assert(!network_contains(&network, &local));
}
END_TEST

START_TEST(what_is_no_network_is_refused)
{
    static const char *const texts[] = {"",       "10.0.0.0/33", "::/129", "10.0.0.0/", "10.0.0.0/x",
                                        "10.0/8", "unix:/x",     "/8",     "a"};
    struct network network;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        ck_assert_msg(!network_parse(&network, slice_of(texts[i])), "%s", texts[i]);
}
END_TEST

UNIT_MAIN("base/address", addresses_print_as_they_are_written, what_is_no_address_is_refused,
          a_name_and_its_port_come_apart, the_ip_alone_has_no_port_and_mapped_ones_are_v4,
          an_unnamed_unix_peer_prints_without_a_path, equal_addresses_agree_in_family_ip_and_port,
          a_network_holds_what_shares_its_bits, mapped_v4_counts_as_v4_on_both_sides,
          every_unix_peer_is_in_the_unix_network_and_no_other, what_is_no_network_is_refused)
