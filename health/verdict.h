/* SPDX-License-Identifier: MIT
 *
 * Rise and fall: pure. One answer is an event, several in a row are a verdict. */
#ifndef DROVER_HEALTH_VERDICT_H
#define DROVER_HEALTH_VERDICT_H

#include <stdbool.h>

struct verdict {
    unsigned rise, fall; /* so many good (bad) answers in a row make it fit (unfit); at least 1 */
    unsigned against;    /* answers in a row that contradict what it is now */
    bool is_fit;
    bool is_open; /* nothing is known yet: the first answer decides alone */
};

void verdict_init(struct verdict *verdict, unsigned rise, unsigned fall, bool is_fit, bool is_open);
/* True: is_fit changed, or was decided for the first time. */
bool verdict_add(struct verdict *verdict, bool was_good);

#endif
