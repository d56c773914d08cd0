/* SPDX-License-Identifier: MIT
 *
 * Readers of `servers` and of the hash key. Pure but for ${...}; one thread. */
#include "base/mem.h"
#include "config/fill.h"
#include "config/values.h"

#define WEIGHT_MAX 1000
#define HTTPS_PORT 443

static struct slice next_word(struct slice *text)
{
    *text = slice_trim(*text);
    struct slice word = {text->at, 0};
    while (word.size < text->size && word.at[word.size] != ' ' && word.at[word.size] != '\t')
        word.size++;
    text->at += word.size;
    text->size -= word.size;
    return word;
}

/* A name as DNS or a hosts file may have it, or an IP. All digits and dots must be an IPv4 address:
 * 10.0.0.256 is none. */
static bool is_host(struct slice host)
{
    struct address address;
    bool only_digits = true;

    if (address_from_ip(&address, host, 1))
        return true;
    if (host.size == 0 || host.size > 253 || host.at[0] == '.' || host.at[0] == '-')
        return false;
    for (size_t i = 0; i < host.size; i++) {
        char c = host.at[i];
        bool is_digit = c >= '0' && c <= '9';
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!is_digit && !is_letter && c != '-' && c != '_' && c != '.')
            return false;
        if (c == '.' && i + 1 < host.size && host.at[i + 1] == '.')
            return false;
        only_digits = only_digits && (is_digit || c == '.');
    }
    return !only_digits;
}

static bool read_endpoint(struct filling *filling, struct slice text, struct server_config *server)
{
    struct slice host;

    if (slice_starts(text, SLICE("unix:")) && !server->is_tls) {
        char *path = slice_dup((struct slice){text.at + 5, text.size - 5});
        struct address address;
        bool good = *path != 0;
        if (good)
            server->unix_path = fill_path(filling, path);
        char *full = mem_print("unix:%s", good ? server->unix_path : "");
        good = good && address_parse(&address, slice_of(full));
        mem_free(full);
        mem_free(path);
        return good;
    }
    if (!address_split(text, &host, &server->port)) {
        if (!server->is_tls)
            return false;
        host = text; /* https://host */
        server->port = HTTPS_PORT;
        if (host.size > 2 && host.at[0] == '[' && host.at[host.size - 1] == ']')
            host = (struct slice){host.at + 1, host.size - 2};
    }
    if (!is_host(host))
        return false;
    bool is_bracketed = text.at[0] == '[', is_v6 = memchr(host.at, ':', host.size) != NULL;
    if (is_bracketed != is_v6)
        return false;
    server->host = slice_dup(host);
    return true;
}

static void fill_server(struct filling *filling, const struct option *option, const struct yaml_node *node,
                        struct server_config *server)
{
    char *text = fill_text(filling, option, node);
    struct slice rest = slice_of(text), weight = SLICE("weight=");
    uint64_t number = 1;

    server->weight = 1;
    if (!text)
        return;
    struct slice endpoint = next_word(&rest), scheme = SLICE("https://");
    server->is_tls = slice_starts(endpoint, scheme);
    if (server->is_tls) {
        endpoint.at += scheme.size;
        endpoint.size -= scheme.size;
        if (endpoint.size > 0 && endpoint.at[endpoint.size - 1] == '/')
            endpoint.size--;
    }
    bool good = read_endpoint(filling, endpoint, server);
    if (good)
        server->text = slice_dup(endpoint);
    for (struct slice word = next_word(&rest); good && word.size > 0; word = next_word(&rest)) {
        good = slice_starts(word, weight) &&
               value_count((struct slice){word.at + weight.size, word.size - weight.size}, &number);
        if (good && (number < 1 || number > WEIGHT_MAX)) {
            findings_error(filling->findings, node->place, filling->key,
                           "expected a weight from 1 to %d, got '%.*s'", WEIGHT_MAX,
                           (int)(word.size < 40 ? word.size : 40), word.at);
            number = 1;
        }
    }
    if (!good)
        fill_wrong(filling, option, node, text);
    server->weight = (unsigned)number;
    mem_free(text);
}

void fill_servers(struct filling *filling, const struct option *option, const struct yaml_node *node,
                  void *base)
{
    struct pool_config *pool = base;
    unsigned count = fill_list(filling, option, node), most = 1024;

    if (count > most) {
        findings_error(filling->findings, node->place, filling->key, "expected at most %u servers, got %u",
                       most, count);
        return;
    }
    pool->servers = mem_zero((count + 1) * sizeof *pool->servers);
    pool->server_count = count;
    for (unsigned i = 0; i < count; i++) {
        size_t mark = node->kind == YAML_LIST ? key_push_index(filling, i) : filling->key_size;
        fill_server(filling, option, fill_list_item(node, i), &pool->servers[i]);
        key_pop(filling, mark);
    }
    if (count == 0 && node->kind == YAML_LIST)
        findings_error(filling->findings, node->place, filling->key,
                       "expected at least one server, got an empty list");
}

bool is_token(const char *text)
{
    return *text &&
           text[strspn(text,
                       "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~")] == 0;
}

void fill_hash_key(struct filling *filling, const struct option *option, const struct yaml_node *node,
                   void *base)
{
    static const struct {
        struct slice prefix;
        enum hash_key key;
    } forms[] = {{{"header:", 7}, HASH_HEADER}, {{"cookie:", 7}, HASH_COOKIE}};
    struct pool_config *pool = base;
    char *text = fill_text(filling, option, node);

    if (!text)
        return;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        const char *name = text + forms[i].prefix.size;
        if (slice_starts(slice_of(text), forms[i].prefix) && is_token(name)) {
            pool->hash_key = forms[i].key;
            pool->hash_name = mem_dup(name);
        }
    }
    if (!pool->hash_name && strcmp(text, "client") != 0)
        fill_wrong(filling, option, node, text);
    mem_free(text);
}

void fill_tls_name(struct filling *filling, const struct option *option, const struct yaml_node *node,
                   void *base)
{
    struct pool_config *pool = base;

    pool->tls_name = fill_text(filling, option, node);
    if (pool->tls_name && !is_host(slice_of(pool->tls_name)))
        fill_wrong(filling, option, node, pool->tls_name);
}
