/* SPDX-License-Identifier: MIT
 *
 * Dates as RFC 9110 section 5.6.7 wants them, cached per thread and second. */
#ifndef DROVER_HTTP_DATE_H
#define DROVER_HTTP_DATE_H

#include "base/str.h"

#define HTTP_DATE_SIZE 29
/* "Sun, 06 Nov 1994 08:49:37 GMT"; valid until the thread's next call. */
struct slice http_date(uint64_t wall_us);

#endif
