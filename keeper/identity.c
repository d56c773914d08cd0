/* SPDX-License-Identifier: MIT
 *
 * Users: found by name in the parent, assumed by a child for good. */
#include "keeper/identity.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include "base/str.h"

int identity_find(struct identity *identity, const char *name)
{
    errno = 0;
    const struct passwd *entry = getpwnam(name);
    if (!entry)
        return errno != 0 ? -errno : -ENOENT;
    identity->uid = entry->pw_uid;
    identity->gid = entry->pw_gid;
    str_format(identity->name, sizeof identity->name, "%s", name);
    str_format(identity->home, sizeof identity->home, "%s", entry->pw_dir);
    identity->group_count = IDENTITY_GROUPS_MAX;
    if (getgrouplist(name, entry->pw_gid, identity->groups, &identity->group_count) < 0)
        return -E2BIG;
    return 0;
}

int identity_assume(const struct identity *identity)
{
    if (geteuid() != 0 && geteuid() == identity->uid)
        return 0; /* it is us already, and without root the groups cannot be changed */
    if (setgroups((size_t)identity->group_count, identity->groups) < 0)
        return -errno;
    if (setgid(identity->gid) < 0 || setuid(identity->uid) < 0)
        return -errno;
    if (identity->uid != 0 && setuid(0) == 0)
        return -EPERM; /* it did not take */
    return 0;
}
