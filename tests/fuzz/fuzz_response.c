/* SPDX-License-Identifier: MIT
 *
 * Fuzzes h1_read_response; the first byte chooses the method of the request it answers. */
#include "tests/fuzz/fuzz_heads.h"

static enum method method;

static enum h1_verdict read_response(struct head *head, struct slice bytes, size_t *seen,
                                     struct h1_error *error)
{
    return h1_read_response(head, bytes, seen, &limits, method, error);
}

static void check_rewritten(const struct head *head)
{
    static struct head again;
    static char text[8192];
    struct h1_error error;
    size_t seen = 0;
    char *at = h1_put(text, SLICE("HTTP/1."));

    at = h1_put_number(at, head->minor);
    *at++ = ' ';
    at = h1_put_number(at, head->status);
    *at++ = ' ';
    at = h1_put(at, head->reason);
    at = h1_put(at, SLICE("\r\n"));
    at = put_fields(at, head);
    const struct h1_limits wide = {.head_bytes = sizeof(text), .fields = limits.fields};
    CHECK(h1_read_response(&again, (struct slice){text, (size_t)(at - text)}, &seen, &wide, method, &error) ==
          H1_DONE);
    CHECK(again.size == (size_t)(at - text) && again.status == head->status);
    CHECK(slice_equal(again.reason, head->reason) && same_head(head, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct head head;
    struct h1_error error = {0, NULL};
    size_t seen = 0;

    if (size == 0 || size > 4096)
        return 0;
    method = data[0] == 'H' ? METHOD_HEAD : METHOD_GET;
    struct slice bytes = {(const char *)data + 1, size - 1};
    enum h1_verdict verdict = h1_read_response(&head, bytes, &seen, &limits, method, &error);
    if (verdict == H1_BAD) {
        CHECK(error.status == 502 && error.why);
    } else if (verdict == H1_DONE) {
        check_fields(&head, bytes);
        check_inside(head.reason, bytes);
        CHECK(head.status >= 100 && head.status <= 999);
        CHECK(head.framing != FRAMING_UNTIL_CLOSE || !head.keep_alive);
        check_rewritten(&head);
    }
    check_pieces(read_response, bytes, verdict, &head, &error);
    return 0;
}
