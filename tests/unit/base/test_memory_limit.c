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

static void begin(const char *cgroup)
{
    str_format(root, sizeof root, "/tmp/drover-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    put("/proc/meminfo", "MemTotal:        4194304 kB\nMemFree: 1 kB\n");
    put("/proc/self/cgroup", cgroup);
}

static void ends_with(uint64_t wanted)
{
    uint64_t limit = memory_limit_under(root);
    char *command = mem_print("rm -r %s", root);

    ck_assert_int_eq(system(command), 0);
    mem_free(command);
    ck_assert_uint_eq(limit, wanted);
}

#define GIB (1ull << 30)

START_TEST(the_machine_is_the_limit_when_no_cgroup_is)
{
    begin("0::/\n");
    ends_with(4 * GIB);
    begin("");
    ends_with(4 * GIB);
}
END_TEST

START_TEST(the_least_limit_along_the_chain_counts)
{
    begin("0::/a/b/c\n");
    put("/sys/fs/cgroup/a/b/c/memory.max", "max\n");
    put("/sys/fs/cgroup/a/b/memory.max", "2147483648\n");
    put("/sys/fs/cgroup/a/memory.max", "3221225472\n");
    ends_with(2 * GIB);
}
END_TEST

START_TEST(a_container_sees_its_limit_at_the_mounts_root)
{
    begin("4:cpu:/docker/12\n3:hugetlb,memory:/docker/12\n");
    put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n");
    ends_with(GIB);
    begin("0::/\n");
    put("/sys/fs/cgroup/memory.max", "1073741824\n");
    ends_with(GIB);
}
END_TEST

START_TEST(version_ones_word_for_no_limit_is_none)
{
    begin("3:memory:/x\n");
    put("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "9223372036854771712\n");
    ends_with(4 * GIB);
}
END_TEST

START_TEST(this_machine_has_memory)
{
    ck_assert_uint_gt(memory_limit(), 1u << 20);
    ck_assert_uint_eq(memory_limit_under("/nowhere"), UINT64_MAX);
}
END_TEST

UNIT_MAIN("base/memory_limit", the_machine_is_the_limit_when_no_cgroup_is,
          the_least_limit_along_the_chain_counts, a_container_sees_its_limit_at_the_mounts_root,
          version_ones_word_for_no_limit_is_none, this_machine_has_memory)
