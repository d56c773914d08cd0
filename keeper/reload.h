/* SPDX-License-Identifier: MIT
 *
 * Reading the configuration anew while drover runs: the engine validates the bytes, then the keeper does, and
 * only when everything that can fail was done do both adopt them. One at a time; what is asked meanwhile is
 * one more reload afterwards. */
#ifndef DROVER_KEEPER_RELOAD_H
#define DROVER_KEEPER_RELOAD_H

#include "config/config.h"
#include "keeper/orders.h"

#define RELOAD_ASKERS_MAX 16

struct keeper;
struct engine;

struct askers {
    unsigned count;
    uint64_t references[RELOAD_ASKERS_MAX]; /* as in ORDER_RELOAD; 0: HUP */
};

struct reload {
    struct engine *engine; /* validates now; NULL: no reload is under way */
    uint64_t give_up_ms;
    char *bytes; /* what it validates */
    size_t size;
    char *in_force; /* the bytes of the configuration in force; NULL: those that drover started with */
    size_t in_force_size;
    uint64_t files_seen, files_tried; /* config_files_stamp at the last look, and of the last attempt */
    struct askers present;            /* who waits for this one */
    bool is_wanted;                   /* another one comes after it */
    bool is_for_files;                /* ... and nobody asked: files that the configuration names changed */
    struct askers next;
};

void reload_ask(struct keeper *keeper, uint64_t reference);
/* Once a second: certificates and keys that changed, and are not changing still, are read anew, with the
 * configuration in force. */
void reload_look_at_files(struct keeper *keeper);
/* begins the one that is wanted when it can; time-out */
void reload_step(struct keeper *keeper, uint64_t now_ms);
/* `report`: memfd or -1, the caller's */
void reload_validated(struct keeper *keeper, struct engine *engine, bool accepted, int report);
void reload_engine_ended(struct keeper *keeper, struct engine *engine);
void reload_free(struct keeper *keeper);

/* access log of that configuration, open for append: descriptor, -1 when it is off or stdout, else less:
 * -errno - 1 */
int access_log_open(const struct config *config);
/* USR1 */
void access_log_reopen(struct keeper *keeper);

#endif
