/* SPDX-License-Identifier: MIT
 *
 * The door: opens and closes the two ways of looking in. Control thread. */
#include "admin/admin.h"

#include "admin/control.h"
#include "admin/web.h"
#include "base/mem.h"

struct admin {
    struct web *web;
    struct control *control;
};

struct admin *admin_open(struct loop *loop, int listener, int control, const struct admin_source *source,
                         const struct admin_callbacks *callbacks, void *owner)
{
    struct admin *admin = mem_zero(sizeof *admin);

    admin->web = web_open(loop, listener, source);
    admin->control = control_open(loop, control, source, callbacks, owner);
    return admin;
}

void admin_close(struct admin **admin)
{
    struct admin *closing = *admin;

    if (!closing)
        return;
    *admin = NULL;
    web_close(&closing->web);
    control_close(&closing->control);
    mem_free(closing);
}
