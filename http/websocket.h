/* SPDX-License-Identifier: MIT
 *
 * RFC 6455: the handshake's checks, and where frames begin. Pure. */
#ifndef DROVER_HTTP_WEBSOCKET_H
#define DROVER_HTTP_WEBSOCKET_H

#include "http/message.h"

/* A client's handshake as section 4.2.1 wants it: GET, HTTP/1.1, a 16-byte key in base64, version present. */
bool websocket_handshake_is_valid(const struct head *request);
#define WEBSOCKET_ACCEPT_SIZE 28
void websocket_accept(struct slice key, char accept[WEBSOCKET_ACCEPT_SIZE]);

/* Follows one direction of a tunnel. Starts zeroed: at a boundary. */
struct websocket_frames {
    uint8_t header[14];
    uint8_t header_size; /* bytes of the present header so far */
    uint64_t payload_left;
    bool close_seen; /* a close frame's header has passed */
};
void websocket_frames_follow(struct websocket_frames *frames, struct slice bytes);
bool websocket_frames_at_boundary(const struct websocket_frames *frames);
/* How many of `bytes` belong to the frame that is under way (0 at a boundary): where a frame could be put in.
 *  */
size_t websocket_frames_until_boundary(const struct websocket_frames *frames, struct slice bytes);

#define WEBSOCKET_CLOSE_MAX 8
/* A close frame with that code (1001 going away, 1012 service restart); masked when it goes to a worker.
 * Returns its size. */
size_t websocket_close_frame(char into[WEBSOCKET_CLOSE_MAX], unsigned code, bool masked);

#endif
