/* SPDX-License-Identifier: MIT
 *
 * The body that follows a head (RFC 9112 sections 6.3 and 7.1), piece by piece as it comes. Payload is
 * handed out in place. Of the chunked coding's own bytes only the trailer section is kept: extensions are
 * checked and forgotten. CR LF only: a bare LF in a chunk line is what "funky chunks" smuggle with. Pure,
 * any thread; owns the trailers. */
#include "base/mem.h"
#include "http/fields.h"
#include "http/h1.h"
#include "http/octets.h"

enum state {
    STATE_PAYLOAD, /* `left` bytes of it */
    /* A chunk's first line: chunk-size *( BWS ";" BWS name [ BWS "=" BWS value ] ) CRLF */
    STATE_SIZE,
    STATE_EXTENSION, /* white space after a size, a name or a value: ';' must follow, or '=' after a name */
    STATE_NAME_START,
    STATE_NAME,
    STATE_NAME_END,
    STATE_VALUE_START,
    STATE_VALUE,
    STATE_QUOTED,
    STATE_QUOTED_PAIR,
    STATE_QUOTED_END,
    STATE_SIZE_LF,
    STATE_PAYLOAD_CR, /* the line end after a chunk's payload */
    STATE_PAYLOAD_LF,
    STATE_TRAILER_START, /* at the start of a line of the trailer section */
    STATE_TRAILER,
    STATE_TRAILER_LF,
    STATE_LAST_LF,
    STATE_END,
    STATE_BAD,
};

void h1_body_init(struct h1_body *body, enum framing framing, uint64_t content_length)
{
    memset(body, 0, sizeof(*body));
    body->framing = framing;
    body->left = framing == FRAMING_LENGTH ? content_length : 0;
    body->state = framing == FRAMING_CHUNKED ? STATE_SIZE : STATE_PAYLOAD;
    if (framing == FRAMING_NONE || (framing == FRAMING_LENGTH && content_length == 0))
        body->state = STATE_END;
}

void h1_body_fini(struct h1_body *body)
{
    mem_free(body->trailers);
    body->trailers = NULL;
}

static enum state bad(struct h1_body *body, const char *why)
{
    body->why = why;
    return STATE_BAD;
}

static enum state size_digit(struct h1_body *body, char byte)
{
    /* Zeros in front may go on for ever: those past what any size needs count as extension. */
    if (body->digits < 16)
        body->digits++;
    else if (body->extension_bytes++ >= H1_CHUNK_LINE_MAX)
        return bad(body, "a chunk size of too many digits");
    if (body->left > (uint64_t)INT64_MAX >> 4)
        return bad(body, "a chunk size over 2^63-1");
    body->left = body->left << 4 | hex_value(byte);
    return STATE_SIZE;
}

static enum state size_byte(struct h1_body *body, char byte)
{
    if (octets[(uint8_t)byte] & OCTET_HEX)
        return size_digit(body, byte);
    if (body->digits == 0)
        return bad(body, "no chunk size");
    switch (byte) {
    case '\r': return STATE_SIZE_LF;
    case ';': return STATE_NAME_START;
    case ' ':
    case '\t': return STATE_EXTENSION;
    default: return bad(body, "a chunk size that is not hexadecimal");
    }
}

/* The end of a name or a value, with what may follow there. */
static enum state extension_end(struct h1_body *body, char byte, enum state after_space)
{
    switch (byte) {
    case '\r': return STATE_SIZE_LF;
    case ';': return STATE_NAME_START;
    case ' ':
    case '\t': return after_space;
    default: return bad(body, "a chunk extension that is none");
    }
}

static enum state extension_byte(struct h1_body *body, char byte)
{
    const bool token = octets[(uint8_t)byte] & OCTET_TOKEN, space = byte == ' ' || byte == '\t';
    const char *const why = "a chunk extension that is none";

    switch ((enum state)body->state) {
    case STATE_EXTENSION:
        if (space)
            return STATE_EXTENSION;
        return byte == ';' ? STATE_NAME_START : bad(body, why);
    case STATE_NAME_START:
        if (space)
            return STATE_NAME_START;
        return token ? STATE_NAME : bad(body, why);
    case STATE_NAME:
        if (token)
            return STATE_NAME;
        return byte == '=' ? STATE_VALUE_START : extension_end(body, byte, STATE_NAME_END);
    case STATE_NAME_END:
        if (byte == '=')
            return STATE_VALUE_START;
        return byte == '\r' ? bad(body, why) : extension_end(body, byte, STATE_NAME_END);
    case STATE_VALUE_START:
        if (space)
            return STATE_VALUE_START;
        if (byte == '"')
            return STATE_QUOTED;
        return token ? STATE_VALUE : bad(body, why);
    case STATE_VALUE: return token ? STATE_VALUE : extension_end(body, byte, STATE_EXTENSION);
    case STATE_QUOTED:
        if (byte == '"')
            return STATE_QUOTED_END;
        if (octets[(uint8_t)byte] & OCTET_CONTROL)
            return bad(body, why);
        return byte == '\\' ? STATE_QUOTED_PAIR : STATE_QUOTED;
    case STATE_QUOTED_PAIR: return octets[(uint8_t)byte] & OCTET_CONTROL ? bad(body, why) : STATE_QUOTED;
    case STATE_QUOTED_END: return extension_end(body, byte, STATE_EXTENSION);
    default: return bad(body, why);
    }
}

/* Keeps a byte of the trailer section. */
static enum state trailer_keep(struct h1_body *body, char byte, enum state next)
{
    if (body->trailer_bytes >= H1_CHUNK_LINE_MAX)
        return bad(body, "trailers over 4 KiB");
    if (!body->trailers)
        body->trailers = mem_alloc(H1_CHUNK_LINE_MAX);
    body->trailers[body->trailer_bytes++] = byte;
    return next;
}

/* The trailer line that has just been kept, CR LF included, is a field? */
static enum state trailer_line(struct h1_body *body)
{
    const char *end = body->trailers + body->trailer_bytes - 2;
    const char *before = memrchr(body->trailers, '\n', (size_t)(end - body->trailers));
    const char *start = before ? before + 1 : body->trailers;
    struct slice name, value;

    if (!field_line_split((struct slice){start, (size_t)(end - start)}, &name, &value))
        return bad(body, "a trailer line that is no field");
    return STATE_TRAILER_START;
}

static enum state trailer_byte(struct h1_body *body, char byte)
{
    enum state next;

    switch ((enum state)body->state) {
    case STATE_TRAILER_START:
    case STATE_TRAILER:
        if (byte == '\r' && body->state == STATE_TRAILER_START)
            return STATE_LAST_LF;
        if (byte == '\r')
            return trailer_keep(body, byte, STATE_TRAILER_LF);
        if (octets[(uint8_t)byte] & OCTET_CONTROL)
            return bad(body, "a control byte in a trailer");
        return trailer_keep(body, byte, STATE_TRAILER);
    case STATE_TRAILER_LF:
        if (byte != '\n')
            return bad(body, "a CR without LF in a trailer");
        next = trailer_keep(body, byte, STATE_TRAILER_START);
        return next == STATE_BAD ? next : trailer_line(body);
    default: return byte == '\n' ? STATE_END : bad(body, "a CR without LF after the trailers");
    }
}

static enum state chunk_byte(struct h1_body *body, char byte)
{
    switch ((enum state)body->state) {
    case STATE_SIZE: return size_byte(body, byte);
    case STATE_SIZE_LF:
        if (byte != '\n')
            return bad(body, "a CR without LF after a chunk size");
        return body->left > 0 ? STATE_PAYLOAD : STATE_TRAILER_START;
    case STATE_PAYLOAD_CR: return byte == '\r' ? STATE_PAYLOAD_LF : bad(body, "no line end after a chunk");
    case STATE_PAYLOAD_LF:
        if (byte != '\n')
            return bad(body, "a CR without LF after a chunk");
        body->digits = 0;
        return STATE_SIZE;
    case STATE_TRAILER_START:
    case STATE_TRAILER:
    case STATE_TRAILER_LF:
    case STATE_LAST_LF: return trailer_byte(body, byte);
    default:
        if (body->extension_bytes++ >= H1_CHUNK_LINE_MAX)
            return bad(body, "chunk extensions over 4 KiB");
        return extension_byte(body, byte);
    }
}

static enum body_event payload(struct h1_body *body, struct slice *in, struct slice *data)
{
    size_t size = in->size;

    if (body->framing != FRAMING_UNTIL_CLOSE) {
        if (size > body->left)
            size = (size_t)body->left;
        body->left -= size;
        if (body->left == 0)
            body->state = body->framing == FRAMING_CHUNKED ? STATE_PAYLOAD_CR : STATE_END;
    }
    *data = (struct slice){in->at, size};
    *in = (struct slice){in->at + size, in->size - size};
    return BODY_DATA;
}

enum body_event h1_body_next(struct h1_body *body, struct slice *in, struct slice *data)
{
    for (;;) {
        if (body->state == STATE_END)
            return BODY_END;
        if (body->state == STATE_BAD)
            return BODY_BAD;
        if (in->size == 0)
            return BODY_MORE;
        if (body->state == STATE_PAYLOAD)
            return payload(body, in, data);
        body->state = (uint8_t)chunk_byte(body, *in->at);
        in->at++;
        in->size--;
    }
}

enum body_event h1_body_finish(struct h1_body *body)
{
    if (body->state == STATE_END || body->framing == FRAMING_UNTIL_CLOSE) {
        body->state = STATE_END;
        return BODY_END;
    }
    if (body->state != STATE_BAD)
        body->state = (uint8_t)bad(body, "the connection ended inside the body");
    return BODY_BAD;
}

struct slice h1_body_trailers(const struct h1_body *body)
{
    return (struct slice){body->trailers ? body->trailers : "", body->trailers ? body->trailer_bytes : 0};
}

/* RFC 9110 section 6.5.1: nothing that frames, routes, authenticates, or says what the content is or how it
 * was meant to be handled. Who puts trailers among the fields must not be handed a forged one. */
static bool may_trail(struct slice name)
{
    static const char *const never[] = {
        "age",
        "authorization",
        "cache-control",
        "content-encoding",
        "content-location",
        "content-range",
        "expires",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "location",
        "pragma",
        "range",
        "retry-after",
        "set-cookie",
        "vary",
        "warning",
        "www-authenticate",
    };
    struct field field = {.name = name, .known = field_name_of(name)};

    if (memchr(name.at, '_', name.size) || field_is_hop_by_hop(&field))
        return false;
    if (field.known != FIELD_OTHER)
        return false;
    for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
        if (token_is(name, never[i], strlen(never[i])))
            return false;
    return true;
}

bool h1_trailer_next(struct slice *rest, struct slice *name, struct slice *value)
{
    const char *end;

    while (rest->size > 0 && (end = memchr(rest->at, '\n', rest->size)) != NULL) {
        size_t size = (size_t)(end - rest->at) + 1;
        struct slice line = {rest->at, size >= 2 ? size - 2 : 0};
        *rest = (struct slice){rest->at + size, rest->size - size};
        if (field_line_split(line, name, value) && may_trail(*name))
            return true;
    }
    return false;
}
