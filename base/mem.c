/* SPDX-License-Identifier: MIT
 *
 * Memory: the allocator with its one answer to exhaustion, the blocks that buffers borrow (kept per thread)
 * and slabs (one owner thread each). Under AddressSanitizer nothing is kept: every object is an allocation
 * of its own, so that each use after it was given back is found. */
#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

#if defined(__SANITIZE_ADDRESS__)
#define KEEPS_MEMORY 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEEPS_MEMORY 0
#endif
#endif
#ifndef KEEPS_MEMORY
#define KEEPS_MEMORY 1
#endif

static void *or_die(void *memory)
{
    if (__builtin_expect(!memory, 0))
        check_failed(__FILE__, __LINE__, "out of memory");
    return memory;
}

void *mem_alloc(size_t size)
{
    return or_die(malloc(size ? size : 1));
}

void *mem_zero(size_t size)
{
    return or_die(calloc(1, size ? size : 1));
}

void *mem_resize(void *memory, size_t size)
{
    return or_die(realloc(memory, size ? size : 1));
}

char *mem_dup(const char *text)
{
    return text ? or_die(strdup(text)) : NULL;
}

void mem_free(void *memory)
{
    free(memory);
}

char *mem_print(const char *format, ...)
{
    va_list arguments;
    char *text = NULL;

    va_start(arguments, format);
    int size = vasprintf(&text, format, arguments);
    va_end(arguments);
    return or_die(size < 0 ? NULL : text);
}

/* The sizes of blocks and how many of each a thread keeps: at most 1 MiB a class. */
static const struct {
    uint32_t capacity;
    unsigned most;
} classes[] = {{1 << 10, 1024}, {2 << 10, 512}, {4 << 10, 256}, {8 << 10, 128},
               {16 << 10, 64},  {64 << 10, 16}, {256 << 10, 4}};

#define CLASSES (sizeof classes / sizeof classes[0])

static _Thread_local struct {
    void *newest; /* the first word of a kept block points to the next */
    unsigned count;
} kept[CLASSES];

#define AMPLE ((size_t)4 << 20) /* lent out in blocks above BLOCK_MODEST */

static _Thread_local size_t lent;

bool blocks_are_scarce(void)
{
    return lent > AMPLE;
}

static unsigned class_for(size_t room)
{
    unsigned kind = 0;

    while (kind < CLASSES && classes[kind].capacity < room)
        kind++;
    return kind;
}

void *block_take(size_t room, uint32_t *capacity)
{
    unsigned kind = class_for(room);

    CHECK(room <= UINT32_MAX);
    *capacity = kind == CLASSES ? (uint32_t)room : classes[kind].capacity;
    if (*capacity > BLOCK_MODEST)
        lent += *capacity;
    if (kind == CLASSES)
        return mem_alloc(room);
    void *block = kept[kind].newest;
    if (!block)
        return mem_alloc(classes[kind].capacity);
    memcpy(&kept[kind].newest, block, sizeof(void *));
    kept[kind].count--;
    return block;
}

void block_give(void *block, uint32_t capacity)
{
    unsigned kind = class_for(capacity);

    if (!block)
        return;
    if (capacity > BLOCK_MODEST)
        lent -= capacity;
    if (!KEEPS_MEMORY || kind == CLASSES || classes[kind].capacity != capacity ||
        kept[kind].count == classes[kind].most || (capacity > BLOCK_MODEST && blocks_are_scarce())) {
        free(block);
        return;
    }
    memcpy(block, &kept[kind].newest, sizeof(void *));
    kept[kind].newest = block;
    kept[kind].count++;
}

void blocks_fini(void)
{
    for (unsigned kind = 0; kind < CLASSES; kind++) {
        while (kept[kind].newest) {
            void *block = kept[kind].newest;
            memcpy(&kept[kind].newest, block, sizeof(void *));
            free(block);
        }
        kept[kind].count = 0;
    }
}

#if KEEPS_MEMORY

#define SLAB_PAGE  ((size_t)64 << 10)
#define SLAB_LEAST 8 /* objects in a page, however large they are */
#define SLAB_ALIGN 16

void slab_init(struct slab *slab, size_t object_size)
{
    CHECK(object_size > 0);
    *slab = (struct slab){.size = (object_size + SLAB_ALIGN - 1) / SLAB_ALIGN * SLAB_ALIGN};
}

static void push_spare(struct slab *slab, void *object)
{
    memcpy(object, &slab->spare, sizeof(void *));
    slab->spare = object;
}

/* One more page: its first bytes chain the pages, objects follow. */
static void add_page(struct slab *slab)
{
    size_t objects = (SLAB_PAGE - SLAB_ALIGN) / slab->size;

    if (objects < SLAB_LEAST)
        objects = SLAB_LEAST;
    char *page = mem_alloc(SLAB_ALIGN + objects * slab->size);
    memcpy(page, &slab->pages, sizeof slab->pages);
    slab->pages = page;
    for (size_t i = objects; i > 0; i--) /* so that the first in memory is the first to be taken */
        push_spare(slab, page + SLAB_ALIGN + (i - 1) * slab->size);
}

void *slab_take(struct slab *slab)
{
    if (!slab->spare)
        add_page(slab);
    void *object = slab->spare;
    memcpy(&slab->spare, object, sizeof(void *));
    slab->in_use++;
    return memset(object, 0, slab->size);
}

void slab_give(struct slab *slab, void *object)
{
    CHECK(slab->in_use > 0);
    slab->in_use--;
    push_spare(slab, object);
}

void slab_fini(struct slab *slab)
{
    while (slab->pages) {
        void *page = slab->pages;
        memcpy(&slab->pages, page, sizeof(void *));
        free(page);
    }
    *slab = (struct slab){.size = slab->size};
}

#else

/* An object of its own under AddressSanitizer, chained so that slab_fini frees what was never given back. */
struct piece {
    struct piece *next, *previous;
    _Alignas(16) char object[];
};

void slab_init(struct slab *slab, size_t object_size)
{
    CHECK(object_size > 0);
    *slab = (struct slab){.size = object_size};
}

void *slab_take(struct slab *slab)
{
    struct piece *piece = mem_zero(sizeof *piece + slab->size);

    piece->next = slab->pages;
    if (piece->next)
        piece->next->previous = piece;
    slab->pages = piece;
    slab->in_use++;
    return piece->object;
}

void slab_give(struct slab *slab, void *object)
{
    struct piece *piece = container_of(object, struct piece, object);

    CHECK(slab->in_use > 0);
    slab->in_use--;
    if (piece->next)
        piece->next->previous = piece->previous;
    if (piece->previous)
        piece->previous->next = piece->next;
    else
        slab->pages = piece->next;
    free(piece);
}

void slab_fini(struct slab *slab)
{
    while (slab->pages) {
        struct piece *piece = slab->pages;
        slab->pages = piece->next;
        free(piece);
    }
    *slab = (struct slab){.size = slab->size};
}

#endif
