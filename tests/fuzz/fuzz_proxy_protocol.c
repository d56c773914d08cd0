/* SPDX-License-Identifier: MIT
 *
 * Fuzzes proxy_protocol.h: what is whole stays whole with more behind it, nothing shorter is, and an address that is named is one. */
#include "http/proxy_protocol.h"
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *copy = exact_copy((struct slice){(const char *)data, size});
    struct address client, again;
    size_t header, shorter;
    enum proxy_header result = proxy_header_read((struct slice){copy, size}, &header, &client);

    if (result == PROXY_DONE) {
        char text[ADDRESS_TEXT];
        CHECK(header > 0 && header <= size && header <= PROXY_HEADER_MAX);
        CHECK(proxy_header_read((struct slice){copy, header}, &shorter, &again) == PROXY_DONE &&
              shorter == header);
        CHECK(proxy_header_read((struct slice){copy, header - 1}, &shorter, &again) == PROXY_MORE);
        CHECK(client.size == 0 || address_print(&client, text) > 0);
    } else {
        CHECK(client.size == 0);
        CHECK(result == PROXY_BAD || size < PROXY_HEADER_MAX);
    }
    free(copy);
    return 0;
}
