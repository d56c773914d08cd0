/* SPDX-License-Identifier: MIT
 *
 * What the parts of the HTTP/1 reader share: h1_read.c walks over the lines, h1_request.c and h1_response.c
 * judge them, h1_framing.c says what follows. Internal to http/. */
#ifndef DROVER_HTTP_H1_READ_H
#define DROVER_HTTP_H1_READ_H

#include "http/h1.h"
#include "http/h1_scan.h"

/* One reading of one head, on the stack of h1_read_request or h1_read_response. */
struct h1_reader {
    struct h1_scan scan;
    struct head *head;
    const struct h1_limits *limits;
    struct h1_error *error;
    size_t at;        /* where the next line starts */
    unsigned lines;   /* fields so far, with those left out */
    uint64_t present; /* bit n: a field with `known` n was there */
    bool response;
    struct slice authority; /* of an absolute-form target */
    unsigned default_port;  /* of its scheme */
};

static inline bool h1_reader_has(const struct h1_reader *reader, enum field_name name)
{
    return (reader->present >> name & 1) != 0;
}

/* Sets the error; a response's status is 502 whatever is given. */
enum h1_verdict h1_reader_refuse(struct h1_reader *reader, unsigned status, const char *why);
/* Where the line that `from` lies in ends: *end is its CR. H1_MORE when that is not there yet. */
enum h1_verdict h1_reader_line_end(struct h1_reader *reader, size_t from, size_t *end);
/* The field lines and the empty line after them, into head->fields. */
enum h1_verdict h1_reader_fields(struct h1_reader *reader);

enum h1_verdict h1_request_line(struct h1_reader *reader);
enum h1_verdict h1_request_finish(struct h1_reader *reader);
enum h1_verdict h1_status_line(struct h1_reader *reader);
enum h1_verdict h1_response_finish(struct h1_reader *reader, enum method method);

/* Content-Length and Transfer-Encoding: sets framing, content_length and has_content_length; FRAMING_NONE
 * when there is neither. */
enum h1_verdict h1_framing(struct h1_reader *reader);
/* Connection's options: keep_alive, named_by_connection; *upgrade when it names Upgrade. */
enum h1_verdict h1_connection(struct h1_reader *reader, bool *upgrade);

#endif
