/* SPDX-License-Identifier: MIT
 *
 * The demo worker's WebSocket echo: RFC 6455's server side. Messages come back whole, of the same kind,
 * once their last fragment is there. */
#include "daemon/demo.h"
#include "http/websocket.h"

enum { CONTINUATION = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };
enum { GOOD_BYE = 1000, PROTOCOL_ERROR = 1002, NOT_UTF8 = 1007, TOO_BIG = 1009 };

static void put_frame(struct demo_connection *connection, unsigned opcode, struct slice payload)
{
    uint8_t header[10];
    size_t size = 2;

    header[0] = (uint8_t)(0x80 | opcode);
    if (payload.size < 126) {
        header[1] = (uint8_t)payload.size;
    } else if (payload.size < 65536) {
        header[1] = 126;
        header[2] = (uint8_t)(payload.size >> 8);
        header[3] = (uint8_t)payload.size;
        size = 4;
    } else {
        header[1] = 127;
        for (unsigned i = 0; i < 8; i++)
            header[2 + i] = (uint8_t)((uint64_t)payload.size >> (56 - 8 * i));
        size = 10;
    }
    buffer_append(&connection->out, header, size);
    buffer_append(&connection->out, payload.at, payload.size);
}

void demo_websocket_close(struct demo_connection *connection, unsigned code)
{
    uint8_t payload[2] = {(uint8_t)(code >> 8), (uint8_t)code};

    if (connection->websocket.close_sent)
        return;
    put_frame(connection, CLOSE, (struct slice){(const char *)payload, sizeof payload});
    connection->websocket.close_sent = true;
}

/* The peer broke a rule: it is told, and nothing more of it is read. */
static void fail(struct demo_connection *connection, unsigned code)
{
    demo_websocket_close(connection, code);
    demo_linger(connection);
}

void demo_websocket_open(struct demo_connection *connection, const struct head *head)
{
    const struct field *key = head_find(head, FIELD_SEC_WEBSOCKET_KEY);
    char accept[WEBSOCKET_ACCEPT_SIZE];

    if (!head->upgrades_to_websocket || !key || !websocket_handshake_is_valid(head))
        return; /* on_end answers 426 */
    websocket_accept(key->value, accept);
    buffer_print(&connection->out,
                 "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                 "Sec-WebSocket-Accept: %.*s\r\nX-Worker: %s\r\n\r\n",
                 WEBSOCKET_ACCEPT_SIZE, accept, connection->demo->name);
    connection->demo->requests++;
    connection->websocket = (struct demo_websocket){0};
    connection->state = DEMO_WEBSOCKET;
    if (slice_equal(head->path_query, SLICE("/ws?hello"))) {
        char hello[128];
        size_t size = str_format(hello, sizeof hello, "connected to %s", connection->demo->name);
        put_frame(connection, TEXT, (struct slice){hello, size});
    }
    if (connection->demo->is_stopping)
        demo_websocket_close(connection, 1001);
}

/* How many bytes the code point that starts here takes; 0: it is none (RFC 3629 section 4). */
static size_t utf8_step(const uint8_t *at, size_t left)
{
    uint8_t low = 0x80, high = 0xbf;
    size_t size;

    if (at[0] < 0x80)
        return 1;
    if (at[0] >= 0xc2 && at[0] <= 0xdf)
        size = 2;
    else if (at[0] >= 0xe0 && at[0] <= 0xef)
        size = 3;
    else if (at[0] >= 0xf0 && at[0] <= 0xf4)
        size = 4;
    else
        return 0;
    if (at[0] == 0xe0)
        low = 0xa0;
    else if (at[0] == 0xed)
        high = 0x9f;
    else if (at[0] == 0xf0)
        low = 0x90;
    else if (at[0] == 0xf4)
        high = 0x8f;
    if (left < size || at[1] < low || at[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
    }
    return size;
}

static bool is_utf8(struct slice text)
{
    for (size_t at = 0; at < text.size;) {
        size_t step = utf8_step((const uint8_t *)text.at + at, text.size - at);
        if (step == 0)
            return false;
        at += step;
    }
    return true;
}

static unsigned close_code(struct slice payload)
{
    return payload.size < 2 ? GOOD_BYE : (unsigned)(uint8_t)payload.at[0] << 8 | (uint8_t)payload.at[1];
}

/* RFC 6455 section 7.4. */
static bool code_is_valid(unsigned code)
{
    return (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
           (code >= 3000 && code <= 4999);
}

static void on_close(struct demo_connection *connection, struct slice payload)
{
    if (payload.size == 1 || !code_is_valid(close_code(payload))) {
        fail(connection, PROTOCOL_ERROR);
    } else if (payload.size > 2 && !is_utf8((struct slice){payload.at + 2, payload.size - 2})) {
        fail(connection, NOT_UTF8);
    } else {
        demo_websocket_close(connection, close_code(payload));
        demo_linger(connection);
    }
}

static void on_control(struct demo_connection *connection)
{
    struct demo_websocket *websocket = &connection->websocket;
    struct slice payload = {(const char *)websocket->control, websocket->control_size};

    if (websocket->opcode == CLOSE)
        on_close(connection, payload);
    else if (websocket->opcode == PING && !websocket->close_sent)
        put_frame(connection, PONG, payload);
}

static void on_message(struct demo_connection *connection)
{
    struct demo_websocket *websocket = &connection->websocket;
    struct slice message = buffer_slice(&websocket->message);

    if (websocket->message_opcode == TEXT && !is_utf8(message)) {
        fail(connection, NOT_UTF8);
        return;
    }
    if (!websocket->close_sent)
        put_frame(connection, websocket->message_opcode, message);
    buffer_release(&websocket->message);
    websocket->message_opcode = 0;
}

static void on_frame_end(struct demo_connection *connection)
{
    struct demo_websocket *websocket = &connection->websocket;

    websocket->in_payload = false;
    websocket->header_size = 0;
    if (websocket->opcode >= CLOSE)
        on_control(connection);
    else if (websocket->is_final)
        on_message(connection);
}

static size_t header_size_wanted(const struct demo_websocket *websocket)
{
    unsigned length = websocket->header_size < 2 ? 0 : websocket->header[1] & 0x7f;

    return 2 + 4 + (length == 126 ? 2 : length == 127 ? 8 : 0);
}

/* 0, or the code that the connection fails with (RFC 6455 sections 5.2, 5.4 and 5.5). */
static unsigned check_header(struct demo_websocket *websocket)
{
    bool is_masked = websocket->header[1] & 0x80, has_reserved = websocket->header[0] & 0x70;
    bool is_control = websocket->opcode >= CLOSE;

    if (!is_masked || has_reserved || websocket->opcode > PONG || (websocket->opcode > BINARY && !is_control))
        return PROTOCOL_ERROR;
    if (is_control)
        return !websocket->is_final || websocket->payload_left > sizeof websocket->control ? PROTOCOL_ERROR
                                                                                           : 0;
    if ((websocket->opcode == CONTINUATION) != (websocket->message_opcode != 0))
        return PROTOCOL_ERROR;
    if (websocket->payload_left > DEMO_MESSAGE_MAX - buffer_size(&websocket->message))
        return TOO_BIG;
    if (websocket->opcode != CONTINUATION)
        websocket->message_opcode = websocket->opcode;
    return 0;
}

static void on_header(struct demo_connection *connection)
{
    struct demo_websocket *websocket = &connection->websocket;
    size_t mask_at = websocket->header_size - sizeof websocket->mask;

    websocket->is_final = websocket->header[0] & 0x80;
    websocket->opcode = websocket->header[0] & 0x0f;
    websocket->payload_left = websocket->header[1] & 0x7f;
    if (websocket->payload_left >= 126) {
        websocket->payload_left = 0;
        for (size_t i = 2; i < mask_at; i++)
            websocket->payload_left = websocket->payload_left << 8 | websocket->header[i];
    }
    websocket->payload_at = 0;
    websocket->control_size = 0;
    memcpy(websocket->mask, websocket->header + mask_at, sizeof websocket->mask);
    unsigned code = check_header(websocket);
    if (code > 0) {
        fail(connection, code);
        return;
    }
    websocket->in_payload = true;
    if (websocket->payload_left == 0)
        on_frame_end(connection);
}

static void unmask(struct demo_websocket *websocket, uint8_t *into, const char *from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        into[i] = (uint8_t)from[i] ^ websocket->mask[(websocket->payload_at + i) & 3];
    websocket->payload_at += size;
    websocket->payload_left -= size;
}

static void take_payload(struct demo_connection *connection)
{
    struct demo_websocket *websocket = &connection->websocket;
    size_t size = buffer_size(&connection->in);

    if (size > websocket->payload_left)
        size = (size_t)websocket->payload_left;
    if (websocket->opcode >= CLOSE) {
        unmask(websocket, websocket->control + websocket->control_size, buffer_bytes(&connection->in), size);
        websocket->control_size = (uint8_t)(websocket->control_size + size);
    } else {
        char *room = buffer_reserve(&websocket->message, size);
        unmask(websocket, (uint8_t *)room, buffer_bytes(&connection->in), size);
        buffer_commit(&websocket->message, size);
    }
    buffer_consume(&connection->in, size);
    if (websocket->payload_left == 0)
        on_frame_end(connection);
}

static void take_header(struct demo_connection *connection)
{
    struct demo_websocket *websocket = &connection->websocket;

    while (buffer_size(&connection->in) > 0 && websocket->header_size < header_size_wanted(websocket)) {
        websocket->header[websocket->header_size++] = (uint8_t)*buffer_bytes(&connection->in);
        buffer_consume(&connection->in, 1);
    }
    if (websocket->header_size >= 2 && websocket->header_size == header_size_wanted(websocket))
        on_header(connection);
}

bool demo_websocket_read(struct demo_connection *connection)
{
    if (buffer_size(&connection->in) == 0)
        return false;
    if (connection->websocket.in_payload)
        take_payload(connection);
    else
        take_header(connection);
    return true;
}

void demo_websocket_fini(struct demo_websocket *websocket)
{
    buffer_release(&websocket->message);
}
