/* SPDX-License-Identifier: MIT
 *
 * Errors and warnings about one file: collected, sorted by place, bounded. Owns its texts; one thread. */
#include "config/findings.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/mem.h"

static void add(struct findings *findings, struct place place, char *text)
{
    if (findings->count == findings->room) {
        findings->room = findings->room ? 2 * findings->room : 16;
        findings->all = mem_resize(findings->all, findings->room * sizeof *findings->all);
    }
    findings->all[findings->count] = (struct finding){place, findings->count, text};
    findings->count++;
}

static void add_line(struct findings *findings, struct place place, const char *key, const char *kind,
                     const char *format, va_list arguments)
{
    char position[32] = "", message[2048];

    if (findings->errors + findings->warnings > FINDINGS_MAX)
        return;
    if (place.line > 0)
        str_format(position, sizeof position, ":%u:%u", place.line, place.column);
    vsnprintf(message, sizeof message, format, arguments);
    add(findings, place,
        mem_print("%s%s: %s%s%s%s\n", findings->file, position, kind, key && *key ? key : "",
                  key && *key ? ": " : "", message));
}

void findings_error(struct findings *findings, struct place place, const char *key, const char *format, ...)
{
    va_list arguments;

    findings->errors++;
    va_start(arguments, format);
    add_line(findings, place, key, "", format, arguments);
    va_end(arguments);
}

void findings_warning(struct findings *findings, struct place place, const char *key, const char *format, ...)
{
    va_list arguments;

    findings->warnings++;
    va_start(arguments, format);
    add_line(findings, place, key, "warning: ", format, arguments);
    va_end(arguments);
}

static int by_place(const void *a, const void *b)
{
    const struct finding *left = a, *right = b;

    if (left->place.line != right->place.line)
        return left->place.line < right->place.line ? -1 : 1;
    if (left->place.column != right->place.column)
        return left->place.column < right->place.column ? -1 : 1;
    return left->order < right->order ? -1 : 1;
}

void findings_tell(struct findings *findings, struct config_report *report)
{
    struct buffer text = {0};

    if (report->text)
        buffer_append(&text, report->text, strlen(report->text));
    if (findings->count > 1)
        qsort(findings->all, findings->count, sizeof *findings->all, by_place);
    for (unsigned i = 0; i < findings->count; i++) {
        buffer_append(&text, findings->all[i].text, strlen(findings->all[i].text));
        mem_free(findings->all[i].text);
    }
    unsigned total = findings->errors + findings->warnings;
    if (total > findings->count)
        buffer_print(&text, "%s: %u more\n", findings->file, total - findings->count);
    report->errors += findings->errors;
    report->warnings += findings->warnings;
    if (buffer_size(&text) > 0) {
        mem_free(report->text);
        report->text = slice_dup(buffer_slice(&text));
    }
    buffer_release(&text);
    mem_free(findings->all);
    *findings = (struct findings){.file = findings->file};
}

const char *quote_part(char into[QUOTE_MAX], struct slice text)
{
    static const char more[] = "...";
    size_t most = 60;
    bool cut = text.size > most;

    if (cut) {
        while (most > 0 && ((unsigned char)text.at[most] & 0xc0) == 0x80)
            most--; /* not inside a UTF-8 character */
        text.size = most;
    }
    size_t size = str_escape_controls(into, QUOTE_MAX - sizeof more, text);
    memcpy(into + size, cut ? more : "", cut ? sizeof more : 1);
    return into;
}
