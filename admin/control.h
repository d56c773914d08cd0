/* SPDX-License-Identifier: MIT
 *
 * The control socket: one JSON line in, one JSON line out, then it closes. Control thread. */
#ifndef DROVER_ADMIN_CONTROL_H
#define DROVER_ADMIN_CONTROL_H

#include "admin/admin.h"

struct control;
/* Owns `listener` (-1: none) from now on. */
struct control *control_open(struct loop *loop, int listener, const struct admin_source *source,
                             const struct admin_callbacks *callbacks, void *owner);
/* Requests without an answer stay valid: admin_reply frees them. */
void control_close(struct control **control);

#endif
