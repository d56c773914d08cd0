/* SPDX-License-Identifier: MIT */
#include "config/expand.h"

#include <stdlib.h>

#include "base/mem.h"
#include "config/config.h"
#include "tests/unit/unit.h"

static void set_up(void)
{
    setenv("FULL", "value", 1);
    setenv("EMPTY", "", 1);
    setenv("TRICKY", "$FULL ${FULL} $$ $PORT", 1);
    setenv("PORT", "from the environment", 1);
    unsetenv("NONE");
}

/* The text, or "! problem"; the caller frees. */
static char *expanded(const char *text, enum expand_for who)
{
    struct buffer into = {0};

    set_up();
    char *problem = expand_text(slice_of(text), who, &into);
    char *result = problem ? mem_print("! %s", problem) : slice_dup(buffer_slice(&into));
    mem_free(problem);
    buffer_release(&into);
    return result;
}

static void becomes(const char *text, enum expand_for who, const char *wanted)
{
    char *result = expanded(text, who);

    ck_assert_msg(strcmp(result, wanted) == 0, "'%s' becomes '%s', not '%s'", text, result, wanted);
    mem_free(result);
}

START_TEST(values_and_defaults_follow_composes_rules)
{
    becomes("a ${FULL} b", EXPAND_FOR_DROVER, "a value b");
    becomes("${EMPTY}", EXPAND_FOR_DROVER, "");
    becomes("${NONE:-d}${EMPTY:-d}${FULL:-d}", EXPAND_FOR_DROVER, "ddvalue");
    becomes("${NONE-d}${EMPTY-d}${FULL-d}", EXPAND_FOR_DROVER, "dvalue");
    becomes("${NONE:-}${NONE-}", EXPAND_FOR_DROVER, "");
    becomes("${FULL:?m}${FULL?m}${EMPTY?m}", EXPAND_FOR_DROVER, "valuevalue");
    becomes("$$FULL $${FULL} $$$$", EXPAND_FOR_DROVER, "$FULL ${FULL} $$");
    becomes("no dollar", EXPAND_FOR_DROVER, "no dollar");
}
END_TEST

START_TEST(a_default_may_hold_another)
{
    becomes("${NONE:-${FULL}}", EXPAND_FOR_DROVER, "value");
    becomes("${NONE:-a${NONE:-{b}c}", EXPAND_FOR_DROVER, "a{bc");
    becomes("${NONE:-$${x}", EXPAND_FOR_DROVER, "${x");
    becomes("${NONE-${NONE-${NONE-${NONE-${NONE-${NONE-${NONE-x}}}}}}}", EXPAND_FOR_DROVER, "x");
    char *deep = expanded("${N-${N-${N-${N-${N-${N-${N-${N-${N-x}}}}}}}}}", EXPAND_FOR_DROVER);
    ck_assert_ptr_nonnull(strstr(deep, "! expected no more than 8 defaults inside each other"));
    mem_free(deep);
}
END_TEST

START_TEST(a_value_is_never_expanded_again)
{
    becomes("${TRICKY}", EXPAND_FOR_DROVER, "$FULL ${FULL} $$ $PORT");
}
END_TEST

START_TEST(what_is_wrong_is_said_with_the_text_that_is_wrong)
{
    becomes("${NONE}", EXPAND_FOR_DROVER,
            "! expected NONE in the environment, or a default as in ${NONE:-default}, got '${NONE}'");
    becomes("${NONE:?set it}", EXPAND_FOR_DROVER,
            "! expected NONE in the environment (set it), got '${NONE:?set it}'");
    becomes("${EMPTY:?set it}", EXPAND_FOR_DROVER,
            "! expected EMPTY in the environment (set it), got '${EMPTY:?set it}'");
    becomes("${NONE?}", EXPAND_FOR_DROVER,
            "! expected NONE in the environment, or a default as in ${NONE:-default}, got '${NONE?}'");
    becomes("a $FULL", EXPAND_FOR_DROVER, "! expected ${FULL} (or $$ for a dollar), got '$FULL'");
    becomes("$PORT", EXPAND_FOR_DROVER, "! expected ${PORT} (or $$ for a dollar), got '$PORT'");
    becomes("5$", EXPAND_FOR_DROVER, "! expected ${NAME} (or $$ for a dollar), got '$'");
    becomes("$(x)", EXPAND_FOR_DROVER, "! expected ${NAME} (or $$ for a dollar), got '$(x)'");
    becomes("${FULL", EXPAND_FOR_DROVER, "! expected a '}' that closes '${FULL'");
    becomes("${}", EXPAND_FOR_DROVER,
            "! expected ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?message} or ${NAME?message}, got "
            "'${}'");
    becomes("${FULL:+x}", EXPAND_FOR_DROVER,
            "! expected ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?message} or ${NAME?message}, got "
            "'${FULL:+x}'");
    becomes("${1}", EXPAND_FOR_DROVER,
            "! expected ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?message} or ${NAME?message}, got "
            "'${1}'");
    becomes("${FULL:}", EXPAND_FOR_DROVER,
            "! expected ${NAME}, ${NAME:-default}, ${NAME-default}, ${NAME:?message} or ${NAME?message}, got "
            "'${FULL:}'");
}
END_TEST

START_TEST(the_workers_own_names_stay_in_texts_for_workers)
{
    becomes("--port $PORT", EXPAND_FOR_WORKER, "--port ${PORT}");
    becomes("${SOCKET} $WORKER", EXPAND_FOR_WORKER, "${SOCKET} ${WORKER}");
    becomes("$PORT${FULL}", EXPAND_FOR_WORKER, "${PORT}value");
    becomes("$PORTS", EXPAND_FOR_WORKER, "! expected ${PORTS} (or $$ for a dollar), got '$PORTS'");
    becomes("${PORT:-1}", EXPAND_FOR_WORKER,
            "! expected ${PORT} alone (each worker has its own), got '${PORT:-1}'");
    becomes("$$PORT ${TRICKY}", EXPAND_FOR_WORKER, "$$PORT $$FULL $${FULL} $$$$ $$PORT");
}
END_TEST

START_TEST(a_worker_gets_its_own_words_and_plain_dollars)
{
    static const struct {
        const char *text, *wanted;
    } rows[] = {{"--port ${PORT}", "--port 8001"},
                {"$PORT$SOCKET$WORKER", "8001/s/1.sockweb.1"},
                {"$$PORT $$$$", "$PORT $$"},
                {"$PORTS ${PORT", "$PORTS ${PORT"},
                {"$", "$"},
                {"", ""},
                {"${PORT}x", "8001x"},
                {"${HOME}", "${HOME}"}};

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char *text = config_worker_text(rows[i].text, "8001", "/s/1.sock", "web.1");
        ck_assert_str_eq(text, rows[i].wanted);
        mem_free(text);
    }
    char *text = config_worker_text("a${SOCKET}b", "8001", NULL, "web.1");
    ck_assert_str_eq(text, "ab");
    mem_free(text);
}
END_TEST

START_TEST(what_is_protected_comes_out_as_it_was)
{
    const char *const texts[] = {"$PORT", "$$", "a$b${c}", "${NONE}", ""};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct buffer into = {0};
        expand_protect(slice_of(texts[i]), &into);
        char *protected = slice_dup(buffer_slice(&into));
        becomes(protected, EXPAND_FOR_DROVER, texts[i]);
        char *stored = expanded(protected, EXPAND_FOR_WORKER),
             *again = config_worker_text(stored, "1", "2", "3");
        ck_assert_str_eq(again, texts[i]);
        mem_free(again);
        mem_free(stored);
        mem_free(protected);
        buffer_release(&into);
    }
}
END_TEST

START_TEST(names_are_found_only_where_they_are_references)
{
    ck_assert(expand_names("--port ${PORT}", "PORT"));
    ck_assert(expand_names("unix:$SOCKET", "SOCKET"));
    ck_assert(!expand_names("$$PORT", "PORT"));
    ck_assert(!expand_names("$PORTS PORT ${PORT", "PORT"));
    ck_assert(!expand_names("$SOCKET", "PORT"));
    ck_assert(expand_names("$$${PORT}", "PORT"));
}
END_TEST

START_TEST(a_text_cannot_grow_without_bound)
{
    char *long_value = mem_alloc(100001), *text = mem_zero(20 * 8 + 1);

    memset(long_value, 'x', 100000);
    long_value[100000] = 0;
    setenv("LONG", long_value, 1);
    for (int i = 0; i < 20; i++)
        strcat(text, "${LONG}");
    becomes(text, EXPAND_FOR_DROVER, "! expected a text of at most 1m after its ${...} are filled in");
    mem_free(long_value);
    mem_free(text);
}
END_TEST

UNIT_MAIN("config/expand", values_and_defaults_follow_composes_rules, a_default_may_hold_another,
          a_value_is_never_expanded_again, what_is_wrong_is_said_with_the_text_that_is_wrong,
          the_workers_own_names_stay_in_texts_for_workers, a_worker_gets_its_own_words_and_plain_dollars,
          what_is_protected_comes_out_as_it_was, names_are_found_only_where_they_are_references,
          a_text_cannot_grow_without_bound)
