/* SPDX-License-Identifier: MIT
 *
 * Looks for an app by the files that its kind has: the Python ones by the line that makes the application
 * object. Reads at most 64 KiB of a file and runs nothing. One thread. */
#include "config/app.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"

#define SOURCE_MAX 65536

static char *read_source(const char *directory, const char *file)
{
    char *path = mem_print("%s/%s", directory, file), *text = NULL;
    FILE *source = fopen(path, "re");

    if (source) {
        text = mem_alloc(SOURCE_MAX + 1);
        text[fread(text, 1, SOURCE_MAX, source)] = 0;
        fclose(source);
    }
    mem_free(path);
    return text;
}

static bool has_file(const char *directory, const char *file)
{
    char *path = mem_print("%s/%s", directory, file);
    bool has = access(path, R_OK) == 0;

    mem_free(path);
    return has;
}

static size_t identifier_size(const char *text)
{
    size_t size = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_");

    return *text >= '0' && *text <= '9' ? 0 : size;
}

/* The name in `app = FastAPI(`, `app: FastAPI = fastapi.FastAPI(`, at the start of a line. */
static struct slice assigned_name(const char *text, const char *call)
{
    for (const char *found = strstr(text, call); found; found = strstr(found + 1, call)) {
        const char *line = found, *before = found;
        while (line > text && line[-1] != '\n')
            line--;
        while (before > line && (before[-1] == '.' || before[-1] == '_' || identifier_size(before - 1) > 0))
            before--; /* over "fastapi." */
        while (before > line && before[-1] == ' ')
            before--;
        bool assigns = before > line + 1 && before[-1] == '=' && !memchr("=!<>:", before[-2], 5);
        if (assigns && identifier_size(line) > 0)
            return (struct slice){line, identifier_size(line)};
    }
    return (struct slice){NULL, 0};
}

/* "app/main.py" is the module app.main. */
static char *module_target(const char *file, struct slice name)
{
    size_t size = strlen(file) - 3;
    const char *last = "/__init__";

    if (size > strlen(last) && strncmp(file + size - strlen(last), last, strlen(last)) == 0)
        size -= strlen(last);
    char *target = mem_print("%.*s:%.*s", (int)size, file, (int)name.size, name.at);
    for (char *c = target; *c; c++)
        *c = *c == '/' ? '.' : *c;
    return target;
}

static bool find_python(struct app *app, const char *directory, const char *file)
{
    static const struct {
        const char *call, *framework;
        enum app_kind kind;
    } calls[] = {{"FastAPI(", "FastAPI", APP_ASGI},
                 {"Starlette(", "Starlette", APP_ASGI},
                 {"Litestar(", "Litestar", APP_ASGI},
                 {"Quart(", "Quart", APP_ASGI},
                 {"Flask(", "Flask", APP_WSGI},
                 {"Bottle(", "Bottle", APP_WSGI},
                 {"get_asgi_application(", "ASGI", APP_ASGI},
                 {"get_wsgi_application(", "WSGI", APP_WSGI}};
    char *text = read_source(directory, file);

    for (size_t i = 0; text && app->kind == APP_NONE && i < sizeof calls / sizeof *calls; i++) {
        struct slice name = assigned_name(text, calls[i].call);
        if (name.size == 0)
            continue;
        *app = (struct app){calls[i].kind, calls[i].framework, mem_dup(file), module_target(file, name)};
    }
    mem_free(text);
    return app->kind != APP_NONE;
}

/* manage.py stands beside a package with wsgi.py and asgi.py. The second is for channels; the other apps gain
 * nothing by it. */
static void find_django(struct app *app, const char *directory)
{
    DIR *entries = opendir(directory);
    struct dirent *entry;

    while (entries && app->kind == APP_NONE && (entry = readdir(entries))) {
        if (entry->d_name[0] == '.')
            continue;
        char *wsgi = mem_print("%s/wsgi.py", entry->d_name), *asgi = mem_print("%s/asgi.py", entry->d_name);
        char *text = read_source(directory, asgi);
        bool has_channels = text && strstr(text, "ProtocolTypeRouter");
        if (has_channels || (text && !has_file(directory, wsgi)))
            *app = (struct app){APP_ASGI, "Django", mem_dup(asgi),
                                mem_print("%s.asgi:application", entry->d_name)};
        else if (has_file(directory, wsgi))
            *app = (struct app){APP_WSGI, "Django", mem_dup(wsgi),
                                mem_print("%s.wsgi:application", entry->d_name)};
        mem_free(text);
        mem_free(wsgi);
        mem_free(asgi);
    }
    if (entries)
        closedir(entries);
}

/* The text at "main" in package.json, looked for without reading JSON: it must name a file that is there. */
static char *main_of_package(const char *text)
{
    const char *key = strstr(text, "\"main\""), *open = key ? strchr(key + 6, '"') : NULL;
    const char *close = open ? strchr(open + 1, '"') : NULL;

    return close ? slice_dup((struct slice){open + 1, (size_t)(close - open - 1)}) : NULL;
}

static void find_node(struct app *app, const char *directory, const char *package)
{
    static const char *const files[] = {"server.js", "index.js", "app.js", "src/server.js", "src/index.js"};
    char *main_file = main_of_package(package);

    *app = (struct app){APP_NODE, "Node.js", mem_dup("package.json"), NULL};
    if (main_file &&
        main_file[strspn(main_file, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./")] ==
            0 &&
        has_file(directory, main_file))
        app->target = mem_dup(main_file);
    for (size_t i = 0; !app->target && i < sizeof files / sizeof *files; i++)
        app->target = has_file(directory, files[i]) ? mem_dup(files[i]) : NULL;
    mem_free(main_file);
}

void app_find(struct app *app, const char *directory)
{
    static const char *const files[] = {"main.py",         "app.py",     "asgi.py", "wsgi.py",
                                        "application.py",  "server.py",  "api.py",  "app/main.py",
                                        "app/__init__.py", "src/main.py"};

    *app = (struct app){0};
    if (has_file(directory, "manage.py"))
        find_django(app, directory);
    for (size_t i = 0; app->kind == APP_NONE && i < sizeof files / sizeof *files; i++)
        find_python(app, directory, files[i]);
    if (app->kind != APP_NONE)
        return;
    char *package = read_source(directory, "package.json");
    if (package)
        find_node(app, directory, package);
    else if (has_file(directory, "config.ru"))
        *app = (struct app){APP_RACK, "Rack", mem_dup("config.ru"), NULL};
    mem_free(package);
}

void app_fini(struct app *app)
{
    mem_free(app->file);
    mem_free(app->target);
    *app = (struct app){0};
}

char *app_program(const char *directory, const char *name, bool *found)
{
    static const char *const environments[] = {".venv/bin", "venv/bin", "node_modules/.bin"};
    const char *path = getenv("PATH");

    *found = true;
    for (size_t i = 0; i < sizeof environments / sizeof *environments; i++) {
        char *candidate = mem_print("%s/%s", environments[i], name);
        if (has_file(directory, candidate))
            return candidate;
        mem_free(candidate);
    }
    char *copy = mem_dup(path ? path : "/usr/local/bin:/usr/bin:/bin"), *rest = copy, *part;
    bool on_path = false;
    while (!on_path && (part = strsep(&rest, ":")))
        on_path = *part && has_file(part, name);
    mem_free(copy);
    *found = on_path;
    return mem_dup(name);
}
