/* SPDX-License-Identifier: MIT
 *
 * Fuzzes config_load: any bytes either load or are told to be wrong, each error on a line that begins with
 * the file's name; what loads prints as a file that loads and prints the same again. The input is read as a
 * command line too: its words arrive as they are. */
#include "base/mem.h"
#include "config/config.h"
#include "tests/fuzz/fuzz.h"

#define INPUT_MOST 16384
#define WORDS_MOST 8

static void check_report(const struct config_report *report)
{
    CHECK((report->errors + report->warnings > 0) == (report->text != NULL));
    for (const char *line = report->text; line && *line;) {
        size_t size = strcspn(line, "\n");
        CHECK(strncmp(line, "f.yaml:", 7) == 0 && line[size] == '\n');
        for (size_t i = 0; i < size; i++)
            CHECK((unsigned char)line[i] >= 0x20 && line[i] != 0x7f);
        line += size + 1;
    }
}

static char *printed(const struct config *config)
{
    struct config_report report = {0};

    config_print(config, &report);
    char *text = mem_dup(report.text);
    config_report_fini(&report);
    return text;
}

static void check_print(const struct config *config)
{
    struct config_report report = {0};
    char *text = printed(config);
    struct config *again = config_load("f.yaml", text, strlen(text), &report);

    CHECK(again);
    char *second = printed(again);
    CHECK(strcmp(text, second) == 0);
    for (unsigned i = 0; i < config->pool_count; i++)
        CHECK(config_same_worker(&config->pools[i], &again->pools[i]));
    config_report_fini(&report);
    config_unref(&again);
    mem_free(second);
    mem_free(text);
}

/* Words between line feeds. Bytes that are no UTF-8 cannot be in YAML: those command lines are refused, never
 * changed. */
static void check_words(const char *bytes)
{
    char *copy = mem_dup(bytes), *rest = copy, *words[WORDS_MOST + 1] = {"sh"};
    struct config_report report = {0};
    unsigned count = 1;

    while (rest && count <= WORDS_MOST)
        words[count++] = strsep(&rest, "\n");
    char *yaml = config_from_command_line(NULL, NULL, words, count);
    struct config *config = config_load("f.yaml", yaml, strlen(yaml), &report);
    check_report(&report);
    if (config) {
        const struct pool_config *pool = &config->pools[0];
        CHECK(pool->argument_count == count);
        for (unsigned i = 0; i < count; i++) {
            char *wanted = config_worker_text(pool->command[i], "$PORT", "$SOCKET", "$WORKER");
            if (!strchr(words[i], '{')) /* ${PORT} becomes $PORT here */
                CHECK(strcmp(wanted, words[i]) == 0);
            mem_free(wanted);
        }
    }
    config_unref(&config);
    config_report_fini(&report);
    mem_free(yaml);
    mem_free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config_report report = {0};

    if (size > INPUT_MOST)
        return 0;
    setenv("SET", "a value", 1);
    setenv("HOSTILE", "$PORT ${SET} 'x", 1);
    unsetenv("PORT");
    unsetenv("WEB_CONCURRENCY");
    char *copy = exact_copy((struct slice){(const char *)data, size});
    struct config *config = config_load("f.yaml", copy, size, &report);
    CHECK((config != NULL) == (report.errors == 0));
    check_report(&report);
    if (config)
        check_print(config);
    config_unref(&config);
    config_report_fini(&report);
    char *text = slice_dup((struct slice){copy, size});
    if (size < 1024)
        check_words(text);
    mem_free(text);
    free(copy);
    return 0;
}
