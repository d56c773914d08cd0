/* SPDX-License-Identifier: MIT
 *
 * The words on the command line. Pure: no files, no environment, no output. Options stand before or after
 * the command; all after `--` is somebody else's command and is not looked at. */
#include "daemon/command_line.h"

#include "base/mem.h"
#include "base/str.h"

#define NEAR        2  /* letters that may be wrong in what is still taken for a slip of the finger */
#define LONGEST     64 /* of a word that is compared */
#define OWN_COMMAND "run"

struct words {
    char **at, **end;
};

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Letters to change, add or drop to make `b` of `a` (Levenshtein). */
static unsigned distance(const char *a, const char *b)
{
    unsigned row[LONGEST + 1];
    size_t width = strlen(b);

    if (width > LONGEST || strlen(a) > LONGEST)
        return LONGEST;
    for (unsigned j = 0; j <= width; j++)
        row[j] = j;
    for (unsigned i = 1; a[i - 1]; i++) {
        unsigned diagonal = row[0];
        row[0] = i;
        for (unsigned j = 1; j <= width; j++) {
            unsigned replaced = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = least(replaced, least(row[j], row[j - 1]) + 1);
        }
    }
    return row[width];
}

static bool is_shown(const struct command *command)
{
    return command->help != NULL;
}

static const char *nearest(const struct command *table, const char *word)
{
    const char *best = NULL;
    unsigned best_distance = NEAR + 1;

    for (const struct command *command = table; command->name; command++) {
        unsigned here = distance(word, command->name);
        if (is_shown(command) && here < best_distance && here < strlen(command->name)) {
            best = command->name;
            best_distance = here;
        }
    }
    return best;
}

const struct command *command_find(const struct command *table, const char *name)
{
    for (const struct command *command = table; command->name; command++) {
        if (strcmp(command->name, name) == 0)
            return command;
    }
    return NULL;
}

static char *unknown_command(const struct command *table, const char *word)
{
    const char *best = nearest(table, word);

    if (best)
        return mem_print("unknown command '%s'; did you mean '%s'?", word, best);
    return mem_print("unknown command '%s'; `drover --help` lists them, and `drover -- %s ...` runs a "
                     "program of that name",
                     word, word);
}

/* The value of `-cFILE`, `-c FILE`, `--config FILE` or `--config=FILE`. False when `word` is not this
 * option; *error when its value is missing. */
static bool take_option(struct words *words, const char *letter, const char *name, const char **value,
                        char **error)
{
    const char *word = *words->at;
    size_t size = strlen(name);

    if (word[1] != '-' && word[1] == letter[1] && word[2]) {
        *value = word + 2;
    } else if (strncmp(word, name, size) == 0 && word[size] == '=') {
        *value = word + size + 1;
    } else if (strcmp(word, letter) == 0 || strcmp(word, name) == 0) {
        if (words->at + 1 < words->end && strcmp(words->at[1], "--") != 0)
            *value = *++words->at;
        else
            *error = mem_print("%s needs a value", word);
    } else {
        return false;
    }
    if (!*error && !**value)
        *error = mem_print("%s needs a value", letter);
    return true;
}

static char *take_one_option(struct command_line *line, struct words *words, const char **asked)
{
    const char *word = *words->at;
    char *error = NULL;

    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
        *asked = "--help";
    else if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0)
        *asked = "--version";
    else if (strcmp(word, "--json") == 0)
        line->json = true;
    else if (strcmp(word, "--print") == 0)
        line->print = true;
    else if (strcmp(word, "--no-surge") == 0)
        line->no_surge = true;
    else if (strcmp(word, "--no-wait") == 0)
        line->no_wait = true;
    else if (!take_option(words, "-c", "--config", &line->file, &error) &&
             !take_option(words, "-l", "--listen", &line->listen, &error) &&
             !take_option(words, "-w", "--workers", &line->workers, &error))
        error = mem_print("unknown option '%s'; `drover --help` lists them", word);
    return error;
}

/* How many words a command wants, by the form that --help shows. */
static void count_wanted(const char *form, unsigned *fewest, unsigned *most)
{
    *fewest = *most = 0;
    while (*form) {
        size_t word = strcspn(form, " ");
        if (strncmp(form, "[-", 2) != 0) {
            *most += 1;
            *fewest += *form != '[';
        }
        form += word;
        form += strspn(form, " ");
    }
}

static char *check_arguments(const struct command_line *line, const struct command *command)
{
    unsigned fewest, most;

    count_wanted(command->arguments, &fewest, &most);
    if (line->argument_count < fewest)
        return mem_print("`drover %s` needs: %s", command->name, command->arguments);
    if (line->argument_count > most)
        return mem_print("unexpected '%s' after `drover %s%s%s`", line->arguments[most], command->name,
                         most > 0 ? " " : "", most > 0 ? command->arguments : "");
    return NULL;
}

static char *check_own_command(const struct command_line *line)
{
    if (strcmp(line->command, OWN_COMMAND) != 0)
        return mem_print("`drover %s` takes no `-- COMMAND`", line->command);
    if (line->argument_count == 0)
        return mem_dup("a command is missing after `--`");
    if (line->file)
        return mem_dup("-c and `-- COMMAND` exclude each other: the file says what to run");
    return NULL;
}

static char *check_options(const struct command_line *line)
{
    if (line->json && strcmp(line->command, "status") != 0)
        return mem_print("--json is for `drover status`");
    if (line->print && strcmp(line->command, "check") != 0)
        return mem_print("--print is for `drover check`");
    if (line->no_surge && strcmp(line->command, "restart") != 0)
        return mem_print("--no-surge is for `drover restart`");
    if (line->no_wait && strcmp(line->command, "restart") != 0 && strcmp(line->command, "reload") != 0)
        return mem_print("--no-wait is for `drover restart` and `drover reload`");
    if (!line->has_own_command && (line->listen || line->workers))
        return mem_print("%s goes with `-- COMMAND`; with a file, set `%s:` there",
                         line->listen ? "-l" : "-w", line->listen ? "listen" : "workers");
    return NULL;
}

/* Options leave, the command and its arguments move to the front of `words` (in place: argv is the
 * program's own). */
static char *sort_words(struct command_line *line, struct words *words, const char **asked)
{
    char **kept = words->at;
    char *error = NULL;

    line->arguments = kept;
    for (; words->at < words->end && !error; words->at++) {
        const char *word = *words->at;
        if (strcmp(word, "--") == 0) {
            line->has_own_command = true;
            words->at++;
            break;
        }
        if (word[0] == '-' && word[1])
            error = take_one_option(line, words, asked);
        else if (!line->command)
            line->command = *words->at;
        else
            *kept++ = *words->at;
    }
    line->argument_count = (unsigned)(kept - line->arguments);
    return error;
}

char *command_line_parse(struct command_line *line, const struct command *table, int argc, char **argv)
{
    struct words words = {.at = argv + (argc > 0), .end = argv + argc};
    const char *asked = NULL;

    *line = (struct command_line){0};
    char *error = sort_words(line, &words, &asked);
    if (error)
        return error;
    if (asked) {
        line->command = asked;
        return NULL;
    }
    if (!line->command)
        line->command = OWN_COMMAND;
    const struct command *command = command_find(table, line->command);
    if (!command || line->command[0] == '-')
        return unknown_command(table, line->command);
    error = check_arguments(line, command);
    if (!error && line->has_own_command) {
        line->arguments = words.at;
        line->argument_count = (unsigned)(words.end - words.at);
        error = check_own_command(line);
    }
    return error ? error : check_options(line);
}
