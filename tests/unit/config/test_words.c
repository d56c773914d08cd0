/* SPDX-License-Identifier: MIT */
#include "config/words.h"

#include <stdlib.h>

#include "base/mem.h"
#include "tests/unit/unit.h"

/* The words in brackets, or "! problem"; the caller frees. */
static char *split(const char *text)
{
    struct words words = {0};
    struct buffer into = {0};

    setenv("TWO", " one  two ", 1);
    setenv("ODD", "a'b\"c\\d|e$PORT", 1);
    setenv("EMPTY", "", 1);
    char *problem = words_split(&words, slice_of(text));
    for (unsigned i = 0; !problem && i < words.count; i++)
        buffer_print(&into, "[%s]", words.all[i]);
    char *result = problem ? mem_print("! %s", problem) : slice_dup(buffer_slice(&into));
    mem_free(problem);
    words_free(&words);
    buffer_release(&into);
    return result;
}

static void gives(const char *text, const char *wanted)
{
    char *result = split(text);

    ck_assert_msg(strcmp(result, wanted) == 0, "<%s> gives <%s>, not <%s>", text, result, wanted);
    mem_free(result);
}

START_TEST(words_are_split_as_a_shell_splits_them)
{
    gives("uvicorn app:app --port 1", "[uvicorn][app:app][--port][1]");
    gives("  a\t b\n c ", "[a][b][c]");
    gives("a 'b c' \"d e\"", "[a][b c][d e]");
    gives("a'b c'd", "[ab cd]");
    gives("a '' \"\"", "[a][][]");
    gives("a\\ b \\'c", "[a b]['c]");
    gives("'a\\b' \"a\\b\" \"\\\"\\\\\\`\"", "[a\\b][a\\b][\"\\`]");
    gives("a \\\n b", "[a][b]");
    gives("\"a\\\nb\"", "[ab]");
    gives("", "");
    gives("--x=* ~ #c [a] {b} a=b !", "[--x=*][~][#c][[a]][{b}][a=b][!]");
}
END_TEST

START_TEST(references_are_words_only_outside_of_quotes)
{
    gives("a ${TWO} b", "[a][one][two][b]");
    gives("x${TWO}y", "[x][one][two][y]");
    gives("\"${TWO}\" '${TWO}'", "[ one  two ][ one  two ]");
    gives("a ${EMPTY} b", "[a][b]");
    gives("a \"${EMPTY}\" b", "[a][][b]");
    gives("${ODD}", "[a'b\"c\\d|e$$PORT]");
    gives("${NONE:-a b}", "[a][b]");
    gives("--uds $SOCKET sh -c 'x $PORT'", "[--uds][${SOCKET}][sh][-c][x ${PORT}]");
    gives("\\$HOME \"\\$HOME\" $$HOME '$$5'", "[$$HOME][$$HOME][$$HOME][$$5]");
}
END_TEST

START_TEST(a_shells_operators_are_refused_unless_they_are_quoted)
{
    const char *const texts[] = {"a | b", "a > b", "a && b", "a ; b", "a `b`", "a < b", "a (b)", "a &"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char *result = split(texts[i]);
        ck_assert_msg(strncmp(result, "! expected words without shell operators (quote the '", 53) == 0, "%s",
                      result);
        mem_free(result);
    }
    gives("sh -c 'a | b > c && d; `e`'", "[sh][-c][a | b > c && d; `e`]");
    gives("a '|' \\; \"&\"", "[a][|][;][&]");
    gives("a | b", "! expected words without shell operators (quote the '|', or use: sh -c '...'), got '|'");
}
END_TEST

START_TEST(what_is_not_closed_is_said)
{
    gives("a 'b", "! expected a closing '");
    gives("a \"b\\", "! expected a closing \"");
    gives("a \\", "! expected a character after the last \\");
    gives("a $HOME", "! expected ${HOME} (or $$ for a dollar), got '$HOME'");
    gives("a '$HOME'", "! expected ${HOME} (or $$ for a dollar), got '$HOME'");
    gives("$(id)", "! expected ${NAME} (or $$ for a dollar), got '$(id)'");
}
END_TEST

START_TEST(the_number_of_words_is_bounded)
{
    char *text = mem_zero(2 * (WORDS_MAX + 2) + 1);

    for (unsigned i = 0; i < WORDS_MAX + 2; i++)
        strcpy(text + 2 * i, "a ");
    gives(text, "! expected at most 1024 words, got more");
    mem_free(text);
}
END_TEST

UNIT_MAIN("config/words", words_are_split_as_a_shell_splits_them, references_are_words_only_outside_of_quotes,
          a_shells_operators_are_refused_unless_they_are_quoted, what_is_not_closed_is_said,
          the_number_of_words_is_bounded)
