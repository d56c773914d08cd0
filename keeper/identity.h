/* SPDX-License-Identifier: MIT
 *
 * A user as whom a child runs. Looked up in the keeper before the fork, assumed in the child. */
#ifndef DROVER_KEEPER_IDENTITY_H
#define DROVER_KEEPER_IDENTITY_H

#include <stdbool.h>
#include <sys/types.h>

#define IDENTITY_GROUPS_MAX 128

struct identity {
    uid_t uid;
    gid_t gid;
    int group_count;
    gid_t groups[IDENTITY_GROUPS_MAX];
    char name[64];
    char home[256];
};

int identity_find(struct identity *identity, const char *name); /* 0 or -errno (-ENOENT: no such user) */
int identity_assume(const struct identity *identity);           /* groups, then gid, then uid; 0 or -errno */

#endif
