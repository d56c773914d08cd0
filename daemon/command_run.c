/* SPDX-License-Identifier: MIT
 *
 * `drover [-c FILE] [run]` and `drover [-l ADDRESS] [-w N] -- PROGRAM`: the keeper, until the end. */
#include "base/log.h"
#include "daemon/commands.h"

int command_run(const struct command_line *line)
{
    struct loaded_config loaded;
    int status = EXIT_WRONG_USE;

    log_init("keeper");
    if (loaded_config_read(&loaded, line)) {
        struct keeper_options options = {
            .config = loaded.config,
            .path = loaded.path,
            .bytes = loaded.bytes,
            .size = loaded.size,
            .engine_run = engine_run,
        };
        status = keeper_run(&options);
    }
    loaded_config_fini(&loaded);
    return status;
}
