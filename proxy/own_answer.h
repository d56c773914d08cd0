/* SPDX-License-Identifier: MIT
 *
 * What a listener answers by itself, without a worker: ACME challenges, exposed pages, the way to https. */
#ifndef DROVER_PROXY_OWN_ANSWER_H
#define DROVER_PROXY_OWN_ANSWER_H

#include "proxy/client.h"

bool own_answer(struct client *client, const struct head *head); /* false: it is for a worker */

#endif
