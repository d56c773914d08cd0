/* SPDX-License-Identifier: MIT
 *
 * How many CPUs this process may really use: affinity, and the cgroup quota (v1 and v2) along the whole chain. */
#ifndef DROVER_BASE_CPUS_H
#define DROVER_BASE_CPUS_H

unsigned cpus_usable(void); /* at least 1 */

#endif
