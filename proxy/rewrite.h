/* SPDX-License-Identifier: MIT
 *
 * Every head is written anew from its checked fields: hop-by-hop fields dropped, forwarded fields added
 * (behaviour.md section 3). */
#ifndef DROVER_PROXY_REWRITE_H
#define DROVER_PROXY_REWRITE_H

#include "http/h2.h"
#include "proxy/exchange.h"

/* Appends the request's head for a worker, without framing fields and the empty line. `real` (46 bytes)
 * receives the client's address, the right-most that no trusted proxy added; its size is returned.
 * `is_websocket`: a valid handshake, whose Upgrade is passed on; any other Upgrade is dropped. A cookie of
 * the name `our_cookie` (NULL: none) is left out. */
size_t rewrite_request(struct buffer *into, const struct head *head, const struct peer *peer,
                       const struct config *config, bool is_websocket, bool drop_expect,
                       const char *our_cookie, uint64_t wall_us, char real[46]);
/* The request came by https, as far as its client can tell: the last trusted proxy says so, or we know. */
bool rewrite_is_https(const struct head *head, const struct peer *peer);
/* framing and the empty line */
void rewrite_close_request(struct buffer *into, enum framing framing, uint64_t content_length);

/* The response's head for an HTTP/1 client, whole. */
struct response_plan {
    bool chunked;         /* Transfer-Encoding: chunked is written, no Content-Length */
    bool is_empty;        /* Content-Length: 0, although the worker gave none (HTTP/2) */
    bool closes;          /* Connection: close */
    bool says_keep_alive; /* to an HTTP/1.0 client that asked for it */
    bool is_upgrade;      /* 101 */
};
void rewrite_response(struct buffer *into, const struct head *head, const struct response_plan *plan,
                      uint64_t wall_us);
/* The response's fields for an HTTP/2 client, into HEAD_FIELDS_MAX + 2 places; they point into the head, constants and `length`. Returns how many. */
#define H2_LENGTH_MAX 20
unsigned rewrite_response_fields(struct h2_field *into, char length[H2_LENGTH_MAX], const struct head *head,
                                 uint64_t wall_us);
void rewrite_trailers(struct buffer *into, struct slice trailers); /* as fields, without the empty line */

#endif
