/* SPDX-License-Identifier: MIT
 *
 * The output of workers. Two pipes a process, so that a line of one stream never falls into a line of the
 * other. They are always read: a full pipe would hang the app; what is too much for the log is counted, and
 * told once a second. Keeper's thread. */
#include "keeper/output.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/log.h"
#include "base/net.h"

#define READ_SIZE     (64 * 1024) /* a full pipe */
#define WINDOW_MS     1000
#define FINISH_ROUNDS 4 /* a pipe that somebody else still writes to is left after as many */

void output_init(struct output *output, struct slot *slot, const char *name)
{
    *output = (struct output){.slot = slot};
    output->streams[0].fd = output->streams[1].fd = -1;
    str_format(output->name, sizeof output->name, "%s", name);
    atomic_store_explicit(&slot->output_size, 0, memory_order_release);
}

bool output_open(struct output *output, int writers[2])
{
    for (unsigned i = 0; i < 2; i++) {
        int ends[2];
        if (pipe2(ends, O_CLOEXEC) < 0) {
            if (i > 0) {
                net_close(&output->streams[0].fd);
                net_close(&writers[0]);
            }
            return false;
        }
        (void)fcntl(ends[0], F_SETFL, O_NONBLOCK);
        output->streams[i] = (struct output_stream){.fd = ends[0]};
        writers[i] = ends[1];
    }
    return true;
}

/* The last lines as one text, oldest first, as many whole lines of the newest as fit. A reader that meets the
 * change sees size 0. */
static void publish(struct output *output)
{
    unsigned count = output->tail_count, size = 0, first = 0;

    for (unsigned i = 0; i < count; i++) {
        unsigned at = (output->tail_next + OUTPUT_TAIL_LINES - 1 - i) % OUTPUT_TAIL_LINES;
        if (size + output->tail_sizes[at] > SLOT_OUTPUT_MAX)
            break;
        size += output->tail_sizes[at];
        first = i + 1;
    }
    atomic_store_explicit(&output->slot->output_size, 0, memory_order_release);
    char *into = output->slot->output;
    for (unsigned i = first; i > 0; i--) {
        unsigned at = (output->tail_next + OUTPUT_TAIL_LINES - i) % OUTPUT_TAIL_LINES;
        memcpy(into, output->tail[at], output->tail_sizes[at]);
        into += output->tail_sizes[at];
    }
    atomic_store_explicit(&output->slot->output_size, size, memory_order_release);
}

static void keep_in_tail(struct output *output, struct slice line)
{
    char *into = output->tail[output->tail_next];
    size_t size = line.size < OUTPUT_TAIL_LINE_MAX - 1 ? line.size : OUTPUT_TAIL_LINE_MAX - 1;

    for (size_t i = 0; i < size; i++) { /* who shows it must not be driven by it */
        unsigned char byte = (unsigned char)line.at[i];
        into[i] = (byte < 0x20 && byte != '\t') || byte == 0x7f ? '?' : line.at[i];
    }
    into[size] = '\n';
    output->tail_sizes[output->tail_next] = (unsigned short)(size + 1);
    output->tail_next = (output->tail_next + 1) % OUTPUT_TAIL_LINES;
    if (output->tail_count < OUTPUT_TAIL_LINES)
        output->tail_count++;
}

static void take_line(struct output *output, struct slice line)
{
    if (line.size > 0 && line.at[line.size - 1] == '\r')
        line.size--;
    keep_in_tail(output, line);
    if (output->lines < OUTPUT_LINES_PER_SECOND) {
        output->lines++;
        log_output(output->name, line);
    } else {
        output->dropped++;
    }
}

static void end_line(struct output *output, struct output_stream *stream)
{
    take_line(output, (struct slice){stream->line, stream->size});
    stream->size = 0;
    stream->is_cut = false;
}

static void add_to_line(struct output_stream *stream, struct slice part)
{
    size_t room = OUTPUT_LINE_MAX - stream->size;

    if (part.size > room) {
        part.size = room;
        stream->is_cut = true;
    }
    memcpy(stream->line + stream->size, part.at, part.size);
    stream->size += (unsigned)part.size;
    if (stream->is_cut)
        memcpy(stream->line + OUTPUT_LINE_MAX - 3, "...", 3);
}

static void feed(struct output *output, struct output_stream *stream, struct slice bytes)
{
    while (bytes.size > 0) {
        const char *end = memchr(bytes.at, '\n', bytes.size);
        size_t size = end ? (size_t)(end - bytes.at) : bytes.size;
        add_to_line(stream, (struct slice){bytes.at, size});
        if (!end)
            return;
        end_line(output, stream);
        bytes.at += size + 1;
        bytes.size -= size + 1;
    }
}

void output_tick(struct output *output, uint64_t now_ms)
{
    if (now_ms - output->window_ms < WINDOW_MS)
        return;
    if (output->dropped > 0)
        log_warning("%s: %llu lines of its output are not in the log: more than %d in a second", output->name,
                    (unsigned long long)output->dropped, OUTPUT_LINES_PER_SECOND);
    output->window_ms = now_ms;
    output->lines = output->bytes = 0;
    output->dropped = 0;
}

bool output_wants_read(const struct output *output, uint64_t now_ms)
{
    return output->bytes < OUTPUT_BYTES_PER_SECOND || now_ms - output->window_ms >= WINDOW_MS;
}

/* False when nothing more is there for now. */
static bool read_once(struct output *output, struct output_stream *stream)
{
    static char bytes[READ_SIZE];
    ssize_t size;

    if (stream->fd < 0)
        return false;
    do {
        size = read(stream->fd, bytes, sizeof bytes);
    } while (size < 0 && errno == EINTR);
    if (size > 0) {
        output->bytes += (unsigned)size;
        feed(output, stream, (struct slice){bytes, (size_t)size});
        return true;
    }
    if (size == 0 || errno != EAGAIN) {
        if (stream->size > 0)
            end_line(output, stream);
        net_close(&stream->fd);
    }
    return false;
}

void output_read(struct output *output, struct output_stream *stream, uint64_t now_ms)
{
    output_tick(output, now_ms);
    (void)read_once(output, stream);
    publish(output);
}

void output_finish(struct output *output, uint64_t now_ms)
{
    output_tick(output, now_ms);
    for (unsigned i = 0; i < 2; i++) {
        struct output_stream *stream = &output->streams[i];
        for (unsigned round = 0; round < FINISH_ROUNDS && read_once(output, stream); round++)
            ;
        if (stream->size > 0)
            end_line(output, stream);
        net_close(&stream->fd);
    }
    publish(output);
}

void output_note(struct output *output, const char *text)
{
    keep_in_tail(output, slice_of(text));
    publish(output);
}
