/* SPDX-License-Identifier: MIT
 *
 * Which drover a command is for: the path of its control socket. Somebody who just broke the file wants to
 * ask the running drover what it makes of that, so a file with errors still tells its `control:`. */
#include <stdio.h>

#include "base/mem.h"
#include "daemon/control_client.h"

#define ANY_POOL "pools: {any: {servers: [\"127.0.0.1:1\"]}}\n"

struct slice control_line_find(struct slice bytes)
{
    const struct slice key = SLICE("control:");

    while (bytes.size > 0) {
        const char *end = memchr(bytes.at, '\n', bytes.size);
        struct slice line = {bytes.at, end ? (size_t)(end - bytes.at) : bytes.size};
        if (slice_starts(line, key))
            return slice_trim((struct slice){line.at + key.size, line.size - key.size});
        bytes.size -= line.size + (end != NULL);
        bytes.at += line.size + (end != NULL);
    }
    return SLICE("");
}

static struct config *load_quietly(const char *path, const char *bytes, size_t size)
{
    struct config_report report = {0};
    struct config *config = config_load_unread(path, bytes, size, &report);

    config_report_fini(&report);
    return config;
}

/* As if there were nothing but that one option in the file. */
static struct config *load_control_only(const char *path, struct slice bytes)
{
    struct slice value = control_line_find(bytes);
    char *text = mem_print("control: %.*s\n" ANY_POOL, (int)(value.size > 0 ? value.size : 4),
                           value.size > 0 ? value.at : "auto");
    struct config *config = load_quietly(path, text, strlen(text));

    mem_free(text);
    return config;
}

bool control_target_find(struct control_target *target, const struct command_line *line)
{
    struct config_report report = {0};
    char *path = NULL, *bytes = NULL;
    struct config *config = NULL;
    size_t size = 0;

    *target = (struct control_target){0};
    bool found = config_find(line->file, &path, &bytes, &size, &report);
    if (!found && line->file) {
        fputs(report.text ? report.text : "drover: the file cannot be read\n", stderr);
        config_report_fini(&report);
        return false;
    }
    config_report_fini(&report);
    if (found)
        config = load_quietly(path, bytes, size);
    if (config)
        target->shutdown_ms = config->timeouts.shutdown;
    if (!config)
        config = load_control_only(found ? path : "(command line)", (struct slice){bytes ? bytes : "", size});
    if (config)
        target->path = mem_dup(config->control);
    else
        fputs("drover: where the control socket is cannot be told\n", stderr);
    config_unref(&config);
    mem_free(path);
    mem_free(bytes);
    return target->path != NULL;
}

void control_target_fini(struct control_target *target)
{
    mem_free(target->path);
    *target = (struct control_target){0};
}
