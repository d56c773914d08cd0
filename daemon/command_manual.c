/* SPDX-License-Identifier: MIT
 *
 * `drover manual`: every option of the file, from the same rows that read it; docs/options.md is made of
 * this. */
#include <stdio.h>

#include "base/mem.h"
#include "daemon/commands.h"

int command_manual(const struct command_line *line)
{
    char *text = config_manual();
    (void)line;

    fputs(text, stdout);
    mem_free(text);
    return EXIT_GOOD;
}
