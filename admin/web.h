/* SPDX-License-Identifier: MIT
 *
 * The admin address: a small HTTP server for GET and HEAD of a few pages. Control thread. */
#ifndef DROVER_ADMIN_WEB_H
#define DROVER_ADMIN_WEB_H

#include "admin/admin.h"

struct web;
/* owns `listener`; -1: none */
struct web *web_open(struct loop *loop, int listener, const struct admin_source *source);
void web_close(struct web **web);

/* May a request with this Host be answered at an admin that is configured at `admin`? A page of somebody
 * else's name that was made to resolve to us (DNS rebinding) sends that name: it must not read what a
 * browser here can reach. */
bool web_host_is_ours(struct slice host, const struct address *admin);

#endif
