/* SPDX-License-Identifier: MIT
 *
 * CPUs by affinity and by the cgroup quota. Reads /proc and the cgroup mounts at each call; any thread. */
#include "base/cpus.h"

#include <errno.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define MOST_CPUS 65536

/* One cgroup hierarchy with a cpu controller: where it is mounted, which part of it, and where in it we
 * are. */
struct hierarchy {
    bool is_v2;
    char mount[PATH_MAX]; /* mount point */
    char root[PATH_MAX];  /* the cgroup that is seen there */
    char place[PATH_MAX]; /* our cgroup, as /proc/self/cgroup tells it */
};

static bool has_word(const char *list, const char *word, const char *separators)
{
    char copy[512], *rest = copy;

    str_format(copy, sizeof copy, "%s", list);
    for (char *item; (item = strsep(&rest, separators));) {
        if (strcmp(item, word) == 0)
            return true;
    }
    return false;
}

/* "4:cpu,cpuacct:/docker/12ab" (v1) or "0::/system.slice/drover.service" (v2). */
static bool find_place(const char *root, struct hierarchy *tree)
{
    char path[PATH_MAX], line[PATH_MAX + 256];
    bool found = false;

    str_format(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    while (file && !found && fgets(line, sizeof line, file)) {
        char *rest = line;
        (void)strsep(&rest, ":"); /* the number */
        char *controllers = strsep(&rest, ":");
        if (!controllers || !rest)
            continue;
        rest[strcspn(rest, "\n")] = 0;
        found = tree->is_v2 ? *controllers == 0 : has_word(controllers, "cpu", ",");
        if (found)
            str_format(tree->place, sizeof tree->place, "%s", rest);
    }
    if (file)
        fclose(file);
    return found;
}

/* "36 35 98:0 /root /mount options shared:1 - cgroup2 source super,options" (proc(5)). */
static bool read_mount(char *line, struct hierarchy *tree)
{
    char *after = strstr(line, " - ");
    char mount_root[PATH_MAX], mount_point[PATH_MAX], kind[32], super[512];

    if (!after || sscanf(line, "%*s %*s %*s %4095s %4095s", mount_root, mount_point) != 2 ||
        sscanf(after + 3, "%31s %*s %511s", kind, super) != 2)
        return false;
    if (tree->is_v2 ? strcmp(kind, "cgroup2") != 0
                    : strcmp(kind, "cgroup") != 0 || !has_word(super, "cpu", ","))
        return false;
    str_format(tree->root, sizeof tree->root, "%s", mount_root);
    str_format(tree->mount, sizeof tree->mount, "%s", mount_point);
    return true;
}

static bool find_mount(const char *root, struct hierarchy *tree)
{
    char path[PATH_MAX], line[2 * PATH_MAX + 1024];
    bool found = false;

    str_format(path, sizeof path, "%s/proc/self/mountinfo", root);
    FILE *file = fopen(path, "re");
    while (file && !found && fgets(line, sizeof line, file))
        found = read_mount(line, tree);
    if (file)
        fclose(file);
    return found;
}

/* The numbers of `name` in a cgroup's directory. False when there is no such file. */
static bool read_numbers(const char *directory, const char *name, long long *first, long long *second)
{
    char path[2 * PATH_MAX], word[32];

    str_format(path, sizeof path, "%s/%s", directory, name);
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    int read = fscanf(file, "%31s %lld", word, second);
    fclose(file);
    if (read < 1)
        return false;
    *first = strcmp(word, "max") == 0 ? -1 : strtoll(word, NULL, 10);
    return true;
}

/* CPUs that one cgroup allows, rounded up; MOST_CPUS when it sets no bound. */
static unsigned quota_of(const char *directory, bool is_v2)
{
    long long quota = -1, period = 100000, ignored;

    if (is_v2)
        read_numbers(directory, "cpu.max", &quota, &period);
    else if (read_numbers(directory, "cpu.cfs_quota_us", &quota, &ignored))
        read_numbers(directory, "cpu.cfs_period_us", &period, &ignored);
    if (quota <= 0 || period <= 0)
        return MOST_CPUS;
    long long cpus = (quota + period - 1) / period;
    return cpus < MOST_CPUS ? (unsigned)cpus : MOST_CPUS;
}

/* The least over our cgroup and all above it that can be seen. */
static unsigned quota_along(const char *root, bool is_v2)
{
    struct hierarchy *tree = mem_zero(sizeof *tree);
    char directory[3 * PATH_MAX];
    unsigned least = MOST_CPUS;

    tree->is_v2 = is_v2;
    if (find_place(root, tree) && find_mount(root, tree)) {
        /* In a container the mount may show only our part of the tree while the place is told from its top. */
        size_t shown = strcmp(tree->root, "/") == 0 ? 0 : strlen(tree->root);
        const char *below = strncmp(tree->place, tree->root, shown) == 0 ? tree->place + shown : "";
        size_t base = str_format(directory, sizeof directory, "%s%s", root, tree->mount);
        str_format(directory + base, sizeof directory - base, "%s", strcmp(below, "/") == 0 ? "" : below);
        for (;;) {
            unsigned here = quota_of(directory, is_v2);
            least = here < least ? here : least;
            char *slash = strrchr(directory + base, '/');
            if (!slash)
                break;
            *slash = 0;
        }
    }
    mem_free(tree);
    return least;
}

unsigned cpus_usable_below(const char *root, unsigned affinity)
{
    unsigned cpus = affinity, v2 = quota_along(root, true), v1 = quota_along(root, false);

    if (v2 < cpus)
        cpus = v2;
    if (v1 < cpus)
        cpus = v1;
    return cpus > 0 ? cpus : 1;
}

unsigned cpus_usable(void)
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
    return cpus_usable_below("", count);
}
