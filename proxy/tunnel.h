/* SPDX-License-Identifier: MIT
 *
 * What a WebSocket is after its handshake: bytes both ways with bounded memory and half-close, frame
 * boundaries followed so that a close frame can be put in. Owns the client's side and the link, with its place,
 * from now on. */
#ifndef DROVER_PROXY_TUNNEL_H
#define DROVER_PROXY_TUNNEL_H

#include "proxy/link.h"
#include "proxy/tunnel_client.h"

/* `exchange` is ended by this: its log line is written when the tunnel ends. What the client has sent already is in `in`, and in link->in what the
 * worker has; what the client has not taken yet is in `out`. Both are taken over. */
void tunnel_open(struct exchange *exchange, struct tunnel_client *client, struct link *link,
                 struct buffer *in, struct buffer *out);
void tunnel_on_client(struct tunnel *tunnel, short what);
void tunnel_on_link(struct tunnel *tunnel, short what);
void tunnel_client_closed(struct tunnel *tunnel); /* its side is being closed: drop everything */
/* a close frame both ways at the next boundary, then the end */
void tunnel_say_close(struct tunnel *tunnel, unsigned code);
struct backend *tunnel_backend(const struct tunnel *tunnel);
/* The oldest first, at most so many. */
void tunnels_close_spread(struct proxy *proxy, const struct backend *backend, unsigned most,
                          unsigned over_ms);
void tunnels_close_all(struct proxy *proxy, unsigned code);
size_t tunnel_size(void); /* of the object, for the slab */

#endif
