/* SPDX-License-Identifier: MIT
 *
 * What is answered without a worker, whichever HTTP is spoken: what a listener answers by itself (ACME challenges, exposed pages, the way to https), what
 * a gateway has to (OPTIONS that may go no further), and how errors are told. */
#ifndef DROVER_PROXY_OWN_ANSWER_H
#define DROVER_PROXY_OWN_ANSWER_H

#include "proxy/client.h"

#define OWN_ALLOW     "Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH\r\n"
#define OWN_ERROR_MAX 256

/* False: it is for a worker. */
bool own_answer(struct client *client, struct client_stream *stream, const struct head *head);
/* The reply that tells an error; `body` is what it stands in. */
void own_error(struct reply *error, char body[OWN_ERROR_MAX], unsigned status, const char *word, bool json);
/* What is answered without an exchange has its line in the log, too. `head`: NULL when it could not be read; of it only the line is
 * taken, nothing else has been checked for the log. */
void own_log(struct client *client, const struct head *head, unsigned status, size_t size, const char *word);

#endif
