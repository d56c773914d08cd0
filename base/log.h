/* SPDX-License-Identifier: MIT
 *
 * The program's own log: a line a call, on stderr or a file, with time, process word and level. Any thread.
 * Never blocks: the descriptor is polled first, a line is at most PIPE_BUF bytes, what cannot be written is
 * counted and told later. */
#ifndef DROVER_BASE_LOG_H
#define DROVER_BASE_LOG_H

#include "base/str.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

void log_init(const char *process); /* "keeper", "engine": stands in every line; call again after a fork */
void log_set_level(enum log_level level);
void log_set_json(bool json);
void log_line(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A line of a worker's output: `name | text`, escaped. */
void log_output(const char *name, struct slice text);
uint64_t log_dropped(void);

#define log_debug(...)   log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...)    log_line(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_error(...)   log_line(LOG_ERROR, __VA_ARGS__)

#endif
