/* SPDX-License-Identifier: MIT
 *
 * docs/options.md, from the rows that the loader itself goes by. Pure. */
#include "base/buffer.h"
#include "base/mem.h"
#include "config/options.h"

/* A cell of a table: a bar would end it. */
static void append_cell(struct buffer *into, const char *text)
{
    for (; *text; text++)
        buffer_print(into, "%s%c", *text == '|' ? "\\" : "", *text);
}

static const char *takes(const struct option *option, char into[EXPECTED_MAX])
{
    switch (option->kind) {
    case OPTION_COUNT: return "a count";
    case OPTION_AUTO: return "a count or auto";
    case OPTION_DURATION: return "a duration";
    case OPTION_SIZE: return "a size";
    default: return option_expected(option, into);
    }
}

static void append_row(struct buffer *into, const struct option *option)
{
    char text[EXPECTED_MAX];

    buffer_print(into, "| `%s` | ", option->key);
    append_cell(into, takes(option, text));
    if (*option_bounds(option, text))
        buffer_print(into, ", %s", text);
    buffer_print(into, " | %s%s%s | ", option->preset ? "`" : "", option->preset ? option->preset : "",
                 option->preset ? "`" : "");
    append_cell(into, option->help);
    if (option->only == FOR_LAUNCHED)
        buffer_print(into, " Only with `command`.");
    if (option->background == ONLY_BACKGROUND)
        buffer_print(into, " Only with `kind: background`.");
    if (option->example) {
        buffer_print(into, " Example: `");
        append_cell(into, option->example);
        buffer_print(into, "`");
    }
    buffer_print(into, " |\n");
}

static void append_section(struct buffer *into, const struct option_section *section, const char *name)
{
    buffer_print(into, "\n## %s\n\n| option | takes | default | what it does |\n| --- | --- | --- | --- |\n",
                 name);
    for (unsigned i = 0; i < section->count; i++)
        append_row(into, &section->rows[i]);
    for (unsigned i = 0; i < section->count; i++) {
        const struct option *option = &section->rows[i];
        const char *item = option->kind == OPTION_POOLS ? ".NAME"
                           : option->kind == OPTION_LISTENERS || option->kind == OPTION_ROUTES ||
                                   option->kind == OPTION_PAIRS
                               ? "[]"
                               : "";
        if (!option->section)
            continue;
        bool is_top = section == &options_top;
        char *below = mem_print("%s%s%s%s", is_top ? "" : name, is_top ? "" : ".", option->key, item);
        append_section(into, option->section, below);
        mem_free(below);
    }
}

char *config_manual(void)
{
    struct buffer into = {0};

    buffer_print(
        &into,
        "# Options of drover.yaml\n\n"
        "Written by `drover manual` from the table that the program itself reads files by. How a file is "
        "found, `${NAME}`, errors and reloading are in [configuration.md](configuration.md).\n\n"
        "Durations: `250ms`, `10s`, `5m`, `1h`, `1m30s`; a bare number is seconds. "
        "Sizes: `64k`, `10m`, `2g`; a bare number is bytes. "
        "Switches: `on` and `off`, also `yes`, `no`, `true` and `false`. "
        "`listen[]` stands for each item of the list `listen`, `pools.NAME` for each pool.\n");
    append_section(&into, &options_top, "The file");
    char *text = slice_dup(buffer_slice(&into));
    buffer_release(&into);
    return text;
}
