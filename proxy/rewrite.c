/* SPDX-License-Identifier: MIT
 *
 * Heads, written anew. A field goes one of four ways, by the table below; what drover itself knows is
 * added. */
#include "proxy/rewrite.h"

#include "base/backoff.h"
#include "http/cookie.h"
#include "http/date.h"

enum way {
    WAY_PASS,
    WAY_DROP, /* hop-by-hop (RFC 9110 section 7.6.1), framing (ours is written), or forged by nature (`Proxy`) */
    WAY_TRUSTED, /* believed from a trusted proxy only */
    WAY_OURS,    /* read here and written anew */
};
static const unsigned char request_ways[FIELD_NAMES] = {
    [FIELD_CONNECTION] = WAY_DROP,
    [FIELD_CONTENT_LENGTH] = WAY_DROP,
    [FIELD_FORWARDED] = WAY_TRUSTED,
    [FIELD_HOST] = WAY_OURS,
    [FIELD_HTTP2_SETTINGS] = WAY_DROP,
    [FIELD_KEEP_ALIVE] = WAY_DROP,
    [FIELD_MAX_FORWARDS] = WAY_OURS,
    [FIELD_PROXY] = WAY_DROP,
    [FIELD_PROXY_AUTHORIZATION] = WAY_DROP, /* asked for by nobody here: RFC 9110 section 11.7 */
    [FIELD_PROXY_CONNECTION] = WAY_DROP,
    [FIELD_TE] = WAY_DROP,
    [FIELD_TRANSFER_ENCODING] = WAY_DROP,
    [FIELD_UPGRADE] = WAY_DROP,
    [FIELD_VIA] = WAY_OURS,
    [FIELD_X_CLIENT_SUBJECT] = WAY_OURS,
    [FIELD_X_FORWARDED_FOR] = WAY_OURS,
    [FIELD_X_FORWARDED_HOST] = WAY_OURS,
    [FIELD_X_FORWARDED_PORT] = WAY_OURS,
    [FIELD_X_FORWARDED_PROTO] = WAY_OURS,
    [FIELD_X_FORWARDED_OTHER] = WAY_TRUSTED,
    [FIELD_X_ORIGINAL_URL] = WAY_TRUSTED,
    [FIELD_X_REAL_IP] = WAY_DROP,
    [FIELD_X_REQUEST_ID] = WAY_OURS,
    [FIELD_X_REQUEST_START] = WAY_OURS,
    [FIELD_X_REWRITE_URL] = WAY_TRUSTED,
    [FIELD_X_SCHEME] = WAY_TRUSTED,
};
static const bool response_drops[FIELD_NAMES] = {
    [FIELD_CONNECTION] = true,         [FIELD_CONTENT_LENGTH] = true,
    [FIELD_HTTP2_SETTINGS] = true,     [FIELD_KEEP_ALIVE] = true,
    [FIELD_PROXY_AUTHENTICATE] = true, [FIELD_PROXY_AUTHENTICATION_INFO] = true,
    [FIELD_PROXY_CONNECTION] = true,   [FIELD_TE] = true,
    [FIELD_TRANSFER_ENCODING] = true,  [FIELD_UPGRADE] = true,
};

#define OURS_ROOM 640 /* more than all that is added here, the host and the lists aside */
#define ID_SIZE   32

/* What the request said of itself that is ours to write: collected in the one pass over its fields. */
struct said {
    struct slice host, port, proto, request_id, request_start, max_forwards, subject;
    struct slice expect;
    bool has_via, has_forwarded_for;
};

/* --- the client behind trusted proxies --- */

static bool is_trusted_ip(const struct config *config, struct slice ip)
{
    struct address address;

    if (!address_from_ip(&address, ip, 0))
        return false;
    for (unsigned i = 0; i < config->trusted_count; i++)
        if (network_contains(&config->trusted[i], &address))
            return true;
    return false;
}

static struct slice last_element(struct slice *list)
{
    size_t start = list->size;
    struct slice element;

    while (start && list->at[start - 1] != ',')
        start--;
    element = slice_trim((struct slice){list->at + start, list->size - start});
    list->size = start ? start - 1 : 0;
    return element;
}

/* Some proxies write the port too: "1.2.3.4:567", "[2001:db8::1]:567", "[2001:db8::1]". */
static struct slice without_port(struct slice element)
{
    const char *colon = memchr(element.at, ':', element.size);
    const char *end = memchr(element.at, ']', element.size);

    if (element.size && element.at[0] == '[' && end)
        return (struct slice){element.at + 1, (size_t)(end - element.at) - 1};
    if (colon && !memchr(colon + 1, ':', element.size - (size_t)(colon + 1 - element.at)))
        return (struct slice){element.at, (size_t)(colon - element.at)};
    return element;
}

/* The right-most address that is not a trusted proxy's; an element that is no address ends the search: what
 * stands left of it proves nothing. */
static size_t find_client(const struct head *head, const struct peer *peer, const struct config *config,
                          char real[46])
{
    struct slice found = {peer->ip, peer->ip_size};
    struct address address;
    bool is_over = !peer->is_trusted;

    for (unsigned i = head->field_count; i-- > 0 && !is_over;) {
        struct slice rest = head->fields[i].value;
        if (head->fields[i].known != FIELD_X_FORWARDED_FOR)
            continue;
        while (rest.size && !is_over) {
            struct slice element = without_port(last_element(&rest));
            if (!address_from_ip(&address, element, 0)) {
                is_over = true;
                break;
            }
            found = element;
            is_over = !is_trusted_ip(config, element);
        }
    }
    found.size = found.size < 46 ? found.size : 45;
    memcpy(real, found.at, found.size);
    return found.size;
}

/* --- writing --- */

static char *put_list(char *at, const struct head *head, enum field_name name)
{
    for (unsigned i = 0; i < head->field_count; i++) {
        if (head->fields[i].known != name || head->fields[i].value.size == 0)
            continue;
        at = h1_put(at, head->fields[i].value);
        at = h1_put(at, SLICE(", "));
    }
    return at;
}

static bool is_request_id(struct slice id)
{
    if (id.size < 1 || id.size > 128)
        return false;
    for (size_t i = 0; i < id.size; i++) {
        char c = id.at[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
              c == '_' || c == '-'))
            return false;
    }
    return true;
}

static char *put_random_id(char *at)
{
    static const char digits[] = "0123456789abcdef";

    for (unsigned i = 0; i < ID_SIZE / 8; i++) {
        uint32_t number = random_u32();
        for (unsigned k = 0; k < 8; k++, number >>= 4)
            *at++ = digits[number & 15];
    }
    return at;
}

static bool is_digits(struct slice text, size_t most)
{
    if (text.size == 0 || text.size > most)
        return false;
    for (size_t i = 0; i < text.size; i++)
        if (text.at[i] < '0' || text.at[i] > '9')
            return false;
    return true;
}

static char *put_forwarded(char *at, const struct head *head, const struct peer *peer,
                           const struct said *said, struct slice real)
{
    bool proto_is_good = slice_equal(said->proto, SLICE("http")) || slice_equal(said->proto, SLICE("https"));
    struct slice port = is_digits(said->port, 5) ? said->port : slice_of(peer->port_text);

    at = h1_put(at, SLICE("X-Forwarded-For: "));
    if (said->has_forwarded_for)
        at = put_list(at, head, FIELD_X_FORWARDED_FOR);
    at = h1_put(at, (struct slice){peer->ip, peer->ip_size});
    at = h1_put(at, SLICE("\r\nX-Forwarded-Proto: "));
    at = h1_put(at, proto_is_good ? said->proto : peer->is_tls ? SLICE("https") : SLICE("http"));
    at = h1_put(at, SLICE("\r\nX-Forwarded-Host: "));
    at = h1_put(at, said->host.size ? said->host : head->host);
    if (port.size) {
        at = h1_put(at, SLICE("\r\nX-Forwarded-Port: "));
        at = h1_put(at, port);
    }
    at = h1_put(at, SLICE("\r\nX-Real-IP: "));
    at = h1_put(at, real);
    return h1_put(at, SLICE("\r\n"));
}

static char *put_ours(char *at, const struct head *head, const struct said *said, const struct config *config,
                      uint64_t wall_us)
{
    uint64_t left;

    at = h1_put(at, SLICE("X-Request-Id: "));
    at = is_request_id(said->request_id) ? h1_put(at, said->request_id) : put_random_id(at);
    at = h1_put(at, SLICE("\r\nX-Request-Start: "));
    if (said->request_start.size) {
        at = h1_put(at, said->request_start);
    } else {
        at = h1_put(at, SLICE("t="));
        at = h1_put_number(at, wall_us);
    }
    at = h1_put(at, SLICE("\r\n"));
    if (config->via || said->has_via) {
        at = h1_put(at, SLICE("Via: "));
        at = said->has_via ? put_list(at, head, FIELD_VIA) : at;
        if (config->via)
            at = h1_put(at, head->is_h2   ? SLICE("2.0 drover")
                            : head->minor ? SLICE("1.1 drover")
                                          : SLICE("1.0 drover"));
        else
            at -= 2; /* the last ", " */
        at = h1_put(at, SLICE("\r\n"));
    }
    if (said->max_forwards.size && slice_to_u64(said->max_forwards, &left) && left > 0) {
        at = h1_put(at, SLICE("Max-Forwards: "));
        at = h1_put_number(at, left - 1);
        at = h1_put(at, SLICE("\r\n"));
    }
    return at;
}

static void note(struct said *said, const struct field *field, bool is_trusted)
{
    switch (field->known) {
    case FIELD_MAX_FORWARDS: said->max_forwards = field->value; return;
    case FIELD_VIA: said->has_via = said->has_via || field->value.size > 0; return;
    default: break;
    }
    if (!is_trusted)
        return;
    switch (field->known) {
    case FIELD_X_CLIENT_SUBJECT: said->subject = field->value; return;
    case FIELD_X_FORWARDED_FOR: said->has_forwarded_for = true; return;
    case FIELD_X_FORWARDED_HOST: said->host = field->value; return;
    case FIELD_X_FORWARDED_PORT: said->port = field->value; return;
    case FIELD_X_FORWARDED_PROTO: said->proto = field->value; return;
    case FIELD_X_REQUEST_ID: said->request_id = field->value; return;
    case FIELD_X_REQUEST_START: said->request_start = field->value; return;
    default: return;
    }
}

bool rewrite_is_https(const struct head *head, const struct peer *peer)
{
    struct slice proto = {0};

    for (unsigned i = 0; peer->is_trusted && i < head->field_count; i++)
        if (head->fields[i].known == FIELD_X_FORWARDED_PROTO)
            proto = head->fields[i].value;
    if (slice_equal(proto, SLICE("http")) || slice_equal(proto, SLICE("https")))
        return proto.size == 5;
    return peer->is_tls;
}

static char *put_request_line(char *at, const struct head *head)
{
    at = h1_put(at, head->method_text);
    *at++ = ' ';
    at = h1_put(at, head->path_query);
    at = h1_put(at, SLICE(" HTTP/1.1\r\nHost: "));
    at = h1_put(at, head->host);
    return h1_put(at, SLICE("\r\n"));
}

size_t rewrite_request(struct buffer *into, const struct head *head, const struct peer *peer,
                       const struct config *config, bool is_websocket, bool drop_expect,
                       const char *our_cookie, uint64_t wall_us, char real[46])
{
    size_t subject_size = peer->subject ? strlen(peer->subject) : 0;
    size_t room = head->size * 2 + head->host.size * 2 + subject_size + OURS_ROOM;
    char *start = buffer_reserve(into, room), *at = put_request_line(start, head);
    size_t real_size = find_client(head, peer, config, real);
    struct said said = {0};

    for (unsigned i = 0; i < head->field_count; i++) {
        const struct field *field = &head->fields[i];
        unsigned way = request_ways[field->known];
        if (way == WAY_OURS)
            note(&said, field, peer->is_trusted);
        else if (way == WAY_PASS || (way == WAY_TRUSTED && peer->is_trusted))
            if (!field->named_by_connection && !(drop_expect && field->known == FIELD_EXPECT))
                at = our_cookie && field->known == FIELD_COOKIE
                         ? cookie_put_without(at, field, slice_of(our_cookie))
                         : h1_put_field(at, field->name, field->value);
    }
    at = put_forwarded(at, head, peer, &said, (struct slice){real, real_size});
    if (peer->subject)
        at = h1_put_field(at, SLICE("X-Client-Subject"), (struct slice){peer->subject, subject_size});
    else if (said.subject.size)
        at = h1_put_field(at, SLICE("X-Client-Subject"), said.subject);
    at = put_ours(at, head, &said, config, wall_us);
    if (is_websocket)
        at = h1_put(at, SLICE("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
    CHECK((size_t)(at - start) <= room);
    buffer_commit(into, (size_t)(at - start));
    return real_size;
}

void rewrite_close_request(struct buffer *into, enum framing framing, uint64_t content_length)
{
    char *start = buffer_reserve(into, 64), *at = start;

    if (framing == FRAMING_LENGTH) {
        at = h1_put(at, SLICE("Content-Length: "));
        at = h1_put_number(at, content_length);
        at = h1_put(at, SLICE("\r\n"));
    } else if (framing == FRAMING_CHUNKED) {
        at = h1_put(at, SLICE("Transfer-Encoding: chunked\r\n"));
    }
    at = h1_put(at, SLICE("\r\n"));
    buffer_commit(into, (size_t)(at - start));
}

/* --- responses --- */

static char *put_status_line(char *at, const struct head *head)
{
    at = h1_put(at, SLICE("HTTP/1.1 "));
    at = h1_put_number(at, head->status);
    *at++ = ' ';
    at = h1_put(at, head->reason);
    return h1_put(at, SLICE("\r\n"));
}

static char *put_framing(char *at, const struct head *head, const struct response_plan *plan)
{
    if (head->status >= 200 && head->status != 204) {
        if (plan->chunked) {
            at = h1_put(at, SLICE("Transfer-Encoding: chunked\r\n"));
        } else if (head->has_content_length || plan->is_empty) {
            at = h1_put(at, SLICE("Content-Length: "));
            at = h1_put_number(at, plan->is_empty ? 0 : head->content_length);
            at = h1_put(at, SLICE("\r\n"));
        }
    }
    if (plan->is_upgrade)
        at = h1_put(at, SLICE("Connection: Upgrade\r\nUpgrade: websocket\r\n"));
    else if (plan->closes)
        at = h1_put(at, SLICE("Connection: close\r\n"));
    else if (plan->says_keep_alive)
        at = h1_put(at, SLICE("Connection: keep-alive\r\n"));
    return h1_put(at, SLICE("\r\n"));
}

void rewrite_response(struct buffer *into, const struct head *head, const struct response_plan *plan,
                      uint64_t wall_us)
{
    size_t room = head->size + BINDING_ROOM + 256;
    char *start = buffer_reserve(into, room), *at = put_status_line(start, head);
    bool has_date = head->status < 200;

    for (unsigned i = 0; i < head->field_count; i++) {
        const struct field *field = &head->fields[i];
        if (response_drops[field->known] || field->named_by_connection)
            continue;
        has_date = has_date || field->known == FIELD_DATE;
        at = h1_put_field(at, field->name, field->value);
    }
    if (!has_date)
        at = h1_put_field(at, SLICE("Date"), http_date(wall_us));
    at = put_framing(at, head, plan);
    CHECK((size_t)(at - start) <= room);
    buffer_commit(into, (size_t)(at - start));
}

unsigned rewrite_response_fields(struct h2_field *into, char length[H2_LENGTH_MAX], const struct head *head,
                                 uint64_t wall_us)
{
    bool has_date = head->status < 200;
    unsigned fields = 0;

    for (unsigned i = 0; i < head->field_count; i++) {
        const struct field *field = &head->fields[i];
        if (response_drops[field->known] || field->named_by_connection)
            continue;
        has_date = has_date || field->known == FIELD_DATE;
        into[fields++] = (struct h2_field){.name = field->name, .value = field->value};
    }
    if (!has_date)
        into[fields++] = (struct h2_field){.name = SLICE("date"), .value = http_date(wall_us)};
    if (head->has_content_length && head->status >= 200 && head->status != 204)
        into[fields++] = (struct h2_field){
            .name = SLICE("content-length"),
            .value = {length, (size_t)(h1_put_number(length, head->content_length) - length)}};
    return fields;
}

void rewrite_trailers(struct buffer *into, struct slice trailers)
{
    struct slice name, value;

    while (h1_trailer_next(&trailers, &name, &value)) {
        char *start = buffer_reserve(into, name.size + value.size + 4);
        buffer_commit(into, (size_t)(h1_put_field(start, name, value) - start));
    }
}
