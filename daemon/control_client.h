/* SPDX-License-Identifier: MIT
 *
 * Talking to the drover that runs: over its control socket, one JSON line there and one back
 * (admin/control.c is the other end). */
#ifndef DROVER_DAEMON_CONTROL_CLIENT_H
#define DROVER_DAEMON_CONTROL_CLIENT_H

#include <jansson.h>

#include "daemon/daemon.h"

struct control_target {
    char *path;           /* of the control socket */
    unsigned shutdown_ms; /* how long a stop may take; 0: no bound */
};
/* Where the drover that these words mean listens: as its file says, else the default place. A file that is
 * wrong at the moment is no obstacle. False when a file that was named cannot be read: it was told on
 * stderr. */
bool control_target_find(struct control_target *target, const struct command_line *line);
void control_target_fini(struct control_target *target);
/* The value of the top-level `control:` in a file that may be wrong elsewhere; empty when it stands in no
 * line of its own. Pure. */
struct slice control_line_find(struct slice bytes);

/* Sends `request` and waits for the answer, which the caller gives back (json_decref). *keeper (may be
 * NULL) gets a pidfd of the keeper, -1 when there is none to be had; the caller closes it. Not EXIT_GOOD:
 * *reply is NULL, and why was told on stderr. */
int control_ask(const char *path, json_t *request, unsigned timeout_ms, json_t **reply, int *keeper);
/* The same for the commands: shows the answer's text, on stderr when it is a refusal. `done`, where it is given, is
 * the word for success: any other text beside a success is a warning. Takes the reference to `request`. */
int control_command(const struct command_line *line, json_t *request, unsigned timeout_ms, const char *done);
/* The same without the search for the drover, and without giving back `request`. */
int control_tell(const char *path, json_t *request, unsigned timeout_ms, const char *done);
/* For a question whose answer may take as long as it likes: asked again when the engine that had it ends. */
int control_await(const char *path, json_t *request);
/* Waits for the end of the process, or without a pidfd until nobody listens at `path`. */
bool control_wait_gone(const char *path, int keeper, unsigned timeout_ms);

#endif
