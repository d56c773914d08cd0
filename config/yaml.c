/* SPDX-License-Identifier: MIT
 *
 * The only user of libyaml: its events become nodes. Strict where a slip would be silent: keys that stand
 * twice, second documents, tags; bounded in depth and, against aliases of aliases, in size. One thread; owns
 * every node until document_free. */
#include "config/yaml.h"

#include <yaml.h>

#include "base/mem.h"

struct reading {
    struct yaml_tree *tree;
    struct findings *findings;
    struct yaml_node *open[YAML_DEPTH_MAX]; /* the collections around the next node, outermost first */
    struct yaml_node *key[YAML_DEPTH_MAX];  /* of each open map: the key that waits for its value */
    unsigned depth, documents;
    struct place at; /* of the event in hand; an alias' node has the place of its anchor */
    bool failed;     /* reading further makes no sense */
};

static const char too_much[] = "more than any configuration needs (an alias counts as a copy)";

static struct place place_of(yaml_mark_t mark)
{
    return (struct place){(unsigned)mark.line + 1, (unsigned)mark.column + 1};
}

static void fail(struct reading *reading, struct place place, const char *message)
{
    findings_error(reading->findings, place, NULL, "%s", message);
    reading->failed = true;
}

static struct yaml_node *node_new(struct reading *reading, enum yaml_kind kind, const yaml_event_t *event)
{
    struct yaml_tree *tree = reading->tree;
    struct yaml_node *node = mem_zero(sizeof *node);

    node->kind = kind;
    node->place = place_of(event->start_mark);
    node->weight = 1;
    if (tree->count == tree->room) {
        tree->room = tree->room ? 2 * tree->room : 64;
        tree->nodes = mem_resize(tree->nodes, tree->room * sizeof(struct yaml_node *));
    }
    tree->nodes[tree->count++] = node;
    if (tree->count > YAML_NODES_MAX)
        fail(reading, node->place, too_much);
    return node;
}

static void append(struct yaml_node *parent, struct yaml_node *key, struct yaml_node *item)
{
    if (parent->count == parent->room) {
        parent->room = parent->room ? 2 * parent->room : 8;
        parent->items = mem_resize(parent->items, parent->room * sizeof(struct yaml_node *));
        if (parent->kind == YAML_MAP)
            parent->keys = mem_resize(parent->keys, parent->room * sizeof(struct yaml_node *));
    }
    if (parent->kind == YAML_MAP)
        parent->keys[parent->count] = key;
    parent->items[parent->count++] = item;
}

static struct yaml_node *find_key(const struct yaml_node *map, const char *key)
{
    for (unsigned i = 0; i < map->count; i++) {
        if (strcmp(map->keys[i]->text, key) == 0)
            return map->keys[i];
    }
    return NULL;
}

/* A whole node is there: it goes into the collection around it, as a key, a value or an item. */
static void place_node(struct reading *reading, struct yaml_node *node)
{
    if (reading->depth == 0) {
        reading->tree->root = node;
        return;
    }
    struct yaml_node *parent = reading->open[reading->depth - 1];
    struct yaml_node **key = &reading->key[reading->depth - 1];
    if (parent->kind == YAML_MAP && !*key) {
        if (node->kind != YAML_SCALAR) {
            fail(reading, node->place, "expected a plain word as a key, got a list or map");
            return;
        }
        *key = node;
        return;
    }
    parent->weight += node->weight + 1;
    if (parent->weight > YAML_NODES_MAX)
        fail(reading, reading->at, too_much);
    struct yaml_node *first = parent->kind == YAML_MAP ? find_key(parent, (*key)->text) : NULL;
    char part[QUOTE_MAX];
    if (first)
        findings_error(reading->findings, (*key)->place, NULL, "key '%s' stands here twice, first at %u:%u",
                       quote_part(part, slice_of(first->text)), first->place.line, first->place.column);
    else
        append(parent, *key, node);
    *key = NULL;
}

/* Only what names the node's own kind passes. */
static void check_tag(struct reading *reading, const yaml_char_t *tag, struct place place)
{
    static const char *const known[] = {"str", "int", "float", "bool", "null", "seq", "map"};
    static const char core[] = "tag:yaml.org,2002:";

    if (!tag || strcmp((const char *)tag, "!") == 0)
        return;
    if (strncmp((const char *)tag, core, sizeof core - 1) == 0) {
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            if (strcmp((const char *)tag + sizeof core - 1, known[i]) == 0)
                return;
        }
    }
    char part[QUOTE_MAX];
    findings_error(reading->findings, place, NULL, "expected no tag, got '%s'",
                   quote_part(part, slice_of((const char *)tag)));
}

static void on_scalar(struct reading *reading, const yaml_event_t *event)
{
    struct yaml_node *node = node_new(reading, YAML_SCALAR, event);
    struct slice text = {(const char *)event->data.scalar.value, event->data.scalar.length};

    check_tag(reading, event->data.scalar.tag, node->place);
    if (text.size > 0 && memchr(text.at, 0, text.size)) {
        findings_error(reading->findings, node->place, NULL, "expected text, got a NUL character in it");
        text.size = 0;
    }
    node->text = slice_dup(text);
    node->anchor = mem_dup((const char *)event->data.scalar.anchor);
    node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    place_node(reading, node);
}

static void on_open(struct reading *reading, const yaml_event_t *event, enum yaml_kind kind)
{
    bool is_map = kind == YAML_MAP;
    struct yaml_node *node = node_new(reading, kind, event);

    check_tag(reading, is_map ? event->data.mapping_start.tag : event->data.sequence_start.tag, node->place);
    node->anchor = mem_dup(
        (const char *)(is_map ? event->data.mapping_start.anchor : event->data.sequence_start.anchor));
    if (reading->depth == YAML_DEPTH_MAX) {
        fail(reading, node->place, "nested too deeply");
        return;
    }
    node->is_open = true;
    reading->key[reading->depth] = NULL;
    reading->open[reading->depth++] = node;
}

/* `<<: *name` or `<<: [*one, *two]`: the keys of those maps that do not stand here (YAML merge key,
 * yaml.org/type/merge). */
static void merge_one(struct reading *reading, struct yaml_node *map, const struct yaml_node *from)
{
    if (from->kind != YAML_MAP) {
        findings_error(reading->findings, from->place, "<<", "expected a map or a list of maps");
        return;
    }
    for (unsigned i = 0; i < from->count; i++) {
        if (find_key(map, from->keys[i]->text))
            continue;
        append(map, from->keys[i], from->items[i]);
        map->weight += from->items[i]->weight + 1;
    }
}

static void merge(struct reading *reading, struct yaml_node *map)
{
    unsigned at = 0;

    while (at < map->count && !(map->keys[at]->is_plain && strcmp(map->keys[at]->text, "<<") == 0))
        at++;
    if (at == map->count)
        return;
    struct yaml_node *from = map->items[at];
    map->count--;
    for (unsigned i = at; i < map->count; i++) {
        map->keys[i] = map->keys[i + 1];
        map->items[i] = map->items[i + 1];
    }
    if (from->kind != YAML_LIST)
        merge_one(reading, map, from);
    for (unsigned i = 0; from->kind == YAML_LIST && i < from->count; i++)
        merge_one(reading, map, from->items[i]);
    if (map->weight > YAML_NODES_MAX)
        fail(reading, map->place, too_much);
}

static void on_close(struct reading *reading)
{
    struct yaml_node *node = reading->open[--reading->depth];

    node->is_open = false;
    if (node->kind == YAML_MAP)
        merge(reading, node);
    place_node(reading, node);
}

static void on_alias(struct reading *reading, const yaml_event_t *event)
{
    const char *name = (const char *)event->data.alias.anchor;
    struct yaml_node *found = NULL;
    char part[QUOTE_MAX];

    for (unsigned i = reading->tree->count; !found && i-- > 0;) {
        struct yaml_node *node = reading->tree->nodes[i];
        if (node->anchor && strcmp(node->anchor, name) == 0)
            found = node; /* the last one of that name counts */
    }
    if (found && !found->is_open) {
        place_node(reading, found);
        return;
    }
    findings_error(reading->findings, reading->at, NULL,
                   found ? "'*%s' stands inside what it names"
                         : "'*%s' names nothing (no '&' of that name above)",
                   quote_part(part, slice_of(name)));
    reading->failed = true;
}

static void on_event(struct reading *reading, const yaml_event_t *event)
{
    reading->at = place_of(event->start_mark);
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++reading->documents > 1)
            fail(reading, reading->at, "expected one document, got a second one");
        break;
    case YAML_SCALAR_EVENT: on_scalar(reading, event); break;
    case YAML_SEQUENCE_START_EVENT: on_open(reading, event, YAML_LIST); break;
    case YAML_MAPPING_START_EVENT: on_open(reading, event, YAML_MAP); break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: on_close(reading); break;
    case YAML_ALIAS_EVENT: on_alias(reading, event); break;
    default: break;
    }
}

/* libyaml tells a place for its syntax errors, but only an offset for bytes that are no text. */
static struct place place_of_offset(const char *bytes, size_t size, size_t offset)
{
    struct place place = {1, 1};

    for (size_t i = 0; i < size && i < offset; i++) {
        if (bytes[i] == '\n')
            place = (struct place){place.line + 1, 1};
        else
            place.column++;
    }
    return place;
}

static void on_problem(struct reading *reading, const yaml_parser_t *parser, const char *bytes, size_t size)
{
    struct place place = place_of(parser->problem_mark);
    const char *problem = parser->problem ? parser->problem : "cannot be read";

    if (parser->error == YAML_READER_ERROR)
        place = place_of_offset(bytes, size, parser->problem_offset);
    if (parser->context)
        findings_error(reading->findings, place, NULL, "not YAML: %s (%s that begins at %u:%u)", problem,
                       parser->context, (unsigned)parser->context_mark.line + 1,
                       (unsigned)parser->context_mark.column + 1);
    else
        findings_error(reading->findings, place, NULL, "not YAML: %s", problem);
    reading->failed = true;
}

struct yaml_tree *document_read(const char *bytes, size_t size, struct findings *findings)
{
    struct reading reading = {.tree = mem_zero(sizeof(struct yaml_tree)), .findings = findings};
    yaml_parser_t parser;
    bool ended = false;

    if (size > YAML_BYTES_MAX) {
        findings_error(findings, (struct place){0, 0}, NULL, "expected a file of at most 1m, got %zu bytes",
                       size);
        return reading.tree;
    }
    if (!yaml_parser_initialize(&parser)) {
        findings_error(findings, (struct place){0, 0}, NULL, "not enough memory to read it");
        return reading.tree;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)bytes, size);
    while (!ended && !reading.failed) {
        yaml_event_t event;
        if (!yaml_parser_parse(&parser, &event)) {
            on_problem(&reading, &parser, bytes, size);
            break;
        }
        ended = event.type == YAML_STREAM_END_EVENT;
        on_event(&reading, &event);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (reading.failed)
        reading.tree->root = NULL;
    return reading.tree;
}

void document_free(struct yaml_tree **tree)
{
    if (!*tree)
        return;
    for (unsigned i = 0; i < (*tree)->count; i++) {
        struct yaml_node *node = (*tree)->nodes[i];
        mem_free(node->text);
        mem_free(node->anchor);
        mem_free(node->keys);
        mem_free(node->items);
        mem_free(node);
    }
    mem_free((*tree)->nodes);
    mem_free(*tree);
    *tree = NULL;
}

const struct yaml_node *node_find(const struct yaml_node *map, const char *key)
{
    if (!map || map->kind != YAML_MAP)
        return NULL;
    for (unsigned i = 0; i < map->count; i++) {
        if (strcmp(map->keys[i]->text, key) == 0)
            return map->items[i];
    }
    return NULL;
}

const struct yaml_node *node_find_key(const struct yaml_node *map, const char *key)
{
    return map && map->kind == YAML_MAP ? find_key(map, key) : NULL;
}

const struct yaml_node *node_item(const struct yaml_node *list, unsigned index)
{
    return list && list->kind == YAML_LIST && index < list->count ? list->items[index] : NULL;
}

bool node_is_nothing(const struct yaml_node *node)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};

    for (size_t i = 0; node->kind == YAML_SCALAR && node->is_plain && i < sizeof words / sizeof *words; i++) {
        if (strcmp(node->text, words[i]) == 0)
            return true;
    }
    return false;
}
