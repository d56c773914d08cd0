/* SPDX-License-Identifier: MIT */
#include "http/fields.h"
#include "tests/unit/http/reading.h"

static const struct {
    const char *name;
    enum field_name known;
} names[] = {
    {"Accept", FIELD_ACCEPT},
    {"Connection", FIELD_CONNECTION},
    {"Content-Length", FIELD_CONTENT_LENGTH},
    {"Content-Type", FIELD_CONTENT_TYPE},
    {"Cookie", FIELD_COOKIE},
    {"Date", FIELD_DATE},
    {"Expect", FIELD_EXPECT},
    {"Forwarded", FIELD_FORWARDED},
    {"Host", FIELD_HOST},
    {"HTTP2-Settings", FIELD_HTTP2_SETTINGS},
    {"Keep-Alive", FIELD_KEEP_ALIVE},
    {"Max-Forwards", FIELD_MAX_FORWARDS},
    {"Proxy", FIELD_PROXY},
    {"Proxy-Authenticate", FIELD_PROXY_AUTHENTICATE},
    {"Proxy-Authentication-Info", FIELD_PROXY_AUTHENTICATION_INFO},
    {"Proxy-Authorization", FIELD_PROXY_AUTHORIZATION},
    {"Proxy-Connection", FIELD_PROXY_CONNECTION},
    {"Sec-WebSocket-Accept", FIELD_SEC_WEBSOCKET_ACCEPT},
    {"Sec-WebSocket-Key", FIELD_SEC_WEBSOCKET_KEY},
    {"Sec-WebSocket-Version", FIELD_SEC_WEBSOCKET_VERSION},
    {"Server", FIELD_SERVER},
    {"TE", FIELD_TE},
    {"Trailer", FIELD_TRAILER},
    {"Transfer-Encoding", FIELD_TRANSFER_ENCODING},
    {"Upgrade", FIELD_UPGRADE},
    {"User-Agent", FIELD_USER_AGENT},
    {"Via", FIELD_VIA},
    {"X-Client-Subject", FIELD_X_CLIENT_SUBJECT},
    {"X-Forwarded-For", FIELD_X_FORWARDED_FOR},
    {"X-Forwarded-Host", FIELD_X_FORWARDED_HOST},
    {"X-Forwarded-Port", FIELD_X_FORWARDED_PORT},
    {"X-Forwarded-Proto", FIELD_X_FORWARDED_PROTO},
    {"X-Forwarded-Prefix", FIELD_X_FORWARDED_OTHER},
    {"X-Forwarded-", FIELD_X_FORWARDED_OTHER},
    {"X-Original-URL", FIELD_X_ORIGINAL_URL},
    {"X-Real-IP", FIELD_X_REAL_IP},
    {"X-Request-Id", FIELD_X_REQUEST_ID},
    {"X-Request-Start", FIELD_X_REQUEST_START},
    {"X-Rewrite-URL", FIELD_X_REWRITE_URL},
    {"X-Scheme", FIELD_X_SCHEME},
};

START_TEST(every_known_name_is_known_in_any_case_and_no_neighbour_of_it_is)
{
    uint64_t covered = 0;

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char text[40];
        size_t size = strlen(names[i].name);
        ck_assert_int_eq(field_name_of(slice_of(names[i].name)), names[i].known);
        for (size_t at = 0; at < size; at++) {
            memcpy(text, names[i].name, size + 1);
            text[at] = text[at] == '-' ? '.' : (char)(text[at] ^ (text[at] >= 'A' ? 0x20 : 0));
            if (names[i].name[at] != '-')
                ck_assert_int_eq(field_name_of(slice_of(text)), names[i].known);
            else if (names[i].known != FIELD_X_FORWARDED_OTHER)
                ck_assert_int_ne(field_name_of(slice_of(text)), names[i].known);
        }
        covered |= (uint64_t)1 << names[i].known;
    }
    ck_assert_msg(covered == ((uint64_t)1 << FIELD_NAMES) - 2, "a name is missing in this test");
}
END_TEST

START_TEST(other_names_are_other)
{
    static const char *const others[] = {"X",
                                         "Hos",
                                         "Hosts",
                                         "Teapot",
                                         "Content_Length",
                                         "Transfer-Encodinh",
                                         "X-Forwarde",
                                         "Sec-Fetch-Mode",
                                         "Accept-Encoding"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        ck_assert_int_eq(field_name_of(slice_of(others[i])), FIELD_OTHER);
}
END_TEST

START_TEST(a_list_gives_its_elements_without_white_space_and_empty_ones)
{
    struct slice rest = SLICE(", a ,,\tb\t, c d,"), element;

    ck_assert(field_list_next(&rest, &element));
    ck_assert_slice(element, "a");
    ck_assert(field_list_next(&rest, &element));
    ck_assert_slice(element, "b");
    ck_assert(field_list_next(&rest, &element));
    ck_assert_slice(element, "c d");
    ck_assert(!field_list_next(&rest, &element));
    rest = (struct slice){NULL, 0};
    ck_assert(!field_list_next(&rest, &element));
}
END_TEST

START_TEST(a_list_has_whole_elements_only)
{
    ck_assert(field_list_has(SLICE("foo/1, WebSocket"), SLICE("websocket")));
    ck_assert(!field_list_has(SLICE("websockets"), SLICE("websocket")));
    ck_assert(!field_list_has(SLICE("web socket"), SLICE("websocket")));
    ck_assert(!field_list_has(SLICE(""), SLICE("websocket")));
}
END_TEST

START_TEST(a_field_line_needs_a_token_a_colon_and_no_controls)
{
    struct slice name, value;

    ck_assert(field_line_split(SLICE("X-T: \t a b \t"), &name, &value));
    ck_assert_slice(name, "X-T");
    ck_assert_slice(value, "a b");
    ck_assert(field_line_split(SLICE("a:"), &name, &value));
    ck_assert_slice(value, "");
    static const char *const bad[] = {"",       "a",       ": b",     "a : b",  " a: b",
                                      "a b: c", "a: \001", "a: b\rc", "\xe9: b"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        ck_assert_msg(!field_line_split(slice_of(bad[i]), &name, &value), "taken: \"%s\"", bad[i]);
    ck_assert(!field_line_split(SLICE("a: b\0c"), &name, &value));
}
END_TEST

START_TEST(hop_by_hop_fields_are_told_from_the_others)
{
    static const enum field_name hop[] = {FIELD_CONNECTION,          FIELD_KEEP_ALIVE,
                                          FIELD_PROXY_CONNECTION,    FIELD_TE,
                                          FIELD_TRANSFER_ENCODING,   FIELD_UPGRADE,
                                          FIELD_HTTP2_SETTINGS,      FIELD_PROXY_AUTHENTICATE,
                                          FIELD_PROXY_AUTHORIZATION, FIELD_PROXY_AUTHENTICATION_INFO};
    static const enum field_name end_to_end[] = {
        FIELD_OTHER, FIELD_HOST, FIELD_CONTENT_LENGTH, FIELD_COOKIE, FIELD_SEC_WEBSOCKET_KEY, FIELD_TRAILER};
    struct field field = {.named_by_connection = false};

    for (size_t i = 0; i < sizeof(hop) / sizeof(hop[0]); i++) {
        field.known = hop[i];
        ck_assert(field_is_hop_by_hop(&field));
    }
    for (size_t i = 0; i < sizeof(end_to_end) / sizeof(end_to_end[0]); i++) {
        field.known = end_to_end[i];
        ck_assert(!field_is_hop_by_hop(&field));
    }
}
END_TEST

UNIT_MAIN("http/fields", every_known_name_is_known_in_any_case_and_no_neighbour_of_it_is,
          other_names_are_other, a_list_gives_its_elements_without_white_space_and_empty_ones,
          a_list_has_whole_elements_only, a_field_line_needs_a_token_a_colon_and_no_controls,
          hop_by_hop_fields_are_told_from_the_others)
