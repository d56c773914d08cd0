/* SPDX-License-Identifier: MIT
 *
 * Nodes + rows to structs. Private to config/. Order: fill (each value by itself), decide (`auto`, the
 * environment), validate (values against each other). Each goes on after errors, so that all are told at
 * once. */
#ifndef DROVER_CONFIG_FILL_H
#define DROVER_CONFIG_FILL_H

#include "config/options.h"
#include "config/yaml.h"

#define COMMAND_LINE           "(command line)" /* config.path without a file */
#define KEY_PATH_MAX           256
#define LISTENERS_MAX          64
#define REDIRECT_DECIDED_LATER UINT16_MAX + 1u
#define POOLS_MAX              64
#define POOL_NAME_MAX          63 /* of the slot table */

struct filling {
    struct findings *findings;
    struct config *config; /* being filled; values that were wrong are zero */
    const struct yaml_node *root;
    char key[KEY_PATH_MAX]; /* where we are: "pools.web.queue" */
    size_t key_size;
    bool reads_files; /* those that it names; else only their paths are taken */
};

bool fill_config(struct filling *filling); /* false: there is nothing that the others could look at */
void decide(struct filling *filling);
void validate(struct filling *filling);

/* A step down in the key path, ".name" or "[3]"; pop with what it returned. */
size_t key_push(struct filling *filling, const char *name);
size_t key_push_index(struct filling *filling, unsigned index);
void key_pop(struct filling *filling, size_t mark);

/* All keys of `map` into `base` by the section's rows, presets for those that are not there; `map` may be
 * NULL. */
void fill_map(struct filling *filling, const struct option_section *section, const struct yaml_node *map,
              void *base);

/* A value as text with its ${...} filled in, owned by the caller; NULL when it is none (told as an error). */
char *fill_text(struct filling *filling, const struct option *option, const struct yaml_node *node);
void fill_wrong_kind(struct filling *filling, const struct yaml_node *node, const char *expected);
void fill_wrong(struct filling *filling, const struct option *option, const struct yaml_node *node,
                const char *text);
/* A list, or one value that stands for a list of it; told as an error (0) when it is nothing. */
unsigned fill_list(struct filling *filling, const struct option *option, const struct yaml_node *node);
const struct yaml_node *fill_list_item(const struct yaml_node *node, unsigned index);
/* `text` as an absolute path; relative ones start at the file. Owned by the caller. */
char *fill_path(const struct filling *filling, const char *text);
/* False and an error when it is no address. */
bool fill_address(struct filling *filling, const struct option *option, const struct yaml_node *node,
                  const char *text, struct address *address);

/* The readers of the kinds that are more than a number. `base` is the struct that the row's section fills. */
typedef void fill_reader(struct filling *filling, const struct option *option, const struct yaml_node *node,
                         void *base);
fill_reader fill_listeners, fill_listen_address, fill_expose, fill_networks, fill_admin, fill_control,
    fill_statsd, fill_access_log; /* fill_top.c */
fill_reader fill_tls, fill_pairs, fill_file, fill_ciphers, fill_ocsp, fill_trusted, fill_redirect,
    fill_acme;                                                        /* fill_tls.c */
fill_reader fill_routes, fill_host, fill_route_path, fill_route_pool; /* fill_routes.c */
fill_reader fill_pools, fill_command, fill_environment, fill_user, fill_directory, fill_signal,
    fill_scale_signal, fill_probe_path, fill_after;                /* fill_pool.c */
fill_reader fill_servers, fill_hash_key, fill_tls_name;            /* fill_servers.c */
fill_reader fill_affinity, fill_cookie, fill_secret, fill_percent; /* fill_affinity.c */

bool is_token(const char *text); /* RFC 9110 section 5.6.2: what a field's or cookie's name is made of */

/* Where the value at a chain of keys stands, else the nearest thing above it. `keys` ends with NULL. */
struct place place_of_key(const struct yaml_node *root, const char *const *keys);

#endif
