/* SPDX-License-Identifier: MIT
 *
 * Walks the nodes along the rows of options.c and fills the structs. One error style: "expected X, got 'Y'".
 * One thread. */
#include "config/fill.h"

#include "base/mem.h"
#include "config/expand.h"
#include "config/values.h"

size_t key_push(struct filling *filling, const char *name)
{
    size_t mark = filling->key_size;
    char part[QUOTE_MAX];

    filling->key_size += str_format(filling->key + mark, sizeof filling->key - mark, "%s%s",
                                    mark > 0 ? "." : "", quote_part(part, slice_of(name)));
    return mark;
}

size_t key_push_index(struct filling *filling, unsigned index)
{
    size_t mark = filling->key_size;

    filling->key_size += str_format(filling->key + mark, sizeof filling->key - mark, "[%u]", index);
    return mark;
}

void key_pop(struct filling *filling, size_t mark)
{
    filling->key[mark] = 0;
    filling->key_size = mark;
}

void fill_wrong_kind(struct filling *filling, const struct yaml_node *node, const char *expected)
{
    const char *got = node->kind == YAML_LIST ? "a list" : node->kind == YAML_MAP ? "a map" : "nothing";
    char part[QUOTE_MAX];

    if (node->kind == YAML_SCALAR && !node_is_nothing(node))
        findings_error(filling->findings, node->place, filling->key, "expected %s, got '%s'", expected,
                       quote_part(part, slice_of(node->text)));
    else
        findings_error(filling->findings, node->place, filling->key, "expected %s, got %s", expected, got);
}

void fill_wrong(struct filling *filling, const struct option *option, const struct yaml_node *node,
                const char *text)
{
    char expected[EXPECTED_MAX], part[QUOTE_MAX], from[QUOTE_MAX];
    bool expanded = strcmp(text, node->text) != 0;

    findings_error(filling->findings, node->place, filling->key, "expected %s, got '%s'%s%s%s",
                   option_expected(option, expected), quote_part(part, slice_of(text)),
                   expanded ? " (from '" : "", expanded ? quote_part(from, slice_of(node->text)) : "",
                   expanded ? "')" : "");
}

char *fill_text(struct filling *filling, const struct option *option, const struct yaml_node *node)
{
    char expected[EXPECTED_MAX];
    struct buffer into = {0};
    char *text = NULL;

    if (node->kind != YAML_SCALAR || node_is_nothing(node)) {
        fill_wrong_kind(filling, node, option_expected(option, expected));
        return NULL;
    }
    char *problem = expand_text(slice_of(node->text), EXPAND_FOR_DROVER, &into);
    if (problem)
        findings_error(filling->findings, node->place, filling->key, "%s", problem);
    else
        text = slice_dup(buffer_slice(&into));
    mem_free(problem);
    buffer_release(&into);
    return text;
}

unsigned fill_list(struct filling *filling, const struct option *option, const struct yaml_node *node)
{
    char expected[EXPECTED_MAX];

    if (!node_is_nothing(node))
        return node->kind == YAML_LIST ? node->count : 1;
    fill_wrong_kind(filling, node, option_expected(option, expected));
    return 0;
}

const struct yaml_node *fill_list_item(const struct yaml_node *node, unsigned index)
{
    return node->kind == YAML_LIST ? node->items[index] : node;
}

char *fill_path(const struct filling *filling, const char *text)
{
    const char *directory = filling->config->directory;

    while (text[0] == '.' && text[1] == '/') {
        text += 2;
        while (*text == '/')
            text++;
    }
    if (*text == '/')
        return mem_dup(text);
    if (*text == 0 || strcmp(text, ".") == 0)
        return mem_dup(directory);
    return mem_print("%s/%s", strcmp(directory, "/") == 0 ? "" : directory, text);
}

bool fill_address(struct filling *filling, const struct option *option, const struct yaml_node *node,
                  const char *text, struct address *address)
{
    struct slice whole = slice_of(text), host;
    bool done = false;
    unsigned port;

    if (slice_starts(whole, SLICE("unix:")) && whole.size > 5) {
        char *path = fill_path(filling, text + 5), *full = mem_print("unix:%s", path);
        done = address_parse(address, slice_of(full));
        mem_free(path);
        mem_free(full);
    } else if (address_split(whole, &host, &port) && slice_equal(host, SLICE("localhost"))) {
        done = address_from_ip(address, SLICE("127.0.0.1"), port);
    } else {
        done = address_parse(address, whole);
    }
    if (!done) {
        *address = (struct address){0};
        fill_wrong(filling, option, node, text);
    }
    return done;
}

static void fill_section(struct filling *filling, const struct option *option, const struct yaml_node *node,
                         void *base)
{
    char expected[EXPECTED_MAX];

    if (node_is_nothing(node)) {
        fill_map(filling, option->section, NULL, base);
    } else if (node->kind == YAML_SCALAR && option->section->short_form) {
        struct yaml_node key = {.kind = YAML_SCALAR, .text = (char *)(uintptr_t)option->section->short_form};
        struct yaml_node *keys[] = {&key}, *items[] = {(struct yaml_node *)(uintptr_t)node};
        struct yaml_node map = {
            .kind = YAML_MAP, .place = node->place, .count = 1, .keys = keys, .items = items};
        fill_map(filling, option->section, &map, base);
    } else if (node->kind == YAML_MAP) {
        fill_map(filling, option->section, node, base);
    } else {
        fill_wrong_kind(filling, node, option_expected(option, expected));
    }
}

static void fill_number(struct filling *filling, const struct option *option, const struct yaml_node *node,
                        void *base)
{
    char *text = fill_text(filling, option, node);
    char expected[EXPECTED_MAX], part[QUOTE_MAX];
    uint64_t number = 0;

    if (!text)
        return;
    bool may_be_auto =
        option->kind == OPTION_AUTO || option->kind == OPTION_WORKERS || option->kind == OPTION_AUTO_DURATION;
    bool is_auto = may_be_auto && strcmp(text, "auto") == 0;
    bool good = is_auto;
    if (is_auto)
        number = 0;
    else if (option->kind == OPTION_DURATION || option->kind == OPTION_AUTO_DURATION)
        good = value_duration(slice_of(text), &number);
    else if (option->kind == OPTION_FACTOR)
        good = value_factor(slice_of(text), &number);
    else if (option->kind == OPTION_SIZE)
        good = value_size(slice_of(text), &number);
    else
        good = value_count(slice_of(text), &number);
    if (!good)
        fill_wrong(filling, option, node, text);
    else if (!is_auto && (number < option->low || number > option->high))
        findings_error(filling->findings, node->place, filling->key, "expected %s%s, got '%s'",
                       option_bounds(option, expected), may_be_auto ? " or 'auto'" : "",
                       quote_part(part, slice_of(text)));
    else
        option_set_number(option, base, number);
    mem_free(text);
}

/* A number, or a map of a range: then the pool follows the demand. */
static void fill_workers(struct filling *filling, const struct option *option, const struct yaml_node *node,
                         void *base)
{
    struct pool_config *pool = base;

    if (node->kind != YAML_MAP) {
        fill_number(filling, option, node, base);
        return;
    }
    pool->is_sized = true;
    fill_map(filling, option->section, node, base);
}

static void fill_word(struct filling *filling, const struct option *option, const struct yaml_node *node,
                      void *base)
{
    char *text = fill_text(filling, option, node);
    const struct option_word *word = option->words;
    bool on;

    if (!text)
        return;
    while (word->word && strcmp(word->word, text) != 0)
        word++;
    if (!word->word && value_switch(slice_of(text), &on)) { /* `true` where a word is `on` */
        for (word = option->words; word->word && strcmp(word->word, on ? "on" : "off") != 0;)
            word++;
    }
    if (word->word)
        option_set_number(option, base, word->value);
    else
        fill_wrong(filling, option, node, text);
    mem_free(text);
}

static void fill_switch(struct filling *filling, const struct option *option, const struct yaml_node *node,
                        void *base)
{
    char *text = fill_text(filling, option, node);
    bool on = false;

    if (text && !value_switch(slice_of(text), &on))
        fill_wrong(filling, option, node, text);
    option_set_number(option, base, on);
    mem_free(text);
}

static fill_reader *const readers[OPTION_KINDS] = {
    [OPTION_SECTION] = fill_section,
    [OPTION_COUNT] = fill_number,
    [OPTION_AUTO] = fill_number,
    [OPTION_WORKERS] = fill_workers,
    [OPTION_DURATION] = fill_number,
    [OPTION_AUTO_DURATION] = fill_number,
    [OPTION_FACTOR] = fill_number,
    [OPTION_SIZE] = fill_number,
    [OPTION_SWITCH] = fill_switch,
    [OPTION_WORD] = fill_word,
    [OPTION_USER] = fill_user,
    [OPTION_DIRECTORY] = fill_directory,
    [OPTION_SIGNAL] = fill_signal,
    [OPTION_SCALE_SIGNAL] = fill_scale_signal,
    [OPTION_ADDRESS] = fill_listen_address,
    [OPTION_ADMIN] = fill_admin,
    [OPTION_STATSD] = fill_statsd,
    [OPTION_CONTROL] = fill_control,
    [OPTION_ACCESS_LOG] = fill_access_log,
    [OPTION_LISTENERS] = fill_listeners,
    [OPTION_TLS] = fill_tls,
    [OPTION_PAIRS] = fill_pairs,
    [OPTION_FILE] = fill_file,
    [OPTION_CIPHERS] = fill_ciphers,
    [OPTION_OCSP] = fill_ocsp,
    [OPTION_TLS_NAME] = fill_tls_name,
    [OPTION_TRUSTED] = fill_trusted,
    [OPTION_REDIRECT] = fill_redirect,
    [OPTION_ACME] = fill_acme,
    [OPTION_EXPOSE] = fill_expose,
    [OPTION_NETWORKS] = fill_networks,
    [OPTION_ROUTES] = fill_routes,
    [OPTION_HOST] = fill_host,
    [OPTION_ROUTE_PATH] = fill_route_path,
    [OPTION_ROUTE_POOL] = fill_route_pool,
    [OPTION_POOLS] = fill_pools,
    [OPTION_COMMAND] = fill_command,
    [OPTION_ENVIRONMENT] = fill_environment,
    [OPTION_SERVERS] = fill_servers,
    [OPTION_HASH_KEY] = fill_hash_key,
    [OPTION_AFFINITY] = fill_affinity,
    [OPTION_COOKIE] = fill_cookie,
    [OPTION_SECRET] = fill_secret,
    [OPTION_PERCENT] = fill_percent,
    [OPTION_PROBE_PATH] = fill_probe_path,
    [OPTION_AFTER] = fill_after,
};

static void unknown_key(struct filling *filling, const struct option_section *section,
                        const struct yaml_node *key)
{
    const char *nearest = option_nearest(section, key->text);
    char part[QUOTE_MAX];

    quote_part(part, slice_of(key->text));
    if (nearest)
        findings_error(filling->findings, key->place, filling->key, "unknown key '%s', did you mean '%s'?",
                       part, nearest);
    else
        findings_error(filling->findings, key->place, filling->key, "unknown key '%s'", part);
}

void fill_map(struct filling *filling, const struct option_section *section, const struct yaml_node *map,
              void *base)
{
    for (unsigned i = 0; map && i < map->count; i++) {
        if (!option_find(section, map->keys[i]->text))
            unknown_key(filling, section, map->keys[i]);
    }
    for (unsigned i = 0; i < section->count; i++) {
        const struct option *option = &section->rows[i];
        struct yaml_node preset = {
            .kind = YAML_SCALAR, .text = (char *)(uintptr_t)option->preset, .is_plain = true};
        const struct yaml_node *node = node_find(map, option->key);
        if (!node && option->preset)
            node = &preset;
        size_t mark = key_push(filling, option->key);
        if (node)
            readers[option->kind](filling, option, node, base);
        else if (option->kind == OPTION_SECTION)
            fill_map(filling, option->section, NULL, base);
        key_pop(filling, mark);
    }
}

bool fill_config(struct filling *filling)
{
    const struct yaml_node *root = filling->root;

    if (root && root->kind != YAML_MAP && !node_is_nothing(root)) {
        fill_wrong_kind(filling, root, "a map of options");
        return false;
    }
    fill_map(filling, &options_top, root && root->kind == YAML_MAP ? root : NULL, filling->config);
    return true;
}

struct place place_of_key(const struct yaml_node *root, const char *const *keys)
{
    struct place place = {1, 1};

    for (; *keys && root; keys++) {
        const struct yaml_node *key = node_find_key(root, *keys);
        root = node_find(root, *keys);
        if (root)
            place = keys[1] || root->kind != YAML_SCALAR || node_is_nothing(root) ? key->place : root->place;
    }
    return place;
}
