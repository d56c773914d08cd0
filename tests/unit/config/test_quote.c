/* SPDX-License-Identifier: MIT */
#include "config/quote.h"

#include "base/mem.h"
#include "config/yaml.h"
#include "tests/unit/unit.h"

static void comes_back(struct slice text)
{
    struct buffer yaml = {0};
    struct findings findings = {.file = "t"};
    struct config_report report = {0};

    buffer_print(&yaml, "{k: ");
    quote_yaml(&yaml, text);
    buffer_print(&yaml, ", l: [");
    quote_yaml(&yaml, text);
    buffer_print(&yaml, "]}\n");
    struct yaml_tree *tree = document_read(buffer_bytes(&yaml), buffer_size(&yaml), &findings);
    findings_tell(&findings, &report);
    ck_assert_msg(report.errors == 0, "%.*s: %s", (int)buffer_size(&yaml), buffer_bytes(&yaml), report.text);
    const struct yaml_node *value = node_find(tree->root, "k");
    ck_assert(slice_equal(slice_of(value->text), text));
    ck_assert(!node_is_nothing(value));
    ck_assert(slice_equal(slice_of(node_item(node_find(tree->root, "l"), 0)->text), text));
    document_free(&tree);
    config_report_fini(&report);
    buffer_release(&yaml);
}

START_TEST(every_text_comes_back_as_it_was)
{
    const char *const texts[] = {"",
                                 "a",
                                 "a b",
                                 "null",
                                 "~",
                                 "NULL",
                                 "-",
                                 "--x",
                                 "- a",
                                 "#c",
                                 "a #c",
                                 "a: b",
                                 "a:b",
                                 ":a",
                                 "a:",
                                 "[x]",
                                 "{x}",
                                 "&a",
                                 "*a",
                                 "!t",
                                 "|",
                                 ">",
                                 "'",
                                 "\"",
                                 "\\",
                                 "\\n",
                                 "%x",
                                 "@x",
                                 "`x`",
                                 "a\nb",
                                 "a\tb",
                                 " a ",
                                 "\x01\x1b\x7f",
                                 "---",
                                 "...",
                                 "--- a",
                                 "on",
                                 "1e3",
                                 "0x1f",
                                 "<<",
                                 "\xc3\xa9",
                                 "\xc2\x85",
                                 "\xc2\xa0",
                                 "\xe2\x80\xa8",
                                 "\xe2\x80\xa9",
                                 "\xef\xbb\xbf",
                                 "\xef\xbf\xbe",
                                 "\xf0\x9f\x90\x91",
                                 "?",
                                 "? a",
                                 ",",
                                 "a,b",
                                 "a\r\nb",
                                 "x: [",
                                 "=",
                                 "!!str a",
                                 "\\x41",
                                 "\xc2\x80"};

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        comes_back(slice_of(texts[i]));
}
END_TEST

START_TEST(every_pair_of_ascii_bytes_comes_back)
{
    for (int a = 1; a < 128; a++) {
        for (int b = 1; b < 128; b += a % 7 + 1) {
            char text[] = {(char)a, (char)b, 'x', 0};
            comes_back((struct slice){text, 3});
            comes_back((struct slice){text, 2});
        }
    }
}
END_TEST

START_TEST(literal_dollars_are_doubled)
{
    struct buffer into = {0};

    quote_yaml_literal(&into, SLICE("a$b"));
    ck_assert(slice_equal(buffer_slice(&into), SLICE("\"a$$b\"")));
    buffer_release(&into);
}
END_TEST

UNIT_MAIN("config/quote", every_text_comes_back_as_it_was, every_pair_of_ascii_bytes_comes_back,
          literal_dollars_are_doubled)
