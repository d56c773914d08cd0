/* SPDX-License-Identifier: MIT
 *
 * The program's log on stderr. Any thread: a mutex keeps this process's lines apart, PIPE_BUF keeps other
 * processes' apart. stderr is shared with whoever started us, so it is polled before each write and never
 * made non-blocking. */
#include "base/log.h"

#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES PIPE_BUF

static const char *const words[] = {
    [LOG_DEBUG] = "debug", [LOG_INFO] = "info", [LOG_WARNING] = "warning", [LOG_ERROR] = "error"};

static char process_word[16] = "drover"; /* written by log_init alone, before there are threads */
static _Atomic int least_level = LOG_INFO;
static _Atomic bool as_json;
static _Atomic uint64_t dropped; /* in all */

static pthread_mutex_t writing = PTHREAD_MUTEX_INITIALIZER; /* guards the descriptor and `told` */
static uint64_t told;                                       /* of `dropped`, already in the log */

void log_init(const char *process)
{
    str_format(process_word, sizeof process_word, "%s", process);
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&least_level, (int)level, memory_order_relaxed);
}

void log_set_json(bool json)
{
    atomic_store_explicit(&as_json, json, memory_order_relaxed);
}

uint64_t log_dropped(void)
{
    return atomic_load_explicit(&dropped, memory_order_relaxed);
}

static size_t print_time(char into[32])
{
    struct timespec now;
    struct tm parts;

    clock_gettime(CLOCK_REALTIME, &now); /* not the turn's: the order of lines should show */
    gmtime_r(&now.tv_sec, &parts);
    return str_format(into, 32, "%04d-%02d-%02dT%02d:%02d:%02d.%03ldZ", parts.tm_year + 1900,
                      parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                      now.tv_nsec / 1000000);
}

/* A whole line with its end. `name` is the worker that said it, or NULL. */
static size_t compose(char line[LINE_MAX_BYTES], enum log_level level, const char *name, struct slice text)
{
    const size_t room = LINE_MAX_BYTES - 2; /* for the ending */
    char when[32], who[128];
    size_t size;

    print_time(when);
    if (atomic_load_explicit(&as_json, memory_order_relaxed)) {
        size = str_format(line, room, "{\"time\":\"%s\",\"process\":\"%s\",\"level\":\"%s\"", when,
                          process_word, words[level]);
        if (name) {
            str_escape_json(who, sizeof who, slice_of(name));
            size += str_format(line + size, room - size, ",\"worker\":\"%s\"", who);
        }
        size += str_format(line + size, room - size, ",\"message\":\"");
        size += str_escape_json(line + size, room - size - 1, text);
        size += str_format(line + size, LINE_MAX_BYTES - size, "\"}\n");
        return size;
    }
    size = str_format(line, room, "%s %s %s ", when, process_word, words[level]);
    if (name) {
        str_escape_controls(who, sizeof who, slice_of(name));
        size += str_format(line + size, room - size, "%s | ", who);
    }
    size += str_escape_controls(line + size, room - size, text);
    line[size++] = '\n';
    return size;
}

static bool try_write(const char *line, size_t size)
{
    struct pollfd ready = {.fd = STDERR_FILENO, .events = POLLOUT};

    return poll(&ready, 1, 0) == 1 && (ready.revents & POLLOUT) && write(STDERR_FILENO, line, size) > 0;
}

static void put(const char *line, size_t size)
{
    pthread_mutex_lock(&writing);
    uint64_t missed = log_dropped() - told;
    if (missed > 0) {
        char text[96], notice[LINE_MAX_BYTES];
        size_t length = str_format(text, sizeof text, "%llu lines of the log were dropped: nobody took them",
                                   (unsigned long long)missed);
        if (try_write(notice, compose(notice, LOG_WARNING, NULL, (struct slice){text, length})))
            told += missed;
    }
    if (!try_write(line, size))
        atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
    pthread_mutex_unlock(&writing);
}

void log_line(enum log_level level, const char *format, ...)
{
    char text[LINE_MAX_BYTES], line[LINE_MAX_BYTES];
    va_list arguments;

    if ((int)level < atomic_load_explicit(&least_level, memory_order_relaxed))
        return;
    va_start(arguments, format);
    int size = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (size < 0)
        return;
    if (size > (int)sizeof text - 1)
        size = sizeof text - 1;
    put(line, compose(line, level, NULL, (struct slice){text, (size_t)size}));
}

void log_output(const char *name, struct slice text)
{
    char line[LINE_MAX_BYTES];

    put(line, compose(line, LOG_INFO, name, text));
}
