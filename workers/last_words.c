/* SPDX-License-Identifier: MIT
 *
 * The end of a worker in words: why, and what it said last. Control thread; the output is the keeper's and
 * may change under us, so that it is copied first and its size is believed only as far as the room goes. */
#include "workers/last_words.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/memory_limit.h"
#include "base/str.h"

static size_t kill_describe(char *into, size_t room, enum ending ending, uint64_t held)
{
    char size[MEMORY_TEXT];

    memory_text(size, held);
    switch (ending) {
    case ENDING_MEMORY:
        return str_format(into, room, "killed for memory by the kernel (SIGKILL) at %s",
                          held ? size : "an unknown size");
    case ENDING_OUTSIDE: return str_format(into, room, "killed by SIGKILL from outside, not for memory");
    case ENDING_UNKNOWN: return str_format(into, room, "killed by SIGKILL: perhaps out of memory?");
    case ENDING_PLAIN: break;
    }
    return str_format(into, room, "killed by SIGKILL");
}

size_t exit_describe(char *into, size_t room, int status, enum ending ending, uint64_t held)
{
    if (WIFEXITED(status))
        return str_format(into, room, "exited with status %d", WEXITSTATUS(status));
    if (!WIFSIGNALED(status))
        return str_format(into, room, "ended with wait status %d", status);
    int number = WTERMSIG(status);
    const char *name = sigabbrev_np(number);
    const char *more = WCOREDUMP(status) ? " (core dumped)" : "";
    if (number == SIGKILL)
        return kill_describe(into, room, ending, held);
    if (!name)
        return str_format(into, room, "killed by signal %d%s", number, more);
    return str_format(into, room, "killed by SIG%s%s", name, more);
}

/* Where the last `lines` lines of `text` begin. */
static size_t begin_of_last(struct slice text, unsigned lines)
{
    size_t at = text.size;

    if (at > 0 && text.at[at - 1] == '\n')
        at--;
    while (at > 0) {
        if (text.at[at - 1] == '\n' && --lines == 0)
            break;
        at--;
    }
    return at;
}

static struct slice copy_output(const struct slot *slot, char copy[SLOT_OUTPUT_MAX])
{
    uint32_t size = atomic_load_explicit(&slot->output_size, memory_order_acquire);
    struct slice text = {copy, size < SLOT_OUTPUT_MAX ? size : SLOT_OUTPUT_MAX};

    memcpy(copy, slot->output, text.size);
    return text;
}

void output_last_line(const struct slot *slot, char *into, size_t room)
{
    char copy[SLOT_OUTPUT_MAX];
    struct slice text = copy_output(slot, copy);

    while (text.size > 0 && strchr(" \t\r\n", text.at[text.size - 1]))
        text.size--;
    size_t at = text.size;
    while (at > 0 && text.at[at - 1] != '\n')
        at--;
    str_format(into, room, "%.*s", (int)(text.size - at), text.at + at);
}

void output_log_last(const struct slot *slot)
{
    char copy[SLOT_OUTPUT_MAX];
    struct slice text = copy_output(slot, copy);

    if (text.size == 0) {
        log_warning("%s: it wrote nothing", slot->name);
        return;
    }
    size_t at = begin_of_last(text, LAST_LINES_MAX);
    while (at < text.size) {
        const char *end = memchr(copy + at, '\n', text.size - at);
        size_t length = end ? (size_t)(end - copy) - at : text.size - at;
        log_warning("%s: its last lines: %.*s", slot->name, (int)length, copy + at);
        at += length + 1;
    }
}
