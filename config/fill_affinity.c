/* SPDX-License-Identifier: MIT
 *
 * Readers of a pool's `affinity` and `tunnels`. One thread. */
#include "base/mem.h"
#include "config/fill.h"
#include "config/values.h"

#define COOKIE_NAME_MAX 64
#define KEY_LEAST       16
#define SECRET_MAX      512

/* No name, so that no value is printed: what is wrong with a secret is told without it. */
static void check_key(struct filling *filling, const struct affinity_config *affinity,
                      const struct yaml_node *map)
{
    const struct yaml_node *key = node_find(map, "key"), *secret = node_find(map, "secret");
    size_t mark = key_push(filling, "key");

    if (key && secret)
        findings_error(filling->findings, key->place, filling->key,
                       "expected a 'key' or a 'secret', got both");
    else if (affinity->key.bytes && affinity->key.size < KEY_LEAST)
        findings_error(filling->findings, key->place, filling->key,
                       "expected a file of %d bytes or more, got %zu", KEY_LEAST, affinity->key.size);
    key_pop(filling, mark);
}

void fill_affinity(struct filling *filling, const struct option *option, const struct yaml_node *node,
                   void *base)
{
    struct pool_config *pool = base;
    char expected[EXPECTED_MAX], *text;
    bool on = true;

    if (node->kind == YAML_MAP) {
        fill_map(filling, option->section, node, base);
        check_key(filling, &pool->affinity, node);
        if (!node_find(node, "cookie"))
            findings_error(filling->findings, node->place, filling->key, "expected a 'cookie'");
        return;
    }
    if (node->kind != YAML_SCALAR) {
        fill_wrong_kind(filling, node, option_expected(option, expected));
        return;
    }
    text = fill_text(filling, option, node);
    if (text && (!value_switch(slice_of(text), &on) || on))
        fill_wrong(filling, option, node, text);
    mem_free(text);
}

void fill_cookie(struct filling *filling, const struct option *option, const struct yaml_node *node,
                 void *base)
{
    char *text = fill_text(filling, option, node);

    if (!text)
        return;
    if (is_token(text) && strlen(text) <= COOKIE_NAME_MAX) {
        memcpy((char *)base + option->offset, &text, sizeof text);
        return;
    }
    fill_wrong(filling, option, node, text);
    mem_free(text);
}

void fill_secret(struct filling *filling, const struct option *option, const struct yaml_node *node,
                 void *base)
{
    char *text = fill_text(filling, option, node);
    size_t size = text ? strlen(text) : 0;

    if (!text)
        return;
    memcpy((char *)base + option->offset, &text, sizeof text);
    if (size < KEY_LEAST || size > SECRET_MAX)
        findings_error(filling->findings, node->place, filling->key, "expected %d to %d characters, got %zu",
                       KEY_LEAST, SECRET_MAX, size);
}

void fill_percent(struct filling *filling, const struct option *option, const struct yaml_node *node,
                  void *base)
{
    char *text = fill_text(filling, option, node), expected[EXPECTED_MAX];
    struct slice number = slice_of(text);
    uint64_t thousandths = 0;
    bool on = true;

    if (!text)
        return;
    if (value_switch(number, &on) && !on) {
        mem_free(text);
        return;
    }
    bool good = number.size > 1 && number.at[number.size - 1] == '%';
    number.size -= good;
    if (!good || !value_factor(number, &thousandths))
        fill_wrong(filling, option, node, text);
    else if (thousandths < option->low || thousandths > option->high)
        findings_error(filling->findings, node->place, filling->key, "expected off or %s, got '%.*s%%'",
                       option_bounds(option, expected), (int)(number.size < 40 ? number.size : 40),
                       number.at);
    else
        option_set_number(option, base, thousandths);
    mem_free(text);
}
