/* SPDX-License-Identifier: MIT
 *
 * The program: its words, then the command that they name. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/mem.h"
#include "daemon/command_line.h"

/* A descriptor 0, 1 or 2 that is missing would be given to a socket, then written to by whoever prints. */
static void hold_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY) != fd)
            _exit(EXIT_FAILED);
    }
}

/* What was printed has to have arrived: a full disk must not look like success. */
static int flushed(int status)
{
    if ((fflush(stdout) != 0 || ferror(stdout)) && status == EXIT_GOOD) {
        perror("drover: standard output");
        return EXIT_FAILED;
    }
    return status;
}

int main(int argc, char **argv)
{
    struct command_line line;

    hold_standard_descriptors();
    char *error = command_line_parse(&line, commands, argc, argv);
    if (error) {
        fprintf(stderr, "drover: %s\n", error);
        mem_free(error);
        return EXIT_WRONG_USE;
    }
    return flushed(command_find(commands, line.command)->run(&line));
}
