/* SPDX-License-Identifier: MIT
 *
 * `drover check [--print]`: all that is wrong with the file, without starting anything; then what drover
 * understood. */
#include <stdio.h>

#include "base/mem.h"
#include "daemon/arithmetic.h"
#include "daemon/commands.h"

static void print_summary(const struct config *config)
{
    struct arithmetic at = {.config = config};
    struct buffer page = {0};
    char admin[ADDRESS_TEXT] = "off";

    cpus_read(&at.cpus);
    memory_read(&at.memory);
    if (config->admin_is_on)
        address_print(&config->admin, admin);
    buffer_print(&page, "%s is good:\n", config->path);
    for (unsigned i = 0; i < config->listen_count; i++)
        buffer_print(&page, "  listen %s\n", config->listens[i].text);
    buffer_print(&page, "  admin %s, control %s, threads %u\n", admin, config->control, config->threads);
    arithmetic_machine(&page, &at);
    for (unsigned i = 0; i < config->pool_count; i++)
        arithmetic_pool(&page, &at, &config->pools[i]);
    char *text = slice_dup(buffer_slice(&page));
    fputs(text, stdout);
    mem_free(text);
    buffer_release(&page);
}

int command_check(const struct command_line *line)
{
    struct loaded_config loaded;
    bool good = loaded_config_read(&loaded, line);

    if (good && line->print) {
        struct config_report printed = {0};
        config_print(loaded.config, &printed);
        fputs(printed.text ? printed.text : "", stdout);
        config_report_fini(&printed);
    } else if (good) {
        print_summary(loaded.config);
    }
    loaded_config_fini(&loaded);
    return good ? EXIT_GOOD : EXIT_WRONG_USE;
}
