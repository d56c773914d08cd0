/* SPDX-License-Identifier: MIT
 *
 * What a reload changes: pure. */
#include "config/findings.h"

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_texts(char **a, unsigned a_count, char **b, unsigned b_count)
{
    if (a_count != b_count)
        return false;
    for (unsigned i = 0; i < a_count; i++) {
        if (strcmp(a[i], b[i]) != 0)
            return false;
    }
    return true;
}

bool config_same_worker(const struct pool_config *a, const struct pool_config *b)
{
    return a->is_launched == b->is_launched &&
           same_texts(a->command, a->argument_count, b->command, b->argument_count) &&
           same_texts(a->environment, a->environment_count, b->environment, b->environment_count) &&
           same_text(a->directory, b->directory) && same_text(a->user, b->user) && a->bind == b->bind &&
           a->first_port == b->first_port && a->signal_up == b->signal_up &&
           a->signal_down == b->signal_down; /* one that does not know them would be stopped by them */
}

unsigned config_processes(const struct pool_config *pool)
{
    return pool->signal_up > 0 ? 1 : pool->workers;
}

static void compare_text(struct findings *findings, const char *key, const char *running, const char *next)
{
    if (!same_text(running, next))
        findings_error(findings, (struct place){0, 0}, key,
                       "expected '%s', with which drover runs, got '%s' (needs a restart)",
                       running ? running : "none", next ? next : "none");
}

void config_compare_fixed(const struct config *running, const struct config *next,
                          struct config_report *report)
{
    struct findings findings = {.file = next->path};
    char before[ADDRESS_TEXT] = "off", after[ADDRESS_TEXT] = "off";

    if (running->admin_is_on)
        address_print(&running->admin, before);
    if (next->admin_is_on)
        address_print(&next->admin, after);
    compare_text(&findings, "user", running->user, next->user);
    compare_text(&findings, "admin", before, after);
    str_format(before, sizeof before, "off");
    str_format(after, sizeof after, "off");
    if (running->statsd.size > 0)
        address_print(&running->statsd, before);
    if (next->statsd.size > 0)
        address_print(&next->statsd, after);
    compare_text(&findings, "statsd", before, after);
    compare_text(&findings, "control", running->control, next->control);
    findings_tell(&findings, report);
}
