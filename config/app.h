/* SPDX-License-Identifier: MIT
 *
 * Which app lives in a directory, for `drover init`. Private to config/. */
#ifndef DROVER_CONFIG_APP_H
#define DROVER_CONFIG_APP_H

#include <stdbool.h>

enum app_kind { APP_NONE, APP_ASGI, APP_WSGI, APP_NODE, APP_RACK };

struct app {
    enum app_kind kind;
    const char *framework; /* "FastAPI"; constant */
    char *file;            /* what gave it away: "app/main.py"; owned */
    char *target; /* "app.main:app" or "server.js"; owned; NULL: APP_RACK, node without such a file */
};

void app_find(struct app *app, const char *directory);
void app_fini(struct app *app);

/* Is there such a program in `directory` (a virtual environment's) or on PATH? What to write in a command,
 * owned by the caller. */
char *app_program(const char *directory, const char *name, bool *found);

#endif
