/* SPDX-License-Identifier: MIT
 *
 * `drover [-l ADDRESS] [-w N|auto] -- COMMAND...` as the YAML that it stands for, so that there is one way to
 * read a configuration. Pure. */
#include "base/mem.h"
#include "config/config.h"
#include "config/expand.h"
#include "config/quote.h"

/* A word as its user's shell handed it over: $PORT, $SOCKET and $WORKER (either spelling) are the worker's,
 * every other dollar is just a dollar. */
static void append_word(struct buffer *into, struct slice word)
{
    static const struct slice own[] = {{"$PORT", 5},   {"$SOCKET", 7},   {"$WORKER", 7},
                                       {"${PORT}", 7}, {"${SOCKET}", 9}, {"${WORKER}", 9}};

    while (word.size > 0) {
        struct slice found = {word.at, 0};
        for (size_t i = 0; i < sizeof own / sizeof *own && found.size == 0; i++) {
            bool braced = own[i].at[1] == '{';
            char after = word.size > own[i].size ? word.at[own[i].size] : 0;
            bool ends = braced || !((after >= 'A' && after <= 'Z') || (after >= 'a' && after <= 'z') ||
                                    after == '_' || (after >= '0' && after <= '9'));
            if (slice_starts(word, own[i]) && ends)
                found.size = own[i].size;
        }
        if (found.size > 0) {
            buffer_append(into, found.at, found.size);
        } else {
            found.size = 1;
            expand_protect(found, into);
        }
        word.at += found.size;
        word.size -= found.size;
    }
}

/* N, auto, or MIN-MAX. */
static void append_workers(struct buffer *yaml, const char *workers)
{
    const char *dash = strchr(workers, '-');

    if (!dash || dash == workers) {
        quote_yaml_literal(yaml, slice_of(workers));
        return;
    }
    buffer_print(yaml, "{min: ");
    quote_yaml_literal(yaml, (struct slice){workers, (size_t)(dash - workers)});
    buffer_print(yaml, ", max: ");
    quote_yaml_literal(yaml, slice_of(dash + 1));
    buffer_print(yaml, "}");
}

char *config_from_command_line(const char *listen, const char *workers, char **command, unsigned count)
{
    struct buffer yaml = {0};

    if (listen) {
        buffer_print(&yaml, "listen: [");
        quote_yaml_literal(&yaml, slice_of(listen));
        buffer_print(&yaml, "]\n");
    }
    buffer_print(&yaml, "pools:\n  web:\n    command:\n");
    for (unsigned i = 0; i < count; i++) {
        struct buffer word = {0};
        append_word(&word, slice_of(command[i]));
        buffer_print(&yaml, "      - ");
        quote_yaml(&yaml, buffer_slice(&word));
        buffer_print(&yaml, "\n");
        buffer_release(&word);
    }
    if (workers) {
        buffer_print(&yaml, "    workers: ");
        append_workers(&yaml, workers);
        buffer_print(&yaml, "\n");
    }
    char *text = slice_dup(buffer_slice(&yaml));
    buffer_release(&yaml);
    return text;
}
