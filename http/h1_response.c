/* SPDX-License-Identifier: MIT
 *
 * What makes a response's head good beyond its lines: the status line, and which responses have a body (RFC
 * 9112 section 6.3). Pure, any thread. */
#include "http/h1_read.h"

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

/* "HTTP/1.1 200" [ " " reason ]. The space before an empty reason is missed out by many. */
enum h1_verdict h1_status_line(struct h1_reader *reader)
{
    const char *text = reader->scan.text;
    struct head *head = reader->head;
    size_t end;
    enum h1_verdict verdict = h1_reader_line_end(reader, 0, &end);

    if (verdict != H1_DONE)
        return verdict;
    if (end < 12 || memcmp(text, "HTTP/1.", 7) != 0 || !is_digit(text[7]) || text[8] != ' ')
        return h1_reader_refuse(reader, 502, "a response without an HTTP/1 status line");
    if (!is_digit(text[9]) || text[9] == '0' || !is_digit(text[10]) || !is_digit(text[11]) ||
        (end > 12 && text[12] != ' '))
        return h1_reader_refuse(reader, 502, "a status that is not three digits from 100");
    head->minor = (unsigned)(text[7] - '0');
    head->status =
        (unsigned)(text[9] - '0') * 100 + (unsigned)(text[10] - '0') * 10 + (unsigned)(text[11] - '0');
    head->reason = (struct slice){text + (end > 12 ? 13 : 12), end > 12 ? end - 13 : 0};
    reader->at = end + 2;
    return H1_DONE;
}

enum h1_verdict h1_response_finish(struct h1_reader *reader, enum method method)
{
    struct head *head = reader->head;
    bool upgrade;

    head->method = method;
    head->has_host = head->expects_continue = head->upgrades_to_websocket = head->has_trailer_te = false;
    if (h1_framing(reader) != H1_DONE || h1_connection(reader, &upgrade) != H1_DONE)
        return H1_BAD;
    const bool bare = head->status < 200 || head->status == 204;
    if (bare && (head->framing == FRAMING_CHUNKED || head->content_length > 0))
        head->keep_alive = false; /* it may send the body that must not be there */
    if (bare)
        head->has_content_length = false, head->content_length = 0;
    if (bare || method == METHOD_HEAD || head->status == 304) {
        head->framing = FRAMING_NONE;
    } else if (head->framing == FRAMING_NONE) {
        head->framing = FRAMING_UNTIL_CLOSE;
        head->keep_alive = false;
    }
    return H1_DONE;
}
