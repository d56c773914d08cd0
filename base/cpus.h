/* SPDX-License-Identifier: MIT
 *
 * How many CPUs this process may really use: affinity, and the cgroup quota (v1 and v2) along the whole
 * chain. */
#ifndef DROVER_BASE_CPUS_H
#define DROVER_BASE_CPUS_H

unsigned cpus_usable(void); /* at least 1 */
/* The same from the files below `root` ("" is the machine) and a known affinity: for tests. */
unsigned cpus_usable_below(const char *root, unsigned affinity);

#endif
