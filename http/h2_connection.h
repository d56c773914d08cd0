/* SPDX-License-Identifier: MIT
 *
 * What the parts of HTTP/2 share: h2.c has the connection's life and what comes in, h2_bounds.c what a peer may cost,
 * h2_fields.c heads, h2_write.c what goes out. Internal to
 * http/. */
#ifndef DROVER_HTTP_H2_CONNECTION_H
#define DROVER_HTTP_H2_CONNECTION_H

#include <nghttp2/nghttp2.h>

#include "http/h2.h"

/* Tokens, a bucket of them: what is legal but costs the peer little and us much takes one. */
struct h2_budget {
    uint64_t since_us;
    unsigned left, most, a_second;
};

/* The field block that is coming in: only one at a time can (RFC 9113 section 4.3). */
struct h2_block {
    bool is_open, is_trailer;
    unsigned lines;     /* so far, with those that are too many */
    size_t size;        /* as HTTP/1 would write it */
    size_t cookie_size; /* all cookies, joined */
    unsigned cookies;
    bool is_too_large;    /* what follows is not kept */
    struct buffer text;   /* struct h2_line, name, value; again and again; trailers: as HTTP/1 writes them */
    struct slice trailer; /* once it is whole */
};

/* Where frames begin in what comes in: nghttp2 passes over some without a word. */
struct h2_scan {
    uint8_t head[9];
    uint8_t size; /* of it so far */
    uint32_t skip;
};

struct h2_line {
    uint32_t name_size, value_size;
};

/* A part of what was gathered: payload where it lies (`at`), or bytes of `frames`. */
struct h2_part {
    const char *at;
    size_t size;
};

struct h2 {
    nghttp2_session *session;
    struct h2_options options;
    const struct h2_events *events;
    void *owner;
    struct h2_block block;

    struct h2_budget cheap, resets;
    struct h2_scan scan;
    uint64_t
        updates; /* WINDOW_UPDATEs that what was sent is good for: in large windows, their answer comes late and all at once */
    uint64_t seen, told; /* frames that came; of them nghttp2 has told, or they were charged for */
    bool data_was_empty; /* of the DATA frame that is coming in */
    bool is_broken;      /* nothing is read any more */
    bool end_announced, end_is_said;
    enum h2_code ends_with;
    const char *problem;
    bool peer_serves_connect;
    unsigned streams;
    int32_t arriving; /* the number of the stream whose head is told right now, until it is accepted */

    struct buffer rest;   /* gathered before and not taken: goes first */
    struct buffer frames; /* being gathered: all but large payload */
    struct h2_part parts[H2_PARTS];
    unsigned part_count, parts_most;
    struct h2_stream *telling; /* whose events are being told */
    size_t gathered, gather_most, frames_in_parts;
    bool gathers;
    struct list noted; /* streams with something to be told in h2_sent */
};

static inline struct h2_stream *h2_find(struct h2 *h2, int32_t id)
{
    return nghttp2_session_get_stream_user_data(h2->session, id);
}
void h2_note(struct h2 *h2, struct h2_stream *stream);
/* nghttp2 has closed it: it is forgotten here and its owner told. */
void h2_tell_closed(struct h2 *h2, struct h2_stream *stream, uint32_t code);
void h2_stream_release(struct h2_stream *stream);

/* h2_fields.c: a field of the block that is open; what came is in it when it is whole. */
void h2_block_begin(struct h2_block *block, bool is_trailer);
void h2_block_add(struct h2_block *block, const struct h1_limits *limits, struct slice name,
                  struct slice value);
void h2_block_end(struct h2_block *block);
/* Both leave *head for as long as the block stays. H1_BAD: *error says what to answer; a status of 0: malformed (RFC 9113 section 8.1.1). */
enum h1_verdict h2_read_request(struct head *head, struct h2_block *block, const struct h1_limits *limits,
                                bool ends, struct h1_error *error);
enum h1_verdict h2_read_response(struct head *head, struct h2_block *block, enum method method, bool ends,
                                 struct h1_error *error);

/* h2_write.c */
ssize_t h2_on_read_data(nghttp2_session *session, int32_t id, uint8_t *into, size_t room, uint32_t *flags,
                        nghttp2_data_source *source, void *argument);
int h2_on_send_data(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *frame_head, size_t size,
                    nghttp2_data_source *source, void *argument);
int h2_on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *argument);
/* A GOAWAY of our own making, when nghttp2's state cannot be relied on any more. */
void h2_put_last_goaway(struct h2 *h2, enum h2_code code);

/* h2_bounds.c */
void h2_bounds_init(struct h2 *h2);
void h2_bounds_refill(struct h2 *h2, uint64_t now_us);
/* After these bytes were received. False: the peer has gone too far, h2_have_enough was said. */
bool h2_bounds_hold(struct h2 *h2, struct slice bytes);
int h2_have_enough(struct h2 *h2, const char *why); /* to be returned from a callback: ENHANCE_YOUR_CALM */
int h2_on_begin_frame(nghttp2_session *session, const nghttp2_frame_hd *head, void *argument);
/* False: there was none left. */
bool h2_budget_take(struct h2_budget *budget);
void h2_budget_refund(struct h2_budget *budget, unsigned tokens);

#endif
