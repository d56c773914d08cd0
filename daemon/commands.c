/* SPDX-License-Identifier: MIT
 *
 * The table of commands, and the page that --help makes of it. */
#include "daemon/commands.h"

#include <stdio.h>

#include "base/buffer.h"
#include "base/mem.h"

static int show_help(const struct command_line *line)
{
    char *text = commands_help(commands);
    (void)line;

    fputs(text, stdout);
    mem_free(text);
    return EXIT_GOOD;
}

static int show_version(const struct command_line *line)
{
    (void)line;
    puts("drover " DROVER_VERSION);
    return EXIT_GOOD;
}

const struct command commands[] = {
    {"run", "", "serve what the file says, in the foreground (default)", command_run},
    {"check", "[--print]", "read the file and say all that is wrong; start nothing", command_check},
    {"init", "", "write a commented drover.yaml for the app found here", command_init},
    {"status", "[--json]", "pools and workers; exit 1 when not healthy", command_status},
    {"scale", "POOL SIZE", "run SIZE workers: N, MIN-MAX (by demand) or 'file'", command_scale},
    {"why", "[POOL]", "the last decisions on how many workers, and which", command_why},
    {"drain", "WORKER", "retire a worker (web.3) gently, a new one takes over", command_drain},
    {"restart", "POOL", "new processes one by one (--no-surge: old ones first)", command_restart},
    {"reload", "", "read the file again; exit 1 when it is wrong, and why", command_reload},
    {"stop", "", "finish what is under way, then end", command_stop},
    {"demo-worker", "[ADDRESS]", "a small app to try drover with", command_demo_worker},
    {"manual", "", NULL, command_manual},
    {"--help", "", NULL, show_help},
    {"--version", "", NULL, show_version},
    {NULL, NULL, NULL, NULL},
};

char *commands_help(const struct command *table)
{
    struct buffer page = {0};

    buffer_print(&page, "drover %s: an HTTP and WebSocket proxy that runs its own workers\n\n",
                 DROVER_VERSION);
    buffer_print(&page, "  drover [-c FILE] [COMMAND]\n"
                        "  drover [-l ADDRESS] [-w N|MIN-MAX] -- PROGRAM...  no file needed, say\n"
                        "  drover -w 4 -- uvicorn app:app --port '$PORT'\n\n");
    for (const struct command *command = table; command->name; command++) {
        char form[32];
        if (!command->help)
            continue;
        str_format(form, sizeof form, "%s %s", command->name, command->arguments);
        buffer_print(&page, "  %-21s %s\n", form, command->help);
    }
    buffer_print(&page, "\n"
                        "  -c FILE     instead of ./drover.yaml, then /etc/drover/drover.yaml\n"
                        "  -l ADDRESS  listen there instead of 0.0.0.0:8000\n"
                        "  -w WORKERS  N instead of 1; auto: by the CPUs; MIN-MAX: by the demand\n\n"
                        "Signals: TERM, INT stop, again: at once; HUP reload; USR1 reopen logs.\n"
                        "Exit: 0 good, 1 failed, 2 wrong use or configuration, 3 drover is not running.\n");
    char *text = slice_dup(buffer_slice(&page));
    buffer_release(&page);
    return text;
}
