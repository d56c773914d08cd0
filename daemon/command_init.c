/* SPDX-License-Identifier: MIT
 *
 * `drover init`: a commented drover.yaml for the app in this directory. A file that is there is never
 * touched. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/commands.h"

#define DEFAULT_PATH "drover.yaml"

static bool write_all(int fd, const char *text)
{
    size_t left = strlen(text);

    while (left > 0) {
        ssize_t written = write(fd, text, left);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text += written;
        left -= (size_t)written;
    }
    return true;
}

static int fail(const char *path, int error)
{
    fprintf(stderr, "drover: %s: %s\n", path, strerror(error));
    return EXIT_WRONG_USE;
}

static int write_sample(const char *path, int fd)
{
    char *text = config_sample(".");
    bool written = write_all(fd, text);
    int error = errno;

    mem_free(text);
    if (close(fd) < 0 && written) {
        written = false;
        error = errno;
    }
    if (!written) {
        unlink(path); /* ours, made a moment ago: half a file helps nobody */
        return fail(path, error);
    }
    printf("wrote %s; next: look at it, `drover check`, `drover`\n", path);
    return EXIT_GOOD;
}

int command_init(const struct command_line *line)
{
    const char *path = line->file ? line->file : DEFAULT_PATH;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

    if (fd < 0 && errno == EEXIST) {
        fprintf(stderr, "drover: %s is there already and stays as it is\n", path);
        return EXIT_WRONG_USE;
    }
    return fd < 0 ? fail(path, errno) : write_sample(path, fd);
}
