/* SPDX-License-Identifier: MIT
 *
 * YAML as nodes with their places. An alias is the node of its anchor again, so the tree is a graph without
 * cycles; its size when walked as a tree is bounded. Private to config/. */
#ifndef DROVER_CONFIG_YAML_H
#define DROVER_CONFIG_YAML_H

#include "config/findings.h"

#define YAML_BYTES_MAX 1048576
#define YAML_DEPTH_MAX 16
#define YAML_NODES_MAX 20000 /* with every alias counted as a copy */

enum yaml_kind { YAML_SCALAR, YAML_LIST, YAML_MAP };

struct yaml_node {
    enum yaml_kind kind;
    bool is_plain; /* a scalar without quotes */
    struct place place;
    char *text; /* of a scalar; never with a NUL inside */
    char *anchor;
    unsigned count, room;
    struct yaml_node **keys;  /* of a map: scalars */
    struct yaml_node **items; /* of a list; the values of a map */
    uint64_t weight;          /* nodes below and itself, aliases as copies */
    bool is_open;             /* while it is read: an alias to it would be a cycle */
};

struct yaml_tree {
    struct yaml_node **nodes; /* all, in order of appearance; the owner */
    unsigned count, room;
    struct yaml_node *root; /* NULL: the file is empty or could not be read */
};

/* Always gives a tree; what is wrong is in the findings. */
struct yaml_tree *document_read(const char *bytes, size_t size, struct findings *findings);
void document_free(struct yaml_tree **tree);

/* The value at `key` of a map, NULL when there is none or `map` is no map (NULL included). */
const struct yaml_node *node_find(const struct yaml_node *map, const char *key);
const struct yaml_node *node_find_key(const struct yaml_node *map, const char *key); /* the key itself */
const struct yaml_node *node_item(const struct yaml_node *list, unsigned index);
/* Nothing stands there: `key:` alone, `~` or `null`. */
bool node_is_nothing(const struct yaml_node *node);

#endif
