/* SPDX-License-Identifier: MIT
 *
 * The head of a request or a response, as slices into the bytes it was read from: valid as long as those
 * stay. */
#ifndef DROVER_HTTP_MESSAGE_H
#define DROVER_HTTP_MESSAGE_H

#include "base/str.h"

enum method {
    METHOD_OTHER, /* any token we have no name for; forwarded as it is (methods are case-sensitive) */
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_DELETE,
    METHOD_OPTIONS,
    METHOD_PATCH,
    METHOD_CONNECT,
    METHOD_TRACE,
};

/* Names that some rule needs; found once, while reading. Everything else is FIELD_OTHER. */
enum field_name {
    FIELD_OTHER,
    FIELD_ACCEPT,
    FIELD_CONNECTION,
    FIELD_CONTENT_LENGTH,
    FIELD_COOKIE,
    FIELD_DATE,
    FIELD_EXPECT,
    FIELD_FORWARDED,
    FIELD_HOST,
    FIELD_HTTP2_SETTINGS,
    FIELD_KEEP_ALIVE,
    FIELD_MAX_FORWARDS,
    FIELD_PROXY,
    FIELD_PROXY_AUTHENTICATE,
    FIELD_PROXY_AUTHENTICATION_INFO,
    FIELD_PROXY_AUTHORIZATION,
    FIELD_PROXY_CONNECTION,
    FIELD_SEC_WEBSOCKET_ACCEPT,
    FIELD_SEC_WEBSOCKET_KEY,
    FIELD_SEC_WEBSOCKET_VERSION,
    FIELD_SERVER,
    FIELD_TE,
    FIELD_TRAILER,
    FIELD_TRANSFER_ENCODING,
    FIELD_UPGRADE,
    FIELD_USER_AGENT,
    FIELD_VIA,
    FIELD_CONTENT_TYPE,
    FIELD_X_CLIENT_SUBJECT, /* of a verified client certificate: drover's own word */
    FIELD_X_FORWARDED_FOR,
    FIELD_X_FORWARDED_HOST,
    FIELD_X_FORWARDED_PORT,
    FIELD_X_FORWARDED_PROTO,
    FIELD_X_FORWARDED_OTHER, /* any other X-Forwarded-* */
    FIELD_X_ORIGINAL_URL,
    FIELD_X_REAL_IP,
    FIELD_X_REQUEST_ID,
    FIELD_X_REQUEST_START,
    FIELD_X_REWRITE_URL,
    FIELD_X_SCHEME,
    FIELD_NAMES
};

struct field {
    struct slice name, value; /* the value without white space around it */
    enum field_name known;
    /* The Connection field names it: hop-by-hop (RFC 9110 section 7.6.1). Never true for Host, Content-Length
     * and Transfer-Encoding, which nobody may talk away. */
    bool named_by_connection;
};

#define HEAD_FIELDS_MAX 256 /* the most that limits.headers may be set to */

enum framing {
    FRAMING_NONE,   /* no body */
    FRAMING_LENGTH, /* content_length bytes (may be 0) */
    FRAMING_CHUNKED,
    FRAMING_UNTIL_CLOSE, /* responses only */
};

struct head {
    size_t size; /* bytes of the whole head, leading empty line and the final empty line included */
    unsigned
        minor; /* HTTP/1.minor as read; above 1 counts as 1. Of HTTP/2: 1, whose meaning its messages have */
    bool is_h2;
    bool
        is_extended_connect; /* of HTTP/2 (RFC 8441): a CONNECT for websocket, told as a GET that upgrades to it */

    enum method method; /* of a response: that of its request */
    struct slice method_text;
    struct slice target;     /* as it came: never changed on its way to a worker, except absolute-form */
    struct slice path_query; /* origin-form of the target ("/a?b", "*"): what is sent on */
    struct slice host;       /* Host's value, or (1.0 without a Host) absolute-form's authority; else empty */
    bool has_host;           /* one of the two was there */

    unsigned status;
    struct slice reason;

    enum framing framing;
    uint64_t content_length;
    bool has_content_length;    /* responses to HEAD and 304 carry one with FRAMING_NONE */
    bool keep_alive;            /* the peer keeps the connection after this message (RFC 9112 section 9.3) */
    bool expects_continue;      /* Expect: 100-continue, on 1.1 and with a body */
    bool upgrades_to_websocket; /* Upgrade names websocket and Connection names upgrade, on HTTP/1.1 */
    bool has_trailer_te;        /* TE names trailers */

    unsigned field_count;
    struct field fields[HEAD_FIELDS_MAX];
};

/* `head` in full: not zeroed, only [0, field_count) of fields is meaningful. About 12 KB: one per loop,
 * reused. */

enum method method_of(struct slice text);
bool method_is_safe(enum method method);
bool method_is_idempotent(enum method method); /* RFC 9110 section 9.2.2; METHOD_OTHER is not */

/* The first field of that name, or NULL. */
const struct field *head_find(const struct head *head, enum field_name name);
const struct field *head_find_other(const struct head *head, struct slice name);
/* Is `token` an element of the comma-separated list `value`? ASCII case does not matter. */
bool field_list_has(struct slice value, struct slice token);
/* Takes the next element of a comma-separated list off `rest`; empty elements are passed over. False at the
 * end. */
bool field_list_next(struct slice *rest, struct slice *element);
/* Never forwarded, whatever Connection says (RFC 9110 section 7.6.1): Connection, Keep-Alive,
 * Proxy-Connection, TE, Transfer-Encoding, Upgrade, HTTP2-Settings, Proxy-Authenticate, -Authorization,
 * -Authentication-Info. */
bool field_is_hop_by_hop(const struct field *field);

#endif
