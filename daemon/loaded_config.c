/* SPDX-License-Identifier: MIT
 *
 * The configuration that a command works with: from the file or from the command line, with all that is
 * wrong with it told on stderr. */
#include <stdio.h>

#include "base/mem.h"
#include "daemon/commands.h"

static void show(struct config_report *report)
{
    if (report->text)
        fputs(report->text, stderr);
    config_report_fini(report);
}

static bool read_file(struct loaded_config *loaded, const char *path)
{
    struct config_report report = {0};
    bool found = config_find(path, &loaded->path, &loaded->bytes, &loaded->size, &report);

    show(&report);
    return found;
}

static void make_from_words(struct loaded_config *loaded, const struct command_line *line)
{
    loaded->bytes =
        config_from_command_line(line->listen, line->workers, line->arguments, line->argument_count);
    loaded->size = strlen(loaded->bytes);
}

bool loaded_config_read(struct loaded_config *loaded, const struct command_line *line)
{
    struct config_report report = {0};

    *loaded = (struct loaded_config){0};
    if (line->has_own_command)
        make_from_words(loaded, line);
    else if (!read_file(loaded, line->file))
        return false;
    loaded->config =
        config_load(loaded->path ? loaded->path : "(command line)", loaded->bytes, loaded->size, &report);
    show(&report);
    return loaded->config != NULL;
}

void loaded_config_fini(struct loaded_config *loaded)
{
    config_unref(&loaded->config);
    mem_free(loaded->path);
    mem_free(loaded->bytes);
    *loaded = (struct loaded_config){0};
}
