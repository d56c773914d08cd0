/* SPDX-License-Identifier: MIT
 *
 * CPUs by affinity and by the cgroup quota. Reads /proc and the cgroup mounts at each call; any thread. */
#include "base/cpus.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>

#include "base/cgroups.h"
#include "base/str.h"

#define MOST_CPUS 65536

static const char *quota_file(const struct cgroup *cgroup)
{
    return cgroup->is_v2 ? "cpu.max" : "cpu.cfs_quota_us";
}

/* CPUs that one cgroup allows, rounded up; 0 when it sets no bound ("max", -1). */
static unsigned quota_of(const struct cgroup *cgroup)
{
    char text[64];
    unsigned long long period = 100000;
    uint64_t quota, v1_period;

    if (!cgroup_number(cgroup, quota_file(cgroup), &quota) || quota == 0)
        return 0;
    if (cgroup->is_v2 && cgroup_text(cgroup, quota_file(cgroup), text, sizeof text))
        (void)sscanf(text, "%*s %llu", &period);
    if (!cgroup->is_v2 && cgroup_number(cgroup, "cpu.cfs_period_us", &v1_period))
        period = v1_period;
    if (period == 0)
        return 0;
    uint64_t cpus = quota / period + (quota % period > 0);
    return cpus < MOST_CPUS ? (unsigned)cpus : MOST_CPUS;
}

/* The least counts, of our cgroup and all above it that can be seen. */
static void on_cgroup(void *argument, const struct cgroup *cgroup)
{
    struct cpus *cpus = argument;
    unsigned quota = quota_of(cgroup);

    if (quota == 0 || (cpus->quota != 0 && cpus->quota <= quota))
        return;
    cpus->quota = quota;
    str_format(cpus->quota_from, sizeof cpus->quota_from, "%s/%s", cgroup->directory, quota_file(cgroup));
}

void cpus_read_below(struct cpus *cpus, const char *root, unsigned affinity)
{
    *cpus = (struct cpus){.affinity = affinity};
    cgroups_visit(root, "cpu", on_cgroup, cpus);
    cpus->usable = cpus->quota != 0 && cpus->quota < affinity ? cpus->quota : affinity;
    cpus->usable = cpus->usable > 0 ? cpus->usable : 1;
}

void cpus_read(struct cpus *cpus)
{
    unsigned count = 1;

    for (int most = 1024; most <= MOST_CPUS; most *= 4) { /* the kernel refuses a set smaller than its own */
        cpu_set_t *set = CPU_ALLOC((size_t)most);
        size_t size = CPU_ALLOC_SIZE((size_t)most);
        int result = set ? sched_getaffinity(0, size, set) : -1;
        int error = errno;
        if (result == 0)
            count = (unsigned)CPU_COUNT_S(size, set);
        CPU_FREE(set);
        if (result == 0 || error != EINVAL)
            break;
    }
    cpus_read_below(cpus, "", count);
}

unsigned cpus_usable(void)
{
    struct cpus cpus;

    cpus_read(&cpus);
    return cpus.usable;
}
