/* SPDX-License-Identifier: MIT */
#include "base/buffer.h"

#include <stdlib.h>

#include "base/mem.h"
#include "tests/unit/unit.h"

START_TEST(an_empty_buffer_holds_no_memory)
{
    struct buffer buffer = {0};

    ck_assert_uint_eq(buffer_size(&buffer), 0);
    ck_assert_uint_eq(buffer_slice(&buffer).size, 0);
    buffer_append(&buffer, "abc", 3);
    ck_assert_ptr_nonnull(buffer.block);
    buffer_consume(&buffer, 3);
    ck_assert_ptr_null(buffer.block);
    buffer_reserve(&buffer, 10);
    buffer_settle(&buffer);
    ck_assert_ptr_null(buffer.block);
    buffer_append(&buffer, NULL, 0);
    buffer_consume(&buffer, 0);
    buffer_release(&buffer);
    blocks_fini();
}
END_TEST

START_TEST(bytes_come_out_as_they_went_in_whatever_the_pieces)
{
    struct buffer buffer = {0};
    unsigned char in = 0, out = 0, piece[700];

    srand(7);
    for (unsigned round = 0; round < 20000; round++) {
        size_t size = (size_t)(rand() % (int)sizeof piece);
        for (size_t i = 0; i < size; i++)
            piece[i] = in++;
        buffer_append(&buffer, piece, size);
        size_t take = (size_t)(rand() % 720);
        if (take > buffer_size(&buffer))
            take = buffer_size(&buffer);
        for (size_t i = 0; i < take; i++)
            ck_assert_uint_eq((unsigned char)buffer_bytes(&buffer)[i], out++);
        buffer_consume(&buffer, take);
        if (round % 7 == 0)
            buffer_settle(&buffer);
    }
    while (buffer_size(&buffer) > 0) {
        ck_assert_uint_eq((unsigned char)*buffer_bytes(&buffer), out++);
        buffer_consume(&buffer, 1);
    }
    ck_assert_uint_eq(in, out);
    blocks_fini();
}
END_TEST

START_TEST(room_is_made_by_moving_before_growing)
{
    struct buffer buffer = {0};

    memset(buffer_reserve(&buffer, 4096), 'x', 4096);
    buffer_commit(&buffer, 4096);
    buffer_consume(&buffer, 4000);
    buffer_reserve(&buffer, 4000);
    ck_assert_uint_eq(buffer.capacity, 4096);
    ck_assert_uint_eq(buffer.begin, 0);
    ck_assert_uint_eq(buffer_size(&buffer), 96);
    buffer_reserve(&buffer, 4001);
    ck_assert_uint_eq(buffer.capacity, 8192);
    buffer_release(&buffer);
    blocks_fini();
}
END_TEST

START_TEST(few_bytes_settle_into_a_small_block)
{
    struct buffer buffer = {0};

    buffer_reserve(&buffer, 65536);
    buffer_append(&buffer, "few", 3);
    buffer_settle(&buffer);
    ck_assert_uint_eq(buffer.capacity, 1024);
    ck_assert(slice_equal(buffer_slice(&buffer), SLICE("few")));
    buffer_settle(&buffer);
    ck_assert_uint_eq(buffer.capacity, 1024);
    memset(buffer_reserve(&buffer, 65000), 'x', 65000);
    buffer_commit(&buffer, 60000);
    buffer_settle(&buffer);
    ck_assert_uint_eq(buffer.capacity, 65536);
    buffer_release(&buffer);
    blocks_fini();
}
END_TEST

START_TEST(what_stays_for_long_fits)
{
    struct buffer buffer = {0};

    memset(buffer_reserve(&buffer, 4096), 'x', 1500);
    buffer_commit(&buffer, 1500);
    buffer_consume(&buffer, 100);
    buffer_settle(&buffer);
    ck_assert_uint_eq(buffer.capacity, 4096);
    buffer_fit(&buffer);
    ck_assert_uint_eq(buffer.capacity, 2048);
    ck_assert_uint_eq(buffer_size(&buffer), 1400);
    buffer_fit(&buffer);
    ck_assert_uint_eq(buffer.capacity, 2048);
    buffer_consume(&buffer, 1400);
    buffer_reserve(&buffer, 1);
    buffer_fit(&buffer);
    ck_assert_ptr_null(buffer.block);
    blocks_fini();
}
END_TEST

START_TEST(a_large_buffer_grows_by_halves)
{
    struct buffer buffer = {0};
    unsigned growths = 0;

    for (unsigned i = 0; i < 4000; i++) {
        static const char piece[1000];
        uint32_t before = buffer.capacity;
        buffer_append(&buffer, piece, sizeof piece);
        growths += buffer.capacity != before;
    }
    ck_assert_uint_eq(buffer_size(&buffer), 4000000);
    ck_assert_uint_lt(growths, 16);
    buffer_release(&buffer);
    blocks_fini();
}
END_TEST

START_TEST(printing_makes_the_room_it_needs)
{
    struct buffer buffer = {0};
    static char name[6000];

    memset(name, 'n', sizeof name - 1);
    buffer_print(&buffer, "%d,", 12);
    buffer_print(&buffer, "%s;", name);
    ck_assert_uint_eq(buffer_size(&buffer), 3 + 6000);
    ck_assert(slice_starts(buffer_slice(&buffer), SLICE("12,nnn")));
    ck_assert_int_eq(buffer_bytes(&buffer)[6002], ';');
    buffer_release(&buffer);
    blocks_fini();
}
END_TEST

UNIT_MAIN("base/buffer", an_empty_buffer_holds_no_memory, bytes_come_out_as_they_went_in_whatever_the_pieces,
          room_is_made_by_moving_before_growing, few_bytes_settle_into_a_small_block,
          what_stays_for_long_fits, a_large_buffer_grows_by_halves, printing_makes_the_room_it_needs)
