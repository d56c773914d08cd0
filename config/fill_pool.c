/* SPDX-License-Identifier: MIT
 *
 * Readers of a pool's options: what its workers run, where, as whom. Reads the password file and looks at
 * directories; one thread. */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/fill.h"
#include "config/values.h"
#include "config/words.h"

/* Names stand in worker names ("web.3"), in paths, in URLs and in logs. */
static bool is_pool_name(const char *name)
{
    size_t size = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");

    return size > 0 && size <= POOL_NAME_MAX && name[size] == 0 && name[0] != '-';
}

static void fill_pool(struct filling *filling, const struct option *option, const struct yaml_node *key,
                      const struct yaml_node *node, struct pool_config *pool)
{
    char part[QUOTE_MAX];

    pool->name = mem_dup(key->text);
    pool->is_launched = node_find(node, "command") != NULL;
    if (!is_pool_name(pool->name))
        findings_error(filling->findings, key->place, filling->key,
                       "expected a pool's name of at most %d letters, digits, _ and -, got '%s'",
                       POOL_NAME_MAX, quote_part(part, slice_of(key->text)));
    size_t mark = key_push(filling, pool->name);
    if (node->kind == YAML_MAP || node_is_nothing(node))
        fill_map(filling, option->section, node->kind == YAML_MAP ? node : NULL, pool);
    else
        fill_wrong_kind(filling, node, "a map of options");
    key_pop(filling, mark);
}

void fill_pools(struct filling *filling, const struct option *option, const struct yaml_node *node,
                void *base)
{
    struct config *config = base;
    char expected[EXPECTED_MAX];

    if (node_is_nothing(node))
        return; /* validate.c says that there are none */
    if (node->kind != YAML_MAP || node->count > POOLS_MAX) {
        if (node->kind == YAML_MAP)
            findings_error(filling->findings, node->place, filling->key, "expected at most %d pools, got %u",
                           POOLS_MAX, node->count);
        else
            fill_wrong_kind(filling, node, option_expected(option, expected));
        return;
    }
    config->pools = mem_zero((node->count + 1) * sizeof *config->pools);
    config->pool_count = node->count;
    for (unsigned i = 0; i < node->count; i++)
        fill_pool(filling, option, node->keys[i], node->items[i], &config->pools[i]);
}

/* The items of a list are words already: no quotes are read in them. */
static void command_list(struct filling *filling, const struct yaml_node *node, struct words *words)
{
    if (node->count > WORDS_MAX)
        findings_error(filling->findings, node->place, filling->key, "expected at most %d words, got %u",
                       WORDS_MAX, node->count);
    for (unsigned i = 0; i < node->count && i < WORDS_MAX; i++) {
        const struct yaml_node *item = node->items[i];
        size_t mark = key_push_index(filling, i);
        struct buffer word = {0};
        char *problem = NULL;
        if (item->kind != YAML_SCALAR || node_is_nothing(item))
            fill_wrong_kind(filling, item, "a word");
        else
            problem = expand_text(slice_of(item->text), EXPAND_FOR_WORKER, &word);
        if (problem)
            findings_error(filling->findings, item->place, filling->key, "%s", problem);
        words_add(words, buffer_slice(&word));
        mem_free(problem);
        buffer_release(&word);
        key_pop(filling, mark);
    }
}

void fill_command(struct filling *filling, const struct option *option, const struct yaml_node *node,
                  void *base)
{
    struct pool_config *pool = base;
    char expected[EXPECTED_MAX];
    struct words words = {0};
    unsigned before = filling->findings->errors;

    if (node->kind == YAML_MAP || node_is_nothing(node)) {
        fill_wrong_kind(filling, node, option_expected(option, expected));
        return;
    }
    if (node->kind == YAML_LIST) {
        command_list(filling, node, &words);
    } else {
        char *problem = words_split(&words, slice_of(node->text));
        if (problem)
            findings_error(filling->findings, node->place, filling->key, "%s", problem);
        mem_free(problem);
    }
    if (filling->findings->errors == before && (words.count == 0 || *words.all[0] == 0))
        findings_error(filling->findings, node->place, filling->key,
                       "expected a program, got an empty command");
    if (filling->findings->errors > before) {
        words_free(&words);
        return;
    }
    pool->command = words.all;
    pool->argument_count = words.count;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static char *environment_line(struct filling *filling, const char *name, const struct yaml_node *item)
{
    struct buffer value = {0};
    char *line = NULL, *problem = NULL;

    if (item->kind != YAML_SCALAR || node_is_nothing(item)) {
        fill_wrong_kind(filling, item, "a text (\"\" for an empty one)");
        return NULL;
    }
    problem = expand_text(slice_of(item->text), EXPAND_FOR_WORKER, &value);
    if (problem)
        findings_error(filling->findings, item->place, filling->key, "%s", problem);
    else
        line = mem_print("%s=%.*s", name, (int)buffer_size(&value), buffer_slice(&value).at);
    mem_free(problem);
    buffer_release(&value);
    return line;
}

/* Sorted, so that another order in the file is no change. */
void fill_environment(struct filling *filling, const struct option *option, const struct yaml_node *node,
                      void *base)
{
    struct pool_config *pool = base;
    char expected[EXPECTED_MAX], part[QUOTE_MAX];

    if (node_is_nothing(node))
        return;
    if (node->kind != YAML_MAP) {
        fill_wrong_kind(filling, node, option_expected(option, expected));
        return;
    }
    pool->environment = mem_zero((node->count + 1) * sizeof(char *));
    for (unsigned i = 0; i < node->count; i++) {
        const char *name = node->keys[i]->text;
        size_t mark = key_push(filling, name);
        if (*name == 0 || strpbrk(name, "=$"))
            findings_error(filling->findings, node->keys[i]->place, filling->key,
                           "expected a variable's name without = and $, got '%s'",
                           quote_part(part, slice_of(name)));
        char *line = environment_line(filling, name, node->items[i]);
        if (line)
            pool->environment[pool->environment_count++] = line;
        key_pop(filling, mark);
    }
    if (pool->environment_count > 1)
        qsort(pool->environment, pool->environment_count, sizeof(char *), by_text);
}

void fill_user(struct filling *filling, const struct option *option, const struct yaml_node *node, void *base)
{
    char **field = (char **)(void *)((char *)base + option->offset), *text = fill_text(filling, option, node);
    struct passwd entry, *found = NULL;
    size_t room = 65536;

    if (!text)
        return;
    char *space = mem_alloc(room);
    int status = getpwnam_r(text, &entry, space, room, &found);
    if (!found && (status == 0 || status == ENOENT || status == ESRCH))
        fill_wrong(filling, option, node, text);
    else if (!found)
        findings_error(filling->findings, node->place, filling->key, "the user '%s' cannot be looked up: %s",
                       text, strerror(status));
    mem_free(space);
    *field = text;
}

void fill_directory(struct filling *filling, const struct option *option, const struct yaml_node *node,
                    void *base)
{
    struct pool_config *pool = base;
    char *text = fill_text(filling, option, node), part[QUOTE_MAX];
    struct stat found;

    if (!text)
        return;
    pool->directory = fill_path(filling, text);
    int status = stat(pool->directory, &found) == 0 ? 0 : errno;
    if (status == 0 && !S_ISDIR(found.st_mode))
        status = ENOTDIR;
    if (*text == 0)
        fill_wrong(filling, option, node, text);
    else if (status != 0 && status != EACCES) /* a private one may be open to its user */
        findings_error(filling->findings, node->place, filling->key, "expected a directory, got '%s' (%s)",
                       quote_part(part, slice_of(pool->directory)), strerror(status));
    mem_free(text);
}

void fill_signal(struct filling *filling, const struct option *option, const struct yaml_node *node,
                 void *base)
{
    struct pool_config *pool = base;
    char *text = fill_text(filling, option, node);

    if (text && !value_signal(slice_of(text), &pool->stop_signal))
        fill_wrong(filling, option, node, text);
    mem_free(text);
}

void fill_scale_signal(struct filling *filling, const struct option *option, const struct yaml_node *node,
                       void *base)
{
    char *text = fill_text(filling, option, node);
    int number;

    if (text && value_scale_signal(slice_of(text), &number))
        option_set_number(option, base, (uint64_t)number);
    else if (text)
        fill_wrong(filling, option, node, text);
    mem_free(text);
}

/* Sent as it stands in a request line. */
void fill_probe_path(struct filling *filling, const struct option *option, const struct yaml_node *node,
                     void *base)
{
    struct pool_config *pool = base;
    char *text = fill_text(filling, option, node);
    bool good = text && (*text == '/' || *text == 0) && strlen(text) < 1024;

    for (const char *c = text; good && *c; c++)
        good = *c > ' ' && *c < 0x7f && *c != '#';
    if (text && !good)
        fill_wrong(filling, option, node, text);
    if (good && *text)
        pool->probe_path = text;
    else
        mem_free(text);
}

_Static_assert(POOLS_MAX <= 64, "pools are bits of `after`");

/* Circles are for validate_background.c, when all pools are known. */
void fill_after(struct filling *filling, const struct option *option, const struct yaml_node *node,
                void *base)
{
    struct pool_config *pool = base;
    const struct yaml_node *pools = node_find(filling->root, "pools");
    unsigned count = fill_list(filling, option, node);

    for (unsigned i = 0; i < count; i++) {
        const struct yaml_node *item = fill_list_item(node, i);
        size_t mark = node->kind == YAML_LIST ? key_push_index(filling, i) : filling->key_size;
        char *text = fill_text(filling, option, item), part[QUOTE_MAX];
        unsigned found = 0;
        while (text && found < pools->count && strcmp(pools->keys[found]->text, text) != 0)
            found++;
        if (text && (found == pools->count || strcmp(text, pool->name) == 0))
            findings_error(filling->findings, item->place, filling->key,
                           "expected the name of another pool, got '%s'", quote_part(part, slice_of(text)));
        else if (text && !node_find(pools->items[found], "command"))
            findings_error(filling->findings, item->place, filling->key,
                           "expected a pool with a 'command', '%s' has none", text);
        else if (text)
            pool->after |= UINT64_C(1) << found;
        mem_free(text);
        key_pop(filling, mark);
    }
}
