/* SPDX-License-Identifier: MIT
 *
 * The answer of /api/status as a table for people: pure. */
#ifndef DROVER_DAEMON_STATUS_TABLE_H
#define DROVER_DAEMON_STATUS_TABLE_H

#include <jansson.h>

/* Lines, each ended by \n; the caller frees (mem_free). What is missing in `status` shows as "-". */
char *status_table(const json_t *status);

/* "12s", "3m10s", "2h05m", "4d03h"; "50.0M". */
void status_duration(char into[32], double seconds);
void status_size(char into[32], double bytes);

#endif
