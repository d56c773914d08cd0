/* SPDX-License-Identifier: MIT
 *
 * RFC 6455 as a proxy needs it: is this a handshake, what must the answer's Sec-WebSocket-Accept be, and
 * where do frames end. Pure, any thread. */
#include "http/websocket.h"

#include <openssl/evp.h>

#include "base/check.h"

#define KEY_SIZE 24 /* of 16 bytes in base64 */

static bool is_base64(char byte)
{
    return (byte >= 'A' && byte <= 'Z') || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') ||
           byte == '+' || byte == '/';
}

/* 22 characters and "==": the last of them carries two bits, the others are zero in what any encoder writes,
 * but no server looks, and neither do we. */
static bool key_is_valid(struct slice key)
{
    if (key.size != KEY_SIZE || key.at[KEY_SIZE - 1] != '=' || key.at[KEY_SIZE - 2] != '=')
        return false;
    for (size_t i = 0; i < KEY_SIZE - 2; i++)
        if (!is_base64(key.at[i]))
            return false;
    return true;
}

/* A handshake with a body would leave open what its bytes are once the protocol has changed. */
bool websocket_handshake_is_valid(const struct head *request)
{
    const struct field *key = NULL;
    unsigned keys = 0, versions = 0;

    if (!request->upgrades_to_websocket || request->method != METHOD_GET || request->minor < 1)
        return false;
    if (request->framing == FRAMING_CHUNKED || request->content_length > 0)
        return false;
    for (unsigned i = 0; i < request->field_count; i++) {
        const struct field *field = &request->fields[i];
        if (field->known == FIELD_SEC_WEBSOCKET_KEY)
            key = field, keys++;
        else if (field->known == FIELD_SEC_WEBSOCKET_VERSION && field->value.size > 0)
            versions++;
    }
    return keys == 1 && versions == 1 && key_is_valid(key->value);
}

void websocket_accept(struct slice key, char accept[WEBSOCKET_ACCEPT_SIZE])
{
    static const char salt[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    char text[KEY_SIZE + sizeof(salt) - 1];
    unsigned char digest[EVP_MAX_MD_SIZE], encoded[WEBSOCKET_ACCEPT_SIZE + 1];
    unsigned size = 0;

    CHECK(key.size == KEY_SIZE); /* websocket_handshake_is_valid saw to it */
    memcpy(text, key.at, KEY_SIZE);
    memcpy(text + KEY_SIZE, salt, sizeof(salt) - 1);
    CHECK(EVP_Digest(text, sizeof(text), digest, &size, EVP_sha1(), NULL) == 1);
    CHECK(EVP_EncodeBlock(encoded, digest, (int)size) == WEBSOCKET_ACCEPT_SIZE);
    memcpy(accept, encoded, WEBSOCKET_ACCEPT_SIZE);
}

/* How many bytes the header has, by as many of it as are there: section 5.2. */
static size_t header_size(const struct websocket_frames *frames)
{
    if (frames->header_size < 2)
        return 2;
    uint8_t length = frames->header[1] & 0x7f;
    size_t size = 2 + (frames->header[1] & 0x80 ? 4 : 0);
    return size + (length == 127 ? 8 : length == 126 ? 2 : 0);
}

static void header_done(struct websocket_frames *frames)
{
    uint64_t length = frames->header[1] & 0x7f;
    unsigned extended = length == 127 ? 8 : length == 126 ? 2 : 0;

    if (extended > 0)
        length = 0;
    for (unsigned i = 0; i < extended; i++)
        length = length << 8 | frames->header[2 + i];
    frames->payload_left = length;
    frames->header_size = 0;
    if ((frames->header[0] & 0x0f) == 0x8)
        frames->close_seen = true;
}

/* Takes what of `bytes` belongs to the frame under way; returns how many that are. */
static size_t follow_frame(struct websocket_frames *frames, struct slice bytes)
{
    size_t taken = 0;

    if (frames->payload_left == 0) {
        while (taken < bytes.size && frames->header_size < header_size(frames))
            frames->header[frames->header_size++] = (uint8_t)bytes.at[taken++];
        if (frames->header_size < header_size(frames))
            return taken;
        header_done(frames);
    }
    size_t left = bytes.size - taken;
    if (left > frames->payload_left)
        left = (size_t)frames->payload_left;
    frames->payload_left -= left;
    return taken + left;
}

void websocket_frames_follow(struct websocket_frames *frames, struct slice bytes)
{
    while (bytes.size > 0) {
        size_t taken = follow_frame(frames, bytes);
        bytes = (struct slice){bytes.at + taken, bytes.size - taken};
    }
}

bool websocket_frames_at_boundary(const struct websocket_frames *frames)
{
    return frames->header_size == 0 && frames->payload_left == 0;
}

size_t websocket_frames_until_boundary(const struct websocket_frames *frames, struct slice bytes)
{
    struct websocket_frames ahead = *frames;
    size_t taken = 0;

    while (taken < bytes.size && !websocket_frames_at_boundary(&ahead))
        taken += follow_frame(&ahead, (struct slice){bytes.at + taken, bytes.size - taken});
    return taken;
}

size_t websocket_close_frame(char into[WEBSOCKET_CLOSE_MAX], unsigned code, bool masked)
{
    /* The mask keeps a client's page from choosing the bytes on the wire; there is no such page here, so
     * zeros do. */
    const char frame[] = {(char)0x88, (char)(masked ? 0x82 : 0x02), 0, 0, 0, 0};
    size_t size = masked ? 6 : 2;

    memcpy(into, frame, size);
    into[size] = (char)(code >> 8);
    into[size + 1] = (char)code;
    return size + 2;
}
