/* SPDX-License-Identifier: MIT
 *
 * Where our cgroups are: /proc/self/cgroup tells the place in each hierarchy, /proc/self/mountinfo where hierarchies are
 * mounted. Reads files at each call; any thread. */
#include "base/cgroups.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

struct hierarchy {
    bool is_v2;
    char mount[PATH_MAX]; /* mount point */
    char root[PATH_MAX];  /* the cgroup that is seen there */
    char place[PATH_MAX]; /* our cgroup, as /proc/self/cgroup tells it */
};

static bool has_word(const char *list, const char *word)
{
    char copy[512], *rest = copy;

    str_format(copy, sizeof copy, "%s", list);
    for (char *item; (item = strsep(&rest, ","));) {
        if (strcmp(item, word) == 0)
            return true;
    }
    return false;
}

/* "4:cpu,cpuacct:/docker/12ab" (v1) or "0::/system.slice/drover.service" (v2). */
static bool find_place(const char *root, const char *controller, struct hierarchy *tree)
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
        found = tree->is_v2 ? *controllers == 0 : has_word(controllers, controller);
        if (found)
            str_format(tree->place, sizeof tree->place, "%s", rest);
    }
    if (file)
        fclose(file);
    return found;
}

/* "36 35 98:0 /root /mount options shared:1 - cgroup2 source super,options" (proc(5)). */
static bool read_mount(const char *line, const char *controller, struct hierarchy *tree)
{
    const char *after = strstr(line, " - ");
    char mount_root[PATH_MAX], mount_point[PATH_MAX], kind[32], super[512];

    if (!after || sscanf(line, "%*s %*s %*s %4095s %4095s", mount_root, mount_point) != 2 ||
        sscanf(after + 3, "%31s %*s %511s", kind, super) != 2)
        return false;
    if (tree->is_v2 ? strcmp(kind, "cgroup2") != 0
                    : strcmp(kind, "cgroup") != 0 || !has_word(super, controller))
        return false;
    str_format(tree->root, sizeof tree->root, "%s", mount_root);
    str_format(tree->mount, sizeof tree->mount, "%s", mount_point);
    return true;
}

static bool find_mount(const char *root, const char *controller, struct hierarchy *tree)
{
    char path[PATH_MAX], line[2 * PATH_MAX + 1024];
    bool found = false;

    str_format(path, sizeof path, "%s/proc/self/mountinfo", root);
    FILE *file = fopen(path, "re");
    while (file && !found && fgets(line, sizeof line, file))
        found = read_mount(line, controller, tree);
    if (file)
        fclose(file);
    return found;
}

/* Our place below what the mount shows. In a container the mount may show only our part of the tree while the place is
 * told from its top; where the two have nothing in common, the mount's own cgroup is the best that there is. */
static const char *below(const struct hierarchy *tree)
{
    size_t shown = strcmp(tree->root, "/") == 0 ? 0 : strlen(tree->root);
    const char *rest = tree->place + shown;

    if (strncmp(tree->place, tree->root, shown) != 0 || *rest != '/' || rest[1] == 0 ||
        strncmp(rest, "/..", 3) == 0) /* beyond what our namespace shows */
        return "";
    return rest;
}

static void visit_along(const char *root, const char *controller, bool is_v2,
                        void (*visit)(void *argument, const struct cgroup *cgroup), void *argument)
{
    struct hierarchy *tree = mem_zero(sizeof *tree);
    char directory[3 * PATH_MAX];
    struct cgroup cgroup = {directory, is_v2, true};

    tree->is_v2 = is_v2;
    if (find_place(root, controller, tree) && find_mount(root, controller, tree)) {
        size_t base = str_format(directory, sizeof directory, "%s%s", root, tree->mount);
        str_format(directory + base, sizeof directory - base, "%s", below(tree));
        for (;;) {
            visit(argument, &cgroup);
            cgroup.is_own = false;
            char *slash = strrchr(directory + base, '/');
            if (!slash)
                break;
            *slash = 0;
        }
    }
    mem_free(tree);
}

void cgroups_visit(const char *root, const char *controller,
                   void (*visit)(void *argument, const struct cgroup *cgroup), void *argument)
{
    visit_along(root, controller, true, visit, argument);
    visit_along(root, controller, false, visit, argument);
}

bool text_of_file(const char *path, char *into, size_t room)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    size_t size = 0;
    ssize_t part = 0;

    if (fd < 0)
        return false;
    while (size + 1 < room && (part = read(fd, into + size, room - 1 - size)) > 0)
        size += (size_t)part;
    (void)close(fd);
    into[size] = 0;
    return part >= 0 && size > 0;
}

bool cgroup_text(const struct cgroup *cgroup, const char *name, char *into, size_t room)
{
    char path[4 * PATH_MAX];

    str_format(path, sizeof path, "%s/%s", cgroup->directory, name);
    return text_of_file(path, into, room);
}

/* The digits that a text begins with. */
static bool leading_number(const char *text, uint64_t *value)
{
    return slice_to_u64((struct slice){text, strspn(text, "0123456789")}, value);
}

bool cgroup_number(const struct cgroup *cgroup, const char *name, uint64_t *value)
{
    char text[64];

    return cgroup_text(cgroup, name, text, sizeof text) && leading_number(text, value);
}

bool text_number(const char *text, const char *key, uint64_t *value)
{
    size_t size = strlen(key);

    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, key, size) == 0 && strchr(" :\t", line[size]) && line[size])
            return leading_number(line + size + strspn(line + size, " :\t"), value);
    }
    return false;
}
