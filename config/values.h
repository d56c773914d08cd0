/* SPDX-License-Identifier: MIT
 *
 * Numbers, durations, sizes, switches and their kin, from text and back: pure. Private to config/. */
#ifndef DROVER_CONFIG_VALUES_H
#define DROVER_CONFIG_VALUES_H

#include "base/str.h"

#define VALUE_TEXT 32

bool value_count(struct slice text, uint64_t *count);
bool value_duration(struct slice text, uint64_t *milliseconds); /* "250ms", "10s", "1m30s", "0.5" (seconds) */
bool value_size(struct slice text, uint64_t *bytes);            /* "512", "64k", "10m", "2g" */
bool value_factor(struct slice text, uint64_t *thousandths);    /* "2", "1.5", up to three decimals */
bool value_switch(struct slice text, bool *on);                 /* on/off, yes/no, true/false */
bool value_signal(struct slice text, int *signal);              /* "TERM", "SIGTERM" */
bool value_scale_signal(struct slice text, int *signal);        /* "TTIN", "SIGTTIN" */

const char *value_print_duration(char into[VALUE_TEXT], uint64_t milliseconds);
const char *value_print_size(char into[VALUE_TEXT], uint64_t bytes);
const char *value_print_factor(char into[VALUE_TEXT], uint64_t thousandths);
const char *value_print_signal(int signal);

#endif
