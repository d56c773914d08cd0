/* SPDX-License-Identifier: MIT
 *
 * A configuration as YAML again, every option with the value that was decided: loading it gives the same
 * tree. Goes by the rows of options.c, so that no option can be forgotten here. Pure. */
#include "base/check.h"
#include "base/mem.h"
#include "config/options.h"
#include "config/quote.h"
#include "config/values.h"

struct printing {
    struct buffer text;
    const struct config *config;
    const struct pool_config *pool; /* whose options are printed; NULL: none's */
    unsigned depth;                 /* of indentation */
    bool dash;                      /* the next line begins an item of a list */
};

static void print_rows(struct printing *printing, const struct option_section *section, const void *base);

static void begin_line(struct printing *printing, const char *key)
{
    unsigned spaces = 2 * printing->depth - (printing->dash ? 2 : 0);

    buffer_print(&printing->text, "%*s%s", (int)spaces, "", printing->dash ? "- " : "");
    printing->dash = false;
    quote_yaml(&printing->text, slice_of(key));
    buffer_print(&printing->text, ":");
}

static void print_text(struct printing *printing, const char *text)
{
    quote_yaml_literal(&printing->text, slice_of(text));
}

static void print_comma(struct printing *printing, unsigned index)
{
    buffer_append(&printing->text, ", ", index > 0 ? 2 : 0);
}

/* Worker texts are printed as they are: their dollars are doubled already. */
static void print_command(struct printing *printing, const struct pool_config *pool)
{
    buffer_print(&printing->text, " [");
    for (unsigned i = 0; i < pool->argument_count; i++) {
        print_comma(printing, i);
        quote_yaml(&printing->text, slice_of(pool->command[i]));
    }
    buffer_print(&printing->text, "]\n");
}

static void print_environment(struct printing *printing, const struct pool_config *pool)
{
    buffer_print(&printing->text, " {");
    for (unsigned i = 0; i < pool->environment_count; i++) {
        const char *line = pool->environment[i], *equals = strchr(line, '=');
        print_comma(printing, i);
        quote_yaml(&printing->text, (struct slice){line, (size_t)(equals - line)});
        buffer_print(&printing->text, ": ");
        quote_yaml(&printing->text, slice_of(equals + 1));
    }
    buffer_print(&printing->text, "}\n");
}

static void print_servers(struct printing *printing, const struct pool_config *pool)
{
    buffer_print(&printing->text, " [");
    for (unsigned i = 0; i < pool->server_count; i++) {
        const struct server_config *server = &pool->servers[i];
        char *endpoint = server->unix_path ? mem_print("unix:%s", server->unix_path) : mem_dup(server->text);
        char *text = mem_print("%s%s weight=%u", server->is_tls ? "https://" : "", endpoint, server->weight);
        print_comma(printing, i);
        print_text(printing, text);
        mem_free(endpoint);
        mem_free(text);
    }
    buffer_print(&printing->text, "]\n");
}

static void print_after(struct printing *printing, const struct pool_config *pool)
{
    unsigned count = 0;

    buffer_print(&printing->text, " [");
    for (unsigned i = 0; i < printing->config->pool_count; i++) {
        if (!(pool->after >> i & 1))
            continue;
        print_comma(printing, count++);
        print_text(printing, printing->config->pools[i].name);
    }
    buffer_print(&printing->text, "]\n");
}

static void print_networks(struct printing *printing, const struct config *config)
{
    buffer_print(&printing->text, " [");
    for (unsigned i = 0; i < config->trusted_count; i++) {
        const struct network *network = &config->trusted[i];
        char ip[ADDRESS_TEXT], text[ADDRESS_TEXT + 8] = "unix:";
        if (!address_is_unix(&network->base)) {
            address_print_ip(&network->base, ip);
            str_format(text, sizeof text, "%s/%u", ip, network->bits);
        }
        print_comma(printing, i);
        print_text(printing, text);
    }
    buffer_print(&printing->text, "]\n");
}

static void print_expose(struct printing *printing, const struct listen_config *listen)
{
    buffer_print(&printing->text, " [");
    for (unsigned i = 0; i < listen->expose_count; i++) {
        print_comma(printing, i);
        print_text(printing, listen->expose[i]);
    }
    buffer_print(&printing->text, "]\n");
}

static void print_line(struct printing *printing, const char *text)
{
    buffer_print(&printing->text, " ");
    print_text(printing, text);
    buffer_print(&printing->text, "\n");
}

static void print_address(struct printing *printing, const struct address *address)
{
    char text[ADDRESS_TEXT];

    address_print(address, text);
    print_line(printing, text);
}

static void print_if(struct printing *printing, bool is_on, const struct address *address)
{
    if (is_on)
        print_address(printing, address);
    else
        print_line(printing, "off");
}

static void print_hash_key(struct printing *printing, const struct pool_config *pool)
{
    static const char *const prefixes[] = {
        [HASH_CLIENT] = "client", [HASH_HEADER] = "header:", [HASH_COOKIE] = "cookie:"};
    char *text = mem_print("%s%s", prefixes[pool->hash_key], pool->hash_name ? pool->hash_name : "");

    print_line(printing, text);
    mem_free(text);
}

static void print_item(struct printing *printing, const struct option_section *section, const void *item)
{
    printing->dash = true;
    printing->depth += 2;
    print_rows(printing, section, item);
    printing->depth -= 2;
}

static void print_lists(struct printing *printing, const struct option *option, const struct config *config)
{
    bool is_none =
        option->kind == OPTION_LISTENERS && config->listen_count == 0; /* nothing would be the preset */

    buffer_print(&printing->text, is_none ? " []\n" : "\n");
    for (unsigned i = 0; option->kind == OPTION_LISTENERS && i < config->listen_count; i++)
        print_item(printing, option->section, &config->listens[i]);
    for (unsigned i = 0; option->kind == OPTION_ROUTES && i < config->route_count; i++)
        print_item(printing, option->section, &config->routes[i]);
    for (unsigned i = 0; option->kind == OPTION_POOLS && i < config->pool_count; i++) {
        printing->depth++;
        begin_line(printing, config->pools[i].name);
        buffer_print(&printing->text, "\n");
        printing->depth++;
        printing->pool = &config->pools[i];
        print_rows(printing, option->section, &config->pools[i]);
        printing->pool = NULL;
        printing->depth -= 2;
    }
}

static void print_redirect(struct printing *printing, const struct listen_config *listen)
{
    char text[16] = "off";

    if (listen->redirect)
        str_format(text, sizeof text, "https:%u", listen->redirect);
    print_line(printing, text);
}

static void print_pairs(struct printing *printing, const struct option *option, const struct tls_config *tls)
{
    buffer_print(&printing->text, "\n");
    for (unsigned i = 0; i < tls->pair_count; i++)
        print_item(printing, option->section, &tls->pairs[i]);
}

static void print_number(struct printing *printing, const struct option *option, const void *base)
{
    uint64_t number = option_number(option, base);
    char text[VALUE_TEXT];

    if (option->kind == OPTION_DURATION || (option->kind == OPTION_AUTO_DURATION && number > 0))
        value_print_duration(text, number);
    else if (option->kind == OPTION_SIZE)
        value_print_size(text, number);
    else if (option->kind == OPTION_FACTOR)
        value_print_factor(text, number);
    else if ((option->kind == OPTION_AUTO || option->kind == OPTION_AUTO_DURATION) && number == 0)
        str_format(text, sizeof text, "auto");
    else
        str_format(text, sizeof text, "%llu", (unsigned long long)number);
    print_line(printing, text);
}

static void print_percent(struct printing *printing, uint64_t thousandths)
{
    char number[VALUE_TEXT], text[VALUE_TEXT + 1];

    str_format(text, sizeof text, "%s%%", value_print_factor(number, thousandths));
    print_line(printing, thousandths > 0 ? text : "off");
}

static const char *text_of(const struct option *option, const void *base)
{
    const char *text;

    memcpy(&text, (const char *)base + option->offset, sizeof text);
    return text;
}

static bool has_https(const struct pool_config *pool)
{
    for (unsigned i = 0; i < pool->server_count; i++)
        if (pool->servers[i].is_tls)
            return true;
    return false;
}

/* A row whose key would say nothing, or would be wrong there, is left out. */
static bool has_line(const struct option *option, const void *base)
{
    const struct pool_config *pool = base;

    switch (option->kind) {
    case OPTION_USER:
    case OPTION_HOST:
    case OPTION_FILE:
    case OPTION_OCSP:
    case OPTION_TRUSTED:
    case OPTION_CIPHERS:
    case OPTION_ACME:
    case OPTION_TLS_NAME:
    case OPTION_PROBE_PATH:
        return text_of(option, base) && (option->only == FOR_ANY_POOL || pool->is_launched);
    case OPTION_TLS: return ((const struct listen_config *)base)->tls.pair_count > 0;
    case OPTION_REDIRECT: return ((const struct listen_config *)base)->redirect > 0;
    case OPTION_EXPOSE: return ((const struct listen_config *)base)->expose_count > 0;
    case OPTION_HASH_KEY: return pool->balance == BALANCE_HASH;
    case OPTION_SECTION:
        if (strcmp(option->key, "signals") == 0)
            return pool->signal_up > 0;
        break;
    case OPTION_SECRET: return false; /* not for other eyes */
    case OPTION_SERVERS: return !pool->is_launched;
    case OPTION_AFTER: return pool->after != 0;
    case OPTION_WORD:
        if (!option_word_of(option->words, (unsigned)option_number(option, base)))
            return false; /* a route that inherits */
        break;
    case OPTION_AUTO:
        if (strcmp(option->key, "port") == 0 && pool->bind != BIND_PORT)
            return false;
        break;
    default: break;
    }
    if (option->only == FOR_SERVERS)
        return has_https(pool);
    return option->only == FOR_ANY_POOL || pool->is_launched;
}

static bool is_of_kind(const struct pool_config *pool, const struct option *option)
{
    return !pool || option->background == ALSO_BACKGROUND ||
           pool->is_background == (option->background == ONLY_BACKGROUND);
}

static void print_section(struct printing *printing, const struct option_section *section, const void *base)
{
    buffer_print(&printing->text, "\n");
    printing->depth++;
    print_rows(printing, section, base);
    printing->depth--;
}

static void print_value(struct printing *printing, const struct option *option, const void *base)
{
    const struct config *config = printing->config;

    switch (option->kind) {
    case OPTION_SECTION: print_section(printing, option->section, base); break;
    case OPTION_TLS:
        print_section(printing, option->section, &((const struct listen_config *)base)->tls);
        break;
    case OPTION_REDIRECT: print_redirect(printing, base); break;
    case OPTION_PAIRS: print_pairs(printing, option, base); break;
    case OPTION_WORKERS:
        if (((const struct pool_config *)base)->is_sized)
            print_section(printing, option->section, base);
        else
            print_number(printing, option, base);
        break;
    case OPTION_AUTO_DURATION:
    case OPTION_FACTOR:
    case OPTION_COUNT:
    case OPTION_AUTO:
    case OPTION_DURATION:
    case OPTION_SIZE: print_number(printing, option, base); break;
    case OPTION_SWITCH: print_line(printing, option_number(option, base) ? "on" : "off"); break;
    case OPTION_WORD:
        print_line(printing, option_word_of(option->words, (unsigned)option_number(option, base)));
        break;
    case OPTION_USER:
    case OPTION_DIRECTORY:
    case OPTION_CONTROL:
    case OPTION_HOST:
    case OPTION_ROUTE_PATH:
    case OPTION_FILE: /* its path is the first field */
    case OPTION_OCSP:
    case OPTION_TRUSTED:
    case OPTION_CIPHERS:
    case OPTION_TLS_NAME:
    case OPTION_ACME:
    case OPTION_COOKIE:
    case OPTION_PROBE_PATH: print_line(printing, text_of(option, base)); break;
    case OPTION_ACCESS_LOG: print_line(printing, config->access_log ? config->access_log : "off"); break;
    case OPTION_SIGNAL:
    case OPTION_SCALE_SIGNAL:
        print_line(printing, value_print_signal((int)option_number(option, base)));
        break;
    case OPTION_ADDRESS: print_address(printing, &((const struct listen_config *)base)->address); break;
    case OPTION_ADMIN: print_if(printing, config->admin_is_on, &config->admin); break;
    case OPTION_STATSD: print_if(printing, config->statsd.size > 0, &config->statsd); break;
    case OPTION_LISTENERS:
    case OPTION_ROUTES:
    case OPTION_POOLS: print_lists(printing, option, config); break;
    case OPTION_EXPOSE: print_expose(printing, base); break;
    case OPTION_NETWORKS: print_networks(printing, config); break;
    case OPTION_ROUTE_POOL:
        print_line(printing, config->pools[((const struct route_config *)base)->pool].name);
        break;
    case OPTION_COMMAND: print_command(printing, base); break;
    case OPTION_ENVIRONMENT: print_environment(printing, base); break;
    case OPTION_SERVERS: print_servers(printing, base); break;
    case OPTION_HASH_KEY: print_hash_key(printing, base); break;
    case OPTION_AFFINITY:
        if (((const struct pool_config *)base)->affinity.cookie)
            print_section(printing, option->section, base);
        else
            print_line(printing, "off");
        break;
    case OPTION_PERCENT: print_percent(printing, option_number(option, base)); break;
    case OPTION_SECRET: break;
    case OPTION_AFTER: print_after(printing, base); break;
    case OPTION_KINDS: UNREACHABLE();
    }
}

static void print_rows(struct printing *printing, const struct option_section *section, const void *base)
{
    for (unsigned i = 0; i < section->count; i++) {
        const struct option *option = &section->rows[i];
        if (!has_line(option, base) || !is_of_kind(printing->pool, option))
            continue;
        begin_line(printing, option->key);
        print_value(printing, option, base);
    }
}

void config_print(const struct config *config, struct config_report *into)
{
    struct printing printing = {.config = config};

    if (into->text)
        buffer_append(&printing.text, into->text, strlen(into->text));
    print_rows(&printing, &options_top, config);
    mem_free(into->text);
    into->text = slice_dup(buffer_slice(&printing.text));
    buffer_release(&printing.text);
}
