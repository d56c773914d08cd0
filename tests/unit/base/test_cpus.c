/* SPDX-License-Identifier: MIT */
#include "base/cpus.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"
#include "tests/unit/unit.h"

static char root[64];
static char paths[32][PATH_MAX]; /* what was made, for the end */
static unsigned path_count;

static void remember(const char *path)
{
    ck_assert_uint_lt(path_count, 32);
    str_format(paths[path_count++], PATH_MAX, "%s", path);
}

static void begin(void)
{
    strcpy(root, "/tmp/drover-cpus-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(root));
    remember(root);
}

static void end(void)
{
    while (path_count > 0)
        remove(paths[--path_count]);
}

static void put(const char *name, const char *text)
{
    char path[PATH_MAX];
    size_t size = str_format(path, sizeof path, "%s%s", root, name);

    for (size_t i = strlen(root) + 1; i < size; i++) {
        if (path[i] != '/')
            continue;
        path[i] = 0;
        if (mkdir(path, 0700) == 0)
            remember(path);
        path[i] = '/';
    }
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    remember(path);
    fputs(text, file);
    fclose(file);
}

static unsigned usable(unsigned affinity)
{
    struct cpus cpus;

    cpus_read_below(&cpus, root, affinity);
    return cpus.usable;
}

START_TEST(this_machine_has_at_least_one)
{
    ck_assert_uint_ge(cpus_usable(), 1);
    ck_assert_uint_le(cpus_usable(), (unsigned)sysconf(_SC_NPROCESSORS_CONF));
}
END_TEST

START_TEST(without_cgroups_affinity_decides)
{
    begin();
    ck_assert_uint_eq(usable(6), 6);
    ck_assert_uint_eq(usable(0), 1);
    end();
}
END_TEST

START_TEST(the_least_quota_along_the_chain_counts_rounded_up)
{
    begin();
    put("/proc/self/cgroup", "0::/app.slice/web.service\n");
    put("/proc/self/mountinfo",
        "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n");
    put("/sys/fs/cgroup/app.slice/cpu.max", "250000 100000\n");
    put("/sys/fs/cgroup/app.slice/web.service/cpu.max", "max 100000\n");
    ck_assert_uint_eq(usable(16), 3);
    ck_assert_uint_eq(usable(2), 2);
    end();
}
END_TEST

START_TEST(a_container_sees_its_own_part_of_the_tree)
{
    begin();
    put("/proc/self/cgroup", "0::/docker/12ab\n");
    put("/proc/self/mountinfo", "30 24 0:26 /docker/12ab /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
    put("/sys/fs/cgroup/cpu.max", "50000 100000\n");
    ck_assert_uint_eq(usable(16), 1);
    end();
}
END_TEST

START_TEST(it_is_told_who_sets_the_quota)
{
    struct cpus cpus;

    begin();
    put("/proc/self/cgroup", "0::/app.slice/web.service\n");
    put("/proc/self/mountinfo", "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
    put("/sys/fs/cgroup/app.slice/cpu.max", "150000 100000\n");
    put("/sys/fs/cgroup/app.slice/web.service/cpu.max", "400000 100000\n");
    cpus_read_below(&cpus, root, 8);
    ck_assert_uint_eq(cpus.affinity, 8);
    ck_assert_uint_eq(cpus.quota, 2);
    ck_assert_str_eq(cpus.quota_from + strlen(root), "/sys/fs/cgroup/app.slice/cpu.max");
    end();
}
END_TEST

START_TEST(version_one_quotas_count_too)
{
    begin();
    put("/proc/self/cgroup", "5:memory:/docker/x\n4:cpu,cpuacct:/docker/x\n0::/\n");
    put("/proc/self/mountinfo",
        "31 24 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        "32 24 0:28 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n");
    put("/sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_quota_us", "400000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/docker/x/cpu.cfs_period_us", "100000\n");
    put("/sys/fs/cgroup/cpu,cpuacct/docker/cpu.cfs_quota_us", "-1\n");
    ck_assert_uint_eq(usable(16), 4);
    end();
}
END_TEST

UNIT_MAIN("base/cpus", this_machine_has_at_least_one, without_cgroups_affinity_decides,
          the_least_quota_along_the_chain_counts_rounded_up, a_container_sees_its_own_part_of_the_tree,
          it_is_told_who_sets_the_quota, version_one_quotas_count_too)
