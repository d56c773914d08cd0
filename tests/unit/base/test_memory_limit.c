/* SPDX-License-Identifier: MIT */
#include "base/memory_limit.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "tests/unit/unit.h"

static char root[64];

/* A file below the root, its directories made. */
static void put(const char *path, const char *text)
{
    char *full = mem_print("%s%s", root, path);

    for (char *slash = strchr(full + strlen(root) + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "we");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
    mem_free(full);
}

#define V2_AT_ROOT "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"
#define V1_AT_ROOT "31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
#define GIB        (1ull << 30)
#define MIB        (1ull << 20)

/* 4 GiB, 3 of them to be had. */
static void begin(const char *cgroup, const char *mounts)
{
    str_format(root, sizeof root, "/tmp/drover-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    put("/proc/meminfo", "MemTotal:        4194304 kB\nMemFree: 1 kB\nMemAvailable:    3145728 kB\n");
    put("/proc/self/cgroup", cgroup);
    put("/proc/self/mountinfo", mounts);
}

static struct memory_state state;

static void read_and_end(void)
{
    char *command = mem_print("rm -r %s", root);

    memory_read_below(&state, root);
    ck_assert_int_eq(system(command), 0);
    mem_free(command);
}

static uint64_t kills_and_end(void)
{
    char *command = mem_print("rm -r %s", root);
    uint64_t count = 0;
    bool is_known = memory_kills_below(root, &count);

    ck_assert_int_eq(system(command), 0);
    mem_free(command);
    return is_known ? count : UINT64_MAX;
}

static void ends_with(uint64_t wanted)
{
    read_and_end();
    ck_assert_uint_eq(state.least.limit, wanted);
}

START_TEST(the_machine_is_the_limit_when_no_cgroup_is)
{
    begin("0::/\n", V2_AT_ROOT);
    ends_with(4 * GIB);
    ck_assert_uint_eq(memory_left(&state), 3 * GIB);
    begin("", "");
    ends_with(4 * GIB);
    ck_assert_str_eq(state.least.from + strlen(root), "/proc/meminfo");
}
END_TEST

START_TEST(the_least_limit_along_the_chain_counts)
{
    begin("0::/a/b/c\n", V2_AT_ROOT);
    put("/sys/fs/cgroup/a/b/c/memory.max", "max\n");
    put("/sys/fs/cgroup/a/b/memory.max", "2147483648\n");
    put("/sys/fs/cgroup/a/memory.max", "3221225472\n");
    ends_with(2 * GIB);
    ck_assert_str_eq(state.least.from + strlen(root), "/sys/fs/cgroup/a/b/memory.max");
}
END_TEST

START_TEST(what_makes_processes_wait_is_a_limit_too)
{
    begin("0::/a\n", V2_AT_ROOT);
    put("/sys/fs/cgroup/a/memory.max", "2147483648\n");
    put("/sys/fs/cgroup/a/memory.high", "1073741824\n");
    ends_with(GIB);
}
END_TEST

START_TEST(a_container_sees_its_limit_at_the_mounts_root)
{
    begin("4:cpu:/docker/12\n3:hugetlb,memory:/docker/12\n",
          "31 24 0:27 /docker/12 /sys/fs/cgroup/memory ro - cgroup cgroup rw,hugetlb,memory\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n");
    ends_with(GIB);
    begin("0::/\n", V2_AT_ROOT);
    put("/sys/fs/cgroup/memory.max", "1073741824\n");
    ends_with(GIB);
}
END_TEST

START_TEST(a_place_that_only_begins_like_the_mounts_is_not_below_it)
{
    begin("0::/docker/123\n", "30 24 0:26 /docker/12 /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    put("/sys/fs/cgroup/memory.max", "1073741824\n");
    put("/sys/fs/cgroup3/memory.max", "1048576\n");
    ends_with(GIB);
    begin("0::/../../other\n", V2_AT_ROOT); /* outside our namespace */
    put("/sys/fs/cgroup/memory.max", "1073741824\n");
    put("/sys/fs/cgroup/other/memory.max", "1048576\n");
    ends_with(GIB);
}
END_TEST

START_TEST(hybrid_version_ones_memory_counts_beside_an_empty_version_two)
{
    begin("5:memory:/box\n0::/\n",
          "29 24 0:25 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n" V1_AT_ROOT);
    put("/sys/fs/cgroup/unified/cgroup.procs", "1\n");
    put("/sys/fs/cgroup/memory/box/memory.limit_in_bytes", "536870912\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    ends_with(GIB / 2);
}
END_TEST

START_TEST(version_ones_word_for_no_limit_is_none)
{
    begin("3:memory:/x\n", V1_AT_ROOT);
    put("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n");
    ends_with(4 * GIB);
}
END_TEST

START_TEST(page_cache_that_nobody_has_mapped_is_not_in_use)
{
    begin("0::/a\n", V2_AT_ROOT);
    put("/sys/fs/cgroup/a/memory.max", "1073741824\n");
    put("/sys/fs/cgroup/a/memory.current", "943718400\n"); /* 900 MiB */
    put("/sys/fs/cgroup/a/memory.stat",
        "anon 1\nfile 629145600\nfile_mapped 104857600\ninactive_file 314572800\n"
        "active_file 209715200\nslab_reclaimable 52428800\n");
    read_and_end();
    ck_assert_uint_eq(memory_left(&state), (1024 - 900 + 300 + 200 - 100 + 50) * MIB);

    begin("3:memory:/x\n", V1_AT_ROOT);
    put("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "1073741824\n");
    put("/sys/fs/cgroup/memory/x/memory.usage_in_bytes", "943718400\n");
    put("/sys/fs/cgroup/memory/x/memory.stat",
        "inactive_file 1\nactive_file 2\ntotal_mapped_file 0\n"
        "total_inactive_file 314572800\ntotal_active_file 209715200\n");
    read_and_end();
    ck_assert_uint_eq(memory_left(&state), (1024 - 900 + 300 + 200) * MIB);
}
END_TEST

START_TEST(what_is_left_is_least_where_it_is_tight_not_where_the_limit_is_small)
{
    begin("0::/a/b\n", V2_AT_ROOT);
    put("/sys/fs/cgroup/a/memory.max", "2147483648\n");
    put("/sys/fs/cgroup/a/memory.current", "2042626048\n"); /* 100 MiB less */
    put("/sys/fs/cgroup/a/b/memory.max", "1073741824\n");
    put("/sys/fs/cgroup/a/b/memory.current", "10485760\n");
    read_and_end();
    ck_assert_uint_eq(state.least.limit, GIB);
    ck_assert_uint_eq(memory_left(&state), 100 * MIB);
    ck_assert_str_eq(state.tight.from + strlen(root), "/sys/fs/cgroup/a/memory.max");
}
END_TEST

START_TEST(more_in_use_than_the_limit_leaves_nothing)
{
    begin("0::/a\n", V2_AT_ROOT);
    put("/sys/fs/cgroup/a/memory.high", "1048576\n");
    put("/sys/fs/cgroup/a/memory.current", "2097152\n");
    read_and_end();
    ck_assert_uint_eq(memory_left(&state), 0);
}
END_TEST

START_TEST(the_kernels_kills_are_those_of_our_own_cgroup)
{
    begin("0::/a/b\n", V2_AT_ROOT);
    put("/sys/fs/cgroup/a/memory.events", "oom_kill 9\n");
    put("/sys/fs/cgroup/a/b/memory.events", "low 0\nhigh 0\nmax 7\noom 3\noom_kill 2\noom_group_kill 5\n");
    ck_assert_uint_eq(kills_and_end(), 2);
    begin("3:memory:/x\n0::/\n", V1_AT_ROOT V2_AT_ROOT);
    put("/sys/fs/cgroup/memory/x/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 4\n");
    ck_assert_uint_eq(kills_and_end(), 4);
}
END_TEST

START_TEST(where_the_cgroup_does_not_tell_of_kills_the_machine_does)
{
    begin("0::/\n", V2_AT_ROOT);
    put("/proc/vmstat", "nr_free_pages 1\noom_kill 6\nx 1\n");
    ck_assert_uint_eq(kills_and_end(), 6);
    begin("0::/\n", V2_AT_ROOT);
    ck_assert_uint_eq(kills_and_end(), UINT64_MAX);
}
END_TEST

static const char *text_of(uint64_t bytes)
{
    static char text[MEMORY_TEXT];

    memory_text(text, bytes);
    return text;
}

START_TEST(sizes_are_told_as_people_write_them)
{
    ck_assert_str_eq(text_of(0), "0k");
    ck_assert_str_eq(text_of(150 * MIB), "150m");
    ck_assert_str_eq(text_of(1023 * MIB + MIB / 3), "1023m");
    ck_assert_str_eq(text_of(GIB * 3 / 2), "1.5g");
    ck_assert_str_eq(text_of(300 * GIB), "300g");
    ck_assert_str_eq(text_of(5000 * 1024 * GIB), "5000t");
    ck_assert_str_eq(text_of(UINT64_MAX), "no limit");
}
END_TEST

START_TEST(this_machine_has_memory)
{
    uint64_t count;

    ck_assert_uint_gt(memory_limit(), 1u << 20);
    memory_read(&state);
    ck_assert_uint_gt(memory_left(&state), 0);
    ck_assert_uint_le(memory_left(&state), state.tight.limit);
    ck_assert(memory_kills(&count));
    memory_read_below(&state, "/nowhere");
    ck_assert_uint_eq(state.least.limit, UINT64_MAX);
    ck_assert_uint_eq(memory_left(&state), UINT64_MAX);
}
END_TEST

UNIT_MAIN("base/memory_limit", the_machine_is_the_limit_when_no_cgroup_is,
          the_least_limit_along_the_chain_counts, what_makes_processes_wait_is_a_limit_too,
          a_container_sees_its_limit_at_the_mounts_root,
          a_place_that_only_begins_like_the_mounts_is_not_below_it,
          hybrid_version_ones_memory_counts_beside_an_empty_version_two,
          version_ones_word_for_no_limit_is_none, page_cache_that_nobody_has_mapped_is_not_in_use,
          what_is_left_is_least_where_it_is_tight_not_where_the_limit_is_small,
          more_in_use_than_the_limit_leaves_nothing, the_kernels_kills_are_those_of_our_own_cgroup,
          where_the_cgroup_does_not_tell_of_kills_the_machine_does, sizes_are_told_as_people_write_them,
          this_machine_has_memory)
