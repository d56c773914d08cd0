/* SPDX-License-Identifier: MIT */
#include "config/yaml.h"

#include "base/mem.h"
#include "tests/unit/unit.h"

static struct yaml_tree *read_text(const char *text, char **said)
{
    struct findings findings = {.file = "t"};
    struct config_report report = {0};
    struct yaml_tree *tree = document_read(text, strlen(text), &findings);

    findings_tell(&findings, &report);
    *said = mem_dup(report.text ? report.text : "");
    config_report_fini(&report);
    return tree;
}

static struct yaml_tree *good(const char *text)
{
    char *said;
    struct yaml_tree *tree = read_text(text, &said);

    ck_assert_str_eq(said, "");
    mem_free(said);
    return tree;
}

static void bad(const char *text, const char *wanted)
{
    char *said;
    struct yaml_tree *tree = read_text(text, &said);

    ck_assert_msg(strcmp(said, wanted) == 0, "of\n%s\nit says\n%s\nnot\n%s", text, said, wanted);
    mem_free(said);
    document_free(&tree);
    ck_assert_ptr_null(tree);
}

START_TEST(nodes_know_their_places)
{
    struct yaml_tree *tree = good("a: 1\nb:\n  - x\n  - {c: 'y'}\n");
    const struct yaml_node *b = node_find(tree->root, "b"), *c = node_find(node_item(b, 1), "c");

    ck_assert_uint_eq(node_find(tree->root, "a")->place.line, 1);
    ck_assert_uint_eq(node_find(tree->root, "a")->place.column, 4);
    ck_assert_str_eq(node_item(b, 0)->text, "x");
    ck_assert_uint_eq(c->place.line, 4);
    ck_assert_uint_eq(c->place.column, 9);
    ck_assert(node_item(b, 0)->is_plain && !c->is_plain);
    ck_assert_ptr_null(node_item(b, 2));
    ck_assert_ptr_null(node_find(tree->root, "c"));
    ck_assert_ptr_null(node_find(NULL, "c"));
    document_free(&tree);
}
END_TEST

START_TEST(an_empty_file_has_no_root)
{
    struct yaml_tree *tree = good("# nothing\n");

    ck_assert_ptr_null(tree->root);
    document_free(&tree);
}
END_TEST

START_TEST(nothing_is_only_what_stands_there_without_quotes)
{
    struct yaml_tree *tree = good("[~, null, '', 'null', x]");

    ck_assert(node_is_nothing(node_item(tree->root, 0)));
    ck_assert(node_is_nothing(node_item(tree->root, 1)));
    ck_assert(!node_is_nothing(node_item(tree->root, 2)));
    ck_assert(!node_is_nothing(node_item(tree->root, 3)));
    ck_assert(!node_is_nothing(node_item(tree->root, 4)));
    ck_assert(!node_is_nothing(tree->root));
    document_free(&tree);
}
END_TEST

START_TEST(a_key_that_stands_twice_is_an_error_that_names_both_places)
{
    bad("a: 1\nb: 2\na: 3\n", "t:3:1: key 'a' stands here twice, first at 1:1\n");
    bad("x: {a: 1, a: 2, a: 3}\n", "t:1:11: key 'a' stands here twice, first at 1:5\n"
                                   "t:1:17: key 'a' stands here twice, first at 1:5\n");
}
END_TEST

START_TEST(what_is_no_yaml_is_said_with_line_and_column)
{
    bad("a:\n\t- b\n", "t:2:1: not YAML: found character that cannot start any token (while scanning for the "
                       "next token that "
                       "begins at 2:1)\n");
    bad("a: [1, 2\n",
        "t:2:1: not YAML: did not find expected ',' or ']' (while parsing a flow sequence that begins at "
        "1:4)\n");
    bad("a: b: c\n", "t:1:5: not YAML: mapping values are not allowed in this context\n");
    bad("a: 1\nb: \xff\n", "t:2:4: not YAML: invalid leading UTF-8 octet\n");
    bad("a: \x01\n", "t:1:4: not YAML: control characters are not allowed\n");
}
END_TEST

START_TEST(a_second_document_a_tag_and_a_nul_are_errors)
{
    bad("a: 1\n---\nb: 2\n", "t:2:1: expected one document, got a second one\n");
    bad("a: !!python/object x\n", "t:1:4: expected no tag, got 'tag:yaml.org,2002:python/object'\n");
    bad("a: \"x\\0y\"\n", "t:1:4: expected text, got a NUL character in it\n");
    bad("[a]: 1\n", "t:1:1: expected a plain word as a key, got a list or map\n");
    struct yaml_tree *tree = good("---\na: !!str 1\n...\n");
    ck_assert_str_eq(node_find(tree->root, "a")->text, "1");
    document_free(&tree);
}
END_TEST

START_TEST(aliases_and_merge_keys_share_what_stands_elsewhere)
{
    struct yaml_tree *tree =
        good("a: &a {x: 1, y: 2}\nb: *a\nc:\n  y: 3\n  <<: *a\nd: {<<: [{z: 4}, *a], x: 5}\n");
    const struct yaml_node *b = node_find(tree->root, "b"), *c = node_find(tree->root, "c"),
                           *d = node_find(tree->root, "d");

    ck_assert_str_eq(node_find(b, "x")->text, "1");
    ck_assert_uint_eq(c->count, 2);
    ck_assert_str_eq(node_find(c, "x")->text, "1");
    ck_assert_str_eq(node_find(c, "y")->text, "3");
    ck_assert_str_eq(node_find(d, "x")->text, "5");
    ck_assert_str_eq(node_find(d, "z")->text, "4");
    ck_assert_ptr_null(node_find(d, "<<"));
    document_free(&tree);
}
END_TEST

START_TEST(aliases_cannot_blow_up_nor_turn_in_a_circle)
{
    bad("a: *b\n", "t:1:4: '*b' names nothing (no '&' of that name above)\n");
    bad("a: &b [1, *b]\n", "t:1:11: '*b' stands inside what it names\n");
    bad("a: {<<: 1}\n", "t:1:9: <<: expected a map or a list of maps\n");
    bad("a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
        "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
        "e: [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d]\n",
        "t:4:35: more than any configuration needs (an alias counts as a copy)\n");
}
END_TEST

START_TEST(depth_and_size_are_bounded)
{
    char *said, *text = mem_alloc(YAML_BYTES_MAX + 2);
    bad("[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", "t:1:17: nested too deeply\n");

    memset(text, '#', YAML_BYTES_MAX + 1);
    text[YAML_BYTES_MAX + 1] = 0;
    struct yaml_tree *tree = read_text(text, &said);
    ck_assert_str_eq(said, "t: expected a file of at most 1m, got 1048577 bytes\n");
    mem_free(said);
    document_free(&tree);

    text[0] = '[';
    for (size_t i = 1; i < 60000; i++)
        text[i] = i % 2 ? 'x' : ',';
    text[60000] = 0;
    tree = read_text(text, &said);
    ck_assert_ptr_nonnull(strstr(said, "more than any configuration needs"));
    ck_assert_ptr_null(tree->root);
    mem_free(said);
    document_free(&tree);
    mem_free(text);
}
END_TEST

UNIT_MAIN("config/yaml", nodes_know_their_places, an_empty_file_has_no_root,
          nothing_is_only_what_stands_there_without_quotes,
          a_key_that_stands_twice_is_an_error_that_names_both_places,
          what_is_no_yaml_is_said_with_line_and_column, a_second_document_a_tag_and_a_nul_are_errors,
          aliases_and_merge_keys_share_what_stands_elsewhere, aliases_cannot_blow_up_nor_turn_in_a_circle,
          depth_and_size_are_bounded)
