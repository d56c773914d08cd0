/* SPDX-License-Identifier: MIT
 *
 * Splits a command by the shell's quoting rules (POSIX shell, section 2.2): '...', "...", backslash. ${NAME}
 * is filled in on the way as a shell does it: outside of quotes its value is split at white space, inside it
 * is not, and what is in it is never read for quotes. Unlike a shell's, ${NAME} works inside '...' too, as in
 * every text of the file. Pure but for the environment. */
#include "config/words.h"

#include "base/mem.h"
#include "config/findings.h"

struct splitting {
    struct words *words;
    struct slice rest;
    struct buffer word;
    bool in_word; /* also an empty one: '' */
};

void words_add(struct words *words, struct slice word)
{
    if (words->count + 1 >= words->room) {
        words->room = words->room ? 2 * words->room : 8;
        words->all = mem_resize(words->all, words->room * sizeof(char *));
    }
    words->all[words->count++] = slice_dup(word);
    words->all[words->count] = NULL;
}

void words_free(struct words *words)
{
    for (unsigned i = 0; i < words->count; i++)
        mem_free(words->all[i]);
    mem_free(words->all);
    *words = (struct words){0};
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void end_word(struct splitting *splitting)
{
    if (!splitting->in_word)
        return;
    words_add(splitting->words, buffer_slice(&splitting->word));
    buffer_consume(&splitting->word, buffer_size(&splitting->word));
    splitting->in_word = false;
}

static char take(struct splitting *splitting)
{
    splitting->rest.size--;
    return *splitting->rest.at++;
}

static void keep(struct splitting *splitting, char c)
{
    /* a plain dollar, for config_worker_text */
    buffer_append(&splitting->word, c == '$' ? "$$" : &c, c == '$' ? 2 : 1);
    splitting->in_word = true;
}

static char *unquoted_reference(struct splitting *splitting)
{
    struct buffer value = {0};
    char *problem = expand_reference(&splitting->rest, EXPAND_FOR_WORKER, &value);
    struct slice text = buffer_slice(&value);

    for (size_t i = 0; !problem && i < text.size; i++) {
        if (is_space(text.at[i])) {
            end_word(splitting);
        } else {
            buffer_append(&splitting->word, text.at + i, 1);
            splitting->in_word = true;
        }
    }
    buffer_release(&value);
    return problem;
}

/* The opening quote is taken. */
static char *quoted(struct splitting *splitting, char quote)
{
    splitting->in_word = true;
    while (splitting->rest.size > 0) {
        char c = *splitting->rest.at;
        if (c == '$') {
            char *problem = expand_reference(&splitting->rest, EXPAND_FOR_WORKER, &splitting->word);
            if (problem)
                return problem;
            continue;
        }
        take(splitting);
        if (c == quote)
            return NULL;
        if (quote == '"' && c == '\\' && splitting->rest.size > 0) {
            char next = *splitting->rest.at;
            if (next == '\n') {
                take(splitting);
                continue;
            }
            if (memchr("$`\"\\", next, 4))
                c = take(splitting);
        }
        keep(splitting, c);
    }
    return mem_print("expected a closing %c", quote);
}

static char *one_step(struct splitting *splitting)
{
    char c = *splitting->rest.at;

    if (c == '$')
        return unquoted_reference(splitting);
    take(splitting);
    if (is_space(c)) {
        end_word(splitting);
    } else if (c == '\'' || c == '"') {
        return quoted(splitting, c);
    } else if (memchr("|&;<>()`", c, 8)) {
        return mem_print(
            "expected words without shell operators (quote the '%c', or use: sh -c '...'), got '%c'", c, c);
    } else if (c != '\\') {
        keep(splitting, c);
    } else if (splitting->rest.size == 0) {
        return mem_print("expected a character after the last \\");
    } else {
        c = take(splitting);
        if (c != '\n')
            keep(splitting, c);
    }
    return NULL;
}

char *words_split(struct words *words, struct slice text)
{
    struct splitting splitting = {.words = words, .rest = text};
    char *problem = NULL;

    while (!problem && splitting.rest.size > 0) {
        problem = one_step(&splitting);
        if (!problem && (words->count > WORDS_MAX || buffer_size(&splitting.word) > EXPAND_SIZE_MAX))
            problem = mem_print("expected at most %d words, got more", WORDS_MAX);
    }
    if (!problem)
        end_word(&splitting);
    buffer_release(&splitting.word);
    return problem;
}
