/* SPDX-License-Identifier: MIT
 *
 * Heads: what their methods promise and how a field is found in one. Pure, any thread. */
#include "http/message.h"

enum method method_of(struct slice text)
{
    static const struct {
        struct slice text;
        enum method method;
    } methods[] = {
        {{"GET", 3}, METHOD_GET},     {{"POST", 4}, METHOD_POST},       {{"HEAD", 4}, METHOD_HEAD},
        {{"PUT", 3}, METHOD_PUT},     {{"DELETE", 6}, METHOD_DELETE},   {{"OPTIONS", 7}, METHOD_OPTIONS},
        {{"PATCH", 5}, METHOD_PATCH}, {{"CONNECT", 7}, METHOD_CONNECT}, {{"TRACE", 5}, METHOD_TRACE},
    };

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
        if (slice_equal(methods[i].text, text))
            return methods[i].method;
    return METHOD_OTHER;
}

bool method_is_safe(enum method method)
{
    return method == METHOD_GET || method == METHOD_HEAD || method == METHOD_OPTIONS ||
           method == METHOD_TRACE;
}

bool method_is_idempotent(enum method method)
{
    return method_is_safe(method) || method == METHOD_PUT || method == METHOD_DELETE;
}

const struct field *head_find(const struct head *head, enum field_name name)
{
    for (unsigned i = 0; i < head->field_count; i++)
        if (head->fields[i].known == name)
            return &head->fields[i];
    return NULL;
}

const struct field *head_find_other(const struct head *head, struct slice name)
{
    for (unsigned i = 0; i < head->field_count; i++)
        if (slice_equal_nocase(head->fields[i].name, name))
            return &head->fields[i];
    return NULL;
}
