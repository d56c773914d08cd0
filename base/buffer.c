/* SPDX-License-Identifier: MIT
 *
 * A buffer: one borrowed block with bytes in its middle. Its thread is the one that took the block. */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/check.h"
#include "base/mem.h"

#define FEW   8       /* bytes are few in a block when they fill less than an eighth of it */
#define LARGE 262144u /* blocks above this have the exact size, so they grow by halves to stay cheap */

static void move_to(struct buffer *buffer, size_t room)
{
    uint32_t capacity, size = (uint32_t)buffer_size(buffer);
    char *block = block_take(room, &capacity);

    if (size > 0)
        memcpy(block, buffer_bytes(buffer), size);
    block_give(buffer->block, buffer->capacity);
    *buffer = (struct buffer){.block = block, .capacity = capacity, .end = size};
}

char *buffer_reserve(struct buffer *buffer, size_t room)
{
    size_t size = buffer_size(buffer);

    if (buffer->block && buffer->capacity - buffer->end >= room)
        return buffer->block + buffer->end;
    if (buffer->block && size + room <= buffer->capacity) {
        memmove(buffer->block, buffer_bytes(buffer), size);
        buffer->begin = 0;
        buffer->end = (uint32_t)size;
    } else {
        size_t least = buffer->capacity >= LARGE ? buffer->capacity / 2u * 3u : 0;
        move_to(buffer, size + room > least ? size + room : least);
    }
    return buffer->block + buffer->end;
}

void buffer_commit(struct buffer *buffer, size_t size)
{
    CHECK(size <= buffer_room(buffer));
    buffer->end += (uint32_t)size;
}

void buffer_consume(struct buffer *buffer, size_t size)
{
    CHECK(size <= buffer_size(buffer));
    buffer->begin += (uint32_t)size;
    if (buffer->begin == buffer->end)
        buffer_release(buffer);
}

void buffer_append(struct buffer *buffer, const void *bytes, size_t size)
{
    if (size == 0)
        return;
    memcpy(buffer_reserve(buffer, size), bytes, size);
    buffer->end += (uint32_t)size;
}

void buffer_print(struct buffer *buffer, const char *format, ...)
{
    va_list arguments, again;

    va_start(arguments, format);
    va_copy(again, arguments);
    char *at = buffer_reserve(buffer, 128);
    int size = vsnprintf(at, buffer_room(buffer), format, arguments);
    CHECK(size >= 0);
    if ((size_t)size >= buffer_room(buffer)) {
        at = buffer_reserve(buffer, (size_t)size + 1);
        CHECK(vsnprintf(at, buffer_room(buffer), format, again) == size);
    }
    buffer->end += (uint32_t)size;
    va_end(again);
    va_end(arguments);
}

void buffer_settle(struct buffer *buffer)
{
    size_t size = buffer_size(buffer);

    if (size == 0)
        buffer_release(buffer);
    else if (buffer->capacity > 1024 && size <= buffer->capacity / FEW)
        move_to(buffer, size);
}

void buffer_fit(struct buffer *buffer)
{
    if (buffer_size(buffer) == 0)
        buffer_release(buffer);
    else if (buffer_size(buffer) <= buffer->capacity / 2)
        move_to(buffer, buffer_size(buffer));
}

void buffer_release(struct buffer *buffer)
{
    block_give(buffer->block, buffer->capacity);
    *buffer = (struct buffer){0};
}
