/* SPDX-License-Identifier: MIT
 *
 * Bytes that wait to go somewhere. A buffer holds memory only while it holds bytes: its block is borrowed
 * from the thread's blocks (mem.h) and given back when the last byte leaves. Zero-initialised is empty and
 * valid. */
#ifndef DROVER_BASE_BUFFER_H
#define DROVER_BASE_BUFFER_H

#include "base/str.h"

struct buffer {
    char *block;
    uint32_t capacity;
    uint32_t begin, end; /* the bytes are block[begin, end) */
};

static inline size_t buffer_size(const struct buffer *buffer)
{
    return buffer->end - buffer->begin;
}

static inline char *buffer_bytes(const struct buffer *buffer)
{
    return buffer->block + buffer->begin;
}

static inline struct slice buffer_slice(const struct buffer *buffer)
{
    return (struct slice){buffer->block ? buffer_bytes(buffer) : "", buffer_size(buffer)};
}

/* Room for `room` more bytes after the end, moving or growing the block when needed. The bytes may move. */
char *buffer_reserve(struct buffer *buffer, size_t room);
static inline size_t buffer_room(const struct buffer *buffer)
{
    return buffer->capacity - buffer->end;
}
void buffer_commit(struct buffer *buffer, size_t size);  /* `size` bytes were written at the reserved place */
void buffer_consume(struct buffer *buffer, size_t size); /* from the front; gives the block back when empty */
void buffer_append(struct buffer *buffer, const void *bytes, size_t size);
void buffer_print(struct buffer *buffer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* At the end of a callback: few bytes in a large block move to a small one; an empty buffer gives its block
 * back. */
void buffer_settle(struct buffer *buffer);
/* It will stay as it is for long: to the smallest block that holds it. */
void buffer_fit(struct buffer *buffer);
void buffer_release(struct buffer *buffer); /* drops everything */

#endif
