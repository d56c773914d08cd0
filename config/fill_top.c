/* SPDX-License-Identifier: MIT
 *
 * Readers of the top of the file: listeners, admin, control, log, trusted proxies. One thread. */
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "config/fill.h"
#include "config/values.h"

void fill_listeners(struct filling *filling, const struct option *option, const struct yaml_node *node,
                    void *base)
{
    struct config *config = base;
    unsigned count = fill_list(filling, option, node);

    if (count > LISTENERS_MAX) {
        findings_error(filling->findings, node->place, filling->key, "expected at most %d addresses, got %u",
                       LISTENERS_MAX, count);
        return;
    }
    config->listens = mem_zero((count + 1) * sizeof *config->listens);
    config->listen_count = count;
    for (unsigned i = 0; i < count; i++) {
        const struct yaml_node *item = fill_list_item(node, i);
        size_t mark = node->kind == YAML_LIST ? key_push_index(filling, i) : filling->key_size;
        if (item->kind == YAML_MAP) {
            fill_map(filling, option->section, item, &config->listens[i]);
            if (!node_find(item, "address"))
                findings_error(filling->findings, item->place, filling->key, "expected an 'address'");
        } else {
            fill_map(filling, option->section, NULL, &config->listens[i]);
            fill_listen_address(filling, option_find(option->section, "address"), item, &config->listens[i]);
        }
        key_pop(filling, mark);
    }
}

void fill_listen_address(struct filling *filling, const struct option *option, const struct yaml_node *node,
                         void *base)
{
    struct listen_config *listen = base;
    char *text = fill_text(filling, option, node);
    uint64_t port;

    if (!text)
        return;
    struct slice digits = slice_of(text + (*text == ':')); /* ":8000" and "8000" are every IPv4 address */
    if (value_count(digits, &port) && port >= 1 && port <= 65535)
        address_from_ip(&listen->address, SLICE("0.0.0.0"), (unsigned)port);
    else
        fill_address(filling, option, node, text, &listen->address);
    listen->text = text;
}

void fill_expose(struct filling *filling, const struct option *option, const struct yaml_node *node,
                 void *base)
{
    static const char *const pages[] = {"/health/worker", "/health/live", "/health/ready"};
    struct listen_config *listen = base;
    unsigned count = fill_list(filling, option, node);

    listen->expose = mem_zero((count + 1) * sizeof(char *));
    for (unsigned i = 0; i < count; i++) {
        const struct yaml_node *item = fill_list_item(node, i);
        char *text = fill_text(filling, option, item);
        bool known = false;
        for (size_t page = 0; text && page < sizeof pages / sizeof *pages; page++)
            known = known || strcmp(text, pages[page]) == 0;
        if (text && !known)
            fill_wrong(filling, option, item, text);
        if (text)
            listen->expose[listen->expose_count++] = text;
    }
}

void fill_networks(struct filling *filling, const struct option *option, const struct yaml_node *node,
                   void *base)
{
    struct config *config = base;
    unsigned count = fill_list(filling, option, node);

    config->trusted = mem_zero((count + 1) * sizeof *config->trusted);
    for (unsigned i = 0; i < count; i++) {
        const struct yaml_node *item = fill_list_item(node, i);
        size_t mark = node->kind == YAML_LIST ? key_push_index(filling, i) : filling->key_size;
        char *text = fill_text(filling, option, item);
        if (text && !network_parse(&config->trusted[config->trusted_count], slice_of(text)))
            fill_wrong(filling, option, item, text);
        else if (text)
            config->trusted_count++;
        mem_free(text);
        key_pop(filling, mark);
    }
}

static bool is_off(const char *text)
{
    bool on;

    return value_switch(slice_of(text), &on) && !on;
}

void fill_admin(struct filling *filling, const struct option *option, const struct yaml_node *node,
                void *base)
{
    struct config *config = base;
    char *text = fill_text(filling, option, node);

    if (text && !is_off(text))
        config->admin_is_on = fill_address(filling, option, node, text, &config->admin);
    mem_free(text);
}

void fill_statsd(struct filling *filling, const struct option *option, const struct yaml_node *node,
                 void *base)
{
    struct config *config = base;
    char *text = fill_text(filling, option, node);

    if (text && !is_off(text) && fill_address(filling, option, node, text, &config->statsd) &&
        address_is_unix(&config->statsd)) {
        fill_wrong(filling, option, node, text);
        config->statsd = (struct address){0};
    }
    mem_free(text);
}

void fill_control(struct filling *filling, const struct option *option, const struct yaml_node *node,
                  void *base)
{
    struct config *config = base;
    char *text = fill_text(filling, option, node);

    if (text && *text == 0)
        fill_wrong(filling, option, node, text);
    else if (text && strcmp(text, "auto") != 0)
        config->control = fill_path(filling, text);
    mem_free(text);
}

void fill_access_log(struct filling *filling, const struct option *option, const struct yaml_node *node,
                     void *base)
{
    struct config *config = base;
    char *text = fill_text(filling, option, node);
    struct stat found;
    bool on;

    if (!text || is_off(text)) {
        mem_free(text);
        return;
    }
    if (*text == 0 || value_switch(slice_of(text), &on) || strcmp(text, "stderr") == 0) {
        fill_wrong(filling, option, node, text);
    } else if (strcmp(text, "stdout") == 0) {
        config->access_log = text;
        return;
    } else {
        config->access_log = fill_path(filling, text);
        if (stat(config->access_log, &found) == 0 && S_ISDIR(found.st_mode))
            findings_error(filling->findings, node->place, filling->key,
                           "expected a file, '%s' is a directory", config->access_log);
    }
    mem_free(text);
}

/* The port is decided when all listeners are known. */
void fill_redirect(struct filling *filling, const struct option *option, const struct yaml_node *node,
                   void *base)
{
    struct listen_config *listen = base;
    char *text = fill_text(filling, option, node);
    uint64_t port = REDIRECT_DECIDED_LATER;

    if (!text)
        return;
    if (is_off(text))
        port = 0;
    else if (slice_starts(slice_of(text), SLICE("https:")) &&
             (!value_count(slice_of(text + 6), &port) || port < 1 || port > 65535))
        fill_wrong(filling, option, node, text);
    else if (!slice_starts(slice_of(text), SLICE("https:")) && strcmp(text, "https") != 0)
        fill_wrong(filling, option, node, text);
    listen->redirect = (unsigned)port;
    mem_free(text);
}

void fill_acme(struct filling *filling, const struct option *option, const struct yaml_node *node, void *base)
{
    struct config *config = base;
    char *text = fill_text(filling, option, node), part[QUOTE_MAX];
    struct stat found;

    if (!text)
        return;
    config->acme = fill_path(filling, text);
    int status = stat(config->acme, &found) == 0 ? (S_ISDIR(found.st_mode) ? 0 : ENOTDIR) : errno;
    if (*text == 0)
        fill_wrong(filling, option, node, text);
    else if (status != 0)
        findings_error(filling->findings, node->place, filling->key, "expected a directory, got '%s' (%s)",
                       quote_part(part, slice_of(config->acme)), strerror(status));
    mem_free(text);
}
