/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "http/target.h"
#include "tests/unit/http/reading.h"

START_TEST(target_bytes_are_visible_ascii_without_the_hash)
{
    for (size_t size = 0; size < 20; size++) {
        for (size_t at = 0; at < size; at++) {
            for (unsigned byte = 0; byte < 256; byte++) {
                char text[20];
                memset(text, 'a', sizeof(text));
                text[at] = (char)byte;
                bool wanted = byte > 0x20 && byte < 0x7f && byte != '#';
                ck_assert_int_eq(target_bytes_are_valid((struct slice){text, size}), wanted);
            }
        }
    }
}
END_TEST

START_TEST(authorities_are_a_host_and_perhaps_a_port)
{
    static const char *const good[] = {"",
                                       "a",
                                       "example.test",
                                       "EXAMPLE.test.",
                                       "a:80",
                                       "a:",
                                       "127.0.0.1:8080",
                                       "[::1]",
                                       "[::1]:80",
                                       "[1:2:3:4:5:6:7.8.9.10]",
                                       "a%41b",
                                       "a-._~!$&'()*+,;=z",
                                       "a:65535",
                                       "a:0080"};
    static const char *const bad[] = {"a b",
                                      "a/b",
                                      "a@b",
                                      "u@a",
                                      "<a>",
                                      "a#b",
                                      "a?b",
                                      "a:http",
                                      "a:-1",
                                      "a:80:80",
                                      "[::1",
                                      "[::1]x",
                                      "a\\b",
                                      "\"a\"",
                                      "a\001",
                                      "a\x7f",
                                      "a\tb",
                                      "a|b",
                                      "\xe4",
                                      "a%zz",
                                      "a%4",
                                      "%",
                                      "::1",
                                      ":80",
                                      ":",
                                      "[]",
                                      "[::1]]",
                                      "[v1.a]",
                                      "[fe80::1%25eth0]",
                                      "[:::]",
                                      "a:65536",
                                      "a:99999999999999999999",
                                      "[127.0.0.1]",
                                      "a,b:1,",
                                      "a[::1]",
                                      "[::1]:8x"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        ck_assert_msg(authority_is_valid(slice_of(good[i])), "refused: %s", good[i]);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!authority_is_valid(slice_of(bad[i])), "taken: %s", bad[i]);
    ck_assert(!authority_is_valid(SLICE("[::1\0]")));
    ck_assert(!authority_is_valid(SLICE("a\0b")));
}
END_TEST

START_TEST(authorities_are_the_same_up_to_case_and_default_port)
{
    ck_assert(authority_is_same(SLICE("A.b"), SLICE("a.B"), 80));
    ck_assert(authority_is_same(SLICE("a:80"), SLICE("a"), 80));
    ck_assert(authority_is_same(SLICE("a:"), SLICE("a"), 80));
    ck_assert(authority_is_same(SLICE("a:0443"), SLICE("a"), 443));
    ck_assert(!authority_is_same(SLICE("a:80"), SLICE("a"), 443));
    ck_assert(!authority_is_same(SLICE("a:81"), SLICE("a:80"), 80));
    ck_assert(!authority_is_same(SLICE("a"), SLICE("b"), 80));
    ck_assert(!authority_is_same(SLICE("a"), SLICE("a."), 80));
}
END_TEST

START_TEST(the_host_is_without_port_and_trailing_dot)
{
    ck_assert_slice(authority_host(SLICE("Ex.Test:80")), "Ex.Test");
    ck_assert_slice(authority_host(SLICE("ex.test.")), "ex.test");
    ck_assert_slice(authority_host(SLICE("ex.test.:8080")), "ex.test");
    ck_assert_slice(authority_host(SLICE("[::1]:80")), "[::1]");
    ck_assert_slice(authority_host(SLICE("")), "");
}
END_TEST

START_TEST(paths_are_matched_in_one_spelling)
{
    static const struct {
        const char *given, *wanted;
    } paths[] = {
        {"/", "/"},
        {"/a/b?c=/../d", "/a/b"},
        {"/a//b///c", "/a/b/c"},
        {"//a", "/a"},
        {"/a/./b/.", "/a/b/"},
        {"/a/../b", "/b"},
        {"/a/b/..", "/a/"},
        {"/a/b/../..", "/"},
        {"/../../../a", "/a"},
        {"/..", "/"},
        {"/.", "/"},
        {"/.a/..b/...", "/.a/..b/..."},
        {"/%2e%2E/a", "/a"},
        {"/a/%2e%2e/b", "/b"},
        {"/%61%7E", "/a~"},
        {"/a%2Fb%20c", "/a%2Fb%20c"},
        {"/a%2fb", "/a%2fb"},
        {"/%252e", "/%252e"},
        {"/%", "/%"},
        {"/%4", "/%4"},
        {"/%zz", "/%zz"},
        {"/a/..;/b", "/a/..;/b"},
        {"/a//../b", "/b"},
        {"*", "*"},
        {"", ""},
        {"?a", ""},
    };
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        size_t room = strlen(paths[i].given) + 1;
        char *into = malloc(room);
        size_t size = target_normalise(into, room, slice_of(paths[i].given));
        ck_assert_uint_le(size, room);
        ck_assert_slice(((struct slice){into, size}), paths[i].wanted);
        free(into);
    }
}
END_TEST

START_TEST(a_small_room_is_never_overrun)
{
    char into[4];
    ck_assert_uint_le(target_normalise(into, sizeof(into), SLICE("/abcdefgh/../i")), sizeof(into));
    ck_assert_uint_eq(target_normalise(into, 0, SLICE("/a")), 0);
}
END_TEST

UNIT_MAIN("http/target", target_bytes_are_visible_ascii_without_the_hash,
          authorities_are_a_host_and_perhaps_a_port, authorities_are_the_same_up_to_case_and_default_port,
          the_host_is_without_port_and_trailing_dot, paths_are_matched_in_one_spelling,
          a_small_room_is_never_overrun)
