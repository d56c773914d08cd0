/* SPDX-License-Identifier: MIT
 *
 * Which descriptors a process has: after a fork without exec, and at the start. */
#ifndef DROVER_KEEPER_DESCRIPTORS_H
#define DROVER_KEEPER_DESCRIPTORS_H

#include <stdbool.h>

bool descriptors_open_standard(void); /* those of 0, 1, 2 that are closed become /dev/null */
void descriptors_keep(const int *kept, unsigned count); /* closes all but 0, 1, 2 and these */

#endif
