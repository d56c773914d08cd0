/* SPDX-License-Identifier: MIT
 *
 * The table of commands against what people read: --help, the manual page, docs/commands.md. Runs at the tree's top. */
#include "daemon/commands.h"

#include <stdio.h>

#include "base/mem.h"
#include "tests/unit/unit.h"

static char *read_file(const char *path)
{
    static char bytes[65536];
    FILE *file = fopen(path, "re");

    ck_assert_msg(file != NULL, "%s cannot be read: run the tests at the top of the tree", path);
    size_t size = fread(bytes, 1, sizeof bytes - 1, file);
    fclose(file);
    bytes[size] = 0;
    return bytes;
}

static bool is_command(const char *name, size_t size)
{
    for (const struct command *command = commands; command->name; command++) {
        if (command->help && strlen(command->name) == size && strncmp(command->name, name, size) == 0)
            return true;
    }
    return false;
}

/* Each line that begins with `before` names a command up to `after`; every shown command is named once. */
static void compare(const char *path, const char *before, const char *after)
{
    unsigned listed = 0, shown = 0;

    for (const char *at = read_file(path); at; at = strchr(at, '\n')) {
        at += *at == '\n';
        if (strncmp(at, before, strlen(before)) != 0)
            continue;
        const char *name = at + strlen(before);
        ck_assert_msg(is_command(name, strcspn(name, after)), "%s describes '%.*s', which is no command",
                      path, (int)strcspn(name, after), name);
        listed++;
    }
    for (const struct command *command = commands; command->name; command++)
        shown += command->help != NULL;
    ck_assert_msg(listed == shown, "%s describes %u commands of %u", path, listed, shown);
}

START_TEST(the_manual_page_describes_every_command)
{
    compare("docs/drover.1", ".It Ic ", " \n");
}
END_TEST

START_TEST(the_page_of_commands_describes_every_command)
{
    compare("docs/commands.md", "## drover ", " \n");
}
END_TEST

START_TEST(help_fits_one_screen)
{
    char *text = commands_help(commands);
    unsigned lines = 0;

    for (const char *at = text; *at; at += strcspn(at, "\n") + 1) {
        ck_assert_msg(strcspn(at, "\n") <= 80, "too wide: %.*s", (int)strcspn(at, "\n"), at);
        lines++;
    }
    ck_assert_uint_le(lines, 24);
    mem_free(text);
}
END_TEST

START_TEST(help_names_every_shown_command)
{
    char *text = commands_help(commands), entry[64];

    for (const struct command *command = commands; command->name; command++) {
        str_format(entry, sizeof entry, "\n  %s ", command->name);
        ck_assert_msg((strstr(text, entry) != NULL) == (command->help != NULL), "%s", command->name);
    }
    mem_free(text);
}
END_TEST

UNIT_MAIN("daemon/commands", the_manual_page_describes_every_command,
          the_page_of_commands_describes_every_command, help_fits_one_screen, help_names_every_shown_command)
