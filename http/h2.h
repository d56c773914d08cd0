/* SPDX-License-Identifier: MIT
 *
 * One HTTP/2 connection (RFC 9113) as pure bytes: what has come is put in, events come out, what is to be sent is asked for. No socket, no
 * clock of its own; one thread. The same struct for both roles: answering (toward clients) and asking (toward backends). Only h2.c and its
 * parts know nghttp2.
 *
 * Heads come as the `struct head` that HTTP/1's readers make, with the same checks, so that whoever takes one need not know which HTTP it
 * was (head.is_h2 tells). Malformed ones (RFC 9113 section 8.1.1) never come: their streams are reset here.
 *
 *   h2_receive -> on_request / on_response -> on_data ... -> on_end            (from the peer)
 *   h2_request / h2_respond, h2_data ..., h2_end -> h2_unsent, h2_sent -> on_sent   (to the peer)
 *   on_closed: the last word of a stream, always and once, unless h2_reset came before it
 *
 * Events are told from inside h2_receive and h2_sent. In them anything may be called but h2_free, h2_receive, h2_unsent and h2_sent. */
#ifndef DROVER_HTTP_H2_H
#define DROVER_HTTP_H2_H

#include <sys/uio.h>

#include "base/buffer.h"
#include "base/list.h"
#include "http/h1.h"

struct h2;

enum h2_role { H2_ANSWERS, H2_ASKS };

/* RFC 9113 section 7: what streams and connections end with. */
enum h2_code {
    H2_NO_ERROR = 0x0,
    H2_PROTOCOL_ERROR = 0x1,
    H2_INTERNAL_ERROR = 0x2,
    H2_FLOW_CONTROL_ERROR = 0x3,
    H2_STREAM_CLOSED = 0x5,
    H2_REFUSED_STREAM = 0x7, /* nothing was done: it may be asked again */
    H2_CANCEL = 0x8,
    H2_ENHANCE_YOUR_CALM = 0xb,
};

#define H2_PREFACE      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define H2_PREFACE_SIZE 24

struct h2_options {
    enum h2_role role;
    unsigned streams;           /* answering: that the peer may have open at once */
    uint32_t stream_window;     /* bytes of a body that may come before they were taken (h2_took) */
    uint32_t connection_window; /* the same, of all streams together; at least 65535 */
    struct h1_limits limits;    /* of heads, as HTTP/1 counts them */
    bool serves_connect;        /* answering: extended CONNECT for websocket (RFC 8441) */
    struct head *scratch;       /* heads are told in this; lives as long as the connection */
};

/* A stream's half here: embedded in its owner's, zeroed at first; its owner's again after on_closed or h2_reset, never before. */
struct h2_stream {
    int32_t id;          /* 0: none */
    enum method method;  /* of its request */
    struct buffer out;   /* of the body, not yet sent */
    struct slice lent;   /* follows `out`: h2_lend */
    struct list node;    /* of those with something to be told in h2_sent */
    char *trailers;      /* to follow the body */
    size_t untaken;      /* bytes that came and were not taken */
    size_t interims;     /* bytes of 1xx heads that wait to be sent */
    uint32_t in_flight;  /* of both, between h2_unsent and h2_sent */
    uint32_t close_code; /* to be told */
    bool has_head;       /* a final head came (asking) */
    bool may_send;       /* its head is on its way, without the end */
    bool ends;           /* h2_end was called */
    bool is_cut;         /* h2_cut was */
    bool end_is_sent;    /* END_STREAM has gone out; `end_is_told`: on_sent has said so */
    bool end_is_told;
    bool is_deferred; /* nothing to send until there is data or the end */
    bool is_unsent;   /* its head was never sent, and will not be */
    bool is_closed, is_noted;
};

/* What `fields` of a head to be sent are. Names may be in any case: they go out in lower case. Pseudo-fields are not among them. */
struct h2_field {
    struct slice name, value;
    bool is_secret; /* never put into the compression's table (RFC 7541 section 7.1.3) */
};

struct h2_events {
    /* Answering. A head is whole. `error`: NULL, or the head is none and this is to be answered (400, 405, 414, 417, 431, 501). It is accepted by
     * h2_accept, in here; else it is refused (REFUSED_STREAM). An extended CONNECT (RFC 8441) comes as a GET that upgrades to websocket, without a
     * Sec-WebSocket-Key, head->is_extended_connect set. */
    void (*on_request)(void *owner, const struct head *head, const struct h1_error *error);
    /* Asking. 1xx come too, any number of them. Its framing is FRAMING_LENGTH, FRAMING_UNTIL_CLOSE (no length is known) or FRAMING_NONE. */
    void (*on_response)(void *owner, struct h2_stream *stream, const struct head *head);
    /* A piece of the body. Flow control is credited by h2_took, now or later. */
    void (*on_data)(void *owner, struct h2_stream *stream, struct slice data);
    /* The peer has sent all, right after the head when there is no body. Trailers as lines, as h1_trailer_next takes them. */
    void (*on_end)(void *owner, struct h2_stream *stream, struct slice trailers);
    /* Some of what was unsent has gone. `is_all`: END_STREAM too: once. */
    void (*on_sent)(void *owner, struct h2_stream *stream, bool is_all);
    /* It is over: by both ends (H2_NO_ERROR, after both on_end and on_sent with is_all), by a reset of the peer's or, malformed, of ours, or because
     * the peer's GOAWAY tells that it will never be looked at (H2_REFUSED_STREAM). The struct is the owner's again. */
    void (*on_closed)(void *owner, struct h2_stream *stream, uint32_t code);
    /* Asking, may be NULL: the peer takes no new streams, `code` says why; those above its last one are closed right after with REFUSED_STREAM. */
    void (*on_goaway)(void *owner, uint32_t code);
    /* May be NULL: the peer's settings came (h2_may_open, h2_peer_serves_connect). */
    void (*on_settings)(void *owner);
};

/* `events` and `scratch` must outlive it. The preface and our settings are unsent at once. */
struct h2 *h2_new(const struct h2_options *options, const struct h2_events *events, void *owner);
/* No event is told any more; what streams hold is released. */
void h2_free(struct h2 **h2);

/* What has come. `now_us` bounds what costs the peer little and us much (docs/behaviour.md, HTTP/2). False: the connection is broken; what is
 * unsent now (a GOAWAY) is its last word. */
bool h2_receive(struct h2 *h2, struct slice bytes, uint64_t now_us);
const char *h2_problem(const struct h2 *h2); /* after false: a few words */

/* What is to be sent now, up to about 256 KiB in at most `most` parts (at least 4); 0: nothing. The parts are good until h2_sent, which must follow with how
 * many of the bytes went out (0 is fine: what did not is kept and comes first the next time). */
#define H2_PARTS 64
unsigned h2_unsent(struct h2 *h2, struct iovec *parts, unsigned most);
void h2_sent(struct h2 *h2, size_t size);
bool h2_has_unsent(
    const struct h2 *h2); /* h2_unsent would give something, as far as can be told without asking it */
/* Nothing is to be received or sent any more: both sides have said goodbye. */
bool h2_is_over(const struct h2 *h2);
unsigned h2_streams(const struct h2 *h2); /* open, as both sides count them */
/* A head has begun and is not whole: its CONTINUATION is awaited. */
bool h2_is_inside_head(const struct h2 *h2);

/* --- streams --- */

/* Asking. `ends`: no body follows. `protocol`: of an extended CONNECT, else empty. `stream` is zeroed. False: no stream can be opened any more. */
struct h2_target {
    struct slice method, scheme, authority, path, protocol;
};
bool h2_request(struct h2 *h2, struct h2_stream *stream, enum method method, const struct h2_target *target,
                const struct h2_field *fields, unsigned count, bool ends);
bool h2_may_open(const struct h2 *h2); /* the peer takes another stream now */
unsigned
h2_peer_streams(const struct h2 *h2); /* that it takes at once; before its settings have come: any number */
bool h2_peer_serves_connect(const struct h2 *h2);

/* Answering. In on_request: this is the stream from now on; zeroed. */
void h2_accept(struct h2 *h2, struct h2_stream *stream);
/* 1xx before the final one as often as needed. */
void h2_interim(struct h2 *h2, struct h2_stream *stream, unsigned status, const struct h2_field *fields,
                unsigned count);
void h2_respond(struct h2 *h2, struct h2_stream *stream, unsigned status, const struct h2_field *fields,
                unsigned count, bool ends);

/* Both. The body: copied, sent as the peer's windows allow. */
void h2_data(struct h2 *h2, struct h2_stream *stream, struct slice data);
/* `trailers`: as lines; those that may not trail are left out (h1_trailer_next). */
void h2_end(struct h2 *h2, struct h2_stream *stream, struct slice trailers);
/* The same without a copy, for what goes out at once: the bytes stay the caller's until h2_keep, which copies what h2_sent has not taken. Nothing may be
 * lent already. */
void h2_lend(struct h2 *h2, struct h2_stream *stream, struct slice data);
void h2_keep(struct h2_stream *stream);
/* Answering: the body breaks off. When what there is of it has been sent, the stream is reset with INTERNAL_ERROR, which on_closed tells of. */
void h2_cut(struct h2 *h2, struct h2_stream *stream);
static inline size_t h2_stream_unsent(const struct h2_stream *stream)
{
    return buffer_size(&stream->out) + stream->lent.size - stream->in_flight;
}
/* Bytes or the end of them: neither goes out while a window is 0. */
static inline bool h2_stream_is_held(const struct h2_stream *stream)
{
    return h2_stream_unsent(stream) > 0 || stream->is_cut || (stream->ends && !stream->end_is_sent);
}
/* So many bytes of on_data are dealt with: the peer may send as many again. */
void h2_took(struct h2 *h2, struct h2_stream *stream, size_t size);
/* The peer would take something of the connection, of this stream, now: what is unsent waits for its turn only. */
bool h2_has_window(const struct h2 *h2);
bool h2_stream_has_window(const struct h2 *h2, const struct h2_stream *stream);
/* Ends it at once: no event is told of it any more and the struct is the owner's. Harmless on one that is closed. */
void h2_reset(struct h2 *h2, struct h2_stream *stream, enum h2_code code);

/* --- the connection's end --- */

/* The first of two steps (RFC 9113 section 6.8): the peer is asked to open no more streams; those on their way are still taken. */
void h2_announce_end(struct h2 *h2);
/* The second: new streams are refused, those that are open go on. With another code than NO_ERROR it is the last frame. */
void h2_goaway(struct h2 *h2, enum h2_code code);

#endif
