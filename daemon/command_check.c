/* SPDX-License-Identifier: MIT
 *
 * `drover check [--print]`: all that is wrong with the file, without starting anything; then what drover
 * understood. */
#include <stdio.h>

#include "base/address.h"
#include "daemon/commands.h"

static void print_pool(const struct pool_config *pool)
{
    if (pool->is_launched)
        printf("  pool %s: %u worker%s of %s\n", pool->name, pool->workers, pool->workers == 1 ? "" : "s",
               pool->command[0]);
    else
        printf("  pool %s: %u server%s\n", pool->name, pool->server_count,
               pool->server_count == 1 ? "" : "s");
}

static void print_summary(const struct config *config)
{
    char admin[ADDRESS_TEXT] = "off";

    printf("%s is good:\n", config->path);
    for (unsigned i = 0; i < config->listen_count; i++)
        printf("  listen %s\n", config->listens[i].text);
    for (unsigned i = 0; i < config->pool_count; i++)
        print_pool(&config->pools[i]);
    if (config->admin_is_on)
        address_print(&config->admin, admin);
    printf("  admin %s, control %s, threads %u\n", admin, config->control, config->threads);
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
