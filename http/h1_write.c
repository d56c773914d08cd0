/* SPDX-License-Identifier: MIT
 *
 * The pieces of which heads are written. Pure, any thread. */
#include "http/h1.h"

char *h1_put_number(char *at, uint64_t number)
{
    char digits[20];
    unsigned first = sizeof(digits);

    do {
        digits[--first] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return h1_put(at, (struct slice){digits + first, sizeof(digits) - first});
}

char *h1_put_hex(char *at, uint64_t number)
{
    unsigned digits = number > 0 ? (67 - (unsigned)__builtin_clzll(number)) / 4 : 1;

    for (unsigned i = digits; i-- > 0; number >>= 4)
        at[i] = "0123456789abcdef"[number & 15];
    return at + digits;
}

void h1_append_chunk(struct buffer *into, struct slice data)
{
    char *start = buffer_reserve(into, H1_CHUNK_HEAD_MAX + data.size + 2), *at = start;

    at = h1_put_hex(at, data.size);
    at = h1_put(at, SLICE("\r\n"));
    at = h1_put(at, data);
    at = h1_put(at, SLICE("\r\n"));
    buffer_commit(into, (size_t)(at - start));
}

struct slice status_reason(unsigned status)
{
    switch (status) {
#define REASON(code, text)                                                                                   \
    case code: return SLICE(text)
        REASON(100, "Continue");
        REASON(101, "Switching Protocols");
        REASON(102, "Processing");
        REASON(103, "Early Hints");
        REASON(200, "OK");
        REASON(201, "Created");
        REASON(202, "Accepted");
        REASON(203, "Non-Authoritative Information");
        REASON(204, "No Content");
        REASON(205, "Reset Content");
        REASON(206, "Partial Content");
        REASON(207, "Multi-Status");
        REASON(208, "Already Reported");
        REASON(226, "IM Used");
        REASON(300, "Multiple Choices");
        REASON(301, "Moved Permanently");
        REASON(302, "Found");
        REASON(303, "See Other");
        REASON(304, "Not Modified");
        REASON(305, "Use Proxy");
        REASON(307, "Temporary Redirect");
        REASON(308, "Permanent Redirect");
        REASON(400, "Bad Request");
        REASON(401, "Unauthorized");
        REASON(402, "Payment Required");
        REASON(403, "Forbidden");
        REASON(404, "Not Found");
        REASON(405, "Method Not Allowed");
        REASON(406, "Not Acceptable");
        REASON(407, "Proxy Authentication Required");
        REASON(408, "Request Timeout");
        REASON(409, "Conflict");
        REASON(410, "Gone");
        REASON(411, "Length Required");
        REASON(412, "Precondition Failed");
        REASON(413, "Content Too Large");
        REASON(414, "URI Too Long");
        REASON(415, "Unsupported Media Type");
        REASON(416, "Range Not Satisfiable");
        REASON(417, "Expectation Failed");
        REASON(421, "Misdirected Request");
        REASON(422, "Unprocessable Content");
        REASON(423, "Locked");
        REASON(424, "Failed Dependency");
        REASON(425, "Too Early");
        REASON(426, "Upgrade Required");
        REASON(428, "Precondition Required");
        REASON(429, "Too Many Requests");
        REASON(431, "Request Header Fields Too Large");
        REASON(451, "Unavailable For Legal Reasons");
        REASON(500, "Internal Server Error");
        REASON(501, "Not Implemented");
        REASON(502, "Bad Gateway");
        REASON(503, "Service Unavailable");
        REASON(504, "Gateway Timeout");
        REASON(505, "HTTP Version Not Supported");
        REASON(506, "Variant Also Negotiates");
        REASON(507, "Insufficient Storage");
        REASON(508, "Loop Detected");
        REASON(511, "Network Authentication Required");
#undef REASON
    default: return SLICE("Unknown");
    }
}
