/* SPDX-License-Identifier: MIT
 *
 * Memory. Exhaustion aborts: nothing above these functions tests for NULL. */
#ifndef DROVER_BASE_MEM_H
#define DROVER_BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void *mem_alloc(size_t size); /* uninitialised */
void *mem_zero(size_t size);  /* zeroed */
void *mem_resize(void *memory, size_t size);
char *mem_dup(const char *text);                                                /* NULL gives NULL */
void mem_free(void *memory);                                                    /* NULL is fine */
char *mem_print(const char *format, ...) __attribute__((format(printf, 1, 2))); /* caller frees */

/* Blocks for buffers: sizes are rounded up to a class (1, 2, 4, 8, 16, 64, 256 KiB, else exact). Given-back blocks
 * are kept per thread, newest first (still in cache), up to a bound per class. A block is given back on the
 * thread that took it. */
void *block_take(size_t room, uint32_t *capacity);
void block_give(void *block, uint32_t capacity);
/* So much is held in blocks above BLOCK_MODEST that it must be a crowd of peers who do not keep pace: whoever
 * could hold more for the sake of speed should now hold no more than that. Of this thread. */
#define BLOCK_MODEST ((size_t)8 << 10)
bool blocks_are_scarce(void);
void blocks_fini(void); /* frees what this thread keeps; at the end of the thread */

/* Objects of one size, allocated many at a time and reused newest first. One thread only. */
struct slab {
    size_t size; /* of one object */
    void *spare; /* first of the unused */
    void *pages; /* all memory, for slab_fini */
    size_t in_use;
};
void slab_init(struct slab *slab, size_t object_size);
void *slab_take(struct slab *slab); /* zeroed */
void slab_give(struct slab *slab, void *object);
void slab_fini(struct slab *slab);

#endif
