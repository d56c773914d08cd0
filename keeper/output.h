/* SPDX-License-Identifier: MIT
 *
 * A worker's stdout and stderr, line by line into our log, with length and rate bounded; and its last lines,
 * in the slot for whoever looks. */
#ifndef DROVER_KEEPER_OUTPUT_H
#define DROVER_KEEPER_OUTPUT_H

#include <stdbool.h>

#include "balancer/slots.h"

#define OUTPUT_LINE_MAX         2000 /* bytes of a line that are logged; the rest of it is dropped */
#define OUTPUT_LINES_PER_SECOND 1000
#define OUTPUT_BYTES_PER_SECOND                                                                              \
    (8u << 20) /* above this the worker is slowed down, so that it cannot take a CPU from the others */
#define OUTPUT_TAIL_LINES    20
#define OUTPUT_TAIL_LINE_MAX 512

struct output_stream {
    int fd;        /* read end of the pipe; -1: closed */
    unsigned size; /* of the line that has no end yet */
    bool is_cut;   /* and the rest of it is not kept */
    char line[OUTPUT_LINE_MAX];
};

struct output {
    struct slot *slot;
    char name[SLOT_NAME_MAX];
    struct output_stream streams[2];
    uint64_t window_ms;    /* when the present second began */
    unsigned lines, bytes; /* in it */
    uint64_t dropped;      /* lines that were not logged and not told of yet */
    unsigned tail_next, tail_count;
    unsigned short tail_sizes[OUTPUT_TAIL_LINES];
    char tail[OUTPUT_TAIL_LINES][OUTPUT_TAIL_LINE_MAX];
};

void output_init(struct output *output, struct slot *slot, const char *name);
/* Pipes for a new process: the write ends go to `writers`, which the caller closes. False: no descriptors. */
bool output_open(struct output *output, int writers[2]);
/* what is there, a bounded amount */
void output_read(struct output *output, struct output_stream *stream, uint64_t now_ms);
/* false: it has written too much in this second */
bool output_wants_read(const struct output *output, uint64_t now_ms);
/* Once a second and whenever the window may be over: tells what was dropped. */
void output_tick(struct output *output, uint64_t now_ms);
/* the process has ended: takes what is left and closes */
void output_finish(struct output *output, uint64_t now_ms);
void output_note(struct output *output, const char *text); /* a line of ours among the last lines */

#endif
