/* SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include <string.h>

#include "tests/unit/unit.h"

START_TEST(blocks_have_six_sizes_and_above_them_the_exact_one)
{
    static const struct {
        size_t room;
        uint32_t capacity;
    } cases[] = {{1, 1024},        {1025, 2048},     {2049, 4096},      {4096, 4096},
                 {4097, 8192},     {8193, 16384},    {16385, 65536},    {65537, 262144},
                 {262144, 262144}, {262145, 262145}, {1000000, 1000000}};

    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        uint32_t capacity = 0;
        char *block = block_take(cases[i].room, &capacity);
        ck_assert_uint_eq(capacity, cases[i].capacity);
        memset(block, 1, capacity);
        block_give(block, capacity);
    }
    block_give(NULL, 0);
    blocks_fini();
}
END_TEST

START_TEST(blocks_are_scarce_while_a_crowd_holds_large_ones)
{
    enum { COUNT = 64 };
    void *large[COUNT], *modest[COUNT * 16];
    uint32_t capacity = 0;

    for (unsigned i = 0; i < COUNT * 16; i++)
        modest[i] = block_take(BLOCK_MODEST, &capacity);
    ck_assert(!blocks_are_scarce());
    for (unsigned i = 0; i < COUNT * 16; i++)
        block_give(modest[i], capacity);
    for (unsigned i = 0; i < COUNT; i++)
        large[i] = block_take(65536, &capacity);
    ck_assert(!blocks_are_scarce());
    void *one_more = block_take(BLOCK_MODEST + 1, &capacity);
    ck_assert(blocks_are_scarce());
    block_give(one_more, capacity);
    ck_assert(!blocks_are_scarce());
    for (unsigned i = 0; i < COUNT; i++)
        block_give(large[i], 65536);
    blocks_fini();
}
END_TEST

#if !defined(__SANITIZE_ADDRESS__)
START_TEST(a_given_back_block_is_the_next_taken)
{
    uint32_t capacity;
    void *first = block_take(100, &capacity), *second = block_take(100, &capacity);

    block_give(first, capacity);
    block_give(second, capacity);
    ck_assert_ptr_eq(block_take(1000, &capacity), second);
    ck_assert_ptr_eq(block_take(1000, &capacity), first);
    block_give(first, capacity);
    block_give(second, capacity);
    blocks_fini();
}
END_TEST
#else /* nothing is kept under AddressSanitizer, so that misuse shows */
START_TEST(a_given_back_block_is_the_next_taken)
{
    uint32_t capacity;
    void *block = block_take(100, &capacity);

    ck_assert_uint_eq(capacity, 1024);
    block_give(block, capacity);
}
END_TEST
#endif

START_TEST(more_blocks_than_the_bound_are_not_kept)
{
    enum { COUNT = 700 };
    void *blocks[COUNT];
    uint32_t capacity = 0;

    for (unsigned i = 0; i < COUNT; i++)
        blocks[i] = block_take(1, &capacity);
    for (unsigned i = 0; i < COUNT; i++)
        block_give(blocks[i], capacity);
    blocks_fini();
    blocks_fini();
}
END_TEST

START_TEST(slab_objects_are_zeroed_apart_and_counted)
{
    enum { COUNT = 1000, SIZE = 100 };
    struct slab slab;
    unsigned char *objects[COUNT];

    slab_init(&slab, SIZE);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < COUNT; i++) {
            objects[i] = slab_take(&slab);
            ck_assert_uint_eq((uintptr_t)objects[i] % 16, 0);
            for (unsigned byte = 0; byte < SIZE; byte++)
                ck_assert_uint_eq(objects[i][byte], 0);
            memset(objects[i], (int)(i & 255), SIZE);
        }
        ck_assert_uint_eq(slab.in_use, COUNT);
        for (unsigned i = 0; i < COUNT; i++) {
            ck_assert_uint_eq(objects[i][0], i & 255);
            ck_assert_uint_eq(objects[i][SIZE - 1], i & 255);
            slab_give(&slab, objects[i]);
        }
        ck_assert_uint_eq(slab.in_use, 0);
    }
    slab_fini(&slab);
}
END_TEST

START_TEST(a_slab_that_ends_frees_what_was_not_given_back)
{
    struct slab slab;

    slab_init(&slab, 300000);
    void *first = slab_take(&slab);
    slab_take(&slab);
    slab_take(&slab);
    slab_give(&slab, first);
    slab_fini(&slab);
    ck_assert_ptr_nonnull(slab_take(&slab)); /* and can be used again */
    slab_fini(&slab);
}
END_TEST

START_TEST(texts_are_copied_and_printed)
{
    char *text = mem_print("%s.%d", "web", 3);

    ck_assert_str_eq(text, "web.3");
    mem_free(text);
    ck_assert_ptr_null(mem_dup(NULL));
    text = mem_dup("x");
    text = mem_resize(text, 100);
    ck_assert_str_eq(text, "x");
    mem_free(text);
    mem_free(NULL);
}
END_TEST

UNIT_MAIN("base/mem", blocks_have_six_sizes_and_above_them_the_exact_one,
          blocks_are_scarce_while_a_crowd_holds_large_ones, a_given_back_block_is_the_next_taken,
          more_blocks_than_the_bound_are_not_kept, slab_objects_are_zeroed_apart_and_counted,
          a_slab_that_ends_frees_what_was_not_given_back, texts_are_copied_and_printed)
