/* SPDX-License-Identifier: MIT
 *
 * How many CPUs this process may really use: affinity, and the cgroup quota (v1 and v2) along the whole
 * chain. */
#ifndef DROVER_BASE_CPUS_H
#define DROVER_BASE_CPUS_H

struct cpus {
    unsigned usable;      /* the smaller of the two, at least 1 */
    unsigned affinity;    /* a cpuset is part of it */
    unsigned quota;       /* rounded up; 0: none */
    char quota_from[256]; /* the file that sets it */
};

void cpus_read(struct cpus *cpus);
/* The same from the files below `root` ("" is the machine) and a known affinity: for tests. */
void cpus_read_below(struct cpus *cpus, const char *root, unsigned affinity);
unsigned cpus_usable(void); /* at least 1 */

#endif
