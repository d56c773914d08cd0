/* SPDX-License-Identifier: MIT
 *
 * The cgroups that this process is in, version 1, version 2 and both at once (hybrid), as far up as they can be seen. */
#ifndef DROVER_BASE_CGROUPS_H
#define DROVER_BASE_CGROUPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cgroup {
    const char *directory; /* whole path; for the time of the visit */
    bool is_v2;
    bool is_own; /* else one above it */
};

/* Our own cgroup first, then each above it: of version 2, then of the version 1 hierarchy that has this controller.
 * `root` goes before /proc and the mount points: "" is the machine, else it is for tests. */
void cgroups_visit(const char *root, const char *controller,
                   void (*visit)(void *argument, const struct cgroup *cgroup), void *argument);

/* A file of it as a text that ends with a NUL; cut to the room. False when there is none. */
bool cgroup_text(const struct cgroup *cgroup, const char *name, char *into, size_t room);
/* The first number of a file; false when there is none, or it is "max". */
bool cgroup_number(const struct cgroup *cgroup, const char *name, uint64_t *value);
/* The number behind a key at a line's start, in such a text. */
bool text_number(const char *text, const char *key, uint64_t *value);
/* Any file, as cgroup_text. */
bool text_of_file(const char *path, char *into, size_t room);

#endif
