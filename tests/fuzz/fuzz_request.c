/* SPDX-License-Identifier: MIT
 *
 * Fuzzes h1_read_request, the handshake check and what follows in proxy/: a head written anew. */
#include "http/target.h"
#include "http/websocket.h"
#include "tests/fuzz/fuzz_heads.h"

static enum h1_verdict read_request(struct head *head, struct slice bytes, size_t *seen,
                                    struct h1_error *error)
{
    return h1_read_request(head, bytes, seen, &limits, error);
}

static void check_rewritten(const struct head *head)
{
    static struct head again;
    static char text[8192];
    struct h1_error error;
    size_t seen = 0;
    char *at = h1_put(text, head->method_text);

    *at++ = ' ';
    at = h1_put(at, head->path_query);
    at = h1_put(at, SLICE(" HTTP/1."));
    at = h1_put_number(at, head->minor);
    at = h1_put(at, SLICE("\r\n"));
    at = put_fields(at, head);
    const struct h1_limits wide = {.head_bytes = sizeof(text), .fields = limits.fields};
    CHECK(h1_read_request(&again, (struct slice){text, (size_t)(at - text)}, &seen, &wide, &error) ==
          H1_DONE);
    CHECK(again.size == (size_t)(at - text) && again.method == head->method);
    CHECK(slice_equal(again.method_text, head->method_text) &&
          slice_equal(again.path_query, head->path_query));
    /* An absolute target's authority stands for a missing Host only in 1.0, and is not written here. */
    if (head_find(head, FIELD_HOST))
        CHECK(slice_equal(again.host, head->host));
    again.has_host = head->has_host;
    CHECK(same_head(head, &again));
}

static void check_request(const struct head *head, struct slice bytes)
{
    static char path[2049];

    check_fields(head, bytes);
    check_inside(head->method_text, bytes);
    check_inside(head->target, bytes);
    CHECK(head->method != METHOD_CONNECT && head->method != METHOD_TRACE);
    CHECK(head->path_query.size > 0 && (head->path_query.at[0] == '/' || head->path_query.at[0] == '*'));
    CHECK(head->has_host || head->minor == 0);
    CHECK(authority_is_valid(head->host) && target_bytes_are_valid(head->path_query));
    CHECK(head->framing != FRAMING_UNTIL_CLOSE);
    CHECK(target_normalise(path, head->path_query.size + 1, head->path_query) <= head->path_query.size + 1);
    if (websocket_handshake_is_valid(head)) {
        char accept[WEBSOCKET_ACCEPT_SIZE];
        websocket_accept(head_find(head, FIELD_SEC_WEBSOCKET_KEY)->value, accept);
    }
    check_rewritten(head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct head head;
    struct h1_error error = {0, NULL};
    size_t seen = 0;

    if (size > 4096)
        return 0;
    struct slice bytes = {(const char *)data, size};
    enum h1_verdict verdict = h1_read_request(&head, bytes, &seen, &limits, &error);
    if (verdict == H1_BAD)
        CHECK(error.status >= 400 && error.status <= 505 && error.why);
    else if (verdict == H1_DONE)
        check_request(&head, bytes);
    check_pieces(read_request, bytes, verdict, &head, &error);
    return 0;
}
