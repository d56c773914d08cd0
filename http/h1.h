/* SPDX-License-Identifier: MIT
 *
 * Reading and writing HTTP/1.x: pure functions over bytes. Strict: what is accepted is what RFC 9110 and
 * RFC 9112 allow a sender to send, less what behaviour.md section 6 refuses. */
#ifndef DROVER_HTTP_H1_H
#define DROVER_HTTP_H1_H

#include "base/buffer.h"
#include "http/message.h"

enum h1_verdict {
    H1_MORE, /* not whole yet */
    H1_DONE,
    H1_BAD,
};

struct h1_limits {
    size_t head_bytes;     /* of line and all fields */
    unsigned fields;       /* at most HEAD_FIELDS_MAX */
    bool keep_underscores; /* else a request's fields with '_' in the name are checked, counted, left out */
};

struct h1_error {
    unsigned status; /* what the client is told: 400, 405, 414, 417, 431, 501, 505; responses: always 502 */
    const char *why; /* a few words for the log, constant */
};

/* Reads the head at the front of `bytes`. `*seen`, opaque, is 0 for the first call on a message and is kept
 * by the caller between calls that returned H1_MORE (so that a byte-by-byte client costs no quadratic work);
 * `bytes` must then start at the same byte. H1_DONE: head->size bytes are the head. H1_BAD: *error says what
 * to answer; the connection is to be closed. CONNECT and TRACE give H1_BAD with 405. */
enum h1_verdict h1_read_request(struct head *head, struct slice bytes, size_t *seen,
                                const struct h1_limits *limits, struct h1_error *error);

/* The same for a response to a request of `method`. 1xx heads are returned like any other (status tells;
 * FRAMING_NONE). */
enum h1_verdict h1_read_response(struct head *head, struct slice bytes, size_t *seen,
                                 const struct h1_limits *limits, enum method method, struct h1_error *error);

/* The body that follows a head. Zero-copy: each call gives the next piece of payload as a slice of what was
 * put in. */
#define H1_CHUNK_LINE_MAX 4096 /* extensions, per body; and trailers likewise */
struct h1_body {
    enum framing framing;
    uint8_t state;
    uint8_t digits; /* of the chunk size so far */
    uint64_t left;  /* of the length or the chunk */
    uint32_t extension_bytes;
    uint32_t trailer_bytes;
    char *trailers;  /* the trailer section's lines as read, NULL when there is none; owned */
    const char *why; /* after BODY_BAD */
};
enum body_event {
    BODY_MORE, /* everything given was used up; more is to come */
    BODY_DATA, /* *data is payload */
    BODY_END,  /* the message is whole; *in starts with what follows it */
    BODY_BAD,  /* no valid framing */
};
void h1_body_init(struct h1_body *body, enum framing framing, uint64_t content_length);
enum body_event h1_body_next(struct h1_body *body, struct slice *in, struct slice *data);
/* End of stream: BODY_END when the framing says that this ends the message, else BODY_BAD. */
enum body_event h1_body_finish(struct h1_body *body);
void h1_body_fini(struct h1_body *body);
/* Takes the next trailer field that may be forwarded (checked; no framing, routing, authentication or
 * hop-by-hop names: RFC 9110 section 6.5.1) off *rest, which starts as the body's trailers. False at the
 * end. */
bool h1_trailer_next(struct slice *rest, struct slice *name, struct slice *value);
struct slice h1_body_trailers(const struct h1_body *body);

/* Writing: each appends at `at` and returns the new end. The caller made room. */
static inline char *h1_put(char *at, struct slice text)
{
    memcpy(at, text.at, text.size);
    return at + text.size;
}
static inline char *h1_put_field(char *at, struct slice name, struct slice value)
{
    at = h1_put(at, name);
    *at++ = ':';
    *at++ = ' ';
    at = h1_put(at, value);
    *at++ = '\r';
    *at++ = '\n';
    return at;
}
char *h1_put_number(char *at, uint64_t number);
char *h1_put_hex(char *at, uint64_t number); /* lower case, no leading zeros */
#define H1_CHUNK_HEAD_MAX 18                 /* 16 digits and CRLF */
/* One chunk: its size, the bytes, the line end (RFC 9112 section 7.1). `data` is not empty. */
void h1_append_chunk(struct buffer *into, struct slice data);
struct slice status_reason(unsigned status); /* "Not Found"; "Unknown" for those nobody named */

#endif
