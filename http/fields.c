/* SPDX-License-Identifier: MIT
 *
 * Field names that some rule needs, lists in field values, and which fields never pass. Pure, any thread. */
#include "http/fields.h"

#include "http/octets.h"

#define KNOWN(token, literal, value)                                                                         \
    if (TOKEN_IS(token, literal))                                                                            \
    return value

static enum field_name field_name_short(struct slice name)
{
    switch (name.size) {
    case 2: KNOWN(name, "te", FIELD_TE); break;
    case 3: KNOWN(name, "via", FIELD_VIA); break;
    case 4:
        KNOWN(name, "host", FIELD_HOST);
        KNOWN(name, "date", FIELD_DATE);
        break;
    case 5: KNOWN(name, "proxy", FIELD_PROXY); break;
    case 6:
        KNOWN(name, "accept", FIELD_ACCEPT);
        KNOWN(name, "cookie", FIELD_COOKIE);
        KNOWN(name, "server", FIELD_SERVER);
        KNOWN(name, "expect", FIELD_EXPECT);
        break;
    case 7:
        KNOWN(name, "upgrade", FIELD_UPGRADE);
        KNOWN(name, "trailer", FIELD_TRAILER);
        break;
    case 8: KNOWN(name, "x-scheme", FIELD_X_SCHEME); break;
    case 9:
        KNOWN(name, "x-real-ip", FIELD_X_REAL_IP);
        KNOWN(name, "forwarded", FIELD_FORWARDED);
        break;
    case 10:
        KNOWN(name, "connection", FIELD_CONNECTION);
        KNOWN(name, "user-agent", FIELD_USER_AGENT);
        KNOWN(name, "keep-alive", FIELD_KEEP_ALIVE);
        break;
    default: break;
    }
    return FIELD_OTHER;
}

static enum field_name field_name_long(struct slice name)
{
    switch (name.size) {
    case 12:
        KNOWN(name, "content-type", FIELD_CONTENT_TYPE);
        KNOWN(name, "x-request-id", FIELD_X_REQUEST_ID);
        KNOWN(name, "max-forwards", FIELD_MAX_FORWARDS);
        break;
    case 13: KNOWN(name, "x-rewrite-url", FIELD_X_REWRITE_URL); break;
    case 14:
        KNOWN(name, "content-length", FIELD_CONTENT_LENGTH);
        KNOWN(name, "http2-settings", FIELD_HTTP2_SETTINGS);
        KNOWN(name, "x-original-url", FIELD_X_ORIGINAL_URL);
        break;
    case 15:
        KNOWN(name, "x-forwarded-for", FIELD_X_FORWARDED_FOR);
        KNOWN(name, "x-request-start", FIELD_X_REQUEST_START);
        break;
    case 16:
        KNOWN(name, "x-client-subject", FIELD_X_CLIENT_SUBJECT);
        KNOWN(name, "x-forwarded-host", FIELD_X_FORWARDED_HOST);
        KNOWN(name, "x-forwarded-port", FIELD_X_FORWARDED_PORT);
        KNOWN(name, "proxy-connection", FIELD_PROXY_CONNECTION);
        break;
    case 17:
        KNOWN(name, "transfer-encoding", FIELD_TRANSFER_ENCODING);
        KNOWN(name, "x-forwarded-proto", FIELD_X_FORWARDED_PROTO);
        KNOWN(name, "sec-websocket-key", FIELD_SEC_WEBSOCKET_KEY);
        break;
    case 18: KNOWN(name, "proxy-authenticate", FIELD_PROXY_AUTHENTICATE); break;
    case 19: KNOWN(name, "proxy-authorization", FIELD_PROXY_AUTHORIZATION); break;
    case 20: KNOWN(name, "sec-websocket-accept", FIELD_SEC_WEBSOCKET_ACCEPT); break;
    case 21: KNOWN(name, "sec-websocket-version", FIELD_SEC_WEBSOCKET_VERSION); break;
    case 25: KNOWN(name, "proxy-authentication-info", FIELD_PROXY_AUTHENTICATION_INFO); break;
    default: break;
    }
    return FIELD_OTHER;
}

enum field_name field_name_of(struct slice name)
{
    if (name.size <= 10)
        return field_name_short(name);
    enum field_name known = field_name_long(name);
    if (known == FIELD_OTHER && (name.at[0] | 0x20) == 'x' && name.size >= 12 &&
        TOKEN_IS(((struct slice){name.at, 12}), "x-forwarded-"))
        return FIELD_X_FORWARDED_OTHER;
    return known;
}

bool slice_is_token(struct slice text)
{
    for (size_t i = 0; i < text.size; i++)
        if (!(octets[(uint8_t)text.at[i]] & OCTET_TOKEN))
            return false;
    return text.size > 0;
}

bool field_line_split(struct slice line, struct slice *name, struct slice *value)
{
    const char *colon = memchr(line.at, ':', line.size);

    if (!colon)
        return false;
    *name = (struct slice){line.at, (size_t)(colon - line.at)};
    *value = slice_trim((struct slice){colon + 1, line.size - name->size - 1});
    for (size_t i = 0; i < value->size; i++)
        if (octets[(uint8_t)value->at[i]] & OCTET_CONTROL)
            return false;
    return slice_is_token(*name);
}

bool field_list_next(struct slice *rest, struct slice *element)
{
    while (rest->size > 0) {
        const char *comma = memchr(rest->at, ',', rest->size);
        size_t size = comma ? (size_t)(comma - rest->at) : rest->size;
        size_t taken = comma ? size + 1 : size;
        *element = slice_trim((struct slice){rest->at, size});
        rest->at += taken;
        rest->size -= taken;
        if (element->size > 0)
            return true;
    }
    return false;
}

bool field_list_has(struct slice value, struct slice token)
{
    struct slice element;

    while (field_list_next(&value, &element))
        if (slice_equal_nocase(element, token))
            return true;
    return false;
}

/* RFC 9110 section 7.6.1 names Connection, Keep-Alive, Proxy-Connection, TE, Transfer-Encoding and Upgrade.
 * HTTP2-Settings goes with an Upgrade to h2c, which is never passed on (RFC 9113 section 3.1). Proxy-* speak
 * to the next proxy only (RFC 9110 section 11.7): drover asks for no credentials, and a worker's are not for
 * its clients. */
bool field_is_hop_by_hop(const struct field *field)
{
    switch (field->known) {
    case FIELD_CONNECTION:
    case FIELD_HTTP2_SETTINGS:
    case FIELD_KEEP_ALIVE:
    case FIELD_PROXY_AUTHENTICATE:
    case FIELD_PROXY_AUTHENTICATION_INFO:
    case FIELD_PROXY_AUTHORIZATION:
    case FIELD_PROXY_CONNECTION:
    case FIELD_TE:
    case FIELD_TRANSFER_ENCODING:
    case FIELD_UPGRADE: return true;
    default: return false;
    }
}
